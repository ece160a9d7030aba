//! `CreateDeployment`: a deployment that somebody asks for through the API. Knows nothing of how it goes on.

use domain::appspec::{self, Contents};
use domain::config::yaml;
use domain::deployment::{Platform, Status};
use serde_json::{Value, json};
use sha2::Digest;

use super::exception;
use super::groups::no_group;
use crate::protocol::AwsError;
use crate::scenario::AppSpecForm;
use crate::timeline::{Tone, Who};
use crate::world::aws::text;
use crate::world::engine::{Record, STEP, events_of, lifecycle};
use crate::world::landscape::{Guarded, Version};
use crate::world::{World, shift};

/// The most alarms that a deployment takes ("Limits", CodeDeploy user guide).
const MOST_ALARMS: usize = 10;

/// A revision as it was asked for.
struct Asked {
    content: String,
    contents: Contents,
    form: AppSpecForm,
    is_string: bool,
}

/// The version that a deployment is to bring.
enum Wanted {
    /// One that is there: its place among the versions.
    Known(usize),
    /// None that is known; the deployment fails with this.
    Unknown(&'static str, String),
}

impl World {
    pub(super) fn create_deployment(&mut self, input: &Value, caller: &str) -> Result<Value, AwsError> {
        let group = self.group(input)?;
        let service = self.land.by_group(&group).ok_or_else(|| no_group(&group))?.clone();
        let configuration = self.configuration_asked(input, &service)?;
        let asked = self.revision_asked(input, &service)?;
        let override_alarms = input.get("overrideAlarmConfiguration").filter(|value| !value.is_null()).cloned();
        let alarms = self.alarms_asked(override_alarms.as_ref(), &service)?;
        if let Some(running) = self.engine.running_in(&group) {
            let detail = format!(
                "The Deployment Group '{}' already has an active Deployment '{}'",
                group.deployment_group, running.id
            );
            return Err(exception("DeploymentLimitExceededException", &detail));
        }
        let wanted = wanted(&service, &asked);
        let mut record = self.record_asked(input, &service, configuration, asked, &wanted);
        record.group_alarms = alarms;
        record.override_alarms = override_alarms;
        let id = record.id.clone();
        if service.platform != Platform::Lambda
            && let Wanted::Known(known) = wanted
        {
            record.new = self.new_task_set(&service.name, known, &id);
        }
        let number = |index: usize| {
            let service = self.land.services.get(&service.name)?;
            service.versions.get(index).map(|version| version.number)
        };
        record.brings_back = number(record.new) < number(record.old);
        let what = match service.platform {
            Platform::Lambda => "Lambda version ".to_owned(),
            _ => format!("ECS task definition {}:", service.name),
        };
        let told = format!(
            "asks for deployment {id} of {} ({what}{}, {})",
            service.name,
            number(record.new).unwrap_or_default(),
            record.configuration.trim_start_matches("CodeDeployDefault.")
        );
        self.tell(Who::Function(caller.to_owned()), Tone::Warning, told);
        self.engine.add(record);
        self.launch(&id);
        Ok(json!({ "deploymentId": id }))
    }

    /// The deployment configuration: the one that is asked for, else the group's, which is that of its newest deployment.
    fn configuration_asked(&self, input: &Value, service: &Guarded) -> Result<String, AwsError> {
        let (word, other) = match service.platform {
            Platform::Lambda => ("Lambda", "CodeDeployDefault.ECS"),
            _ => ("ECS", "CodeDeployDefault.Lambda"),
        };
        let asked = text(input, "deploymentConfigName");
        let newest =
            self.engine.in_order().rev().find(|record| record.group == service.group && record.rolls_back.is_none());
        let configuration = match (asked, newest) {
            ("", Some(newest)) => newest.configuration.clone(),
            ("", None) => format!("CodeDeployDefault.{word}AllAtOnce"),
            (asked, _) => asked.to_owned(),
        };
        if shift::steps(&configuration).is_err() {
            let detail = format!("No deployment configuration found for name: {configuration}");
            return Err(exception("DeploymentConfigDoesNotExistException", &detail));
        }
        if configuration.starts_with(other) {
            let detail = format!("The deployment configuration {configuration} is not for the compute platform {word}");
            return Err(exception("InvalidDeploymentConfigNameException", &detail));
        }
        Ok(configuration)
    }

