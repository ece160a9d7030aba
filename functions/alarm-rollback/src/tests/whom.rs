//! Which deployment an alarm concerns: by the configuration, by a tag, by the groups' own alarms; and what is nobody's.

use domain::alarm::{AlarmReading, AlarmState, GroupAlarms};
use domain::deployment::GroupName;

use super::*;

const ALARM: &str = "somebody-elses";

fn group(application: &str, deployment_group: &str) -> GroupName {
    GroupName { application: application.to_owned(), deployment_group: deployment_group.to_owned() }
}

/// A world with one deployment of a group that no service names.
fn with_shop() -> World {
    let world = World::new();
    world.deployments.borrow_mut().clear();
    world.put(Deployment { group: group("shop", "web"), ..deployment("d-7") });
    world
}

fn watch(world: &World, group: GroupName, enabled: bool) {
    let alarms = GroupAlarms { names: vec![ALARM.to_owned()], enabled, ignores_poll_failure: false };
    world.account.group_alarms.borrow_mut().insert(group, alarms);
}

fn ledger_keys(world: &World) -> Vec<String> {
    world.entries.borrow().keys().cloned().collect()
}

#[test]
fn a_tag_names_a_group_that_no_service_does() {
    let world = with_shop();
    world.tag(ALARM, &[("greenlight:deployment-group", "shop/web"), ("greenlight:environment", "staging")]);
    invoke(&world, event(ALARM, "ALARM")).unwrap();
    assert_eq!(*world.stops.borrow(), [DeploymentId("d-7".to_owned())]);
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!((decision.group, decision.service), (Some(group("shop", "web")), None));
    assert_eq!(decision.environment.as_deref(), Some("staging"));
    assert_eq!(decision.revision.spoken(), "orchestrator:42", "read beside the stop");
    assert!(ledger_keys(&world).iter().any(|key| key.starts_with("alarm/shop/web/somebody-elses/")));
    let tags = world.asked.borrow().iter().filter(|call| **call == "ListTagsForResource").count();
    assert_eq!(tags, 1);
}

#[test]
fn a_tag_that_names_a_services_group_brings_its_settings() {
    let world = World::new();
    world.tag(ALARM, &[("greenlight:deployment-group", "mangaassist/orchestrator"), ("greenlight:action", "alert")]);
    invoke(&world, event(ALARM, "ALARM")).unwrap();
    assert!(world.stops.borrow().is_empty());
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!((decision.decision, decision.service.as_deref()), (Decision::Alert, Some("orchestrator")));
    assert_eq!(decision.revision.spoken(), "orchestrator:42");
}

#[test]
fn an_alarm_of_another_environment_account_or_region_stops_nothing_and_is_told() {
    let foreign = |arn: &str| {
        let mut event = event("orchestrator-http-5xx", "ALARM");
        event["resources"] = json!([arn]);
        event
    };
    let staging = World::new();
    staging.tag("orchestrator-http-5xx", &[("greenlight:environment", "staging")]);
    let cases = [
        (staging, event("orchestrator-http-5xx", "ALARM"), "says `staging`, and `orchestrator` is `production`"),
        (
            World::new(),
            foreign("arn:aws:cloudwatch:eu-west-1:999999999999:alarm:orchestrator-http-5xx"),
            "the account 999999999999",
        ),
        (
            World::new(),
            foreign("arn:aws:cloudwatch:us-east-1:123456789012:alarm:orchestrator-http-5xx"),
            "the region us-east-1",
        ),
    ];
    for (world, event, words) in cases {
        invoke(&world, event).unwrap();
        assert!(world.stops.borrow().is_empty());
        let [decision] = decisions(&world).try_into().unwrap();
        assert_eq!(decision.decision, Decision::Alert);
        assert!(decision.reason.contains(words), "{}", decision.reason);
    }
    // Nobody here names it: no call, no word.
    let world = World::new();
    let mut nobodys = foreign("arn:aws:cloudwatch:us-east-1:123456789012:alarm:x");
    nobodys["detail"]["alarmName"] = json!("x");
    invoke(&world, nobodys).unwrap();
    assert!(world.asked.borrow().is_empty() && world.published.borrow().is_empty());
}

