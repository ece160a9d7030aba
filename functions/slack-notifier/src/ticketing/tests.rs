//! One ticket, whatever becomes of the requests: duplicates, no answer, a search, a refusal, two at a time.

use domain::deployment::{Deployment, DeploymentError, Status};
use serde_json::json;
use testkit::{build, run};

use super::*;
use crate::world::{BOT, World, changed, decision, ended, of_ecs, restored, rollback, stopped};

const TICKETS: &str = "ticket: { url: \"https://t.example/issues\", body: { title: \"{{ title }}\", id: \"{{ deployment.id }}\" }, \
     link: \"{{ answer.url }}\", find: { url: \"https://t.example/q?{{ deployment.id }}\", link: \"{{ answer.found }}\" } }\n";
const URL: &str = "https://t.example/7";

fn world() -> World {
    let world = World::new(&format!("{BOT}{TICKETS}"));
    let error = DeploymentError { code: "TIMEOUT".into(), message: "too long".into() };
    world.record(Deployment { error: Some(error), ..ended(Status::Failed) });
    world
}

fn answered() -> Value {
    json!({"url": URL})
}

fn error(detail: &str) -> PortError {
    PortError::Transient { what: "opening a ticket".into(), detail: detail.into(), retry_after: None }
}

impl World {
    fn answers(&self, answers: impl IntoIterator<Item = Result<Value, Unsent>>) {
        self.ports.sinks.desk.answers.borrow_mut().extend(answers);
    }

    fn tickets(&self) -> usize {
        self.ports.sinks.desk.opened.borrow().len()
    }

    fn searches(&self) -> Vec<String> {
        self.ports.sinks.desk.asked.borrow().clone()
    }

    /// As if the last try were a minute ago.
    fn a_minute_later(&self) {
        let mut table = self.ports.ledger.0.borrow_mut();
        let ago = self.ports.clock.now().minus(Duration::from_mins(1));
        *table.get_mut("ticket/d-1/tried").unwrap() = json!({"tried": ago});
    }
}

#[test]
fn a_failed_deployment_has_one_ticket_and_its_link_stands_in_the_thread_and_the_headline() {
    let world = world();
    world.answers([Ok(answered())]);
    run(async {
        for _ in 0..3 {
            world.hear(&changed("d-1", "FAILURE")).await.unwrap();
        }
    });
    assert_eq!(
        world.ports.sinks.desk.opened.borrow()[0],
        json!({"title": "orchestrator (production) timed out", "id": "d-1"})
    );
    assert_eq!((world.tickets(), world.searches().len()), (1, 0));
    let messages = world.slack().messages.borrow();
    let with_link = |content: &Value| content.to_string().contains("<https://t.example/7|https://t.example/7>");
    assert!(messages[0].thread.is_none() && with_link(&messages[0].content), "{:#}", messages[0].content);
    let replies = messages.iter().filter(|message| message.thread.is_some() && with_link(&message.content)).count();
    assert_eq!(replies, 1);
}

#[test]
fn a_success_has_none() {
    let world = world();
    world.record(ended(Status::Succeeded));
    run(world.hear(&changed("d-1", "SUCCESS"))).unwrap();
    assert_eq!(world.tickets(), 0);
}

#[test]
fn a_rollback_belongs_to_the_ticket_of_what_it_rolls_back() {
    let world = World::new(&format!("{BOT}{TICKETS}"));
    world.answers([Ok(answered())]);
    run(async {
        world.hear(&changed("d-1", "START")).await.unwrap();
        world.hear(&decision(Some("d-1"), "StopAndRollBack")).await.unwrap();
        world.record(stopped());
        world.hear(&changed("d-1", "STOP")).await.unwrap();
        world.record(rollback(Status::Succeeded));
        world.hear(&restored()).await.unwrap();
        world.hear(&changed("d-2", "SUCCESS")).await.unwrap();
    });
    assert_eq!(world.tickets(), 1);
    assert_eq!(world.ports.sinks.desk.opened.borrow()[0]["id"], "d-1");
}

