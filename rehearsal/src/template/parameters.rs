//! The values of the template's parameters: defaults, overrides, and the constraints that CloudFormation checks.
//!
//! Knows nothing of where parameters are used.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::Value;

use super::error::{Problem, TemplateError};
use super::place::Place;
use super::yaml::{Data, Entry, Node};

const KEYS: [&str; 11] = [
    "Type",
    "Default",
    "AllowedValues",
    "AllowedPattern",
    "ConstraintDescription",
    "Description",
    "MinLength",
    "MaxLength",
    "MinValue",
    "MaxValue",
    "NoEcho",
];

/// Everything is text in CloudFormation, also a `Number`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Parameter {
    Text(String),
    List(Vec<String>),
}

impl Parameter {
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.clone()),
            Self::List(items) => items.iter().cloned().map(Value::String).collect(),
        }
    }

    pub(super) fn node(&self, line: usize) -> Node {
        match self {
            Self::Text(text) => Node::text(line, text),
            Self::List(items) => {
                Node { line, data: Data::List(items.iter().map(|item| Node::text(line, item)).collect()) }
            }
        }
    }

    fn each(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => vec![text],
            Self::List(items) => items.iter().map(String::as_str).collect(),
        }
    }
}

/// The value of every declared parameter.
pub(super) fn read(
    section: Option<&Entry>,
    overrides: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Parameter>, TemplateError> {
    let declared = match section {
        Some(entry) => Place::new(&entry.value, entry.line, "Parameters").entries()?,
        None => Vec::new(),
    };
    if let Some(name) = overrides.keys().find(|name| !declared.iter().any(|(known, _)| known == name)) {
        let line = section.map_or(1, |entry| entry.line);
        let known = declared.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let problem = Problem::Unknown { what: "parameter", name: name.clone(), known };
        return Err(TemplateError::at(line, "Parameters", problem));
    }
    declared
        .into_iter()
        .map(|(name, place)| {
            let value = value(&place, overrides.get(name).map(String::as_str))?;
            Ok((name.to_owned(), value))
        })
        .collect()
}

fn value(place: &Place<'_>, given: Option<&str>) -> Result<Parameter, TemplateError> {
    place.only("key", &KEYS)?;
    let kind = place.need("Type")?;
    let name = kind.text()?;
    if name.starts_with("AWS::SSM::Parameter") {
        return kind.unsupported(
            format!("a parameter of type `{name}`"),
            "use type `String` and read the parameter at run time, or pass its value",
        );
    }
    let text = match (given, place.get("Default")?) {
        (Some(text), _) => text.to_owned(),
        (None, Some(default)) => default.text()?,
        (None, None) => {
            let needs = "a value, because the parameter has no `Default`".to_owned();
            return place.fail(Problem::Kind { needs, seen: "nothing".to_owned() });
        }
    };
    let value = if name == "CommaDelimitedList" || name.starts_with("List<") {
        Parameter::List(text.split(',').map(|item| item.trim().to_owned()).collect())
    } else {
        Parameter::Text(text)
    };
    constraints(place, &name, &value)?;
    Ok(value)
}

fn constraints(place: &Place<'_>, kind: &str, value: &Parameter) -> Result<(), TemplateError> {
    let refuse = |needs: String| -> Result<(), TemplateError> {
        place.fail(Problem::Kind { needs, seen: value.json().to_string() })
    };
    if let Some(allowed) = place.get("AllowedValues")? {
        let allowed: Vec<String> = allowed.items()?.iter().map(Place::text).collect::<Result<_, _>>()?;
        if !value.each().iter().all(|text| allowed.iter().any(|known| known == text)) {
            return refuse(format!("one of {allowed:?}"));
        }
    }
    if let Some(pattern) = place.get("AllowedPattern")? {
        let source = pattern.text()?;
        let Ok(regex) = Regex::new(&format!("^(?:{source})$")) else {
            return pattern.unsupported(format!("the pattern `{source}`"), "use a simpler regular expression");
        };
        if !value.each().iter().all(|text| regex.is_match(text)) {
            return refuse(format!("a text that matches `{source}`"));
        }
    }
    let number = |text: &str| text.parse::<f64>().ok();
    if kind.contains("Number") && !value.each().iter().all(|text| number(text).is_some()) {
        return refuse("a number".to_owned());
    }
    for key in ["MinValue", "MaxValue", "MinLength", "MaxLength"] {
        let Some(limit) = place.get(key)? else { continue };
        let Some(bound) = number(&limit.text()?) else { return limit.wrong("a number") };
        let measure =
            |text: &str| if key.ends_with("Length") { Some(text.chars().count() as f64) } else { number(text) };
        let holds = |seen: f64| if key.starts_with("Min") { seen >= bound } else { seen <= bound };
        if !value.each().iter().all(|text| measure(text).is_some_and(holds)) {
            return refuse(format!("`{key}` {bound}"));
        }
    }
    Ok(())
}
