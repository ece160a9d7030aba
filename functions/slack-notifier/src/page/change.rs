//! A deployment that went well as a change event: what whoever is woken later sees beside the incident. Pure.

use domain::config::{Changes, PagerDuty};
use domain::time::spoken;
use serde_json::{Value, json};

use super::event::{link, links, name, outside, summary};
use crate::story::{Stage, Story};
use crate::thread::named;

/// The change event of a deployment that succeeded; `None` for any other, for a rollback, and where none are wanted. That it was taken back later
/// makes no difference: it did change production.
pub fn change(story: &Story, config: &PagerDuty) -> Option<Value> {
    if config.changes == Changes::None || story.restores || story.stage != Stage::Succeeded {
        return None;
    }
    let took = story.started.zip(story.ended).map(|(from, to)| spoken(to.since(from)));
    // Nobody has looked at it: whoever is woken should know.
    let what = if story.skipped.is_some() { "was deployed UNCHECKED" } else { "was deployed" };
    Some(json!({
        "payload": {
            "summary": summary(&format!("{} {what}: {}", named(story), story.revision.spoken())),
            "timestamp": story.ended.unwrap_or(story.read_at),
            "source": name(&format!("codedeploy:{}:{}", story.region, story.group)),
            "custom_details": {
                "deployment": story.deployment,
                "revision": outside(&story.revision.spoken()),
                "commit": story.revision.git_sha.as_deref().map(outside),
                "environment": story.environment.as_deref().map(outside),
                "started_by": outside(&story.who),
                "duration": took,
                "configuration": outside(&story.particulars.configuration),
            },
        },
        "links": links(link(&story.region, &story.deployment)),
    }))
}
