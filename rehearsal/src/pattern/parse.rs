//! Reads the JSON of an event pattern, refusing whatever EventBridge would refuse or this emulator cannot evaluate.
//!
//! Knows nothing of events: see the parent module for what a parsed pattern means.

use std::net::IpAddr;

use serde_json::{Map, Value};
use thiserror::Error;

use super::{Clause, Comparison, Fields, NUMERIC_LIMIT, Test, fold};

const PREFIX: &str = "prefix";
const SUFFIX: &str = "suffix";
const EQUALS_IGNORE_CASE: &str = "equals-ignore-case";
const WILDCARD: &str = "wildcard";
const ANYTHING_BUT: &str = "anything-but";
const NUMERIC: &str = "numeric";
const EXISTS: &str = "exists";
const CIDR: &str = "cidr";
const OR: &str = "$or";
const OPERATORS: [&str; 8] = [PREFIX, SUFFIX, EQUALS_IGNORE_CASE, WILDCARD, ANYTHING_BUT, NUMERIC, EXISTS, CIDR];

/// Why an event pattern was refused, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot read the event pattern at `{path}`: {problem}")]
pub struct PatternError {
    /// Field names from the top of the pattern, joined by dots; `$` is the pattern itself.
    pub path: String,
    /// What was found there.
    pub problem: PatternProblem,
}

/// What can be wrong with one place of an event pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternProblem {
    /// The pattern, or an alternative of `$or`, is not an object.
    #[error("expected an object of fields, saw {seen}")]
    NotAnObject {
        /// The kind of JSON value that stands there.
        seen: &'static str,
    },
    /// An object without fields.
    #[error("an object needs at least one field; leave the field out to let every value through")]
    EmptyObject,
    /// A field whose value is neither a list nor an object.
    #[error("expected a list of values or an object, saw {seen}; write `[{value}]`")]
    NotAList {
        /// The kind of JSON value that stands there.
        seen: &'static str,
        /// The value as JSON.
        value: String,
    },
    /// A list without values.
    #[error("an empty list matches nothing; name at least one value")]
    EmptyList,
    /// A list inside the list of values.
    #[error("a list may hold values and operators, not another list")]
    NestedList,
    /// An operator that EventBridge does not have.
    #[error("unknown operator `{operator}`; known are {}", OPERATORS.map(|name| format!("`{name}`")).join(", "))]
    UnknownOperator {
        /// The name as written.
        operator: String,
    },
    /// An object in a list of values that does not hold exactly one operator.
    #[error("an object in a list holds exactly one operator, saw {seen:?}")]
    NotOneOperator {
        /// The keys that the object has.
        seen: Vec<String>,
    },
    /// An operator with a value it cannot work on.
    #[error("operator `{operator}` needs {needs}, saw `{seen}`")]
    Operand {
        /// The operator.
        operator: &'static str,
        /// What it takes.
        needs: &'static str,
        /// The value as JSON.
        seen: String,
    },
    /// A field inside `$or` that is named like an operator.
    #[error("`{field}` is an operator and cannot be a field name inside `$or`")]
    ReservedName {
        /// The name as written.
        field: String,
    },
}

/// Reads a whole pattern.
pub(super) fn pattern(value: &Value) -> Result<Fields, PatternError> {
    fields(value, &mut Vec::new(), false)
}

fn fields(value: &Value, path: &mut Vec<String>, inside_or: bool) -> Result<Fields, PatternError> {
    let Value::Object(entries) = value else { return fail(path, PatternProblem::NotAnObject { seen: kind(value) }) };
    if entries.is_empty() {
        return fail(path, PatternProblem::EmptyObject);
    }
    entries.iter().map(|(name, value)| clause(name, value, path, inside_or)).collect()
}

fn clause(name: &str, value: &Value, path: &mut Vec<String>, inside_or: bool) -> Result<Clause, PatternError> {
    if name == OR {
        return either(value, path);
    }
    path.push(name.to_owned());
    // As AWS does: `{"$or": [{"prefix": ..}, ..]}` is a misplaced operator far more often than a field of that name.
    if inside_or && OPERATORS.contains(&name) {
        return fail(path, PatternProblem::ReservedName { field: name.to_owned() });
    }
    let clause = match value {
        Value::Object(_) => Clause::Object { name: name.to_owned(), fields: fields(value, path, inside_or)? },
        Value::Array(items) if items.is_empty() => return fail(path, PatternProblem::EmptyList),
        Value::Array(items) => Clause::Leaf {
            name: name.to_owned(),
            path: path.clone(),
            tests: items.iter().map(|item| test(item, path)).collect::<Result<_, _>>()?,
        },
        scalar => return fail(path, PatternProblem::NotAList { seen: kind(scalar), value: scalar.to_string() }),
    };
    path.pop();
    Ok(clause)
}

