//! What an alarm leads to for a service that ECS itself deploys, as a pure function of the facts. Knows nothing of how they were read or of
//! how anything is returned.
//!
//! Rows 1 to 4 are those of [`crate::decide`], for whoever deploys. Then the first row that applies decides:
//!
//! | # | the service, its newest deployment, the configuration | decision |
//! | --- | --- | --- |
//! | R1 | the service does not exist, or is deleted | alert |
//! | R2 | CodeDeploy or somebody else deploys it | alert |
//! | R3 | ECS deploys it, but not task by task (`BLUE_GREEN`, `LINEAR`, `CANARY`) | alert |
//! | R3a | the alarm's event comes late, and the alarm has been OK since | alert |
//! | R4 | no deployment is in flight, and `late_rollback` is off | alert |
//! | R5 | the last deployment ended longer ago than the window, or otherwise than well | alert |
//! | R6 | the newest deployment is itself a rollback: it is never taken back | alert |
//! | R7 | the alarm's configured action is `alert` | alert |
//! | R8 | the alarm was red before the deployment began, which therefore is not its cause | alert |
//! | R9 | what the service ran before is not known | alert, and page |
//! | R10 | it ran the same task definition: there is nothing to return to | alert, and page |
//! | R11 | so many rollbacks as `rollback_limit` allows were made within its window | alert, and page |
//! | R12 | no deployment is in flight: the last one ended within the window | redeploy the previous task definition |
//! | R13 | else | stop and roll back: return to the previous task definition |
//!
//! A deployment is a rollback when Greenlight's own ledger says so, when ECS's circuit breaker says so in its reason, or when it brings an
//! older number of the same family than what it replaces.
//!
//! When ECS then refuses to return the service (the task definition was deregistered, a permission is missing), that is an alert, and a page.

use domain::alarm::AlarmState;
use domain::config::{AlarmAction, RollbackLimit, Service};
use domain::deployment::{DeploymentId, EcsServiceName, Revision};
use domain::events::Decision;
use domain::rolling::{Controller, Past, RollbackSign, Rolling, RollingService, is_older};
use domain::text::count;
use domain::time::{Timestamp, spoken};

use crate::event::Transition;

/// What is known of a service when an alarm comes.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The service as it stands.
    pub service: &'a RollingService,
    /// What its newest deployment takes back, by Greenlight's ledger.
    pub takes_back: Option<&'a DeploymentId>,
    /// Its deployments that have ended, the newest first; `None` where nothing depended on them.
    pub history: Option<&'a [Past]>,
    /// How many rollbacks of it were made within the limit's window.
    pub rollbacks: usize,
    /// When the alarm's event arrived.
    pub now: Timestamp,
}

/// A return that is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Return {
    /// The deployment that is taken back.
    pub deployment: DeploymentId,
    /// The task definition that it brought.
    pub bad: String,
    /// The one to return to.
    pub previous: String,
}

/// A decision with what a person needs to understand it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The decision.
    pub decision: Decision,
    /// Its reason, one sentence.
    pub reason: String,
    /// What a person can do next.
    pub next_step: String,
    /// Whether a person has to act now.
    pub page: bool,
    /// The deployment that it concerns, and the task definition that it brings.
    pub concerns: Option<(DeploymentId, String)>,
    /// What is to be done, for the two decisions that do something.
    pub returns: Option<Return>,
}

impl Ruling {
    fn alert(reason: String, next_step: impl Into<String>) -> Self {
        let next_step = next_step.into();
        Self { decision: Decision::Alert, reason, next_step, page: false, concerns: None, returns: None }
    }

    fn about(self, deployment: &Rolling) -> Self {
        Self { concerns: Some((deployment.id.clone(), deployment.task_definition.clone())), ..self }
    }

    fn paging(self) -> Self {
        Self { page: true, ..self }
    }
}

/// A task definition, as a person names it.
pub(super) fn named(task_definition: &str) -> String {
    Revision { task_definition: Some(task_definition.to_owned()), ..Revision::default() }.spoken()
}

/// What a person runs to return the service.
pub(super) fn by_hand(name: &EcsServiceName, task_definition: Option<&str>) -> String {
    let definition = task_definition.map_or_else(|| "<the last good one>".to_owned(), named);
    let EcsServiceName { cluster, service } = name;
    format!(
        "to return by hand: `aws ecs update-service --cluster {cluster} --service {service} --task-definition {definition}`"
    )
}

