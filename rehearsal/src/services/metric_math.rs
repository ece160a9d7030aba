//! CloudWatch metric math: expressions over time series.
//!
//! What is not implemented is refused by its name. Knows nothing of alarms, of how metrics are stored and of the time:
//! the points in time of the result are given.

mod parse;
#[cfg(test)]
mod tests;

use parse::{Node, Operator};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// Values by their time in epoch milliseconds.
pub type Series = BTreeMap<i64, f64>;

/// Why an expression has no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MathError {
    /// It is not written correctly.
    #[error("could not read the metric math expression `{expression}`: {problem} at `{near}`")]
    Syntax {
        /// The whole expression.
        expression: String,
        /// What was wrong.
        problem: &'static str,
        /// What stands there.
        near: String,
    },
    /// A function that the rehearsal does not have.
    #[error(
        "the metric math function `{0}` is not implemented by the rehearsal; it has IF, FILL, METRICS, SUM, AVG, MIN, MAX, \
         CEIL, FLOOR, ABS and DATAPOINT_COUNT"
    )]
    UnknownFunction(String),
    /// An anomaly detection band.
    #[error(
        "`ANOMALY_DETECTION_BAND` cannot be rehearsed: its band comes from a model that AWS trains on weeks of data; \
         rehearse with a fixed threshold instead"
    )]
    AnomalyDetection,
    /// A reference to nothing.
    #[error("the metric math expression refers to `{0}`, but no metric or expression has that id")]
    UnknownId(String),
    /// A function got what it cannot work with.
    #[error("`{function}` cannot take {given}; it takes {wanted}")]
    Argument {
        /// The function or operator.
        function: String,
        /// What it was given.
        given: &'static str,
        /// What it takes.
        wanted: &'static str,
    },
}

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    root: Node,
}

/// What an expression can refer to.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// Every series that can be named, metrics and the results of other expressions alike.
    pub named: &'a BTreeMap<String, Series>,
    /// The ids of the metrics in the order of the request: what `METRICS()` means.
    pub metrics: &'a [String],
    /// Every point in time that the result may have, in ascending order: the start of each period.
    pub times: &'a [i64],
}

/// The result of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// One number for the whole range. NaN when it has no value, as after a division by zero.
    Scalar(f64),
    /// One series.
    Series(Series),
    /// Several series, each with the id it came from.
    Many(Vec<(String, Series)>),
}

impl Answer {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Scalar(_) => "a number",
            Self::Series(_) => "a time series",
            Self::Many(_) => "several time series",
        }
    }

    fn each(self, apply: impl Fn(f64) -> f64) -> Self {
        match self {
            Self::Scalar(number) => Self::Scalar(apply(number)),
            Self::Series(series) => Self::Series(mapped(&series, &apply)),
            Self::Many(many) => {
                Self::Many(many.into_iter().map(|(id, series)| (id, mapped(&series, &apply))).collect())
            }
        }
    }
}

/// A point without a finite value is no point.
fn mapped(series: &Series, apply: impl Fn(f64) -> f64) -> Series {
    series.iter().map(|(time, value)| (*time, apply(*value))).filter(|(_, value)| value.is_finite()).collect()
}

impl Expression {
    /// Reads an expression and checks that every function in it is implemented.
    pub fn parse(text: &str) -> Result<Self, MathError> {
        parse::parse(text).map(|root| Self { root })
    }

    /// The ids that the expression names; `METRICS()` names none.
    pub fn references(&self) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        self.root.collect(&mut found);
        found
    }

    /// Computes the expression.
    pub fn evaluate(&self, inputs: Inputs<'_>) -> Result<Answer, MathError> {
        value(&self.root, inputs)
    }
}

