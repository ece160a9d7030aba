//! ECS's own rolling deployments: a new task definition comes, tasks of it start, and for each that is healthy one of the old ones is drained and
//! stopped (minimumHealthyPercent 100, maximumPercent 200, no circuit breaker: "Deploy Amazon ECS services by replacing tasks", ECS developer
//! guide). Knows nothing of alarms or of CodeDeploy.

mod api;

use std::time::Duration;

use domain::deployment::{EcsServiceName, Platform, Status};
use domain::time::{Timestamp, spoken};
use serde_json::json;

use super::engine::Record;
use super::landscape::{DESIRED, Guarded, Version};
use super::{Happening, World};
use crate::scenario::{AppSpecForm, Plan};
use crate::timeline::{Tone, Who};

/// How long a task needs until it is healthy.
const START: Duration = Duration::from_secs(45);
/// How long a task is drained before it is stopped: a deregistration delay that is shorter than the load balancer's usual 5 minutes.
const DRAIN: Duration = Duration::from_secs(15);
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
    /// Of those that run: how many get no new requests any more.
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
        let past =
            Past { id, version: 0, created: Timestamp(0), finished: Some(Timestamp(0).plus(START)), status: "SUCCESSFUL" };
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

    /// A pipeline's `UpdateService` with a new task definition; gives the deployment's id.
    pub(crate) fn create_rolling(&mut self, plan: &Plan, index: Option<usize>) -> Result<String, String> {
        let now = self.now;
        let no_service = || format!("the configuration has no rolling service `{}`", plan.service);
        let service = self.land.services.get_mut(&plan.service).ok_or_else(no_service)?;
        let old = service.rolling.as_ref().and_then(|rolling| rolling.deployments.first()).ok_or_else(no_service)?.version;
        let number = service.versions.iter().map(|version| version.number).max().unwrap_or_default() + 1;
        let git_sha = plan.description.split_whitespace().find_map(|word| word.strip_prefix("git_sha="));
        service.versions.push(Version {
            number,
            behaviour: plan.green.clone(),
            git_sha: git_sha.map_or_else(|| format!("{number:08x}c0ffee5eed0123456789abcdef012345"), str::to_owned),
            deployment: None,
            weight: 0.0,
            first_traffic: None,
            created: now,
            installed: Some(now),
            target_group: 0,
            alive: false,
            running: Some(0),
            error_debt: 0.0,
        });
        let (new, group, name) = (service.versions.len() - 1, service.group.clone(), service.name.clone());
        let record = Record {
            id: self.next_rolling_id(),
            plan: index,
            service: plan.service.clone(),
            group,
            platform: Platform::Ecs,
            configuration: String::new(),
            description: plan.description.clone(),
            creator: "user",
            status: Status::InProgress,
            created: now,
            completed: None,
            error: None,
            rolled_back_by: None,
            rolls_back: None,
            events: Vec::new(),
            peak_weight: 0.0,
            waiting_since: None,
            hooks: std::collections::BTreeMap::new(),
            new,
            old,
            execution: None,
            stopping: false,
            test_listener: false,
            auto_rollback: false,
            group_alarms: Vec::new(),
            termination_wait: Duration::ZERO,
            first: false,
            app_spec: AppSpecForm::default(),
            reroute: plan.rollback_takes.map_or(START, |span| span.0),
            rollback_fails: plan.rollback_fails,
            is_past: false,
        };
        let id = record.id.clone();
        self.tell_rolling(&plan.service, Tone::Plain, format!("starts {id} of {name}: task definition {name}:{number}"), 0.0);
        self.begin_rolling(record);
        Ok(id)
    }

    fn next_rolling_id(&self) -> String {
        deployment_id(1 + self.engine.in_order().count() as u64)
    }

    /// Puts a deployment in front of those that the service has; what was in flight is replaced half-way.
    fn begin_rolling(&mut self, record: Record) {
        let now = self.now;
        let (id, name, version) = (record.id.clone(), record.service.clone(), record.new);
        let is_return = record.rolls_back.is_some();
        let replaced = self.rolling_mut(&name).filter(|rolling| rolling.is_in_flight()).and_then(|rolling| {
            let primary = rolling.deployments.first()?.id.clone();
            if let Some(past) = rolling.history.iter_mut().find(|past| past.id == primary) {
                (past.status, past.finished) = ("STOPPED", Some(now));
            }
            Some(primary)
        });
        if let Some(replaced) = replaced.and_then(|id| self.engine.get_mut(&id)) {
            (replaced.status, replaced.completed) = (Status::Stopped, Some(now));
        }
        let behaviour = self.land.services.get(&name).and_then(|service| service.versions.get(version));
        let tasks = behaviour.map(|version| version.behaviour.tasks.clone()).unwrap_or_default();
        let starts = if is_return && record.rollback_fails { 0 } else { tasks.running.unwrap_or(DESIRED).min(DESIRED) };
        let Some(rolling) = self.rolling_mut(&name) else { return };
        for one in &mut rolling.deployments {
            // Of what was starting nothing comes any more.
            (one.pending, one.updated) = (0, now);
        }
        rolling.deployments.insert(
            0,
            Deploying {
                id: id.clone(),
                version,
                created: now,
                updated: now,
                is_completed: false,
                running: 0,
                pending: DESIRED,
                draining: 0,
                failed: if starts == 0 { DESIRED } else { 0 },
            },
        );
        rolling.history.insert(0, Past { id: id.clone(), version, created: now, finished: None, status: "IN_PROGRESS" });
        let after = if is_return { record.reroute } else { START };
        for index in 0..starts {
            // Tasks that start late are given by their number; the others start together.
            let late = tasks.late.filter(|late| !is_return && index + late.tasks >= starts).map(|late| late.after.0);
            self.schedule(after + late.unwrap_or_default(), Happening::Rolling(name.clone(), id.clone(), Step::Started));
        }
        if starts < DESIRED {
            self.schedule(PATIENCE, Happening::Rolling(name.clone(), id.clone(), Step::GivenUp));
        }
        self.engine.add(record);
        self.tell_of_rolling(&name, &id, "SERVICE_DEPLOYMENT_IN_PROGRESS", "in progress");
    }

    /// Returns the service to a task definition that it has had before; gives the deployment's id.
    fn roll_to(&mut self, name: &str, version: usize, caller: &str) -> Option<String> {
        let service = self.land.services.get(name)?;
        let rolling = service.rolling.as_ref()?;
        let primary = rolling.deployments.first()?;
        if primary.version == version {
            // Nothing changes, so nothing is deployed.
            return None;
        }
        let (current, definition) = (primary.id.clone(), service.task_definition(service.versions.get(version)?));
        let original = self.engine.in_order().rev().find(|record| record.id == current)?.clone();
        let id = self.next_rolling_id();
        let definition = definition.rsplit('/').next().unwrap_or_default().to_owned();
        self.tell(
            Who::Function(caller.to_owned()),
            Tone::Warning,
            format!("returns the ECS service {name} to {definition}, in place of {current}"),
        );
        let record = Record {
            id: id.clone(),
            creator: "alarm-rollback",
            status: Status::InProgress,
            created: self.now,
            completed: None,
            rolled_back_by: None,
            rolls_back: Some(current.clone()),
            peak_weight: 0.0,
            new: version,
            old: original.new,
            ..original
        };
        self.begin_rolling(record);
        if let Some(original) = self.engine.get_mut(&current) {
            original.rolled_back_by = Some(id.clone());
        }
        Some(id)
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
        (primary.running, primary.pending, primary.updated) = (primary.running + 1, primary.pending.saturating_sub(1), now);
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
        let (returns, new) = (record.rolls_back.clone(), if record.rolls_back.is_some() { record.old } else { record.new });
        let share = rolling.share(new);
        if returns.is_none() {
            record.peak_weight = record.peak_weight.max(share);
        }
        if before.get(new).is_some_and(|before| (before - share).abs() < f64::EPSILON) {
            // Tasks without traffic have come or gone.
            return;
        }
        let Some(number) = self.land.services.get(name).and_then(|service| service.versions.get(new)).map(|version| version.number)
        else {
            return;
        };
        let (tasks, tone) = (rolling.tasks(new), if returns.is_some() && share <= 0.0 { Tone::Good } else { Tone::Plain });
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
