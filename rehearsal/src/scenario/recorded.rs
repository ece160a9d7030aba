//! What was recorded of a scenario: all that people are told in it. Knows nothing of how it is compared.

use std::path::PathBuf;

use super::{Expectation, Scenario};

/// What was recorded of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The file.
    pub file: PathBuf,
    /// What it says; `None` when there is none yet.
    pub text: Option<String>,
}

impl Scenario {
    /// Whether it expects what people are told to be as it was recorded.
    pub fn expects_what_was_told(&self) -> bool {
        self.expect.iter().any(|expectation| matches!(expectation, Expectation::Told(_)))
    }
}
