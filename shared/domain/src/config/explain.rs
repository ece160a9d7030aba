//! serde's words in the user's: what is wanted at a key, what stands there, and what to write instead. Knows nothing of how reading
//! goes on.

use serde_json::Value;

use super::path::{Path, Step};
use crate::text::{bounded, nearest};

/// How a type asks for a reference to a secret. What stands there instead may be the secret, and is not repeated.
pub(super) const SECRET: &str = "a reference to a secret, `secret:<name>#<key>` or `env:<NAME>`";
/// How much of a value is repeated, in characters.
const SHOWN: usize = 60;

/// An error of serde's, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Where serde was: of an unknown or a missing key, the map.
    pub(super) path: Path,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    UnknownKey {
        key: String,
        valid: Vec<String>,
    },
    MissingKey(String),
    UnknownWord {
        word: String,
        valid: Vec<String>,
    },
    WrongType {
        expected: String,
    },
    /// The type's own words.
    Other(String),
}

fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

impl Fault {
    pub(super) fn new(path: Path, message: &str) -> Self {
        let first = |text: &str| quoted(text).into_iter().next().unwrap_or_default();
        // A key may hold anything, `, expected` too: what serde itself says stands at the end.
        let (said, expected) = message.rsplit_once(", expected ").unwrap_or((message, ""));
        let unknown = |rest: &str| rest.strip_suffix('`').unwrap_or(rest).to_owned();
        let kind = if let Some(rest) = said.strip_prefix("unknown field `").filter(|_| !expected.is_empty()) {
            Kind::UnknownKey { key: unknown(rest), valid: quoted(expected) }
        } else if let Some(rest) = message.strip_prefix("unknown field `") {
            // "there are no fields"
            let key = rest.rsplit_once('`').map_or(rest, |(key, _)| key);
            Kind::UnknownKey { key: key.to_owned(), valid: Vec::new() }
        } else if message.starts_with("missing field `") {
            Kind::MissingKey(first(message))
        } else if let Some(rest) = said.strip_prefix("unknown variant `") {
            Kind::UnknownWord { word: unknown(rest), valid: quoted(expected) }
        } else if said.starts_with("invalid length ") {
            Kind::WrongType { expected: "a map".to_owned() }
        } else if let Some(expected) = message.strip_prefix("expected ") {
            Kind::WrongType { expected: expected.to_owned() }
        } else if ["invalid type: ", "invalid value: "].iter().any(|start| message.starts_with(start)) {
            Kind::WrongType { expected: expected.to_owned() }
        } else {
            Kind::Other(message.to_owned())
        };
        // serde_path_to_error counts an unknown key as the last step.
        let path = match (&kind, path.steps().last()) {
            (Kind::UnknownKey { key, .. }, Some(Step::Key(last))) if key == last => path.parent().unwrap_or_default(),
            _ => path,
        };
        Self { path, kind }
    }

    /// What the fault is about: the key itself where one is unknown or missing.
    pub(super) fn subject(&self) -> Path {
        match &self.kind {
            Kind::UnknownKey { key, .. } | Kind::MissingKey(key) => self.path.key(key),
            _ => self.path.clone(),
        }
    }

    /// The key that does not exist, and those that do.
    pub(super) fn unknown_key(&self) -> Option<(&str, Vec<&str>)> {
        match &self.kind {
            Kind::UnknownKey { key, valid } => Some((key, valid.iter().map(String::as_str).collect())),
            _ => None,
        }
    }

    /// The key that was meant, when one is near enough.
    pub(super) fn meant(&self) -> Option<&str> {
        match &self.kind {
            Kind::UnknownKey { key, valid } => nearest(key, valid.iter().map(String::as_str)),
            _ => None,
        }
    }
}

/// The fault as a person is told it; `value` is what stands at its path.
pub(super) fn explain(fault: &Fault, value: Option<&Value>) -> String {
    match &fault.kind {
        Kind::UnknownKey { key, .. } if key == "<<" => {
            "merge keys (`<<`) mean nothing here; write the keys out, or use an alias for a whole value".to_owned()
        }
        Kind::UnknownKey { key, valid } => {
            let key = bounded(key, SHOWN);
            match fault.meant() {
                Some(near) => format!("unknown key `{key}`; did you mean `{near}`?"),
                None if valid.is_empty() => format!("unknown key `{key}`; no key is allowed here"),
                None => format!("unknown key `{key}`; allowed here: {}", valid.join(", ")),
            }
        }
        Kind::MissingKey(key) => format!("{} lacks `{key}`; add {}", subject(&fault.path), example(key)),
        Kind::UnknownWord { word, valid } => {
            let what = fault.path.last_key().unwrap_or("word");
            let word = bounded(word, SHOWN);
            match nearest(&word, valid.iter().map(String::as_str)) {
                Some(near) => format!("`{word}` is no `{what}`; did you mean `{near}`?"),
                None => format!("`{word}` is no `{what}`; write {}", any_of(valid)),
            }
        }
        Kind::WrongType { expected } => wrong_type(&fault.path, expected, value.unwrap_or(&Value::Null)),
        Kind::Other(message) => message.clone(),
    }
}

