//! A smoke test fails when the new version has the traffic, and CodeDeploy rolls it back.

use domain::deployment::Status;
use insta::assert_snapshot;
use serde_json::json;

use super::*;

#[test]
fn a_smoke_test_fails_and_it_is_rolled_back() {
    let error = Some(("HOOK_EXECUTION_FAILURE", "The lifecycle event AfterAllowTraffic failed"));
    let states = [
        ("Install", "Succeeded"),
        ("BeforeAllowTraffic", "Succeeded"),
        ("AllowTraffic", "Succeeded"),
        ("AfterAllowTraffic", "Failed"),
    ];
    let failed =
        event("hook-verdict-failed", &json!({"lifecycle_event": "AfterAllowTraffic", "hook": "after-allow-traffic"}));
    let course = Course::new(
        ended(Status::Failed, error, 428),
        Some(rollback(Status::Succeeded, 429, Some(444))),
        &target(&states, 0.0),
    )
    .hear(&event(
        "hook-verdict-succeeded",
        &json!({"lifecycle_event": "BeforeAllowTraffic", "hook": "before-allow-traffic", "at": "2026-03-03T10:01:01Z"}),
    ))
    .hear(&failed);
    assert_snapshot!(course.shown(), @r#"
    # :large_orange_circle: orchestrator (production) failed in a hook, and is rolled back
    *Production* is on the old version.
    *You:* Nothing is urgent: fix the cause, then deploy again.
    Hook *AfterAllowTraffic* failed: `health_check` fail: expected status 200, observed status 500, body "no database" (GET http://mangaassist-1234567890.eu-west-1.elb.amazonaws.com:8443/health; took 41 ms)
    *Progress:* Install, BeforeAllowTraffic, AllowTraffic done · *AfterAllowTraffic failed*
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* <https://git.example.com/acme/orchestrator/commit/3f9c2d71b8a0|3f9c2d71> (git.example.com)
    | *Author* ada
    | *Started by* pipeline
    | *Duration* 7 min 8 s
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    | *Rollback* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2>
    ~ <https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/greenlight-delivery-eu-west-1|Dashboard>
    ~ <https://logs.example.com/orchestrator|Logs>
    (orchestrator (production) failed in a hook, and is rolled back. Production is on the old version. Nothing is urgent: fix the cause, then deploy again.)
      10:01:00 verdict/BeforeAllowTraffic/before-allow-traffic
        :white_check_mark: *BeforeAllowTraffic* passed in 1.5 s: all 3 checks passed
        (BeforeAllowTraffic passed: all 3 checks passed)
      10:07:08 verdict/AfterAllowTraffic/after-allow-traffic
        :x: *AfterAllowTraffic* failed in 1.8 s:
        :x: `health_check` expected status 200, observed status 500, body "no database" (GET http://mangaassist-1234567890.eu-west-1.elb.amazonaws.com:8443/health)
        (AfterAllowTraffic failed: `health_check` fail: expected status 200, observed status 500, body "no database" (GET http://mangaassist-1234567890.eu-west-1.elb.amazonaws.com:8443/health; took 41 ms))
      10:07:08 end/FAILURE, alarming
        :large_orange_circle: *orchestrator (production) failed in a hook, and is rolled back.* It took 7 min 8 s.
        *Production* is on the old version.
        *You:* Nothing is urgent: fix the cause, then deploy again.
        Hook *AfterAllowTraffic* failed: see its verdict.
        (orchestrator (production) failed in a hook, and is rolled back. Production is on the old version. Nothing is urgent: fix the cause, then deploy again.)
      10:07:24 end/SUCCESS
        :leftwards_arrow_with_hook: *Rolled back* by <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2> in 15 s. *Production* is on the old version.
        (orchestrator (production) is rolled back: production is on the old version.)
    === by webhook, each a message
      AfterAllowTraffic failed: `health_check` fail: expected status 200, observed status 500, body "no database" (GET http://mangaassist-1234567890.eu-west-1.elb.amazonaws.com:8443/health; took 41 ms) (and 2 below)
      orchestrator (production) failed in a hook, and is rolled back. Production is on the old version. Nothing is urgent: fix the cause, then deploy again. (and 2 below)
      orchestrator (production) is rolled back: production is on the old version. (and 2 below)
    "#);
}
