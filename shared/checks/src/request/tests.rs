//! Tests of a request put together: tables of a check, and what is sent for it.

use serde_json::{Value, json};

use super::*;
use crate::variables::Variables;

fn prepared(check: Value, base: &str) -> Result<Prepared, Unable> {
    let mut check: Check = serde_json::from_value(check).unwrap();
    check.name = "c".to_owned();
    let captured = BTreeMap::from([
        ("id".to_owned(), json!("../a b/@x?y")),
        ("next".to_owned(), json!("/orders/7?full=1")),
        ("home".to_owned(), json!("http://host:81/orders/7")),
        ("talk".to_owned(), json!("ws://host:81/ws/7")),
        ("evil".to_owned(), json!("http://host:8123/steal")),
        ("at".to_owned(), json!("@evil.example/")),
        ("broken".to_owned(), json!("a\r\nx: y")),
        ("up".to_owned(), json!("..")),
        ("n".to_owned(), json!(7)),
        ("none".to_owned(), json!("")),
    ]);
    let (variables, promised) = (Variables::new(), BTreeMap::new());
    prepare(&check, &Ok(base.to_owned()), Scope { variables: &variables, captured: &captured, promised: &promised })
}

#[track_caller]
fn check_url(path: &str, expected_url: &str, expected_shown: &str) {
    let Prepared::Http { request, shown } =
        prepared(json!({ "name": "c", "get": path }), "http://user:pw@host:81/v1/").unwrap()
    else {
        panic!("not HTTP")
    };
    assert_eq!(request.uri().to_string(), expected_url);
    assert_eq!(shown, format!("GET {expected_shown}"));
}

#[test]
fn a_path_goes_below_the_base_and_values_are_one_part_of_it() {
    check_url("/health", "http://host:81/v1/health", "http://host:81/v1/health");
    check_url("health", "http://host:81/v1/health", "http://host:81/v1/health");
    check_url("/a b/ü?q=c d", "http://host:81/v1/a%20b/%C3%BC?q=c%20d", "http://host:81/v1/a b/ü?q=c d");
    check_url(
        "/o/{{ id }}/x",
        "http://host:81/v1/o/..%2Fa%20b%2F%40x%3Fy/x",
        "http://host:81/v1/o/..%2Fa%20b%2F%40x%3Fy/x",
    );
    check_url("/o?token={{ n }}", "http://host:81/v1/o?token=7", "http://host:81/v1/o?token={{ n }}");
    check_url("/o?full={{ none }}", "http://host:81/v1/o?full=", "http://host:81/v1/o?full={{ none }}");
    check_url("{{ at }}", "http://host:81/v1/@evil.example/", "http://host:81/v1/@evil.example/");
    check_url("https://other.example/x?y=1", "https://other.example/x?y=1", "https://other.example/x?y=1");
}

#[test]
fn credentials_in_a_url_are_sent_as_a_header_unless_the_check_has_its_own() {
    let of = |base: &str, headers: Value| match prepared(json!({ "name": "c", "get": "/", "headers": headers }), base) {
        Ok(Prepared::Http { request, .. }) => {
            let header = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
            (request.uri().to_string(), header)
        }
        other => (format!("{other:?}"), None),
    };
    // RFC 7617 §2: `Aladdin` with `open sesame`.
    let expected = Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned());
    assert_eq!(of("http://Aladdin:open%20sesame@host:81", json!({})), ("http://host:81/".to_owned(), expected));
    assert_eq!(of("http://a:b@host", json!({ "Authorization": "Bearer t" })).1.as_deref(), Some("Bearer t"));
    assert_eq!(of("http://host", json!({})).1, None);
}

#[test]
fn a_captured_address_is_followed_on_the_same_host_only() {
    let of = |path: &str, base: &str| match prepared(json!({ "name": "c", "get": path }), base) {
        Ok(Prepared::Http { request, .. }) => request.uri().to_string(),
        other => format!("{other:?}"),
    };
    assert_eq!(of("{{ next }}", "http://host:81"), "http://host:81/orders/7?full=1");
    assert_eq!(of("{{ home }}", "http://host:81"), "http://host:81/orders/7");
    assert!(of("{{ evil }}", "http://host:81").contains("leads to another host, port or scheme than `http://host:81`"));
    assert!(of("http://{{ n }}.example/", "http://host").contains("takes its host from a reference"));
}

