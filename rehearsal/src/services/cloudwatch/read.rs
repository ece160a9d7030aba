//! What the members of an input or of an alarm's properties hold, read with an error that names the member.
//! Knows nothing of what they mean.

use super::store::MetricKey;
use super::{invalid, missing};
use crate::protocol::AwsError;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The limit for dimensions of one metric.
const MAX_DIMENSIONS: usize = 30;

/// Refuses members that nobody would look at.
pub(super) fn only<'a>(value: &'a Value, what: &str, members: &[&str]) -> Result<&'a Map<String, Value>, AwsError> {
    let object = value.as_object().ok_or_else(|| invalid(format!("`{what}` has to be an object, but is `{value}`")))?;
    match object.iter().find(|(name, value)| !members.contains(&name.as_str()) && !value.is_null()) {
        Some((name, _)) => Err(invalid(format!(
            "`{name}` of `{what}` is not implemented by the rehearsal; it knows {}",
            members.join(", ")
        ))),
        None => Ok(object),
    }
}

/// A member, unless it is absent or `null`.
pub(super) fn given<'a>(object: &'a Map<String, Value>, member: &str) -> Option<&'a Value> {
    object.get(member).filter(|value| !value.is_null())
}

/// A text member.
pub(super) fn text<'a>(object: &'a Map<String, Value>, member: &str) -> Result<Option<&'a str>, AwsError> {
    given(object, member).map(|value| value.as_str().ok_or_else(|| kind(member, "a text", value))).transpose()
}

/// A text member that has to be there.
pub(super) fn needed_text<'a>(object: &'a Map<String, Value>, member: &str) -> Result<&'a str, AwsError> {
    text(object, member)?.filter(|text| !text.is_empty()).ok_or_else(|| missing(member))
}

/// A number. CloudFormation takes a number in quotes, too.
pub(super) fn number(object: &Map<String, Value>, member: &str) -> Result<Option<f64>, AwsError> {
    let Some(value) = given(object, member) else { return Ok(None) };
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
    number.filter(|number| number.is_finite()).map(Some).ok_or_else(|| kind(member, "a number", value))
}

/// A whole number of at least 1.
pub(super) fn count(object: &Map<String, Value>, member: &str) -> Result<Option<i64>, AwsError> {
    let Some(number) = number(object, member)? else { return Ok(None) };
    if number.fract() == 0.0 && (1.0..=1e9).contains(&number) {
        return Ok(Some(number as i64));
    }
    Err(invalid(format!("`{member}` has to be a whole number of at least 1, but is `{number}`")))
}

/// A truth value. CloudFormation takes one in quotes, too.
pub(super) fn flag(object: &Map<String, Value>, member: &str) -> Result<Option<bool>, AwsError> {
    given(object, member)
        .map(|value| match value {
            Value::Bool(flag) => Ok(*flag),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            other => Err(kind(member, "true or false", other)),
        })
        .transpose()
}

/// A list; an absent one is empty.
pub(super) fn list<'a>(object: &'a Map<String, Value>, member: &str) -> Result<&'a [Value], AwsError> {
    match given(object, member) {
        None => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(other) => Err(kind(member, "a list", other)),
    }
}

/// A list of texts; an absent one is empty.
pub(super) fn texts(object: &Map<String, Value>, member: &str) -> Result<Vec<String>, AwsError> {
    let texts = list(object, member)?.iter();
    texts.map(|value| value.as_str().map(str::to_owned).ok_or_else(|| kind(member, "a list of texts", value))).collect()
}

/// A time in epoch milliseconds.
pub(super) fn time(object: &Map<String, Value>, member: &str) -> Result<Option<i64>, AwsError> {
    Ok(number(object, member)?.map(super::when::millis))
}

/// A time that has to be there.
pub(super) fn needed_time(object: &Map<String, Value>, member: &str) -> Result<i64, AwsError> {
    time(object, member)?.ok_or_else(|| missing(member))
}

/// A period in milliseconds: 10, 20 or 30 seconds, or whole minutes.
pub(super) fn period(object: &Map<String, Value>) -> Result<Option<i64>, AwsError> {
    let Some(seconds) = count(object, "Period")? else { return Ok(None) };
    if matches!(seconds, 10 | 20 | 30) || seconds % 60 == 0 {
        return Ok(Some(seconds * 1000));
    }
    Err(invalid(format!("`Period` has to be 10, 20, 30 or a multiple of 60 seconds, but is `{seconds}`")))
}

/// `Namespace`, `MetricName` and `Dimensions`.
pub(super) fn metric(object: &Map<String, Value>) -> Result<MetricKey, AwsError> {
    Ok(MetricKey {
        namespace: needed_text(object, "Namespace")?.to_owned(),
        name: needed_text(object, "MetricName")?.to_owned(),
        dimensions: dimensions(object)?,
    })
}

/// `[{Name, Value}]`, checked as AWS checks it.
pub(super) fn dimensions(object: &Map<String, Value>) -> Result<BTreeMap<String, String>, AwsError> {
    let mut dimensions = BTreeMap::new();
    for dimension in list(object, "Dimensions")? {
        let dimension = only(dimension, "Dimensions", &["Name", "Value"])?;
        let (name, value) = (needed_text(dimension, "Name")?, needed_text(dimension, "Value")?);
        let plain =
            |text: &str| !text.trim().is_empty() && text.is_ascii() && !text.chars().any(|c| c.is_ascii_control());
        if !plain(name) || name.len() > 255 || name.starts_with(':') {
            return Err(invalid(format!(
                "the dimension name `{name}` is not valid: 1 to 255 ASCII characters, not blank, no `:` in front"
            )));
        }
        if !plain(value) || value.len() > 1024 {
            return Err(invalid(format!(
                "the value `{value}` of the dimension `{name}` is not valid: 1 to 1024 ASCII characters, not blank"
            )));
        }
        if dimensions.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(invalid(format!("the dimension `{name}` is given twice")));
        }
    }
    if dimensions.len() > MAX_DIMENSIONS {
        return Err(invalid(format!(
            "a metric has at most {MAX_DIMENSIONS} dimensions, but {} are given",
            dimensions.len()
        )));
    }
    Ok(dimensions)
}

fn kind(member: &str, wanted: &str, value: &Value) -> AwsError {
    invalid(format!("`{member}` has to be {wanted}, but is `{value}`"))
}
