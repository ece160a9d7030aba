//! The headline and its replies for every way in which a deployment goes on or ends.

use domain::deployment::{Deployment, DeploymentError, DeploymentId, Status};
use domain::time::Timestamp;
use insta::assert_snapshot;
use testkit::build;

use super::{Reply, console_url, ending, headline, rollback, waiting};
use crate::blocks::render;
use crate::fakes::readable;
use crate::story::{AlarmStop, Facts, FailedHook, Restored, Rollback, Skipped, Stage, Story, Traffic};

fn story_of(deployment: Deployment) -> Story {
    let config = build::config(
        "version: 1\nservices:\n  - name: orchestrator\n    codedeploy: { application: mangaassist, deployment_group: orchestrator }\n",
    );
    Story::of(&Facts {
        service: config.service_of(&deployment.group),
        deployment,
        rollback: None,
        traffic: Some(Traffic::Old),
        region: "eu-west-1".into(),
        ended: None,
        event_at: Timestamp(1_772_532_900_000),
        read_at: Timestamp(1_772_532_900_000),
    })
}

fn running() -> Story {
    story_of(Deployment { started: Some(Timestamp(1_772_532_000_000)), ..build::deployment() })
}

fn ended(status: Status, error: Option<(&str, &str)>) -> Story {
    let error = error.map(|(code, message)| DeploymentError { code: code.into(), message: message.into() });
    story_of(Deployment {
        status,
        error,
        started: Some(Timestamp(1_772_532_000_000)),
        completed: Some(Timestamp(1_772_532_428_000)),
        ..build::deployment()
    })
}

fn failed_hook() -> FailedHook {
    FailedHook {
        event: "BeforeAllowTraffic".into(),
        reason: "`health_check` fail: expected status 200, observed status 500".into(),
        red_before: false,
        at: Timestamp(0),
    }
}

fn alarm() -> AlarmStop {
    AlarmStop {
        name: "orchestrator-http-5xx".into(),
        observed: "37.5, 34.62 (newest first) against a threshold of 1".into(),
        at: Timestamp(0),
    }
}

fn rolling(stage: Stage) -> Rollback {
    Rollback { id: DeploymentId("d-2".into()), stage, error: None }
}

fn shown(story: &Story) -> String {
    readable(&render(&headline(story)))
}

fn said(reply: &Reply) -> String {
    format!("{}\n{}", reply.key, readable(&render(&reply.message)))
}

