//! How a deployment goes on: lifecycle events, hooks and their answers, the shift. Knows nothing of how it ends.

use std::time::Duration;

use domain::deployment::{Platform, Status};
use domain::time::spoken;
use serde_json::json;

use super::{INSTALL, SILENT_HOOK, STEP, Step};
use crate::scenario::check::HOOKABLE;
use crate::timeline::{Tone, VerdictRecord, Who};
use crate::world::{DELIVERY, Happening, World, landscape, shift};

impl World {
    pub(crate) fn engine_step(&mut self, id: &str, step: Step) {
        let Some(record) = self.engine.get(id) else { return };
        if record.status.is_terminal() {
            return;
        }
        if record.stopping && !matches!(step, Step::Stopped { .. }) {
            return;
        }
        match step {
            Step::Event(index) => self.begin_event(id, index),
            Step::EventDone(index) => self.complete_event(id, index, true, ""),
            Step::Shift(index, position) => self.shift(id, index, position),
            Step::Terminate => self.succeed(id),
            Step::Stopped { code, message } => self.end_badly(id, Status::Stopped, &code, &message),
            Step::Broken => self.break_rollback(id),
        }
    }

    pub(crate) fn begin_event(&mut self, id: &str, index: usize) {
        let (now, run_in_rollback) = (self.now, self.scenario.assume.hooks_run_in_rollback);
        let Some(record) = self.engine.get_mut(id) else { return };
        if let Some((code, message)) = record.fails.clone() {
            return self.end_badly(id, Status::Failed, code, &message);
        }
        let rollback = record.is_rollback();
        let (reroute, rollback_fails) = (record.reroute, record.rollback_fails);
        let returns = rollback || record.brings_back;
        let (platform, configuration) = (record.platform, record.configuration.clone());
        let Some(event) = record.events.get_mut(index) else { return };
        event.status = "InProgress";
        event.started = Some(now);
        let name = event.name;
        let hook = if !rollback || run_in_rollback { record.hooks.get(name).cloned() } else { None };
        if HOOKABLE.contains(&name) {
            match hook {
                Some(function) => self.call_hook(id, index, name, &function),
                None => {
                    self.schedule(Duration::from_millis(500), Happening::Engine(id.to_owned(), Step::EventDone(index)));
                }
            }
            return;
        }
        match name {
            "AllowTraffic" if returns && rollback_fails => {
                self.schedule(reroute, Happening::Engine(id.to_owned(), Step::Broken));
            }
            "AllowTraffic" => {
                if let Ok(steps) = shift::steps(&configuration) {
                    for (position, (after, _)) in steps.iter().enumerate() {
                        let pause = if returns { reroute } else { STEP };
                        self.schedule(pause + *after, Happening::Engine(id.to_owned(), Step::Shift(index, position)));
                    }
                }
            }
            "Install" if !rollback => {
                let wanted = landscape::DESIRED;
                self.tell(
                    Who::CodeDeploy,
                    Tone::Plain,
                    format!("Install: creates the replacement task set, {wanted} tasks"),
                );
                self.schedule(INSTALL, Happening::Engine(id.to_owned(), Step::EventDone(index)));
            }
            _ => {
                if name == "AllowTestTraffic" && platform == Platform::Ecs {
                    self.tell(
                        Who::CodeDeploy,
                        Tone::Plain,
                        "AllowTestTraffic: the test listener shows the new version",
                    );
                }
                self.schedule(STEP, Happening::Engine(id.to_owned(), Step::EventDone(index)));
            }
        }
    }

    pub(crate) fn call_hook(&mut self, id: &str, index: usize, name: &str, function: &str) {
        let number = self.fresh();
        let execution = format!(
            "eyJlbmNyeXB0ZWREYXRhIjoicmVoZWFyc2FsIiwiaXZQYXJhbWV0ZXJTcGVjIjoi{number:016}IiwibWF0ZXJpYWxTZXRTZXJpYWwiOjF9"
        );
        self.expect_answer(id, index, execution.clone());
        match self.function_named(function) {
            Some(target) => {
                let binary = self.binary(target);
                self.tell(Who::CodeDeploy, Tone::Plain, format!("{name}: calls the hook {binary}"));
                let payload = json!({ "DeploymentId": id, "LifecycleEventHookExecutionId": execution });
                self.invoke(target, payload, DELIVERY);
            }
            // What CodeDeploy does here is not documented; to fail is the harmless assumption.
            None => self.complete_event(id, index, false, &format!("the hook function `{function}` does not exist")),
        }
    }

    /// Notes that the event's hook must answer with this token within the hour.
    pub(crate) fn expect_answer(&mut self, id: &str, index: usize, execution: String) {
        if let Some(record) = self.engine.get_mut(id) {
            record.execution = Some((execution.clone(), index));
        }
        self.schedule(SILENT_HOOK, Happening::HookTimeout(id.to_owned(), execution));
    }

    pub(crate) fn hook_timed_out(&mut self, id: &str, execution: &str) {
        let Some(record) = self.engine.get(id) else { return };
        let Some((expected, index)) = record.execution.clone() else { return };
        if expected != execution || record.status.is_terminal() {
            return;
        }
        let name = record.events.get(index).map_or("", |event| event.name);
        self.tell(Who::CodeDeploy, Tone::Bad, format!("{name}: no answer within one hour"));
        self.complete_event(id, index, false, "the hook did not answer within one hour");
    }

