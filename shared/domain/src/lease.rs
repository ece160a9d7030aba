//! Doing a thing once, although the event that asks for it arrives twice and a process may die in the middle of it: a lease in
//! the ledger that its holder turns into a lasting record or gives back. Knows nothing of what is done under it.
//!
//! A plain claim would lose the thing when its holder dies between claiming and doing. A lease runs out when its holder is
//! certainly dead, that is at its invocation's deadline, and then the next try takes it over. A holder that dies after doing and
//! before recording makes the thing happen twice: what Greenlight does under a lease is rather done twice than not at all.

use std::time::Duration;

use serde_json::{Value, json};

use crate::ports::{Ledger, PortError};
use crate::time::Timestamp;

/// The key that tells a lease from a record.
const LEASE: &str = "lease";

/// How much longer than the lease its entry stays: ledgers count whole seconds, and a holder must find its own entry until the end.
const GRACE: Duration = Duration::from_mins(1);

/// Who asks for a lease and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The invocation's id.
    pub id: String,
    /// When the lease runs out: the invocation's deadline, since nobody outlives that.
    pub until: Timestamp,
}

/// What came of asking.
#[derive(Debug)]
pub enum Taken<'a, L: Ledger> {
    /// The thing is to be done now, by the one who asked.
    Mine(Lease<'a, L>),
    /// It has been done; this is the record of it.
    Done(Value),
    /// Somebody else is at it.
    Busy,
}

/// The right to do one thing.
#[derive(Debug)]
pub struct Lease<'a, L: Ledger> {
    ledger: &'a L,
    key: String,
    held: Value,
    is_inherited: bool,
}

/// Whether an entry is a lease, not a record.
fn runs_out(entry: &Value) -> Option<Timestamp> {
    let until = entry.get(LEASE)?.get("until")?.as_str()?;
    // A lease whose end cannot be read has ended: else it would be held for ever.
    Some(Timestamp::parse(until).unwrap_or_default())
}

/// Whether an entry is a lease, so that the thing has been begun, and not a record of its having been done.
pub fn is_lease(entry: &Value) -> bool {
    entry.get(LEASE).is_some()
}

/// The record under `key`, when the thing has been done.
pub async fn record<L: Ledger>(ledger: &L, key: &str) -> Result<Option<Value>, PortError> {
    Ok(ledger.read(key).await?.filter(|entry| runs_out(entry).is_none()))
}

/// Asks for the right to do what `key` stands for.
pub async fn take<'a, L: Ledger>(
    ledger: &'a L,
    key: &str,
    holder: &Holder,
    now: Timestamp,
) -> Result<Taken<'a, L>, PortError> {
    take_staying(ledger, key, holder, now, GRACE).await
}

/// As [`take`], where whoever comes after a dead holder must know of it ([`Lease::is_inherited`]): the entry stays for `stays` after the lease has run
/// out, unless it is given back.
pub async fn take_staying<'a, L: Ledger>(
    ledger: &'a L,
    key: &str,
    holder: &Holder,
    now: Timestamp,
    stays: Duration,
) -> Result<Taken<'a, L>, PortError> {
    let held = json!({LEASE: {"holder": holder.id, "until": holder.until}});
    let expires = holder.until.plus(stays);
    if ledger.claim(key, &held, expires).await? {
        return Ok(Taken::Mine(Lease { ledger, key: key.to_owned(), held, is_inherited: false }));
    }
    let seen = ledger.read(key).await?;
    // Our own, whose answer was lost on the way, so that it was asked for twice.
    if seen.as_ref() == Some(&held) {
        return Ok(Taken::Mine(Lease { ledger, key: key.to_owned(), held, is_inherited: false }));
    }
    match seen.as_ref().map(runs_out) {
        Some(None) => return Ok(Taken::Done(seen.unwrap_or_default())),
        Some(Some(until)) if until > now => return Ok(Taken::Busy),
        // A dead holder's lease, or one that was given back this instant.
        Some(Some(_)) | None => {}
    }
    let won = ledger.replace(key, seen.as_ref(), &held, expires).await?;
    let is_inherited = seen.is_some();
    Ok(if won { Taken::Mine(Lease { ledger, key: key.to_owned(), held, is_inherited }) } else { Taken::Busy })
}

impl<L: Ledger> Lease<'_, L> {
    /// Whether it was taken over from a holder that died with it: the thing may have been done, or half of it.
    pub fn is_inherited(&self) -> bool {
        self.is_inherited
    }

    /// Puts the record of what was done in place of the lease; false when the lease had run out and somebody else has it.
    pub async fn complete(self, record: &Value, expires: Timestamp) -> Result<bool, PortError> {
        self.ledger.replace(&self.key, Some(&self.held), record, expires).await
    }

    /// Gives the right back: the thing could not be done, and a later try may.
    pub async fn release(self) -> Result<(), PortError> {
        self.ledger.release(&self.key).await
    }
}

