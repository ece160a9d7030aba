//! Whether a value is what was asked for: a literal value, or a matcher such as `{ gte: 1 }`. Knows nothing of where the value
//! comes from.

use std::cmp::Ordering;

use domain::config::MATCHER_WORDS;
use domain::text::nearest;
use regex_lite::{Regex, RegexBuilder};
use serde_json::Value;

use crate::answer::SEARCHED;

/// How a text of a value is shown: bounded, and without what must not be seen.
pub(crate) type Show<'a> = &'a dyn Fn(&str) -> String;

/// One thing that must hold of a value.
#[derive(Clone, Debug)]
pub(crate) enum Matcher {
    Equal(Value),
    NotEqual(Value),
    Compare(Comparison, Value),
    Matches(Regex),
    Contains(Value),
    Exists(bool),
    Length(Vec<Matcher>),
}

/// The four orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    AtLeast,
    Above,
    AtMost,
    Below,
}

impl Comparison {
    fn sign(self) -> &'static str {
        match self {
            Comparison::AtLeast => ">=",
            Comparison::Above => ">",
            Comparison::AtMost => "<=",
            Comparison::Below => "<",
        }
    }

    fn holds(self, order: Ordering) -> bool {
        match self {
            Comparison::AtLeast => order.is_ge(),
            Comparison::Above => order.is_gt(),
            Comparison::AtMost => order.is_le(),
            Comparison::Below => order.is_lt(),
        }
    }
}

/// Reads a value or a matcher. A map is always a matcher, so that a misspelt word is never taken for a literal map; a literal
/// map is written `{ eq: { … } }`.
pub(crate) fn parse(wanted: &Value) -> Result<Vec<Matcher>, String> {
    let Value::Object(words) = wanted else { return Ok(vec![Matcher::Equal(wanted.clone())]) };
    if words.is_empty() {
        return Err(format!("an empty matcher matches nothing; use one of {}", MATCHER_WORDS.join(", ")));
    }
    words.iter().map(|(word, operand)| parse_word(word, operand)).collect()
}

fn parse_word(word: &str, operand: &Value) -> Result<Matcher, String> {
    let text = |what: &str| operand.as_str().ok_or_else(|| format!("`{word}` needs {what}, not `{operand}`"));
    let ordered = |comparison| match operand {
        Value::Number(_) | Value::String(_) => Ok(Matcher::Compare(comparison, operand.clone())),
        _ => Err(format!("`{word}` needs a number or a text, not `{operand}`")),
    };
    match word {
        "matches" | "contains" if operand.as_str() == Some("") => Err(empty(word)),
        "gte" => ordered(Comparison::AtLeast),
        "gt" => ordered(Comparison::Above),
        "lte" => ordered(Comparison::AtMost),
        "lt" => ordered(Comparison::Below),
        "eq" => Ok(Matcher::Equal(operand.clone())),
        "ne" => Ok(Matcher::NotEqual(operand.clone())),
        "matches" => regex(text("a regular expression")?).map(Matcher::Matches),
        "contains" => Ok(Matcher::Contains(operand.clone())),
        "exists" => operand
            .as_bool()
            .map(Matcher::Exists)
            .ok_or_else(|| format!("`exists` needs `true` or `false`, not `{operand}`")),
        "length" => parse(operand).map(Matcher::Length),
        unknown => Err(match nearest(unknown, MATCHER_WORDS) {
            Some(near) => {
                format!("`{unknown}` is no matcher; did you mean `{near}`? (valid: {})", MATCHER_WORDS.join(", "))
            }
            None => {
                format!(
                    "`{unknown}` is no matcher; valid are {}; write `{{ eq: … }}` for a literal map",
                    MATCHER_WORDS.join(", ")
                )
            }
        }),
    }
}

/// What is said of a text to be found that is empty.
pub(crate) fn empty(word: &str) -> String {
    format!("`{word}` is empty, which everything contains; write the text that is to be found")
}

/// The largest regular expression, in bytes of its compiled form: some thousand parts. How long a search takes grows with them.
const LARGEST_REGEX: usize = 64 << 10;

