//! What an alarm leads to, as a pure function of the facts. Knows nothing of how they were read or of how anything is stopped.
//!
//! The first row that applies decides:
//!
//! | # | the alarm, the configuration, the deployment | decision |
//! | --- | --- | --- |
//! | 1 | the alarm did not go to ALARM | ignore |
//! | 2 | it was in ALARM before, and its actions were not suppressed then | ignore |
//! | 3 | its actions are suppressed: CloudWatch sends the event all the same | ignore |
//! | 4 | no service names it in the configuration | ignore |
//! | 5 | no deployment of the service is in flight | alert |
//! | 6 | the deployment in flight is itself a rollback: it is never stopped | alert |
//! | 7 | its configured action is `alert` | alert |
//! | 8 | the alarm was red before the deployment began, which therefore is not its cause | alert |
//! | 9 | else | stop and roll back |

use domain::alarm::AlarmState;
use domain::config::{AlarmAction, Service};
use domain::deployment::{Deployment, DeploymentId};
use domain::events::Decision;
use domain::time::spoken;

use crate::event::Transition;

/// A decision with what a person needs to understand it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The decision.
    pub decision: Decision,
    /// Its reason, one sentence.
    pub reason: String,
    /// What a person can do next.
    pub next_step: String,
}

impl Decided {
    fn new(decision: Decision, reason: String, next_step: impl Into<String>) -> Self {
        Self { decision, reason, next_step: next_step.into() }
    }
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

/// Row 4: no service names the alarm.
pub fn unconfigured(transition: &Transition) -> Decided {
    let reason = format!("no service in the configuration names the alarm `{}`", transition.alarm.name);
    Decided::new(
        Decision::Ignore,
        reason,
        "to have it acted on, name it below `alarms` of a service in `greenlight.yaml`",
    )
}

/// Rows 5 to 9: what the alarm means for a service that names it, with one of its deployments in flight or none.
pub fn decide(
    transition: &Transition,
    service: &Service,
    action: AlarmAction,
    in_flight: Option<&Deployment>,
) -> Decided {
    let (alarm, name) = (&transition.alarm.name, &service.name);
    let alert = |reason, next_step: String| Decided::new(Decision::Alert, reason, next_step);
    let Some(deployment) = in_flight else {
        return alert(
            format!("`{alarm}` went to ALARM and no deployment of `{name}` is in flight, so there is nothing to stop"),
            format!(
                "look at what else has changed; if the last deployment of `{name}` is the cause, deploy the version before it"
            ),
        );
    };
    let id = &deployment.id;
    if deployment.is_rollback() {
        let of = deployment.rolls_back.as_ref().map(|of| format!(" of `{of}`")).unwrap_or_default();
        return alert(
            format!("`{alarm}` went to ALARM while the rollback `{id}`{of} is under way; a rollback is never stopped"),
            "wait for the rollback; if the alarm stays red after it, the version that was deployed last is not the cause"
                .to_owned(),
        );
    }
    if action == AlarmAction::Alert {
        return alert(
            format!(
                "`{alarm}` went to ALARM during the deployment `{id}` of `{name}`; its configured action is `alert`"
            ),
            format!("look at the alarm; {}", by_hand(id)),
        );
    }
    let began = deployment.started.or(deployment.created);
    match (transition.since, began) {
        (Some(red), Some(began)) if red < began => alert(
            format!(
                "`{alarm}` is in ALARM since {}, {} before the deployment `{id}` of `{name}` began, which is therefore not its cause",
                red.time_of_day(),
                spoken(began.since(red)),
            ),
            format!("look at what was wrong before; {}", by_hand(id)),
        ),
        (red, began) => {
            let after = red.zip(began).map(|(red, began)| format!("{} after", spoken(red.since(began))));
            let revision = &deployment.revision;
            let is_known = revision.task_definition.is_some() || revision.lambda_version.is_some();
            let reason = format!(
                "`{alarm}` went to ALARM {} the deployment `{id}` of `{name}`{} began",
                after.as_deref().unwrap_or("after"),
                if is_known { format!(" to {}", revision.spoken()) } else { String::new() },
            );
            let next_step = "see that all traffic is on the old version again, which is told within 2 minutes; find the \
                             cause before the same version is deployed again";
            Decided::new(Decision::StopAndRollBack, reason, next_step)
        }
    }
}

/// The decision was to stop, and CodeDeploy says that the deployment had ended well in the meantime.
pub fn too_late(decided: &Decided, id: &DeploymentId) -> Decided {
    Decided::new(
        Decision::Alert,
        format!("{}; it had succeeded before it could be stopped", decided.reason),
        format!("deploy the version before `{id}`: what has ended well is not rolled back by itself"),
    )
}

/// What was decided could not be done, and trying again will not help.
pub fn could_not(reason: &str, error: &str, id: Option<&DeploymentId>) -> Decided {
    let next_step = match id {
        Some(id) => format!("now: {}; then mend the cause named above", by_hand(id)),
        None => "look for a deployment in flight and stop it by hand; then mend the cause named above".to_owned(),
    };
    Decided::new(Decision::Alert, format!("{reason}, but {error}"), next_step)
}

fn by_hand(id: &DeploymentId) -> String {
    format!("to roll back by hand: `aws deploy stop-deployment --deployment-id {id} --auto-rollback-enabled`")
}

#[cfg(test)]
mod tests;
