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
        clock: Clock::system(),
    }
}

fn record(request: &Value) -> Value {
    json!({
        "version": "1.0",
        "requestContext": {
            "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:CodeDeployHook_before-allow-traffic:$LATEST",
            "condition": "RetriesExhausted", "approximateInvokeCount": 1
        },
        "requestPayload": request,
        "responsePayload": { "errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 60.00 seconds" }
    })
}

fn handled(function: &Function<CodeDeploy, Bus>, payload: Value) -> anyhow::Result<Value> {
    testkit::run(async {
        let arrived = function.clock.now();
        let deadline = arrived.plus(Duration::from_millis(1500));
        handle(function, &Invocation { payload, request_id: "r".to_owned(), arrived, deadline }).await
    })
}

const REASON: &str = "the hook function `CodeDeployHook_before-allow-traffic` did not answer: it was ended after 1 attempt \
                      (RetriesExhausted): Task timed out after 60.00 seconds";

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
    assert_eq!((&told.group, told.reason.as_str()), (&None, REASON));
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
