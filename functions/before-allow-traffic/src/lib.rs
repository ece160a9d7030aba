//! CodeDeploy hook: looks at the new version before it gets production traffic, and answers whether it may have it. The
//! facts that must hold and the configuration's checks are looked at side by side, and all of them are told.
//!
//! Knows nothing of the AWS SDK, and of how an answer reaches CodeDeploy only that `hook` sees to it.

pub mod decide;
pub mod facts;

use std::time::Duration;

use domain::config::{Config, Severity};
use domain::hook::{Conclusion, Finding, Outcome};
use domain::ports::{Alarms, Deployments, HookReporter, LoadBalancer, Outbox, Secrets, Tasks, Versions};
use domain::time::Timestamp;
use futures_util::future::join;
use hook::codedeploy::gather::{Gathered, gather};
use hook::codedeploy::{Call, answer};
use hook::endpoint::Traffic;
use hook::{Case, Means, Notes, Window};
use outbound::HttpClient;
use runtime::{Invocation, SettingError};
use serde_json::Value;

use decide::{Decided, decide};
use facts::{Wanted, read};

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
    /// Reads the deployment and takes the answer.
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
    C: HookReporter + Deployments,
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
            Gathered::Case(case) => Ok(look(ports, &case, notes, window).await),
        }
    });
    Ok(answered.await?)
}

/// Looks at everything that is asked for, side by side.
async fn look<C, T, B, V, A, O, S>(
    ports: &Ports<C, T, B, V, A, O, S>,
    case: &Case<'_>,
    notes: &Notes,
    window: &Window,
) -> Conclusion
where
    C: Deployments,
    T: Tasks,
    B: LoadBalancer,
    V: Versions,
    A: Alarms,
    S: Secrets,
{
    notes.doing(format!("looking at the new version of `{}`", case.service.name));
    let block = &case.service.before_allow_traffic;
    let budget = window.for_checks(block.budget.map(|span| span.0));
    let checks = async {
        if let Some(finding) = too_early(case) {
            return vec![finding];
        }
        let Ports { http, balancer, versions, secrets, .. } = ports;
        let means = Means { http, balancer, versions, secrets };
        case.run_checks(&block.checks, Traffic::Test, means, budget).await
    };
    let (mut findings, checked) = join(required(ports, case, window, budget), checks).await;
    findings.extend(checked);
    case.conclude(findings, "before_allow_traffic")
}

/// At AfterInstall the test listener still leads to the old version, so that asking it would prove nothing.
fn too_early(case: &Case<'_>) -> Option<Finding> {
    let is_early = case.lifecycle_event.as_deref() == Some(decide::AFTER_INSTALL);
    (is_early && !case.service.before_allow_traffic.checks.is_empty()).then(|| {
        Finding::fact(
            "checks",
            Outcome::Degraded,
            "the checks' requests to reach the new version",
            "not run at AfterInstall: the test listener does not lead to the new version yet; let the function be the hook of \
             BeforeAllowTraffic or AfterAllowTestTraffic as well",
            "test listener",
        )
    })
}

/// Reads and decides the required facts; again and again while something is only just starting and time is left.
async fn required<C, T, B, V, A, O, S>(
    ports: &Ports<C, T, B, V, A, O, S>,
    case: &Case<'_>,
    window: &Window,
    budget: Duration,
) -> Vec<Finding>
where
    C: Deployments,
    T: Tasks,
    B: LoadBalancer,
    V: Versions,
    A: Alarms,
{
    let clock = window.clock();
    let (end, settled) = (clock.now().plus(budget), clock.now().plus(LONGEST_SETTLING.min(budget / 2)));
    let wanted = Wanted::of(case);
    let left = |until: Timestamp| until.since(clock.now());
    let mut target = case.target.clone();
    loop {
        let facts = read(ports, &target, &wanted, clock, left(end)).await;
        let decided = decide(case, &wanted, &facts);
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
