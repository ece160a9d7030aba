//! The engine behind `greenlight rehearse`: AWS around CodeDeploy in one process and in virtual time, the fleet's own binaries run
//! against it, and what came of it, told as a timeline, a report and a list of expectations. Knows nothing of the command line.

pub mod build;
pub mod expect;
pub mod pattern;
pub mod policy;
pub mod project;
pub mod protocol;
pub mod report;
pub mod run;
pub mod scenario;
pub mod services;
pub mod template;
pub mod timeline;
pub mod told;
pub mod world;
