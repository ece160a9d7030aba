//! Every mistake that a check can hold, in the words that a person sees, with the path that it is told at.

use serde_json::json;

use super::*;

fn told(checks: &Value) -> Vec<String> {
    let checks: Vec<Check> = serde_json::from_value(checks.clone()).unwrap();
    review(&checks).iter().map(|remark| format!("{}: {}", remark.path, remark.message)).collect()
}

/// One check with these keys.
#[track_caller]
fn check(keys: Value, expected: &[&str]) {
    let mut keys = keys;
    keys["name"] = json!("a");
    assert_eq!(told(&json!([keys])), expected, "{keys}");
}

#[track_caller]
fn check_expect(expect: &Value, expected: &str) {
    check(json!({ "get": "/", "expect": expect }), &[&format!("[0].expect.{expected}")]);
}

#[test]
fn names_are_given_once_and_needs_name_a_check() {
    let checks = json!([
        { "name": "create", "get": "/" },
        { "name": "create", "get": "/" },
        { "name": " ", "get": "/" },
        { "name": "read", "get": "/", "needs": ["create", "creat", "everything"] },
        { "name": "none" },
        { "name": "two", "get": "/", "head": "/" }
    ]);
    let words =
        "give exactly one of `get`, `post`, `put`, `patch`, `delete`, `head`, `invoke`, `websocket`, `grpc_health`";
    assert_eq!(
        told(&checks),
        [
            "[1].name: there are two checks named `create` in this block; give each its own name".to_owned(),
            "[2].name: this is empty; write a name".to_owned(),
            "[3].needs[1]: there is no check `creat` in this block; did you mean `create`?".to_owned(),
            "[3].needs[2]: there is no check `everything` in this block".to_owned(),
            format!("[4]: the check `none` has 0 requests; {words}"),
            format!("[5]: the check `two` has 2 requests; {words}"),
        ]
    );
}

#[test]
fn a_circle_is_told_once_whether_it_is_closed_by_needs_or_by_a_captured_value() {
    let checks = json!([
        { "name": "first", "get": "/", "needs": ["a"] },
        { "name": "a", "get": "/{{ x }}" },
        { "name": "b", "get": "/", "needs": ["a"], "capture": { "x": "$.x" } },
        { "name": "c", "get": "/", "needs": ["c"] },
        { "name": "last", "get": "/", "needs": ["b", "c"] }
    ]);
    assert_eq!(
        told(&checks),
        [
            "[1].name: `a` waits for itself: `a` waits for `b` waits for `a`, by `needs` or by captured values; take one of these steps out",
            "[3].needs: `c` waits for itself: `c` waits for `c`, by `needs` or by captured values; take one of these steps out",
        ]
    );
}

#[test]
fn a_reference_must_lead_somewhere_wherever_it_stands() {
    let known = "known here are deployment.id, deployment.application, deployment.group, service.name, service.environment, \
                 revision.git_sha, revision.task_definition, revision.lambda_version, id";
    let checks = json!([
        { "name": "create", "post": "/{{ revision.git_sh }}", "json": { "deep": ["{{ zzzzzzzz }}"] }, "capture": { "id": "$.id" } },
        { "name": "read", "get": "/{{ id }}/{{ idd }}", "headers": { "x": "{{ env:TOKEN }}{{ env: }}" },
          "expect": { "body": { "matches": "{{ id }}|{{ it }}" }, "json": { "$.a": { "gte": "{{ service.nam }}" } } } },
        { "name": "own", "get": "/{{ mine }}", "capture": { "mine": "$.a" } },
        { "name": "other braces", "get": "/", "json": { "template": "{{#each x}}" } }
    ]);
    assert_eq!(
        told(&checks),
        [
            "[0].post: `{{ revision.git_sh }}` refers to nothing; did you mean `revision.git_sha`?".to_owned(),
            format!("[0].json.deep[0]: `{{{{ zzzzzzzz }}}}` refers to nothing; {known}, mine"),
            "[1].get: `{{ idd }}` refers to nothing; did you mean `id`?".to_owned(),
            "[1].headers.x: `{{ env: }}` names no variable; write `env:<NAME>`".to_owned(),
            "[1].expect.json.$.a.gte: `{{ service.nam }}` refers to nothing; did you mean `service.name`?".to_owned(),
            "[1].expect.body.matches: `{{ it }}` refers to nothing; did you mean `id`?".to_owned(),
            "[2].get: `{{ mine }}` is captured from the answer to this very check; no other check of the block captures it".to_owned(),
        ]
    );
}

