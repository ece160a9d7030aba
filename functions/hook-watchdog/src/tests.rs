//! Tests of the watchdog with recording fakes.

use domain::ports::PortError;
use testkit::build;
use testkit::fakes::{Bus, CodeDeploy, Script, denied, throttled};

use super::*;

const CONFIG: &str = "version: 1\nservices:\n  - name: orchestrator\n    codedeploy: { application: mangaassist, deployment_group: orchestrator }\n";

fn function() -> Function<CodeDeploy, Bus> {
    let target = Target::Ecs(build::ecs_target("BeforeAllowTraffic"));
    Function {
        config: Some(build::config(CONFIG)),
        codedeploy: CodeDeploy::with(build::deployment(), target),
        outbox: Bus::default(),
        clock: testkit::clock(),
    }
}

fn record(request: &Value) -> Value {
    record_of(
        request,
        &json!({ "errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 60.00 seconds" }),
    )
}

fn record_of(request: &Value, error: &Value) -> Value {
    json!({
        "version": "1.0",
        "timestamp": "2026-01-05T09:00:00.000Z",
        "requestContext": {
            "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:CodeDeployHook_before-allow-traffic:$LATEST",
            "condition": "RetriesExhausted", "approximateInvokeCount": 1
        },
        "requestPayload": request,
        "responsePayload": error
    })
}

fn handled(function: &Function<CodeDeploy, Bus>, payload: Value) -> anyhow::Result<Value> {
    handled_after(function, payload, Duration::ZERO)
}

/// The same, so long after the hook's end.
fn handled_after(function: &Function<CodeDeploy, Bus>, payload: Value, after: Duration) -> anyhow::Result<Value> {
    testkit::run_on(&function.clock, async {
        function.clock.sleep(after).await;
        let arrived = function.clock.now();
        let deadline = arrived.plus(Duration::from_mins(1));
        handle(
            function,
            &Invocation { payload, request_id: "r".to_owned(), function_arn: String::new(), arrived, deadline },
        )
        .await
    })
}

const REASON: &str = "the hook function `CodeDeployHook_before-allow-traffic` did not answer: Task timed out after 60.00 \
                      seconds (its log: `/aws/lambda/CodeDeployHook_before-allow-traffic`)";

#[test]
fn a_hook_that_did_not_answer_is_reported_failed_and_told() {
    let function = function();
    let summary = handled(&function, record(&build::hook_payload())).unwrap();
    assert_eq!(function.codedeploy.verdicts(), [Verdict::Failed]);
    assert_eq!(function.codedeploy.reported.borrow()[0].0.execution, "execution-1");
    assert_eq!((&summary["verdict"], &summary["reason"]), (&json!("Failed"), &json!(REASON)));
    let told = &function.outbox.verdicts()[0];
    assert_eq!((told.reason.as_str(), told.hook.as_str()), (REASON, "hook-watchdog"));
    assert_eq!(
        (told.service.as_deref(), told.lifecycle_event.as_deref()),
        (Some("orchestrator"), Some("BeforeAllowTraffic"))
    );
}

#[test]
fn a_hook_that_had_answered_is_left_in_peace() {
    let mut function = function();
    function.codedeploy.reports = Script::always(Reported::AlreadyCompleted);
    let summary = handled(&function, record(&build::hook_payload())).unwrap();
    assert_eq!(summary["already_answered"], json!(true));
    assert!(function.outbox.verdicts().is_empty());
}

#[test]
fn a_rollback_is_never_held_up() {
    let mut function = function();
    function.codedeploy.deployments = Script::always(build::rollback());
    handled(&function, record(&build::hook_payload())).unwrap();
    assert_eq!(function.codedeploy.verdicts(), [Verdict::Succeeded]);
}

#[test]
fn the_emergency_lane_holds_when_the_hook_crashes_and_without_a_reason_it_does_not() {
    let described = |description: &str| {
        let mut function = function();
        let deployment = Deployment { description: description.to_owned(), ..build::deployment() };
        function.codedeploy.deployments = Script::always(deployment);
        handled(&function, record(&build::hook_payload())).unwrap();
        let told = function.outbox.verdicts().remove(0);
        (function.codedeploy.verdicts(), told.skipped, told.reason)
    };
    let (verdicts, skipped, reason) = described("git_sha=abc by=ada [greenlight skip: INC-42, the fix itself]");
    assert_eq!((verdicts, skipped.as_deref()), (vec![Verdict::Succeeded], Some("INC-42, the fix itself")));
    assert_eq!(
        reason,
        "let through UNCHECKED: `ada` asked for it in the deployment's description, because: INC-42, the fix itself"
    );
    let (verdicts, skipped, reason) = described("[greenlight skip]");
    assert_eq!((verdicts, skipped), (vec![Verdict::Failed], None));
    assert!(reason.starts_with(REASON) && reason.ends_with("write `[greenlight skip: why]`"), "{reason}");
}

#[test]
fn without_the_deployments_record_it_is_answered_all_the_same() {
    let mut function = function();
    function.codedeploy.deployments = Script::failing(denied("`GetDeployment`"));
    function.codedeploy.target_hangs = true;
    handled(&function, record(&build::hook_payload())).unwrap();
    assert_eq!(function.codedeploy.verdicts(), [Verdict::Failed]);
    let told = &function.outbox.verdicts()[0];
    assert_eq!(told.group, None);
    let unknown = "Whether it is a rollback could not be found out: `GetDeployment` was refused: ";
    assert!(told.reason.starts_with(&format!("{REASON}. {unknown}")), "{}", told.reason);
}

