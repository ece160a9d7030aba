//! A person stops it.

use domain::deployment::Status;
use insta::assert_snapshot;

use super::*;

#[test]
fn with_a_rollback() {
    let error = Some(("MANUAL_STOP", "The deployment was stopped by a user"));
    let course = Course::new(
        ended(Status::Stopped, error, 180),
        Some(rollback(Status::Succeeded, 181, Some(196))),
        &target(&STOPPED, 0.0),
    );
    assert_snapshot!(course.shown(), @"
    # :large_orange_circle: orchestrator (production) was stopped by a person, and is rolled back
    *Production* is on the old version.
    *You:* Nothing is urgent: deploy again when ready.
    CodeDeploy: The deployment was stopped by a user (`MANUAL_STOP`)
    *Progress:* Install, BeforeAllowTraffic done · *AllowTraffic failed* · AfterAllowTraffic never ran
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* <https://git.example.com/acme/orchestrator/commit/3f9c2d71b8a0|3f9c2d71> (git.example.com)
    | *Author* ada
    | *Started by* pipeline
    | *Duration* 3 min
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    | *Rollback* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2>
    ~ <https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/greenlight-delivery-eu-west-1|Dashboard>
    ~ <https://logs.example.com/orchestrator|Logs>
    (orchestrator (production) was stopped by a person, and is rolled back. Production is on the old version. Nothing is urgent: deploy again when ready.)
      10:03:00 end/STOP, alarming
        :large_orange_circle: *orchestrator (production) was stopped by a person, and is rolled back.* It took 3 min.
        *Production* is on the old version.
        *You:* Nothing is urgent: deploy again when ready.
        CodeDeploy: The deployment was stopped by a user (`MANUAL_STOP`)
        (orchestrator (production) was stopped by a person, and is rolled back. Production is on the old version. Nothing is urgent: deploy again when ready.)
      10:03:16 end/SUCCESS
        :leftwards_arrow_with_hook: *Rolled back* by <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2> in 15 s. *Production* is on the old version.
        (orchestrator (production) is rolled back: production is on the old version.)
    === by webhook, each a message
      orchestrator (production) was stopped by a person, and is rolled back. Production is on the old version. Nothing is urgent: deploy again when ready. (and 2 below)
      orchestrator (production) is rolled back: production is on the old version. (and 2 below)
    ");
}

#[test]
fn without_one_while_the_new_version_has_traffic() {
    let error = Some(("MANUAL_STOP", "The deployment was stopped by a user"));
    let course = Course::new(ended(Status::Stopped, error, 180), None, &target(&STOPPED, 10.0));
    assert_snapshot!(course.shown(), @"
    # :red_circle: orchestrator (production) was stopped by a person
    *Production* sends 10 % of its traffic to the new version.
    *You:* Act now: no rollback is under way. Deploy the previous revision, or move the traffic by hand.
    CodeDeploy: The deployment was stopped by a user (`MANUAL_STOP`)
    *Progress:* Install, BeforeAllowTraffic done · *AllowTraffic failed* · AfterAllowTraffic never ran
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* <https://git.example.com/acme/orchestrator/commit/3f9c2d71b8a0|3f9c2d71> (git.example.com)
    | *Author* ada
    | *Started by* pipeline
    | *Duration* 3 min
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    ~ <https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/greenlight-delivery-eu-west-1|Dashboard>
    ~ <https://logs.example.com/orchestrator|Logs>
    (orchestrator (production) was stopped by a person. Production sends 10 % of its traffic to the new version. Act now: no rollback is under way. Deploy the previous revision, or move the traffic by hand.)
      10:03:00 end/STOP, alarming
        :red_circle: *orchestrator (production) was stopped by a person.* It took 3 min.
        *Production* sends 10 % of its traffic to the new version.
        *You:* Act now: no rollback is under way. Deploy the previous revision, or move the traffic by hand.
        CodeDeploy: The deployment was stopped by a user (`MANUAL_STOP`)
        (orchestrator (production) was stopped by a person. Production sends 10 % of its traffic to the new version. Act now: no rollback is under way. Deploy the previous revision, or move the traffic by hand.)
    === by webhook, each a message
      orchestrator (production) was stopped by a person. Production sends 10 % of its traffic to the new version. Act now: no rollback is under way. Deploy the previous revision, or move the traffic by hand. (and 2 below)
    ");
}
