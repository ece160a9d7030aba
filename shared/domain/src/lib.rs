//! The vocabulary of Greenlight: what a deployment, a hook, an alarm and a verdict are, the configuration, Greenlight's own
//! events, and the ports through which the functions speak to the outside.
//!
//! Knows nothing of AWS's SDK, of HTTP, of tokio, of the clock or of the environment: everything here is plain data and
//! pure functions, apart from the traits in [`ports`], which the adapters in `aws` and `outbound` implement.

pub mod alarm;
pub mod appspec;
pub mod config;
pub mod deployment;
pub mod emergency;
pub mod entries;
pub mod events;
pub mod hook;
pub mod lease;
pub mod ports;
pub mod redeploy;
pub mod rolling;
pub mod secrets;
pub mod text;
pub mod time;
