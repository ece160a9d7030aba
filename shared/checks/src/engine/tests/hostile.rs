//! Tests of a run whose servers are of no help: answers that are long, or slow to be judged, and values of tries that failed.

use super::*;

#[test]
fn a_search_without_an_end_keeps_neither_the_budget_nor_another_check_waiting() {
    testkit::run(async {
        let server = Server::start(|seen| match seen.path.as_str() {
            "/long" => Reply::new(200, &"x".repeat(1 << 20)),
            _ => Reply::new(200, &"y".repeat(100_000)),
        })
        .await;
        // In a build that is not optimized, it takes minutes.
        let list = json!([
            { "name": "hostile", "get": "/long", "expect": { "body": { "matches": "(a|b|x){1,100}y" } } },
            { "name": "needs it", "get": "/", "needs": ["hostile"] },
            { "name": "fine", "get": "/", "expect": { "body": { "matches": "y$" } } }
        ]);
        let begun = Clock::system().now();
        let findings = run_at(&server.url, list, &no_version(), Duration::from_millis(600)).await;
        let taken = Clock::system().now().since(begun);
        assert!(taken < Duration::from_millis(1500), "{}", spoken(taken));
        let over = "not finished within the budget of 600 ms";
        assert_eq!(findings[0].observed, format!("{over}; cancelled during try 1"));
        assert_eq!(findings[1].observed, format!("{over}; not begun"));
        assert_eq!(findings[2].outcome, Outcome::Pass, "{}", findings[2].observed);
    });
}

#[test]
fn a_long_answer_is_read_as_far_as_it_is_needed() {
    testkit::run(async {
        let server = Server::start(|_| Reply::new(200, &format!("[{}7]", " ".repeat(3 << 20)))).await;
        let list = json!([
            { "name": "nothing", "get": "/" },
            { "name": "json", "get": "/", "expect": { "json": { "$[0]": 7 } } },
            { "name": "capture", "get": "/", "capture": { "seven": "$[0]" } },
            { "name": "end", "get": "/", "expect": { "body": { "contains": "7]" } } },
            { "name": "search", "get": "/", "expect": { "body": { "matches": "7" } } },
            { "name": "digest", "get": "/", "expect": { "body": { "sha256": "0".repeat(64) } } }
        ]);
        let findings = run_at(&server.url, list, &no_version(), BUDGET).await;
        let length = (3 << 20) + 3;
        let too_long = format!("the body of {length} bytes is longer than the 2 MiB that JSON is read from");
        assert_eq!(findings[0].outcome, Outcome::Pass, "{}", findings[0].observed);
        assert_eq!(findings[1].observed, format!("{too_long}, body `[`"));
        assert_eq!(findings[2].observed, too_long);
        assert_eq!(findings[3].outcome, Outcome::Pass, "{}", findings[3].observed);
        assert_eq!(findings[4].observed, "no match in the first 1 MiB of the body, body `[`");
        assert!(findings[5].observed.starts_with(&format!("a body of {length} bytes with sha256 ")), "{findings:?}");
    });
}

#[test]
fn what_tries_that_failed_have_made_is_cleaned_up() {
    testkit::run(async {
        let server = Server::start(|seen| match (seen.method.as_str(), seen.number) {
            ("POST", 0) => Reply::new(500, r#"{"id": 7}"#),
            ("POST", _) => Reply::new(201, "").after(Duration::from_mins(1)),
            _ => Reply::new(204, ""),
        })
        .await;
        let list = |path: &str| {
            json!([
                { "name": "create", "post": path, "capture": { "id": "$.id" }, "retries": { "times": 1, "backoff": "10ms" } },
                { "name": "remove", "delete": "/orders/{{ id }}", "always": true }
            ])
        };
        // One try made something and the next one is cancelled; then one made something and the next and last one did not.
        let findings = run_at(&server.url, list("/slow"), &no_version(), Duration::from_millis(800)).await;
        assert_eq!(outcomes(&findings), [("create", Outcome::Inconclusive), ("remove", Outcome::Pass)]);
        assert_eq!(server.asked(), ["POST /slow", "POST /slow", "DELETE /orders/7"]);
        let again = Server::start(|seen| match (seen.method.as_str(), seen.number) {
            ("POST", 0) => Reply::new(500, r#"{"id": 8}"#),
            ("POST", _) => Reply::new(503, "busy"),
            _ => Reply::new(204, ""),
        })
        .await;
        let findings = run_at(&again.url, list("/orders"), &no_version(), BUDGET).await;
        assert_eq!(outcomes(&findings), [("create", Outcome::Fail), ("remove", Outcome::Pass)]);
        assert_eq!(again.asked(), ["POST /orders", "POST /orders", "DELETE /orders/8"]);
    });
}

#[test]
fn a_check_that_nobody_has_told_anything_of_has_not_passed() {
    let checks = checks(json!([{ "name": "a", "get": "/a" }, { "name": "b", "get": "/b", "severity": "warn" }]));
    let suite = Suite { checks: &checks, base: Ok("http://nowhere".to_owned()), variables: Variables::new() };
    let findings = Run::new(&suite, Err(String::new()), &(), &HttpClient::new(Clock::system())).findings();
    assert_eq!(outcomes(&findings), [("a", Outcome::Inconclusive), ("b", Outcome::Degraded)]);
    assert_eq!(findings[0].observed, "it was neither run nor cancelled; this is a defect in Greenlight");
}
