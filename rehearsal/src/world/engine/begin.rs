//! How a deployment begins: the scenario's plans, `CreateDeployment`, the deployments that the sample events name. Knows nothing of how
//! it goes on.

use std::collections::BTreeMap;

use domain::deployment::{DeploymentId, Platform, Status};
use domain::entries;
use domain::events::TrafficRestored;
use domain::time::Timestamp;

use super::{ALARM_POLL, REROUTE, Record, SAMPLE_EXECUTION, STEP, Step, lifecycle};
use crate::scenario::Plan;
use crate::timeline::Tone;
use crate::world::landscape::Version;
use crate::world::metrics::more_group_alarms;
use crate::world::{Happening, World, shift};

/// The lifecycle events of a deployment.
pub(crate) fn events_of(platform: Platform, test_listener: bool) -> &'static [&'static str] {
    match (platform, test_listener) {
        (Platform::Lambda, _) => &["BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic"],
        (_, true) => &[
            "BeforeInstall",
            "Install",
            "AfterInstall",
            "AllowTestTraffic",
            "AfterAllowTestTraffic",
            "BeforeAllowTraffic",
            "AllowTraffic",
            "AfterAllowTraffic",
        ],
        (_, false) => {
            &["BeforeInstall", "Install", "AfterInstall", "BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic"]
        }
    }
}

impl World {
    /// Creates a deployment as `CreateDeployment` would; gives its id.
    pub(crate) fn create(&mut self, plan: &Plan, index: Option<usize>, id: Option<String>) -> Result<String, String> {
        let now = self.now;
        if self.land.services.get(&plan.service).is_some_and(|service| service.rolling.is_some()) {
            return self.create_rolling(plan, index);
        }
        let service = self
            .land
            .services
            .get_mut(&plan.service)
            .ok_or_else(|| format!("the configuration has no service `{}`", plan.service))?;
        let group = service.group.clone();
        if let Some(running) = self.engine.running_in(&group) {
            return Err(format!("the deployment group `{group}` has an active deployment, `{}`", running.id));
        }
        let configuration = plan.configuration.clone().unwrap_or_else(|| {
            match plan.platform {
                Platform::Lambda => "CodeDeployDefault.LambdaCanary10Percent5Minutes",
                _ => "CodeDeployDefault.ECSCanary10Percent5Minutes",
            }
            .to_owned()
        });
        shift::steps(&configuration)?;
        let old = service.serving();
        let next = service.versions.iter().map(|version| version.number).max().unwrap_or_default() + 1;
        let number = plan.version.unwrap_or(next);
        // A task definition that comes back has the images that it had.
        let same: Vec<&Version> = service.versions.iter().filter(|version| version.number == number).collect();
        let (again, known) = (u32::try_from(same.len()).unwrap_or(u32::MAX), same.last().copied());
        let mut tags = known.map(|version| version.tags.clone()).unwrap_or_default();
        tags.extend(plan.task_definition_tags.clone());
        let old_group = service.versions.get(old).map_or(0, |version| version.target_group);
        let id = id.unwrap_or_else(|| self.engine.next_id());
        let git_sha = plan.description.split_whitespace().find_map(|word| word.strip_prefix("git_sha="));
        let version = Version {
            number,
            behaviour: plan.green.clone(),
            git_sha: known
                .map(|version| version.git_sha.clone())
                .or_else(|| git_sha.map(str::to_owned))
                .unwrap_or_else(|| format!("{number:08x}c0ffee5eed0123456789abcdef012345")),
            tags,
            deployment: Some(id.clone()),
            weight: 0.0,
            first_traffic: None,
            created: now,
            installed: None,
            target_group: 1 - old_group,
            alive: plan.platform == Platform::Lambda,
            running: None,
            error_debt: 0.0,
            again,
        };
        let sha = version.git_sha.clone();
        service.versions.push(version);
        let new = service.versions.len() - 1;
        service.test_traffic = plan.test_traffic;
        service.test_rules.clone_from(&plan.test_rules);
        service.stray_share = plan.alias_sends;
        let names = events_of(plan.platform, plan.test_listener);
        let usual = || {
            BTreeMap::from([
                ("BeforeAllowTraffic".to_owned(), "CodeDeployHook_before-allow-traffic".to_owned()),
                ("AfterAllowTraffic".to_owned(), "CodeDeployHook_after-allow-traffic".to_owned()),
            ])
        };
        let description = if plan.description.is_empty() { format!("git_sha={sha}") } else { plan.description.clone() };
        let record = Record {
            id: id.clone(),
            plan: index,
            service: plan.service.clone(),
            group,
            platform: plan.platform,
            configuration,
            description,
            creator: "user",
            status: Status::InProgress,
            created: now,
            completed: None,
            error: None,
            rolled_back_by: None,
            rolls_back: None,
            events: lifecycle(names),
            peak_weight: 0.0,
            waiting_since: None,
            hooks: plan.hooks.clone().unwrap_or_else(usual),
            new,
            old,
            execution: None,
            stopping: false,
            test_listener: plan.test_listener,
            auto_rollback: plan.auto_rollback,
            group_alarms: [plan.group_alarms.clone(), more_group_alarms(plan)].concat(),
            termination_wait: plan.termination_wait.0,
            first: plan.first,
            app_spec: plan.app_spec,
            reroute: plan.rollback_takes.map_or(REROUTE, |span| span.0),
            rollback_fails: plan.rollback_fails,
            rollback_linked_after: plan.rollback_linked_after.map(|span| span.0).unwrap_or_default(),
            is_past: false,
            given_spec: None,
            is_string: false,
            brings_back: false,
            override_alarms: None,
            fails: None,
        };
        let what = format!(
            "creates deployment {id} of {} ({}, {})",
            plan.service,
            match plan.platform {
                Platform::Lambda => format!("Lambda version {number}"),
                _ => format!("ECS task definition {}:{number}", plan.service),
            },
            record.configuration.trim_start_matches("CodeDeployDefault.")
        );
        self.engine.add(record);
        self.tell_traffic(&plan.service, Tone::Plain, what, 0.0);
        if let Some(after) = plan.stopped_by_person_after {
            self.schedule(after.0, Happening::PersonStops(id.clone()));
        }
        self.launch(&id);
        Ok(id)
    }

