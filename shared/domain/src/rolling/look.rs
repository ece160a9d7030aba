//! What one look at a service shows that is on its way back. Pure; knows nothing of who looks, or how often.

use super::{RollingService, Rollout, family_and_number};

/// What one look showed, each with a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Only tasks of the previous task definition are left, and the service is steady.
    Restored(String),
    /// It is on its way.
    NotYet(String),
    /// It will not come to that.
    NotRestored(String),
}

/// A task definition's family and number, as a person names it.
fn spoken(task_definition: &str) -> String {
    match family_and_number(task_definition) {
        Some((family, number)) => format!("{family}:{number}"),
        None => task_definition.to_owned(),
    }
}

/// Whether a service that was told to return to the task definition `previous` has done so. Traffic is back when no task of another one
/// runs any more and the service is steady: a rolling deployment has no weights that would show it sooner.
pub fn look(service: &RollingService, previous: &str) -> Seen {
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
        return Seen::NotRestored(format!("somebody has deployed {now} by `{id}` since, in place of {back}"));
    }
    let (running, others) = service.running(previous);
    let tasks = format!("{running} of {} tasks run {back}, {others} run another version", service.desired);
    match primary.rollout {
        Rollout::Failed => {
            let why = if primary.reason.is_empty() { String::new() } else { format!(" ({})", primary.reason) };
            Seen::NotRestored(format!("ECS has given up `{id}`, which was to bring {back} back{why}; {tasks}"))
        }
        _ if service.is_stable() => Seen::Restored(format!("all {running} tasks run {back} and the service is steady")),
        _ if primary.failed > 0 => Seen::NotYet(format!(
            "`{id}` is under way; {tasks}; {} tasks in a row could not be started",
            primary.failed
        )),
        _ => Seen::NotYet(format!("`{id}` is under way; {tasks}")),
    }
}
