//! Whatever comes from outside in any event: each message is one that Slack takes, and harms nobody.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::blocks::tests::{check_harmless, check_limits, hostile};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_kind_of_message_stands_hostile_text(text in hostile(), other in hostile()) {
        let error = Some((other.as_str(), text.as_str()));
        let deployment = Deployment {
            description: format!("author={text} by={other} commit_url={text} git_sha={other}"),
            configuration: text.clone(),
            revision: domain::deployment::Revision { git_sha: Some(text.clone()), task_definition: Some(other.clone()), lambda_version: None },
            ..ended(Status::Failed, error, 428)
        };
        let mut failed = rollback(Status::Failed, 673, Some(690));
        failed.error = deployment.error.clone();
        let finding = json!({"name": text, "outcome": "fail", "expected": other, "observed": text, "target": other, "tries": 2});
        let verdict = json!({"findings": vec![finding; 30], "reason": text, "lifecycle_event": other, "service": text,
            "log": {"group": text, "stream": other, "request_id": text}});
        let skipped = json!({"skipped": text, "reason": other});
        let alarm = json!({"name": text, "state": "ALARM", "reason": other, "metric": text, "changed_at": "2026-03-03T10:05:00Z", "datapoints": []});
        let decision = json!({"alarm": alarm, "reason": text, "next_step": other, "service": text, "environment": other, "revision": {"git_sha": text}});
        let course = Course::new(deployment, Some(failed), &target(&[(&text, "Failed"), (&other, "Pending")], 10.0))
            .hear(&event("hook-verdict-failed", &verdict))
            .hear(&event("hook-verdict-succeeded", &skipped))
            .hear(&event("rollback-decision", &decision))
            .hear(&event("rollback-decision-page", &decision))
            .hear(&event("traffic-not-restored", &json!({"alarm": text, "observed": other})));
        let mut messages = vec![headline(&course.story)];
        messages.extend(course.thread().into_iter().map(|reply| reply.message));
        messages.push(crate::flock::Flock::of(&decided(&decision), REGION, None, at(1)).headline());
        messages.push(crate::rolling::Rolling::decided(&domain::deployment::DeploymentId(text.clone()), &domain::deployment::EcsServiceName { cluster: text.clone(), service: other.clone() },
            &decided(&decision), at(1)).headline());
        for message in &messages {
            let mut message = message.clone();
            message.context.extend(course.story.about());
            let rendered = render(&message);
            check_limits(&rendered);
            check_harmless(&rendered);
        }
    }
}

fn decided(changes: &Value) -> domain::events::RollbackDecision {
    match event("rollback-decision", changes) {
        Notice::RollbackDecision(decision) => decision,
        other => panic!("{other:?}"),
    }
}
