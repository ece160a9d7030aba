//! CodeDeploy's engine: what happens to a deployment from its creation to its end, on ECS and on Lambda, with hooks, shifts,
//! stops, alarms, automatic rollback, the termination wait and one hour for a silent hook (CodeDeploy user guide, "AppSpec hooks",
//! "Redeploy and roll back", "Deployment configurations"). Knows nothing of the API through which it is asked.

mod begin;
mod ending;
mod past;
mod plans;
mod progress;

pub(crate) use begin::events_of;
pub(crate) use plans::Plans;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::deployment::{GroupName, Platform, Status};
use domain::time::Timestamp;
use serde_json::{Value, json};

use super::{ACCOUNT, REGION, World};
use crate::scenario::AppSpecForm;

/// "The deployment is considered to have failed if CodeDeploy is not notified by the Lambda validation function within one hour"
/// (CodeDeploy user guide, "AppSpec hooks").
const SILENT_HOOK: Duration = Duration::from_hours(1);
/// How long a replacement task set needs until its tasks run and are healthy.
const INSTALL: Duration = Duration::from_secs(75);
/// How long CodeDeploy takes for a step of its own.
pub(crate) const STEP: Duration = Duration::from_secs(2);
/// How long it takes to reroute traffic: a third party saw 23 s from an alarm to weights that are back.
const REROUTE: Duration = Duration::from_secs(6);
/// How often CodeDeploy looks at the alarms of a group.
const ALARM_POLL: Duration = Duration::from_secs(15);

/// The token that every sample in `events/` carries.
const SAMPLE_EXECUTION: &str = "eyJlbmNyeXB0ZWREYXRhIjoicGFQeWlqaFBNU2YyVUZXKzB2Yk1ubC9lcGRPN2hYenBSSVJ5aFhxTkttaEExMDZrVVRMRHYwSnhvWTg5RC9uZTVhMjJvbFNxejdJTStBMC9OZU9iMFFhejNNSUx6a2dWNjYrclI4ZTRoQllEL2FaamE0RDZacGZSQlpncGt2Z1FVUitTVTI5N281YUgvLzlPUVk4b3dWUCtXM0lOQWdZcWpXdnBlOXZROS84PSIsIml2UGFyYW1ldGVyU3BlYyI6IjFVWHF0QUFHT0s4SGpDd3IiLCJtYXRlcmlhbFNldFNlcmlhbCI6MX0=";

/// What comes next in a deployment.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Event(usize),
    EventDone(usize),
    Shift(usize, usize),
    Terminate,
    Stopped {
        code: String,
        message: String,
    },
    /// A rollback fails where it would reroute the traffic.
    Broken,
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
    pub(crate) first: bool,
    pub(crate) app_spec: AppSpecForm,
    /// How long a rollback takes to reroute the traffic.
    pub(crate) reroute: Duration,
    /// Whether a rollback fails in place of rerouting it.
    pub(crate) rollback_fails: bool,
    /// How long after its end its record names its rollback.
    pub(crate) rollback_linked_after: Duration,
    /// Whether it ended before the scenario began.
    pub(crate) is_past: bool,
    /// The AppSpec that came with the request, as its text.
    pub(crate) given_spec: Option<String>,
    /// Whether it came as a `String` revision.
    pub(crate) is_string: bool,
    /// Whether it brings back a version that was there before.
    pub(crate) brings_back: bool,
    /// The alarms that the request sets in place of the group's, as it says it.
    pub(crate) override_alarms: Option<Value>,
    /// Code and message with which it fails as soon as it has begun.
    pub(crate) fails: Option<(&'static str, String)>,
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
    /// How many of them ended before the scenario began.
    past: usize,
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

    /// The last deployment of a group that had succeeded when this one was created: "the last known good revision".
    pub(crate) fn good_before(&self, record: &Record) -> Option<&Record> {
        let is_good = |one: &&Record| {
            one.group == record.group
                && one.id != record.id
                && one.status == Status::Succeeded
                && one.completed.is_some_and(|at| at <= record.created)
        };
        self.in_order().filter(is_good).max_by_key(|one| one.completed)
    }

    /// The id of the next deployment; what is past does not count, so that a longer history changes no id.
    pub(crate) fn next_id(&self) -> String {
        deployment_id(self.order.len() - self.past)
    }

    pub(crate) fn add(&mut self, record: Record) {
        self.past += usize::from(record.is_past);
        self.order.push(record.id.clone());
        self.records.insert(record.id.clone(), record);
    }
}

