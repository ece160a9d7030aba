//! What is wrong with a block of checks before any of them runs: names, circles, references, expressions, keys that mean nothing
//! beside each other. Pure; what depends on a value that only a deployment brings is left to the run.

mod keys;
mod spelling;

use std::collections::BTreeSet;

use domain::config::{Check, Path, Remark, SecretRef};
use domain::text::{bounded, nearest};
use serde_json::Value;

use crate::plan::plan;
use crate::template::references;

/// What every check may refer to, captured values aside. `env:<NAME>` and `secret:<name>#<key>` come on top.
pub const VARIABLES: [&str; 8] = [
    "deployment.id",
    "deployment.application",
    "deployment.group",
    "service.name",
    "service.environment",
    "revision.git_sha",
    "revision.task_definition",
    "revision.lambda_version",
];

/// Reviews the checks of one block; the remarks begin at the list of checks.
pub fn review(checks: &[Check]) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut names = BTreeSet::new();
    for (index, check) in checks.iter().enumerate() {
        let at = Path::top().entry(index);
        if check.name.trim().is_empty() {
            remarks.push(Remark::new(at.key("name"), "this is empty; write a name"));
        } else if !names.insert(check.name.as_str()) {
            let message = format!("there are two checks named `{}` in this block; give each its own name", check.name);
            remarks.push(Remark::new(at.key("name"), message));
        }
        let mut one = One { check, checks, at, remarks: &mut remarks };
        one.needs();
        one.request();
        one.captures();
        one.expectation();
        one.references();
    }
    circles(checks, &mut remarks);
    remarks
}

/// One check under review.
struct One<'a> {
    check: &'a Check,
    checks: &'a [Check],
    at: Path,
    remarks: &'a mut Vec<Remark>,
}

impl One<'_> {
    fn add(&mut self, path: Path, message: impl Into<String>) {
        self.remarks.push(Remark::new(path, message));
    }

    fn needs(&mut self) {
        for (position, needed) in self.check.needs.iter().enumerate() {
            if self.checks.iter().all(|other| other.name != *needed) {
                let others =
                    self.checks.iter().map(|other| other.name.as_str()).filter(|name| *name != self.check.name);
                let near = nearest(needed, others);
                let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                let remark = Remark::new(
                    self.at.key("needs").entry(position),
                    format!("there is no check `{needed}` in this block{hint}"),
                );
                self.remarks.push(Remark { rests_on_names: near.is_none(), ..remark });
            }
        }
    }

    /// Every reference must have something to refer to.
    fn references(&mut self) {
        let mut texts = Vec::new();
        texts_of(self.check, &self.at, &mut texts);
        for (path, text) in texts {
            for wrong in spelling::misspelt(text) {
                self.add(path.clone(), wrong);
            }
            for name in references(text) {
                if let Some((message, rests_on_names)) = self.unresolvable(name) {
                    self.remarks.push(Remark { rests_on_names, ..Remark::new(path.clone(), message) });
                }
            }
        }
    }

    /// What is wrong with a reference, and whether that rests on the names of the block.
    fn unresolvable(&self, name: &str) -> Option<(String, bool)> {
        let shown = format!("`{{{{ {} }}}}`", bounded(name, 60));
        if let Some(variable) = name.strip_prefix("env:") {
            return variable.is_empty().then(|| (format!("{shown} names no variable; write `env:<NAME>`"), false));
        }
        if name.starts_with("secret:") {
            let wrong = SecretRef::parse(name).is_err();
            return wrong.then(|| (format!("{shown} names no secret; write `secret:<name>#<key>`"), false));
        }
        if self.checks.iter().any(|other| other.name != self.check.name && other.capture.contains_key(name)) {
            return None;
        }
        if self.check.capture.contains_key(name) {
            let message = format!(
                "{shown} is captured from the answer to this very check; no other check of the block captures it"
            );
            return Some((message, true));
        }
        if VARIABLES.contains(&name) {
            return None;
        }
        let captured: BTreeSet<&str> =
            self.checks.iter().flat_map(|check| check.capture.keys().map(String::as_str)).collect();
        let known = || VARIABLES.into_iter().chain(captured.iter().copied());
        let near = nearest(name, known());
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here are {}", known().collect::<Vec<_>>().join(", ")),
        };
        Some((format!("{shown} refers to nothing; {hint}"), near.is_none()))
    }
}

