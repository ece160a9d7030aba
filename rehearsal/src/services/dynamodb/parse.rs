//! What all expressions have in common: tokens, document paths and error texts.
//! Knows nothing of conditions and updates, which continue the [`Parser`] in their own files.

use super::invalid;
use super::path::{Path, Step};
use super::placeholder::Placeholders;
use super::reserved::is_reserved;
use crate::protocol::AwsError;

/// DynamoDB's limit for the text of an expression.
const MAX_BYTES: usize = 4096;
/// How deep parentheses may nest; more than any sane expression, less than the stack holds.
const MAX_DEPTH: usize = 100;

/// A piece of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword, a function or a bare attribute name.
    Word(String),
    /// `#name`.
    Name(String),
    /// `:value`.
    Value(String),
    /// An index of a list.
    Number(usize),
    /// Everything else.
    Symbol(&'static str),
    /// After the last one.
    End,
}

impl Token {
    fn text(&self) -> String {
        match self {
            Self::Word(text) | Self::Name(text) | Self::Value(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Symbol(symbol) => (*symbol).to_owned(),
            Self::End => "<EOF>".to_owned(),
        }
    }
}

/// Reads one expression of one request.
pub(super) struct Parser<'a> {
    what: &'static str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    placeholders: &'a mut Placeholders,
}

impl<'a> Parser<'a> {
    /// A parser at the start of `text`, which is the member `what` of the request.
    pub(super) fn new(what: &'static str, text: &str, placeholders: &'a mut Placeholders) -> Result<Self, AwsError> {
        if text.trim().is_empty() {
            return Err(invalid(format!("Invalid {what}: The expression can not be empty;")));
        }
        if text.len() > MAX_BYTES {
            return Err(invalid(format!(
                "Invalid {what}: Expression size has exceeded the maximum allowed size; expression size: {}",
                text.len()
            )));
        }
        let tokens = tokens(text).map_err(|token| syntax(what, &token))?;
        Ok(Self { what, tokens, at: 0, depth: 0, placeholders })
    }

    /// The next token, without taking it.
    pub(super) fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    /// Takes the next token.
    pub(super) fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    /// Takes the symbol if it is next.
    pub(super) fn eat(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(next) if *next == symbol);
        self.at += usize::from(found);
        found
    }

    /// Takes the keyword, in any case, if it is next.
    pub(super) fn eat_word(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(next) if next.eq_ignore_ascii_case(keyword));
        self.at += usize::from(found);
        found
    }

    /// Takes the symbol or fails.
    pub(super) fn expect(&mut self, symbol: &str) -> Result<(), AwsError> {
        if self.eat(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Fails unless everything was taken.
    pub(super) fn end(&self) -> Result<(), AwsError> {
        if *self.peek() == Token::End { Ok(()) } else { Err(self.unexpected()) }
    }

    /// The error for a token that does not belong where it is.
    pub(super) fn unexpected(&self) -> AwsError {
        syntax(self.what, &self.peek().text())
    }

    /// An error of this expression.
    pub(super) fn fault(&self, fault: &str) -> AwsError {
        invalid(format!("Invalid {}: {fault}", self.what))
    }

    /// The function name, if a word and an opening parenthesis are next; both are taken.
    pub(super) fn call(&mut self) -> Option<String> {
        let (Token::Word(name), Some(Token::Symbol("("))) = (self.peek(), self.tokens.get(self.at + 1)) else {
            return None;
        };
        let name = name.clone();
        self.at += 2;
        Some(name)
    }

    /// Runs `inner` one level deeper.
    pub(super) fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, AwsError>) -> Result<T, AwsError> {
        if self.depth == MAX_DEPTH {
            return Err(self.fault(&format!("the expression nests more than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// The value of a `:placeholder`.
    pub(super) fn value(&mut self, name: &str) -> Result<serde_json::Value, AwsError> {
        self.placeholders.value(self.what, name)
    }

    /// A document path: `a`, `#a.b[2]`.
    pub(super) fn path(&mut self) -> Result<Path, AwsError> {
        let mut steps = vec![self.attribute()?];
        loop {
            if self.eat(".") {
                steps.push(self.attribute()?);
            } else if self.eat("[") {
                let Token::Number(index) = self.peek() else { return Err(self.unexpected()) };
                steps.push(Step::Index(*index));
                self.at += 1;
                self.expect("]")?;
            } else {
                return Ok(Path::new(steps));
            }
        }
    }

    fn attribute(&mut self) -> Result<Step, AwsError> {
        match self.peek().clone() {
            Token::Name(name) => {
                self.at += 1;
                Ok(Step::Attribute(self.placeholders.name(self.what, &name)?))
            }
            Token::Word(word) if is_reserved(&word) => {
                Err(self.fault(&format!("Attribute name is a reserved keyword; reserved keyword: {word}")))
            }
            Token::Word(word) => {
                self.at += 1;
                Ok(Step::Attribute(word))
            }
            _ => Err(self.unexpected()),
        }
    }

    /// A list of document paths, as in `ProjectionExpression`.
    pub(super) fn paths(&mut self) -> Result<Vec<Path>, AwsError> {
        let mut paths = vec![self.path()?];
        while self.eat(",") {
            paths.push(self.path()?);
        }
        Ok(paths)
    }
}

fn syntax(what: &str, token: &str) -> AwsError {
    invalid(format!("Invalid {what}: Syntax error; token: \"{token}\""))
}

/// Longer symbols first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 15] = ["<>", "<=", ">=", "=", "<", ">", "(", ")", "[", "]", ",", ".", "+", "-", "*"];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let sigil = matches!(first, '#' | ':');
        let body = if sigil { rest.get(1..).unwrap_or_default() } else { rest };
        let length = body.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).unwrap_or(body.len());
        let used = length + usize::from(sigil);
        let word = rest.get(..used).unwrap_or_default();
        if length > 0 {
            tokens.push(match first {
                '#' => Token::Name(word.to_owned()),
                ':' => Token::Value(word.to_owned()),
                '0'..='9' => Token::Number(word.parse().map_err(|_| word.to_owned())?),
                _ => Token::Word(word.to_owned()),
            });
            rest = rest.get(used..).unwrap_or_default().trim_start();
        } else {
            let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)).ok_or_else(|| first.to_string())?;
            tokens.push(Token::Symbol(symbol));
            rest = rest.get(symbol.len()..).unwrap_or_default().trim_start();
        }
    }
    Ok(tokens)
}
