//! Alarms of a service of which nothing is in flight.

use insta::assert_snapshot;
use serde_json::json;

use super::*;
use crate::flock::Flock;

#[test]
fn one_and_many_and_all_over() {
    let alert = |name: &str| {
        let alarm = json!({"name": name, "state": "ALARM", "reason": "x", "changed_at": "2026-03-03T10:05:00Z", "threshold": 5.0, "datapoints": [9.5]});
        let Notice::RollbackDecision(decision) =
            event("rollback-decision-alert", &json!({"alarm": alarm, "deployment_id": null}))
        else {
            panic!()
        };
        decision
    };
    let shown = |flock: &Flock| readable(&render(&flock.headline()));
    let mut flock = Flock::of(&alert("p95"), REGION, None, at(300));
    assert_snapshot!(shown(&flock), @"
    :bell: *Alarm `p95` is to be looked at.* `orchestrator-error-log-5x` went to ALARM during the deployment `d-SAMPLE001` of `orchestrator`; its configured action is `alert`
    *Observed:* 9.5 against a threshold of 5
    *Since:* 10:05:00 UTC
    *Next:* look at the alarm; to roll back by hand: `aws deploy stop-deployment --deployment-id d-SAMPLE001 --auto-rollback-enabled`
    ~ orchestrator
    ~ production
    ~ mangaassist/orchestrator
    (Alarm p95 is to be looked at: `orchestrator-error-log-5x` went to ALARM during the deployment `d-SAMPLE001` of `orchestrator`; its configured action is `alert`)
    ");
    for name in ["5xx", "errors", "queue"] {
        flock.absorb(Flock::of(&alert(name), REGION, None, at(301)));
    }
    assert_snapshot!(shown(&flock), @"
    :bell: `p95`, `5xx` and 2 more are in ALARM, and no deployment is in flight.
    ~ orchestrator (production)
    (orchestrator (production): 4 of 4 alarms in ALARM, and no deployment is in flight.)
    ");
    for name in ["p95", "5xx", "errors", "queue"] {
        let over = flock.resolved(name, at(900), at(901));
        flock.absorb(over);
    }
    assert_snapshot!(shown(&flock), @"
    :white_check_mark: `p95`, `5xx` and 2 more are OK again.
    ~ orchestrator (production)
    (orchestrator (production): 4 alarms, and all are OK again.)
    ");
}
