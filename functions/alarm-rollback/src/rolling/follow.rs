//! Follows services on their way back until they are steady, and tells how it ended. Knows nothing of alarms beyond their names.
//!
//! A service takes as long as its tasks take to start and to drain, so it is looked at for two minutes, which is the promise, and after that
//! whenever ECS tells that a deployment of it has ended: until then it stands in the ledger under `pursuit/ecs/<cluster>/<service>`.

use std::time::Duration;

use domain::config::Service;
use domain::deployment::{DeploymentId, EcsServiceName};
use domain::events::{Notice, TrafficRestored};
use domain::lease::{self, Once};
use domain::ports::{Ledger, Outbox, PortError, RollingServices};
use domain::rolling::{Seen, look};
use domain::time::{Timestamp, spoken};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::decide::Return;
use super::wake::Woken;
use super::{Roll, remembered};
use crate::event::Transition;

/// How often a service is looked at.
const EVERY: Duration = Duration::from_secs(5);
/// What is promised: back within 2 minutes, counted from the event's arrival.
const AT_MOST: Duration = Duration::from_mins(2);
/// Kept free before the invocation's deadline, for telling how it ended.
const RESERVE: Duration = Duration::from_secs(5);
/// What a last look may take of the reserve.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// How long it is looked again after ECS's event: what `DescribeServices` shows may be some seconds behind it.
const AFTER_THE_EVENT: Duration = Duration::from_secs(20);

/// A service on its way back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pursuit {
    ecs: EcsServiceName,
    /// The deployment that is taken back.
    deployment: DeploymentId,
    /// The one that brings the previous task definition back.
    rollback: Option<DeploymentId>,
    previous: String,
    service: String,
    environment: String,
    alarm: String,
    alarmed: Option<Timestamp>,
    /// When the alarm's event arrived.
    arrived: Timestamp,
}

/// What came of looking: what has ended, and what was last seen of the rest.
type Looked = (Vec<TrafficRestored>, Vec<String>);

impl Pursuit {
    pub(super) fn new(
        transition: &Transition,
        service: &Service,
        name: &EcsServiceName,
        back: &Return,
        rollback: Option<DeploymentId>,
        arrived: Timestamp,
    ) -> Self {
        Self {
            ecs: name.clone(),
            deployment: back.deployment.clone(),
            rollback,
            previous: back.previous.clone(),
            service: service.name.clone(),
            environment: service.environment.clone(),
            alarm: transition.alarm.name.clone(),
            alarmed: transition.alarm.changed_at,
            arrived,
        }
    }

    fn ended(&self, restored: bool, observed: &str, at: Timestamp) -> TrafficRestored {
        TrafficRestored {
            deployment_id: self.deployment.clone(),
            rollback_deployment_id: self.rollback.clone(),
            group: None,
            ecs: Some(self.ecs.clone()),
            service: Some(self.service.clone()),
            environment: Some(self.environment.clone()),
            alarm: self.alarm.clone(),
            restored,
            observed: domain::text::bounded(observed, 500),
            seconds_since_alarm: self.alarmed.map(|alarmed| at.since(alarmed).as_secs_f64()),
            seconds_since_event: at.since(self.arrived).as_secs_f64(),
            at,
        }
    }
}

fn key(name: &EcsServiceName) -> String {
    format!("pursuit/ecs/{}/{}", name.cluster, name.service)
}

