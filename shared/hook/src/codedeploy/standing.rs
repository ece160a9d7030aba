//! Whether the answer that CodeDeploy has is this hook's: asked when CodeDeploy says that the lifecycle event had been answered already.
//! Knows nothing of how the answer was given.

use std::time::Duration;

use clock::Clock;
use domain::deployment::Status;
use domain::hook::{HookEvent, Verdict};
use domain::ports::{Deployments, PortError};
use domain::time::Timestamp;

use super::HOOKS;
use crate::patience::patiently;

/// How long it is looked for; less when half of the time that is left is less. It only serves the message.
const LONGEST_LOOK: Duration = Duration::from_secs(10);

/// Whether CodeDeploy's record has `verdict` as the answer to `lifecycle_event`, the event that was in progress when the hook was asked.
///
/// AWS does not document what becomes of an event in progress when the deployment is stopped. Should it be called `Failed`, the
/// deployment's own status tells it from a hook's `Failed`.
///
/// # Errors
/// Why not, for the log: it came after the event had ended, something else ended the event, or it could not be read.
pub async fn stands(
    deployments: &impl Deployments,
    clock: &Clock,
    event: &HookEvent,
    lifecycle_event: Option<&str>,
    verdict: Verdict,
    deadline: Timestamp,
) -> Result<(), String> {
    let Some(name) = lifecycle_event.filter(|name| HOOKS.contains(name)) else {
        return Err("no hook's lifecycle event was in progress when it was asked".to_owned());
    };
    let end = clock.now().plus(LONGEST_LOOK.min(deadline.since(clock.now()) / 2));
    let unread = |error: PortError| format!("what CodeDeploy has recorded could not be read: {error}");
    let target = patiently(clock, end.since(clock.now()), async || deployments.target(&event.deployment).await);
    let target = target.await.map_err(unread)?;
    let status = target.lifecycle_events().iter().find(|one| one.name == name).map(|one| one.status.as_str());
    if status != Some(verdict.to_string().as_str()) {
        return Err(format!("`{name}` is recorded as {}", status.unwrap_or("nothing")));
    }
    if verdict == Verdict::Failed {
        let record = patiently(clock, end.since(clock.now()), async || deployments.deployment(&event.deployment).await);
        if record.await.map_err(unread)?.status == Status::Stopped {
            return Err(format!("the deployment was stopped, which ended `{name}`"));
        }
    }
    Ok(())
}
