//! Tests of the two conversations against servers made of the field's own libraries.

use std::convert::Infallible;
use std::time::Duration;

use clock::Clock;
use domain::config::Check;
use domain::hook::{Finding, Outcome};
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use outbound::HttpClient;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::{NoVersion, Suite, Variables, run};

async fn find(url: &str, list: Value) -> Vec<Finding> {
    let checks: Vec<Check> = serde_json::from_value(list).unwrap();
    let suite = Suite { checks: &checks, base: Ok(url.to_owned()), variables: Variables::new() };
    run(&suite, &HttpClient::new(Clock::system()), &NoVersion(String::new()), Duration::from_secs(20)).await
}

fn told(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| format!("{}: {:?}: {}", finding.name, finding.outcome, finding.observed)).collect()
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// A server that opens every WebSocket and talks on it; what it was told at the end of each goes to `left`.
async fn talking<F: Future + Send>(
    talk: impl Fn(WebSocketStream<TcpStream>) -> F + Clone + Send + Sync + 'static,
) -> String {
    let (listener, url) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let talk = talk.clone();
            tokio::spawn(async move {
                if let Ok(socket) = tokio_tungstenite::accept_async(stream).await {
                    talk(socket).await;
                }
            });
        }
    });
    url
}

#[test]
fn a_message_is_waited_for_past_a_greeting_and_pings_and_captured_from() {
    let (left, mut leaving) = tokio::sync::mpsc::unbounded_channel();
    testkit::run(async move {
        let url = talking(move |mut socket| {
            let left = left.clone();
            async move {
                socket.send(Message::text(r#"{"hello": "stranger"}"#)).await.unwrap();
                socket.send(Message::Ping(Bytes::from_static(b"there?"))).await.unwrap();
                let mut heard = Vec::new();
                while let Some(Ok(message)) = socket.next().await {
                    if let Message::Text(text) = &message {
                        let answer = json!({ "echo": text.as_str(), "id": 7 }).to_string();
                        socket.send(Message::binary(answer.into_bytes())).await.unwrap();
                    }
                    heard.push(message);
                }
                let _ = left.send(heard);
            }
        })
        .await;
        let findings = find(
            &url,
            json!([
                { "name": "echo", "websocket": "/ws", "json": { "n": 1 }, "capture": { "id": "$.id" },
                  "expect": { "json": { "$.echo": "{\"n\":1}" }, "latency": "5s" } },
                { "name": "again", "websocket": "/ws", "body": "id {{ id }}", "expect": { "body": { "contains": "id 7" } } }
            ]),
        )
        .await;
        assert!(findings.iter().all(|finding| finding.outcome == Outcome::Pass), "{findings:?}");
        assert!(findings[0].observed.eq("message 2"), "{}", findings[0].observed);
        let heard = leaving.recv().await.unwrap();
        assert!(heard.contains(&Message::Pong(Bytes::from_static(b"there?"))), "{heard:?}");
        // RFC 6455 §7.4.1: 1000 is a normal closure.
        assert!(
            matches!(heard.last(), Some(Message::Close(Some(CloseFrame { code, .. }))) if u16::from(*code) == 1000),
            "{heard:?}"
        );
    });
}

#[test]
fn an_open_websocket_is_enough_where_nothing_is_expected_of_it() {
    testkit::run(async {
        let url = talking(|mut socket| async move { while let Some(Ok(_)) = socket.next().await {} }).await;
        let findings = find(
            &url,
            json!([
                { "name": "opens", "websocket": "/ws" },
                { "name": "takes", "websocket": "/ws", "body": "hello" },
                { "name": "silent", "websocket": "/ws", "body": "hello", "timeout": "200ms", "expect": { "json": { "$.a": 1 } } }
            ]),
        )
        .await;
        assert_eq!((findings[0].outcome, findings[1].outcome), (Outcome::Pass, Outcome::Pass), "{findings:?}");
        assert!(findings[0].observed == "open", "{findings:?}");
        assert_eq!(findings[2].observed, "open, but no message came within 200 ms");
        assert_eq!(findings[2].expected, "an open WebSocket (status 101), $.a = 1");
    });
}

#[test]
fn what_was_said_last_and_how_it_ended_is_told() {
    testkit::run(async {
        let url = talking(|mut socket| async move {
            socket.send(Message::text("one")).await.unwrap();
            match socket.next().await {
                Some(Ok(Message::Text(text))) if text.as_str() == "leave" => {
                    let frame = CloseFrame { code: 1008.into(), reason: "not you".into() };
                    socket.close(Some(frame)).await.unwrap();
                }
                Some(Ok(Message::Text(text))) if text.as_str() == "flood" => {
                    socket.send(Message::text("x".repeat((1 << 20) + 1))).await.unwrap();
                }
                _ => socket.send(Message::text("two")).await.unwrap(),
            }
            while let Some(Ok(_)) = socket.next().await {}
        })
        .await;
        let expect = json!({ "body": { "contains": "three" } });
        let findings = find(
            &url,
            json!([
                { "name": "stays", "websocket": "/", "body": "stay", "timeout": "300ms", "expect": expect },
                { "name": "leaves", "websocket": "/", "body": "leave", "expect": expect },
                { "name": "floods", "websocket": "/", "body": "flood", "expect": expect }
            ]),
        )
        .await;
        assert_eq!(
            told(&findings),
            [
                "stays: Fail: open, but no message as expected within 300 ms; 2 messages came, the last: `two`",
                "leaves: Fail: the server closed the WebSocket with code 1008, `not you`, before the message that was expected; 1 message came, the last: `one`",
                "floods: Fail: the answer is longer than 1 MiB",
            ]
        );
    });
}

#[test]
fn a_conversation_without_an_end_is_ended_and_its_answers_do_not_pile_up() {
    testkit::run(async {
        // RFC 6455 §5.2: a ping of 100 bytes and a text of 2, as a server frames them. It writes without ever reading.
        let frame = |path: &str| match path {
            "/pings" => [&[0x89, 100][..], &[b'x'; 100]].concat(),
            _ => b"\x81\x02hi".to_vec(),
        };
        let (listener, url) = listen().await;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut start = [0; 10];
                    stream.peek(&mut start).await.unwrap();
                    let frames = frame(if start.starts_with(b"GET /pings") { "/pings" } else { "/" }).repeat(500);
                    let mut stream = tokio_tungstenite::accept_async(stream).await.unwrap().into_inner();
                    while stream.write_all(&frames).await.is_ok() {}
                });
            }
        });
        let expect = json!({ "body": { "contains": "three" } });
        let findings = find(
            &url,
            json!([
                { "name": "pings", "websocket": "/pings", "expect": expect },
                { "name": "talks", "websocket": "/talks", "expect": expect },
                { "name": "limit", "websocket": "/talks", "expect": expect, "timeout": "5ms" }
            ]),
        )
        .await;
        let observed: Vec<&str> = findings.iter().map(|finding| finding.observed.as_str()).collect();
        assert_eq!(observed[0], "the connection broke: more than 1000 pings came in one conversation");
        let talked = "the connection broke: more than 10000 messages, or 16 MiB of them, came in one conversation";
        assert_eq!(observed[1], talked);
        assert!(observed[2].contains("within 5 ms"), "{}", observed[2]);
    });
}

