//! CodeDeploy's API on the engine. Knows nothing of how deployments go on.

mod create;
mod groups;
#[cfg(test)]
mod measured_tests;
mod shape;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::World;
use super::aws::{not_implemented, text, texts};
use super::engine::Record;
use crate::protocol::AwsError;

/// How many ids or names a list gives at once, and how many a batch takes ("Limits", CodeDeploy user guide).
const PAGE: usize = 100;
/// How many targets `BatchGetDeploymentTargets` takes (CodeDeploy API reference).
const TARGETS: usize = 25;
/// How many ids `BatchGetDeployments` takes: 25 by its reference page, 100 by the text of its error and the user guide. The narrower one holds here.
const RECORDS: usize = 25;

fn exception(code: &'static str, detail: &str) -> AwsError {
    AwsError::client(code, detail.to_owned())
}

fn unknown(id: &str) -> AwsError {
    exception("DeploymentDoesNotExistException", &format!("The deployment {id} could not be found"))
}

/// One page of a list. A token is the number of the items before its page.
fn page_of(input: &Value, key: &str, items: &[impl AsRef<str>]) -> Result<Value, AwsError> {
    let skip: usize = match text(input, "nextToken") {
        "" => 0,
        token => token.parse().map_err(|_| exception("InvalidNextTokenException", "The next token is not valid"))?,
    };
    let page: Vec<&str> = items.iter().skip(skip).take(PAGE).map(AsRef::as_ref).collect();
    let mut answer = json!({ key: page });
    if let (true, Some(map)) = (skip + PAGE < items.len(), answer.as_object_mut()) {
        map.insert("nextToken".to_owned(), json!((skip + PAGE).to_string()));
    }
    Ok(answer)
}

fn at_most(most: usize, what: &str, count: usize) -> Result<(), AwsError> {
    if count > most {
        let detail = format!("The maximum number of {what} is {most}; the request has {count}");
        return Err(exception("BatchLimitExceededException", &detail));
    }
    Ok(())
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
                let record = self.deployment(&id).ok_or_else(|| unknown(&id))?;
                Ok(json!({ "deploymentInfo": self.deployment_info(record) }))
            }
            "BatchGetDeployments" => {
                let ids = texts(input, "deploymentIds");
                at_most(RECORDS, "deploymentIds", ids.len())?;
                let found: Vec<Value> = ids
                    .iter()
                    .filter(|id| is_codedeploys(id))
                    .filter_map(|id| self.deployment(id))
                    .map(|record| self.deployment_info(record))
                    .collect();
                Ok(json!({ "deploymentsInfo": found }))
            }
            "ListDeployments" => self.list_deployments(input),
            "ListDeploymentTargets" => {
                let record = self.deployment(&id).ok_or_else(|| unknown(&id))?;
                Ok(json!({ "targetIds": [Self::target_id(record)] }))
            }
            "GetDeploymentTarget" => {
                let record = self.engine.get(&id).ok_or_else(|| unknown(&id))?;
                Ok(json!({ "deploymentTarget": self.target(record) }))
            }
            "BatchGetDeploymentTargets" => {
                let record = self.engine.get(&id).ok_or_else(|| unknown(&id))?;
                let own = Self::target_id(record);
                let asked = texts(input, "targetIds");
                if asked.len() > TARGETS {
                    let detail =
                        format!("The maximum number of targetIds is {TARGETS}; the request has {}", asked.len());
                    return Err(exception("DeploymentTargetListSizeExceededException", &detail));
                }
                if let Some(wrong) = asked.iter().find(|target| **target != own) {
                    let detail = format!("The target {wrong} does not belong to the deployment {id}");
                    return Err(exception("DeploymentTargetDoesNotExistException", &detail));
                }
                Ok(json!({ "deploymentTargets": [self.target(record)] }))
            }
            "GetDeploymentGroup" => self.get_deployment_group(input),
            "BatchGetDeploymentGroups" => self.batch_get_deployment_groups(input),
            "ListDeploymentGroups" => self.list_deployment_groups(input),
            "ListApplications" => page_of(input, "applications", &self.applications()),
            "CreateDeployment" => self.create_deployment(input, caller),
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
        // "Errors" of `ListDeployments`, CodeDeploy API reference.
        if !application.is_empty() && self.group_info(&self.group(input)?).is_none() {
            return Err(groups::no_group(&self.group(input)?));
        }
        let statuses = texts(input, "includeOnlyStatuses");
        let bound = |key: &str| input.pointer(&format!("/createTimeRange/{key}")).and_then(Value::as_f64);
        let (from, to) = (bound("start"), bound("end"));
        // AWS documents no order; the newest first is what its console shows.
        let mut found: Vec<&Record> = self
            .engine
            .in_order()
            .chain(self.neighbours.deployments())
            // ECS's own deployments are none of CodeDeploy's.
            .filter(|record| is_codedeploys(&record.id))
            .filter(|record| {
                application.is_empty()
                    || (record.group.application == application && record.group.deployment_group == group)
            })
            .filter(|record| statuses.is_empty() || statuses.iter().any(|status| status == record.status.as_str()))
            .filter(|record| from.is_none_or(|from| record.created.seconds() >= from))
            .filter(|record| to.is_none_or(|to| record.created.seconds() <= to))
            .collect();
        found.reverse();
        found.sort_by_key(|record| std::cmp::Reverse(record.created));
        let ids: Vec<&str> = found.into_iter().map(|record| record.id.as_str()).collect();
        page_of(input, "deployments", &ids)
    }

    /// A deployment of the scenario or of another team.
    pub(crate) fn deployment(&self, id: &str) -> Option<&Record> {
        self.engine.get(id).or_else(|| self.neighbours.deployment(id))
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
            .filter(|record| record.group.application == text(input, "applicationName"))
            .find(|record| self.appspec_sha(record) == wanted)
            .ok_or_else(|| exception("RevisionDoesNotExistException", "The specified revision does not exist"))?;
        let content = self.appspec_text(record);
        Ok(json!({
            "applicationName": text(input, "applicationName"),
            "revision": { "revisionType": "String", "string": { "content": content, "sha256": wanted } },
            "revisionInfo": { "registerTime": record.created.seconds() },
        }))
    }
}
