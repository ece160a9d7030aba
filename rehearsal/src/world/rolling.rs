//! ECS's own rolling deployments: a new task definition comes, tasks of it start, and for each that is healthy one of the old ones is drained and
//! stopped (minimumHealthyPercent 100, maximumPercent 200, no circuit breaker: "Deploy Amazon ECS services by replacing tasks", ECS developer
//! guide). Knows nothing of alarms or of CodeDeploy.

mod api;
mod begin;

use std::time::Duration;

use domain::deployment::{EcsServiceName, Status};
use domain::time::{Timestamp, spoken};
use serde_json::json;

use super::landscape::{DESIRED, Guarded};
use super::{Happening, World};
use crate::timeline::{Tone, Who};

/// How long a task needs until it is healthy.
const START: Duration = Duration::from_secs(45);
/// How long a task is drained before it is stopped: a target group's deregistration delay when nobody has set it ("Edit target group attributes",
/// Elastic Load Balancing user guide).
const DRAIN: Duration = Duration::from_mins(5);
/// How long ECS takes to find that a service is steady.
const STEADY: Duration = Duration::from_secs(10);
/// When the rehearsal stops waiting for a return that never becomes steady. ECS itself would try for ever.
const PATIENCE: Duration = Duration::from_mins(10);
/// How long before the start the first version was deployed.
const LONG_AGO: Duration = Duration::from_hours(24);

/// What comes next in a rolling deployment.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A task of the deployment is healthy.
    Started,
    /// So many of its tasks are drained.
    Drained(u32),
    /// The service may be steady.
    Steady,
    /// It will not be.
    GivenUp,
}

/// A deployment of a service that ECS itself deploys, for as long as it has tasks.
#[derive(Clone, Debug)]
struct Deploying {
    id: String,
    /// The version that it brings.
    version: usize,
    created: Timestamp,
    updated: Timestamp,
    is_completed: bool,
    running: u32,
    pending: u32,
    /// How many of these are drained: they get no new requests, and ECS has them as `DEACTIVATING`, not as running ("Amazon ECS task
    /// lifecycle", ECS developer guide).
    draining: u32,
    failed: u32,
}

/// A deployment in ECS's history of the service.
#[derive(Clone, Debug)]
struct Past {
    id: String,
    version: usize,
    created: Timestamp,
    finished: Option<Timestamp>,
    status: &'static str,
}

/// A service that ECS itself deploys.
#[derive(Clone, Debug)]
pub(crate) struct Rolling {
    ecs: EcsServiceName,
    /// The newest first; its first one is `PRIMARY`.
    deployments: Vec<Deploying>,
    history: Vec<Past>,
}

/// ECS's id of a deployment, the same in every run: `ecs-svc/` and 19 digits.
fn deployment_id(number: u64) -> String {
    format!("ecs-svc/{:019}", 4_611_686_018_427_387_904 + number * 7_919)
}

impl Rolling {
    /// A service that has run its first version since long ago; `number` tells services apart.
    pub(crate) fn new(ecs: &EcsServiceName, number: u64) -> Self {
        let id = deployment_id(1_000 * (number + 1));
        let first = Deploying {
            id: id.clone(),
            version: 0,
            created: Timestamp(0),
            updated: Timestamp(0),
            is_completed: true,
            running: DESIRED,
            pending: 0,
            draining: 0,
            failed: 0,
        };
        let past = Past {
            id,
            version: 0,
            created: Timestamp(0),
            finished: Some(Timestamp(0).plus(START)),
            status: "SUCCESSFUL",
        };
        Self { ecs: ecs.clone(), deployments: vec![first], history: vec![past] }
    }

    fn is_in_flight(&self) -> bool {
        self.deployments.first().is_some_and(|primary| !primary.is_completed)
    }

