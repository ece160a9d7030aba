//! CodeDeploy's API on the engine. Knows nothing of how deployments go on.

use domain::deployment::{GroupName, Platform, Status};
use domain::time::Timestamp;
use serde_json::{Map, Value, json};

use super::World;
use super::aws::{not_implemented, text, texts};
use super::engine::Record;
use super::landscape::Guarded;
use crate::protocol::AwsError;
use crate::scenario::AppSpecForm;

/// How many ids `ListDeployments` gives at once.
const PAGE: usize = 100;

fn exception(code: &'static str, detail: &str) -> AwsError {
    AwsError::client(code, detail.to_owned())
}

fn unknown(id: &str) -> AwsError {
    exception("DeploymentDoesNotExistException", &format!("The deployment {id} could not be found"))
}

/// Whether it is an id of CodeDeploy's. Those of ECS's own deployments begin otherwise.
fn is_codedeploys(id: &str) -> bool {
    id.starts_with("d-")
}

impl World {
    pub(crate) fn codedeploy(&mut self, operation: &str, input: &Value, caller: &str) -> Result<Value, AwsError> {
        let id = text(input, "deploymentId").to_owned();
        if !id.is_empty() && !is_codedeploys(&id) {
            let detail = "The specified deployment ID is not in a valid format";
            return Err(exception("InvalidDeploymentIdException", detail));
        }
        match operation {
            "GetDeployment" => {
                let record = self.engine.get(&id).ok_or_else(|| unknown(&id))?;
                Ok(json!({ "deploymentInfo": self.deployment_info(record) }))
            }
            "BatchGetDeployments" => {
                let ids = texts(input, "deploymentIds");
                let found: Vec<Value> = ids
                    .iter()
                    .filter(|id| is_codedeploys(id))
                    .filter_map(|id| self.engine.get(id))
                    .map(|record| self.deployment_info(record))
                    .collect();
                Ok(json!({ "deploymentsInfo": found }))
            }
            "ListDeployments" => self.list_deployments(input),
            "ListDeploymentTargets" => {
                let record = self.engine.get(&id).ok_or_else(|| unknown(&id))?;
                Ok(json!({ "targetIds": [Self::target_id(record)] }))
            }
            "GetDeploymentTarget" => {
                let record = self.engine.get(&id).ok_or_else(|| unknown(&id))?;
                Ok(json!({ "deploymentTarget": self.target(record) }))
            }
            "BatchGetDeploymentTargets" => {
                let record = self.engine.get(&id).ok_or_else(|| unknown(&id))?;
                let own = Self::target_id(record);
                if let Some(wrong) = texts(input, "targetIds").iter().find(|target| **target != own) {
                    let detail = format!("The target {wrong} does not belong to the deployment {id}");
                    return Err(exception("DeploymentTargetDoesNotExistException", &detail));
                }
                Ok(json!({ "deploymentTargets": [self.target(record)] }))
            }
            "GetDeploymentGroup" => {
                let group = GroupName {
                    application: text(input, "applicationName").to_owned(),
                    deployment_group: text(input, "deploymentGroupName").to_owned(),
                };
                let service = self.land.by_group(&group).ok_or_else(|| {
                    exception("DeploymentGroupDoesNotExistException", &format!("No deployment group found for {group}"))
                })?;
                // The group has the alarms of its newest deployment: a scenario gives them with each.
                let newest =
                    self.engine.in_order().rev().find(|record| record.group == group && record.rolls_back.is_none());
                let alarms: Vec<Value> = newest
                    .into_iter()
                    .flat_map(|record| &record.group_alarms)
                    .map(|name| json!({ "name": name }))
                    .collect();
                Ok(json!({ "deploymentGroupInfo": {
                    "applicationName": group.application, "deploymentGroupName": group.deployment_group,
                    "computePlatform": platform_word(service.platform),
                    "loadBalancerInfo": load_balancer_info(service, true),
                    "alarmConfiguration": { "enabled": !alarms.is_empty(), "ignorePollAlarmFailure": false, "alarms": alarms },
                }}))
            }
            "GetApplicationRevision" => self.application_revision(input),
            "PutLifecycleEventHookExecutionStatus" => {
                let execution = text(input, "lifecycleEventHookExecutionId").to_owned();
                let succeeded = match text(input, "status") {
                    "Succeeded" => true,
                    "Failed" => false,
                    other => {
                        let detail = format!("The status {other} is not valid; valid are Succeeded and Failed");
                        return Err(exception("InvalidLifecycleEventHookExecutionStatusException", &detail));
                    }
                };
                self.hook_answered(&id, &execution, succeeded, caller).map_err(|code| {
                    exception(code, &format!("{id}: the lifecycle event hook execution cannot be answered"))
                })?;
                Ok(json!({ "lifecycleEventHookExecutionId": execution }))
            }
            "StopDeployment" => {
                let roll_back = input.get("autoRollbackEnabled").and_then(Value::as_bool);
                self.stop(&id, roll_back, "MANUAL_STOP", "The deployment was stopped through the API.")
                    .map_err(|code| exception(code, &format!("The deployment {id} cannot be stopped")))?;
                let who = crate::timeline::Who::Function(caller.to_owned());
                let how = match roll_back {
                    Some(true) => "with rollback",
                    Some(false) => "without rollback",
                    None => "with what the group says of rollbacks",
                };
                self.tell(who, crate::timeline::Tone::Warning, format!("stops {id}, {how}"));
                Ok(
                    json!({ "status": "Pending", "statusMessage": "Stopping deployment. The deployment will be stopped soon." }),
                )
            }
            _ => Err(not_implemented("codedeploy", operation)),
        }
    }

