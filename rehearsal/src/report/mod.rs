//! How a run is shown: a timeline in a terminal, the Slack thread as a person sees it, a page to look at, a document for machines. Knows
//! nothing of how it was run.

pub mod alarms;
pub mod html;
pub mod json;
pub mod slack;
pub mod telling;
pub mod text;

use std::time::Duration;

use domain::time::Timestamp;

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
    /// When the scenario began.
    pub fn start(&self) -> Timestamp {
        let first = self.world.record().timeline().first();
        first.map_or(Timestamp(0), |entry| entry.at.minus(Duration::from_secs_f64(entry.seconds.max(0.0))))
    }

    /// Whether every expectation came true.
    pub fn met(&self) -> bool {
        self.held.iter().all(|held| held.met)
    }
}
