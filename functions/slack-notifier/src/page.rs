//! What is worth a page: PagerDuty's trigger and resolve. Pure; knows nothing of how it is sent.
//!
//! Three things page, each with a key of its own, so that one does not hide behind another that somebody has acknowledged already:
//!
//! | what | key | its end |
//! | --- | --- | --- |
//! | a deployment ended badly, or was taken back after it had succeeded | `greenlight/<group>` | its rollback is through, or the group's next deployment succeeds |
//! | the way back failed, or was not done in two minutes | `greenlight/<group>/rollback` | the traffic is back after all, or the group's next deployment succeeds |
//! | an alarm that Greenlight leaves to a person | `greenlight/<group>/alarm/<alarm>` | the alarm is OK again |
//! | the same, and a deployment of the group goes on, or serves, that should not | the same | that deployment fails, is stopped or rolled back, or the group's next deployment succeeds; not the alarm's OK |
//!
//! In place of `<group>` an ECS service that ECS itself deploys has `ecs/<cluster>/<service>`.

use domain::config::Service;
use domain::deployment::{DeploymentId, GroupName};
use domain::events::{RollbackDecision, TrafficRestored};
use domain::text::bounded;
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::glance::glance;
use crate::observed::observed;
use crate::replies::at_once;
use crate::rolling::Rolling;
use crate::story::{Ending, Story};
use crate::thread::{cause_in_short, console_url, named};
use crate::watch::subject;

/// PagerDuty's limit for a summary.
const SUMMARY: usize = 1024;
/// PagerDuty's limit for a key.
const DEDUP_KEY: usize = 255;
/// What a text from outside may take in the details.
const DETAIL: usize = 1500;

/// What a page is about; part of the key under which it is remembered that it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A deployment ended badly.
    Ending,
    /// A deployment that had succeeded was taken back.
    Late,
    /// The way back is not done.
    Rollback,
}

impl About {
    /// As part of a key.
    pub fn word(self) -> &'static str {
        match self {
            About::Ending => "",
            About::Late => "late/",
            About::Rollback => "rollback/",
        }
    }
}

/// A page or its end.
#[derive(Clone, Debug, PartialEq)]
pub enum Page {
    /// Somebody should look; the event for PagerDuty.
    Trigger(About, Value),
    /// It is over; the event for PagerDuty.
    Resolve(About, Value),
}

/// A key that PagerDuty takes. What is too long keeps its beginning and ends in a digest of the whole: two long names stay two.
pub(crate) fn dedup_key(whole: &str) -> String {
    if whole.chars().count() <= DEDUP_KEY {
        return whole.to_owned();
    }
    // FNV-1a, 64 bits (draft-eastlake-fnv): the same in every version of the function.
    let digest = whole
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let kept: String = whole.chars().take(DEDUP_KEY - 17).collect();
    format!("{kept}#{digest:016x}")
}

/// The key of pages about how a group's deployments end.
pub fn ending_key(group: &str) -> String {
    dedup_key(&format!("greenlight/{group}"))
}

/// The key of pages about the way back.
pub fn rollback_key(group: &str) -> String {
    dedup_key(&format!("greenlight/{group}/rollback"))
}

/// PagerDuty's event that ends what has this key.
pub fn resolve(key: &str) -> Value {
    json!({"event_action": "resolve", "dedup_key": key})
}

/// What a story asks of the pager, in order. A rollback of its own is nobody's page, and its success ends none: it says
/// nothing of the deployment that was paged for.
pub fn pages(story: &Story) -> Vec<Page> {
    let mut pages = Vec::new();
    if story.restores {
        return pages;
    }
    let group = story.group.to_string();
    let key = ending_key(&group);
    let is_back = story.is_rolled_back();
    if story.ended_badly() {
        pages.push(Page::Trigger(About::Ending, trigger(story, &key)));
        if is_back {
            pages.push(Page::Resolve(About::Ending, resolve(&key)));
        }
    } else if story.is_taken_back() {
        // Its success ends nothing any more: production is not well.
        pages.push(Page::Trigger(About::Late, trigger(story, &key)));
        if is_back {
            pages.push(Page::Resolve(About::Late, resolve(&key)));
        }
    } else if story.ending() == Some(Ending::Succeeded) || is_back {
        pages.push(Page::Resolve(About::Ending, resolve(&key)));
    }
    if story.rollback_failed() && !story.never_shifted() {
        pages.push(Page::Trigger(About::Rollback, trigger(story, &rollback_key(&group))));
    } else if is_back {
        pages.push(Page::Resolve(About::Rollback, resolve(&rollback_key(&group))));
    }
    pages
}

/// The same of a service that ECS itself deploys. The page that the way back is not done comes from its event alone.
pub fn pages_of_rolling(story: &Rolling, region: &str) -> Vec<Page> {
    let group = format!("ecs/{}", story.ecs);
    let key = ending_key(&group);
    let event = Event {
        key: &key,
        summary: format!("{} {}: {}", story.named(), story.what(), story.cause()),
        source: format!("ecs:{region}:{}", story.ecs),
        severity: severity(story.environment.as_deref()),
        at: story.alarm.as_ref().map_or(story.read_at, |alarm| alarm.at),
        component: story.service.clone().unwrap_or_else(|| story.ecs.to_string()),
        group: story.ecs.service.clone(),
        class: "deploy",
        details: json!({
            "deployment": story.deployment,
            "rollback": story.rollback,
            "revision": story.revision.spoken(),
            "production": story.production(),
            "to_do": story.to_do(),
            "cause": story.cause(),
        }),
        link: None,
    };
    let mut pages = vec![Page::Trigger(About::Ending, event.value())];
    if story.is_back() {
        pages.push(Page::Resolve(About::Ending, resolve(&key)));
        pages.push(Page::Resolve(About::Rollback, resolve(&rollback_key(&group))));
    }
    pages
}

