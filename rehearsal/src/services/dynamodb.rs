//! DynamoDB in memory: tables with a string partition key, and the operations and expressions on them.
//!
//! What is not implemented is refused by name. Knows nothing of indexes, streams, capacity and of TTL: AWS may keep an
//! expired item for days, so a caller that trusts it to be gone is wrong here as well.

mod condition;
mod decimal;
mod many;
mod parse;
mod path;
mod placeholder;
mod read;
mod reserved;
mod table;
#[cfg(test)]
mod tests;
mod update;
mod value;

use crate::protocol::AwsError;
use many::Remembered;
use placeholder::Placeholders;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use table::{Refusal, Table, projection, text};

/// All tables of the account.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    tables: BTreeMap<String, Table>,
    transactions: BTreeMap<String, Remembered>,
}

const ACCOUNT_PREFIX: &str = "arn:aws:dynamodb:eu-west-1:123456789012:table/";

impl Tables {
    /// Empty tables, each with the name of its partition key.
    pub fn new<N: Into<String>, K: Into<String>>(tables: impl IntoIterator<Item = (N, K)>) -> Self {
        let tables = tables.into_iter().map(|(name, key)| (name.into(), Table::new(key.into()))).collect();
        Self { tables, transactions: BTreeMap::new() }
    }

    /// Answers one operation; `now_ms` is the time in epoch milliseconds.
    pub fn handle(&mut self, operation: &str, input: &Value, now_ms: i64) -> Result<Value, AwsError> {
        match operation {
            "GetItem" => self.get_item(input),
            "PutItem" => self.write("Put", &["Item"], &["NONE", "ALL_OLD"], input),
            "DeleteItem" => self.write("Delete", &["Key"], &["NONE", "ALL_OLD"], input),
            "UpdateItem" => {
                let returns = ["NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"];
                self.write("Update", &["Key", "UpdateExpression"], &returns, input)
            }
            "Query" => self.search("Query", &["KeyConditionExpression", "ScanIndexForward"], input, read::query),
            "Scan" => self.search("Scan", &[], input, read::scan),
            "BatchGetItem" => self.batch_get(input),
            "BatchWriteItem" => self.batch_write(input),
            "TransactGetItems" => self.transact_get(input),
            "TransactWriteItems" => self.transact_write(input, now_ms),
            "DescribeTable" => self.describe(input),
            other => Err(invalid(format!(
                "`{other}` is not implemented by the rehearsal's DynamoDB; add it to `services/dynamodb.rs`"
            ))),
        }
    }

    /// The items of a table in the order of their keys, for reports and tests; none if there is no such table.
    pub fn items(&self, table: &str) -> Vec<&Map<String, Value>> {
        self.tables.get(table).map(|table| table.items.values().collect()).unwrap_or_default()
    }

    fn get_item(&self, input: &Value) -> Result<Value, AwsError> {
        let members = [
            "TableName",
            "Key",
            "ConsistentRead",
            "ProjectionExpression",
            "ExpressionAttributeNames",
            "ReturnConsumedCapacity",
        ];
        only(input, "GetItem", &members)?;
        let table = self.named(input)?;
        let mut placeholders = Placeholders::of(input)?;
        let paths = projection(input, &mut placeholders)?;
        placeholders.finish()?;
        let key = table.key_of(input.get("Key").unwrap_or(&Value::Null))?;
        Ok(match table.get(&key, paths.as_deref()) {
            Some(item) => json!({"Item": item}),
            None => json!({}),
        })
    }

