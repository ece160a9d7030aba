//! Tests of how a run goes on: what is in flight at once, over how many connections, what is heard of it, and how it is ended.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::ports::PortError;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::{Barrier, Notify};

use super::*;

/// Answers an invocation only when so many are in flight, and remembers the most that ever were.
struct Together {
    barrier: Barrier,
    now: Cell<usize>,
    most: Cell<usize>,
}

impl Together {
    fn of(count: usize) -> Self {
        Self { barrier: Barrier::new(count), now: Cell::default(), most: Cell::default() }
    }
}

impl Invoke for Together {
    fn target(&self) -> Result<String, String> {
        Ok("overflow:2".to_owned())
    }

    async fn invoke(&self, _payload: &[u8]) -> Result<Invoked, PortError> {
        self.now.set(self.now.get() + 1);
        self.most.set(self.most.get().max(self.now.get()));
        self.barrier.wait().await;
        self.now.set(self.now.get() - 1);
        Ok(Invoked { payload: "{}".to_owned(), function_error: None })
    }
}

fn invocations(count: usize) -> Value {
    (0..count).map(|n| json!({ "name": format!("c{n}"), "invoke": {} })).collect()
}

#[test]
fn fifty_checks_are_all_in_flight_at_once_and_cost_the_engine_next_to_nothing() {
    testkit::run(async {
        let together = Together::of(50);
        let polls = Cell::new(0);
        let mut run = pin!(run_at("http://nowhere", invocations(50), &together, BUDGET));
        let findings = poll_fn(|context| {
            polls.set(polls.get() + 1);
            run.as_mut().poll(context)
        })
        .await;
        // Each is answered only because all the others have been sent.
        assert!(findings.iter().all(|finding| finding.outcome == Outcome::Pass), "{findings:?}");
        assert_eq!(together.most.get(), 50);
        assert!(polls.get() <= 2 * 50, "the engine was woken {} times for 50 checks", polls.get());
    });
}

#[test]
fn no_more_than_sixty_four_are_in_flight() {
    testkit::run(async {
        let together = Together::of(64);
        let findings = run_at("http://nowhere", invocations(128), &together, BUDGET).await;
        assert!(findings.iter().all(|finding| finding.outcome == Outcome::Pass), "{findings:?}");
        assert_eq!(together.most.get(), 64);
    });
}

/// A server that keeps its connections open (RFC 9112, 9.3), and counts them.
async fn keeping_open() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let (reading, mut writing) = stream.into_split();
                let mut lines = BufReader::new(reading).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                    if line.is_empty() && writing.write_all(answer).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    (url, connections)
}

#[test]
fn one_connection_serves_checks_that_follow_each_other() {
    testkit::run(async {
        let (url, connections) = keeping_open().await;
        let list = (0..20)
            .map(|n| match n {
                0 => json!({ "name": "c0", "get": "/" }),
                n => json!({ "name": format!("c{n}"), "get": "/", "needs": [format!("c{}", n - 1)] }),
            })
            .collect();
        let findings = run_at(&url, list, &no_version(), BUDGET).await;
        assert!(findings.iter().all(|finding| finding.outcome == Outcome::Pass), "{findings:?}");
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    });
}

/// Writes down what it hears, and ends the run when it is told to.
#[derive(Default)]
struct Listener {
    heard: RefCell<Vec<String>>,
    stop: Notify,
    stop_when: Option<&'static str>,
}

impl Watcher for Listener {
    fn hear(&self, event: Event<'_>) {
        let line = match event {
            Event::Begun { index } => format!("{index} begins"),
            Event::Retrying { index, tried, observed, pause } => {
                format!("{index} again after {tried}: {observed}; {}", spoken(pause))
            }
            Event::Ended { index, finding } => format!("{index} {}", finding.outcome.word()),
        };
        if self.stop_when == Some(line.as_str()) {
            self.stop.notify_one();
        }
        self.heard.borrow_mut().push(line);
    }

    async fn stop(&self) {
        self.stop.notified().await;
    }
}

async fn heard_at(url: &str, list: Value, listener: &Listener) -> Vec<Finding> {
    let checks = checks(list);
    let suite = Suite { checks: &checks, base: Ok(url.to_owned()), variables: Variables::new() };
    watched(&suite, &HttpClient::new(Clock::system()), &no_version(), BUDGET, listener).await
}

#[test]
fn every_step_of_a_check_is_heard() {
    testkit::run(async {
        let server = Server::start(|seen| match seen.path.as_str() {
            "/flaky" if seen.number == 0 => Reply::new(503, "busy"),
            "/flaky" => Reply::new(200, ""),
            _ => Reply::new(500, ""),
        })
        .await;
        let list = json!([
            { "name": "flaky", "get": "/flaky", "retries": { "times": 1, "backoff": "10ms" } },
            { "name": "warns", "get": "/", "needs": ["flaky"], "severity": "warn" },
            { "name": "needs", "get": "/", "needs": ["warns"] }
        ]);
        let listener = Listener::default();
        let findings = heard_at(&server.url, list, &listener).await;
        let expected = [
            "0 begins",
            "0 again after 1: status 503, body `busy`; 10 ms",
            "0 degraded",
            "1 begins",
            "1 degraded",
            // It has not passed, although it does not decide either.
            "2 inconclusive",
        ];
        assert_eq!(*listener.heard.borrow(), expected);
        assert_eq!(findings.len(), 3);
    });
}

#[test]
fn a_run_that_is_stopped_still_cleans_up() {
    testkit::run(async {
        let server = Server::start(|seen| match seen.path.as_str() {
            "/hangs" => Reply::new(200, "").after(Duration::from_mins(1)),
            _ => Reply::new(201, r#"{"id": 7}"#),
        })
        .await;
        let list = json!([
            { "name": "create", "post": "/orders", "capture": { "id": "$.id" } },
            { "name": "hangs", "get": "/hangs" },
            { "name": "later", "get": "/", "needs": ["hangs"] },
            { "name": "remove", "delete": "/orders/{{ id }}", "always": true }
        ]);
        let listener = Listener { stop_when: Some("0 pass"), ..Listener::default() };
        let findings = heard_at(&server.url, list, &listener).await;
        assert_eq!(
            outcomes(&findings),
            [
                ("create", Outcome::Pass),
                ("hangs", Outcome::Inconclusive),
                ("later", Outcome::Inconclusive),
                ("remove", Outcome::Pass)
            ]
        );
        assert_eq!(findings[1].observed, "the run was stopped; cancelled during try 1");
        assert_eq!(findings[2].observed, "the run was stopped; not begun");
        assert!(server.asked().contains(&"DELETE /orders/7".to_owned()), "{:?}", server.asked());
    });
}
