//! CodeDeploy's engine: what happens to a deployment from its creation to its end, on ECS and on Lambda, with hooks, shifts,
//! stops, alarms, automatic rollback, the termination wait and one hour for a silent hook (CodeDeploy user guide, "AppSpec hooks",
//! "Redeploy and roll back", "Deployment configurations"). Knows nothing of the API through which it is asked.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::deployment::{GroupName, Platform, Status};
use domain::time::{Timestamp, spoken};
use serde_json::{Value, json};

use super::landscape::Version;
use super::{ACCOUNT, DELIVERY, Happening, REGION, World, shift};
use crate::scenario::Plan;
use crate::timeline::{Tone, VerdictRecord, Who};

/// "The deployment is considered to have failed if CodeDeploy is not notified by the Lambda validation function within one hour"
/// (CodeDeploy user guide, "AppSpec hooks").
const SILENT_HOOK: Duration = Duration::from_secs(3600);
/// How long a replacement task set needs until its tasks run and are healthy.
const INSTALL: Duration = Duration::from_secs(75);
/// How long CodeDeploy takes for a step of its own.
const STEP: Duration = Duration::from_secs(2);
/// How long it takes to reroute traffic: a third party saw 23 s from an alarm to weights that are back (aws-facts, LAB).
const REROUTE: Duration = Duration::from_secs(6);
/// How often CodeDeploy looks at the alarms of a group.
const ALARM_POLL: Duration = Duration::from_secs(15);

/// The token that every sample in `events/` carries.
const SAMPLE_EXECUTION: &str = "eyJlbmNyeXB0ZWREYXRhIjoicGFQeWlqaFBNU2YyVUZXKzB2Yk1ubC9lcGRPN2hYenBSSVJ5aFhxTkttaEExMDZrVVRMRHYwSnhvWTg5RC9uZTVhMjJvbFNxejdJTStBMC9OZU9iMFFhejNNSUx6a2dWNjYrclI4ZTRoQllEL2FaamE0RDZacGZSQlpncGt2Z1FVUitTVTI5N281YUgvLzlPUVk4b3dWUCtXM0lOQWdZcWpXdnBlOXZROS84PSIsIml2UGFyYW1ldGVyU3BlYyI6IjFVWHF0QUFHT0s4SGpDd3IiLCJtYXRlcmlhbFNldFNlcmlhbCI6MX0=";

/// Lifecycle events at which a Lambda function may be called, on ECS; on Lambda, the last two.
const HOOKABLE: [&str; 5] =
    ["BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic"];

/// What comes next in a deployment.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Event(usize),
    EventDone(usize),
    Shift(usize, usize),
    Terminate,
    Stopped { code: String, message: String },
}

/// A lifecycle event of a deployment.
#[derive(Clone, Debug)]
pub struct LifecycleRecord {
    /// `BeforeAllowTraffic`, …
    pub name: &'static str,
    /// `Pending`, `InProgress`, `Succeeded`, `Failed`, `Skipped`.
    pub status: &'static str,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// A deployment.
#[derive(Clone, Debug)]
pub struct Record {
    /// `d-…`
    pub id: String,
    /// Which planned deployment it is or belongs to, from 0.
    pub plan: Option<usize>,
    /// The service's name in the configuration.
    pub service: String,
    /// Its application and group.
    pub group: GroupName,
    /// ECS or Lambda.
    pub platform: Platform,
    /// The deployment configuration.
    pub configuration: String,
    /// What the pipeline wrote into it.
    pub description: String,
    /// `user`, `codeDeployRollback`.
    pub creator: &'static str,
    /// Its status.
    pub status: Status,
    /// When it was created; it starts at once.
    pub created: Timestamp,
    /// When it ended.
    pub completed: Option<Timestamp>,
    /// Code and message of its failure.
    pub error: Option<(String, String)>,
    /// The rollback that it caused.
    pub rolled_back_by: Option<String>,
    /// The deployment that it rolls back.
    pub rolls_back: Option<String>,
    /// Its lifecycle events.
    pub events: Vec<LifecycleRecord>,
    /// The most production traffic that its new version ever had, in percent.
    pub peak_weight: f64,
    /// When the termination wait began.
    pub waiting_since: Option<Timestamp>,
    pub(crate) hooks: BTreeMap<String, String>,
    pub(crate) new: usize,
    pub(crate) old: usize,
    pub(crate) execution: Option<(String, usize)>,
    pub(crate) stopping: bool,
    pub(crate) test_listener: bool,
    pub(crate) auto_rollback: bool,
    pub(crate) group_alarms: Vec<String>,
    pub(crate) termination_wait: Duration,
}

impl Record {
    fn is_rollback(&self) -> bool {
        self.creator == "codeDeployRollback"
    }

