//! Why a scenario could not be run. Knows nothing of how one is.

use std::time::Duration;

/// How much virtual time a scenario may take, besides the time for which it says that the world goes on.
pub(crate) const LONGEST: Duration = Duration::from_hours(6);

/// Why a scenario could not be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The operating system refused something.
    #[error("{what}: {error}")]
    Io {
        /// What was attempted.
        what: String,
        /// What it said.
        error: std::io::Error,
    },
    /// It goes on for ever.
    #[error(
        "the scenario `{scenario}` has not ended after {} of virtual time; still open: {open}",
        domain::time::spoken(*after)
    )]
    Endless {
        /// Its name.
        scenario: String,
        /// After how much virtual time.
        after: Duration,
        /// What has not ended.
        open: String,
    },
}

pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> RunError {
    let what = what.into();
    move |error| RunError::Io { what, error }
}
