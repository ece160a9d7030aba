//! How a rolling deployment begins: the scenario's plans, and `UpdateService` with a task definition from before. Knows nothing of how it goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::deployment::{Platform, Status};

use super::{Deploying, PATIENCE, Past, START, Step, deployment_id};
use crate::scenario::{AppSpecForm, Plan};
use crate::timeline::{Tone, Who};
use crate::world::engine::Record;
use crate::world::landscape::{DESIRED, Version};
use crate::world::{Happening, World};

impl World {
    /// A pipeline's `UpdateService` with a new task definition; gives the deployment's id.
    pub(crate) fn create_rolling(&mut self, plan: &Plan, index: Option<usize>) -> Result<String, String> {
        let now = self.now;
        let no_service = || format!("the configuration has no rolling service `{}`", plan.service);
        let service = self.land.services.get_mut(&plan.service).ok_or_else(no_service)?;
        let old =
            service.rolling.as_ref().and_then(|rolling| rolling.deployments.first()).ok_or_else(no_service)?.version;
        let number = service.versions.iter().map(|version| version.number).max().unwrap_or_default() + 1;
        let git_sha = plan.description.split_whitespace().find_map(|word| word.strip_prefix("git_sha="));
        service.versions.push(Version {
            number,
            behaviour: plan.green.clone(),
            git_sha: git_sha.map_or_else(|| format!("{number:08x}c0ffee5eed0123456789abcdef012345"), str::to_owned),
            tags: plan.task_definition_tags.clone(),
            deployment: None,
            weight: 0.0,
            first_traffic: None,
            created: now,
            installed: Some(now),
            target_group: 0,
            alive: false,
            running: Some(0),
            error_debt: 0.0,
            again: 0,
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
            hooks: BTreeMap::new(),
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
            rollback_linked_after: Duration::ZERO,
            is_past: false,
            given_spec: None,
            is_string: false,
            brings_back: false,
            override_alarms: None,
            fails: None,
        };
        let id = record.id.clone();
        self.tell_rolling(
            &plan.service,
            Tone::Plain,
            format!("starts {id} of {name}: task definition {name}:{number}"),
            0.0,
        );
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
        rolling
            .history
            .insert(0, Past { id: id.clone(), version, created: now, finished: None, status: "IN_PROGRESS" });
        let after = if is_return { record.reroute } else { START };
        for index in 0..starts {
            // Tasks that start late are given by their number; the others start together.
            let late = tasks.late.filter(|late| !is_return && index + late.tasks >= starts).map(|late| late.after.0);
            self.schedule(
                after + late.unwrap_or_default(),
                Happening::Rolling(name.clone(), id.clone(), Step::Started),
            );
        }
        if starts < DESIRED {
            self.schedule(PATIENCE, Happening::Rolling(name.clone(), id.clone(), Step::GivenUp));
        }
        self.engine.add(record);
        self.tell_of_rolling(&name, &id, "SERVICE_DEPLOYMENT_IN_PROGRESS", "in progress");
    }

    /// Returns the service to a task definition that it has had before; gives the deployment's id.
    pub(super) fn roll_to(&mut self, name: &str, version: usize, caller: &str) -> Option<String> {
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
}