    /// An answer to a hook; false when there is no such execution or it has been answered.
    pub(crate) fn hook_answered(
        &mut self,
        id: &str,
        execution: &str,
        succeeded: bool,
        by: &str,
    ) -> Result<(), &'static str> {
        let (now, Some(record)) = (self.now, self.engine.get_mut(id)) else {
            return Err("DeploymentDoesNotExistException");
        };
        let Some((expected, index)) = record.execution.clone() else {
            return Err("LifecycleEventAlreadyCompletedException");
        };
        if expected != execution {
            let known = execution.starts_with("eyJlbmNyeXB0ZWREYXRhIj");
            return Err(if known {
                "LifecycleEventAlreadyCompletedException"
            } else {
                "InvalidLifecycleEventHookExecutionIdException"
            });
        }
        record.execution = None;
        let name = record.events.get(index).map_or("", |event| event.name);
        let verdict = if succeeded { "Succeeded" } else { "Failed" };
        self.verdicts.push(VerdictRecord {
            at: now,
            hook: by.to_owned(),
            lifecycle_event: name.to_owned(),
            deployment: id.to_owned(),
            verdict: verdict.to_owned(),
            published: None,
        });
        let tone = if succeeded { Tone::Good } else { Tone::Bad };
        self.tell(Who::Function(by.to_owned()), tone, format!("reports {verdict} for {name} of {id}"));
        self.complete_event(id, index, succeeded, "the hook reported Failed");
        Ok(())
    }

    pub(crate) fn complete_event(&mut self, id: &str, index: usize, succeeded: bool, why: &str) {
        let now = self.now;
        let Some(record) = self.engine.get_mut(id) else { return };
        if record.status.is_terminal() || record.stopping {
            return;
        }
        record.execution = None;
        let last = index + 1 == record.events.len();
        let (name, new, service) = match record.events.get_mut(index) {
            Some(event) if event.status == "InProgress" => {
                event.status = if succeeded { "Succeeded" } else { "Failed" };
                event.ended = Some(now);
                (event.name, record.new, record.service.clone())
            }
            _ => return,
        };
        if !succeeded {
            let message = format!("The lifecycle event {name} failed: {why}.");
            self.end_badly(id, Status::Failed, "HOOK_EXECUTION_FAILURE", &message);
            return;
        }
        if let Some(guarded) = self.land.services.get_mut(&service) {
            match name {
                "Install" => {
                    if let Some(version) = guarded.versions.get_mut(new) {
                        version.alive = true;
                        version.installed = Some(now);
                    }
                }
                "AllowTestTraffic" => {
                    guarded.on_test = Some(new);
                    guarded.tested_since = Some(now);
                }
                _ => {}
            }
        }
        if last {
            self.after_last_event(id);
        } else {
            self.schedule(Duration::from_millis(500), Happening::Engine(id.to_owned(), Step::Event(index + 1)));
        }
    }

    pub(crate) fn after_last_event(&mut self, id: &str) {
        let now = self.now;
        let Some(record) = self.engine.get_mut(id) else { return };
        let wait = record.termination_wait;
        if record.platform == Platform::Ecs && !record.is_rollback() && !wait.is_zero() {
            record.waiting_since = Some(now);
            self.tell(
                Who::CodeDeploy,
                Tone::Plain,
                format!("keeps the old task set for {} in case it is needed", spoken(wait)),
            );
            self.schedule(wait, Happening::Engine(id.to_owned(), Step::Terminate));
        } else {
            self.succeed(id);
        }
    }

    pub(crate) fn shift(&mut self, id: &str, index: usize, position: usize) {
        let Some(record) = self.engine.get(id) else { return };
        let steps = shift::steps(&record.configuration).unwrap_or_default();
        let Some((_, weight)) = steps.get(position).copied() else { return };
        let (rollback, brings_back) = (record.is_rollback(), record.brings_back);
        let (new, old, service) = (record.new, record.old, record.service.clone());
        self.set_weight(&service, new, old, weight);
        if let Some(record) = self.engine.get_mut(id) {
            record.peak_weight = record.peak_weight.max(weight);
        }
        if rollback {
            let what = "AllowTraffic: all production traffic is back on the old version";
            self.tell_traffic(&service, Tone::Good, what, 0.0);
        } else if brings_back {
            let what = format!("AllowTraffic: {weight:.0} % of production traffic back on the earlier version");
            let tone = if weight >= 100.0 { Tone::Good } else { Tone::Plain };
            self.tell_traffic(&service, tone, what, 100.0 - weight);
        } else {
            let what = format!("AllowTraffic: {weight:.0} % of production traffic on the new version");
            self.tell_traffic(&service, Tone::Plain, what, weight);
        }
        if position + 1 == steps.len() {
            self.schedule(STEP, Happening::Engine(id.to_owned(), Step::EventDone(index)));
        }
    }

    pub(crate) fn set_weight(&mut self, service: &str, new: usize, old: usize, weight: f64) {
        let now = self.now;
        let Some(guarded) = self.land.services.get_mut(service) else { return };
        for (index, version) in guarded.versions.iter_mut().enumerate() {
            version.weight = if index == new {
                weight
            } else if index == old {
                100.0 - weight
            } else {
                0.0
            };
            if version.weight > 0.0 && version.first_traffic.is_none() {
                version.first_traffic = Some(now);
            }
        }
    }
}
