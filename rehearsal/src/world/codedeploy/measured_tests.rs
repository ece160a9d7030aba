//! What those who count deployments read in CodeDeploy's record and in ECS's: ended deployments of one group, their lifecycle events, the
//! termination wait, the link to the rollback, the tags of a task definition.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::scenario::Scenario;
use crate::template::Template;
use crate::world::World;

const CONFIG: &str = "version: 1
services:
  - { name: shop, codedeploy: { application: a, deployment_group: shop } }
  - { name: fast, codedeploy: { application: a, deployment_group: fast } }
";
/// The function that counts, and the table in which it remembers what it has counted.
const TEMPLATE: &str = "
Transform: AWS::Serverless-2016-10-31
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: greenlight
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      BillingMode: PAY_PER_REQUEST
  Counter:
    Type: AWS::Serverless::Function
    Metadata: { BuildMethod: rust-cargolambda, BuildProperties: { Binary: deployment-metrics } }
    Properties:
      FunctionName: counter
      Handler: bootstrap
      Runtime: provided.al2023
      CodeUri: ./
      Environment: { Variables: { TABLE_NAME: !Ref Table } }
";

fn world(keys: &str) -> World {
    let scenario = Scenario::parse("x.yaml", &format!("name: x\ntitle: t\nexpect: []\n{keys}\n")).unwrap();
    let template = Template::read(TEMPLATE, &BTreeMap::new()).unwrap();
    let config = domain::config::load("greenlight.yaml", CONFIG).unwrap();
    scenario.check(&template, &config).unwrap();
    World::new(Arc::new(template), config, scenario)
}

fn pass(world: &mut World, seconds: u64) {
    world.advance_to(world.now().plus(Duration::from_secs(seconds)));
}

fn ask(world: &mut World, operation: &str, input: &Value) -> Value {
    world.codedeploy(operation, input, "deployment-metrics").unwrap()
}

/// The ids of a group's ended deployments that were created in the last so many hours, the newest first.
fn ended(world: &mut World, group: &str, hours: f64) -> Vec<String> {
    let input = json!({
        "applicationName": "a", "deploymentGroupName": group, "includeOnlyStatuses": ["Succeeded", "Failed", "Stopped"],
        "createTimeRange": { "start": world.now().seconds() - hours * 3600.0 },
    });
    let answer = ask(world, "ListDeployments", &input);
    serde_json::from_value(answer["deployments"].clone()).unwrap()
}

/// Name, status, and begin and end in seconds since the deployment's creation.
fn events(world: &mut World, id: &str) -> Vec<(String, String, Option<i64>, Option<i64>)> {
    let info = ask(world, "GetDeployment", &json!({ "deploymentId": id }))["deploymentInfo"].clone();
    let created = info["createTime"].as_f64().unwrap();
    let targets = ask(world, "ListDeploymentTargets", &json!({ "deploymentId": id }))["targetIds"].clone();
    let input = json!({ "deploymentId": id, "targetIds": targets });
    let answer = ask(world, "BatchGetDeploymentTargets", &input);
    let target = &answer["deploymentTargets"][0];
    let target = target.get("ecsTarget").or_else(|| target.get("lambdaTarget")).unwrap();
    let since = |event: &Value, key: &str| event.get(key).map(|at| (at.as_f64().unwrap() - created).round() as i64);
    let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    let all = target["lifecycleEvents"].as_array().unwrap().iter();
    all.map(|event| {
        let (from, to) = (since(event, "startTime"), since(event, "endTime"));
        (text(event, "lifecycleEventName"), text(event, "status"), from, to)
    })
    .collect()
}

