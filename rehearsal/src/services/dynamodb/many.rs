//! Requests that name several items: batches and transactions. Knows nothing of how one item is written.

use super::placeholder::Placeholders;
use super::table::{Refusal, projection, text};
use super::{Tables, invalid, list, object, only};
use crate::protocol::AwsError;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const MAX_BATCH_GET: usize = 100;
const MAX_BATCH_WRITE: usize = 25;
const MAX_TRANSACTION: usize = 100;
/// For so long a transaction with the same token is the same transaction.
const TOKEN_LIFE_MS: i64 = 10 * 60 * 1000;

/// A transaction that succeeded, by its token.
#[derive(Debug, Clone)]
pub(super) struct Remembered {
    input: Value,
    at_ms: i64,
}

impl Tables {
    pub(super) fn batch_get(&self, input: &Value) -> Result<Value, AwsError> {
        only(input, "BatchGetItem", &["RequestItems", "ReturnConsumedCapacity"])?;
        let (mut responses, mut total) = (Map::new(), 0);
        for (name, request) in requests(input)? {
            let members = ["Keys", "ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"];
            only(request, "BatchGetItem", &members)?;
            let table = self.table(name)?;
            let mut placeholders = Placeholders::of(request)?;
            let paths = projection(request, &mut placeholders)?;
            placeholders.finish()?;
            let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
            for key in list(request, "Keys")? {
                total += 1;
                let key = table.key_of(key)?;
                found.extend(table.get(&key, paths.as_deref()).map(Value::Object));
                if !seen.insert(key) {
                    return Err(invalid("Provided list of item keys contains duplicates"));
                }
            }
            responses.insert(name.clone(), found.into());
        }
        within("BatchGetItem", total, MAX_BATCH_GET)?;
        Ok(json!({"Responses": responses, "UnprocessedKeys": {}}))
    }

    pub(super) fn batch_write(&mut self, input: &Value) -> Result<Value, AwsError> {
        only(input, "BatchWriteItem", &["RequestItems", "ReturnConsumedCapacity", "ReturnItemCollectionMetrics"])?;
        let (mut writes, mut seen) = (Vec::new(), BTreeSet::new());
        for (name, entries) in requests(input)? {
            let entries =
                entries.as_array().ok_or_else(|| invalid(format!("the requests for `{name}` are no list")))?;
            for entry in entries {
                let (kind, request) = single(entry)?;
                let write = match kind {
                    "PutRequest" => {
                        only(request, "PutRequest", &["Item"])?;
                        self.table(name)?.read_write("Put", request)?
                    }
                    "DeleteRequest" => {
                        only(request, "DeleteRequest", &["Key"])?;
                        self.table(name)?.read_write("Delete", request)?
                    }
                    other => return Err(invalid(format!("`{other}` is no request of BatchWriteItem"))),
                };
                if !seen.insert((name, write.key.clone())) {
                    return Err(invalid("Provided list of item keys contains duplicates"));
                }
                writes.push((name, write));
            }
        }
        within("BatchWriteItem", writes.len(), MAX_BATCH_WRITE)?;
        for (name, write) in writes {
            let table = self.table_mut(name)?;
            // Without a condition the only refusal is an error.
            if let Ok(written) = table.attempt(&write) {
                table.commit(&write.key, &written);
            }
        }
        Ok(json!({"UnprocessedItems": {}}))
    }

    pub(super) fn transact_get(&self, input: &Value) -> Result<Value, AwsError> {
        only(input, "TransactGetItems", &["TransactItems", "ReturnConsumedCapacity"])?;
        let entries = list(input, "TransactItems")?;
        within("TransactGetItems", entries.len(), MAX_TRANSACTION)?;
        let mut responses = Vec::new();
        for entry in entries {
            let ("Get", request) = single(entry)? else {
                return Err(invalid("an entry of TransactGetItems has to be a Get"));
            };
            only(request, "Get", &["TableName", "Key", "ProjectionExpression", "ExpressionAttributeNames"])?;
            let table = self.table(text(request, "TableName")?.unwrap_or_default())?;
            let mut placeholders = Placeholders::of(request)?;
            let paths = projection(request, &mut placeholders)?;
            placeholders.finish()?;
            let key = table.key_of(request.get("Key").unwrap_or(&Value::Null))?;
            responses.push(match table.get(&key, paths.as_deref()) {
                Some(item) => json!({"Item": item}),
                None => json!({}),
            });
        }
        Ok(json!({"Responses": responses}))
    }

