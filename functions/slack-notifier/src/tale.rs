//! What can be told in one message and its thread: the story of a deployment by CodeDeploy, or of an ECS service's own. Knows nothing of
//! where it is told.

use domain::deployment::DeploymentId;
use domain::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::blocks::{Message, Mrkdwn};
use crate::said;
use crate::story::Story;
use crate::thread::{headline, linked, named};

/// What is known of one deployment, gathered so that the order in which it is heard makes no difference.
pub trait Tale: Clone + PartialEq + Serialize + DeserializeOwned {
    /// Whose story it is.
    fn id(&self) -> &DeploymentId;
    /// Adds another's knowledge of the same deployment. Nothing goes back.
    fn absorb(&mut self, other: Self);
    /// When its facts were last read.
    fn read_at(&mut self) -> &mut Timestamp;
    /// The message that stands for it.
    fn headline(&self) -> Message;
    /// How far it has come, in a word, for whoever looks into the table.
    fn state(&self) -> String;
    /// What a reply is about, where no thread is around it.
    fn about(&self) -> Vec<Mrkdwn>;
}

impl Tale for Story {
    fn id(&self) -> &DeploymentId {
        &self.deployment
    }

    fn absorb(&mut self, other: Self) {
        Story::absorb(self, other);
    }

    fn read_at(&mut self) -> &mut Timestamp {
        &mut self.read_at
    }

    fn headline(&self) -> Message {
        headline(self)
    }

    fn state(&self) -> String {
        format!("{:?}", self.stage)
    }

    fn about(&self) -> Vec<Mrkdwn> {
        vec![said!("{}", named(self)), linked(&self.region, &self.deployment.0)]
    }
}
