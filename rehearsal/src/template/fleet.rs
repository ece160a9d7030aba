//! What the readers of single resources share: the resolver, the resource at hand, and who owns an ARN.
//!
//! Knows nothing of any one resource type.

use super::catalogue::Declared;
use super::error::{Problem, TemplateError};
use super::intrinsics::{Mode, Resolver};
use super::names::Identity;
use super::place::Place;
use super::yaml::{Data, Node};

/// One resource that is being read.
pub(super) struct Resource<'a> {
    pub(super) logical_id: &'a str,
    pub(super) declared: &'a Declared,
    pub(super) resolver: &'a Resolver<'a>,
}

impl Resource<'_> {
    pub(super) fn identity(&self) -> Result<Identity, TemplateError> {
        self.resolver.identity(self.logical_id, self.declared.line, self.logical_id)
    }

    /// The properties that are read here, resolved. Those that are only kept are left out, and any other is an error:
    /// it might change what the resource does.
    pub(super) fn properties(&self, read: &[&str], kept: &[&str]) -> Result<Node, TemplateError> {
        let at = Declared::property_at(self.logical_id);
        let mut entries = Vec::new();
        for entry in self.declared.properties.entries().unwrap_or_default() {
            if kept.contains(&entry.key.as_str()) {
                continue;
            }
            if !read.contains(&entry.key.as_str()) {
                let known: Vec<&str> = read.iter().chain(kept).copied().collect();
                let place = Place::new(&entry.value, entry.line, format!("{at}.{}", entry.key));
                return place.unknown("property", &entry.key, &known);
            }
            entries.extend(self.resolver.entry(entry, &at, Mode::Needed)?);
        }
        Ok(Node { line: self.declared.line, data: Data::Map(entries) })
    }

    /// Resolved properties as a place to read from.
    pub(super) fn place<'n>(&self, properties: &'n Node) -> Place<'n> {
        Place::new(properties, self.declared.line, Declared::property_at(self.logical_id))
    }

    /// The logical id of the resource of one of these types that has this ARN.
    pub(super) fn owner(&self, kinds: &[&str], arn: &str) -> Option<String> {
        let candidates = self.resolver.resources.iter().filter(|(_, declared)| kinds.contains(&declared.kind.as_str()));
        candidates
            .filter_map(|(id, declared)| Some((id, self.resolver.identity(id, declared.line, id).ok()?)))
            .find(|(_, identity)| identity.arn() == arn)
            .map(|(id, _)| id.clone())
    }

    /// The ARN at a place, which has to be that of a resource of one of these types.
    pub(super) fn owned_arn(&self, kinds: &[&str], place: &Place<'_>) -> Result<String, TemplateError> {
        let arn = place.text()?;
        match self.owner(kinds, &arn) {
            Some(_) => Ok(arn),
            None => place.fail(Problem::Elsewhere { arn }),
        }
    }
}
