//! The on-failure destination of the two hook functions: a hook that crashed, was ended or could not report is answered for,
//! at once instead of after CodeDeploy's hour.
//!
//! Knows nothing of checks: whoever did not answer has not shown that the new version is good.

pub mod record;

use std::time::Duration;

use anyhow::Context;
use clock::Clock;
use domain::config::Config;
use domain::deployment::{Deployment, Target};
use domain::events::HookVerdict;
use domain::hook::{Conclusion, HookEvent, Verdict};
use domain::ports::{Deployments, HookReporter, Outbox, Reported};
use hook::codedeploy::gather::{remark, unchecked};
use hook::codedeploy::payload::{Decoded, decode};
use hook::codedeploy::report::{report, tell};
use runtime::Invocation;
use serde_json::{Value, json};

use record::Record;

/// The name under which the verdict is told.
const NAME: &str = "hook-watchdog";

/// The function: what it was told and what it may use.
#[derive(Debug)]
pub struct Function<C, O> {
    /// The configuration, when it can be read: it only lends the service's name to the message.
    pub config: Option<Config>,
    /// Reads the deployment and takes the answer.
    pub codedeploy: C,
    /// Takes the verdict for everybody else.
    pub outbox: O,
    /// The clock.
    pub clock: Clock,
}

/// How long the answer may wait for the deployment's record, which only says whether the deployment is to be let through.
const FOR_THE_RECORD: Duration = Duration::from_secs(3);

/// Answers for a hook that did not: `Failed`, or `Succeeded` for what the hook would have let through unchecked: a rollback, and a
/// deployment whose description asks for it.
///
/// # Errors
/// When the payload does not say whom to answer for, or CodeDeploy does not take the answer. Then Lambda invokes the watchdog
/// again, as it is invoked asynchronously.
pub async fn handle<C, O>(function: &Function<C, O>, invocation: &Invocation) -> anyhow::Result<Value>
where
    C: HookReporter + Deployments,
    O: Outbox,
{
    let clock = &function.clock;
    let record = Record::parse(&invocation.payload)?;
    let (Decoded::Understood(event) | Decoded::Salvaged(event, _)) =
        decode(&record.request_payload).with_context(|| format!("cannot answer for `{}`", record.function()))?;

    let left = invocation.remaining(clock.now());
    let limit = FOR_THE_RECORD.min(left / 4);
    let known = clock.timeout(limit, function.codedeploy.deployment(&event.deployment)).await;
    let deployment = known.ok().and_then(Result::ok);
    let conclusion = deployment.as_ref().and_then(unchecked).unwrap_or_else(|| {
        let remark = deployment.as_ref().and_then(remark).map(|remark| format!(". {remark}"));
        Conclusion::bare(Verdict::Failed, record.reason() + &remark.unwrap_or_default())
    });

    let reported = report(&function.codedeploy, clock, &event, conclusion.verdict, invocation.deadline)
        .await
        .with_context(|| format!("cannot answer for `{}`: {}", record.function(), conclusion.reason))?;
    let answered_by_hook = reported == Reported::AlreadyCompleted;
    let mut lifecycle_event = None;
    if answered_by_hook {
        tracing::info!(
            deployment.id = event.deployment.0,
            hook.name = record.function(),
            "the lifecycle event had been answered already, so there is nothing to tell"
        );
    } else {
        let target = clock.timeout(limit, function.codedeploy.target(&event.deployment)).await;
        lifecycle_event = target.ok().and_then(Result::ok).as_ref().and_then(answered_event);
        let notice = notice(function, invocation, event.clone(), deployment, &conclusion, lifecycle_event.clone());
        tell(&function.outbox, clock, notice, invocation.deadline).await;
    }
    Ok(json!({
        "verdict": conclusion.verdict,
        "reason": conclusion.reason,
        "deployment": event.deployment,
        "lifecycle_event": lifecycle_event,
        "reported": true,
        "already_answered": answered_by_hook,
    }))
}

/// The lifecycle event that was answered for: still in progress, or failed by the answer.
fn answered_event(target: &Target) -> Option<String> {
    let failed =
        || target.lifecycle_events().iter().find(|event| event.status == "Failed").map(|event| event.name.as_str());
    target.current_event().or_else(failed).map(str::to_owned)
}

fn notice<C, O>(
    function: &Function<C, O>,
    invocation: &Invocation,
    event: HookEvent,
    deployment: Option<Deployment>,
    conclusion: &Conclusion,
    lifecycle_event: Option<String>,
) -> HookVerdict {
    let now = function.clock.now();
    let (group, revision) = deployment.map(|deployment| (deployment.group, deployment.revision)).unzip();
    let service = group.as_ref().and_then(|group| function.config.as_ref()?.service_of(group));
    HookVerdict {
        deployment_id: event.deployment,
        service: service.map(|service| service.name.clone()),
        environment: service.map(|service| service.environment.clone()),
        group,
        lifecycle_event,
        hook: NAME.to_owned(),
        verdict: conclusion.verdict,
        reported: true,
        reason: conclusion.reason.clone(),
        findings: Vec::new(),
        skipped: conclusion.skipped.clone(),
        revision: revision.unwrap_or_default(),
        duration_ms: u64::try_from(now.since(invocation.arrived).as_millis()).unwrap_or(u64::MAX),
        at: now,
    }
}

#[cfg(test)]
mod tests;
