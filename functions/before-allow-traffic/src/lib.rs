//! CodeDeploy hook: looks at the new version before it gets production traffic, and answers whether it may have it. The
//! facts that must hold and the configuration's checks are looked at side by side, and all of them are told.
//!
//! Knows nothing of the AWS SDK, and of how an answer reaches CodeDeploy only that `hook` sees to it.

pub mod decide;
pub mod facts;

use std::time::Duration;

use domain::config::{Config, Severity};
use domain::hook::{Conclusion, Finding, Outcome};
use domain::ports::{
    Alarms, DeploymentGroups, Deployments, HookReporter, LoadBalancer, Outbox, Secrets, Tasks, Versions,
};
use domain::time::Timestamp;
use futures_util::future::join;
use hook::codedeploy::gather::{Gathered, gather};
use hook::codedeploy::{Call, answer};
use hook::endpoint::Traffic;
use hook::{Case, Means, Notes, Window};
use outbound::HttpClient;
use runtime::{Invocation, SettingError};
use serde_json::Value;

use decide::{Decided, Routed, decide};
use facts::{Facts, Wanted, read, read_definition, read_routed};

/// The name under which the verdict is told.
const NAME: &str = "before-allow-traffic";

/// The function: what it was told and what it may use.
#[derive(Debug)]
pub struct Function<C, T, B, V, A, O, S> {
    /// The configuration; or what is wrong with it, which becomes the answer.
    pub config: Result<Config, SettingError>,
    /// The ports.
    pub ports: Ports<C, T, B, V, A, O, S>,
}

/// What the function may ask and tell.
#[derive(Debug)]
pub struct Ports<C, T, B, V, A, O, S> {
    /// Reads the deployment and its group, and takes the answer.
    pub codedeploy: C,
    /// Reads the tasks.
    pub tasks: T,
    /// Reads listeners and the health of targets.
    pub balancer: B,
    /// Reads and invokes Lambda versions.
    pub versions: V,
    /// Reads alarms.
    pub alarms: A,
    /// Takes the verdict for everybody else.
    pub outbox: O,
    /// Reads the secrets that a check refers to.
    pub secrets: S,
    /// Sends the checks' requests.
    pub http: HttpClient,
}

/// How long tasks and targets that are still starting are waited for; less where half of the time that there is is less.
/// Targets need several health checks in a row once the test listener leads to them: five of 30 s by default.
const LONGEST_SETTLING: Duration = Duration::from_mins(3);
/// How often they are looked at meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Answers one invocation of the hook.
///
/// # Errors
/// When CodeDeploy could not be answered: the payload does not say whom, or the answer was not taken in time.
pub async fn handle<C, T, B, V, A, O, S>(
    function: &Function<C, T, B, V, A, O, S>,
    invocation: &Invocation,
) -> anyhow::Result<Value>
where
    C: HookReporter + Deployments + DeploymentGroups,
    T: Tasks,
    B: LoadBalancer,
    V: Versions,
    A: Alarms,
    O: Outbox,
    S: Secrets,
{
    let ports = &function.ports;
    let call =
        Call { hook: NAME, payload: &invocation.payload, arrived: invocation.arrived, deadline: invocation.deadline };
    let answered = answer(&ports.codedeploy, &ports.outbox, ports.http.clock(), call, async |event, notes, window| {
        let config = function.config.as_ref().map_err(ToString::to_string);
        match gather(&ports.codedeploy, config, event, notes, window).await? {
            Gathered::Concluded(conclusion) => Ok(conclusion),
            Gathered::Case(case) => Ok(look(ports, case, notes, window).await),
        }
    });
    Ok(answered.await?)
}

/// Looks at everything that is asked for: first where the test listener leads, then all else side by side.
async fn look<C, T, B, V, A, O, S>(
    ports: &Ports<C, T, B, V, A, O, S>,
    mut case: Case<'_>,
    notes: &Notes,
    window: &Window,
) -> Conclusion
where
    C: Deployments + DeploymentGroups,
    T: Tasks,
    B: LoadBalancer,
    V: Versions,
    A: Alarms,
    S: Secrets,
{
    notes.doing(format!("looking at the new version of `{}`", case.service.name));
    let block = &case.service.before_allow_traffic;
    let clock = window.clock();
    let end = clock.now().plus(window.for_checks(block.budget.map(|span| span.0)));
    let left = || end.since(clock.now());
    let wanted = Wanted::of(&case);
    let first = join(read_routed(&case, &wanted, &ports.balancer, clock), read_definition(&case, &ports.tasks, clock));
    let (routed, definition) = clock.timeout(left(), first).await.unwrap_or_default();
    if let Some(definition) = definition {
        case.revision.task_definition = Some(definition);
        notes.write(|known| known.revision = case.revision.clone());
    }
    let through = may_be_tested(&case, &wanted, routed.as_ref());
    let (case, budget) = (&case, left());
    let checks = async {
        if let Some(finding) = too_early(case) {
            return vec![finding];
        }
        let Ports { http, balancer, versions, secrets, .. } = ports;
        let means = Means { http, balancer, versions, secrets };
        case.run_checks(&block.checks, through, means, budget).await
    };
    let (mut findings, checked) = join(required(ports, case, &wanted, routed, window, budget), checks).await;
    findings.extend(checked);
    case.conclude(findings, "before_allow_traffic")
}