#[test]
fn nobody_waits_for_the_other_side_to_take_its_leave() {
    testkit::run(async {
        let url = talking(|mut socket| async move {
            socket.send(Message::text("hi")).await.unwrap();
            // It neither reads nor leaves.
            std::future::pending::<()>().await;
        })
        .await;
        let list = json!([
            { "name": "a", "websocket": "/", "expect": { "body": { "contains": "hi" } } },
            { "name": "b", "websocket": "/", "needs": ["a"] },
            { "name": "c", "websocket": "/", "needs": ["b"] }
        ]);
        let begun = Clock::system().now();
        let findings = find(&url, list).await;
        let taken = Clock::system().now().since(begun);
        assert!(findings.iter().all(|finding| finding.outcome == Outcome::Pass), "{findings:?}");
        assert!(taken < Duration::from_millis(900), "{taken:?}");
    });
}

#[test]
fn a_refusal_and_a_sham_are_told_apart() {
    testkit::run(async {
        let server = testkit::http::Server::start(|seen| match seen.path.as_str() {
            "/sham" => {
                testkit::http::Reply::new(101, "").header("upgrade", "websocket").header("connection", "upgrade")
            }
            _ => testkit::http::Reply::new(403, "no token"),
        })
        .await;
        let findings = find(
            &server.url,
            json!([
                { "name": "refused", "websocket": "/ws", "expect": { "json": { "$.a": 1 } } },
                { "name": "meant to be", "websocket": "/ws", "expect": { "status": 403, "body": { "contains": "token" } } },
                { "name": "sham", "websocket": "/sham" }
            ]),
        )
        .await;
        assert_eq!(findings[0].observed, "status 403, body `no token`");
        assert_eq!(findings[1].outcome, Outcome::Pass, "{}", findings[1].observed);
        assert!(findings[2].observed.contains("does not speak WebSocket"), "{}", findings[2].observed);
        let seen = server.seen();
        // RFC 6455 §4.1: what an opening request carries.
        for (name, value) in [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-version", "13")] {
            assert_eq!(seen[0].header(name), Some(value));
        }
        assert_eq!(seen[0].header("sec-websocket-key").map(str::len), Some(24));
    });
}

