//! Document paths: where in an item something is, and how to read, write, remove and project it.
//! Knows nothing of expressions.

use super::value::Item;
use serde_json::{Map, Value, json};
use std::fmt;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// An attribute of an item or of a map.
    Attribute(String),
    /// An element of a list.
    Index(usize),
}

/// A document path; its first step is an attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path(Vec<Step>);

/// The path leads through something that is absent or of the wrong type.
pub(super) struct NoParent;

impl Path {
    /// A path of these steps.
    pub(super) fn new(steps: Vec<Step>) -> Self {
        Self(steps)
    }

    /// The top-level attribute.
    pub(super) fn root(&self) -> &str {
        match self.0.first() {
            Some(Step::Attribute(name)) => name,
            _ => "",
        }
    }

    /// Whether one of the two paths leads through the other.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(one, two)| one == two)
    }

    /// What is there.
    pub(super) fn get<'a>(&self, item: &'a Item) -> Option<&'a Value> {
        let (_, steps) = self.0.split_first()?;
        steps.iter().try_fold(item.get(self.root())?, |value, step| match step {
            Step::Attribute(name) => value.get("M")?.get(name),
            Step::Index(index) => value.get("L")?.get(index),
        })
    }

    /// Puts `new` there; an index past the end of a list appends.
    pub(super) fn set(&self, item: &mut Item, new: Value) -> Result<(), NoParent> {
        match self.holder(item).ok_or(NoParent)? {
            (Holder::Map(members), Step::Attribute(name)) => {
                members.insert(name.clone(), new);
            }
            (Holder::List(elements), Step::Index(index)) => match elements.get_mut(*index) {
                Some(slot) => *slot = new,
                None => elements.push(new),
            },
            _ => return Err(NoParent),
        }
        Ok(())
    }

    /// Takes away what is there; that nothing is there is no error, that its parent is missing is one.
    pub(super) fn remove(&self, item: &mut Item) -> Result<(), NoParent> {
        match self.holder(item).ok_or(NoParent)? {
            (Holder::Map(members), Step::Attribute(name)) => {
                members.shift_remove(name);
            }
            (Holder::List(elements), Step::Index(index)) => {
                if *index < elements.len() {
                    elements.remove(*index);
                }
            }
            _ => return Err(NoParent),
        }
        Ok(())
    }

    /// The map or list that the last step goes into.
    fn holder<'a>(&self, item: &'a mut Item) -> Option<(Holder<'a>, &Step)> {
        let (last, parents) = self.0.split_last()?;
        let mut holder = Holder::Map(item);
        for step in parents {
            let value = match (holder, step) {
                (Holder::Map(members), Step::Attribute(name)) => members.get_mut(name)?,
                (Holder::List(elements), Step::Index(index)) => elements.get_mut(*index)?,
                _ => return None,
            };
            let (tag, content) = value.as_object_mut()?.iter_mut().next()?;
            holder = match (tag.as_str(), content) {
                ("M", Value::Object(members)) => Holder::Map(members),
                ("L", Value::Array(elements)) => Holder::List(elements),
                _ => return None,
            };
        }
        Some((holder, last))
    }

    /// Copies what is there into `target`, building maps and lists on the way; elements of a list close up.
    fn copy(&self, item: &Item, target: &mut Item) {
        let (Some(value), Some((_, steps))) = (self.get(item), self.0.split_first()) else { return };
        place(target.entry(self.root().to_owned()).or_insert(Value::Null), steps, value);
    }
}

enum Holder<'a> {
    Map(&'a mut Item),
    List(&'a mut Vec<Value>),
}

fn place(slot: &mut Value, steps: &[Step], value: &Value) {
    match steps.split_first() {
        None => *slot = value.clone(),
        Some((Step::Attribute(name), rest)) => {
            if slot.get("M").is_none() {
                *slot = json!({"M": {}});
            }
            if let Some(Value::Object(members)) = slot.get_mut("M") {
                place(members.entry(name.clone()).or_insert(Value::Null), rest, value);
            }
        }
        Some((Step::Index(_), rest)) => {
            if slot.get("L").is_none() {
                *slot = json!({"L": []});
            }
            if let Some(Value::Array(elements)) = slot.get_mut("L") {
                let mut element = Value::Null;
                place(&mut element, rest, value);
                elements.push(element);
            }
        }
    }
}

/// The part of `item` that `paths` name.
pub(super) fn project(item: &Item, paths: &[Path]) -> Item {
    let mut part = Map::new();
    for path in paths {
        path.copy(item, &mut part);
    }
    part
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.0.iter().map(|step| match step {
            Step::Attribute(name) => name.clone(),
            Step::Index(index) => format!("[{index}]"),
        });
        write!(out, "[{}]", steps.collect::<Vec<_>>().join(", "))
    }
}
