//! What rolling back needs beyond a deployment and its stop: many records at once, tags, and a deployment of Greenlight's own.

use super::PortError;
use crate::alarm::GroupAlarms;
use crate::deployment::{Deployment, DeploymentId, GroupName};
use crate::redeploy::{Change, Redeployment, Source};

/// CodeDeploy's records, many at a time: what is in flight costs the same few calls however many deployment groups there are.
pub trait DeploymentRecords {
    /// The deployments of these ids that exist, in no particular order. What takes a call of its own for each is left out: `revision` has the
    /// commit alone, `app_spec` is `None`.
    async fn records(&self, ids: &[DeploymentId]) -> Result<Vec<Deployment>, PortError>;
    /// What a deployment brings and what it replaces, which takes a call of its own for each.
    async fn change(&self, id: &DeploymentId) -> Result<Change, PortError>;
    /// The alarms on these deployment groups of one application; groups that do not exist are left out.
    async fn alarms_of(&self, application: &str, groups: &[String])
    -> Result<Vec<(GroupName, GroupAlarms)>, PortError>;
}

/// How a request to deploy again was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redeployed {
    /// The deployment was created.
    Created(DeploymentId),
    /// Another deployment of the group is in flight, which may be the one that an earlier try has created; CodeDeploy's sentence.
    Busy(String),
}

/// Deploys again what was deployed before.
pub trait Redeployer {
    /// What a deployment was made from.
    async fn source(&self, id: &DeploymentId) -> Result<Source, PortError>;
    /// Creates a deployment. CodeDeploy knows no token that would make a second request harmless, so it is sent once: after
    /// [`PortError::Transient`] there may be a deployment all the same.
    async fn redeploy(&self, what: &Redeployment) -> Result<Redeployed, PortError>;
}

/// The tags on CloudWatch's alarms.
pub trait AlarmTags {
    /// Key and value of each of an alarm's tags.
    async fn tags(&self, alarm_arn: &str) -> Result<Vec<(String, String)>, PortError>;
}
