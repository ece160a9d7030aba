//! What was deployed before the scenario began: CodeDeploy's record of it, and the versions that it brought. Knows nothing of what is to come.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::deployment::{Platform, Status};
use domain::time::{Span, Timestamp};
use serde_json::json;

use super::begin::events_of;
use super::{Engine, INSTALL, LifecycleRecord, REROUTE, Record, STEP, deployment_id, lifecycle};
use crate::scenario::{AppSpecForm, Past};
use crate::timeline::{Tone, Who};
use crate::world::landscape::{Guarded, Version};
use crate::world::{World, engine};

/// The numbers of past deployments begin here, so that no id is one of the scenario's.
const FIRST: usize = 100_000;
/// How long before everything else a service was deployed of which the scenario says nothing.
const LONG_AGO: Duration = Duration::from_hours(72);
/// How long a past deployment took of which the scenario says nothing.
const TOOK: Duration = Duration::from_mins(8);
/// How long its hooks took.
const HOOK: Duration = Duration::from_secs(30);
/// For how long the function that counts has been there, where it was there before the start.
const SETTLED_IN: Duration = Duration::from_hours(30 * 24);
/// The function that counts deployments.
const COUNTER: &str = "deployment-metrics";
/// The setting that names the table in which it remembers what it has counted.
const TABLE: &str = "TABLE_NAME";

/// The first part of a version's commit, which tells versions apart; the rest is the same for all.
fn commit(number: u32) -> String {
    format!("{number:08x}7a5e1c0de0f90a1b2c3d4e5f60718293")
}

impl World {
    /// Writes CodeDeploy's record of what came before.
    pub(crate) fn set_up_past(&mut self) {
        let names: Vec<String> = self.land.services.keys().cloned().collect();
        let mut number = FIRST;
        for name in names {
            let mut history: Vec<Past> =
                self.scenario.history.iter().filter(|past| past.service == name).cloned().collect();
            history.sort_by_key(|past| std::cmp::Reverse(past.ended));
            let is_first = self.scenario.deployments.iter().any(|plan| plan.service == name && plan.first);
            if !is_first && history.iter().all(|past| past.status != Status::Succeeded) {
                let oldest = history.first().map(|past| past.ended.0).unwrap_or_default();
                history.insert(0, usual(&name, oldest + LONG_AGO));
            }
            self.add_versions(&name, &history);
            for past in &history {
                self.add_past(past, number);
                if past.counted && !self.scenario.just_installed {
                    self.remember(
                        &format!("metrics/{}", deployment_id(number)),
                        &json!({ "published": "before the rehearsal began" }),
                    );
                }
                number += 1;
            }
            if history.iter().any(|past| !past.counted) && !self.scenario.just_installed {
                self.remember_as_counting(&name);
            }
        }
    }

    /// Adds the versions that past deployments brought; the one that the last good deployment brought serves.
    fn add_versions(&mut self, name: &str, history: &[Past]) {
        let blue = self.scenario.blue.clone();
        let Some(service) = self.land.services.get_mut(name) else { return };
        let good = history.iter().rev().find(|past| past.status == Status::Succeeded);
        if let (Some(number), Some(serving)) = (good.and_then(|past| past.version), service.versions.first_mut()) {
            serving.number = number;
        }
        for past in history {
            let serving =
                service.versions.iter().find(|version| version.weight >= 100.0).map_or(0, |version| version.number);
            let number = past.version.unwrap_or(serving);
            let behaviour = past.behaviour.clone();
            if let Some(known) = service.versions.iter_mut().find(|version| version.number == number) {
                known.behaviour = behaviour.unwrap_or_else(|| known.behaviour.clone());
                continue;
            }
            let Some(like) = service.versions.first().cloned() else { continue };
            service.versions.push(Version {
                number,
                behaviour: behaviour.unwrap_or_else(|| blue.clone()),
                git_sha: commit(number),
                weight: 0.0,
                first_traffic: None,
                alive: like.alive && service.platform == Platform::Lambda,
                ..like
            });
        }
        service.versions.sort_by_key(|version| version.number);
    }

    /// Notes that a group has been counted for long, as the function that counts notes it: so what was not counted is missing.
    fn remember_as_counting(&mut self, service: &str) {
        let Some(group) = self.land.services.get(service).map(|service| service.group.clone()) else { return };
        self.remember(&format!("metrics/since/{group}"), &json!({ "since": self.started.minus(SETTLED_IN) }));
    }

    /// Writes an entry into the fleet's table: that a deployment was counted when it ended, say.
    pub(super) fn remember(&mut self, key: &str, entry: &serde_json::Value) {
        let template = std::sync::Arc::clone(&self.template);
        let counter = template.functions.iter().find(|function| function.binary == COUNTER);
        let Some(name) = counter.and_then(|function| function.environment.get(TABLE)) else { return };
        let Some(table) = template.tables.iter().find(|table| table.name == *name) else { return };
        let entry = entry.to_string();
        let item = json!({ table.key.as_str(): { "S": key }, "value": { "S": entry } });
        let input = json!({ "TableName": name, "Item": item });
        if let Err(error) = self.tables.handle("PutItem", &input, self.now.0) {
            let what = format!("cannot write `{key}` into the table: {}", error.message);
            self.tell(Who::Rehearsal, Tone::Bad, what);
        }
    }

