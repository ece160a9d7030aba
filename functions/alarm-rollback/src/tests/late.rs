//! A version that is found bad after its deployment has ended.

mod cure;

use domain::config::load;
use domain::deployment::{LambdaTarget, Platform, Target};
use domain::redeploy::Source;

use super::*;
use crate::samples::Trouble;

fn late_config() -> Config {
    load(
        "greenlight.yaml",
        "version: 1\nservices:\n  - name: orchestrator\n    codedeploy: { application: mangaassist, deployment_group: orchestrator }\n    \
         late_rollback: { window: 30m }\n    alarms:\n      - { name: orchestrator-http-5xx, action: rollback }\n      \
         - { name: orchestrator-p95-latency, action: rollback }\n      - { name: orchestrator-error-log-5x, action: alert }\n",
    )
    .unwrap()
}

fn id(id: &str) -> DeploymentId {
    DeploymentId(id.to_owned())
}

fn app_spec(number: u32) -> Source {
    let arn = format!("arn:aws:ecs:us-east-1:1:task-definition/orchestrator:{number}");
    let properties = json!({"TaskDefinition": arn, "LoadBalancerInfo": {"ContainerName": "web", "ContainerPort": 80}});
    let spec = json!({"version": 0.0, "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}],
        "Hooks": [{"BeforeAllowTraffic": "CodeDeployHook_before-allow-traffic"}]});
    Source::AppSpec(spec.to_string())
}

/// A deployment that succeeded: it was created so many minutes after the alarm's deployment, which is at 0, and took one.
fn succeeded(world: &World, name: &str, created: i64, task_definition: u32) {
    let at = minutes(created);
    world.put(Deployment {
        status: Status::Succeeded,
        created: Some(at),
        started: Some(at),
        completed: Some(minutes(created + 1)),
        description: format!("git_sha=0000{task_definition}"),
        ..deployment(name)
    });
    world.account.sources.borrow_mut().insert(id(name), app_spec(task_definition));
}

/// `d-1` ended four minutes before the alarm; `d-0` was good an hour before.
fn world() -> World {
    let world = World::new();
    world.deployments.borrow_mut().clear();
    succeeded(&world, "d-0", -60, 41);
    succeeded(&world, "d-1", 1, 42);
    world
}

fn alarm_late(world: &World, name: &str) -> anyhow::Result<Value> {
    let settings = Ok(Settings { config: late_config(), ledger: world });
    run(world, &settings, &invocation(world, event(name, "ALARM")))
}

#[track_caller]
fn check_alert(world: &World, pages: bool, words: &str) {
    alarm_late(world, "orchestrator-http-5xx").unwrap();
    let [decision] = decisions(world).try_into().unwrap();
    assert_eq!((decision.decision, decision.page), (Decision::Alert, pages), "{}", decision.reason);
    assert!(decision.reason.contains(words), "{}", decision.reason);
    assert!(world.account.created.borrow().is_empty());
}

#[test]
fn the_version_before_is_deployed_again_and_told_and_followed() {
    let world = world();
    alarm_late(&world, "orchestrator-http-5xx").unwrap();
    let [made] = world.account.created.borrow().clone().try_into().unwrap();
    assert_eq!(made.configuration, "CodeDeployDefault.ECSAllAtOnce");
    assert_eq!(made.description, "greenlight_rolls_back=d-1 git_sha=000041 for the alarm orchestrator-http-5xx");
    let Source::AppSpec(text) = &made.source else { panic!("{made:?}") };
    assert!(text.contains("orchestrator:41") && text.contains("ContainerPort") && !text.contains("Hook"), "{text}");
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!(decision.decision, Decision::RedeployPrevious);
    assert_eq!((decision.deployment_id, decision.rollback_deployment_id), (Some(id("d-1")), Some(id("d-again-1"))));
    assert_eq!(decision.revision.spoken(), "orchestrator:42 (000042)");
    assert_eq!(decision.restores.unwrap().spoken(), "orchestrator:41 (000041)");
    let [ending] = endings(&world).try_into().unwrap();
    assert!(ending.restored);
    assert_eq!((ending.deployment_id, ending.rollback_deployment_id), (id("d-1"), Some(id("d-again-1"))));
    assert_eq!(world.entries.borrow()["late/d-1"].0["redeployed_by"], "d-again-1");
    assert_eq!(world.entries.borrow()["rollbacks/mangaassist/orchestrator"].0["rollbacks"][0]["deployment"], "d-1");
}

