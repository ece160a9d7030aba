//! What is worth a page, how bad it is, and what ends it. Pure; knows nothing of how it is sent.
//!
//! Three things page, each with a key of its own, so that one does not hide behind another that somebody has acknowledged already:
//!
//! | what | key | its end |
//! | --- | --- | --- |
//! | a deployment ended badly, or was taken back after it had succeeded | `greenlight/<group>` | its rollback is through, or the group's next deployment succeeds |
//! | the way back failed, or was not done in two minutes, or it turned out later that there is none | `greenlight/<group>/rollback` | the traffic is back after all, or the group's next deployment succeeds |
//! | an alarm that Greenlight leaves to a person | `greenlight/<group>/alarm/<alarm>` | the alarm is OK again |
//! | the same, and a deployment of the group goes on, or serves, that should not | the same | that deployment fails, is stopped or rolled back, or the group's next deployment succeeds; not the alarm's OK |
//!
//! With `resolve: next_success` the first two end with the success alone. In place of `<group>` an ECS service that ECS itself deploys has
//! `ecs/<cluster>/<service>`: nobody tells here that a deployment of it went well, so its pages end with the traffic whatever is configured.
//!
//! A bad ending is urgent where a person must act, and safe while production is on the old version or a rollback brings it there. What was safe
//! and becomes urgent is paged under the second key, never again under the first: a second trigger is only noted on the alert that is open, and
//! wakes nobody where that one was acknowledged ("Event Action Behavior", Events API v2); whether it raises the incident's urgency depends on
//! the service's settings ("Dynamic Notifications"). An alert of its own is an incident of its own.

mod change;
mod event;

use domain::config::{PageSeverity, PagerDuty, ResolveOn, Service};
use domain::deployment::{DeploymentId, GroupName};
use domain::events::{RollbackDecision, TrafficRestored};
use domain::text::bounded;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::glance::glance;
use crate::observed::observed;
use crate::replies::at_once;
use crate::rolling::Rolling;
use crate::story::{Stage, Story};
use crate::thread::{cause_in_short, named};
use crate::watch::{changed, subject};

pub use change::change;
pub(crate) use event::dedup_key;
use event::{DETAIL, Event, link, outside};

/// What a page is about, for one deployment. Each is triggered once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum About {
    /// It ended badly, or was taken back after it had succeeded.
    Ending,
    /// The way back is not done.
    Rollback,
    /// An alarm asked a person to stop it or to take it back, when it went to ALARM then.
    Alarm(Timestamp, String),
}

impl About {
    /// In a word, before `trigger` and `resolve`.
    pub fn word(&self) -> &'static str {
        match self {
            About::Ending => "",
            About::Rollback => "rollback/",
            About::Alarm(..) => "alarm/",
        }
    }
}

/// What ends a page; the success of the group's next deployment ends each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Until {
    /// The old version has the traffic.
    Back,
    /// The deployment does not go on: it failed, was stopped, or is rolled back.
    Stopped,
    /// Nothing but the success; of an alarm's own page, that the alarm is OK.
    Success,
}

/// A page: somebody should look.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// What about.
    pub about: About,
    /// PagerDuty's key.
    pub key: String,
    /// A deployment of the group that succeeds after this ends it.
    pub since: Timestamp,
    /// Whether a person must act now.
    pub urgent: bool,
    /// How bad it is; never [`PageSeverity::None`].
    pub severity: PageSeverity,
    /// What ends it.
    pub until: Until,
    /// The event for PagerDuty.
    pub event: Value,
}

/// What has become of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum End {
    /// It has not stayed; whether the old version is back is not known.
    Stopped,
    /// The old version is back.
    Back,
}

/// What is known of one deployment, as far as the pager is concerned.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Its pages.
    pub pages: Vec<Page>,
    /// What has become of it.
    pub end: Option<End>,
    /// When it succeeded, or else was as good as a success for what was paged before it.
    pub succeeded: Option<Timestamp>,
}

impl Asked {
    /// What a deployment asks for of which nothing but this page is known; `None` when it wakes nobody.
    pub fn one(deployment: DeploymentId, page: Option<Page>) -> Option<Self> {
        page.map(|page| Self { deployment, pages: vec![page], end: None, succeeded: None })
    }

    /// Whether there is nothing to do about it.
    pub fn is_nothing(&self) -> bool {
        self.pages.is_empty() && self.end.is_none() && self.succeeded.is_none()
    }
}

/// The key of pages about how a group's deployments end.
pub fn ending_key(group: &str) -> String {
    dedup_key(&format!("greenlight/{group}"))
}

/// The key of pages about the way back.
pub fn rollback_key(group: &str) -> String {
    dedup_key(&format!("greenlight/{group}/rollback"))
}

