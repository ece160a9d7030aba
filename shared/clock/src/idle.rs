//! The clock of tests: virtual time within one process, without anybody who plays the world around it. Knows nothing of what is waited
//! for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::time::Timestamp;
use tokio::sync::oneshot;

#[derive(Clone, Debug)]
pub(crate) struct IdleClock(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    now: Timestamp,
    /// By when they are over, then by when they began.
    waits: BTreeMap<(Timestamp, u64), oneshot::Sender<()>>,
    begun: u64,
    in_flight: u64,
}

impl IdleClock {
    pub(crate) fn new(start: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Inner { now: start, waits: BTreeMap::new(), begun: 0, in_flight: 0 })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.lock().now
    }

    pub(crate) async fn sleep(&self, span: Duration) {
        let (sender, over) = oneshot::channel();
        {
            let mut inner = self.lock();
            inner.begun += 1;
            let key = (inner.now.plus(span), inner.begun);
            inner.waits.insert(key, sender);
        }
        // The sender is dropped only together with the whole clock.
        let _ = over.await;
    }

    pub(crate) fn begin_request(&self) {
        self.lock().in_flight += 1;
    }

    pub(crate) fn end_request(&self) {
        let mut inner = self.lock();
        inner.in_flight = inner.in_flight.saturating_sub(1);
    }

    /// The thread has nothing left to do: time moves on to the earliest wait that somebody still waits for. While a request is in flight it
    /// stands still, as the answer takes real time.
    pub(crate) fn parked(&self) {
        let mut inner = self.lock();
        if inner.in_flight > 0 {
            return;
        }
        while let Some(((at, _), waiting)) = inner.waits.pop_first() {
            if waiting.is_closed() {
                continue;
            }
            inner.now = inner.now.max(at);
            let _ = waiting.send(());
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clock;

    #[test]
    fn an_hour_passes_in_no_time_and_in_order() {
        let clock = Clock::idle(Timestamp(0));
        let order = clock.run(async {
            let mut seen = Vec::new();
            let slow = clock.timeout(Duration::from_secs(10), std::future::pending::<()>());
            let quick = async {
                clock.sleep(Duration::from_hours(1)).await;
                clock.now()
            };
            assert!(slow.await.is_err());
            seen.push(clock.now());
            seen.push(quick.await);
            seen
        });
        assert_eq!(order.unwrap(), [Timestamp(10_000), Timestamp(3_610_000)]);
    }

    #[test]
    fn a_wait_that_nobody_waits_for_any_more_does_not_move_it() {
        let clock = Clock::idle(Timestamp(0));
        let now = clock.run(async {
            let done = clock.timeout(Duration::from_hours(1), async {
                clock.sleep(Duration::from_secs(1)).await;
                7
            });
            assert_eq!(done.await, Ok(7));
            clock.sleep(Duration::from_secs(1)).await;
            clock.now()
        });
        assert_eq!(now.unwrap(), Timestamp(2_000));
    }

    #[test]
    fn it_stands_still_while_a_request_is_in_flight() {
        let clock = Clock::idle(Timestamp(0));
        let (one, other) = (clock.clone(), clock.clone());
        let (sender, answer) = oneshot::channel();
        let now = clock.run(async move {
            let request = one.request();
            std::thread::spawn(move || {
                // Long enough for the event loop to come to rest.
                std::thread::yield_now();
                let _ = sender.send(());
            });
            let waited = one.timeout(Duration::from_secs(1), answer).await;
            assert!(waited.is_ok());
            drop(request);
            other.now()
        });
        assert_eq!(now.unwrap(), Timestamp(0));
    }
}
