//! CodeDeploy's way of asking a hook and of being answered: a payload with two ids, a callback within the hour. An adapter on
//! the core; knows nothing of what a particular hook looks at.

pub mod gather;
pub mod payload;
pub mod report;

use clock::Clock;
use domain::events::HookVerdict;
use domain::hook::{Conclusion, HookEvent, Verdict};
use domain::ports::{HookReporter, Outbox, PortError, Reported};
use domain::time::{Timestamp, spoken};
use serde_json::{Value, json};

use crate::guard::{REASON, Window, conclude};
use crate::notes::Notes;
use payload::{Decoded, NobodyToAnswer, decode};
use report::{report, tell};

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
}

/// Why a hook has nothing to show for itself: CodeDeploy has not been answered.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// The payload does not say whom to answer.
    #[error(transparent)]
    Nobody(#[from] NobodyToAnswer),
    /// CodeDeploy did not take the answer. As an error it reaches the function's on-failure destination, the watchdog, which
    /// tries again.
    #[error(
        "the verdict {verdict} on the deployment `{deployment}` could not be reported within {}: {error}; \
         `hook-watchdog` is to report it as Failed (the verdict's reason was: {reason})",
        spoken(*.tried)
    )]
    NotReported {
        /// The deployment.
        deployment: String,
        /// What was to be reported.
        verdict: Verdict,
        /// Why.
        reason: String,
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
    reporter: &impl HookReporter,
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
    let taken = report(reporter, clock, &event, conclusion.verdict, call.deadline).await;
    let tried = clock.now().since(started);

    let known = notes.read();
    let now = clock.now();
    let lifecycle_event = known.lifecycle_event.clone();
    let notice = HookVerdict {
        deployment_id: event.deployment.clone(),
        group: known.group,
        service: known.service,
        environment: known.environment,
        lifecycle_event: known.lifecycle_event,
        hook: call.hook.to_owned(),
        verdict: conclusion.verdict,
        reported: taken.is_ok(),
        reason: conclusion.reason.clone(),
        findings: conclusion.findings,
        skipped: conclusion.skipped,
        revision: known.revision,
        duration_ms: u64::try_from(now.since(call.arrived).as_millis()).unwrap_or(u64::MAX),
        at: now,
    };
    // Lambda may deliver an event twice. Answered already, and no hook's event in progress: it came after the first had been
    // answered and told. Otherwise the answer that CodeDeploy has is this one, whose first report only seemed to be lost.
    let is_at_a_hook = lifecycle_event.as_deref().is_some_and(|event| HOOKS.contains(&event));
    if matches!(taken, Ok(Reported::AlreadyCompleted)) && !is_at_a_hook {
        tracing::info!(
            deployment.id = event.deployment.0,
            hook.name = call.hook,
            "the lifecycle event had been answered already, so there is nothing to tell"
        );
    } else {
        tell(outbox, clock, notice, call.deadline).await;
    }
    match taken {
        Ok(_) => Ok(json!({
            "verdict": conclusion.verdict,
            "reason": conclusion.reason,
            "deployment": event.deployment,
            "lifecycle_event": lifecycle_event,
            "reported": true,
        })),
        Err(error) => Err(Unanswered::NotReported {
            deployment: event.deployment.0,
            verdict: conclusion.verdict,
            reason: conclusion.reason,
            tried,
            error: Box::new(error),
        }),
    }
}

#[cfg(test)]
mod tests;
