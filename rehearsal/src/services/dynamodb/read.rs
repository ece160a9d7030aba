//! `Query` and `Scan`: the operations that find items. Knows nothing of indexes: the rehearsal's tables have none.

use super::condition::{Comparator, Condition, Operand};
use super::invalid;
use super::path::{Path, Step, project};
use super::placeholder::Placeholders;
use super::table::{Table, condition, projection, text};
use super::value::{Item, tag};
use crate::protocol::AwsError;
use serde_json::{Map, Value, json};
use std::ops::Bound;

/// Items in the order of their keys. AWS hashes the keys, so nobody may rely on an order; this one is at least the same
/// in every run.
pub(super) fn scan(table: &Table, input: &Value) -> Result<Value, AwsError> {
    let mut placeholders = Placeholders::of(input)?;
    let search = Search::of(table, input, &mut placeholders)?;
    placeholders.finish()?;
    let start = search.after.as_ref().map_or(Bound::Unbounded, |key| Bound::Excluded(key.clone()));
    Ok(search.run(table, table.items.range((start, Bound::Unbounded)).map(|(key, item)| (key.as_str(), item))))
}

/// The item of one key, as a list.
pub(super) fn query(table: &Table, input: &Value) -> Result<Value, AwsError> {
    let mut placeholders = Placeholders::of(input)?;
    let wanted = condition(input, "KeyConditionExpression", &mut placeholders)?.ok_or_else(|| {
        invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
    })?;
    let search = Search::of(table, input, &mut placeholders)?;
    placeholders.finish()?;
    let root = Path::new(vec![Step::Attribute(table.key.clone())]);
    let key = match &wanted {
        Condition::Compare(Operand::Path(path), Comparator::Equal, Operand::Literal(value))
            if *path == root && tag(value) == "S" =>
        {
            value.get("S").and_then(Value::as_str).unwrap_or_default()
        }
        _ => return Err(invalid("Query condition missed key schema element, or is more than one equality on the key")),
    };
    // There is one item at most, so that whatever comes after it is nothing.
    let found = table.items.get_key_value(key).filter(|_| search.after.is_none());
    Ok(search.run(table, found.into_iter().map(|(key, item)| (key.as_str(), item))))
}

struct Search {
    filter: Option<Condition>,
    projection: Option<Vec<Path>>,
    limit: Option<usize>,
    after: Option<String>,
    count_only: bool,
}

impl Search {
    fn of(table: &Table, input: &Value, placeholders: &mut Placeholders) -> Result<Self, AwsError> {
        let filter = condition(input, "FilterExpression", placeholders)?;
        let projection = projection(input, placeholders)?;
        let limit = match input.get("Limit") {
            None | Some(Value::Null) => None,
            Some(limit) => {
                let limit = limit.as_u64().filter(|limit| *limit > 0);
                let limit = limit.ok_or_else(|| invalid("`Limit` has to be a number of at least 1"))?;
                Some(usize::try_from(limit).unwrap_or(usize::MAX))
            }
        };
        let after = match input.get("ExclusiveStartKey") {
            None | Some(Value::Null) => None,
            Some(key) => Some(table.key_of(key)?),
        };
        let count_only = match text(input, "Select")? {
            None | Some("ALL_ATTRIBUTES") => false,
            Some("SPECIFIC_ATTRIBUTES") if projection.is_some() => false,
            Some("COUNT") if projection.is_none() => true,
            Some(other) => return Err(invalid(format!("`Select` cannot be `{other}` in this request"))),
        };
        Ok(Self { filter, projection, limit, after, count_only })
    }

    /// `Limit` bounds what is looked at, not what passes the filter, as on AWS.
    fn run<'a>(&self, table: &Table, mut items: impl Iterator<Item = (&'a str, &'a Item)>) -> Value {
        let mut found = Vec::new();
        let (mut seen, mut last) = (0, None);
        while self.limit.is_none_or(|limit| seen < limit) {
            let Some((key, item)) = items.next() else { break };
            seen += 1;
            last = Some(key);
            if self.filter.as_ref().is_none_or(|filter| filter.holds(item)) {
                let part = self.projection.as_ref().map_or_else(|| item.clone(), |paths| project(item, paths));
                found.push(Value::Object(part));
            }
        }
        let mut output = Map::new();
        output.insert("Count".to_owned(), found.len().into());
        output.insert("ScannedCount".to_owned(), seen.into());
        if !self.count_only {
            output.insert("Items".to_owned(), found.into());
        }
        // Like AWS, a search that stops at its limit says where to go on, even if nothing follows.
        if let (true, Some(last)) = (self.limit == Some(seen), last) {
            let mut key = Map::new();
            key.insert(table.key.clone(), json!({"S": last}));
            output.insert("LastEvaluatedKey".to_owned(), key.into());
        }
        Value::Object(output)
    }
}
