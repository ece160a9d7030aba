//! The rules of composite alarms: `ALARM("a") AND NOT OK(b)`. Knows nothing of how the alarms got their states.

use super::alarm::AlarmState;
use super::invalid;
use crate::protocol::AwsError;
use std::collections::BTreeSet;

/// How deep a rule may nest.
const MAX_DEPTH: usize = 100;

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// `TRUE` or `FALSE`.
    Constant(bool),
    /// An alarm is in a state.
    Is(AlarmState, String),
    /// `NOT`.
    Not(Box<Rule>),
    /// `AND`.
    And(Box<Rule>, Box<Rule>),
    /// `OR`.
    Or(Box<Rule>, Box<Rule>),
}

/// The name out of a name or an ARN.
pub(super) fn plain_name(name: &str) -> &str {
    match name.split_once(":alarm:") {
        Some((front, name)) if front.starts_with("arn:") => name,
        _ => name,
    }
}

impl Rule {
    /// Reads a rule.
    pub(super) fn parse(text: &str) -> Result<Self, AwsError> {
        let mut parser = Parser { text, rest: text.trim_start(), depth: 0 };
        let rule = parser.any()?;
        if parser.rest.is_empty() { Ok(rule) } else { Err(parser.fault("nothing may follow")) }
    }

    /// Every alarm in the rule.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        match self {
            Self::Constant(_) => BTreeSet::new(),
            Self::Is(_, name) => BTreeSet::from([name.as_str()]),
            Self::Not(inner) => inner.names(),
            Self::And(one, two) | Self::Or(one, two) => one.names().into_iter().chain(two.names()).collect(),
        }
    }

    /// Whether the rule holds; an alarm that is gone is in no state.
    pub(super) fn holds(&self, state_of: &dyn Fn(&str) -> Option<AlarmState>) -> bool {
        match self {
            Self::Constant(truth) => *truth,
            Self::Is(state, name) => state_of(name) == Some(*state),
            Self::Not(inner) => !inner.holds(state_of),
            Self::And(one, two) => one.holds(state_of) && two.holds(state_of),
            Self::Or(one, two) => one.holds(state_of) || two.holds(state_of),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    fn fault(&self, problem: &str) -> AwsError {
        let near: String = self.rest.chars().take(20).collect();
        let near = if near.is_empty() { "the end".to_owned() } else { near };
        invalid(format!("could not read the alarm rule `{}`: {problem} at `{near}`", self.text))
    }

    fn skip(&mut self, length: usize) {
        self.rest = self.rest.get(length..).unwrap_or_default().trim_start();
    }

    fn eat(&mut self, sign: &str) -> bool {
        let found = self.rest.starts_with(sign);
        if found {
            self.skip(sign.len());
        }
        found
    }

    fn word(&mut self) -> String {
        let end = self.rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
        let word = self.rest.get(..end.unwrap_or(self.rest.len())).unwrap_or_default().to_owned();
        self.skip(word.len());
        word
    }

    fn eat_word(&mut self, keyword: &str) -> bool {
        let before = self.rest;
        let found = self.word() == keyword;
        if !found {
            self.rest = before;
        }
        found
    }

    fn any(&mut self) -> Result<Rule, AwsError> {
        let mut left = self.all()?;
        while self.eat_word("OR") {
            left = Rule::Or(Box::new(left), Box::new(self.all()?));
        }
        Ok(left)
    }

    fn all(&mut self) -> Result<Rule, AwsError> {
        let mut left = self.one()?;
        while self.eat_word("AND") {
            left = Rule::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Rule, AwsError> {
        if self.depth == MAX_DEPTH {
            return Err(self.fault("it nests too deeply"));
        }
        self.depth += 1;
        let rule = self.deeper();
        self.depth -= 1;
        rule
    }

    fn deeper(&mut self) -> Result<Rule, AwsError> {
        if self.eat("(") {
            let inner = self.any()?;
            return if self.eat(")") { Ok(inner) } else { Err(self.fault("a `)` is missing")) };
        }
        let before = self.rest;
        let word = self.word();
        match word.as_str() {
            "NOT" => Ok(Rule::Not(Box::new(self.one()?))),
            "TRUE" => Ok(Rule::Constant(true)),
            "FALSE" => Ok(Rule::Constant(false)),
            name => {
                if let Some(state) = AlarmState::parse(name) {
                    return Ok(Rule::Is(state, self.alarm()?));
                }
                self.rest = before;
                Err(self.fault("ALARM, OK, INSUFFICIENT_DATA, NOT, TRUE, FALSE or `(` has to stand"))
            }
        }
    }

    /// `(name)`, with or without quotes, a name or an ARN.
    fn alarm(&mut self) -> Result<String, AwsError> {
        if !self.eat("(") {
            return Err(self.fault("a `(` is missing"));
        }
        let quote = self.rest.chars().next().filter(|letter| matches!(letter, '"' | '\''));
        let (start, end) = quote.map_or((0, ')'), |quote| (1, quote));
        let inner = self.rest.get(start..).unwrap_or_default();
        let Some(length) = inner.find(end) else { return Err(self.fault("the name of the alarm does not end")) };
        let name = plain_name(inner.get(..length).unwrap_or_default().trim()).to_owned();
        self.skip(start + length + usize::from(quote.is_some()));
        if name.is_empty() {
            return Err(self.fault("the name of an alarm is missing"));
        }
        if self.eat(")") { Ok(name) } else { Err(self.fault("a `)` is missing")) }
    }
}