#[test]
fn a_tag_that_cannot_be_understood_is_told_once_and_stops_nothing() {
    let world = with_shop();
    world.tag(ALARM, &[("greenlight:deployment-group", "shop/web"), ("greenlight:action", "rolback")]);
    for _ in 0..2 {
        invoke(&world, event(ALARM, "ALARM")).unwrap();
    }
    let [decision] = decisions(&world).try_into().unwrap();
    assert!(decision.reason.contains("write `rollback` or `alert`"), "{}", decision.reason);
    assert!(world.stops.borrow().is_empty());
}

#[test]
fn a_groups_own_alarm_concerns_its_deployment_in_flight_where_the_list_is_switched_on() {
    for (enabled, stops) in [(true, 1), (false, 0)] {
        let world = with_shop();
        world.put(Deployment { group: group("shop", "jobs"), ..deployment("d-8") });
        watch(&world, group("shop", "web"), enabled);
        invoke(&world, event(ALARM, "ALARM")).unwrap();
        assert_eq!((world.stops.borrow().len(), decisions(&world).len()), (stops, stops));
    }
}

#[test]
fn where_codedeploys_own_list_asks_for_what_greenlight_may_not_do_nobody_is_woken() {
    let world = with_shop();
    watch(&world, group("shop", "web"), true);
    world.stop_troubles.borrow_mut().push_back(denied());
    let summary = invoke(&world, event(ALARM, "ALARM")).unwrap();
    assert_eq!(summary["decisions"][0]["outcome"], "logged");
    assert!(world.published.borrow().is_empty());
}

#[test]
fn the_look_up_costs_the_same_with_ten_groups_and_with_ten_thousand() {
    let calls = |groups: usize, in_flight: usize, applications: usize| {
        let world = World::new();
        world.deployments.borrow_mut().clear();
        for number in 0..groups {
            let of = group(&format!("app-{}", number % applications), &format!("group-{number}"));
            let status = if number < in_flight { Status::InProgress } else { Status::Succeeded };
            world.put(Deployment { group: of, status, ..deployment(&format!("d-{number}")) });
        }
        let summary = invoke(&world, event(ALARM, "ALARM")).unwrap();
        let reason = summary["decisions"][0]["reason"].as_str().unwrap().to_owned();
        let calls = world.asked.borrow().len();
        (calls, reason)
    };
    // The tags, the list, the records, and one for each of two applications.
    for groups in [10, 1_000, 10_000] {
        assert_eq!(calls(groups, 4, 2).0, 5, "{groups}");
    }
    let (bounded, reason) = calls(1_000, 300, 50);
    assert_eq!(bounded, 3 + 10);
    assert!(reason.contains("only 100 of the 300 deployments in flight were looked at"), "{reason}");
    assert!(reason.contains("only the groups of 10 of the 50 applications"), "{reason}");
}

#[test]
fn tags_that_cannot_be_read_make_no_noise_and_a_throttled_look_is_tried_again() {
    let world = with_shop();
    world.account.tag_troubles.borrow_mut().push_back(denied());
    let summary = invoke(&world, event(ALARM, "ALARM")).unwrap();
    let reason = summary["decisions"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("the alarm's tags could not be read"), "{reason}");
    world.account.tag_troubles.borrow_mut().push_back(throttled());
    world.tag(ALARM, &[("greenlight:deployment-group", "shop/web")]);
    assert!(invoke(&world, event(ALARM, "ALARM")).is_err(), "Lambda tries again");
    assert!(world.published.borrow().is_empty());
    invoke(&world, event(ALARM, "ALARM")).unwrap();
    assert_eq!(world.stops.borrow().len(), 1);
    // What the group's own list has answered needs no second try.
    let world = with_shop();
    watch(&world, group("shop", "web"), true);
    world.account.tag_troubles.borrow_mut().push_back(throttled());
    invoke(&world, event(ALARM, "ALARM")).unwrap();
    assert_eq!(world.stops.borrow().len(), 1);
}

