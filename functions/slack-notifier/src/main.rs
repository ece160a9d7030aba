//! Composition root: reads the configuration, builds the adapters, serves.

use std::rc::Rc;

use aws::Aws;
use domain::config::Config;
use domain::ports::{Deployments, Ledger};
use outbound::{HttpClient, SSL_CERT_FILE, pagerduty, slack};
use runtime::settings::{DELIVERY_DASHBOARD, PAGERDUTY_EVENTS_URL, SLACK_API_URL, TABLE_NAME};
use runtime::{SettingError, Start};
use slack_notifier::sinks::{Sinks, Vendors};
use slack_notifier::{PATIENCE, Ports, handle};

fn main() -> Result<(), runtime::Error> {
    runtime::run(|start| {
        let wired = Rc::new(wire(&start));
        move |invocation| {
            let wired = Rc::clone(&wired);
            async move {
                let (ports, config) = wired.as_ref().as_ref().map_err(Clone::clone)?;
                Box::pin(handle(ports, config, invocation)).await
            }
        }
    })
}

fn wire(
    start: &Start,
) -> Result<(Ports<impl Deployments + use<>, impl Ledger + use<>, impl Sinks + use<>>, Config), SettingError> {
    let environment = start.environment.clone();
    let url = |name, default: &str| start.environment.get(name).unwrap_or(default).to_owned();
    let http = HttpClient::new(start.clock.clone()).trusting(start.environment.get(SSL_CERT_FILE));
    let aws = Aws::new(move |name| environment.get(name).map(str::to_owned), http.clone());
    let sinks = Vendors {
        secrets: aws.secrets(),
        http,
        slack_url: url(SLACK_API_URL, slack::DEFAULT_URL),
        pagerduty_url: url(PAGERDUTY_EVENTS_URL, pagerduty::DEFAULT_URL),
    };
    let ports = Ports {
        deployments: aws.codedeploy(),
        ledger: aws.table(start.environment.require(TABLE_NAME)?),
        sinks,
        clock: start.clock.clone(),
        patience: PATIENCE,
        dashboard: start.environment.get(DELIVERY_DASHBOARD).map(str::to_owned),
    };
    Ok((ports, start.environment.configuration(&["slack", "pagerduty"])?))
}
