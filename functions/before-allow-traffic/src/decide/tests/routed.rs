//! Tests of where the test listener leads.

use domain::ports::{ListenerAction, PortError};

use super::*;

#[test]
fn the_test_listener_must_lead_to_the_replacement_and_nowhere_else() {
    let green = build::task_set(TaskSetLabel::Green);
    let own = ["blue-tg".to_owned(), "green-tg".to_owned()];
    let of = |actions: &[ListenerAction]| {
        let routed = routed(Ok(&green), &own, Ok(actions));
        assert_eq!(routed.may_change, routed.outcome != Outcome::Pass, "a change need not show at once");
        format!("{}: {}", routed.outcome.word(), routed.observed)
    };
    let action = |of: &str, kind: &str, forwards: &[(&str, i32)]| ListenerAction {
        of: of.to_owned(),
        kind: kind.to_owned(),
        forwards: forwards.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect(),
    };
    let default = |forwards: &[(&str, i32)]| action("the default action", "forward", forwards);
    let refused = || action("the default action", "fixed-response", &[]);
    let rule = |forwards: &[(&str, i32)]| action("the rule 10 (path-pattern /admin/*)", "forward", forwards);

    assert_eq!(of(&[default(&[("blue-tg", 0), ("green-tg", 100)])]), "pass: the default action leads there");
    assert_eq!(of(&[refused(), rule(&[("green-tg", 1)])]), "pass: the rule 10 (path-pattern /admin/*) leads there");
    assert_eq!(
        of(&[default(&[("green-tg", 1)]), rule(&[("green-tg", 1)])]),
        "pass: the default action and 1 more lead there"
    );
    assert_eq!(
        of(&[default(&[("blue-tg", 100), ("green-tg", 0)])]),
        "fail: the default action leads to `blue-tg`; point it at `green-tg`"
    );
    assert_eq!(
        of(&[default(&[("green-tg", 1)]), rule(&[("blue-tg", 1)])]),
        "fail: the rule 10 (path-pattern /admin/*) leads to `blue-tg`; point it at `green-tg`"
    );
    assert!(
        of(&[default(&[("blue-tg", 50), ("green-tg", 50)])]).starts_with("fail: the default action leads to `blue-tg`")
    );
    assert_eq!(
        of(&[refused()]),
        "fail: nothing leads there: the default action is `fixed-response`; let its default action, or a rule of its own, forward to `green-tg`"
    );
    // Another service's rule on a shared listener is none of the deployment's business, and nobody is told to change it.
    assert_eq!(
        of(&[default(&[("green-tg", 1)]), rule(&[("catalogue-tg", 1)])]),
        "pass: the default action leads there; passed over, as no target group of this deployment: the rule 10 (path-pattern /admin/*) \
         leads to `catalogue-tg`"
    );
    assert_eq!(
        of(&[default(&[("shop-tg", 1)]), rule(&[("catalogue-tg", 1)])]),
        "fail: nothing leads there: the default action leads to `shop-tg`; the rule 10 (path-pattern /admin/*) leads to `catalogue-tg`; let its \
         default action, or a rule of its own, forward to `green-tg`"
    );
    assert_eq!(
        of(&[default(&[("green-tg", 50), ("shop-tg", 50)])]),
        "fail: the default action leads to `shop-tg` as well as to `green-tg`, so that either may answer; let it lead to one"
    );
    let gone =
        PortError::NotFound { what: "the listener `arn:test`".to_owned(), detail: "ListenerNotFound".to_owned() };
    assert_eq!(routed(Ok(&green), &own, Err(&gone)).outcome, Outcome::Fail);
    assert_eq!(routed(Ok(&green), &own, Err(&denied("`DescribeRules`"))).outcome, Outcome::Inconclusive);
    assert_eq!(routed(Err("no target"), &own, Ok(&[])).outcome, Outcome::Inconclusive);
}
