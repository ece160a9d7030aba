//! One table: its items, and the four operations on a single item. Knows nothing of requests that name several items.

use super::condition::Condition;
use super::parse::Parser;
use super::path::{Path, project};
use super::placeholder::Placeholders;
use super::update::Update;
use super::value::{Item, bytes, settle_item, tag};
use super::{invalid, object};
use crate::protocol::AwsError;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// DynamoDB's limit for one item.
const MAX_ITEM_BYTES: usize = 400 * 1024;
/// DynamoDB's limit for a partition key.
const MAX_KEY_BYTES: usize = 2048;

/// A table with a partition key of type string and no sort key.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// The name of the key attribute.
    pub(super) key: String,
    /// The items by their key.
    pub(super) items: BTreeMap<String, Item>,
}

/// What a write to one item does; read from a request or from an entry of a transaction.
pub(super) struct Write {
    /// Which item.
    pub(super) key: String,
    condition: Option<Condition>,
    action: Action,
    old_on_failure: bool,
}

enum Action {
    Put(Item),
    Update(Update, Item),
    Delete,
    Check,
}

/// The item before and after a write, and the paths that an update touched.
pub(super) struct Written {
    before: Option<Item>,
    after: Option<Item>,
    touched: Vec<Path>,
}

/// Why a write did not happen.
pub(super) enum Refusal {
    /// The request is wrong.
    Invalid(AwsError),
    /// The condition does not hold; the item as it is, if that was asked for and there is one.
    Condition(Option<Item>),
}

impl From<AwsError> for Refusal {
    fn from(error: AwsError) -> Self {
        Self::Invalid(error)
    }
}

impl Table {
    /// An empty table.
    pub(super) fn new(key: String) -> Self {
        Self { key, items: BTreeMap::new() }
    }

    /// The key out of a `Key` member.
    pub(super) fn key_of(&self, key: &Value) -> Result<String, AwsError> {
        let key = settle_item(object(key, "Key")?).map_err(invalid)?;
        match (key.get(&self.key), key.len()) {
            (Some(value), 1) if tag(value) == "S" => self.key_text(value),
            _ => Err(invalid("The provided key element does not match the schema")),
        }
    }

    fn key_text(&self, value: &Value) -> Result<String, AwsError> {
        let text = value.get("S").and_then(Value::as_str).unwrap_or_default();
        if text.is_empty() {
            return Err(invalid(format!(
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
                 empty string value. Key: {}",
                self.key
            )));
        }
        if text.len() > MAX_KEY_BYTES {
            return Err(invalid(format!(
                "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit \
                 of{MAX_KEY_BYTES} bytes"
            )));
        }
        Ok(text.to_owned())
    }

    /// The item of a `Put`, checked, and its key.
    pub(super) fn item_of(&self, item: &Value) -> Result<(String, Item), AwsError> {
        let item = settle_item(object(item, "Item")?).map_err(invalid)?;
        let value = item.get(&self.key).ok_or_else(|| {
            invalid(format!("One or more parameter values were invalid: Missing the key {} in the item", self.key))
        })?;
        if tag(value) != "S" {
            return Err(invalid(format!(
                "One or more parameter values were invalid: Type mismatch for key {} expected: S actual: {}",
                self.key,
                tag(value)
            )));
        }
        let key = self.key_text(value)?;
        check_size(&item)?;
        Ok((key, item))
    }

    /// The part of the item with `key` that `input` asks for.
    pub(super) fn get(&self, key: &str, projection: Option<&[Path]>) -> Option<Item> {
        let item = self.items.get(key)?;
        Some(projection.map_or_else(|| item.clone(), |paths| project(item, paths)))
    }

