//! What went wrong, as far as it makes a difference to who is called: what heals by itself, and what a person has to mend.

use domain::deployment::GroupName;
use domain::ports::{PortError, Unpublished};

/// Why the deployments of a group could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unread {
    /// CodeDeploy did not give them.
    #[error("the deployments of `{group}` could not be read: {error}")]
    Failed {
        /// The group.
        group: GroupName,
        /// What CodeDeploy said.
        error: PortError,
    },
    /// There are too many of them, or CodeDeploy is too slow.
    #[error("the time did not suffice to read the deployments of `{group}`")]
    OutOfTime {
        /// The group.
        group: GroupName,
    },
}

impl Unread {
    /// What a person has to change so that a group can be read that CodeDeploy refuses to show; `None` where nothing has to be.
    pub(crate) fn remedy(&self) -> Option<String> {
        let Unread::Failed { group, error } = self else { return None };
        match error {
            PortError::Denied { .. } => Some(format!(
                "set the stack's parameter `CodeDeployApplication` so that it covers `{}`, or correct the name in the configuration",
                group.application
            )),
            PortError::NotFound { .. } => Some(
                "correct the application or the deployment group in the configuration, or take the service out of it"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// Whether the same may go well later.
pub(crate) fn is_transient(error: &anyhow::Error) -> bool {
    if let Some(unread) = error.downcast_ref::<Unread>() {
        return match unread {
            Unread::Failed { error, .. } => error.is_transient(),
            Unread::OutOfTime { .. } => true,
        };
    }
    if let Some(unpublished) = error.downcast_ref::<Unpublished>() {
        return match unpublished {
            Unpublished::Refused(error) => error.is_transient(),
            // Whatever the reason: the schedule looks whether the values show.
            Unpublished::Unanswered(_) => true,
        };
    }
    error.downcast_ref::<PortError>().is_some_and(PortError::is_transient)
}