#[test]
fn what_ended_before_the_start_has_the_course_that_its_ending_implies() {
    let mut world = world(
        "deployments: [{ service: shop, at: 10h, hooks: {} }, { service: fast, at: 10h, platform: Lambda }]
history:
  - { service: shop, ended: 5h, version: 38, took: 20m, termination_wait: 5m, description: commit_time=1767500000 }
  - { service: shop, ended: 3h, version: 39, status: Failed }
  - { service: fast, ended: 2h, status: Stopped }",
    );
    let ids = ended(&mut world, "shop", 24.0);
    assert_eq!(ids.len(), 2, "the group's own, and only what was created since");
    let batch = ask(&mut world, "BatchGetDeployments", &json!({ "deploymentIds": ids }));
    let good = &batch["deploymentsInfo"][1];
    assert_eq!(good["description"], "commit_time=1767500000");
    let wait = "/blueGreenDeploymentConfiguration/terminateBlueInstancesOnDeploymentSuccess";
    assert_eq!(good.pointer(wait).unwrap(), &json!({ "action": "TERMINATE", "terminationWaitTimeInMinutes": 5 }));
    let seconds = |key: &str| good[key].as_f64().unwrap() as i64;
    assert_eq!(seconds("completeTime") - seconds("createTime"), 1200);

    // All went well; the traffic was there when the last event ended, five minutes before the deployment did.
    let course = events(&mut world, &ids[1]);
    assert!(course.iter().all(|(_, status, from, to)| status == "Succeeded" && from < to), "{course:?}");
    assert!(course.windows(2).all(|two| two[0].3 <= two[1].2), "{course:?}");
    assert_eq!((course[0].2, course[7].0.as_str(), course[7].3), (Some(2), "AfterAllowTraffic", Some(900)));
    // A hook failed: what came before it succeeded, what would have come after it never began.
    let course = events(&mut world, &ids[0]);
    let failed = course.iter().position(|(name, ..)| name == "BeforeAllowTraffic").unwrap();
    assert!(course[..failed].iter().all(|(_, status, _, to)| status == "Succeeded" && to.is_some()), "{course:?}");
    assert_eq!((course[failed].1.as_str(), course[failed].3), ("Failed", Some(480)));
    assert!(
        course[failed + 1..].iter().all(|(_, status, from, to)| status == "Skipped" && (*from, *to) == (None, None))
    );
    // Stopped while the traffic moved, on Lambda; there is no task set that could be kept.
    let id = ended(&mut world, "fast", 24.0).remove(0);
    let statuses: Vec<String> = events(&mut world, &id).into_iter().map(|(_, status, ..)| status).collect();
    assert_eq!(statuses, ["Succeeded", "Failed", "Skipped"]);
    let info = ask(&mut world, "GetDeployment", &json!({ "deploymentId": id }))["deploymentInfo"].clone();
    assert!(info.get("blueGreenDeploymentConfiguration").is_none(), "{info}");
}

#[test]
fn the_table_remembers_what_was_counted_before_the_start() {
    let scenario = "deployments: [{ service: shop }]
history:
  - { service: shop, ended: 5h, version: 38 }
  - { service: shop, ended: 3h, version: 39, counted: false }";
    let new = world(&format!("just_installed: true\n{scenario}"));
    assert_eq!(new.tables.items("greenlight").len(), 0);
    let world = world(scenario);
    let (own, usual): (Vec<_>, Vec<_>) = world
        .engine
        .in_order()
        .map(|record| (record.group.deployment_group.as_str(), record.id.as_str()))
        .partition(|one| one.0 == "shop");
    let known: Vec<&str> =
        world.tables.items("greenlight").iter().map(|item| item["pk"]["S"].as_str().unwrap()).collect();
    let mut expected = [own[0].1, usual[0].1].map(|id| format!("metrics/{id}")).to_vec();
    // It was there before, and missed one.
    expected.push("metrics/since/a/shop".to_owned());
    expected.sort();
    assert_eq!(known, expected);
}

#[test]
fn a_rollback_is_linked_as_late_as_the_scenario_says() {
    let mut world = world(
        "deployments: [{ service: shop, at: 0s, hooks: {}, stopped_by_person_after: 3m, rollback_linked_after: 10s }]",
    );
    pass(&mut world, 185);
    let ids = ended(&mut world, "shop", 1.0);
    let linked = |world: &mut World| {
        let info = ask(world, "GetDeployment", &json!({ "deploymentId": ids[0] }))["deploymentInfo"].clone();
        info.pointer("/rollbackInfo/rollbackDeploymentId").is_some()
    };
    // Stopped two seconds after it was asked for.
    assert!(ids.len() == 1 && !linked(&mut world), "{ids:?}");
    pass(&mut world, 6);
    assert!(!linked(&mut world), "nine seconds after its end");
    pass(&mut world, 2);
    assert!(linked(&mut world));
    let course = events(&mut world, &ids[0]);
    let shift = course.iter().position(|(name, ..)| name == "AllowTraffic").unwrap();
    assert_eq!((course[shift].1.as_str(), course[shift].3), ("Failed", Some(182)), "{course:?}");
    assert_eq!(course[shift + 1], ("AfterAllowTraffic".to_owned(), "Skipped".to_owned(), None, None));
}

#[test]
fn a_task_definition_has_its_tags_for_who_asks_for_them() {
    let world = {
        let mut world = world(
            "deployments: [{ service: shop, at: 0s, hooks: {}, description: git_sha=abc, task_definition_tags: { team: till } }]",
        );
        pass(&mut world, 1);
        world
    };
    let describe = |include: Value| {
        world.ecs("DescribeTaskDefinition", &json!({ "taskDefinition": "shop:42", "include": include })).unwrap()
    };
    assert!(describe(json!([])).get("tags").is_none());
    let tags = json!([{ "key": "git_sha", "value": "abc" }, { "key": "team", "value": "till" }]);
    assert_eq!(describe(json!(["TAGS"]))["tags"], tags);
}
