//! What an alarm leads to, as a pure function of the facts. Knows nothing of how they were read or of how anything is stopped.
//!
//! The first row that applies decides:
//!
//! | # | the alarm, the configuration, the deployment, what was done before | decision |
//! | --- | --- | --- |
//! | 1 | the alarm did not go to ALARM | ignore |
//! | 2 | it was in ALARM before, and its actions were not suppressed then | ignore |
//! | 3 | its actions are suppressed: CloudWatch sends the event all the same | ignore |
//! | 4 | it is an alarm of another account or region | alert; ignore where no service names it |
//! | 5 | no service names it, nor does a tag, nor a deployment group whose deployment is in flight | ignore |
//! | 6 | its tags cannot be understood | alert |
//! | 6a | no service names it, its tag says `alert`, no tag names a group, nor does a group whose deployment is in flight name it: it is about no deployment | alert |
//! | 7 | its tag names another environment than the service has | alert |
//! | 7a | its event comes late, and the alarm has been OK since | alert |
//! | | *a deployment of the group is in flight, or was when it was looked for* | |
//! | 8 | it is itself a rollback: one is never stopped | alert |
//! | 9 | it is being stopped already, or has just ended without Greenlight | alert; ignore where that was Greenlight |
//! | 10 | the alarm's action is `alert` | alert |
//! | 11 | the alarm was red before the deployment began, which therefore is not its cause | alert |
//! | 12 | it is a person's cure: it brings an older version than the one that it replaces | alert |
//! | 13 | the group was rolled back as often as its limit allows | alert, and page |
//! | 14 | else | stop and roll back |
//! | | *no deployment of the group is in flight* | |
//! | 15 | the alarm's action is `alert`, the service has no `late_rollback`, or does not name the alarm | alert |
//! | 16 | the group's last deployment did not succeed, is a rollback, ended before the window, or began when the alarm was red; or the alarm's event comes after the window | alert |
//! | 17 | it is a person's cure: it brings an older version, or one that was there before the one that it replaces, or asks for the emergency lane | alert, and page |
//! | 18 | the group was rolled back as often as its limit allows | alert, and page |
//! | 19 | no other version is known that was good before | alert, and page |
//! | 20 | else | deploy that version again |

mod cure;
mod ended;
mod words;

use domain::alarm::AlarmState;
use domain::config::{AlarmAction, LateRollback, RollbackLimit, Service};
use domain::deployment::{Deployment, GroupName, ROLLS_BACK, Revision, Status};
use domain::events::Decision;
use domain::redeploy;
use domain::time::{Timestamp, spoken};

use crate::event::Transition;
pub use cure::{Cure, NoGood};
use ended::nothing_in_flight;
pub use ended::{Spared, is_suspect, late};
pub use words::{
    alone, another_environment, busy, could_not, foreign, held_up, malformed, no_such_group, ours, too_late,
    unconfigured,
};
pub(crate) use words::{by_hand, candidates};

/// A decision with what a person needs to understand it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The decision.
    pub decision: Decision,
    /// Its reason, one sentence.
    pub reason: String,
    /// What a person can do next.
    pub next_step: String,
    /// Whether a person has to act now, since Greenlight does not.
    pub page: bool,
}

impl Decided {
    fn new(decision: Decision, reason: String, next_step: impl Into<String>) -> Self {
        Self { decision, reason, next_step: next_step.into(), page: false }
    }

    fn paging(self) -> Self {
        Self { page: true, ..self }
    }
}

/// Who says whom an alarm concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// A service names it.
    Configuration,
    /// Its tag does.
    Tag,
    /// Nobody but the group's own list of alarms: CodeDeploy acts on that by itself.
    Group,
}

/// Whom an alarm concerns, and what is wanted there.
#[derive(Clone, Debug)]
pub struct Concern<'a> {
    /// The deployment group.
    pub group: GroupName,
    /// The service that it deploys, where the configuration has one.
    pub service: Option<&'a Service>,
    /// What is wanted: by the service that names the alarm, else by the alarm's tag.
    pub action: AlarmAction,
    /// The environment that the alarm's tag names.
    pub tagged_environment: Option<String>,
    /// Who says so.
    pub named_by: NamedBy,
}

