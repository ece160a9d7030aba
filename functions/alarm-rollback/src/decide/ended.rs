//! What an alarm leads to after the last deployment has ended: rows 15 to 20 of the table in [`super`]. Knows nothing of how the past was
//! read.

use domain::config::AlarmAction;
use domain::deployment::{Deployment, Platform, Status};
use domain::events::Decision;
use domain::time::{Timestamp, spoken};

use super::{Before, Concern, Decided, Good, NoGood, by_description, candidates, limited, red_before, to, uncounted};
use crate::event::Transition;

/// Rows 15 to 20.
pub(super) fn nothing_in_flight(
    transition: &Transition,
    concern: &Concern<'_>,
    (last, good): (Option<&Deployment>, Result<&Good, &NoGood>),
    before: Before,
) -> Decided {
    let (alarm, name) = (&transition.alarm.name, concern.name());
    let reason = format!("`{alarm}` went to ALARM and no deployment of `{name}` is in flight");
    let bad = match late(transition, concern, last, before.now) {
        Ok(bad) => bad,
        Err(spared) => {
            let next_step = spared.next_step.unwrap_or_else(|| {
                let last = last.map(|last| &last.id);
                let which = last.map(|id| format!(", `{id}`,")).unwrap_or_default();
                let deploy = candidates(&concern.group, last);
                format!(
                    "look at what else has changed; if the last deployment of `{name}`{which} is the cause, deploy the version before it: {deploy}"
                )
            });
            return Decided::new(Decision::Alert, format!("{reason}, {}", spared.why), next_step);
        }
    };
    let id = &bad.id;
    let ended = bad.completed.map(|at| spoken(transition.alarm.changed_at.unwrap_or(before.now).since(at)));
    let reason = format!(
        "`{alarm}` went to ALARM {} after the deployment `{id}` of `{name}`{} had ended",
        ended.unwrap_or_default(),
        to(&bad.revision)
    );
    let deploy = candidates(&concern.group, Some(id));
    if let Err(NoGood::IsCure(cure)) = good {
        let reason = format!("{reason}, but it {cure}: it is taken for a cure, and nothing undoes a person's cure");
        let next_step = format!(
            "now: look at what else has changed; if `{id}` is no cure, deploy a version that was good before: {deploy}"
        );
        return Decided::new(Decision::Alert, reason, next_step).paging();
    }
    let deploy = format!("deploy the version before `{id}` now: {deploy}");
    if let Some(limited) = limited(&reason, concern, before, &deploy) {
        return limited;
    }
    match good {
        Err(why) => {
            let next_step = if *why == NoGood::IsSame { NOTHING_BEFORE.to_owned() } else { deploy };
            Decided::new(Decision::Alert, format!("{reason}, but {why}"), next_step).paging()
        }
        Ok(good) => {
            let from = &good.deployment.id;
            let what = to(&good.revision);
            let reason =
                format!("{reason}; {what} is deployed again, as by `{from}`", what = what.trim_start_matches(" to "));
            let mut next_step = "see that all traffic is on that version again, which is told as soon as it is; find the cause before the same \
                                 version is deployed again"
                .to_owned();
            if bad.platform == Some(Platform::Lambda) {
                next_step.push_str(OF_CLOUDFORMATION);
            }
            Decided::new(Decision::RedeployPrevious, uncounted(reason, before), next_step)
        }
    }
}

/// What a person can do where the version before it is the same.
const NOTHING_BEFORE: &str = "now: look at what else the deployment or the time since has changed: an image behind the same tag, configuration, \
                              data, a dependency; to go further back, deploy an older version by hand";

/// What the next deployment of an alias needs that CloudFormation holds: it gives CodeDeploy the version in its stack for the one that serves
/// ("CodeDeployLambdaAliasUpdate", CloudFormation template reference, "UpdatePolicy attribute").
const OF_CLOUDFORMATION: &str = "; where SAM or CloudFormation deploys this alias, it still takes the version that was taken back for the current \
                                 one, and CodeDeploy will refuse its next deployment: deploy the stack once without the alias's \
                                 `CodeDeployLambdaAliasUpdate` (SAM: `DeploymentPreference: { Enabled: false }`)";

/// Why an ended deployment is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spared {
    /// As it reads after a comma.
    pub why: String,
    /// What a person can do, where that is not to deploy the version before it.
    pub next_step: Option<String>,
}

/// Rows 15 and 16: the ended deployment that the alarm is held against, or why there is none.
///
/// # Errors
/// Why there is none.
pub fn late<'d>(
    transition: &Transition,
    concern: &Concern<'_>,
    last: Option<&'d Deployment>,
    now: Timestamp,
) -> Result<&'d Deployment, Spared> {
    let spared = |why: String| Spared { why, next_step: None };
    let Some(late) = concern.late() else { return Err(spared("so there is nothing to stop".to_owned())) };
    let window = spoken(late.window.0);
    let none = || spared(format!("and none has ended in the {window} before, so there is nothing to roll back"));
    let last = last.ok_or_else(none)?;
    let (id, word) = (&last.id, last.status.as_str());
    if last.is_rollback() {
        let taken_back = last.rolls_back.as_ref();
        let of = taken_back.map(|of| format!(" of `{of}`")).unwrap_or_default();
        let not = taken_back.map(|of| format!("; do not deploy `{of}` again")).unwrap_or_default();
        return Err(Spared {
            why: format!(
                "and the last one, `{id}`, was itself a rollback{of}{}, so the version before it is back already",
                by_description(last)
            ),
            next_step: Some(format!(
                "see that `{id}` has ended well; if it has, the last deployment was not the cause, or not the only one: look at what else has \
                 changed{not}"
            )),
        });
    }
    if last.status != Status::Succeeded {
        return Err(Spared {
            why: format!("and the last one, `{id}`, is `{word}`, so the version before it serves"),
            next_step: Some(format!(
                "see that the rollback of `{id}` has ended well (`aws deploy get-deployment --deployment-id {id}` names it); if it has, look at \
                 what else has changed"
            )),
        });
    }
    let red = transition.alarm.changed_at.unwrap_or(now);
    if last.completed.is_none_or(|at| red.since(at) > late.window.0) {
        return Err(spared(format!(
            "and the last one, `{id}`, ended more than {window} before, so it is not held to be the cause"
        )));
    }
    if let Some((red, began)) = red_before(transition, last.started.or(last.created)) {
        let earlier = spoken(began.since(red));
        return Err(spared(format!(
            "and the alarm was red {earlier} before the last one, `{id}`, began, which is therefore not its cause"
        )));
    }
    // The event may have waited: in Lambda's queue for hours, in a dead-letter queue until somebody sent it again.
    if let Some(ended) = last.completed.filter(|at| now.since(*at) > late.window.0) {
        return Err(spared(format!(
            "and the last one, `{id}`, ended {} ago, which is more than {window}: the alarm's event has come too late",
            spoken(now.since(ended))
        )));
    }
    Ok(last)
}

/// Whether the alarm makes a deployment doubtful, although nothing is done: its version is not good enough to go back to later.
pub fn is_suspect(transition: &Transition, concern: &Concern<'_>, deployment: &Deployment) -> bool {
    concern.action == AlarmAction::Rollback
        && concern.other_environment().is_none()
        && !deployment.is_rollback()
        && red_before(transition, deployment.started.or(deployment.created)).is_none()
}
