//! YAML as CloudFormation writes it: a tree that remembers its lines, with the short tags already in their long form.
//!
//! Knows nothing of what the functions behind the tags mean, nor of resources.

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use serde_json::{Map, Number, Value};

use super::error::TemplateError;

/// A value and the line it starts on, from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) data: Data,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Data {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map. The key has its own line, because the value often starts on the next one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) value: Node,
}

/// The short tags that are not simply `Fn::` and their name.
const PLAIN_TAGS: [&str; 2] = ["Ref", "Condition"];

impl Node {
    /// Reads a template, which is one YAML document.
    pub(super) fn parse(text: &str) -> Result<Self, TemplateError> {
        let documents =
            MarkedYaml::load_from_str(text).map_err(|error| refuse(error.marker().line(), error.info().to_owned()))?;
        match documents.as_slice() {
            [document] => convert(document),
            _ => Err(refuse(1, format!("expected one YAML document, saw {}", documents.len()))),
        }
    }

    pub(super) fn text(line: usize, text: impl Into<String>) -> Self {
        Self { line, data: Data::Text(text.into()) }
    }

    pub(super) fn entries(&self) -> Option<&[Entry]> {
        if let Data::Map(entries) = &self.data { Some(entries) } else { None }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| entry.key == key)
    }

    /// A scalar in the form CloudFormation compares and joins it in, where everything is text.
    pub(super) fn scalar(&self) -> Option<String> {
        match &self.data {
            Data::Bool(value) => Some(value.to_string()),
            Data::Number(value) => Some(value.to_string()),
            Data::Text(value) => Some(value.clone()),
            Data::Null | Data::List(_) | Data::Map(_) => None,
        }
    }

    /// Name and argument, if this is a map with the one key of an intrinsic function.
    pub(super) fn intrinsic(&self) -> Option<&Entry> {
        match self.entries()? {
            [entry] if entry.key == "Ref" || entry.key.starts_with("Fn::") => Some(entry),
            _ => None,
        }
    }

    pub(super) fn json(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(value) => Value::Bool(*value),
            Data::Number(value) => Value::Number(value.clone()),
            Data::Text(value) => Value::String(value.clone()),
            Data::List(items) => items.iter().map(Self::json).collect(),
            Data::Map(entries) => Value::Object(
                entries.iter().map(|entry| (entry.key.clone(), entry.value.json())).collect::<Map<_, _>>(),
            ),
        }
    }
}

fn convert(node: &MarkedYaml<'_>) -> Result<Node, TemplateError> {
    let line = node.span.start.line();
    let data = match &node.data {
        YamlData::Value(scalar) => convert_scalar(scalar, line)?,
        YamlData::Sequence(items) => Data::List(items.iter().map(convert).collect::<Result<_, _>>()?),
        YamlData::Mapping(entries) => Data::Map(
            entries
                .iter()
                .map(|(key, value)| {
                    let line = key.span.start.line();
                    Ok(Entry { key: convert_key(key)?, line, value: convert(value)? })
                })
                .collect::<Result<_, _>>()?,
        ),
        YamlData::Tagged(tag, inner) if tag.handle == "!" => return long_form(&tag.suffix, convert(inner)?, line),
        YamlData::Tagged(tag, _) => return Err(refuse(line, format!("unknown tag `{}{}`", tag.handle, tag.suffix))),
        YamlData::Representation(..) | YamlData::Alias(_) | YamlData::BadValue => {
            return Err(refuse(line, "a value that cannot be read as its tag says".to_owned()));
        }
    };
    Ok(Node { line, data })
}

fn convert_scalar(scalar: &Scalar<'_>, line: usize) -> Result<Data, TemplateError> {
    Ok(match scalar {
        Scalar::Null => Data::Null,
        Scalar::Boolean(value) => Data::Bool(*value),
        Scalar::Integer(value) => Data::Number((*value).into()),
        Scalar::FloatingPoint(value) => match Number::from_f64(value.into_inner()) {
            Some(number) => Data::Number(number),
            None => return Err(refuse(line, format!("`{value}` is not a number that JSON can express"))),
        },
        Scalar::String(value) => Data::Text(value.to_string()),
    })
}

fn convert_key(key: &MarkedYaml<'_>) -> Result<String, TemplateError> {
    let line = key.span.start.line();
    match convert(key)?.scalar() {
        Some(name) if name == "<<" => Err(refuse(
            line,
            "merge keys (`<<`) are not taken by every tool that reads \
             templates; write the values out"
                .to_owned(),
        )),
        Some(name) => Ok(name),
        None => Err(refuse(line, "a key must be a text".to_owned())),
    }
}

/// `!GetAtt A.B` becomes `{"Fn::GetAtt": ["A", "B"]}`, `!Sub x` becomes `{"Fn::Sub": "x"}`, and so on. Whether the
/// function exists is not decided here.
fn long_form(tag: &str, argument: Node, line: usize) -> Result<Node, TemplateError> {
    if tag.is_empty() {
        return Ok(argument);
    }
    let key = if PLAIN_TAGS.contains(&tag) { tag.to_owned() } else { format!("Fn::{tag}") };
    let value = match (tag, &argument.data) {
        ("GetAtt", Data::Text(text)) => {
            let Some((name, attribute)) = text.split_once('.') else {
                return Err(refuse(
                    line,
                    format!("`!GetAtt {text}` names no attribute; write `!GetAtt Resource.Attribute`"),
                ));
            };
            Node { line, data: Data::List(vec![Node::text(line, name), Node::text(line, attribute)]) }
        }
        _ => argument,
    };
    Ok(Node { line, data: Data::Map(vec![Entry { key, line, value }]) })
}

fn refuse(line: usize, reason: String) -> TemplateError {
    TemplateError::Yaml { line, reason }
}
