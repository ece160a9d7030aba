//! What the facts mean for each requirement. Pure: knows nothing of how the facts were read, nor whether they will be read
//! again.

use domain::alarm::{AlarmReading, AlarmState};
use domain::config::Severity;
use domain::deployment::{Revision, TaskSet};
use domain::hook::{Finding, Outcome};
use domain::ports::{TargetHealth, Task, VersionState};
use domain::text::{bounded, count};
use hook::Case;

use crate::facts::{EcsFacts, Facts, LambdaFacts, Reading, VersionFacts, Wanted};
use crate::softened;

/// The lifecycle event at which the test listener does not lead to the new version yet.
pub const AFTER_INSTALL: &str = "AfterInstall";

/// How many tasks or targets are named one by one.
const NAMED: usize = 3;

/// A finding, and whether it may come out differently in a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    finding: Finding,
    /// Something is only just starting.
    pub may_change: bool,
}

impl Decided {
    /// The finding.
    pub fn finding(self) -> Finding {
        self.finding
    }
}

/// An outcome with what was seen, and whether it may change.
type Seen = (Outcome, String, bool);

fn settled(outcome: Outcome, seen: impl Into<String>) -> Seen {
    (outcome, seen.into(), false)
}

fn starting(outcome: Outcome, seen: impl Into<String>) -> Seen {
    (outcome, seen.into(), true)
}

/// Decides every requirement that applies, in the configuration's order.
pub fn decide(case: &Case<'_>, wanted: &Wanted, facts: &Facts) -> Vec<Decided> {
    let mut decided = Vec::new();
    let mut add = |name: &str, severity: Option<Severity>, target: &str, expected: &str, seen: &dyn Fn() -> Seen| {
        let Some(severity) = severity else { return };
        let (outcome, observed, may_change) = seen();
        let finding = softened(Finding::fact(name, outcome, expected, observed, target), severity);
        decided.push(Decided { finding, may_change });
    };
    let (running, healthy, image) = ("tasks_running", "targets_healthy", "image_matches_revision");
    match &facts.version {
        VersionFacts::Ecs(ecs) => {
            let set = format!("task set {}", ecs.task_set.id);
            let group = format!("target group {}", ecs.task_set.target_group.as_deref().unwrap_or("unknown"));
            let expected =
                format!("{} running, none pending, none stopped", count(usize_of(ecs.task_set.desired), "task"));
            add(running, wanted.tasks_running, &set, &expected, &|| tasks_running(&ecs.task_set, &ecs.tasks));
            let in_use = is_in_use(case);
            add(healthy, wanted.targets_healthy, &group, "at least 1 healthy target and no unhealthy one", &|| {
                targets_healthy(&ecs.health, in_use)
            });
            let expected = match &case.revision.task_definition {
                Some(definition) => format!("task definition `{}` and its images", short(definition)),
                None => "the images of its task definition".to_owned(),
            };
            add(image, wanted.image_matches_revision, &set, &expected, &|| image_matches(ecs, &case.revision));
        }
        VersionFacts::Lambda(lambda) => {
            let expected = "state Active, last update Successful";
            add(running, wanted.tasks_running, &format!("version {}", lambda.name), expected, &|| {
                version_active(lambda)
            });
        }
        VersionFacts::Unknown(why) => {
            let unknown = || settled(Outcome::Inconclusive, why.clone());
            let requirements = [
                (running, wanted.tasks_running),
                (healthy, wanted.targets_healthy),
                (image, wanted.image_matches_revision),
            ];
            for (name, severity) in requirements {
                add(name, severity, "deployment target", "a new version to look at", &unknown);
            }
        }
    }
    add("alarms_quiet", wanted.alarms_quiet, "CloudWatch alarms", "no alarm in ALARM", &|| {
        alarms_quiet(&wanted.alarms, &facts.alarms)
    });
    decided
}

