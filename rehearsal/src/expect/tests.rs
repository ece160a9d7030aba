//! Expectations over worlds in which nothing has happened but what is written here.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::time::Timestamp;
use serde_json::{Value, json};

use super::{Held, hold};
use crate::protocol::{Call, Service};
use crate::scenario::Scenario;
use crate::template::Template;
use crate::timeline::CallRecord;
use crate::world::World;

const CONFIG: &str = "version: 1
services:
  - { name: shop, codedeploy: { application: a, deployment_group: shop } }
  - { name: till, codedeploy: { application: a, deployment_group: till } }
";

/// Plays a scenario without any function to its end, lets something be added to what it left behind, and holds one expectation against it.
fn held(deployments: &str, expectation: &str, add: impl FnOnce(&mut World)) -> Held {
    let text = format!("name: x\ntitle: t\ndeployments: {deployments}\nexpect: [{expectation}]\n");
    let scenario = Scenario::parse("x.yaml", &text).unwrap();
    let template = Template::read("Transform: AWS::Serverless-2016-10-31\nResources: {}\n", &BTreeMap::new());
    let config = domain::config::load("greenlight.yaml", CONFIG).unwrap();
    let mut world = World::new(Arc::new(template.unwrap()), config, scenario.clone());
    while !world.is_over() {
        assert!(world.step());
    }
    add(&mut world);
    hold(&scenario, world.record()).remove(0)
}

#[track_caller]
fn check(deployments: &str, expectation: &str, met: bool, seen: &str) {
    let held = held(deployments, expectation, |_| {});
    assert!(held.met == met && held.seen.contains(seen), "{expectation}: {held:?}");
}

const WITHOUT_HOOKS: &str = "hooks: {}, configuration: CodeDeployDefault.ECSAllAtOnce, termination_wait: 0s";

#[test]
fn of_several_deployments_each_is_found_by_its_service_or_its_number() {
    // The second stays on the old version, since a person stops it.
    let two = format!(
        "[{{ service: shop, {WITHOUT_HOOKS} }}, {{ service: till, at: 90s, hooks: {{}}, stopped_by_person_after: 3m }}]"
    );
    check(&two, "production: blue", true, "blue");
    check(&two, "production: { service: shop, colour: green }", true, "green");
    check(&two, "production: { service: shop, version: 42 }", true, "version 42");
    check(&two, "production: { nth: 2, colour: blue, version: 141 }", true, "version 141");
    check(&two, "production: { service: shop, colour: blue }", false, "green");
    check(&two, "peak_traffic: { at_most: 10 }", true, "10 %");
    check(&two, "peak_traffic: { at_most: 10, service: shop }", false, "100 %");
    check(&two, "deployment: { nth: 2, status: Stopped, rollback: Succeeded }", true, "Stopped");
}

#[test]
fn the_return_of_traffic_is_counted_from_the_alarm_of_its_own_deployment() {
    // The till's alarm is long past when the shop's deployment begins.
    let plans = "[{ service: till, hooks: {}, group_alarms: [till-red] }, { service: shop, at: 40m, hooks: {}, group_alarms: [shop-red] }]
alarms: [{ at: 5m, name: till-red }, { at: 45m, name: shop-red }]";
    // CodeDeploy looks at the alarms every 15 s, takes two for the stop and some for the way back.
    check(plans, "restored_within: 30s", true, "after 2");
    check(plans, "restored_within: { within: 30s, service: till, alarm: till-red }", true, "after 2");
    check(plans, "restored_within: 5s", false, "after 2");
    check(plans, "restored_within: { within: 30s, service: shop, alarm: till-red }", false, "never came back");
}

#[test]
fn a_rollback_may_take_its_time_or_fail() {
    let slow = "[{ service: shop, hooks: {}, stopped_by_person_after: 3m, rollback_takes: 5m }]";
    check(slow, "deployment: { nth: 1, status: Stopped, rollback: Succeeded }", true, "Succeeded");
    check(slow, "ended_within: 4m", true, "3 min");
    let stays = "[{ service: shop, hooks: {}, stopped_by_person_after: 3m, rollback_fails: true }]";
    check(stays, "deployment: { nth: 1, status: Stopped, rollback: Failed }", true, "Failed");
    // The canary's share stays where it was.
    check(stays, "production: blue", false, "neither");
}

