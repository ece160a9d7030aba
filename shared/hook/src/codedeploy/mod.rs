//! CodeDeploy's way of asking a hook and of being answered: a payload with two ids, a callback within the hour. An adapter on
//! the core; knows nothing of what a particular hook looks at.

pub mod gather;
pub mod handover;
pub mod payload;
pub mod report;
pub mod size;
pub mod standing;

use clock::Clock;
use domain::events::{HookVerdict, LogPlace};
use domain::hook::{Conclusion, HookEvent, Verdict};
use domain::ports::{Deployments, HookReporter, Outbox, PortError, Reported};
use domain::time::{Timestamp, spoken};
use serde_json::{Value, json};

use crate::guard::{REASON, Window, conclude};
use crate::notes::Notes;
use handover::Handover;
use payload::{Decoded, NobodyToAnswer, decode};
use report::{report, tell};
use standing::stands;

/// The lifecycle events that have hooks (CodeDeploy user guide, "AppSpec hooks section").
const HOOKS: [&str; 5] =
    ["BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic"];

/// One invocation of a hook.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The function's name in the fleet, `before-allow-traffic`.
    pub hook: &'a str,
    /// The payload as it came.
    pub payload: &'a Value,
    /// When it came.
    pub arrived: Timestamp,
    /// When Lambda ends the process.
    pub deadline: Timestamp,
    /// Where the function writes its log, where it knows.
    pub log: Option<&'a LogPlace>,
    /// Lambda's id of the request.
    pub request_id: &'a str,
}

/// Why a hook has nothing to show for itself: CodeDeploy has not been answered.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// The payload does not say whom to answer.
    #[error(transparent)]
    Nobody(#[from] NobodyToAnswer),
    /// CodeDeploy did not take the answer. As an error it reaches the function's on-failure destination, the watchdog, which
    /// reads the answer from it and tries again.
    #[error("the verdict {} could not be reported within {}: {error}; {handover}", handover.verdict, spoken(*.tried))]
    NotReported {
        /// What was to be reported.
        handover: Box<Handover>,
        /// How long it was tried.
        tried: std::time::Duration,
        /// What CodeDeploy said last.
        error: Box<PortError>,
    },
}

/// Answers CodeDeploy exactly once, whatever `work` does: what it concludes is reported; an error, a panic, an overrun and a
/// payload that is not understood are reported as `Failed`. Then everybody else is told.
///
/// # Errors
/// When there is nobody to answer, or when CodeDeploy did not take the answer before the deadline.
pub async fn answer(
    codedeploy: &(impl HookReporter + Deployments),
    outbox: &impl Outbox,
    clock: &Clock,
    call: Call<'_>,
    work: impl AsyncFnOnce(&HookEvent, &Notes, &Window) -> anyhow::Result<Conclusion>,
) -> Result<Value, Unanswered> {
    let notes = Notes::default();
    let window = Window::before(clock, call.deadline);
    let (event, mut conclusion) = match decode(call.payload)? {
        Decoded::Understood(event) => {
            let conclusion = conclude(&window, &notes, async || work(&event, &notes, &window).await).await;
            (event, conclusion)
        }
        Decoded::Salvaged(event, why) => (event, Conclusion::bare(Verdict::Failed, why)),
    };

    conclusion.reason = notes.read().remarked(&conclusion.reason, conclusion.verdict, REASON);
    let started = clock.now();
    let taken = report(codedeploy, clock, &event, conclusion.verdict, call.deadline).await;
    let answered = clock.now();
    let tried = answered.since(started);

    let known = notes.read();
    let lifecycle_event = known.lifecycle_event.clone();
    // Answered already: the answer that CodeDeploy has may be this one, whose first report only seemed to be lost; or it was never asked
    // for, since the event came twice or somebody has stopped the deployment meanwhile.
    let stands = match &taken {
        Ok(Reported::Accepted) | Err(_) => Ok(()),
        Ok(Reported::AlreadyCompleted) => {
            stands(codedeploy, clock, &event, lifecycle_event.as_deref(), conclusion.verdict, call.deadline).await
        }
    };
    let notice = HookVerdict {
        deployment_id: event.deployment.clone(),
        group: known.group.clone(),
        service: known.service,
        environment: known.environment,
        lifecycle_event: known.lifecycle_event,
        hook: call.hook.to_owned(),
        verdict: conclusion.verdict,
        reported: taken.is_ok(),
        reason: conclusion.reason.clone(),
        findings: conclusion.findings,
        skipped: conclusion.skipped.clone(),
        revision: known.revision,
        log: call.log.map(|log| LogPlace { request_id: Some(call.request_id.to_owned()), ..log.clone() }),
        duration_ms: u64::try_from(answered.since(call.arrived).as_millis()).unwrap_or(u64::MAX),
        at: answered,
    };
    match &stands {
        Ok(()) => tell(outbox, clock, notice, call.deadline).await,
        Err(why) => tracing::info!(
            deployment.id = event.deployment.0,
            hook.name = call.hook,
            verdict = %conclusion.verdict,
            why,
            "CodeDeploy had its answer already, or had ended the deployment, and did not ask for this one any more: it is not told"
        ),
    }
    match taken {
        Ok(_) => Ok(json!({
            "verdict": conclusion.verdict,
            "reason": conclusion.reason,
            "deployment": event.deployment,
            "lifecycle_event": lifecycle_event,
            "reported": stands.is_ok(),
        })),
        Err(error) => Err(Unanswered::NotReported {
            handover: Box::new(Handover {
                verdict: conclusion.verdict,
                reason: conclusion.reason,
                skipped: conclusion.skipped,
                group: known.group,
                lifecycle_event,
            }),
            tried,
            error: Box::new(error),
        }),
    }
}

#[cfg(test)]
mod tests;
