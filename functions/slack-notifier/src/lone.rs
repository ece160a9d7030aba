//! What is told in a message by itself: an alarm that needs a person and has no deployment, or a sink that takes nothing any more. Pure; knows
//! nothing of when it is told.

use domain::deployment::DeploymentId;
use domain::events::RollbackDecision;
use domain::text::bounded;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::blocks::{Message, Mrkdwn};
use crate::closed::Sink;
use crate::notices::Notice;
use crate::replies;
use crate::said;
use crate::tale::{Kind, Tale};
use crate::thread::Reply;
use crate::watch::changed;

/// What it tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Alarm {
        decision: Box<RollbackDecision>,
        region: String,
        over: Option<Timestamp>,
    },
    Refusal {
        sink: String,
        since: Timestamp,
        why: String,
        #[serde(default)]
        entry: String,
        #[serde(default)]
        works_since: Option<Timestamp>,
    },
}

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lone {
    id: DeploymentId,
    what: What,
    read_at: Timestamp,
}

impl Lone {
    /// An alarm; `over` is when it was OK again, where that was heard first. Two services may name the same alarm, and each has its own reason and
    /// its own next step.
    pub fn alarm(decision: &RollbackDecision, region: &str, over: Option<Timestamp>, read_at: Timestamp) -> Self {
        let (service, red) = (decision.service.as_deref().unwrap_or_default(), changed(decision));
        let id = format!("alarm/{service}/{}/{:?}/{red}", decision.alarm.name, decision.decision);
        let what = What::Alarm { decision: Box::new(decision.clone()), region: region.to_owned(), over };
        Self { id: DeploymentId(bounded(&id, 700)), what, read_at }
    }

    /// A sink that refuses; `entry` is the key of the table's entry that keeps it closed.
    pub(crate) fn refusal(sink: Sink, notice: &Notice, entry: &str, read_at: Timestamp) -> Self {
        let id = DeploymentId(format!("refused/{}/{}", sink.word(), notice.since));
        let (since, why) = (notice.since, notice.why.clone());
        let what =
            What::Refusal { sink: sink.name().to_owned(), since, why, entry: bounded(entry, 300), works_since: None };
        Self { id, what, read_at }
    }

    /// The same when it takes messages again.
    pub(crate) fn works(sink: Sink, notice: &Notice, at: Timestamp) -> Self {
        let mut next = Self::refusal(sink, notice, "", at);
        if let What::Refusal { works_since, .. } = &mut next.what {
            *works_since = Some(at);
        }
        next
    }

    /// The reply that says so to whoever does not look at the message again.
    pub(crate) fn reply(&self, at: Timestamp) -> Reply {
        let (key, message) = ("works".to_owned(), self.headline());
        Reply { key, at, message, important: true, in_headline: true, alarming: false }
    }

    /// The same with the alarm OK again, to be added to what is known.
    pub fn resolved(&self, at: Timestamp, read_at: Timestamp) -> Self {
        let mut next = self.clone();
        next.read_at = read_at;
        if let What::Alarm { over, .. } = &mut next.what {
            *over = Some(at);
        }
        next
    }
}

impl Tale for Lone {
    fn id(&self) -> &DeploymentId {
        &self.id
    }

    fn absorb(&mut self, other: Self) {
        match (&mut self.what, other.what) {
            (What::Alarm { over, .. }, What::Alarm { over: later, .. }) => *over = (*over).max(later),
            (What::Refusal { works_since, .. }, What::Refusal { works_since: other, .. }) => {
                *works_since = works_since.or(other);
            }
            _ => {}
        }
        self.read_at = self.read_at.max(other.read_at);
    }

    fn read_at(&mut self) -> &mut Timestamp {
        &mut self.read_at
    }

    fn headline(&self) -> Message {
        match &self.what {
            What::Alarm { decision, region, over } => replies::decision_alone(decision, region, *over),
            What::Refusal { sink, since, why, works_since: Some(at), .. } => Message {
                fallback: format!("Greenlight reaches {sink} again."),
                lines: vec![
                    said!(":white_check_mark: *Greenlight reaches {} again,* since {}.", sink, at.day_and_time()),
                    said!("It had taken nothing since {}: {}", since.day_and_time(), why),
                    said!("What was pending is sent within minutes. Nothing to do."),
                ],
                ..Message::default()
            },
            What::Refusal { sink, since, why, entry, .. } => Message {
                fallback: format!("Nothing reaches {sink} any more: {why}"),
                lines: vec![
                    said!(":no_entry: *Nothing reaches {} any more,* since {}.", sink, since.day_and_time()),
                    said!("{}", why),
                    said!(
                        "What is pending is kept, and sent when it works again. It is tried again after a day; or within minutes, when the configuration or the secret has changed, or when somebody deletes the entry `{}` of Greenlight's table.",
                        entry
                    ),
                ],
                ..Message::default()
            },
        }
    }

    fn state(&self) -> String {
        match &self.what {
            What::Alarm { over: Some(_), .. } => "over",
            What::Alarm { .. } => "red",
            What::Refusal { works_since: Some(_), .. } => "works",
            What::Refusal { .. } => "refused",
        }
        .to_owned()
    }

    fn about(&self) -> Vec<Mrkdwn> {
        Vec::new()
    }

    fn concerns(&self) -> bool {
        true
    }

    fn service(&self) -> Option<&str> {
        match &self.what {
            What::Alarm { decision, .. } => decision.service.as_deref(),
            What::Refusal { .. } => None,
        }
    }

    const KIND: Kind = Kind::Lone;
}
