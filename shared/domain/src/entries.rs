//! The table's entries that one function writes and another one reads: their keys and their shapes. Knows nothing of who asks. That of a deployment
//! which Greenlight takes back is [`crate::redeploy::late_key`].

use serde::Deserialize;
use serde_json::{Value, json};

use crate::deployment::DeploymentId;
use crate::events::TrafficRestored;
use crate::time::Timestamp;

/// How the ending of a way back is called that has brought all traffic back.
pub const RESTORED: &str = "restored";

/// That `alarm-rollback` stops a deployment: a lease while it is at it, and a record afterwards.
pub fn stop_key(deployment: &DeploymentId) -> String {
    format!("stop/{deployment}")
}

/// That `alarm-rollback` has told of an ending of that kind: [`RESTORED`], or another of its own.
pub fn ending_key(deployment: &DeploymentId, kind: &str) -> String {
    format!("ending/{deployment}/{kind}")
}

/// What `alarm-rollback` leaves under [`ending_key`]: with what was told, since events get lost and `deployment-metrics` reads here how long the way back took.
pub fn ending(at: Timestamp, told: &TrafficRestored) -> Value {
    json!({ "told": at, "detail": told })
}

/// What was told, by the entry; `None` where an older version has left it, without that.
pub fn told(ending: &Value) -> Option<TrafficRestored> {
    TrafficRestored::deserialize(ending.get("detail")?).ok()
}
