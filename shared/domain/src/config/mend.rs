//! Goes on reading behind what is wrong. serde stops at the first error; so each error is noted, a copy of the document is mended there
//! just well enough to be read, and reading starts again. Knows nothing of what the configuration means: which stand-in fits is found
//! by trying.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::explain::{Fault, explain};
use super::load::Problem;
use super::path::{Path, Step};
use super::service::Config;
use super::strict::Strict;
use super::yaml::Document;

/// How many problems are told at most. A file with more than that is another file.
pub(super) const MOST: usize = 100;
/// How often reading starts again at most, so that it ends whatever the file holds.
const ROUNDS: usize = 4 * MOST;

/// What came of reading a document that may have mistakes.
pub(super) struct Mended {
    /// The configuration, with stand-ins where something was wrong; `None` where that did not help.
    pub(super) config: Option<Config>,
    /// The document, in which renamed keys are found under their right names as well.
    pub(super) document: Document,
    /// What was wrong with its shape.
    pub(super) problems: Vec<Problem>,
    /// Where stand-ins are.
    pub(super) paths: BTreeSet<Path>,
}

fn attempt(value: &Value) -> Result<Config, Fault> {
    serde_path_to_error::deserialize(Strict(value))
        .map_err(|error| Fault::new(Path::from(error.path()), &error.inner().to_string()))
}

/// Reads the configuration; `stand_ins` are the places of which it is known already that they are wrong.
pub(super) fn read(document: Document, stand_ins: impl Iterator<Item = Path>) -> Mended {
    let mut value = document.value.clone();
    let mut mended = Mended { config: None, document, problems: Vec::new(), paths: stand_ins.collect() };
    for _ in 0..ROUNDS {
        let fault = match attempt(&value) {
            Ok(config) => {
                mended.refuse_lists(&value, &config);
                mended.config = Some(config);
                return mended;
            }
            Err(fault) => fault,
        };
        mended.note(&fault, &value);
        if mended.problems.len() > MOST || !mended.repair(&fault, &mut value) {
            break;
        }
    }
    mended
}

impl Mended {
    fn is_stand_in(&self, path: &Path) -> bool {
        self.paths.iter().any(|mended| path.is_within(mended))
    }

    fn note(&mut self, fault: &Fault, value: &Value) {
        let subject = fault.subject();
        if self.is_stand_in(&subject) {
            return;
        }
        let message = explain(fault, value_at(value, &fault.path));
        self.problems.push(Problem { place: self.document.nearest_place(&subject), message });
    }

    /// Mends the value where the fault is; whether that was possible.
    fn repair(&mut self, fault: &Fault, value: &mut Value) -> bool {
        let subject = fault.subject();
        if let Some((unknown, valid)) = fault.unknown_key() {
            let Some(Value::Object(members)) = at_mut(value, &fault.path) else { return false };
            // What was meant is read as such, so that its own mistakes are told too, and it is not told to be missing.
            match fault.meant().filter(|meant| valid.contains(meant) && !members.contains_key(*meant)) {
                Some(meant) => {
                    self.document.call(&subject, &fault.path.key(meant));
                    *members = std::mem::take(members)
                        .into_iter()
                        .map(|(key, member)| (if key == unknown { meant.to_owned() } else { key }, member))
                        .collect();
                }
                None => drop(members.shift_remove(unknown)),
            }
            return true;
        }
        let original = value_at(value, &subject).cloned();
        self.paths.insert(subject.clone());
        for stand_in in stand_ins(original.as_ref()) {
            let is_map = stand_in.is_object();
            if !put(value, &subject, stand_in) {
                return false;
            }
            match attempt(value) {
                Err(next) if is_map && next.path == subject && next.subject() != subject => return true,
                Err(next) if next.subject().is_within(&subject) => {}
                _ => return true,
            }
        }
        false
    }

    /// Within a value of several forms serde takes a list for a map all the same. Nobody means that, and no schema allows it.
    fn refuse_lists(&mut self, value: &Value, config: &Config) {
        let mut found = Vec::new();
        if let Ok(read) = serde_json::to_value(config) {
            lists_for_maps(value, &read, &Path::top(), &mut found);
        }
        for path in found {
            let fault = Fault::new(path.clone(), "invalid type: sequence, expected a map");
            self.note(&fault, value);
            self.paths.insert(path);
        }
    }
}

fn lists_for_maps(written: &Value, read: &Value, at: &Path, found: &mut Vec<Path>) {
    match (written, read) {
        (Value::Array(_), Value::Object(_)) => found.push(at.clone()),
        (Value::Array(written), Value::Array(read)) => {
            for (index, (written, read)) in written.iter().zip(read).enumerate() {
                lists_for_maps(written, read, &at.entry(index), found);
            }
        }
        (Value::Object(written), Value::Object(read)) => {
            for (key, written) in written {
                if let Some(read) = read.get(key) {
                    lists_for_maps(written, read, &at.key(key), found);
                }
            }
        }
        _ => {}
    }
}

/// What may be taken for the value, the likeliest first: together they satisfy every type that the configuration has.
fn stand_ins(original: Option<&Value>) -> Vec<Value> {
    let mut candidates = Vec::new();
    // A number where a text is wanted: other checks may need it by that name.
    candidates
        .extend(original.filter(|value| value.is_number() || value.is_boolean()).map(|value| json!(value.to_string())));
    candidates.extend([
        json!("env:X"),
        json!("1s"),
        json!(1),
        json!(true),
        json!("rollback"),
        json!("warn"),
        Value::Array(Vec::new()),
        Value::Object(Map::new()),
        Value::Null,
    ]);
    candidates
}

fn value_at<'a>(value: &'a Value, path: &Path) -> Option<&'a Value> {
    path.steps().iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Entry(index) => value.get(index),
    })
}

fn at_mut<'a>(value: &'a mut Value, path: &Path) -> Option<&'a mut Value> {
    path.steps().iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Entry(index) => value.get_mut(index),
    })
}

/// Puts a value where the path leads to, which may be a key that is not there yet.
fn put(value: &mut Value, path: &Path, new: Value) -> bool {
    if let Some(slot) = at_mut(value, path) {
        *slot = new;
        return true;
    }
    let (Some(parent), Some(Step::Key(key))) = (path.parent(), path.steps().last()) else { return false };
    match at_mut(value, &parent) {
        Some(Value::Object(members)) => {
            members.insert(key.clone(), new);
            true
        }
        _ => false,
    }
}
