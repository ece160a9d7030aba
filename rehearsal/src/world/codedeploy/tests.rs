//! CodeDeploy's API, as a caller sees it: what was deployed before, other teams' groups, and deployments that are asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::Digest;

use crate::protocol::AwsError;
use crate::scenario::Scenario;
use crate::template::Template;
use crate::world::World;

const CONFIG: &str = "version: 1
services:
  - { name: shop, codedeploy: { application: a, deployment_group: shop } }
  - { name: fast, codedeploy: { application: a, deployment_group: fast } }
";
/// The shop is on ECS, `fast` on Lambda.
const DEPLOYMENTS: &str = "deployments:
  - { service: shop, hooks: {}, configuration: CodeDeployDefault.ECSAllAtOnce, termination_wait: 0s, group_alarms: [red] }
  - { service: fast, platform: Lambda, at: 1m, hooks: {}, configuration: CodeDeployDefault.LambdaAllAtOnce }
alarms: [{ at: 30m, name: red, described: true }]
";

fn world(keys: &str) -> World {
    let text = format!("name: x\ntitle: t\nexpect: []\n{DEPLOYMENTS}{keys}\n");
    let scenario = Scenario::parse("x.yaml", &text).unwrap();
    let template = Template::read(
        "Transform: AWS::Serverless-2016-10-31\nResources: { Queue: { Type: AWS::SQS::Queue } }\n",
        &BTreeMap::new(),
    );
    let template = template.unwrap();
    let config = domain::config::load("greenlight.yaml", CONFIG).unwrap();
    scenario.check(&template, &config).unwrap();
    World::new(Arc::new(template), config, scenario)
}

fn pass(world: &mut World, minutes: u64) {
    world.advance_to(world.now().plus(Duration::from_mins(minutes)));
}

fn ask(world: &mut World, operation: &str, input: &Value) -> Result<Value, AwsError> {
    world.codedeploy(operation, input, "alarm-rollback")
}

fn get(world: &mut World, id: &str) -> Value {
    ask(world, "GetDeployment", &json!({ "deploymentId": id })).unwrap()["deploymentInfo"].clone()
}

fn list(world: &mut World, more: &Value) -> Vec<String> {
    let mut ids = Vec::new();
    let mut input = more.clone();
    loop {
        let answer = ask(world, "ListDeployments", &input).unwrap();
        ids.extend(answer["deployments"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()));
        match answer.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => return ids,
        }
    }
}

fn of_group(group: &str) -> Value {
    json!({ "applicationName": "a", "deploymentGroupName": group })
}

/// The AppSpec of a deployment, as the record gives it.
fn appspec(world: &mut World, id: &str) -> Value {
    let revision = get(world, id)["revision"].clone();
    let answer =
        ask(world, "GetApplicationRevision", &json!({ "applicationName": "a", "revision": revision })).unwrap();
    serde_json::from_str(answer["revision"]["string"]["content"].as_str().unwrap()).unwrap()
}

fn create(world: &mut World, group: &str, appspec: &Value, more: &Value) -> Result<String, AwsError> {
    let content = appspec.to_string();
    let mut input = of_group(group);
    input["revision"] = json!({ "revisionType": "AppSpecContent", "appSpecContent": { "content": content } });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ask(world, "CreateDeployment", &input).map(|answer| answer["deploymentId"].as_str().unwrap().to_owned())
}

fn without_hooks(mut appspec: Value) -> Value {
    appspec.as_object_mut().unwrap().remove("Hooks");
    appspec
}

#[test]
fn every_service_was_deployed_before_and_the_record_knows_what() {
    let mut world = world("");
    let before = list(&mut world, &of_group("shop"));
    assert_eq!(before.len(), 1);
    let good = get(&mut world, &before[0]);
    assert_eq!((&good["status"], &good["creator"]), (&json!("Succeeded"), &json!("user")));
    let definition = "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop:41";
    let spec = appspec(&mut world, &before[0]);
    assert_eq!(spec["Resources"][0]["TargetService"]["Properties"]["TaskDefinition"], definition);
    let lambda = list(&mut world, &of_group("fast"));
    let spec = appspec(&mut world, &lambda[0]);
    let properties = &spec["Resources"][0]["fast"]["Properties"];
    assert_eq!((&properties["CurrentVersion"], &properties["TargetVersion"]), (&json!("140"), &json!("141")));
    pass(&mut world, 5);
    let now = list(&mut world, &of_group("shop"));
    assert_eq!((now.len(), &now[1]), (2, &before[0]), "the newest first");
    // What was deployed before it is the revision of the deployment before it.
    assert_eq!(get(&mut world, &now[0])["previousRevision"], good["revision"]);
}

