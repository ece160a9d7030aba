//! Stops a deployment, exactly once. Knows nothing of why.
//!
//! The ledger's entry `stop/<deployment>` is a lease while one invocation is at it and a record afterwards. A process may be
//! killed in between, and then nobody would stop the deployment; so the lease is a short one, and a later invocation (Lambda
//! tries again after a minute) takes the work over.
//!
//! What was decided is written down under the transition's own key before the stop, and replaced when it has been told. So when
//! the process dies in between, the next delivery of the event tells what the alarm led to, although it finds nothing in
//! flight any more; without that, the stop would look like a person's.
//!
//! The stop itself depends on neither entry: CodeDeploy refuses to stop twice, and a table that is down must not keep a bad
//! version in production.

use std::time::Duration;

use domain::deployment::{Deployment, DeploymentId, Status};
use domain::entries::stop_key;
use domain::events::Decision;
use domain::lease::{self, Lease, Taken};
use domain::ports::{AlarmTags, Ledger, Outbox, PortError, Stopped};
use domain::time::Timestamp;
use futures_util::future::join;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::decide::{Concern, Cure, Decided, by_hand};
use crate::follow::Pursuit;
use crate::limit::Rollbacks;
use crate::{Act, CodeDeploy, Subject, tell};

/// How long what is told waits for what the AppSpec says.
const FOR_THE_WORDS: Duration = Duration::from_secs(4);
/// Longer than any deployment lives, and than `deployment-metrics` looks back to learn whose doing a stop was (two weeks, and thirty days of the
/// group's history before that).
const REMEMBERED: Duration = Duration::from_hours(60 * 24);

/// How CodeDeploy calls a stop by the alarms on the deployment group (`ErrorInformation`, CodeDeploy API reference).
const BY_ITS_OWN_ALARMS: &str = "ALARM_ACTIVE";
/// How long a stop waits to hear whether the deployment goes back to an older version. It is asked beside the lease.
const FOR_THE_VERSIONS: Duration = Duration::from_secs(1);

/// A stop, or a redeployment, that has been decided and not told yet, as the ledger remembers it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Begun {
    stops: DeploymentId,
    reason: String,
    next_step: String,
    /// When the event arrived first.
    #[serde(default)]
    arrived: Option<Timestamp>,
    /// The deployment had ended; what was good before it is deployed again.
    #[serde(default)]
    has_ended: bool,
}

