//! What PagerDuty does not take while an event is tried, the schedule sends, whatever the page is about.

use clock::Clock;

use super::*;
use crate::world::{BOT, PAGER, minute, of_ecs, over};

const ALARM: &str = "greenlight/nobody/alarm/5xx";

fn world() -> World {
    let mut world = World::new(&format!("{BOT}{PAGER}"));
    world.ports.clock = Clock::idle(Timestamp::parse("2026-03-03T10:07:10Z").unwrap());
    world
}

fn down() -> PortError {
    PortError::Transient { what: "paging".into(), detail: "HTTP 503".into(), retry_after: None }
}

/// Has PagerDuty down while an event is heard and tried twice more.
async fn is_lost(world: &World, event: &Value) {
    let trouble = &world.ports.sinks.pager.trouble;
    trouble.borrow_mut().extend((0..20).map(|_| down()));
    for _ in 0..3 {
        world.hear(event).await.unwrap_err();
        world.ports.clock.sleep(Duration::from_mins(1)).await;
    }
    trouble.borrow_mut().clear();
}

async fn minutes(world: &World, count: usize) -> Value {
    let mut told = Value::Null;
    for _ in 0..count {
        world.ports.clock.sleep(Duration::from_mins(1)).await;
        told = world.hear(&minute()).await.unwrap();
    }
    told
}

fn left_to_a_person() -> Value {
    let changes = json!({"page": true, "group": build::group(), "next_step": "now: `aws deploy stop-deployment --deployment-id d-1`"});
    with(decision(Some("d-1"), "Alert"), &changes)
}

#[test]
fn a_page_that_was_lost_is_sent_by_the_schedule_and_then_nothing_is_owed() {
    let asks = with(decision(None, "Alert"), &json!({"page": true}));
    let stuck = of_ecs(with(restored(), &json!({"restored": false})));
    let pages = [
        (asks, vec![format!("trigger {ALARM}")]),
        (stuck, ["/rollback", ""].map(|about| format!("trigger greenlight/ecs/main/worker{about}")).into()),
        (left_to_a_person(), vec![format!("trigger {KEY}/alarm/5xx")]),
    ];
    for (event, pages) in pages {
        let world = world();
        run_on(&world.ports.clock, async {
            is_lost(&world, &event).await;
            assert_eq!(world.keys(), Vec::<String>::new());
            minutes(&world, 3).await;
            assert_eq!(world.keys(), pages);
        });
        let list = world.ports.ledger.0.borrow()["open/stories"].clone();
        assert!(!list.to_string().contains("pager/of/"), "{list}");
    }
}

#[test]
fn a_page_that_pagerduty_refused_is_sent_when_the_key_is_mended() {
    let world = world();
    run_on(&world.ports.clock, async {
        let refusal = PortError::Permanent { what: "paging".into(), detail: "invalid routing key".into() };
        world.ports.sinks.pager.trouble.borrow_mut().push_back(refusal);
        world.hear(&with(decision(None, "Alert"), &json!({"page": true}))).await.unwrap();
        minutes(&world, 2).await;
        assert_eq!(world.keys(), Vec::<String>::new());
        "another key".clone_into(&mut world.ports.sinks.secret.borrow_mut());
        minutes(&world, 2).await;
    });
    assert_eq!(world.keys(), [format!("trigger {ALARM}")]);
}

#[test]
fn what_is_owed_for_more_than_four_days_is_no_longer_looked_after() {
    let world = world();
    run_on(&world.ports.clock, async {
        is_lost(&world, &with(decision(None, "Alert"), &json!({"page": true}))).await;
        world.ports.clock.sleep(Duration::from_hours(4 * 24)).await;
        let told = minutes(&world, 12).await;
        assert_eq!(told["open"], 0);
    });
    assert_eq!(world.keys(), Vec::<String>::new());
}

#[test]
fn a_page_that_is_owed_does_not_make_other_events_of_the_group_fail() {
    let world = world();
    run_on(&world.ports.clock, async {
        let trouble = &world.ports.sinks.pager.trouble;
        trouble.borrow_mut().extend([down(), down()]);
        world.hear(&left_to_a_person()).await.unwrap_err();
        trouble.borrow_mut().extend([down(), down()]);
        world.hear(&changed("d-1", "START")).await.unwrap();
        trouble.borrow_mut().clear();
        world.hear(&changed("d-1", "START")).await.unwrap();
    });
    assert_eq!(world.keys(), [format!("trigger {KEY}/alarm/5xx")]);
}

#[test]
fn a_page_to_stop_what_has_ended_well_since_says_what_holds_now() {
    let to_do = |ends: bool| {
        let world = world();
        run_on(&world.ports.clock, async {
            is_lost(&world, &left_to_a_person()).await;
            if ends {
                let later = world.ports.clock.now().plus(Duration::from_mins(1));
                world.record(Deployment { completed: Some(later), ..ended(Status::Succeeded) });
                world.hear(&changed("d-1", "SUCCESS")).await.unwrap();
            }
            minutes(&world, 2).await;
        });
        assert_eq!(world.keys(), [format!("trigger {KEY}/alarm/5xx")]);
        let sent = world.ports.sinks.pager.sent.borrow();
        sent[0]["payload"]["custom_details"]["to_do"].as_str().unwrap().to_owned()
    };
    assert!(to_do(false).contains("aws deploy stop-deployment"));
    let late = to_do(true);
    assert!(late.contains("can no longer be stopped") && !late.contains("aws deploy"), "{late}");
}

#[test]
fn the_end_of_an_alarms_page_is_owed_until_pagerduty_takes_it_and_then_the_page_stays_over() {
    let world = world();
    run_on(&world.ports.clock, async {
        let asks = with(decision(None, "Alert"), &json!({"page": true}));
        world.ports.sinks.pager.fates.borrow_mut().push_back(Fate::Unanswered);
        world.hear(&asks).await.unwrap_err();
        is_lost(&world, &over(None)).await;
        // What is tried again finds that it is over, and neither wakes anybody nor forgets the end.
        world.hear(&asks).await.unwrap();
        minutes(&world, 2).await;
        world.hear(&asks).await.unwrap();
    });
    assert_eq!(world.keys(), [format!("trigger {ALARM}"), format!("resolve {ALARM}")]);
}