fn any_of(words: &[String]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ")
}

/// What the value is called: by its key, as an entry of a list, or as the file.
fn subject(path: &Path) -> String {
    match (path.steps().last(), path.last_key()) {
        (Some(Step::Key(key)), _) => format!("`{}`", bounded(key, SHOWN)),
        (_, Some(key)) => format!("this entry of `{key}`"),
        _ => "the file".to_owned(),
    }
}

/// What a key that must be there looks like.
fn example(key: &str) -> String {
    let example = match key {
        "version" => "version: 1",
        "services" => "services:` and the list of them, `[]` for none",
        "action" => "action: rollback` or `action: alert",
        "routing_key" => "routing_key: secret:<name>#<key>",
        "valid_for" => "valid_for: 14d",
        other => return format!("`{other}: …`"),
    };
    // The one that goes on behind its closing quote.
    if key == "services" { format!("`{example}") } else { format!("`{example}`") }
}

fn wrong_type(path: &Path, expected: &str, value: &Value) -> String {
    let wanted = match expected {
        "a string" | "a borrowed string" => "a text",
        "a sequence" => "a list",
        "a boolean" => "`true` or `false`",
        "string or map" | "map with a single key" | "variant identifier" => "a word",
        "u8" | "u16" | "u32" | "u64" if path.last_key() == Some("rollbacks") => "a whole number from 1 up",
        "u8" | "u16" | "u32" | "u64" => "a whole number from 0 up",
        other if other == "a map" || other.starts_with("struct ") => "a map of keys and values",
        other => other,
    };
    if path.steps().is_empty() && value.is_null() {
        return "the file is empty; the least that it needs is `version: 1` and `services: []`".to_owned();
    }
    let subject = subject(path);
    if value.is_null() {
        return format!("{subject} needs {wanted}, but nothing stands there");
    }
    if wanted == SECRET {
        return format!(
            "{subject} needs {wanted}; if the value itself was written here, take it out and replace it where it is used"
        );
    }
    format!("{subject} needs {wanted}, not {}{}", seen(value), hint(wanted, value))
}

/// What stands there. Of a map the keys alone: its values may be long.
fn seen(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(truth) => format!("`{truth}`"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text `{}`", bounded(text, SHOWN)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(members) if members.is_empty() => "a map without keys".to_owned(),
        Value::Object(members) => {
            let keys: Vec<String> = members.keys().take(5).map(|key| format!("`{}`", bounded(key, SHOWN))).collect();
            format!("a map with {}", keys.join(", "))
        }
    }
}

/// What to write instead, where that can be told from what stands there.
fn hint(wanted: &str, value: &Value) -> String {
    match (wanted, value) {
        ("a text", Value::Number(_) | Value::Bool(_)) => format!("; put it in quotes, `\"{value}\"`"),
        ("a list", Value::Object(_)) => "; begin each entry with `- `".to_owned(),
        ("a list", Value::String(text)) => format!("; write `[{}]`", bounded(text, SHOWN)),
        (wanted, Value::String(text)) if wanted.starts_with("a whole number") && text.parse::<u32>().is_ok() => {
            "; write it without quotes".to_owned()
        }
        (wanted, Value::String(word)) if wanted.contains("`true`") => match word.to_lowercase().as_str() {
            "yes" | "on" | "y" | "true" => "; write `true`".to_owned(),
            "no" | "off" | "n" | "false" => "; write `false`".to_owned(),
            _ => did_you_mean(word, wanted),
        },
        _ => String::new(),
    }
}

fn did_you_mean(word: &str, wanted: &str) -> String {
    let words = quoted(wanted);
    nearest(word, words.iter().map(String::as_str)).map_or(String::new(), |near| format!("; did you mean `{near}`?"))
}