    fn list_deployments(&self, input: &Value) -> Result<Value, AwsError> {
        let (application, group) = (text(input, "applicationName"), text(input, "deploymentGroupName"));
        if application.is_empty() != group.is_empty() {
            let detail = "Both applicationName and deploymentGroupName must be given, or neither";
            return Err(exception("DeploymentGroupNameRequiredException", detail));
        }
        let statuses = texts(input, "includeOnlyStatuses");
        let bound = |key: &str| input.pointer(&format!("/createTimeRange/{key}")).and_then(Value::as_f64);
        let (from, to) = (bound("start"), bound("end"));
        let ids: Vec<&str> = self
            .engine
            .in_order()
            .rev()
            .filter(|record| is_codedeploys(&record.id))
            .filter(|record| {
                application.is_empty()
                    || (record.group.application == application && record.group.deployment_group == group)
            })
            .filter(|record| statuses.is_empty() || statuses.iter().any(|status| status == record.status.as_str()))
            .filter(|record| from.is_none_or(|from| record.created.seconds() >= from))
            .filter(|record| to.is_none_or(|to| record.created.seconds() <= to))
            .map(|record| record.id.as_str())
            .collect();
        let skip: usize = text(input, "nextToken").parse().unwrap_or_default();
        let page: Vec<&str> = ids.iter().skip(skip).take(PAGE).copied().collect();
        let mut answer = json!({ "deployments": page });
        if let (true, Some(map)) = (skip + PAGE < ids.len(), answer.as_object_mut()) {
            map.insert("nextToken".to_owned(), json!((skip + PAGE).to_string()));
        }
        Ok(answer)
    }

