//! The check engine: runs the checks of a configuration's block against a base URL or a Lambda version and says of each
//! what was expected and what was seen.
//!
//! What may run when (`plan`), what is asked (`request`), and whether an answer is as expected (`expect`, `matcher`) are
//! pure functions in files of their own; `engine`, `trial`, `probe` and `aside` alone wait. Knows nothing of AWS, of deployments or of
//! verdicts: `greenlight check` can use it on a laptop as the hooks do on Lambda.

mod answer;
mod aside;
mod block;
mod engine;
mod expect;
mod grpc;
mod invoke;
mod judge;
mod mask;
mod matcher;
mod observe;
mod plan;
mod probe;
#[cfg(test)]
mod properties;
mod request;
mod review;
mod template;
mod trial;
mod variables;

pub use block::{names, needs_base, only, revealed, secrets};
pub use engine::{Suite, run, watched};
pub use invoke::{Invoke, NoVersion, Version};
pub use observe::{Event, Watcher};
pub use review::{VARIABLES, review};
pub use variables::{Given, Variables};