#[test]
fn a_history_has_bad_deployments_and_versions_of_its_own() {
    let mut world = world(
        "history:
  - { service: shop, ended: 5h, version: 38 }
  - { service: shop, ended: 2h, version: 40, behaviour: { latency: 2s } }
  - { service: shop, ended: 1h, version: 44, status: Failed }",
    );
    let ids = list(&mut world, &of_group("shop"));
    let told: Vec<String> = ids
        .iter()
        .map(|id| {
            let status = get(&mut world, id)["status"].as_str().unwrap().to_owned();
            let spec = appspec(&mut world, id);
            let definition = &spec["Resources"][0]["TargetService"]["Properties"]["TaskDefinition"];
            format!("{status} {}", definition.as_str().unwrap().rsplit(':').next().unwrap())
        })
        .collect();
    assert_eq!(told, ["Failed 44", "Succeeded 40", "Succeeded 38"]);
    assert_eq!(world.record().serving("shop"), Some(40));
    assert_eq!(world.record().deployments().count(), 0, "they are not the scenario's own");
    pass(&mut world, 5);
    assert_eq!(world.record().serving("shop"), Some(45), "the numbers go on");
}

#[test]
fn a_first_deployment_has_nothing_before_it() {
    let mut world = world("");
    world.scenario.deployments[0].first = true;
    let mut first = World::new(Arc::clone(&world.template), world.config.clone(), world.scenario.clone());
    assert!(list(&mut first, &of_group("shop")).is_empty());
    assert_eq!(list(&mut first, &of_group("fast")).len(), 1);
}

#[test]
fn an_account_of_ten_thousand_groups_is_listed_in_pages() {
    let mut world = world("account: { deployment_groups: 10000, in_flight: 140, ended: 250, applications: 20 }");
    pass(&mut world, 2);
    let in_flight =
        list(&mut world, &json!({ "includeOnlyStatuses": ["Created", "Queued", "InProgress", "Baking", "Ready"] }));
    // The shop's own is among them, and the newest.
    assert_eq!(in_flight.iter().collect::<BTreeSet<_>>().len(), 141);
    let in_flight = in_flight[1..].to_vec();
    let all = list(&mut world, &json!({}));
    // Two of the scenario's own, two before them.
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 140 + 250 + 4);
    let range = |from: f64, to: f64| json!({ "createTimeRange": { "start": from, "end": to } });
    let day = 86_400.0;
    let now = world.now().seconds();
    let recent = list(&mut world, &range(now - 0.25 * day, now));
    assert!(recent.len() > 140 && recent.len() < 200, "{}", recent.len());

    let batch = ask(&mut world, "BatchGetDeployments", &json!({ "deploymentIds": in_flight[..25] })).unwrap();
    assert_eq!(batch["deploymentsInfo"].as_array().unwrap().len(), 25);
    let error = ask(&mut world, "BatchGetDeployments", &json!({ "deploymentIds": in_flight })).unwrap_err();
    assert_eq!(error.code, "BatchLimitExceededException");

    let info = get(&mut world, &in_flight[120]);
    let (application, group) = (&info["applicationName"], &info["deploymentGroupName"]);
    let groups = json!({ "applicationName": application, "deploymentGroupNames": [group, "nobody"] });
    let found = ask(&mut world, "BatchGetDeploymentGroups", &groups).unwrap();
    assert_eq!(&found["deploymentGroupsInfo"][0]["deploymentGroupName"], group);
    assert!(found["errorMessage"].as_str().unwrap().contains("nobody"));
    let many: Vec<String> = (0..101).map(|number| format!("g{number}")).collect();
    let error =
        ask(&mut world, "BatchGetDeploymentGroups", &json!({ "applicationName": "a", "deploymentGroupNames": many }));
    assert_eq!(error.unwrap_err().code, "BatchLimitExceededException");
    let error =
        ask(&mut world, "BatchGetDeploymentGroups", &json!({ "applicationName": "b", "deploymentGroupNames": ["x"] }));
    assert_eq!(error.unwrap_err().code, "ApplicationDoesNotExistException");
    let own = ask(
        &mut world,
        "BatchGetDeploymentGroups",
        &json!({ "applicationName": "a", "deploymentGroupNames": ["shop"] }),
    );
    assert_eq!(own.unwrap()["deploymentGroupsInfo"][0]["alarmConfiguration"]["alarms"], json!([{ "name": "red" }]));

    let applications = ask(&mut world, "ListApplications", &json!({})).unwrap();
    assert_eq!(applications["applications"].as_array().unwrap().len(), 21);
    let mut groups = 0;
    let mut input = json!({ "applicationName": "team-007" });
    loop {
        let page = ask(&mut world, "ListDeploymentGroups", &input).unwrap();
        groups += page["deploymentGroups"].as_array().unwrap().len();
        match page.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(groups, 500);
    // What they have in flight keeps nobody waiting.
    pass(&mut world, 40);
    assert!(world.is_over());
}

