//! The adapters on the AWS SDK, one file per service
