//! What other teams have in the account: applications, deployment groups by the thousand, and deployments that nobody in the scenario looks
//! after. Groups are made up when they are asked for; only deployments are kept. Knows nothing of the API.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use domain::deployment::{GroupName, Platform, Status};
use domain::time::Timestamp;
use serde_json::{Value, json};

use super::engine::{Record, deployment_id};
use crate::scenario::{Account, AppSpecForm};

/// The numbers of their deployments begin here, so that no id is one of the scenario's.
const FIRST: usize = 1_000_000;
/// What is between the creations of deployments that have ended.
const BETWEEN: Duration = Duration::from_mins(11);

/// Everything that other teams have.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    groups: u32,
    applications: u32,
    deployments: Vec<Record>,
    by_id: HashMap<String, usize>,
}

fn application(number: u32) -> String {
    format!("team-{number:03}")
}

impl Neighbours {
    pub(crate) fn new(account: Option<Account>, now: Timestamp) -> Self {
        let Some(account) = account else { return Self::default() };
        let mut neighbours =
            Self { groups: account.deployment_groups, applications: account.applications, ..Self::default() };
        for number in 0..account.in_flight + account.ended {
            let ended = number.checked_sub(account.in_flight);
            // Those in flight are spread over all groups.
            let step = (account.deployment_groups / account.in_flight.max(1)).max(1);
            let group = neighbours.group(number.wrapping_mul(step) % account.deployment_groups.max(1));
            let created = match ended {
                None => now.minus(Duration::from_mins(2) + Duration::from_secs(u64::from(number))),
                Some(ended) => now.minus(Duration::from_hours(2) + BETWEEN * ended),
            };
            neighbours.add(group, created, ended.is_some(), number);
        }
        neighbours
    }

    fn add(&mut self, group: GroupName, created: Timestamp, has_ended: bool, number: u32) {
        let status = match (has_ended, number % 10) {
            (false, _) => Status::InProgress,
            (true, 3) => Status::Failed,
            (true, 7) => Status::Stopped,
            (true, _) => Status::Succeeded,
        };
        let id = deployment_id(FIRST + number as usize);
        self.by_id.insert(id.clone(), self.deployments.len());
        self.deployments.push(Record {
            id,
            plan: None,
            service: group.deployment_group.clone(),
            group,
            platform: Platform::Ecs,
            configuration: "CodeDeployDefault.ECSLinear10PercentEvery3Minutes".to_owned(),
            description: "another team".to_owned(),
            creator: "user",
            status,
            created,
            completed: has_ended.then(|| created.plus(Duration::from_mins(9))),
            error: None,
            rolled_back_by: None,
            rolls_back: None,
            events: Vec::new(),
            peak_weight: 0.0,
            waiting_since: None,
            hooks: BTreeMap::new(),
            new: 0,
            old: 0,
            execution: None,
            stopping: false,
            test_listener: false,
            auto_rollback: true,
            group_alarms: Vec::new(),
            termination_wait: Duration::ZERO,
            first: false,
            app_spec: AppSpecForm::S3,
            reroute: Duration::ZERO,
            rollback_fails: false,
            rollback_linked_after: Duration::ZERO,
            is_past: has_ended,
            given_spec: None,
            is_string: false,
            brings_back: false,
            override_alarms: None,
            fails: None,
        });
    }

    fn group(&self, number: u32) -> GroupName {
        let deployment_group = format!("service-{number:05}");
        GroupName { application: application(number % self.applications.max(1)), deployment_group }
    }

    pub(crate) fn deployments(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.deployments.iter()
    }

    pub(crate) fn deployment(&self, id: &str) -> Option<&Record> {
        self.deployments.get(*self.by_id.get(id)?)
    }

    pub(crate) fn applications(&self) -> impl Iterator<Item = String> {
        (0..self.applications).map(application)
    }

    pub(crate) fn has_application(&self, name: &str) -> bool {
        let number = name.strip_prefix("team-").and_then(|number| number.parse::<u32>().ok());
        number.is_some_and(|number| number < self.applications && application(number) == name)
    }

    /// The names of an application's groups.
    pub(crate) fn groups_of(&self, name: &str) -> impl Iterator<Item = String> {
        let first = name.strip_prefix("team-").and_then(|number| number.parse::<u32>().ok());
        let first = first.filter(|_| self.has_application(name)).unwrap_or(self.groups);
        let step = self.applications.max(1) as usize;
        (first..self.groups).step_by(step).map(|number| self.group(number).deployment_group)
    }

    fn has_group(&self, group: &GroupName) -> bool {
        let number = group.deployment_group.strip_prefix("service-").and_then(|number| number.parse::<u32>().ok());
        number.is_some_and(|number| number < self.groups && self.group(number) == *group)
    }

    /// A group as CodeDeploy's API tells it, with an alarm of its own.
    pub(crate) fn group_info(&self, group: &GroupName) -> Option<Value> {
        self.has_group(group).then(|| {
            json!({
                "applicationName": group.application, "deploymentGroupName": group.deployment_group,
                "computePlatform": "ECS",
                "alarmConfiguration": {
                    "enabled": true, "ignorePollAlarmFailure": false,
                    "alarms": [{ "name": format!("{}-errors", group.deployment_group) }],
                },
            })
        })
    }
}
