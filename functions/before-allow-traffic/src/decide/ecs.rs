//! Of an ECS service: whether the replacement task set runs what it should, and whether its targets are healthy. Pure.

use domain::deployment::TaskSet;
use domain::hook::Outcome;
use domain::ports::{Container, DefinedContainer, TargetHealth, Task};
use domain::text::{bounded, count};

use super::{REASON, Seen, listed, settled, starting, unread};
use crate::facts::{EcsFacts, Reading};

fn usize_of(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// `tasks_running`: as many tasks as wanted, none ended, and no container that fails its health check or has not passed it yet.
pub(super) fn tasks_running(ecs: &EcsFacts) -> Seen {
    let set = &ecs.task_set;
    let numbers = numbers(set);
    let tasks = match &ecs.tasks {
        Ok(tasks) => tasks,
        Err(why) => return unread(&format!("{numbers}; the tasks"), why),
    };
    let defined = ecs.containers.as_deref().unwrap_or_default();
    let bad = grouped(tasks.iter().filter_map(|task| Some((task, trouble(task, defined)?))));
    if !bad.is_empty() {
        return settled(Outcome::Fail, format!("{numbers}; {}", listed(&bad)));
    }
    let taken = grouped(tasks.iter().filter_map(|task| Some((task, taken_away(task)?))));
    let numbers = if taken.is_empty() { numbers } else { format!("{numbers}; {}", listed(&taken)) };
    if set.desired < 1 {
        return settled(
            Outcome::Inconclusive,
            "no task is wanted; scale the service up, so that there is something to look at",
        );
    }
    if set.running != set.desired || set.pending != 0 {
        return starting(Outcome::Fail, numbers);
    }
    let running: Vec<&Task> = tasks.iter().filter(|task| task.status == "RUNNING").collect();
    if running.len() < usize_of(set.desired) {
        return starting(Outcome::Fail, format!("{numbers} by CodeDeploy's count, {} by ECS's", running.len()));
    }
    if let Err(why) = &ecs.containers {
        return unread(&format!("{numbers}; whether its containers have health checks"), why);
    }
    let unproven = running.iter().filter_map(|task| Some((*task, unproven(task, defined)?)));
    let unproven = grouped(unproven);
    if unproven.is_empty() {
        settled(Outcome::Pass, numbers)
    } else {
        starting(Outcome::Inconclusive, format!("{numbers}; {}", listed(&unproven)))
    }
}

fn numbers(set: &TaskSet) -> String {
    format!("{} of {} running, {} pending", set.running, count(usize_of(set.desired), "task"), set.pending)
}

/// What is wrong with a task, if anything, as it reads after its name.
fn trouble(task: &Task, defined: &[DefinedContainer]) -> Option<String> {
    if task.has_ended() {
        let reason = task.stopped_reason.as_deref().unwrap_or("no reason given");
        let stopped = || format!("stopped: {}{}", bounded(reason, REASON), exits(&task.containers));
        return taken_away(task).is_none().then(stopped);
    }
    let is_essential = |name: &str| defined.iter().any(|one| one.name == name && one.is_essential);
    let sick = task.containers.iter().find(|one| one.health == "UNHEALTHY" && is_essential(&one.name));
    match sick {
        Some(container) => Some(format!("fails the health check of its container `{}`", container.name)),
        // Of the whole task: its essential containers.
        None => (task.health == "UNHEALTHY").then(|| "fails its container's health check".to_owned()),
    }
}

/// Of a task that has ended: that it was taken away, which says nothing against the version, and another takes its place. Scaling, a Spot
/// interruption, a host that is retired and a person end tasks that are in order (`TaskStopCode`, ECS API reference). The scheduler also ends those that fail
/// a health check, and says so: "Task failed ELB health checks in (…)" (ECS developer guide, "Amazon ECS stopped tasks error messages").
fn taken_away(task: &Task) -> Option<String> {
    let reason = task.stopped_reason.as_deref().unwrap_or("no reason given");
    let code = task.stop_code.as_deref();
    let is_taken = match code {
        Some("SpotInterruption" | "TerminationNotice" | "UserInitiated") => true,
        Some("ServiceSchedulerInitiated") => !["failed", "health check"].iter().any(|word| reason.contains(word)),
        Some(_) => false,
        None => reason.starts_with("Scaling activity initiated by"),
    };
    let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
    (task.has_ended() && is_taken).then(|| format!("was taken away: {}{code}", bounded(reason, REASON)))
}

/// How a task's containers ended: those with an error, or else those that ended at all.
fn exits(containers: &[Container]) -> String {
    let is_bad = |one: &&Container| one.reason.is_some() || one.exit_code.is_some_and(|code| code != 0);
    let any_bad = containers.iter().any(|one| is_bad(&one));
    let ended = containers.iter().filter(|one| if any_bad { is_bad(one) } else { one.exit_code.is_some() });
    let told = ended.map(|one| {
        let code = one.exit_code.map(|code| format!(" exited with code {code}")).unwrap_or_default();
        let reason = one.reason.as_deref().map(|reason| format!(": {}", bounded(reason, REASON))).unwrap_or_default();
        format!(", container `{}`{code}{reason}", one.name)
    });
    told.collect()
}

/// The container that is not known to be healthy yet.
fn unproven(task: &Task, defined: &[DefinedContainer]) -> Option<String> {
    let looked_after = defined.iter().filter(|one| one.has_health_check && one.is_essential);
    let is_unknown = |name: &str| task.containers.iter().any(|one| one.name == name && one.health == "UNKNOWN");
    let waiting = looked_after.map(|one| one.name.as_str()).find(|name| is_unknown(name))?;
    Some(format!("has not passed the health check of its container `{waiting}` yet"))
}

/// Tasks of which the same is to be said are told together: a crash loop leaves many.
fn grouped<'a>(tasks: impl Iterator<Item = (&'a Task, String)>) -> Vec<String> {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for (task, what) in tasks {
        match groups.iter_mut().find(|(known, _)| *known == what) {
            Some((_, ids)) => ids.push(&task.id),
            None => groups.push((what, vec![&task.id])),
        }
    }
    let told = groups.into_iter().map(|(what, ids)| match ids.as_slice() {
        [one] => format!("task `{one}` {what}"),
        [first, ..] => format!("{} tasks, `{first}` among them, each {what}", ids.len()),
        [] => what,
    });
    told.collect()
}

