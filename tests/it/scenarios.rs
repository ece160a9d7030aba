//! Every scenario, and that a broken template does not go unnoticed.

use std::collections::BTreeMap;
use std::sync::Arc;

use rehearsal::report::{Finished, json};
use rehearsal::template::Template;

use crate::project::{project, root, run, scenario, setting, unmet};

#[test]
fn every_scenario_goes_as_it_says() {
    let failed: Vec<String> = project()
        .scenarios
        .iter()
        .filter_map(|scenario| {
            let (_, held) = run(setting(&scenario.name), scenario);
            let unmet = unmet(&held);
            (!unmet.is_empty()).then(|| format!("{}:\n{unmet}", scenario.name))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
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
    let setting = rehearsal::run::Setting { template: Arc::new(broken), ..setting(folder) };
    let (_, held) = run(setting, &scenario(name));
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
fn a_wrong_event_pattern_makes_a_scenario_fail() {
    // `STOPPED` is what CodeDeploy's API says; its events say `STOP`.
    check_break("broken-pattern", "alarm-rollback", "STOP", "STOPPED", "`ChangeFailure` sums up to 1; seen: 0");
}

#[test]
fn a_timeout_that_is_too_short_makes_a_scenario_fail() {
    check_break("broken-timeout", "slow-answers", "Timeout: 300", "Timeout: 10", "deployment 1 ends Succeeded");
}
