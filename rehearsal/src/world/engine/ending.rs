//! How a deployment ends: well, badly, stopped by somebody or by an alarm, and rolled back. Knows nothing of what went before.

use std::time::Duration;

use domain::deployment::{Platform, Status};
use domain::time::spoken;

use super::{ALARM_POLL, Record, STEP, Step, lifecycle};
use crate::timeline::{Tone, Who};
use crate::world::{Happening, World};

impl World {
    pub(crate) fn succeed(&mut self, id: &str) {
        let now = self.now;
        let Some(record) = self.engine.get_mut(id) else { return };
        record.status = Status::Succeeded;
        record.completed = Some(now);
        let (old, service, took) = (record.old, record.service.clone(), now.since(record.created));
        let rollback_of = record.rolls_back.clone();
        if let Some(guarded) = self.land.services.get_mut(&service) {
            guarded.on_test = None;
            if let (Some(version), Platform::Ecs) = (guarded.versions.get_mut(old), guarded.platform) {
                version.alive = false;
            }
        }
        let what = match rollback_of {
            Some(rolled_back) => format!("rollback {id} of {rolled_back} succeeded after {}", spoken(took)),
            None => format!("deployment {id} succeeded after {}", spoken(took)),
        };
        self.tell(Who::CodeDeploy, Tone::Good, what);
        self.announce(id, "SUCCESS");
        self.plan_next();
    }

    /// Brings everything that a deployment has yet to do to its end at once.
    pub(crate) fn finish_at_once(&mut self, id: &str) {
        let (now, Some(record)) = (self.now, self.engine.get_mut(id)) else { return };
        for event in &mut record.events {
            event.status = "Succeeded";
            event.started.get_or_insert(now);
            event.ended.get_or_insert(now);
        }
        record.execution = None;
        record.peak_weight = 100.0;
        let (new, old, service) = (record.new, record.old, record.service.clone());
        if let Some(version) = self.land.services.get_mut(&service).and_then(|guarded| guarded.versions.get_mut(new)) {
            version.alive = true;
            version.installed.get_or_insert(now);
        }
        self.set_weight(&service, new, old, 100.0);
        self.succeed(id);
    }

    /// Ends a deployment as failed or stopped, and rolls it back when the group says so.
    pub(crate) fn end_badly(&mut self, id: &str, status: Status, code: &str, message: &str) {
        let now = self.now;
        let Some(record) = self.engine.get_mut(id) else { return };
        let stopped = status == Status::Stopped;
        record.status = status;
        record.completed = Some(now);
        record.execution = None;
        record.error = Some((code.to_owned(), message.to_owned()));
        for event in &mut record.events {
            match event.status {
                "InProgress" => {
                    event.status = "Failed";
                    event.ended = Some(now);
                }
                "Pending" => event.status = "Skipped",
                _ => {}
            }
        }
        let installed = record.platform == Platform::Lambda
            || record.events.iter().any(|event| event.name == "Install" && event.status == "Succeeded");
        // Of a group's first deployment there is no earlier revision; AWS does not say what happens then.
        let rolls_back =
            record.auto_rollback && installed && !record.is_rollback() && !record.first && record.fails.is_none();
        let verb = if stopped { "is stopped" } else { "failed" };
        self.tell(Who::CodeDeploy, Tone::Bad, format!("deployment {id} {verb}: {code}: {message}"));
        if rolls_back {
            self.roll_back(id);
        }
        self.announce(id, if stopped { "STOP" } else { "FAILURE" });
        self.plan_next();
    }

    /// Lets a rollback fail at the step that would bring the traffic back; the traffic stays where it is.
    pub(crate) fn break_rollback(&mut self, id: &str) {
        let is_lambda = self.engine.get(id).is_some_and(|record| record.platform == Platform::Lambda);
        let (code, message) = if is_lambda {
            ("INVALID_LAMBDA_CONFIGURATION", "The Lambda alias could not be updated.")
        } else {
            ("ECS_UPDATE_ERROR", "The ECS service could not be updated, so that the traffic was not rerouted.")
        };
        self.end_badly(id, Status::Failed, code, message);
    }