impl<E: RollingServices, O: Outbox, L: Ledger> Roll<'_, E, O, L> {
    /// Puts a service among those to be followed. A service returns to one task definition at a time, so a newer pursuit takes the place of an
    /// older one.
    pub(super) async fn pursue(&mut self, pursuit: Pursuit) {
        let key = key(&pursuit.ecs);
        let written = async {
            let entry = self.ledger.read(&key).await?;
            let value = serde_json::to_value(&pursuit).unwrap_or_default();
            self.ledger.replace(&key, entry.as_ref(), &value, remembered(self.clock.now())).await
        };
        if let Err(error) = self.in_time(written).await {
            tracing::warn!(key, %error, "nobody will follow the service beyond this invocation");
        }
        self.pursuits.push(pursuit);
    }

    /// Follows all of them at once for as long as is promised; gives back how each ended. What has not ended then is told as such, and stays in
    /// the ledger.
    pub(crate) async fn follow(&mut self) -> Vec<TrafficRestored> {
        let (open, before) = (std::mem::take(&mut self.pursuits), std::mem::take(&mut self.restored));
        let last = self.invocation.arrived.plus(AT_MOST).min(self.invocation.deadline.minus(RESERVE));
        let (mut endings, left) = self.look_until(open, last).await;
        for (pursuit, observed) in left {
            let waited = spoken(Duration::from_secs(self.clock.now().since(pursuit.arrived).as_secs()));
            endings.push(self.tell_end(&pursuit, false, &format!("after {waited}, {observed}")).await);
        }
        endings.extend(before);
        endings
    }

    /// ECS has told that a deployment has ended: where a service is pursued, it is looked at once more.
    pub(super) async fn woken(&mut self, woken: &Woken) -> Result<Value, PortError> {
        let Some((restored, observed)) = self.look_again(&woken.name).await? else {
            let ignored = "the service is not on its way back from an alarm";
            return Ok(json!({ "ecs": woken.name, "event": woken.event, "ignored": ignored }));
        };
        Ok(json!({ "ecs": woken.name, "event": woken.event, "restored": restored, "not_yet": observed }))
    }

    /// Looks at a service that is pursued, until what `DescribeServices` shows has caught up with what happened.
    pub(super) async fn look_again(&mut self, name: &EcsServiceName) -> Result<Option<Looked>, PortError> {
        let Some(pursuit) = self.ledger.read(&key(name)).await?.and_then(|entry| Pursuit::deserialize(&entry).ok())
        else {
            return Ok(None);
        };
        let last = self.clock.now().plus(AFTER_THE_EVENT).min(self.invocation.deadline.minus(RESERVE));
        let (restored, left) = self.look_until(vec![pursuit], last).await;
        Ok(Some((restored, left.into_iter().map(|(_, observed)| observed).collect())))
    }

    /// Looks at all of them until each has ended or time is up; gives back how they ended, and those left with what was last seen of them.
    async fn look_until(
        &mut self,
        mut open: Vec<Pursuit>,
        last: Timestamp,
    ) -> (Vec<TrafficRestored>, Vec<(Pursuit, String)>) {
        let mut endings = Vec::new();
        let mut observed: Vec<String> =
            open.iter().map(|one| format!("`{}` has not been looked at", one.ecs)).collect();
        loop {
            let (mut still_open, mut still_observed) = (Vec::new(), Vec::new());
            for (pursuit, before) in open.into_iter().zip(observed) {
                let limit = last.since(self.clock.now()).max(LAST_LOOK);
                match self.clock.timeout(limit, self.ecs.service(&pursuit.ecs)).await {
                    Ok(Ok(service)) => match look(&service, &pursuit.previous) {
                        Seen::Restored(words) => endings.push(self.end(&pursuit, true, &words).await),
                        Seen::NotRestored(words) => endings.push(self.end(&pursuit, false, &words).await),
                        Seen::NotYet(words) => {
                            still_observed.push(words);
                            still_open.push(pursuit);
                        }
                    },
                    // What was seen before still tells more than that one look failed.
                    failed => {
                        tracing::debug!(ecs.service = %pursuit.ecs, ?failed, "a look at the service failed");
                        still_observed.push(before);
                        still_open.push(pursuit);
                    }
                }
            }
            (open, observed) = (still_open, still_observed);
            let now = self.clock.now();
            if open.is_empty() || now >= last {
                return (endings, open.into_iter().zip(observed).collect());
            }
            self.clock.sleep(EVERY.min(last.since(now))).await;
        }
    }

    /// It has ended: tells it, and forgets the pursuit.
    async fn end(&mut self, pursuit: &Pursuit, restored: bool, observed: &str) -> TrafficRestored {
        let ending = self.tell_end(pursuit, restored, observed).await;
        let key = key(&pursuit.ecs);
        let forgotten = async {
            let entry = self.ledger.read(&key).await?;
            // Another alarm may have opened a newer one meanwhile.
            let is_this = entry.is_some_and(|entry| Pursuit::deserialize(&entry).is_ok_and(|one| one == *pursuit));
            if is_this { self.ledger.release(&key).await } else { Ok(()) }
        };
        if let Err(error) = self.in_time(forgotten).await {
            tracing::warn!(key, %error, "the service will be looked at once more than is needed");
        }
        ending
    }

    /// Tells how it stands: once that traffic is back, and once that it is not.
    async fn tell_end(&mut self, pursuit: &Pursuit, restored: bool, observed: &str) -> TrafficRestored {
        let now = self.clock.now();
        let ending = pursuit.ended(restored, observed, now);
        tracing::info!(deployment.id = %ending.deployment_id, restored, "{}", ending.observed);
        let notice = Notice::TrafficRestored(ending.clone());
        let key = format!("restored/{}/{restored}", pursuit.deployment);
        let publish = async || {
            self.outbox.publish(&notice).await?;
            Ok(json!({ "told": now }))
        };
        match lease::once(self.ledger, &key, &self.holder(), now, remembered(now), publish).await {
            Ok(Once::Did { .. } | Once::DoneBefore | Once::Busy) => {}
            // The ledger or the event bus is down; told twice is better than not at all.
            Err(error) => {
                tracing::warn!(key, %error, "how the return ended is told later");
                self.untold.push(notice);
            }
        }
        ending
    }
}