#[test]
fn while_it_may_be_a_rollback_it_is_not_answered_until_lambdas_last_try() {
    let unread = |after_seconds: u64| {
        let mut function = function();
        function.codedeploy.deployments = Script::failing(throttled());
        let begun = function.clock.now();
        let after = Duration::from_secs(after_seconds);
        let handled = handled_after(&function, record(&build::hook_payload()), after);
        let took = function.clock.now().since(begun).saturating_sub(after);
        (handled.map_err(|error| format!("{error:#}")), function.codedeploy.verdicts(), took)
    };
    for begins in [0, 60, 125] {
        let (handled, verdicts, took) = unread(begins);
        let error = handled.unwrap_err();
        assert!(
            error.starts_with("whether `d-1` is a rollback, which nothing may hold up, could not be found out in 50"),
            "{error}"
        );
        assert!(error.ends_with("ThrottlingException") && verdicts.is_empty(), "{error}: {verdicts:?}");
        assert!(took > Duration::from_secs(47) && took <= Duration::from_secs(50), "{took:?}");
    }
    for begins in [180, 300] {
        let (handled, verdicts, _) = unread(begins);
        assert_eq!(verdicts, [Verdict::Failed]);
        let reason = handled.unwrap()["reason"].to_string();
        assert!(reason.contains("could not be found out: the call failed for now: ThrottlingException"), "{reason}");
    }
}

#[test]
fn a_record_without_a_time_is_answered_at_the_first_try() {
    let mut function = function();
    function.codedeploy.deployments = Script::failing(throttled());
    let mut payload = record(&build::hook_payload());
    payload["timestamp"] = json!("yesterday");
    handled(&function, payload).unwrap();
    assert_eq!(function.codedeploy.verdicts(), [Verdict::Failed]);
}

#[test]
fn a_rollback_that_is_throttled_for_a_while_is_let_through() {
    let mut function = function();
    let throttled = std::iter::repeat_n(Err(throttled()), 20);
    function.codedeploy.deployments = Script::of(throttled.chain([Ok(build::rollback())]));
    handled(&function, record(&build::hook_payload())).unwrap();
    assert_eq!(function.codedeploy.verdicts(), [Verdict::Succeeded]);
}

/// The record of a hook whose answer CodeDeploy did not take.
fn handed_over(verdict: Verdict, group: Option<domain::deployment::GroupName>) -> Value {
    let own = Handover {
        verdict,
        reason: "all 6 checks passed".to_owned(),
        skipped: None,
        group,
        lifecycle_event: Some("AfterAllowTraffic".to_owned()),
    };
    let message = format!("the verdict {verdict} could not be reported within 59 s: ThrottlingException; {own}");
    record_of(&build::hook_payload(), &json!({ "errorType": "Greenlight", "errorMessage": message }))
}

#[test]
fn a_hook_that_had_a_verdict_is_answered_for_with_that_verdict_even_when_the_deployment_cannot_be_read() {
    for (verdict, group) in [(Verdict::Succeeded, None), (Verdict::Failed, Some(build::group()))] {
        let mut function = function();
        function.codedeploy.deployments = Script::failing(throttled());
        handled(&function, handed_over(verdict, group)).unwrap();
        assert_eq!(function.codedeploy.verdicts(), [verdict]);
        let told = &function.outbox.verdicts()[0];
        assert_eq!(
            told.reason,
            "answered on behalf of `CodeDeployHook_before-allow-traffic`, whose answer CodeDeploy did not take: all 6 checks passed"
        );
        assert_eq!(
            (told.verdict, told.reported, told.lifecycle_event.as_deref()),
            (verdict, true, Some("AfterAllowTraffic"))
        );
    }
}

#[test]
fn a_verdict_of_the_hook_that_only_seemed_to_be_lost_is_told_as_taken() {
    for (status, told) in [("Succeeded", 1), ("Failed", 0)] {
        let mut function = function();
        function.codedeploy.reports = Script::always(Reported::AlreadyCompleted);
        let mut target = build::ecs_target("AfterAllowTraffic");
        target.lifecycle_events[0].status = status.to_owned();
        function.codedeploy.targets = Script::always(Target::Ecs(target));
        let summary = handled(&function, handed_over(Verdict::Succeeded, None)).unwrap();
        let seen = (&summary["already_answered"], function.outbox.verdicts().len());
        assert_eq!(seen, (&json!(true), told), "{status}");
    }
}

#[test]
fn a_hook_that_failed_since_it_could_not_read_the_deployment_does_not_hold_up_a_rollback() {
    let mut function = function();
    function.codedeploy.deployments = Script::always(build::rollback());
    handled(&function, handed_over(Verdict::Failed, None)).unwrap();
    assert_eq!(function.codedeploy.verdicts(), [Verdict::Succeeded]);
}

#[test]
fn a_report_that_is_not_taken_is_an_error_so_that_lambda_tries_again() {
    let mut function = function();
    function.codedeploy.reports = Script::failing(throttled());
    let error = handled(&function, record(&build::hook_payload())).unwrap_err();
    assert!(matches!(error.downcast_ref::<PortError>(), Some(PortError::Transient { .. })), "{error:#}");
    assert!(function.codedeploy.verdicts().len() > 1);
    assert!(function.outbox.verdicts().is_empty());
}

#[test]
fn a_payload_that_names_nobody_is_an_error() {
    let function = function();
    let error = handled(&function, record(&json!({ "hello": 1 }))).unwrap_err();
    assert!(
        format!("{error:#}")
            .contains("cannot answer for `CodeDeployHook_before-allow-traffic`: the payload has no `DeploymentId`"),
        "{error:#}"
    );
    assert!(handled(&function, build::hook_payload()).unwrap_err().to_string().contains("on-failure destination"));
    assert!(function.codedeploy.verdicts().is_empty());
}
