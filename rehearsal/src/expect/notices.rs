//! What is expected of the events that alarm-rollback publishes. Knows nothing of how they came about.

use domain::time::spoken;
use serde_json::Value;

use super::{Held, unescaped};
use crate::scenario::{ExpectedDecision, ExpectedReturn};
use crate::world::Record;

/// So many events are shown when an expectation is not met; a storm has more.
const SHOWN: usize = 8;

/// The details of Greenlight's own events of that kind.
fn details<'a>(record: Record<'a>, kind: &str) -> Vec<&'a Value> {
    let of_kind = |notice: &&Value| notice.get("detail-type").and_then(Value::as_str) == Some(kind);
    record.notices().iter().filter(of_kind).filter_map(|notice| notice.get("detail")).collect()
}

fn text<'a>(detail: &'a Value, pointer: &str) -> &'a str {
    detail.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn says(detail: &Value, wanted: Option<&String>) -> bool {
    let whole = detail.to_string();
    wanted.is_none_or(|wanted| whole.contains(wanted.as_str()) || unescaped(&whole).contains(wanted.as_str()))
}

fn is(wanted: Option<&String>, seen: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == seen)
}

/// ` of shop`, or nothing.
fn of(service: Option<&String>) -> String {
    service.map_or_else(String::new, |service| format!(" of {service}"))
}

/// The expectation that so many events fit.
fn held(
    what: String,
    times: usize,
    all: &[&Value],
    fits: impl Fn(&Value) -> bool,
    tell: impl Fn(&Value) -> String,
) -> Held {
    let fitting = all.iter().filter(|detail| fits(detail)).count();
    let shown: Vec<String> = all.iter().take(SHOWN).map(|detail| tell(detail)).collect();
    let more = all.len().saturating_sub(SHOWN);
    let seen = match more {
        _ if shown.is_empty() => "nothing was published".to_owned(),
        0 => shown.join("; "),
        more => format!("{}; and {more} more", shown.join("; ")),
    };
    Held { what, met: fitting == times, seen: format!("{fitting}: {seen}") }
}

pub(super) fn decision(expected: &ExpectedDecision, record: Record<'_>) -> Held {
    let mut what = format!("{} decision(s){} `{}`", expected.times, of(expected.service.as_ref()), expected.decision);
    for (word, part) in [("on the alarm", &expected.alarm), ("that say", &expected.says)] {
        what.push_str(&part.as_ref().map_or_else(String::new, |part| format!(" {word} `{part}`")));
    }
    what.push_str(match expected.page {
        Some(true) => ", which page",
        Some(false) => ", which do not page",
        None => "",
    });
    let fits = |detail: &Value| {
        text(detail, "/decision") == expected.decision
            && is(expected.alarm.as_ref(), text(detail, "/alarm/name"))
            && is(expected.service.as_ref(), text(detail, "/service"))
            && expected.page.is_none_or(|page| detail.get("page").and_then(Value::as_bool).unwrap_or(false) == page)
            && says(detail, expected.says.as_ref())
    };
    let tell = |detail: &Value| {
        format!("{} on {}: {}", text(detail, "/decision"), text(detail, "/alarm/name"), text(detail, "/reason"))
    };
    held(what, expected.times, &details(record, "Rollback Decision"), fits, tell)
}

pub(super) fn restored(expected: &ExpectedReturn, record: Record<'_>) -> Held {
    let verb = if expected.restored { "is" } else { "is not" };
    let mut what = format!(
        "{} event(s) `Traffic Restored` say that the traffic{} {verb} back",
        expected.times,
        of(expected.service.as_ref())
    );
    let limit = expected.within.map_or_else(String::new, |within| format!(" within {} of the alarm", spoken(within.0)));
    what.push_str(&limit);
    what.push_str(&expected.says.as_ref().map_or_else(String::new, |says| format!(" and say `{says}`")));
    let took = |detail: &Value| detail.get("seconds_since_alarm").and_then(Value::as_f64);
    let is_restored = |detail: &Value| detail.get("restored").and_then(Value::as_bool) == Some(true);
    let fits = |detail: &Value| {
        is_restored(detail) == expected.restored
            && is(expected.service.as_ref(), text(detail, "/service"))
            && expected.within.is_none_or(|within| took(detail).is_some_and(|took| took <= within.0.as_secs_f64()))
            && says(detail, expected.says.as_ref())
    };
    let tell = |detail: &Value| {
        let after = took(detail).map_or_else(String::new, |took| format!(" after {took:.0} s"));
        let word = if is_restored(detail) { "restored" } else { "not restored" };
        format!("{word}{after}: {}", text(detail, "/observed"))
    };
    held(what, expected.times, &details(record, "Traffic Restored"), fits, tell)
}
