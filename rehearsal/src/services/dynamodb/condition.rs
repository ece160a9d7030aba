//! Condition, filter and key condition expressions: read, and asked of an item. Knows nothing of tables.

use super::parse::{Parser, Token};
use super::path::Path;
use super::value::{Item, binary, compare, size, tag, typed};
use crate::protocol::AwsError;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::cmp::Ordering;

/// Every type that `attribute_type` can ask for.
const TYPES: [&str; 10] = ["B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M"];
/// What one `IN` may list.
const MAX_IN: usize = 100;

/// A condition, with its placeholders filled in.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    /// All of these hold.
    And(Box<Condition>, Box<Condition>),
    /// One of these holds.
    Or(Box<Condition>, Box<Condition>),
    /// This does not hold.
    Not(Box<Condition>),
    /// A comparison.
    Compare(Operand, Comparator, Operand),
    /// Lower and upper bound, both included.
    Between(Operand, Operand, Operand),
    /// One of a list.
    In(Operand, Vec<Operand>),
    /// `attribute_exists`.
    Exists(Path),
    /// `attribute_type`.
    Type(Path, String),
    /// `begins_with`.
    BeginsWith(Operand, Operand),
    /// `contains`.
    Contains(Operand, Operand),
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparator {
    /// `=`.
    Equal,
    /// `<>`.
    Different,
    /// `<`.
    Less,
    /// `<=`.
    AtMost,
    /// `>`.
    Greater,
    /// `>=`.
    AtLeast,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    /// A part of the item.
    Path(Path),
    /// A value of the request.
    Literal(Value),
    /// `size(path)`.
    Size(Path),
}

impl Operand {
    fn of<'a>(&'a self, item: &'a Item) -> Option<Cow<'a, Value>> {
        match self {
            Self::Path(path) => path.get(item).map(Cow::Borrowed),
            Self::Literal(value) => Some(Cow::Borrowed(value)),
            Self::Size(path) => size(path.get(item)?).map(|size| Cow::Owned(json!({"N": size.to_string()}))),
        }
    }
}

impl Condition {
    /// Whether the condition holds for `item`; an absent item is an empty one.
    pub(super) fn holds(&self, item: &Item) -> bool {
        match self {
            Self::And(one, two) => one.holds(item) && two.holds(item),
            Self::Or(one, two) => one.holds(item) || two.holds(item),
            Self::Not(inner) => !inner.holds(item),
            Self::Compare(left, comparator, right) => compares(left, *comparator, right, item),
            Self::Between(middle, low, high) => {
                compares(low, Comparator::AtMost, middle, item) && compares(middle, Comparator::AtMost, high, item)
            }
            Self::In(operand, list) => list.iter().any(|one| compares(operand, Comparator::Equal, one, item)),
            Self::Exists(path) => path.get(item).is_some(),
            Self::Type(path, wanted) => path.get(item).is_some_and(|value| tag(value) == wanted),
            Self::BeginsWith(whole, start) => begins_with(whole, start, item).unwrap_or(false),
            Self::Contains(whole, part) => contains(whole, part, item).unwrap_or(false),
        }
    }
}

/// An absent side is equal to nothing and different from everything; every other comparison with it is false.
fn compares(left: &Operand, comparator: Comparator, right: &Operand, item: &Item) -> bool {
    let (Some(left), Some(right)) = (left.of(item), right.of(item)) else {
        return comparator == Comparator::Different;
    };
    let order = || compare(&left, &right);
    match comparator {
        Comparator::Equal => left == right,
        Comparator::Different => left != right,
        Comparator::Less => order() == Some(Ordering::Less),
        Comparator::AtMost => matches!(order(), Some(Ordering::Less | Ordering::Equal)),
        Comparator::Greater => order() == Some(Ordering::Greater),
        Comparator::AtLeast => matches!(order(), Some(Ordering::Greater | Ordering::Equal)),
    }
}

fn begins_with(whole: &Operand, start: &Operand, item: &Item) -> Option<bool> {
    let (whole, start) = (whole.of(item)?, start.of(item)?);
    match (typed(&whole)?, typed(&start)?) {
        (("S", Value::String(whole)), ("S", Value::String(start))) => Some(whole.starts_with(start.as_str())),
        // The base64 of a beginning is not always a beginning of the base64.
        (("B", Value::String(whole)), ("B", Value::String(start))) => Some(binary(whole)?.starts_with(&binary(start)?)),
        _ => None,
    }
}

fn contains(whole: &Operand, part: &Operand, item: &Item) -> Option<bool> {
    let (whole, part) = (whole.of(item)?, part.of(item)?);
    let (part_tag, part_content) = typed(&part)?;
    match typed(&whole)? {
        ("S", Value::String(text)) if part_tag == "S" => Some(text.contains(part_content.as_str()?)),
        ("L", Value::Array(elements)) => Some(elements.contains(&part)),
        (set @ ("SS" | "NS" | "BS"), Value::Array(elements)) => {
            Some(set.strip_suffix('S') == Some(part_tag) && elements.contains(part_content))
        }
        _ => None,
    }
}

