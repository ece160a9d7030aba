//! What is worth a page, how bad it is, and what ends it.

use domain::config::PagerDuty;
use domain::deployment::{Deployment, DeploymentError, DeploymentId, Status};
use domain::time::Timestamp;
use serde_json::{Value, json};
use testkit::build;

use super::{About, Asked, End, Until, asked, change, elsewhere};
use crate::story::{AlarmStop, Facts, FailedHook, Restored, Rollback, Skipped, Stage, Story, Traffic};

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

fn config(more: &str) -> PagerDuty {
    let service =
        "services: [{ name: orchestrator, codedeploy: { application: mangaassist, deployment_group: orchestrator } }]";
    let text = format!("version: 1\npagerduty: {{ routing_key: env:K{more} }}\n{service}\n");
    build::config(&text).pagerduty.unwrap()
}

fn way_back(stage: Stage) -> Rollback {
    Rollback { id: DeploymentId("d-2".into()), stage, error: None }
}

/// `key severity`, of each page.
fn said(asked: &Asked) -> Vec<String> {
    let key = |page: &super::Page| page.key.replace("greenlight/mangaassist/orchestrator", "…");
    let severity = |page: &super::Page| page.event["payload"]["severity"].as_str().unwrap().to_owned();
    asked.pages.iter().map(|page| format!("{} {}", key(page), severity(page))).collect()
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
    let asked = asked(&story(failed(), Some("production")), &config(""));
    let [page] = asked.pages.as_slice() else { panic!("{asked:?}") };
    let expected = json!({
        "event_action": "trigger",
        "dedup_key": "greenlight/mangaassist/orchestrator",
        "payload": {
            "summary": "mangaassist/orchestrator (production) timed out: TIMEOUT: too slow",
            "source": "codedeploy:eu-west-1:mangaassist/orchestrator",
            "severity": "warning",
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
    assert_eq!(page.event, expected);
}

#[test]
fn a_page_is_urgent_where_a_person_must_act_and_safe_while_production_is_safe_or_on_its_way_back() {
    let bad = |change: &dyn Fn(&mut Story)| {
        let mut story = story(failed(), Some("production"));
        change(&mut story);
        story
    };
    let late = |change: &dyn Fn(&mut Story)| {
        let mut story = story(
            Deployment { status: Status::Succeeded, completed: Some(Timestamp(5)), ..build::deployment() },
            Some("production"),
        );
        story.late = true;
        story.alarm = Some(AlarmStop { name: "5xx".into(), observed: String::new(), at: Timestamp(9) });
        change(&mut story);
        story
    };
    let not_back = || Some(Restored { complete: false, observed: String::new(), was_late: true });
    let none: &[&str] = &[];
    let stuck: &[&str] = &["… warning", "…/rollback critical"];
    let cases: [(&str, Story, &[&str]); 13] = [
        ("it runs", story(build::deployment(), Some("production")), none),
        ("failed, all traffic on the old version", bad(&|_| {}), &["… warning"]),
        ("failed before any traffic", bad(&|it| it.traffic = Some(Traffic::NeverShifted)), &["… warning"]),
        (
            "its rollback runs",
            bad(&|it| (it.rollback, it.traffic) = (Some(way_back(Stage::Running)), None)),
            &["… warning"],
        ),
        ("no rollback, traffic on the new version", bad(&|it| it.traffic = Some(Traffic::New)), &["… critical"]),
        ("no rollback, traffic unknown", bad(&|it| it.traffic = None), &["… critical"]),
        (
            "no rollback of the first deployment",
            bad(&|it| (it.is_first, it.traffic) = (true, Some(Traffic::Share(10.0)))),
            &["… critical"],
        ),
        ("its rollback failed", bad(&|it| it.rollback = Some(way_back(Stage::Failed))), stuck),
        (
            "its rollback failed, and no traffic had shifted",
            bad(&|it| (it.rollback, it.traffic) = (Some(way_back(Stage::Failed)), Some(Traffic::NeverShifted))),
            &["… warning"],
        ),
        // The event that tells it has the page of its own.
        (
            "the traffic is late",
            bad(&|it| (it.rollback, it.restored) = (Some(way_back(Stage::Running)), not_back())),
            &["… warning"],
        ),
        ("taken back", late(&|it| it.rollback = Some(way_back(Stage::Running))), &["… warning"]),
        ("taken back, which failed", late(&|it| it.rollback = Some(way_back(Stage::Stopped))), stuck),
        ("ended well", late(&|it| it.late = false), none),
    ];
    for (case, story, expected) in cases {
        let asked = asked(&story, &config(""));
        assert_eq!(said(&asked), expected, "{case}");
        assert!(asked.pages.iter().all(|page| page.until == Until::Back), "{case}");
    }
}

#[test]
fn the_severity_is_that_of_the_environment_and_none_is_no_page() {
    let urgent = |environment| {
        let mut story = story(failed(), environment);
        story.traffic = Some(Traffic::New);
        story
    };
    let cases = [
        (Some("staging"), "", vec!["… warning"], vec!["… info"]),
        (None, "", vec!["… warning"], vec!["… info"]),
        (Some("production"), ", severity: { production: error, \"*\": none }", vec!["… error"], vec!["… warning"]),
        (Some("staging"), ", severity: { production: error, \"*\": none }", vec![], vec![]),
        (Some("production"), ", severity_when_safe: { production: none }", vec!["… critical"], vec![]),
    ];
    for (environment, written, when_urgent, when_safe) in cases {
        assert_eq!(said(&asked(&urgent(environment), &config(written))), when_urgent, "{environment:?} {written}");
        assert_eq!(
            said(&asked(&story(failed(), environment), &config(written))),
            when_safe,
            "{environment:?} {written}"
        );
    }
}

#[test]
fn what_has_become_of_a_deployment_is_told_to_the_pages_of_its_group() {
    let end = |story: &Story| {
        let asked = asked(story, &config(""));
        (asked.end, asked.succeeded)
    };
    let succeeded = Deployment { status: Status::Succeeded, completed: Some(Timestamp(7)), ..build::deployment() };
    assert_eq!(end(&story(succeeded.clone(), None)), (None, Some(Timestamp(7))));
    assert_eq!(end(&story(failed(), None)), (Some(End::Stopped), None));
    let mut back = story(failed(), None);
    back.rollback = Some(way_back(Stage::Succeeded));
    assert_eq!(end(&back), (Some(End::Back), None));
    // It was well until it was taken back.
    let mut late = story(succeeded, None);
    late.rollback = Some(way_back(Stage::Succeeded));
    assert_eq!(end(&late), (Some(End::Back), Some(Timestamp(7))));
}

#[test]
fn next_success_is_all_that_ends_a_page_where_it_is_configured() {
    let mut stuck = story(failed(), None);
    stuck.rollback = Some(way_back(Stage::Failed));
    let asked = asked(&stuck, &config(", resolve: next_success"));
    assert_eq!(asked.pages.iter().map(|page| page.until).collect::<Vec<_>>(), [Until::Success; 2]);
}

#[test]
fn neither_a_running_deployment_nor_a_rollback_of_its_own_is_a_page() {
    assert!(asked(&story(build::deployment(), None), &config("")).is_nothing());
    let creator = "CloudFormationRollback".to_owned();
    for deployment in [failed(), Deployment { status: Status::Succeeded, ..build::deployment() }] {
        let story = story(Deployment { creator: creator.clone(), ..deployment }, None);
        assert!(asked(&story, &config("")).is_nothing());
        assert_eq!(change(&story, &config("")), None);
    }
}

#[test]
fn a_success_is_a_change_event() {
    let done = Deployment {
        status: Status::Succeeded,
        started: Some(Timestamp(0)),
        completed: Some(Timestamp(420_000)),
        ..build::deployment()
    };
    let mut story = story(done, Some("production"));
    story.service = "orchestrator".into();
    let expected = json!({
        "payload": {
            "summary": "orchestrator (production) was deployed: orchestrator:42 (01234567)",
            "timestamp": "1970-01-01T00:07:00.000Z",
            "source": "codedeploy:eu-west-1:mangaassist/orchestrator",
            "custom_details": {
                "deployment": "d-1",
                "revision": "orchestrator:42 (01234567)",
                "commit": "0123456789abcdef",
                "environment": "production",
                "started_by": "a person or a pipeline",
                "duration": "7 min",
                "configuration": "CodeDeployDefault.ECSCanary10Percent5Minutes",
            },
        },
        "links": [{
            "href": "https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1",
            "text": "Deployment d-1",
        }],
    });
    assert_eq!(change(&story, &config("")), Some(expected));
    assert_eq!(change(&story, &config(", changes: none")), None);
    story.skipped = Some(Skipped { reason: "it burns".into(), at: Timestamp(0) });
    let summary = change(&story, &config("")).unwrap()["payload"]["summary"].clone();
    assert_eq!(summary, "orchestrator (production) was deployed UNCHECKED: orchestrator:42 (01234567)");
    story.stage = Stage::Failed;
    assert_eq!(change(&story, &config("")), None);
}

/// Events API v2: "The maximum permitted length of this property is 1024 characters" (summary), "255 characters" (`dedup_key`), "Events API
/// payloads are limited to 512 KB".
#[test]
fn pagerdutys_limits_hold_whatever_comes_in() {
    let flood = "日本語 <!channel> & \u{1f4a5}".repeat(20_000);
    let mut story = story(failed(), Some(&flood));
    (story.service, story.who, story.region) = (flood.clone(), flood.clone(), flood.clone());
    story.group.application = flood.clone();
    story.revision.git_sha = Some(flood.clone());
    story.revision.task_definition = Some(flood.clone());
    story.particulars.configuration = flood.clone();
    story.error = Some(DeploymentError { code: flood.clone(), message: flood.clone() });
    story.rollback = Some(way_back(Stage::Failed));
    let mut events: Vec<Value> = asked(&story, &config("")).pages.iter().map(|page| page.event.clone()).collect();
    assert_eq!(events.len(), 2);
    story.stage = Stage::Succeeded;
    events.extend(change(&story, &config("")));
    let length = |event: &Value, pointer: &str| {
        event.pointer(pointer).and_then(Value::as_str).map_or(0, |text| text.chars().count())
    };
    for event in &events {
        assert!(length(event, "/payload/summary") <= 1024 && length(event, "/dedup_key") <= 255, "{event}");
        assert!(event.to_string().len() < 25_000, "{} bytes", event.to_string().len());
    }
    assert_eq!(events.iter().filter(|event| event["payload"]["summary"].as_str().unwrap().ends_with('…')).count(), 3);
    // What differs beyond the limit stays different.
    let keys = |end: &str| super::ending_key(&format!("{flood}{end}"));
    assert!(keys("a") != keys("b") && keys("a") == keys("a"));
    let about = asked(&story, &config("")).pages.iter().map(|page| page.about.clone()).collect::<Vec<_>>();
    assert!(about.contains(&About::Rollback), "{about:?}");
}

#[test]
fn a_page_does_not_say_that_more_will_be_told_here() {
    assert_eq!(elsewhere("Nothing to do."), "Nothing to do.");
    let mut story = story(failed(), None);
    story.traffic = Some(Traffic::Some);
    story.rollback = Some(way_back(Stage::Running));
    let asked = asked(&story, &config(""));
    let to_do = &asked.pages[0].event["payload"]["custom_details"]["to_do"];
    assert_eq!(to_do, "Wait for the rollback: its end is told in Slack.");
}
