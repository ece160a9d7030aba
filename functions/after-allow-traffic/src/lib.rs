//! CodeDeploy hook: sends the configuration's smoke tests through production traffic once it has shifted, and answers whether
//! it may stay there.
//!
//! Knows nothing of the AWS SDK, and of how an answer reaches CodeDeploy only that `hook` sees to it.

use domain::config::Config;
use domain::events::LogPlace;
use domain::hook::Conclusion;
use domain::ports::{Deployments, HookReporter, LoadBalancer, Outbox, Secrets, Versions};
use hook::codedeploy::gather::{Gathered, gather};
use hook::codedeploy::{Call, answer};
use hook::endpoint::Traffic;
use hook::{Case, Means, Notes, Window};
use outbound::HttpClient;
use runtime::{Invocation, SettingError};
use serde_json::Value;

/// The name under which the verdict is told.
const NAME: &str = "after-allow-traffic";

/// The function: what it was told and what it may use.
#[derive(Debug)]
pub struct Function<C, B, V, O, S> {
    /// The configuration; or what is wrong with it, which becomes the answer.
    pub config: Result<Config, SettingError>,
    /// Where it writes its log, so that its verdict can lead there.
    pub log: Option<LogPlace>,
    /// The ports.
    pub ports: Ports<C, B, V, O, S>,
}

/// What the function may ask and tell.
#[derive(Debug)]
pub struct Ports<C, B, V, O, S> {
    /// Reads the deployment and takes the answer.
    pub codedeploy: C,
    /// Reads the production listener.
    pub balancer: B,
    /// Invokes Lambda versions.
    pub versions: V,
    /// Takes the verdict for everybody else.
    pub outbox: O,
    /// Reads the secrets that a check refers to.
    pub secrets: S,
    /// Sends the checks' requests.
    pub http: HttpClient,
}

/// Answers one invocation of the hook.
///
/// # Errors
/// When CodeDeploy could not be answered: the payload does not say whom, or the answer was not taken in time.
pub async fn handle<C, B, V, O, S>(function: &Function<C, B, V, O, S>, invocation: &Invocation) -> anyhow::Result<Value>
where
    C: HookReporter + Deployments,
    B: LoadBalancer,
    V: Versions,
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
            Gathered::Case(case) => Ok(smoke_test(ports, &case, notes, window).await),
        }
    });
    Ok(answered.await?)
}

async fn smoke_test<C, B, V, O, S>(
    ports: &Ports<C, B, V, O, S>,
    case: &Case<'_>,
    notes: &Notes,
    window: &Window,
) -> Conclusion
where
    B: LoadBalancer,
    V: Versions,
    S: Secrets,
{
    notes.doing(format!("smoke-testing the production traffic of `{}`", case.service.name));
    let block = &case.service.after_allow_traffic;
    let budget = window.for_checks(block.budget.map(|span| span.0));
    let Ports { http, balancer, versions, secrets, .. } = ports;
    let means = Means { http, balancer, versions, secrets };
    let findings = case.run_checks(&block.checks, Ok(Traffic::Production), means, budget).await;
    case.conclude(findings, "after_allow_traffic")
}

#[cfg(test)]
mod tests;
