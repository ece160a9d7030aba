//! How an alarm compares a value with its threshold, and what it makes of periods without one.
//! Knows nothing of where the values come from.

use super::invalid;
use crate::protocol::AwsError;

/// A comparison with the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    AtLeast,
    Greater,
    Less,
    AtMost,
}

impl Comparison {
    const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::AtLeast, "GreaterThanOrEqualToThreshold", "greater than or equal to the threshold"),
        (Self::Greater, "GreaterThanThreshold", "greater than the threshold"),
        (Self::Less, "LessThanThreshold", "less than the threshold"),
        (Self::AtMost, "LessThanOrEqualToThreshold", "less than or equal to the threshold"),
    ];

    pub(super) fn parse(name: &str) -> Result<Self, AwsError> {
        let found = Self::ALL.iter().find(|(_, known, _)| *known == name);
        found.map(|(comparison, ..)| *comparison).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|(_, known, _)| *known).collect();
            invalid(format!(
                "the comparison operator `{name}` is not implemented by the rehearsal; it has {}",
                known.join(", ")
            ))
        })
    }

    /// The name in the API.
    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(comparison, ..)| *comparison == self).map_or("", |(_, name, _)| name)
    }

    /// The words in a reason.
    pub(super) fn words(self) -> &'static str {
        Self::ALL.iter().find(|(comparison, ..)| *comparison == self).map_or("", |(.., words)| words)
    }

    /// Whether `value` is on the wrong side.
    pub(super) fn breaches(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::AtLeast => value >= threshold,
            Self::Greater => value > threshold,
            Self::Less => value < threshold,
            Self::AtMost => value <= threshold,
        }
    }
}

/// What a missing data point counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gaps {
    Missing,
    Ignore,
    Breaching,
    NotBreaching,
}

impl Gaps {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Missing, "missing"),
        (Self::Ignore, "ignore"),
        (Self::Breaching, "breaching"),
        (Self::NotBreaching, "notBreaching"),
    ];

    pub(super) fn parse(name: &str) -> Result<Self, AwsError> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(gaps, _)| *gaps).ok_or_else(|| {
            invalid(format!("`TreatMissingData` is `{name}`; it can be missing, ignore, breaching or notBreaching"))
        })
    }

    /// The name in the API.
    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(gaps, _)| *gaps == self).map_or("", |(_, name)| name)
    }
}