    fn revision_asked(&self, input: &Value, service: &Guarded) -> Result<Asked, AwsError> {
        let revision = input
            .get("revision")
            .filter(|revision| revision.is_object())
            .ok_or_else(|| exception("RevisionRequiredException", "The revision to be deployed is required"))?;
        let invalid = |detail: &str| exception("InvalidRevisionException", detail);
        let (content, form, sha256) = match text(revision, "revisionType") {
            "AppSpecContent" | "String" => {
                let key = if text(revision, "revisionType") == "String" { "string" } else { "appSpecContent" };
                let member = |name: &str| revision.pointer(&format!("/{key}/{name}")).and_then(Value::as_str);
                let content = member("content").filter(|content| !content.is_empty());
                let content = content.ok_or_else(|| invalid(&format!("{key}.content is required")))?;
                (content.to_owned(), AppSpecForm::Json, member("sha256").map(str::to_owned))
            }
            kind @ ("S3" | "GitHub") => {
                let form = if kind == "S3" { AppSpecForm::S3 } else { AppSpecForm::Github };
                let found = self.engine.in_order().rev().find(|record| {
                    record.group == service.group
                        && record.app_spec == form
                        && is_at(&self.revision_location(record), revision)
                });
                let found = found.ok_or_else(|| {
                    exception("RevisionDoesNotExistException", "The specified revision could not be found")
                })?;
                (self.appspec_text(found), form, None)
            }
            other => return Err(invalid(&format!("The revision type `{other}` is not valid"))),
        };
        let actual = sha256_of(&content);
        if let Some(wrong) = sha256.filter(|sha256| !sha256.is_empty() && *sha256 != actual) {
            return Err(invalid(&format!("The SHA256 hash {wrong} is not that of the content, which is {actual}")));
        }
        let contents =
            appspec::read(&content).map_err(|error| invalid(&format!("The AppSpec cannot be read: {error}")))?;
        let names_it = match service.platform {
            Platform::Lambda => contents.revision.lambda_version.is_some(),
            _ => contents.revision.task_definition.is_some(),
        };
        if !names_it {
            return Err(invalid("The AppSpec does not say what is to be deployed to this compute platform"));
        }
        Ok(Asked { content, contents, form, is_string: text(revision, "revisionType") == "String" })
    }

    /// The alarms that CodeDeploy watches during the deployment: the group's, unless the request sets others in their place.
    fn alarms_asked(&self, asked: Option<&Value>, service: &Guarded) -> Result<Vec<String>, AwsError> {
        let Some(asked) = asked else { return Ok(self.alarms_of_group(service)) };
        let named = asked.get("alarms").and_then(Value::as_array).into_iter().flatten();
        let names: Vec<String> = named.map(|alarm| text(alarm, "name").to_owned()).collect();
        if names.len() > MOST_ALARMS {
            let detail = format!("A deployment has at most {MOST_ALARMS} alarms, not {}", names.len());
            return Err(exception("AlarmsLimitExceededException", &detail));
        }
        let enabled = asked.get("enabled").and_then(Value::as_bool).unwrap_or(false);
        Ok(if enabled { names } else { Vec::new() })
    }

    fn record_asked(
        &self,
        input: &Value,
        service: &Guarded,
        configuration: String,
        asked: Asked,
        wanted: &Wanted,
    ) -> Record {
        let serving = service.serving();
        let newest = self.engine.in_order().rev().find(|record| record.group == service.group && record.plan.is_some());
        let usual = newest.map_or((true, true), |record| (record.test_listener, record.auto_rollback));
        let auto_rollback = input.pointer("/autoRollbackConfiguration/enabled").and_then(Value::as_bool);
        let (new, fails) = match wanted {
            Wanted::Known(index) => (*index, None),
            Wanted::Unknown(code, message) => (serving, Some((*code, message.clone()))),
        };
        Record {
            id: self.engine.next_id(),
            plan: None,
            service: service.name.clone(),
            group: service.group.clone(),
            platform: service.platform,
            configuration,
            description: text(input, "description").to_owned(),
            creator: "user",
            status: Status::InProgress,
            created: self.now,
            completed: None,
            error: None,
            rolled_back_by: None,
            rolls_back: None,
            events: lifecycle(events_of(service.platform, usual.0)),
            peak_weight: 0.0,
            waiting_since: None,
            hooks: asked.contents.hooks.into_iter().collect(),
            new,
            old: serving,
            execution: None,
            stopping: false,
            test_listener: usual.0,
            auto_rollback: auto_rollback.unwrap_or(usual.1),
            group_alarms: Vec::new(),
            termination_wait: newest.map(|record| record.termination_wait).unwrap_or_default(),
            first: false,
            app_spec: asked.form,
            reroute: newest.map_or(STEP, |record| record.reroute),
            rollback_fails: newest.is_some_and(|record| record.rollback_fails),
            rollback_linked_after: newest.map(|record| record.rollback_linked_after).unwrap_or_default(),
            is_past: false,
            given_spec: Some(asked.content),
            is_string: asked.is_string,
            brings_back: false,
            override_alarms: None,
            fails,
        }
    }