impl Concern<'_> {
    /// How people call it.
    pub fn name(&self) -> String {
        self.service.map_or_else(|| self.group.to_string(), |service| service.name.clone())
    }

    /// The service's environment, or the one that the alarm's tag names.
    pub fn environment(&self) -> Option<&str> {
        self.service.map(|service| service.environment.as_str()).or(self.tagged_environment.as_deref())
    }

    /// After how many rollbacks the next one is left to a person.
    pub fn limit(&self) -> RollbackLimit {
        self.service.map(|service| service.rollback_limit).unwrap_or_default()
    }

    /// Within what an ended deployment may be rolled back for this alarm. Only the configuration may ask for that: who may tag an alarm may
    /// stop what is in flight, and deploy nothing.
    pub fn late(&self) -> Option<LateRollback> {
        let is_asked_for = self.action == AlarmAction::Rollback && self.named_by == NamedBy::Configuration;
        self.service.and_then(|service| service.late_rollback).filter(|_| is_asked_for)
    }

    /// Who has said what the alarm leads to, as it reads before that.
    fn says(&self) -> &'static str {
        match self.named_by {
            NamedBy::Configuration => "its configured action is",
            NamedBy::Tag | NamedBy::Group => "its tag `greenlight:action` says",
        }
    }

    /// The other environment that the alarm belongs to, if it does.
    pub fn other_environment(&self) -> Option<(&str, &str)> {
        let (tagged, own) = (self.tagged_environment.as_deref()?, self.service?.environment.as_str());
        (tagged != own).then_some((tagged, own))
    }
}

/// A version that was good.
#[derive(Clone, Debug, PartialEq)]
pub struct Good {
    /// The deployment that brought it.
    pub deployment: Deployment,
    /// What its AppSpec names.
    pub revision: Revision,
}

/// What was found of the group's deployments.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// One that was in flight when it was looked for; and why it is taken for a cure, looked for where it would be stopped.
    InFlight(&'a Deployment, Option<&'a Cure>),
    /// None.
    Nothing {
        /// The group's last deployment; looked for where the service has `late_rollback`.
        last: Option<&'a Deployment>,
        /// The version that was good before it, or why there is none; looked for where rows 15 and 16 leave it to that.
        good: Result<&'a Good, &'a NoGood>,
    },
}

/// What was done before.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    /// Now, by the function's clock.
    pub now: Timestamp,
    /// How many other deployments of the group were rolled back within the window of its limit; `None` when the ledger did not tell.
    pub rollbacks: Option<usize>,
}

/// Rows 1 to 3: what the alarm alone decides, before anything is read.
pub fn ignored(transition: &Transition) -> Option<Decided> {
    let alarm = &transition.alarm;
    let name = &alarm.name;
    let ignore = |reason, next_step| Some(Decided::new(Decision::Ignore, reason, next_step));
    if alarm.state != AlarmState::Alarm {
        let reason = format!("`{name}` went to {}; only a transition to ALARM leads to anything", alarm.state);
        return ignore(reason, "nothing");
    }
    if !transition.is_news {
        return ignore(
            format!("`{name}` was in ALARM before; only a transition to ALARM leads to anything"),
            "nothing",
        );
    }
    let by = alarm.suppressed_by.as_ref()?;
    ignore(
        format!("`{name}` went to ALARM while its actions are suppressed by `{by}`"),
        "nothing; when the suppression ends with the alarm still red, it is decided again",
    )
}

/// Rows 7 to 20: what the alarm means for a deployment group that it concerns.
pub fn decide(transition: &Transition, concern: &Concern<'_>, found: Found<'_>, before: Before) -> Decided {
    let (alarm, name) = (&transition.alarm.name, concern.name());
    if let Some((tagged, own)) = concern.other_environment() {
        return another_environment(transition, tagged, (&name, own));
    }
    if let Some(over) = transition.over_since {
        let red = transition.alarm.changed_at.map(|at| format!(" at {}", at.time_of_day())).unwrap_or_default();
        let reason = format!(
            "`{alarm}` went to ALARM{red}, which was told late, and has been OK since {}; old news of `{name}` stops nothing",
            over.time_of_day()
        );
        return Decided::new(
            Decision::Alert,
            reason,
            "look at what the alarm saw; if it goes red again, it is decided anew",
        );
    }
    match found {
        Found::InFlight(deployment, cure) => in_flight(transition, concern, (deployment, cure), before),
        Found::Nothing { last, good } => nothing_in_flight(transition, concern, (last, good), before),
    }
}