/// Row R1: there is no such service.
pub fn missing(transition: &Transition, service: &Service, name: &EcsServiceName, seen: &str) -> Ruling {
    let (alarm, of) = (&transition.alarm.name, &service.name);
    Ruling::alert(
        format!("`{alarm}` went to ALARM, and the ECS service `{name}` of `{of}` {seen}"),
        format!("correct `ecs` of `{of}` in `greenlight.yaml`, so that an alarm can return the service"),
    )
}

/// Whether rows R5 to R12 need what ECS remembers of the service.
pub fn needs_history(service: &Service, action: AlarmAction, seen: &RollingService) -> bool {
    if action == AlarmAction::Alert || seen.controller != Controller::Ecs || seen.primary().is_none() {
        return false;
    }
    if seen.in_flight().is_some() { seen.previous().is_none() } else { service.late_rollback.is_some() }
}

/// Rows R1 to R13.
pub fn decide(transition: &Transition, service: &Service, action: AlarmAction, facts: &Facts<'_>) -> Ruling {
    let (alarm, name, seen) = (&transition.alarm.name, &service.name, facts.service);
    debug_assert_eq!(transition.alarm.state, AlarmState::Alarm, "the others are ignored before");
    if seen.status != "ACTIVE" || seen.primary().is_none() {
        return missing(transition, service, &seen.name, &format!("is `{}`", seen.status));
    }
    if let Some(ruling) = not_ours(transition, service, seen) {
        return ruling;
    }
    if let Some(over) = transition.over_since {
        let over = over.time_of_day();
        let reason = format!(
            "`{alarm}` went to ALARM, which was told late, and has been OK since {over}; old news of `{name}` returns nothing"
        );
        return Ruling::alert(reason, "look at what the alarm saw; if it goes red again, it is decided anew");
    }
    let Some(deployment) = seen.in_flight() else { return after_the_end(transition, service, action, facts) };
    let of_history = || facts.history.into_iter().flatten().find(|past| past.is_successful);
    let previous = seen.previous().or_else(|| of_history()?.task_definition.as_deref());
    let what = format!("the deployment `{}` of `{name}` to {}", deployment.id, named(&deployment.task_definition));
    let course = Course { deployment, began: deployment.created, previous, what };
    if let Some(ruling) = course.spared(transition, action, facts) {
        return ruling.about(deployment);
    }
    course.limited(transition, service.rollback_limit, facts).unwrap_or_else(|previous| {
        let reason = format!("`{alarm}` went to ALARM {}", course.since(transition));
        course.returned(Decision::StopAndRollBack, reason, previous)
    })
}

/// Rows R2 and R3: somebody else's business.
fn not_ours(transition: &Transition, service: &Service, seen: &RollingService) -> Option<Ruling> {
    let (alarm, name) = (&transition.alarm.name, &service.name);
    let of = &seen.name;
    match &seen.controller {
        Controller::Ecs if seen.strategy == "ROLLING" => None,
        Controller::Ecs => Some(Ruling::alert(
            format!(
                "`{alarm}` went to ALARM, and ECS deploys `{of}` of `{name}` by `{}`, not task by task, which is not taken back here",
                seen.strategy
            ),
            "look at the deployment in the ECS console; name the alarm in the service's own `deploymentConfiguration.alarms`, \
             so that ECS rolls back by itself",
        )),
        Controller::CodeDeploy => Some(Ruling::alert(
            format!("`{alarm}` went to ALARM, and CodeDeploy deploys `{of}` of `{name}`, so ECS refuses to return it"),
            format!(
                "look for a deployment in flight; write `codedeploy: {{ … }}` in place of `ecs` for `{name}` in `greenlight.yaml`"
            ),
        )),
        other => Some(Ruling::alert(
            format!(
                "`{alarm}` went to ALARM, and `{of}` of `{name}` has the deployment controller `{}`, so ECS refuses to return it",
                other.as_str()
            ),
            "look at what that controller has deployed lately; an alarm can return services on ECS's own rolling deployments only",
        )),
    }
}

