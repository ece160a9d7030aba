//! The wire form of what rolling back needs, in the fields of the CodeDeploy API reference.

use domain::deployment::{Platform, Status};
use serde_json::json;

use super::*;
use crate::testing::{Canned, serve};

fn id(id: &str) -> DeploymentId {
    DeploymentId(id.to_owned())
}

fn error(code: &str) -> Canned {
    Canned::status(400, format!(r#"{{"__type":"{code}","message":"said so"}}"#))
}

fn group() -> GroupName {
    GroupName { application: "shop".to_owned(), deployment_group: "web".to_owned() }
}

fn redeployment(source: Source) -> Redeployment {
    let description = "greenlight_rolls_back=d-BAD for the alarm web-5xx".to_owned();
    Redeployment { group: group(), source, configuration: "CodeDeployDefault.ECSAllAtOnce", description }
}

#[tokio::test]
async fn records_are_read_25_at_a_time_without_a_call_for_each() {
    let info = |id: &str, more: &str| {
        format!(
            r#"{{"deploymentId":"{id}","applicationName":"shop","deploymentGroupName":"web","status":"InProgress","computePlatform":"ECS"{more}}}"#
        )
    };
    let revision = r#","description":"git_sha=0badcafe","revision":{"revisionType":"AppSpecContent","appSpecContent":{"sha256":"01"}}"#;
    let answer = |infos: &[String]| Canned::ok(format!(r#"{{"deploymentsInfo":[{}]}}"#, infos.join(",")));
    let (aws, server) = serve(vec![answer(&[info("d-0", revision), info("d-1", "")]), answer(&[info("d-25", "")])]);
    let ids: Vec<DeploymentId> = (0..26).map(|number| id(&format!("d-{number}"))).collect();
    let records = aws.codedeploy().records(&ids).await.unwrap();
    let seen: Vec<_> = records.iter().map(|it| (it.id.0.as_str(), it.revision.git_sha.as_deref())).collect();
    assert_eq!(seen, [("d-0", Some("0badcafe")), ("d-1", None), ("d-25", None)]);
    assert_eq!((records[0].status.clone(), records[0].platform), (Status::InProgress, Some(Platform::Ecs)));
    assert_eq!(server.count(), 2);
    assert_eq!(server.json(0)["deploymentIds"].as_array().unwrap().len(), 25);
    assert_eq!(server.json(1), json!({"deploymentIds": ["d-25"]}));
    assert!(server.request(1).headers.contains("x-amz-target: codedeploy_20141006.batchgetdeployments"));
}

#[tokio::test]
async fn what_a_deployment_changes_takes_no_call_that_the_batch_has_made_already() {
    let spec = |number: u32| {
        let arn = format!("arn:aws:ecs:us-east-1:1:task-definition/web:{number}");
        json!({"Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": {"TaskDefinition": arn}}}]})
    };
    let inline = |number: u32| json!({"revisionType": "String", "string": {"content": spec(number).to_string()}});
    let by_hash = json!({"revisionType": "AppSpecContent", "appSpecContent": {"sha256": "01"}});
    let info = |id: &str, previous: &serde_json::Value| {
        json!({"deploymentId": id, "applicationName": "shop", "deploymentGroupName": "web", "status": "InProgress",
            "revision": inline(30), "previousRevision": previous})
    };
    let (batch, one) =
        (json!({"deploymentsInfo": [info("d-1", &by_hash)]}), json!({"deploymentInfo": info("d-2", &inline(29))}));
    let text =
        json!({"revision": {"revisionType": "AppSpecContent", "appSpecContent": {"content": spec(41).to_string()}}});
    let canned = [&batch, &text, &one].map(|answer| Canned::ok(answer.to_string()));
    let (aws, server) = serve(canned.into());
    let codedeploy = aws.codedeploy();
    codedeploy.records(&[id("d-1")]).await.unwrap();
    let change = codedeploy.change(&id("d-1")).await.unwrap();
    assert_eq!((change.brings.spoken().as_str(), change.replaces.spoken().as_str()), ("web:30", "web:41"));
    assert_eq!(server.count(), 2);
    assert_eq!(server.json(1), json!({"applicationName": "shop", "revision": by_hash}));
    let change = codedeploy.change(&id("d-2")).await.unwrap();
    assert_eq!((change.brings.spoken().as_str(), change.replaces.spoken().as_str()), ("web:30", "web:29"));
    assert!(server.request(2).headers.contains("x-amz-target: codedeploy_20141006.getdeployment"));
}

#[tokio::test]
async fn the_alarms_of_an_applications_groups_take_one_call() {
    let answer = r#"{"deploymentGroupsInfo":[
        {"applicationName":"shop","deploymentGroupName":"web","alarmConfiguration":{"enabled":true,"alarms":[{"name":"web-5xx"}]}},
        {"applicationName":"shop","deploymentGroupName":"jobs"}],"errorMessage":"gone does not exist"}"#;
    let (aws, server) = serve(vec![Canned::ok(answer)]);
    let names = ["web", "jobs", "gone"].map(str::to_owned);
    let found = aws.codedeploy().alarms_of("shop", &names).await.unwrap();
    assert_eq!(found[0].0, group());
    assert_eq!((found[0].1.names.as_slice(), found[0].1.enabled), (&["web-5xx".to_owned()][..], true));
    assert_eq!((found.len(), &found[1].1), (2, &GroupAlarms::default()));
    assert_eq!(server.json(0), json!({"applicationName": "shop", "deploymentGroupNames": ["web", "jobs", "gone"]}));
}

