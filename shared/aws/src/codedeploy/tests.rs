//! CodeDeploy's wire answers, from AWS's documented samples, and what becomes of them.

use domain::deployment::Platform;

use super::*;
use crate::testing::{Canned, serve};

fn id(id: &str) -> DeploymentId {
    DeploymentId(id.to_owned())
}

fn hook() -> HookEvent {
    HookEvent { deployment: id("d-1"), execution: "abc".to_owned() }
}

fn error(code: &str) -> Canned {
    Canned::status(400, format!(r#"{{"__type":"{code}","message":"said so"}}"#))
}

/// An alarm stop as it was seen in production, in the fields of the API reference.
const STOPPED: &str = r#"{"deploymentInfo":{
    "applicationName":"mangaassist","deploymentGroupName":"orchestrator","deploymentId":"d-BDS7SUA1L",
    "deploymentConfigName":"CodeDeployDefault.ECSLinear10PercentEvery1Minutes","status":"Stopped","creator":"user",
    "description":"git_sha=0badcafe from main","computePlatform":"ECS",
    "createTime":1543431361.022,"startTime":1543431362,"completeTime":1543431490.226,
    "errorInformation":{"code":"ALARM_ACTIVE","message":"Activated alarms: <orchestrator-5xx>"},
    "rollbackInfo":{"rollbackDeploymentId":"d-GJKKPRA1L","rollbackMessage":"Automatic rollback is triggered"},
    "revision":{"revisionType":"AppSpecContent","appSpecContent":{"sha256":"0123"}},
    "loadBalancerInfo":{"targetGroupPairInfoList":[{
        "targetGroups":[{"name":"blue-tg"},{"name":"green-tg"}],
        "prodTrafficRoute":{"listenerArns":["arn:prod"]},"testTrafficRoute":{"listenerArns":["arn:test"]}}]}}}"#;

const REVISION: &str = r#"{"applicationName":"mangaassist","revision":{"revisionType":"String","string":{"content":
    "{\"version\":0.0,\"Resources\":[{\"TargetService\":{\"Type\":\"AWS::ECS::Service\",\"Properties\":{\"TaskDefinition\":\"arn:aws:ecs:us-east-1:1:task-definition/orchestrator:7\"}}}]}"}}}"#;

#[tokio::test]
async fn a_deployment_is_read_with_its_error_its_rollback_its_routes_and_its_revision() {
    let (aws, server) = serve(vec![Canned::ok(STOPPED), Canned::ok(REVISION), Canned::ok(STOPPED)]);
    let codedeploy = aws.codedeploy();
    let deployment = codedeploy.deployment(&id("d-BDS7SUA1L")).await.unwrap();
    assert_eq!(deployment.group.to_string(), "mangaassist/orchestrator");
    assert_eq!(deployment.platform, Some(Platform::Ecs));
    assert_eq!(deployment.status, Status::Stopped);
    assert_eq!(deployment.error.as_ref().unwrap().code, "ALARM_ACTIVE");
    assert_eq!(deployment.created, Some(Timestamp(1_543_431_361_022)));
    assert_eq!(deployment.rolled_back_by, Some(id("d-GJKKPRA1L")));
    assert_eq!(deployment.routes.as_ref().unwrap().test_listener.as_deref(), Some("arn:test"));
    assert_eq!(deployment.revision.spoken(), "orchestrator:7 (0badcafe)");
    assert!(server.json(1)["revision"]["appSpecContent"]["sha256"] == "0123", "the revision is passed on unchanged");
    // What is deployed never changes: the second look costs one call.
    assert_eq!(codedeploy.deployment(&id("d-BDS7SUA1L")).await.unwrap(), deployment);
    assert_eq!(server.count(), 3);
}

#[tokio::test]
async fn a_rollback_that_greenlight_made_is_known_by_its_description() {
    let made = r#"{"deploymentInfo":{"applicationName":"a","deploymentGroupName":"g","status":"InProgress","creator":"user",
        "description":"greenlight_rolls_back=d-BDS7SUA1L for the alarm web-5xx"}}"#;
    let (aws, _) = serve(vec![Canned::ok(made)]);
    let deployment = aws.codedeploy().deployment(&id("d-NEW")).await.unwrap();
    assert_eq!(deployment.rolls_back, Some(id("d-BDS7SUA1L")));
    assert!(deployment.is_rollback());
}

