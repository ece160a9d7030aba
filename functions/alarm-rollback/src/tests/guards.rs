//! What keeps an alarm from doing the wrong thing, and people from not hearing of it.

use domain::alarm::AlarmReading;
use domain::config::load;

use super::*;
use crate::play::{Plan, Play};

fn two_services(world: &World) -> Settings<&World> {
    let two = "version: 1\nservices:\n  - name: orchestrator\n    codedeploy: { application: mangaassist, deployment_group: orchestrator }\n    \
               alarms: [{ name: shared, action: rollback }]\n  - name: web\n    codedeploy: { application: shop, deployment_group: web }\n    \
               alarms: [{ name: shared, action: rollback }]\n";
    let group = domain::deployment::GroupName { application: "shop".to_owned(), deployment_group: "web".to_owned() };
    world.put(Deployment { group, ..deployment("d-7") });
    Settings { config: load("greenlight.yaml", two).unwrap(), ledger: world }
}

#[test]
fn one_service_that_fails_for_good_keeps_the_other_neither_running_nor_unfollowed() {
    let world = World::new();
    let settings = Ok(two_services(&world));
    world.stop_troubles.borrow_mut().push_back(denied());
    run(&world, &settings, &invocation(&world, event("shared", "ALARM"))).unwrap();
    assert_eq!(*world.stops.borrow(), [DeploymentId("d-7".to_owned())]);
    let pages: Vec<_> = decisions(&world).into_iter().map(|it| (it.service.unwrap(), it.page)).collect();
    assert_eq!(pages, [("orchestrator".to_owned(), true), ("web".to_owned(), false)]);
    assert!(endings(&world)[0].restored);
}

#[test]
fn one_service_that_fails_for_now_keeps_the_other_unfollowed_only_until_the_next_try() {
    let world = World::new();
    let settings = Ok(two_services(&world));
    let again = || run(&world, &settings, &invocation(&world, event("shared", "ALARM")));
    for try_ in 0..2 {
        world.stop_troubles.borrow_mut().push_back(throttled());
        assert!(again().is_err());
        assert_eq!(endings(&world).len(), try_, "at once the first time would keep the next try waiting");
    }
}

#[test]
fn a_stop_that_stays_throttled_pages_at_the_second_try_and_is_tried_again() {
    let world = World::new();
    let again = || invoke(&world, event("orchestrator-http-5xx", "ALARM"));
    for told in [0, 1, 1] {
        world.stop_troubles.borrow_mut().push_back(throttled());
        assert!(again().is_err());
        assert_eq!(decisions(&world).len(), told);
    }
    let [page] = decisions(&world).try_into().unwrap();
    assert!(page.page && page.reason.contains("ThrottlingException"), "{page:?}");
    assert!(page.next_step.contains("stop-deployment --deployment-id d-1"), "{}", page.next_step);
    again().unwrap();
    assert_eq!(decisions(&world)[1].decision, Decision::StopAndRollBack);
    assert!(endings(&world)[0].restored);
}

#[test]
fn a_look_that_stays_throttled_pages_when_the_alarm_is_a_minute_old() {
    let world = World::new();
    world.list_troubles.borrow_mut().extend([throttled(), throttled()]);
    assert!(invoke(&world, event("orchestrator-http-5xx", "ALARM")).is_err());
    assert!(world.published.borrow().is_empty());
    world.clock.run(world.clock.sleep(Duration::from_secs(70))).unwrap();
    assert!(invoke(&world, event("orchestrator-http-5xx", "ALARM")).is_err());
    assert!(decisions(&world)[0].page);
    // Later tries find what the first ones could not look for.
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    assert_eq!(world.stops.borrow().len(), 1);
}

#[test]
fn without_the_table_alerts_and_pages_are_told_and_an_ok_is_no_dead_letter() {
    for hangs in [false, true] {
        let world = World::new();
        world.ledger_is_down.set(!hangs);
        world.ledger_hangs.set(hangs);
        invoke(&world, event("orchestrator-error-log-5x", "ALARM")).unwrap();
        assert_eq!(decisions(&world)[0].decision, Decision::Alert);
        world.stop_troubles.borrow_mut().push_back(denied());
        invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
        assert!(decisions(&world)[1].page);
        for alarm in ["orchestrator-http-5xx", "nobodys"] {
            let summary = invoke(&world, event(alarm, "OK")).unwrap();
            assert_eq!(summary["decisions"][0]["outcome"], "logged");
        }
    }
}

#[test]
fn old_news_of_an_alarm_that_is_ok_stops_nothing() {
    let play = Play::of(Plan::back_after(5));
    play.run(async {
        play.wait(5 * 60).await;
        let red = play.clock.now();
        let (late, recent) = (red.plus(Duration::from_mins(2)), play.alarm_at("errors", "ALARM", red));
        play.invoke("r-1", play.alarm_at("errors", "OK", late)).await.unwrap();
        play.wait(20 * 60).await;
        play.invoke("r-2", recent).await.unwrap();
    });
    assert!(play.stopped.borrow().is_empty());
    let [alert, resolution] = play.decisions().try_into().unwrap();
    assert!(alert.decision == Decision::Alert && !alert.page, "{alert:?}");
    assert!(alert.reason.contains("which was told late, and has been OK since"), "{}", alert.reason);
    assert!(resolution.resolves);
    assert_eq!(play.alarm_reads.get(), 0, "what was heard needs no question");
}

