//! The grammar of metric math. Knows nothing of values; but every function name is checked here, so that an expression
//! that cannot be computed is refused when it is given, not when it is first needed.

use super::MathError;
use std::collections::BTreeSet;

/// How deep an expression may nest.
const MAX_DEPTH: usize = 100;
/// Every function that is implemented.
const FUNCTIONS: [&str; 11] =
    ["ABS", "AVG", "CEIL", "DATAPOINT_COUNT", "FILL", "FLOOR", "IF", "MAX", "METRICS", "MIN", "SUM"];

/// A piece of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Number(f64),
    Text(String),
    /// A metric or another expression.
    Id(String),
    /// `REPEAT` or `LINEAR`.
    Fill(Fill),
    /// `[m1, m2]`.
    List(Vec<Node>),
    Negative(Box<Node>),
    Not(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    Call(String, Vec<Node>),
}

/// How `FILL` fills, unless with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    Repeat,
    Linear,
}

/// A binary operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    Different,
    AtMost,
    AtLeast,
    Less,
    Greater,
    Plus,
    Minus,
    Times,
    Divided,
    Power,
}

/// Sign, operator and how strongly it binds.
const OPERATORS: [(&str, Operator, u8); 15] = [
    ("||", Operator::Or, 1),
    ("OR", Operator::Or, 1),
    ("&&", Operator::And, 2),
    ("AND", Operator::And, 2),
    ("==", Operator::Equal, 3),
    ("!=", Operator::Different, 3),
    ("<=", Operator::AtMost, 3),
    (">=", Operator::AtLeast, 3),
    ("<", Operator::Less, 3),
    (">", Operator::Greater, 3),
    ("+", Operator::Plus, 4),
    ("-", Operator::Minus, 4),
    ("*", Operator::Times, 5),
    ("/", Operator::Divided, 5),
    ("^", Operator::Power, 7),
];
/// A sign binds more strongly than `*`, less than `^`.
const UNARY: u8 = 6;

impl Operator {
    /// The result for two numbers; not finite when there is none.
    pub(super) fn apply(self, one: f64, two: f64) -> f64 {
        let truth = super::truth;
        match self {
            Self::Or => truth(one != 0.0 || two != 0.0),
            Self::And => truth(one != 0.0 && two != 0.0),
            // Exact on purpose: AWS compares the numbers as they are.
            #[expect(clippy::float_cmp, reason = "metric math compares exactly")]
            Self::Equal => truth(one == two),
            #[expect(clippy::float_cmp, reason = "metric math compares exactly")]
            Self::Different => truth(one != two),
            Self::AtMost => truth(one <= two),
            Self::AtLeast => truth(one >= two),
            Self::Less => truth(one < two),
            Self::Greater => truth(one > two),
            Self::Plus => one + two,
            Self::Minus => one - two,
            Self::Times => one * two,
            Self::Divided if two == 0.0 => f64::NAN,
            Self::Divided => one / two,
            Self::Power => one.powf(two),
        }
    }

    /// How the operator is written.
    pub(super) fn sign(self) -> &'static str {
        OPERATORS.iter().find(|(_, operator, _)| *operator == self).map_or("", |(sign, _, _)| sign)
    }
}

impl Node {
    /// Adds every id in this piece to `found`.
    pub(super) fn collect<'a>(&'a self, found: &mut BTreeSet<&'a str>) {
        match self {
            Self::Id(id) => {
                found.insert(id);
            }
            Self::List(nodes) | Self::Call(_, nodes) => nodes.iter().for_each(|node| node.collect(found)),
            Self::Negative(inner) | Self::Not(inner) => inner.collect(found),
            Self::Binary(_, left, right) => {
                left.collect(found);
                right.collect(found);
            }
            Self::Number(_) | Self::Text(_) | Self::Fill(_) => {}
        }
    }
}

