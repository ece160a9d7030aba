//! Reads one IAM policy statement, refusing what this emulator cannot evaluate.
//!
//! Knows nothing of requests: see the parent module for what a parsed statement means.

use serde_json::{Map, Value};
use thiserror::Error;

use super::{Condition, Operator, Quantifier, Scope, Statement};

/// Stands for the action in a grant that is written as an exception.
pub(super) const NOT_ACTION: &str = "NotAction";
const ACTION: &str = "Action";
const RESOURCE: &str = "Resource";
const NOT_RESOURCE: &str = "NotResource";
const ELEMENTS: [&str; 7] = ["Sid", "Effect", ACTION, NOT_ACTION, RESOURCE, NOT_RESOURCE, "Condition"];

/// Why a policy was refused, and at which statement.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot read policy statement {statement}: {problem}")]
pub struct PolicyError {
    /// Position of the statement, from 0.
    pub statement: usize,
    /// What was found there.
    pub problem: PolicyProblem,
}

/// What can be wrong with one policy statement.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyProblem {
    /// The statement is not an object.
    #[error("expected an object, saw `{seen}`")]
    NotAnObject {
        /// The value as JSON.
        seen: String,
    },
    /// An element that identity policies do not have.
    #[error("unknown element `{element}`; known are {}", ELEMENTS.map(|name| format!("`{name}`")).join(", "))]
    UnknownElement {
        /// The name as written.
        element: String,
    },
    /// `Effect` is missing or something else than the two words.
    #[error("`Effect` must be `Allow` or `Deny`, saw `{seen}`")]
    Effect {
        /// The value as JSON.
        seen: String,
    },
    /// Neither or both of an element and its negation.
    #[error("needs exactly one of `{element}` and `Not{element}`")]
    OneOf {
        /// `Action` or `Resource`.
        element: &'static str,
    },
    /// A value that is neither a text nor a list of texts.
    #[error("`{element}` must be a text or a list of at least one text, saw `{seen}`")]
    NotTexts {
        /// Where it stands.
        element: String,
        /// The value as JSON.
        seen: String,
    },
    /// An action without a service.
    #[error("`{action}` is no action; write `service:Action` or `*`")]
    Action {
        /// The text as written.
        action: String,
    },
    /// A resource that is not an ARN.
    #[error("`{resource}` is no resource; write an ARN (`arn:...`) or `*`")]
    Resource {
        /// The text as written.
        resource: String,
    },
    /// A variable such as `${aws:username}`.
    #[error("policy variables are not supported, saw `{text}`; write the value out or use a wildcard")]
    Variable {
        /// The text as written.
        text: String,
    },
    /// A condition operator that is not implemented.
    #[error(
        "condition operator `{operator}` is not supported; supported are `StringEquals`, `StringNotEquals`, \
         `StringLike` (each also with `ForAnyValue:` or `ForAllValues:`), `Bool`, `ArnEquals`, `ArnLike`"
    )]
    ConditionOperator {
        /// The name as written.
        operator: String,
    },
    /// A condition block of another shape than operator, key, values.
    #[error("`{at}` must be an object, saw `{seen}`")]
    ConditionShape {
        /// Where it stands.
        at: String,
        /// The value as JSON.
        seen: String,
    },
}

/// Reads the statement at position `index`.
pub(super) fn statement(index: usize, value: &Value) -> Result<Statement, PolicyError> {
    read(value).map_err(|problem| PolicyError { statement: index, problem })
}

