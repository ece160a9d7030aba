//! Composition root: reads the configuration, builds the adapters, serves.

use std::rc::Rc;

use aws::Aws;
use domain::ports::{Deployments, Ledger, Metrics};
use outbound::{HttpClient, SSL_CERT_FILE, slack};
use runtime::settings::{DELIVERY_DASHBOARD, METRICS_NAMESPACE, PAGERDUTY_EVENTS_URL, SLACK_API_URL, TABLE_NAME};
use runtime::{SettingError, Start};
use slack_notifier::sinks::{Sinks, Vendors};
use slack_notifier::{PATIENCE, Ports, SETTLE, Wired, serve};

fn main() -> Result<(), runtime::Error> {
    runtime::run(|start| {
        let wired = Rc::new(wire(&start));
        move |invocation| {
            let wired = Rc::clone(&wired);
            async move { Box::pin(serve(wired.as_ref().as_ref(), invocation)).await }
        }
    })
}

/// The namespace when none is set.
const DEFAULT_NAMESPACE: &str = "Greenlight";

fn wire(
    start: &Start,
) -> Result<Wired<impl Deployments + use<>, impl Ledger + use<>, impl Sinks + use<>, impl Metrics + use<>>, SettingError>
{
    let environment = start.environment.clone();
    let url = |name| start.environment.get(name).map(str::to_owned);
    let http = HttpClient::new(start.clock.clone()).trusting(start.environment.get(SSL_CERT_FILE));
    let aws = Aws::new(move |name| environment.get(name).map(str::to_owned), http.clone());
    let sinks = Vendors {
        secrets: aws.secrets(),
        http,
        slack_url: url(SLACK_API_URL).unwrap_or_else(|| slack::DEFAULT_URL.to_owned()),
        pagerduty_url: url(PAGERDUTY_EVENTS_URL),
    };
    let ports = Ports {
        deployments: aws.codedeploy(),
        ledger: aws.table(start.environment.require(TABLE_NAME)?),
        sinks,
        metrics: aws.metrics(start.environment.get(METRICS_NAMESPACE).unwrap_or(DEFAULT_NAMESPACE)),
        clock: start.clock.clone(),
        patience: PATIENCE,
        settle: SETTLE,
        dashboard: start.environment.get(DELIVERY_DASHBOARD).map(str::to_owned),
    };
    Ok((ports, start.environment.configuration(&["slack", "pagerduty"])?))
}
