//! What a run left behind, for expectations and reports. Knows nothing of how it came about.

use std::collections::BTreeMap;

use domain::deployment::GroupName;
use serde_json::Value;

use super::{Change, DeploymentRecord, Page, Published, SlackMessage, World};
use crate::timeline::{CallRecord, Entry, VerdictRecord};

/// What a run left behind, for expectations and reports.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    pub(super) world: &'a World,
}

impl<'a> Record<'a> {
    /// The timeline.
    pub fn timeline(self) -> &'a [Entry] {
        &self.world.timeline
    }
    /// Every AWS call of the functions.
    pub fn calls(self) -> &'a [CallRecord] {
        &self.world.calls
    }
    /// Every verdict that reached CodeDeploy.
    pub fn verdicts(self) -> Vec<VerdictRecord> {
        let mut verdicts = self.world.verdicts.clone();
        for verdict in &mut verdicts {
            verdict.published = self
                .world
                .notices
                .iter()
                .find(|notice| {
                    let text = |pointer: &str| notice.pointer(pointer).and_then(Value::as_str);
                    text("/detail-type") == Some("Hook Verdict")
                        && text("/detail/deployment_id") == Some(&verdict.deployment)
                        && text("/detail/hook") == Some(&verdict.hook)
                })
                .and_then(|notice| notice.get("detail").cloned());
        }
        verdicts
    }
    /// Greenlight's own events.
    pub fn notices(self) -> &'a [Value] {
        &self.world.notices
    }
    /// The messages in Slack, in order.
    pub fn slack(self) -> &'a [SlackMessage] {
        self.world.vendors.messages()
    }
    /// The events at PagerDuty.
    pub fn pages(self) -> &'a [Page] {
        self.world.vendors.pages()
    }
    /// The change events at PagerDuty.
    pub fn changes(self) -> &'a [Change] {
        self.world.vendors.changes()
    }
    /// What ended in dead-letter queues.
    pub fn dead_letters(self) -> &'a [(String, Value)] {
        &self.world.dead_letters
    }
    /// How many faults the scenario has, and those of them that never struck.
    pub fn faults(self) -> (usize, Vec<String>) {
        let faults = &self.world.faults;
        (faults.len(), faults.iter().filter(|planned| !planned.struck).map(super::faults::Planned::spoken).collect())
    }
    /// The deployments of the scenario, in order of their creation.
    pub fn deployments(self) -> impl DoubleEndedIterator<Item = &'a DeploymentRecord> {
        self.world.engine.in_order().filter(|record| !record.is_past)
    }
    /// The number of the version that has all production traffic of a service; none when two share it.
    pub fn serving(self, service: &str) -> Option<u32> {
        let versions = &self.world.land.services.get(service)?.versions;
        versions.iter().find(|version| version.weight >= 100.0).map(|version| version.number)
    }
    /// Whether all production traffic of a deployment's service is on its new version (`true`) or on the old one (`false`).
    pub fn production_is_green(self, deployment: &str) -> Option<bool> {
        self.world.production_is_green(deployment)
    }
    /// Every failed attempt at an invocation: the function's binary and the kind of error.
    pub fn failures(self) -> &'a [(String, String)] {
        &self.world.failures
    }
    /// A statistic of what the fleet published of a metric under exactly these dimensions, read back through `GetMetricData`; `None` when
    /// nothing was published.
    ///
    /// # Errors
    /// With the reason, when CloudWatch does not know the statistic.
    pub fn metric(
        self,
        name: &str,
        dimensions: &BTreeMap<String, String>,
        statistic: &str,
    ) -> Result<Option<f64>, String> {
        self.world.read_back(name, dimensions, statistic)
    }
    /// The state of an alarm, by CloudWatch's own word; `None` when there is no such alarm.
    pub fn alarm_state(self, name: &str) -> Option<&'static str> {
        self.world.cloudwatch.alarm_state(name).map(crate::services::cloudwatch::AlarmState::as_str)
    }
    /// The group and the environment of a service of the configuration, as the dimensions of its metrics name them.
    pub fn group_and_environment(self, service: &str) -> Option<(GroupName, String)> {
        let service = self.world.config.services.iter().find(|one| one.name == service)?;
        Some((service.codedeploy.clone()?, service.environment.clone()))
    }
    /// Every published value: name, dimensions, value, time.
    pub fn metrics(self) -> &'a [Published] {
        self.world.samples.published()
    }
    /// The actions (`service:Operation` of which function) that were allowed by a policy.
    pub fn used_actions(self) -> &'a std::collections::BTreeSet<(String, String)> {
        &self.world.used
    }
}
