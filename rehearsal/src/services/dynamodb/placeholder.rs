//! `ExpressionAttributeNames` and `ExpressionAttributeValues`: looked up, and checked to be all used.
//! Knows nothing of the grammar in which they appear.

use super::invalid;
use super::value::{Item, settle};
use crate::protocol::AwsError;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The placeholders of one request.
#[derive(Debug, Default)]
pub(super) struct Placeholders {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, Value>,
    unused: BTreeSet<String>,
}

impl Placeholders {
    /// Reads both members of `input`, or of one entry of a batch.
    pub(super) fn of(input: &Value) -> Result<Self, AwsError> {
        let mut all = Self::default();
        for (name, target) in given(input, "ExpressionAttributeNames", '#')?.into_iter().flatten() {
            let target = target.as_str().filter(|text| !text.is_empty());
            let target = target.ok_or_else(|| invalid(format!("the attribute name of `{name}` has to be a text")))?;
            all.names.insert(name.clone(), target.to_owned());
            all.unused.insert(name.clone());
        }
        for (name, value) in given(input, "ExpressionAttributeValues", ':')?.into_iter().flatten() {
            let value = settle(value).map_err(|fault| {
                invalid(format!("ExpressionAttributeValues contains invalid value: {fault} for key {name}"))
            })?;
            all.values.insert(name.clone(), value);
            all.unused.insert(name.clone());
        }
        Ok(all)
    }

    /// The attribute name that `#name` stands for.
    pub(super) fn name(&mut self, what: &str, name: &str) -> Result<String, AwsError> {
        self.unused.remove(name);
        self.names.get(name).cloned().ok_or_else(|| {
            invalid(format!(
                "Invalid {what}: An expression attribute name used in the document path is not defined; \
                 attribute name: {name}"
            ))
        })
    }

    /// The value that `:name` stands for.
    pub(super) fn value(&mut self, what: &str, name: &str) -> Result<Value, AwsError> {
        self.unused.remove(name);
        self.values.get(name).cloned().ok_or_else(|| {
            invalid(format!(
                "Invalid {what}: An expression attribute value used in expression is not defined; \
                 attribute value: {name}"
            ))
        })
    }

    /// Refuses what no expression used, as DynamoDB does.
    pub(super) fn finish(&self) -> Result<(), AwsError> {
        for (kind, sigil) in [("ExpressionAttributeNames", '#'), ("ExpressionAttributeValues", ':')] {
            let left: Vec<&str> =
                self.unused.iter().filter(|name| name.starts_with(sigil)).map(String::as_str).collect();
            if !left.is_empty() {
                let keys = left.join(", ");
                return Err(invalid(format!("Value provided in {kind} unused in expressions: keys: {{{keys}}}")));
            }
        }
        Ok(())
    }
}

fn given<'a>(input: &'a Value, member: &str, sigil: char) -> Result<Option<&'a Item>, AwsError> {
    let Some(map) = input.get(member).filter(|value| !value.is_null()) else { return Ok(None) };
    let map = map.as_object().ok_or_else(|| invalid(format!("{member} has to be a map")))?;
    if map.is_empty() {
        return Err(invalid(format!("{member} must not be empty")));
    }
    match map.keys().find(|key| !key.starts_with(sigil) || key.len() < 2) {
        Some(key) => Err(invalid(format!("{member} contains invalid key: Syntax error; key: \"{key}\""))),
        None => Ok(Some(map)),
    }
}
