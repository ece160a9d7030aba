//! Which resources and which condition keys a call is held against (Service Authorization Reference). Knows nothing of policies.

use std::collections::BTreeMap;

use serde_json::Value;

use super::World;
use super::aws::{arn, text, texts};
use crate::protocol::{Call, Service};

impl World {
    /// The action's name: Lambda's `Invoke` is authorised as `InvokeFunction`.
    pub(crate) fn action_of(call: &Call) -> &str {
        match (call.service, call.operation.as_str()) {
            (Service::Lambda, "Invoke") => "InvokeFunction",
            (_, operation) => operation,
        }
    }

    /// The condition keys of a call; one set for each entry of a call that does several things at once.
    pub(crate) fn contexts_of(call: &Call) -> Vec<BTreeMap<String, String>> {
        let region = ("aws:RequestedRegion".to_owned(), super::REGION.to_owned());
        if let (Service::EventBridge, Some(entries)) =
            (call.service, call.input.get("Entries").and_then(Value::as_array))
        {
            let of_entry = |entry: &Value| {
                let key = |key: &str, member: &str| (key.to_owned(), text(entry, member).to_owned());
                BTreeMap::from([
                    region.clone(),
                    key("events:source", "Source"),
                    key("events:detail-type", "DetailType"),
                ])
            };
            return entries.iter().map(of_entry).collect();
        }
        let mut context = BTreeMap::from([region]);
        let mut add = |key: &str, value: String| {
            context.insert(key.to_owned(), value);
        };
        match (call.service, call.operation.as_str()) {
            (Service::CloudWatch, "PutMetricData") => {
                add("cloudwatch:namespace", text(&call.input, "Namespace").to_owned());
            }
            (Service::Ecs, _) => {
                let cluster = text(&call.input, "cluster");
                if !cluster.is_empty() {
                    let full = if cluster.starts_with("arn:") {
                        cluster.to_owned()
                    } else {
                        arn("ecs", &format!("cluster/{cluster}"))
                    };
                    add("ecs:cluster", full);
                }
            }
            _ => {}
        }
        vec![context]
    }

    /// What a call is held against besides its own action. CodeDeploy asks for three permissions when it is to create a deployment: for
    /// the group, to read the deployment configuration and to register the revision (so AWS's own construct for ECS deployments grants them,
    /// cdk-ecs-codedeploy, and refusals say).
    pub(crate) fn also_needed(call: &Call) -> Vec<(&'static str, String)> {
        if (call.service, call.operation.as_str()) != (Service::CodeDeploy, "CreateDeployment") {
            return Vec::new();
        }
        let application = text(&call.input, "applicationName");
        let mut needed =
            vec![("codedeploy:RegisterApplicationRevision", arn("codedeploy", &format!("application:{application}")))];
        let configuration = text(&call.input, "deploymentConfigName");
        if !configuration.is_empty() {
            let resource = arn("codedeploy", &format!("deploymentconfig:{configuration}"));
            needed.push(("codedeploy:GetDeploymentConfig", resource));
        }
        needed
    }

    /// The roles that a call passes on, each with the service that they are for. ECS runs a service's new task definition with the roles that it
    /// names, so who has it run one must be allowed to pass them (seen by others: keidarcy/e1s#429).
    pub(crate) fn passed_roles(call: &Call) -> Vec<(String, &'static str)> {
        if (call.service, call.operation.as_str()) != (Service::Ecs, "UpdateService")
            || text(&call.input, "taskDefinition").is_empty()
        {
            return Vec::new();
        }
        // A task role of the team's own, and the execution role by the name that ECS's console gives it.
        let roles = [format!("{}-task", text(&call.input, "cluster")), "ecsTaskExecutionRole".to_owned()];
        let arn = |role: String| format!("arn:aws:iam::{}:role/{role}", super::ACCOUNT);
        roles.map(|role| (arn(role), "ecs-tasks.amazonaws.com")).into()
    }

