//! Which deployments become tickets, and what stands in them.

use domain::deployment::{Deployment, DeploymentError, Status};
use domain::events::{Heard, Notice};
use serde_json::json;
use testkit::build;

use super::*;
use crate::story::Facts;
use crate::world::{self, ended, stopped};

fn story_of(deployment: Deployment) -> Story {
    let config = build::config(
        "version: 1\nservices: [{ name: orchestrator, codedeploy: { application: mangaassist, deployment_group: orchestrator } }]\n",
    );
    Story::of(&Facts {
        service: config.service_of(&deployment.group),
        deployment,
        rollback: None,
        traffic: None,
        region: "eu-west-1".into(),
        ended: None,
        event_at: Timestamp(0),
        read_at: Timestamp(0),
    })
}

fn failed(code: &str) -> Story {
    let error = DeploymentError { code: code.into(), message: "it says why".into() };
    story_of(Deployment { error: Some(error), ..ended(Status::Failed) })
}

fn with_decision(mut story: Story, event: &Value) -> Story {
    let (_, heard) = Heard::parse(event).unwrap();
    let Heard::Notice(notice) = heard else { panic!("a notice") };
    let Notice::RollbackDecision(decision) = *notice else { panic!("a decision") };
    story.hear_decision(&decision);
    story
}

fn ticket(config: &Value) -> Ticket {
    serde_json::from_value(config.clone()).unwrap()
}

#[test]
fn what_failed_by_itself_becomes_a_ticket_and_nothing_else_does() {
    let by_alarm = with_decision(story_of(stopped()), &world::decision(Some("d-1"), "StopAndRollBack"));
    let taken_back = with_decision(story_of(ended(Status::Succeeded)), &world::late());
    let restoring = Story { restores: true, ..failed("TIMEOUT") };
    let cases = [
        ("running", story_of(build::deployment()), false),
        (
            "an alarm is about to stop it",
            with_decision(story_of(build::deployment()), &world::decision(Some("d-1"), "StopAndRollBack")),
            false,
        ),
        ("succeeded", story_of(ended(Status::Succeeded)), false),
        ("failed in a hook", failed("HOOK_EXECUTION_FAILURE"), true),
        ("timed out", failed("TIMEOUT"), true),
        ("failed otherwise", failed("INTERNAL_ERROR"), true),
        ("stopped by an alarm", by_alarm, true),
        ("taken back", taken_back, true),
        ("stopped by a person", story_of(stopped()), false),
        ("a rollback that failed", restoring, false),
    ];
    for (what, story, expected) in cases {
        assert_eq!(Case::of(&story).is_some(), expected, "{what}");
    }
}

#[test]
fn the_configured_json_is_filled_in_and_stays_json() {
    let mut story = failed("HOOK_EXECUTION_FAILURE");
    story.who = "ada \"root\"\n# heading \u{202e}".into();
    let config = json!({
        "url": "https://tickets.example", "body": {
            "title": "{{ title }}", "n": 5, "deep": [{"x": "{{who}} at {{ started }}: {{ cause }}"}, true, null, "{{ deployment.url }}"],
            "labels": ["{{ deployment.id }}", "{{ environment }}", "{{ alarm }}"],
        }
    });
    let body = Case::of(&story).unwrap().body(&ticket(&config));
    let id = &story.deployment;
    assert_eq!(
        body,
        json!({
            "title": "orchestrator (production) failed in a hook", "n": 5,
            "deep": [
                {"x": "ada \"root\" # heading at 2026-03-03T10:00:00.000Z: HOOK_EXECUTION_FAILURE: it says why"}, true, null,
                format!("https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/{id}?region=eu-west-1")
            ],
            "labels": [id, "production", ""],
        })
    );
}

#[test]
fn every_name_that_may_be_written_is_filled_in() {
    let story = with_decision(story_of(stopped()), &world::decision(Some("d-1"), "StopAndRollBack"));
    let case = Case::of(&story).unwrap();
    for name in domain::config::TICKET_NAMES {
        assert!(case.values.contains_key(name), "{name}");
    }
    assert_eq!(case.values.len(), domain::config::TICKET_NAMES.len());
}

