//! What somebody must do now: said once, in the same words everywhere, and until it is done.

use domain::deployment::{Deployment, DeploymentId, Status};
use domain::time::Timestamp;
use serde_json::json;
use testkit::{build, run};

use super::{both, left_to_a_person, not_restored};
use crate::fakes::readable;
use crate::world::{changed, decision, ended, over, rollback, stopped, with};

#[test]
fn a_deployment_that_should_have_been_stopped_and_succeeds_is_no_success_until_the_next_one() {
    for is_ok_before in [false, true] {
        let world = both();
        // It ends after the alarm's transition, at 10:07.
        let done = Timestamp::parse("2026-03-03T10:20:00Z").unwrap();
        let good =
            |id: &str, at| Deployment { id: DeploymentId(id.into()), completed: Some(at), ..ended(Status::Succeeded) };
        let ok = with(over(None), &json!({"group": build::group()}));
        run(async {
            world.hear(&left_to_a_person(Some("d-1"))).await.unwrap();
            if is_ok_before {
                world.hear(&ok).await.unwrap();
            }
            world.record(good("d-1", done));
            world.hear(&changed("d-1", "SUCCESS")).await.unwrap();
            world.hear(&ok).await.unwrap();
        });
        let text = world.slack().read();
        assert!(!text.contains("Nothing to do"), "{text}");
        let by_hand = "can no longer be stopped";
        assert_eq!(text.lines().filter(|line| line.contains(by_hand)).count(), 2, "headline and reply: {text}");
        assert_eq!(world.keys()[..1], ["trigger greenlight/mangaassist/orchestrator/alarm/5xx"]);
        assert!(!world.keys().contains(&"resolve greenlight/mangaassist/orchestrator/alarm/5xx".to_owned()));
        run(async {
            world.record(good("d-5", done.plus(std::time::Duration::from_mins(30))));
            for _ in 0..2 {
                world.hear(&changed("d-5", "SUCCESS")).await.unwrap();
            }
        });
        let resolved =
            world.keys().iter().filter(|key| *key == "resolve greenlight/mangaassist/orchestrator/alarm/5xx").count();
        assert_eq!(resolved, 1, "{:?}", world.keys());
    }
}

#[test]
fn a_rollback_that_failed_is_one_reply_with_what_was_seen_whichever_is_heard_first() {
    let failed = with(
        not_restored(),
        &json!({"observed": "the rollback `d-2` is `Failed`; 10 % of production traffic is on the new version"}),
    );
    let told = [failed, changed("d-2", "FAILURE")];
    for order in [[0, 1], [1, 0]] {
        let world = both();
        run(async {
            world.record(stopped());
            world.hear(&decision(Some("d-1"), "StopAndRollBack")).await.unwrap();
            world.record(rollback(Status::Failed));
            for index in order.into_iter().chain(order) {
                world.hear(&told[index]).await.unwrap();
            }
        });
        let messages = world.slack().messages.borrow();
        let alarms =
            messages.iter().filter(|it| it.thread.is_some() && it.content.to_string().contains(":rotating_light:"));
        assert_eq!(alarms.count(), 1, "{}", world.slack().read());
        let headline = readable(&messages[0].content);
        assert!(
            headline.contains("and the rollback failed") && headline.contains("10 % of production traffic"),
            "{headline}"
        );
        assert!(!headline.contains("Unless"), "{headline}");
        drop(messages);
        let page = world.ports.sinks.pager.sent.borrow().last().unwrap()["payload"]["custom_details"]["to_do"].clone();
        assert_eq!(page, "Act now: open the deployment and move the traffic to the old version by hand.", "{order:?}");
    }
}

#[test]
fn what_to_do_about_traffic_that_is_late_is_one_sentence_everywhere() {
    let world = both();
    run(async {
        world.record(stopped());
        world.record(rollback(Status::InProgress));
        world.hear(&not_restored()).await.unwrap();
    });
    let to_do = "Act now: open the deployment. Unless the rollback is about to end, move the traffic to the old version by hand.";
    let messages = world.slack().messages.borrow();
    assert!(readable(&messages[0].content).contains(to_do));
    let reply =
        messages.iter().map(|it| readable(&it.content)).find(|text| text.contains("*The traffic is not back")).unwrap();
    assert!(reply.contains(to_do), "{reply}");
    let sent = world.ports.sinks.pager.sent.borrow();
    assert_eq!(sent[0]["payload"]["custom_details"]["to_do"], to_do);
}
