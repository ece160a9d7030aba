//! Where the checks' requests go: what the configuration says, else the deployment group's own listener. Knows nothing of the
//! checks.

use std::fmt;

use domain::config::Service;
use domain::deployment::Platform;
use domain::ports::LoadBalancer;

use crate::case::Case;

/// Which traffic the checks are to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// The new version's, before it gets any other: the test listener.
    Test,
    /// Everybody's: the production listener.
    Production,
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Traffic::Test => "test",
            Traffic::Production => "production",
        })
    }
}

/// The base URL; or why there is none and what to do about it.
pub async fn base_url(balancer: &impl LoadBalancer, case: &Case<'_>, traffic: Traffic) -> Result<String, String> {
    if let Some(url) = configured(case.service, traffic) {
        return Ok(url.to_owned());
    }
    let add = format!("set `endpoints.{traffic}` of the service `{}` in config/greenlight.yaml", case.service.name);
    if case.platform == Some(Platform::Lambda) {
        return Err(format!(
            "a Lambda deployment has no listener to send requests to; use `invoke` in the check, or {add}"
        ));
    }
    let listener = case.routes.as_ref().and_then(|routes| match traffic {
        Traffic::Test => routes.test_listener.as_deref(),
        Traffic::Production => routes.production_listener.as_deref(),
    });
    let Some(listener) = listener else {
        return Err(format!(
            "the deployment group `{}` has no {traffic} listener; give it one (`{}` in its load balancer settings), or {add}",
            case.group,
            match traffic {
                Traffic::Test => "TestTrafficRoute",
                Traffic::Production => "ProdTrafficRoute",
            }
        ));
    };
    balancer.listener_url(listener).await.map_err(|error| {
        format!("the address of the {traffic} listener could not be read: {error}; as a way around, {add}")
    })
}

fn configured(service: &Service, traffic: Traffic) -> Option<&str> {
    match traffic {
        Traffic::Test => service.endpoints.test.as_deref(),
        Traffic::Production => service.endpoints.production.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use domain::config::Config;
    use domain::deployment::Target;
    use testkit::build;
    use testkit::fakes::{Balancer, Script, denied};

    use super::*;

    const PLAIN: &str = "version: 1\nservices:\n  - name: orchestrator\n    codedeploy: { application: mangaassist, deployment_group: orchestrator }\n";

    fn case(config: &Config) -> Case<'_> {
        let deployment = build::deployment();
        Case {
            deployment: deployment.id,
            group: deployment.group,
            platform: deployment.platform,
            revision: deployment.revision,
            app_spec: deployment.app_spec,
            is_first: deployment.is_first,
            routes: deployment.routes,
            target: Ok(Target::Ecs(build::ecs_target("BeforeAllowTraffic"))),
            lifecycle_event: None,
            service: &config.services[0],
        }
    }

    #[test]
    fn the_configuration_comes_before_the_groups_own_listener() {
        testkit::run(async {
            let balancer = Balancer { urls: Script::always("http://alb:8080".to_owned()), ..Balancer::default() };
            let config = build::config(PLAIN);
            assert_eq!(base_url(&balancer, &case(&config), Traffic::Test).await, Ok("http://alb:8080".to_owned()));
            assert_eq!(
                base_url(&balancer, &case(&config), Traffic::Production).await,
                Ok("http://alb:8080".to_owned())
            );
            assert_eq!(*balancer.listeners.borrow(), ["arn:test", "arn:production"]);

            let config = build::config(&format!("{PLAIN}    endpoints: {{ test: http://mine }}\n"));
            assert_eq!(base_url(&balancer, &case(&config), Traffic::Test).await, Ok("http://mine".to_owned()));
        });
    }

    #[test]
    fn where_there_is_no_listener_it_is_said_what_to_do() {
        testkit::run(async {
            let config = build::config(PLAIN);
            let mut without = case(&config);
            without.routes = None;
            let why = base_url(&Balancer::default(), &without, Traffic::Test).await.unwrap_err();
            assert_eq!(
                why,
                "the deployment group `mangaassist/orchestrator` has no test listener; give it one (`TestTrafficRoute` in its load \
                 balancer settings), or set `endpoints.test` of the service `orchestrator` in config/greenlight.yaml"
            );
            without.platform = Some(Platform::Lambda);
            let why = base_url(&Balancer::default(), &without, Traffic::Test).await.unwrap_err();
            assert!(why.contains("use `invoke` in the check"), "{why}");
            let balancer = Balancer { urls: Script::failing(denied("reading the listener")), ..Balancer::default() };
            let why = base_url(&balancer, &case(&config), Traffic::Test).await.unwrap_err();
            assert!(why.contains("the function's policy in `template.yaml` must allow it"), "{why}");
        });
    }
}
