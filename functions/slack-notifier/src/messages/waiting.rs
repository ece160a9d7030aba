//! It waits for somebody to continue it.

use domain::deployment::Status;
use insta::assert_snapshot;

use super::*;

#[test]
fn it_asks_for_somebody() {
    let states = [("Install", "Succeeded"), ("AllowTraffic", "Pending"), ("AfterAllowTraffic", "Pending")];
    let mut course = Course::new(Deployment { status: Status::Ready, ..described() }, None, &target(&states, 0.0));
    course.story.ready = Some(at(120));
    assert_snapshot!(course.shown(), @"
    # :large_orange_circle: orchestrator (production) waits to be continued
    *Production* is on the old version.
    *You:* Continue the deployment in CodeDeploy, or stop it.
    *Progress:* Install done · AllowTraffic, AfterAllowTraffic to come
    *Traffic:* 100 % old, 0 % new. Next: 10 % for 5 min, then all of it.
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
    (orchestrator (production) waits to be continued. Production is on the old version. Continue the deployment in CodeDeploy, or stop it.)
      10:02:00 ready
        :double_vertical_bar: *orchestrator (production) waits to be continued.* Continue the deployment in CodeDeploy, or stop it.
        (orchestrator (production) waits to be continued.)
    === by webhook, each a message
      orchestrator (production) waits to be continued. (and 2 below)
    ");
}
