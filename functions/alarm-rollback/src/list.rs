//! A list in the ledger that several invocations write at the same time. Knows nothing of what is listed.

use domain::ports::{Ledger, PortError};
use domain::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// How often a change is tried again where another invocation was faster. A list is written by a handful of them at most.
const TRIES: usize = 8;

/// What is listed under `key`; nothing where there is no such entry.
pub(crate) async fn read<T: DeserializeOwned>(ledger: &impl Ledger, key: &str) -> Result<Vec<T>, PortError> {
    Ok(ledger.read(key).await?.map(|entry| listed(key, &entry)).unwrap_or_default())
}

/// Changes what is listed under `key`, and gives back what it is then. `change` may be called several times, each time with what is listed
/// by then. A change that changes nothing writes nothing; an emptied list stays as an empty one, since taking the entry away could
/// take away what somebody else has just written.
pub(crate) async fn amend<T: Serialize + DeserializeOwned>(
    ledger: &impl Ledger,
    key: &str,
    expires: Timestamp,
    change: impl Fn(&mut Vec<T>),
) -> Result<Vec<T>, PortError> {
    for _ in 0..TRIES {
        let entry = ledger.read(key).await?;
        let mut list = entry.as_ref().map(|entry| listed(key, entry)).unwrap_or_default();
        change(&mut list);
        let changed = serde_json::to_value(&list).unwrap_or_default();
        let is_the_same = entry.as_ref().map_or(list.is_empty(), |entry| *entry == changed);
        if is_the_same || ledger.replace(key, entry.as_ref(), &changed, expires).await? {
            return Ok(list);
        }
    }
    Err(PortError::Transient {
        what: format!("changing the entry `{key}`"),
        detail: format!("others changed it {TRIES} times in between"),
        retry_after: None,
    })
}

/// What cannot be read was written by another version of this function; it is passed over and not kept.
fn listed<T: DeserializeOwned>(key: &str, entry: &Value) -> Vec<T> {
    let items = entry.as_array().map(Vec::as_slice).unwrap_or_default();
    let read = |item: &Value| match T::deserialize(item) {
        Ok(item) => Some(item),
        Err(error) => {
            tracing::warn!(key, %error, "an item of the entry cannot be read and is passed over");
            None
        }
    };
    items.iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::ledger::Table;

    use super::*;

    #[test]
    fn two_that_write_at_the_same_time_lose_nothing() {
        let table = Table::default();
        let add = async |item: i32| amend(&table, "k", Timestamp(0), |list| list.push(item)).await.unwrap();
        testkit::run(async {
            futures_util::future::join_all((1..=4).map(add)).await;
        });
        let mut list: Vec<i32> = testkit::run(read(&table, "k")).unwrap();
        list.sort_unstable();
        assert_eq!(list, [1, 2, 3, 4]);
    }

    #[test]
    fn what_cannot_be_read_is_passed_over_and_what_does_not_change_is_not_written() {
        let table = Table::default();
        let nothing = |_: &mut Vec<i32>| {};
        assert!(testkit::run(amend(&table, "k", Timestamp(0), nothing)).unwrap().is_empty());
        assert!(table.0.borrow().is_empty());
        table.0.borrow_mut().insert("k".to_owned(), json!([1, "two", 3]));
        assert_eq!(testkit::run(read::<i32>(&table, "k")).unwrap(), [1, 3]);
    }
}
