//! The table that remembers what was done, on DynamoDB: string key `pk`, the value as JSON text in `value`, its end in seconds since
//! the epoch in `expires_at`, by which DynamoDB's TTL deletes it some time later. Knows nothing of what is remembered.
//!
//! TTL deletes late ("within a few days", DynamoDB developer guide), so an entry whose end has passed counts as gone here.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use domain::ports::{Ledger, PortError};
use domain::time::Timestamp;
use serde_json::Value;

use crate::error::Attempt;
use crate::settings::{Lazy, Settings};

const KEY: &str = "pk";
const VALUE: &str = "value";
const EXPIRES: &str = "expires_at";

/// There is no such entry, or its end has passed.
const IS_FREE: &str = "attribute_not_exists(#key) OR #expires < :now";

/// A DynamoDB table as a ledger.
#[derive(Clone)]
pub struct Table {
    settings: Arc<Settings>,
    client: Lazy<Client>,
    name: Arc<str>,
}

/// A call on one entry.
#[derive(Clone, Copy)]
struct Access<'a> {
    table: &'a str,
    operation: &'static str,
    key: &'a str,
}

impl Access<'_> {
    fn get(self, client: &Lazy<Client>) -> Result<&Client, PortError> {
        client.get(Attempt { operation: self.operation, noun: "entry", name: self.key })
    }

    fn failed<E>(self, error: &SdkError<E, HttpResponse>) -> PortError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (noun, name) = match error.code() {
            // DynamoDB has no error for an absent key: what is not there is the table.
            Some("ResourceNotFoundException") => ("table", self.table),
            _ => ("entry", self.key),
        };
        Attempt { operation: self.operation, noun, name }.failed(error)
    }
}

impl Table {
    pub(crate) fn new(settings: &Arc<Settings>, name: &str) -> Self {
        Self { settings: Arc::clone(settings), client: Lazy::new(settings, "DYNAMODB", Client::new), name: name.into() }
    }

    fn access<'a>(&'a self, operation: &'static str, key: &'a str) -> Access<'a> {
        Access { table: &self.name, operation, key }
    }

    /// Writes an entry on a condition; true when it held.
    async fn put(
        &self,
        key: &str,
        value: &Value,
        expires: Timestamp,
        condition: impl FnOnce(PutItemFluentBuilder) -> PutItemFluentBuilder,
    ) -> Result<bool, PortError> {
        let access = self.access("PutItem", key);
        let call = access
            .get(&self.client)?
            .put_item()
            .table_name(&*self.name)
            .item(KEY, AttributeValue::S(key.to_owned()))
            .item(VALUE, AttributeValue::S(value.to_string()))
            .item(EXPIRES, seconds(expires));
        match condition(call).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(access.failed(&error)),
        }
    }

    fn if_free(&self, call: PutItemFluentBuilder) -> PutItemFluentBuilder {
        call.condition_expression(IS_FREE)
            .expression_attribute_names("#key", KEY)
            .expression_attribute_names("#expires", EXPIRES)
            .expression_attribute_values(":now", seconds(self.settings.now()))
    }
}

impl Ledger for Table {
    async fn claim(&self, key: &str, value: &Value, expires: Timestamp) -> Result<bool, PortError> {
        self.put(key, value, expires, |call| self.if_free(call)).await
    }

    async fn read(&self, key: &str) -> Result<Option<Value>, PortError> {
        let access = self.access("GetItem", key);
        let call =
            access.get(&self.client)?.get_item().table_name(&*self.name).key(KEY, AttributeValue::S(key.to_owned()));
        let output = call.consistent_read(true).send().await.map_err(|error| access.failed(&error))?;
        let Some(item) = output.item() else { return Ok(None) };
        let ends = item.get(EXPIRES).and_then(|ends| ends.as_n().ok()).and_then(|ends| ends.parse::<f64>().ok());
        if ends.is_some_and(|ends| ends < whole_seconds(self.settings.now()) as f64) {
            return Ok(None);
        }
        let attempt = Attempt { operation: "GetItem", noun: "entry", name: key };
        let text = item.get(VALUE).and_then(|value| value.as_s().ok());
        let text = text.ok_or_else(|| attempt.permanent(format!("the entry has no text in `{VALUE}`")))?;
        let value = serde_json::from_str(text);
        value.map(Some).map_err(|error| attempt.permanent(format!("the entry's `{VALUE}` is not JSON: {error}")))
    }