    /// The lifecycle event that is in progress.
    pub fn current(&self) -> Option<usize> {
        self.events.iter().position(|event| event.status == "InProgress")
    }
}

#[derive(Debug, Default)]
pub(crate) struct Engine {
    records: BTreeMap<String, Record>,
    order: Vec<String>,
}

impl Engine {
    pub(crate) fn get(&self, id: &str) -> Option<&Record> {
        self.records.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Record> {
        self.records.get_mut(id)
    }

    pub(crate) fn in_order(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.order.iter().filter_map(|id| self.records.get(id))
    }

    pub(crate) fn all_ended(&self) -> bool {
        self.records.values().all(|record| record.status.is_terminal())
    }

    pub(crate) fn running_in(&self, group: &GroupName) -> Option<&Record> {
        self.records.values().find(|record| record.group == *group && !record.status.is_terminal())
    }

    fn add(&mut self, record: Record) {
        self.order.push(record.id.clone());
        self.records.insert(record.id.clone(), record);
    }
}

fn lifecycle(names: &[&'static str]) -> Vec<LifecycleRecord> {
    names.iter().map(|name| LifecycleRecord { name, status: "Pending", started: None, ended: None }).collect()
}

/// An id in CodeDeploy's form, the same in every run: `d-` and nine letters and digits.
fn deployment_id(number: usize) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut state = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66;
    let tail: String = (0..9)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            LETTERS.get((state >> 59) as usize).map_or('A', |byte| char::from(*byte))
        })
        .collect();
    format!("d-{tail}")
}

impl World {
    pub(crate) fn begin_plan(&mut self, index: usize) {
        let Some(plan) = self.scenario.deployments.get(index).cloned() else { return };
        self.next_plan = index + 1;
        if let Err(message) = self.create(&plan, Some(index), None) {
            self.tell(Who::CodeDeploy, Tone::Bad, format!("refuses the deployment: {message}"));
            self.plan_next();
        }
    }

    /// Creates a deployment as `CreateDeployment` would; gives its id.
    pub(crate) fn create(&mut self, plan: &Plan, index: Option<usize>, id: Option<String>) -> Result<String, String> {
        let now = self.now;
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
        let number = service.versions.iter().map(|version| version.number).max().unwrap_or_default() + 1;
        let old_group = service.versions.get(old).map_or(0, |version| version.target_group);
        let id = id.unwrap_or_else(|| deployment_id(self.engine.order.len()));
        let git_sha = plan.description.split_whitespace().find_map(|word| word.strip_prefix("git_sha="));
        let version = Version {
            number,
            behaviour: plan.green.clone(),
            git_sha: git_sha.map_or_else(|| format!("{number:08x}c0ffee5eed0123456789abcdef012345"), str::to_owned),
            deployment: Some(id.clone()),
            weight: 0.0,
            first_traffic: None,
            created: now,
            target_group: 1 - old_group,
            alive: plan.platform == Platform::Lambda,
            error_debt: 0.0,
        };
        let sha = version.git_sha.clone();
        service.versions.push(version);
        let new = service.versions.len() - 1;
        let names: &[&'static str] = match (plan.platform, plan.test_listener) {
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
        };
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
            group_alarms: plan.group_alarms.clone(),
            termination_wait: plan.termination_wait.0,
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
        self.tell(Who::CodeDeploy, Tone::Plain, what);
        self.announce(&id, "START");
        self.schedule(STEP, Happening::Engine(id.clone(), Step::Event(0)));
        if let Some(after) = plan.stopped_by_person_after {
            self.schedule(after.0, Happening::PersonStops(id.clone()));
        }
        let red = plan.group_alarms.iter().find(|alarm| self.is_red(alarm)).cloned();
        if let Some(alarm) = red {
            self.schedule(ALARM_POLL, Happening::NativeStop(id.clone(), alarm));
        }
        Ok(id)
    }

