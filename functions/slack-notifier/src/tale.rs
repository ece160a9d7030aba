//! What can be told in one message and its thread: the story of a deployment by CodeDeploy, or of an ECS service's own. Knows nothing of
//! where it is told.

use domain::deployment::DeploymentId;
use domain::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::blocks::{Message, Mrkdwn};
use crate::glance::glance;
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
    /// Whether it is bad news, or somebody must act: what is told where only that is told.
    fn concerns(&self) -> bool;
    /// Whether somebody must act now, as far as it is known.
    fn is_urgent(&self) -> bool {
        self.concerns()
    }
    /// The service's name in the configuration, where it has one: it may have a channel of its own.
    fn service(&self) -> Option<&str>;
    /// What kind of story it is, for whoever finds it among the open ones.
    const KIND: Kind;
}

/// The kinds of stories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A deployment by CodeDeploy.
    Story,
    /// A deployment of ECS's own.
    Rolling,
    /// Alarms that share a message.
    Flock,
    /// What has a message by itself.
    Lone,
    /// No story: what PagerDuty has not taken yet. Its id is the key of the entry that holds it.
    Pager,
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

    fn concerns(&self) -> bool {
        self.ended_badly()
            || self.is_taken_back()
            || self.alarm.is_some()
            || self.failed_hook.is_some()
            || self.asks().next().is_some()
            || glance(self).urgent
    }

    fn is_urgent(&self) -> bool {
        glance(self).urgent
    }

    fn service(&self) -> Option<&str> {
        Some(&self.service)
    }

    const KIND: Kind = Kind::Story;
}