    pub(super) fn transact_write(&mut self, input: &Value, now_ms: i64) -> Result<Value, AwsError> {
        let members = ["TransactItems", "ClientRequestToken", "ReturnConsumedCapacity", "ReturnItemCollectionMetrics"];
        only(input, "TransactWriteItems", &members)?;
        let token = text(input, "ClientRequestToken")?.map(str::to_owned);
        self.transactions.retain(|_, old| now_ms - old.at_ms < TOKEN_LIFE_MS);
        if let Some(old) = token.as_ref().and_then(|token| self.transactions.get(token)) {
            if old.input == *input {
                return Ok(json!({}));
            }
            return Err(AwsError::client(
                "IdempotentParameterMismatchException",
                "The request uses the same client token as a previous, but non-identical request.",
            ));
        }
        let entries = list(input, "TransactItems")?;
        within("TransactWriteItems", entries.len(), MAX_TRANSACTION)?;
        let (mut writes, mut seen) = (Vec::new(), BTreeSet::new());
        for entry in entries {
            let (kind, request) = single(entry)?;
            only(request, kind, transaction_members(kind)?)?;
            let name = text(request, "TableName")?.unwrap_or_default().to_owned();
            let write = self.table(&name)?.read_write(kind, request)?;
            if !seen.insert((name.clone(), write.key.clone())) {
                return Err(invalid("Transaction request cannot include multiple operations on one item"));
            }
            writes.push((name, write));
        }
        let (mut done, mut reasons, mut refused) = (Vec::new(), Vec::new(), false);
        for (name, write) in &writes {
            let reason = match self.table(name)?.attempt(write) {
                Ok(written) => {
                    done.push((name, &write.key, written));
                    json!({"Code": "None"})
                }
                Err(Refusal::Condition(item)) => {
                    refused = true;
                    let mut reason =
                        json!({"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"});
                    if let (Some(item), Some(reason)) = (item, reason.as_object_mut()) {
                        reason.insert("Item".to_owned(), item.into());
                    }
                    reason
                }
                Err(Refusal::Invalid(error)) => {
                    refused = true;
                    json!({"Code": "ValidationError", "Message": error.message})
                }
            };
            reasons.push(reason);
        }
        if refused {
            let codes: Vec<&str> = reasons.iter().filter_map(|reason| reason.get("Code")?.as_str()).collect();
            let message = format!(
                "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
                codes.join(", ")
            );
            return Err(
                AwsError::client("TransactionCanceledException", message).with("CancellationReasons", reasons.into())
            );
        }
        for (name, key, written) in done {
            self.table_mut(name)?.commit(key, &written);
        }
        if let Some(token) = token {
            self.transactions.insert(token, Remembered { input: input.clone(), at_ms: now_ms });
        }
        Ok(json!({}))
    }
}

fn transaction_members(kind: &str) -> Result<&'static [&'static str], AwsError> {
    match kind {
        "Put" => Ok(&[
            "TableName",
            "Item",
            "ConditionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ReturnValuesOnConditionCheckFailure",
        ]),
        "Update" => Ok(&[
            "TableName",
            "Key",
            "UpdateExpression",
            "ConditionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ReturnValuesOnConditionCheckFailure",
        ]),
        "Delete" | "ConditionCheck" => Ok(&[
            "TableName",
            "Key",
            "ConditionExpression",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ReturnValuesOnConditionCheckFailure",
        ]),
        other => Err(invalid(format!("`{other}` is no action of TransactWriteItems"))),
    }
}

fn requests(input: &Value) -> Result<&Map<String, Value>, AwsError> {
    let requests = object(input.get("RequestItems").unwrap_or(&Value::Null), "RequestItems")?;
    if requests.is_empty() {
        return Err(invalid("RequestItems must not be empty"));
    }
    Ok(requests)
}

/// The only member of an entry, with its name; members that are `null` do not count.
fn single(entry: &Value) -> Result<(&str, &Value), AwsError> {
    let mut members = object(entry, "entry")?.iter().filter(|(_, value)| !value.is_null());
    match (members.next(), members.next()) {
        (Some((kind, request)), None) => Ok((kind.as_str(), request)),
        _ => Err(invalid(format!("an entry has to have exactly one action, but is `{entry}`"))),
    }
}

fn within(operation: &str, count: usize, limit: usize) -> Result<(), AwsError> {
    if (1..=limit).contains(&count) {
        return Ok(());
    }
    Err(invalid(format!("{operation} takes between 1 and {limit} items, but was given {count}")))
}