    /// Opens the world for `events/`: the deployments that the sample events name wait for their hooks' answers.
    pub fn open_for_samples(&mut self) {
        self.open_world = true;
        let names: Vec<(String, Platform)> = self
            .config
            .services
            .iter()
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
                if let Some(version) = guarded.versions.get_mut(new) {
                    version.alive = true;
                }
            }
            self.expect_answer(&id, hook, SAMPLE_EXECUTION.to_owned());
        }
        // The rollback that some samples name: it has ended, its group is deploying again.
        if let Some(original) = self.engine.get("d-SAMPLE001").cloned() {
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

    /// Emits CodeDeploy's event about a deployment.
    fn announce(&mut self, id: &str, state: &str) {
        let Some(record) = self.engine.get(id) else { return };
        let group = record.group.clone();
        let prefix = format!("arn:aws:codedeploy:{REGION}:{ACCOUNT}");
        let event = json!({
            "detail-type": "CodeDeploy Deployment State-change Notification",
            "source": "aws.codedeploy",
            "resources": [
                format!("{prefix}:deploymentgroup:{}/{}", group.application, group.deployment_group),
                format!("{prefix}:application:{}", group.application),
            ],
            "detail": {
                "region": REGION,
                "deploymentId": id,
                "instanceGroupId": "9fd2fbef-2157-40d8-91e7-6845af69e2d2",
                "deploymentGroup": group.deployment_group,
                "state": state,
                "application": group.application,
            },
        });
        self.publish(event);
    }

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
        }
    }

    fn begin_event(&mut self, id: &str, index: usize) {
        let (now, run_in_rollback) = (self.now, self.scenario.assume.hooks_run_in_rollback);
        let Some(record) = self.engine.get_mut(id) else { return };
        let rollback = record.is_rollback();
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
            "AllowTraffic" => {
                if let Ok(steps) = shift::steps(&configuration) {
                    for (position, (after, _)) in steps.iter().enumerate() {
                        let pause = if rollback { REROUTE } else { STEP };
                        self.schedule(pause + *after, Happening::Engine(id.to_owned(), Step::Shift(index, position)));
                    }
                }
            }
            "Install" if !rollback => {
                let wanted = super::landscape::DESIRED;
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

    fn call_hook(&mut self, id: &str, index: usize, name: &str, function: &str) {
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
            // What CodeDeploy does here is not documented (aws-facts §1.4); to fail is the harmless assumption.
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

    fn complete_event(&mut self, id: &str, index: usize, succeeded: bool, why: &str) {
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
                    }
                }
                "AllowTestTraffic" => guarded.on_test = Some(new),
                _ => {}
            }
        }
        if last {
            self.after_last_event(id);
        } else {
            self.schedule(Duration::from_millis(500), Happening::Engine(id.to_owned(), Step::Event(index + 1)));
        }
    }

    fn after_last_event(&mut self, id: &str) {
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

    fn shift(&mut self, id: &str, index: usize, position: usize) {
        let Some(record) = self.engine.get(id) else { return };
        let steps = shift::steps(&record.configuration).unwrap_or_default();
        let Some((_, weight)) = steps.get(position).copied() else { return };
        let rollback = record.is_rollback();
        let (new, old, service) = (record.new, record.old, record.service.clone());
        self.set_weight(&service, new, old, weight);
        if let Some(record) = self.engine.get_mut(id) {
            record.peak_weight = record.peak_weight.max(weight);
        }
        if rollback {
            self.tell_more(
                Who::CodeDeploy,
                Tone::Good,
                "AllowTraffic: all production traffic is back on the old version",
                Some(0.0),
                Vec::new(),
            );
        } else {
            let what = format!("AllowTraffic: {weight:.0} % of production traffic on the new version");
            self.tell_more(Who::CodeDeploy, Tone::Plain, what, Some(weight), Vec::new());
        }
        if position + 1 == steps.len() {
            self.schedule(STEP, Happening::Engine(id.to_owned(), Step::EventDone(index)));
        }
    }

    fn set_weight(&mut self, service: &str, new: usize, old: usize, weight: f64) {
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

    fn succeed(&mut self, id: &str) {
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

    /// Ends a deployment as failed or stopped, and rolls it back when the group says so.
    fn end_badly(&mut self, id: &str, status: Status, code: &str, message: &str) {
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
        let rolls_back = record.auto_rollback && installed && !record.is_rollback();
        let verb = if stopped { "is stopped" } else { "failed" };
        self.tell(Who::CodeDeploy, Tone::Bad, format!("deployment {id} {verb}: {code}: {message}"));
        if rolls_back {
            self.roll_back(id);
        }
        self.announce(id, if stopped { "STOP" } else { "FAILURE" });
        self.plan_next();
    }

    fn roll_back(&mut self, id: &str) {
        let Some(original) = self.engine.get(id).cloned() else { return };
        let rollback = deployment_id(self.engine.order.len());
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

    fn plan_next(&mut self) {
        let due =
            self.engine.all_ended() && !self.queue.values().any(|happening| matches!(happening, Happening::Plan(_)));
        if let (true, Some(plan)) = (due, self.scenario.deployments.get(self.next_plan)) {
            let after = plan.after.0;
            self.schedule(after, Happening::Plan(self.next_plan));
        }
    }

    pub(crate) fn production_is_green(&self, id: &str) -> Option<bool> {
        let record = self.engine.get(id)?;
        let weight = self.land.services.get(&record.service)?.versions.get(record.new)?.weight;
        if weight >= 100.0 {
            Some(true)
        } else if weight <= 0.0 {
            Some(false)
        } else {
            None
        }
    }

    /// The AppSpec of a deployment, as `GetApplicationRevision` gives it.
    pub(crate) fn appspec(&self, record: &Record) -> Value {
        let Some(service) = self.land.services.get(&record.service) else { return Value::Null };
        let hooks: Vec<Value> =
            record.hooks.iter().map(|(event, function)| json!({ event.as_str(): function })).collect();
        let number = |index: usize| service.versions.get(index).map_or(0, |version| version.number);
        let resource = match record.platform {
            Platform::Lambda => json!({ service.name.as_str(): {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Name": service.name, "Alias": "live",
                    "CurrentVersion": number(record.old).to_string(), "TargetVersion": number(record.new).to_string(),
                },
            }}),
            _ => json!({ "TargetService": {
                "Type": "AWS::ECS::Service",
                "Properties": {
                    "TaskDefinition": service.versions.get(record.new).map(|version| service.task_definition(version)),
                    "LoadBalancerInfo": { "ContainerName": service.name, "ContainerPort": 8080 },
                },
            }}),
        };
        json!({ "version": 0.0, "Resources": [resource], "Hooks": hooks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_codedeploys_form_and_differ() {
        let ids: std::collections::BTreeSet<String> = (0..200).map(deployment_id).collect();
        assert_eq!(ids.len(), 200);
        assert!(ids.iter().all(|id| id.len() == 11 && id.starts_with("d-")));
    }
}