#[test]
fn what_a_request_has_no_use_for_is_told() {
    check(
        json!({ "post": "/", "json": 1, "form": { "a": "b" } }),
        &["[0].form: a request has one body; give one of `json` and `form`"],
    );
    check(
        json!({ "invoke": {}, "json": 1, "headers": { "a": "b" } }),
        &[
            "[0].json: `json` means nothing to `invoke`; move what is in it into `payload`",
            "[0].headers: `headers` means nothing to `invoke`; move what is in it into `payload`",
        ],
    );
    check(json!({ "websocket": "/ws", "headers": { "a": "b" }, "json": 1, "capture": { "x": "$.x" } }), &[]);
    check(
        json!({ "websocket": "/ws", "form": { "a": "b" } }),
        &["[0].form: `form` means nothing to `websocket`; send it as `body` or `json`"],
    );
    check(
        json!({ "grpc_health": { "service": "a.B" }, "body": "x" }),
        &["[0].body: `body` means nothing to `grpc_health`; it sends the name of the `service` alone"],
    );
    check(
        json!({ "get": "/", "headers": { "a b": "x", "c": "x\ny", "d": "{{ service.name }}" } }),
        &[
            "[0].headers.a b: `a b` is no header name",
            "[0].headers.c: the value has characters that no header may have, such as a line's end",
        ],
    );
    check(
        json!({ "get": "/", "timeout": "0s" }),
        &["[0].timeout: a timeout of nothing fails every try; write a span such as `10s`"],
    );
}

#[test]
fn an_address_of_its_own_has_a_scheme_that_fits_and_a_host_that_is_written_out() {
    for fine in ["/go?to=https://{{ service.name }}", "https://a.example/{{ service.name }}", "health", ""] {
        check(json!({ "get": fine }), &[]);
    }
    check(json!({ "websocket": "wss://a.example/ws" }), &[]);
    check(
        json!({ "get": "ws://a" }),
        &["[0].get: `ws://a` has a scheme that means nothing here; write one of http, https"],
    );
    check(json!({ "get": "https:///x" }), &["[0].get: `https:///x` has no host; write it behind `://`"]);
    check(
        json!({ "grpc_health": { "url": "https://{{ service.name }}:50051" } }),
        &[
            "[0].grpc_health.url: `https://{{ service.name }}:50051` takes its host from a reference; write the host itself",
        ],
    );
}

#[test]
fn what_an_answer_does_not_have_cannot_be_expected() {
    check(
        json!({ "invoke": {}, "expect": { "status": 200, "json": { "$.a": 1 } } }),
        &["[0].expect.status: an invocation has no `status`; expect something of `latency`, `body`, `json`"],
    );
    check(
        json!({ "websocket": "/", "expect": { "status": 403, "headers": { "a": "b" }, "body": { "contains": "x" } } }),
        &[],
    );
    check(
        json!({ "grpc_health": {}, "expect": { "status": 200, "latency": "1s" } }),
        &[
            "[0].expect.status: a gRPC health answer has no `status`; expect something of `latency`, `body`, `json`, `certificate`",
        ],
    );
    check(
        json!({ "head": "/", "expect": { "json": { "$.a": 1 } } }),
        &[
            "[0].expect.json: a HEAD request has no `json`; expect something of `status`, `latency`, `headers`, `certificate`",
        ],
    );
}

