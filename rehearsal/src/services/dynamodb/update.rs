//! Update expressions: read, and applied to an item. Knows nothing of tables and of keys, but for the name it is told.

use super::decimal::Decimal;
use super::invalid;
use super::parse::{Parser, Token};
use super::path::Path;
use super::value::{Item, sorted_set, tag, typed};
use crate::protocol::AwsError;
use serde_json::{Value, json};

/// An update, with its placeholders filled in.
#[derive(Debug, Default)]
pub(super) struct Update {
    set: Vec<(Path, Formula)>,
    remove: Vec<Path>,
    add: Vec<(Path, Value)>,
    delete: Vec<(Path, Value)>,
}

/// The right side of a `SET`.
#[derive(Debug)]
enum Formula {
    Term(Term),
    Sum(Term, Term),
    Difference(Term, Term),
}

/// One operand of a `SET`.
#[derive(Debug)]
enum Term {
    Literal(Value),
    Path(Path),
    IfNotExists(Path, Box<Term>),
    ListAppend(Box<Term>, Box<Term>),
}

impl Parser<'_> {
    /// The whole expression as an update.
    pub(super) fn update(mut self) -> Result<Update, AwsError> {
        let mut update = Update::default();
        let mut seen = Vec::new();
        while *self.peek() != Token::End {
            let section = match self.peek() {
                Token::Word(word) => word.to_ascii_uppercase(),
                _ => return Err(self.unexpected()),
            };
            if !["SET", "REMOVE", "ADD", "DELETE"].contains(&section.as_str()) {
                return Err(self.unexpected());
            }
            if seen.contains(&section) {
                return Err(
                    self.fault(&format!("The \"{section}\" section can only be used once in an update expression;"))
                );
            }
            self.next();
            loop {
                let path = self.path()?;
                match section.as_str() {
                    "SET" => {
                        self.expect("=")?;
                        let formula = self.formula()?;
                        update.set.push((path, formula));
                    }
                    "REMOVE" => update.remove.push(path),
                    "ADD" => {
                        let value = self.literal("ADD", &["N", "SS", "NS", "BS"])?;
                        update.add.push((path, value));
                    }
                    _ => {
                        let value = self.literal("DELETE", &["SS", "NS", "BS"])?;
                        update.delete.push((path, value));
                    }
                }
                if !self.eat(",") {
                    break;
                }
            }
            seen.push(section);
        }
        let paths = update.paths();
        for (place, one) in paths.iter().enumerate() {
            if let Some(two) = paths.iter().skip(place + 1).find(|two| one.overlaps(two)) {
                return Err(self.fault(&format!(
                    "Two document paths overlap with each other; must remove or rewrite one of these paths; \
                     path one: {one}, path two: {two}"
                )));
            }
        }
        Ok(update)
    }

    fn literal(&mut self, section: &str, types: &[&str]) -> Result<Value, AwsError> {
        let Token::Value(name) = self.peek().clone() else { return Err(self.unexpected()) };
        self.next();
        let value = self.value(&name)?;
        if types.contains(&tag(&value)) {
            return Ok(value);
        }
        Err(self.fault(&format!(
            "Incorrect operand type for operator or function; operator: {section}, operand type: {}",
            tag(&value)
        )))
    }

    fn formula(&mut self) -> Result<Formula, AwsError> {
        let left = self.term()?;
        if self.eat("+") {
            return Ok(Formula::Sum(left, self.term()?));
        }
        if self.eat("-") {
            return Ok(Formula::Difference(left, self.term()?));
        }
        Ok(Formula::Term(left))
    }

    fn term(&mut self) -> Result<Term, AwsError> {
        if let Token::Value(name) = self.peek().clone() {
            self.next();
            return Ok(Term::Literal(self.value(&name)?));
        }
        let term = match self.call().as_deref() {
            None => return Ok(Term::Path(self.path()?)),
            Some("if_not_exists") => {
                let path = self.path()?;
                self.expect(",")?;
                Term::IfNotExists(path, Box::new(self.nested(Self::term)?))
            }
            Some("list_append") => {
                let first = Box::new(self.nested(Self::term)?);
                self.expect(",")?;
                Term::ListAppend(first, Box::new(self.nested(Self::term)?))
            }
            Some(name) => return Err(self.fault(&format!("Invalid function name; function: {name}"))),
        };
        self.expect(")")?;
        Ok(term)
    }
}