#[test]
fn an_alarm_that_the_configuration_names_waits_for_its_tags_no_longer_than_a_second() {
    for is_denied in [true, false] {
        let world = World::new();
        if is_denied {
            world.account.tag_troubles.borrow_mut().push_back(denied());
        } else {
            world.account.tags_hang.set(true);
        }
        let begin = world.clock.now();
        invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
        assert!(world.stopped_at.get().unwrap().since(begin) <= Duration::from_millis(1_100));
    }
}

#[test]
fn several_services_that_name_one_alarm_are_decided_each_on_its_own() {
    let world = World::new();
    let two = domain::config::load(
        "greenlight.yaml",
        "version: 1\nservices:\n  - name: orchestrator\n    codedeploy: { application: mangaassist, deployment_group: orchestrator }\n    \
         alarms: [{ name: shared, action: alert }]\n  - name: web\n    codedeploy: { application: shop, deployment_group: web }\n    \
         alarms: [{ name: shared, action: rollback }]\n",
    );
    world.put(Deployment { group: group("shop", "web"), ..deployment("d-7") });
    let settings = Ok(Settings { config: two.unwrap(), ledger: &world });
    run(&world, &settings, &invocation(&world, event("shared", "ALARM"))).unwrap();
    assert_eq!(*world.stops.borrow(), [DeploymentId("d-7".to_owned())]);
    let told: Vec<_> = decisions(&world).into_iter().map(|it| (it.service.unwrap(), it.decision)).collect();
    let expected = [("orchestrator".to_owned(), Decision::Alert), ("web".to_owned(), Decision::StopAndRollBack)];
    assert_eq!(told, expected);
    let tags = world.asked.borrow().iter().filter(|call| **call == "ListTagsForResource").count();
    assert_eq!(tags, 1, "the alarm's tags are looked at once");
}

/// An alarm that is about no deployment, in EventBridge's form.
fn about_nothing(state: &str, minute: i64) -> Value {
    let mut event = event(ALARM, state);
    event["detail"]["state"]["timestamp"] = json!(minutes(minute));
    event["detail"]["previousState"]["value"] = json!(if state == "OK" { "ALARM" } else { "OK" });
    event["detail"]["configuration"] = json!({
        "description": "Fewer than 95 % of the deployments succeeded.\n\nSee which group fails.\nThen mend it.",
    });
    event
}

#[test]
fn an_alarm_whose_tag_says_alert_and_names_no_group_is_told_by_itself_and_its_end_too() {
    // A list that is switched off is passed over, as by CodeDeploy.
    let world = with_shop();
    watch(&world, group("shop", "web"), false);
    world.tag(ALARM, &[("greenlight:action", "alert"), ("greenlight:environment", "production")]);
    for _ in 0..2 {
        invoke(&world, about_nothing("ALARM", 6)).unwrap();
    }
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!((decision.decision, decision.page), (Decision::Alert, false));
    assert_eq!((decision.group, decision.service, decision.deployment_id), (None, None, None));
    assert_eq!(decision.environment.as_deref(), Some("production"));
    assert_eq!(decision.reason, "`somebody-elses` went to ALARM: Fewer than 95 % of the deployments succeeded");
    assert_eq!(decision.next_step, "See which group fails. Then mend it.");
    invoke(&world, about_nothing("OK", 16)).unwrap();
    let [_, over] = decisions(&world).try_into().unwrap();
    assert!(over.resolves && over.reason.contains("is OK again after 10 min"), "{}", over.reason);
    assert!(world.stops.borrow().is_empty());
}

