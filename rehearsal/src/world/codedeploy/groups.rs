//! Deployment groups and applications, the scenario's and other teams', in CodeDeploy's API. Knows nothing of deployments but that a group's
//! alarms come with them.

use domain::deployment::GroupName;
use serde_json::{Value, json};

use super::shape::{load_balancer_info, platform_word};
use super::{PAGE, at_most, exception, page_of};
use crate::protocol::AwsError;
use crate::world::World;
use crate::world::aws::{text, texts};
use crate::world::landscape::Guarded;
use crate::world::metrics::more_group_alarms;

fn required(input: &Value, key: &str, code: &'static str) -> Result<String, AwsError> {
    match text(input, key) {
        "" => Err(exception(code, &format!("{key} is required"))),
        value => Ok(value.to_owned()),
    }
}

impl World {
    /// The applications of the account, in order.
    pub(super) fn applications(&self) -> Vec<String> {
        let mut own: Vec<String> =
            self.land.services.values().map(|service| service.group.application.clone()).collect();
        own.extend(self.neighbours.applications());
        own.sort();
        own.dedup();
        own
    }

    /// The application that a request names, which has to exist.
    pub(super) fn application(&self, input: &Value) -> Result<String, AwsError> {
        let application = required(input, "applicationName", "ApplicationNameRequiredException")?;
        let own = self.land.services.values().any(|service| service.group.application == application);
        if own || self.neighbours.has_application(&application) {
            return Ok(application);
        }
        Err(exception("ApplicationDoesNotExistException", &format!("No application found for name: {application}")))
    }

    /// The group that a request names, whether there is one or not.
    pub(super) fn group(&self, input: &Value) -> Result<GroupName, AwsError> {
        let application = self.application(input)?;
        let deployment_group = required(input, "deploymentGroupName", "DeploymentGroupNameRequiredException")?;
        Ok(GroupName { application, deployment_group })
    }

    /// The alarms on a service's group: a scenario gives them with each deployment, so they are those of the newest, or of the first that is
    /// to come.
    pub(crate) fn alarms_of_group(&self, service: &Guarded) -> Vec<String> {
        let planned = |record: &&crate::world::DeploymentRecord| {
            record.group == service.group && record.plan.is_some() && record.rolls_back.is_none()
        };
        if let Some(newest) = self.engine.in_order().rev().find(planned) {
            return newest.group_alarms.clone();
        }
        let first = self.scenario.deployments.iter().find(|plan| plan.service == service.name);
        first.map_or_else(Vec::new, |plan| [plan.group_alarms.clone(), more_group_alarms(plan)].concat())
    }

    pub(super) fn group_info(&self, group: &GroupName) -> Option<Value> {
        let Some(service) = self.land.by_group(group) else { return self.neighbours.group_info(group) };
        let alarms: Vec<Value> = self.alarms_of_group(service).iter().map(|name| json!({ "name": name })).collect();
        Some(json!({
            "applicationName": group.application, "deploymentGroupName": group.deployment_group,
            "computePlatform": platform_word(service.platform),
            "loadBalancerInfo": load_balancer_info(service, true),
            "alarmConfiguration": { "enabled": !alarms.is_empty(), "ignorePollAlarmFailure": false, "alarms": alarms },
        }))
    }

    pub(super) fn get_deployment_group(&self, input: &Value) -> Result<Value, AwsError> {
        let group = self.group(input)?;
        let info = self.group_info(&group).ok_or_else(|| no_group(&group))?;
        Ok(json!({ "deploymentGroupInfo": info }))
    }

    pub(super) fn batch_get_deployment_groups(&self, input: &Value) -> Result<Value, AwsError> {
        let application = self.application(input)?;
        let names = texts(input, "deploymentGroupNames");
        if names.is_empty() {
            return Err(exception("DeploymentGroupNameRequiredException", "deploymentGroupNames is required"));
        }
        at_most(PAGE, "deploymentGroupNames", names.len())?;
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for deployment_group in names {
            let group = GroupName { application: application.clone(), deployment_group };
            match self.group_info(&group) {
                Some(info) => found.push(info),
                None => missing.push(group.deployment_group),
            }
        }
        let mut answer = json!({ "deploymentGroupsInfo": found });
        if let (false, Some(map)) = (missing.is_empty(), answer.as_object_mut()) {
            let message = format!("The following deployment groups could not be found: {}", missing.join(", "));
            map.insert("errorMessage".to_owned(), json!(message));
        }
        Ok(answer)
    }

    pub(super) fn list_deployment_groups(&self, input: &Value) -> Result<Value, AwsError> {
        let application = self.application(input)?;
        let own = self.land.services.values().filter(|service| service.group.application == application);
        let mut names: Vec<String> = own.map(|service| service.group.deployment_group.clone()).collect();
        names.extend(self.neighbours.groups_of(&application));
        names.sort();
        let mut answer = page_of(input, "deploymentGroups", &names)?;
        if let Some(map) = answer.as_object_mut() {
            map.insert("applicationName".to_owned(), json!(application));
        }
        Ok(answer)
    }
}

pub(super) fn no_group(group: &GroupName) -> AwsError {
    exception("DeploymentGroupDoesNotExistException", &format!("No deployment group found for {group}"))
}
