//! Work that keeps the processor busy and that nobody can interrupt, such as a regular expression over a long body: it is done on a thread of
//! its own, so that the time limits are kept meanwhile. Knows nothing of what is worked on.

use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use domain::time::spoken;
use tokio::sync::{Semaphore, oneshot};

/// How long one piece of work is waited for. A thread that needs longer goes on until it is done, or the process ends; nobody listens.
const LIMIT: Duration = Duration::from_secs(5);

/// Where such work is done. Cheap to clone; all clones share the same room.
#[derive(Clone, Debug)]
pub(crate) struct Aside {
    clock: Clock,
    room: Arc<Semaphore>,
}

impl Aside {
    /// For work that is weighed, with room for so much at once.
    pub(crate) fn new(clock: Clock, room: u32) -> Self {
        Self { clock, room: Arc::new(Semaphore::new(room as usize)) }
    }

    /// Waits until there is room, does the work, and waits for it at most five seconds. `weight` is its part of the room.
    ///
    /// # Errors
    /// A sentence that says why there is nothing to show.
    ///
    /// # Panics
    /// When the work does, with the same words.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        weight: u32,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        // In a rehearsal, work is never overtaken by the clock.
        let _working = self.clock.request();
        let permits = Arc::clone(&self.room).acquire_many_owned(weight).await.map_err(|error| error.to_string())?;
        let worked = async {
            let (sender, done) = oneshot::channel();
            let work = move || {
                let result = work();
                drop(permits);
                // Nobody waits for it any more when the time is up.
                let _ = sender.send(result);
            };
            let thread = std::thread::Builder::new()
                .name("judging".to_owned())
                .spawn(work)
                .map_err(|error| format!("the system granted no thread: {error}"))?;
            match done.await {
                Ok(result) => Ok(result),
                Err(gone) => match thread.join() {
                    Err(panic) => std::panic::resume_unwind(panic),
                    Ok(()) => Err(gone.to_string()),
                },
            }
        };
        let over = || format!("it took more than {}", spoken(LIMIT));
        self.clock.timeout(LIMIT, worked).await.unwrap_or_else(|_| Err(over()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_time_limits_are_kept_while_work_goes_on() {
        testkit::run(async {
            let (go, wait) = mpsc::channel::<()>();
            let aside = Aside::new(Clock::system(), 2);
            let stuck = aside.run(1, move || wait.recv().is_ok());
            let limited = Clock::system().timeout(Duration::from_millis(50), stuck).await;
            assert!(limited.is_err());
            // What is stuck keeps its place until it is done.
            let both = aside.run(2, || 7);
            assert!(Clock::system().timeout(Duration::from_millis(50), both).await.is_err());
            assert_eq!(aside.run(1, || 7).await, Ok(7));
            go.send(()).unwrap();
            assert_eq!(aside.run(2, || 7).await, Ok(7));
        });
    }

    #[test]
    fn a_panic_comes_out_where_the_work_was_asked_for() {
        testkit::run(async {
            let aside = Aside::new(Clock::system(), 1);
            let work = std::panic::AssertUnwindSafe(aside.run(1, || panic!("a defect")));
            let panic = FutureExt::catch_unwind(work).await.unwrap_err();
            assert_eq!(panic.downcast_ref::<&str>(), Some(&"a defect"));
        });
    }
}
