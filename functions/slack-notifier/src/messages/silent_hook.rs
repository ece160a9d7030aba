//! A hook dies without an answer, and the watchdog answers in its place.

use domain::deployment::Status;
use insta::assert_snapshot;
use serde_json::json;

use super::*;

#[test]
fn the_watchdog_answers() {
    let error = Some(("HOOK_EXECUTION_FAILURE", "The lifecycle event AfterAllowTraffic failed"));
    let states = [
        ("Install", "Succeeded"),
        ("BeforeAllowTraffic", "Succeeded"),
        ("AllowTraffic", "Succeeded"),
        ("AfterAllowTraffic", "Failed"),
    ];
    let watchdog = event("hook-verdict-of-the-watchdog", &json!({"at": "2026-03-03T10:10:00Z"}));
    let course = Course::new(
        ended(Status::Failed, error, 600),
        Some(rollback(Status::InProgress, 601, None)),
        &target(&states, 100.0),
    )
    .hear(&watchdog);
    assert_snapshot!(course.shown(), @"
    # :large_orange_circle: orchestrator (production) failed in a hook, and is rolling back
    *Production* is going back to the old version.
    *You:* Wait for the rollback: its end will be told here.
    Hook *AfterAllowTraffic* failed: the hook `CodeDeployHook_after-allow-traffic` ended without an answer: Runtime exited with error: signal: killed
    *Progress:* Install, BeforeAllowTraffic, AllowTraffic done · *AfterAllowTraffic failed*
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* <https://git.example.com/acme/orchestrator/commit/3f9c2d71b8a0|3f9c2d71> (git.example.com)
    | *Author* ada
    | *Started by* pipeline
    | *Duration* 10 min
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    | *Rollback* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2>
    ~ <https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/greenlight-delivery-eu-west-1|Dashboard>
    ~ <https://logs.example.com/orchestrator|Logs>
    (orchestrator (production) failed in a hook, and is rolling back. Production is going back to the old version. Wait for the rollback: its end will be told here.)
      10:10:00 verdict/AfterAllowTraffic/hook-watchdog
        :x: *AfterAllowTraffic* failed: the hook `CodeDeployHook_after-allow-traffic` ended without an answer: Runtime exited with error: signal: killed
        (AfterAllowTraffic failed: the hook `CodeDeployHook_after-allow-traffic` ended without an answer: Runtime exited with error: signal: killed)
      10:10:00 end/FAILURE, alarming
        :large_orange_circle: *orchestrator (production) failed in a hook, and is rolling back.* It took 10 min.
        *Production* is going back to the old version.
        *You:* Wait for the rollback: its end will be told here.
        Hook *AfterAllowTraffic* failed: see its verdict.
        (orchestrator (production) failed in a hook, and is rolling back. Production is going back to the old version. Wait for the rollback: its end will be told here.)
      10:10:01 start
        :leftwards_arrow_with_hook: Rolling back: <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-2?region=eu-west-1|d-2> restores the old version.
        (orchestrator (production) is rolling back.)
    === by webhook, each a message
      AfterAllowTraffic failed: the hook `CodeDeployHook_after-allow-traffic` ended without an answer: Runtime exited with error: signal: killed (and 2 below)
      orchestrator (production) failed in a hook, and is rolling back. Production is going back to the old version. Wait for the rollback: its end will be told here. (and 2 below)
      orchestrator (production) is rolling back. (and 2 below)
    ");
}
