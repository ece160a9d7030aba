//! Every scenario, and that a broken template does not go unnoticed.

use std::collections::BTreeMap;
use std::sync::Arc;

use rehearsal::report::{Finished, json};
use rehearsal::scenario::Expectation;
use rehearsal::template::Template;

use crate::project::{project, root, run, scenario, setting, setting_for, setting_in, unmet};

#[test]
fn every_scenario_goes_as_it_says() {
    assert_eq!(project().broken, [], "every file can be read");
    let failed: Vec<String> = project()
        .scenarios
        .iter()
        .filter_map(|scenario| {
            project().check(scenario).expect("every name in it means something");
            let (_, held) = run(setting_for(scenario), scenario);
            let unmet = unmet(&held);
            (!unmet.is_empty()).then(|| format!("{}:\n{unmet}", scenario.name))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn a_scenario_that_cannot_be_read_does_not_keep_the_others_from_being_run() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("broken-scenarios");
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let good = std::fs::read_to_string(root().join("tests/scenarios/healthy.yaml")).expect("it is there");
    for (file, text) in [("healthy.yaml", good.as_str()), ("worse.yaml", "name: worse\n")] {
        std::fs::write(folder.join(file), text).expect("the file can be written");
    }
    let places = rehearsal::project::Places { scenarios: Some(folder.clone()), ..Default::default() };
    let project = rehearsal::project::Project::open(root(), &places).expect("the rest is well");
    assert!(rehearsal::scenario::find(&project.scenarios, "healthy").is_ok());
    let [(path, why)] = project.broken.as_slice() else { panic!("{:?}", project.broken) };
    assert!(*path == folder.join("worse.yaml") && why.contains("missing field"), "{why}");
}

#[test]
fn a_scenario_takes_the_same_course_in_every_run() {
    let document = |folder: &str| {
        let scenario = scenario("default");
        let (world, held) = run(setting(folder), &scenario);
        json::document(&Finished { scenario, world, held, took: std::time::Duration::ZERO }).to_string()
    };
    assert_eq!(document("same-1"), document("same-2"));
}

/// Runs a scenario on a template in which one text has been replaced by another.
#[track_caller]
fn check_break(folder: &str, name: &str, from: &str, to: &str, expected: &str) {
    let text = std::fs::read_to_string(root().join("template.yaml")).expect("the template is there");
    assert!(text.contains(from), "the template has no `{from}` to break");
    let broken = Template::read(&text.replace(from, to), &BTreeMap::new()).expect("the broken template is still one");
    let scenario = scenario(name);
    let setting = setting_in(folder, &scenario);
    let (_, held) = run(rehearsal::run::Setting { template: Arc::new(broken), ..setting }, &scenario);
    let unmet = unmet(&held);
    assert!(unmet.contains(expected), "breaking `{from}` was to make `{name}` fail with `{expected}`; unmet:\n{unmet}");
}

#[test]
fn a_missing_permission_makes_a_scenario_fail() {
    check_break(
        "broken-policy",
        "alarm-rollback",
        "codedeploy:StopDeployment",
        "codedeploy:ContinueDeployment",
        "refused: StopDeployment by alarm-rollback",
    );
}

#[test]
fn returning_a_service_needs_the_right_to_pass_the_roles_of_its_tasks() {
    check_break(
        "broken-pass-role",
        "rolling-rollback",
        "iam:PassRole",
        "iam:GetRole",
        "refused: UpdateService by alarm-rollback",
    );
}

#[test]
fn a_permission_on_named_alarms_is_none_to_describe_them() {
    // CloudWatch asks for `*` where a composite alarm may come back, whatever names the request carries.
    check_break(
        "broken-alarm-arn",
        "healthy",
        "DescribeAlarms\n              Resource: \"*\"",
        "DescribeAlarms\n              Resource: !Sub \"arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:*\"",
        "refused: DescribeAlarms by before-allow-traffic",
    );
}

#[test]
fn a_missing_layer_makes_a_scenario_fail() {
    check_break("broken-layer", "healthy", "    Layers: [!Ref ConfigLayer]\n", "", "deployment 1 ends Succeeded");
}

#[test]
fn a_function_that_may_not_run_makes_a_scenario_fail() {
    check_break(
        "broken-concurrency",
        "alarm-rollback",
        "        - !Ref AlarmRollbackConcurrency\n",
        "        - 0\n",
        "`codedeploy:StopDeployment` succeeds 1 time(s); seen: 0",
    );
}

/// The alarm as the function's own caller, with no rule in between.
fn alarm_by_action(action: &str, event: &str) -> Vec<rehearsal::expect::Held> {
    let text = std::fs::read_to_string(root().join("template.yaml")).expect("the template is there");
    let name = "  CanaryHttp5xx:\n    Type: AWS::CloudWatch::Alarm\n    Condition: HasServiceAlarms\n    Properties:\n";
    let rule = "        Alarm:\n          Type: EventBridgeRule\n          Properties:\n";
    let changed = text
        .replace(name, &format!("{name}      AlarmActions: [{action}]\n"))
        .replace(rule, &format!("{event}{rule}            State: DISABLED\n"))
        .replace("Resources:\n", "Resources:\n  Alerts: { Type: AWS::SNS::Topic }\n");
    let template = Template::read(&changed, &BTreeMap::new()).expect("the changed template is still one");
    let setting = rehearsal::run::Setting { template: Arc::new(template), ..setting("by-action") };
    // What is recorded has the seconds of the way by the event bus in it.
    let mut scenario = scenario("alarm-rollback");
    scenario.expect.retain(|expectation| !matches!(expectation, Expectation::Told(_)));
    run(setting, &scenario).1
}

#[test]
fn an_alarm_may_invoke_the_function_itself_or_by_a_topic() {
    let direct = unmet(&alarm_by_action("!GetAtt AlarmRollback.Arn", ""));
    assert_eq!(direct, "");
    let topic = "        Topic: { Type: SNS, Properties: { Topic: !Ref Alerts } }\n";
    assert_eq!(unmet(&alarm_by_action("!Ref Alerts", topic)), "");
    assert!(unmet(&alarm_by_action("!Ref Alerts", "")).contains("deployment 1 ends Stopped"));
}

#[test]
fn a_fault_that_never_strikes_is_told() {
    let mut idle = scenario("silent-hook");
    if let Some(rehearsal::scenario::Fault::Kill(fault)) = idle.faults.first_mut() {
        fault.during = "codedeploy:GetDeploymnt".to_owned();
    }
    let (_, held) = run(setting("idle-fault"), &idle);
    assert!(
        unmet(&held).contains("never: kill before-allow-traffic during codedeploy:GetDeploymnt"),
        "{}",
        unmet(&held)
    );
}

#[test]
fn a_wrong_event_pattern_makes_a_scenario_fail() {
    // `STOPPED` is what CodeDeploy's API says; its events say `STOP`.
    check_break("broken-pattern", "alarm-rollback", "STOP", "STOPPED", "`ChangeFailure` sums up to 1; seen: nothing");
}

#[test]
fn a_timeout_that_is_too_short_makes_a_scenario_fail() {
    check_break("broken-timeout", "slow-answers", "Timeout: 300", "Timeout: 10", "deployment 1 ends Succeeded");
}

/// The healthy scenario with a check whose header holds a secret that the configuration refers to.
fn with_a_secret(folder: &str, template: &str) -> (rehearsal::world::World, Vec<rehearsal::expect::Held>) {
    let base = setting(folder);
    let check = "          headers: { authorization: \"Bearer {{ secret:greenlight#smoke_token }}\" }\n";
    let line = "          post: /api/v1/chat\n";
    let config_text = base.config_text.replace(line, &format!("{line}{check}"));
    assert!(config_text.contains(check), "the sample has no check to put the secret into");
    let config = domain::config::load("greenlight.yaml", &config_text).expect("a valid configuration");
    let template = Arc::new(Template::read(template, &BTreeMap::new()).expect("the template is one"));
    run(rehearsal::run::Setting { template, config, config_text, ..base }, &scenario("healthy"))
}

#[test]
fn a_secret_in_a_check_is_fetched_once_by_the_hook_that_needs_it_and_told_to_nobody() {
    let template = std::fs::read_to_string(root().join("template.yaml")).expect("the template is there");
    let (world, held) = with_a_secret("secret", &template);
    assert_eq!(unmet(&held), "");
    let finished = Finished { scenario: scenario("healthy"), world, held, took: std::time::Duration::ZERO };
    let document = json::document(&finished);
    let fetched: Vec<&str> = document["calls"]
        .as_array()
        .expect("calls")
        .iter()
        .filter(|call| call["operation"] == "GetSecretValue")
        .filter_map(|call| call["function"].as_str())
        .collect();
    assert_eq!(fetched.iter().filter(|who| **who == "after-allow-traffic").count(), 1, "{fetched:?}");
    assert!(!fetched.contains(&"before-allow-traffic"), "{fetched:?}");
    let told = document.to_string();
    assert!(!told.contains("rehearsal-smoke_token"), "{told}");

    // Without its permission the hook cannot tell, and says why.
    let (before, after) = template.split_once("Sid: ReadSecret").expect("the hooks may read the secret");
    let (between, after) = after.split_once("secretsmanager:GetSecretValue").expect("the first statement's action");
    let (more, after) = after.split_once("secretsmanager:GetSecretValue").expect("the second statement's action");
    let without = format!(
        "{before}Sid: ReadSecret{between}secretsmanager:GetSecretValue{more}secretsmanager:DescribeSecret{after}"
    );
    let (_, held) = with_a_secret("no-secret", &without);
    assert!(unmet(&held).contains("refused: GetSecretValue by after-allow-traffic"), "{}", unmet(&held));
}
