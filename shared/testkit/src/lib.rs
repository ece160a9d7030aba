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

/// Runs a test's future on a runtime with one thread, as the functions do.
pub fn run<F: Future>(test: F) -> F::Output {
    clock::Clock::system().run(test).expect("an event loop")
}
