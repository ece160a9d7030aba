//! A rolling deployment by the clock, and its way back.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::scenario::Scenario;
use crate::template::Template;

const CONFIG: &str = "version: 1
services:
  - { name: shop, ecs: { cluster: main, service: web } }
";

fn world(plan: &str) -> World {
    let text = format!("name: x\ntitle: t\nexpect: []\ndeployments: [{{ service: shop, after: 0s{plan} }}]\n");
    let scenario = Scenario::parse("x.yaml", &text).unwrap();
    let template = Template::read("Transform: AWS::Serverless-2016-10-31\nResources: {}\n", &BTreeMap::new());
    let config = domain::config::load("greenlight.yaml", CONFIG).unwrap();
    World::new(Arc::new(template.unwrap()), config, scenario)
}

/// Lets everything happen until so many seconds after the start.
fn run_to(world: &mut World, seconds: u64) {
    world.advance_to(world.started.plus(Duration::from_secs(seconds)));
}

/// `PRIMARY 42 1+1 IN_PROGRESS`: part, number, running and pending tasks, state.
fn shown(world: &World) -> Vec<String> {
    let service = world.rolling_description("main", "web").unwrap();
    let told = service["deployments"].as_array().unwrap().iter().map(|one| {
        let text = |key: &str| one[key].as_str().unwrap();
        let number = text("taskDefinition").rsplit(':').next().unwrap();
        format!("{} {number} {}+{} {}", text("status"), one["runningCount"], one["pendingCount"], text("rolloutState"))
    });
    told.collect()
}

fn share(world: &World) -> Vec<f64> {
    world.land.services["shop"].versions.iter().map(|version| version.weight.round()).collect()
}

const TO_41: &str = "shop:41";

fn go_back(world: &mut World) {
    let input = json!({ "cluster": "main", "service": "web", "taskDefinition": TO_41 });
    world.update_service(&input, "alarm-rollback").unwrap();
}

#[test]
fn tasks_are_replaced_one_by_one_and_the_traffic_with_them() {
    let mut world = world(", green: { tasks: { late: { tasks: 1, after: 3m } } }");
    run_to(&mut world, 1);
    assert_eq!(shown(&world), ["PRIMARY 42 0+2 IN_PROGRESS", "ACTIVE 41 2+0 COMPLETED"]);
    run_to(&mut world, 46);
    assert_eq!((shown(&world)[0].as_str(), share(&world)), ("PRIMARY 42 1+1 IN_PROGRESS", vec![50.0, 50.0]));
    assert_eq!(shown(&world)[1], "ACTIVE 41 1+0 COMPLETED", "one of the two is drained");
    run_to(&mut world, 226);
    assert_eq!((shown(&world)[1].as_str(), share(&world)), ("ACTIVE 41 0+0 COMPLETED", vec![0.0, 100.0]));
    // The second task was healthy after 45 s and 3 min; five minutes later the last of the old ones is gone.
    run_to(&mut world, 524);
    assert_eq!(shown(&world), ["PRIMARY 42 2+0 IN_PROGRESS", "ACTIVE 41 0+0 COMPLETED"]);
    run_to(&mut world, 536);
    assert_eq!(shown(&world), ["PRIMARY 42 2+0 COMPLETED"]);
    assert!(world.record().deployments().all(|one| one.status == Status::Succeeded));
}

#[test]
fn a_return_replaces_what_was_under_way_and_is_steady_when_the_bad_tasks_are_drained() {
    let mut world = world(", green: { tasks: { late: { tasks: 1, after: 3m } } }");
    run_to(&mut world, 100);
    go_back(&mut world);
    assert_eq!(shown(&world)[0], "PRIMARY 41 0+2 IN_PROGRESS");
    assert_eq!(shown(&world).len(), 3, "{:?}", shown(&world));
    go_back(&mut world);
    assert_eq!(shown(&world).len(), 3, "the same task definition again changes nothing");
    run_to(&mut world, 146);
    assert_eq!(share(&world), [100.0, 0.0]);
    assert!(shown(&world)[1..].iter().all(|one| one.contains(" 0+0 ")), "{:?}", shown(&world));
    run_to(&mut world, 444);
    assert_eq!(shown(&world)[0], "PRIMARY 41 2+0 IN_PROGRESS");
    run_to(&mut world, 456);
    assert_eq!(shown(&world), ["PRIMARY 41 2+0 COMPLETED"]);
    run_to(&mut world, 700);
    assert_eq!(shown(&world), ["PRIMARY 41 2+0 COMPLETED"], "nothing comes of what was starting before");
    let ended: Vec<&str> = world.record().deployments().map(|one| one.status.as_str()).collect();
    assert_eq!(ended, ["Stopped", "Succeeded"]);
    assert!(world.is_over());
}

#[test]
fn a_return_whose_tasks_do_not_start_is_waited_for_no_longer_than_the_rehearsals_patience() {
    let mut world = world(", rollback_fails: true");
    run_to(&mut world, 50);
    go_back(&mut world);
    run_to(&mut world, 600);
    assert_eq!(shown(&world)[0], "PRIMARY 41 0+2 IN_PROGRESS");
    assert!(!world.is_over());
    run_to(&mut world, 651);
    let ended: Vec<&str> = world.record().deployments().map(|one| one.status.as_str()).collect();
    assert_eq!(ended, ["Stopped", "Failed"]);
}

#[test]
fn the_history_tells_what_each_deployment_brought() {
    let mut world = world("");
    run_to(&mut world, 400);
    let input = json!({ "cluster": "main", "service": "web", "status": ["SUCCESSFUL"] });
    let told = world.list_service_deployments(&input).unwrap();
    let arns: Vec<&str> = told["serviceDeployments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["targetServiceRevisionArn"].as_str().unwrap())
        .collect();
    assert_eq!(arns.len(), 2);
    let revisions = world.describe_service_revisions(&json!({ "serviceRevisionArns": arns }));
    let definitions: Vec<&str> = revisions["serviceRevisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["taskDefinition"].as_str().unwrap())
        .collect();
    assert!(definitions[0].ends_with("shop:42") && definitions[1].ends_with(TO_41), "{definitions:?}");
}

#[test]
fn a_service_or_a_task_definition_that_ecs_does_not_know_is_refused() {
    let mut world = world("");
    let code = |world: &mut World, service: &str, definition: &str| {
        let input = json!({ "cluster": "main", "service": service, "taskDefinition": definition });
        world.update_service(&input, "x").unwrap_err().code
    };
    assert_eq!(code(&mut world, "nobody", TO_41), "ServiceNotFoundException");
    assert_eq!(code(&mut world, "web", "shop:7"), "ClientException");
}
