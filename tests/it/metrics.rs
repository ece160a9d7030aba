//! The published metrics, seen by whoever asks CloudWatch over the wire after a run: with the SDK, and byte by byte in its protocol.

use std::sync::Arc;
use std::time::Duration;

use aws::Aws;
use ciborium::Value as Cbor;
use clock::Clock;
use domain::ports::{Measure, Metrics};
use domain::time::Timestamp;
use outbound::HttpClient;
use rehearsal::run::Runner;
use rehearsal::scenario::Scenario;
use rehearsal::world::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::project::{run, scenario, setting, setting_for};

const NAMESPACE: &str = "Greenlight";
const GROUP: [(&str, &str); 3] =
    [("Application", "mangaassist"), ("DeploymentGroup", "orchestrator"), ("Environment", "production")];

/// A metric's name and its dimensions.
type Metric<'a> = (&'a str, &'a [(&'a str, &'a str)]);

/// The SDK's client, at this address.
fn sdk(address: std::net::SocketAddr) -> Aws {
    let lookup = move |name: &str| {
        let value = match name {
            "AWS_REGION" => "eu-west-1".to_owned(),
            "AWS_ACCESS_KEY_ID" => "AKIDEXAMPLE".to_owned(),
            "AWS_SECRET_ACCESS_KEY" => "secret".to_owned(),
            "AWS_ENDPOINT_URL" => format!("http://{address}"),
            _ => return None,
        };
        Some(value)
    };
    Aws::new(lookup, HttpClient::new(Clock::system()))
}

/// Asks for the sums of metrics by `GetMetricData` as Smithy's RPC v2 writes it in CBOR: HTTP by hand.
async fn sums(address: std::net::SocketAddr, from: Timestamp, queries: &[Metric<'_>]) -> Vec<Vec<f64>> {
    let text = |text: &str| Cbor::Text(text.to_owned());
    let map = |members: Vec<(&str, Cbor)>| {
        Cbor::Map(members.into_iter().map(|(name, value)| (Cbor::Text(name.to_owned()), value)).collect())
    };
    let at = |seconds: f64| Cbor::Tag(1, Box::new(Cbor::Float(seconds)));
    let query = |(number, (name, dimensions)): (usize, &Metric<'_>)| {
        let dimension = |(name, value): &(&str, &str)| map(vec![("Name", text(name)), ("Value", text(value))]);
        let metric = map(vec![
            ("Namespace", text(NAMESPACE)),
            ("MetricName", text(name)),
            ("Dimensions", Cbor::Array(dimensions.iter().map(dimension).collect())),
        ]);
        let stat = map(vec![("Metric", metric), ("Period", Cbor::Integer(86_400.into())), ("Stat", text("Sum"))]);
        map(vec![("Id", text(&format!("q{number}"))), ("MetricStat", stat)])
    };
    let input = map(vec![
        ("MetricDataQueries", Cbor::Array(queries.iter().enumerate().map(query).collect())),
        ("StartTime", at(from.seconds())),
        ("EndTime", at(from.seconds() + 86_400.0)),
    ]);
    let mut body = Vec::new();
    ciborium::into_writer(&input, &mut body).expect("the input can be written");
    let head = format!(
        "POST /service/GraniteServiceVersion20100801/operation/GetMetricData HTTP/1.1\r\nhost: {address}\r\n\
         smithy-protocol: rpc-v2-cbor\r\ncontent-type: application/cbor\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.expect("the endpoint listens");
    stream.write_all(head.as_bytes()).await.expect("the request can be sent");
    stream.write_all(&body).await.expect("the request can be sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("the answer can be read");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("the answer has a head");
    let (head, body) = answer.split_at(end + 4);
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    let output: Cbor = ciborium::from_reader(body).expect("the answer is CBOR");
    let member = |value: &Cbor, name: &str| -> Vec<Cbor> {
        let members = value.as_map().expect("a map").iter();
        let mut found = members.filter(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value);
        found.next().and_then(Cbor::as_array).cloned().expect("a list")
    };
    let results = member(&output, "MetricDataResults");
    results
        .iter()
        .map(|result| member(result, "Values").iter().map(|value| value.as_float().expect("a double")).collect())
        .collect()
}

#[test]
fn what_a_deployment_published_comes_back_over_the_wire() {
    let played = scenario("healthy");
    let (mut world, _) = run(setting_for(&played), &played);
    let from = world.now().minus(Duration::from_hours(6));
    let at = {
        let mut published = world.record().metrics().iter();
        published.find(|point| point.name == "Deployments").expect("the deployment was counted").at
    };
    world.open_to_anybody();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut runner = Runner::open(setting("wire"), world, 0, true).await.expect("the rehearsal opens");
        let address = runner.address();
        let asked = async {
            let environment = ("Environment", "elsewhere");
            let by_hand = sums(
                address,
                from,
                &[
                    ("Deployments", &[]),
                    ("Deployments", &GROUP),
                    ("DeploymentFailed", &[]),
                    ("Deployments", &[environment]),
                ],
            )
            .await;
            // A sum of no value at all is no point, one of a 0 is.
            assert_eq!(by_hand, [vec![1.0], vec![1.0], vec![0.0], vec![]]);
            let shown = async |name: &'static str, dimensions: &[(&'static str, &str)]| {
                let dimensions = dimensions.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
                let measure = Measure { name, unit: "Count", value: 0.0, at, dimensions };
                sdk(address).metrics(NAMESPACE).shown(&measure).await.expect("CloudWatch answers")
            };
            assert_eq!(shown("Deployments", &GROUP).await as u64, 1);
            assert_eq!(shown("Deployments", &[environment]).await as u64, 0);
        };
        runner.attend(asked).await.expect("the world answers");
    });
}

#[test]
fn what_anybody_publishes_shows_as_late_as_the_scenario_says() {
    let text = "name: late\ntitle: t\nfaults: [metrics_show_after: 90s]\ndeployments: [{ service: orchestrator, at: 10h }]\nexpect: []\n";
    let late = Scenario::parse("late.yaml", text).expect("it can be read");
    let setting = setting("late-metrics");
    let mut world = World::new(Arc::clone(&setting.template), setting.config.clone(), late);
    world.open_to_anybody();
    let at = world.now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut runner = Runner::open(setting, world, 0, true).await.expect("the rehearsal opens");
        let metrics = sdk(runner.address()).metrics(NAMESPACE);
        let dimensions = vec![("Environment", "production".to_owned())];
        let measure = Measure { name: "Rework", unit: "Count", value: 1.0, at, dimensions };
        let published = runner.attend(metrics.publish(std::slice::from_ref(&measure))).await;
        published.expect("the world answers").expect("CloudWatch takes it");
        let shown = runner.attend(metrics.shown(&measure)).await.expect("the world answers");
        assert_eq!(shown.expect("CloudWatch answers") as u64, 0, "not yet");
        runner.advance(Duration::from_secs(90));
        let shown = runner.attend(metrics.shown(&measure)).await.expect("the world answers");
        assert_eq!(shown.expect("CloudWatch answers") as u64, 1, "but after a while");
    });
}