#[test]
fn what_was_not_taken_is_opened_by_the_next_try_without_a_search() {
    let world = world();
    world.answers([Err(Unsent::NotTaken(error("HTTP 429"))), Ok(answered())]);
    run(async {
        let told = world.hear(&changed("d-1", "FAILURE")).await.unwrap_err();
        assert_eq!(told.to_string(), "opening a ticket failed for now: HTTP 429");
        world.hear(&changed("d-1", "FAILURE")).await.unwrap();
    });
    assert_eq!((world.tickets(), world.searches().len()), (2, 0));
}

#[test]
fn a_ticket_that_may_be_open_is_looked_for_before_it_is_opened_again() {
    let world = world();
    world.answers([Err(Unsent::Unanswered(error("no answer")))]);
    world.ports.sinks.desk.finds.borrow_mut().push_back(Ok(json!({"found": URL})));
    run(async {
        assert!(world.hear(&changed("d-1", "FAILURE")).await.is_err());
        // Another event in the same second: the search may not know the ticket yet, and the first one is tried again anyway.
        world.hear(&changed("d-1", "FAILURE")).await.unwrap();
        assert!(world.searches().is_empty());
        world.a_minute_later();
        world.hear(&changed("d-1", "FAILURE")).await.unwrap();
    });
    assert_eq!((world.tickets(), world.searches()), (1, vec!["https://t.example/q?d-1".to_owned()]));
    assert!(world.slack().messages.borrow()[0].content.to_string().contains(URL));
}

#[test]
fn a_ticket_that_may_be_open_is_looked_for_also_after_a_later_try_that_was_not_taken() {
    let world = world();
    world.answers([Err(Unsent::Unanswered(error("no answer"))), Err(Unsent::NotTaken(error("HTTP 429")))]);
    // The search knows the ticket of the first try late.
    world.ports.sinks.desk.finds.borrow_mut().extend([Ok(Value::Null), Ok(json!({"found": URL}))]);
    run(async {
        assert!(world.hear(&changed("d-1", "FAILURE")).await.is_err());
        for is_found in [false, true] {
            world.a_minute_later();
            assert_eq!(world.hear(&changed("d-1", "FAILURE")).await.is_ok(), is_found);
        }
    });
    assert_eq!((world.tickets(), world.searches().len()), (2, 2), "the third try found it");
}

#[test]
fn a_ticket_that_is_not_found_is_opened_again() {
    let world = world();
    world.answers([Err(Unsent::Unanswered(error("HTTP 502"))), Ok(answered())]);
    run(async {
        assert!(world.hear(&changed("d-1", "FAILURE")).await.is_err());
        world.a_minute_later();
        world.ports.sinks.desk.finds.borrow_mut().push_back(Err(error("HTTP 503")));
        assert!(world.hear(&changed("d-1", "FAILURE")).await.is_err(), "whether it is there is not known");
        assert_eq!(world.tickets(), 1);
        world.hear(&changed("d-1", "FAILURE")).await.unwrap();
    });
    assert_eq!((world.tickets(), world.searches().len()), (2, 2));
}

#[test]
fn who_may_not_search_opens_it_again() {
    let world = world();
    world.answers([Err(Unsent::Unanswered(error("HTTP 502"))), Ok(answered())]);
    let refused = PortError::Permanent { what: "looking for a ticket".into(), detail: "HTTP 403".into() };
    world.ports.sinks.desk.finds.borrow_mut().push_back(Err(refused));
    run(async {
        assert!(world.hear(&changed("d-1", "FAILURE")).await.is_err());
        world.a_minute_later();
        world.hear(&changed("d-1", "FAILURE")).await.unwrap();
    });
    assert_eq!(world.tickets(), 2);
}

