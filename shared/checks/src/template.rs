//! `{{ name }}` in a check: which names a text refers to, and what they are replaced by. Knows nothing of checks or of where
//! the values come from.

use std::collections::BTreeMap;

use domain::config::SecretRef;
use domain::text::nearest;
use secrecy::ExposeSecret;
use serde_json::Value;

use crate::variables::{Given, Variables};

/// What is known when a check starts.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// Given from outside.
    pub(crate) variables: &'a Variables,
    /// Taken from earlier answers.
    pub(crate) captured: &'a BTreeMap<String, Value>,
    /// Every name that some check captures, with that check's name.
    pub(crate) promised: &'a BTreeMap<String, String>,
}

/// Why a check cannot be put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unable {
    /// The check is wrong: it fails.
    Wrong(String),
    /// Something that it depends on is not there: nothing can be told.
    CannotTell(String),
}

impl Scope<'_> {
    fn resolve(&self, name: &str) -> Result<Value, Unable> {
        if is_secret(name) {
            // Never a captured value, whatever that is called: what an answer says is no secret of ours.
            return self.given(name).unwrap_or_else(|| Err(Unable::Wrong(no_secret(name))));
        }
        if let Some(value) = self.captured.get(name) {
            return Ok(value.clone());
        }
        if let Some(by) = self.promised.get(name) {
            return Err(Unable::CannotTell(format!(
                "the value of `{{{{ {name} }}}}` was not captured by the check `{by}`"
            )));
        }
        self.given(name).unwrap_or_else(|| {
            let known = || self.variables.names().chain(self.promised.keys().map(String::as_str));
            let hint = match nearest(name, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", known().collect::<Vec<_>>().join(", ")),
            };
            Err(Unable::Wrong(format!("`{{{{ {name} }}}}` refers to nothing; {hint}")))
        })
    }

    /// What was given under this name, if anything was.
    fn given(&self, name: &str) -> Option<Result<Value, Unable>> {
        let without = |why: &str| format!("`{{{{ {name} }}}}` has no value: {why}");
        Some(match self.variables.get(name)? {
            Given::Plain(value) => Ok(Value::String(value.clone())),
            Given::Sensitive(secret) => Ok(Value::String(secret.expose_secret().to_owned())),
            Given::Missing(why) => Err(Unable::Wrong(without(why))),
            Given::Unread(why) => Err(Unable::CannotTell(without(why))),
        })
    }
}

/// A piece of a text: literal, or a name.
enum Piece<'a> {
    Literal(&'a str),
    Name(&'a str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut literal_from, mut search_from) = (0, 0);
    while let Some(open) = text.get(search_from..).and_then(|rest| rest.find("{{")).map(|at| at + search_from) {
        let inner = text.get(open + 2..).unwrap_or_default();
        let named = inner.find("}}").map(|end| (end, inner.get(..end).unwrap_or_default().trim()));
        match named {
            // What is not a name is not ours: JSON and other templates have braces too.
            Some((end, name)) if is_name(name) => {
                pieces.push(Piece::Literal(text.get(literal_from..open).unwrap_or_default()));
                pieces.push(Piece::Name(name));
                literal_from = open + 2 + end + 2;
                search_from = literal_from;
            }
            _ => search_from = open + 1,
        }
    }
    pieces.push(Piece::Literal(text.get(literal_from..).unwrap_or_default()));
    pieces
}

/// Whether it refers to a secret or to the environment, rightly spelt or not.
fn is_secret(name: &str) -> bool {
    name.starts_with("secret:") || name.starts_with("env:")
}

fn no_secret(name: &str) -> String {
    match SecretRef::parse(name) {
        Ok(_) => format!("`{{{{ {name} }}}}` has no value: nobody has read it"),
        Err(_) => format!(
            "`{{{{ {name} }}}}` names no secret; write `{{{{ secret:<name>#<key> }}}}` (Secrets Manager) or `{{{{ env:<NAME> }}}}`"
        ),
    }
}

fn is_name(name: &str) -> bool {
    let of_a_secret = |c: char| matches!(c, '/' | '#' | '@' | '+' | '=' | ',') && is_secret(name);
    !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | ':') || of_a_secret(c))
}

/// The names that a text refers to, in order.
pub(crate) fn references(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Name(name) => Some(name),
        Piece::Literal(_) => None,
    })
}

/// What stands in double braces and is no name: it is left as it is.
pub(crate) fn other_braces(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for piece in pieces(text) {
        let Piece::Literal(mut rest) = piece else { continue };
        while let Some((_, inner)) = rest.split_once("{{") {
            found.extend(inner.split_once("}}").map(|(inner, _)| inner.trim()));
            rest = inner;
        }
    }
    found
}

/// The name, when the text is one reference and nothing else.
pub(crate) fn sole_reference(text: &str) -> Option<&str> {
    match pieces(text.trim()).as_slice() {
        [Piece::Literal(""), Piece::Name(name), Piece::Literal("")] => Some(name),
        _ => None,
    }
}

