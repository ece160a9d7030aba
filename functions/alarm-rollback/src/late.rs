//! The rollback of a version that is found bad after its deployment has ended: what was good before it is deployed again, once. Knows
//! nothing of what becomes of that deployment.
//!
//! The ledger's entry `late/<bad deployment>` is a lease while one invocation is at it and the record of the new deployment afterwards.
//! CodeDeploy takes no token that would make a second `CreateDeployment` harmless; so after an answer that was lost, and by whoever goes on
//! with what a dead process had begun, the group's deployments are looked through for the one whose description names the bad one,
//! before another is asked for. While that one runs CodeDeploy refuses a second.

mod doubt;
mod past;

use std::time::Duration;

use domain::deployment::{Deployment, DeploymentId, GroupName};
use domain::events::Decision;
use domain::ports::{AlarmTags, Ledger, Outbox, PortError, Redeployed};
use domain::redeploy::{self, Redeployment, Source, late_key};
use futures_util::future::join;
use serde_json::json;

use crate::decide::{self, Before, Concern, Cure, Decided, Found, Good, NoGood, candidates};
use crate::follow::Pursuit;
use crate::limit::Rollbacks;
use crate::{Act, CodeDeploy, IN_FLIGHT, Subject};
use past::{Past, Predecessor};

/// How often a deployment is asked for, with a look in between whether the last request took effect.
const TRIES: usize = 3;
/// The pause before the next one.
const PAUSE: Duration = Duration::from_secs(2);
/// A version that was rolled back late is not deployed again for so long.
const REMEMBERED: Duration = Duration::from_hours(90 * 24);

