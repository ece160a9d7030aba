//! The ledger in memory, for tests that care about what is remembered. Knows nothing of DynamoDB.

use std::cell::RefCell;
use std::collections::BTreeMap;

use domain::ports::{Ledger, PortError};
use domain::time::Timestamp;
use serde_json::Value;

/// The table: key to value. Entries are compared as text, as the real one compares them; nothing expires. Every reading and every
/// writing lets others go first, so that invocations that run side by side really meet.
#[derive(Debug, Default)]
pub struct Table(pub RefCell<BTreeMap<String, Value>>);

impl Ledger for Table {
    async fn claim(&self, key: &str, value: &Value, expires: Timestamp) -> Result<bool, PortError> {
        self.replace(key, None, value, expires).await
    }

    async fn read(&self, key: &str) -> Result<Option<Value>, PortError> {
        tokio::task::yield_now().await;
        Ok(self.0.borrow().get(key).cloned())
    }

    async fn replace(&self, key: &str, from: Option<&Value>, to: &Value, _: Timestamp) -> Result<bool, PortError> {
        tokio::task::yield_now().await;
        let is_there = self.0.borrow().get(key).map(Value::to_string) == from.map(Value::to_string);
        if is_there {
            self.0.borrow_mut().insert(key.to_owned(), to.clone());
        }
        Ok(is_there)
    }

    async fn release(&self, key: &str) -> Result<(), PortError> {
        self.0.borrow_mut().remove(key);
        Ok(())
    }
}
