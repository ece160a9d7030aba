//! It times out, or CodeDeploy fails it for a reason of its own.

use domain::deployment::Status;
use insta::assert_snapshot;

use super::*;

#[test]
fn it_times_out() {
    let error = Some(("TIMEOUT", "The deployment timed out while waiting for a status callback"));
    let course = Course::new(ended(Status::Failed, error, 3700), None, &target(&NEVER, 0.0));
    assert_snapshot!(course.shown(), @"
    # :large_orange_circle: orchestrator (production) timed out
    *Production* has stayed on the old version: no traffic was shifted.
    *You:* Nothing is urgent: fix the cause, then deploy again.
    CodeDeploy: The deployment timed out while waiting for a status callback (`TIMEOUT`)
    *Progress:* Install done · *BeforeAllowTraffic failed* · AllowTraffic, AfterAllowTraffic never ran
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* <https://git.example.com/acme/orchestrator/commit/3f9c2d71b8a0|3f9c2d71> (git.example.com)
    | *Author* ada
    | *Started by* pipeline
    | *Duration* 1 h 1 min
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    ~ <https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/greenlight-delivery-eu-west-1|Dashboard>
    ~ <https://logs.example.com/orchestrator|Logs>
    (orchestrator (production) timed out. Production has stayed on the old version: no traffic was shifted. Nothing is urgent: fix the cause, then deploy again.)
      11:01:40 end/FAILURE, alarming
        :large_orange_circle: *orchestrator (production) timed out.* It took 1 h 1 min.
        *Production* has stayed on the old version: no traffic was shifted.
        *You:* Nothing is urgent: fix the cause, then deploy again.
        CodeDeploy: The deployment timed out while waiting for a status callback (`TIMEOUT`)
        (orchestrator (production) timed out. Production has stayed on the old version: no traffic was shifted. Nothing is urgent: fix the cause, then deploy again.)
    === by webhook, each a message
      orchestrator (production) timed out. Production has stayed on the old version: no traffic was shifted. Nothing is urgent: fix the cause, then deploy again. (and 2 below)
    ");
}

#[test]
fn codedeploy_has_a_reason_of_its_own() {
    let error = Some(("IAM_ROLE_MISSING", "The role is missing"));
    let course = Course::new(ended(Status::Failed, error, 5), None, &target(&NEVER, 0.0));
    assert_snapshot!(course.shown(), @"
    # :large_orange_circle: orchestrator (production) failed
    *Production* has stayed on the old version: no traffic was shifted.
    *You:* Nothing is urgent: fix the cause, then deploy again.
    CodeDeploy: The role is missing (`IAM_ROLE_MISSING`)
    *Progress:* Install done · *BeforeAllowTraffic failed* · AllowTraffic, AfterAllowTraffic never ran
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* <https://git.example.com/acme/orchestrator/commit/3f9c2d71b8a0|3f9c2d71> (git.example.com)
    | *Author* ada
    | *Started by* pipeline
    | *Duration* 5 s
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    ~ <https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/greenlight-delivery-eu-west-1|Dashboard>
    ~ <https://logs.example.com/orchestrator|Logs>
    (orchestrator (production) failed. Production has stayed on the old version: no traffic was shifted. Nothing is urgent: fix the cause, then deploy again.)
      10:00:05 end/FAILURE, alarming
        :large_orange_circle: *orchestrator (production) failed.* It took 5 s.
        *Production* has stayed on the old version: no traffic was shifted.
        *You:* Nothing is urgent: fix the cause, then deploy again.
        CodeDeploy: The role is missing (`IAM_ROLE_MISSING`)
        (orchestrator (production) failed. Production has stayed on the old version: no traffic was shifted. Nothing is urgent: fix the cause, then deploy again.)
    === by webhook, each a message
      orchestrator (production) failed. Production has stayed on the old version: no traffic was shifted. Nothing is urgent: fix the cause, then deploy again. (and 2 below)
    ");
}
