//! What fifty invocations do that want the same entry of the table in the same second: whoever loses waits for a moment of its own. Knows nothing
//! of what is in the entry.

use std::cell::Cell;
use std::time::Duration;

use clock::Clock;
use domain::ports::{Ledger, PortError};
use domain::time::Timestamp;
use serde_json::Value;

use crate::memory::RACES;

/// Numbers of an invocation's own: FNV-1a of its id, and so on from there, so that a rehearsal takes the same course every time.
#[derive(Debug)]
pub(crate) struct Chance(Cell<u64>);

impl Chance {
    /// That of the invocation with this id.
    pub(crate) fn of(id: &str) -> Self {
        let add = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self(Cell::new(id.bytes().fold(0xcbf2_9ce4_8422_2325, add)))
    }

    /// The next span below `most`, in whole milliseconds.
    pub(crate) fn span(&self, most: Duration) -> Duration {
        let number = self.0.get();
        self.0.set(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
        let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX).max(1);
        Duration::from_millis((number >> 20) % most)
    }
}

/// How long an invocation goes on when others were faster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patient<'a> {
    pub(crate) clock: &'a Clock,
    pub(crate) chance: &'a Chance,
    pub(crate) until: Timestamp,
}

impl Patient<'_> {
    /// Tries until nobody else was faster, as long as the time allows; `attempt` answers `None` when somebody was.
    pub(crate) async fn among_many<T>(
        &self,
        what: &str,
        attempt: impl AsyncFn() -> Result<Option<T>, PortError>,
    ) -> Result<T, PortError> {
        loop {
            for _ in 0..RACES {
                if let Some(done) = attempt().await? {
                    return Ok(done);
                }
            }
            let span = Duration::from_millis(50) + self.chance.span(Duration::from_millis(1500));
            if self.clock.now().plus(span) >= self.until {
                return Err(PortError::Transient {
                    what: what.to_owned(),
                    detail: "others changed it again and again in between".to_owned(),
                    retry_after: None,
                });
            }
            self.clock.sleep(span).await;
        }
    }

    /// Changes an entry, whoever else does; it is not written when nothing has changed. `change` gets the entry and answers with the new one and
    /// with what the caller wants to know.
    pub(crate) async fn change<T>(
        &self,
        ledger: &impl Ledger,
        key: &str,
        expires: Timestamp,
        change: impl Fn(Option<&Value>) -> Result<(Option<Value>, T), PortError>,
    ) -> Result<T, PortError> {
        let what = format!("changing the ledger's entry `{key}`");
        self.among_many(&what, async || {
            let entry = ledger.read(key).await?;
            let (next, result) = change(entry.as_ref())?;
            let Some(next) = next.filter(|next| entry.as_ref() != Some(next)) else { return Ok(Some(result)) };
            Ok(ledger.replace(key, entry.as_ref(), &next, expires).await?.then_some(result))
        })
        .await
    }
}