#[test]
fn an_invocation_that_died_while_it_opened_one_is_followed_by_a_search() {
    let world = world();
    world.ports.sinks.desk.finds.borrow_mut().push_back(Ok(json!({"found": URL})));
    run(async {
        let now = world.ports.clock.now();
        let dead = Holder { id: "dead".into(), until: now.minus(Duration::from_secs(1)) };
        lease::take(&world.ports.ledger, "ticket/d-1", &dead, now.minus(Duration::from_mins(1))).await.unwrap();
        world
            .ports
            .ledger
            .claim("ticket/d-1/tried", &json!({"tried": now.minus(Duration::from_mins(1))}), now)
            .await
            .unwrap();
        world.hear(&changed("d-1", "FAILURE")).await.unwrap();
    });
    assert_eq!((world.tickets(), world.searches().len()), (0, 1));
}

#[test]
fn a_ticket_that_is_refused_as_it_is_is_told_and_not_tried_again() {
    let world = world();
    let refused =
        PortError::Permanent { what: "opening a ticket".into(), detail: "HTTP 422, body `<!channel> no`".into() };
    world.answers([Err(Unsent::Unfit(refused))]);
    run(async {
        for _ in 0..2 {
            world.hear(&changed("d-1", "FAILURE")).await.unwrap();
        }
    });
    assert_eq!(world.tickets(), 1);
    let messages = world.slack().messages.borrow();
    let told: Vec<String> =
        messages.iter().map(|message| message.content.to_string()).filter(|text| text.contains("No ticket")).collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("HTTP 422, body `&lt;!channel&gt; no`"), "{}", told[0]);
}

#[test]
fn a_desk_that_is_closed_is_told_in_slack_and_not_asked_again() {
    let world = world();
    let refused = PortError::Permanent { what: "opening a ticket".into(), detail: "HTTP 401".into() };
    world.answers([Err(Unsent::Closed(refused)), Ok(answered())]);
    run(async {
        for _ in 0..2 {
            world.hear(&changed("d-1", "FAILURE")).await.unwrap();
        }
    });
    assert_eq!((world.tickets(), world.searches().len()), (1, 0));
    let told = world.slack().read();
    assert!(told.contains("was stopped") || told.contains("failed"), "Slack was told all the same: {told}");
    assert_eq!(told.matches("HTTP 401").count(), 1, "{told}");
}

#[test]
fn an_answer_without_a_link_is_a_ticket_all_the_same() {
    let world = world();
    run(async {
        for _ in 0..2 {
            world.hear(&changed("d-1", "FAILURE")).await.unwrap();
        }
    });
    assert_eq!(world.tickets(), 1);
    assert!(world.slack().read().contains("orchestrator: a ticket is open."), "{}", world.slack().read());
}

#[test]
fn two_invocations_at_a_time_open_one() {
    let world = world();
    world.answers([Ok(answered()), Ok(answered()), Ok(answered())]);
    run(async {
        let event = changed("d-1", "FAILURE");
        let told = tokio::join!(world.hear(&event), world.hear(&event), world.hear(&event));
        for outcome in [told.0, told.1, told.2] {
            outcome.unwrap();
        }
    });
    assert_eq!(world.tickets(), 1);
}

#[test]
fn a_service_that_ecs_itself_deploys_has_a_ticket_when_it_is_taken_back() {
    let world = World::new(&format!("{BOT}{TICKETS}"));
    world.answers([Ok(answered())]);
    run(async {
        let event = of_ecs(decision(Some("ecs-svc/1"), "StopAndRollBack"));
        world.hear(&event).await.unwrap();
        world.hear(&event).await.unwrap();
    });
    assert_eq!(world.ports.sinks.desk.opened.borrow().len(), 1);
    assert_eq!(world.ports.sinks.desk.opened.borrow()[0]["id"], "ecs-svc/1");
    assert!(build::deployment().id.0 != "ecs-svc/1" && world.slack().read().contains("a ticket is open"));
}
