//! What is worth a page.

use domain::deployment::{Deployment, DeploymentError, DeploymentId, Status};
use domain::time::Timestamp;
use serde_json::json;
use testkit::build;

use super::{About, Page, pages, resolve};
use crate::story::{Facts, FailedHook, Rollback, Stage, Story, Traffic};

fn story(deployment: Deployment, environment: Option<&str>) -> Story {
    let mut story = Story::of(&Facts {
        deployment,
        rollback: None,
        traffic: Some(Traffic::Old),
        service: None,
        region: "eu-west-1".into(),
        ended: None,
        event_at: Timestamp(0),
        read_at: Timestamp(0),
    });
    story.environment = environment.map(str::to_owned);
    story
}

fn failed() -> Deployment {
    let error = DeploymentError { code: "TIMEOUT".into(), message: "too slow".into() };
    Deployment { status: Status::Failed, error: Some(error), completed: Some(Timestamp(0)), ..build::deployment() }
}

#[test]
fn what_to_do_fits_a_first_deployment_and_an_alarm_that_was_red_before() {
    let advice = |story: &Story| crate::glance::glance(story).action;
    let mut first = story(Deployment { is_first: true, ..failed() }, Some("production"));
    first.traffic = Some(Traffic::New);
    assert!(advice(&first).contains("there is no earlier revision to deploy"), "{}", advice(&first));
    first.is_first = false;
    assert!(advice(&first).contains("Deploy the previous revision"), "{}", advice(&first));

    let error = DeploymentError { code: "HOOK_EXECUTION_FAILURE".into(), message: "hook".into() };
    let mut red = story(Deployment { error: Some(error), ..failed() }, Some("production"));
    let failed_hook = |red_before| {
        let at = Timestamp(0);
        Some(FailedHook { event: "BeforeAllowTraffic".into(), reason: "alarms_quiet".into(), red_before, at })
    };
    red.failed_hook = failed_hook(true);
    assert!(advice(&red).starts_with("Look at the red alarm: production was unwell before"), "{}", advice(&red));
    red.failed_hook = failed_hook(false);
    assert!(advice(&red).starts_with("Nothing is urgent"), "{}", advice(&red));
}

#[test]
fn a_bad_ending_pages_with_its_cause_and_what_to_do() {
    let pages = pages(&story(failed(), Some("production")));
    let [Page::Trigger(About::Ending, event)] = pages.as_slice() else { panic!("{pages:?}") };
    let expected = json!({
        "event_action": "trigger",
        "dedup_key": "greenlight/mangaassist/orchestrator",
        "payload": {
            "summary": "mangaassist/orchestrator (production) timed out: TIMEOUT: too slow",
            "source": "codedeploy:eu-west-1:mangaassist/orchestrator",
            "severity": "critical",
            "timestamp": "1970-01-01T00:00:00.000Z",
            "component": "mangaassist/orchestrator",
            "group": "orchestrator",
            "class": "deploy",
            "custom_details": {
                "deployment": "d-1",
                "rollback": null,
                "revision": "orchestrator:42 (01234567)",
                "production": "is on the old version",
                "to_do": "Nothing is urgent: fix the cause, then deploy again.",
                "cause": "TIMEOUT: too slow",
            },
        },
        "links": [{
            "href": "https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1",
            "text": "Deployment d-1",
        }],
        "client": "Greenlight",
    });
    assert_eq!(*event, expected);
}

#[test]
fn only_production_is_critical() {
    for environment in [None, Some("staging")] {
        let pages = pages(&story(failed(), environment));
        let [Page::Trigger(About::Ending, event)] = pages.as_slice() else { panic!("{pages:?}") };
        assert_eq!(event["payload"]["severity"], "warning");
    }
}

#[test]
fn a_success_and_a_rollback_that_worked_end_the_page() {
    let succeeded = Deployment { status: Status::Succeeded, ..build::deployment() };
    let event = json!({"event_action": "resolve", "dedup_key": "greenlight/mangaassist/orchestrator"});
    let resolved = Page::Resolve(About::Ending, event);
    assert_eq!(pages(&story(succeeded, None)), std::slice::from_ref(&resolved));
    let mut rolled_back = story(failed(), None);
    rolled_back.rollback = Some(Rollback { id: DeploymentId("d-2".into()), stage: Stage::Succeeded, error: None });
    let of_the_way_back = Page::Resolve(About::Rollback, resolve("greenlight/mangaassist/orchestrator/rollback"));
    assert_eq!(pages(&rolled_back)[1..], [resolved, of_the_way_back]);
}

#[test]
fn neither_a_running_deployment_nor_a_rollback_of_its_own_is_a_page() {
    assert_eq!(pages(&story(build::deployment(), None)), []);
    let creator = "CloudFormationRollback".to_owned();
    assert_eq!(pages(&story(Deployment { creator, ..failed() }, None)), []);
}
