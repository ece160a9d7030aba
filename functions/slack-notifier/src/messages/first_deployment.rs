//! The first deployment of a group, which has nothing to go back to.

use domain::deployment::Status;
use insta::assert_snapshot;

use super::*;

#[test]
fn there_is_nothing_to_go_back_to() {
    let error = Some(("MANUAL_STOP", "The deployment was stopped by a user"));
    let first = Deployment { is_first: true, ..ended(Status::Stopped, error, 180) };
    let course = Course::new(first, None, &target(&STOPPED, 10.0));
    assert_snapshot!(course.shown(), @"
    # :red_circle: orchestrator (production) was stopped by a person
    *Production* sends 10 % of its traffic to the new version.
    *You:* Act now: no rollback is under way, and this is the group's first deployment: there is no earlier revision to deploy. Deploy a mended one, or take the service out of production by hand.
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
    (orchestrator (production) was stopped by a person. Production sends 10 % of its traffic to the new version. Act now: no rollback is under way, and this is the group's first deployment: there is no earlier revision to deploy. Deploy a mended one, or take the service out of production by hand.)
      10:03:00 end/STOP, alarming
        :red_circle: *orchestrator (production) was stopped by a person.* It took 3 min.
        *Production* sends 10 % of its traffic to the new version.
        *You:* Act now: no rollback is under way, and this is the group's first deployment: there is no earlier revision to deploy. Deploy a mended one, or take the service out of production by hand.
        CodeDeploy: The deployment was stopped by a user (`MANUAL_STOP`)
        (orchestrator (production) was stopped by a person. Production sends 10 % of its traffic to the new version. Act now: no rollback is under way, and this is the group's first deployment: there is no earlier revision to deploy. Deploy a mended one, or take the service out of production by hand.)
    === by webhook, each a message
      orchestrator (production) was stopped by a person. Production sends 10 % of its traffic to the new version. Act now: no rollback is under way, and this is the group's first deployment: there is no earlier revision to deploy. Deploy a mended one, or take the service out of production by hand. (and 2 below)
    ");
}