#[test]
fn the_world_goes_on_for_as_long_as_it_is_told_to() {
    let text = "[{ service: shop, hooks: {}, configuration: CodeDeployDefault.ECSAllAtOnce, termination_wait: 0s }]\ngoes_on: 40m";
    held(text, "dead_letters: 0", |world| {
        let ended = world.record().deployments().filter_map(|one| one.completed).max().unwrap();
        let went_on = world.now().since(ended).as_secs();
        assert!((2400..2520).contains(&went_on), "{went_on}");
    });
}

fn call(function: &str, operation: &str, outcome: &str, attempt: &str, injected: bool) -> CallRecord {
    CallRecord {
        at: Timestamp(0),
        function: function.to_owned(),
        service: "codedeploy".to_owned(),
        operation: operation.to_owned(),
        outcome: outcome.to_owned(),
        injected,
        attempt: Some(attempt.to_owned()),
    }
}

const ONE: &str = "[{ service: shop, hooks: {}, configuration: CodeDeployDefault.ECSAllAtOnce }]";

#[test]
fn calls_are_counted_by_function_and_by_invocation() {
    let calls = |world: &mut World| {
        world.calls.extend([
            call("rollback", "StopDeployment", "lost", "1/1", false),
            call("rollback", "StopDeployment", "ok", "1/1", false),
            call("rollback", "GetDeployment", "ThrottlingException", "1/2", false),
            call("other", "StopDeployment", "ok", "2/1", false),
        ]);
        world.failures.push(("rollback".to_owned(), "Runtime.ExitError".to_owned()));
    };
    for (expectation, met) in [
        ("calls: { call: \"codedeploy:StopDeployment\", times: 2 }", true),
        ("calls: { call: \"codedeploy:StopDeployment\", times: 1, function: rollback }", true),
        ("calls: { call: \"codedeploy:StopDeployment\", at_most: 1 }", false),
        ("calls_per_invocation: { function: rollback, at_most: 2 }", true),
        ("calls_per_invocation: { function: rollback, at_most: 1 }", false),
        ("calls_per_invocation: { function: nobody, at_most: 9 }", false),
        ("errors: { function: rollback, times: 1 }", true),
        ("errors: { function: other, times: 1 }", false),
    ] {
        let held = held(ONE, expectation, calls);
        assert_eq!(held.met, met, "{expectation}: {held:?}");
    }
}

#[test]
fn a_refusal_on_purpose_is_not_one_of_the_policies() {
    for (injected, met) in [(true, true), (false, false)] {
        let text = format!("name: x\ntitle: t\ndeployments: {ONE}\nexpect: []\n");
        let scenario = Scenario::parse("x.yaml", &text).unwrap();
        let template = Template::read("Transform: AWS::Serverless-2016-10-31\nResources: {}\n", &BTreeMap::new());
        let config = domain::config::load("greenlight.yaml", CONFIG).unwrap();
        let mut world = World::new(Arc::new(template.unwrap()), config, scenario.clone());
        world.calls.push(call("rollback", "StopDeployment", "AccessDeniedException", "1/1", injected));
        let held = hold(&scenario, world.record());
        let policies = held.last().unwrap();
        assert!(policies.what.contains("policies") && policies.met == met, "{policies:?}");
    }
}

/// A `PutMetricData` of the fleet.
fn publish(world: &mut World, data: &Value) {
    let input = json!({ "Namespace": "Greenlight", "MetricData": data });
    let call = Call { service: Service::CloudWatch, operation: "PutMetricData".to_owned(), input, access_key: None };
    world.dispatch(&call, "deployment-metrics").unwrap();
}

