//! Whether what runs is what the revision names: the task definition, the images of its containers, and the digests that these
//! have come to. Pure.

use std::collections::BTreeMap;

use domain::deployment::{AppSpec, Revision};
use domain::hook::Outcome;
use domain::ports::{Container, DefinedContainer, Task};
use domain::text::count;

use super::{Seen, listed, settled, starting, unread};
use crate::facts::EcsFacts;

/// How much of a digest is shown: `sha256:` and twelve digits, as Docker shows it.
const SHOWN_DIGEST: usize = 19;

/// `image_matches_revision`. Containers that the task definition does not name (GuardDuty's agent, Service Connect's proxy) are
/// AWS's affair and are passed over.
pub(super) fn image_matches(facts: &EcsFacts, revision: &Revision, app_spec: &AppSpec) -> Seen {
    let definition = match &facts.definition {
        Ok(definition) => definition,
        Err(why) => return unread("the task set's task definition", why),
    };
    if let Some(wanted) = &revision.task_definition
        && !is_same_definition(wanted, definition)
    {
        return settled(Outcome::Fail, format!("it runs the task definition `{}`", short(definition)));
    }
    let (defined, tasks) = match (&facts.containers, &facts.tasks) {
        (Ok(defined), Ok(tasks)) => (defined, tasks),
        (Err(why), _) => return unread("the task definition", why),
        (_, Err(why)) => return unread("the tasks", why),
    };
    let running: Vec<&Task> = tasks.iter().filter(|task| task.status == "RUNNING").collect();
    let told: Vec<&Task> = running.iter().filter(|task| tells_images(task)).copied().collect();
    let mut wrong: Vec<String> = told.iter().flat_map(|task| wrong_images(task, defined)).collect();
    let digests = digests(&told, defined);
    wrong.extend(digests.iter().filter_map(|(container, seen)| two_builds(container, seen)));
    if !wrong.is_empty() {
        return settled(Outcome::Fail, listed(&wrong));
    }
    if told.is_empty() {
        return starting(Outcome::Inconclusive, "no running task tells its images");
    }
    let shown: Vec<String> = digests
        .iter()
        .filter_map(|(container, seen)| Some(format!("`{container}` {}", shown(seen.keys().next()?))))
        .collect();
    let digests = if shown.is_empty() { "ECS tells no digest".to_owned() } else { listed(&shown) };
    let seen =
        format!("task definition `{}`, {} with its images ({digests})", short(definition), count(told.len(), "task"));
    match app_spec.unknown() {
        None => settled(Outcome::Pass, seen),
        Some(why) => {
            // What lies elsewhere is the team's choice; what could not be read is not.
            let is_choice = !matches!(app_spec, AppSpec::Unreadable(_));
            let outcome = if is_choice { Outcome::Pass } else { Outcome::Degraded };
            settled(outcome, format!("{seen}; whether it is the one that was meant is not known, as {why}"))
        }
    }
}

fn tells_images(task: &Task) -> bool {
    task.containers.iter().any(|container| !container.image.is_empty())
}

/// What a task runs that its definition does not name so.
fn wrong_images<'a>(task: &'a Task, defined: &'a [DefinedContainer]) -> impl Iterator<Item = String> + 'a {
    defined.iter().filter_map(move |wanted| {
        let Some(container) = task.containers.iter().find(|container| container.name == wanted.name) else {
            return Some(format!("task `{}` has no container `{}`", task.id, wanted.name));
        };
        let of = || format!("container `{}` of task `{}` runs", wanted.name, task.id);
        if !container.image.is_empty() && !is_same_image(&wanted.image, &container.image) {
            return Some(format!("{} the image `{}`, not `{}`", of(), container.image, wanted.image));
        }
        let (wanted, running) = (digest_of(&wanted.image)?, digest(container)?);
        (wanted != running).then(|| format!("{} the digest `{}`, not `{}`", of(), shown(running), shown(wanted)))
    })
}

/// Which digests each named container has come to, and one task that runs each.
fn digests<'a>(tasks: &[&'a Task], defined: &'a [DefinedContainer]) -> BTreeMap<&'a str, BTreeMap<&'a str, &'a str>> {
    let mut seen: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for task in tasks {
        for container in &task.containers {
            let named = defined.iter().find(|one| one.name == container.name);
            if let (Some(named), Some(digest)) = (named, digest(container)) {
                seen.entry(&named.name).or_default().entry(digest).or_insert(&task.id);
            }
        }
    }
    seen
}

/// A tag that was moved while the tasks were starting.
fn two_builds(container: &str, seen: &BTreeMap<&str, &str>) -> Option<String> {
    (seen.len() > 1).then(|| {
        let each: Vec<String> =
            seen.iter().map(|(digest, task)| format!("`{}` in task `{task}`", shown(digest))).collect();
        format!(
            "container `{container}` runs {} builds under one tag: {}; name the image by its digest",
            seen.len(),
            each.join(", ")
        )
    })
}

fn digest(container: &Container) -> Option<&str> {
    container.digest.as_deref().or_else(|| digest_of(&container.image))
}

fn digest_of(image: &str) -> Option<&str> {
    image.split_once('@').map(|(_, digest)| digest)
}

fn shown(digest: &str) -> &str {
    digest.get(..SHOWN_DIGEST).unwrap_or(digest)
}

/// Whether ECS tells an image that a definition names. It may add the digest that a tag was resolved to, or show the digest in place
/// of the tag; a name without a tag means `latest`.
fn is_same_image(named: &str, running: &str) -> bool {
    let (named, running) = (Image::of(named), Image::of(running));
    let tags_agree = match (named.tag, running.tag) {
        (Some(named), Some(running)) => named == running,
        (Some(_), None) => running.digest.is_some(),
        (None, Some(running)) => running == "latest" || named.digest.is_some(),
        (None, None) => true,
    };
    let digests_agree = named.digest.is_none() || running.digest.is_none() || named.digest == running.digest;
    named.repository == running.repository && tags_agree && digests_agree
}

struct Image<'a> {
    repository: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> Image<'a> {
    fn of(text: &'a str) -> Self {
        let name = text.split_once('@').map_or(text, |(name, _)| name);
        // A colon before the last slash belongs to a registry's port.
        let (repository, tag) = match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            _ => (name, None),
        };
        Self { repository, tag, digest: digest_of(text) }
    }
}

/// The AppSpec may name a definition by ARN, by family and number, or by family alone.
pub(super) fn is_same_definition(wanted: &str, running: &str) -> bool {
    let (wanted, running) = (wanted.trim(), running.trim());
    if wanted.starts_with("arn:") && running.starts_with("arn:") {
        return wanted == running;
    }
    let (wanted, running) = (short(wanted), short(running));
    wanted == running || running.rsplit_once(':').is_some_and(|(family, _)| family == wanted)
}

pub(super) fn short(definition: &str) -> &str {
    definition.rsplit('/').next().unwrap_or(definition)
}
