//! The port to ECS services that ECS itself deploys. Knows nothing of any adapter.

use super::PortError;
use crate::deployment::EcsServiceName;
use crate::rolling::{Past, RollingService};

/// The tags on ECS's task definitions.
pub trait TaskDefinitionTags {
    /// Key and value of each tag of a task definition, by its ARN.
    async fn tags(&self, task_definition: &str) -> Result<Vec<(String, String)>, PortError>;
}

/// ECS services on rolling deployments.
pub trait RollingServices {
    /// The service as it stands.
    async fn service(&self, name: &EcsServiceName) -> Result<RollingService, PortError>;
    /// What ECS keeps of the service's deployments that have ended, the newest first.
    async fn history(&self, name: &EcsServiceName) -> Result<Vec<Past>, PortError>;
    /// Has ECS deploy this task definition; gives the service as it stands then. Where it is what the service runs already, ECS changes nothing.
    async fn deploy(&self, name: &EcsServiceName, task_definition: &str) -> Result<RollingService, PortError>;
}
