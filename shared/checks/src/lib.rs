//! The check engine: runs the checks of a configuration's block against a base URL or a Lambda version and says of each
//! what was expected and what was seen.
//!
//! What may run when (`plan`), what is asked (`request`), and whether an answer is as expected (`expect`, `matcher`) are
//! pure functions in files of their own; `engine` and `trial` alone wait. Knows nothing of AWS, of deployments or of
//! verdicts: `greenlight check` can use it on a laptop as the hooks do on Lambda.

mod answer;
mod engine;
mod expect;
mod invoke;
mod matcher;
mod plan;
mod request;
mod review;
mod template;
mod trial;

pub use engine::{Suite, run};
pub use invoke::{Invoke, NoVersion, Version};
pub use review::{VARIABLES, review};
pub use template::Variables;
