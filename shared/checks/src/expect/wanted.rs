//! What the configuration wants of a value, with its references replaced. A value from outside is only ever compared with: it can be neither
//! a matcher nor a regular expression, and where it is empty, nothing is found in its name. Pure.

use domain::text::bounded;
use serde_json::{Map, Value};

use crate::matcher::{self, Matcher};
use crate::template::{Scope, Unable, empty_references, plain, references, render, render_value};

/// The matchers of a value or a matcher as it is written.
pub(super) fn matchers(wanted: &Value, scope: Scope<'_>) -> Result<Vec<Matcher>, Unable> {
    matcher::parse(&filled(wanted, scope)?).map_err(Unable::Wrong)
}

fn filled(wanted: &Value, scope: Scope<'_>) -> Result<Value, Unable> {
    let Value::Object(words) = wanted else {
        // A map that a reference stands for is a literal one.
        let value = render_value(wanted, scope)?;
        return Ok(if value.is_object() { Value::Object(Map::from_iter([("eq".to_owned(), value)])) } else { value });
    };
    let words = words.iter().map(|(word, operand)| {
        let operand = match (word.as_str(), operand) {
            ("length", operand) => filled(operand, scope)?,
            ("matches", Value::String(text)) => Value::String(expression(text, scope)?),
            ("contains", Value::String(text)) => {
                not_empty("contains", text, scope)?;
                render_value(operand, scope)?
            }
            (_, operand) => render_value(operand, scope)?,
        };
        Ok((word.clone(), operand))
    });
    words.collect::<Result<Map<_, _>, Unable>>().map(Value::Object)
}

/// A text that is to be found.
pub(super) fn part(text: &str, scope: Scope<'_>) -> Result<String, Unable> {
    not_empty("contains", text, scope)?;
    plain(text, scope)
}

/// A regular expression. What a reference stands for is taken literally.
pub(super) fn expression(text: &str, scope: Scope<'_>) -> Result<String, Unable> {
    not_empty("matches", text, scope)?;
    render(text, scope, regex_lite::escape)
}

/// Every text contains what is empty, so that looking for it would hold of any answer.
fn not_empty(word: &str, text: &str, scope: Scope<'_>) -> Result<(), Unable> {
    if text.is_empty() {
        return Err(Unable::Wrong(matcher::empty(word)));
    }
    let count = references(text).count();
    if count == 0 || empty_references(text, scope)?.len() < count {
        return Ok(());
    }
    Err(Unable::Wrong(format!(
        "what `{word}: {}` refers to is empty, which everything contains; give it a value, or compare with `eq`",
        bounded(text, 120)
    )))
}
