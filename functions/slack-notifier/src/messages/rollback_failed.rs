//! The rollback fails, and somebody must act.

use domain::deployment::Status;
use insta::assert_snapshot;
use serde_json::json;

use super::*;

#[test]
fn somebody_must_act() {
    let error = Some(("MANUAL_STOP", "The deployment was stopped by a user"));
    let mut failed = rollback(Status::Failed, 673, Some(690));
    failed.error = Some(DeploymentError {
        code: "ECS_UPDATE_ERROR".into(),
        message: "The ECS service could not be updated".into(),
    });
    let course = Course::new(ended(Status::Stopped, error, 671), Some(failed), &target(&STOPPED, 10.0))
        .hear(&event("rollback-decision", &json!({})));
    assert_snapshot!(course.shown(), @"
    # :red_circle: orchestrator (production) was stopped by an alarm, and the rollback failed
    *Production* may be on either version: the rollback did not finish.
    *You:* Act now: open the deployment and move the traffic to the old version by hand.
    Alarm `orchestrator-http-5xx` fired: 37.5, 34.62 (newest first) against a threshold of 1.
    The rollback failed: The ECS service could not be updated (`ECS_UPDATE_ERROR`)
    *Progress:* Install, BeforeAllowTraffic done · *AllowTraffic failed* · AfterAllowTraffic never ran
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* <https://git.example.com/acme/orchestrator/commit/3f9c2d71b8a0|3f9c2d71> (git.example.com)
    | *Author* ada
    | *Started by* pipeline
    | *Duration* 11 min 11 s
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    | *Rollback* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2>
    ~ <https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/greenlight-delivery-eu-west-1|Dashboard>
    ~ <https://logs.example.com/orchestrator|Logs>
    (orchestrator (production) was stopped by an alarm, and the rollback failed. Production may be on either version: the rollback did not finish. Act now: open the deployment and move the traffic to the old version by hand.)
      10:11:12 decision/orchestrator-http-5xx/StopAndRollBack/2026-03-03T10:11:11.402Z
        :octagonal_sign: *Alarm `orchestrator-http-5xx` stops the deployment and rolls it back.* `orchestrator-http-5xx` went to ALARM 3 min after the deployment `d-SAMPLE001` of `orchestrator` to orchestrator:42 (3f9c2d71) began
        *Observed:* 37.5, 34.62 (newest first) against a threshold of 1
        *Watches:* 5xx rate of the worse target group, in percent
        *Since:* 10:11:11 UTC
        *Deployment:* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1> of orchestrator:42 (3f9c2d71)
        *Next:* see that all traffic is on the old version again, which is told within 2 minutes; find the cause before the same version is deployed again
        (Alarm orchestrator-http-5xx stops the deployment and rolls it back: `orchestrator-http-5xx` went to ALARM 3 min after the deployment `d-SAMPLE001` of `orchestrator` to orchestrator:42 (3f9c2d71) began)
      10:11:12 end/STOP, alarming
        :red_circle: *orchestrator (production) was stopped by an alarm, and the rollback failed.* It took 11 min 11 s.
        *Production* may be on either version: the rollback did not finish.
        *You:* Act now: open the deployment and move the traffic to the old version by hand.
        Alarm `orchestrator-http-5xx` fired: see what it led to.
        (orchestrator (production) was stopped by an alarm, and the rollback failed. Production may be on either version: the rollback did not finish. Act now: open the deployment and move the traffic to the old version by hand.)
      10:11:30 end/FAILURE, alarming
        :rotating_light: *The rollback <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2> failed.*
        *Production* may be on either version: the rollback did not finish.
        *You:* Act now: open the deployment and move the traffic to the old version by hand.
        Alarm `orchestrator-http-5xx` fired: 37.5, 34.62 (newest first) against a threshold of 1.
        The rollback failed: The ECS service could not be updated (`ECS_UPDATE_ERROR`)
        (orchestrator (production): the rollback failed. Act now: open the deployment and move the traffic to the old version by hand.)
    === by webhook, each a message
      Alarm orchestrator-http-5xx stops the deployment and rolls it back: `orchestrator-http-5xx` went to ALARM 3 min after the deployment `d-SAMPLE001` of `orchestrator` to orchestrator:42 (3f9c2d71) began (and 2 below)
      orchestrator (production) was stopped by an alarm, and the rollback failed. Production may be on either version: the rollback did not finish. Act now: open the deployment and move the traffic to the old version by hand. (and 2 below)
      orchestrator (production): the rollback failed. Act now: open the deployment and move the traffic to the old version by hand. (and 2 below)
    ");
}

#[test]
fn it_takes_too_long() {
    let error = Some(("MANUAL_STOP", "The deployment was stopped by a user"));
    let course = Course::new(
        ended(Status::Stopped, error, 671),
        Some(rollback(Status::InProgress, 673, None)),
        &target(&STOPPED, 10.0),
    )
    .hear(&event("rollback-decision", &json!({})))
    .hear(&event("traffic-not-restored", &json!({"rollback_deployment_id": "d-2"})));
    assert_snapshot!(course.shown(), @"
    # :red_circle: orchestrator (production) was stopped by an alarm, and is not rolled back yet
    *Production* may be on either version: the rollback has not finished.
    *You:* Act now: open the deployment. Unless the rollback is about to end, move the traffic to the old version by hand.
    Alarm `orchestrator-http-5xx` fired: 37.5, 34.62 (newest first) against a threshold of 1.
    Last seen of the rollback: after 2 min, the rollback `d-SAMPLE003` is `InProgress`; 10 % of production traffic is on the new version
    *Progress:* Install, BeforeAllowTraffic done · *AllowTraffic failed* · AfterAllowTraffic never ran
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* <https://git.example.com/acme/orchestrator/commit/3f9c2d71b8a0|3f9c2d71> (git.example.com)
    | *Author* ada
    | *Started by* pipeline
    | *Duration* 11 min 11 s
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    | *Rollback* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2>
    ~ <https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/greenlight-delivery-eu-west-1|Dashboard>
    ~ <https://logs.example.com/orchestrator|Logs>
    (orchestrator (production) was stopped by an alarm, and is not rolled back yet. Production may be on either version: the rollback has not finished. Act now: open the deployment. Unless the rollback is about to end, move the traffic to the old version by hand.)
      10:11:12 decision/orchestrator-http-5xx/StopAndRollBack/2026-03-03T10:11:11.402Z
        :octagonal_sign: *Alarm `orchestrator-http-5xx` stops the deployment and rolls it back.* `orchestrator-http-5xx` went to ALARM 3 min after the deployment `d-SAMPLE001` of `orchestrator` to orchestrator:42 (3f9c2d71) began
        *Observed:* 37.5, 34.62 (newest first) against a threshold of 1
        *Watches:* 5xx rate of the worse target group, in percent
        *Since:* 10:11:11 UTC
        *Deployment:* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1> of orchestrator:42 (3f9c2d71)
        *Next:* see that all traffic is on the old version again, which is told within 2 minutes; find the cause before the same version is deployed again
        (Alarm orchestrator-http-5xx stops the deployment and rolls it back: `orchestrator-http-5xx` went to ALARM 3 min after the deployment `d-SAMPLE001` of `orchestrator` to orchestrator:42 (3f9c2d71) began)
      10:11:12 end/STOP, alarming
        :red_circle: *orchestrator (production) was stopped by an alarm, and is not rolled back yet.* It took 11 min 11 s.
        *Production* may be on either version: the rollback has not finished.
        *You:* Act now: open the deployment. Unless the rollback is about to end, move the traffic to the old version by hand.
        Alarm `orchestrator-http-5xx` fired: see what it led to.
        (orchestrator (production) was stopped by an alarm, and is not rolled back yet. Production may be on either version: the rollback has not finished. Act now: open the deployment. Unless the rollback is about to end, move the traffic to the old version by hand.)
      10:11:13 start
        :leftwards_arrow_with_hook: Rolling back: <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2> restores the old version.
        (orchestrator (production) is rolling back.)
      10:13:12 not-restored, alarming
        :rotating_light: *The traffic is not back on the old version, 2 min 1 s after the alarm.* Alarm `orchestrator-http-5xx`. Act now: open the deployment. Unless the rollback is about to end, move the traffic to the old version by hand.
        *Observed:* after 2 min, the rollback `d-SAMPLE003` is `InProgress`; 10 % of production traffic is on the new version
        (The traffic is not back on the old version, 2 min 1 s after the alarm.)
    === by webhook, each a message
      Alarm orchestrator-http-5xx stops the deployment and rolls it back: `orchestrator-http-5xx` went to ALARM 3 min after the deployment `d-SAMPLE001` of `orchestrator` to orchestrator:42 (3f9c2d71) began (and 2 below)
      orchestrator (production) was stopped by an alarm, and is not rolled back yet. Production may be on either version: the rollback has not finished. Act now: open the deployment. Unless the rollback is about to end, move the traffic to the old version by hand. (and 2 below)
      orchestrator (production) is rolling back. (and 2 below)
      The traffic is not back on the old version, 2 min 1 s after the alarm. (and 2 below)
    ");
}
