//! Our Runtime API beside AWS's own Runtime Interface Emulator: the same function under both, the same answers. Runs where the variable
//! `GREENLIGHT_RIE` names the emulator (it ships in the `aws-sam-cli` wheel; `.ci/run` finds it there).

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use outbound::{HttpClient, HttpResponse};
use rehearsal::run::{Runner, Setting};
use rehearsal::scenario::Scenario;
use rehearsal::template::Template;
use rehearsal::world::World;
use serde_json::{Value, json};

use crate::project::{project, root};

const FUNCTION: &str = env!("CARGO_BIN_EXE_obedient-function");
const TEMPLATE: &str = "
Transform: AWS::Serverless-2016-10-31
Resources:
  Obedient:
    Type: AWS::Serverless::Function
    Metadata: { BuildMethod: rust-cargolambda, BuildProperties: { Binary: obedient-function } }
    Properties: { FunctionName: obedient, Handler: bootstrap, Runtime: provided.al2023, CodeUri: ./, Timeout: 2 }
";

/// The setting of a fleet that is this one function.
pub(crate) fn obedient(folder: &str) -> Setting {
    Setting {
        template: Arc::new(Template::read(TEMPLATE, &BTreeMap::new()).expect("the template")),
        config: project().config.clone(),
        config_text: project().config_text.clone(),
        binaries: BTreeMap::from([("obedient-function".to_owned(), PathBuf::from(FUNCTION))]),
        folder: root().join("target/rehearsal/tests").join(folder),
    }
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

async fn invoke(http: &HttpClient, url: &str, event: &Value) -> HttpResponse {
    let request = http::Request::post(url).body(event.to_string().into_bytes()).expect("a request");
    http.send(request, Duration::from_secs(20)).await.expect("an answer")
}

/// What can be compared: ids, times and ports differ, everything else must not. Of a failure it is what the caller is told; the emulator wraps
/// that in a status of its own, where Lambda's Invoke answers 200 with a header.
fn comparable(answer: &HttpResponse) -> Value {
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let told = ["Task timed out after 2.00 seconds", "Runtime exited with error: exit status 3", "as asked"];
    if let Some(told) = told.iter().find(|told| text.contains(*told)) {
        return json!({ "told": told });
    }
    let mut body: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    if let Some(map) = body.as_object_mut() {
        let granted = map.remove("deadline_ms").and_then(|ms| ms.as_i64()).map(|ms| ms - Clock::system().now().0);
        map.insert("deadline_within_the_timeout".to_owned(), json!(granted.is_some_and(|ms| (0..=2000).contains(&ms))));
        // The emulator makes the ARN up from nothing.
        map.remove("arn");
        if let Some(headers) = map.get_mut("headers").and_then(Value::as_array_mut) {
            // Lambda sends it (Runtime API reference); the emulator, which has no X-Ray, does not.
            headers.retain(|name| name != "lambda-runtime-trace-id");
        }
    }
    json!({ "status": answer.status, "body": body })
}

/// A fresh emulator: it serves one function and starts it when it is first invoked.
fn emulator(rie: &str) -> (Ended, String) {
    let (address, api) = (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
    let child = Command::new(rie)
        .args(["--runtime-interface-emulator-address", &address, "--runtime-api-address", &api, FUNCTION])
        .env("AWS_LAMBDA_FUNCTION_TIMEOUT", "2")
        .env("AWS_LAMBDA_FUNCTION_NAME", "obedient")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the emulator starts");
    (Ended(child), format!("http://{address}/2015-03-31/functions/function/invocations"))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "where the emulator is comes from outside")]
fn the_runtime_api_behaves_as_awss_own_emulator() {
    let Ok(rie) = std::env::var("GREENLIGHT_RIE") else {
        println!("GREENLIGHT_RIE is not set: the comparison with AWS's emulator runs in .ci/run");
        return;
    };
    let setting = obedient("conformance");
    let template = Arc::clone(&setting.template);
    let world = World::starting_at(Clock::system().now(), template, setting.config.clone(), Scenario::for_serve());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let runner = Runner::open(setting, world, 0, true).await.expect("the rehearsal opens");
        let ours: SocketAddr = runner.address();
        let http = HttpClient::new(Clock::system());
        let ask = async {
            for event in [
                json!({ "do": "echo", "text": "hé" }),
                json!({ "do": "fail" }),
                json!({ "do": "exit" }),
                json!({ "do": "sleep" }),
            ] {
                let (_emulator, theirs) = emulator(&rie);
                // The emulator needs a moment to listen; there is no other sign of it.
                let mut tries = 0;
                while tokio::net::TcpStream::connect(theirs.split('/').nth(2).expect("a host")).await.is_err() {
                    tries += 1;
                    assert!(tries < 500, "the emulator does not listen");
                    Clock::system().sleep(Duration::from_millis(10)).await;
                }
                let expected = comparable(&invoke(&http, &theirs, &event).await);
                let url = format!("http://{ours}/2015-03-31/functions/obedient/invocations");
                let seen = comparable(&invoke(&http, &url, &event).await);
                println!("{event}: {expected}");
                assert_eq!(seen, expected, "{event}");
            }
        };
        let (done, stop) = tokio::sync::oneshot::channel::<()>();
        let serving = runner.serve(
            async {
                let _ = stop.await;
            },
            |_| {},
        );
        let (served, ()) = tokio::join!(serving, async {
            ask.await;
            let _ = done.send(());
        });
        served.expect("the rehearsal serves");
    });
}
