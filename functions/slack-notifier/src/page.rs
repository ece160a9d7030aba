//! What of a deployment is worth a page: PagerDuty's trigger and resolve. Pure; knows nothing of how it is sent.

use domain::text::bounded;
use serde_json::{Value, json};

use crate::story::{Ending, Story};
use crate::thread::{cause_in_short, console_url, glance, named};

/// PagerDuty's limit for a summary.
const SUMMARY: usize = 1024;
/// PagerDuty's limit for a key.
const DEDUP_KEY: usize = 255;

/// A page or its end.
#[derive(Clone, Debug, PartialEq)]
pub enum Page {
    /// Somebody should look; the event for PagerDuty.
    Trigger(Value),
    /// It is over; the event for PagerDuty.
    Resolve(Value),
}

fn dedup_key(story: &Story) -> String {
    bounded(&format!("greenlight/{}", story.group), DEDUP_KEY)
}

/// What a story asks of the pager, in order. A rollback of its own is nobody's page, and its success ends none: it says
/// nothing of the deployment that was paged for.
pub fn pages(story: &Story) -> Vec<Page> {
    let resolve = || Page::Resolve(json!({"event_action": "resolve", "dedup_key": dedup_key(story)}));
    let mut pages = Vec::new();
    if story.restores {
        return pages;
    }
    if story.ended_badly() {
        pages.push(Page::Trigger(trigger(story)));
    }
    if story.ending() == Some(Ending::Succeeded) || story.is_rolled_back() {
        pages.push(resolve());
    }
    pages
}

fn trigger(story: &Story) -> Value {
    let glance = glance(story);
    let severity = if story.environment.as_deref() == Some("production") { "critical" } else { "warning" };
    let summary = format!("{} {}: {}", named(story), glance.what, cause_in_short(story));
    let link = console_url(&story.region, &story.deployment.0);
    let links: Vec<Value> =
        link.iter().map(|url| json!({"href": url, "text": format!("Deployment {}", story.deployment)})).collect();
    json!({
        "event_action": "trigger",
        "dedup_key": dedup_key(story),
        "payload": {
            "summary": bounded(&summary, SUMMARY),
            "source": bounded(&format!("codedeploy:{}:{}", story.region, story.group), DEDUP_KEY),
            "severity": severity,
            "timestamp": story.ended.unwrap_or(story.read_at),
            "component": story.service,
            "group": story.group.deployment_group,
            "class": "deploy",
            "custom_details": {
                "deployment": story.deployment,
                "rollback": story.rollback.as_ref().map(|rollback| &rollback.id),
                "revision": story.revision.spoken(),
                "production": glance.production,
                "to_do": glance.action,
                "cause": cause_in_short(story),
            },
        },
        "links": links,
        "client": "Greenlight",
    })
}

#[cfg(test)]
mod tests;
