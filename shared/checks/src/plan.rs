//! Which check waits for which: by `needs`, by a captured value, or because it cleans up. Pure: knows nothing of requests or of
//! time.

use std::collections::{BTreeMap, BTreeSet};

use domain::config::{Check, Request};

use crate::template::{Unable, each_text, references};

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not started.
    Waiting,
    /// Started.
    Running,
    /// Ended as expected.
    Passed,
    /// Ended otherwise, or never to be started.
    NotPassed,
}

/// What one check waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// The checks that it needs, in the configuration's order.
    pub(crate) needs: Vec<usize>,
    /// Names in `needs` that no check has.
    unknown: Vec<String>,
    /// Runs after the others, whatever became of them.
    pub(crate) always: bool,
    /// Whether it belongs to the second phase: a clean-up, or a check that waits for one.
    pub(crate) late: bool,
}

impl Step {
    /// The checks that it waits for, in the configuration's order.
    pub(crate) fn needs(&self) -> &[usize] {
        &self.needs
    }
}

/// What is to be done with a waiting check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Start it.
    Start,
    /// Do not start it at all, for this reason.
    GiveUp(Unable),
    /// Ask again when something has ended.
    Wait,
}

/// Every name that is captured, with the check that captures it; where several do, the first.
pub(crate) fn promises(checks: &[Check]) -> BTreeMap<String, String> {
    let mut promised = BTreeMap::new();
    for check in checks {
        for name in check.capture.keys() {
            promised.entry(name.clone()).or_insert_with(|| check.name.clone());
        }
    }
    promised
}

/// One step for each check, in the same order.
pub(crate) fn plan(checks: &[Check]) -> Vec<Step> {
    let index_of = |name: &str| checks.iter().position(|check| check.name == name);
    let mut steps: Vec<Step> = checks
        .iter()
        .enumerate()
        .map(|(index, check)| {
            let mut needs: BTreeSet<usize> = check.needs.iter().filter_map(|name| index_of(name)).collect();
            needs.extend(texts(check).into_iter().flat_map(references).filter_map(|name| giver(checks, index, name)));
            let unknown = check.needs.iter().filter(|name| index_of(name).is_none()).cloned().collect();
            Step { needs: needs.into_iter().collect(), unknown, always: check.always, late: check.always }
        })
        .collect();
    // What waits for a clean-up is as late as the clean-up; each round carries it one step further.
    for _ in 0..steps.len() {
        let late: Vec<bool> = steps.iter().map(|step| step.late).collect();
        for step in &mut steps {
            step.late |= step.needs.iter().any(|needed| late.get(*needed) == Some(&true));
        }
    }
    steps
}

/// The check that captures `name` for the check at `index`: the nearest one before it, else the first after it.
fn giver(checks: &[Check], index: usize, name: &str) -> Option<usize> {
    let gives = |(at, check): &(usize, &Check)| *at != index && check.capture.contains_key(name);
    let before = checks.iter().enumerate().take(index).rev().find(gives);
    before.or_else(|| checks.iter().enumerate().skip(index).find(gives)).map(|(at, _)| at)
}

/// Every text of a check in which a reference may stand.
pub(crate) fn texts(check: &Check) -> Vec<&str> {
    let mut texts: Vec<&str> = Vec::new();
    match check.request() {
        Ok(Request::Http { path, .. } | Request::WebSocket { path }) => texts.push(path),
        Ok(Request::GrpcHealth(health)) => {
            texts.extend(health.url.as_deref().into_iter().chain([health.service.as_str()]));
        }
        Ok(Request::Invoke(invoke)) => each_text(&invoke.payload, &mut |text| texts.push(text)),
        Err(_) => {}
    }
    texts.extend(check.headers.values().chain(check.form.values()).chain(&check.body).map(String::as_str));
    if let Some(body) = &check.expect.body {
        texts.extend([&body.contains, &body.matches, &body.sha256].into_iter().flatten().map(String::as_str));
    }
    let values = check.json.iter().chain(check.expect.headers.values()).chain(check.expect.json.values());
    for value in values {
        each_text(value, &mut |text| texts.push(text));
    }
    texts
}

