//! How much memory the bodies of all answers may take up together: a function has little, and as many answers as are asked for may come at
//! once, each as long as its sender likes. Knows nothing of what is in them.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What all bodies may take up together, in bytes. The smallest function has 128 MB, of which a third is its own.
const ALL: usize = 32 << 20;

/// The room for bodies.
#[derive(Debug)]
pub(crate) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ALL)))
    }
}

/// A body's place, given back with the last clone of it.
#[derive(Clone, Debug, Default)]
pub struct Held(Option<Arc<OwnedSemaphorePermit>>);

impl Held {
    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }
}

impl Room {
    /// Waits for a place of so many bytes. Places are given in the order in which they were asked for.
    pub(crate) async fn take(&self, bytes: usize) -> Held {
        let bytes = u32::try_from(bytes.min(ALL)).unwrap_or(u32::MAX);
        // It fails only when it is closed, which nobody does.
        Held(Arc::clone(&self.0).acquire_many_owned(bytes).await.ok().map(Arc::new))
    }
}
