//! How much of an answer it takes to compare it with what is expected, so that no more is kept. Pure.

use outbound::LONGEST_BODY;

use super::Expectation;
use crate::answer::{LONGEST_JSON, SEARCHED, SMALL};

impl Expectation {
    /// Whether the body is to be read as JSON.
    pub(crate) fn reads_json(&self) -> bool {
        !self.json.is_empty()
    }

    /// How much of a body is needed, in bytes.
    pub(crate) fn needed(&self) -> usize {
        let wanted = [
            (self.contains.is_some() || self.sha256.is_some(), LONGEST_BODY),
            (self.reads_json(), LONGEST_JSON),
            (self.matches.is_some(), SEARCHED),
        ];
        wanted.into_iter().filter(|(is_wanted, _)| *is_wanted).fold(SMALL, |most, (_, bytes)| most.max(bytes))
    }
}
