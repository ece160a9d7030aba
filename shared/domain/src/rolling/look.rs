//! What one look at a service shows that is on its way back. Pure; knows nothing of who looks, or how often.

use super::{RollbackSign, RollingService, Rollout, family_and_number};
use crate::deployment::DeploymentId;
use crate::text::count;

/// What one look showed, each with a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// No task of another task definition gets new requests. The sentence says whether the service is steady, too.
    Restored(String),
    /// It is on its way.
    NotYet(String),
    /// It will not come to that.
    NotRestored(String),
    /// Somebody has deployed something else since, so whether it came to that is no question any more.
    Superseded(String),
}

/// A task definition's family and number, as a person names it.
fn spoken(task_definition: &str) -> String {
    match family_and_number(task_definition) {
        Some((family, number)) => format!("{family}:{number}"),
        None => task_definition.to_owned(),
    }
}

/// Whether a service that was told to return to the task definition `previous` has done so. What it was told to return from is `bad`: the
/// deployment and its task definition. A rolling deployment has no weights, so
/// the traffic is where tasks run: it is back when as many tasks of the previous one run as the service wants, and none of another.
///
/// ECS counts the tasks "in the `RUNNING` status" (`Deployment.runningCount`, ECS API reference). A task that is being drained is not: it is
/// `DEACTIVATING`, in which "the target group deregistration occurs" ("Amazon ECS task lifecycle", ECS developer guide; seen in aws-cdk#13559),
/// and a target that is deregistering gets no new requests. Until it is steady, the service waits for the deregistration delay, 5 minutes
/// when nobody has set it.
pub fn look(service: &RollingService, previous: &str, bad: (&DeploymentId, &str)) -> Seen {
    let (back, name) = (spoken(previous), &service.name);
    let Some(primary) = service.primary() else {
        return Seen::NotRestored(format!(
            "the ECS service `{name}` has no deployment any more: it is `{}`",
            service.status
        ));
    };
    let id = &primary.id;
    if primary.task_definition != previous {
        let now = spoken(&primary.task_definition);
        if primary.id == *bad.0 {
            return Seen::NotYet(format!("`{id}`, which brings {now}, is still the newest deployment"));
        }
        if service.rollback_sign() == Some(RollbackSign::CircuitBreaker) {
            return Seen::NotRestored(format!("ECS's circuit breaker brings {now} by `{id}`, in place of {back}"));
        }
        let deployed = format!("somebody has deployed {now} by `{id}` since, in place of {back}");
        // Who deploys the bad version again may not know that it was taken back.
        return if primary.task_definition == bad.1 { Seen::NotRestored(deployed) } else { Seen::Superseded(deployed) };
    }
    let (running, others) = service.running(previous);
    let tasks =
        format!("{running} of {} run {back}, {others} run another version", count(service.desired as usize, "task"));
    match primary.rollout {
        Rollout::Failed => {
            let why = if primary.reason.is_empty() { String::new() } else { format!(" ({})", primary.reason) };
            Seen::NotRestored(format!("ECS has given up `{id}`, which was to bring {back} back{why}; {tasks}"))
        }
        _ if service.is_stable() => Seen::Restored(format!("all {running} tasks run {back} and the service is steady")),
        _ if others == 0 && running >= service.desired => Seen::Restored(format!(
            "all {running} tasks run {back} and no other gets new requests; the service is not steady yet"
        )),
        _ if primary.failed > 0 => Seen::NotYet(format!(
            "`{id}` is under way; {tasks}; {} in a row could not be started",
            count(primary.failed as usize, "task")
        )),
        _ => Seen::NotYet(format!("`{id}` is under way; {tasks}")),
    }
}
