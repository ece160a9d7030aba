//! Finds out what a CodeDeploy hook is asked about, since the payload names nothing but a deployment; and which deployments are let
//! through unchecked. Knows nothing of what is looked at in the others.

use std::time::Duration;

use domain::config::{Config, Service};
use domain::deployment::{AppSpec, Deployment, GroupName, Target};
use domain::emergency::{self, HOW_TO_ASK, Skip};
use domain::hook::{Conclusion, HookEvent, Verdict};
use domain::ports::{Deployments, PortError};
use domain::text::nearest;

use super::HOOKS;
use crate::case::Case;
use crate::guard::Window;
use crate::notes::Notes;
use crate::patience::patiently;

/// How long a throttled reading of the target is tried at most; less when a third of the time that is left is less.
const PATIENCE: Duration = Duration::from_secs(15);
/// The same where the target only serves the message.
const PATIENCE_FOR_A_NAME: Duration = Duration::from_secs(3);
/// What is kept of the window, so that what was seen last is told and not that the window has closed.
const MARGIN: Duration = Duration::from_millis(500);

/// What was found out.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it per invocation")]
pub enum Gathered<'c> {
    /// The answer is known without looking further.
    Concluded(Conclusion),
    /// This is to be looked at.
    Case(Case<'c>),
}

/// Why a case could not be found out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GatherError {
    /// CodeDeploy's record could not be read.
    #[error("the deployment could not be read, so nothing was checked: {0}")]
    Deployment(PortError),
    /// The configuration cannot be used.
    #[error("nothing was checked: {0}")]
    Configuration(String),
    /// No service has the deployment's group.
    #[error(
        "nothing was checked: no service in config/greenlight.yaml has the deployment group `{group}`{hint}; add under `services`: \
         `- {{ name: {}, codedeploy: {{ application: {}, deployment_group: {} }} }}`",
        group.deployment_group, group.application, group.deployment_group
    )]
    UnknownService {
        /// The deployment's group.
        group: GroupName,
        /// The nearest service, where one is near.
        hint: String,
    },
}

/// Reads the deployment, finds its service in the configuration, and reads the target. A deployment that restores an older
/// version, or that asks to be let through, is let through before anything else, even when the configuration is broken.
///
/// The deployment is read for as long as there is time: without it nothing can be decided, not even whether it is a rollback.
pub async fn gather<'c>(
    deployments: &impl Deployments,
    config: Result<&'c Config, String>,
    event: &HookEvent,
    notes: &Notes,
    window: &Window,
) -> Result<Gathered<'c>, GatherError> {
    notes.doing(format!("reading the deployment `{}` from CodeDeploy", event.deployment));
    let left = window.left();
    let attempt = async || notes.tried(window.timed(deployments.deployment(&event.deployment)).await);
    let deployment = patiently(window.clock(), left.saturating_sub(MARGIN.min(left / 10)), attempt)
        .await
        .map_err(GatherError::Deployment)?;
    notes.write(|known| {
        known.group = Some(deployment.group.clone());
        known.revision = deployment.revision.clone();
    });
    let service = config.as_ref().ok().and_then(|config| config.service_of(&deployment.group));
    if let Some(service) = service {
        notes.service(service);
    }
    let unchecked = unchecked(&deployment);
    if let Some(rollback) = unchecked.clone().filter(|_| deployment.is_rollback()) {
        return Ok(Gathered::Concluded(rollback));
    }

    notes.doing(format!("reading the target of the deployment `{}` from CodeDeploy", event.deployment));
    let patience = if unchecked.is_some() { PATIENCE_FOR_A_NAME } else { PATIENCE };
    let attempt = async || notes.tried(window.timed(deployments.target(&event.deployment)).await);
    let target =
        patiently(window.clock(), patience.min(window.left() / 3), attempt).await.map_err(|error| error.to_string());
    let lifecycle_event = lifecycle_event(target.as_ref().ok(), &deployment.app_spec).map(str::to_owned);
    notes.write(|known| known.lifecycle_event.clone_from(&lifecycle_event));
    if let Some(skipped) = unchecked {
        return Ok(Gathered::Concluded(skipped));
    }
    notes.write(|known| known.remarks.extend(remark(&deployment)));
    if deployment.is_first {
        notes.write(|known| known.remarks_on_failure.push(FIRST.to_owned()));
    }

    let config = config.map_err(GatherError::Configuration)?;
    let service = service.ok_or_else(|| unknown(config, &deployment.group))?;
    let mut revision = deployment.revision;
    if let Ok(Target::Lambda(target)) = &target {
        revision.lambda_version.get_or_insert_with(|| target.target_version.clone());
    }
    notes.write(|known| known.revision = revision.clone());
    Ok(Gathered::Case(Case {
        deployment: deployment.id,
        group: deployment.group,
        platform: deployment.platform,
        revision,
        app_spec: deployment.app_spec,
        is_first: deployment.is_first,
        routes: deployment.routes,
        target,
        lifecycle_event,
        service,
    }))
}