fn either(value: &Value, path: &mut Vec<String>) -> Result<Clause, PatternError> {
    path.push(OR.to_owned());
    let alternatives = match value {
        Value::Array(items) if items.len() >= 2 => items,
        other => return operand(path, OR, "a list of at least two objects", other),
    };
    // `$or` is no field of the event, so it does not appear on the path that `exists` looks up; errors inside an
    // alternative name the field, which is unambiguous enough to find it.
    path.pop();
    let alternatives: Result<Vec<Fields>, _> = alternatives.iter().map(|item| fields(item, path, true)).collect();
    Ok(Clause::Either(alternatives?))
}

fn test(value: &Value, path: &[String]) -> Result<Test, PatternError> {
    match value {
        Value::Object(entries) => {
            let (operator, argument) = only_entry(entries, path)?;
            match operator {
                ANYTHING_BUT => anything_but(argument, path),
                NUMERIC => numeric(argument, path),
                EXISTS => match argument {
                    Value::Bool(wanted) => Ok(Test::Exists(*wanted)),
                    other => operand(path, EXISTS, "`true` or `false`", other),
                },
                CIDR => cidr(argument, path),
                _ => text_test(operator, argument, path),
            }
        }
        Value::Array(_) => fail(path, PatternProblem::NestedList),
        scalar => Ok(Test::Equals(scalar.clone())),
    }
}

/// The operators that compare texts, which are also the ones that `anything-but` takes.
fn text_test(operator: &str, argument: &Value, path: &[String]) -> Result<Test, PatternError> {
    match operator {
        PREFIX => affix(PREFIX, argument, path).map(|(text, ignore_case)| Test::Prefix { text, ignore_case }),
        SUFFIX => affix(SUFFIX, argument, path).map(|(text, ignore_case)| Test::Suffix { text, ignore_case }),
        EQUALS_IGNORE_CASE => text(EQUALS_IGNORE_CASE, argument, path).map(|text| Test::EqualsIgnoreCase(fold(text))),
        WILDCARD => wildcard(argument, path),
        unknown => fail(path, PatternProblem::UnknownOperator { operator: unknown.to_owned() }),
    }
}

/// The text of `prefix` or `suffix`, folded already when case does not count.
fn affix(operator: &'static str, argument: &Value, path: &[String]) -> Result<(String, bool), PatternError> {
    if let Value::Object(entries) = argument {
        let (inner, argument) = only_entry(entries, path)?;
        return if inner == EQUALS_IGNORE_CASE {
            text(operator, argument, path).map(|text| (fold(text), true))
        } else {
            fail(path, PatternProblem::UnknownOperator { operator: format!("{operator} {inner}") })
        };
    }
    text(operator, argument, path).map(|text| (text.to_owned(), false))
}

fn anything_but(argument: &Value, path: &[String]) -> Result<Test, PatternError> {
    const NEEDS: &str =
        "a text, a number, a list of either, or one of `prefix`, `suffix`, `equals-ignore-case`, `wildcard`";
    let forbidden = match argument {
        Value::String(_) | Value::Number(_) => vec![Test::Equals(argument.clone())],
        Value::Array(items)
            if !items.is_empty() && (items.iter().all(Value::is_string) || items.iter().all(Value::is_number)) =>
        {
            items.iter().cloned().map(Test::Equals).collect()
        }
        Value::Object(entries) => {
            let (operator, argument) = only_entry(entries, path)?;
            let each = match argument {
                Value::Array(items) if items.is_empty() => return fail(path, PatternProblem::EmptyList),
                Value::Array(items) => items.iter().collect(),
                one => vec![one],
            };
            each.into_iter().map(|item| forbidden_text(operator, item, path)).collect::<Result<_, _>>()?
        }
        other => return operand(path, ANYTHING_BUT, NEEDS, other),
    };
    Ok(Test::AnythingBut(forbidden))
}