#[test]
fn the_same_host_is_the_same_however_it_is_written() {
    let of = |base: &str, value: &str| {
        let captured = BTreeMap::from([("to".to_owned(), json!(value))]);
        let (variables, promised) = (Variables::new(), BTreeMap::new());
        let check = serde_json::from_value(json!({ "name": "c", "get": "{{ to }}" })).unwrap();
        let scope = Scope { variables: &variables, captured: &captured, promised: &promised };
        match prepare(&check, &Ok(base.to_owned()), scope) {
            Ok(Prepared::Http { request, shown, .. }) => {
                assert_eq!(request.headers().contains_key("authorization"), base.contains('@'));
                assert!(!shown.contains("pw"), "{shown}");
                request.uri().to_string()
            }
            other => format!("{other:?}"),
        }
    };
    for (base, value, expected) in [
        ("https://u:pw@host/api", "/api/x", "https://host/api/x"),
        ("https://host/api", "x", "https://host/api/x"),
        ("https://host/api", "https://host/other?a=b", "https://host/other?a=b"),
        ("https://u:pw@host", "https://host/x", "https://host/x"),
        ("https://u:pw@host", "https://other@host/x", "https://host/x"),
        ("https://host:443", "HTTPS://HOST/x", "https://host:443/x"),
        ("http://host", "http://host:80/x", "http://host/x"),
        ("https://host/api", "//host/x", "https://host/x"),
        ("http://[::1]:81/a", "http://[::1]:81/x", "http://[::1]:81/x"),
        ("https://host", "/go?to=https://other", "https://host/go?to=https://other"),
    ] {
        assert_eq!(of(base, value), expected, "{base} {value}");
    }
    for (base, value) in [
        ("https://host", "http://host/x"),
        ("https://host", "https://host:8443/x"),
        ("https://host", "https://host@evil.example/x"),
        ("https://host", "https://evil.example\\@host/x"),
        ("https://host", "//evil.example/x"),
        ("https://host", "https://host.evil.example/"),
        ("https://host", "ftp://host/"),
        ("https://host", "https://"),
    ] {
        assert!(of(base, value).contains("leads to another host"), "{base} {value}: {}", of(base, value));
    }
}