    /// Lets a deployment begin. CodeDeploy stops it soon when one of its alarms is red already.
    pub(crate) fn launch(&mut self, id: &str) {
        self.announce(id, "START");
        self.schedule(STEP, Happening::Engine(id.to_owned(), Step::Event(0)));
        let alarms = self.engine.get(id).map(|record| record.group_alarms.clone()).unwrap_or_default();
        if let Some(alarm) = alarms.into_iter().find(|alarm| self.is_red(alarm)) {
            self.schedule(ALARM_POLL, Happening::NativeStop(id.to_owned(), alarm));
        }
    }

    /// Opens the world for `events/`: the deployments that the sample events name wait for their hooks' answers.
    pub fn open_for_samples(&mut self) {
        self.serving = true;
        let names: Vec<(String, Platform)> = self
            .config
            .services
            .iter()
            .filter(|service| service.codedeploy.is_some())
            .filter_map(|service| Some((service.name.clone(), self.land.services.get(&service.name)?.platform)))
            .collect();
        for (index, (name, platform)) in names.iter().enumerate() {
            let id = format!("d-SAMPLE{:03}", index + 1);
            if self.create(&Plan::usual(name, *platform), None, Some(id.clone())).is_err() {
                continue;
            }
            let (now, Some(record)) = (self.now, self.engine.get_mut(&id)) else { continue };
            let hook = record.events.iter().position(|event| event.name == "BeforeAllowTraffic").unwrap_or_default();
            let (new, service) = (record.new, record.service.clone());
            for (position, event) in record.events.iter_mut().enumerate() {
                if position <= hook {
                    event.started = Some(now);
                    event.status = if position < hook { "Succeeded" } else { "InProgress" };
                }
            }
            if let Some(guarded) = self.land.services.get_mut(&service) {
                guarded.on_test = Some(new);
                // Long ago: what the samples ask about is up.
                guarded.tested_since = Some(Timestamp(0));
                if let Some(version) = guarded.versions.get_mut(new) {
                    version.alive = true;
                    version.installed = Some(now);
                }
            }
            self.expect_answer(&id, hook, SAMPLE_EXECUTION.to_owned());
        }
        // The rollback that some samples name: it has ended, its group is deploying again.
        if let Some(original) = self.engine.get("d-SAMPLE001").cloned() {
            // What `alarm-rollback` left in the table when it told of it.
            let left = TrafficRestored {
                deployment_id: DeploymentId(original.id.clone()),
                rollback_deployment_id: Some(DeploymentId("d-SAMPLE003".to_owned())),
                group: Some(original.group.clone()),
                ecs: None,
                service: Some(original.service.clone()),
                environment: None,
                alarm: format!("{}-http-5xx", original.service),
                restored: true,
                observed: "all production traffic is on the old version".to_owned(),
                seconds_since_alarm: Some(31.5),
                seconds_since_event: 30.2,
                at: self.now,
            };
            let key = entries::ending_key(&left.deployment_id, entries::RESTORED);
            self.remember(&key, &entries::ending(self.now, &left));
            self.engine.add(Record {
                id: "d-SAMPLE003".to_owned(),
                creator: "codeDeployRollback",
                status: Status::Succeeded,
                completed: Some(self.now),
                rolls_back: Some(original.id.clone()),
                execution: None,
                ..original
            });
        }
        // What the creation put on its way would start these deployments once more.
        self.queue.retain(|_, happening| !matches!(happening, Happening::Engine(..)));
    }
}
