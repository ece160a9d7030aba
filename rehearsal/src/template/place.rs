//! A value of the template together with where it stands, so that every complaint about it names line and property.
//!
//! Knows nothing of what the properties mean. What it reads has no intrinsic functions left in it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::Value;

use super::error::{Problem, TemplateError};
use super::yaml::{Data, Node};

/// One value on the way down from a resource.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    node: &'a Node,
    line: usize,
    at: String,
}

impl<'a> Place<'a> {
    pub(super) fn new(node: &'a Node, line: usize, at: impl Into<String>) -> Self {
        Self { node, line, at: at.into() }
    }

    pub(super) fn at(&self) -> &str {
        &self.at
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    pub(super) fn node(&self) -> &'a Node {
        self.node
    }

    /// The value of a key, if it is there; an error when this is no map at all.
    pub(super) fn get(&self, key: &str) -> Result<Option<Self>, TemplateError> {
        Ok(self.entries()?.into_iter().find(|(name, _)| *name == key).map(|(_, place)| place))
    }

    pub(super) fn need(&self, key: &str) -> Result<Self, TemplateError> {
        match self.get(key)? {
            Some(place) => Ok(place),
            None => self.fail(Problem::Missing { property: key.to_owned() }),
        }
    }

    pub(super) fn entries(&self) -> Result<Vec<(&'a str, Self)>, TemplateError> {
        let Some(entries) = self.node.entries() else { return self.wrong("a map") };
        Ok(entries
            .iter()
            .map(|entry| {
                let at = format!("{}.{}", self.at, entry.key);
                (entry.key.as_str(), Place { node: &entry.value, line: entry.line, at })
            })
            .collect())
    }

    pub(super) fn items(&self) -> Result<Vec<Self>, TemplateError> {
        let Data::List(items) = &self.node.data else { return self.wrong("a list") };
        Ok(items
            .iter()
            .enumerate()
            .map(|(index, node)| Place { node, line: node.line, at: format!("{}[{index}]", self.at) })
            .collect())
    }

    /// The items of a list; a value that is not a list counts as a list of one, as in many places of SAM and IAM.
    pub(super) fn one_or_many(&self) -> Result<Vec<Self>, TemplateError> {
        if matches!(self.node.data, Data::List(_)) { self.items() } else { Ok(vec![self.clone()]) }
    }

    /// A text. Numbers and booleans become text, as CloudFormation does.
    pub(super) fn text(&self) -> Result<String, TemplateError> {
        match self.node.scalar() {
            Some(text) if text.contains("{{resolve:") => self.fail(Problem::Unsupported {
                what: "a dynamic reference (`{{resolve:...}}`)".to_owned(),
                advice: "let the function read the secret or parameter itself",
            }),
            Some(text) => Ok(text),
            None => self.wrong("a text"),
        }
    }

    /// A whole number, which may be written as a text because parameters always are.
    pub(super) fn number(&self, range: RangeInclusive<u32>) -> Result<u32, TemplateError> {
        match self.node.scalar().and_then(|text| text.parse().ok()) {
            Some(number) if range.contains(&number) => Ok(number),
            _ => self.wrong(&format!("a whole number from {} to {}", range.start(), range.end())),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, TemplateError> {
        match self.node.scalar().as_deref() {
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            _ => self.wrong("`true` or `false`"),
        }
    }

    pub(super) fn texts(&self) -> Result<BTreeMap<String, String>, TemplateError> {
        self.entries()?.into_iter().map(|(key, value)| Ok((key.to_owned(), value.text()?))).collect()
    }

    pub(super) fn json(&self) -> Value {
        self.node.json()
    }

    /// Refuses keys that are not among the known ones.
    pub(super) fn only(&self, what: &'static str, known: &[&str]) -> Result<(), TemplateError> {
        for (key, place) in self.entries()? {
            if !known.contains(&key) {
                return place.unknown(what, key, known);
            }
        }
        Ok(())
    }

    pub(super) fn unknown<T>(&self, what: &'static str, name: &str, known: &[&str]) -> Result<T, TemplateError> {
        let known = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        self.fail(Problem::Unknown { what, name: name.to_owned(), known })
    }

    pub(super) fn wrong<T>(&self, needs: &str) -> Result<T, TemplateError> {
        self.fail(Problem::Kind { needs: needs.to_owned(), seen: self.node.json().to_string() })
    }

    pub(super) fn unsupported<T>(&self, what: impl Into<String>, advice: &'static str) -> Result<T, TemplateError> {
        self.fail(Problem::Unsupported { what: what.into(), advice })
    }

    pub(super) fn fail<T>(&self, problem: Problem) -> Result<T, TemplateError> {
        Err(TemplateError::at(self.line, self.at.clone(), problem))
    }
}
