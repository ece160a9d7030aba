//! What came of an hour's look at CodeDeploy's record, and whether a person is to be called for it. Knows nothing of how it came about.

use anyhow::bail;
use domain::deployment::{DeploymentId, GroupName};
use serde_json::{Value, json};

/// What came of it.
#[derive(Default)]
pub(crate) struct Tally {
    /// The groups that the configuration names.
    groups: usize,
    pub(crate) looked_at: usize,
    pub(crate) published: Vec<DeploymentId>,
    pub(crate) restored: usize,
    /// Not settled, or being published by another invocation, or not to be told yet.
    pub(crate) waiting: usize,
    /// The time did not suffice for so many deployments.
    pub(crate) left: usize,
    /// The time did not suffice for so many groups.
    pub(crate) groups_left: usize,
    /// Groups that may not be read or do not exist.
    unread: Vec<String>,
    failed: Failed,
    /// What the next hour may bring.
    for_now: Vec<String>,
}

/// For what a person is called.
#[derive(Default)]
struct Failed {
    deployments: usize,
    ways_back: usize,
    groups: usize,
    /// What is to be told of groups that may not be read.
    unread: Vec<String>,
    first: Option<String>,
}

impl Failed {
    fn note(&mut self, what: String) {
        self.first.get_or_insert(what);
    }
}

impl Tally {
    /// Nothing yet, of so many groups.
    pub(crate) fn of(groups: usize) -> Self {
        Self { groups, ..Self::default() }
    }

    /// A deployment was not published; `calls` a person, or the next hour tries again.
    pub(crate) fn deployment_failed(&mut self, id: &DeploymentId, error: &anyhow::Error, calls: bool) {
        let what = format!("`{id}`: {error:#}");
        self.failed.deployments += usize::from(calls);
        self.fail(what, calls);
    }

    /// How long a way back took was not published.
    pub(crate) fn way_back_failed(&mut self, id: &DeploymentId, error: &anyhow::Error, calls: bool) {
        let what = format!("the way back of `{id}`: {error:#}");
        self.failed.ways_back += usize::from(calls);
        self.fail(what, calls);
    }

    /// A group was not looked through.
    pub(crate) fn group_failed(&mut self, group: &GroupName, error: &anyhow::Error, calls: bool) {
        let what = format!("`{group}`: {error:#}");
        self.failed.groups += usize::from(calls);
        self.fail(what, calls);
    }

    /// A group may not be read or does not exist.
    pub(crate) fn group_unread(&mut self, group: &GroupName, error: &anyhow::Error, remedy: &str, is_to_tell: bool) {
        self.unread.push(group.to_string());
        if is_to_tell {
            self.failed.unread.push(format!("{error:#}; {remedy}"));
        }
    }

    fn fail(&mut self, what: String, calls: bool) {
        if calls {
            self.failed.note(what);
        } else {
            tracing::warn!("not reconciled for now, the next hour tries again: {what}");
            self.for_now.push(what);
        }
    }

    /// What the invocation answers.
    ///
    /// # Errors
    /// When a person is to be called.
    pub(crate) fn summary(self) -> anyhow::Result<Value> {
        if self.left + self.groups_left > 0 {
            tracing::warn!(
                deployments = self.left,
                groups = self.groups_left,
                "the time did not suffice for all; the next schedule goes on"
            );
        }
        let failed = &self.failed;
        let mut told = failed.unread.clone();
        if let Some(first) = &failed.first {
            let mut counts = vec![format!("{} of {} deployments", failed.deployments, self.looked_at)];
            if failed.ways_back > 0 {
                counts.push(format!("{} ways back", failed.ways_back));
            }
            counts.push(format!("{} of {} groups", failed.groups, self.groups));
            told.insert(0, format!("not reconciled: {}; the first: {first}", counts.join(", ")));
        }
        if !told.is_empty() {
            bail!("{}. Published: {}", told.join(". "), self.published.len());
        }
        Ok(json!({
            "groups": self.groups,
            "looked_at": self.looked_at,
            "published": self.published.len(),
            "deployments": self.published,
            "restored": self.restored,
            "waiting": self.waiting,
            "left": self.left,
            "groups_left": self.groups_left,
            "groups_unread": self.unread,
            "failed_for_now": self.for_now,
        }))
    }
}
