//! The hook core: a guard that turns whatever happens into a conclusion, the case that a hook is asked about, and how its
//! checks are run. Knows nothing of Lambda or of the AWS SDK.
//!
//! Everything that belongs to CodeDeploy's way of asking and being answered (a payload with two ids, a callback) is in
//! [`codedeploy`]. ECS's own deployment hooks, which are answered by a return value, can stand beside it on the same core.

pub mod case;
pub mod codedeploy;
pub mod endpoint;
pub mod guard;
pub mod notes;
pub mod patience;

pub use case::{Case, Means};
pub use guard::Window;
pub use notes::Notes;
