//! The guard around a hook's work: an error, a panic and an overrun become a conclusion like any other. Knows nothing of whom
//! the conclusion is told.
//!
//! It needs `panic = "unwind"` in the release profile; under `abort` nothing here would run.

use std::any::Any;
use std::cell::Cell;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use clock::Clock;
use domain::hook::{Budget, Conclusion, Verdict};
use domain::text::bounded;
use domain::time::{Timestamp, spoken};
use futures_util::FutureExt;

use crate::notes::Notes;

/// The longest reason, in characters: it is read in a message, not in a log.
pub const REASON: usize = 1500;

/// What is kept of the work's time so that findings that are already there are not lost to the guard's own limit.
const MARGIN: Duration = Duration::from_millis(500);

/// The time that the work has: until the deadline, but for what is kept free for the answer. It becomes shorter when the calls to
/// CodeDeploy show that the answer may take longer than usual.
#[derive(Debug)]
pub struct Window {
    clock: Clock,
    begun: Timestamp,
    all: Duration,
    slowest: Cell<Duration>,
}

impl Window {
    /// From now until the deadline, but for the reserve.
    pub fn before(clock: &Clock, deadline: Timestamp) -> Self {
        let begun = clock.now();
        Self { clock: clock.clone(), begun, all: deadline.since(begun), slowest: Cell::default() }
    }

    /// When it closes, as far as is known now.
    fn by(&self) -> Timestamp {
        self.begun.plus(Budget::from_measured(self.all, self.slowest.get()).checks)
    }

    /// Makes a call to CodeDeploy and notes how long it took, well or not: so long the report may take, too.
    pub async fn timed<F: Future>(&self, call: F) -> F::Output {
        let started = self.clock.now();
        let output = call.await;
        self.slowest.set(self.slowest.get().max(self.clock.now().since(started)));
        output
    }

    /// The clock it runs on.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What is left.
    pub fn left(&self) -> Duration {
        self.by().since(self.clock.now())
    }

    /// What facts and checks may take together: what is left but for a margin, and no more than the configuration grants.
    pub fn for_checks(&self, configured: Option<Duration>) -> Duration {
        let left = self.left();
        let free = left.saturating_sub(MARGIN.min(left / 10));
        configured.map_or(free, |limit| free.min(limit))
    }
}

/// Runs the work within the window and concludes in any case; unless the work says otherwise, with `Failed`.
pub async fn conclude(
    window: &Window,
    notes: &Notes,
    work: impl AsyncFnOnce() -> anyhow::Result<Conclusion>,
) -> Conclusion {
    // Boxed, as it is as large as everything that a hook does: what wraps it stays small.
    let guarded = AssertUnwindSafe(Box::pin(async move { work().await })).catch_unwind();
    let mut conclusion = match within(window, guarded).await {
        Some(Ok(Ok(conclusion))) => conclusion,
        Some(Ok(Err(error))) => Conclusion::bare(Verdict::Failed, format!("{error:#}")),
        Some(Err(panic)) => Conclusion::bare(
            Verdict::Failed,
            format!(
                "the hook broke while {}: `{}`; this is a defect of Greenlight, the function's log has more",
                doing(notes),
                panic_text(panic.as_ref())
            ),
        ),
        None => Conclusion::bare(
            Verdict::Failed,
            format!(
                "the hook was not finished within {}, while {}{}",
                spoken(window.by().since(window.begun)),
                doing(notes),
                trouble(notes)
            ),
        ),
    };
    conclusion.reason = bounded(&conclusion.reason, REASON);
    conclusion
}

/// Runs `work` until the window closes; then it is dropped. The window may move while the work goes on.
async fn within<F: Future>(window: &Window, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut by = window.by();
    let mut closing = Box::pin(window.clock.sleep(window.left()));
    poll_fn(|context| {
        if let Poll::Ready(output) = work.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        if window.by() != by {
            by = window.by();
            closing = Box::pin(window.clock.sleep(window.left()));
        }
        closing.as_mut().poll(context).map(|()| None)
    })
    .await
}

fn doing(notes: &Notes) -> String {
    let doing = notes.read().doing;
    if doing.is_empty() { "it had hardly begun".to_owned() } else { doing }
}