fn severity(environment: Option<&str>) -> &'static str {
    if environment == Some("production") { "critical" } else { "warning" }
}

/// What every trigger carries.
struct Event<'a> {
    key: &'a str,
    summary: String,
    source: String,
    severity: &'static str,
    at: Timestamp,
    component: String,
    group: String,
    class: &'static str,
    details: Value,
    link: Option<(String, String)>,
}

impl Event<'_> {
    fn value(self) -> Value {
        let links: Vec<Value> = self
            .link
            .iter()
            .map(|(url, deployment)| json!({"href": url, "text": format!("Deployment {deployment}")}))
            .collect();
        json!({
            "event_action": "trigger",
            "dedup_key": self.key,
            "payload": {
                "summary": bounded(&self.summary, SUMMARY),
                "source": bounded(&self.source, DEDUP_KEY),
                "severity": self.severity,
                "timestamp": self.at,
                "component": bounded(&self.component, DEDUP_KEY),
                "group": bounded(&self.group, DEDUP_KEY),
                "class": self.class,
                "custom_details": self.details,
            },
            "links": links,
            "client": "Greenlight",
        })
    }
}

fn link(region: &str, deployment: &DeploymentId) -> Option<(String, String)> {
    console_url(region, &deployment.0).map(|url| (url, deployment.0.clone()))
}

fn trigger(story: &Story, key: &str) -> Value {
    let glance = glance(story);
    let cause = cause_in_short(story);
    Event {
        key,
        summary: format!("{} {}: {cause}", named(story), glance.what),
        source: format!("codedeploy:{}:{}", story.region, story.group),
        severity: severity(story.environment.as_deref()),
        at: story.ended.unwrap_or(story.read_at),
        component: story.service.clone(),
        group: story.group.deployment_group.clone(),
        class: "deploy",
        details: json!({
            "deployment": story.deployment,
            "rollback": story.rollback.as_ref().map(|rollback| &rollback.id),
            "revision": story.revision.spoken(),
            "production": glance.production,
            "to_do": glance.action,
            "cause": cause,
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
) -> Option<Page> {
    let place = place_of(restored)?;
    let environment = restored.environment.as_deref().or(configured.map(|service| service.environment.as_str()));
    let service = restored.service.as_ref().or(configured.map(|service| &service.name)).unwrap_or(&place).clone();
    let named = environment.map_or_else(|| service.clone(), |environment| format!("{service} ({environment})"));
    let source = if restored.ecs.is_some() { "ecs" } else { "codedeploy" };
    let key = rollback_key(&place);
    let event = Event {
        key: &key,
        summary: format!(
            "{named} is not back on the old version: {} (alarm {})",
            bounded(&restored.observed, DETAIL / 2),
            restored.alarm
        ),
        source: format!("{source}:{region}:{place}"),
        severity: severity(environment),
        at: restored.at,
        component: service,
        group: place.clone(),
        class: "rollback",
        details: json!({
            "deployment": restored.deployment_id,
            "rollback": restored.rollback_deployment_id,
            "alarm": restored.alarm,
            "observed": bounded(&restored.observed, DETAIL),
            "seconds_since_alarm": restored.seconds_since_alarm,
            "production": "may be on the bad version",
            "to_do": to_do,
        }),
        link: link(region, &restored.deployment_id),
    };
    Some(Page::Trigger(About::Rollback, event.value()))
}

/// The key of the page for an alarm that is left to a person.
pub fn alarm_key(decision: &RollbackDecision) -> String {
    dedup_key(&format!("greenlight/{}/alarm/{}", subject(decision), decision.alarm.name))
}

/// The page for an alarm that Greenlight leaves to a person.
pub fn alarm(decision: &RollbackDecision, region: &str) -> Value {
    let subject = subject(decision);
    let service = decision.service.clone().unwrap_or_else(|| subject.clone());
    let named = decision.environment.as_ref().map_or_else(|| service.clone(), |name| format!("{service} ({name})"));
    let alarm = &decision.alarm;
    let key = alarm_key(decision);
    Event {
        key: &key,
        summary: format!("{named}: {}", decision.reason),
        source: format!("cloudwatch:{region}:{}", alarm.name),
        severity: severity(decision.environment.as_deref()),
        at: decision.at,
        component: service,
        group: subject,
        class: "alarm",
        details: json!({
            "alarm": alarm.name,
            "observed": bounded(&observed(alarm), DETAIL),
            "watches": alarm.metric,
            "since": alarm.changed_at,
            "deployment": decision.deployment_id,
            "revision": decision.revision.spoken(),
            "decision": decision.decision,
            "reason": bounded(&decision.reason, DETAIL),
            "to_do": format!("Act now: {}", bounded(at_once(&decision.next_step), DETAIL)),
        }),
        link: decision.deployment_id.as_ref().and_then(|id| link(region, id)),
    }
    .value()
}

#[cfg(test)]
mod tests;