    pub(crate) fn roll_back(&mut self, id: &str) {
        let Some(original) = self.engine.get(id).cloned() else { return };
        let rollback = self.engine.next_id();
        let (configuration, names): (&str, &[&'static str]) = match original.platform {
            Platform::Lambda => {
                ("CodeDeployDefault.LambdaAllAtOnce", &["BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic"])
            }
            _ => (
                "CodeDeployDefault.ECSAllAtOnce",
                &[
                    "BeforeInstall",
                    "Install",
                    "AfterInstall",
                    "BeforeAllowTraffic",
                    "AllowTraffic",
                    "AfterAllowTraffic",
                ],
            ),
        };
        let record = Record {
            id: rollback.clone(),
            configuration: configuration.to_owned(),
            description: format!("Deployment {rollback} is triggered to roll back deployment {id}."),
            creator: "codeDeployRollback",
            status: Status::InProgress,
            created: self.now,
            completed: None,
            error: None,
            rolled_back_by: None,
            rolls_back: Some(id.to_owned()),
            events: lifecycle(names),
            peak_weight: 0.0,
            waiting_since: None,
            new: original.old,
            old: original.new,
            execution: None,
            stopping: false,
            group_alarms: Vec::new(),
            given_spec: None,
            brings_back: false,
            override_alarms: None,
            ..original
        };
        self.engine.add(record);
        if let Some(original) = self.engine.get_mut(id) {
            original.rolled_back_by = Some(rollback.clone());
        }
        self.tell(Who::CodeDeploy, Tone::Warning, format!("starts {rollback} to roll back {id}"));
        self.announce(&rollback, "START");
        self.schedule(Duration::from_millis(500), Happening::Engine(rollback, Step::Event(0)));
    }

    /// A request to stop: `Ok` with CodeDeploy's answer, or the exception.
    pub(crate) fn stop(
        &mut self,
        id: &str,
        roll_back: Option<bool>,
        code: &str,
        message: &str,
    ) -> Result<(), &'static str> {
        let Some(record) = self.engine.get_mut(id) else { return Err("DeploymentDoesNotExistException") };
        if record.status.is_terminal() {
            return Err("DeploymentAlreadyCompletedException");
        }
        if record.stopping {
            return Ok(());
        }
        record.stopping = true;
        if let Some(roll_back) = roll_back {
            record.auto_rollback = roll_back;
        }
        let step = Step::Stopped { code: code.to_owned(), message: message.to_owned() };
        self.schedule(STEP, Happening::Engine(id.to_owned(), step));
        Ok(())
    }

    pub(crate) fn person_stops(&mut self, id: &str) {
        self.tell(Who::Rehearsal, Tone::Warning, format!("a person stops {id}"));
        let _ = self.stop(id, Some(true), "MANUAL_STOP", "The deployment was stopped by a user.");
    }

    pub(crate) fn native_stop(&mut self, id: &str, alarm: &str) {
        if self.is_red(alarm) {
            let message = format!(
                "One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the affected deployments have been stopped. Activated alarms: <{alarm}>"
            );
            let _ = self.stop(id, None, "ALARM_ACTIVE", &message);
        }
    }

    /// An alarm went red: the groups that have it stop their deployments.
    pub(crate) fn alarm_went_red(&mut self, alarm: &str) {
        let concerned: Vec<String> = self
            .engine
            .in_order()
            .filter(|record| !record.status.is_terminal() && record.group_alarms.iter().any(|name| name == alarm))
            .map(|record| record.id.clone())
            .collect();
        for id in concerned {
            self.schedule(ALARM_POLL, Happening::NativeStop(id, alarm.to_owned()));
        }
    }
}