/// The lifecycle event that the hook is asked in: the one in progress. CodeDeploy's record need not show it at once, so without one it is the only event
/// with a hook in the AppSpec that is not over; else the next one on the target that may have a hook, and has one as far as the AppSpec tells.
fn lifecycle_event<'a>(target: Option<&'a Target>, app_spec: &'a AppSpec) -> Option<&'a str> {
    let events = target.map(Target::lifecycle_events).unwrap_or_default();
    let is_over = |name: &str| {
        let ended = |status: &str| matches!(status, "Succeeded" | "Failed" | "Skipped");
        events.iter().any(|event| event.name == name && ended(&event.status))
    };
    let is_hooked = |name: &str| match app_spec.hooked_events() {
        Some(mut hooked) => hooked.any(|event| event == name),
        None => HOOKS.contains(&name),
    };
    let in_progress = target.and_then(Target::current_event);
    let the_only = || only(app_spec.hooked_events().into_iter().flatten().filter(|name| !is_over(name)));
    let next = || {
        let pending = events.iter().filter(|event| event.status == "Pending").map(|event| event.name.as_str());
        pending.into_iter().find(|name| is_hooked(name))
    };
    in_progress.or_else(the_only).or_else(next)
}

/// The only different value, if there is exactly one.
fn only<'a>(mut values: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

/// Said with a failure of the group's first deployment.
const FIRST: &str = "It is the group's first deployment as far as CodeDeploy tells: it names no earlier revision, so do not count on an \
                     automatic rollback";

/// The conclusion on a deployment that is let through without being looked at; `None` for all others.
pub fn unchecked(deployment: &Deployment) -> Option<Conclusion> {
    if deployment.is_rollback() {
        return Some(let_through(deployment));
    }
    let Some(Skip::Asked(reason)) = emergency::asked(&deployment.description) else { return None };
    let who = emergency::asker(deployment);
    let sentence =
        format!("let through UNCHECKED: {who} asked for it in the deployment's description, because: {reason}");
    Some(Conclusion { skipped: Some(reason), ..Conclusion::bare(Verdict::Succeeded, sentence) })
}

/// What is to be said of a description that asks for the emergency lane and gets it not.
pub fn remark(deployment: &Deployment) -> Option<String> {
    let denied = emergency::asked(&deployment.description) == Some(Skip::WithoutReason);
    denied.then(|| {
        format!(
            "The description asks to skip the checks without a reason, so nothing was skipped: write `{HOW_TO_ASK}`"
        )
    })
}

/// The conclusion on a deployment that restores an older version.
fn let_through(deployment: &Deployment) -> Conclusion {
    let what = match &deployment.rolls_back {
        Some(rolled_back) => format!("it rolls `{rolled_back}` back"),
        None => "it restores an older version".to_owned(),
    };
    Conclusion::bare(
        Verdict::Succeeded,
        format!("let through unchecked: {what} (creator `{}`), and nothing may hold up a rollback", deployment.creator),
    )
}

fn unknown(config: &Config, group: &GroupName) -> GatherError {
    let wanted = group.to_string();
    let groups: Vec<(String, &Service)> = config
        .services
        .iter()
        .filter_map(|service| Some((service.codedeploy.as_ref()?.to_string(), service)))
        .collect();
    let hint = nearest(&wanted, groups.iter().map(|(name, _)| name.as_str()))
        .and_then(|near| groups.iter().find(|(name, _)| name == near))
        .map(|(name, service)| format!("; the nearest is `{name}` of the service `{}`", service.name));
    GatherError::UnknownService { group: group.clone(), hint: hint.unwrap_or_default() }
}
