//! Composition root: reads the configuration, builds the adapters, serves.

use std::rc::Rc;

use aws::Aws;
use hook_watchdog::{Function, handle};
use outbound::{HttpClient, SSL_CERT_FILE};

fn main() -> Result<(), runtime::Error> {
    runtime::run(|start| {
        let environment = start.environment.clone();
        let aws = Aws::new(
            move |name| environment.get(name).map(str::to_owned),
            HttpClient::new(start.clock.clone()).trusting(start.environment.get(SSL_CERT_FILE)),
        );
        let function = Rc::new(Function {
            // Only for the service's name in messages: the watchdog does its work without it.
            config: start.environment.configuration(&[]).ok(),
            codedeploy: aws.codedeploy(),
            outbox: aws.events(),
            clock: start.clock,
        });
        move |invocation| {
            let function = Rc::clone(&function);
            async move { Box::pin(handle(&function, &invocation)).await }
        }
    })
}
