//! The adapters on the AWS SDK for Rust, one file a service. They turn the domain's questions into calls and the answers
//! back into the domain's words, and decide nothing. The only crate that knows the SDK; knows nothing of Lambda, of the
//! configuration file or of what a function is for.
//!
//! There is no `aws-config`: in Lambda, region and credentials are in the environment, and its default chain costs half a
//! millisecond and 1.4 MB (docs/performance.md). The SDK's HTTP, its waits and its signatures' times all go through
//! [`outbound::HttpClient`] and its [`clock::Clock`], so that they happen in a rehearsal's virtual time there.

#![cfg_attr(
    not(any(
        feature = "cloudwatch",
        feature = "codedeploy",
        feature = "dynamodb",
        feature = "ecs",
        feature = "elb",
        feature = "eventbridge",
        feature = "lambda",
        feature = "secretsmanager"
    )),
    allow(dead_code, reason = "without a service there is nothing to connect")
)]

mod connector;
mod error;
mod settings;

#[cfg(feature = "cloudwatch")]
mod alarms;
#[cfg(feature = "codedeploy")]
mod codedeploy;
#[cfg(feature = "ecs")]
mod ecs;
#[cfg(feature = "elb")]
mod elb;
#[cfg(feature = "eventbridge")]
mod events;
#[cfg(feature = "lambda")]
mod lambda;
#[cfg(feature = "cloudwatch")]
mod metrics;
#[cfg(feature = "ecs")]
mod rolling;
#[cfg(feature = "secretsmanager")]
mod secrets;
#[cfg(feature = "dynamodb")]
mod table;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use outbound::HttpClient;

#[cfg(feature = "cloudwatch")]
pub use alarms::CloudWatchAlarms;
#[cfg(feature = "codedeploy")]
pub use codedeploy::CodeDeploy;
#[cfg(feature = "ecs")]
pub use ecs::EcsTasks;
#[cfg(feature = "elb")]
pub use elb::LoadBalancers;
#[cfg(feature = "eventbridge")]
pub use events::EventBus;
#[cfg(feature = "lambda")]
pub use lambda::LambdaVersions;
#[cfg(feature = "cloudwatch")]
pub use metrics::CloudWatchMetrics;
#[cfg(feature = "ecs")]
pub use rolling::EcsServices;
#[cfg(feature = "secretsmanager")]
pub use secrets::SecretStore;
#[cfg(feature = "dynamodb")]
pub use table::Table;

/// Where the adapters come from. Cheap to make and to clone: nothing is read and no client is built before an adapter is
/// first used.
#[derive(Clone)]
pub struct Aws(Arc<settings::Settings>);

impl Aws {
    /// Adapters that read their settings through `lookup` (a name to the environment variable's value) and speak through `http`.
    ///
    /// What is missing surfaces as [`domain::ports::PortError::Permanent`], naming the variable, when an adapter is first used.
    /// The variables: `AWS_REGION` or `AWS_DEFAULT_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
    /// `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_<SERVICE>` and `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` (AWS SDKs and tools reference guide).
    pub fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static, http: HttpClient) -> Self {
        Self(Arc::new(settings::Settings::new(Box::new(lookup), http)))
    }

    /// CodeDeploy: reports hooks, reads and stops deployments.
    #[cfg(feature = "codedeploy")]
    pub fn codedeploy(&self) -> CodeDeploy {
        CodeDeploy::new(&self.0)
    }

    /// ECS: the tasks of a task set.
    #[cfg(feature = "ecs")]
    pub fn ecs(&self) -> EcsTasks {
        EcsTasks::new(&self.0)
    }

    /// ECS: the services that it deploys itself.
    #[cfg(feature = "ecs")]
    pub fn ecs_services(&self) -> EcsServices {
        EcsServices::new(&self.0)
    }

    /// Elastic Load Balancing: listeners and the health of targets.
    #[cfg(feature = "elb")]
    pub fn elb(&self) -> LoadBalancers {
        LoadBalancers::new(&self.0)
    }

    /// Lambda: the versions of functions.
    #[cfg(feature = "lambda")]
    pub fn lambda(&self) -> LambdaVersions {
        LambdaVersions::new(&self.0)
    }

    /// CloudWatch's alarms.
    #[cfg(feature = "cloudwatch")]
    pub fn cloudwatch(&self) -> CloudWatchAlarms {
        CloudWatchAlarms::new(&self.0)
    }

    /// CloudWatch's metrics of one namespace.
    #[cfg(feature = "cloudwatch")]
    pub fn metrics(&self, namespace: &str) -> CloudWatchMetrics {
        CloudWatchMetrics::new(&self.0, namespace)
    }

    /// The default event bus.
    #[cfg(feature = "eventbridge")]
    pub fn events(&self) -> EventBus {
        EventBus::new(&self.0)
    }

    /// The DynamoDB table of this name.
    #[cfg(feature = "dynamodb")]
    pub fn table(&self, name: &str) -> Table {
        Table::new(&self.0, name)
    }

    /// Secrets Manager and, for `env:` references, the environment. What it fetched it keeps for as long as it lives.
    #[cfg(feature = "secretsmanager")]
    pub fn secrets(&self) -> SecretStore {
        SecretStore::new(&self.0)
    }
}
