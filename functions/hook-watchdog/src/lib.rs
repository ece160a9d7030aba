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
use domain::ports::{Deployments, HookReporter, Outbox, PortError, Reported};
use domain::text::bounded;
use domain::time::spoken;
use hook::codedeploy::gather::{remark, unchecked};
use hook::codedeploy::handover::Handover;
use hook::codedeploy::payload::{Decoded, decode};
use hook::codedeploy::report::{report, tell};
use hook::codedeploy::standing::stands;
use hook::guard::REASON;
use hook::patience::patiently;
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

/// How long the answer may wait for what only serves the message.
const FOR_A_NAME: Duration = Duration::from_secs(3);
/// What is kept for the answer while it is found out whether the deployment is a rollback; less where half of the time is less.
const FOR_THE_ANSWER: Duration = Duration::from_secs(10);
/// How long after the hook's end an invocation of the watchdog is the last that Lambda makes: Lambda waits a minute before the second
/// and two more before the third (Lambda developer guide, "How Lambda handles errors and retries with asynchronous invocation"), so the second begins
/// after one to two minutes and the third after three to five.
const LAST_AFTER: Duration = Duration::from_secs(150);

/// Answers for a hook that did not: with the hook's own verdict where its error tells it; else `Succeeded` for what the hook would have
/// let through unchecked, a rollback or a deployment whose description asks for it, and `Failed` for everything else.
///
/// While it cannot be read whether the deployment is a rollback, it is not answered at all: nothing may hold up a rollback, and CodeDeploy waits for an
/// hour. Lambda's last try answers `Failed` whatever is known.
///
/// # Errors
/// When the payload does not say whom to answer for, when the deployment cannot be read for now, or when CodeDeploy does not take the
/// answer. Then Lambda invokes the watchdog again, as it is invoked asynchronously.
pub async fn handle<C, O>(function: &Function<C, O>, invocation: &Invocation) -> anyhow::Result<Value>
where
    C: HookReporter + Deployments,
    O: Outbox,
{
    let (clock, codedeploy) = (&function.clock, &function.codedeploy);
    let record = Record::parse(&invocation.payload)?;
    let (Decoded::Understood(event) | Decoded::Salvaged(event, _)) =
        decode(&record.request_payload).with_context(|| format!("cannot answer for `{}`", record.function()))?;
    let own = record.handover();
    let is_settled = own.as_ref().is_some_and(Handover::is_settled);

    let left = invocation.remaining(clock.now());
    let for_a_name = FOR_A_NAME.min(left / 4);
    let limit = if is_settled { for_a_name } else { left.saturating_sub(FOR_THE_ANSWER.min(left / 2)) };
    let read = patiently(clock, limit, async || codedeploy.deployment(&event.deployment).await).await;
    let is_last = record.age(invocation.arrived).is_none_or(|age| age >= LAST_AFTER);
    if let Err(error @ PortError::Transient { .. }) = &read
        && !is_settled
        && !is_last
    {
        return Err(anyhow::Error::new(error.clone())).with_context(|| {
            format!(
                "whether `{}` is a rollback, which nothing may hold up, could not be found out in {}, so `{}` is not answered for yet; \
                 Lambda tries again",
                event.deployment,
                spoken(limit),
                record.function()
            )
        });
    }
    let conclusion = conclude(&record, own.as_ref(), read.as_ref());
    let deployment = read.ok();

    // Before the answer, as the event is in progress no longer once it is answered.
    let target = async || clock.timeout(for_a_name, codedeploy.target(&event.deployment)).await.ok()?.ok();
    let has_own = own.is_some();
    let mut lifecycle_event = match own.and_then(|own| own.lifecycle_event) {
        Some(event) => Some(event),
        None => target().await.as_ref().and_then(Target::current_event).map(str::to_owned),
    };
    let reported = report(codedeploy, clock, &event, conclusion.verdict, invocation.deadline)
        .await
        .with_context(|| format!("cannot answer for `{}`: {}", record.function(), conclusion.reason))?;
    let answered_by_hook = reported == Reported::AlreadyCompleted;
    // The hook's report may only have seemed to be lost; the hook itself has told that it was.
    let is_told = !answered_by_hook
        || has_own
            && stands(codedeploy, clock, &event, lifecycle_event.as_deref(), conclusion.verdict, invocation.deadline)
                .await
                .is_ok();
    if is_told {
        if lifecycle_event.is_none() {
            lifecycle_event = target().await.as_ref().and_then(failed_event);
        }
        let notice = notice(function, invocation, event.clone(), deployment, &conclusion, lifecycle_event.clone());
        tell(&function.outbox, clock, notice, invocation.deadline).await;
    } else {
        tracing::info!(
            deployment.id = event.deployment.0,
            hook.name = record.function(),
            "the lifecycle event had been answered already, so there is nothing to tell"
        );
    }
    Ok(json!({
        "verdict": conclusion.verdict,
        "reason": conclusion.reason,
        "deployment": event.deployment,
        "lifecycle_event": lifecycle_event,
        "reported": is_told,
        "already_answered": answered_by_hook,
    }))
}

/// What is answered. Pure.
fn conclude(record: &Record, own: Option<&Handover>, read: Result<&Deployment, &PortError>) -> Conclusion {
    if let Some(own) = own.filter(|own| own.is_settled()) {
        let reason = record.on_behalf(&own.reason);
        return Conclusion { skipped: own.skipped.clone(), ..Conclusion::bare(own.verdict, bounded(&reason, REASON)) };
    }
    let reason = || own.map_or_else(|| record.reason(), |own| record.on_behalf(&own.reason));
    match read {
        Ok(deployment) => unchecked(deployment).unwrap_or_else(|| {
            let remark = remark(deployment).map(|remark| format!(". {remark}"));
            Conclusion::bare(Verdict::Failed, bounded(&(reason() + &remark.unwrap_or_default()), REASON))
        }),
        Err(error) => {
            let remark = format!(". Whether it is a rollback could not be found out: {error}");
            Conclusion::bare(Verdict::Failed, bounded(&(reason() + &remark), REASON))
        }
    }
}

/// The lifecycle event that the answer has failed.
fn failed_event(target: &Target) -> Option<String> {
    target.lifecycle_events().iter().find(|event| event.status == "Failed").map(|event| event.name.clone())
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
        // Its own log tells nothing of the hook, and where the hook's is stands in no record of Lambda's.
        log: None,
        duration_ms: u64::try_from(now.since(invocation.arrived).as_millis()).unwrap_or(u64::MAX),
        at: now,
    }
}

#[cfg(test)]
mod tests;