fn read(value: &Value) -> Result<Statement, PolicyProblem> {
    let Value::Object(elements) = value else { return Err(PolicyProblem::NotAnObject { seen: value.to_string() }) };
    if let Some(element) = elements.keys().find(|name| !ELEMENTS.contains(&name.as_str())) {
        return Err(PolicyProblem::UnknownElement { element: element.clone() });
    }
    let allows = match elements.get("Effect").and_then(Value::as_str) {
        Some("Allow") => true,
        Some("Deny") => false,
        _ => {
            let seen = elements.get("Effect").map_or_else(|| "nothing".to_owned(), Value::to_string);
            return Err(PolicyProblem::Effect { seen });
        }
    };
    let actions = scope(elements, ACTION, NOT_ACTION, |action| {
        if action == "*"
            || action.split_once(':').is_some_and(|(service, name)| !service.is_empty() && !name.is_empty())
        {
            Ok(())
        } else {
            Err(PolicyProblem::Action { action: action.to_owned() })
        }
    })?;
    let resources = scope(elements, RESOURCE, NOT_RESOURCE, |resource| {
        if resource == "*" || resource.starts_with("arn:") {
            Ok(())
        } else {
            Err(PolicyProblem::Resource { resource: resource.to_owned() })
        }
    })?;
    let sid = match elements.get("Sid") {
        None => None,
        Some(Value::String(sid)) => Some(sid.clone()),
        Some(other) => return Err(PolicyProblem::NotTexts { element: "Sid".to_owned(), seen: other.to_string() }),
    };
    Ok(Statement { sid, allows, actions, resources, conditions: conditions(elements.get("Condition"))? })
}

fn scope(
    elements: &Map<String, Value>,
    element: &'static str,
    negated: &'static str,
    check: impl Fn(&str) -> Result<(), PolicyProblem>,
) -> Result<Scope, PolicyProblem> {
    let scope = match (elements.get(element), elements.get(negated)) {
        (Some(value), None) => Scope::Only(texts(element, value)?),
        (None, Some(value)) => Scope::AllBut(texts(negated, value)?),
        _ => return Err(PolicyProblem::OneOf { element }),
    };
    let (Scope::Only(texts) | Scope::AllBut(texts)) = &scope;
    texts.iter().try_for_each(|text| check(text).and_then(|()| no_variable(text)))?;
    Ok(scope)
}

fn texts(element: &str, value: &Value) -> Result<Vec<String>, PolicyProblem> {
    let refuse = || PolicyProblem::NotTexts { element: element.to_owned(), seen: value.to_string() };
    match value {
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Array(items) if !items.is_empty() => {
            items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(refuse)).collect()
        }
        _ => Err(refuse()),
    }
}

fn no_variable(text: &str) -> Result<(), PolicyProblem> {
    if text.contains("${") { Err(PolicyProblem::Variable { text: text.to_owned() }) } else { Ok(()) }
}

fn conditions(block: Option<&Value>) -> Result<Vec<Condition>, PolicyProblem> {
    let Some(block) = block else { return Ok(Vec::new()) };
    let mut conditions = Vec::new();
    for (name, tests) in object("Condition", block)? {
        let (quantifier, operator) = operator(name)?;
        for (key, values) in object(name, tests)? {
            let values = condition_values(key, values)?;
            conditions.push(Condition { quantifier, operator, key: key.clone(), values });
        }
    }
    Ok(conditions)
}

fn object<'a>(at: &str, value: &'a Value) -> Result<&'a Map<String, Value>, PolicyProblem> {
    value.as_object().ok_or_else(|| PolicyProblem::ConditionShape { at: at.to_owned(), seen: value.to_string() })
}

/// Condition values may also be written as JSON booleans or numbers, as in `{"Bool": {"aws:SecureTransport": true}}`.
fn condition_values(key: &str, value: &Value) -> Result<Vec<String>, PolicyProblem> {
    let texts = match value {
        Value::Bool(_) | Value::Number(_) => vec![value.to_string()],
        _ => texts(key, value)?,
    };
    texts.iter().try_for_each(|text| no_variable(text))?;
    Ok(texts)
}

fn operator(name: &str) -> Result<(Quantifier, Operator), PolicyProblem> {
    let (quantifier, plain) = match name.split_once(':') {
        None => (Quantifier::One, name),
        Some(("ForAnyValue", plain)) => (Quantifier::Any, plain),
        Some(("ForAllValues", plain)) => (Quantifier::All, plain),
        Some(_) => return Err(PolicyProblem::ConditionOperator { operator: name.to_owned() }),
    };
    let operator = match plain {
        "StringEquals" => Operator::StringEquals,
        "StringNotEquals" => Operator::StringNotEquals,
        "StringLike" => Operator::StringLike,
        "Bool" if quantifier == Quantifier::One => Operator::Bool,
        "ArnEquals" | "ArnLike" if quantifier == Quantifier::One => Operator::ArnLike,
        _ => return Err(PolicyProblem::ConditionOperator { operator: name.to_owned() }),
    };
    Ok((quantifier, operator))
}