#[tokio::test]
async fn a_revision_that_cannot_be_read_is_left_empty_with_the_reason() {
    let (aws, _) = serve(vec![Canned::ok(STOPPED), error("AccessDeniedException")]);
    let deployment = aws.codedeploy().deployment(&id("d-BDS7SUA1L")).await.unwrap();
    assert_eq!(deployment.revision, Revision { git_sha: Some("0badcafe".to_owned()), ..Revision::default() });
    let AppSpec::Unreadable(why) = &deployment.app_spec else { panic!("{:?}", deployment.app_spec) };
    assert!(why.contains("AccessDeniedException"), "{why}");
}

#[tokio::test]
async fn a_revision_in_s3_or_github_costs_no_further_call_and_is_no_error() {
    let inline = r#""revision":{"revisionType":"AppSpecContent","appSpecContent":{"sha256":"0123"}}"#;
    let cases = [
        (
            r#""revision":{"revisionType":"S3","s3Location":{"bucket":"b","key":"appspec.yaml","bundleType":"YAML"}}"#,
            "S3",
        ),
        (r#""revision":{"revisionType":"GitHub","gitHubLocation":{"repository":"o/r","commitId":"c"}}"#, "GitHub"),
    ];
    for (revision, place) in cases {
        let (aws, server) = serve(vec![Canned::ok(STOPPED.replace(inline, revision))]);
        let deployment = aws.codedeploy().deployment(&id("d-BDS7SUA1L")).await.unwrap();
        assert_eq!(deployment.app_spec, AppSpec::Elsewhere(place.to_owned()));
        assert_eq!((deployment.revision.task_definition, server.count()), (None, 1));
    }
}

#[tokio::test]
async fn the_appspecs_text_is_read_from_either_field_with_its_hooks() {
    let text = r#"{\"Resources\":[],\"hooks\":[{\"AfterAllowTraffic\":\"CodeDeployHook_post\"}]}"#;
    for field in ["string", "appSpecContent"] {
        let revision = format!(r#"{{"revision":{{"revisionType":"String","{field}":{{"content":"{text}"}}}}}}"#);
        let (aws, _) = serve(vec![Canned::ok(STOPPED), Canned::ok(revision)]);
        let deployment = aws.codedeploy().deployment(&id("d-BDS7SUA1L")).await.unwrap();
        let hooks = vec![("AfterAllowTraffic".to_owned(), "CodeDeployHook_post".to_owned())];
        assert_eq!(deployment.app_spec, AppSpec::Read { hooks }, "{field}");
    }
}

#[tokio::test]
async fn the_first_deployment_is_the_one_without_a_previous_revision() {
    let later =
        STOPPED.replace(r#""revision":{"#, r#""previousRevision":{"revisionType":"AppSpecContent"},"revision":{"#);
    for (answer, is_first) in [(STOPPED.to_owned(), true), (later, false)] {
        let (aws, _) = serve(vec![Canned::ok(answer), Canned::ok(REVISION)]);
        assert_eq!(aws.codedeploy().deployment(&id("d-BDS7SUA1L")).await.unwrap().is_first, is_first);
    }
}

#[tokio::test]
async fn a_weight_that_is_not_told_is_not_taken_for_none_at_all() {
    let target = |weight: &str| {
        format!(
            r#"{{"deploymentTargets":[{{"deploymentTargetType":"LambdaTarget","lambdaTarget":{{"targetId":"f","lifecycleEvents":[],
                "lambdaFunctionInfo":{{"functionName":"f","functionAlias":"live","currentVersion":"1","targetVersion":"2"{weight}}}}}}}]}}"#
        )
    };
    let cases = [
        (r#","targetVersionWeight":0.0"#, Some(0.0), true),
        (r#","targetVersionWeight" : 0.1"#, Some(0.1), false),
        (r#","targetVersionWeight":null"#, None, false),
        ("", None, false),
    ];
    for (weight, expected, all_old) in cases {
        let (aws, _) = serve(vec![Canned::ok(r#"{"targetIds":["f"]}"#), Canned::ok(target(weight))]);
        let target = aws.codedeploy().target(&id("d-1")).await.unwrap();
        assert_eq!((target.new_version_weight(), target.is_all_on_the_old_version()), (expected, all_old), "{weight}");
    }
}

#[tokio::test]
async fn the_alarms_on_a_group_are_read_and_a_group_without_any_has_none() {
    // The fields of `AlarmConfiguration` in the CodeDeploy API reference.
    let with = r#"{"deploymentGroupInfo":{"alarmConfiguration":{"enabled":true,"ignorePollAlarmFailure":true,"alarms":[{"name":"a"},{"name":"b"}]}}}"#;
    let (aws, server) = serve(vec![Canned::ok(with), Canned::ok(r#"{"deploymentGroupInfo":{}}"#)]);
    let group = GroupName { application: "a".to_owned(), deployment_group: "g".to_owned() };
    let alarms = aws.codedeploy().alarms(&group).await.unwrap();
    let names = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(alarms, GroupAlarms { names, enabled: true, ignores_poll_failure: true });
    assert_eq!(server.json(0)["deploymentGroupName"], "g");
    assert_eq!(aws.codedeploy().alarms(&group).await.unwrap(), GroupAlarms::default());
}

#[tokio::test]
async fn an_ecs_target_is_read_with_both_task_sets() {
    let target = r#"{"deploymentTargets":[{"deploymentTargetType":"ECSTarget","ecsTarget":{
        "deploymentId":"d-1","targetId":"tutorial-bluegreen-app:service-bluegreen","status":"InProgress",
        "lifecycleEvents":[
            {"lifecycleEventName":"Install","startTime":1543431361.678,"status":"Succeeded"},
            {"lifecycleEventName":"BeforeAllowTraffic","startTime":1543431486.838,"status":"InProgress"}],
        "taskSetsInfo":[
            {"identifer":"ecs-svc/9223370493425779968","desiredCount":1,"pendingCount":0,"runningCount":1,"status":"PRIMARY",
             "trafficWeight":100.0,"targetGroup":{"name":"bluegreentarget1"},"taskSetLabel":"Blue"},
            {"identifer":"ecs-svc/9223370493423413672","desiredCount":1,"pendingCount":0,"runningCount":1,"status":"ACTIVE",
             "trafficWeight":0.0,"targetGroup":{"name":"bluegreentarget2"},"taskSetLabel":"Green"}]}}]}"#;
    let listed = r#"{"targetIds":["tutorial-bluegreen-app:service-bluegreen"]}"#;
    let (aws, _) = serve(vec![Canned::ok(listed), Canned::ok(target)]);
    let target = aws.codedeploy().target(&id("d-1")).await.unwrap();
    assert_eq!(target.current_event(), Some("BeforeAllowTraffic"));
    assert!(target.is_all_on_the_old_version());
    let Target::Ecs(ecs) = target else { panic!("{target:?}") };
    assert_eq!((ecs.cluster.as_str(), ecs.service.as_str()), ("tutorial-bluegreen-app", "service-bluegreen"));
    assert_eq!(ecs.replacement().unwrap().id, "ecs-svc/9223370493423413672");
}

#[tokio::test]
async fn when_lifecycle_events_began_and_ended_is_read() {
    // The answer of the ECS developer guide's tutorial "Creating a service using a blue/green deployment", its last two events.
    let target = r#"{"deploymentTargets":[{"deploymentTargetType":"ECSTarget","ecsTarget":{
        "deploymentId":"d-RPCR1U3TW","targetId":"tutorial-bluegreen-app:service-bluegreen","lastUpdatedAt":1543431490.226,"lifecycleEvents":[
            {"lifecycleEventName":"AllowTraffic","startTime":1543431487.748,"endTime":1543431488.488,"status":"Succeeded"},
            {"lifecycleEventName":"AfterAllowTraffic","startTime":1543431489.152,"endTime":1543431489.885,"status":"Succeeded"},
            {"lifecycleEventName":"Pondering","status":"Pending"}],
        "status":"Succeeded","taskSetsInfo":[]}}]}"#;
    let (aws, _) = serve(vec![Canned::ok(r#"{"targetIds":["x:y"]}"#), Canned::ok(target)]);
    let target = aws.codedeploy().target(&id("d-RPCR1U3TW")).await.unwrap();
    let times: Vec<_> = target.lifecycle_events().iter().map(|event| (event.started, event.ended)).collect();
    let at = |ms| Some(Timestamp(ms));
    let expected =
        [(at(1_543_431_487_748), at(1_543_431_488_488)), (at(1_543_431_489_152), at(1_543_431_489_885)), (None, None)];
    assert_eq!(times, expected);
}

#[tokio::test]
async fn revisions_are_told_apart_by_what_does_not_change_and_the_termination_wait_is_read() {
    let wait = |action: &str| {
        format!(
            r#","blueGreenDeploymentConfiguration":{{"terminateBlueInstancesOnDeploymentSuccess":{{"action":"{action}","terminationWaitTimeInMinutes":5}}}}"#
        )
    };
    let minutes = |minutes| Some(domain::time::Span(Duration::from_mins(minutes)));
    // The forms of `RevisionLocation` and `BlueInstanceTerminationOption` in the CodeDeploy API reference.
    let cases = [
        (
            r#"{"revisionType":"AppSpecContent","appSpecContent":{"sha256":"01"}}"#,
            wait("TERMINATE"),
            Some("sha256:01"),
            minutes(5),
        ),
        (r#"{"revisionType":"String","string":{"sha256":"02"}}"#, wait("KEEP_ALIVE"), Some("sha256:02"), None),
        (
            r#"{"revisionType":"S3","s3Location":{"bucket":"b","key":"k","version":"7","eTag":"e"}}"#,
            String::new(),
            Some("s3:b/k?7"),
            None,
        ),
        (
            r#"{"revisionType":"S3","s3Location":{"bucket":"b","key":"k","eTag":"e"}}"#,
            String::new(),
            Some("s3:b/k?e"),
            None,
        ),
        // The same key may hold something else each time.
        (r#"{"revisionType":"S3","s3Location":{"bucket":"b","key":"k"}}"#, String::new(), None, None),
        (
            r#"{"revisionType":"GitHub","gitHubLocation":{"repository":"o/r","commitId":"c"}}"#,
            String::new(),
            Some("github:o/r@c"),
            None,
        ),
    ];
    for (revision, more, expected, waits) in cases {
        let info = format!(
            r#"{{"deploymentsInfo":[{{"deploymentId":"d-1","status":"Succeeded","revision":{revision}{more}}}]}}"#
        );
        let (aws, _) = serve(vec![Canned::ok(info)]);
        let records = domain::ports::DeploymentRecords::records(&aws.codedeploy(), &[id("d-1")]).await.unwrap();
        assert_eq!(records[0].revision_id.as_deref(), expected, "{revision}");
        assert_eq!(records[0].termination_wait, waits, "{revision}");
    }
}

#[tokio::test]
async fn a_list_is_read_to_its_last_page() {
    let (aws, server) = serve(vec![
        Canned::ok(r#"{"deployments":["d-1"],"nextToken":"more"}"#),
        Canned::ok(r#"{"deployments":["d-2"]}"#),
    ]);
    let group = GroupName { application: "a".to_owned(), deployment_group: "g".to_owned() };
    let codedeploy = aws.codedeploy();
    let ids = codedeploy.list(Some(&group), &[Status::InProgress], Some(Timestamp(1_500))).await.unwrap();
    assert_eq!(ids, [id("d-1"), id("d-2")]);
    let second = server.json(1);
    assert_eq!(second["nextToken"], "more");
    assert_eq!(second["includeOnlyStatuses"], serde_json::json!(["InProgress"]));
    assert_eq!(second["createTimeRange"]["start"], 1.5);
}

#[tokio::test]
async fn what_has_already_ended_is_a_success() {
    let (aws, server) =
        serve(vec![error("LifecycleEventAlreadyCompletedException"), error("DeploymentAlreadyCompletedException")]);
    let codedeploy = aws.codedeploy();
    assert_eq!(codedeploy.report(&hook(), Verdict::Failed).await.unwrap(), Reported::AlreadyCompleted);
    assert_eq!(codedeploy.stop_and_roll_back(&id("d-1")).await.unwrap(), Stopped::AlreadyCompleted);
    assert_eq!(server.json(0)["status"], "Failed");
    assert_eq!(server.json(1)["autoRollbackEnabled"], true);
}

#[tokio::test]
async fn a_report_that_is_throttled_twice_gets_through() {
    let (aws, server) = serve(vec![
        error("ThrottlingException"),
        error("ThrottlingException"),
        Canned::ok(r#"{"lifecycleEventHookExecutionId":"abc"}"#),
    ]);
    assert_eq!(aws.codedeploy().report(&hook(), Verdict::Succeeded).await.unwrap(), Reported::Accepted);
    assert_eq!(server.count(), 3);
    let asked = server.request(0);
    assert!(asked.headers.contains("x-amz-target: codedeploy_20141006.putlifecycleeventhookexecutionstatus"));
    assert!(asked.headers.contains("x-amz-security-token: session"));
}

#[tokio::test]
async fn a_refusal_a_missing_deployment_and_an_unreachable_service_are_told_apart() {
    let (aws, _) = serve(vec![error("AccessDeniedException"), error("DeploymentDoesNotExistException")]);
    let codedeploy = aws.codedeploy();
    let denied = codedeploy.stop_and_roll_back(&id("d-1")).await.unwrap_err();
    assert!(matches!(denied, PortError::Denied { .. }), "{denied}");
    assert!(denied.to_string().starts_with("StopDeployment of `d-1` was refused"), "{denied}");
    let missing = codedeploy.deployment(&id("d-1")).await.unwrap_err();
    assert!(matches!(missing, PortError::NotFound { .. }), "{missing}");
    let unreachable = codedeploy.deployment(&id("d-1")).await.unwrap_err();
    assert!(unreachable.is_transient(), "{unreachable}");
    assert!(unreachable.to_string().contains("no connection"), "{unreachable}");
}
