//! IAM identity policies: may this principal do this to that?
//!
//! Knows nothing of templates, functions or AWS calls: statements come in as JSON, a request is three texts and a few
//! condition keys. Whatever of the policy language is not implemented is refused when the policy is read, because a
//! statement that is quietly ignored would prove a privilege that AWS does not grant.

mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use parse::{PolicyError, PolicyProblem};
use serde_json::Value;

/// The statements of all identity policies of one principal, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    statements: Vec<Statement>,
}

/// One AWS API call, as IAM sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// Service prefix and action, such as `codedeploy:StopDeployment`.
    pub action: String,
    /// ARN of what is acted on, or `*` for an action that is not about any one resource.
    pub resource: String,
    /// Condition keys, such as `aws:RequestedRegion`. Names are compared without case, values with it.
    pub context: BTreeMap<String, String>,
}

/// What the policy says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A statement allows it and none denies it. The first one that does is named.
    Allowed(Matched),
    /// Nothing allows it.
    ImplicitDeny,
    /// A statement forbids it, whatever else may allow it.
    ExplicitDeny(Matched),
}

/// The statement that decided.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Matched {
    /// Position of the statement in what [`Policy::parse`] was given.
    pub statement: usize,
    /// Its `Sid`, if it has one.
    pub sid: Option<String>,
    /// The element of `Action` that covered the request, as written; `NotAction` for a statement that has that.
    pub action: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Statement {
    sid: Option<String>,
    allows: bool,
    actions: Scope,
    resources: Scope,
    conditions: Vec<Condition>,
}

/// `Action`/`Resource`, or the `Not…` form of either.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    Only(Vec<String>),
    AllBut(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    quantifier: Quantifier,
    operator: Operator,
    key: String,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    One,
    Any,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    StringEquals,
    StringNotEquals,
    StringLike,
    Bool,
    /// `ArnEquals` behaves identically in IAM.
    ArnLike,
}

impl Policy {
    /// Reads the statements of a policy (or of several, one after the other).
    pub fn parse(statements: &[Value]) -> Result<Self, PolicyError> {
        let statements: Result<_, _> =
            statements.iter().enumerate().map(|(i, value)| parse::statement(i, value)).collect();
        Ok(Self { statements: statements? })
    }

    /// Decides one request: an explicit deny beats any allow, and what nothing allows is denied.
    pub fn evaluate(&self, request: &Request) -> Decision {
        let find = |allows: bool| {
            let candidates = self.statements.iter().enumerate().filter(|(_, statement)| statement.allows == allows);
            candidates.into_iter().find_map(|(index, statement)| {
                let action = statement.covers(request)?;
                Some(Matched { statement: index, sid: statement.sid.clone(), action })
            })
        };
        if let Some(matched) = find(false) {
            return Decision::ExplicitDeny(matched);
        }
        find(true).map_or(Decision::ImplicitDeny, Decision::Allowed)
    }

    /// Every grant there is, one per element of each `Action`. Those that no [`Decision::Allowed`] of a whole test run
    /// names are privileges that nobody needs.
    pub fn grants(&self) -> Vec<Matched> {
        let allowing = self.statements.iter().enumerate().filter(|(_, statement)| statement.allows);
        allowing
            .flat_map(|(index, statement)| {
                let actions = match &statement.actions {
                    Scope::Only(actions) => actions.clone(),
                    Scope::AllBut(_) => vec![parse::NOT_ACTION.to_owned()],
                };
                actions.into_iter().map(move |action| Matched { statement: index, sid: statement.sid.clone(), action })
            })
            .collect()
    }
}

/// The ARN under which a function's calls reach AWS: its role, assumed in a session named after the function.
pub fn assumed_role(account: &str, role: &str, function: &str) -> String {
    format!("arn:aws:sts::{account}:assumed-role/{role}/{function}")
}

