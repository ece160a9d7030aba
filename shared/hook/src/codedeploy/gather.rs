//! Finds out what a CodeDeploy hook is asked about, since the payload names nothing but a deployment. Knows nothing of what
//! is then looked at.

use std::time::Duration;

use domain::config::{Config, Service};
use domain::deployment::{Deployment, GroupName, Target};
use domain::hook::{Conclusion, HookEvent, Verdict};
use domain::ports::{Deployments, PortError};
use domain::text::nearest;

use crate::case::Case;
use crate::guard::Window;
use crate::notes::Notes;
use crate::patience::patiently;

/// How long a throttled call is tried at most; less when a third of the time that is left is less.
const PATIENCE: Duration = Duration::from_secs(15);

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
/// version is let through before anything else, even when the configuration is broken: nothing may hold up a rollback.
pub async fn gather<'c>(
    deployments: &impl Deployments,
    config: Result<&'c Config, String>,
    event: &HookEvent,
    notes: &Notes,
    window: &Window,
) -> Result<Gathered<'c>, GatherError> {
    notes.doing(format!("reading the deployment `{}` from CodeDeploy", event.deployment));
    let deployment =
        patiently(window.clock(), patience(window), async || deployments.deployment(&event.deployment).await)
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
    if deployment.is_rollback() {
        return Ok(Gathered::Concluded(let_through(&deployment)));
    }

    notes.doing(format!("reading the target of the deployment `{}` from CodeDeploy", event.deployment));
    let target = patiently(window.clock(), patience(window), async || deployments.target(&event.deployment).await)
        .await
        .map_err(|error| error.to_string());
    let lifecycle_event = target.as_ref().ok().and_then(Target::current_event).map(str::to_owned);
    notes.write(|known| known.lifecycle_event.clone_from(&lifecycle_event));

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
        routes: deployment.routes,
        target,
        lifecycle_event,
        service,
    }))
}

fn patience(window: &Window) -> Duration {
    PATIENCE.min(window.left() / 3)
}

/// The conclusion on a deployment that restores an older version.
pub fn let_through(deployment: &Deployment) -> Conclusion {
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
    let groups: Vec<(String, &Service)> =
        config.services.iter().map(|service| (service.codedeploy.to_string(), service)).collect();
    let hint = nearest(&wanted, groups.iter().map(|(name, _)| name.as_str()))
        .and_then(|near| groups.iter().find(|(name, _)| name == near))
        .map(|(name, service)| format!("; the nearest is `{name}` of the service `{}`", service.name));
    GatherError::UnknownService { group: group.clone(), hint: hint.unwrap_or_default() }
}
