//! Alarms that are told of by themselves, since nothing of their service is in flight: those of a service within one quarter of an hour share
//! a message, so that two hundred red alarms are not two hundred messages. Pure; knows nothing of when it is told.

use std::collections::BTreeMap;

use domain::deployment::DeploymentId;
use domain::events::RollbackDecision;
use domain::text::{bounded, count};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::blocks::{Message, Mrkdwn, outside};
use crate::replies;
use crate::said;
use crate::story::REMEMBERED;
use crate::tale::{Kind, Tale};
use crate::watch::{changed, subject};

/// A quarter of an hour, in milliseconds.
const QUARTER: i64 = 15 * 60 * 1000;
/// Of so many alarms the details are told in the message's thread.
const DETAILED: usize = 20;
/// So many are remembered by name: the ledger's entry has its limits.
const ALARMS: usize = 500;
/// So many are named in the message.
const NAMED: usize = 2;

/// One of the alarms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Bird {
    /// When it went to ALARM.
    red: Timestamp,
    /// When it was OK again.
    over: Option<Timestamp>,
    /// The how manieth it is.
    nth: usize,
}

/// The alarms of one message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flock {
    id: DeploymentId,
    region: String,
    service: String,
    /// What the first of them led to: while it is alone, that is the message.
    first: Box<RollbackDecision>,
    alarms: BTreeMap<String, Bird>,
    read_at: Timestamp,
}

/// The message that an alarm belongs to. It is headed by an environment, so those of another one have their own.
fn id(decision: &RollbackDecision) -> DeploymentId {
    let quarter = Timestamp(changed(decision).0.div_euclid(QUARTER) * QUARTER);
    let service = decision.service.clone().unwrap_or_else(|| subject(decision));
    let environment = decision.environment.as_deref().unwrap_or_default();
    DeploymentId(format!("alone/{}/{}/{quarter}", bounded(&service, 200), bounded(environment, 200)))
}

/// Whether the alarm is about no deployment group or service: then it says nothing of what is in flight.
fn is_nobodys(decision: &RollbackDecision) -> bool {
    decision.service.is_none() && decision.group.is_none() && decision.ecs.is_none()
}

impl Flock {
    /// One alarm; `over` is when it was OK again, where that was heard first.
    pub fn of(decision: &RollbackDecision, region: &str, over: Option<Timestamp>, read_at: Timestamp) -> Self {
        let named = (!is_nobodys(decision)).then(|| decision.service.clone().unwrap_or_else(|| subject(decision)));
        let service = match (named, &decision.environment) {
            (Some(named), Some(environment)) => format!("{named} ({environment})"),
            (Some(named), None) => named,
            (None, Some(environment)) => environment.clone(),
            (None, None) => "no deployment group in particular".to_owned(),
        };
        let bird = Bird { red: changed(decision), over, nth: 1 };
        Self {
            id: id(decision),
            region: region.to_owned(),
            service: bounded(&service, REMEMBERED),
            first: Box::new(decision.clone()),
            alarms: BTreeMap::from([(decision.alarm.name.clone(), bird)]),
            read_at,
        }
    }

    /// The same message with the alarm OK again, to be added to what is known.
    pub fn resolved(&self, alarm: &str, over: Timestamp, read_at: Timestamp) -> Self {
        let mut alarms = self.alarms.clone();
        alarms.retain(|name, _| name == alarm);
        for bird in alarms.values_mut() {
            bird.over = Some(over);
        }
        Self { alarms, read_at, ..self.clone() }
    }

    /// The decisions that are to be told in the thread when this one is heard: none while it is alone, since the message tells it.
    pub fn details<'a>(&'a self, heard: &'a RollbackDecision) -> Vec<&'a RollbackDecision> {
        let is_again = self.first.alarm.name == heard.alarm.name && changed(heard) > changed(&self.first);
        if self.alarms.len() < 2 && !is_again {
            return Vec::new();
        }
        let nth = self.alarms.get(&heard.alarm.name).map_or(usize::MAX, |bird| bird.nth);
        let own = (nth <= DETAILED && *heard != *self.first).then_some(heard);
        std::iter::once(&*self.first).chain(own).collect()
    }

    fn is_red(bird: &Bird) -> bool {
        bird.over.is_none_or(|over| over < bird.red)
    }

    /// Some of these by name, and how many more there are.
    fn listed(names: &[&String]) -> Mrkdwn {
        let mut said = said!("");
        for (index, name) in names.iter().take(NAMED).enumerate() {
            let between = match (index, names.len()) {
                (0, _) => "",
                (_, 2) => " and ",
                (_, _) => ", ",
            };
            said = said!("{}{}{}", said, between, Mrkdwn::code(name));
        }
        match names.len().saturating_sub(NAMED) {
            0 => said,
            more => said!("{} and {} more", said, more.to_string()),
        }
    }
}

impl Tale for Flock {
    fn id(&self) -> &DeploymentId {
        &self.id
    }

    fn absorb(&mut self, other: Self) {
        for (name, new) in other.alarms {
            let nth = self.alarms.len() + 1;
            match self.alarms.get_mut(&name) {
                Some(old) => {
                    old.red = old.red.max(new.red);
                    old.over = old.over.max(new.over);
                }
                None if nth <= ALARMS => {
                    self.alarms.insert(name, Bird { nth, ..new });
                }
                None => {}
            }
        }
        self.read_at = self.read_at.max(other.read_at);
    }

    fn read_at(&mut self) -> &mut Timestamp {
        &mut self.read_at
    }

    fn headline(&self) -> Message {
        if let (1, Some(bird)) = (self.alarms.len(), self.alarms.values().next()) {
            let over = bird.over.filter(|_| !Self::is_red(bird));
            return replies::decision_alone(&self.first, &self.region, over);
        }
        let mut alarms: Vec<(&String, &Bird)> = self.alarms.iter().collect();
        alarms.sort_by_key(|(_, bird)| bird.nth);
        let (red, over): (Vec<_>, Vec<_>) = alarms.into_iter().partition(|(_, bird)| Self::is_red(bird));
        let names = |some: &[(&String, &Bird)]| Self::listed(&some.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        let are = |number: usize| if number == 1 { "is" } else { "are" };
        let idle = if is_nobodys(&self.first) { "" } else { ", and no deployment is in flight" };
        let mut lines = Vec::new();
        if !red.is_empty() {
            lines.push(said!(":bell: {} {} in ALARM{}.", names(&red), are(red.len()), idle));
        }
        if !over.is_empty() {
            lines.push(said!(":white_check_mark: {} {} OK again.", names(&over), are(over.len())));
        }
        if self.alarms.len() > DETAILED {
            let most = DETAILED.to_string();
            lines.push(said!("The first {} are told below; all of them are in the log of `alarm-rollback`.", most));
        }
        let alarms = count(self.alarms.len(), "alarm");
        let service = outside(&self.service);
        let fallback = match red.len() {
            0 => format!("{service}: {alarms}, and all are OK again."),
            still => format!("{service}: {still} of {alarms} in ALARM{idle}."),
        };
        Message { fallback, lines, context: vec![said!("{}", self.service)], ..Message::default() }
    }

    fn state(&self) -> String {
        format!("{} alarms", self.alarms.len())
    }

    fn about(&self) -> Vec<Mrkdwn> {
        vec![said!("{}", self.service)]
    }

    fn concerns(&self) -> bool {
        true
    }

    fn service(&self) -> Option<&str> {
        self.first.service.as_deref()
    }

    const KIND: Kind = Kind::Flock;
}
