//! What the facts mean for each requirement. Pure: knows nothing of how the facts were read, nor whether they will be read
//! again.

mod alarms;
mod ecs;
mod images;
mod lambda;
mod routed;

use domain::config::Severity;
use domain::hook::{Finding, Outcome};
use domain::text::count;
use hook::Case;

use crate::facts::{Facts, VersionFacts, Wanted};
use crate::softened;

pub use routed::{Routed, routed};

/// The lifecycle event at which there is no new version yet.
pub const BEFORE_INSTALL: &str = "BeforeInstall";

/// Whether the test listener cannot lead to the new version yet: AllowTestTraffic, which moves it, comes after these (CodeDeploy user guide,
/// "AppSpec hooks section").
pub fn is_early(lifecycle_event: Option<&str>) -> bool {
    matches!(lifecycle_event, Some(BEFORE_INSTALL | "AfterInstall"))
}

/// How many tasks, targets or alarms are named one by one.
const NAMED: usize = 3;

/// How much of a reason from outside is repeated, in characters.
const REASON: usize = 200;

/// A finding, and whether it may come out differently in a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    finding: Finding,
    /// Something is only just starting.
    pub may_change: bool,
}

impl Decided {
    /// Whether the verdict will be Failed, whatever else comes out.
    pub fn has_failed_for_good(&self) -> bool {
        !self.may_change && !self.finding.outcome.is_acceptable()
    }

    /// Whether a check would be answered badly, or by another version, while this does not hold.
    pub fn concerns_checks(&self) -> bool {
        matches!(self.finding.name.as_str(), "tasks_running" | "targets_healthy" | "test_listener_routed")
    }

    /// The finding.
    pub fn finding(self) -> Finding {
        self.finding
    }
}

/// An outcome with what was seen, and whether it may change.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    outcome: Outcome,
    observed: String,
    may_change: bool,
}

fn settled(outcome: Outcome, observed: impl Into<String>) -> Seen {
    Seen { outcome, observed: observed.into(), may_change: false }
}

fn starting(outcome: Outcome, observed: impl Into<String>) -> Seen {
    Seen { outcome, observed: observed.into(), may_change: true }
}

fn unread(what: &str, why: &str) -> Seen {
    settled(Outcome::Inconclusive, format!("{what} could not be read: {why}"))
}

/// What is decided so far.
#[derive(Default)]
struct Sheet(Vec<Decided>);

impl Sheet {
    /// Adds what was seen of a requirement, unless it is off or does not apply.
    fn add(&mut self, name: &str, severity: Option<Severity>, target: &str, expected: &str, seen: Option<Seen>) {
        let (Some(severity), Some(seen)) = (severity, seen) else { return };
        let finding = Finding::fact(name, seen.outcome, expected, seen.observed, target);
        self.0.push(Decided { finding: softened(finding, severity), may_change: seen.may_change });
    }
}

/// Decides every requirement that applies, in the configuration's order.
pub fn decide(case: &Case<'_>, wanted: &Wanted, facts: &Facts) -> Vec<Decided> {
    let mut sheet = Sheet::default();
    match &facts.version {
        VersionFacts::Ecs(ecs) => {
            let set = format!("task set {}", ecs.task_set.id);
            let group = format!("target group {}", ecs.task_set.target_group.as_deref().unwrap_or("unknown"));
            let tasks = count(usize::try_from(ecs.task_set.desired).unwrap_or(0), "task");
            let expected = format!("{tasks} running, none pending, none stopped");
            sheet.add("tasks_running", wanted.tasks_running, &set, &expected, Some(ecs::tasks_running(ecs)));
            let expected = "at least 1 healthy target and no unhealthy one";
            let healthy = ecs::targets_healthy(&ecs.health, leads_to_the_new_version(case));
            sheet.add("targets_healthy", wanted.targets_healthy, &group, expected, Some(healthy));
            let expected = match &case.revision.task_definition {
                Some(definition) => format!("task definition `{}` and its images", images::short(definition)),
                None => "the images of its task definition".to_owned(),
            };
            let matches = images::image_matches(ecs, &case.revision, &case.app_spec);
            sheet.add("image_matches_revision", wanted.image_matches_revision, &set, &expected, Some(matches));
        }
        VersionFacts::Lambda(lambda) => {
            let version = format!("version {}", lambda.version());
            let expected = "state Active, last update Successful";
            sheet.add("tasks_running", wanted.tasks_running, &version, expected, Some(lambda::active(lambda)));
            let alias = format!("alias {}", lambda.alias());
            let current = Some(lambda.current.as_str()).filter(|version| !version.is_empty());
            let expected =
                format!("all traffic on {}", current.map_or("one version".to_owned(), |it| format!("version {it}")));
            let steady = lambda::alias_not_shifting(lambda);
            sheet.add("alias_not_shifting", wanted.alias_not_shifting, &alias, &expected, Some(steady));
            let ready = lambda::provisioned_concurrency_ready(lambda);
            let severity = wanted.provisioned_concurrency_ready;
            sheet.add("provisioned_concurrency_ready", severity, &version, "provisioned concurrency READY", ready);
        }
        VersionFacts::Unknown(why) => {
            let requirements = [
                ("tasks_running", wanted.tasks_running),
                ("targets_healthy", wanted.targets_healthy),
                ("image_matches_revision", wanted.image_matches_revision),
                ("alias_not_shifting", wanted.alias_not_shifting),
                ("provisioned_concurrency_ready", wanted.provisioned_concurrency_ready),
            ];
            for (name, severity) in requirements {
                let unknown = settled(Outcome::Inconclusive, why.clone());
                sheet.add(name, severity, "deployment target", "a new version to look at", Some(unknown));
            }
        }
    }
    if let Some(routed) = &facts.routed {
        let seen = Seen { outcome: routed.outcome, observed: routed.observed.clone(), may_change: routed.may_change };
        sheet.add("test_listener_routed", wanted.test_listener_routed, "test listener", &routed.expected, Some(seen));
    }
    let quiet = alarms::quiet(&wanted.alarms, &wanted.alerts, &facts.alarms);
    sheet.add("alarms_quiet", wanted.alarms_quiet, "CloudWatch alarms", "no alarm in ALARM, and data for each", quiet);
    sheet.0
}

/// Whether a listener leads to the new version's targets: only then does the load balancer tell their health.
fn leads_to_the_new_version(case: &Case<'_>) -> bool {
    let has_test_listener = case.routes.as_ref().is_some_and(|routes| routes.test_listener.is_some());
    has_test_listener && !is_early(case.lifecycle_event.as_deref())
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