#[test]
fn such_an_alarm_without_a_description_and_one_that_is_told_late_are_told_too() {
    let world = with_shop();
    world.tag(ALARM, &[("greenlight:action", "alert")]);
    invoke(&world, event(ALARM, "ALARM")).unwrap();
    let [decision] = decisions(&world).try_into().unwrap();
    assert!(decision.reason.ends_with("and it names no deployment group"), "{}", decision.reason);
    assert_eq!(
        (decision.environment, decision.next_step.as_str()),
        (None, "look at the alarm; Greenlight stops nothing for it")
    );
    // Ten minutes old, and CloudWatch says that the alarm has been OK for two.
    let world = with_shop();
    world.tag(ALARM, &[("greenlight:action", "alert")]);
    world.account.readings.borrow_mut().push(AlarmReading {
        name: ALARM.to_owned(),
        state: AlarmState::Ok,
        reason: String::new(),
        since: Some(minutes(4)),
    });
    invoke(&world, about_nothing("ALARM", -4)).unwrap();
    let [decision] = decisions(&world).try_into().unwrap();
    assert!(decision.reason.contains("which was told late, and has been OK since"), "{}", decision.reason);
    assert!(world.stops.borrow().is_empty());
}

#[test]
fn such_an_alarm_on_the_list_of_a_group_in_flight_is_told_with_its_deployment() {
    let world = with_shop();
    watch(&world, group("shop", "web"), true);
    world.tag(ALARM, &[("greenlight:action", "alert")]);
    invoke(&world, about_nothing("ALARM", 6)).unwrap();
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!(
        (decision.group, decision.deployment_id),
        (Some(group("shop", "web")), Some(DeploymentId("d-7".to_owned())))
    );
    assert_eq!((decision.decision, decision.page), (Decision::Alert, false));
    assert!(decision.reason.contains("says `alert`, so Greenlight stops nothing for it"), "{}", decision.reason);
    assert!(decision.reason.contains("CodeDeploy stops the deployment itself"), "{}", decision.reason);
    assert!(world.stops.borrow().is_empty());
}

#[test]
fn such_an_alarm_waits_for_a_look_that_may_work_later_and_is_told_at_the_last_try_all_the_same() {
    // The first look is throttled; the second one finds the deployment, and that is all that is told.
    let world = with_shop();
    watch(&world, group("shop", "web"), true);
    world.tag(ALARM, &[("greenlight:action", "alert")]);
    world.account.group_troubles.borrow_mut().push_back(throttled());
    assert!(invoke(&world, about_nothing("ALARM", 6)).is_err(), "Lambda tries again");
    assert!(world.published.borrow().is_empty());
    invoke(&world, about_nothing("ALARM", 6)).unwrap();
    let [decision] = decisions(&world).try_into().unwrap();
    assert_eq!(decision.group, Some(group("shop", "web")));
    // At the last try people hear of it, and of what is not known.
    let world = with_shop();
    world.tag(ALARM, &[("greenlight:action", "alert")]);
    world.account.group_troubles.borrow_mut().push_back(throttled());
    invoke(&world, about_nothing("ALARM", 3)).unwrap();
    let [decision] = decisions(&world).try_into().unwrap();
    assert!(decision.reason.ends_with("the alarms of a deployment group could not be read"), "{}", decision.reason);
    // What this fleet may not read is other people's, and no word about each alarm.
    let world = with_shop();
    world.tag(ALARM, &[("greenlight:action", "alert")]);
    world.account.group_troubles.borrow_mut().push_back(denied());
    invoke(&world, about_nothing("ALARM", 6)).unwrap();
    let [decision] = decisions(&world).try_into().unwrap();
    assert!(decision.reason.ends_with("the deployments succeeded"), "{}", decision.reason);
}

#[test]
fn a_tag_that_says_rollback_and_names_no_group_is_looked_up_as_before() {
    let world = with_shop();
    watch(&world, group("shop", "web"), true);
    world.tag(ALARM, &[("greenlight:action", "rollback")]);
    invoke(&world, event(ALARM, "ALARM")).unwrap();
    assert_eq!(world.stops.borrow().len(), 1);
}
