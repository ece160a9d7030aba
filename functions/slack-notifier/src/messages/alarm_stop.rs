//! An alarm stops a deployment, and the old version is back.

use domain::deployment::Status;
use insta::assert_snapshot;
use serde_json::json;

use super::*;

#[test]
fn greenlight_stops_it_and_the_traffic_is_back() {
    let error = Some(("MANUAL_STOP", "The deployment was stopped by a user"));
    let course = Course::new(
        ended(Status::Stopped, error, 671),
        Some(rollback(Status::Succeeded, 673, Some(702))),
        &target(&STOPPED, 0.0),
    )
    .hear(&event("rollback-decision", &json!({})))
    .hear(&event("traffic-restored", &json!({"rollback_deployment_id": "d-2"})));
    assert_snapshot!(course.shown(), @"
    # :large_orange_circle: orchestrator (production) was stopped by an alarm, and is rolled back
    *Production* is on the old version.
    *You:* Nothing is urgent: fix the cause, then deploy again.
    Alarm `orchestrator-http-5xx` fired: 37.5, 34.62 (newest first) against a threshold of 1.
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
    (orchestrator (production) was stopped by an alarm, and is rolled back. Production is on the old version. Nothing is urgent: fix the cause, then deploy again.)
      10:11:12 decision/orchestrator-http-5xx/StopAndRollBack/2026-03-03T10:11:11.402Z
        :octagonal_sign: *Alarm `orchestrator-http-5xx` stops the deployment and rolls it back.* `orchestrator-http-5xx` went to ALARM 3 min after the deployment `d-SAMPLE001` of `orchestrator` to orchestrator:42 (3f9c2d71) began
        *Observed:* 37.5, 34.62 (newest first) against a threshold of 1
        *Watches:* 5xx rate of the worse target group, in percent
        *Since:* 10:11:11 UTC
        *Deployment:* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1> of orchestrator:42 (3f9c2d71)
        *Next:* see that all traffic is on the old version again, which is told within 2 minutes; find the cause before the same version is deployed again
        (Alarm orchestrator-http-5xx stops the deployment and rolls it back: `orchestrator-http-5xx` went to ALARM 3 min after the deployment `d-SAMPLE001` of `orchestrator` to orchestrator:42 (3f9c2d71) began)
      10:11:12 end/STOP, alarming
        :large_orange_circle: *orchestrator (production) was stopped by an alarm, and is rolled back.* It took 11 min 11 s.
        *Production* is on the old version.
        *You:* Nothing is urgent: fix the cause, then deploy again.
        Alarm `orchestrator-http-5xx` fired: see what it led to.
        (orchestrator (production) was stopped by an alarm, and is rolled back. Production is on the old version. Nothing is urgent: fix the cause, then deploy again.)
      10:11:42 restored
        :leftwards_arrow_with_hook: *All traffic is back on the old version, 31.5 s after the alarm.* Alarm `orchestrator-http-5xx`.
        *Observed:* all production traffic is on the old version
        (All traffic is back on the old version, 31.5 s after the alarm.)
    === by webhook, each a message
      Alarm orchestrator-http-5xx stops the deployment and rolls it back: `orchestrator-http-5xx` went to ALARM 3 min after the deployment `d-SAMPLE001` of `orchestrator` to orchestrator:42 (3f9c2d71) began (and 2 below)
      orchestrator (production) was stopped by an alarm, and is rolled back. Production is on the old version. Nothing is urgent: fix the cause, then deploy again. (and 2 below)
      All traffic is back on the old version, 31.5 s after the alarm. (and 2 below)
    ");
}

#[test]
fn codedeploy_stops_it_itself() {
    let error = Some(("ALARM_ACTIVE", "Activated alarms: <orchestrator-http-5xx>"));
    let course = Course::new(
        ended(Status::Stopped, error, 671),
        Some(rollback(Status::InProgress, 673, None)),
        &target(&STOPPED, 10.0),
    );
    assert_snapshot!(course.shown(), @"
    # :large_orange_circle: orchestrator (production) was stopped by an alarm, and is rolling back
    *Production* is going back to the old version.
    *You:* Wait for the rollback: its end will be told here.
    CodeDeploy: Activated alarms: &lt;orchestrator-http-5xx&gt; (`ALARM_ACTIVE`)
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
    (orchestrator (production) was stopped by an alarm, and is rolling back. Production is going back to the old version. Wait for the rollback: its end will be told here.)
      10:11:11 end/STOP, alarming
        :large_orange_circle: *orchestrator (production) was stopped by an alarm, and is rolling back.* It took 11 min 11 s.
        *Production* is going back to the old version.
        *You:* Wait for the rollback: its end will be told here.
        CodeDeploy: Activated alarms: &lt;orchestrator-http-5xx&gt; (`ALARM_ACTIVE`)
        (orchestrator (production) was stopped by an alarm, and is rolling back. Production is going back to the old version. Wait for the rollback: its end will be told here.)
      10:11:13 start
        :leftwards_arrow_with_hook: Rolling back: <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2> restores the old version.
        (orchestrator (production) is rolling back.)
    === by webhook, each a message
      orchestrator (production) was stopped by an alarm, and is rolling back. Production is going back to the old version. Wait for the rollback: its end will be told here. (and 2 below)
      orchestrator (production) is rolling back. (and 2 below)
    ");
}