/// Why what it was doing had not worked so far.
fn trouble(notes: &Notes) -> String {
    let trouble = notes.read().trouble;
    if trouble.is_empty() { trouble } else { format!("; at the last try {trouble}") }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "a panic without a text",
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    fn concluded(work: impl AsyncFnOnce(&Notes) -> anyhow::Result<Conclusion>) -> (Verdict, String) {
        let clock = testkit::clock();
        testkit::run_on(&clock, async {
            let notes = Notes::default();
            let window = Window::before(&clock, clock.now().plus(Duration::from_mins(1)));
            let conclusion = conclude(&window, &notes, async || work(&notes).await).await;
            (conclusion.verdict, conclusion.reason)
        })
    }

    #[test]
    fn what_the_work_concludes_is_taken_as_it_is() {
        let (verdict, reason) = concluded(async |_| Ok(Conclusion::bare(Verdict::Succeeded, "fine")));
        assert_eq!((verdict, reason.as_str()), (Verdict::Succeeded, "fine"));
    }

    #[test]
    fn an_error_fails_closed_with_its_whole_chain() {
        let (verdict, reason) =
            concluded(async |_| Err(anyhow::anyhow!("no route")).context("the deployment could not be read"));
        assert_eq!((verdict, reason.as_str()), (Verdict::Failed, "the deployment could not be read: no route"));
    }

    #[test]
    fn a_panic_fails_closed_and_says_during_what() {
        let (verdict, reason) = concluded(async |notes: &Notes| {
            notes.doing("running the checks");
            panic!("index {} of 3", 7)
        });
        assert_eq!(verdict, Verdict::Failed);
        assert!(reason.starts_with("the hook broke while running the checks: `index 7 of 3`; "), "{reason}");
    }

    #[test]
    fn an_overrun_fails_closed_and_says_during_what() {
        let (verdict, reason) = concluded(async |notes: &Notes| {
            notes.doing("reading the deployment");
            std::future::pending().await
        });
        let expected = "the hook was not finished within 55 s, while reading the deployment";
        assert_eq!((verdict, reason.as_str()), (Verdict::Failed, expected));
    }

    #[test]
    fn an_overrun_says_what_went_wrong_at_the_last_try_of_what_was_being_done() {
        let (_, reason) = concluded(async |notes: &Notes| {
            notes.doing("reading the deployment");
            let _: Result<(), _> = notes.tried(Err(testkit::fakes::throttled()));
            std::future::pending().await
        });
        let expected = "the hook was not finished within 55 s, while reading the deployment; at the last try the call failed for now: \
                        ThrottlingException";
        assert_eq!(reason, expected);
        let (_, reason) = concluded(async |notes: &Notes| {
            let _: Result<(), _> = notes.tried(Err(testkit::fakes::throttled()));
            notes.doing("running the checks");
            std::future::pending().await
        });
        assert_eq!(reason, "the hook was not finished within 55 s, while running the checks");
    }

    #[test]
    fn a_slow_codedeploy_closes_the_window_earlier_even_while_the_work_hangs() {
        let clock = testkit::clock();
        testkit::run_on(&clock, async {
            let (notes, begun) = (Notes::default(), clock.now());
            let window = Window::before(&clock, begun.plus(Duration::from_mins(1)));
            let work = async || {
                window.timed(clock.sleep(Duration::from_secs(3))).await;
                std::future::pending().await
            };
            let conclusion = conclude(&window, &notes, work).await;
            assert!(conclusion.reason.starts_with("the hook was not finished within 48 s, "), "{}", conclusion.reason);
            assert_eq!(clock.now().since(begun), Duration::from_secs(48));
        });
    }

    #[test]
    fn the_checks_end_before_the_guard_does() {
        let clock = testkit::clock();
        let window = Window::before(&clock, clock.now().plus(Duration::from_secs(15)));
        assert_eq!(window.for_checks(None), Duration::from_millis(9500));
        assert_eq!(window.for_checks(Some(Duration::from_secs(3))), Duration::from_secs(3));
        let none = Window::before(&clock, clock.now());
        assert_eq!(none.for_checks(Some(Duration::from_secs(3))), Duration::ZERO);
    }
}
