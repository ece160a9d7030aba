//! Reports a verdict to CodeDeploy and then tells everybody else. The report is tried for as long as there is time; telling is
//! tried for a while and may fail. Knows nothing of how a verdict was reached.

use std::time::Duration;

use clock::Clock;
use domain::events::{HookVerdict, Notice};
use domain::hook::{HookEvent, Verdict};
use domain::ports::{HookReporter, Outbox, PortError, Reported};
use domain::time::Timestamp;

use crate::codedeploy::size::fitting;
use crate::patience::patiently;

/// How long telling is tried: only the verdict's event carries what was observed, and once it is lost nobody sends it again.
const LONGEST_TELLING: Duration = Duration::from_secs(20);
/// What is kept free for telling when the deadline is near; less when a twentieth of the time that is left is less.
const FOR_TELLING: Duration = Duration::from_secs(1);

/// Reports the verdict, and again while CodeDeploy throttles or fails, until shortly before the deadline: there is nothing better to do
/// with the time, since nothing else gets the verdict to CodeDeploy but the watchdog, later. That it had been answered already is a success: hooks are
/// invoked asynchronously, so the same event may arrive twice.
///
/// # Errors
/// When CodeDeploy did not take it before the deadline.
pub async fn report(
    reporter: &impl HookReporter,
    clock: &Clock,
    event: &HookEvent,
    verdict: Verdict,
    deadline: Timestamp,
) -> Result<Reported, PortError> {
    let left = deadline.since(clock.now());
    let limit = left.saturating_sub(FOR_TELLING.min(left / 20));
    patiently(clock, limit, async || reporter.report(event, verdict).await).await
}

/// Publishes the verdict with everything that was seen, then logs it. A failure to publish is logged and nothing more: the
/// verdict has been given.
pub async fn tell(outbox: &impl Outbox, clock: &Clock, verdict: HookVerdict, deadline: Timestamp) {
    let limit = deadline.since(clock.now()).mul_f64(0.8).min(LONGEST_TELLING);
    let notice = Notice::HookVerdict(fitting(verdict));
    let published = patiently(clock, limit, async || outbox.publish(&notice).await).await;
    let Notice::HookVerdict(verdict) = notice else { return };
    let id = verdict.deployment_id.0.as_str();
    if let Err(error) = published {
        tracing::warn!(
            deployment.id = id,
            hook.name = verdict.hook,
            %error,
            "the verdict could not be published on the event bus"
        );
    }
    for finding in verdict.findings.iter().filter(|finding| !finding.outcome.is_acceptable()) {
        // The observation may repeat a body, which has no place in a log.
        tracing::info!(
            deployment.id = id,
            check.name = finding.name,
            check.outcome = finding.outcome.word(),
            check.target = finding.target,
            "a check did not pass"
        );
    }
    tracing::info!(
        deployment.id = id,
        hook.name = verdict.hook,
        lifecycle_event = verdict.lifecycle_event,
        verdict = %verdict.verdict,
        reported = verdict.reported,
        duration_ms = verdict.duration_ms,
        "the hook has answered"
    );
}