    fn add_past(&mut self, past: &Past, number: usize) {
        let Some(service) = self.land.services.get_mut(&past.service) else { return };
        let wanted = past.version.or_else(|| service.versions.get(service.serving()).map(|version| version.number));
        let position = |service: &Guarded, number: Option<u32>| {
            service.versions.iter().position(|version| Some(version.number) == number)
        };
        let Some(new) = position(service, wanted) else { return };
        let id = deployment_id(number);
        let old = last_good(&self.engine, service).unwrap_or(new);
        let Some(version) = service.versions.get_mut(new) else { return };
        if past.status == Status::Succeeded {
            version.deployment = Some(id.clone());
        }
        let completed = self.started.minus(past.ended.0);
        let created = completed.minus(past.took.0);
        let events = course(past, service.platform, created, completed);
        let error = match past.status {
            Status::Failed => Some(("HOOK_EXECUTION_FAILURE", "The lifecycle event BeforeAllowTraffic failed.")),
            Status::Stopped => Some(("MANUAL_STOP", "The deployment was stopped by a user.")),
            _ => None,
        };
        let description = past.description.clone().unwrap_or_else(|| format!("git_sha={}", version.git_sha));
        let configuration = match service.platform {
            Platform::Lambda => "CodeDeployDefault.LambdaAllAtOnce",
            _ => "CodeDeployDefault.ECSAllAtOnce",
        };
        let hook = |event: &str, function: &str| (event.to_owned(), function.to_owned());
        let record = Record {
            id,
            plan: None,
            service: past.service.clone(),
            group: service.group.clone(),
            platform: service.platform,
            configuration: configuration.to_owned(),
            description,
            creator: "user",
            status: past.status.clone(),
            created,
            completed: Some(completed),
            error: error.map(|(code, message)| (code.to_owned(), message.to_owned())),
            rolled_back_by: None,
            rolls_back: None,
            events,
            peak_weight: if past.status == Status::Succeeded { 100.0 } else { 0.0 },
            waiting_since: None,
            hooks: BTreeMap::from([
                hook("BeforeAllowTraffic", "CodeDeployHook_before-allow-traffic"),
                hook("AfterAllowTraffic", "CodeDeployHook_after-allow-traffic"),
            ]),
            new,
            old,
            execution: None,
            stopping: false,
            test_listener: true,
            auto_rollback: true,
            group_alarms: Vec::new(),
            termination_wait: past.termination_wait.0,
            first: false,
            app_spec: past.app_spec,
            reroute: REROUTE,
            rollback_fails: false,
            rollback_linked_after: Duration::ZERO,
            is_past: true,
            given_spec: None,
            is_string: false,
            brings_back: false,
            override_alarms: None,
            fails: None,
        };
        self.engine.add(record);
    }
}

/// The version that the last good deployment of a service's group brought.
fn last_good(engine: &Engine, service: &Guarded) -> Option<usize> {
    let is_good = |record: &&engine::Record| record.group == service.group && record.status == Status::Succeeded;
    engine.in_order().rev().find(is_good).map(|record| record.new)
}

fn usual(service: &str, ended: Duration) -> Past {
    Past {
        service: service.to_owned(),
        ended: Span(ended),
        status: Status::Succeeded,
        version: None,
        behaviour: None,
        app_spec: AppSpecForm::default(),
        description: None,
        took: Span(TOOK),
        termination_wait: Span(Duration::ZERO),
        counted: true,
    }
}

/// The lifecycle events of a past deployment. One that failed did so in its first hook, one that was stopped was so while the traffic moved;
/// what succeeded moved it for as long as the other events leave.
fn course(past: &Past, platform: Platform, created: Timestamp, completed: Timestamp) -> Vec<LifecycleRecord> {
    let mut events = lifecycle(events_of(platform, true));
    let last = match past.status {
        Status::Failed => "BeforeAllowTraffic",
        Status::Stopped => "AllowTraffic",
        _ => "",
    };
    let usual = |name: &str| match name {
        "BeforeAllowTraffic" | "AfterAllowTraffic" => HOOK,
        "Install" => INSTALL,
        _ => STEP,
    };
    let end = completed.minus(past.termination_wait.0);
    let others: Duration = events.iter().map(|event| usual(event.name)).sum();
    let shift = end.since(created).saturating_sub(others);
    let (mut at, mut is_over) = (created.plus(STEP).min(end), false);
    for event in &mut events {
        if is_over {
            event.status = "Skipped";
            continue;
        }
        is_over = event.name == last;
        let takes = if event.name == "AllowTraffic" { shift } else { usual(event.name) };
        let ended = if is_over { end } else { at.plus(takes).min(end) };
        (event.started, event.ended) = (Some(at), Some(ended));
        event.status = if is_over { "Failed" } else { "Succeeded" };
        at = ended;
    }
    events
}
