//! Reads what the AWS CLI printed: JSON lines, whole documents over many lines, one after the other. Knows nothing of what is counted.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, bail};
use domain::deployment::{Deployment, DeploymentId, LifecycleEvent};
use domain::text::{bounded, visible};
use serde::de::DeserializeOwned;
use serde_json::{Deserializer, Value};

use super::wire::{Info, Target};

/// So many mistakes are told at once.
const MISTAKES: usize = 10;
const EXPECTED: &str = "expected what `aws deploy batch-get-deployments`, `get-deployment`, `batch-get-deployment-targets` or \
     `get-deployment-target` print as JSON";

const IDS: &str = "this is what `aws deploy list-deployments` prints, which has only the deployments' ids; pass them to \
     `aws deploy batch-get-deployments` (`greenlight history --help` shows how)";

fn is_id(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("d-"))
}

/// What a line is that is no JSON, where it is one of the AWS CLI's.
fn misplaced(line: &str) -> Option<String> {
    let starts = |of: &[&str]| of.iter().any(|start| line.starts_with(start));
    // `--output text` begins each line with the key in capitals, a table is framed, and YAML has the key and a colon.
    let framed = ["---", "+--", "|"];
    let keys = [
        "DEPLOYMENTINFO",
        "DEPLOYMENTSINFO",
        "DEPLOYMENTTARGET",
        "deploymentInfo:",
        "deploymentsInfo:",
        "deploymentTarget",
    ];
    if starts(&["aws: ", "usage: aws "]) || line.contains("An error occurred (") {
        let said = bounded(&visible(line), 300);
        Some(format!(
            "the AWS CLI says that it failed: `{said}`; what it was to fetch is missing here: mend that and fetch it again"
        ))
    } else if starts(&["d-"]) {
        Some(IDS.to_owned())
    } else if starts(&framed) || starts(&keys) {
        Some("this is the AWS CLI's output as text, a table or YAML; add `--output json` to the command".to_owned())
    } else {
        None
    }
}

/// What was read of all files.
#[derive(Default)]
pub(super) struct Found {
    /// Each deployment once, however often it was read.
    pub(super) deployments: BTreeMap<DeploymentId, Deployment>,
    /// The lifecycle events of deployments, from their targets.
    pub(super) courses: BTreeMap<DeploymentId, Vec<LifecycleEvent>>,
    /// Where each deployment was read, as `file:line`.
    pub(super) places: BTreeMap<DeploymentId, String>,
    /// How many deployments were read once more.
    pub(super) repeated: usize,
    /// Targets that are neither an ECS service nor a Lambda function.
    pub(super) other_targets: usize,
    /// Where it is being read.
    place: String,
}

/// Reads all files; `-` is standard input.
///
/// # Errors
/// When a file cannot be read, or something in it is not what was expected: each with its file and line, ten at most.
pub(super) fn files(paths: &[impl AsRef<Path>]) -> anyhow::Result<Found> {
    let (mut found, mut mistakes) = (Found::default(), Vec::new());
    for path in paths {
        let path = path.as_ref();
        let (name, bytes) = bytes(path)?;
        found.document_stream(&name, &bytes, &mut mistakes);
    }
    let more = mistakes.len().saturating_sub(MISTAKES);
    mistakes.truncate(MISTAKES);
    if more > 0 {
        mistakes.push(format!("… and {more} more"));
    }
    if !mistakes.is_empty() {
        bail!("{}", mistakes.join("\n       "));
    }
    Ok(found)
}

fn bytes(path: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).context("could not read standard input")?;
        return Ok(("standard input".to_owned(), bytes));
    }
    let bytes = std::fs::read(path).with_context(|| format!("could not read `{}`", path.display()))?;
    Ok((path.display().to_string(), bytes))
}

/// Lines are found by going on from the last one, so that the whole file is walked through once.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line in which the next document begins, at this place or after it.
    fn of_document_at(&mut self, offset: usize) -> usize {
        let blank = self.bytes.iter().skip(offset).take_while(|byte| byte.is_ascii_whitespace()).count();
        let passed = self.bytes.get(self.at..offset + blank).unwrap_or_default();
        self.line += passed.split(|byte| *byte == b'\n').count().saturating_sub(1);
        self.at = offset + blank;
        self.line
    }
}

