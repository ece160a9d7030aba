//! What a check may refer to by `{{ name }}`, captured values aside, with a mark on what must not be shown. Knows nothing of where
//! the values come from.

use std::collections::BTreeMap;

use domain::config::Check;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::mask::Mask;

/// One value, or why there is none. The sentences say what to do about it.
#[derive(Clone, Debug)]
pub enum Given {
    /// A value that anybody may see.
    Plain(String),
    /// A value that never stands in a finding, a log or a report.
    Sensitive(SecretString),
    /// There is none, and another run will not find one either: a check that refers to it is wrong and fails.
    Missing(String),
    /// It could not be read: a check that refers to it is inconclusive.
    Unread(String),
}

/// The values by name.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    given: BTreeMap<String, Given>,
    mask: Mask,
}

impl Variables {
    /// None at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value, or replaces the one of that name. What was sensitive once stays hidden.
    pub fn insert(&mut self, name: impl Into<String>, given: Given) {
        if let Given::Sensitive(secret) = &given {
            self.mask.hide(secret.expose_secret());
        }
        self.given.insert(name.into(), given);
    }

    /// Adds all of `others`.
    pub fn extend(&mut self, others: Variables) {
        for (name, given) in others.given {
            self.insert(name, given);
        }
    }

    /// Hides the user and the password that may stand in a URL, in every form in which they could be echoed.
    pub(crate) fn hide_credentials_of(&mut self, url: &str) {
        self.mask.hide_credentials_of(url);
    }

    /// Hides what a check has captured, where it is called like a secret.
    pub(crate) fn hide_captured(&mut self, check: &Check, captured: &BTreeMap<String, Value>) {
        self.mask.hide_captured(check, captured);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Given> {
        self.given.get(name)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.given.keys().map(String::as_str)
    }

    /// What must not be shown of them.
    pub(crate) fn mask(&self) -> &Mask {
        &self.mask
    }
}

impl<const N: usize> From<[(String, Result<String, String>); N]> for Variables {
    /// Values that anybody may see; an error is the sentence that says why there is none.
    fn from(plain: [(String, Result<String, String>); N]) -> Self {
        let mut variables = Self::new();
        for (name, value) in plain {
            variables.insert(name, value.map_or_else(Given::Missing, Given::Plain));
        }
        variables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sensitive_does_not_show_in_a_debug_print() {
        let mut variables = Variables::from([("a".to_owned(), Ok("plain".to_owned()))]);
        variables.insert("secret:s#k", Given::Sensitive("hunter22".into()));
        let text = format!("{variables:?}");
        assert!(text.contains("plain") && !text.contains("hunter22"), "{text}");
    }
}
