//! So many rollbacks that the next one is left to a person: the storm breaker.

use insta::assert_snapshot;
use serde_json::json;

use super::*;

#[test]
fn a_person_is_asked() {
    let states = [
        ("Install", "Succeeded"),
        ("BeforeAllowTraffic", "Succeeded"),
        ("AllowTraffic", "InProgress"),
        ("AfterAllowTraffic", "Pending"),
    ];
    let course =
        Course::new(described(), None, &target(&states, 10.0)).hear(&event("rollback-decision-page", &json!({})));
    assert_snapshot!(course.shown(), @"
    # :red_circle: orchestrator (production) is being deployed, and a red alarm needs a person
    *Production* sends 10 % of its traffic to the new version.
    *You:* Act now: find out what brings it back to ALARM each time, and hold further deployments; to roll back by hand: `aws deploy stop-deployment --deployment-id d-SAMPLE001 --auto-rollback-enabled`
    Alarm `orchestrator-http-5xx` is red and left to a person: `orchestrator-http-5xx` went to ALARM 3 min after the deployment `d-SAMPLE001` of `orchestrator` to orchestrator:42 (3f9c2d71) began, but `orchestrator` was rolled back 3 times within 1 h, which is its limit; one more rollback would not cure it, so it is left to a person
    *Progress:* Install, BeforeAllowTraffic done · *AllowTraffic running* since 10:01:02 UTC · AfterAllowTraffic to come
    *Traffic:* 90 % old, 10 % new. The canary: 10 % for 5 min, then all of it, at about 10:06:02 UTC.
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* <https://git.example.com/acme/orchestrator/commit/3f9c2d71b8a0|3f9c2d71> (git.example.com)
    | *Author* ada
    | *Started by* pipeline
    | *Duration* running since 10:00:00 UTC
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    ~ <https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/greenlight-delivery-eu-west-1|Dashboard>
    ~ <https://logs.example.com/orchestrator|Logs>
    (orchestrator (production) is being deployed, and a red alarm needs a person. Production sends 10 % of its traffic to the new version. Act now: find out what brings it back to ALARM each time, and hold further deployments; to roll back by hand: `aws deploy stop-deployment --deployment-id d-SAMPLE001 --auto-rollback-enabled`)
      10:11:12 decision/orchestrator-http-5xx/Alert/2026-03-03T10:11:11.402Z, alarming
        :rotating_light: *Alarm `orchestrator-http-5xx` needs a person now.* `orchestrator-http-5xx` went to ALARM 3 min after the deployment `d-SAMPLE001` of `orchestrator` to orchestrator:42 (3f9c2d71) began, but `orchestrator` was rolled back 3 times within 1 h, which is its limit; one more rollback would not cure it, so it is left to a person
        *Observed:* 37.5, 34.62 (newest first) against a threshold of 1
        *Watches:* 5xx rate of the worse target group, in percent
        *Since:* 10:11:11 UTC
        *Deployment:* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1> of orchestrator:42 (3f9c2d71)
        *Act now:* find out what brings it back to ALARM each time, and hold further deployments; to roll back by hand: `aws deploy stop-deployment --deployment-id d-SAMPLE001 --auto-rollback-enabled`
        (Alarm orchestrator-http-5xx needs a person now: `orchestrator-http-5xx` went to ALARM 3 min after the deployment `d-SAMPLE001` of `orchestrator` to orchestrator:42 (3f9c2d71) began, but `orchestrator` was rolled back 3 times within 1 h, which is its limit; one more rollback would not cure it, so it is left to a person)
    === by webhook, each a message
      Alarm orchestrator-http-5xx needs a person now: `orchestrator-http-5xx` went to ALARM 3 min after the deployment `d-SAMPLE001` of `orchestrator` to orchestrator:42 (3f9c2d71) began, but `orchestrator` was rolled back 3 times within 1 h, which is its limit; one more rollback would not cure it, so it is left to a person (and 2 below)
    ");
}
