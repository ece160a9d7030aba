//! What can be wrong with a template: where it stands and what to do about it.
//!
//! Knows nothing of how templates are read.

use thiserror::Error;

use super::schedule::ScheduleError;
use crate::pattern::PatternError;
use crate::policy::PolicyProblem;

/// Why a template was refused.
#[derive(Debug, Error)]
pub enum TemplateError {
    /// The text is not YAML, or is YAML that CloudFormation does not take.
    #[error("cannot read the template at line {line}: {reason}")]
    Yaml {
        /// Line in the template, from 1.
        line: usize,
        /// What the parser said.
        reason: String,
    },
    /// One place of the template.
    #[error("template line {line}, `{at}`: {problem}")]
    At {
        /// Line in the template, from 1.
        line: usize,
        /// Logical id and property, joined by dots, such as `Hook.Properties.Timeout`.
        at: String,
        /// What was found there.
        problem: Box<Problem>,
    },
    /// Every place that was found wrong, so that they can be mended in one go.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<TemplateError>),
}

/// What can be wrong with one place of a template.
#[derive(Debug, Error)]
pub enum Problem {
    /// Something that has to be there is not.
    #[error("`{property}` is missing")]
    Missing {
        /// The property.
        property: String,
    },
    /// A value of the wrong kind or out of range.
    #[error("needs {needs}, saw `{seen}`")]
    Kind {
        /// What is taken here.
        needs: String,
        /// The value as JSON.
        seen: String,
    },
    /// A key that is not one of the known ones.
    #[error("unknown {what} `{name}`; known are {known}")]
    Unknown {
        /// What the key names, such as `property`.
        what: &'static str,
        /// The key as written.
        name: String,
        /// The keys that are understood.
        known: String,
    },
    /// AWS takes it, the rehearsal cannot act on it.
    #[error("{what} cannot be rehearsed; {advice}")]
    Unsupported {
        /// What it is.
        what: String,
        /// What to write instead.
        advice: &'static str,
    },
    /// A reference to nothing.
    #[error("`{name}` is no {what} of this template")]
    NoSuchName {
        /// The name as written.
        name: String,
        /// What was looked for, such as `parameter or resource`.
        what: &'static str,
    },
    /// A reference to a resource whose `Condition` does not hold.
    #[error("`{name}` does not exist with these parameters, because its `Condition` does not hold")]
    SwitchedOff {
        /// The logical id.
        name: String,
    },
    /// A reference to a resource whose identifiers the emulator does not know.
    #[error("`{name}` is a `{kind}`, and the rehearsal does not know its `{attribute}`")]
    NoAttribute {
        /// The logical id.
        name: String,
        /// The resource type.
        kind: String,
        /// `Ref` or the attribute of `Fn::GetAtt`.
        attribute: String,
    },
    /// Something defined by way of itself.
    #[error("`{name}` refers to itself, possibly through others")]
    Circular {
        /// The name whose meaning was asked for.
        name: String,
    },
    /// A destination outside of the template.
    #[error(
        "`{arn}` is not declared in this template, so a rehearsal does not have it; refer to a resource of the template"
    )]
    Elsewhere {
        /// The ARN after all references were resolved.
        arn: String,
    },
    /// The event pattern of a rule.
    #[error("{0}")]
    Pattern(PatternError),
    /// A statement of a policy.
    #[error("{0}")]
    Policy(PolicyProblem),
    /// The body of a dashboard.
    #[error("the dashboard's body {0}")]
    Dashboard(String),
    /// The expression of a schedule.
    #[error("{0}")]
    Schedule(ScheduleError),
}

impl TemplateError {
    pub(super) fn at(line: usize, at: impl Into<String>, problem: Problem) -> Self {
        Self::At { line, at: at.into(), problem: Box::new(problem) }
    }

    /// Whether even a part of the template that is otherwise kept raw must not contain this: CloudFormation refuses the
    /// whole template for a dangling reference, wherever it stands.
    pub(super) fn is_fatal_everywhere(&self) -> bool {
        match self {
            Self::At { problem, .. } => {
                matches!(**problem, Problem::NoSuchName { .. } | Problem::SwitchedOff { .. } | Problem::Circular { .. })
            }
            Self::Yaml { .. } | Self::Several(_) => true,
        }
    }
}
