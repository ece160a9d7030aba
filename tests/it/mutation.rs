//! Values that a person or a service would not come up with: arbitrary ones, and real ones with something changed.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Number, Value};

/// How many cases a property is tried on; `PROPTEST_CASES` sets another number. A failure is shown in full, so nothing is kept in files.
pub(crate) fn cases() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// A text: one of `words`, or anything.
pub(crate) fn text(words: &'static [&'static str]) -> BoxedStrategy<String> {
    prop_oneof![3 => proptest::sample::select(words).prop_map(str::to_owned), 1 => "[ -~äß✓]{0,12}"].boxed()
}

/// Any JSON value, with keys and texts that mean something among the others.
pub(crate) fn json(words: &'static [&'static str]) -> BoxedStrategy<Value> {
    let scalar = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => any::<i64>().prop_map(|number| Value::Number(number.into())),
        1 => any::<f64>().prop_map(|number| Number::from_f64(number).map_or(Value::Null, Value::Number)),
        4 => text(words).prop_map(Value::String),
    ];
    scalar
        .prop_recursive(5, 48, 6, move |inner| {
            prop_oneof![
                1 => vec(inner.clone(), 0..6).prop_map(Value::Array),
                2 => vec((text(words), inner), 0..6).prop_map(|members| Value::Object(Map::from_iter(members))),
            ]
        })
        .boxed()
}

/// One change at one place of a value.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Another value in its place.
    Replace(Value),
    /// The n-th thing within it is taken out.
    Remove(usize),
    /// The n-th key within it gets another name.
    Rename(usize, String),
    /// The n-th thing within it stands there twice.
    Repeat(usize),
}

/// Several changes, each at the n-th place of the value.
pub(crate) fn changes(words: &'static [&'static str]) -> BoxedStrategy<Vec<(usize, Change)>> {
    let change = prop_oneof![
        3 => json(words).prop_map(Change::Replace),
        2 => any::<usize>().prop_map(Change::Remove),
        2 => (any::<usize>(), text(words)).prop_map(|(at, name)| Change::Rename(at, name)),
        1 => any::<usize>().prop_map(Change::Repeat),
    ];
    vec((any::<usize>(), change), 0..6).boxed()
}

/// The value with the changes made.
pub(crate) fn changed(mut value: Value, changes: Vec<(usize, Change)>) -> Value {
    for (at, change) in changes {
        let mut left = at % size(&value);
        apply(&mut value, &mut left, &mut Some(change));
    }
    value
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

fn apply(value: &mut Value, left: &mut usize, change: &mut Option<Change>) {
    if change.is_none() {
        return;
    }
    if *left == 0 {
        if let Some(change) = change.take() {
            change_here(value, change);
        }
        return;
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| apply(item, left, change)),
        Value::Object(members) => members.values_mut().for_each(|member| apply(member, left, change)),
        _ => {}
    }
}

fn change_here(value: &mut Value, change: Change) {
    match (change, value) {
        (Change::Replace(new), value) => *value = new,
        (Change::Remove(at), Value::Array(items)) if !items.is_empty() => drop(items.remove(at % items.len())),
        (Change::Remove(at), Value::Object(members)) if !members.is_empty() => {
            let key = members.keys().nth(at % members.len()).cloned().unwrap_or_default();
            members.shift_remove(&key);
        }
        (Change::Rename(at, name), Value::Object(members)) if !members.is_empty() => {
            let at = at % members.len();
            *members = std::mem::take(members)
                .into_iter()
                .enumerate()
                .map(|(index, (key, member))| (if index == at { name.clone() } else { key }, member))
                .collect();
        }
        (Change::Repeat(at), Value::Array(items)) if !items.is_empty() => {
            items.extend(items.get(at % items.len()).cloned());
        }
        _ => {}
    }
}
