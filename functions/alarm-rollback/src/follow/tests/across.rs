//! One pursuit over several invocations: later events, duplicates, deaths, and two pursuits of one group.

use super::*;

/// The alarm's invocation has told that the traffic was not back in two minutes.
fn late(plan: Plan) -> Play {
    let play = alarm(plan);
    assert!(!play.endings()[0].restored);
    play
}

#[test]
fn codedeploys_event_goes_on_with_it_and_the_same_event_again_tells_nothing() {
    let play = late(Plan { target: Some(ecs()), ..Plan::back_after(145) });
    play.run(async {
        play.wait(26).await;
        for request in ["r-2", "r-2", "r-3"] {
            play.invoke(request, play.changed("d-1-back", "SUCCESS")).await.unwrap();
        }
    });
    let [first, last] = play.endings().try_into().unwrap();
    assert!(!first.restored && last.restored);
    assert_eq!((last.seconds_since_event, last.seconds_since_alarm), (145.0, Some(145.0)));
    assert_eq!((first.deployment_id, first.alarm), (last.deployment_id, last.alarm));
    assert_eq!(last.rollback_deployment_id.unwrap().0, "d-1-back");
    assert!(play.open().is_empty());
}

#[test]
fn an_event_that_comes_too_early_tells_nothing_new() {
    let play = late(Plan::back_after(600));
    play.run(async {
        play.invoke("r-2", play.changed("d-1", "STOP")).await.unwrap();
    });
    assert_eq!((play.endings().len(), play.open()), (1, vec!["d-1".to_owned()]));
}

#[test]
fn a_rollback_that_fails_after_two_minutes_is_told_as_well() {
    let play = late(Plan { ends: Some((seconds(200), Status::Failed)), ..Plan::back_after(0) });
    play.run(async {
        play.wait(90).await;
        for request in ["r-2", "r-3"] {
            play.invoke(request, play.changed("d-1-back", "FAILURE")).await.unwrap();
        }
    });
    let [_, last] = play.endings().try_into().unwrap();
    assert!(!last.restored);
    assert!(last.observed.starts_with("the rollback `d-1-back` is `Failed`"), "{}", last.observed);
}

#[test]
fn the_alarms_return_to_ok_finds_what_no_event_told() {
    // The rollback failed, and a person moved the traffic.
    let failed = Some((seconds(12), Status::Failed));
    let play = late(Plan { ends: failed, weights: Some(seconds(300)), target: Some(ecs()), ..Plan::back_after(0) });
    play.run(async {
        play.wait(400).await;
        play.invoke("r-2", play.alarm("errors", "OK")).await.unwrap();
    });
    let last = play.endings().pop().unwrap();
    assert_eq!((last.restored, last.observed.as_str()), (true, "all production traffic is on the old version"));
    assert!(play.open().is_empty());
}

#[test]
fn an_event_without_a_pursuit_costs_one_read_and_no_call() {
    let play = Play::of(Plan::back_after(0));
    play.run(async {
        for state in ["SUCCESS", "FAILURE", "STOP"] {
            play.invoke("r-1", play.changed("d-0", state)).await.unwrap();
        }
    });
    assert_eq!((play.table().reads.get(), play.calls.get()), (3, 0));
    assert!(play.published.borrow().is_empty() && play.table().table.0.borrow().is_empty());
}

#[test]
fn an_event_while_it_is_followed_looks_once_and_each_ending_is_told_once() {
    let play = Play::of(Plan::back_after(22));
    play.run(async {
        let events = async {
            // The alarm's event again, which has nothing to tell; then CodeDeploy's.
            play.wait(5).await;
            let before = play.calls.get();
            play.invoke("r-2", play.alarm_at("errors", "ALARM", play.begin)).await.unwrap();
            assert!(play.calls.get() - before <= 3, "to see what is in flight: {}", play.calls.get() - before);
            play.wait(18).await;
            play.invoke("r-3", play.changed("d-1-back", "SUCCESS")).await.unwrap();
            let (restored, _, took) = the_ending(&play);
            assert_eq!((restored, took), (true, 22.0));
        };
        let (done, ()) = futures_util::future::join(play.invoke("r-1", play.alarm("errors", "ALARM")), events).await;
        assert_eq!(done.unwrap()["restored"].as_array().unwrap().len(), 0, "the other has told it");
    });
    assert_eq!(play.endings().len(), 1);
    assert_eq!(play.decisions().len(), 1);
}