    fn write(&mut self, kind: &str, members: &[&str], returns: &[&str], input: &Value) -> Result<Value, AwsError> {
        let common = [
            "TableName",
            "ConditionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ReturnValues",
            "ReturnValuesOnConditionCheckFailure",
            "ReturnConsumedCapacity",
            "ReturnItemCollectionMetrics",
        ];
        only(input, &format!("{kind}Item"), &[members, &common].concat())?;
        let wanted = text(input, "ReturnValues")?.unwrap_or("NONE");
        if !returns.contains(&wanted) {
            return Err(invalid(format!(
                "`{wanted}` is no value of ReturnValues here; it takes {}",
                returns.join(", ")
            )));
        }
        let name = table_name(input)?.to_owned();
        let table = self.table_mut(&name)?;
        let write = table.read_write(kind, input)?;
        let written = match table.attempt(&write) {
            Ok(written) => written,
            Err(Refusal::Invalid(error)) => return Err(error),
            Err(Refusal::Condition(item)) => {
                let error = AwsError::client("ConditionalCheckFailedException", "The conditional request failed");
                return Err(match item {
                    Some(item) => error.with("Item", item.into()),
                    None => error,
                });
            }
        };
        table.commit(&write.key, &written);
        Ok(match written.returned(wanted) {
            Some(item) => json!({"Attributes": item}),
            None => json!({}),
        })
    }

    fn search(
        &self,
        operation: &str,
        members: &[&str],
        input: &Value,
        run: impl Fn(&Table, &Value) -> Result<Value, AwsError>,
    ) -> Result<Value, AwsError> {
        let common = [
            "TableName",
            "FilterExpression",
            "ProjectionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ConsistentRead",
            "ExclusiveStartKey",
            "Limit",
            "Select",
            "ReturnConsumedCapacity",
        ];
        only(input, operation, &[members, &common].concat())?;
        run(self.named(input)?, input)
    }

    fn describe(&self, input: &Value) -> Result<Value, AwsError> {
        only(input, "DescribeTable", &["TableName"])?;
        let name = table_name(input)?;
        let table = self.table(name)?;
        Ok(json!({"Table": {
            "TableName": name,
            "TableArn": format!("{ACCOUNT_PREFIX}{name}"),
            "TableStatus": "ACTIVE",
            "KeySchema": [{"AttributeName": table.key, "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": table.key, "AttributeType": "S"}],
            "ItemCount": table.items.len(),
            "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        }}))
    }

    fn named(&self, input: &Value) -> Result<&Table, AwsError> {
        self.table(table_name(input)?)
    }

    fn table(&self, name: &str) -> Result<&Table, AwsError> {
        self.tables.get(plain(name)).ok_or_else(|| no_table(name))
    }

    fn table_mut(&mut self, name: &str) -> Result<&mut Table, AwsError> {
        self.tables.get_mut(plain(name)).ok_or_else(|| no_table(name))
    }
}

/// The table's name; a table may be named by its ARN.
fn table_name(input: &Value) -> Result<&str, AwsError> {
    let name = text(input, "TableName")?.ok_or_else(|| invalid("`TableName` is missing"))?;
    Ok(plain(name))
}

fn plain(name: &str) -> &str {
    match name.strip_prefix("arn:") {
        Some(arn) => arn.split_once(":table/").map_or(name, |(_, name)| name),
        None => name,
    }
}

fn no_table(name: &str) -> AwsError {
    AwsError::client("ResourceNotFoundException", format!("Requested resource not found: Table: {name} not found"))
}

/// A `ValidationException`.
fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::client("ValidationException", message)
}

/// Refuses members that nobody would look at. Consumed capacity and the like may be asked for as `NONE` only.
fn only(input: &Value, operation: &str, members: &[&str]) -> Result<(), AwsError> {
    for (member, value) in object(input, operation)? {
        let unknown = !members.contains(&member.as_str()) && !value.is_null();
        let counted = matches!(member.as_str(), "ReturnConsumedCapacity" | "ReturnItemCollectionMetrics");
        if unknown || (counted && !value.is_null() && *value != "NONE") {
            return Err(invalid(format!(
                "`{member}` = `{value}` of `{operation}` is not implemented by the rehearsal's DynamoDB"
            )));
        }
    }
    Ok(())
}

fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, AwsError> {
    value.as_object().ok_or_else(|| invalid(format!("`{what}` has to be a map, but is `{value}`")))
}

fn list<'a>(input: &'a Value, member: &str) -> Result<&'a [Value], AwsError> {
    let value = input.get(member).unwrap_or(&Value::Null);
    value.as_array().map(Vec::as_slice).ok_or_else(|| invalid(format!("`{member}` has to be a list, but is `{value}`")))
}