#[test]
fn what_is_captured_has_a_source_and_a_name() {
    check(
        json!({ "get": "/", "capture": { "a b": "$.x", "h": { "header": "a b" }, "j": "data.id" } }),
        &[
            "[0].capture.a b: `a b` cannot be referred to; a name is made of letters, digits and `_ . - :`",
            "[0].capture.h: `a b` is no header name",
            "[0].capture.j: `data.id` is no JSONPath (RFC 9535): it begins with `$`; did you mean `$.data.id`?",
        ],
    );
    let remarks = told(&json!([{ "name": "a", "get": "/", "capture": { "r": { "regex": "(" } } }]));
    assert!(remarks[0].starts_with("[0].capture.r: `(` is no regular expression: "), "{remarks:?}");
}

#[test]
fn every_part_of_an_expectation_is_read_before_it_is_needed() {
    check_expect(
        &json!({ "status": 99 }),
        "status: `99` is no status; write a number from 100 to 599, a class such as `2xx`, or a list of them",
    );
    check_expect(&json!({ "status": [] }), "status: an empty list of statuses allows none");
    check_expect(
        &json!({ "body": { "sha256": "abc" } }),
        "body.sha256: `abc` is no SHA-256; write its 64 hexadecimal digits",
    );
    check_expect(
        &json!({ "body": {} }),
        "body: nothing is expected of the body; give `contains`, `matches` or `sha256`",
    );
    check_expect(&json!({ "headers": { "a b": "x" } }), "headers.a b: `a b` is no header name");
    check_expect(
        &json!({ "json": { "$.n": { "exists": "yes" } } }),
        "json.$.n.exists: `exists` needs `true` or `false`, not `\"yes\"`",
    );
    check_expect(
        &json!({ "json": { "$.n": { "length": { "gtee": 1 } } } }),
        "json.$.n.length.gtee: `gtee` is no matcher; did you mean `gte`? (valid: gte, gt, lte, lt, eq, ne, matches, contains, exists, length)",
    );
    check_expect(
        &json!({ "json": { "$.n": {} } }),
        "json.$.n: an empty matcher matches nothing; use one of gte, gt, lte, lt, eq, ne, matches, contains, exists, length",
    );
    const EMPTY: &str = "is empty, which everything contains; write the text that is to be found";
    for word in ["contains", "matches"] {
        check_expect(&json!({ "body": { word: "" } }), &format!("body.{word}: `{word}` {EMPTY}"));
        check_expect(&json!({ "json": { "$.n": { word: "" } } }), &format!("json.$.n.{word}: `{word}` {EMPTY}"));
    }
    for (expect, start) in [
        (json!({ "body": { "matches": "(" } }), "[0].expect.body.matches: `(` is no regular expression: "),
        (
            json!({ "headers": { "a": { "matches": "(" } } }),
            "[0].expect.headers.a.matches: `(` is no regular expression: ",
        ),
        (json!({ "json": { "$.": 1 } }), "[0].expect.json.$.: `$.` is no JSONPath (RFC 9535): "),
    ] {
        let remarks = told(&json!([{ "name": "a", "get": "/", "expect": expect }]));
        assert_eq!(remarks.len(), 1, "{remarks:?}");
        assert!(remarks[0].starts_with(start), "{remarks:?}");
    }
    // What holds a reference is known only when it runs.
    check(
        json!({ "get": "/", "expect": {
            "body": { "matches": "({{ service.name }}", "sha256": "{{ service.name }}" },
            "json": { "$.n": { "exists": "{{ service.name }}" } }
        } }),
        &[],
    );
}

#[test]
fn a_suite_in_order_has_nothing_to_be_told() {
    let checks = json!([
        { "name": "create", "post": "/orders", "json": { "item": 1 }, "capture": { "id": "$.id", "to": { "header": "location" } },
          "expect": { "status": [201, "2xx"], "latency": "1s" } },
        { "name": "read", "get": "/orders/{{ id }}", "retries": 2, "expect": { "json": { "$..x": { "length": { "gte": 1 } } } } },
        { "name": "follow", "get": "{{ to }}", "needs": ["read"] },
        { "name": "remove", "delete": "/orders/{{ id }}", "always": true, "severity": "warn" }
    ]);
    assert_eq!(told(&checks), Vec::<String>::new());
}

