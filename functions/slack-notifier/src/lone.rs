//! What is told in a message by itself: an alarm that needs a person and has no deployment, or a sink that takes nothing any more. Pure; knows
//! nothing of when it is told.

use domain::deployment::DeploymentId;
use domain::events::RollbackDecision;
use domain::text::bounded;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::blocks::{Message, Mrkdwn};
use crate::closed::{Refusal, Sink};
use crate::replies;
use crate::said;
use crate::tale::{Kind, Tale};
use crate::watch::changed;

/// What it tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Alarm { decision: Box<RollbackDecision>, region: String, over: Option<Timestamp> },
    Refusal { sink: String, since: Timestamp, why: String },
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

    /// A sink that refuses.
    pub fn refusal(sink: Sink, refusal: &Refusal, read_at: Timestamp) -> Self {
        let id = DeploymentId(format!("refused/{}/{}", sink.word(), refusal.since));
        let what = What::Refusal { sink: sink.name().to_owned(), since: refusal.since, why: refusal.why.clone() };
        Self { id, what, read_at }
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
        if let (What::Alarm { over, .. }, What::Alarm { over: later, .. }) = (&mut self.what, other.what) {
            *over = (*over).max(later);
        }
        self.read_at = self.read_at.max(other.read_at);
    }

    fn read_at(&mut self) -> &mut Timestamp {
        &mut self.read_at
    }

    fn headline(&self) -> Message {
        match &self.what {
            What::Alarm { decision, region, over } => replies::decision_alone(decision, region, *over),
            What::Refusal { sink, since, why } => Message {
                fallback: format!("Nothing reaches {sink} any more: {why}"),
                lines: vec![
                    said!(":no_entry: *Nothing reaches {} any more,* since {} UTC.", sink, since.time_of_day()),
                    said!("{}", why),
                    said!("It is tried again after a day, or as soon as the configuration or the secret has changed."),
                ],
                ..Message::default()
            },
        }
    }

    fn state(&self) -> String {
        match &self.what {
            What::Alarm { over: Some(_), .. } => "over",
            What::Alarm { .. } => "red",
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