/// What is to be done now with the check at `index`, which waits.
pub(crate) fn next(steps: &[Step], states: &[State], checks: &[Check], index: usize) -> Next {
    let Some(step) = steps.get(index) else { return Next::Wait };
    if let Some(unknown) = step.unknown.first() {
        return Next::GiveUp(Unable::Wrong(format!(
            "it needs `{unknown}`, and there is no check of that name in this block"
        )));
    }
    let state_of = |needed: &usize| states.get(*needed).copied().unwrap_or(State::NotPassed);
    if !step.always
        && let Some(failed) = step.needs.iter().find(|needed| state_of(needed) == State::NotPassed)
    {
        let name = checks.get(*failed).map_or("", |check| check.name.as_str());
        return Next::GiveUp(Unable::CannotTell(format!("not run: it needs `{name}`, which did not pass")));
    }
    let has_ended = |needed: &usize| matches!(state_of(needed), State::Passed | State::NotPassed);
    if step.needs.iter().all(has_ended) { Next::Start } else { Next::Wait }
}

/// What is said of a check that waits although nothing runs any more.
pub(crate) const WAITS_FOR_ITSELF: &str =
    "it waits for itself, by way of the checks that it needs or whose captured values it uses";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checks(list: serde_json::Value) -> Vec<Check> {
        serde_json::from_value(list).unwrap()
    }

    fn sample() -> Vec<Check> {
        checks(json!([
            { "name": "create", "post": "/orders", "capture": { "id": "$.id" } },
            { "name": "read", "get": "/orders/{{ id }}" },
            { "name": "health", "get": "/health" },
            { "name": "after both", "get": "/x", "needs": ["health", "read"] },
            { "name": "remove", "delete": "/orders/{{ id }}", "always": true },
            { "name": "gone", "get": "/orders/{{ id }}", "needs": ["remove"] },
            { "name": "typo", "get": "/", "needs": ["helth"] }
        ]))
    }

    #[track_caller]
    fn check_next(states: [State; 7], expected: [&str; 7]) {
        let checks = sample();
        let steps = plan(&checks);
        let seen: Vec<String> = (0..checks.len())
            .map(|index| match next(&steps, &states, &checks, index) {
                Next::Start => "start".to_owned(),
                Next::Wait => "wait".to_owned(),
                Next::GiveUp(Unable::Wrong(why) | Unable::CannotTell(why)) => why,
            })
            .collect();
        assert_eq!(seen, expected);
    }

    const NO_SUCH: &str = "it needs `helth`, and there is no check of that name in this block";

    #[test]
    fn needs_and_captured_values_order_the_checks_and_the_rest_starts_at_once() {
        let w = State::Waiting;
        check_next([w; 7], ["start", "wait", "start", "wait", "wait", "wait", NO_SUCH]);
        let late: Vec<bool> = plan(&sample()).iter().map(|step| step.late).collect();
        assert_eq!(late, [false, false, false, false, true, true, false]);
    }

    #[test]
    fn a_failed_need_is_named_and_a_clean_up_runs_all_the_same() {
        let (w, p, n) = (State::Waiting, State::Passed, State::NotPassed);
        check_next(
            [n, w, p, w, w, w, w],
            [
                "start",
                "not run: it needs `create`, which did not pass",
                "start",
                "wait",
                "start",
                "not run: it needs `create`, which did not pass",
                NO_SUCH,
            ],
        );
    }

    #[test]
    fn the_nearest_earlier_capture_is_meant() {
        let checks = checks(json!([
            { "name": "a", "get": "/", "capture": { "x": "$.x" } },
            { "name": "b", "get": "/{{ x }}", "capture": { "x": "$.x" } },
            { "name": "c", "get": "/{{ x }}" },
            { "name": "d", "post": "/", "json": { "deep": ["{{ y }}"] } },
            { "name": "e", "get": "/", "capture": { "y": "$.y" } }
        ]));
        let needs: Vec<Vec<usize>> = plan(&checks).into_iter().map(|step| step.needs).collect();
        assert_eq!(needs, [vec![], vec![0], vec![1], vec![4], vec![]]);
    }
}