/// A gRPC server with a health service, one answer for each name of a service; its bytes are those of the specification.
async fn grpc() -> String {
    let (listener, url) = listen().await;
    let answer = async |request: http::Request<Incoming>| {
        let path = request.uri().path().to_owned();
        let asked = request.into_body().collect().await.unwrap().to_bytes();
        let name = String::from_utf8_lossy(asked.get(7..).unwrap_or_default()).into_owned();
        let head = http::Response::builder().header("content-type", "application/grpc");
        let trailers_only = |code: &str| (head_with(code), Vec::new());
        let (head, frames) = match name.as_str() {
            _ if path != "/grpc.health.v1.Health/Check" => trailers_only("12"),
            "unknown" => trailers_only("5"),
            "page" => (
                http::Response::builder().status(502).header("content-type", "text/html"),
                vec![Frame::data(Bytes::from_static(b"<h1>Bad Gateway</h1>"))],
            ),
            "early" => (head_with("0"), vec![Frame::data(Bytes::from_static(b"\0\0\0\0\x02\x08\x01GARBAGE"))]),
            "bare" => trailers_only("12"),
            status => {
                let status = u8::from(status != "down") + u8::from(status == "down") * 2;
                let mut trailers = http::HeaderMap::new();
                trailers.insert("grpc-status", "0".parse().unwrap());
                (head, vec![Frame::data(Bytes::from(vec![0, 0, 0, 0, 2, 8, status])), Frame::trailers(trailers)])
            }
        };
        let frames = frames.into_iter().map(Ok::<_, Infallible>);
        Ok::<_, Infallible>(head.body(StreamBody::new(futures_util::stream::iter(frames))).unwrap())
    };
    fn head_with(code: &str) -> http::response::Builder {
        http::Response::builder().header("content-type", "application/grpc").header("grpc-status", code)
    }
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(
                hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), hyper::service::service_fn(answer)),
            );
        }
    });
    url
}

#[test]
fn a_grpc_server_is_asked_how_its_services_are() {
    testkit::run(async {
        let url = grpc().await;
        let findings = find(
            &url,
            json!([
                { "name": "server", "grpc_health": {}, "capture": { "s": "$.status" } },
                { "name": "service", "grpc_health": { "service": "chat.v1.Orchestrator", "url": url } },
                { "name": "down", "grpc_health": { "service": "down" } },
                { "name": "meant", "grpc_health": { "service": "down" }, "expect": { "json": { "$.status": "NOT_SERVING" } } },
                { "name": "unknown", "grpc_health": { "service": "unknown" } },
                { "name": "bare", "grpc_health": { "service": "bare" } },
                { "name": "page", "grpc_health": { "service": "page" } },
                { "name": "early", "grpc_health": { "service": "early" } }
            ]),
        )
        .await;
        let outcomes: Vec<Outcome> = findings.iter().map(|finding| finding.outcome).collect();
        let (pass, fail) = (Outcome::Pass, Outcome::Fail);
        assert_eq!(outcomes, [pass, pass, fail, pass, fail, fail, fail, fail], "{findings:?}");
        assert!(findings[0].observed.eq("SERVING"), "{findings:?}");
        assert_eq!((findings[2].expected.as_str(), &findings[2].observed[..12]), ("SERVING", "NOT_SERVING:"));
        assert!(findings[4].observed.starts_with("the server does not know the service `unknown`"), "{findings:?}");
        assert!(findings[5].observed.starts_with("the server has no health service"), "{findings:?}");
        assert!(
            findings[6].observed.ends_with("content-type `text/html`, body `<h1>Bad Gateway</h1>`"),
            "{findings:?}"
        );
        assert!(findings[7].observed.starts_with("an answer that is not gRPC"), "{findings:?}");
    });
}

#[test]
fn a_server_of_http_1_is_no_grpc_server() {
    testkit::run(async {
        let server = testkit::http::Server::start(|_| testkit::http::Reply::new(200, "hello")).await;
        let findings = find(&server.url, json!([{ "name": "a", "grpc_health": {}, "timeout": "2s" }])).await;
        assert_eq!(findings[0].outcome, Outcome::Fail);
        assert!(findings[0].observed.contains("a gRPC server is asked by HTTP/2"), "{}", findings[0].observed);
    });
}

#[test]
fn http_2_is_spoken_to_a_grpc_server_only() {
    testkit::run(async {
        let (listener, url) = listen().await;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = hyper::service::service_fn(async |request: http::Request<Incoming>| {
                    let version = format!("{:?}", request.version());
                    Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from(version))))
                });
                let auto = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                tokio::spawn(async move { auto.serve_connection(TokioIo::new(stream), service).await.map_err(|_| ()) });
            }
        });
        let list = json!([{ "name": "a", "get": "/", "expect": { "body": { "matches": "^HTTP/1.1$" } } }]);
        assert_eq!(find(&url, list).await[0].outcome, Outcome::Pass);
    });
}