/// What somebody must do, as it is said in Slack, for an incident or a ticket: nothing more is told there.
pub fn elsewhere(action: &str) -> String {
    action.replace("its end will be told here", "its end is told in Slack")
}

/// PagerDuty's event that ends what has this key.
pub fn resolve(key: &str) -> Value {
    json!({"event_action": "resolve", "dedup_key": key})
}

/// What a story asks of the pager. A rollback of its own is nobody's page, and its success ends none: it says nothing of the deployment that was
/// paged for.
pub fn asked(story: &Story, config: &PagerDuty) -> Asked {
    let mut asked = Asked { deployment: story.deployment.clone(), pages: Vec::new(), end: None, succeeded: None };
    if story.restores {
        return asked;
    }
    // Whatever has become of it since: what was paged before it was over then.
    asked.succeeded = (story.stage == Stage::Succeeded).then(|| story.ended.unwrap_or(story.read_at));
    asked.end = match (story.is_rolled_back(), story.ended_badly()) {
        (true, _) => Some(End::Back),
        (false, true) => Some(End::Stopped),
        (false, false) => None,
    };
    if !story.ended_badly() && !story.is_taken_back() {
        return asked;
    }
    // Not when the facts were read: a deployment that went well in between has ended all of it.
    let ended = story.ended.unwrap_or(story.read_at);
    let late = story.alarm.as_ref().filter(|_| story.is_taken_back()).map(|alarm| alarm.at);
    let since = late.map_or(ended, |alarm| ended.max(alarm));
    let until = match config.resolve {
        ResolveOn::Restored => Until::Back,
        ResolveOn::NextSuccess => Until::Success,
    };
    let way_back_is_stuck = (story.rollback_failed() || story.is_overdue()) && !story.never_shifted();
    let mut page = |about: About, key: String, urgent: bool| {
        let severity = config.severity_of(story.environment.as_deref(), urgent);
        if severity != PageSeverity::None {
            let event = of_story(story, &key, severity);
            asked.pages.push(Page { about, key, since, urgent, severity, until, event });
        }
    };
    let group = story.group.to_string();
    // What is urgent about a way back that is stuck is said by the page about that.
    page(About::Ending, ending_key(&group), glance(story).urgent && !way_back_is_stuck);
    if story.rollback_failed() && !story.never_shifted() {
        page(About::Rollback, rollback_key(&group), true);
    }
    asked
}

/// The same of a service that ECS itself deploys. The page that the way back is not done comes from its event alone.
pub fn asked_of_rolling(story: &Rolling, region: &str, config: &PagerDuty) -> Asked {
    let group = format!("ecs/{}", story.ecs);
    let key = ending_key(&group);
    let severity = config.severity_of(story.environment.as_deref(), false);
    let since = story.alarm.as_ref().map_or(story.read_at, |alarm| alarm.at);
    let event = Event {
        key: &key,
        summary: format!("{} {}: {}", story.named(), story.what(), story.cause()),
        source: format!("ecs:{region}:{}", story.ecs),
        severity,
        at: since,
        component: story.service.clone().unwrap_or_else(|| story.ecs.to_string()),
        group: story.ecs.service.clone(),
        class: "deploy",
        details: json!({
            "deployment": story.deployment,
            "rollback": story.rollback,
            "revision": outside(&story.revision.spoken()),
            "production": outside(&story.production()),
            "to_do": elsewhere(story.to_do()),
            "cause": outside(&story.cause()),
        }),
        link: None,
    }
    .value();
    let page = Page { about: About::Ending, key, since, urgent: false, severity, until: Until::Back, event };
    Asked {
        deployment: story.deployment.clone(),
        pages: if severity == PageSeverity::None { Vec::new() } else { vec![page] },
        end: story.is_back().then_some(End::Back),
        // That the service is back ends what stayed open of the deployments before: who had superseded one told nobody here.
        succeeded: story.is_back().then_some(since),
    }
}

fn of_story(story: &Story, key: &str, severity: PageSeverity) -> Value {
    let glance = glance(story);
    let cause = cause_in_short(story);
    Event {
        key,
        summary: format!("{} {}: {cause}", named(story), glance.what),
        source: format!("codedeploy:{}:{}", story.region, story.group),
        severity,
        at: story.ended.unwrap_or(story.read_at),
        component: story.service.clone(),
        group: story.group.deployment_group.clone(),
        class: "deploy",
        details: json!({
            "deployment": story.deployment,
            "rollback": story.rollback.as_ref().map(|rollback| &rollback.id),
            "revision": outside(&story.revision.spoken()),
            "production": outside(&glance.production),
            "to_do": outside(&elsewhere(&glance.action)),
            "cause": outside(&cause),
        }),
        link: link(&story.region, &story.deployment),
    }
    .value()
}