#[test]
fn the_same_alarm_again_and_another_one_deploy_nothing_again() {
    let world = world();
    alarm_late(&world, "orchestrator-http-5xx").unwrap();
    let again = alarm_late(&world, "orchestrator-http-5xx").unwrap();
    assert_eq!(again["decisions"][0]["outcome"], "told before, by another invocation");
    alarm_late(&world, "orchestrator-p95-latency").unwrap();
    // As if the new deployment could not be seen yet.
    world.deployments.borrow_mut().remove(&id("d-again-1"));
    let blind = alarm_late(&world, "orchestrator-p95-latency").unwrap();
    assert_eq!(blind["decisions"][0]["outcome"], "deployed again before, by another invocation");
    assert_eq!(world.account.created.borrow().len(), 1);
}

#[test]
fn where_it_is_off_or_the_action_is_alert_people_are_told_and_the_past_is_not_looked_at() {
    let world = world();
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    alarm_late(&world, "orchestrator-error-log-5x").unwrap();
    assert!(decisions(&world).iter().all(|it| it.decision == Decision::Alert && it.deployment_id.is_none()));
    let lists = world.asked.borrow().iter().filter(|call| **call == "ListDeployments").count();
    assert_eq!(lists, 2, "one look each for what is in flight");
}

#[test]
fn a_last_deployment_that_is_not_the_cause_is_left_alone() {
    let world = world();
    world.put(Deployment { status: Status::Succeeded, created: Some(minutes(3)), ..rollback("d-2", "d-1") });
    check_alert(&world, false, "was itself a rollback");
    let world = self::world();
    world.put(Deployment { status: Status::Failed, created: Some(minutes(3)), ..deployment("d-2") });
    check_alert(&world, false, "`d-2`, is `Failed`");
    let world = self::world();
    succeeded(&world, "d-1", -40, 42);
    check_alert(&world, false, "ended more than 30 min before");
    let world = self::world();
    succeeded(&world, "d-1", 7, 42);
    check_alert(&world, false, "red 1 min before the last one");
}

#[test]
fn the_good_version_is_another_one_that_was_not_rolled_back_itself() {
    let world = world();
    // One that was rolled back by CodeDeploy's own; one that Greenlight rolled back; one that failed; one that had an alarm.
    succeeded(&world, "d-alarmed", -10, 38);
    let entry = json!({"alarm": "orchestrator-http-5xx"});
    world.entries.borrow_mut().insert("suspect/d-alarmed".to_owned(), (entry, minutes(60)));
    succeeded(&world, "d-bad", -30, 40);
    world.put(Deployment { status: Status::Succeeded, created: Some(minutes(-29)), ..rollback("d-back", "d-bad") });
    succeeded(&world, "d-late", -20, 39);
    let done = json!({"redeployed_by": "d-x"});
    world.entries.borrow_mut().insert("late/d-late".to_owned(), (done, minutes(60)));
    world.put(Deployment { status: Status::Failed, created: Some(minutes(-15)), ..deployment("d-failed") });
    alarm_late(&world, "orchestrator-http-5xx").unwrap();
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!(decision.restores.unwrap().spoken(), "orchestrator:41 (000041)");
    assert!(decision.reason.contains("as by `d-0`"), "{}", decision.reason);
}

#[test]
fn a_version_from_months_ago_is_found_and_without_any_a_person_is_paged() {
    let world = world();
    succeeded(&world, "d-0", -60 * 24 * 90, 41);
    alarm_late(&world, "orchestrator-http-5xx").unwrap();
    assert_eq!(world.account.created.borrow().len(), 1);
    let world = self::world();
    world.deployments.borrow_mut().remove(&id("d-0"));
    check_alert(&world, true, "no earlier deployment is known that ended well");
    let [decision] = decisions(&world).try_into().unwrap();
    assert!(decision.next_step.contains("aws deploy list-deployments"), "{}", decision.next_step);
    assert_eq!(decision.deployment_id, Some(id("d-1")));
}

#[test]
fn hundreds_of_deployments_in_the_past_cost_a_bounded_number_of_calls() {
    let world = world();
    for number in 0..500 {
        succeeded(&world, &format!("d-old-{number}"), -60 * 24 - 100 - number, 41);
    }
    alarm_late(&world, "orchestrator-http-5xx").unwrap();
    assert_eq!(world.account.created.borrow().len(), 1);
    let asked = world.asked.borrow();
    let before = asked.iter().position(|call| *call == "CreateDeployment").unwrap();
    assert!(before <= 10, "{:?}", &asked[..before]);
}

#[test]
fn an_answer_that_was_lost_is_found_again_by_the_description() {
    let world = world();
    world.account.create_troubles.borrow_mut().push_back(Trouble::AnswerLost);
    alarm_late(&world, "orchestrator-http-5xx").unwrap();
    assert_eq!(world.account.created.borrow().len(), 1);
    assert_eq!(decisions(&world)[0].rollback_deployment_id, Some(id("d-again-1")));
    // One that did not get through is asked for again, after a look.
    let world = self::world();
    world.account.create_troubles.borrow_mut().push_back(Trouble::Refused(throttled()));
    alarm_late(&world, "orchestrator-http-5xx").unwrap();
    assert_eq!(world.account.created.borrow().len(), 1);
    let asked = world.asked.borrow().iter().filter(|call| **call == "CreateDeployment").count();
    assert_eq!(asked, 2);
}

