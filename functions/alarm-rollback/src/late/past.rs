//! A deployment group's past, newest first, and the version in it that was good before a bad one. Knows nothing of what is done with it.
//!
//! `ListDeployments` documents no order and gives ids alone, so the past is read in spans that grow: most groups have their last two
//! versions in the first one, and a group with hundreds of deployments a week costs no more than one with a handful.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::deployment::{Deployment, DeploymentId, GroupName, Platform, Status, Target};
use domain::lease;
use domain::ports::{AlarmTags, Ledger, Outbox, PortError};
use domain::redeploy::{self, Source};
use futures_util::future::join;

use super::key;
use crate::decide::Good;
use crate::{Act, CodeDeploy};

/// How a deployment can have ended.
pub(super) const ENDED: [Status; 3] = [Status::Succeeded, Status::Failed, Status::Stopped];
/// How far back is looked, one span after the other. A deployment lives for up to seven days (120 h before the shift and 48 h after it,
/// CodeDeploy quotas) and is held to be the cause for up to one more, so the second span has the last one for certain.
const SPANS: [Duration; 4] = [
    Duration::from_hours(24),
    Duration::from_hours(8 * 24),
    Duration::from_hours(60 * 24),
    Duration::from_hours(400 * 24),
];
/// The spans in which the last deployment must be.
const RECENT: usize = 2;
/// So many records are read of one span: three calls of `BatchGetDeployments`.
pub(super) const MOST: usize = 300;
/// So many versions are looked at more closely: two calls each.
const CANDIDATES: usize = 5;

/// What is known of a group's past.
#[derive(Default)]
pub(super) struct Past {
    records: BTreeMap<DeploymentId, Deployment>,
    spans: usize,
}

impl Past {
    fn newest_first(&self) -> Vec<&Deployment> {
        let mut records: Vec<&Deployment> = self.records.values().collect();
        records.sort_by_key(|deployment| std::cmp::Reverse(deployment.created));
        records
    }

    pub(super) fn newest(&self) -> Option<&Deployment> {
        self.newest_first().first().copied()
    }

    /// What may be deployed again, newest first: what succeeded before, is itself no rollback and was not rolled back.
    fn candidates(&self, bad: &Deployment) -> Vec<&Deployment> {
        let is_rolled_back = |id: &DeploymentId| self.records.values().any(|it| it.rolls_back.as_ref() == Some(id));
        self.newest_first()
            .into_iter()
            .filter(|one| one.created < bad.created && one.status == Status::Succeeded)
            .filter(|one| !one.is_rollback() && !is_rolled_back(&one.id))
            .collect()
    }
}

/// A bad deployment and what was good before it.
pub(super) struct Predecessor {
    /// With what its AppSpec names.
    pub(super) bad: Deployment,
    pub(super) good: Good,
    /// What the good version is deployed from once more.
    pub(super) source: Source,
}

impl<C, O, L, A> Act<'_, C, O, L, A>
where
    C: CodeDeploy,
    O: Outbox,
    L: Ledger,
    A: AlarmTags,
{
    /// Reads the past far enough for the group's last deployment.
    pub(super) async fn look_back(&self, past: &mut Past, group: &GroupName) -> Result<(), PortError> {
        while past.records.is_empty() && past.spans < RECENT {
            self.look_further(past, group).await?;
        }
        Ok(())
    }

    /// Reads one more span; false when there is none.
    async fn look_further(&self, past: &mut Past, group: &GroupName) -> Result<bool, PortError> {
        let Some(span) = SPANS.get(past.spans) else { return Ok(false) };
        let codedeploy = &self.ports.codedeploy;
        let since = self.ports.clock.now().minus(*span);
        let mut ids = codedeploy.list(Some(group), &ENDED, Some(since)).await?;
        past.spans += 1;
        ids.retain(|id| !past.records.contains_key(id));
        if ids.len() > MOST {
            tracing::warn!(%group, deployments = ids.len(), "only {MOST} of the deployments in this span are looked at");
            ids.truncate(MOST);
        }
        if !ids.is_empty() {
            let records = codedeploy.records(&ids).await?;
            past.records.extend(records.into_iter().map(|record| (record.id.clone(), record)));
        }
        Ok(true)
    }

    /// The version that was good before the bad one; the inner error says why there is none, as it reads after "but".
    pub(super) async fn predecessor(
        &self,
        past: &mut Past,
        bad: &Deployment,
    ) -> Result<Result<Predecessor, String>, PortError> {
        let codedeploy = &self.ports.codedeploy;
        let is_lambda = bad.platform == Some(Platform::Lambda);
        let target = async { if is_lambda { codedeploy.target(&bad.id).await.ok() } else { None } };
        let (bad_source, target) = join(codedeploy.source(&bad.id), target).await;
        let bad_source = bad_source?;
        let mut bad_revision = bad_source.revision();
        let serving = match target {
            Some(Target::Lambda(target)) => Some(target.target_version).filter(|version| !version.is_empty()),
            _ => None,
        };
        bad_revision.lambda_version = bad_revision.lambda_version.take().or(serving);
        let mut looked_at = Vec::new();
        loop {
            let next = past.candidates(bad).into_iter().find(|one| !looked_at.contains(&one.id)).cloned();
            let Some(candidate) = next else {
                if self.look_further(past, &bad.group).await? {
                    continue;
                }
                return Ok(Err("no earlier deployment of another version is known that ended well".to_owned()));
            };
            if looked_at.len() == CANDIDATES {
                return Ok(Err(format!(
                    "the {CANDIDATES} deployments before it brought the same version or were rolled back"
                )));
            }
            looked_at.push(candidate.id.clone());
            if self.was_rolled_back_late(&candidate.id).await {
                continue;
            }
            let target = async { if is_lambda { codedeploy.target(&candidate.id).await.ok() } else { None } };
            let (source, target) = join(codedeploy.source(&candidate.id), target).await;
            let (source, mut revision) = source.map(|source| (source.clone(), source.revision()))?;
            let target = if let Some(Target::Lambda(target)) = target { Some(target) } else { None };
            let of_target = target.as_ref().map(|target| target.target_version.clone());
            revision.lambda_version =
                revision.lambda_version.take().or(of_target.filter(|version| !version.is_empty()));
            if redeploy::is_same((&bad_revision, &bad_source), (&revision, &source)) {
                continue;
            }
            let serving = bad_revision.lambda_version.as_deref();
            let again = match redeploy::again(bad.platform, &source, target.as_ref(), serving) {
                Ok(again) => again,
                Err(why) => {
                    return Ok(Err(format!("the version of `{}` cannot be deployed again: {why}", candidate.id)));
                }
            };
            revision.git_sha = candidate.described("git_sha").map(str::to_owned);
            bad_revision.git_sha = bad.described("git_sha").map(str::to_owned);
            let bad = Deployment { revision: bad_revision, ..bad.clone() };
            let good = Good { deployment: candidate, revision };
            return Ok(Ok(Predecessor { bad, good, source: again }));
        }
    }

    /// By the ledger's record; where it does not answer, the group's own past has to do.
    async fn was_rolled_back_late(&self, id: &DeploymentId) -> bool {
        let record = self.in_time(lease::record(&self.settings.ledger, &key(id))).await;
        record.is_ok_and(|record| record.is_some())
    }
}
