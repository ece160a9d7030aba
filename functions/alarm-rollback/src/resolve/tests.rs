//! What an alarm's return to OK ends, and what it does not.

use domain::events::Decision;
use domain::time::Timestamp;

use crate::play::{Plan, Play};

fn opened(play: &Play) -> usize {
    let table = play.table().table.0.borrow();
    let of_alarms = table.iter().filter(|(key, _)| key.starts_with("opened/"));
    of_alarms
        .flat_map(|(_, entry)| entry.as_array().unwrap())
        .filter(|one| one["ok"].is_null() && one["resolved"].is_null())
        .count()
}

#[test]
fn ok_ends_what_was_told_of_the_alarm_once_for_each_service() {
    let play = Play::of(Plan::back_after(5));
    play.run(async {
        // `slow` is the alarm of two services; of one a deployment is in flight.
        play.invoke("r-1", play.alarm("slow", "ALARM")).await.unwrap();
        assert_eq!((play.decisions().len(), opened(&play)), (2, 2));
        play.wait(12 * 60).await;
        let ok = play.alarm("slow", "OK");
        for request in ["r-2", "r-2", "r-3"] {
            play.invoke(request, ok.clone()).await.unwrap();
        }
    });
    let [first, second, one, other] = play.decisions().try_into().unwrap();
    for (told, resolution) in [(first, one), (second, other)] {
        assert_eq!(told.decision, Decision::Alert);
        assert!(resolution.resolves && resolution.decision == Decision::Ignore && !resolution.page);
        assert_eq!(resolution.reason, "`slow` is OK again after 12 min");
        assert_eq!(resolution.alarm.state.to_string(), "OK");
        assert_eq!(
            (told.service, told.environment, told.group, told.deployment_id, told.revision),
            (
                resolution.service,
                resolution.environment,
                resolution.group,
                resolution.deployment_id,
                resolution.revision
            )
        );
    }
    assert_eq!(opened(&play), 0);
}

#[test]
fn ok_after_a_stop_says_so_too() {
    let play = Play::of(Plan::back_after(5));
    play.run(async {
        play.invoke("r-1", play.alarm("errors", "ALARM")).await.unwrap();
        play.wait(60).await;
        play.invoke("r-2", play.alarm("errors", "OK")).await.unwrap();
    });
    let [stop, resolution] = play.decisions().try_into().unwrap();
    assert_eq!((stop.decision, stop.resolves), (Decision::StopAndRollBack, false));
    assert!(resolution.resolves);
    assert_eq!(resolution.deployment_id, stop.deployment_id);
}

#[test]
fn an_alarm_that_nobody_was_told_of_costs_one_read_and_is_silent() {
    let play = Play::of(Plan::back_after(5));
    play.run(async {
        let summary = play.invoke("r-1", play.alarm("nobodys", "OK")).await.unwrap();
        assert_eq!(summary["decisions"][0]["outcome"], "logged");
    });
    assert_eq!((play.table().reads.get(), play.calls.get()), (1, 0));
    assert!(play.published.borrow().is_empty() && play.table().table.0.borrow().is_empty());
}

#[test]
fn an_ok_that_is_heard_before_the_alarm_ends_it_as_soon_as_it_is_told() {
    let play = Play::of(Plan::back_after(5));
    play.run(async {
        play.wait(60).await;
        let red = play.clock.now();
        let after = |seconds| red.plus(std::time::Duration::from_secs(seconds));
        play.wait(30).await;
        // The newer one counts, whichever comes first.
        for (request, seconds) in [("r-1", 20), ("r-2", 10)] {
            play.invoke(request, play.alarm_at("slow", "OK", after(seconds))).await.unwrap();
        }
        let late = play.alarm_at("slow", "ALARM", red);
        play.invoke("r-3", late.clone()).await.unwrap();
        play.invoke("r-4", late).await.unwrap();
        play.invoke("r-5", play.alarm_at("slow", "OK", after(20))).await.unwrap();
    });
    let told: Vec<_> = play.decisions().into_iter().map(|it| (it.service.unwrap(), it.resolves, it.reason)).collect();
    assert_eq!(told.iter().filter(|(_, resolves, _)| *resolves).count(), 2, "{told:?}");
    let ended = |service: &str| told.contains(&(service.to_owned(), true, "`slow` is OK again after 20 s".to_owned()));
    assert!(ended("orchestrator") && ended("neighbour"), "{told:?}");
    assert_eq!(opened(&play), 0);
}