impl<C, O, L, A> Act<'_, C, O, L, A>
where
    C: CodeDeploy,
    O: Outbox,
    L: Ledger,
    A: AlarmTags,
{
    /// Nothing of the group is in flight.
    pub(crate) async fn late(&mut self, subject: Subject<'_>, concern: &Concern<'_>, made: Option<Rollbacks>) {
        let (transition, now) = (subject.transition, self.ports.clock.now());
        let is_wanted = concern.late().is_some() && concern.other_environment().is_none();
        let mut past = Past::default();
        if is_wanted && let Err(error) = self.look_back(&mut past, &concern.group).await {
            let reason = format!("`{}` went to ALARM after a deployment had ended", transition.alarm.name);
            return self.failed(subject, &reason, error, Some(candidates(&concern.group, None))).await;
        }
        let last = match past.newest() {
            Some(newest) => {
                let settled = self.settled(newest).await;
                past.put(settled.clone());
                Some(settled)
            }
            None => None,
        };
        let before = |id| self.before(concern, id, made.as_ref());
        let unasked = Before { now, rollbacks: None };
        let before = last.as_ref().map_or(unasked, before);
        let mut good = Err(NoGood::Unknown("it was not looked for".to_owned()));
        let mut bad = decide::late(transition, concern, last.as_ref(), now).ok().cloned();
        if let Some(found) = bad.as_mut().filter(|_| is_wanted) {
            match self.good(&mut past, found).await {
                Ok(found) => good = found,
                Err(error) => {
                    let reason = format!(
                        "`{}` went to ALARM after the deployment `{}` had ended",
                        transition.alarm.name, found.id
                    );
                    let by_hand = candidates(&concern.group, Some(&found.id));
                    return self.failed(subject, &reason, error, Some(by_hand)).await;
                }
            }
        }
        let known = good.as_ref().map(|(good, _)| good);
        let found = Found::Nothing { last: bad.as_ref().or(last.as_ref()), good: known };
        let decided = decide::decide(transition, concern, found, before);
        let subject = Subject { deployment: bad.as_ref(), ..subject };
        match (decided.decision, good, &bad) {
            (Decision::RedeployPrevious, Ok((good, source)), Some(bad)) => {
                self.redeploy(subject, (bad, &good, source), decided, false).await;
            }
            (_, good, _) => {
                // What goes back to a good version is not made a bad one by an alarm.
                let goes_back = matches!(good, Err(NoGood::IsCure(Cure::Older { .. } | Cure::Again(_))));
                if let Some(last) = last.as_ref().filter(|_| !goes_back) {
                    self.doubt(transition, concern, last).await;
                }
                self.tell(subject, &decided).await;
            }
        }
    }

    /// What was good before the deployment, to which what it brought itself is added.
    async fn good(&self, past: &mut Past, bad: &mut Deployment) -> Result<Result<(Good, Source), NoGood>, PortError> {
        if let Some(cure) = Cure::marked(bad) {
            if let Ok(read) = self.ports.codedeploy.deployment(&bad.id).await {
                bad.revision = read.revision;
            }
            return Ok(Err(NoGood::IsCure(cure)));
        }
        let Predecessor { bad: known, good } = self.predecessor(past, bad).await?;
        *bad = known;
        Ok(good)
    }

    /// Goes on with what an earlier delivery of the same event has begun.
    pub(crate) async fn redeploy_begun(
        &mut self,
        subject: Subject<'_>,
        concern: &Concern<'_>,
        bad: &Deployment,
        decided: Decided,
    ) {
        let decided = Decided { decision: Decision::RedeployPrevious, ..decided };
        let mut past = Past::default();
        let by_hand = Some(candidates(&concern.group, Some(&bad.id)));
        match self.predecessor(&mut past, bad).await {
            Ok(Predecessor { bad, good: Ok((good, source)) }) => {
                let subject = Subject { deployment: Some(&bad), ..subject };
                self.redeploy(subject, (&bad, &good, source), decided, true).await;
            }
            Ok(Predecessor { good: Err(why), .. }) => {
                self.tell(subject, &decide::could_not(&decided.reason, &why.to_string(), by_hand)).await;
            }
            Err(error) => self.failed(subject, &decided.reason, error, by_hand).await,
        }
    }

    /// Deploys the good version again, tells it and puts the bad one among those to be followed.
    async fn redeploy(
        &mut self,
        subject: Subject<'_>,
        (bad, good, source): (&Deployment, &Good, Source),
        decided: Decided,
        may_be_done: bool,
    ) {
        let id = &bad.id;
        let taken = self.take(&late_key(id)).await;
        let Some(lease) = self.ours(subject, &decided, taken, "deployed again").await else { return };
        let by_hand = candidates(&bad.group, Some(id));
        let alarm = &subject.transition.alarm.name;
        let sha = good.revision.git_sha.as_deref();
        let Some(what) = Redeployment::new(bad, source, sha, alarm) else {
            let error = PortError::Permanent {
                what: format!("rolling back `{id}`"),
                detail: "its platform is neither ECS nor Lambda".to_owned(),
            };
            return self.not_done(subject, lease, &decided, error, by_hand).await;
        };
        join(self.write_down(subject, id, &decided, true), self.count(&bad.group, id, None)).await;
        let may_be_done = may_be_done || lease.is_none();
        let created = match self.create(bad, &what, may_be_done).await {
            Ok(Ok(created)) => created,
            Ok(Err(detail)) => {
                self.unmark(subject).await;
                self.uncount(&bad.group, id).await;
                self.suspect(id, alarm).await;
                if let Some(lease) = lease {
                    self.give_back(lease).await;
                }
                return self.tell(subject, &decide::busy(&decided, &bad.group, &detail)).await;
            }
            Err(error) => return self.not_done(subject, lease, &decided, error, by_hand).await,
        };
        let subject = Subject { restored: Some((&created, &good.revision)), ..subject };
        self.pursue(Pursuit::of_redeployed(bad, created.clone(), subject, self.arrived)).await;
        let done = json!({ "redeployed_by": created, "restores": good.deployment.id, "alarm": alarm });
        self.tell_done(subject, &decided, lease, id, (&done, REMEMBERED)).await;
        self.record(subject, &decided, "deployed again");
    }

    /// Creates the deployment, or finds the one that an earlier request has created. The inner error: another one is in flight.
    async fn create(
        &self,
        bad: &Deployment,
        what: &Redeployment,
        mut may_be_done: bool,
    ) -> Result<Result<DeploymentId, String>, PortError> {
        let codedeploy = &self.ports.codedeploy;
        let mut attempt = 1;
        loop {
            if may_be_done && let Some(created) = self.created_before(bad).await? {
                return Ok(Ok(created));
            }
            match codedeploy.redeploy(what).await {
                Ok(Redeployed::Created(id)) => return Ok(Ok(id)),
                Ok(Redeployed::Busy(detail)) => {
                    return Ok(self.created_before(bad).await?.ok_or(detail));
                }
                Err(error) if error.is_transient() && attempt < TRIES => {
                    tracing::warn!(deployment.id = %bad.id, %error, "whether the good version is deployed again is not known; it is looked for");
                    self.ports.clock.sleep(PAUSE).await;
                }
                Err(error) if error.is_transient() => return self.created_before(bad).await?.map(Ok).ok_or(error),
                Err(error) => return Err(error),
            }
            may_be_done = true;
            attempt += 1;
        }
    }

    /// The deployment that rolls the bad one back, if there is one.
    async fn created_before(&self, bad: &Deployment) -> Result<Option<DeploymentId>, PortError> {
        let since = bad.completed.or(bad.created);
        let group: &GroupName = &bad.group;
        let codedeploy = &self.ports.codedeploy;
        let (running, ended) =
            join(codedeploy.list(Some(group), &IN_FLIGHT, None), codedeploy.list(Some(group), &past::ENDED, since))
                .await;
        let mut ids = running?;
        ids.extend(ended?);
        ids.truncate(past::MOST);
        if ids.is_empty() {
            return Ok(None);
        }
        let records = codedeploy.records(&ids).await?;
        Ok(redeploy::found(&bad.id, &records).map(|found| found.id.clone()))
    }
}
