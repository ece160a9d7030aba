//! What an alarm means for one deployment group: reads what the decision needs, decides, and has it done. Knows nothing of how the group
//! was found.
//!
//! Before a stop there are four rounds of calls, and what does not depend on each other goes side by side: what was done before (two
//! entries of the ledger), the group's deployments in flight and, once for a transition, the alarm's tags; the records of those deployments;
//! the lease, and the two versions between which the deployment changes; what is written down and counted. Then `StopDeployment`, beside which the AppSpec is read for what is told.

use std::time::Duration;

use domain::deployment::{Deployment, GroupName, Status};
use domain::events::Decision;
use domain::ports::{AlarmTags, Ledger, Outbox, PortError};
use futures_util::future::join4;

use crate::decide::{self, Before, Concern, Cure, Decided, Found, NamedBy};
use crate::event::Transition;
use crate::limit::Rollbacks;
use crate::which::Tags;
use crate::{Act, CodeDeploy, IN_FLIGHT, Subject};

/// CodeDeploy runs one deployment per group at a time, so more than this many in flight are not looked at: an alarm costs a bounded
/// number of calls.
const MOST_IN_FLIGHT: usize = 3;
/// How long an alarm that the configuration names waits for its tags: they can only say that it belongs to another environment.
const FOR_THE_TAGS: Duration = Duration::from_secs(1);

impl<C, O, L, A> Act<'_, C, O, L, A>
where
    C: CodeDeploy,
    O: Outbox,
    L: Ledger,
    A: AlarmTags,
{
    /// What the alarm means for a group; `listed` are its deployments in flight, where they were found already.
    pub(crate) async fn for_group(
        &mut self,
        transition: &Transition,
        mut concern: Concern<'_>,
        listed: Option<Vec<Deployment>>,
    ) {
        let (group, service) = (concern.group.clone(), concern.service);
        let is_codedeploys = concern.named_by == NamedBy::Group;
        let subject = Subject { service, group: Some(&group), is_codedeploys, ..Subject::of(transition) };
        let in_flight = async {
            match listed {
                Some(listed) => Ok(listed),
                None => self.in_flight(&group).await,
            }
        };
        let tags = self.tags_in_time(transition);
        let (begun, made, in_flight, tags) = join4(self.begun(subject), self.rollbacks(&group), in_flight, tags).await;
        concern.tagged_environment.clone_from(&tags.environment);
        // The tags of an alarm that nobody here names have been judged by now.
        let remark = tags.remark().filter(|_| concern.named_by == NamedBy::Configuration);
        let transition = &Transition { remark, ..transition.clone() };
        self.tags = Some(tags);
        let tagged = concern.tagged_environment.clone();
        let subject = Subject { transition, environment: tagged.as_deref(), ..subject };
        if let Some(begun) = begun {
            self.is_again = true;
            return self.go_on(subject, &concern, begun).await;
        }
        let in_flight = match in_flight {
            Ok(deployments) => deployments,
            Err(error @ (PortError::NotFound { .. } | PortError::Denied { .. }))
                if concern.named_by == NamedBy::Tag =>
            {
                return self.tell(subject, &decide::no_such_group(transition, &group, &error)).await;
            }
            Err(error) => {
                let reason = format!("`{}` went to ALARM", transition.alarm.name);
                return self.failed(subject, &reason, error, None).await;
            }
        };
        let mut has_succeeded = true;
        for deployment in in_flight.iter().filter(|deployment| deployment.status != Status::Succeeded) {
            has_succeeded = false;
            let deployment = self.settled(deployment).await;
            self.for_deployment(subject, &concern, &deployment, made.as_ref()).await;
        }
        // One that has succeeded since it was listed is in flight no more.
        if has_succeeded {
            self.late(subject, &concern, made).await;
        }
    }

    async fn for_deployment(
        &mut self,
        subject: Subject<'_>,
        concern: &Concern<'_>,
        deployment: &Deployment,
        made: Option<&Rollbacks>,
    ) {
        let before = self.before(concern, deployment, made);
        let subject = Subject { deployment: Some(deployment), ..subject };
        let transition = subject.transition;
        let ends = !deployment.is_rollback() && decide::ends_without_us(deployment).is_some();
        if ends && self.is_ours(&deployment.id).await {
            self.mark_told(subject).await;
            self.mark(subject);
            let ours = decide::ours(transition, &concern.name(), &deployment.id);
            return self.record(subject, &ours, "stopped before, by another invocation");
        }
        let words = |known: &Deployment, cure: Option<&Cure>| {
            decide::decide(transition, concern, Found::InFlight(known, cure), before)
        };
        let decided = words(deployment, None);
        match decided.decision {
            Decision::StopAndRollBack => self.stop(subject, concern, deployment, made, words).await,
            Decision::RedeployPrevious | Decision::Alert | Decision::Ignore => {
                self.doubt(transition, concern, deployment).await;
                // What is deployed is told, too.
                let known = self.ports.codedeploy.deployment(&deployment.id).await;
                let known = known.as_ref().unwrap_or(deployment);
                self.tell(Subject { deployment: Some(known), ..subject }, &decided).await;
            }
        }
    }

    /// The deployment succeeded between look-up and stop: it is rolled back as an ended one where the service wants that.
    pub(crate) async fn ended_before_the_stop(
        &mut self,
        subject: Subject<'_>,
        concern: &Concern<'_>,
        ended: &Deployment,
        decided: &Decided,
    ) {
        let subject = Subject { deployment: Some(ended), ..subject };
        self.uncount(&ended.group, &ended.id).await;
        if concern.late().is_none() {
            self.doubt(subject.transition, concern, ended).await;
            return self.tell(subject, &decide::too_late(decided, &ended.id, &ended.group)).await;
        }
        let made = self.rollbacks(&concern.group).await;
        // Boxed, as this is the one way on which a stop leads to another deed.
        Box::pin(self.late(subject, concern, made)).await;
    }

    pub(crate) fn before(&self, concern: &Concern<'_>, deployment: &Deployment, made: Option<&Rollbacks>) -> Before {
        let now = self.ports.clock.now();
        let window = concern.limit().window.0;
        Before { now, rollbacks: made.map(|made| made.within(window, now, &deployment.id)) }
    }

    /// The group's deployments that can still be stopped, or could when they were listed.
    async fn in_flight(&self, group: &GroupName) -> Result<Vec<Deployment>, PortError> {
        let codedeploy = &self.ports.codedeploy;
        let mut ids = codedeploy.list(Some(group), &IN_FLIGHT, None).await?;
        ids.truncate(MOST_IN_FLIGHT);
        if ids.is_empty() { Ok(Vec::new()) } else { codedeploy.records(&ids).await }
    }

    /// The tags of an alarm that the configuration names, looked at once for all its services; where they cannot be read, the configuration
    /// counts, and that is said.
    pub(crate) async fn tags_in_time(&self, transition: &Transition) -> Tags {
        if let Some(known) = &self.tags {
            return known.clone();
        }
        match self.ports.clock.timeout(FOR_THE_TAGS, self.tags(transition)).await {
            Ok(Ok(tags)) => tags,
            Ok(Err(error)) => {
                tracing::warn!(%error, "whether the alarm's tags name another environment is not known; the configuration counts");
                Tags::unread("could not be read")
            }
            Err(_) => {
                tracing::warn!(
                    "whether the alarm's tags name another environment was not told in time; the configuration counts"
                );
                Tags::unread("were not told in time")
            }
        }
    }
}
