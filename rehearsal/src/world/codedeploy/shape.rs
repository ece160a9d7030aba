//! Deployments, targets and revisions in the shapes of CodeDeploy's API. Knows nothing of who asks.

use domain::deployment::{Platform, Status};
use domain::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::scenario::AppSpecForm;
use crate::world::World;
use crate::world::engine::Record;
use crate::world::landscape::Guarded;

impl World {
    pub(super) fn appspec_sha(&self, record: &Record) -> String {
        use sha2::Digest;
        let digest = sha2::Sha256::digest(self.appspec_text(record).as_bytes());
        digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    pub(super) fn revision_location(&self, record: &Record) -> Value {
        match record.app_spec {
            _ if record.is_string => {
                json!({ "revisionType": "String", "string": { "sha256": self.appspec_sha(record) } })
            }
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

    pub(super) fn deployment_info(&self, record: &Record) -> Value {
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
        // "Information about the application revision that was deployed to the deployment group before the most recent successful
        // application revision was deployed" (CodeDeploy API reference).
        if let Some(before) = self.engine.good_before(record) {
            put("previousRevision", self.revision_location(before));
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
        if let Some(alarms) = &record.override_alarms {
            put("overrideAlarmConfiguration", alarms.clone());
        }
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
        // AWS does not say how soon the link is there.
        let is_linked = record.completed.is_some_and(|at| self.now >= at.plus(record.rollback_linked_after));
        if let Some(rollback) = record.rolled_back_by.as_ref().filter(|_| is_linked) {
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
            put(
                "blueGreenDeploymentConfiguration",
                json!({
                    "terminateBlueInstancesOnDeploymentSuccess": {
                        "action": "TERMINATE", "terminationWaitTimeInMinutes": record.termination_wait.as_secs() / 60,
                    },
                    "deploymentReadyOption": { "actionOnTimeout": "CONTINUE_DEPLOYMENT", "waitTimeInMinutes": 0 },
                }),
            );
        }
        Value::Object(info)
    }

    pub(super) fn target_id(record: &Record) -> String {
        match record.platform {
            Platform::Ecs => format!("{}:{}", record.group.application, record.service),
            _ => record.service.clone(),
        }
    }

    pub(super) fn target(&self, record: &Record) -> Value {
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
                "status": status, "lastUpdatedAt": record.completed.unwrap_or(self.now).seconds(),
                "lifecycleEvents": events,
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

pub(super) fn platform_word(platform: Platform) -> &'static str {
    match platform {
        Platform::Ecs => "ECS",
        Platform::Lambda => "Lambda",
        Platform::Server => "Server",
    }
}

pub(super) fn load_balancer_info(service: &Guarded, test_listener: bool) -> Value {
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