#[test]
fn an_old_version_comes_back_on_ecs_as_a_new_task_set() {
    let mut world = world("");
    let good = list(&mut world, &of_group("shop")).remove(0);
    pass(&mut world, 5);
    assert_eq!(world.record().serving("shop"), Some(42));
    let spec = without_hooks(appspec(&mut world, &good));
    let more = json!({
        "deploymentConfigName": "CodeDeployDefault.ECSAllAtOnce", "description": "greenlight_rolls_back=d-X",
        "overrideAlarmConfiguration": { "enabled": false }, "autoRollbackConfiguration": { "enabled": false },
    });
    let id = create(&mut world, "shop", &spec, &more).unwrap();
    let error = create(&mut world, "shop", &spec, &more).unwrap_err();
    assert_eq!(error.code, "DeploymentLimitExceededException");
    let info = get(&mut world, &id);
    assert_eq!((&info["creator"], &info["description"]), (&json!("user"), &json!("greenlight_rolls_back=d-X")));
    assert_eq!((&info["status"], &info["autoRollbackConfiguration"]["enabled"]), (&json!("InProgress"), &json!(false)));
    assert_eq!(info["overrideAlarmConfiguration"]["enabled"], false);
    assert_eq!(appspec(&mut world, &id), spec);
    let sets = |world: &World| -> Vec<(String, String)> {
        let input = json!({ "cluster": "a", "service": "shop" });
        let sets = world.ecs("DescribeTaskSets", &input).unwrap()["taskSets"].clone();
        let of = |set: &Value, key: &str| set[key].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        sets.as_array().unwrap().iter().map(|set| (of(set, "taskDefinition"), of(set, "id"))).collect()
    };
    assert_eq!(sets(&world).len(), 1, "the old one is gone, the new one not there yet: {:?}", sets(&world));
    pass(&mut world, 3);
    assert_eq!(get(&mut world, &id)["status"], "Succeeded");
    assert_eq!(world.record().serving("shop"), Some(41));
    let back = sets(&world);
    assert_eq!(back.len(), 1, "{back:?}");
    assert_eq!((back[0].0.as_str(), back[0].1.as_str()), ("shop:41", "3605701707267910041"));
    let entry = world.timeline.iter().find(|entry| entry.what.contains("back on the earlier version")).unwrap();
    assert_eq!((entry.weight, entry.service.as_deref()), (Some(0.0), Some("shop")));
}

