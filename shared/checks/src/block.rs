//! What a block of checks asks for before any of them runs: secrets, a base URL, the other checks. Knows nothing of what is
//! done with it.

use std::collections::BTreeSet;
use std::time::Duration;

use clock::Clock;
use domain::config::{Check, Request, SecretRef};
use domain::ports::{PortError, Secrets};

use crate::plan::{plan, texts};
use crate::request::has_scheme;
use crate::template::references;
use crate::variables::{Given, Variables};

/// Every secret that the checks refer to by `{{ secret:… }}` or `{{ env:… }}`.
pub fn secrets(checks: &[Check]) -> BTreeSet<SecretRef> {
    let names = checks.iter().flat_map(texts).flat_map(references);
    names.filter_map(|name| SecretRef::parse(name).ok()).collect()
}

/// Every name that the checks refer to by `{{ name }}` or capture.
pub fn names(checks: &[Check]) -> BTreeSet<&str> {
    let captured = checks.iter().flat_map(|check| check.capture.keys().map(String::as_str));
    checks.iter().flat_map(texts).flat_map(references).chain(captured).collect()
}

/// Reads every secret that the checks refer to, and none else: reading one costs a call. What is not read within `limit` is
/// told as such to the checks that refer to it.
pub async fn revealed(checks: &[Check], secrets: &impl Secrets, clock: &Clock, limit: Duration) -> Variables {
    let mut variables = Variables::new();
    let end = clock.now().plus(limit);
    for reference in self::secrets(checks) {
        let left = end.since(clock.now());
        let given = match clock.timeout(left, secrets.reveal(&reference)).await {
            Ok(Ok(value)) => Given::Sensitive(value.into()),
            Ok(Err(error @ (PortError::NotFound { .. } | PortError::Permanent { .. }))) => {
                Given::Missing(error.to_string())
            }
            Ok(Err(error)) => Given::Unread(error.to_string()),
            Err(_) => Given::Unread("it could not be read in time".to_owned()),
        };
        variables.insert(reference.to_string(), given);
    }
    variables
}

/// Whether a check asks below the base URL, rather than at a URL of its own or not by a URL at all.
pub fn needs_base(check: &Check) -> bool {
    match check.request() {
        Ok(Request::Http { path, .. } | Request::WebSocket { path }) => !has_scheme(path),
        Ok(Request::GrpcHealth(health)) => health.url.is_none(),
        Ok(Request::Invoke(_)) | Err(_) => false,
    }
}

/// The checks of these names with all that they need, by `needs` or by captured values, and with the clean-ups of what is
/// run, in the block's order.
pub fn only(checks: &[Check], names: &[String]) -> Vec<Check> {
    let steps = plan(checks);
    let mut chosen: BTreeSet<usize> =
        checks.iter().enumerate().filter(|(_, check)| names.contains(&check.name)).map(|(index, _)| index).collect();
    loop {
        let before = chosen.len();
        let needed: Vec<usize> =
            chosen.iter().filter_map(|index| steps.get(*index)).flat_map(|step| step.needs.clone()).collect();
        chosen.extend(needed);
        for (index, step) in steps.iter().enumerate() {
            // Who runs the check that makes something wants it removed as well.
            let cleans_up = step.always && !step.needs.is_empty();
            if cleans_up && step.needs.iter().all(|needed| chosen.contains(needed)) {
                chosen.insert(index);
            }
        }
        if chosen.len() == before {
            return checks
                .iter()
                .enumerate()
                .filter(|(index, _)| chosen.contains(index))
                .map(|(_, check)| check.clone())
                .collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checks(list: serde_json::Value) -> Vec<Check> {
        serde_json::from_value(list).unwrap()
    }

    #[test]
    fn a_secret_is_found_wherever_a_reference_is_replaced() {
        let checks = checks(json!([
            {
                "name": "a", "post": "/{{ secret:path#k }}?q={{ env:QUERY }}", "headers": { "authorization": "Bearer {{secret:team/app#a.b}}" },
                "json": { "deep": [{ "x": "{{ secret:json#k }}" }] },
                "expect": {
                    "headers": { "x": "{{ secret:header#k }}" },
                    "body": { "contains": "{{ secret:body#k }}" },
                    "json": { "$.x": { "eq": "{{ secret:match#k }}" } }
                }
            },
            { "name": "b", "post": "/", "form": { "user": "{{ env:USER_NAME }}" } },
            { "name": "c", "post": "/", "body": "{{ secret:text#k }}" },
            { "name": "d", "invoke": { "payload": "{{ secret:payload#k }}" } },
            // Neither of these is one: a plain text in a header, and a name without a key.
            { "name": "e", "get": "/", "headers": { "x": "secret:plain#k", "y": "{{ secret:nokey }}" } }
        ]));
        let found: Vec<String> = secrets(&checks).iter().map(ToString::to_string).collect();
        let expected = [
            "secret:body#k",
            "secret:header#k",
            "secret:json#k",
            "secret:match#k",
            "secret:path#k",
            "secret:payload#k",
            "secret:team/app#a.b",
            "secret:text#k",
            "env:QUERY",
            "env:USER_NAME",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_chosen_check_brings_what_it_needs_and_what_cleans_up_after_it() {
        let checks = checks(json!([
            { "name": "other", "get": "/" },
            { "name": "create", "post": "/orders", "needs": ["login"], "capture": { "id": "$.id" } },
            { "name": "login", "post": "/login" },
            { "name": "read", "get": "/orders/{{ id }}" },
            { "name": "list", "get": "/orders", "needs": ["create"] },
            { "name": "remove", "delete": "/orders/{{ id }}", "always": true },
            { "name": "sweep", "post": "/sweep", "always": true }
        ]));
        let names = |chosen: &[&str]| -> Vec<String> {
            let chosen: Vec<String> = chosen.iter().map(|name| (*name).to_owned()).collect();
            only(&checks, &chosen).into_iter().map(|check| check.name).collect()
        };
        assert_eq!(names(&["read"]), ["create", "login", "read", "remove"]);
        assert_eq!(names(&["login"]), ["login"]);
        assert_eq!(names(&["other", "sweep"]), ["other", "sweep"]);
    }

    #[test]
    fn only_a_path_needs_a_base() {
        let cases = [
            (json!({ "name": "a", "get": "/x" }), true),
            (json!({ "name": "a", "get": "https://h/x" }), false),
            (json!({ "name": "a", "websocket": "/ws" }), true),
            (json!({ "name": "a", "grpc_health": {} }), true),
            (json!({ "name": "a", "grpc_health": { "url": "http://h" } }), false),
            (json!({ "name": "a", "invoke": {} }), false),
        ];
        for (check, expected) in cases {
            assert_eq!(needs_base(&serde_json::from_value(check.clone()).unwrap()), expected, "{check}");
        }
    }
}
