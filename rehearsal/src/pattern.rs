//! EventBridge event patterns: which events a rule lets through.
//!
//! Knows nothing of rules, buses, targets or templates: a JSON value comes in, a yes or a no goes out. What a pattern
//! means follows AWS's documentation ("comparison operators") and, where that is silent, AWS's own matcher. A pattern
//! that this module does not wholly understand is refused: a rule that silently never fires would make a rehearsal lie.

mod parse;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::net::IpAddr;

pub use parse::{PatternError, PatternProblem};
use serde_json::{Map, Value};

/// Numeric tests see only values in this range, as in AWS; a millisecond timestamp lies outside and never matches.
const NUMERIC_LIMIT: f64 = 5.0e9;

/// A parsed event pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    fields: Fields,
}

/// Clauses that all have to hold for one and the same JSON object.
type Fields = Vec<Clause>;

#[derive(Debug, Clone, PartialEq)]
enum Clause {
    /// A field whose value must pass at least one of the tests. The path leads to it from the top of the event.
    Leaf { name: String, path: Vec<String>, tests: Vec<Test> },
    /// A field that holds an object, or a list of objects of which one has to match as a whole.
    Object { name: String, fields: Fields },
    /// `$or`: at least one of the alternatives, seen from the object that it stands in.
    Either(Vec<Fields>),
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Equals(Value),
    EqualsIgnoreCase(String),
    Prefix {
        text: String,
        ignore_case: bool,
    },
    Suffix {
        text: String,
        ignore_case: bool,
    },
    /// The literal pieces between the asterisks, so one more than there are asterisks.
    Wildcard(Vec<String>),
    AnythingBut(Vec<Test>),
    Numeric(Vec<(Comparison, f64)>),
    Exists(bool),
    Cidr {
        network: IpAddr,
        bits: u8,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Pattern {
    /// Reads a pattern as it stands in a rule.
    pub fn parse(pattern: &Value) -> Result<Self, PatternError> {
        Ok(Self { fields: parse::pattern(pattern)? })
    }

    /// Whether the rule lets this event through.
    pub fn matches(&self, event: &Value) -> bool {
        all_match(&self.fields, event.as_object(), event)
    }
}

/// `object` is where the fields are looked up; none when the event has no such object. An absent object can still
/// match: `exists: false` holds however much of the path is missing.
fn all_match(fields: &Fields, object: Option<&Map<String, Value>>, event: &Value) -> bool {
    fields.iter().all(|clause| match clause {
        Clause::Leaf { name, path, tests } => {
            let values = scalars(object.and_then(|fields| fields.get(name)));
            tests.iter().any(|test| match test {
                // Absence is a statement about the whole event, not about one element of a list in it.
                Test::Exists(false) => !has_leaf(event, path),
                Test::Exists(true) => !values.is_empty(),
                other => values.iter().any(|value| passes(other, value)),
            })
        }
        Clause::Object { name, fields } => {
            let candidates = objects(object.and_then(|fields| fields.get(name)));
            if candidates.is_empty() {
                all_match(fields, None, event)
            } else {
                candidates.into_iter().any(|candidate| all_match(fields, Some(candidate), event))
            }
        }
        Clause::Either(alternatives) => alternatives.iter().any(|fields| all_match(fields, object, event)),
    })
}

/// The leaves of a field: itself, or what its (possibly nested) lists hold. Objects are not leaves, and an empty list
/// has none, so `exists` does not see them.
fn scalars(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None | Some(Value::Object(_)) => Vec::new(),
        Some(Value::Array(items)) => items.iter().flat_map(|item| scalars(Some(item))).collect(),
        Some(scalar) => vec![scalar],
    }
}

/// The objects of a field, with lists crushed out.
fn objects(value: Option<&Value>) -> Vec<&Map<String, Value>> {
    match value {
        Some(Value::Object(fields)) => vec![fields],
        Some(Value::Array(items)) => items.iter().flat_map(|item| objects(Some(item))).collect(),
        _ => Vec::new(),
    }
}

fn has_leaf(value: &Value, path: &[String]) -> bool {
    match path.split_first() {
        None => !scalars(Some(value)).is_empty(),
        Some((name, rest)) => {
            objects(Some(value)).into_iter().filter_map(|fields| fields.get(name)).any(|inner| has_leaf(inner, rest))
        }
    }
}

fn passes(test: &Test, value: &Value) -> bool {
    match test {
        Test::Equals(expected) => equal(expected, value),
        Test::AnythingBut(forbidden) => !forbidden.iter().any(|test| passes(test, value)),
        Test::Numeric(bounds) => value
            .as_f64()
            .filter(|number| number.abs() <= NUMERIC_LIMIT)
            .is_some_and(|number| bounds.iter().all(|(comparison, bound)| comparison.holds(number, *bound))),
        Test::Cidr { network, bits } => value
            .as_str()
            .and_then(|text| text.parse().ok())
            .is_some_and(|address| in_network(address, *network, *bits)),
        Test::Exists(wanted) => *wanted,
        text_test => value.as_str().is_some_and(|text| passes_text(text_test, text)),
    }
}

fn passes_text(test: &Test, text: &str) -> bool {
    match test {
        Test::EqualsIgnoreCase(folded) => fold(text) == *folded,
        Test::Prefix { text: prefix, ignore_case: false } => text.starts_with(prefix.as_str()),
        Test::Prefix { text: prefix, ignore_case: true } => fold(text).starts_with(prefix.as_str()),
        Test::Suffix { text: suffix, ignore_case: false } => text.ends_with(suffix.as_str()),
        Test::Suffix { text: suffix, ignore_case: true } => fold(text).ends_with(suffix.as_str()),
        Test::Wildcard(pieces) => passes_wildcard(pieces, text),
        _ => false,
    }
}

/// Numbers are equal by value: AWS's documentation says `300` and `3.0e2` differ, AWS's matcher says that they do not.
fn equal(expected: &Value, seen: &Value) -> bool {
    match (expected, seen) {
        (Value::Number(_), Value::Number(_)) => {
            expected == seen || expected.as_f64().zip(seen.as_f64()).is_some_and(|(a, b)| Comparison::Equal.holds(b, a))
        }
        _ => expected == seen,
    }
}

/// The form in which texts are compared when case does not count.
fn fold(text: &str) -> String {
    text.to_lowercase()
}

fn passes_wildcard(pieces: &[String], text: &str) -> bool {
    let Some((first, rest)) = pieces.split_first() else { return text.is_empty() };
    let Some((last, middle)) = rest.split_last() else { return text == first };
    let Some(mut remaining) = text.strip_prefix(first.as_str()) else { return false };
    // Taking each piece where it first occurs leaves the most text for the pieces that follow.
    for piece in middle {
        let Some((_, after)) = remaining.split_once(piece.as_str()) else { return false };
        remaining = after;
    }
    remaining.ends_with(last.as_str())
}

fn in_network(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let bits = u32::from(bits);
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

impl Comparison {
    fn holds(self, seen: f64, bound: f64) -> bool {
        match self {
            Self::Equal => seen.partial_cmp(&bound) == Some(Ordering::Equal),
            Self::Above => seen > bound,
            Self::AtLeast => seen >= bound,
            Self::Below => seen < bound,
            Self::AtMost => seen <= bound,
        }
    }
}