fn usize_of(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// Whether a listener leads to the new version's targets: only then does the load balancer tell their health.
fn is_in_use(case: &Case<'_>) -> bool {
    let has_test_listener = case.routes.as_ref().is_some_and(|routes| routes.test_listener.is_some());
    has_test_listener && case.lifecycle_event.as_deref() != Some(AFTER_INSTALL)
}

fn tasks_running(set: &TaskSet, tasks: &Reading<Vec<Task>>) -> Seen {
    let numbers =
        format!("{} of {} running, {} pending", set.running, count(usize_of(set.desired), "task"), set.pending);
    let tasks = match tasks {
        Ok(tasks) => tasks,
        Err(why) => return settled(Outcome::Inconclusive, format!("{numbers}; the tasks could not be read: {why}")),
    };
    let bad: Vec<String> = tasks.iter().filter_map(trouble).collect();
    if !bad.is_empty() {
        return settled(Outcome::Fail, format!("{numbers}; {}", listed(&bad)));
    }
    match (set.desired, set.running == set.desired && set.pending == 0) {
        (..1, _) => settled(
            Outcome::Inconclusive,
            "no task is wanted; scale the service up, so that there is something to look at",
        ),
        (_, true) => settled(Outcome::Pass, numbers),
        (_, false) => starting(Outcome::Fail, numbers),
    }
}

/// What is wrong with a task, if anything.
fn trouble(task: &Task) -> Option<String> {
    let reason = task.stopped_reason.as_deref().unwrap_or("no reason given");
    match task.status.as_str() {
        // The service's scaling ends tasks that are in order; ECS says so in these words.
        "STOPPED" if reason.starts_with("Scaling activity initiated by") => None,
        "STOPPED" => Some(format!("task `{}` stopped: {}", task.id, bounded(reason, 200))),
        _ if task.health == "UNHEALTHY" => Some(format!("task `{}` fails its container's health check", task.id)),
        _ => None,
    }
}

fn targets_healthy(health: &Reading<Vec<TargetHealth>>, in_use: bool) -> Seen {
    let targets = match health {
        Ok(targets) => targets,
        Err(why) => {
            return settled(Outcome::Inconclusive, format!("the health of the targets could not be read: {why}"));
        }
    };
    let of = |state: &str| targets.iter().filter(|target| target.state == state).count();
    let unhealthy: Vec<String> = targets
        .iter()
        .filter(|target| target.state == "unhealthy")
        .map(|target| {
            format!("`{}` is unhealthy ({})", target.id, target.reason.as_deref().unwrap_or("no reason given"))
        })
        .collect();
    let (healthy, initial, unused) = (of("healthy"), of("initial"), of("unused"));
    let numbers = format!("{healthy} of {} healthy", count(targets.len(), "target"));
    match (unhealthy.is_empty(), healthy, initial, unused) {
        (false, ..) => settled(Outcome::Fail, format!("{numbers}; {}", listed(&unhealthy))),
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
        (true, 0, 0, 0) => settled(Outcome::Fail, numbers),
    }
}

/// Containers that ECS puts beside those of the task definition: GuardDuty's agent and Service Connect's proxy.
const BROUGHT_BY_AWS: [&str; 2] = ["aws-guardduty-agent", "ecs-service-connect"];

fn image_matches(facts: &EcsFacts, revision: &Revision) -> Seen {
    let cannot_tell =
        |what: &str, why: &str| settled(Outcome::Inconclusive, format!("{what} could not be read: {why}"));
    let definition = match &facts.definition {
        Ok(definition) => definition,
        Err(why) => return cannot_tell("the task set's task definition", why),
    };
    if let Some(wanted) = &revision.task_definition
        && !is_same_definition(wanted, definition)
    {
        return settled(Outcome::Fail, format!("it runs the task definition `{}`", short(definition)));
    }
    let (images, tasks) = match (&facts.images, &facts.tasks) {
        (Ok(images), Ok(tasks)) => (images, tasks),
        (Err(why), _) => return cannot_tell("the task definition", why),
        (_, Err(why)) => return cannot_tell("the tasks", why),
    };
    let running: Vec<&Task> = tasks.iter().filter(|task| task.status == "RUNNING").collect();
    // A tag that ECS has resolved is followed by its digest.
    let is_named = |image: &str| {
        images.iter().any(|named| {
            image.strip_prefix(named.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
        })
    };
    let strange: Vec<String> = running
        .iter()
        .flat_map(|task| task.images.iter().map(|image| (&task.id, image)))
        .filter(|(_, image)| !is_named(image) && !BROUGHT_BY_AWS.iter().any(|part| image.contains(part)))
        .map(|(id, image)| format!("task `{id}` runs the image `{image}`, which the task definition does not name"))
        .collect();
    if !strange.is_empty() {
        return settled(Outcome::Fail, listed(&strange));
    }
    if running.iter().all(|task| task.images.is_empty()) {
        return starting(Outcome::Inconclusive, "no running task tells its images");
    }
    settled(
        Outcome::Pass,
        format!("task definition `{}`, {} with its images", short(definition), count(running.len(), "task")),
    )
}

/// The AppSpec may name a definition by ARN, by family and number, or by family alone.
fn is_same_definition(wanted: &str, running: &str) -> bool {
    let (wanted, running) = (wanted.trim(), running.trim());
    if wanted.starts_with("arn:") && running.starts_with("arn:") {
        return wanted == running;
    }
    let (wanted, running) = (short(wanted), short(running));
    wanted == running || running.rsplit_once(':').is_some_and(|(family, _)| family == wanted)
}

fn short(definition: &str) -> &str {
    definition.rsplit('/').next().unwrap_or(definition)
}

fn version_active(facts: &LambdaFacts) -> Seen {
    let VersionState { state, last_update, reason } = match &facts.state {
        Ok(state) => state,
        Err(why) => return settled(Outcome::Inconclusive, format!("the version could not be read: {why}")),
    };
    let because = reason.as_deref().map_or(String::new(), |reason| format!(": {}", bounded(reason, 200)));
    let seen = format!("state {state}, last update {last_update}{because}");
    match (state.as_str(), last_update.as_str()) {
        ("Active", "Successful") => settled(Outcome::Pass, seen),
        ("Pending", _) | ("Active", "InProgress") => starting(Outcome::Fail, seen),
        _ => settled(Outcome::Fail, seen),
    }
}

fn alarms_quiet(names: &[String], readings: &Reading<Vec<AlarmReading>>) -> Seen {
    let readings = match readings {
        Ok(readings) => readings,
        Err(why) => return settled(Outcome::Inconclusive, format!("the alarms could not be read: {why}")),
    };
    let red: Vec<String> = readings
        .iter()
        .filter(|reading| reading.state == AlarmState::Alarm)
        .map(|reading| {
            let since = reading.since.map_or(String::new(), |since| format!(" since {since}"));
            format!("`{}` is in ALARM{since}: {}", reading.name, bounded(&reading.reason, 200))
        })
        .collect();
    if !red.is_empty() {
        return settled(Outcome::Fail, listed(&red));
    }
    let missing: Vec<String> = names
        .iter()
        .filter(|name| readings.iter().all(|reading| reading.name != **name))
        .map(|name| format!("`{name}` does not exist in CloudWatch"))
        .collect();
    if missing.is_empty() {
        settled(Outcome::Pass, format!("{} quiet", count(names.len(), "alarm")))
    } else {
        let hint = "create it, or correct its name under `alarms` in config/greenlight.yaml";
        settled(Outcome::Inconclusive, format!("{}; {hint}", listed(&missing)))
    }
}

/// The first few, and how many more there are.
fn listed(items: &[String]) -> String {
    let text = items.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    match items.len().saturating_sub(NAMED) {
        0 => text,
        more => format!("{text}; and {more} more"),
    }
}

#[cfg(test)]
mod tests;