/// Reads a whole expression.
pub(super) fn parse(text: &str) -> Result<Node, MathError> {
    let mut parser = Parser { text, rest: text.trim_start(), depth: 0 };
    let node = parser.expression(0)?;
    if parser.rest.is_empty() { Ok(node) } else { Err(parser.fault("nothing may follow")) }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn fault(&self, problem: &'static str) -> MathError {
        let near = if self.rest.is_empty() { "the end" } else { self.rest };
        MathError::Syntax { expression: self.text.to_owned(), problem, near: near.chars().take(20).collect() }
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

    fn expect(&mut self, sign: &str, problem: &'static str) -> Result<(), MathError> {
        if self.eat(sign) { Ok(()) } else { Err(self.fault(problem)) }
    }

    /// The word at the front: a name or a number.
    fn word(&self) -> &'a str {
        let end = self.rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.')));
        self.rest.get(..end.unwrap_or(self.rest.len())).unwrap_or_default()
    }

    fn operator(&self) -> Option<(&'static str, Operator, u8)> {
        let word = self.word();
        OPERATORS.iter().copied().find(|(sign, _, _)| {
            if sign.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
                *sign == word
            } else {
                self.rest.starts_with(sign)
            }
        })
    }

    fn expression(&mut self, least: u8) -> Result<Node, MathError> {
        if self.depth == MAX_DEPTH {
            return Err(self.fault("it nests too deeply"));
        }
        self.depth += 1;
        let mut left = self.operand()?;
        while let Some((sign, operator, strength)) = self.operator().filter(|(_, _, strength)| *strength > least) {
            self.skip(sign.len());
            let right = self.expression(strength)?;
            left = Node::Binary(operator, Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operand(&mut self) -> Result<Node, MathError> {
        if self.eat("(") {
            let inner = self.expression(0)?;
            self.expect(")", "a `)` is missing")?;
            return Ok(inner);
        }
        if self.eat("[") {
            return Ok(Node::List(self.list("]")?));
        }
        if self.eat("-") {
            return Ok(Node::Negative(Box::new(self.expression(UNARY)?)));
        }
        if self.eat("!") {
            return Ok(Node::Not(Box::new(self.expression(UNARY)?)));
        }
        if let Some(quote) = self.rest.chars().next().filter(|letter| matches!(letter, '"' | '\'')) {
            let inner = self.rest.get(1..).unwrap_or_default();
            let end = inner.find(quote).ok_or_else(|| self.fault("a text does not end"))?;
            let text = inner.get(..end).unwrap_or_default().to_owned();
            self.skip(end + 2);
            return Ok(Node::Text(text));
        }
        let word = self.word();
        match word.chars().next() {
            None => Err(self.fault("a metric, a number or a function is missing")),
            Some(first) if first.is_ascii_digit() || first == '.' => {
                let number = word.parse().map_err(|_| self.fault("this is no number"))?;
                self.skip(word.len());
                Ok(Node::Number(number))
            }
            Some(_) if word.contains('.') => Err(self.fault("a name cannot have a dot")),
            Some(_) => {
                self.skip(word.len());
                self.named(word)
            }
        }
    }

    fn named(&mut self, word: &str) -> Result<Node, MathError> {
        match word {
            // The lowest strength above `AND`, so that `NOT a > b` is `NOT (a > b)`.
            "NOT" => Ok(Node::Not(Box::new(self.expression(2)?))),
            "REPEAT" => Ok(Node::Fill(Fill::Repeat)),
            "LINEAR" => Ok(Node::Fill(Fill::Linear)),
            name if self.eat("(") => {
                let arguments = self.list(")")?;
                match name {
                    "ANOMALY_DETECTION_BAND" => Err(MathError::AnomalyDetection),
                    name if FUNCTIONS.contains(&name) => Ok(Node::Call(name.to_owned(), arguments)),
                    name => Err(MathError::UnknownFunction(name.to_owned())),
                }
            }
            id if id.starts_with(|letter: char| letter.is_ascii_lowercase()) => Ok(Node::Id(id.to_owned())),
            // Metrics Insights and other languages, too, begin with a word in capitals.
            other => Err(MathError::UnknownFunction(other.to_owned())),
        }
    }

    fn list(&mut self, end: &str) -> Result<Vec<Node>, MathError> {
        let mut nodes = Vec::new();
        if self.eat(end) {
            return Ok(nodes);
        }
        loop {
            nodes.push(self.expression(0)?);
            if self.eat(end) {
                return Ok(nodes);
            }
            self.expect(",", "a `,` is missing")?;
        }
    }
}
