//! Composition root: reads the configuration, builds the adapters, serves.

use std::rc::Rc;

use aws::Aws;
use deployment_metrics::{Ports, handle};
use domain::config::Config;
use domain::ports::{DeploymentRecords, Deployments, Ledger, Metrics, TaskDefinitionTags};
use outbound::{HttpClient, SSL_CERT_FILE};
use runtime::settings::{METRICS_NAMESPACE, TABLE_NAME};
use runtime::{SettingError, Start};

/// The namespace when none is set.
const DEFAULT_NAMESPACE: &str = "Greenlight";

fn main() -> Result<(), runtime::Error> {
    runtime::run(|start| {
        let wired = Rc::new(wire(&start));
        move |invocation| {
            let wired = Rc::clone(&wired);
            async move {
                let (ports, config) = wired.as_ref().as_ref().map_err(Clone::clone)?;
                handle(ports, config, invocation).await
            }
        }
    })
}

type Wired<D, L, M, T> = Result<(Ports<D, L, M, T>, Config), SettingError>;

fn wire(
    start: &Start,
) -> Wired<
    impl Deployments + DeploymentRecords + use<>,
    impl Ledger + use<>,
    impl Metrics + use<>,
    impl TaskDefinitionTags + use<>,
> {
    let environment = start.environment.clone();
    let http = HttpClient::new(start.clock.clone()).trusting(start.environment.get(SSL_CERT_FILE));
    let aws = Aws::new(move |name| environment.get(name).map(str::to_owned), http);
    let ports = Ports {
        deployments: aws.codedeploy(),
        ledger: aws.table(start.environment.require(TABLE_NAME)?),
        metrics: aws.metrics(start.environment.get(METRICS_NAMESPACE).unwrap_or(DEFAULT_NAMESPACE)),
        tags: aws.ecs(),
        clock: start.clock.clone(),
    };
    Ok((ports, start.environment.configuration(&[])?))
}
