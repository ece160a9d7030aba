//! How often a deployment group, or a service that ECS itself deploys, was rolled back lately: what stops Greenlight from rolling back again
//! and again what a rollback does not cure. Knows nothing of the limit itself.
//!
//! The ledger's entry `rollbacks/<application>/<group>` (`rollbacks/ecs:<cluster>/<service>`) holds the deployments that Greenlight rolled back in the last
//! seven days. A rollback is counted before it is made, and by the deployment's id, so that neither a second try nor a second alarm counts
//! twice. Where nothing comes of it (it is refused for good, the deployment had succeeded first or was stopped by its group's own alarms, another
//! one is in flight) the count is taken back; while the next try may still make it, it stands.

use std::time::Duration;

use domain::deployment::{DeploymentId, EcsServiceName, GroupName};
use domain::ports::{AlarmTags, Ledger, Outbox, PortError};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Act, CodeDeploy};

/// The longest window that the configuration allows.
const REMEMBERED: Duration = Duration::from_hours(7 * 24);
/// How often it is written anew when others write at the same moment.
const TRIES: usize = 8;

/// A rollback that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    deployment: DeploymentId,
    at: Timestamp,
}

/// The rollbacks of a group, as the ledger has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rollbacks {
    rollbacks: Vec<Made>,
    /// The entry as it was read, by which it is replaced.
    #[serde(skip)]
    entry: Option<Value>,
}

impl Rollbacks {
    /// What cannot be read was written by another version of this function, and counts for nothing.
    fn of(entry: Option<Value>) -> Self {
        let read = entry.as_ref().and_then(|entry| Self::deserialize(entry).ok());
        Self { entry, ..read.unwrap_or_default() }
    }

    /// How many were made within the window before `now`, that of `but` left out.
    pub(crate) fn within(&self, window: Duration, now: Timestamp, but: &DeploymentId) -> usize {
        self.rollbacks.iter().filter(|made| made.deployment != *but && now.since(made.at) <= window).count()
    }

    /// With one more, and without those that no window reaches; `None` when it is in there already.
    fn with(&self, deployment: &DeploymentId, now: Timestamp) -> Option<Self> {
        if self.rollbacks.iter().any(|made| made.deployment == *deployment) {
            return None;
        }
        let mut rollbacks = self.rollbacks.clone();
        rollbacks.retain(|made| now.since(made.at) <= REMEMBERED);
        rollbacks.push(Made { deployment: deployment.clone(), at: now });
        Some(Self { rollbacks, entry: None })
    }
}

impl Rollbacks {
    /// Without one; `None` when it is not in there.
    fn without(&self, deployment: &DeploymentId) -> Option<Self> {
        let mut rollbacks = self.rollbacks.clone();
        rollbacks.retain(|made| made.deployment != *deployment);
        (rollbacks.len() < self.rollbacks.len()).then_some(Self { rollbacks, entry: None })
    }
}

fn key(group: &GroupName) -> String {
    format!("rollbacks/{group}")
}

/// The key for a service that ECS itself deploys. No application's name has a colon ("CodeDeploy quotas", user guide).
pub(crate) fn key_of_service(name: &EcsServiceName) -> String {
    format!("rollbacks/ecs:{name}")
}

/// The rollbacks so far.
pub(crate) async fn read(ledger: &impl Ledger, key: &str) -> Result<Rollbacks, PortError> {
    Ok(Rollbacks::of(ledger.read(key).await?))
}

/// Counts the rollback of a deployment, once; `made` is what was read before, which saves a call while nobody else writes.
pub(crate) async fn count(
    ledger: &impl Ledger,
    key: &str,
    deployment: &DeploymentId,
    now: Timestamp,
    made: Option<Rollbacks>,
) -> Result<(), PortError> {
    amend(ledger, key, now, made, |known| known.with(deployment, now)).await
}