#[test]
fn a_long_text_from_outside_is_bounded() {
    let mut story = failed("TIMEOUT");
    story.service = "s".repeat(5000);
    let case = Case::of(&story).unwrap();
    assert_eq!((case.values["title"].chars().count(), case.values["service"].chars().count()), (200, 2000));
}

#[test]
fn a_search_encodes_what_it_names() {
    let mut story = failed("TIMEOUT");
    story.service = "a b&c=/../ü".into();
    let find =
        TicketSearch { url: "https://t.example/q?jql=s%20%3D%20%22{{ service }}%22".into(), link: String::new() };
    let url = Case::of(&story).unwrap().search(&find);
    assert_eq!(url.as_deref(), Some("https://t.example/q?jql=s%20%3D%20%22a%20b%26c%3D%2F..%2F%C3%BC%22"));
}

#[test]
fn a_link_is_made_from_the_answer_or_there_is_none() {
    let case = Case::of(&failed("TIMEOUT")).unwrap();
    let github = json!({"html_url": "https://github.com/acme/shop/issues/7", "number": 7, "title": null, "items": [{"html_url": "https://github.com/i"}]});
    let jira = json!({"key": "OPS-7/../x", "issues": []});
    let cases = [
        ("{{ answer.html_url }}", &github, Some("https://github.com/acme/shop/issues/7")),
        ("{{ answer.items.0.html_url }}", &github, Some("https://github.com/i")),
        ("{{ answer.items.1.html_url }}", &github, None),
        (
            "https://github.com/acme/shop/issues/{{ answer.number }}",
            &github,
            Some("https://github.com/acme/shop/issues/7"),
        ),
        ("https://a.example/{{ answer.title }}", &github, None),
        ("https://a.example/{{ answer.items }}", &github, None),
        (
            "https://a.atlassian.net/browse/{{ answer.key }}",
            &jira,
            Some("https://a.atlassian.net/browse/OPS-7%2F..%2Fx"),
        ),
        ("https://a.atlassian.net/browse/{{ answer.issues.0.key }}", &jira, None),
        ("https://a.example/{{ answer.key }}", &Value::Null, None),
    ];
    for (link, answer, expected) in cases {
        assert_eq!(case.link(link, answer).as_deref(), expected, "{link}");
    }
    for url in [
        "javascript:alert(1)",
        "https://a.example/x|<!channel>",
        "https://a b",
        "https:///x",
        "ftp://x",
        &format!("https://x/{}", "y".repeat(500)),
    ] {
        assert_eq!(case.link("{{ answer.u }}", &json!({"u": url})), None, "{url}");
    }
}

#[test]
fn only_the_environments_that_are_named_have_tickets() {
    let case = Case::of(&failed("TIMEOUT")).unwrap();
    let of =
        |environments: Value| ticket(&json!({"url": "https://t.example", "body": {}, "environments": environments}));
    assert!(case.is_wanted(&of(json!(["staging", "production"]))) && case.is_wanted(&of(Value::Null)));
    assert!(!case.is_wanted(&of(json!(["staging"]))));
    let nowhere = Case::of(&Story { environment: None, ..failed("TIMEOUT") }).unwrap();
    assert!(nowhere.is_wanted(&of(Value::Null)) && !nowhere.is_wanted(&of(json!(["production"]))));
}

#[test]
fn a_ticket_does_not_say_that_more_will_be_told_here() {
    let mut story = failed("TIMEOUT");
    story.rollback = Some(crate::story::Rollback {
        id: DeploymentId("d-2".into()),
        stage: crate::story::Stage::Running,
        error: None,
    });
    let case = Case::of(&story).unwrap();
    assert_eq!(case.values["to_do"], "Wait for the rollback: its end is told in Slack.");
}
