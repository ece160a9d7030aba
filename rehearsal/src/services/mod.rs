//! The AWS services that stand on their own: what they remember and what they answer. Knows nothing of deployments, of functions
//! or of sockets; those that a deployment moves are in `world`.

pub mod cloudwatch;
pub mod dynamodb;
pub mod log_pattern;
pub mod metric_math;