/// Rows R4 to R12: nothing is in flight.
fn after_the_end(transition: &Transition, service: &Service, action: AlarmAction, facts: &Facts<'_>) -> Ruling {
    let (alarm, name, seen) = (&transition.alarm.name, &service.name, facts.service);
    let nothing = |why: &str| {
        let hint = seen.primary().map(|primary| named(&primary.task_definition)).unwrap_or_default();
        Ruling::alert(
            format!("`{alarm}` went to ALARM and no deployment of `{name}` is in flight{why}"),
            format!(
                "look at what else has changed; if {hint}, which runs now, is the cause, {}",
                by_hand(&seen.name, None)
            ),
        )
    };
    let Some(late) = service.late_rollback.filter(|_| action == AlarmAction::Rollback) else {
        return nothing(", so there is nothing to take back");
    };
    let (Some(primary), Some(history)) = (seen.primary(), facts.history) else {
        return nothing(", so there is nothing to take back");
    };
    let Some((last, before)) = history.split_first() else {
        return nothing(", and ECS remembers none that has ended");
    };
    if !last.is_successful {
        return nothing(", and the last one did not end well, so ECS has taken it back already");
    }
    let ago = last.finished.map(|finished| facts.now.since(finished));
    if ago.is_none_or(|ago| ago > late.window.0) {
        let ago = ago.map_or_else(|| "at an unknown time".to_owned(), |ago| format!("{} ago", spoken(ago)));
        return nothing(&format!("; the last one ended {ago}, which is outside of the window of {}", late.window));
    }
    let is_this = last.task_definition.as_deref() == Some(primary.task_definition.as_str());
    let previous = before.iter().find(|past| past.is_successful).and_then(|past| past.task_definition.as_deref());
    let what = format!("the last deployment of `{name}` to {}", named(&primary.task_definition));
    let began = last.created.or(primary.created);
    let course = Course { deployment: primary, began, previous: previous.filter(|_| is_this), what };
    let spared = course.spared(transition, action, facts).or_else(|| {
        let older = is_older(&primary.task_definition, course.previous?);
        older.then(|| course.is_a_rollback(transition, "it returned to an older task definition"))
    });
    if let Some(ruling) = spared {
        return ruling.about(primary);
    }
    course.limited(transition, service.rollback_limit, facts).unwrap_or_else(|previous| {
        let ended = ago.map(spoken).unwrap_or_default();
        let reason = format!(
            "`{alarm}` went to ALARM {ended} after {} had ended, within the window of {}",
            course.what, late.window
        );
        course.returned(Decision::RedeployPrevious, reason, previous)
    })
}

/// A deployment that may be the cause.
struct Course<'a> {
    deployment: &'a Rolling,
    began: Option<Timestamp>,
    previous: Option<&'a str>,
    /// Its name in a sentence.
    what: String,
}

