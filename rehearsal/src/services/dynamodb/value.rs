//! Attribute values in DynamoDB JSON (`{"S": "a"}`): checked, brought to one form, compared, measured.
//! Knows nothing of expressions and of tables.

use super::decimal::Decimal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

/// An item, or a map attribute: names and attribute values.
pub(super) type Item = Map<String, Value>;

/// The type tag of an attribute value and what it holds.
pub(super) fn typed(value: &Value) -> Option<(&str, &Value)> {
    let object = value.as_object()?;
    let (tag, content) = object.iter().next()?;
    (object.len() == 1).then_some((tag.as_str(), content))
}

/// The type tag alone.
pub(super) fn tag(value: &Value) -> &str {
    typed(value).map_or("", |(tag, _)| tag)
}

/// Checks an attribute value and brings it to one form: numbers without needless zeros, sets in order. After that two
/// values are equal in DynamoDB's sense when their JSON is.
pub(super) fn settle(value: &Value) -> Result<Value, String> {
    let object = value.as_object().ok_or_else(|| format!("`{value}` is not an attribute value"))?;
    let (Some((tag, content)), 1) = (object.iter().next(), object.len()) else {
        let fault = if object.is_empty() { "is empty" } else { "has more than one datatypes set" };
        return Err(format!("Supplied AttributeValue {fault}, must contain exactly one of the supported datatypes"));
    };
    let unfit = || format!("`{content}` is not a value of type `{tag}`");
    let settled = match (tag.as_str(), content) {
        ("S", Value::String(_)) | ("BOOL", Value::Bool(_)) | ("NULL", Value::Bool(true)) => content.clone(),
        ("N", Value::String(text)) => settle_number(text)?.into(),
        ("B", Value::String(text)) => {
            binary(text).ok_or_else(unfit)?;
            content.clone()
        }
        ("L", Value::Array(elements)) => Value::Array(elements.iter().map(settle).collect::<Result<_, _>>()?),
        ("M", Value::Object(members)) => Value::Object(settle_item(members)?),
        ("SS" | "NS" | "BS", Value::Array(elements)) => settle_set(tag, elements)?,
        _ => return Err(unfit()),
    };
    Ok(json!({ tag: settled }))
}

/// [`settle`] for every attribute of an item.
pub(super) fn settle_item(item: &Item) -> Result<Item, String> {
    item.iter().map(|(name, value)| Ok((name.clone(), settle(value)?))).collect()
}

fn settle_number(text: &str) -> Result<String, String> {
    let number = Decimal::parse(text);
    number
        .map(|number| number.to_string())
        .ok_or_else(|| format!("The parameter cannot be converted to a numeric value: {text}"))
}

fn settle_set(tag: &str, elements: &[Value]) -> Result<Value, String> {
    if elements.is_empty() {
        return Err("One or more parameter values were invalid: An set may not be empty".to_owned());
    }
    let mut texts = Vec::new();
    for element in elements {
        let text = element.as_str().ok_or_else(|| format!("`{element}` cannot be in a set of type `{tag}`"))?;
        texts.push(if tag == "NS" { settle_number(text)? } else { text.to_owned() });
    }
    let given = texts.len();
    let set = sorted_set(tag, texts);
    if set.as_array().map_or(0, Vec::len) != given {
        return Err(format!(
            "One or more parameter values were invalid: Input collection {} contains duplicates.",
            Value::from(elements)
        ));
    }
    Ok(set)
}

/// The content of a set with these elements, each once.
pub(super) fn sorted_set(tag: &str, mut texts: Vec<String>) -> Value {
    if tag == "NS" {
        texts.sort_by(|one, two| compare_numbers(one, two));
    } else {
        texts.sort();
    }
    texts.dedup();
    Value::from(texts)
}

fn compare_numbers(one: &str, two: &str) -> Ordering {
    Decimal::parse(one).cmp(&Decimal::parse(two))
}

/// The order of two values of the same type, text, number or binary; `None` for all others.
pub(super) fn compare(one: &Value, two: &Value) -> Option<Ordering> {
    let ((one_tag, one), (two_tag, two)) = (typed(one)?, typed(two)?);
    let (one, two) = (one.as_str()?, two.as_str()?);
    match (one_tag, two_tag) {
        ("S", "S") => Some(one.cmp(two)),
        ("N", "N") => Some(compare_numbers(one, two)),
        ("B", "B") => Some(binary(one)?.cmp(&binary(two)?)),
        _ => None,
    }
}

/// The bytes of a binary value.
pub(super) fn binary(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// What `size()` gives: characters, bytes or elements; `None` for types that have no size.
pub(super) fn size(value: &Value) -> Option<usize> {
    match typed(value)? {
        ("S", Value::String(text)) => Some(text.chars().count()),
        ("B", Value::String(text)) => Some(binary(text)?.len()),
        (_, Value::Array(elements)) => Some(elements.len()),
        (_, Value::Object(members)) => Some(members.len()),
        _ => None,
    }
}

/// Roughly what an item counts towards DynamoDB's limit of 400 KB: names and contents in UTF-8.
pub(super) fn bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &Value) -> usize {
    match typed(value) {
        Some(("N", Value::String(text))) => text.len().div_ceil(2) + 1,
        Some((_, Value::String(text))) => text.len(),
        Some(("L", Value::Array(elements))) => {
            3 + elements.iter().map(|element| 1 + value_bytes(element)).sum::<usize>()
        }
        Some((_, Value::Array(elements))) => elements.iter().filter_map(Value::as_str).map(str::len).sum(),
        Some((_, Value::Object(members))) => 3 + bytes(members),
        _ => 1,
    }
}