    fn application_revision(&self, input: &Value) -> Result<Value, AwsError> {
        let wanted = input
            .pointer("/revision/appSpecContent/sha256")
            .or_else(|| input.pointer("/revision/string/sha256"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        let record = self
            .engine
            .in_order()
            .find(|record| self.appspec_sha(record) == wanted)
            .ok_or_else(|| exception("RevisionDoesNotExistException", "The specified revision does not exist"))?;
        let content = self.appspec_text(record);
        Ok(json!({
            "applicationName": text(input, "applicationName"),
            "revision": { "revisionType": "String", "string": { "content": content, "sha256": wanted } },
            "revisionInfo": { "registerTime": record.created.seconds() },
        }))
    }

    fn appspec_sha(&self, record: &Record) -> String {
        use sha2::Digest;
        let digest = sha2::Sha256::digest(self.appspec_text(record).as_bytes());
        digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    fn revision_location(&self, record: &Record) -> Value {
        match record.app_spec {
            AppSpecForm::S3 => json!({
                "revisionType": "S3",
                "s3Location": { "bucket": "deployments", "key": format!("{}/appspec.yaml", record.service), "bundleType": "YAML" },
            }),
            AppSpecForm::Github => json!({
                "revisionType": "GitHub",
                "gitHubLocation": { "repository": format!("example/{}", record.service), "commitId": "0d1e2f3a4b5c" },
            }),
            AppSpecForm::Json | AppSpecForm::JsonHooks | AppSpecForm::Yaml => json!({
                "revisionType": "AppSpecContent", "appSpecContent": { "sha256": self.appspec_sha(record) },
            }),
        }
    }

    fn deployment_info(&self, record: &Record) -> Value {
        let mut info = Map::new();
        let mut put = |key: &str, value: Value| {
            info.insert(key.to_owned(), value);
        };
        let seconds = |at: Timestamp| json!(at.seconds());
        put("applicationName", json!(record.group.application));
        put("deploymentGroupName", json!(record.group.deployment_group));
        put("deploymentConfigName", json!(record.configuration));
        put("deploymentId", json!(record.id));
        // `content` is always null here (CodeDeploy API reference); GetApplicationRevision has it.
        put("revision", self.revision_location(record));
        if !record.first {
            let sha = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
            put("previousRevision", json!({ "revisionType": "AppSpecContent", "appSpecContent": { "sha256": sha } }));
        }
        put("status", json!(record.status.as_str()));
        put("createTime", seconds(record.created));
        put("startTime", seconds(record.created));
        if let Some(completed) = record.completed {
            put("completeTime", seconds(completed));
            let succeeded = i32::from(record.status == Status::Succeeded);
            let failed = 1 - succeeded;
            put(
                "deploymentOverview",
                json!({
                    "Pending": 0, "InProgress": 0, "Succeeded": succeeded, "Failed": failed, "Skipped": 0, "Ready": 0,
                }),
            );
        }
        put("description", json!(record.description));
        put("creator", json!(record.creator));
        put("ignoreApplicationStopFailures", json!(false));
        put(
            "autoRollbackConfiguration",
            json!({
                "enabled": record.auto_rollback,
                "events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"],
            }),
        );
        put(
            "deploymentStyle",
            json!({
                "deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL",
            }),
        );
        put("instanceTerminationWaitTimeStarted", json!(record.waiting_since.is_some()));
        put("computePlatform", json!(platform_word(record.platform)));
        if let Some((code, message)) = &record.error {
            put("errorInformation", json!({ "code": code, "message": message }));
        }
        if let Some(rollback) = &record.rolled_back_by {
            let message = format!(
                "Deployment {} terminated. Automatic rollback is triggered with a DeploymentId {rollback}.",
                record.id
            );
            put("rollbackInfo", json!({ "rollbackDeploymentId": rollback, "rollbackMessage": message }));
        }
        if let Some(original) = &record.rolls_back {
            put(
                "rollbackInfo",
                json!({
                    "rollbackTriggeringDeploymentId": original, "rollbackMessage": record.description,
                }),
            );
        }
        if let Some(service) = self.land.services.get(&record.service)
            && record.platform == Platform::Ecs
        {
            put("loadBalancerInfo", load_balancer_info(service, record.test_listener));
        }
        Value::Object(info)
    }

    fn target_id(record: &Record) -> String {
        match record.platform {
            Platform::Ecs => format!("{}:{}", record.group.application, record.service),
            _ => record.service.clone(),
        }
    }

    fn target(&self, record: &Record) -> Value {
        let events: Vec<Value> = record
            .events
            .iter()
            .map(|event| {
                let mut map = json!({ "lifecycleEventName": event.name, "status": event.status });
                if let Some(map) = map.as_object_mut() {
                    map.extend(event.started.map(|at| ("startTime".to_owned(), json!(at.seconds()))));
                    map.extend(event.ended.map(|at| ("endTime".to_owned(), json!(at.seconds()))));
                }
                map
            })
            .collect();
        let status = match record.status {
            Status::Succeeded => "Succeeded",
            Status::Failed | Status::Stopped => "Failed",
            _ => "InProgress",
        };
        let Some(service) = self.land.services.get(&record.service) else { return Value::Null };
        let common = |target_arn: String| {
            json!({
                "deploymentId": record.id, "targetId": Self::target_id(record), "targetArn": target_arn,
                "status": status, "lastUpdatedAt": self.now.seconds(), "lifecycleEvents": events,
            })
        };
        let version = |index: usize| service.versions.get(index);
        if record.platform == Platform::Lambda {
            let mut target = common(World::lambda_arn(&service.name));
            if let Some(map) = target.as_object_mut() {
                map.insert(
                    "lambdaFunctionInfo".to_owned(),
                    json!({
                        "functionName": service.name,
                        "functionAlias": "live",
                        "currentVersion": version(record.old).map(|version| version.number.to_string()),
                        "targetVersion": version(record.new).map(|version| version.number.to_string()),
                        "targetVersionWeight": version(record.new).map(|version| version.weight / 100.0),
                    }),
                );
            }
            return json!({ "deploymentTargetType": "LambdaTarget", "lambdaTarget": target });
        }
        let installed = record.events.iter().any(|event| event.name == "Install" && event.status == "Succeeded");
        let sets: Vec<Value> = [(record.old, "Blue", true), (record.new, "Green", installed || record.rolls_back.is_some())]
            .into_iter()
            .filter(|(_, _, there)| *there)
            .filter_map(|(index, label, _)| Some((version(index)?, label)))
            .map(|(version, label)| {
                let counts = Guarded::counts(version, self.now);
                json!({
                    "identifer": Guarded::task_set_id(version),
                    "desiredCount": counts.desired, "pendingCount": counts.pending, "runningCount": counts.running,
                    "status": if version.weight >= 100.0 { "PRIMARY" } else if version.alive { "ACTIVE" } else { "DRAINING" },
                    "trafficWeight": version.weight,
                    "targetGroup": { "name": service.target_groups().get(version.target_group) },
                    "taskSetLabel": label,
                })
            })
            .collect();
        let mut target = common(service.service_arn());
        if let Some(map) = target.as_object_mut() {
            map.insert("taskSetsInfo".to_owned(), json!(sets));
        }
        json!({ "deploymentTargetType": "ECSTarget", "ecsTarget": target })
    }
}

fn platform_word(platform: Platform) -> &'static str {
    match platform {
        Platform::Ecs => "ECS",
        Platform::Lambda => "Lambda",
        Platform::Server => "Server",
    }
}

fn load_balancer_info(service: &Guarded, test_listener: bool) -> Value {
    let names: Vec<Value> = service.target_groups().iter().map(|name| json!({ "name": name })).collect();
    let mut pair = json!({
        "targetGroups": names,
        "prodTrafficRoute": { "listenerArns": [service.listener_arn(false)] },
    });
    if let (true, Some(map)) = (test_listener, pair.as_object_mut()) {
        map.insert("testTrafficRoute".to_owned(), json!({ "listenerArns": [service.listener_arn(true)] }));
    }
    json!({ "targetGroupPairInfoList": [pair] })
}