    /// Reads a `Put`, `Update`, `Delete` or `ConditionCheck` out of a request.
    pub(super) fn read_write(&self, kind: &str, input: &Value) -> Result<Write, AwsError> {
        let mut placeholders = Placeholders::of(input)?;
        let (key, action) = match kind {
            "Put" => {
                let (key, item) = self.item_of(input.get("Item").unwrap_or(&Value::Null))?;
                (key, Action::Put(item))
            }
            kind => {
                let given = input.get("Key").unwrap_or(&Value::Null);
                let key = self.key_of(given)?;
                let action = match kind {
                    "Update" => {
                        let update = match text(input, "UpdateExpression")? {
                            Some(text) => Parser::new("UpdateExpression", text, &mut placeholders)?.update()?,
                            None => Update::default(),
                        };
                        if update.paths().iter().any(|path| path.root() == self.key) {
                            return Err(invalid(format!(
                                "One or more parameter values were invalid: Cannot update attribute {}. This \
                                 attribute is part of the key",
                                self.key
                            )));
                        }
                        Action::Update(update, settle_item(object(given, "Key")?).map_err(invalid)?)
                    }
                    "Delete" => Action::Delete,
                    _ => Action::Check,
                };
                (key, action)
            }
        };
        let condition = condition(input, "ConditionExpression", &mut placeholders)?;
        placeholders.finish()?;
        if matches!(action, Action::Check) && condition.is_none() {
            return Err(invalid("a ConditionCheck needs a ConditionExpression"));
        }
        let old_on_failure = match text(input, "ReturnValuesOnConditionCheckFailure")? {
            None | Some("NONE") => false,
            Some("ALL_OLD") => true,
            Some(other) => {
                return Err(invalid(format!(
                    "`{other}` is no value of ReturnValuesOnConditionCheckFailure; it takes NONE and ALL_OLD"
                )));
            }
        };
        Ok(Write { key, condition, action, old_on_failure })
    }

    /// What `write` would do; nothing is changed.
    pub(super) fn attempt(&self, write: &Write) -> Result<Written, Refusal> {
        let before = self.items.get(&write.key).cloned();
        if let Some(condition) = &write.condition
            && !condition.holds(before.as_ref().unwrap_or(&Map::new()))
        {
            return Err(Refusal::Condition(before.filter(|_| write.old_on_failure)));
        }
        let (after, touched) = match &write.action {
            Action::Put(item) => (Some(item.clone()), Vec::new()),
            Action::Update(update, key) => {
                let item = update.apply(before.as_ref().unwrap_or(key))?;
                check_size(&item)?;
                (Some(item), update.paths())
            }
            Action::Delete => (None, Vec::new()),
            Action::Check => (before.clone(), Vec::new()),
        };
        Ok(Written { before, after, touched })
    }

    /// Puts what [`Table::attempt`] found into the table.
    pub(super) fn commit(&mut self, key: &str, written: &Written) {
        match &written.after {
            Some(item) => self.items.insert(key.to_owned(), item.clone()),
            None => self.items.remove(key),
        };
    }
}

impl Written {
    /// What `ReturnValues` asks for, if there is any of it.
    pub(super) fn returned(&self, wanted: &str) -> Option<Item> {
        let part = |item: &Option<Item>| {
            let part = project(item.as_ref()?, &self.touched);
            (!part.is_empty()).then_some(part)
        };
        match wanted {
            "ALL_OLD" => self.before.clone(),
            "ALL_NEW" => self.after.clone(),
            "UPDATED_OLD" => part(&self.before),
            "UPDATED_NEW" => part(&self.after),
            _ => None,
        }
    }
}

fn check_size(item: &Item) -> Result<(), AwsError> {
    if bytes(item) > MAX_ITEM_BYTES {
        return Err(invalid("Item size has exceeded the maximum allowed size"));
    }
    Ok(())
}

/// The condition in the member `what`, if there is one.
pub(super) fn condition(
    input: &Value,
    what: &'static str,
    placeholders: &mut Placeholders,
) -> Result<Option<Condition>, AwsError> {
    text(input, what)?.map(|text| Parser::new(what, text, placeholders)?.condition()).transpose()
}

/// The paths of a `ProjectionExpression`, if there is one.
pub(super) fn projection(input: &Value, placeholders: &mut Placeholders) -> Result<Option<Vec<Path>>, AwsError> {
    let Some(text) = text(input, "ProjectionExpression")? else { return Ok(None) };
    let mut parser = Parser::new("ProjectionExpression", text, placeholders)?;
    let paths = parser.paths()?;
    parser.end()?;
    Ok(Some(paths))
}

/// A text member; absent and `null` are the same.
pub(super) fn text<'a>(input: &'a Value, member: &str) -> Result<Option<&'a str>, AwsError> {
    match input.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(invalid(format!("`{member}` has to be a text, but is `{other}`"))),
    }
}