    async fn replace(
        &self,
        key: &str,
        from: Option<&Value>,
        to: &Value,
        expires: Timestamp,
    ) -> Result<bool, PortError> {
        let condition = |call: PutItemFluentBuilder| match from {
            None => self.if_free(call),
            // `value` is a reserved word of DynamoDB's expressions. The old text is compared as a whole: keys keep their order
            // and numbers their last digit on the way out and back in (serde_json's features).
            Some(from) => call
                .condition_expression("#value = :from")
                .expression_attribute_names("#value", VALUE)
                .expression_attribute_values(":from", AttributeValue::S(from.to_string())),
        };
        self.put(key, to, expires, condition).await
    }

    async fn release(&self, key: &str) -> Result<(), PortError> {
        let access = self.access("DeleteItem", key);
        let call =
            access.get(&self.client)?.delete_item().table_name(&*self.name).key(KEY, AttributeValue::S(key.to_owned()));
        call.send().await.map(drop).map_err(|error| access.failed(&error))
    }
}

fn whole_seconds(time: Timestamp) -> i64 {
    time.0.div_euclid(1000)
}

fn seconds(time: Timestamp) -> AttributeValue {
    AttributeValue::N(whole_seconds(time).to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Canned, serve};

    const TAKEN: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed"}"#;

    #[tokio::test]
    async fn a_claim_that_another_one_made_first_is_no_error() {
        let (aws, server) = serve(vec![Canned::ok("{}"), Canned::status(400, TAKEN)]);
        let table = aws.table("greenlight");
        assert!(table.claim("stop/d-1", &json!({"a": 1}), Timestamp(9_500)).await.unwrap());
        assert!(!table.claim("stop/d-1", &json!({"a": 1}), Timestamp(9_500)).await.unwrap());
        let body = server.json(0);
        assert_eq!(body["ConditionExpression"], IS_FREE);
        assert_eq!(
            body["Item"],
            json!({"pk": {"S": "stop/d-1"}, "value": {"S": "{\"a\":1}"}, "expires_at": {"N": "9"}})
        );
    }

    #[tokio::test]
    async fn a_replacement_asks_for_the_old_value() {
        let (aws, server) = serve(vec![Canned::status(400, TAKEN)]);
        let (old, new) = (json!({"ts": 0.1, "a": null}), json!(2));
        assert!(!aws.table("t").replace("k", Some(&old), &new, Timestamp(0)).await.unwrap());
        let body = server.json(0);
        assert_eq!(body["ExpressionAttributeValues"], json!({":from": {"S": "{\"ts\":0.1,\"a\":null}"}}));
    }

    #[tokio::test]
    async fn an_entry_past_its_end_counts_as_gone() {
        let item = |ends: &str| {
            Canned::ok(format!(
                r#"{{"Item":{{"pk":{{"S":"k"}},"value":{{"S":"[1]"}},"expires_at":{{"N":"{ends}"}}}}}}"#
            ))
        };
        let (aws, server) = serve(vec![item("99999999999"), item("12"), Canned::ok("{}")]);
        let table = aws.table("t");
        assert_eq!(table.read("k").await.unwrap(), Some(json!([1])));
        assert_eq!(table.read("k").await.unwrap(), None);
        assert_eq!(table.read("k").await.unwrap(), None);
        assert_eq!(server.json(0)["ConsistentRead"], true);
    }

    #[tokio::test]
    async fn a_table_that_does_not_exist_is_named() {
        let missing = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"Requested resource not found"}"#;
        let (aws, _) = serve(vec![Canned::status(400, missing)]);
        let error = aws.table("greenlihgt").release("k").await.unwrap_err();
        assert!(error.to_string().starts_with("the table `greenlihgt` does not exist"), "{error}");
    }
}
