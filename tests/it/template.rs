//! `template.yaml` held against what the code relies on.

use std::collections::BTreeMap;

use domain::hook::REPORT_RESERVE;
use rehearsal::policy::{Decision, Request};
use rehearsal::template::{EventSource, Function, Template};

use crate::project::{project, root};

#[test]
fn the_hooks_have_more_time_than_their_answer_may_cost_and_are_not_tried_again() {
    for function in project().template.functions.iter().filter(|function| function.name.starts_with("CodeDeployHook_"))
    {
        assert!(u64::from(function.timeout_seconds) >= 4 * REPORT_RESERVE.as_secs(), "{}", function.name);
        // The watchdog is to act at once.
        assert_eq!(function.async_invoke.max_retries, 0, "{}", function.name);
        assert!(function.async_invoke.on_failure.is_some(), "{}", function.name);
    }
}

#[test]
fn there_is_one_function_for_every_folder_and_no_other() {
    let mut folders: Vec<String> = std::fs::read_dir(root().join("functions"))
        .expect("there are functions")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let mut binaries: Vec<String> =
        project().template.functions.iter().map(|function| function.binary.clone()).collect();
    folders.sort();
    binaries.sort();
    assert_eq!(folders, binaries);
}

#[test]
fn every_variable_of_the_template_is_one_that_is_documented() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("there is a README");
    for function in &project().template.functions {
        for name in function.environment.keys() {
            assert!(
                readme.contains(&format!("`{name}`")),
                "{} sets `{name}`, which the README does not explain",
                function.name
            );
        }
    }
}

fn alarm_rollback(parameters: &[(&str, &str)]) -> Function {
    let text = std::fs::read_to_string(root().join("template.yaml")).expect("the template is there");
    let parameters: BTreeMap<_, _> =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let template = Template::read(&text, &parameters).unwrap_or_else(|error| panic!("{error}"));
    template.functions.into_iter().find(|function| function.binary == "alarm-rollback").expect("it has the function")
}

/// Whether a function may do that.
fn may(function: &Function, action: &str, resource: &str) -> bool {
    let context = [("iam:PassedToService".to_owned(), "ecs-tasks.amazonaws.com".to_owned())].into();
    let request = Request { action: action.to_owned(), resource: resource.to_owned(), context };
    matches!(function.policy.evaluate(&request), Decision::Allowed(_))
}

const GROUP: &str = "arn:aws:codedeploy:eu-west-1:123456789012:deploymentgroup:mangaassist/orchestrator";
const SERVICE: &str = "arn:aws:ecs:eu-west-1:123456789012:service/mangaassist/orchestrator";

#[test]
fn who_has_no_late_rollback_need_not_let_the_function_create_deployments() {
    for (allow, expected) in [("yes", true), ("no", false)] {
        let function = alarm_rollback(&[("AllowLateRollback", allow)]);
        for action in ["codedeploy:CreateDeployment", "codedeploy:UpdateDeploymentGroup"] {
            assert_eq!(may(&function, action, GROUP), expected, "{allow}: {action}");
        }
        assert!(may(&function, "codedeploy:StopDeployment", GROUP));
    }
}

#[test]
fn who_has_no_service_of_ecss_own_need_not_let_the_function_change_one() {
    let role = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
    let is_woken = |function: &Function| {
        let mut rules = function.events.iter().filter_map(|event| match event {
            EventSource::Rule(rule) => Some(rule),
            _ => None,
        });
        rules.find(|rule| rule.rule_name == "greenlight-ecs-deployment").expect("it has the rule").enabled
    };
    let with = alarm_rollback(&[("EcsTaskRoles", "arn:aws:iam::123456789012:role/one, arn:aws:iam::*:role/two-*")]);
    assert!(may(&with, "ecs:UpdateService", SERVICE) && is_woken(&with));
    assert!(may(&with, "iam:PassRole", &role("one")) && may(&with, "iam:PassRole", &role("two-b")));
    assert!(!may(&with, "iam:PassRole", &role("three")));
    let without = alarm_rollback(&[("EcsTaskRoles", "")]);
    for action in ["ecs:UpdateService", "ecs:DescribeServices", "ecs:ListServiceDeployments"] {
        assert!(!may(&without, action, SERVICE), "{action}");
    }
    assert!(!may(&without, "iam:PassRole", &role("one")) && !is_woken(&without));
}

#[test]
fn only_the_services_of_the_cluster_wake_the_function() {
    let event = |cluster: &str| {
        let arn = SERVICE.replace("/mangaassist/", cluster);
        serde_json::json!({"source": "aws.ecs", "detail-type": "ECS Deployment State Change", "resources": [arn],
            "detail": {"eventName": "SERVICE_DEPLOYMENT_COMPLETED"}})
    };
    let function = alarm_rollback(&[]);
    let fits = |event| {
        function.events.iter().any(|source| matches!(source, EventSource::Rule(rule) if rule.pattern.matches(&event)))
    };
    assert!(fits(event("/mangaassist/")));
    assert!(!fits(event("/another/")));
}
