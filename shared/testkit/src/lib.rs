//! For tests only: recording fakes of the ports with scripted answers, builders of what the ports tell, and a local HTTP server.
//! Knows nothing of what is tested with them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a fake that is used wrongly must stop the test"
)]

pub mod build;
pub mod fakes;
pub mod http;
pub mod ledger;

/// A clock that moves on by itself whenever the test has nothing left to do but wait; it begins on Monday, 5 January 2026, 09:00 UTC.
pub fn clock() -> clock::Clock {
    clock::Clock::idle(domain::time::Timestamp(1_767_603_600_000))
}

/// Runs a test's future in that clock's time.
pub fn run_on<F: Future>(clock: &clock::Clock, test: F) -> F::Output {
    clock.run(test).expect("an event loop")
}

/// Runs a test's future on a runtime with one thread, as the functions do.
pub fn run<F: Future>(test: F) -> F::Output {
    clock::Clock::system().run(test).expect("an event loop")
}