    /// The share of requests that a version gets, in percent: that of its healthy tasks.
    fn share(&self, version: usize) -> f64 {
        let healthy = |is_asked: &dyn Fn(&Deploying) -> bool| {
            let of = self.deployments.iter().filter(|one| is_asked(one)).map(|one| one.running - one.draining);
            f64::from(of.sum::<u32>())
        };
        let (own, total) = (healthy(&|one| one.version == version), healthy(&|_| true));
        if total > 0.0 { 100.0 * own / total } else { 0.0 }
    }

    fn tasks(&self, version: usize) -> u32 {
        self.deployments.iter().filter(|one| one.version == version).map(|one| one.running).sum()
    }
}

impl World {
    /// Sets the times of the first deployments, which lie before the start.
    pub(crate) fn set_up_rolling(&mut self) {
        let before = self.now.minus(LONG_AGO);
        for rolling in self.land.services.values_mut().filter_map(|service| service.rolling.as_mut()) {
            for one in &mut rolling.deployments {
                (one.created, one.updated) = (before, before.plus(START));
            }
            for past in &mut rolling.history {
                (past.created, past.finished) = (before, Some(before.plus(START)));
            }
        }
    }

    pub(crate) fn rolling_step(&mut self, name: &str, id: &str, step: &Step) {
        match step {
            Step::Started => self.task_started(name, id),
            Step::Drained(count) => self.tasks_drained(name, id, *count),
            Step::Steady => self.rolling_steady(name, id),
            Step::GivenUp => self.rolling_given_up(name, id),
        }
    }

    /// A task is healthy: as many old ones as are too many now are drained, those of the newest older deployment first.
    fn task_started(&mut self, name: &str, id: &str) {
        let now = self.now;
        let Some(rolling) = self.rolling_mut(name) else { return };
        let Some((primary, older)) = rolling.deployments.split_first_mut() else { return };
        if primary.id != id {
            return;
        }
        (primary.running, primary.pending, primary.updated) =
            (primary.running + 1, primary.pending.saturating_sub(1), now);
        let healthy = |one: &Deploying| one.running - one.draining;
        let mut surplus = (healthy(primary) + older.iter().map(healthy).sum::<u32>()).saturating_sub(DESIRED);
        let mut drained = Vec::new();
        for one in older {
            let count = surplus.min(healthy(one));
            surplus -= count;
            if count > 0 {
                (one.draining, one.updated) = (one.draining + count, now);
                drained.push((one.id.clone(), count));
            }
        }
        for (drained, count) in drained {
            self.schedule(DRAIN, Happening::Rolling(name.to_owned(), drained, Step::Drained(count)));
        }
        self.schedule(STEADY, Happening::Rolling(name.to_owned(), id.to_owned(), Step::Steady));
        self.rolling_traffic(name);
    }

    fn tasks_drained(&mut self, name: &str, id: &str, count: u32) {
        let now = self.now;
        let Some(rolling) = self.rolling_mut(name) else { return };
        if let Some(one) = rolling.deployments.iter_mut().find(|one| one.id == id) {
            (one.running, one.draining, one.updated) = (one.running - count, one.draining - count, now);
        }
        let primary = rolling.deployments.first().map(|primary| primary.id.clone()).unwrap_or_default();
        rolling.deployments.retain(|one| one.id == primary || one.running > 0);
        self.schedule(STEADY, Happening::Rolling(name.to_owned(), primary, Step::Steady));
        self.rolling_traffic(name);
    }

    fn rolling_steady(&mut self, name: &str, id: &str) {
        let now = self.now;
        let Some(rolling) = self.rolling_mut(name) else { return };
        let [primary] = rolling.deployments.as_mut_slice() else { return };
        if primary.id != id || primary.is_completed || primary.running < DESIRED {
            return;
        }
        (primary.is_completed, primary.updated) = (true, now);
        if let Some(past) = rolling.history.iter_mut().find(|past| past.id == id) {
            (past.status, past.finished) = ("SUCCESSFUL", Some(now));
        }
        self.end_rolling(id, Status::Succeeded, Tone::Good, "is complete and the service is steady");
        self.tell_of_rolling(name, id, "SERVICE_DEPLOYMENT_COMPLETED", "completed");
        self.plan_next();
    }

