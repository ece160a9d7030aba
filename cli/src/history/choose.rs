//! Which deployment groups and which time count, as the command line says it. Knows nothing of the deployments.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};
use domain::config::load_reviewed;
use domain::deployment::GroupName;
use domain::text::nearest;
use domain::time::Timestamp;

use super::Arguments;

/// What counts.
#[derive(Default)]
pub(super) struct Choice {
    /// The groups by name; all where none is named.
    pub(super) groups: Option<BTreeSet<GroupName>>,
    /// Whether the configuration has named them.
    pub(super) by_configuration: bool,
    /// The environments that the configuration tells.
    pub(super) environments: BTreeMap<GroupName, String>,
    /// Endings from here on.
    pub(super) since: Option<Timestamp>,
    /// Endings before this.
    pub(super) until: Option<Timestamp>,
}

/// A day, `2026-10-01`, or a point in time.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    from: Timestamp,
    /// A day ends 24 hours later; a point in time has no length.
    to: Timestamp,
}

const DAY: std::time::Duration = std::time::Duration::from_hours(24);

impl Moment {
    /// Reads either form.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(from) = Timestamp::parse(&format!("{text}T00:00:00Z")) {
            return Ok(Self { from, to: from.plus(DAY) });
        }
        let from = Timestamp::parse(text).ok_or("write a day, `2026-10-01`, or a time, `2026-10-01T12:00:00+02:00`")?;
        Ok(Self { from, to: from })
    }
}

/// `application/group`.
pub(super) fn group_name(text: &str) -> Result<GroupName, String> {
    match text.split_once('/') {
        Some((application, group)) if !application.is_empty() && !group.is_empty() => {
            Ok(GroupName { application: application.to_owned(), deployment_group: group.to_owned() })
        }
        _ => Err("write the application and the deployment group, `application/group`".to_owned()),
    }
}

/// What the arguments say, in the light of the groups that the history has.
pub(super) fn choose(arguments: &Arguments, present: &BTreeSet<&GroupName>) -> anyhow::Result<Choice> {
    let mut choice = Choice {
        since: arguments.since.map(|moment| moment.from),
        until: arguments.until.map(|moment| moment.to),
        ..Choice::default()
    };
    if let (Some(since), Some(until)) = (choice.since, choice.until) {
        ensure!(since < until, "--since is not before --until: nothing can have ended between them");
    }
    if let Some(path) = &arguments.config {
        let text = std::fs::read_to_string(path).with_context(|| format!("could not read `{}`", path.display()))?;
        let config = load_reviewed(&path.display().to_string(), &text, checks::review)?;
        let named = config.services.iter().filter_map(|one| Some((one.codedeploy.clone()?, one.environment.clone())));
        choice.environments = named.collect();
        ensure!(
            !choice.environments.is_empty(),
            "`{}` names no deployment group: none of its services has `codedeploy`",
            path.display()
        );
        choice.groups = Some(choice.environments.keys().cloned().collect());
        choice.by_configuration = true;
    }
    if !arguments.groups.is_empty() {
        if let Some(group) = arguments.groups.iter().find(|group| !present.contains(group)) {
            let names: Vec<String> = present.iter().map(ToString::to_string).collect();
            let hint = nearest(&group.to_string(), names.iter().map(String::as_str))
                .map(|name| format!("; did you mean `{name}`?"))
                .or_else(|| Some(format!("; it has `{}`", names.join("`, `"))).filter(|_| !names.is_empty()));
            bail!("the history has no deployment of `{group}`{}", hint.unwrap_or_default());
        }
        choice.groups = Some(arguments.groups.iter().cloned().collect());
        choice.by_configuration = false;
    }
    Ok(choice)
}