fn forbidden_text(operator: &str, argument: &Value, path: &[String]) -> Result<Test, PatternError> {
    match text_test(operator, argument, path)? {
        // Every text starts and ends with nothing, so such a rule could never fire.
        Test::Prefix { text, .. } | Test::Suffix { text, .. } if text.is_empty() => {
            operand(path, ANYTHING_BUT, "a text that is not empty", argument)
        }
        test => Ok(test),
    }
}

fn numeric(argument: &Value, path: &[String]) -> Result<Test, PatternError> {
    const NEEDS: &str = "`[\"=\", 1]`, one comparison such as `[\">\", 0]`, or a range such as `[\">\", 0, \"<=\", \
                         5]`, with numbers from -5e9 to 5e9";
    let refuse = || operand(path, NUMERIC, NEEDS, argument);
    let terms = match argument {
        Value::Array(terms) if !terms.is_empty() && terms.len() % 2 == 0 => terms,
        _ => return refuse(),
    };
    let mut bounds = Vec::new();
    for term in terms.chunks(2) {
        let [Value::String(symbol), Value::Number(number)] = term else { return refuse() };
        let (Some(comparison), Some(number)) = (comparison(symbol), number.as_f64()) else { return refuse() };
        if number.abs() > NUMERIC_LIMIT {
            return refuse();
        }
        bounds.push((comparison, number));
    }
    let sound = match bounds.as_slice() {
        [_] => true,
        [(Comparison::Above | Comparison::AtLeast, low), (Comparison::Below | Comparison::AtMost, high)] => low < high,
        _ => false,
    };
    if sound { Ok(Test::Numeric(bounds)) } else { refuse() }
}

fn comparison(symbol: &str) -> Option<Comparison> {
    Some(match symbol {
        "=" => Comparison::Equal,
        ">" => Comparison::Above,
        ">=" => Comparison::AtLeast,
        "<" => Comparison::Below,
        "<=" => Comparison::AtMost,
        _ => return None,
    })
}

fn cidr(argument: &Value, path: &[String]) -> Result<Test, PatternError> {
    let parsed = argument.as_str().and_then(|text| text.split_once('/')).and_then(|(network, bits)| {
        let network: IpAddr = network.parse().ok()?;
        let bits: u8 = bits.parse().ok()?;
        let most = if network.is_ipv4() { 32 } else { 128 };
        (bits <= most).then_some(Test::Cidr { network, bits })
    });
    parsed.map_or_else(|| operand(path, CIDR, "an address range such as `10.0.0.0/24`", argument), Ok)
}

fn wildcard(argument: &Value, path: &[String]) -> Result<Test, PatternError> {
    const NEEDS: &str = "a text without `**`, where a backslash stands only before `*` or another backslash";
    let mut pieces = vec![String::new()];
    let mut characters = text(WILDCARD, argument, path)?.chars().peekable();
    while let Some(character) = characters.next() {
        let literal = match character {
            '*' if characters.peek() == Some(&'*') => return operand(path, WILDCARD, NEEDS, argument),
            '*' => {
                pieces.push(String::new());
                continue;
            }
            '\\' => match characters.next() {
                Some(escaped @ ('*' | '\\')) => escaped,
                _ => return operand(path, WILDCARD, NEEDS, argument),
            },
            other => other,
        };
        if let Some(piece) = pieces.last_mut() {
            piece.push(literal);
        }
    }
    Ok(Test::Wildcard(pieces))
}

fn only_entry<'a>(entries: &'a Map<String, Value>, path: &[String]) -> Result<(&'a str, &'a Value), PatternError> {
    let mut all = entries.iter();
    match (all.next(), all.next()) {
        (Some((name, value)), None) => Ok((name, value)),
        _ => fail(path, PatternProblem::NotOneOperator { seen: entries.keys().cloned().collect() }),
    }
}

fn text<'a>(operator: &'static str, argument: &'a Value, path: &[String]) -> Result<&'a str, PatternError> {
    argument.as_str().map_or_else(|| operand(path, operator, "a text", argument), Ok)
}

fn operand<T>(path: &[String], operator: &'static str, needs: &'static str, seen: &Value) -> Result<T, PatternError> {
    fail(path, PatternProblem::Operand { operator, needs, seen: seen.to_string() })
}

fn fail<T>(path: &[String], problem: PatternProblem) -> Result<T, PatternError> {
    let path = if path.is_empty() { "$".to_owned() } else { path.join(".") };
    Err(PatternError { path, problem })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
