//! Composition root: reads the configuration, builds the adapters, serves.

use std::rc::Rc;

use aws::Aws;
use before_allow_traffic::{Function, Ports, handle};
use outbound::{HttpClient, SSL_CERT_FILE};

fn main() -> Result<(), runtime::Error> {
    runtime::run(|start| {
        let environment = start.environment.clone();
        let http = HttpClient::new(start.clock).trusting(start.environment.get(SSL_CERT_FILE));
        let aws = Aws::new(move |name| environment.get(name).map(str::to_owned), http.clone());
        let function = Rc::new(Function {
            // A broken configuration is answered, not thrown: a hook that dies is silent for an hour.
            config: start.environment.configuration_reviewed(checks::review),
            log: start.environment.log(),
            ports: Ports {
                codedeploy: aws.codedeploy(),
                tasks: aws.ecs(),
                balancer: aws.elb(),
                versions: aws.lambda(),
                alarms: aws.cloudwatch(),
                outbox: aws.events(),
                secrets: aws.secrets(),
                http,
            },
        });
        move |invocation| {
            let function = Rc::clone(&function);
            async move { handle(&function, &invocation).await }
        }
    })
}
