//! Composition root: read the settings, build the adapters, serve. Decides nothing.

use std::rc::Rc;

use alarm_rollback::{Ports, Settings, handle};
use outbound::{HttpClient, SSL_CERT_FILE};
use runtime::settings::TABLE_NAME;

fn main() -> Result<(), runtime::Error> {
    runtime::run(|start| {
        let environment = start.environment.clone();
        let http = HttpClient::new(start.clock.clone()).trusting(start.environment.get(SSL_CERT_FILE));
        let aws = aws::Aws::new(move |name| environment.get(name).map(str::to_owned), http);
        let settings = start
            .environment
            .require(TABLE_NAME)
            .and_then(|table| Ok(Settings { ledger: aws.table(table), config: start.environment.configuration(&[])? }));
        let ports =
            Ports { codedeploy: aws.codedeploy(), outbox: aws.events(), alarms: aws.cloudwatch(), clock: start.clock };
        let shared = Rc::new((ports, aws.ecs_services(), settings));
        move |invocation| {
            let shared = Rc::clone(&shared);
            async move { Box::pin(handle(&shared.0, &shared.1, &shared.2, &invocation)).await }
        }
    })
}
