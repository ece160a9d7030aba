//! The decisions that need no table: each is called for by one fact. Knows nothing of when that is the case.

use domain::deployment::{DeploymentId, GroupName, ROLLS_BACK};
use domain::events::Decision;
use domain::ports::PortError;

use super::Decided;
use crate::event::Transition;

/// Row 4: an alarm of another account or region, which is told where a service names it.
pub fn foreign(transition: &Transition, place: &str, is_named: bool) -> Decided {
    let alarm = &transition.alarm.name;
    let reason = format!(
        "`{alarm}` went to ALARM, but it is an alarm of {place}, and Greenlight stops nothing for one of those"
    );
    let next_step = "give it a name of its own, or keep its events from this account's bus; what it watches is guarded by the Greenlight over there";
    Decided::new(if is_named { Decision::Alert } else { Decision::Ignore }, reason, next_step)
}

/// Row 5: the alarm is nobody's.
pub fn unconfigured(transition: &Transition, remarks: &[String]) -> Decided {
    let name = &transition.alarm.name;
    let reason = format!(
        "no service in the configuration names the alarm `{name}`, nor does a tag, nor a deployment group with a deployment in flight"
    );
    Decided::new(
        Decision::Ignore,
        std::iter::once(&reason).chain(remarks).cloned().collect::<Vec<_>>().join("; "),
        "to have it acted on, name it below `alarms` of a service in `greenlight.yaml`, or tag it `greenlight:deployment-group` = \
         `application/group`",
    )
}

/// Row 6: the alarm's tags cannot be understood.
pub fn malformed(transition: &Transition, slips: &[String]) -> Decided {
    let reason =
        format!("`{}` went to ALARM, but its tags cannot be understood: {}", transition.alarm.name, slips.join("; "));
    let next_step = "correct the alarm's tags; until then Greenlight stops nothing for it. If a deployment is in flight, look at it yourself";
    Decided::new(Decision::Alert, reason, next_step)
}

/// Row 6a: the alarm's tag says that it is to be told and no more, no tag says of whom, and no deployment group has it on its list. `unseen` is what
/// could not be looked at for that.
pub fn alone(transition: &Transition, unseen: &[String]) -> Decided {
    let alarm = &transition.alarm.name;
    let when = transition.over_since.map(|over| {
        let red = transition.alarm.changed_at.map(|at| format!(" at {}", at.time_of_day())).unwrap_or_default();
        format!("{red}, which was told late, and has been OK since {}", over.time_of_day())
    });
    let (what, to_do) = match transition.description.split_first() {
        Some((what, to_do)) => (what.trim_end_matches('.'), to_do.join(" ")),
        None => ("its tag `greenlight:action` says `alert`, and it names no deployment group", String::new()),
    };
    let to_do = if to_do.is_empty() { "look at the alarm; Greenlight stops nothing for it".to_owned() } else { to_do };
    let reason = format!("`{alarm}` went to ALARM{}: {what}", when.unwrap_or_default());
    let reason = std::iter::once(&reason).chain(unseen).cloned().collect::<Vec<_>>().join("; ");
    Decided::new(Decision::Alert, reason, to_do)
}

/// Row 7: the alarm's tag names another environment than the service has.
pub fn another_environment(transition: &Transition, tagged: &str, (name, own): (&str, &str)) -> Decided {
    let reason = format!(
        "`{}` went to ALARM, but its tag `greenlight:environment` says `{tagged}`, and `{name}` is `{own}`; an alarm of another \
         environment stops nothing",
        transition.alarm.name
    );
    let next_step = "correct the alarm's tag, or take the alarm out of the service in `greenlight.yaml`";
    Decided::new(Decision::Alert, reason, next_step)
}

/// The alarm's tag names a group that cannot be read, which is a slip of whoever wrote it.
pub fn no_such_group(transition: &Transition, group: &GroupName, error: &PortError) -> Decided {
    let alarm = &transition.alarm.name;
    let why = match error {
        PortError::NotFound { .. } => "does not exist",
        _ => "this fleet may not read",
    };
    Decided::new(
        Decision::Alert,
        format!(
            "`{alarm}` went to ALARM, and its tag `greenlight:deployment-group` names `{group}`, which {why}: {error}"
        ),
        "correct the alarm's tag: `application/group`, CodeDeploy's two names; until then Greenlight stops nothing for it",
    )
}

/// Row 9: the deployment ends because Greenlight has stopped it, for another alarm.
pub fn ours(transition: &Transition, name: &str, id: &DeploymentId) -> Decided {
    let alarm = &transition.alarm.name;
    Decided::new(
        Decision::Ignore,
        format!("`{alarm}` went to ALARM, and Greenlight has stopped the deployment `{id}` of `{name}` already"),
        "nothing; the rollback is followed, and its ending told",
    )
}

/// The decision was to stop, and CodeDeploy says that the deployment had ended well in the meantime; and nothing takes it back.
pub fn too_late(decided: &Decided, id: &DeploymentId, group: &GroupName) -> Decided {
    Decided::new(
        Decision::Alert,
        format!("{}; it had succeeded before it could be stopped", decided.reason),
        format!(
            "what has ended well is not rolled back by itself; if it is the cause, deploy the version before `{id}`: {}",
            candidates(group, Some(id))
        ),
    )
}

/// What was decided could not be done, and trying again will not help.
pub fn could_not(reason: &str, error: &str, by_hand: Option<String>) -> Decided {
    let next_step = match by_hand {
        Some(by_hand) => format!("now: {by_hand}; then mend the cause named above"),
        None => "look for a deployment in flight and stop it by hand; then mend the cause named above".to_owned(),
    };
    Decided::new(Decision::Alert, format!("{reason}, but {error}"), next_step).paging()
}

/// What was decided could not be done so far, not by the next try either. It is tried again, and people hear of it now.
pub fn held_up(reason: &str, error: &str, by_hand: Option<String>) -> Decided {
    let by_hand = by_hand.unwrap_or_else(|| "look for a deployment in flight and stop it by hand".to_owned());
    let next_step =
        format!("now: {by_hand}; Greenlight goes on trying for a few minutes, and tells it when it gets through");
    Decided::new(Decision::Alert, format!("{reason}, but {error}"), next_step).paging()
}

/// The good version was to be deployed again, and somebody else's deployment has begun in the meantime.
pub fn busy(decided: &Decided, group: &GroupName, detail: &str) -> Decided {
    Decided::new(
        Decision::Alert,
        format!(
            "{}; that was refused, since another deployment of `{group}` has begun in the meantime: {detail}",
            decided.reason
        ),
        "see whether the deployment that is in flight now is the cure; an alarm during it is decided on anew",
    )
}

/// How a person stops a deployment.
pub(crate) fn by_hand(id: &DeploymentId) -> String {
    format!("to roll back by hand: `aws deploy stop-deployment --deployment-id {id} --auto-rollback-enabled`")
}

/// How a person finds what to deploy again in place of the bad one, and deploys it so that it is taken for the rollback that it is.
pub(crate) fn candidates(group: &GroupName, bad: Option<&DeploymentId>) -> String {
    let GroupName { application, deployment_group } = group;
    let not = bad.map(|bad| {
        format!("; `{bad}` is among them and is not to be chosen. With `{ROLLS_BACK}={bad}` in its description no alarm stops what you deploy")
    });
    format!(
        "`aws deploy list-deployments --application-name {application} --deployment-group-name {deployment_group} --include-only-statuses Succeeded` \
         names the deployments that ended well{}",
        not.unwrap_or_default()
    )
}
