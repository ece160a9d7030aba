//! Where in a document something stands, step by step. Keys are kept apart, not joined by dots: a JSONPath is a key too, and has dots
//! of its own. Knows nothing of lines.

use std::fmt;

/// One step into a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A key of a map.
    Key(String),
    /// An entry of a list, from 0.
    Entry(usize),
}

/// The steps from the top of a document to a value in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(Vec<Step>);

impl Path {
    /// The top.
    pub fn top() -> Self {
        Self::default()
    }

    /// The path of `key` below this one.
    pub fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    /// The path of an entry of the list that is here.
    pub fn entry(&self, index: usize) -> Self {
        self.with(Step::Entry(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut path = self.clone();
        path.0.push(step);
        path
    }

    /// This path and then the other.
    pub fn join(&self, other: &Path) -> Self {
        Self(self.0.iter().chain(&other.0).cloned().collect())
    }

    /// The steps, from the top.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// What holds this value; `None` at the top.
    pub fn parent(&self) -> Option<Self> {
        let (_, above) = self.0.split_last()?;
        Some(Self(above.to_vec()))
    }

    /// The key that this value, or the list that it is an entry of, stands under.
    pub fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Entry(_) => None,
        })
    }

    /// Whether this is `other` or lies within it.
    pub fn is_within(&self, other: &Path) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The rest of the way from `above`, when this lies within it.
    pub fn below(&self, above: &Path) -> Option<Self> {
        self.0.strip_prefix(above.0.as_slice()).map(|rest| Self(rest.to_vec()))
    }
}

impl From<&serde_path_to_error::Path> for Path {
    fn from(path: &serde_path_to_error::Path) -> Self {
        use serde_path_to_error::Segment;
        // A variant is no step: it is the word itself that stands there.
        let step = |segment: &Segment| match segment {
            Segment::Seq { index } => Some(Step::Entry(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        Self(path.iter().filter_map(step).collect())
    }
}

impl fmt::Display for Path {
    /// `services[0].endpoints.test`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Entry(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
