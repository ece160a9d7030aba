//! The guard around a hook's work: an error, a panic and an overrun become a conclusion like any other. Knows nothing of whom
//! the conclusion is told.
//!
//! It needs `panic = "unwind"` in the release profile; under `abort` nothing here would run.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use clock::Clock;
use domain::hook::{Conclusion, Verdict};
use domain::text::bounded;
use domain::time::{Timestamp, spoken};
use futures_util::FutureExt;

use crate::notes::Notes;

/// The longest reason, in characters: it is read in a message, not in a log.
const REASON: usize = 1500;

/// What is kept of the work's time so that findings that are already there are not lost to the guard's own limit.
const MARGIN: Duration = Duration::from_millis(500);

/// The time that the work has.
#[derive(Clone, Debug)]
pub struct Window {
    clock: Clock,
    by: Timestamp,
}

impl Window {
    /// From now until `limit` has passed.
    pub fn new(clock: &Clock, limit: Duration) -> Self {
        Self { clock: clock.clone(), by: clock.now().plus(limit) }
    }

    /// The clock it runs on.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What is left.
    pub fn left(&self) -> Duration {
        self.by.since(self.clock.now())
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
    let limit = window.left();
    // Boxed, as it is as large as everything that a hook does: what wraps it stays small.
    let guarded = AssertUnwindSafe(Box::pin(async move { work().await })).catch_unwind();
    let mut conclusion = match window.clock.timeout(limit, guarded).await {
        Ok(Ok(Ok(conclusion))) => conclusion,
        Ok(Ok(Err(error))) => Conclusion::bare(Verdict::Failed, format!("{error:#}")),
        Ok(Err(panic)) => Conclusion::bare(
            Verdict::Failed,
            format!(
                "the hook broke while {}: `{}`; this is a defect of Greenlight, the function's log has more",
                doing(notes),
                panic_text(panic.as_ref())
            ),
        ),
        Err(_) => Conclusion::bare(
            Verdict::Failed,
            format!("the hook was not finished within {}, while {}", spoken(limit), doing(notes)),
        ),
    };
    conclusion.reason = bounded(&conclusion.reason, REASON);
    conclusion
}

fn doing(notes: &Notes) -> String {
    let doing = notes.read().doing;
    if doing.is_empty() { "it had hardly begun".to_owned() } else { doing }
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
        testkit::run(async {
            let notes = Notes::default();
            let window = Window::new(&Clock::system(), Duration::from_millis(60));
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
        assert_eq!(verdict, Verdict::Failed);
        assert!(
            reason.starts_with("the hook was not finished within ")
                && reason.ends_with(", while reading the deployment"),
            "{reason}"
        );
    }

    #[test]
    fn the_checks_end_before_the_guard_does() {
        let window = Window::new(&Clock::system(), Duration::from_secs(10));
        assert!(window.for_checks(None) <= Duration::from_millis(9500));
        assert_eq!(window.for_checks(Some(Duration::from_secs(3))), Duration::from_secs(3));
        let none = Window::new(&Clock::system(), Duration::ZERO);
        assert_eq!(none.for_checks(Some(Duration::from_secs(3))), Duration::ZERO);
    }
}