    /// The rehearsal stops waiting. To ECS the deployment is still under way, so nothing is told to anybody.
    fn rolling_given_up(&mut self, name: &str, id: &str) {
        let is_open = self.engine.get(id).is_some_and(|record| !record.status.is_terminal());
        if is_open && self.rolling_mut(name).is_some() {
            self.end_rolling(id, Status::Failed, Tone::Bad, "has not become steady, and the rehearsal waits no longer");
            self.plan_next();
        }
    }

    fn end_rolling(&mut self, id: &str, status: Status, tone: Tone, what: &str) {
        let now = self.now;
        let Some(record) = self.engine.get_mut(id) else { return };
        (record.status, record.completed) = (status, Some(now));
        let what = format!("{id} {what} after {}", spoken(now.since(record.created)));
        self.tell(Who::Ecs, tone, what);
    }

    /// The traffic follows the healthy tasks.
    fn rolling_traffic(&mut self, name: &str) {
        let now = self.now;
        let Some(service) = self.land.services.get_mut(name) else { return };
        let Some(rolling) = service.rolling.clone() else { return };
        let before: Vec<f64> = service.versions.iter().map(|version| version.weight).collect();
        for (index, version) in service.versions.iter_mut().enumerate() {
            let running = rolling.tasks(index);
            (version.weight, version.running, version.alive) = (rolling.share(index), Some(running), running > 0);
            if version.weight > 0.0 && version.first_traffic.is_none() {
                version.first_traffic = Some(now);
            }
        }
        let Some(primary) = rolling.deployments.first() else { return };
        let Some(record) = self.engine.get_mut(&primary.id) else { return };
        let (returns, new) =
            (record.rolls_back.clone(), if record.rolls_back.is_some() { record.old } else { record.new });
        let share = rolling.share(new);
        if returns.is_none() {
            record.peak_weight = record.peak_weight.max(share);
        }
        if before.get(new).is_some_and(|before| (before - share).abs() < f64::EPSILON) {
            // Tasks without traffic have come or gone.
            return;
        }
        let Some(number) =
            self.land.services.get(name).and_then(|service| service.versions.get(new)).map(|version| version.number)
        else {
            return;
        };
        let (tasks, tone) =
            (rolling.tasks(new), if returns.is_some() && share <= 0.0 { Tone::Good } else { Tone::Plain });
        let what = format!("{tasks} tasks run {name}:{number}, with {share:.0} % of production traffic");
        self.tell_rolling(name, tone, what, share);
    }

    fn rolling_mut(&mut self, name: &str) -> Option<&mut Rolling> {
        self.land.services.get_mut(name)?.rolling.as_mut()
    }

    /// Tells of a service's traffic: the share of its new version in percent.
    fn tell_rolling(&mut self, service: &str, tone: Tone, what: impl Into<String>, weight: f64) {
        self.tell_more(Who::Ecs, tone, what, Some(weight), Vec::new());
        if let Some(entry) = self.timeline.last_mut() {
            entry.service = Some(service.to_owned());
        }
    }

    /// Emits ECS's event about a deployment ("Amazon ECS service deployment state change events", ECS developer guide).
    fn tell_of_rolling(&mut self, name: &str, id: &str, event: &str, what: &str) {
        let Some(arn) = self.land.services.get(name).map(Guarded::service_arn) else { return };
        let event = json!({
            "detail-type": "ECS Deployment State Change", "source": "aws.ecs", "resources": [arn],
            "detail": {
                "eventType": "INFO", "eventName": event, "deploymentId": id,
                "updatedAt": Timestamp(self.now.0 / 1000 * 1000).to_string().replace(".000Z", "Z"),
                "reason": format!("ECS deployment {id} {what}."),
            },
        });
        self.publish(event);
    }
}

impl Guarded {
    /// The service's name in ECS, where ECS itself deploys it.
    pub(crate) fn rolling_name(&self) -> Option<&EcsServiceName> {
        self.rolling.as_ref().map(|rolling| &rolling.ecs)
    }
}

#[cfg(test)]
mod tests;