/// Takes the count of a rollback back, of which nothing has come.
pub(crate) async fn take_back(
    ledger: &impl Ledger,
    key: &str,
    deployment: &DeploymentId,
    now: Timestamp,
) -> Result<(), PortError> {
    amend(ledger, key, now, None, |known| known.without(deployment)).await
}

async fn amend(
    ledger: &impl Ledger,
    key: &str,
    now: Timestamp,
    mut made: Option<Rollbacks>,
    change: impl Fn(&Rollbacks) -> Option<Rollbacks>,
) -> Result<(), PortError> {
    for _ in 0..TRIES {
        let known = match made.take() {
            Some(known) => known,
            None => read(ledger, key).await?,
        };
        let Some(changed) = change(&known) else { return Ok(()) };
        let changed = serde_json::to_value(&changed).unwrap_or_default();
        if ledger.replace(key, known.entry.as_ref(), &changed, now.plus(REMEMBERED)).await? {
            return Ok(());
        }
    }
    let detail = format!("others wrote it {TRIES} times in between");
    Err(PortError::Transient { what: format!("writing the entry `{key}`"), detail, retry_after: None })
}

impl<C, O, L, A> Act<'_, C, O, L, A>
where
    C: CodeDeploy,
    O: Outbox,
    L: Ledger,
    A: AlarmTags,
{
    /// The group's rollbacks so far; `None` when the ledger does not tell, which must not keep a bad version in production.
    pub(crate) async fn rollbacks(&self, group: &GroupName) -> Option<Rollbacks> {
        match self.in_time(read(&self.settings.ledger, &key(group))).await {
            Ok(made) => Some(made),
            Err(error) => {
                tracing::warn!(%group, %error, "how often the group was rolled back is not known");
                None
            }
        }
    }

    /// Counts the rollback of a deployment, once; `made` is what was read before, which saves a call while nobody else writes.
    pub(crate) async fn count(&self, group: &GroupName, deployment: &DeploymentId, made: Option<&Rollbacks>) {
        let (key, now) = (key(group), self.ports.clock.now());
        let counted = count(&self.settings.ledger, &key, deployment, now, made.cloned());
        if let Err(error) = self.in_time(counted).await {
            tracing::warn!(%group, deployment.id = %deployment, %error, "the rollback is not counted towards the group's limit");
        }
    }

    /// Takes the count of a rollback back, of which nothing has come.
    pub(crate) async fn uncount(&self, group: &GroupName, deployment: &DeploymentId) {
        let (key, now) = (key(group), self.ports.clock.now());
        if let Err(error) = self.in_time(take_back(&self.settings.ledger, &key, deployment, now)).await {
            tracing::warn!(%group, deployment.id = %deployment, %error, "a rollback that was not made stays counted towards the group's limit");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_counts_once_and_not_against_itself_and_what_is_old_is_forgotten() {
        let (hour, id) = (Duration::from_hours(1), |id: &str| DeploymentId(id.to_owned()));
        let at = |minutes: u64| Timestamp(0).plus(Duration::from_mins(minutes));
        let mut made = Rollbacks::default();
        for (name, minute) in [("d-1", 0), ("d-2", 30), ("d-2", 40), ("d-3", 61)] {
            made = made.with(&id(name), at(minute)).unwrap_or(made);
        }
        assert_eq!(made.rollbacks.len(), 3);
        assert_eq!(made.within(hour, at(61), &id("d-4")), 2, "the first is out of the window");
        assert_eq!(
            made.within(hour, at(60), &id("d-2")),
            2,
            "the window's end belongs to it; a clock that lags counts too"
        );
        assert_eq!(made.without(&id("d-2")).map(|left| left.rollbacks.len()), Some(2));
        assert_eq!(made.without(&id("d-4")), None);
        let later = made.with(&id("d-5"), at(8 * 24 * 60)).unwrap();
        assert_eq!(later.rollbacks.len(), 1);
    }
}
