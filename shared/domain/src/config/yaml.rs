//! YAML text as a JSON value that remembers on which line and in which column each key and each value stands, so that an error about
//! a value can point at it. Knows nothing of what the document means.

use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use serde_json::{Map, Number, Value};

/// Where something stands: line and column, both from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

/// A document and where everything in it stands.
#[derive(Clone, Debug)]
pub struct Document {
    /// The document as JSON.
    pub value: Value,
    /// Path (`services[0].checks[1].name`) to the place of the value, or of its key where it has one.
    pub places: BTreeMap<String, Place>,
}

impl Document {
    /// The place of a path as `serde_path_to_error` writes it, or of the nearest thing around it.
    pub fn nearest_place(&self, path: &str) -> Place {
        let mut path = if path == "." { "" } else { path };
        loop {
            if let Some(place) = self.places.get(path) {
                return *place;
            }
            match path.rfind(['.', '[']) {
                Some(at) => path = path.get(..at).unwrap_or_default(),
                None => return self.places.get("").copied().unwrap_or_default(),
            }
        }
    }
}

/// Text that is not YAML, or YAML that has no JSON form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {}, column {}: {message}", place.line, place.column)]
pub struct YamlError {
    /// Where.
    pub place: Place,
    /// What.
    pub message: String,
}

/// Reads one YAML document (JSON is YAML too).
pub fn parse(text: &str) -> Result<Document, YamlError> {
    let documents = MarkedYaml::load_from_str(text).map_err(|error| YamlError {
        place: Place { line: error.marker().line(), column: error.marker().col() + 1 },
        message: error.info().to_owned(),
    })?;
    let mut places = BTreeMap::new();
    let value = match documents.first() {
        Some(root) => convert(root, "", &mut places)?,
        None => Value::Null,
    };
    Ok(Document { value, places })
}

fn place_of(node: &MarkedYaml<'_>) -> Place {
    Place { line: node.span.start.line(), column: node.span.start.col() + 1 }
}

/// The path of `key` below `parent`, as `serde_path_to_error` writes it.
pub fn below(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

fn convert(node: &MarkedYaml<'_>, path: &str, places: &mut BTreeMap<String, Place>) -> Result<Value, YamlError> {
    places.entry(path.to_owned()).or_insert_with(|| place_of(node));
    let wrong = |message: String| YamlError { place: place_of(node), message };
    Ok(match &node.data {
        YamlData::Value(scalar) => from_scalar(scalar),
        YamlData::Sequence(items) => {
            let mut list = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                list.push(convert(item, &format!("{path}[{index}]"), places)?);
            }
            Value::Array(list)
        }
        YamlData::Mapping(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let name = match &key.data {
                    YamlData::Value(Scalar::String(name)) => name.to_string(),
                    YamlData::Value(scalar) => match from_scalar(scalar) {
                        Value::Null => "null".to_owned(),
                        other => other.to_string(),
                    },
                    _ => {
                        return Err(YamlError {
                            place: place_of(key),
                            message: "a key must be a plain word".to_owned(),
                        });
                    }
                };
                let inner = below(path, &name);
                places.insert(inner.clone(), place_of(key));
                let converted = convert(value, &inner, places)?;
                if map.insert(name.clone(), converted).is_some() {
                    return Err(YamlError {
                        place: place_of(key),
                        message: format!("the key `{name}` stands here twice"),
                    });
                }
            }
            Value::Object(map)
        }
        YamlData::Tagged(tag, inner) => {
            return Err(wrong(format!("the tag `{tag}` on `{}` means nothing here", describe(inner))));
        }
        YamlData::Representation(text, ..) => Value::String(text.to_string()),
        YamlData::Alias(_) | YamlData::BadValue => {
            return Err(wrong("this is not a value that YAML can express".to_owned()));
        }
    })
}

fn describe(node: &MarkedYaml<'_>) -> String {
    match &node.data {
        YamlData::Value(scalar) => from_scalar(scalar).to_string(),
        YamlData::Sequence(_) => "a list".to_owned(),
        YamlData::Mapping(_) => "a map".to_owned(),
        _ => "a value".to_owned(),
    }
}

fn from_scalar(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(truth) => Value::Bool(*truth),
        Scalar::Integer(number) => Value::Number((*number).into()),
        Scalar::FloatingPoint(number) => {
            Number::from_f64(number.into_inner()).map_or_else(|| Value::String(number.to_string()), Value::Number)
        }
        Scalar::String(text) => Value::String(text.to_string()),
    }
}
