//! Through the function's door: what PagerDuty has in the end, whatever the order, the duplicates and the losses.

mod history;
mod owed;

use domain::deployment::{Deployment, DeploymentId, Status};
use domain::ports::{Ledger, PortError};
use domain::time::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{build, run, run_on};

use crate::fakes::Fate;
use crate::world::{World, changed, decision, ended, late, redeploy, restored, rollback, stopped, with};

const KEY: &str = "greenlight/mangaassist/orchestrator";

fn paging(more: &str) -> World {
    World::new(&format!("pagerduty: {{ routing_key: env:K{more} }}\n"))
}

fn next_success(id: &str) -> Deployment {
    let later = Timestamp(1_772_532_420_000).plus(Duration::from_hours(1));
    Deployment { id: DeploymentId(id.into()), completed: Some(later), ..ended(Status::Succeeded) }
}

async fn rolls_back(world: &World) {
    world.record(stopped());
    world.record(rollback(Status::InProgress));
    world.hear(&decision(Some("d-1"), "StopAndRollBack")).await.unwrap();
    world.hear(&changed("d-1", "STOP")).await.unwrap();
    world.record(rollback(Status::Succeeded));
    world.hear(&restored()).await.unwrap();
    world.hear(&changed("d-2", "SUCCESS")).await.unwrap();
}

#[test]
fn a_clean_rollback_wakes_nobody_and_is_over_with_it_or_with_the_next_success_as_configured() {
    for (resolve, when_back) in [("", 2), (", resolve: next_success", 1)] {
        let world = paging(resolve);
        run(async {
            rolls_back(&world).await;
            assert_eq!(world.paged().len(), when_back, "{resolve}");
            world.record(next_success("d-5"));
            for _ in 0..2 {
                world.hear(&changed("d-5", "SUCCESS")).await.unwrap();
            }
        });
        let pages = world.pages();
        assert!(pages[0].starts_with(&format!("trigger {KEY} warning: ")), "{pages:?}");
        assert_eq!(pages[1..], [format!("resolve {KEY}")]);
    }
}

#[test]
fn where_the_severity_is_none_nobody_hears_of_it_and_nothing_is_resolved() {
    let world = paging(", severity: { production: none }");
    run(async {
        rolls_back(&world).await;
        world.hear(&with(restored(), &json!({"deployment_id": "d-9", "restored": false}))).await.unwrap_err();
        let left = json!({"page": true, "group": build::group(), "environment": "production"});
        world.hear(&with(decision(None, "Alert"), &left)).await.unwrap();
    });
    assert_eq!(world.pages(), Vec::<String>::new());
}

#[test]
fn events_that_are_heard_at_the_same_time_are_one_trigger_and_one_resolve() {
    let mut world = paging("");
    world.ports.clock = testkit::clock();
    world.record(stopped());
    world.record(rollback(Status::InProgress));
    run_on(&world.ports.clock, async {
        let stop = changed("d-1", "STOP");
        let all = tokio::join!(world.hear(&stop), world.hear(&stop), world.hear(&stop), world.hear(&stop));
        assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok() && all.3.is_ok(), "{all:?}");
        assert_eq!(world.keys(), [format!("trigger {KEY}")]);
        world.record(rollback(Status::Succeeded));
        let (back, success) = (restored(), changed("d-2", "SUCCESS"));
        let all = tokio::join!(world.hear(&success), world.hear(&back), world.hear(&success), world.hear(&stop));
        assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok() && all.3.is_ok(), "{all:?}");
    });
    assert_eq!(world.keys(), [format!("trigger {KEY}"), format!("resolve {KEY}")]);
}

#[test]
fn a_page_that_is_retried_after_the_next_success_is_not_opened_any_more() {
    for fate in [Fate::NotTaken, Fate::Unanswered] {
        let world = paging("");
        run(async {
            world.record(stopped());
            world.record(rollback(Status::Failed));
            world.ports.sinks.pager.fates.borrow_mut().extend([fate, fate]);
            assert!(world.hear(&changed("d-2", "FAILURE")).await.is_err());
            world.record(next_success("d-5"));
            world.hear(&changed("d-5", "SUCCESS")).await.unwrap();
            let told = world.keys();
            for _ in 0..2 {
                world.hear(&changed("d-2", "FAILURE")).await.unwrap();
                let late = with(restored(), &json!({"restored": false}));
                world.hear(&late).await.unwrap();
            }
            assert_eq!(world.keys(), told, "{fate:?}");
        });
        let mut ends = world.keys();
        ends.sort();
        assert_eq!(ends[..2], [format!("resolve {KEY}"), format!("resolve {KEY}/rollback")], "{fate:?}: {ends:?}");
    }
}