#[test]
fn ten_events_at_the_same_moment_tell_it_once() {
    let play = late(Plan::back_after(130));
    play.run(async {
        play.wait(15).await;
        let requests: Vec<String> = (2..12).map(|number| format!("r-{number}")).collect();
        let all = requests.iter().map(|request| play.invoke(request, play.changed("d-1-back", "SUCCESS")));
        for done in futures_util::future::join_all(all).await {
            done.unwrap();
        }
    });
    assert_eq!(play.endings().iter().filter(|ending| ending.restored).count(), 1);
    assert!(play.open().is_empty());
}

#[test]
fn when_the_process_dies_lambdas_second_try_goes_on_and_counts_from_the_first() {
    let play = Play::of(Plan::back_after(100));
    play.run(async {
        let payload = play.alarm("errors", "ALARM");
        play.killed_after(10, "r-1", payload.clone()).await;
        assert_eq!((play.endings().len(), play.open()), (0, vec!["d-1".to_owned()]));
        // Lambda waits for a minute.
        play.wait(60).await;
        play.invoke("r-1", payload).await.unwrap();
    });
    let (restored, _, took) = the_ending(&play);
    assert_eq!((restored, took), (true, 100.0));
    assert_eq!(play.decisions().len(), 1);
}

#[test]
fn a_process_that_dies_at_once_is_followed_by_one_that_tells_of_two_minutes_in_time() {
    let play = Play::of(Plan::back_after(600));
    play.run(async {
        let payload = play.alarm("errors", "ALARM");
        play.killed_after(1, "r-1", payload.clone()).await;
        play.wait(60).await;
        play.invoke("r-1", payload).await.unwrap();
    });
    let (restored, observed, took) = the_ending(&play);
    assert_eq!((restored, took), (false, 120.0), "{observed}");
}

#[test]
fn when_the_process_dies_the_next_event_goes_on_too() {
    // A minute later, by an invocation of another id, which follows from then on.
    let play = Play::of(Plan::back_after(100));
    play.run(async {
        play.killed_after(10, "r-1", play.alarm("errors", "ALARM")).await;
        play.wait(45).await;
        play.invoke("r-2", play.changed("d-1", "STOP")).await.unwrap();
    });
    let (restored, _, took) = the_ending(&play);
    assert_eq!((restored, took), (true, 100.0));
}

#[test]
fn an_ending_that_cannot_be_published_is_an_error_and_the_second_try_tells_it() {
    let play = Play::of(Plan::back_after(7));
    play.run(async {
        let payload = play.alarm("errors", "ALARM");
        let down = async {
            play.wait(1).await;
            play.bus_is_down.set(true);
        };
        let (done, ()) = futures_util::future::join(play.invoke("r-1", payload.clone()), down).await;
        assert!(done.is_err());
        play.bus_is_down.set(false);
        play.wait(60).await;
        play.invoke("r-1", payload).await.unwrap();
    });
    let (restored, _, took) = the_ending(&play);
    assert_eq!((restored, took), (true, 7.0));
    assert!(play.open().is_empty());
}

#[test]
fn two_pursuits_of_one_group_do_not_mix() {
    let play = late(Plan { ends: Some((seconds(12), Status::Failed)), target: Some(ecs()), ..Plan::back_after(0) });
    play.run(async {
        play.wait(600).await;
        play.deploys("d-3", Plan::back_after(700));
        play.wait(60).await;
        play.invoke("r-2", play.alarm("errors", "ALARM")).await.unwrap();
        assert_eq!(play.open(), ["d-1", "d-3"]);
        play.wait(600).await;
        play.invoke("r-3", play.changed("d-3-back", "SUCCESS")).await.unwrap();
    });
    let told: Vec<_> = play.endings().iter().map(|ending| (ending.deployment_id.0.clone(), ending.restored)).collect();
    let expected = [("d-1", false), ("d-3", false), ("d-3", true)];
    assert_eq!(told, expected.map(|(id, restored)| (id.to_owned(), restored)));
    assert!((play.endings()[2].seconds_since_event - 700.0).abs() < 0.01);
    // What was deployed before it says nothing of it; what has succeeded since ends it without a word.
    play.run(async {
        play.change("d-1", |first, _| first.created = Some(play.begin));
        play.deployments.borrow_mut().insert(
            domain::deployment::DeploymentId("d-0".to_owned()),
            (
                domain::deployment::Deployment { created: Some(play.begin), ..testkit::build::deployment() },
                Plan::back_after(0),
            ),
        );
        play.invoke("r-4", play.changed("d-0", "SUCCESS")).await.unwrap();
        assert_eq!(play.open(), ["d-1"]);
        play.deploys("d-5", Plan::back_after(0));
        play.change("d-5", |fifth, _| fifth.status = Status::Succeeded);
        play.invoke("r-5", play.changed("d-5", "SUCCESS")).await.unwrap();
    });
    assert!(play.open().is_empty());
    assert_eq!(play.endings().len(), 3);
}
