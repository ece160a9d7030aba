//! CodeDeploy hook: looks at the new version before it gets production traffic, and answers whether it may have it. First come the facts
//! that must hold, and once the new version is up, or has had its time, the configuration's checks. All of them are told.
//!
//! Knows nothing of the AWS SDK, and of how an answer reaches CodeDeploy only that `hook` sees to it.

pub mod decide;
pub mod facts;
mod settle;

use domain::config::{Config, Severity};
use domain::deployment::Platform;
use domain::events::LogPlace;
use domain::hook::{Conclusion, Finding, Outcome, Verdict};
use domain::ports::{
    Alarms, DeploymentGroups, Deployments, HookReporter, LoadBalancer, Outbox, Secrets, Tasks, Versions,
};
use futures_util::future::join;
use hook::codedeploy::gather::{Gathered, gather};
use hook::codedeploy::{Call, answer};
use hook::endpoint::Traffic;
use hook::{Case, Means, Notes, Window};
use outbound::HttpClient;
use runtime::{Invocation, SettingError};
use serde_json::Value;

use decide::{Decided, Routed, is_early};
use facts::{Wanted, read_definition};
use settle::{Watch, settled_at};

/// The name under which the verdict is told.
const NAME: &str = "before-allow-traffic";

/// The function: what it was told and what it may use.
#[derive(Debug)]
pub struct Function<C, T, B, V, A, O, S> {
    /// The configuration; or what is wrong with it, which becomes the answer.
    pub config: Result<Config, SettingError>,
    /// Where it writes its log, so that its verdict can lead there.
    pub log: Option<LogPlace>,
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

/// The part of the time that reading the task definition may take, where the AppSpec does not tell it.
const PART_FOR_THE_DEFINITION: u32 = 4;

/// Said at BeforeInstall, whatever is configured: all that could be looked at there is the old version.
const NOTHING_YET: &str = "this hook cannot be used at BeforeInstall: there is no new version yet; make it the hook of AfterAllowTestTraffic \
                           or BeforeAllowTraffic";

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
    let call = Call {
        hook: NAME,
        payload: &invocation.payload,
        arrived: invocation.arrived,
        deadline: invocation.deadline,
        log: function.log.as_ref(),
        request_id: &invocation.request_id,
    };
    let answered = answer(&ports.codedeploy, &ports.outbox, ports.http.clock(), call, async |event, notes, window| {
        let config = function.config.as_ref().map_err(ToString::to_string);
        match gather(&ports.codedeploy, config, event, notes, window).await? {
            Gathered::Concluded(conclusion) => Ok(conclusion),
            Gathered::Case(case) => Ok(look(ports, case, notes, window).await),
        }
    });
    Ok(answered.await?)
}

/// Looks at everything that is asked for. The checks wait for what the facts wait for: a fleet that is not up answers nobody well.
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
    if case.lifecycle_event.as_deref() == Some(decide::BEFORE_INSTALL) {
        return Conclusion::bare(Verdict::Failed, NOTHING_YET);
    }
    notes.doing(format!("looking at the new version of `{}`", case.service.name));
    let block = &case.service.before_allow_traffic;
    let clock = window.clock();
    let end = clock.now().plus(window.for_checks(block.budget.map(|span| span.0)));
    let wanted = Wanted::of(&case);
    let time = end.since(clock.now()) / PART_FOR_THE_DEFINITION;
    if let Ok(Some(definition)) = clock.timeout(time, read_definition(&case, &ports.tasks, clock)).await {
        case.revision.task_definition = Some(definition);
        notes.write(|known| known.revision = case.revision.clone());
    }
    let early = too_early(&case);
    let sends_checks = early.is_none() && !block.checks.is_empty();
    let settled = settled_at(clock, end, sends_checks);
    let watch = Watch { ports, case: &case, wanted: &wanted, clock, end, settled };
    let first = watch.look().await;
    if !sends_checks {
        let mut findings = watch.settle(first, |_| true, false).await.findings();
        findings.extend(early);
        return case.conclude(findings, "before_allow_traffic");
    }
    let ready = watch.settle(first, Decided::concerns_checks, false).await;
    let through = may_be_tested(&case, ready.routed.as_ref());
    let Ports { http, balancer, versions, secrets, .. } = ports;
    let means = Means { http, balancer, versions, secrets };
    let checks = case.run_checks(&block.checks, through, means, watch.left());
    let (last, checked) = join(watch.settle(ready, |_| true, true), checks).await;
    let mut findings = watch.finish(last).await.findings();
    findings.extend(checked);
    case.conclude(findings, "before_allow_traffic")
}

/// Which listener the checks may be sent through; or why not through the test listener: an answer that another version gave must
/// not pass for the new one's. So they are sent by a way that is proven, or that the configuration takes upon itself: an endpoint of its own cannot be
/// looked into, and of a listener it may not want to know, or only be warned.
fn may_be_tested(case: &Case<'_>, routed: Option<&Routed>) -> Result<Traffic, String> {
    let severity = case.service.before_allow_traffic.require.test_listener_routed;
    let is_configured = case.service.endpoints.test.is_some() || severity != Some(Severity::Fail);
    let has_listener = case.routes.as_ref().is_some_and(|routes| routes.test_listener.is_some());
    match routed {
        _ if is_configured => Ok(Traffic::Test),
        Some(routed) if routed.outcome.is_acceptable() => Ok(Traffic::Test),
        Some(routed) => Err(format!(
            "not sent: that the test listener leads to the new version is not proven (`test_listener_routed` {}), so another version \
             might have answered",
            routed.outcome.word()
        )),
        // Nothing is sent without an address, and whoever looks for one says what to do.
        None if !has_listener || case.platform == Some(Platform::Lambda) => Ok(Traffic::Test),
        None => {
            Err("not sent: where the test listener leads was not looked at, so another version might have answered"
                .to_owned())
        }
    }
}

/// At AfterInstall the test listener still leads to the old version, so that asking it would prove nothing.
fn too_early(case: &Case<'_>) -> Option<Finding> {
    if !is_early(case.lifecycle_event.as_deref()) || case.service.before_allow_traffic.checks.is_empty() {
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

/// A finding as its requirement's severity lets it count.
pub(crate) fn softened(finding: Finding, severity: Severity) -> Finding {
    match severity {
        Severity::Warn => finding.softened("a warning"),
        Severity::Fail => finding,
    }
}

#[cfg(test)]
mod tests;