fn value(node: &Node, inputs: Inputs<'_>) -> Result<Answer, MathError> {
    match node {
        Node::Number(number) => Ok(Answer::Scalar(*number)),
        Node::Id(id) => {
            inputs.named.get(id).cloned().map(Answer::Series).ok_or_else(|| MathError::UnknownId(id.clone()))
        }
        Node::Text(_) | Node::Fill(_) => Err(argument("an expression", "a text", "metrics and numbers")),
        Node::List(nodes) => {
            let mut many = Vec::new();
            for node in nodes {
                match (node, value(node, inputs)?) {
                    (Node::Id(id), Answer::Series(series)) => many.push((id.clone(), series)),
                    (_, Answer::Series(series)) => many.push((format!("{}", many.len() + 1), series)),
                    (_, Answer::Many(more)) => many.extend(more),
                    (_, other) => return Err(argument("[…]", other.kind(), "time series")),
                }
            }
            Ok(Answer::Many(many))
        }
        Node::Negative(inner) => Ok(value(inner, inputs)?.each(|number| -number)),
        Node::Not(inner) => Ok(value(inner, inputs)?.each(|number| truth(number == 0.0))),
        Node::Binary(operator, left, right) => binary(*operator, value(left, inputs)?, value(right, inputs)?),
        Node::Call(name, arguments) => call(name, arguments, inputs),
    }
}

