//! The order in which the deployments of a group came, however they were listed.

use std::collections::{BTreeMap, BTreeSet};

use domain::deployment::{Deployment, DeploymentId};
use domain::time::Timestamp;

use crate::Record;

/// By creation; what was created at the same time by id, so that the order of the list makes no difference. A rollback always comes after what it
/// rolls back, whatever the clocks say. Of a record that is there twice the one is taken that knows more of its end. One without any time is left out.
pub(crate) fn ordered<'a>(group: &[&'a Record]) -> Vec<&'a Record> {
    let mut by_id: BTreeMap<&DeploymentId, &Record> = BTreeMap::new();
    for record in group {
        let known = by_id.entry(&record.deployment.id).or_insert(record);
        if knowledge(&record.deployment) > knowledge(&known.deployment) {
            *known = record;
        }
    }
    let mut ordered: Vec<_> = by_id.values().filter_map(|record| Some((place(record, &by_id)?, *record))).collect();
    ordered.sort_by_key(|(place, _)| *place);
    ordered.into_iter().map(|(_, record)| record).collect()
}

fn knowledge(of: &Deployment) -> (bool, &Option<DeploymentId>, Option<Timestamp>) {
    (of.status.is_terminal(), &of.rolled_back_by, of.completed)
}

/// The latest creation along the chain of what it rolls back, and how long that chain is.
fn place<'a>(
    record: &'a Record,
    by_id: &BTreeMap<&DeploymentId, &'a Record>,
) -> Option<(Timestamp, usize, &'a DeploymentId)> {
    let mut latest = created(&record.deployment)?;
    // A description may name the deployment itself, or two each other.
    let mut seen = BTreeSet::from([&record.deployment.id]);
    let mut next = record.deployment.rolls_back.as_ref();
    while let Some(original) = next.and_then(|id| by_id.get(id)).filter(|original| seen.insert(&original.deployment.id))
    {
        latest = latest.max(created(&original.deployment).unwrap_or(latest));
        next = original.deployment.rolls_back.as_ref();
    }
    Some((latest, seen.len(), &record.deployment.id))
}

fn created(deployment: &Deployment) -> Option<Timestamp> {
    deployment.created.or(deployment.started).or(deployment.completed)
}