#[test]
fn bodies_carry_their_content_type_and_values_of_their_own_type() {
    let cases = [
        (json!({ "json": { "id": "{{ n }}" } }), r#"{"id":7}"#, Some("application/json")),
        (
            json!({ "form": { "a b": "c&d=é", "n": "{{ n }}" } }),
            "a+b=c%26d%3D%C3%A9&n=7",
            Some("application/x-www-form-urlencoded"),
        ),
        (json!({ "body": "id={{ n }}" }), "id=7", None),
        (
            json!({ "json": 1, "headers": { "Content-Type": "application/vnd.x+json" } }),
            "1",
            Some("application/vnd.x+json"),
        ),
    ];
    for (mut check, expected, content_type) in cases {
        check["name"] = json!("c");
        check["post"] = json!("/");
        let Prepared::Http { request, .. } = prepared(check, "http://h").unwrap() else { panic!("not HTTP") };
        assert_eq!(String::from_utf8(request.body().clone()).unwrap(), expected);
        assert_eq!(request.headers().get("content-type").map(|value| value.to_str().unwrap()), content_type);
    }
}

#[test]
fn a_request_that_cannot_be_sent_says_why() {
    let cases = [
        (json!({ "post": "/", "json": 1, "body": "x" }), "give one of `json`, `body` and `form`"),
        (
            json!({ "get": "/", "headers": { "x": "{{ broken }}" } }),
            "the header `x` has characters that no header may have",
        ),
        (
            json!({ "invoke": { "payload": 1 }, "json": 1 }),
            "`json` means nothing to `invoke`; move what is in it into `payload`",
        ),
        (
            json!({ "websocket": "/", "form": { "a": "b" } }),
            "`form` means nothing to `websocket`; send it as `body` or `json`",
        ),
        (json!({ "grpc_health": {}, "body": "x" }), "`body` means nothing to `grpc_health`"),
        (json!({ "get": "/orders/{{ up }}" }), "makes a part of the path `.` or `..`"),
        (
            json!({ "delete": "/orders/{{ none }}" }),
            "the value of `{{ none }}` is empty, so that `/orders/{{ none }}` would",
        ),
        (json!({ "get": "{{ none }}" }), "the value of `{{ none }}` is empty"),
        (json!({}), "has 0 requests"),
    ];
    for (mut check, expected) in cases {
        check["name"] = json!("c");
        let Err(Unable::Wrong(why)) = prepared(check, "http://h") else { panic!("taken: {expected}") };
        assert!(why.contains(expected), "{why}");
    }
}

#[test]
fn a_websocket_goes_to_the_same_hosts_as_http() {
    let of = |path: &str, base: &str| match prepared(
        json!({ "name": "c", "websocket": path, "json": { "n": "{{ n }}" } }),
        base,
    ) {
        Ok(Prepared::WebSocket { request, message, shown }) => {
            assert_eq!((request.method(), message.as_deref()), (&http::Method::GET, Some(r#"{"n":7}"#)));
            (request.uri().to_string(), shown)
        }
        other => (format!("{other:?}"), String::new()),
    };
    let cases = [
        ("/ws", "https://u:p@host/v1", "https://host/v1/ws", "websocket wss://host/v1/ws"),
        ("/ws?token={{ n }}", "http://host:81", "http://host:81/ws?token=7", "websocket ws://host:81/ws?token={{ n }}"),
        ("ws://other:82/a b", "http://host", "http://other:82/a%20b", "websocket ws://other:82/a b"),
        ("wss://other", "http://host", "https://other/", "websocket wss://other/"),
        ("https://other/ws", "http://host", "https://other/ws", "websocket wss://other/ws"),
        ("{{ talk }}", "http://host:81", "http://host:81/ws/7", "websocket ws://host:81/ws/7"),
    ];
    for (path, base, url, shown) in cases {
        assert_eq!(of(path, base), (url.to_owned(), shown.to_owned()), "{path}");
    }
    assert!(of("ws://{{ n }}.example/", "http://host").0.contains("takes its host from a reference"));
    assert!(of("{{ talk }}", "http://host").0.contains("leads to another host, port or scheme than `http://host`"));
}

#[test]
fn grpc_health_asks_the_standard_method_below_the_server() {
    let of = |check: Value| match prepared(check, "http://host:81/") {
        Ok(Prepared::GrpcHealth { request, service, shown }) => {
            assert_eq!(
                (request.method(), request.headers()["te"].to_str().unwrap()),
                (&http::Method::POST, "trailers")
            );
            assert_eq!(request.headers()["content-type"], "application/grpc");
            (request.uri().to_string(), service, shown)
        }
        other => (format!("{other:?}"), String::new(), String::new()),
    };
    let (url, service, shown) = of(json!({ "name": "c", "grpc_health": { "service": "chat.v1.{{ n }}" } }));
    assert_eq!(url, "http://host:81/grpc.health.v1.Health/Check");
    assert_eq!((service.as_str(), shown.as_str()), ("chat.v1.7", "gRPC health of `chat.v1.7` at http://host:81"));
    let (url, _, shown) = of(json!({ "name": "c", "grpc_health": { "url": "https://grpc.example:50051/" } }));
    assert_eq!(url, "https://grpc.example:50051/grpc.health.v1.Health/Check");
    assert_eq!(shown, "gRPC health of https://grpc.example:50051");
    let wrong = |url: &str| of(json!({ "name": "c", "grpc_health": { "url": url } })).0;
    assert!(wrong("grpc.example:50051").contains("is no URL of a gRPC server; write `https://`"));
    assert!(wrong("http://{{ n }}:1").contains("takes its host from a reference"));
}
