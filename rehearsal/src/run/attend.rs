//! Answers whoever looks at what a run has left behind. Knows nothing of what is asked.

use std::time::Duration;

use super::{RunError, Runner};

impl Runner {
    /// Lets virtual time pass, with everything that is due in it and needs no process.
    pub fn advance(&mut self, span: Duration) {
        self.world.advance_to(self.world.now().plus(span));
    }

    /// Answers calls to AWS while `work` makes them; virtual time moves on by the time that the answers take, with what is due until then.
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