/// `targets_healthy`: at least one healthy target and no unhealthy one.
pub(super) fn targets_healthy(health: &Reading<Vec<TargetHealth>>, in_use: bool) -> Seen {
    let targets = match health {
        Ok(targets) => targets,
        Err(why) => return unread("the health of the targets", why),
    };
    let of = |state: &str| targets.iter().filter(|target| target.state == state).count();
    let unhealthy: Vec<String> = targets
        .iter()
        .filter(|target| target.state == "unhealthy")
        .map(|target| {
            let reason = target.reason.as_deref().unwrap_or("no reason given");
            format!("`{}` is unhealthy ({})", target.id, bounded(reason, REASON))
        })
        .collect();
    let (healthy, initial, unused) = (of("healthy"), of("initial"), of("unused"));
    let numbers = format!("{healthy} of {} healthy", count(targets.len(), "target"));
    match (unhealthy.is_empty(), healthy, initial, unused) {
        // An application that is slow to boot fails its first health checks and passes later ones.
        (false, ..) => starting(Outcome::Fail, format!("{numbers}; {}", listed(&unhealthy))),
        (true, 1.., ..) => settled(Outcome::Pass, numbers),
        (true, 0, 1.., _) => starting(Outcome::Inconclusive, format!("{numbers}, {initial} still being registered")),
        // Without a test listener the group has no health before the shift; that is how the team wants it.
        (true, 0, 0, 1..) if !in_use => settled(
            Outcome::Degraded,
            format!(
                "{numbers}: no listener leads to the target group yet, so the load balancer does not look at its targets"
            ),
        ),
        (true, 0, 0, 1..) => {
            starting(Outcome::Inconclusive, format!("{numbers}: the load balancer does not use the target group yet"))
        }
        (true, 0, 0, 0) if targets.is_empty() => starting(Outcome::Fail, "the target group is empty"),
        (true, 0, 0, 0) => starting(Outcome::Fail, numbers),
    }
}