impl Course<'_> {
    fn is_a_rollback(&self, transition: &Transition, sign: &str) -> Ruling {
        let (alarm, id) = (&transition.alarm.name, &self.deployment.id);
        Ruling::alert(
            format!("`{alarm}` went to ALARM, and `{id}` is a rollback ({sign}), which is never taken back"),
            "wait until the traffic is back; if the alarm stays red after that, the version that was deployed last is not the cause",
        )
    }

    /// Rows R6 to R8.
    fn spared(&self, transition: &Transition, action: AlarmAction, facts: &Facts<'_>) -> Option<Ruling> {
        let (alarm, what) = (&transition.alarm.name, &self.what);
        let hand = by_hand(&facts.service.name, self.previous);
        if let Some(of) = facts.takes_back {
            return Some(self.is_a_rollback(transition, &format!("Greenlight's own, of `{of}`")));
        }
        match facts.service.rollback_sign() {
            Some(RollbackSign::CircuitBreaker) => {
                return Some(self.is_a_rollback(transition, "by ECS's circuit breaker"));
            }
            Some(RollbackSign::OlderRevision) => {
                return Some(self.is_a_rollback(transition, "it returns to an older task definition"));
            }
            None => {}
        }
        if action == AlarmAction::Alert {
            let reason = format!("`{alarm}` went to ALARM during {what}; its configured action is `alert`");
            return Some(Ruling::alert(reason, format!("look at the alarm; {hand}")));
        }
        let (red, began) = transition.since.zip(self.began).filter(|(red, began)| red < began)?;
        Some(Ruling::alert(
            format!(
                "`{alarm}` is in ALARM since {}, {} before {what} began, which is therefore not its cause",
                red.time_of_day(),
                spoken(began.since(red)),
            ),
            format!("look at what was wrong before; {hand}"),
        ))
    }

    /// Rows R9 to R11; what to return to when none of them applies.
    fn limited(&self, transition: &Transition, limit: RollbackLimit, facts: &Facts<'_>) -> Result<Ruling, String> {
        let (alarm, what, name) = (&transition.alarm.name, &self.what, &facts.service.name);
        let page =
            |reason: String, next_step: String| Ok(Ruling::alert(reason, next_step).paging().about(self.deployment));
        let Some(previous) = self.previous else {
            return page(
                format!(
                    "`{alarm}` went to ALARM after {what} began, and what `{name}` ran before is not known, so it cannot be returned"
                ),
                by_hand(name, None),
            );
        };
        if previous == self.deployment.task_definition {
            return page(
                format!(
                    "`{alarm}` went to ALARM after {what} began, and `{name}` ran the same task definition before, so there is nothing \
                     to return to"
                ),
                "look at what else the deployment has changed: an image behind the same tag, the network, the number of tasks".to_owned(),
            );
        }
        if facts.rollbacks >= limit.rollbacks as usize {
            let (times, window) = (count(facts.rollbacks, "time"), spoken(limit.window.0));
            return page(
                format!(
                    "`{alarm}` went to ALARM after {what} began, but `{name}` was rolled back {times} within {window}, which is its limit; one more \
                     rollback would not cure it, so it is left to a person"
                ),
                format!("find out why every version fails; {}", by_hand(name, Some(previous))),
            );
        }
        Err(previous.to_owned())
    }

    /// `6 min after the deployment … began`
    fn since(&self, transition: &Transition) -> String {
        let after = transition.since.zip(self.began).map(|(red, began)| format!("{} after", spoken(red.since(began))));
        format!("{} {} began", after.as_deref().unwrap_or("after"), self.what)
    }

    fn returned(&self, decision: Decision, reason: String, previous: String) -> Ruling {
        let next_step = format!(
            "see that all tasks run {} again, which is told as soon as they do; find the cause before {} is deployed again",
            named(&previous),
            named(&self.deployment.task_definition),
        );
        let returns =
            Return { deployment: self.deployment.id.clone(), bad: self.deployment.task_definition.clone(), previous };
        let ruling = Ruling { decision, reason, next_step, page: false, concerns: None, returns: Some(returns) };
        ruling.about(self.deployment)
    }
}

/// The return was decided and ECS refuses it for good.
pub fn refused(ruling: &Ruling, name: &EcsServiceName, error: &str) -> Ruling {
    let previous = ruling.returns.as_ref().map(|back| back.previous.as_str());
    Ruling {
        decision: Decision::Alert,
        reason: format!("{}, but {error}", ruling.reason),
        next_step: format!(
            "now: {}; where that is refused too, deploy another good version; then mend the cause named above",
            by_hand(name, previous)
        ),
        page: true,
        concerns: ruling.concerns.clone(),
        returns: None,
    }
}

/// The return was decided, and ECS has not done it yet. Nobody knows whether the next try gets through, so a person has to look now.
pub fn overdue(ruling: &Ruling, name: &EcsServiceName, error: &str) -> Ruling {
    let previous = ruling.returns.as_ref().map(|back| back.previous.as_str());
    Ruling {
        decision: Decision::Alert,
        reason: format!("{}, but the service could not be returned so far: {error}", ruling.reason),
        next_step: format!(
            "it is tried again, and told when it is done; do not wait for that, {}",
            by_hand(name, previous)
        ),
        page: true,
        concerns: ruling.concerns.clone(),
        returns: None,
    }
}

/// The facts could not be read, and trying again will not help.
pub fn unreadable(transition: &Transition, service: &Service, name: &EcsServiceName, error: &str) -> Ruling {
    Ruling::alert(
        format!(
            "`{}` went to ALARM, but what `{}` deploys could not be read: {error}",
            transition.alarm.name, service.name
        ),
        format!("look for a deployment in flight; {}; then mend the cause named above", by_hand(name, None)),
    )
    .paging()
}

#[cfg(test)]
mod tests;