/// A regular expression, or a sentence that says what is wrong with it.
pub(crate) fn regex(expression: &str) -> Result<Regex, String> {
    RegexBuilder::new(expression).size_limit(LARGEST_REGEX).build().map_err(|error| match error.to_string() {
        large if large.contains("size limit") => {
            format!("`{expression}` is too large a regular expression; repeat less in it, such as `a+` in place of `a{{1,1000}}`")
        }
        other => format!("`{expression}` is no regular expression: {other}"),
    })
}

impl Matcher {
    /// Whether it holds of a value; `None` is a value that is not there.
    pub(crate) fn holds(&self, value: Option<&Value>) -> bool {
        let Some(value) = value else { return matches!(self, Matcher::Exists(false)) };
        match self {
            Matcher::Equal(wanted) => equal(value, wanted),
            Matcher::NotEqual(unwanted) => !equal(value, unwanted),
            Matcher::Compare(comparison, bound) => order(value, bound).is_some_and(|order| comparison.holds(order)),
            Matcher::Matches(regex) => match value {
                Value::String(text) => regex.is_match(text.get(..text.floor_char_boundary(SEARCHED)).unwrap_or(text)),
                Value::Number(_) | Value::Bool(_) => regex.is_match(&value.to_string()),
                _ => false,
            },
            Matcher::Contains(part) => match value {
                Value::String(text) => part.as_str().is_some_and(|part| text.contains(part)),
                Value::Array(items) => items.iter().any(|item| equal(item, part)),
                Value::Object(members) => part.as_str().is_some_and(|key| members.contains_key(key)),
                _ => false,
            },
            Matcher::Exists(wanted) => *wanted,
            Matcher::Length(of_length) => length(value)
                .is_some_and(|length| of_length.iter().all(|matcher| matcher.holds(Some(&Value::from(length))))),
        }
    }

    /// Whether it compares with a number, so that a text from a header must be read as one.
    pub(crate) fn is_numeric(&self) -> bool {
        match self {
            Matcher::Equal(operand) | Matcher::NotEqual(operand) | Matcher::Compare(_, operand) => operand.is_number(),
            _ => false,
        }
    }

    /// How it reads after the name of what is looked at: `= "abc"`, `>= 1`, `has a length >= 1`.
    pub(crate) fn spoken(&self, show: Show<'_>) -> String {
        let shown = |value: &Value| show(&value.to_string());
        match self {
            Matcher::Equal(wanted) => format!("= {}", shown(wanted)),
            Matcher::NotEqual(unwanted) => format!("not {}", shown(unwanted)),
            Matcher::Compare(comparison, bound) => format!("{} {}", comparison.sign(), shown(bound)),
            Matcher::Matches(regex) => format!("matches /{}/", show(regex.as_str())),
            Matcher::Contains(part) => format!("contains {}", shown(part)),
            Matcher::Exists(true) => "exists".to_owned(),
            Matcher::Exists(false) => "does not exist".to_owned(),
            Matcher::Length(of_length) => {
                let lengths: Vec<String> = of_length.iter().map(|matcher| matcher.spoken(show)).collect();
                format!("has a length {}", lengths.join(" and "))
            }
        }
    }

    /// How what was seen reads: the value, or its length where that is what counts.
    pub(crate) fn observed(&self, value: Option<&Value>, show: Show<'_>) -> String {
        let shown = |value: &Value| show(&value.to_string());
        match (self, value) {
            (_, None) => "is not there".to_owned(),
            (Matcher::Length(_), Some(value)) => match length(value) {
                Some(length) => format!("has a length of {length}"),
                None => format!("is {}, which has no length", shown(value)),
            },
            (_, Some(value)) => format!("is {}", shown(value)),
        }
    }
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.chars().count()),
        Value::Array(items) => Some(items.len()),
        Value::Object(members) => Some(members.len()),
        _ => None,
    }
}

/// JSON's equality: `1` and `1.0` are one number, and the order of a map's members means nothing.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(_), Value::Number(_)) => order(left, right) == Some(Ordering::Equal),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => left == right,
    }
}