/// The text with every reference replaced; `encode` prepares each value for the place where it goes.
pub(crate) fn render(text: &str, scope: Scope<'_>, encode: impl Fn(&str) -> String) -> Result<String, Unable> {
    pieces(text)
        .into_iter()
        .map(|piece| match piece {
            Piece::Literal(literal) => Ok(literal.to_owned()),
            Piece::Name(name) => scope.resolve(name).map(|value| encode(&text_of(&value))),
        })
        .collect()
}

/// The references in a text that stand for nothing at all.
pub(crate) fn empty_references<'t>(text: &'t str, scope: Scope<'_>) -> Result<Vec<&'t str>, Unable> {
    let mut empty = Vec::new();
    for name in references(text) {
        if text_of(&scope.resolve(name)?).is_empty() {
            empty.push(name);
        }
    }
    Ok(empty)
}

/// The text with every reference replaced as it is.
pub(crate) fn plain(text: &str, scope: Scope<'_>) -> Result<String, Unable> {
    render(text, scope, str::to_owned)
}

/// The value with every reference in its texts replaced. A text that is one reference and nothing else becomes the value
/// itself, so that a captured number stays a number.
pub(crate) fn render_value(value: &Value, scope: Scope<'_>) -> Result<Value, Unable> {
    Ok(match value {
        Value::String(text) => match sole_reference(text) {
            Some(name) => scope.resolve(name)?,
            None => Value::String(plain(text, scope)?),
        },
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| render_value(item, scope)).collect::<Result<_, _>>()?)
        }
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(key, member)| Ok((key.clone(), render_value(member, scope)?)))
                .collect::<Result<_, Unable>>()?,
        ),
        other => other.clone(),
    })
}

/// Every text within a value, keys aside.
pub(crate) fn each_text<'a>(value: &'a Value, visit: &mut impl FnMut(&'a str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, visit)),
        Value::Object(members) => members.values().for_each(|member| each_text(member, visit)),
        _ => {}
    }
}

/// A value as text: a string as it is, anything else as JSON.
pub(crate) fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with_scope<T>(use_it: impl FnOnce(Scope<'_>) -> T) -> T {
        let mut variables = Variables::from([
            ("deployment.id".to_owned(), Ok("d-1".to_owned())),
            ("revision.git_sha".to_owned(), Err("the description has no `git_sha=`".to_owned())),
        ]);
        variables.insert("env:USER", Given::Sensitive("smoke".into()));
        variables.insert("secret:app/k#key", Given::Unread("throttled".into()));
        let captured = BTreeMap::from([
            ("number".to_owned(), json!(7)),
            ("word".to_owned(), json!("a/b")),
            ("env:USER".to_owned(), json!("somebody else")),
        ]);
        let promised = BTreeMap::from([("number", "one"), ("word", "one"), ("later", "two"), ("env:USER", "two")])
            .into_iter()
            .map(|(name, by)| (name.to_owned(), by.to_owned()))
            .collect();
        use_it(Scope { variables: &variables, captured: &captured, promised: &promised })
    }

    #[test]
    fn references_are_replaced_and_other_braces_are_left_alone() {
        let cases = [
            ("{{ deployment.id }}-{{word}}", "d-1-a/b"),
            ("{\"a\":{{ number }}}", "{\"a\":7}"),
            ("{{\"a\":1}} and {{", "{{\"a\":1}} and {{"),
            ("{{{ number }}}", "{7}"),
            ("ü{{ word }}ü", "üa/bü"),
            ("{{env:USER}}", "smoke"),
            ("{{ a/b }}", "{{ a/b }}"),
        ];
        for (text, expected) in cases {
            assert_eq!(with_scope(|scope| plain(text, scope)).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_reference_alone_keeps_the_values_type() {
        let value = json!({ "id": "{{ number }}", "text": "no {{ number }}", "list": ["{{ word }}"] });
        let expected = json!({ "id": 7, "text": "no 7", "list": ["a/b"] });
        assert_eq!(with_scope(|scope| render_value(&value, scope)).unwrap(), expected);
    }

    #[test]
    fn a_reference_that_cannot_be_resolved_says_why_and_what_to_do() {
        let cases = [
            ("{{ deploymet.id }}", Unable::Wrong("`{{ deploymet.id }}` refers to nothing; did you mean `deployment.id`?".into())),
            (
                "{{ revision.git_sha }}",
                Unable::Wrong("`{{ revision.git_sha }}` has no value: the description has no `git_sha=`".into()),
            ),
            ("{{ later }}", Unable::CannotTell("the value of `{{ later }}` was not captured by the check `two`".into())),
            (
                "{{ secret:app/k#key }}",
                Unable::CannotTell("`{{ secret:app/k#key }}` has no value: throttled".into()),
            ),
            (
                "{{ secret:app }}",
                Unable::Wrong(
                    "`{{ secret:app }}` names no secret; write `{{ secret:<name>#<key> }}` (Secrets Manager) or `{{ env:<NAME> }}`"
                        .into(),
                ),
            ),
            (
                "{{ zzzzzzzzzz }}",
                Unable::Wrong(
                    "`{{ zzzzzzzzzz }}` refers to nothing; known here: deployment.id, env:USER, revision.git_sha, secret:app/k#key, env:USER, later, number, word"
                        .into(),
                ),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(with_scope(|scope| plain(text, scope)).unwrap_err(), expected, "{text}");
        }
    }
}
