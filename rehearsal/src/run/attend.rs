//! Answers whoever looks at what a run has left behind. Knows nothing of what is asked.

use super::{RunError, Runner};

impl Runner {
    /// Answers calls to AWS while `work` makes them; virtual time moves on by the time that the answers take, and nothing else happens.
    /// The world has to be open to anybody.
    ///
    /// # Errors
    /// When a process cannot be started.
    pub async fn attend<T>(&mut self, work: impl Future<Output = T>) -> Result<T, RunError> {
        let mut work = std::pin::pin!(work);
        loop {
            self.carry_out().await?;
            if !self.waiting.is_empty() && self.world.step() {
                continue;
            }
            tokio::select! {
                done = &mut work => return Ok(done),
                input = self.inputs.recv() => if let Some(input) = input {
                    self.take(input);
                },
            }
        }
    }
}
