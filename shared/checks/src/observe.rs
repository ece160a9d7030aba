//! How a run is watched from outside, and ended early. Knows nothing of who watches: a terminal, or nobody.

#![allow(async_fn_in_trait, reason = "the functions run on one thread, so no future needs to be Send")]

use std::time::Duration;

use domain::hook::Finding;

/// What just happened in a run. `index` is the check's place in the block.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A check's first try has begun.
    Begun {
        /// Which check.
        index: usize,
    },
    /// A try was not as expected, and there will be another.
    Retrying {
        /// Which check.
        index: usize,
        /// The number of the try that has ended, from 1.
        tried: u32,
        /// What it saw, bounded and masked.
        observed: &'a str,
        /// How long the check waits now.
        pause: Duration,
    },
    /// A check has ended, or will never begin.
    Ended {
        /// Which check.
        index: usize,
        /// How it came out.
        finding: &'a Finding,
    },
}

/// Whoever watches a run. `()` watches nothing and never ends a run.
pub trait Watcher {
    /// Hears what just happened.
    fn hear(&self, event: Event<'_>) {
        let _ = event;
    }

    /// Resolves when the run is to end early: what is running then is cancelled, and the clean-ups still run.
    async fn stop(&self) {
        std::future::pending::<()>().await;
    }
}

impl Watcher for () {}
