//! The list of stories that are not closed, which the schedule goes through: one entry of the table, so that a fleet at rest costs one reading a
//! minute. Knows nothing of what is done about them.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::deployment::DeploymentId;
use domain::ports::{Ledger, PortError};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::contend::Patient;
use crate::memory::KEPT;
use crate::tale::Kind;

/// How long a story stays open at the most.
pub(crate) const LONGEST: Duration = Duration::from_hours(4 * 24);
/// So many are listed: an entry may have 400 kB (DynamoDB, "Quotas"), and an id up to some hundred bytes.
const LISTED: usize = 500;
const KEY: &str = "open/stories";

/// An open story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Open {
    /// What kind of story it is.
    pub(crate) kind: Kind,
    /// Since when it is open.
    pub(crate) since: Timestamp,
}

/// The open stories.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct List {
    /// By the story's id.
    pub(crate) stories: BTreeMap<DeploymentId, Open>,
    /// Where the last run stopped for want of time.
    #[serde(default)]
    pub(crate) stopped_at: Option<DeploymentId>,
}

impl List {
    /// In the order in which they are to be looked after: those first that the last run did not come to.
    pub(crate) fn in_turn(&self) -> Vec<(DeploymentId, Open)> {
        let all = self.stories.iter().map(|(id, open)| (id.clone(), *open));
        let (late, early): (Vec<_>, Vec<_>) = all.partition(|(id, _)| Some(id) >= self.stopped_at.as_ref());
        late.into_iter().chain(early).collect()
    }
}

fn of_entry(entry: &serde_json::Value) -> Result<List, PortError> {
    List::deserialize(entry).map_err(|error| PortError::Permanent {
        what: format!("reading the ledger's entry `{KEY}`"),
        detail: format!("{error}; delete the entry: open stories are listed again with their next event"),
    })
}

/// The list as it is.
pub(crate) async fn read(ledger: &impl Ledger) -> Result<List, PortError> {
    ledger.read(KEY).await?.map_or_else(|| Ok(List::default()), |entry| of_entry(&entry))
}

/// Changes the list, whoever else does.
pub(crate) async fn amend(
    ledger: &impl Ledger,
    patient: Patient<'_>,
    change: impl Fn(&mut List),
) -> Result<(), PortError> {
    let expires = patient.clock.now().plus(KEPT);
    patient
        .change(ledger, KEY, expires, |entry| {
            let old = entry.map(of_entry).transpose()?.unwrap_or_default();
            let mut next = old.clone();
            change(&mut next);
            if next == old {
                return Ok((None, ()));
            }
            let written = serde_json::to_value(&next).map_err(|error| PortError::Permanent {
                what: format!("writing the ledger's entry `{KEY}`"),
                detail: error.to_string(),
            })?;
            Ok((Some(written), ()))
        })
        .await
}

/// Adds a story to the list.
pub(crate) async fn add(
    ledger: &impl Ledger,
    patient: Patient<'_>,
    id: &DeploymentId,
    kind: Kind,
) -> Result<(), PortError> {
    let since = patient.clock.now();
    amend(ledger, patient, |list| {
        if list.stories.len() < LISTED {
            list.stories.entry(id.clone()).or_insert(Open { kind, since });
        } else if !list.stories.contains_key(id) {
            tracing::warn!(story = %id, "{LISTED} stories are open, so the schedule does not look after this one");
        }
    })
    .await
}
