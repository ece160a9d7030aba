//! A deployment group's past, newest first, and the version in it that was good before a bad one. Knows nothing of what is done with it.
//!
//! `ListDeployments` documents no order and gives ids alone, so the past is read in spans that grow: most groups have their last two
//! versions in the first one, and a group with hundreds of deployments a week costs no more than one with a handful.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::deployment::{Deployment, DeploymentId, GroupName, LambdaTarget, Platform, Revision, Status, Target};
use domain::ports::{AlarmTags, Ledger, Outbox, PortError};
use domain::redeploy::{self, Known, Source, Standing};
use futures_util::future::{join, join_all};

use crate::decide::{Cure, Good, NoGood};
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

    /// Puts a deployment in the place of its record.
    pub(super) fn put(&mut self, deployment: Deployment) {
        self.records.insert(deployment.id.clone(), deployment);
    }

    /// Takes from their records what descriptions claim without reason. Whom they name is here, or too far back to matter; Greenlight's own
    /// rollbacks name one that had ended well, so that the ledger need not be asked.
    fn settle(&mut self) {
        let unfounded: Vec<DeploymentId> = self
            .records
            .values()
            .filter(|claims| {
                let named = redeploy::to_confirm(claims).map(|bad| self.records.get(bad));
                let known = named.flatten().map_or(Known::Unread, Known::Found);
                redeploy::to_confirm(claims).is_some()
                    && redeploy::confirmed(claims, Known::Absent, known) == Standing::Ordinary
            })
            .map(|claims| claims.id.clone())
            .collect();
        for id in unfounded {
            if let Some(claims) = self.records.get_mut(&id) {
                claims.rolls_back = None;
            }
        }
    }

    /// What succeeded before, rollbacks too, newest first.
    fn earlier(&self, bad: &Deployment) -> Vec<&Deployment> {
        let mut earlier = self.newest_first();
        earlier.retain(|one| one.created < bad.created && one.status == Status::Succeeded);
        earlier
    }

    /// What may be deployed again, newest first: what succeeded before, is itself no rollback and was not rolled back.
    fn candidates(&self, bad: &Deployment) -> Vec<&Deployment> {
        let is_rolled_back = |id: &DeploymentId| self.records.values().any(|it| it.rolls_back.as_ref() == Some(id));
        let mut candidates = self.earlier(bad);
        candidates.retain(|one| !one.is_rollback() && !is_rolled_back(&one.id));
        candidates
    }
}

/// A bad deployment and what was good before it.
pub(super) struct Predecessor {
    /// With what its AppSpec names.
    pub(super) bad: Deployment,
    /// What was good, and what it is deployed from once more; or why there is nothing.
    pub(super) good: Result<(Good, Source), NoGood>,
}

/// What a deployment brought.
struct Version {
    of: Deployment,
    revision: Revision,
    source: Source,
    target: Option<LambdaTarget>,
}

impl Version {
    fn is_same(&self, other: &Self) -> bool {
        redeploy::is_same((&self.revision, &self.source), (&other.revision, &other.source))
    }