    pub(crate) fn resources_of(&self, call: &Call) -> Vec<String> {
        let input = &call.input;
        let everything = || vec!["*".to_owned()];
        match (call.service, call.operation.as_str()) {
            (
                Service::CodeDeploy,
                "GetApplicationRevision" | "BatchGetApplicationRevisions" | "ListApplicationRevisions",
            ) => {
                vec![arn("codedeploy", &format!("application:{}", text(input, "applicationName")))]
            }
            (Service::CodeDeploy, "ListDeployments" | "GetDeploymentGroup" | "CreateDeployment") => {
                match (text(input, "applicationName"), text(input, "deploymentGroupName")) {
                    // A list of all groups' deployments names none that an ARN could bound.
                    ("", _) => everything(),
                    (application, group) => vec![arn("codedeploy", &format!("deploymentgroup:{application}/{group}"))],
                }
            }
            (Service::CodeDeploy, "ListApplications") => everything(),
            (Service::CodeDeploy, "ListDeploymentGroups") => {
                vec![arn("codedeploy", &format!("application:{}", text(input, "applicationName")))]
            }
            // Each group by itself. What AWS does when one of them may not be read is not documented; the whole batch is refused here, which
            // nobody overlooks.
            (Service::CodeDeploy, "BatchGetDeploymentGroups") => {
                let application = text(input, "applicationName");
                let group = |name: &String| arn("codedeploy", &format!("deploymentgroup:{application}/{name}"));
                texts(input, "deploymentGroupNames").iter().map(group).collect()
            }
            (Service::CodeDeploy, "BatchGetDeployments") => {
                texts(input, "deploymentIds").iter().map(|id| self.deployment_resource(id)).collect()
            }
            (Service::CodeDeploy, _) => vec![self.deployment_resource(text(input, "deploymentId"))],
            (Service::Ecs, "DescribeTaskSets") => {
                let path = format!("task-set/{}/{}/*", text(input, "cluster"), text(input, "service"));
                vec![arn("ecs", &path)]
            }
            (Service::Ecs, "DescribeServices" | "UpdateService" | "ListServiceDeployments") => {
                let cluster = text(input, "cluster");
                let mut services = texts(input, "services");
                services.extend(input.get("service").and_then(Value::as_str).map(str::to_owned));
                services.iter().map(|service| arn("ecs", &format!("service/{cluster}/{service}"))).collect()
            }
            (Service::Ecs, "DescribeServiceRevisions") => texts(input, "serviceRevisionArns"),
            (Service::Ecs, "DescribeTasks") => {
                let cluster = text(input, "cluster");
                let full = |task: String| {
                    if task.starts_with("arn:") { task } else { arn("ecs", &format!("task/{cluster}/{task}")) }
                };
                texts(input, "tasks").into_iter().map(full).collect()
            }
            (Service::Lambda, _) => {
                let name = text(input, "FunctionName");
                let full = World::lambda_arn(name);
                match text(input, "Qualifier") {
                    "" => vec![full],
                    qualifier => vec![format!("{full}:{qualifier}")],
                }
            }
            // "To use this operation and return information about composite alarms, you must be signed on with the cloudwatch:DescribeAlarms
            // permission that is scoped to `*`" (CloudWatch API reference). AWS then leaves them out; to refuse is what nobody overlooks.
            (Service::CloudWatch, "DescribeAlarms")
                if texts(input, "AlarmTypes").iter().any(|kind| kind == "CompositeAlarm") =>
            {
                everything()
            }
            // Whatever names the request carries, all alarms are asked for: AWS's refusals name `alarm:*`.
            (Service::CloudWatch, "DescribeAlarms") => vec![arn("cloudwatch", "alarm:*")],
            (Service::CloudWatch, "ListTagsForResource") => vec![text(input, "ResourceARN").to_owned()],
            (Service::EventBridge, "PutEvents") => vec![arn("events", "event-bus/default")],
            (Service::DynamoDb, _) => {
                let table = text(input, "TableName");
                vec![if table.starts_with("arn:") {
                    table.to_owned()
                } else {
                    arn("dynamodb", &format!("table/{table}"))
                }]
            }
            (Service::SecretsManager, _) => {
                let id = text(input, "SecretId");
                let known = self.secrets.get(id).and_then(|secret| secret.get("arn")).and_then(Value::as_str);
                vec![known.map_or_else(
                    || {
                        if id.starts_with("arn:") {
                            id.to_owned()
                        } else {
                            arn("secretsmanager", &format!("secret:{id}"))
                        }
                    },
                    str::to_owned,
                )]
            }
            // ListTasks, DescribeTaskDefinition, all of Elastic Load Balancing's Describe calls, PutMetricData,
            // GetMetricData and GetMetricStatistics know no resources.
            _ => everything(),
        }
    }

    fn deployment_resource(&self, id: &str) -> String {
        match self.deployment(id) {
            Some(record) => {
                let group = &record.group;
                arn("codedeploy", &format!("deploymentgroup:{}/{}", group.application, group.deployment_group))
            }
            // Of a deployment that does not exist, any of the account's groups will do: the answer says that it does not exist.
            None => self.land.services.values().next().map_or_else(
                || arn("codedeploy", "deploymentgroup:*"),
                |service| {
                    let group = &service.group;
                    arn("codedeploy", &format!("deploymentgroup:{}/{}", group.application, group.deployment_group))
                },
            ),
        }
    }
}