impl Parser<'_> {
    /// The whole expression as a condition.
    pub(super) fn condition(mut self) -> Result<Condition, AwsError> {
        let condition = self.any()?;
        self.end()?;
        Ok(condition)
    }

    fn any(&mut self) -> Result<Condition, AwsError> {
        let mut left = self.all()?;
        while self.eat_word("OR") {
            left = Condition::Or(Box::new(left), Box::new(self.all()?));
        }
        Ok(left)
    }

    fn all(&mut self) -> Result<Condition, AwsError> {
        let mut left = self.negation()?;
        while self.eat_word("AND") {
            left = Condition::And(Box::new(left), Box::new(self.negation()?));
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Condition, AwsError> {
        if self.eat_word("NOT") {
            return Ok(Condition::Not(Box::new(self.nested(Self::negation)?)));
        }
        if self.eat("(") {
            let inner = self.nested(Self::any)?;
            self.expect(")")?;
            return Ok(inner);
        }
        match self.call() {
            Some(name) if name != "size" => self.function(&name),
            Some(_) => {
                let left = self.size_argument()?;
                self.comparison(left)
            }
            None => {
                let left = self.operand()?;
                self.comparison(left)
            }
        }
    }

    fn function(&mut self, name: &str) -> Result<Condition, AwsError> {
        let condition = match name {
            "attribute_exists" => Condition::Exists(self.path()?),
            "attribute_not_exists" => Condition::Not(Box::new(Condition::Exists(self.path()?))),
            "attribute_type" => {
                let path = self.path()?;
                self.expect(",")?;
                let wanted = self.operand()?;
                Condition::Type(path, self.type_name(&wanted)?)
            }
            "begins_with" => {
                let whole = self.operand()?;
                self.expect(",")?;
                let start = self.operand()?;
                self.check_literal(&start, &["S", "B"], "function", "begins_with")?;
                Condition::BeginsWith(whole, start)
            }
            "contains" => {
                let whole = self.operand()?;
                self.expect(",")?;
                Condition::Contains(whole, self.operand()?)
            }
            _ => return Err(self.fault(&format!("Invalid function name; function: {name}"))),
        };
        self.expect(")")?;
        Ok(condition)
    }

    fn type_name(&self, wanted: &Operand) -> Result<String, AwsError> {
        let Operand::Literal(value) = wanted else { return Err(self.unexpected()) };
        let name = value.get("S").and_then(Value::as_str).unwrap_or_default();
        if TYPES.contains(&name) {
            return Ok(name.to_owned());
        }
        let types = TYPES.join(",");
        Err(self.fault(&format!("Invalid attribute type name found; type: {name}, valid types: {{{types}}}")))
    }

    fn operand(&mut self) -> Result<Operand, AwsError> {
        if let Token::Value(name) = self.peek().clone() {
            self.next();
            return Ok(Operand::Literal(self.value(&name)?));
        }
        match self.call() {
            Some(name) if name == "size" => self.size_argument(),
            Some(name) => Err(self
                .fault(&format!("The function is not allowed to be used this way in an expression; function: {name}"))),
            None => Ok(Operand::Path(self.path()?)),
        }
    }

    fn size_argument(&mut self) -> Result<Operand, AwsError> {
        let path = self.path()?;
        self.expect(")")?;
        Ok(Operand::Size(path))
    }

    fn comparison(&mut self, left: Operand) -> Result<Condition, AwsError> {
        if self.eat_word("BETWEEN") {
            let low = self.operand()?;
            if !self.eat_word("AND") {
                return Err(self.unexpected());
            }
            let high = self.operand()?;
            for side in [&left, &low, &high] {
                self.check_literal(side, &["S", "N", "B"], "operator", "BETWEEN")?;
            }
            if let (Operand::Literal(low), Operand::Literal(high)) = (&low, &high) {
                match compare(low, high) {
                    None => {
                        return Err(
                            self.fault("The BETWEEN operator requires same data type for lower and upper bounds")
                        );
                    }
                    Some(Ordering::Greater) => {
                        return Err(self.fault(
                            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound",
                        ));
                    }
                    Some(_) => {}
                }
            }
            return Ok(Condition::Between(left, low, high));
        }
        if self.eat_word("IN") {
            self.expect("(")?;
            let mut list = vec![self.operand()?];
            while self.eat(",") {
                list.push(self.operand()?);
            }
            self.expect(")")?;
            if list.len() > MAX_IN {
                return Err(self.fault("Invalid number of operands for operator or function; operator: IN"));
            }
            return Ok(Condition::In(left, list));
        }
        let comparator = match self.peek() {
            Token::Symbol("=") => Comparator::Equal,
            Token::Symbol("<>") => Comparator::Different,
            Token::Symbol("<") => Comparator::Less,
            Token::Symbol("<=") => Comparator::AtMost,
            Token::Symbol(">") => Comparator::Greater,
            Token::Symbol(">=") => Comparator::AtLeast,
            _ => return Err(self.unexpected()),
        };
        let Token::Symbol(symbol) = self.next() else { return Err(self.unexpected()) };
        let right = self.operand()?;
        if !matches!(comparator, Comparator::Equal | Comparator::Different) {
            for side in [&left, &right] {
                self.check_literal(side, &["S", "N", "B"], "operator", symbol)?;
            }
        }
        Ok(Condition::Compare(left, comparator, right))
    }

    /// A literal of a type that can never match is an error, not a condition that fails.
    fn check_literal(&self, side: &Operand, types: &[&str], kind: &str, name: &str) -> Result<(), AwsError> {
        let Operand::Literal(value) = side else { return Ok(()) };
        if types.contains(&tag(value)) {
            return Ok(());
        }
        Err(self.fault(&format!(
            "Incorrect operand type for operator or function; {kind}: {name}, operand type: {}",
            tag(value)
        )))
    }
}