#[test]
fn very_old_news_is_held_against_the_alarm_as_it_is_now() {
    let reading =
        |state: AlarmState, since| AlarmReading { name: "errors".to_owned(), state, reason: String::new(), since };
    let late = |minutes: u64, readings: Result<Vec<AlarmReading>, PortError>| {
        let play = Play::of(Plan::back_after(5));
        *play.readings.borrow_mut() = readings;
        play.run(async {
            play.wait(60).await;
            let alarm = play.alarm("errors", "ALARM");
            play.wait(minutes * 60).await;
            play.invoke("r-1", alarm).await.unwrap();
        });
        let stops = play.stopped.borrow().len();
        (stops, play.alarm_reads.get())
    };
    let ok = || Ok(vec![reading(AlarmState::Ok, Some(Timestamp(0)))]);
    assert_eq!(late(4, ok()), (1, 0), "nobody is asked yet");
    assert_eq!(late(6, ok()), (0, 1));
    assert_eq!(late(6, Ok(vec![reading(AlarmState::Alarm, None)])), (1, 1));
    assert_eq!(late(6, Ok(vec![reading(AlarmState::InsufficientData, None)])), (1, 1));
    assert_eq!(late(6, Ok(Vec::new())), (1, 1), "it is gone: nobody knows");
    assert_eq!(late(6, Err(throttled())), (1, 1), "a bad version does not wait for CloudWatch");
}

#[test]
fn what_is_wrong_with_the_tags_of_a_named_alarm_is_said_and_it_stops_all_the_same() {
    let typo = World::new();
    typo.tag("orchestrator-http-5xx", &[("greenlight:enviroment", "staging")]);
    let refused = World::new();
    refused.account.tag_troubles.borrow_mut().push_back(denied());
    let slow = World::new();
    slow.account.tags_hang.set(true);
    let cases = [
        (typo, "`greenlight:enviroment` means nothing here; did you mean `greenlight:environment`?"),
        (refused, "whether its tags name another environment is not known, as they could not be read"),
        (slow, "whether its tags name another environment is not known, as they were not told in time"),
    ];
    for (world, words) in cases {
        invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
        let [decision] = decisions(&world).try_into().unwrap();
        assert_eq!(decision.decision, Decision::StopAndRollBack);
        assert!(decision.reason.contains(words), "{}", decision.reason);
    }
}

#[test]
fn a_tag_that_names_no_group_is_a_slip_and_wakes_nobody() {
    let gone = PortError::NotFound { what: "the deployment group `x/y`".to_owned(), detail: "gone".to_owned() };
    for (error, words) in [(gone, "names `x/y`, which does not exist"), (denied(), "which this fleet may not read")] {
        let world = World::new();
        world.tag("typo", &[("greenlight:deployment-group", "x/y")]);
        world.list_troubles.borrow_mut().push_back(error);
        invoke(&world, event("typo", "ALARM")).unwrap();
        let [decision] = decisions(&world).try_into().unwrap();
        assert_eq!((decision.decision, decision.page), (Decision::Alert, false));
        assert!(decision.reason.contains(words), "{}", decision.reason);
    }
}

#[test]
fn a_second_alarm_just_after_our_own_stop_does_not_say_that_somebody_else_stopped_it() {
    let world = World::new();
    invoke(&world, event("orchestrator-http-5xx", "ALARM")).unwrap();
    let told = world.published.borrow().len();
    // `ListDeployments` still has it as running, the record does not.
    let error = Some(domain::deployment::DeploymentError { code: "MANUAL_STOP".to_owned(), message: String::new() });
    world.deployments.borrow_mut().clear();
    world.put(Deployment { error, ..deployment("d-1") });
    let summary = invoke(&world, event("orchestrator-p95-latency", "ALARM")).unwrap();
    assert_eq!(summary["decisions"][0]["outcome"], "stopped before, by another invocation");
    assert_eq!(world.published.borrow().len(), told);
    // The same by a person.
    world.entries.borrow_mut().clear();
    invoke(&world, event("orchestrator-p95-latency", "ALARM")).unwrap();
    assert!(decisions(&world).pop().unwrap().reason.contains("which was not Greenlight"));
}

#[test]
fn what_only_a_tag_says_is_not_called_configured() {
    let world = World::new();
    world.tag("by-tag", &[("greenlight:deployment-group", "mangaassist/orchestrator"), ("greenlight:action", "alert")]);
    invoke(&world, event("by-tag", "ALARM")).unwrap();
    let [decision] = decisions(&world).try_into().unwrap();
    assert!(decision.reason.ends_with("; its tag `greenlight:action` says `alert`"), "{}", decision.reason);
}

#[test]
fn an_alarm_that_is_nobodys_is_passed_over_when_the_last_try_is_throttled_too() {
    let world = World::new();
    world.deployments.borrow_mut().clear();
    let again = |after: u64| {
        world.clock.run(world.clock.sleep(Duration::from_secs(after))).unwrap();
        world.account.tag_troubles.borrow_mut().push_back(throttled());
        invoke(&world, event("nobodys", "ALARM"))
    };
    assert!(again(0).is_err());
    assert!(again(60).is_err());
    let summary = again(120).unwrap();
    let reason = summary["decisions"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("the alarm's tags could not be read"), "{reason}");
    assert!(world.published.borrow().is_empty());
}

#[test]
fn an_alarm_cannot_pass_for_another_one_nor_turn_the_text_around() {
    let mut payload = event("orchestrator-http-5xx\u{200b}", "ALARM");
    payload["detail"]["state"]["reason"] = json!("red\u{1b}[2J \u{202e}neerg");
    let [transition] = crate::event::parse(&payload).unwrap().try_into().unwrap();
    assert_eq!(transition.alarm.name, "orchestrator-http-5xx\u{fffd}");
    assert_eq!(transition.alarm.reason, "red[2J neerg");
    let world = World::new();
    invoke(&world, payload).unwrap();
    assert!(world.stops.borrow().is_empty() && world.published.borrow().is_empty());
}
