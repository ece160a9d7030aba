//! A run as one JSON document on one line. Knows nothing of people.

use serde_json::{Value, json};

use super::Finished;

/// The document; the same for every run of the same scenario.
pub fn document(finished: &Finished) -> Value {
    let record = finished.world.record();
    let deployments: Vec<Value> = record
        .deployments()
        .map(|deployment| {
            json!({
                "id": deployment.id,
                "service": deployment.service,
                "creator": deployment.creator,
                "status": deployment.status.as_str(),
                "error": deployment.error.as_ref().map(|(code, _)| code),
                "rolls_back": deployment.rolls_back,
                "rolled_back_by": deployment.rolled_back_by,
                "lifecycle_events": deployment.events.iter().map(|event| json!({
                    "name": event.name, "status": event.status,
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    let dead: Vec<Value> =
        record.dead_letters().iter().map(|(queue, event)| json!({ "queue": queue, "event": event })).collect();
    json!({
        "scenario": finished.scenario.name,
        "met": finished.met(),
        "expectations": finished.held,
        "virtual_seconds": finished.world.elapsed().as_secs_f64(),
        "timeline": record.timeline(),
        "calls": record.calls(),
        "slack": record.slack(),
        "metrics": record.metrics(),
        "verdicts": record.verdicts(),
        "deployments": deployments,
        "pagerduty": record.pages(),
        "changes": record.changes(),
        "tickets": record.tickets(),
        "events": record.notices(),
        "dead_letters": dead,
    })
}