impl Found {
    fn document_stream(&mut self, name: &str, bytes: &[u8], mistakes: &mut Vec<String>) {
        // A byte order mark, as PowerShell's redirection writes it.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if bytes.starts_with(b"\xff\xfe") {
            mistakes.push(format!(
                "{name}: this is UTF-16, as PowerShell's `>` writes it; save it as UTF-8 (`| Out-File -Encoding utf8`)"
            ));
            return;
        }
        let mut documents = Deserializer::from_slice(bytes).into_iter::<Value>();
        let mut lines = Lines { bytes, at: 0, line: 1 };
        loop {
            let line = lines.of_document_at(documents.byte_offset());
            match documents.next() {
                None => return,
                Some(Ok(value)) => {
                    self.place = format!("{name}:{line}");
                    self.document(value, &mut |mistake| {
                        mistakes.push(format!("{name}:{line}: {}", bounded(&visible(mistake), 400)));
                    });
                }
                Some(Err(error)) => {
                    let text = bytes.get(lines.at..).and_then(|rest| rest.split(|byte| *byte == b'\n').next());
                    let text = String::from_utf8_lossy(text.unwrap_or_default());
                    let what = if error.is_eof() { "the document ends too early" } else { "this is not JSON" };
                    mistakes.push(match misplaced(text.trim()) {
                        Some(hint) => format!("{name}:{line}: {hint}"),
                        None => format!("{name}:{}: {what}: {error}; {EXPECTED}", error.line()),
                    });
                    return;
                }
            }
        }
    }

    fn document(&mut self, value: Value, mistake: &mut dyn FnMut(&str)) {
        match value {
            // One mistake, and not one for each.
            Value::Array(entries) if entries.iter().any(is_id) => mistake(IDS),
            value if is_id(&value) => mistake(IDS),
            Value::Array(entries) => entries.into_iter().for_each(|entry| self.document(entry, mistake)),
            Value::Object(mut members) => {
                let mut is_known = false;
                for key in ["deploymentsInfo", "deploymentInfo", "deploymentTargets", "deploymentTarget"] {
                    let Some(member) = members.remove(key) else { continue };
                    is_known = true;
                    let is_target = key.starts_with("deploymentTarget");
                    match member {
                        Value::Array(entries) if key.ends_with('s') || key == "deploymentsInfo" => {
                            for (index, entry) in entries.into_iter().enumerate() {
                                self.entry(&format!("{key}[{index}]"), entry, is_target, mistake);
                            }
                        }
                        Value::Null => {}
                        member => self.entry(key, member, is_target, mistake),
                    }
                }
                if is_known {
                    return;
                }
                if members.contains_key("deploymentId") {
                    self.entry("", Value::Object(members), false, mistake);
                } else if members.contains_key("deploymentTargetType") {
                    self.entry("", Value::Object(members), true, mistake);
                } else if members.contains_key("deployments") {
                    mistake(IDS);
                } else {
                    let keys: Vec<&str> = members.keys().map(String::as_str).take(5).collect();
                    mistake(&format!("an object with the keys `{}`; {EXPECTED}", keys.join("`, `")));
                }
            }
            other => mistake(&format!("`{}` is not an object; {EXPECTED}", bounded(&other.to_string(), 60))),
        }
    }

    /// A deployment or a target, which stands under this path in its document.
    fn entry(&mut self, path: &str, value: Value, is_target: bool, mistake: &mut dyn FnMut(&str)) {
        let outcome = if is_target {
            parsed::<Target>(path, value)
                .and_then(|target| target.course().map(|course| self.target(course)).map_err(|error| at(path, &error)))
        } else {
            parsed::<Info>(path, value)
                .and_then(|info| info.deployment().map(|one| self.deployment(one)).map_err(|error| at(path, &error)))
        };
        if let Err(error) = outcome {
            mistake(&error);
        }
    }

    fn target(&mut self, course: Option<(DeploymentId, Vec<LifecycleEvent>)>) {
        match course {
            // Each target of a deployment, of which ECS and Lambda have one: what was read later is nearer to its end.
            Some((id, events)) => {
                self.courses.insert(id, events);
            }
            None => self.other_targets += 1,
        }
    }

    /// Of the same deployment the record counts that was written last: the one that has ended, that has its end, that names its rollback.
    fn deployment(&mut self, deployment: Deployment) {
        let rank = |one: &Deployment| (one.status.is_terminal(), one.completed.is_some(), one.rolled_back_by.is_some());
        let known = self.deployments.get(&deployment.id).map(rank);
        self.repeated += usize::from(known.is_some());
        if known.is_none_or(|known| known <= rank(&deployment)) {
            self.places.insert(deployment.id.clone(), self.place.clone());
            self.deployments.insert(deployment.id.clone(), deployment);
        }
    }
}

fn at(path: &str, message: &str) -> String {
    if path.is_empty() { message.to_owned() } else { format!("{path}: {message}") }
}

fn parsed<T: DeserializeOwned>(path: &str, value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let inner = error.path().to_string();
        let whole = match (path, inner.as_str()) {
            (path, ".") => path.to_owned(),
            ("", inner) => inner.to_owned(),
            (path, inner) => format!("{path}.{inner}"),
        };
        at(&whole, &error.into_inner().to_string())
    })
}