#[test]
fn a_running_deployment_says_that_there_is_nothing_to_do() {
    assert_snapshot!(shown(&running()), @"
    # :large_blue_circle: orchestrator (production) is being deployed
    *Production* is on the old version.
    *You:* Nothing to do.
    *Traffic:* 100 % old, 0 % new. Next: 10 % for 5 min, then all of it.
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* 01234567
    | *Started by* a person or a pipeline
    | *Duration* running since 10:00:00 UTC
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    (orchestrator (production) is being deployed. Production is on the old version. Nothing to do.)
    ");
    assert_snapshot!(shown(&Story { traffic: Some(Traffic::Share(10.0)), ..running() }), @"
    # :large_blue_circle: orchestrator (production) is being deployed
    *Production* sends 10 % of its traffic to the new version.
    *You:* Nothing to do.
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* 01234567
    | *Started by* a person or a pipeline
    | *Duration* running since 10:00:00 UTC
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    (orchestrator (production) is being deployed. Production sends 10 % of its traffic to the new version. Nothing to do.)
    ");
}

#[test]
fn a_waiting_deployment_asks_for_somebody() {
    let story = Story { stage: Stage::Waiting, ..running() };
    assert_snapshot!(shown(&story), @"
    # :large_orange_circle: orchestrator (production) waits to be continued
    *Production* is on the old version.
    *You:* Continue the deployment in CodeDeploy, or stop it.
    *Traffic:* 100 % old, 0 % new. Next: 10 % for 5 min, then all of it.
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* 01234567
    | *Started by* a person or a pipeline
    | *Duration* running since 10:00:00 UTC
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    (orchestrator (production) waits to be continued. Production is on the old version. Continue the deployment in CodeDeploy, or stop it.)
    ");
    assert_snapshot!(said(&waiting(&story)), @"
    ready
    :double_vertical_bar: *orchestrator (production) waits to be continued.* Continue the deployment in CodeDeploy, or stop it.
    (orchestrator (production) waits to be continued.)
    ");
}

#[test]
fn a_success_is_told_with_its_duration() {
    let story = ended(Status::Succeeded, None);
    assert_snapshot!(shown(&story), @"
    # :large_green_circle: orchestrator (production) was deployed
    *Production* runs the new version.
    *You:* Nothing to do.
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* 01234567
    | *Started by* a person or a pipeline
    | *Duration* 7 min 8 s
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    (orchestrator (production) was deployed. Production runs the new version. Nothing to do.)
    ");
    assert_snapshot!(said(&ending(&story).unwrap()), @"
    end/SUCCESS
    :large_green_circle: *orchestrator (production) was deployed.* It took 7 min 8 s.
    *Production* runs the new version.
    *You:* Nothing to do.
    (orchestrator (production) was deployed. Production runs the new version. Nothing to do.)
    ");
}

#[test]
fn a_deployment_that_nobody_looked_at_does_not_look_like_a_green_one() {
    let skipped =
        |story: Story| Story { skipped: Some(Skipped { reason: "INC-42".into(), at: Timestamp(0) }), ..story };
    let under_way = shown(&skipped(running()));
    assert!(
        under_way.starts_with("# :large_orange_circle: orchestrator (production) is being deployed UNCHECKED\n"),
        "{under_way}"
    );
    let done = shown(&skipped(ended(Status::Succeeded, None)));
    assert!(done.starts_with("# :large_orange_circle: orchestrator (production) was deployed UNCHECKED\n"), "{done}");
    assert!(done.contains(":warning: *Checks skipped* on request: INC-42\n"), "{done}");
    assert!(done.contains("*You:* Watch it: no hook has looked at the new version."), "{done}");
    assert!(!done.contains("green"), "{done}");
}

#[test]
fn a_failed_hook_is_told_with_what_was_observed() {
    let error = ("HOOK_EXECUTION_FAILURE", "A hook <failed> & so on");
    let story = Story { failed_hook: Some(failed_hook()), ..ended(Status::Failed, Some(error)) };
    assert_snapshot!(shown(&story), @"
    # :large_orange_circle: orchestrator (production) failed in a hook
    *Production* is on the old version.
    *You:* Nothing is urgent: fix the cause, then deploy again.
    Hook *BeforeAllowTraffic* failed: `health_check` fail: expected status 200, observed status 500
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* 01234567
    | *Started by* a person or a pipeline
    | *Duration* 7 min 8 s
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    (orchestrator (production) failed in a hook. Production is on the old version. Nothing is urgent: fix the cause, then deploy again.)
    ");
    assert_snapshot!(said(&ending(&story).unwrap()), @"
    end/FAILURE
    :large_orange_circle: *orchestrator (production) failed in a hook.* It took 7 min 8 s.
    *Production* is on the old version.
    *You:* Nothing is urgent: fix the cause, then deploy again.
    Hook *BeforeAllowTraffic* failed: see its verdict.
    (orchestrator (production) failed in a hook. Production is on the old version. Nothing is urgent: fix the cause, then deploy again.)
    ");
}

#[test]
fn a_stop_by_codedeploys_own_alarm_names_the_alarm_as_codedeploy_does() {
    let error = ("ALARM_ACTIVE", "Activated alarms: <dop-c02-ecs-5xx>");
    let story = Story { rollback: Some(rolling(Stage::Running)), ..ended(Status::Stopped, Some(error)) };
    assert_snapshot!(said(&ending(&story).unwrap()), @"
    end/STOP
    :large_orange_circle: *orchestrator (production) was stopped by an alarm, and is rolling back.* It took 7 min 8 s.
    *Production* is going back to the old version.
    *You:* Wait for the rollback: its end will be told here.
    CodeDeploy: Activated alarms: &lt;dop-c02-ecs-5xx&gt; (`ALARM_ACTIVE`)
    (orchestrator (production) was stopped by an alarm, and is rolling back. Production is going back to the old version. Wait for the rollback: its end will be told here.)
    ");
}

#[test]
fn a_stop_by_greenlights_alarm_is_not_taken_for_a_persons() {
    let error = ("MANUAL_STOP", "Deployment was stopped");
    let story =
        Story { alarm: Some(alarm()), rollback: Some(rolling(Stage::Running)), ..ended(Status::Stopped, Some(error)) };
    assert_snapshot!(shown(&story), @"
    # :large_orange_circle: orchestrator (production) was stopped by an alarm, and is rolling back
    *Production* is going back to the old version.
    *You:* Wait for the rollback: its end will be told here.
    Alarm `orchestrator-http-5xx` fired: 37.5, 34.62 (newest first) against a threshold of 1.
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* 01234567
    | *Started by* a person or a pipeline
    | *Duration* 7 min 8 s
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    | *Rollback* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2>
    (orchestrator (production) was stopped by an alarm, and is rolling back. Production is going back to the old version. Wait for the rollback: its end will be told here.)
    ");
}

#[test]
fn a_stop_by_a_person_says_so() {
    let story = ended(Status::Stopped, Some(("MANUAL_STOP", "Deployment was stopped")));
    assert_snapshot!(said(&ending(&story).unwrap()), @"
    end/STOP
    :large_orange_circle: *orchestrator (production) was stopped by a person.* It took 7 min 8 s.
    *Production* is on the old version.
    *You:* Nothing is urgent: deploy again when ready.
    CodeDeploy: Deployment was stopped (`MANUAL_STOP`)
    (orchestrator (production) was stopped by a person. Production is on the old version. Nothing is urgent: deploy again when ready.)
    ");
}

#[test]
fn a_stop_in_the_middle_without_a_rollback_is_urgent() {
    let story =
        Story { traffic: Some(Traffic::Share(50.0)), ..ended(Status::Stopped, Some(("MANUAL_STOP", "stopped"))) };
    assert_snapshot!(said(&ending(&story).unwrap()), @"
    end/STOP
    :red_circle: *orchestrator (production) was stopped by a person.* It took 7 min 8 s.
    *Production* sends 50 % of its traffic to the new version.
    *You:* Act now: no rollback is under way. Deploy the previous revision, or move the traffic by hand.
    CodeDeploy: stopped (`MANUAL_STOP`)
    (orchestrator (production) was stopped by a person. Production sends 50 % of its traffic to the new version. Act now: no rollback is under way. Deploy the previous revision, or move the traffic by hand.)
    ");
}

#[test]
fn a_time_out_says_what_took_too_long() {
    let error = ("TIMEOUT", "The deployment timed out while waiting for a hook");
    assert_snapshot!(said(&ending(&ended(Status::Failed, Some(error))).unwrap()), @"
    end/FAILURE
    :large_orange_circle: *orchestrator (production) timed out.* It took 7 min 8 s.
    *Production* is on the old version.
    *You:* Nothing is urgent: fix the cause, then deploy again.
    CodeDeploy: The deployment timed out while waiting for a hook (`TIMEOUT`)
    (orchestrator (production) timed out. Production is on the old version. Nothing is urgent: fix the cause, then deploy again.)
    ");
}

#[test]
fn any_other_failure_carries_codedeploys_reason() {
    let error = ("IAM_ROLE_MISSING", "The role is missing");
    assert_snapshot!(said(&ending(&ended(Status::Failed, Some(error))).unwrap()), @"
    end/FAILURE
    :large_orange_circle: *orchestrator (production) failed.* It took 7 min 8 s.
    *Production* is on the old version.
    *You:* Nothing is urgent: fix the cause, then deploy again.
    CodeDeploy: The role is missing (`IAM_ROLE_MISSING`)
    (orchestrator (production) failed. Production is on the old version. Nothing is urgent: fix the cause, then deploy again.)
    ");
    assert_snapshot!(said(&ending(&ended(Status::Failed, None)).unwrap()), @"
    end/FAILURE
    :large_orange_circle: *orchestrator (production) failed.* It took 7 min 8 s.
    *Production* is on the old version.
    *You:* Nothing is urgent: fix the cause, then deploy again.
    CodeDeploy has recorded no reason.
    (orchestrator (production) failed. Production is on the old version. Nothing is urgent: fix the cause, then deploy again.)
    ");
}

#[test]
fn a_rollback_is_told_from_its_start_to_its_end() {
    let stopped = Story { alarm: Some(alarm()), ..ended(Status::Stopped, Some(("MANUAL_STOP", "stopped"))) };
    let started =
        Story { rollback: Some(rolling(Stage::Running)), traffic: Some(Traffic::Share(10.0)), ..stopped.clone() };
    assert_snapshot!(said(&rollback(&started).unwrap()), @"
    start
    :leftwards_arrow_with_hook: Rolling back: <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2> restores the old version.
    (orchestrator (production) is rolling back.)
    ");
    let done = Story { rollback: Some(rolling(Stage::Succeeded)), ..stopped.clone() };
    assert_snapshot!(said(&rollback(&done).unwrap()), @"
    end/SUCCESS
    :leftwards_arrow_with_hook: *Rolled back* by <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2>. *Production* is on the old version.
    (orchestrator (production) is rolled back: production is on the old version.)
    ");
    assert_snapshot!(shown(&done), @"
    # :large_orange_circle: orchestrator (production) was stopped by an alarm, and is rolled back
    *Production* is on the old version.
    *You:* Nothing is urgent: fix the cause, then deploy again.
    Alarm `orchestrator-http-5xx` fired: 37.5, 34.62 (newest first) against a threshold of 1.
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* 01234567
    | *Started by* a person or a pipeline
    | *Duration* 7 min 8 s
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    | *Rollback* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2>
    (orchestrator (production) was stopped by an alarm, and is rolled back. Production is on the old version. Nothing is urgent: fix the cause, then deploy again.)
    ");
    let mut failed = Story { rollback: Some(rolling(Stage::Failed)), ..stopped };
    let error = DeploymentError { code: "ECS_UPDATE_ERROR".into(), message: "no task set".into() };
    failed.rollback.as_mut().unwrap().error = Some(error);
    assert_snapshot!(said(&rollback(&failed).unwrap()), @"
    end/FAILURE
    :rotating_light: *The rollback <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2> failed.*
    *Production* may be on either version: the rollback did not finish.
    *You:* Act now: open the deployment and move the traffic to the old version by hand.
    Alarm `orchestrator-http-5xx` fired: 37.5, 34.62 (newest first) against a threshold of 1.
    The rollback failed: no task set (`ECS_UPDATE_ERROR`)
    (orchestrator (production): the rollback failed. Act now: open the deployment and move the traffic to the old version by hand.)
    ");
    assert_snapshot!(shown(&failed), @"
    # :red_circle: orchestrator (production) was stopped by an alarm, and the rollback failed
    *Production* may be on either version: the rollback did not finish.
    *You:* Act now: open the deployment and move the traffic to the old version by hand.
    Alarm `orchestrator-http-5xx` fired: 37.5, 34.62 (newest first) against a threshold of 1.
    The rollback failed: no task set (`ECS_UPDATE_ERROR`)
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* 01234567
    | *Started by* a person or a pipeline
    | *Duration* 7 min 8 s
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    | *Rollback* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2>
    (orchestrator (production) was stopped by an alarm, and the rollback failed. Production may be on either version: the rollback did not finish. Act now: open the deployment and move the traffic to the old version by hand.)
    ");
}

#[test]
fn a_rollback_whose_traffic_does_not_come_back_is_urgent_until_it_does() {
    let mut story =
        Story { alarm: Some(alarm()), rollback: Some(rolling(Stage::Running)), ..ended(Status::Stopped, None) };
    story.restored = Some(Restored {
        complete: false,
        observed: "the original task set has 40 % of the traffic".into(),
        was_late: true,
    });
    assert_snapshot!(shown(&story), @"
    # :red_circle: orchestrator (production) was stopped by an alarm, and is not rolled back yet
    *Production* may be on either version: the rollback has not finished.
    *You:* Act now: open the deployment. Unless the rollback is about to end, move the traffic to the old version by hand.
    Alarm `orchestrator-http-5xx` fired: 37.5, 34.62 (newest first) against a threshold of 1.
    Last seen of the rollback: the original task set has 40 % of the traffic
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* 01234567
    | *Started by* a person or a pipeline
    | *Duration* 7 min 8 s
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    | *Rollback* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2>
    (orchestrator (production) was stopped by an alarm, and is not rolled back yet. Production may be on either version: the rollback has not finished. Act now: open the deployment. Unless the rollback is about to end, move the traffic to the old version by hand.)
    ");
    story.rollback = Some(rolling(Stage::Succeeded));
    assert!(shown(&story).contains("and is rolled back"));
}

#[test]
fn a_rollback_by_cloudformation_has_a_message_of_its_own() {
    let creator = "CloudFormationRollback".to_owned();
    let story = story_of(Deployment { creator, status: Status::Succeeded, ..build::deployment() });
    assert_snapshot!(said(&ending(&story).unwrap()), @"
    end/SUCCESS
    :large_green_circle: *orchestrator (production) was restored.*
    *Production* runs the restored version.
    *You:* Nothing to do.
    (orchestrator (production) was restored. Production runs the restored version. Nothing to do.)
    ");
}

#[test]
fn text_from_outside_makes_no_host_and_no_link() {
    assert_eq!(console_url("evil.com/", "d-1"), None);
    assert_eq!(console_url("eu-west-1", "d-1?x"), None);
    assert_eq!(console_url("", "d-1"), None);
    let story = Story { region: "evil.com/#".into(), service: "<!channel>".into(), ..running() };
    let text = shown(&story);
    assert!(!text.contains("http") && !text.contains("<!channel>"), "{text}");
}