/// How a thing that is to be done once came out.
#[derive(Debug)]
pub enum Once {
    /// It was done now. `forgotten` says why that could not be recorded, if it could not: it may then happen again.
    Did {
        /// The ledger's refusal.
        forgotten: Option<PortError>,
    },
    /// It had been done before.
    DoneBefore,
    /// Somebody else is at it, and will be tried again if they fail.
    Busy,
}

/// Does `work` under a lease and records what it returns until `expires`; gives the lease back when `work` fails.
pub async fn once<L: Ledger>(
    ledger: &L,
    key: &str,
    holder: &Holder,
    now: Timestamp,
    expires: Timestamp,
    work: impl AsyncFnOnce() -> Result<Value, PortError>,
) -> Result<Once, PortError> {
    let lease = match take(ledger, key, holder, now).await? {
        Taken::Mine(lease) => lease,
        Taken::Done(_) => return Ok(Once::DoneBefore),
        Taken::Busy => return Ok(Once::Busy),
    };
    match work().await {
        // Done is done: failing now would make Lambda try again, and it would be done twice for certain.
        Ok(record) => Ok(Once::Did { forgotten: lease.complete(&record, expires).await.err() }),
        Err(error) => {
            // If this fails too, the lease runs out by itself; the first error is the one to tell.
            let _ = lease.release().await;
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[derive(Debug, Default)]
    struct Table(RefCell<BTreeMap<String, Value>>);

    impl Ledger for Table {
        async fn claim(&self, key: &str, value: &Value, expires: Timestamp) -> Result<bool, PortError> {
            self.replace(key, None, value, expires).await
        }
        async fn read(&self, key: &str) -> Result<Option<Value>, PortError> {
            Ok(self.0.borrow().get(key).cloned())
        }
        async fn replace(&self, key: &str, from: Option<&Value>, to: &Value, _: Timestamp) -> Result<bool, PortError> {
            let is_there = self.0.borrow().get(key) == from;
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

    /// Nothing here waits, so one poll is enough.
    fn now<T>(work: impl Future<Output = Result<T, PortError>>) -> T {
        match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome.unwrap(),
            Poll::Pending => panic!("the table does not wait"),
        }
    }

    fn holder(id: &str, until: i64) -> Holder {
        Holder { id: id.to_owned(), until: Timestamp(until) }
    }

    #[test]
    fn what_is_done_is_done_once() {
        let table = Table::default();
        let Taken::Mine(lease) = now(take(&table, "k", &holder("a", 30), Timestamp(0))) else { panic!("free") };
        assert!(matches!(now(take(&table, "k", &holder("b", 30), Timestamp(1))), Taken::Busy));
        assert_eq!(now(record(&table, "k")), None);
        assert!(now(lease.complete(&json!({"ts": "1.2"}), Timestamp(99))));
        let Taken::Done(seen) = now(take(&table, "k", &holder("b", 30), Timestamp(2))) else { panic!("done") };
        assert_eq!((Some(seen.clone()), seen), (now(record(&table, "k")), json!({"ts": "1.2"})));
    }

    #[test]
    fn what_was_given_back_is_free() {
        let table = Table::default();
        let Taken::Mine(lease) = now(take(&table, "k", &holder("a", 30), Timestamp(0))) else { panic!("free") };
        now(lease.release());
        assert!(matches!(now(take(&table, "k", &holder("b", 30), Timestamp(1))), Taken::Mine(_)));
    }

    #[test]
    fn what_failed_may_be_done_by_the_next_try_and_then_no_more() {
        let table = Table::default();
        let attempt = |outcome: Result<Value, PortError>| {
            let work = async || outcome;
            let holder = holder("a", 30);
            let run = pin!(once(&table, "k", &holder, Timestamp(0), Timestamp(99), work));
            match run.poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => panic!("the table does not wait"),
            }
        };
        let down = PortError::Permanent { what: "x".into(), detail: "y".into() };
        assert!(attempt(Err(down)).is_err());
        assert!(matches!(attempt(Ok(json!({}))), Ok(Once::Did { forgotten: None })));
        assert!(matches!(attempt(Ok(json!({}))), Ok(Once::DoneBefore)));
    }

    #[test]
    fn a_dead_holders_lease_is_taken_over_and_the_dead_cannot_complete_it() {
        let table = Table::default();
        let Taken::Mine(dead) = now(take(&table, "k", &holder("a", 30), Timestamp(0))) else { panic!("free") };
        let Taken::Mine(heir) = now(take(&table, "k", &holder("a", 60), Timestamp(31))) else { panic!("run out") };
        assert_eq!((dead.is_inherited(), heir.is_inherited()), (false, true));
        assert!(!now(dead.complete(&json!({"by": "dead"}), Timestamp(99))));
        assert!(now(heir.complete(&json!({"by": "heir"}), Timestamp(99))));
    }
}