/// Every text in which references are replaced, with its path.
fn texts_of<'c>(check: &'c Check, at: &Path, texts: &mut Vec<(Path, &'c str)>) {
    let paths = [
        ("get", &check.get),
        ("post", &check.post),
        ("put", &check.put),
        ("patch", &check.patch),
        ("delete", &check.delete),
        ("head", &check.head),
        ("websocket", &check.websocket),
        ("body", &check.body),
    ];
    texts.extend(paths.iter().filter_map(|(key, text)| Some((at.key(key), text.as_deref()?))));
    if let Some(health) = &check.grpc_health {
        texts.extend(health.url.as_deref().map(|url| (at.key("grpc_health").key("url"), url)));
    }
    for (key, fields) in [("headers", &check.headers), ("form", &check.form)] {
        texts.extend(fields.iter().map(|(name, text)| (at.key(key).key(name), text.as_str())));
    }
    if let Some(invoke) = &check.invoke {
        texts_in(&invoke.payload, &at.key("invoke").key("payload"), texts);
    }
    if let Some(json) = &check.json {
        texts_in(json, &at.key("json"), texts);
    }
    let expect = at.key("expect");
    for (key, wanted) in [("headers", &check.expect.headers), ("json", &check.expect.json)] {
        for (what, wanted) in wanted {
            texts_in(wanted, &expect.key(key).key(what), texts);
        }
    }
    if let Some(body) = &check.expect.body {
        let parts = [("contains", &body.contains), ("matches", &body.matches), ("sha256", &body.sha256)];
        texts.extend(parts.iter().filter_map(|(key, text)| Some((expect.key("body").key(key), text.as_deref()?))));
    }
}

fn texts_in<'c>(value: &'c Value, at: &Path, texts: &mut Vec<(Path, &'c str)>) {
    match value {
        Value::String(text) => texts.push((at.clone(), text)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| texts_in(item, &at.entry(index), texts));
        }
        Value::Object(members) => members.iter().for_each(|(key, member)| texts_in(member, &at.key(key), texts)),
        _ => {}
    }
}

/// Checks that wait for each other, by `needs` or by a captured value: each circle once, at the first of its checks.
fn circles(checks: &[Check], remarks: &mut Vec<Remark>) {
    let steps = plan(checks);
    let needs = |index: usize| steps.get(index).map(crate::plan::Step::needs).unwrap_or_default();
    let mut told = BTreeSet::new();
    for (index, check) in checks.iter().enumerate().filter(|(index, _)| !needs(*index).is_empty()) {
        let Some(way) = way_back(index, needs).filter(|way| way.iter().all(|at| !told.contains(at))) else { continue };
        let names: Vec<String> = way
            .iter()
            .chain([&index])
            .filter_map(|at| checks.get(*at))
            .map(|check| format!("`{}`", check.name))
            .collect();
        told.extend(way);
        let at = Path::top().entry(index);
        let at = if check.needs.is_empty() { at.key("name") } else { at.key("needs") };
        let message = format!(
            "`{}` waits for itself: {}, by `needs` or by captured values; take one of these steps out",
            check.name,
            names.join(" waits for ")
        );
        remarks.push(Remark::new(at, message));
    }
}

/// The shortest way from a check over those that it waits for back to itself, without the last step.
fn way_back<'s>(from: usize, needs: impl Fn(usize) -> &'s [usize]) -> Option<Vec<usize>> {
    let mut ways = std::collections::VecDeque::from([vec![from]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in needs(*way.last()?) {
            if *next == from {
                return Some(way);
            }
            if seen.insert(*next) {
                ways.push_back(way.iter().copied().chain([*next]).collect());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests;
