//! When the scenario's plans begin: one after another, or at a time of their own. Knows nothing of what becomes of them.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::timeline::{Tone, Who};
use crate::world::{Happening, World};

/// How long after the one before it a plan begins that does not say when.
const USUAL_PAUSE: Duration = Duration::from_mins(1);

/// How far the scenario's plans have come.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    /// Those whose time is set.
    timed: BTreeSet<usize>,
    /// Those that have begun, or were refused.
    begun: BTreeSet<usize>,
}

impl World {
    /// Sets the time of every plan that has one from the start.
    pub(crate) fn set_up_plans(&mut self) {
        let at: Vec<(usize, Duration)> = self
            .scenario
            .deployments
            .iter()
            .enumerate()
            .filter_map(|(index, plan)| Some((index, plan.at?.0)))
            .collect();
        for (index, at) in at {
            self.plans.timed.insert(index);
            self.schedule(at, Happening::Plan(index));
        }
        self.plan_next();
    }

    pub(crate) fn begin_plan(&mut self, index: usize) {
        let Some(plan) = self.scenario.deployments.get(index).cloned() else { return };
        self.plans.begun.insert(index);
        if let Err(message) = self.create(&plan, Some(index), None) {
            self.tell(Who::CodeDeploy, Tone::Bad, format!("refuses the deployment: {message}"));
            self.plan_next();
        }
    }

    /// Sets the time of every plan that waited for the one before it.
    pub(crate) fn plan_next(&mut self) {
        let due: Vec<(usize, Duration)> = self
            .scenario
            .deployments
            .iter()
            .enumerate()
            .filter(|(index, _)| !self.plans.timed.contains(index))
            .filter(|(index, _)| index.checked_sub(1).is_none_or(|before| self.has_ended(before)))
            .map(|(index, plan)| (index, plan.after.map_or(USUAL_PAUSE, |after| after.0)))
            .collect();
        for (index, after) in due {
            self.plans.timed.insert(index);
            self.schedule(after, Happening::Plan(index));
        }
    }

    /// Whether a plan's deployment and its rollback have ended, or never came to be.
    fn has_ended(&self, plan: usize) -> bool {
        self.plans.begun.contains(&plan)
            && self
                .engine
                .in_order()
                .filter(|record| record.plan == Some(plan))
                .all(|record| record.status.is_terminal())
    }

    /// How long the world goes on after the last planned deployment has ended.
    pub(crate) fn goes_on(&self) -> std::time::Duration {
        self.scenario.goes_on.0
    }

    /// Whether every plan has had its turn, and the time is over for which the world goes on after the last of their deployments.
    pub(crate) fn plans_have_ended(&self) -> bool {
        let last =
            self.engine.in_order().filter(|record| record.plan.is_some()).filter_map(|record| record.completed).max();
        let goes_on = self.goes_on();
        self.plans.begun.len() >= self.scenario.deployments.len()
            && last.is_none_or(|last| self.now >= last.plus(goes_on))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use domain::time::Timestamp;

    use super::*;
    use crate::scenario::Scenario;
    use crate::template::Template;

    const CONFIG: &str = "version: 1
services:
  - { name: shop, environment: production, codedeploy: { application: a, deployment_group: shop } }
  - { name: till, environment: staging, codedeploy: { application: a, deployment_group: till } }
";

    /// What the deployments of a scenario came to: service, when created and when ended (in seconds since the start), how.
    fn course(deployments: &str) -> Vec<String> {
        let text = format!("name: x\ntitle: t\nexpect: []\ndeployments: {deployments}\n");
        let scenario = Scenario::parse("x.yaml", &text).unwrap();
        let template = Template::read("Transform: AWS::Serverless-2016-10-31\nResources: {}\n", &BTreeMap::new());
        let config = domain::config::load("greenlight.yaml", CONFIG).unwrap();
        let mut world = World::new(Arc::new(template.unwrap()), config, scenario);
        while !world.is_over() {
            assert!(world.step());
        }
        let since = |at: Timestamp| at.since(world.started).as_secs();
        let told = world.timeline.iter().filter(|entry| entry.what.starts_with("refuses"));
        let mut course: Vec<String> = told.map(|entry| format!("{} {}", since(entry.at), entry.what)).collect();
        course.extend(world.record().deployments().map(|one| {
            let ended = one.completed.map(since).unwrap_or_default();
            format!("{} {}-{ended} {}", one.service, since(one.created), one.status.as_str())
        }));
        course
    }

    /// Without hooks, all at once, and without a termination wait.
    fn plan(service: &str, more: &str) -> String {
        format!(
            "{{ service: {service}, hooks: {{}}, configuration: CodeDeployDefault.ECSAllAtOnce, termination_wait: 0s{more} }}"
        )
    }

    #[test]
    fn plans_follow_each_other_or_run_at_times_of_their_own() {
        let one_after_another = course(&format!("[{}, {}]", plan("shop", ""), plan("till", ", after: 10s")));
        let [first, second] = one_after_another.as_slice() else { panic!("{one_after_another:?}") };
        let ended: u64 = first.strip_prefix("shop 60-").unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(second.starts_with(&format!("till {}-", ended + 10)), "{one_after_another:?}");

        let side_by_side = course(&format!("[{}, {}]", plan("shop", ""), plan("till", ", at: 90s")));
        assert!(side_by_side[1].starts_with("till 90-") && ended > 90, "{side_by_side:?}");
        assert!(side_by_side.iter().all(|one| one.ends_with("Succeeded")), "{side_by_side:?}");
    }

    #[test]
    fn two_at_once_in_one_group_are_refused_and_what_waits_goes_on() {
        let plans = format!("[{}, {}, {}]", plan("shop", ""), plan("shop", ", at: 90s"), plan("till", ", after: 0s"));
        let course = course(&plans);
        let [refused, shop, till] = course.as_slice() else { panic!("{course:?}") };
        assert!(
            refused.starts_with("90 refuses the deployment: the deployment group `a/shop` has an active"),
            "{refused}"
        );
        assert!(shop.starts_with("shop 60-") && till.starts_with("till 90-"), "{course:?}");
    }
}
