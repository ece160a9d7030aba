//! Reads CodeDeploy's hook payload, and finds the two ids in one that has another form, so that even then somebody is answered.
//! Knows nothing of what follows.

use domain::deployment::DeploymentId;
use domain::hook::HookEvent;
use domain::text::bounded;
use serde::Deserialize;
use serde_json::Value;

/// What a payload came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// It is CodeDeploy's.
    Understood(HookEvent),
    /// It is not, but the ids are in it; and a sentence that says so.
    Salvaged(HookEvent, String),
}

/// A payload without the ids that an answer must carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the payload has no `{missing}`, so there is nobody to answer; the function is meant to be invoked by CodeDeploy as a \
     lifecycle hook, with `DeploymentId` and `LifecycleEventHookExecutionId`; it got `{payload}`"
)]
pub struct NobodyToAnswer {
    missing: &'static str,
    payload: String,
}

const DEPLOYMENT: &str = "DeploymentId";
const EXECUTION: &str = "LifecycleEventHookExecutionId";

/// How deep the ids are looked for: a wrapping or two, as a test console or another function may put around the payload.
const DEPTH: usize = 4;

/// Reads the payload.
///
/// # Errors
/// When one of the two ids is nowhere in it.
pub fn decode(payload: &Value) -> Result<Decoded, NobodyToAnswer> {
    let strict = HookEvent::deserialize(payload);
    if let Ok(event) = &strict
        && !event.deployment.0.is_empty()
        && !event.execution.is_empty()
    {
        return Ok(Decoded::Understood(event.clone()));
    }
    let find = |key: &'static str| {
        find(payload, key, DEPTH)
            .ok_or_else(|| NobodyToAnswer { missing: key, payload: bounded(&payload.to_string(), 300) })
    };
    let event = HookEvent { deployment: DeploymentId(find(DEPLOYMENT)?), execution: find(EXECUTION)? };
    let why = strict.err().map_or_else(|| "an id is empty".to_owned(), |error| error.to_string());
    Ok(Decoded::Salvaged(
        event,
        format!(
            "the payload is not CodeDeploy's hook payload ({why}): expected `{DEPLOYMENT}` and `{EXECUTION}` as texts at its top"
        ),
    ))
}

fn find(value: &Value, key: &str, depth: usize) -> Option<String> {
    if depth == 0 {
        return None;
    }
    match value {
        Value::Object(members) => match members.get(key) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => members.values().find_map(|member| find(member, key, depth - 1)),
        },
        Value::Array(items) => items.iter().find_map(|item| find(item, key, depth - 1)),
        // A payload that was made a text once too often.
        Value::String(text) if text.contains(key) => {
            serde_json::from_str::<Value>(text).ok().and_then(|inner| find(&inner, key, depth - 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::build::hook_payload;

    use super::*;

    #[test]
    fn the_documented_payload_is_understood_and_other_keys_are_ignored() {
        let mut payload = hook_payload();
        payload["Region"] = json!("us-east-1");
        let Ok(Decoded::Understood(event)) = decode(&payload) else { panic!("not understood") };
        assert_eq!((event.deployment.0.as_str(), event.execution.as_str()), ("d-1", "execution-1"));
    }

    #[test]
    fn the_ids_are_found_wherever_they_are() {
        let text = hook_payload().to_string();
        let odd = [
            json!([hook_payload()]),
            json!({ "detail": { "input": hook_payload() } }),
            json!(text),
            json!({ "body": text }),
            json!({ "DeploymentId": 7, "LifecycleEventHookExecutionId": "execution-1" }),
        ];
        for payload in odd {
            let Ok(Decoded::Salvaged(event, why)) = decode(&payload) else { panic!("{payload}") };
            assert_eq!(event.execution, "execution-1", "{payload}");
            assert!(why.starts_with("the payload is not CodeDeploy's hook payload ("), "{why}");
        }
    }

    #[test]
    fn without_an_id_there_is_nobody_to_answer() {
        for payload in
            [json!(null), json!({}), json!({ "DeploymentId": "d-1" }), json!({ "DeploymentId": "" }), json!("x")]
        {
            let text = decode(&payload).unwrap_err().to_string();
            assert!(text.contains("so there is nobody to answer"), "{text}");
        }
        let text = decode(&json!({ "DeploymentId": "d-1" })).unwrap_err().to_string();
        assert!(text.starts_with("the payload has no `LifecycleEventHookExecutionId`, "), "{text}");
    }
}