#[test]
fn a_reference_that_is_none_is_not_sent_as_it_stands() {
    for (text, meant) in [
        ("{{ secrets:a#b }}", "did you mean `{{ secret:a#b }}`?"),
        ("Bearer {{ secret: a/b#c }}", "did you mean `{{ secret:a/b#c }}`?"),
        ("{{ Secret:a#b }}", "did you mean `{{ secret:a#b }}`?"),
        ("{{ env: X }}", "did you mean `{{ env:X }}`?"),
        ("{{ sercet:a#b }}", "did you mean `{{ secret:a#b }}`?"),
        ("{{ secret a }}", "write `{{ secret:<name>#<key> }}` or `{{ env:<NAME> }}`"),
        ("secret:a#b", "`secret:a#b` without braces is sent as it stands; write `\"{{ secret:a#b }}\"`"),
        ("Bearer secret:a#b", "`secret:a#b` without braces is sent as it stands; write `\"{{ secret:a#b }}\"`"),
    ] {
        for (key, value) in [
            ("headers", json!({ "x": text })),
            ("json", json!([text])),
            ("form", json!({ "x": text })),
            ("body", json!(text)),
        ] {
            let told = told(&json!([{ "name": "a", "post": "/", key: value }]));
            assert!(told.len() == 1 && told[0].ends_with(meant), "{text}: {told:?}");
        }
    }
    for text in [
        "{{#each x}}",
        "{{\"a\": 1}}",
        "{{ a: 1 }}",
        "{{ service.name }}",
        "secrets: none",
        "{{ env:X }}",
        "a secret:b",
    ] {
        check(json!({ "post": "/", "body": text }), &[]);
    }
}

#[test]
fn what_can_only_fail_is_not_deployed() {
    for (keys, expected) in [
        (
            json!({ "head": "/", "capture": { "x": "$.id" } }),
            "capture.x: the answer to a HEAD request has no body; capture a header, or use `get`",
        ),
        (
            json!({ "head": "/", "capture": { "x": { "regex": "a" } } }),
            "capture.x: the answer to a HEAD request has no body; capture a header, or use `get`",
        ),
        (
            json!({ "invoke": {}, "capture": { "x": { "header": "a" } } }),
            "capture.x: an invocation has no headers; capture from its payload by a JSONPath",
        ),
        (
            json!({ "grpc_health": {}, "capture": { "x": { "header": "a" } } }),
            "capture.x: a gRPC health answer has no headers here; capture `$.status`",
        ),
        (
            json!({ "get": "/", "expect": { "latency": "0s" } }),
            "expect.latency: no answer comes within no time; write a span such as `1s`",
        ),
        (
            json!({ "get": "/", "timeout": "2s", "expect": { "latency": "3s" } }),
            "expect.latency: the check is given up after 2 s, so this bound means nothing; lower it, or give the check a longer `timeout`",
        ),
        (
            json!({ "get": "http://h/", "expect": { "certificate": { "valid_for": "1d" } } }),
            "expect.certificate: there is no certificate without TLS, and `http://` has none; write `https://`",
        ),
        (json!({ "get": "https:/h/x" }), "get: `https:/h/x` is no URL; did you mean `https://h/x`?"),
        (
            json!({ "grpc_health": { "url": "h:50051" } }),
            "grpc_health.url: `h:50051` is no URL; write `https://`, or `http://` for HTTP/2 without TLS, before it",
        ),
        (
            json!({ "post": "/", "json": null, "body": "x" }),
            "body: a request has one body; give one of `json` and `body`",
        ),
        (
            json!({ "get": "/", "expect": { "json": { "$.a b.c-d[0]": 1 } } }),
            "expect.json.$.a b.c-d[0]: `$.a b.c-d[0]` is no JSONPath (RFC 9535): parser error at character 4; did you mean `$['a b']['c-d'][0]`?",
        ),
    ] {
        check(keys, &[&format!("[0].{expected}")]);
    }
    check(
        json!({ "head": "/", "capture": { "x": { "header": "a" } }, "timeout": "20s", "expect": { "latency": "15s" } }),
        &[],
    );
}
