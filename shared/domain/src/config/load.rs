//! Reads the configuration's text and checks what its types cannot: references within it. Every problem is told with its line, its column
//! and what to write instead. Knows nothing of files.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::check::{Check, MATCHER_WORDS};
use super::service::Config;
use super::yaml::{self, Document, Place};
use crate::text::nearest;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, and what to write instead.
    pub message: String,
}

/// A configuration that cannot be used, with everything that is known to be wrong in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file's name, as it was given.
    pub file: String,
    /// What is wrong, in the file's order; never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{}:{}: {}", self.file, problem.place.line, problem.place.column, problem.message)?;
        }
        Ok(())
    }
}

/// Reads a configuration; `file` is only named in errors.
pub fn load(file: &str, text: &str) -> Result<Config, ConfigError> {
    let failed = |problems| ConfigError { file: file.to_owned(), problems };
    let document =
        yaml::parse(text).map_err(|error| failed(vec![Problem { place: error.place, message: error.message }]))?;
    let config: Config = serde_path_to_error::deserialize(&document.value).map_err(|error| {
        let path = error.path().to_string();
        let message = explain(&error.into_inner().to_string());
        failed(vec![Problem { place: place_of(&document, &path, &message), message }])
    })?;
    let problems = review(&config, &document);
    if problems.is_empty() { Ok(config) } else { Err(failed(problems)) }
}

/// The place of a path, or of the nearest thing around it. An unknown field's own key is the better place.
fn place_of(document: &Document, path: &str, message: &str) -> Place {
    let at = if path == "." { "" } else { path };
    if let Some(field) = quoted(message, "unknown key `")
        && let Some(place) = document.places.get(&yaml::below(at, field))
    {
        return *place;
    }
    document.nearest_place(path)
}

fn quoted<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once('`').map(|(inner, _)| inner)
}

/// serde's words as a user's: an unknown field becomes an unknown key with the nearest valid one.
fn explain(message: &str) -> String {
    let Some(unknown) = quoted(message, "unknown field `") else { return message.to_owned() };
    let valid: Vec<&str> = message
        .split_once("expected")
        .map(|(_, list)| list.split('`').skip(1).step_by(2).collect())
        .unwrap_or_default();
    match nearest(unknown, valid.iter().copied()) {
        Some(near) => format!("unknown key `{unknown}`; did you mean `{near}`?"),
        None if valid.is_empty() => format!("unknown key `{unknown}`; no key is allowed here"),
        None => format!("unknown key `{unknown}`; allowed here: {}", valid.join(", ")),
    }
}

/// Everything that the types cannot rule out.
fn review(config: &Config, document: &Document) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |path: &str, message: String| {
        problems.push(Problem { place: place_of(document, path, ""), message });
    };
    if config.version != 1 {
        add("version", format!("version {} of the configuration is not known; this is version 1", config.version));
    }
    if let Some(slack) = &config.slack {
        match (&slack.token, &slack.channel, &slack.webhook) {
            (Some(_), Some(_), None) | (None, None, Some(_)) => {}
            (Some(_), None, None) => {
                add("slack", "`token` needs a `channel`: the channel's id, such as `C0DEPLOYS`".to_owned());
            }
            _ => add("slack", "give either `token` and `channel`, or `webhook`".to_owned()),
        }
    }
    let mut names = BTreeSet::new();
    let mut groups = BTreeSet::new();
    for (index, service) in config.services.iter().enumerate() {
        let at = format!("services[{index}]");
        if !names.insert(service.name.as_str()) {
            add(
                &format!("{at}.name"),
                format!("there are two services named `{}`; give each its own name", service.name),
            );
        }
        if !groups.insert(&service.codedeploy) {
            add(
                &format!("{at}.codedeploy"),
                format!(
                    "the deployment group `{}` belongs to two services; a deployment is of one",
                    service.codedeploy
                ),
            );
        }
        for (url, key) in [(&service.endpoints.test, "test"), (&service.endpoints.production, "production")] {
            if let Some(url) = url
                && !(url.starts_with("http://") || url.starts_with("https://"))
            {
                add(&format!("{at}.endpoints.{key}"), format!("`{url}` is not a URL; write `https://` and the host"));
            }
        }
        let blocks = [
            ("before_allow_traffic", &service.before_allow_traffic.checks),
            ("after_allow_traffic", &service.after_allow_traffic.checks),
        ];
        for (block, checks) in blocks {
            review_checks(checks, &format!("{at}.{block}.checks"), &mut add);
        }
    }
    problems.sort_by_key(|problem| problem.place);
    problems
}

fn review_checks(checks: &[Check], at: &str, add: &mut impl FnMut(&str, String)) {
    let mut names = BTreeSet::new();
    for (index, check) in checks.iter().enumerate() {
        let here = format!("{at}[{index}]");
        if !names.insert(check.name.as_str()) {
            add(&format!("{here}.name"), format!("there are two checks named `{}` in this block", check.name));
        }
        if let Err(message) = check.request() {
            add(&here, message);
        }
        for (block, expected) in [("headers", &check.expect.headers), ("json", &check.expect.json)] {
            for (what, wanted) in expected {
                review_matcher(wanted, &yaml::below(&format!("{here}.expect.{block}"), what), add);
            }
        }
        for (position, needed) in check.needs.iter().enumerate() {
            if checks.iter().all(|other| other.name != *needed) {
                let hint = nearest(needed, checks.iter().map(|other| other.name.as_str()))
                    .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                add(&format!("{here}.needs[{position}]"), format!("there is no check `{needed}` in this block{hint}"));
            }
        }
    }
    for name in cycle(checks) {
        let index = checks.iter().position(|check| check.name == name).unwrap_or_default();
        add(&format!("{at}[{index}].needs"), format!("`{name}` needs itself, by way of the checks that it needs"));
    }
}

