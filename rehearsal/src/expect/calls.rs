//! What is expected of the functions' calls and of their invocations. Knows nothing of what the calls were for.

use std::collections::BTreeMap;

use super::Held;
use crate::scenario::ExpectedCalls;
use crate::world::Record;

pub(super) fn made(expected: &ExpectedCalls, record: Record<'_>) -> Held {
    let seen = record
        .calls()
        .iter()
        .filter(|made| format!("{}:{}", made.service, made.operation) == expected.call && made.outcome == "ok")
        .filter(|made| expected.function.as_ref().is_none_or(|function| *function == made.function))
        .count();
    let by = expected.function.as_ref().map_or_else(String::new, |function| format!(" by {function}"));
    let often = match (expected.times, expected.at_most) {
        (Some(times), _) => format!("{times} time(s)"),
        (None, most) => format!("at most {} time(s)", most.unwrap_or_default()),
    };
    Held {
        what: format!("`{}`{by} succeeds {often}", expected.call),
        met: expected.times.is_none_or(|times| seen == times) && expected.at_most.is_none_or(|most| seen <= most),
        seen: format!("{seen}"),
    }
}

pub(super) fn per_invocation(function: &str, at_most: usize, record: Record<'_>) -> Held {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for call in record.calls().iter().filter(|call| call.function == function) {
        *counts.entry(call.attempt.as_deref().unwrap_or_default()).or_default() += 1;
    }
    let most = counts.values().copied().max();
    Held {
        what: format!("no invocation of {function} makes more than {at_most} calls to AWS"),
        met: most.is_some_and(|most| most <= at_most),
        seen: most.map_or_else(
            || "it made no call at all".to_owned(),
            |most| format!("{most} at the most, in {} invocations", counts.len()),
        ),
    }
}

pub(super) fn errors(function: &str, times: usize, record: Record<'_>) -> Held {
    let kinds: Vec<&str> =
        record.failures().iter().filter(|(failed, _)| failed == function).map(|(_, kind)| kind.as_str()).collect();
    Held {
        what: format!("{times} invocation(s) of {function} fail"),
        met: kinds.len() == times,
        seen: if kinds.is_empty() { "0".to_owned() } else { format!("{}: {}", kinds.len(), kinds.join(", ")) },
    }
}