impl Update {
    /// Every path that the update touches.
    pub(super) fn paths(&self) -> Vec<Path> {
        let set = self.set.iter().map(|(path, _)| path);
        let changed = self.add.iter().chain(&self.delete).map(|(path, _)| path);
        set.chain(&self.remove).chain(changed).cloned().collect()
    }

    /// `item` after the update. Every right side sees the item as it was before.
    pub(super) fn apply(&self, item: &Item) -> Result<Item, AwsError> {
        let mut new = item.clone();
        for (path, formula) in &self.set {
            let value = formula.of(item)?;
            path.set(&mut new, value).map_err(|_| no_parent())?;
        }
        for (path, value) in &self.add {
            let sum = match path.get(item) {
                None => value.clone(),
                Some(old) => add(old, value)?,
            };
            path.set(&mut new, sum).map_err(|_| no_parent())?;
        }
        for (path, value) in &self.delete {
            let Some(old) = path.get(item) else { continue };
            match without(old, value)? {
                Some(rest) => path.set(&mut new, rest).map_err(|_| no_parent())?,
                None => path.remove(&mut new).map_err(|_| no_parent())?,
            }
        }
        // From the back, so that removing one element of a list does not move the next one to be removed.
        let mut remove: Vec<&Path> = self.remove.iter().collect();
        remove.sort();
        for path in remove.into_iter().rev() {
            path.remove(&mut new).map_err(|_| no_parent())?;
        }
        Ok(new)
    }
}

impl Formula {
    fn of(&self, item: &Item) -> Result<Value, AwsError> {
        match self {
            Self::Term(term) => term.of(item),
            Self::Sum(left, right) => arithmetic(&left.of(item)?, &right.of(item)?, false),
            Self::Difference(left, right) => arithmetic(&left.of(item)?, &right.of(item)?, true),
        }
    }
}

impl Term {
    fn of(&self, item: &Item) -> Result<Value, AwsError> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Path(path) => path.get(item).cloned().ok_or_else(|| {
                invalid("The provided expression refers to an attribute that does not exist in the item")
            }),
            Self::IfNotExists(path, otherwise) => match path.get(item) {
                Some(value) => Ok(value.clone()),
                None => otherwise.of(item),
            },
            Self::ListAppend(first, second) => {
                let (first, second) = (first.of(item)?, second.of(item)?);
                match (first.get("L"), second.get("L")) {
                    (Some(Value::Array(first)), Some(Value::Array(second))) => {
                        let both = [first.as_slice(), second.as_slice()].concat();
                        Ok(json!({"L": both}))
                    }
                    _ => Err(wrong_type()),
                }
            }
        }
    }
}

fn arithmetic(left: &Value, right: &Value, minus: bool) -> Result<Value, AwsError> {
    let number = |value: &Value| value.get("N").and_then(Value::as_str).and_then(Decimal::parse).ok_or_else(wrong_type);
    let (left, right) = (number(left)?, number(right)?);
    let right = if minus { right.negated() } else { right };
    let sum = left.plus(right).ok_or_else(|| {
        invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
    })?;
    Ok(json!({"N": sum.to_string()}))
}

fn add(old: &Value, value: &Value) -> Result<Value, AwsError> {
    if tag(value) == "N" {
        return arithmetic(old, value, false);
    }
    let (kind, [old, new]) = sets(old, value)?;
    Ok(json!({kind: sorted_set(kind, [old, new].concat())}))
}

/// The set without some elements; `None` when nothing is left, because there are no empty sets.
fn without(old: &Value, value: &Value) -> Result<Option<Value>, AwsError> {
    let (kind, [mut elements, gone]) = sets(old, value)?;
    elements.retain(|element| !gone.contains(element));
    Ok((!elements.is_empty()).then(|| json!({kind: sorted_set(kind, elements)})))
}

/// The elements of two sets of the same type.
fn sets<'a>(old: &Value, value: &'a Value) -> Result<(&'a str, [Vec<String>; 2]), AwsError> {
    let texts = |content: &Value| -> Vec<String> {
        content.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    match (typed(old), typed(value)) {
        (Some((one, old)), Some((kind, value))) if one == kind => Ok((kind, [texts(old), texts(value)])),
        _ => Err(wrong_type()),
    }
}

fn wrong_type() -> AwsError {
    invalid("An operand in the update expression has an incorrect data type")
}

fn no_parent() -> AwsError {
    invalid("The document path provided in the update expression is invalid for update")
}