    /// Whether its AppSpec or its target names a task definition or a version, by which older is told from newer.
    fn is_named(&self) -> bool {
        self.revision.task_definition.is_some() || self.revision.lambda_version.is_some()
    }
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
            past.settle();
        }
        Ok(true)
    }

    /// The version that was good before the bad one.
    ///
    /// The newest good deployment before it decides: where that one brought the same version, there is nothing to go back to, and one further back
    /// is left to a person. Where the bad one itself goes back to what was there before, it is a person's cure.
    pub(super) async fn predecessor(&self, past: &mut Past, bad: &Deployment) -> Result<Predecessor, PortError> {
        let unknown = |why: &str| Err(NoGood::Unknown(why.to_owned()));
        while past.earlier(bad).is_empty() && self.look_further(past, &bad.group).await? {}
        let Some(replaced) = past.earlier(bad).first().map(|one| (*one).clone()) else {
            let bad = self.version(bad).await?.of;
            return Ok(Predecessor { bad, good: unknown("no earlier deployment is known that ended well") });
        };
        let (own, replaced) = join(self.version(bad), self.version(&replaced)).await;
        let (own, replaced) = (own?, replaced?);
        let mut good = match Cure::older(&own.revision, &replaced.revision) {
            Some(cure) => Err(NoGood::IsCure(cure)),
            None => self.good_before(past, &own, &replaced).await?,
        };
        if let Ok((found, _)) = &good
            && let Some(by) = self.brought_before(past, &own, &found.deployment).await?
        {
            good = Err(NoGood::IsCure(Cure::Again(by)));
        }
        Ok(Predecessor { bad: own.of, good })
    }

    /// The newest good version before, where it is another one.
    async fn good_before(
        &self,
        past: &mut Past,
        own: &Version,
        replaced: &Version,
    ) -> Result<Result<(Good, Source), NoGood>, PortError> {
        let mut doubtful = Vec::new();
        let good = loop {
            let next = past.candidates(&own.of).into_iter().find(|one| !doubtful.contains(&one.id)).cloned();
            let Some(candidate) = next else {
                if self.look_further(past, &own.of.group).await? {
                    continue;
                }
                let why = "no earlier deployment is known that ended well and had no alarm";
                return Ok(Err(NoGood::Unknown(why.to_owned())));
            };
            if !self.is_doubtful(&candidate.id).await {
                break self.version(&candidate).await?;
            }
            doubtful.push(candidate.id);
            if doubtful.len() == CANDIDATES {
                let why = format!("the {CANDIDATES} deployments before it had alarms or were rolled back");
                return Ok(Err(NoGood::Unknown(why)));
            }
        };
        if own.is_same(&good) {
            let is_again = !own.is_same(replaced);
            return Ok(Err(if is_again { NoGood::IsCure(Cure::Again(good.of.id)) } else { NoGood::IsSame }));
        }
        let serving = own.revision.lambda_version.as_deref();
        let id = &good.of.id;
        let again = redeploy::again(own.of.platform, &good.source, good.target.as_ref(), serving)
            .map_err(|why| NoGood::Unknown(format!("the version of `{id}` cannot be deployed again: {why}")));
        Ok(again.map(|source| (Good { revision: good.revision.clone(), deployment: good.of.clone() }, source)))
    }

    /// A good deployment before `good` that brought the same version as this one, among the few before it. Where versions have numbers,
    /// those tell most of it without a look; where they have none, a week is looked at.
    async fn brought_before(
        &self,
        past: &mut Past,
        own: &Version,
        good: &Deployment,
    ) -> Result<Option<DeploymentId>, PortError> {
        while !own.is_named() && past.spans < RECENT && self.look_further(past, &own.of.group).await? {}
        let older = past.candidates(good).into_iter().take(CANDIDATES - 1);
        let looked_at =
            join_all(older.map(async |one| (self.is_doubtful(&one.id).await, self.version(one).await))).await;
        for (is_doubtful, version) in looked_at {
            let version = version?;
            if !is_doubtful && version.is_same(own) {
                return Ok(Some(version.of.id));
            }
        }
        Ok(None)
    }

    /// What a deployment brought, by its AppSpec and, of Lambda, by its target.
    async fn version(&self, of: &Deployment) -> Result<Version, PortError> {
        let codedeploy = &self.ports.codedeploy;
        let is_lambda = of.platform == Some(Platform::Lambda);
        let target = async { if is_lambda { codedeploy.target(&of.id).await.ok() } else { None } };
        let (source, target) = join(codedeploy.source(&of.id), target).await;
        let source = source?;
        let target = if let Some(Target::Lambda(target)) = target { Some(target) } else { None };
        let mut revision = source.revision();
        let of_target = target.as_ref().map(|target| target.target_version.clone());
        revision.lambda_version = revision.lambda_version.take().or(of_target.filter(|version| !version.is_empty()));
        revision.git_sha = of.described("git_sha").map(str::to_owned);
        let of = Deployment { revision: revision.clone(), ..of.clone() };
        Ok(Version { of, revision, source, target })
    }
}
