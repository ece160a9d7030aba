//! A hook fails before any traffic has moved.

use domain::deployment::Status;
use insta::assert_snapshot;
use serde_json::json;

use super::*;

#[test]
fn a_check_fails() {
    let error = Some(("HOOK_EXECUTION_FAILURE", "The lifecycle event BeforeAllowTraffic failed"));
    // CodeDeploy has ended it before the hook has published its verdict, at 10:07:08.9.
    let log = json!({"log": {"group": "/aws/lambda/greenlight-before-allow-traffic", "stream": "2026/03/03/[$LATEST]6f1c", "request_id": "8f6d"}});
    let course = Course::new(ended(Status::Failed, error, 428), None, &target(&NEVER, 0.0))
        .hear(&event("hook-verdict-failed", &log));
    assert_snapshot!(course.shown(), @r#"
    # :large_orange_circle: orchestrator (production) failed in a hook
    *Production* has stayed on the old version: no traffic was shifted.
    *You:* Nothing is urgent: fix the cause, then deploy again.
    Hook *BeforeAllowTraffic* failed: `health_check` fail: expected status 200, observed status 500, body "no database" (GET http://mangaassist-1234567890.eu-west-1.elb.amazonaws.com:8443/health; took 41 ms)
    *Progress:* Install done · *BeforeAllowTraffic failed* · AllowTraffic, AfterAllowTraffic never ran
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* <https://git.example.com/acme/orchestrator/commit/3f9c2d71b8a0|3f9c2d71> (git.example.com)
    | *Author* ada
    | *Started by* pipeline
    | *Duration* 7 min 8 s
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    ~ <https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/greenlight-delivery-eu-west-1|Dashboard>
    ~ <https://logs.example.com/orchestrator|Logs>
    (orchestrator (production) failed in a hook. Production has stayed on the old version: no traffic was shifted. Nothing is urgent: fix the cause, then deploy again.)
      10:07:08 verdict/BeforeAllowTraffic/before-allow-traffic
        :x: *BeforeAllowTraffic* failed in 1.8 s:
        :x: `health_check` expected status 200, observed status 500, body "no database" (GET http://mangaassist-1234567890.eu-west-1.elb.amazonaws.com:8443/health)
        ~ <https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/$252Faws$252Flambda$252Fgreenlight-before-allow-traffic/log-events/2026$252F03$252F03$252F$255B$2524LATEST$255D6f1c$3FfilterPattern$3D$25228f6d$2522|Log of the hook>
        (BeforeAllowTraffic failed: `health_check` fail: expected status 200, observed status 500, body "no database" (GET http://mangaassist-1234567890.eu-west-1.elb.amazonaws.com:8443/health; took 41 ms))
      10:07:08 end/FAILURE, alarming
        :large_orange_circle: *orchestrator (production) failed in a hook.* It took 7 min 8 s.
        *Production* has stayed on the old version: no traffic was shifted.
        *You:* Nothing is urgent: fix the cause, then deploy again.
        Hook *BeforeAllowTraffic* failed: see its verdict.
        (orchestrator (production) failed in a hook. Production has stayed on the old version: no traffic was shifted. Nothing is urgent: fix the cause, then deploy again.)
    === by webhook, each a message
      BeforeAllowTraffic failed: `health_check` fail: expected status 200, observed status 500, body "no database" (GET http://mangaassist-1234567890.eu-west-1.elb.amazonaws.com:8443/health; took 41 ms) (and 3 below)
      orchestrator (production) failed in a hook. Production has stayed on the old version: no traffic was shifted. Nothing is urgent: fix the cause, then deploy again. (and 2 below)
    "#);
}

#[test]
fn an_alarm_was_red_before_it() {
    let error = Some(("HOOK_EXECUTION_FAILURE", "The lifecycle event BeforeAllowTraffic failed"));
    let finding = json!({"name": "alarms_quiet", "outcome": "fail", "expected": "no alarm in ALARM", "observed": "`orchestrator-http-5xx` is in ALARM"});
    let changes = json!({"findings": [finding], "reason": "`alarms_quiet` fail: `orchestrator-http-5xx` is in ALARM"});
    let course = Course::new(ended(Status::Failed, error, 428), None, &target(&NEVER, 0.0))
        .hear(&event("hook-verdict-failed", &changes));
    assert_snapshot!(course.shown(), @"
    # :large_orange_circle: orchestrator (production) failed in a hook
    *Production* has stayed on the old version: no traffic was shifted.
    *You:* Look at the red alarm: production was unwell before this deployment. Deploy again when it is quiet; if this deployment is the cure, the cause told here says how.
    Hook *BeforeAllowTraffic* failed: `alarms_quiet` fail: `orchestrator-http-5xx` is in ALARM
    *Progress:* Install done · *BeforeAllowTraffic failed* · AllowTraffic, AfterAllowTraffic never ran
    | *Environment* production
    | *Revision* orchestrator:42
    | *Commit* <https://git.example.com/acme/orchestrator/commit/3f9c2d71b8a0|3f9c2d71> (git.example.com)
    | *Author* ada
    | *Started by* pipeline
    | *Duration* 7 min 8 s
    | *Configuration* Canary10Percent5Minutes
    | *Deployment* <https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1|d-1>
    ~ <https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#dashboards/dashboard/greenlight-delivery-eu-west-1|Dashboard>
    ~ <https://logs.example.com/orchestrator|Logs>
    (orchestrator (production) failed in a hook. Production has stayed on the old version: no traffic was shifted. Look at the red alarm: production was unwell before this deployment. Deploy again when it is quiet; if this deployment is the cure, the cause told here says how.)
      10:07:08 verdict/BeforeAllowTraffic/before-allow-traffic
        :x: *BeforeAllowTraffic* failed in 1.8 s: `alarms_quiet` fail: `orchestrator-http-5xx` is in ALARM
        :x: `alarms_quiet` expected no alarm in ALARM, observed `orchestrator-http-5xx` is in ALARM
        (BeforeAllowTraffic failed: `alarms_quiet` fail: `orchestrator-http-5xx` is in ALARM)
      10:07:08 end/FAILURE, alarming
        :large_orange_circle: *orchestrator (production) failed in a hook.* It took 7 min 8 s.
        *Production* has stayed on the old version: no traffic was shifted.
        *You:* Look at the red alarm: production was unwell before this deployment. Deploy again when it is quiet; if this deployment is the cure, the cause told here says how.
        Hook *BeforeAllowTraffic* failed: see its verdict.
        (orchestrator (production) failed in a hook. Production has stayed on the old version: no traffic was shifted. Look at the red alarm: production was unwell before this deployment. Deploy again when it is quiet; if this deployment is the cure, the cause told here says how.)
    === by webhook, each a message
      BeforeAllowTraffic failed: `alarms_quiet` fail: `orchestrator-http-5xx` is in ALARM (and 2 below)
      orchestrator (production) failed in a hook. Production has stayed on the old version: no traffic was shifted. Look at the red alarm: production was unwell before this deployment. Deploy again when it is quiet; if this deployment is the cure, the cause told here says how. (and 2 below)
    ");
}

#[test]
fn a_rollback_that_has_no_traffic_to_move_restores_nothing() {
    let error = Some(("HOOK_EXECUTION_FAILURE", "The lifecycle event BeforeAllowTraffic failed"));
    let way_back = rollback(Status::InProgress, 429, None);
    let course = Course::new(ended(Status::Failed, error, 428), Some(way_back), &target(&NEVER, 0.0))
        .hear(&event("hook-verdict-failed", &json!({})));
    let thread = course.thread();
    let start = thread.iter().find(|reply| reply.key == "start").unwrap();
    let text = readable(&render(&start.message));
    assert!(text.contains("takes the new version away") && !text.contains("restores"), "{text}");
    assert!(!start.important);
}