const fn truth(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

fn argument(function: &str, given: &'static str, wanted: &'static str) -> MathError {
    MathError::Argument { function: function.to_owned(), given, wanted }
}

fn binary(operator: Operator, left: Answer, right: Answer) -> Result<Answer, MathError> {
    let apply = |one, two| operator.apply(one, two);
    Ok(match (left, right) {
        (left, Answer::Scalar(two)) => left.each(|one| apply(one, two)),
        (Answer::Scalar(one), right) => right.each(|two| apply(one, two)),
        (Answer::Series(one), Answer::Series(two)) => Answer::Series(both(&one, &two, apply)),
        (Answer::Many(many), Answer::Series(two)) => {
            Answer::Many(many.into_iter().map(|(id, one)| (id, both(&one, &two, apply))).collect())
        }
        (Answer::Series(one), Answer::Many(many)) => {
            Answer::Many(many.into_iter().map(|(id, two)| (id, both(&one, &two, apply))).collect())
        }
        (Answer::Many(_), Answer::Many(_)) => {
            return Err(argument(operator.sign(), "several time series on both sides", "them on one side"));
        }
    })
}

/// The points that both series have.
fn both(one: &Series, two: &Series, apply: impl Fn(f64, f64) -> f64) -> Series {
    let joined = one.iter().filter_map(|(time, left)| Some((*time, apply(*left, *two.get(time)?))));
    joined.filter(|(_, value)| value.is_finite()).collect()
}

fn call(name: &str, arguments: &[Node], inputs: Inputs<'_>) -> Result<Answer, MathError> {
    match (name, arguments) {
        ("METRICS", []) => metrics(None, inputs),
        ("METRICS", [Node::Text(part)]) => metrics(Some(part), inputs),
        ("IF", [condition, yes]) => choose(value(condition, inputs)?, &value(yes, inputs)?, None),
        ("IF", [condition, yes, no]) => {
            choose(value(condition, inputs)?, &value(yes, inputs)?, Some(&value(no, inputs)?))
        }
        ("FILL", [metric, with]) => fill(value(metric, inputs)?, with, inputs),
        ("CEIL", [one]) => Ok(value(one, inputs)?.each(f64::ceil)),
        ("FLOOR", [one]) => Ok(value(one, inputs)?.each(f64::floor)),
        ("ABS", [one]) => Ok(value(one, inputs)?.each(f64::abs)),
        ("SUM" | "AVG" | "MIN" | "MAX" | "DATAPOINT_COUNT", [one]) => aggregate(name, value(one, inputs)?),
        _ => Err(argument(name, "these arguments", "the number and kind of arguments that AWS documents")),
    }
}

fn metrics(part: Option<&str>, inputs: Inputs<'_>) -> Result<Answer, MathError> {
    let wanted = inputs.metrics.iter().filter(|id| part.is_none_or(|part| id.contains(part)));
    let series = wanted.map(|id| {
        let series = inputs.named.get(id).cloned().ok_or_else(|| MathError::UnknownId(id.clone()))?;
        Ok((id.clone(), series))
    });
    Ok(Answer::Many(series.collect::<Result<_, _>>()?))
}

/// Point by point over several series, or one number out of one series.
fn aggregate(name: &str, over: Answer) -> Result<Answer, MathError> {
    let all = |values: &[f64]| match name {
        "SUM" => values.iter().sum(),
        "AVG" => values.iter().sum::<f64>() / values.len() as f64,
        "MIN" => values.iter().copied().fold(f64::NAN, f64::min),
        "MAX" => values.iter().copied().fold(f64::NAN, f64::max),
        _ => values.len() as f64,
    };
    match over {
        Answer::Series(series) => Ok(Answer::Scalar(all(&series.into_values().collect::<Vec<_>>()))),
        Answer::Many(many) => {
            let mut points: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
            for (time, value) in many.into_iter().flat_map(|(_, series)| series) {
                points.entry(time).or_default().push(value);
            }
            Ok(Answer::Series(points.into_iter().map(|(time, values)| (time, all(&values))).collect()))
        }
        Answer::Scalar(_) => Err(argument(name, "a number", "time series")),
    }
}

/// `IF`: where the condition has no point, the result has none.
fn choose(condition: Answer, yes: &Answer, no: Option<&Answer>) -> Result<Answer, MathError> {
    let absent = Answer::Series(Series::new());
    let no = no.unwrap_or(&absent);
    for branch in [yes, no] {
        if let Answer::Many(_) = branch {
            return Err(argument("IF", branch.kind(), "a number or one time series"));
        }
    }
    match condition {
        Answer::Scalar(number) => Ok(if number == 0.0 { no.clone() } else { yes.clone() }),
        Answer::Series(series) => {
            let chosen = series.into_iter().filter_map(|(time, number)| {
                let value = match if number == 0.0 { no } else { yes } {
                    Answer::Scalar(value) => *value,
                    Answer::Series(values) => *values.get(&time)?,
                    Answer::Many(_) => return None,
                };
                value.is_finite().then_some((time, value))
            });
            Ok(Answer::Series(chosen.collect()))
        }
        Answer::Many(_) => Err(argument("IF", "several time series", "a number or one time series")),
    }
}

fn fill(metric: Answer, with: &Node, inputs: Inputs<'_>) -> Result<Answer, MathError> {
    let filler = match with {
        Node::Fill(_) => None,
        node => Some(value(node, inputs)?),
    };
    let filled = |series: Series| -> Result<Series, MathError> {
        let mut whole = series.clone();
        for time in inputs.times.iter().filter(|time| !series.contains_key(time)) {
            let point = match (with, &filler) {
                (Node::Fill(parse::Fill::Repeat), _) => series.range(..time).next_back().map(|(_, value)| *value),
                (Node::Fill(parse::Fill::Linear), _) => between(&series, *time),
                (_, Some(Answer::Scalar(number))) => Some(*number),
                (_, Some(Answer::Series(other))) => other.get(time).copied(),
                _ => return Err(argument("FILL", "several time series", "a number, a time series, REPEAT or LINEAR")),
            };
            whole.extend(point.filter(|value| value.is_finite()).map(|value| (*time, value)));
        }
        Ok(whole)
    };
    match metric {
        Answer::Series(series) => Ok(Answer::Series(filled(series)?)),
        Answer::Many(many) => {
            let many = many.into_iter().map(|(id, series)| Ok((id, filled(series)?)));
            Ok(Answer::Many(many.collect::<Result<_, _>>()?))
        }
        Answer::Scalar(_) => Err(argument("FILL", "a number", "time series")),
    }
}

/// On the straight line between the neighbours; nothing at the ends.
fn between(series: &Series, time: i64) -> Option<f64> {
    let (before, low) = series.range(..time).next_back()?;
    let (after, high) = series.range(time..).next()?;
    let share = (time - before) as f64 / (after - before) as f64;
    Some(low + (high - low) * share)
}
