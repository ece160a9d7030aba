//! The canary alarms as a whole: parameters, names, tags and limits.

use std::collections::BTreeMap;

use rehearsal::template::Alarm;

use super::function::{API, FUNCTION, invoked};
use super::service::{ERROR_LOG, HEALTH, HTTP_5XX, P95, served};
use super::{check_on, template};
use crate::project::{project, root, run, scenario, setting, unmet};

#[test]
fn the_floor_is_a_parameter() {
    let low = template(&[("CanaryMinimumRequests", "1")]);
    check_on(&low, HTTP_5XX, (0..3).map(|_| served((0, 0), (1, 1))), ".AA");
    check_on(&low, FUNCTION, (0..5).map(|_| invoked("142", 1, 1)), "....A");
}

#[test]
fn without_the_floor_a_handful_of_requests_would_roll_back() {
    let low = std::sync::Arc::new(template(&[("CanaryMinimumRequests", "1")]));
    let setting = rehearsal::run::Setting { template: low, ..setting("no-floor") };
    let (_, held) = run(setting, &scenario("low-traffic"));
    let unmet = unmet(&held);
    assert!(unmet.contains("deployment 1 ends Succeeded; seen: "), "{unmet}");
    assert!(unmet.contains("deployment 2 ends Succeeded; seen: "), "{unmet}");
}

#[test]
fn the_page_tells_of_every_alarm_and_of_every_parameter() {
    let page = std::fs::read_to_string(root().join("docs/alarms.md")).expect("there is a page on the alarms");
    let text = std::fs::read_to_string(root().join("template.yaml")).expect("the template is there");
    let (_, section) = text.split_once("- canary alarms\n").expect("the template has canary alarms");
    for parameter in project().template.parameters.keys() {
        let is_used = section.contains(&format!("!Ref {parameter}")) || section.contains(&format!("${{{parameter}}}"));
        assert!(!is_used || page.contains(&format!("`{parameter}`")), "docs/alarms.md does not tell of `{parameter}`");
    }
    for alarm in canaries(&[]) {
        assert!(page.contains(&format!("`{alarm}`")), "docs/alarms.md does not tell of `{alarm}`");
    }
}

/// The names of the canary alarms that a template with these parameters has.
fn canaries(parameters: &[(&str, &str)]) -> Vec<String> {
    let of_canary = |alarm: &&Alarm| alarm.logical_id.starts_with("Canary");
    template(parameters).alarms.iter().filter(of_canary).map(|alarm| alarm.name.clone()).collect()
}

#[test]
fn what_a_team_does_not_have_leaves_its_alarms_out() {
    let all = [API, ERROR_LOG, FUNCTION, HTTP_5XX, P95, HEALTH];
    assert_eq!(canaries(&[]), all);
    for (parameter, without) in [
        ("LoadBalancerFullName", [ERROR_LOG, HTTP_5XX, P95, HEALTH].as_slice()),
        ("BlueTargetGroupFullName", &[ERROR_LOG, HTTP_5XX, P95, HEALTH]),
        ("GreenTargetGroupFullName", &[ERROR_LOG, HTTP_5XX, P95, HEALTH]),
        ("ErrorLogGroupName", &[ERROR_LOG]),
        ("CanaryFunction", &[FUNCTION]),
        ("CanaryFunctionAlias", &[FUNCTION]),
        ("CanaryFunctionVersion", &[FUNCTION]),
        ("CanaryApi", &[API]),
        ("CanaryApiStage", &[API]),
    ] {
        let left: Vec<&str> = all.into_iter().filter(|name| !without.contains(name)).collect();
        assert_eq!(canaries(&[(parameter, "")]), left, "{parameter}");
    }
    assert!(template(&[("ErrorLogGroupName", "")]).metric_filters.is_empty());
}

#[test]
fn the_names_and_tags_are_those_of_the_deployment_groups() {
    let names = canaries(&[("EcsDeploymentGroup", "shop/web"), ("FunctionDeploymentGroup", "shop/mailer")]);
    assert_eq!(
        names,
        ["mailer-api-5xx", "web-error-log-5x", "mailer-errors", "web-http-5xx", "web-p95-latency", "web-task-health"]
    );
    // With the parameters' defaults they are the sample configuration's groups, and the same alarms as it names.
    for service in &project().config.services {
        let group = service.codedeploy.as_ref().expect("the sample is deployed by CodeDeploy").to_string();
        let tagged = |alarm: &&Alarm| alarm.tags.get("greenlight:deployment-group") == Some(&group);
        let tagged: BTreeMap<String, bool> = project()
            .template
            .alarms
            .iter()
            .filter(tagged)
            .map(|alarm| {
                (alarm.name.clone(), alarm.tags.get("greenlight:action").is_some_and(|action| action == "alert"))
            })
            .collect();
        let configured = service
            .alarms
            .iter()
            .map(|alarm| (alarm.name.clone(), matches!(alarm.action, domain::config::AlarmAction::Alert)));
        assert_eq!(tagged, configured.collect(), "{}", service.name);
    }
}

#[test]
fn every_canary_alarm_keeps_to_the_limits_of_alarms_on_metric_math() {
    for alarm in project().template.alarms.iter().filter(|alarm| alarm.logical_id.starts_with("Canary")) {
        let metrics = alarm.properties["Metrics"].as_array().expect("it is on metric math");
        assert!(metrics.len() <= 10, "{} has {} entries", alarm.name, metrics.len());
        let periods = metrics.iter().filter_map(|metric| metric.pointer("/MetricStat/Period"));
        assert!(periods.clone().count() > 0 && periods.clone().all(|period| *period == 60), "{}", alarm.name);
        assert_eq!(alarm.properties["TreatMissingData"], "notBreaching", "{}", alarm.name);
        let floor =
            metrics.iter().filter_map(|metric| metric["Expression"].as_str()).any(|text| text.contains(">= 20,"));
        assert!(floor, "{} has no floor on requests", alarm.name);
    }
}