#[test]
fn an_old_version_comes_back_on_lambda_when_the_alias_is_where_it_is_said_to_be() {
    let spec = |current: &str, target: &str| {
        json!({ "version": 0.0, "Resources": [{ "fast": { "Type": "AWS::Lambda::Function", "Properties": {
            "Name": "fast", "Alias": "live", "CurrentVersion": current, "TargetVersion": target } } }] })
    };
    let mut world = world("");
    pass(&mut world, 5);
    for (current, target, code) in
        [("141", "141", "INVALID_LAMBDA_CONFIGURATION"), ("142", "7", "INVALID_LAMBDA_FUNCTION")]
    {
        let id = create(&mut world, "fast", &spec(current, target), &json!({})).unwrap();
        pass(&mut world, 1);
        let info = get(&mut world, &id);
        assert_eq!((&info["status"], &info["errorInformation"]["code"]), (&json!("Failed"), &json!(code)));
        assert_eq!(world.record().serving("fast"), Some(142));
    }
    let more = json!({ "deploymentConfigName": "CodeDeployDefault.LambdaAllAtOnce" });
    let id = create(&mut world, "fast", &spec("142", "141"), &more).unwrap();
    pass(&mut world, 1);
    assert_eq!(get(&mut world, &id)["status"], "Succeeded");
    let alias = world.guarded_lambda("GetAlias", &json!({ "FunctionName": "fast", "Name": "live" })).unwrap();
    assert_eq!(
        (&alias["FunctionVersion"], &alias["RoutingConfig"]["AdditionalVersionWeights"]),
        (&json!("141"), &json!({}))
    );
}

#[test]
fn a_request_that_cannot_be_carried_out_is_refused_as_aws_refuses_it() {
    let mut world = world("");
    pass(&mut world, 5);
    let good = list(&mut world, &of_group("shop")).remove(1);
    let spec = appspec(&mut world, &good);
    let content = spec.to_string();
    let digest = sha2::Sha256::digest(content.as_bytes());
    let sha = digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let given = |sha: &str| json!({ "revisionType": "AppSpecContent", "appSpecContent": { "content": content, "sha256": sha } });
    let s3 = |key: &str| json!({ "revisionType": "S3", "s3Location": { "bucket": "deployments", "key": key } });
    let eleven: Vec<Value> = (0..11).map(|number| json!({ "name": number.to_string() })).collect();
    for (more, code) in [
        (json!({ "revision": null }), "RevisionRequiredException"),
        (json!({ "revision": { "revisionType": "AppSpecContent", "appSpecContent": {} } }), "InvalidRevisionException"),
        (json!({ "revision": given(&"0".repeat(64)) }), "InvalidRevisionException"),
        (
            json!({ "revision": { "revisionType": "String", "string": { "content": "{\"version\": 0.0}" } } }),
            "InvalidRevisionException",
        ),
        (json!({ "revision": s3("nowhere") }), "RevisionDoesNotExistException"),
        (json!({ "deploymentConfigName": "Half" }), "DeploymentConfigDoesNotExistException"),
        (
            json!({ "deploymentConfigName": "CodeDeployDefault.LambdaAllAtOnce" }),
            "InvalidDeploymentConfigNameException",
        ),
        (json!({ "deploymentGroupName": "nobody" }), "DeploymentGroupDoesNotExistException"),
        (json!({ "applicationName": "b" }), "ApplicationDoesNotExistException"),
        (
            json!({ "overrideAlarmConfiguration": { "enabled": true, "alarms": eleven } }),
            "AlarmsLimitExceededException",
        ),
    ] {
        let refused = create(&mut world, "shop", &spec, &more).unwrap_err();
        assert_eq!(refused.code, code, "{more}: {}", refused.message);
    }
    assert!(create(&mut world, "shop", &spec, &json!({ "revision": given(&sha) })).is_ok());
}

#[test]
fn a_red_alarm_of_the_group_stops_it_unless_the_request_says_otherwise() {
    for (more, stopped) in [(json!({}), true), (json!({ "overrideAlarmConfiguration": { "enabled": false } }), false)] {
        let mut world = world("");
        let good = list(&mut world, &of_group("shop")).remove(0);
        let spec = without_hooks(appspec(&mut world, &good));
        pass(&mut world, 31);
        let id = create(&mut world, "shop", &spec, &more).unwrap();
        pass(&mut world, 5);
        let info = get(&mut world, &id);
        let expected = if stopped { "Stopped" } else { "Succeeded" };
        assert_eq!(info["status"], expected, "{more}");
        if stopped {
            assert_eq!(info["errorInformation"]["code"], "ALARM_ACTIVE");
        }
    }
}