/// A map in an expectation is a matcher, so each of its keys is a matcher's word.
fn review_matcher(wanted: &Value, at: &str, add: &mut impl FnMut(&str, String)) {
    for (word, operand) in wanted.as_object().into_iter().flatten() {
        let here = yaml::below(at, word);
        if word == "length" {
            review_matcher(operand, &here, add);
        } else if !MATCHER_WORDS.contains(&word.as_str()) {
            let hint = match nearest(word, MATCHER_WORDS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("valid are {}; write `{{ eq: … }}` for a literal map", MATCHER_WORDS.join(", ")),
            };
            add(&here, format!("`{word}` is no matcher; {hint}"));
        }
    }
}

/// The checks that can never run because they wait for each other.
fn cycle(checks: &[Check]) -> Vec<String> {
    let mut open: Vec<&Check> = checks.iter().collect();
    loop {
        let waiting: BTreeSet<&str> = open.iter().map(|check| check.name.as_str()).collect();
        let before = open.len();
        open.retain(|check| check.needs.iter().any(|needed| waiting.contains(needed.as_str())));
        if open.len() == before {
            return open.into_iter().map(|check| check.name.clone()).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str =
        "version: 1\nservices:\n  - name: a\n    codedeploy: { application: app, deployment_group: grp }\n";

    #[track_caller]
    fn check_error(text: &str, expected: &str) {
        assert_eq!(load("greenlight.yaml", text).unwrap_err().to_string(), expected);
    }

    #[test]
    fn an_unknown_key_is_told_with_its_place_and_the_nearest_valid_one() {
        check_error(
            &format!("{SERVICE}    endpoint: {{ test: http://a }}\n"),
            "greenlight.yaml:5:5: unknown key `endpoint`; did you mean `endpoints`?",
        );
    }

    #[test]
    fn a_wrong_type_is_told_with_its_place() {
        check_error(
            &format!("{SERVICE}    before_allow_traffic:\n      budget: 120\n"),
            "greenlight.yaml:6:7: invalid type: integer `120`, expected a string",
        );
    }

    #[test]
    fn a_secret_written_into_the_file_is_refused_and_not_repeated() {
        let error = load(
            "g.yaml",
            "version: 1\nslack: { webhook: https://hooks.slack.com/services/T0/B0/xyz }\nservices: []\n",
        );
        let text = error.unwrap_err().to_string();
        assert!(text.starts_with("g.yaml:2:10: a secret is given by reference"), "{text}");
        assert!(!text.contains("xyz"));
    }

    #[test]
    fn an_unknown_matcher_word_is_told_with_its_place() {
        let text = format!(
            "{SERVICE}    after_allow_traffic:\n      checks:\n        - {{ name: a, get: /, expect: {{ json: {{ $.n: {{ length: {{ gtee: 1 }} }} }} }} }}\n"
        );
        check_error(&text, "greenlight.yaml:7:65: `gtee` is no matcher; did you mean `gte`?");
    }

    #[test]
    fn a_value_of_several_forms_takes_no_unknown_key_and_says_which_forms_there_are() {
        let check = |more: &str| {
            format!("{SERVICE}    after_allow_traffic:\n      checks:\n        - {{ name: a, get: /, {more} }}\n")
        };
        let retries = "greenlight.yaml:7:30: expected a number of further tries, or `{ times: 2, backoff: 1s }`";
        check_error(&check("retries: { times: 2, backoff: 1s, jitter: true }"), retries);
        check_error(&check("retries: { times: 2, backof: 1s }"), retries);
        let capture = "greenlight.yaml:7:41: expected a JSONPath, `{ header: … }` or `{ regex: … }`";
        check_error(&check("capture: { id: { header: a, regex: b } }"), capture);
    }

    #[test]
    fn all_problems_of_reference_are_told_at_once_in_the_files_order() {
        let text = format!(
            "{SERVICE}    after_allow_traffic:\n      checks:\n        - {{ name: a, get: /, post: / }}\n        - {{ name: b, get: /, needs: [aa] }}\n        - {{ name: c, get: /, needs: [d] }}\n        - {{ name: d, get: /, needs: [c] }}\n        - {{ name: d }}\n"
        );
        check_error(
            &text,
            "g:7:11: the check `a` has 2 requests; give exactly one of `get`, `post`, `put`, `patch`, `delete`, `head`, `invoke`, `websocket`, `grpc_health`
g:8:38: there is no check `aa` in this block; did you mean `a`?
g:9:30: `c` needs itself, by way of the checks that it needs
g:10:30: `d` needs itself, by way of the checks that it needs
g:11:11: the check `d` has 0 requests; give exactly one of `get`, `post`, `put`, `patch`, `delete`, `head`, `invoke`, `websocket`, `grpc_health`
g:11:13: there are two checks named `d` in this block"
                .replace("g:", "greenlight.yaml:")
                .as_str(),
        );
    }
}