#[test]
fn an_ok_that_is_older_than_the_alarm_ends_nothing_whenever_it_arrives() {
    let play = Play::of(Plan::back_after(5));
    play.run(async {
        play.wait(60).await;
        let (earlier, red) = (play.clock.now(), play.clock.now().plus(std::time::Duration::from_secs(30)));
        let ok = play.alarm_at("slow", "OK", earlier);
        play.invoke("r-1", ok.clone()).await.unwrap();
        play.wait(31).await;
        play.invoke("r-2", play.alarm_at("slow", "ALARM", red)).await.unwrap();
        play.invoke("r-3", ok).await.unwrap();
        assert!(play.decisions().iter().all(|decision| !decision.resolves));
        play.wait(60).await;
        play.invoke("r-4", play.alarm("slow", "OK")).await.unwrap();
    });
    assert_eq!(play.decisions().iter().filter(|decision| decision.resolves).count(), 2);
}

#[test]
fn an_older_event_does_not_take_the_place_of_a_newer_one() {
    let play = Play::of(Plan::back_after(5));
    play.run(async {
        play.wait(600).await;
        let at = |seconds: i64| Timestamp(play.begin.0 + seconds * 1000);
        for (request, seconds) in [("r-1", 500), ("r-2", 100)] {
            play.invoke(request, play.alarm_at("slow", "ALARM", at(seconds))).await.unwrap();
        }
        // Between the two.
        play.invoke("r-3", play.alarm_at("slow", "OK", at(300))).await.unwrap();
    });
    assert!(play.decisions().iter().all(|decision| !decision.resolves));
    assert_eq!(opened(&play), 2);
}

#[test]
fn what_has_too_little_data_is_not_over() {
    let play = Play::of(Plan::back_after(5));
    play.run(async {
        play.invoke("r-1", play.alarm("slow", "ALARM")).await.unwrap();
        play.wait(60).await;
        play.invoke("r-2", play.alarm("slow", "INSUFFICIENT_DATA")).await.unwrap();
    });
    assert_eq!((play.decisions().len(), opened(&play)), (2, 2));
}

#[test]
fn a_resolution_that_cannot_be_published_is_an_error_and_told_by_the_next_try() {
    let play = Play::of(Plan::back_after(5));
    play.run(async {
        play.invoke("r-1", play.alarm("slow", "ALARM")).await.unwrap();
        let ok = play.alarm("slow", "OK");
        play.bus_is_down.set(true);
        assert!(play.invoke("r-2", ok.clone()).await.is_err());
        play.bus_is_down.set(false);
        play.invoke("r-2", ok).await.unwrap();
    });
    assert_eq!(play.decisions().iter().filter(|decision| decision.resolves).count(), 2);
}

#[test]
fn an_alert_that_is_older_than_what_was_told_or_comes_a_moment_later_is_not_told() {
    let play = Play::of(Plan::back_after(5));
    play.run(async {
        play.wait(600).await;
        let now = play.clock.now();
        let seconds = std::time::Duration::from_secs;
        play.invoke("r-1", play.alarm_at("slow", "ALARM", now)).await.unwrap();
        let told = play.decisions().len();
        // News from before, the same alarm flapping within its shortest period, and after a return to OK.
        for (request, at) in [("r-2", now.minus(seconds(120))), ("r-3", now.plus(seconds(2)))] {
            play.invoke(request, play.alarm_at("slow", "ALARM", at)).await.unwrap();
        }
        play.invoke("r-4", play.alarm_at("slow", "OK", now.plus(seconds(3)))).await.unwrap();
        play.invoke("r-5", play.alarm_at("slow", "ALARM", now.plus(seconds(4)))).await.unwrap();
        let alerts = || play.decisions().iter().filter(|decision| decision.decision == Decision::Alert).count();
        assert_eq!(alerts(), told);
        play.invoke("r-6", play.alarm_at("slow", "ALARM", now.plus(seconds(63)))).await.unwrap();
        assert_eq!(alerts(), 2 * told, "a minute later it is news");
    });
}
