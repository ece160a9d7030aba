//! The decision table, row by row.

use domain::time::Timestamp;

use super::*;
use crate::samples::{alarm, config, deployment, minutes, rollback};

fn transition(state: AlarmState) -> Transition {
    let mut transition = alarm("orchestrator-http-5xx");
    transition.alarm.state = state;
    transition
}

#[track_caller]
fn check(decided: &Decided, decision: Decision, words: &str) {
    assert_eq!(decided.decision, decision, "{decided:?}");
    assert!(decided.reason.contains(words), "{}", decided.reason);
    assert!(!decided.next_step.is_empty());
}

#[test]
fn only_a_transition_to_alarm_leads_to_anything() {
    for state in [AlarmState::Ok, AlarmState::InsufficientData, AlarmState::Other("NEW".to_owned())] {
        check(&ignored(&transition(state.clone())).unwrap(), Decision::Ignore, &format!("went to {state}"));
    }
    let again = Transition { is_news: false, ..transition(AlarmState::Alarm) };
    check(&ignored(&again).unwrap(), Decision::Ignore, "was in ALARM before");
    assert_eq!(ignored(&transition(AlarmState::Alarm)), None);
}

#[test]
fn a_suppressed_alarm_is_ignored_and_says_by_whom() {
    let mut suppressed = transition(AlarmState::Alarm);
    suppressed.alarm.suppressed_by = Some("WaitPeriod".to_owned());
    check(&ignored(&suppressed).unwrap(), Decision::Ignore, "suppressed by `WaitPeriod`");
}

#[test]
fn the_deployment_decides_the_rest() {
    let config = config();
    let service = &config.services[0];
    let red_at = |at: Option<Timestamp>| Transition { since: at, ..transition(AlarmState::Alarm) };
    let (before, after) = (red_at(Some(minutes(-1))), red_at(Some(minutes(6))));
    let not_started = Deployment { started: None, created: Some(minutes(7)), ..deployment("d-1") };
    let unknown = Deployment { started: None, created: None, ..deployment("d-1") };
    let (rollback_action, alert_action) = (AlarmAction::Rollback, AlarmAction::Alert);
    let stop = Decision::StopAndRollBack;
    let cases = [
        (&after, rollback_action, None, Decision::Alert, "no deployment of `orchestrator` is in flight"),
        (&after, alert_action, None, Decision::Alert, "no deployment of `orchestrator` is in flight"),
        (
            &after,
            rollback_action,
            Some(rollback("d-2", "d-1")),
            Decision::Alert,
            "rollback `d-2` of `d-1` is under way",
        ),
        (&after, alert_action, Some(deployment("d-1")), Decision::Alert, "its configured action is `alert`"),
        (&before, rollback_action, Some(deployment("d-1")), Decision::Alert, "1 min before the deployment `d-1`"),
        (&after, rollback_action, Some(not_started), Decision::Alert, "1 min before the deployment `d-1`"),
        (
            &after,
            rollback_action,
            Some(deployment("d-1")),
            stop,
            "6 min after the deployment `d-1` of `orchestrator` to orchestrator:42 began",
        ),
        (&red_at(None), rollback_action, Some(deployment("d-1")), stop, "went to ALARM after the deployment `d-1`"),
        (&after, rollback_action, Some(unknown), stop, "went to ALARM after the deployment `d-1`"),
    ];
    for (transition, action, in_flight, decision, words) in cases {
        check(&decide(transition, service, action, in_flight.as_ref()), decision, words);
    }
}

#[test]
fn an_alert_about_a_running_deployment_says_how_to_roll_it_back_by_hand() {
    let config = config();
    let decided =
        decide(&transition(AlarmState::Alarm), &config.services[0], AlarmAction::Alert, Some(&deployment("d-1")));
    assert!(decided.next_step.contains("`aws deploy stop-deployment --deployment-id d-1 --auto-rollback-enabled`"));
}
