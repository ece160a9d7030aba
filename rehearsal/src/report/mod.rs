//! How a run is shown: a timeline in a terminal, the Slack thread as a person sees it, a page to look at, a document for machines. Knows
//! nothing of how it was run.

pub mod html;
pub mod json;
pub mod slack;
pub mod text;

use std::time::Duration;

use crate::expect::Held;
use crate::scenario::Scenario;
use crate::world::World;

/// A scenario that was run, and what came of it.
pub struct Finished {
    /// The scenario.
    pub scenario: Scenario,
    /// The world as it was left.
    pub world: World,
    /// Its expectations.
    pub held: Vec<Held>,
    /// How long the run took in real time.
    pub took: Duration,
}

impl Finished {
    /// Whether every expectation came true.
    pub fn met(&self) -> bool {
        self.held.iter().all(|held| held.met)
    }
}
