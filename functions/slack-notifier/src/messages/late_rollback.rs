//! An alarm comes after the deployment had succeeded, and Greenlight takes it back.

use domain::deployment::Status;
use insta::assert_snapshot;
use serde_json::json;

use super::*;

#[test]
fn it_is_taken_back() {
    let course = Course::new(
        ended(Status::Succeeded, None, 400),
        Some(rollback(Status::Succeeded, 1862, Some(1891))),
        &target(&ALL, 100.0),
    )
    .hear(&event("rollback-decision-late", &json!({"rollback_deployment_id": "d-2"})));
    assert_snapshot!(course.shown(), @"
    # :large_orange_circle: orchestrator (production) was deployed, then rolled back by an alarm
    *Production* is on the old version, orchestrator:41 (91c0d4e7).
    *You:* Nothing is urgent: fix the cause, then deploy again.
    Alarm `orchestrator-http-5xx` fired: 12.5, 9 (newest first) against a threshold of 1.
    *Progress:* Install, BeforeAllowTraffic, AllowTraffic, AfterAllowTraffic done
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* <https://git.example.com/acme/orchestrator/commit/3f9c2d71b8a0|3f9c2d71> (git.example.com)
    | *Author* ada
    | *Started by* pipeline
    | *Duration* 6 min 40 s
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    | *Rollback* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2> to orchestrator:41 (91c0d4e7)
    ~ <https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/greenlight-delivery-eu-west-1|Dashboard>
    ~ <https://logs.example.com/orchestrator|Logs>
    (orchestrator (production) was deployed, then rolled back by an alarm. Production is on the old version, orchestrator:41 (91c0d4e7). Nothing is urgent: fix the cause, then deploy again.)
      10:06:40 end/SUCCESS
        :large_green_circle: *orchestrator (production) was deployed.* It took 6 min 40 s.
        *Production* runs the new version.
        *You:* Nothing to do.
        (orchestrator (production) was deployed. Production runs the new version. Nothing to do.)
      10:31:04 decision/orchestrator-http-5xx/RedeployPrevious/2026-03-03T10:31:02.117Z, alarming
        :rewind: *Alarm `orchestrator-http-5xx` takes back what had succeeded.* `orchestrator-http-5xx` went to ALARM 13 min after the deployment `d-SAMPLE001` of `orchestrator` to orchestrator:42 (3f9c2d71) had ended; orchestrator:41 (91c0d4e7) is deployed again, as by `d-SAMPLE000`
        *Observed:* 12.5, 9 (newest first) against a threshold of 1
        *Watches:* 5xx rate of the worse target group, in percent
        *Since:* 10:31:02 UTC
        *Deployment:* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1> of orchestrator:42 (3f9c2d71), goes back to orchestrator:41 (91c0d4e7) by <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2>
        *Next:* see that all traffic is on that version again, which is told as soon as it is; find the cause before the same version is deployed again
        (Alarm orchestrator-http-5xx takes back what had succeeded: `orchestrator-http-5xx` went to ALARM 13 min after the deployment `d-SAMPLE001` of `orchestrator` to orchestrator:42 (3f9c2d71) had ended; orchestrator:41 (91c0d4e7) is deployed again, as by `d-SAMPLE000`)
      10:31:31 end/SUCCESS
        :leftwards_arrow_with_hook: *Rolled back* by <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2> in 29 s. *Production* is on the old version, orchestrator:41 (91c0d4e7).
        (orchestrator (production) is rolled back: production is on the old version.)
    === by webhook, each a message
      orchestrator (production) was deployed. Production runs the new version. Nothing to do. (and 2 below)
      Alarm orchestrator-http-5xx takes back what had succeeded: `orchestrator-http-5xx` went to ALARM 13 min after the deployment `d-SAMPLE001` of `orchestrator` to orchestrator:42 (3f9c2d71) had ended; orchestrator:41 (91c0d4e7) is deployed again, as by `d-SAMPLE000` (and 2 below)
      orchestrator (production) is rolled back: production is on the old version. (and 2 below)
    ");
}

#[test]
fn the_decision_stands_above_the_rollback_that_was_begun_before_it_was_told() {
    let course = Course::new(
        ended(Status::Succeeded, None, 400),
        Some(rollback(Status::InProgress, 1863, None)),
        &target(&ALL, 100.0),
    )
    .hear(&event("rollback-decision-late", &json!({"rollback_deployment_id": "d-2"})));
    let keys: Vec<String> = course.thread().into_iter().map(|reply| reply.key).collect();
    assert_eq!(keys.len(), 3, "{keys:?}");
    assert!(keys[1].starts_with("decision/") && keys[2] == "start", "{keys:?}");
    // Where each is a message of its own, the decision has said it.
    assert_eq!(course.thread().iter().map(|reply| reply.important).collect::<Vec<_>>(), [true, true, false]);
}