/// The order of two numbers or two texts; other things have none.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i128(), b.as_i128()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(wanted: &Value, value: &Value, expected: bool) {
        let matchers = parse(wanted).unwrap();
        let value = (*value != json!("(absent)")).then_some(value);
        assert_eq!(matchers.iter().all(|matcher| matcher.holds(value)), expected, "{wanted} on {value:?}");
    }

    #[test]
    fn every_matcher_holds_where_it_should_and_only_there() {
        let absent = || json!("(absent)");
        check(&json!("a"), &json!("a"), true);
        check(&json!("1"), &json!(1), false);
        check(&json!(1), &json!(1.0), true);
        check(&json!([1, { "a": 2 }]), &json!([1.0, { "a": 2 }]), true);
        check(&json!(null), &json!(null), true);
        check(&json!(null), &absent(), false);
        check(&json!({ "eq": { "a": 1, "b": 2 } }), &json!({ "b": 2, "a": 1 }), true);
        check(&json!({ "ne": 1 }), &json!(2), true);
        check(&json!({ "ne": 1 }), &absent(), false);
        check(&json!({ "gte": 1, "lt": 3 }), &json!(1), true);
        check(&json!({ "gte": 1, "lt": 3 }), &json!(3), false);
        check(&json!({ "gt": 9_007_199_254_740_992_i64 }), &json!(9_007_199_254_740_993_i64), true);
        check(&json!({ "lte": "2026-01-05" }), &json!("2026-01-04"), true);
        check(&json!({ "gt": 1 }), &json!("2"), false);
        check(&json!({ "matches": "^v\\d+$" }), &json!("v12"), true);
        check(&json!({ "matches": "^v\\d+$" }), &json!(["v12"]), false);
        check(&json!({ "contains": "ell" }), &json!("hello"), true);
        check(&json!({ "contains": 2 }), &json!([1, 2]), true);
        check(&json!({ "contains": "key" }), &json!({ "key": 1 }), true);
        check(&json!({ "contains": "x" }), &json!(5), false);
        check(&json!({ "exists": true }), &json!(false), true);
        check(&json!({ "exists": true }), &absent(), false);
        check(&json!({ "exists": false }), &absent(), true);
        check(&json!({ "exists": false }), &json!(null), false);
        check(&json!({ "length": { "gte": 1 } }), &json!([0]), true);
        check(&json!({ "length": 2 }), &json!("äö"), true);
        check(&json!({ "length": { "lt": 1 } }), &json!({ "a": 1 }), false);
        check(&json!({ "length": { "gte": 0 } }), &json!(5), false);
    }

    #[test]
    fn an_unknown_word_and_a_wrong_operand_say_what_is_valid() {
        let cases = [
            (
                json!({ "gtee": 1 }),
                "`gtee` is no matcher; did you mean `gte`? (valid: gte, gt, lte, lt, eq, ne, matches, contains, exists, length)",
            ),
            (
                json!({ "colour": 1 }),
                "`colour` is no matcher; valid are gte, gt, lte, lt, eq, ne, matches, contains, exists, length; write `{ eq: … }` for a literal map",
            ),
            (json!({ "gte": [1] }), "`gte` needs a number or a text, not `[1]`"),
            (json!({ "exists": "yes" }), "`exists` needs `true` or `false`, not `\"yes\"`"),
            (json!({ "matches": 1 }), "`matches` needs a regular expression, not `1`"),
            (
                json!({ "length": { "size": 1 } }),
                "`size` is no matcher; valid are gte, gt, lte, lt, eq, ne, matches, contains, exists, length; write `{ eq: … }` for a literal map",
            ),
        ];
        for (wanted, expected) in cases {
            assert_eq!(parse(&wanted).unwrap_err(), expected);
        }
        assert!(parse(&json!({ "matches": "(" })).unwrap_err().starts_with("`(` is no regular expression: "));
        let large = parse(&json!({ "matches": "(a{1,100}){1,100}" })).unwrap_err();
        assert!(large.starts_with("`(a{1,100}){1,100}` is too large a regular expression; "), "{large}");
        assert!(parse(&json!({})).unwrap_err().starts_with("an empty matcher"));
    }
}