/// AWS's own words for a refused call, or nothing when the decision allows it.
pub fn access_denied(principal: &str, request: &Request, decision: &Decision) -> Option<String> {
    let Request { action, resource, .. } = request;
    let refusal = format!("User: {principal} is not authorized to perform: {action} on resource: {resource}");
    match decision {
        Decision::Allowed(_) => None,
        Decision::ImplicitDeny => {
            Some(format!("{refusal} because no identity-based policy allows the {action} action"))
        }
        Decision::ExplicitDeny(_) => Some(format!("{refusal} with an explicit deny in an identity-based policy")),
    }
}

impl Statement {
    /// The element of `Action` that covers the request, if the statement is about this request at all.
    fn covers(&self, request: &Request) -> Option<String> {
        let wanted = request.action.to_lowercase();
        let action_matches = |pattern: &String| glob(&pattern.to_lowercase(), &wanted);
        let action = match &self.actions {
            Scope::Only(patterns) => patterns.iter().find(|pattern| action_matches(pattern))?.clone(),
            Scope::AllBut(patterns) if patterns.iter().any(action_matches) => return None,
            Scope::AllBut(_) => parse::NOT_ACTION.to_owned(),
        };
        let resource_matches = |pattern: &String| arn_matches(pattern, &request.resource);
        let resource_covered = match &self.resources {
            Scope::Only(patterns) => patterns.iter().any(resource_matches),
            Scope::AllBut(patterns) => !patterns.iter().any(resource_matches),
        };
        (resource_covered && self.conditions.iter().all(|condition| condition.holds(&request.context)))
            .then_some(action)
    }
}

impl Condition {
    fn holds(&self, context: &BTreeMap<String, String>) -> bool {
        let seen = context.iter().find(|(key, _)| key.eq_ignore_ascii_case(&self.key)).map(|(_, value)| value.as_str());
        match (self.quantifier, seen) {
            (_, Some(value)) => self.accepts(value),
            // A key that the request lacks: negated operators hold, and "all of none" is true.
            (Quantifier::One, None) => self.operator == Operator::StringNotEquals,
            (Quantifier::All, None) => true,
            (Quantifier::Any, None) => false,
        }
    }

    fn accepts(&self, seen: &str) -> bool {
        let mut values = self.values.iter().map(String::as_str);
        match self.operator {
            Operator::StringEquals => values.any(|value| value == seen),
            Operator::StringNotEquals => values.all(|value| value != seen),
            Operator::StringLike => values.any(|value| glob(value, seen)),
            Operator::Bool => values.any(|value| value.eq_ignore_ascii_case(seen)),
            Operator::ArnLike => values.any(|value| arn_matches(value, seen)),
        }
    }
}

/// IAM compares ARNs part by part, so that an asterisk does not reach across a colon except in the last part. A pattern
/// with fewer than six parts is completed with asterisks.
fn arn_matches(pattern: &str, arn: &str) -> bool {
    if pattern == "*" || pattern == arn {
        return true;
    }
    let mut parts = arn.splitn(6, ':');
    let mut patterns = pattern.splitn(6, ':');
    (0..6).all(|_| match (patterns.next().unwrap_or("*"), parts.next()) {
        (pattern, Some(part)) => glob(pattern, part),
        (_, None) => false,
    })
}

/// `*` stands for any run of characters, `?` for exactly one.
fn glob(pattern: &str, text: &str) -> bool {
    let Some(pattern_first) = pattern.chars().next() else { return text.is_empty() };
    let pattern_rest = pattern.get(pattern_first.len_utf8()..).unwrap_or_default();
    if pattern_first == '*' {
        // Patterns of policies are short, so trying every split is cheap enough.
        return text.char_indices().any(|(at, _)| glob(pattern_rest, text.get(at..).unwrap_or_default()))
            || glob(pattern_rest, "");
    }
    let Some(text_first) = text.chars().next() else { return false };
    let text_rest = text.get(text_first.len_utf8()..).unwrap_or_default();
    (pattern_first == '?' || pattern_first == text_first) && glob(pattern_rest, text_rest)
}
