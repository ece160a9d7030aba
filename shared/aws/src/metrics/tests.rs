//! What goes to CloudWatch and what its answers are taken for, over its wire protocol (Smithy RPC v2 CBOR).

use ciborium::Value;
use domain::time::Timestamp;

use super::*;
use crate::testing::{Canned, Server, serve};

fn measure(value: usize) -> Measure {
    let dimensions = vec![("Service", "x".repeat(value))];
    Measure { name: "Deployments", unit: "Count", value: 1.0, at: Timestamp(1_767_603_659_999), dimensions }
}

fn map(entries: Vec<(&str, Value)>) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

fn cbor(status: u16, value: &Value) -> Canned {
    let mut body = Vec::new();
    ciborium::into_writer(value, &mut body).unwrap();
    Canned::status(status, body).header("smithy-protocol", "rpc-v2-cbor").header("content-type", "application/cbor")
}

/// CloudWatch's errors have these names ("PutMetricData" and "Common Error Types", CloudWatch API reference).
fn error(status: u16, code: &str) -> Canned {
    cbor(status, &map(vec![("__type", format!("com.amazonaws.cloudwatch#{code}").into()), ("message", "no".into())]))
}

fn count(server: &Server, operation: &str) -> usize {
    (0..server.count()).filter(|index| server.request(*index).line.contains(operation)).count()
}

#[test]
fn a_request_stays_within_both_limits_and_nothing_is_lost() {
    let small = vec![measure(10); 2500];
    assert_eq!(parts(&small).iter().map(|part| part.len()).collect::<Vec<_>>(), [1000, 1000, 500]);
    let large = vec![measure(1024); 1000];
    assert!(parts(&large).len() > 2);
    assert_eq!(parts(&large).iter().map(|part| part.len()).sum::<usize>(), 1000);
    assert!(parts(&[]).is_empty());
}

#[tokio::test]
async fn what_cloudwatch_refuses_was_not_taken_and_of_anything_else_that_is_not_known() {
    let cases = [
        (error(400, "ThrottlingException"), true, true),
        (error(400, "InvalidParameterValue"), true, false),
        (error(403, "AccessDeniedException"), true, false),
        // No body that the SDK could read: the status tells.
        (Canned::status(429, "slow down"), true, true),
        (error(500, "InternalServiceFault"), false, true),
        (Canned::status(503, ""), false, true),
    ];
    for (index, (answer, is_refused, is_transient)) in cases.into_iter().enumerate() {
        let (aws, server) = serve(vec![answer]);
        let failed = aws.metrics("Greenlight").publish(&[measure(1)]).await.unwrap_err();
        let (was_refused, error) = match failed {
            Unpublished::Refused(error) => (true, error),
            Unpublished::Unanswered(error) => (false, error),
        };
        assert_eq!((was_refused, error.is_transient()), (is_refused, is_transient), "{index}: {error}");
        assert!(error.to_string().starts_with("PutMetricData of `Greenlight`"), "{error}");
        // The server would have hung up on a second request, and that would be another error.
        assert_eq!(count(&server, "/operation/PutMetricData"), 1, "{index}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_off_leaves_it_open_and_one_that_never_was_does_not() {
    let metrics = |port: u16| {
        let url = format!("http://127.0.0.1:{port}");
        let lookup = move |name: &str| match name {
            "AWS_ENDPOINT_URL" => Some(url.clone()),
            "AWS_REGION" => Some("us-east-1".to_owned()),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("x".to_owned()),
            _ => None,
        };
        crate::Aws::new(lookup, outbound::HttpClient::new(clock::Clock::system())).metrics("Greenlight")
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let hangs_up = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // The request is read, and may have been carried out; then the server is gone.
        let _ = std::io::Read::read(&mut stream, &mut [0; 1024]);
    });
    let failed = metrics(port).publish(&[measure(1)]).await.unwrap_err();
    assert!(matches!(failed, Unpublished::Unanswered(_)), "{failed}");
    hangs_up.join().unwrap();
    // Nobody listens there any more.
    let failed = metrics(port).publish(&[measure(1)]).await.unwrap_err();
    assert!(matches!(failed, Unpublished::Refused(_)), "{failed}");
}

#[tokio::test]
async fn a_refusal_after_a_part_that_was_taken_leaves_it_open() {
    let (aws, server) = serve(vec![cbor(200, &map(Vec::new())), error(400, "ThrottlingException")]);
    let failed = aws.metrics("Greenlight").publish(&vec![measure(10); 1001]).await.unwrap_err();
    assert!(matches!(failed, Unpublished::Unanswered(_)), "{failed}");
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn what_shows_is_the_number_of_values_in_the_minute() {
    // The fields of `Datapoint` in the CloudWatch API reference.
    let point = map(vec![("SampleCount", 2.0.into()), ("Unit", "Count".into())]);
    let (aws, server) = serve(vec![
        cbor(200, &map(vec![("Label", "Deployments".into()), ("Datapoints", Value::Array(vec![point]))])),
        cbor(200, &map(vec![("Label", "Deployments".into())])),
        error(400, "ThrottlingException"),
        cbor(200, &map(vec![("Datapoints", Value::Array(Vec::new()))])),
    ]);
    let metrics = aws.metrics("Greenlight");
    assert!((metrics.shown(&measure(3)).await.unwrap() - 2.0).abs() < f64::EPSILON);
    assert!(metrics.shown(&measure(3)).await.unwrap().abs() < f64::EPSILON);
    // To ask again does no harm.
    assert!(metrics.shown(&measure(3)).await.unwrap().abs() < f64::EPSILON);
    assert_eq!(count(&server, "/operation/GetMetricStatistics"), 4);
    for part in ["Greenlight", "Deployments", "SampleCount", "Service", "xxx"] {
        assert!(server.request(0).body.contains(part), "{part}");
    }
}

#[test]
fn the_minute_of_a_value_begins_at_its_full_minute() {
    // 2026-01-05T09:00:59.999Z belongs to 09:00.
    let (from, to) = minute_of(&measure(1));
    assert_eq!((from.secs(), to.secs()), (1_767_603_600, 1_767_603_660));
}
