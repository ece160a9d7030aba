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
    let mut places = BTreeMap::new();
    for id in by_id.keys() {
        find(id, &by_id, &mut places);
    }
    let mut ordered: Vec<_> = by_id.values().filter_map(|record| Some((place(record, &places)?, *record))).collect();
    ordered.sort_by_key(|(place, _)| *place);
    ordered.into_iter().map(|(_, record)| record).collect()
}

fn knowledge(of: &Deployment) -> (bool, &Option<DeploymentId>, Option<Timestamp>) {
    (of.status.is_terminal(), &of.rolled_back_by, of.completed)
}

/// The latest creation along the chain of what a deployment rolls back, and how long that chain is.
type Place = (Option<Timestamp>, usize);

fn place<'a>(
    record: &'a Record,
    places: &BTreeMap<&DeploymentId, Place>,
) -> Option<(Timestamp, usize, &'a DeploymentId)> {
    // One without any time has no place, whatever it rolls back.
    record.deployment.known_start()?;
    let (latest, length) = *places.get(&record.deployment.id)?;
    Some((latest?, length, &record.deployment.id))
}

/// Finds the places of this one and of all along its chain that have none yet, so that no part of a chain is walked twice.
fn find<'a>(
    id: &'a DeploymentId,
    by_id: &BTreeMap<&'a DeploymentId, &'a Record>,
    places: &mut BTreeMap<&'a DeploymentId, Place>,
) {
    let (mut chain, mut seen, mut next): (Vec<&Deployment>, _, _) = (Vec::new(), BTreeSet::new(), Some(id));
    while let Some(record) = next.filter(|id| !places.contains_key(id) && seen.insert(*id)).and_then(|id| by_id.get(id))
    {
        chain.push(&record.deployment);
        next = record.deployment.rolls_back.as_ref();
    }
    // A description may name the deployment itself, or two each other. Those have one place together.
    let repeats = chain.iter().position(|deployment| Some(&deployment.id) == next);
    let circle = repeats.map_or_else(Vec::new, |from| chain.split_off(from));
    let ahead = next.and_then(|id| places.get(id).copied()).unwrap_or_default();
    let (mut latest, mut length) =
        (circle.iter().filter_map(|one| one.known_start()).max().max(ahead.0), ahead.1 + circle.len());
    for deployment in circle {
        places.insert(&deployment.id, (latest, length));
    }
    for deployment in chain.into_iter().rev() {
        (latest, length) = (latest.max(deployment.known_start()), length + 1);
        places.insert(&deployment.id, (latest, length));
    }
}