impl<'a, C, O, L, A> Act<'a, C, O, L, A>
where
    C: CodeDeploy,
    O: Outbox,
    L: Ledger,
    A: AlarmTags,
{
    /// Stops the deployment, tells it and puts it among those to be followed.
    ///
    /// `words` makes the decision that is told from the deployment as it is known by then: its AppSpec is read beside the stop, which does
    /// not wait for it.
    pub(crate) async fn stop(
        &mut self,
        subject: Subject<'_>,
        concern: &Concern<'_>,
        deployment: &Deployment,
        made: Option<&Rollbacks>,
        words: impl Fn(&Deployment, Option<&Cure>) -> Decided,
    ) {
        let id = &deployment.id;
        let (taken, cure) = join(self.take(&stop_key(id)), self.cure(deployment)).await;
        let decided = words(deployment, cure.as_ref());
        let Some(lease) = self.ours(subject, &decided, taken, "stopped").await else { return };
        let codedeploy = &self.ports.codedeploy;
        if decided.decision != Decision::StopAndRollBack {
            if let Some(lease) = lease {
                self.give_back(lease).await;
            }
            let known = codedeploy.deployment(id).await;
            let known = known.as_ref().unwrap_or(deployment);
            let decided = words(known, cure.as_ref());
            return self.tell(Subject { deployment: Some(known), ..subject }, &decided).await;
        }
        let stopping = async {
            if lease.is_some() {
                let (begun, counted) =
                    (self.write_down(subject, id, &decided, false), self.count(&deployment.group, id, made));
                join(begun, counted).await;
            }
            codedeploy.stop_and_roll_back(id).await
        };
        let read = self.ports.clock.timeout(FOR_THE_WORDS, codedeploy.deployment(id));
        let (outcome, read) = join(stopping, read).await;
        // It may have ended by now; what was decided stands.
        let revision = read.ok().and_then(Result::ok).map_or_else(|| deployment.revision.clone(), |read| read.revision);
        let known = Deployment { revision, ..deployment.clone() };
        let decided = words(&known, None);
        let subject = Subject { deployment: Some(&known), ..subject };
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => return self.not_done(subject, lease, &decided, error, by_hand(id)).await,
        };
        let (ended, word) = match outcome {
            Stopped::Accepted => (known.clone(), "stopped"),
            Stopped::AlreadyCompleted => match codedeploy.deployment(id).await {
                Ok(ended) if ended.status == Status::Succeeded => {
                    self.unmark(subject).await;
                    if let Some(lease) = lease {
                        self.give_back(lease).await;
                    }
                    return self.ended_before_the_stop(subject, concern, &ended, &decided).await;
                }
                // CodeDeploy watches alarms too, or a person was faster, or our own request got through without its answer: what counts is
                // that the old version comes back.
                Ok(ended) => {
                    if ended.error.as_ref().is_some_and(|error| error.code == BY_ITS_OWN_ALARMS) {
                        self.uncount(&ended.group, id).await;
                    }
                    (ended, "it had already been stopped")
                }
                Err(_) => (known.clone(), "it had already ended"),
            },
        };
        self.pursue(Pursuit::of_stopped(&ended, subject, self.arrived)).await;
        let stopped = json!({ "stopped": self.ports.clock.now(), "alarm": subject.transition.alarm.name });
        self.tell_done(subject, &decided, lease, id, (&stopped, REMEMBERED)).await;
        self.record(subject, &decided, word);
    }

    /// The lease under which a thing is to be done now, none in it where the ledger is down; `None` where another invocation has done it or
    /// is at it, which is recorded. `done` is what the thing is then: `stopped`.
    pub(crate) async fn ours(
        &mut self,
        subject: Subject<'_>,
        decided: &Decided,
        taken: Result<Taken<'a, L>, PortError>,
        done: &str,
    ) -> Option<Option<Lease<'a, L>>> {
        match taken {
            Ok(Taken::Mine(lease)) => return Some(Some(lease)),
            Ok(Taken::Done(_)) => {
                self.mark_told(subject).await;
                self.mark(subject);
                self.record(subject, decided, &format!("{done} before, by another invocation"));
            }
            Ok(Taken::Busy) => self.record(subject, decided, &format!("being {done} by another invocation")),
            Err(error) => {
                let id = subject.deployment.map(|deployment| deployment.id.0.as_str());
                tracing::warn!(deployment.id = id, %error, "it is {done} without the ledger, so it may be told twice");
                return Some(None);
            }
        }
        None
    }

    /// Tells what was decided and done, and records it under its lease; what cannot be told now is told later, and by the next try.
    pub(crate) async fn tell_done(
        &mut self,
        subject: Subject<'_>,
        decided: &Decided,
        lease: Option<Lease<'_, L>>,
        id: &DeploymentId,
        (done, remembered): (&Value, Duration),
    ) {
        let notice = self.notice(subject, decided);
        match self.ports.outbox.publish(&notice).await {
            Ok(()) => {
                self.remember(&notice).await;
                self.mark_told(subject).await;
                if let Some(lease) = lease {
                    self.complete(lease, id, done, remembered).await;
                }
            }
            Err(error) => {
                tracing::warn!(deployment.id = %id, %error, "the decision is told later");
                self.untold.push(notice);
            }
        }
    }

    /// Whether the deployment goes back to an older version, which nobody does but on purpose. What is not known in time stops nothing from
    /// being stopped.
    async fn cure(&self, deployment: &Deployment) -> Option<Cure> {
        let change = self.ports.codedeploy.change(&deployment.id);
        match self.ports.clock.timeout(FOR_THE_VERSIONS, change).await {
            Ok(Ok(change)) => Cure::older(&change.brings, &change.replaces),
            Ok(Err(error)) => {
                tracing::warn!(deployment.id = %deployment.id, %error, "whether it goes back to an older version is not known");
                None
            }
            Err(_) => {
                tracing::warn!(deployment.id = %deployment.id, "whether it goes back to an older version was not told in time");
                None
            }
        }
    }

    /// What was decided was not done. Where it may work later, what was begun stays written down: the request may have taken effect without
    /// its answer, and then nothing else would tell the next try whose doing it was.
    pub(crate) async fn not_done(
        &mut self,
        subject: Subject<'_>,
        lease: Option<Lease<'_, L>>,
        decided: &Decided,
        error: PortError,
        by_hand: String,
    ) {
        if !error.is_transient() {
            self.unmark(subject).await;
            if let Some(deployment) = subject.deployment {
                self.uncount(&deployment.group, &deployment.id).await;
                self.suspect(&deployment.id, &subject.transition.alarm.name).await;
            }
        }
        if let Some(lease) = lease {
            self.give_back(lease).await;
        }
        self.failed(subject, &decided.reason, error, Some(by_hand)).await;
    }

    /// The stop that an earlier delivery of the same event has begun and not told, if there is one.
    pub(crate) async fn begun(&self, subject: Subject<'_>) -> Option<Begun> {
        let key = tell::key(subject);
        match self.in_time(self.settings.ledger.read(&key)).await {
            Ok(entry) => Begun::deserialize(&entry?).ok(),
            Err(error) => {
                tracing::warn!(key, %error, "whether the event was handled before is not known, so it is handled");
                None
            }
        }
    }

    /// Goes on with it. To CodeDeploy a second stop is no harm, and a redeployment is looked for before it is asked for again.
    pub(crate) async fn go_on(&mut self, subject: Subject<'_>, concern: &Concern<'_>, begun: Begun) {
        let Begun { stops, reason, next_step, arrived, has_ended } = begun;
        self.arrived = arrived.map_or(self.arrived, |first| first.min(self.arrived));
        let decided = Decided { decision: Decision::StopAndRollBack, reason, next_step, page: false };
        match self.ports.codedeploy.deployment(&stops).await {
            Ok(deployment) if has_ended => self.redeploy_begun(subject, concern, &deployment, decided).await,
            Ok(deployment) => {
                let subject = Subject { deployment: Some(&deployment), ..subject };
                self.stop(subject, concern, &deployment, None, |_, _| decided.clone()).await;
            }
            Err(error) => self.not_done(subject, None, &decided, error, by_hand(&stops)).await,
        }
    }

    pub(crate) async fn write_down(&self, subject: Subject<'_>, id: &DeploymentId, decided: &Decided, has_ended: bool) {
        let (stops, expires) = (id.clone(), self.ports.clock.now().plus(REMEMBERED));
        let begun = Begun {
            stops,
            reason: decided.reason.clone(),
            next_step: decided.next_step.clone(),
            arrived: Some(self.arrived),
            has_ended,
        };
        let written = async {
            let entry = serde_json::to_value(&begun).unwrap_or_default();
            self.settings.ledger.claim(&tell::key(subject), &entry, expires).await
        };
        if let Err(error) = self.in_time(written).await {
            tracing::warn!(deployment.id = %id, %error, "if this process dies now, what it did will look like a person's doing");
        }
    }

    /// The ledger's answer, unless it takes so long that a stop cannot wait for it.
    pub(crate) async fn in_time<T>(&self, asked: impl Future<Output = Result<T, PortError>>) -> Result<T, PortError> {
        tell::in_time(&self.ports.clock, asked).await
    }

    /// Whether Greenlight has stopped the deployment, or is at it. Not known is no.
    pub(crate) async fn is_ours(&self, id: &DeploymentId) -> bool {
        self.in_time(self.settings.ledger.read(&stop_key(id))).await.is_ok_and(|entry| entry.is_some())
    }

    pub(crate) async fn take(&self, key: &str) -> Result<Taken<'a, L>, PortError> {
        let (settings, holder) = (self.settings, self.holder());
        self.in_time(lease::take(&settings.ledger, key, &holder, self.ports.clock.now())).await
    }

    pub(crate) async fn give_back(&self, lease: Lease<'_, L>) {
        if let Err(error) = lease.release().await {
            tracing::warn!(%error, "the lease was not given back; it ends by itself");
        }
    }

    /// Records under a lease what was done.
    pub(crate) async fn complete(&self, lease: Lease<'_, L>, id: &DeploymentId, record: &Value, remembered: Duration) {
        let expires = self.ports.clock.now().plus(remembered);
        if let Err(error) = lease.complete(record, expires).await {
            tracing::warn!(deployment.id = %id, %error, "it was not marked as done; a later alarm may do it again");
        }
    }
}