/// Which listener the checks may be sent through; or why not through the test listener: an answer that another version gave must
/// not pass for the new one's. What the configuration names in its place cannot be looked into and is taken as it is, and so is a
/// listener of which the configuration does not want to know, or only wants to be warned.
fn may_be_tested(case: &Case<'_>, wanted: &Wanted, routed: Option<&Routed>) -> Result<Traffic, String> {
    let is_decisive = wanted.test_listener_routed == Some(Severity::Fail) && case.service.endpoints.test.is_none();
    match routed {
        _ if !is_decisive => Ok(Traffic::Test),
        Some(routed) if routed.outcome.is_acceptable() => Ok(Traffic::Test),
        Some(routed) => Err(format!(
            "not sent: that the test listener leads to the new version is not proven (`test_listener_routed` {}), so another version \
             might have answered",
            routed.outcome.word()
        )),
        None => Err("not sent: where the test listener leads could not be read in time".to_owned()),
    }
}

/// At AfterInstall the test listener still leads to the old version, so that asking it would prove nothing.
fn too_early(case: &Case<'_>) -> Option<Finding> {
    let is_early = case.lifecycle_event.as_deref() == Some(decide::AFTER_INSTALL);
    if !is_early || case.service.before_allow_traffic.checks.is_empty() {
        return None;
    }
    let is_later = |event: &str| matches!(event, "AfterAllowTestTraffic" | "BeforeAllowTraffic");
    let hooked_later = case.app_spec.hooked_events().map(|mut events| events.any(is_later));
    let advice = match hooked_later {
        Some(true) => "they belong to the later hook",
        Some(false) => {
            "no later hook is in the AppSpec, so they are never sent: let the function be the hook of BeforeAllowTraffic or \
             AfterAllowTestTraffic as well"
        }
        None => "let the function be the hook of BeforeAllowTraffic or AfterAllowTestTraffic as well",
    };
    Some(Finding::fact(
        "checks",
        Outcome::Degraded,
        "the checks' requests to reach the new version",
        format!("not run at AfterInstall: the test listener does not lead to the new version yet; {advice}"),
        "test listener",
    ))
}

/// Reads and decides the required facts; again and again while something is only just starting and time is left.
async fn required<C, T, B, V, A, O, S>(
    ports: &Ports<C, T, B, V, A, O, S>,
    case: &Case<'_>,
    wanted: &Wanted,
    routed: Option<Routed>,
    window: &Window,
    budget: Duration,
) -> Vec<Finding>
where
    C: Deployments + DeploymentGroups,
    T: Tasks,
    B: LoadBalancer,
    V: Versions,
    A: Alarms,
{
    let clock = window.clock();
    let (end, settled) = (clock.now().plus(budget), clock.now().plus(LONGEST_SETTLING.min(budget / 2)));
    let left = |until: Timestamp| until.since(clock.now());
    let mut target = case.target.clone();
    loop {
        let facts = read(ports, &case.group, &target, wanted, clock, left(end)).await;
        let decided = decide(case, wanted, &Facts { routed: routed.clone(), ..facts });
        let may_change = decided.iter().any(|decided| decided.may_change);
        if !may_change || left(settled) <= LOOK_AGAIN {
            return decided.into_iter().map(Decided::finding).collect();
        }
        clock.sleep(LOOK_AGAIN).await;
        // The numbers of tasks are CodeDeploy's; what was known before is better than nothing.
        if let Ok(Ok(fresh)) = clock.timeout(left(end), ports.codedeploy.target(&case.deployment)).await {
            target = Ok(fresh);
        }
    }
}

/// A finding as its requirement's severity lets it count.
pub(crate) fn softened(finding: Finding, severity: Severity) -> Finding {
    match severity {
        Severity::Warn => finding.softened("a warning"),
        Severity::Fail => finding,
    }
}

#[cfg(test)]
mod tests;
