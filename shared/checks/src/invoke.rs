//! The port for a check's `invoke` request and its two sides: a Lambda version that can be invoked, and none. Knows nothing of
//! how a version is invoked.

#![allow(async_fn_in_trait, reason = "the functions run on one thread, so no future needs to be Send")]

use domain::ports::{Invoked, PortError, Versions};

/// Whom an `invoke` check asks.
pub trait Invoke {
    /// What is invoked, as a finding names it; or why nothing can be invoked here and what to do about it.
    fn target(&self) -> Result<String, String>;
    /// Invokes it and waits for its answer.
    async fn invoke(&self, payload: &[u8]) -> Result<Invoked, PortError>;
}

/// One version of a Lambda function, or none.
#[derive(Debug)]
pub struct Version<'a, V> {
    /// The port.
    pub versions: &'a V,
    /// The function's name and the version; or why there is none.
    pub of: Result<(String, String), String>,
}

impl<V: Versions> Invoke for Version<'_, V> {
    fn target(&self) -> Result<String, String> {
        self.of.as_ref().map(|(function, version)| format!("{function}:{version}")).map_err(Clone::clone)
    }

    async fn invoke(&self, payload: &[u8]) -> Result<Invoked, PortError> {
        match &self.of {
            Ok((function, version)) => self.versions.invoke(function, version, payload).await,
            Err(why) => Err(PortError::Permanent { what: "the invocation".to_owned(), detail: why.clone() }),
        }
    }
}

/// No version at all, where there is no port either: `greenlight check` against a URL. Holds the reason.
#[derive(Clone, Debug)]
pub struct NoVersion(pub String);

impl Invoke for NoVersion {
    fn target(&self) -> Result<String, String> {
        Err(self.0.clone())
    }

    async fn invoke(&self, _payload: &[u8]) -> Result<Invoked, PortError> {
        Err(PortError::Permanent { what: "the invocation".to_owned(), detail: self.0.clone() })
    }
}