#[tokio::test]
async fn what_a_deployment_was_made_from_is_read_wherever_it_lies() {
    let made_from = |revision: &str| {
        Canned::ok(format!(r#"{{"deploymentInfo":{{"applicationName":"shop","revision":{revision}}}}}"#))
    };
    let s3 = r#"{"revisionType":"S3","s3Location":{"bucket":"b","key":"k.yaml","bundleType":"YAML","version":"v","eTag":"e"}}"#;
    let github = r#"{"revisionType":"GitHub","gitHubLocation":{"repository":"o/r","commitId":"c"}}"#;
    let inline = r#"{"revisionType":"AppSpecContent","appSpecContent":{"sha256":"01"}}"#;
    let text = Canned::ok(r#"{"revision":{"revisionType":"String","string":{"content":"version: 0.0"}}}"#);
    let (aws, server) = serve(vec![made_from(s3), made_from(github), made_from(inline), text]);
    let codedeploy = aws.codedeploy();
    let some = |text: &str| Some(text.to_owned());
    let (bucket, key) = ("b".to_owned(), "k.yaml".to_owned());
    let expected = Source::S3 { bucket, key, bundle_type: some("YAML"), version: some("v"), e_tag: some("e") };
    let read = codedeploy.source(&id("d-1")).await.unwrap();
    assert_eq!(read, expected);
    let expected = Source::GitHub { repository: "o/r".to_owned(), commit: "c".to_owned() };
    assert_eq!(codedeploy.source(&id("d-1")).await.unwrap(), expected);
    assert_eq!(codedeploy.source(&id("d-1")).await.unwrap(), Source::AppSpec("version: 0.0".to_owned()));
    assert_eq!(server.json(3)["applicationName"], "shop");
    assert_eq!(record::source(&location(&read)), Some(read), "it goes out as it came in");
}

#[tokio::test]
async fn a_deployment_is_created_with_all_traffic_at_once_and_without_the_alarms() {
    let (aws, server) = serve(vec![Canned::ok(r#"{"deploymentId":"d-NEW"}"#)]);
    let what = redeployment(Source::AppSpec("{}".to_owned()));
    assert_eq!(aws.codedeploy().redeploy(&what).await.unwrap(), Redeployed::Created(id("d-NEW")));
    let expected = json!({
        "applicationName": "shop", "deploymentGroupName": "web", "deploymentConfigName": "CodeDeployDefault.ECSAllAtOnce",
        "description": what.description, "revision": {"revisionType": "AppSpecContent", "appSpecContent": {"content": "{}"}},
        "overrideAlarmConfiguration": {"enabled": false, "ignorePollAlarmFailure": false}
    });
    assert_eq!(server.json(0), expected);
}

#[tokio::test]
async fn a_deployment_is_asked_for_once_and_one_in_flight_is_no_error() {
    let (aws, server) = serve(vec![
        error("ThrottlingException"),
        error("DeploymentLimitExceededException"),
        error("AccessDeniedException"),
    ]);
    let codedeploy = aws.codedeploy();
    let what = redeployment(Source::GitHub { repository: "o/r".to_owned(), commit: "c".to_owned() });
    let throttled = codedeploy.redeploy(&what).await.unwrap_err();
    assert!(throttled.is_transient(), "{throttled}");
    assert_eq!(server.count(), 1, "whether the first request took effect is not known");
    assert_eq!(codedeploy.redeploy(&what).await.unwrap(), Redeployed::Busy("said so".to_owned()));
    let denied = codedeploy.redeploy(&what).await.unwrap_err();
    assert!(denied.to_string().starts_with("CreateDeployment of `shop/web` was refused"), "{denied}");
    assert!(denied.to_string().contains("`AllowLateRollback` has to be `yes`"), "{denied}");
}