#[test]
fn metrics_are_read_back_by_their_dimensions() {
    let points = |world: &mut World| {
        let dimension = |name: &str, value: &str| json!({ "Name": name, "Value": value });
        let environment = dimension("Environment", "production");
        let group = json!([dimension("Application", "a"), dimension("DeploymentGroup", "till"), environment]);
        let at = world.now().minus(std::time::Duration::from_mins(5)).seconds();
        let datum = |dimensions: &Value, value: f64, at: f64| json!({ "MetricName": "DurationSeconds", "Dimensions": dimensions, "Value": value, "Timestamp": at });
        let data = json!([
            datum(&json!([]), 60.0, at),
            datum(&json!([]), 180.0, at + 180.0),
            datum(&group, 180.0, at),
            datum(&json!([environment]), 90.0, at),
        ]);
        publish(world, &data);
    };
    let plans =
        "[{ service: shop, hooks: {}, configuration: CodeDeployDefault.ECSAllAtOnce }, { service: till, hooks: {} }]";
    for (expectation, met) in [
        ("metric: { name: DurationSeconds, sum: 240 }", true),
        ("metric: { name: DurationSeconds, statistic: Maximum, value: 180 }", true),
        ("metric: { name: DurationSeconds, statistic: SampleCount, value: 2 }", true),
        ("metric: { name: DurationSeconds, statistic: p50, value: 60 }", true),
        ("metric: { name: DurationSeconds, statistic: Average, value: 119, give: 2 }", true),
        ("metric: { name: DurationSeconds, statistic: Average, value: 119 }", false),
        ("metric: { name: DurationSeconds, by: group, service: till, sum: 180 }", true),
        // The first one that is deployed is the shop, of which nothing was published.
        ("metric: { name: DurationSeconds, by: group, sum: 180 }", false),
        ("metric: { name: DurationSeconds, by: group, sum: 0 }", true),
        ("metric: { name: DurationSeconds, by: group, statistic: Maximum, value: 0 }", false),
        ("metric: { name: DurationSeconds, by: environment, sum: 90 }", true),
        ("metric: { name: DurationSeconds, dimensions: { Environment: production }, sum: 90 }", true),
        ("metric: { name: DurationSeconds, dimensions: { LifecycleEvent: x }, sum: 1 }", false),
        ("metric: { name: Nothing, sum: 0 }", true),
    ] {
        let held = held(plans, expectation, points);
        assert_eq!(held.met, met, "{expectation}: {held:?}");
    }
}

#[test]
fn an_alarm_is_in_its_last_state_in_the_end() {
    let plans = format!(
        "{ONE}\nalarms: [{{ at: 1m, name: red }}, {{ at: 2m, name: red, state: OK }}, {{ at: 3m, name: bad }}]"
    );
    check(&plans, "alarm: { name: red, state: OK }", true, "OK");
    check(&plans, "alarm: { name: bad, state: ALARM }", true, "ALARM");
    check(&plans, "alarm: { name: bad, state: INSUFFICIENT_DATA }", false, "ALARM");
}

fn notice(kind: &str, detail: &Value) -> Value {
    json!({ "source": "greenlight", "detail-type": kind, "detail": detail })
}

#[test]
fn decisions_and_returns_are_found_in_what_was_published() {
    let publish = |world: &mut World| {
        let decision = |decision: &str, alarm: &str, page: bool| {
            let detail = json!({ "decision": decision, "alarm": { "name": alarm }, "service": "shop", "page": page,
                "reason": "it says \"so\"" });
            notice("Rollback Decision", &detail)
        };
        world.notices.extend([
            decision("StopAndRollBack", "red", false),
            decision("Ignore", "red", false),
            decision("Ignore", "other", true),
            notice("Traffic Restored", &json!({ "service": "shop", "restored": false, "observed": "not yet" })),
            notice(
                "Traffic Restored",
                &json!({ "service": "shop", "restored": true, "observed": "all of it", "seconds_since_alarm": 84.5 }),
            ),
        ]);
    };
    for (expectation, met) in [
        ("decision: { decision: StopAndRollBack, service: shop, says: 'says \"so\"' }", true),
        ("decision: { decision: Ignore }", false),
        ("decision: { decision: Ignore, times: 2 }", true),
        ("decision: { decision: Ignore, alarm: other, page: true }", true),
        ("decision: { decision: Ignore, alarm: red, page: true }", false),
        ("decision: { decision: RedeployPrevious, times: 0 }", true),
        ("restored: { restored: true, within: 90s, service: shop }", true),
        ("restored: { restored: true, within: 1m }", false),
        ("restored: { restored: false, says: not yet }", true),
        ("restored: { restored: false, service: till }", false),
    ] {
        let held = held(ONE, expectation, publish);
        assert_eq!(held.met, met, "{expectation}: {held:?}");
    }
}