#[test]
fn what_pagerduty_did_not_take_is_sent_with_the_groups_next_event() {
    let world = paging("");
    run(async {
        world.record(stopped());
        world.record(rollback(Status::InProgress));
        world.ports.sinks.pager.fates.borrow_mut().push_back(Fate::NotTaken);
        assert!(world.hear(&changed("d-1", "STOP")).await.is_err());
        world.hear(&changed("d-2", "START")).await.unwrap();
    });
    assert_eq!(world.keys(), [format!("trigger {KEY}")]);
}

#[test]
fn an_event_that_pagerduty_never_takes_holds_up_no_other() {
    let world = paging("");
    run(async {
        world.record(stopped());
        world.record(rollback(Status::Failed));
        world.ports.sinks.pager.fates.borrow_mut().push_back(Fate::Unfit);
        world.hear(&changed("d-2", "FAILURE")).await.unwrap();
        world.hear(&changed("d-2", "FAILURE")).await.unwrap();
    });
    assert_eq!(world.keys(), [format!("trigger {KEY}")], "the more urgent one was tried first");
}

#[test]
fn a_holder_that_died_is_replaced_when_it_is_certainly_dead_and_until_then_lambda_tries_again() {
    let mut world = paging("");
    world.ports.clock = testkit::clock();
    let clock = world.ports.clock.clone();
    world.record(stopped());
    world.record(rollback(Status::InProgress));
    run_on(&clock, async {
        let until = clock.now().plus(Duration::from_mins(1));
        let dead = json!({"lease": {"holder": "dead", "until": until}});
        world.ports.ledger.claim("pager/lease/mangaassist/orchestrator", &dead, until).await.unwrap();
        let error = world.hear(&changed("d-1", "STOP")).await.unwrap_err();
        assert!(error.to_string().contains("another invocation has been at it all the time"), "{error}");
        clock.sleep(Duration::from_mins(1)).await;
        world.hear(&changed("d-1", "STOP")).await.unwrap();
    });
    assert_eq!(world.keys(), [format!("trigger {KEY}")]);
}

fn changes(world: &World) -> Vec<Value> {
    let changes = world.ports.sinks.pager.changes.borrow();
    changes.iter().map(|change| change["payload"]["summary"].clone()).collect()
}

#[test]
fn a_success_is_one_change_event_and_no_page_and_a_rollback_is_none() {
    let world = paging("");
    let down = || PortError::Transient { what: "x".into(), detail: "y".into(), retry_after: None };
    run(async {
        world.record(ended(Status::Succeeded));
        world.ports.sinks.pager.trouble.borrow_mut().push_back(down());
        assert!(world.hear(&changed("d-1", "SUCCESS")).await.is_err(), "not taken, so it is tried again");
        for _ in 0..2 {
            world.hear(&changed("d-1", "SUCCESS")).await.unwrap();
        }
        world.hear(&late()).await.unwrap();
        world.record(redeploy(Status::Succeeded));
        world.hear(&changed("d-3", "SUCCESS")).await.unwrap();
    });
    assert_eq!(changes(&world), ["orchestrator (production) was deployed: orchestrator:42 (01234567)"]);
}

#[test]
fn a_change_event_is_sent_at_most_once_and_never_keeps_the_event_from_ending_well() {
    for (fate, sent) in [(Fate::Unanswered, 1), (Fate::Unfit, 0)] {
        let world = paging("");
        world.record(ended(Status::Succeeded));
        world.ports.sinks.pager.fates.borrow_mut().push_back(fate);
        run(async {
            for _ in 0..3 {
                world.hear(&changed("d-1", "SUCCESS")).await.unwrap();
            }
        });
        assert_eq!(changes(&world).len(), sent, "{fate:?}");
    }
    let world = paging(", changes: none");
    world.record(ended(Status::Succeeded));
    run(world.hear(&changed("d-1", "SUCCESS"))).unwrap();
    assert_eq!(changes(&world).len(), 0);
}

#[test]
fn no_secret_is_paged() {
    let world = paging("");
    let reason = json!({"page": true, "reason": "said token=hunter2secret, Authorization: Bearer abc.DEF-123456"});
    run(async {
        world.hear(&with(decision(Some("d-1"), "Alert"), &reason)).await.unwrap();
    });
    let pages = format!("{:?}", world.ports.sinks.pager.sent.borrow());
    assert!(pages.contains("said token=***") && !pages.contains("hunter2") && !pages.contains("DEF-1"), "{pages}");
}