/// The group or the ECS service of an event, as part of a key.
fn place(group: Option<&GroupName>, ecs: Option<String>) -> Option<String> {
    group.map(ToString::to_string).or(ecs.map(|ecs| format!("ecs/{ecs}")))
}

/// The name under which a service's pages are found; `None` for an event that names neither group nor ECS service.
pub fn place_of(restored: &TrafficRestored) -> Option<String> {
    place(restored.group.as_ref(), restored.ecs.as_ref().map(ToString::to_string))
}

/// What "Traffic Restored" with `restored: false` asks of the pager, from the event alone: CodeDeploy, which may be why the traffic does not come
/// back, need not answer for it. `configured` is the service in the configuration, `to_do` what somebody must do.
pub fn not_restored(
    restored: &TrafficRestored,
    region: &str,
    configured: Option<&Service>,
    to_do: &str,
    config: &PagerDuty,
) -> Option<Page> {
    let place = place_of(restored)?;
    let environment = restored.environment.as_deref().or(configured.map(|service| service.environment.as_str()));
    let severity = Some(config.severity_of(environment, true)).filter(|severity| *severity != PageSeverity::None)?;
    let service = restored.service.as_ref().or(configured.map(|service| &service.name)).unwrap_or(&place).clone();
    let named = environment.map_or_else(|| service.clone(), |environment| format!("{service} ({environment})"));
    let source = if restored.ecs.is_some() { "ecs" } else { "codedeploy" };
    let key = rollback_key(&place);
    let event = Event {
        key: &key,
        summary: format!(
            "{named} is not back on the old version: {} (alarm {})",
            bounded(&outside(&restored.observed), DETAIL / 2),
            restored.alarm
        ),
        source: format!("{source}:{region}:{place}"),
        severity,
        at: restored.at,
        component: service,
        group: place.clone(),
        class: "rollback",
        details: json!({
            "deployment": restored.deployment_id,
            "rollback": restored.rollback_deployment_id,
            "alarm": outside(&restored.alarm),
            "observed": outside(&restored.observed),
            "seconds_since_alarm": restored.seconds_since_alarm,
            "production": "may be on the bad version",
            "to_do": outside(to_do),
        }),
        link: link(region, &restored.deployment_id),
    }
    .value();
    let until = match config.resolve {
        ResolveOn::NextSuccess if restored.ecs.is_none() => Until::Success,
        ResolveOn::NextSuccess | ResolveOn::Restored => Until::Back,
    };
    Some(Page { about: About::Rollback, key, since: restored.at, urgent: true, severity, until, event })
}

/// The key of the page for an alarm that is left to a person.
pub fn alarm_key(decision: &RollbackDecision) -> String {
    dedup_key(&format!("greenlight/{}/alarm/{}", subject(decision), decision.alarm.name))
}

/// The page for an alarm that Greenlight leaves to a person; `None` where that wakes nobody.
pub fn alarm(decision: &RollbackDecision, region: &str, config: &PagerDuty) -> Option<Page> {
    let environment = decision.environment.as_deref();
    let severity = Some(config.severity_of(environment, true)).filter(|severity| *severity != PageSeverity::None)?;
    let subject = subject(decision);
    let service = decision.service.clone().unwrap_or_else(|| subject.clone());
    let named = environment.map_or_else(|| service.clone(), |name| format!("{service} ({name})"));
    let alarm = &decision.alarm;
    let key = alarm_key(decision);
    let event = Event {
        key: &key,
        summary: format!("{named}: {}", outside(&decision.reason)),
        source: format!("cloudwatch:{region}:{}", alarm.name),
        severity,
        at: decision.at,
        component: service,
        group: subject,
        class: "alarm",
        details: json!({
            "alarm": outside(&alarm.name),
            "observed": outside(&observed(alarm)),
            "watches": alarm.metric.as_deref().map(outside),
            "since": alarm.changed_at,
            "deployment": decision.deployment_id,
            "revision": outside(&decision.revision.spoken()),
            "decision": decision.decision,
            "reason": outside(&decision.reason),
            "to_do": outside(&format!("Act now: {}", at_once(&decision.next_step))),
        }),
        link: decision.deployment_id.as_ref().and_then(|id| link(region, id)),
    }
    .value();
    let about = About::Alarm(changed(decision), key.clone());
    Some(Page { about, key, since: decision.at, urgent: true, severity, until: Until::Stopped, event })
}

/// Says in a page that was to have a deployment stopped, and could not be sent in time, what is to be done now that it has ended well.
pub fn no_longer_stopped(event: &mut Value) {
    if let Some(to_do) = event.pointer_mut("/payload/custom_details/to_do") {
        *to_do = "Act now: see whether production is well. The deployment has ended and can no longer be stopped: if production is not well, \
                  deploy the previous revision."
            .into();
    }
}

#[cfg(test)]
mod tests;
