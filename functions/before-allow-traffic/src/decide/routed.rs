//! Whether the test listener leads to the new version, and to no other of the deployment's. Pure.

use domain::deployment::TaskSet;
use domain::hook::Outcome;
use domain::ports::{ListenerAction, PortError};

use super::listed;

/// Whether the test listener leads to the new version.
#[derive(Clone, Debug, PartialEq)]
pub struct Routed {
    /// Pass, fail, or inconclusive where it could not be read.
    pub outcome: Outcome,
    /// What was expected.
    pub expected: String,
    /// What was seen, and what to do.
    pub observed: String,
    /// Whether it may come out differently in a moment: what CodeDeploy has just changed need not show at once.
    pub may_change: bool,
}

/// `test_listener_routed`: the listener leads to the replacement's target group, and to none of the deployment's other ones: a check would
/// test the old version there. What leads to a group of no concern to the deployment is another service's rule on a shared listener, and none of its
/// business.
pub fn routed(
    replacement: Result<&TaskSet, &str>,
    own: &[String],
    actions: Result<&[ListenerAction], &PortError>,
) -> Routed {
    let group = match replacement.map(|set| set.target_group.as_deref()) {
        Ok(Some(group)) => group,
        unknown => {
            let why = unknown.err().unwrap_or("CodeDeploy names no target group for the replacement task set");
            return Routed {
                outcome: Outcome::Inconclusive,
                expected: "to lead to the new version".to_owned(),
                observed: format!("where it must lead is not known: {why}"),
                may_change: false,
            };
        }
    };
    let original: Vec<String> = own.iter().filter(|name| *name != group).map(|name| format!("`{name}`")).collect();
    let expected = match original.as_slice() {
        [] => format!("to lead to the target group `{group}`"),
        names => format!("to lead to the target group `{group}`, and not to {}", names.join(" or ")),
    };
    let told = |outcome, observed: String| Routed { outcome, expected: expected.clone(), observed, may_change: false };
    let may_change = |routed| Routed { may_change: true, ..routed };
    let actions = match actions {
        Ok(actions) => actions,
        Err(PortError::NotFound { .. }) => {
            let what = "it does not exist; correct `TestTrafficRoute` in the deployment group's load balancer settings";
            return told(Outcome::Fail, what.to_owned());
        }
        Err(error) => return told(Outcome::Inconclusive, format!("where it leads could not be read: {error}")),
    };
    let (mut right, mut wrong, mut mixed, mut foreign) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for action in actions.iter().filter(|action| action.kind == "forward") {
        let names = || action.forwards.iter().filter(|(_, weight)| *weight > 0).map(|(name, _)| name.as_str());
        let leads_to = |wanted: &dyn Fn(&str) -> bool| {
            let found: Vec<String> = names().filter(|name| wanted(name)).map(|name| format!("`{name}`")).collect();
            (!found.is_empty()).then(|| format!("{} leads to {}", action.of, found.join(" and ")))
        };
        let is_own = |name: &str| own.iter().any(|one| one == name);
        let to_green = names().any(|name| name == group);
        let to_original = leads_to(&|name| name != group && is_own(name));
        let to_others = leads_to(&|name| name != group && !is_own(name));
        if to_green {
            right.push(action.of.as_str());
        }
        wrong.extend(to_original);
        if to_green {
            mixed.extend(to_others);
        } else {
            foreign.extend(to_others);
        }
    }
    if !wrong.is_empty() {
        return may_change(told(Outcome::Fail, format!("{}; point it at `{group}`", listed(&wrong))));
    }
    if !mixed.is_empty() {
        let what = format!("{} as well as to `{group}`, so that either may answer; let it lead to one", listed(&mixed));
        return may_change(told(Outcome::Fail, what));
    }
    let passed_over = match foreign.as_slice() {
        [] => String::new(),
        others => format!("; passed over, as no target group of this deployment: {}", listed(others)),
    };
    match right.as_slice() {
        [] => {
            let others = actions.iter().filter(|action| action.kind != "forward");
            let mut kinds: Vec<String> = others.map(|action| format!("{} is `{}`", action.of, action.kind)).collect();
            kinds.extend(foreign);
            let seen = if kinds.is_empty() { "it has no action".to_owned() } else { listed(&kinds) };
            let hint = format!("let its default action, or a rule of its own, forward to `{group}`");
            may_change(told(Outcome::Fail, format!("nothing leads there: {seen}; {hint}")))
        }
        [one] => told(Outcome::Pass, format!("{one} leads there{passed_over}")),
        [first, ..] => told(Outcome::Pass, format!("{first} and {} more lead there{passed_over}", right.len() - 1)),
    }
}