/// Rows 8 to 14.
fn in_flight(
    transition: &Transition,
    concern: &Concern<'_>,
    (deployment, cure): (&Deployment, Option<&Cure>),
    before: Before,
) -> Decided {
    let (alarm, name, id) = (&transition.alarm.name, concern.name(), &deployment.id);
    let alert = |reason, next_step: String| Decided::new(Decision::Alert, reason, next_step);
    if deployment.is_rollback() {
        let of = deployment.rolls_back.as_ref().map(|of| format!(" of `{of}`")).unwrap_or_default();
        return alert(
            format!(
                "`{alarm}` went to ALARM while the rollback `{id}`{of} is under way{}; a rollback is never stopped",
                by_description(deployment)
            ),
            "wait for the rollback; if the alarm stays red after it, the version that was deployed last is not the cause"
                .to_owned(),
        );
    }
    if let Some(why) = ends_without_us(deployment) {
        return alert(
            format!("`{alarm}` went to ALARM, and the deployment `{id}` of `{name}` {why}, which was not Greenlight"),
            format!("see that its rollback ends well: `aws deploy get-deployment --deployment-id {id}` names it"),
        );
    }
    if concern.action == AlarmAction::Alert {
        let reason =
            format!("`{alarm}` went to ALARM during the deployment `{id}` of `{name}`; {} `alert`", concern.says());
        if concern.named_by == NamedBy::Group {
            let next_step = format!(
                "look at the alarm; if it is not to stop deployments, take it off the list: `aws deploy get-deployment-group --application-name {} \
                 --deployment-group-name {}` shows it",
                concern.group.application, concern.group.deployment_group
            );
            return alert(
                format!(
                    "{reason}, so Greenlight stops nothing for it; but the group's own list has it, and CodeDeploy stops the deployment itself"
                ),
                next_step,
            );
        }
        return alert(reason, format!("look at the alarm; {}", by_hand(id)));
    }
    let began = deployment.started.or(deployment.created);
    if let Some((red, began)) = red_before(transition, began) {
        return alert(
            format!(
                "`{alarm}` is in ALARM since {}, {} before the deployment `{id}` of `{name}` began, which is therefore not its cause",
                red.time_of_day(),
                spoken(began.since(red)),
            ),
            format!("look at what was wrong before; {}", by_hand(id)),
        );
    }
    if let Some(cure) = cure {
        let reason = format!(
            "`{alarm}` went to ALARM during the deployment `{id}` of `{name}`{}, which {cure}: it is taken for a cure and not stopped",
            to(&deployment.revision)
        );
        return alert(
            reason,
            format!("wait for it; if the alarm stays red after it, look at what else has changed; {}", by_hand(id)),
        );
    }
    let after = transition.since.zip(began).map(|(red, began)| format!("{} after", spoken(red.since(began))));
    let reason = format!(
        "`{alarm}` went to ALARM {} the deployment `{id}` of `{name}`{} began",
        after.as_deref().unwrap_or("after"),
        to(&deployment.revision),
    );
    if let Some(limited) = limited(&reason, concern, before, &by_hand(id)) {
        return limited;
    }
    let next_step = "see that all traffic is on the old version again, which is told within 2 minutes; find the cause before the same version \
                     is deployed again";
    Decided::new(Decision::StopAndRollBack, uncounted(reason, before), next_step)
}

/// Since when the alarm was red, where that is before the deployment began.
fn red_before(transition: &Transition, began: Option<Timestamp>) -> Option<(Timestamp, Timestamp)> {
    transition.since.zip(began).filter(|(red, began)| red < began)
}

/// Rows 13 and 18.
fn limited(reason: &str, concern: &Concern<'_>, before: Before, by_hand: &str) -> Option<Decided> {
    let limit = concern.limit();
    let made = before.rollbacks.filter(|made| *made >= limit.rollbacks as usize)?;
    let (name, window) = (concern.name(), spoken(limit.window.0));
    let times = domain::text::count(made, "time");
    let reason = format!(
        "{reason}, but `{name}` was rolled back {times} within {window}, which is its limit (by Greenlight; what CodeDeploy or a person stopped does \
         not count); one more rollback would not cure it, so it is left to a person"
    );
    let next_step =
        format!("now: find out what brings it back to ALARM each time, and hold further deployments; {by_hand}");
    Some(Decided::new(Decision::Alert, reason, next_step).paging())
}

fn uncounted(reason: String, before: Before) -> String {
    match before.rollbacks {
        Some(_) => reason,
        None => format!("{reason}; how often it was rolled back before is not known, as the table did not answer"),
    }
}

/// Row 9: why the deployment ends without Greenlight, as it reads after its name.
pub(crate) fn ends_without_us(deployment: &Deployment) -> Option<String> {
    let rollback =
        deployment.rolled_back_by.as_ref().map(|by| format!(" and is rolled back by `{by}`")).unwrap_or_default();
    let error = deployment.error.as_ref().map(|error| format!(" ({})", error.code)).unwrap_or_default();
    match &deployment.status {
        Status::Failed => Some(format!("has failed{error}{rollback}")),
        Status::Stopped => Some(format!("has been stopped{error}{rollback}")),
        // CodeDeploy tells the cause and the rollback of a deployment that it has given up.
        _ if deployment.error.is_some() || deployment.rolled_back_by.is_some() => {
            Some(format!("is being stopped already{error}{rollback}"))
        }
        _ => None,
    }
}

/// How a rollback is known, where that is by its description alone.
fn by_description(deployment: &Deployment) -> String {
    let named = redeploy::to_confirm(deployment).map(|of| format!(" (its description says `{ROLLS_BACK}={of}`)"));
    named.unwrap_or_default()
}

fn to(revision: &Revision) -> String {
    let is_known = revision.task_definition.is_some() || revision.lambda_version.is_some();
    if is_known { format!(" to {}", revision.spoken()) } else { String::new() }
}

#[cfg(test)]
mod tests;
