//! The numbers as one JSON document. Durations are in seconds, times in RFC 3339; what cannot be computed is `null`. Pure.

use std::time::Duration;

use dora::bands::{self, Band};
use dora::{Cause, Figures, Spread};
use serde_json::{Map, Value, json};

use super::counted::{Failure, Group, History, Recovery};
use super::words::day;

/// The whole document.
pub(super) fn document(history: &History) -> Value {
    let of = &history.figures;
    let groups = history.groups.iter().map(|Group { name, environment, figures: of }| {
        let mut group = json!({ "application": name.application, "deployment_group": name.deployment_group, "environment": environment });
        extend(&mut group, figures(of));
        group
    });
    let weeks = of.weeks.iter().map(|week| {
        let mut told = json!({ "week": day(week.from) });
        let mut figures = figures(&week.figures);
        // A week has so many deployments a week as it has deployments.
        if let Some(members) = figures.as_object_mut() {
            members.shift_remove("per_week");
        }
        extend(&mut told, figures);
        told
    });
    let left_out = history.left_out.iter().map(|(number, what)| json!({ "count": number, "what": what }));
    let mut document = json!({
        "from": of.span.map(|(first, _)| first),
        "to": of.span.map(|(_, last)| last),
        "dora": {
            "deployment_frequency": { "per_week": of.per_week(), "days": of.days, "band": word(of.per_week().map(bands::of_frequency)) },
            "lead_time": { "seconds": median(of.lead_time), "band": word(of.lead_time.map(|one| bands::of_lead_time(one.p50))) },
            "change_failure_rate": {
                "percent": of.change_failure_rate(),
                "band": word(of.change_failure_rate().map(bands::of_change_failure_rate)),
            },
            "recovery": { "seconds": median(of.recovery), "band": word(of.recovery.map(|one| bands::of_recovery(one.p50))) },
            "rework_rate": { "percent": of.rework_rate(), "band": null },
        },
    });
    extend(&mut document, figures(of));
    let rest = json!({
        "groups": groups.collect::<Vec<_>>(),
        "weeks": weeks.collect::<Vec<_>>(),
        "failures": history.failures.iter().map(failure).collect::<Vec<_>>(),
        "left_out": left_out.collect::<Vec<_>>(),
        "remarks": history.remarks,
    });
    extend(&mut document, rest);
    document
}

fn extend(value: &mut Value, with: Value) {
    if let (Value::Object(members), Value::Object(more)) = (value, with) {
        members.extend(more);
    }
}

fn word(band: Option<Band>) -> Option<&'static str> {
    band.map(Band::word)
}

fn seconds(took: Duration) -> f64 {
    took.as_secs_f64()
}

fn median(of: Option<Spread>) -> Option<f64> {
    of.map(|of| seconds(of.p50))
}

fn spread(of: Option<Spread>) -> Value {
    of.map_or(
        Value::Null,
        |of| json!({ "count": of.count, "p50": seconds(of.p50), "p95": seconds(of.p95), "longest": seconds(of.longest) }),
    )
}

fn figures(of: &Figures) -> Value {
    let causes: Map<String, Value> =
        of.causes.iter().map(|(cause, number)| (key(*cause).to_owned(), json!(number))).collect();
    let hooks: Map<String, Value> = of
        .hooks
        .iter()
        .map(|(event, of)| (event.clone(), json!({ "runs": of.runs, "failed": of.failed, "seconds": spread(of.took) })))
        .collect();
    json!({
        "deployments": of.deployments,
        "succeeded": of.succeeded,
        "success_rate": of.success_rate(),
        "changes": of.changes,
        "change_failures": of.change_failures,
        "change_failure_rate": of.change_failure_rate(),
        "rework": of.rework,
        "rework_rate": of.rework_rate(),
        "per_week": of.per_week(),
        "rolled_back": of.rolled_back,
        "taken_back": of.taken_back,
        "failed_rollbacks": of.failed_rollbacks,
        "failed_by_cause": causes,
        "duration_seconds": spread(of.duration),
        "total_duration_seconds": spread(of.total_duration),
        "lead_time_seconds": spread(of.lead_time),
        "recovery_seconds": spread(of.recovery),
        "hooks": hooks,
    })
}

fn key(cause: Cause) -> &'static str {
    match cause {
        Cause::Alarm => "alarm",
        Cause::Hook => "hook",
        Cause::TimeOut => "time_out",
        Cause::StoppedAndRolledBack => "stopped_and_rolled_back",
        Cause::Other => "other",
    }
}

fn failure(of: &Failure) -> Value {
    let (recovery, is_first) = match of.recovery {
        Recovery::After(took) => (Some(seconds(took)), true),
        Recovery::WithEarlier => (None, false),
        Recovery::Untimed | Recovery::NotYet => (None, true),
    };
    json!({
        "at": of.at,
        "application": of.group.application,
        "deployment_group": of.group.deployment_group,
        "deployment_id": of.id,
        "cause": of.cause.map_or("taken_back", key),
        "said": of.said,
        "recovery_seconds": recovery,
        "recovered_with_an_earlier_one": !is_first,
    })
}
