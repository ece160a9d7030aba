//! How often a service was rolled back lately, so that the next rollback can be left to a person. Knows nothing of the limit.
//!
//! The ledger's entry `rollbacks/ecs/<cluster>/<service>` is a list of ids and times. It is written with a condition on what was read, since
//! two invocations may roll back two deployments of one service at nearly the same time.

use std::time::Duration;

use domain::deployment::{DeploymentId, EcsServiceName};
use domain::ports::{Ledger, PortError};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The longest window that `rollback_limit` takes.
const REMEMBERED: Duration = Duration::from_hours(7 * 24);
/// So many are remembered at the most: far more than a limit that makes sense.
const MOST: usize = 100;
/// How often the entry is written anew when another invocation was faster.
const ATTEMPTS: usize = 4;

/// One rollback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    /// The deployment that was taken back.
    id: DeploymentId,
    at: Timestamp,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Rollbacks {
    rollbacks: Vec<Made>,
}

fn key(name: &EcsServiceName) -> String {
    format!("rollbacks/ecs/{}/{}", name.cluster, name.service)
}

/// How many rollbacks of a service were made since a time.
pub(super) async fn count<L: Ledger>(ledger: &L, name: &EcsServiceName, since: Timestamp) -> Result<usize, PortError> {
    let entry = ledger.read(&key(name)).await?.unwrap_or_default();
    let known = Rollbacks::deserialize(&entry).unwrap_or_default();
    Ok(known.rollbacks.iter().filter(|one| one.at >= since).count())
}

/// Remembers a rollback; the same one is counted once.
pub(super) async fn note<L: Ledger>(
    ledger: &L,
    name: &EcsServiceName,
    id: &DeploymentId,
    at: Timestamp,
) -> Result<(), PortError> {
    let key = key(name);
    for _ in 0..ATTEMPTS {
        let entry = ledger.read(&key).await?;
        let mut known = entry.as_ref().and_then(|entry| Rollbacks::deserialize(entry).ok()).unwrap_or_default();
        if known.rollbacks.iter().any(|one| one.id == *id) {
            return Ok(());
        }
        known.rollbacks.retain(|one| at.since(one.at) <= REMEMBERED);
        known.rollbacks.push(Made { id: id.clone(), at });
        let surplus = known.rollbacks.len().saturating_sub(MOST);
        known.rollbacks.drain(..surplus);
        let value = serde_json::to_value(&known).unwrap_or_default();
        if ledger.replace(&key, entry.as_ref(), &value, at.plus(REMEMBERED)).await? {
            return Ok(());
        }
    }
    Err(PortError::Transient {
        what: format!("counting the rollback of `{id}`"),
        detail: format!("the entry `{key}` was changed by others {ATTEMPTS} times in a row"),
        retry_after: None,
    })
}