pub(crate) fn lifecycle(names: &[&'static str]) -> Vec<LifecycleRecord> {
    names.iter().map(|name| LifecycleRecord { name, status: "Pending", started: None, ended: None }).collect()
}

/// An id in CodeDeploy's form, the same in every run: `d-` and nine letters and digits.
pub(crate) fn deployment_id(number: usize) -> String {
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
    /// Emits CodeDeploy's event about a deployment.
    pub(crate) fn announce(&mut self, id: &str, state: &str) {
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

    /// The AppSpec's text, as `GetApplicationRevision` gives it.
    pub(crate) fn appspec_text(&self, record: &Record) -> String {
        if let Some(given) = &record.given_spec {
            return given.clone();
        }
        let json = self.appspec(record);
        match record.app_spec {
            AppSpecForm::Json | AppSpecForm::S3 | AppSpecForm::Github => json.to_string(),
            AppSpecForm::JsonHooks => json.to_string().replacen("\"Hooks\":", "\"hooks\":", 1),
            AppSpecForm::Yaml => {
                let mut text = String::new();
                in_yaml(&json, 0, &mut text);
                text
            }
        }
    }

    fn appspec(&self, record: &Record) -> Value {
        let Some(service) = self.land.services.get(&record.service) else { return Value::Null };
        let hooks: Vec<Value> =
            record.hooks.iter().map(|(event, function)| json!({ event.as_str(): function })).collect();
        let number = |index: usize| service.versions.get(index).map_or(0, |version| version.number);
        // Of what was before the first one that is known, the number alone is.
        let current = number(record.old) - u32::from(record.old == record.new);
        let resource = match record.platform {
            Platform::Lambda => json!({ service.name.as_str(): {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Name": service.name, "Alias": "live",
                    "CurrentVersion": current.to_string(), "TargetVersion": number(record.new).to_string(),
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

/// A JSON document as block YAML. Texts are quoted, as JSON quotes them, which YAML understands.
fn in_yaml(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    let mut entry = |start: String, inner: &Value| {
        text.push_str(&start);
        if inner.is_object() || inner.is_array() {
            text.push('\n');
            in_yaml(inner, depth + 1, text);
        } else {
            text.push_str(&format!(" {inner}\n"));
        }
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, inner)| entry(format!("{indent}{key}:"), inner)),
        Value::Array(list) => list.iter().for_each(|inner| entry(format!("{indent}-"), inner)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_appspec_in_yaml_says_what_it_says_in_json() {
        let spec = json!({
            "version": 0.0, "Resources": [{ "TargetService": { "Properties": { "TaskDefinition": "arn:aws:ecs:x:1:task-definition/a:1" } } }],
            "Hooks": [{ "BeforeAllowTraffic": "one" }, { "AfterAllowTraffic": "two" }],
        });
        let mut text = String::new();
        in_yaml(&spec, 0, &mut text);
        assert!(text.contains("\n  - \n") || text.contains("\n  -\n"), "{text}");
        let read = domain::appspec::read(&text).unwrap();
        assert_eq!(read, domain::appspec::read(&spec.to_string()).unwrap());
        assert_eq!(read.hooks.len(), 2);
    }

    #[test]
    fn ids_have_codedeploys_form_and_differ() {
        let ids: std::collections::BTreeSet<String> = (0..200).map(deployment_id).collect();
        assert_eq!(ids.len(), 200);
        assert!(ids.iter().all(|id| id.len() == 11 && id.starts_with("d-")));
    }
}