#[test]
fn what_a_dead_process_has_begun_is_gone_on_with_and_not_done_twice() {
    let world = world();
    world.account.create_troubles.borrow_mut().extend([Trouble::AnswerLost]);
    // The bus is down all the time: the decision cannot be told, and the invocation fails.
    world.publish_troubles.borrow_mut().extend(std::iter::repeat_with(throttled).take(100));
    assert!(alarm_late(&world, "orchestrator-http-5xx").is_err());
    assert!(decisions(&world).is_empty());
    world.publish_troubles.borrow_mut().clear();
    let lease = json!({"lease": {"holder": "r", "until": minutes(6)}});
    world.entries.borrow_mut().insert("late/d-1".to_owned(), (lease, minutes(60)));
    alarm_late(&world, "orchestrator-http-5xx").unwrap();
    assert_eq!(world.account.created.borrow().len(), 1);
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!(decision.decision, Decision::RedeployPrevious);
    assert_eq!(decision.rollback_deployment_id, Some(id("d-again-1")));
}

#[test]
fn a_refused_redeployment_pages_and_somebody_elses_deployment_is_left_to_them() {
    let world = world();
    world.account.create_troubles.borrow_mut().push_back(Trouble::Refused(denied()));
    alarm_late(&world, "orchestrator-http-5xx").unwrap();
    let [decision] = decisions(&world).try_into().unwrap();
    assert!(decision.page && decision.next_step.contains("aws deploy list-deployments"), "{decision:?}");
    let world = self::world();
    // It begins after the look at what is in flight: CodeDeploy refuses, and none of the group's is ours.
    world.account.create_troubles.borrow_mut().push_back(Trouble::Overtaken);
    alarm_late(&world, "orchestrator-http-5xx").unwrap();
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!((decision.decision, decision.page), (Decision::Alert, false));
    assert!(
        decision.reason.contains("another deployment of `mangaassist/orchestrator` has begun"),
        "{}",
        decision.reason
    );
}

#[test]
fn a_deployment_that_succeeds_between_look_up_and_stop_is_rolled_back_late() {
    let world = world();
    world.put(deployment("d-1"));
    world.account.before_the_stop.borrow_mut().push_back(|world| succeeded(world, "d-1", 1, 42));
    alarm_late(&world, "orchestrator-http-5xx").unwrap();
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!(decision.decision, Decision::RedeployPrevious);
    assert_eq!(world.account.created.borrow().len(), 1);
}

#[test]
fn of_lambda_the_version_that_serves_now_stands_in_the_appspec_wherever_the_old_one_lies() {
    let world = world();
    let target = |version: &str| {
        Target::Lambda(LambdaTarget {
            function: "overflow".to_owned(),
            alias: "live".to_owned(),
            current_version: "1".to_owned(),
            target_version: version.to_owned(),
            target_version_weight: None,
            lifecycle_events: Vec::new(),
        })
    };
    for (name, version) in [("d-0", "6"), ("d-1", "7")] {
        let (bucket, key) = ("b".to_owned(), format!("{name}.yaml"));
        let source = Source::S3 { bucket, key, bundle_type: Some("YAML".to_owned()), version: None, e_tag: None };
        world.account.sources.borrow_mut().insert(id(name), source);
        world.account.targets.borrow_mut().insert(id(name), target(version));
        let found = world.deployments.borrow()[&id(name)].clone();
        world.put(Deployment {
            platform: Some(Platform::Lambda),
            revision: domain::deployment::Revision::default(),
            ..found
        });
    }
    alarm_late(&world, "orchestrator-http-5xx").unwrap();
    let [made] = world.account.created.borrow().clone().try_into().unwrap();
    assert_eq!(made.configuration, "CodeDeployDefault.LambdaAllAtOnce");
    let Source::AppSpec(text) = made.source else { panic!("{made:?}") };
    assert!(text.contains(r#""CurrentVersion":"7","TargetVersion":"6""#), "{text}");
    assert_eq!(decisions(&world)[0].restores.as_ref().unwrap().spoken(), "version 6 (000041)");
}

#[test]
fn an_alarm_that_only_a_tag_names_stops_what_is_in_flight_and_deploys_nothing() {
    let world = world();
    world.tag("by-tag", &[("greenlight:deployment-group", "mangaassist/orchestrator")]);
    alarm_late(&world, "by-tag").unwrap();
    assert!(world.account.created.borrow().is_empty());
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!((decision.decision, decision.page), (Decision::Alert, false));
}
