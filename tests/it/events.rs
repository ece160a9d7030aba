//! Every sample in `events/`, invoked as `cargo lambda invoke` does.

use std::time::Duration;

use clock::Clock;
use outbound::HttpClient;
use rehearsal::run::Runner;
use rehearsal::scenario::Scenario;
use rehearsal::world::World;
use serde_json::Value;

use crate::project::{root, setting};

#[test]
fn each_function_answers_each_of_its_samples() {
    let setting = setting("events");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut world = World::starting_at(
            Clock::system().now(),
            setting.template.clone(),
            setting.config.clone(),
            Scenario::for_serve(),
        );
        world.open_for_samples();
        let runner = Runner::open(setting, world, 0, true).await.expect("the rehearsal opens");
        let address = runner.address();
        let (done, stop) = tokio::sync::oneshot::channel::<()>();
        let ask = async move {
            let http = HttpClient::new(Clock::system());
            let mut asked = 0;
            let mut folders: Vec<_> = std::fs::read_dir(root().join("events")).expect("events").flatten().collect();
            folders.sort_by_key(std::fs::DirEntry::file_name);
            for folder in folders.iter().filter(|entry| entry.path().is_dir()) {
                let function = folder.file_name().to_string_lossy().into_owned();
                let mut samples: Vec<_> = std::fs::read_dir(folder.path()).expect("samples").flatten().collect();
                samples.sort_by_key(std::fs::DirEntry::file_name);
                for sample in samples {
                    let body = std::fs::read(sample.path()).expect("readable");
                    let url = format!("http://{address}/2015-03-31/functions/{function}/invocations");
                    let request = http::Request::post(url).body(body).expect("a request");
                    let answer = http.send(request, Duration::from_secs(90)).await.expect("an answer");
                    let text = String::from_utf8_lossy(&answer.body).into_owned();
                    let name = format!("{function}/{}", sample.file_name().to_string_lossy());
                    println!("{name}: {text}");
                    assert_eq!(answer.status, 200, "{name}: {text}");
                    assert!(answer.headers.get("x-amz-function-error").is_none(), "{name}: {text}");
                    assert!(
                        serde_json::from_str::<Value>(&text).is_ok_and(|value| value.is_object()),
                        "{name}: {text}"
                    );
                    asked += 1;
                }
            }
            assert!(asked >= 20, "there are samples for every function");
            let _ = done.send(());
        };
        let serving = runner.serve(
            async {
                let _ = stop.await;
            },
            |_| {},
        );
        let (served, ()) = tokio::join!(serving, ask);
        served.expect("the rehearsal serves");
    });
}