    /// A new task set of a version that is known: it behaves as that version does, and has tasks of its own.
    fn new_task_set(&mut self, service: &str, known: usize, deployment: &str) -> usize {
        let now = self.now;
        let Some(guarded) = self.land.services.get_mut(service) else { return known };
        let serving_group = guarded.versions.get(guarded.serving()).map_or(0, |version| version.target_group);
        let Some(like) = guarded.versions.get(known).cloned() else { return known };
        let sets = guarded.versions.iter().filter(|version| version.number == like.number).count();
        guarded.versions.push(Version {
            deployment: Some(deployment.to_owned()),
            weight: 0.0,
            first_traffic: None,
            created: now,
            installed: None,
            target_group: 1 - serving_group,
            alive: false,
            error_debt: 0.0,
            again: u32::try_from(sets).unwrap_or(u32::MAX),
            ..like
        });
        guarded.versions.len() - 1
    }
}

/// What an AppSpec means, among a service's versions.
fn wanted(service: &Guarded, asked: &Asked) -> Wanted {
    let Some(version) = &asked.contents.revision.lambda_version else {
        let asked = asked.contents.revision.task_definition.clone().unwrap_or_default();
        let is_it = |version: &Version| {
            let full = service.task_definition(version);
            full == asked || full.ends_with(&format!("/{asked}"))
        };
        return match service.versions.iter().position(is_it) {
            Some(known) => Wanted::Known(known),
            None => Wanted::Unknown("INVALID_ECS_SERVICE", format!("The task definition {asked} could not be found.")),
        };
    };
    let position = service.versions.iter().position(|one| one.number.to_string() == *version);
    let serving = service.versions.get(service.serving()).map_or_else(String::new, |one| one.number.to_string());
    match (position, current_version(&asked.content)) {
        (None, _) => Wanted::Unknown(
            "INVALID_LAMBDA_FUNCTION",
            format!("The version {version} of {} does not exist.", service.name),
        ),
        (Some(_), Some(current)) if current != serving => Wanted::Unknown(
            "INVALID_LAMBDA_CONFIGURATION",
            format!(
                "The alias live of {} points at the version {serving}, not at the CurrentVersion {current}.",
                service.name
            ),
        ),
        (Some(known), _) => Wanted::Known(known),
    }
}

/// The version that a Lambda AppSpec says the alias points at.
fn current_version(content: &str) -> Option<String> {
    let document = yaml::parse(content).ok()?;
    let resources = document.value.get("Resources").or_else(|| document.value.get("resources"))?;
    let properties = resources.get(0).unwrap_or(resources).as_object()?.values().next()?.get("Properties")?;
    match properties.get("CurrentVersion")? {
        Value::String(version) => Some(version.clone()),
        version => Some(version.to_string()),
    }
}

/// Whether a location is the one that is asked for; what the request leaves out does not matter.
fn is_at(location: &Value, asked: &Value) -> bool {
    let parts = ["/s3Location/bucket", "/s3Location/key", "/gitHubLocation/repository", "/gitHubLocation/commitId"];
    parts.iter().all(|part| location.pointer(part) == asked.pointer(part))
}

fn sha256_of(content: &str) -> String {
    let digest = sha2::Sha256::digest(content.as_bytes());
    digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
