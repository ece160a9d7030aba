//! For tests only: a Slack, a PagerDuty and a CodeDeploy in memory, and messages in readable form.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use clock::Clock;
use domain::config::{PagerDuty, SecretRef, Slack, Ticket};
use domain::deployment::{Deployment, DeploymentId, GroupName, Status, Target};
use domain::ports::{
    Address, Chat, Deployments, Measure, Metrics, Pager, PortError, PostedMessage, Tickets, Unpublished, Unsent,
};
use domain::time::Timestamp;
use serde_json::Value;

use crate::sinks::Sinks;

/// One message as it stands in the channel.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) thread: Option<String>,
    pub(crate) content: Value,
    pub(crate) updates: usize,
    pub(crate) mark: String,
    pub(crate) channel: String,
    pub(crate) broadcast: bool,
    /// When it was posted.
    pub(crate) at: Timestamp,
    /// Whether somebody has deleted it.
    pub(crate) is_deleted: bool,
}

/// What goes wrong with a call.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// It is not taken, and this is said of it.
    Unsent(Unsent),
    /// It is taken, and no answer comes.
    Taken,
    /// It is taken, and whoever sent it is dead: the call never returns.
    Dies,
}

#[derive(Debug, Default)]
pub(crate) struct Channel {
    pub(crate) messages: RefCell<Vec<Standing>>,
    /// What goes wrong next, call by call; `None` goes well.
    pub(crate) trouble: RefCell<VecDeque<Option<Trouble>>>,
    /// Of every so many calls one goes wrong by chance.
    pub(crate) rate: std::cell::Cell<Option<u32>>,
    pub(crate) chance: RefCell<u64>,
    /// A webhook tells no `ts`.
    pub(crate) is_webhook: bool,
    /// Whether nothing is taken any more.
    pub(crate) is_archived: std::cell::Cell<bool>,
    /// Whether the bot may not look.
    pub(crate) is_blind: std::cell::Cell<bool>,
    /// The world's clock.
    pub(crate) clock: RefCell<Option<Clock>>,
    /// The channels that take nothing, and the code with which they say so.
    pub(crate) refuses: RefCell<BTreeMap<&'static str, &'static str>>,
}

fn no_answer() -> PortError {
    PortError::Transient { what: "posting to Slack".to_owned(), detail: "no answer".to_owned(), retry_after: None }
}

impl Channel {
    fn dice(&self, sides: u32) -> u32 {
        let mut state = self.chance.borrow_mut();
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as u32 % sides
    }

    /// Does `work` as far as the call gets.
    async fn call<T>(&self, channel: &str, work: impl FnOnce() -> T) -> Result<T, Unsent> {
        for _ in 0..=self.dice(3) {
            tokio::task::yield_now().await;
        }
        let what = || "posting to Slack".to_owned();
        if self.is_archived.get() {
            return Err(Unsent::Closed(PortError::Permanent {
                what: what(),
                detail: "is_archived; unarchive it".into(),
            }));
        }
        if let Some(code) = self.refuses.borrow().get(channel) {
            let detail = format!("Slack answered `{code}`; mend it");
            return Err(Unsent::Closed(PortError::Permanent { what: what(), detail }));
        }
        let mut trouble = self.trouble.borrow_mut().pop_front().flatten();
        if let Some(rate) = self.rate.get().filter(|_| trouble.is_none())
            && self.dice(rate) == 0
        {
            trouble = Some(match self.dice(7) {
                0 | 1 => Trouble::Taken,
                2 => Trouble::Dies,
                3 | 4 => Trouble::Unsent(Unsent::Unanswered(no_answer())),
                _ => Trouble::Unsent(Unsent::NotTaken(no_answer())),
            });
        }
        match trouble {
            None => Ok(work()),
            Some(Trouble::Unsent(unsent)) => Err(unsent),
            Some(Trouble::Taken) => {
                work();
                Err(Unsent::Unanswered(no_answer()))
            }
            Some(Trouble::Dies) => {
                work();
                std::future::pending().await
            }
        }
    }

    /// The channel as a person reads it: each message's fallback text, replies indented.
    pub(crate) fn read(&self) -> String {
        let messages = self.messages.borrow();
        let lines = messages.iter().map(|message| {
            let indent = if message.thread.is_some() { "    " } else { "" };
            format!("{indent}{}", message.content["text"].as_str().unwrap())
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct SlackFake(pub(crate) Rc<Channel>);

impl Chat for SlackFake {
    async fn post(&self, to: &Address<'_>, message: &Value, mark: &str) -> Result<PostedMessage, Unsent> {
        let post = || {
            let mut messages = self.0.messages.borrow_mut();
            messages.push(Standing {
                thread: to.thread.map(str::to_owned),
                content: message.clone(),
                updates: 0,
                mark: mark.to_owned(),
                channel: to.channel.to_owned(),
                broadcast: to.broadcast,
                at: self.0.clock.borrow().as_ref().map(Clock::now).unwrap_or_default(),
                is_deleted: false,
            });
            let ts = if self.0.is_webhook { String::new() } else { messages.len().to_string() };
            PostedMessage { channel: to.channel.to_owned(), ts }
        };
        self.0.call(to.channel, post).await
    }

    async fn find(&self, to: &Address<'_>, mark: &str, since: Timestamp) -> Result<Option<PostedMessage>, PortError> {
        tokio::task::yield_now().await;
        if self.0.is_webhook || self.0.is_blind.get() {
            return Err(PortError::Permanent { what: "looking".into(), detail: "it may not".into() });
        }
        let messages = self.0.messages.borrow();
        let is_it =
            |it: &Standing| it.mark == mark && it.thread.as_deref() == to.thread && it.at >= since && !it.is_deleted;
        let index = messages.iter().position(is_it);
        Ok(index.map(|index| PostedMessage { channel: to.channel.to_owned(), ts: (index + 1).to_string() }))
    }

    async fn update(&self, message: &PostedMessage, content: &Value) -> Result<(), Unsent> {
        let index = message.ts.parse::<usize>().unwrap() - 1;
        if self.0.messages.borrow().get(index).is_some_and(|it| it.is_deleted) {
            return Err(Unsent::Gone(unknown("the message")));
        }
        let update = || {
            let mut messages = self.0.messages.borrow_mut();
            messages[index].content = content.clone();
            messages[index].updates += 1;
        };
        self.0.call(&message.channel, update).await
    }
}

/// CloudWatch, of which a test sees what was counted.
#[derive(Debug, Default)]
pub(crate) struct MetricsFake(pub(crate) RefCell<Vec<Measure>>);

impl Metrics for MetricsFake {
    async fn publish(&self, measures: &[Measure]) -> Result<(), Unpublished> {
        self.0.borrow_mut().extend_from_slice(measures);
        Ok(())
    }

    async fn shown(&self, _: &Measure) -> Result<f64, PortError> {
        Err(unknown("a value"))
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct PagerFake {
    pub(crate) sent: Rc<RefCell<Vec<Value>>>,
    pub(crate) changes: Rc<RefCell<Vec<Value>>>,
    /// What becomes of the next calls, one by one; they go well when it is empty.
    pub(crate) fates: Rc<RefCell<VecDeque<Fate>>>,
    pub(crate) trouble: Rc<RefCell<VecDeque<PortError>>>,
}

impl PagerFake {
    pub(crate) fn actions(&self) -> Vec<String> {
        self.sent.borrow().iter().map(|event| event["event_action"].as_str().unwrap().to_owned()).collect()
    }
}

/// What becomes of a call to PagerDuty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fate {
    Taken,
    NotTaken,
    /// It took effect, and the answer was lost.
    Unanswered,
    /// This one is never taken.
    Unfit,
}

/// What an error that a test scripts says of the message.
pub(crate) fn unsent(error: PortError) -> Unsent {
    match error {
        PortError::Transient { .. } => Unsent::NotTaken(error),
        PortError::NotFound { .. } => Unsent::Gone(error),
        PortError::Denied { .. } | PortError::Permanent { .. } => Unsent::Closed(error),
    }
}

impl PagerFake {
    async fn take(&self, event: &Value, to: &RefCell<Vec<Value>>) -> Result<(), Unsent> {
        tokio::task::yield_now().await;
        if let Some(error) = self.trouble.borrow_mut().pop_front() {
            return Err(unsent(error));
        }
        let error = PortError::Transient { what: "paging".into(), detail: "scripted".into(), retry_after: None };
        match self.fates.borrow_mut().pop_front().unwrap_or(Fate::Taken) {
            Fate::NotTaken => return Err(Unsent::NotTaken(error)),
            Fate::Unfit => return Err(Unsent::Unfit(error)),
            Fate::Unanswered => {
                to.borrow_mut().push(event.clone());
                return Err(Unsent::Unanswered(error));
            }
            Fate::Taken => to.borrow_mut().push(event.clone()),
        }
        Ok(())
    }
}

impl Pager for PagerFake {
    async fn send(&self, event: &Value) -> Result<(), Unsent> {
        self.take(event, &self.sent).await
    }

    async fn change(&self, event: &Value) -> Result<(), Unsent> {
        self.take(event, &self.changes).await
    }
}

/// Who keeps tickets: answers by script, and with nothing when that is used up.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeskFake {
    /// What was posted.
    pub(crate) opened: Rc<RefCell<Vec<Value>>>,
    /// The searches.
    pub(crate) asked: Rc<RefCell<Vec<String>>>,
    /// What becomes of what is posted; whether it was taken all the same is in `opened`.
    pub(crate) answers: Rc<RefCell<VecDeque<Result<Value, Unsent>>>>,
    /// What searches find.
    pub(crate) finds: Rc<RefCell<VecDeque<Result<Value, PortError>>>>,
}

impl Tickets for DeskFake {
    async fn open(&self, body: &Value) -> Result<Value, Unsent> {
        self.opened.borrow_mut().push(body.clone());
        tokio::task::yield_now().await;
        self.answers.borrow_mut().pop_front().unwrap_or(Ok(Value::Null))
    }

    async fn ask(&self, url: &str) -> Result<Value, PortError> {
        self.asked.borrow_mut().push(url.to_owned());
        self.finds.borrow_mut().pop_front().unwrap_or(Ok(Value::Null))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Both {
    pub(crate) slack: SlackFake,
    pub(crate) pager: PagerFake,
    /// What the secrets are by now; a process that has read one keeps it.
    pub(crate) secret: RefCell<String>,
    pub(crate) read: RefCell<Option<String>>,
    pub(crate) desk: DeskFake,
}

impl Sinks for Both {
    type Chat = SlackFake;
    type Pager = PagerFake;
    type Tickets = DeskFake;

    async fn chat(&self, _: &Slack, _: Timestamp) -> Result<SlackFake, PortError> {
        Ok(self.slack.clone())
    }

    async fn pager(&self, _: &PagerDuty, _: Timestamp) -> Result<PagerFake, PortError> {
        Ok(self.pager.clone())
    }

    async fn fingerprint(&self, place: &str, _: Option<&SecretRef>, afresh: bool) -> Result<String, PortError> {
        let mut read = self.read.borrow_mut();
        if afresh || read.is_none() {
            *read = Some(self.secret.borrow().clone());
        }
        Ok(format!("{place}:{}", read.clone().unwrap_or_default()))
    }

    async fn tickets(&self, _: &Ticket, _: Timestamp) -> Result<DeskFake, PortError> {
        Ok(self.desk.clone())
    }
}

/// CodeDeploy's record; a deployment may have several readings, of which the last one stays.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) readings: RefCell<BTreeMap<DeploymentId, VecDeque<Deployment>>>,
    pub(crate) target: RefCell<Option<Target>>,
}

impl Record {
    pub(crate) fn set(&self, readings: impl IntoIterator<Item = Deployment>) {
        let readings: VecDeque<Deployment> = readings.into_iter().collect();
        self.readings.borrow_mut().insert(readings[0].id.clone(), readings);
    }
}

fn unknown(what: &str) -> PortError {
    PortError::NotFound { what: what.to_owned(), detail: "no such thing".to_owned() }
}

impl Deployments for Record {
    async fn deployment(&self, id: &DeploymentId) -> Result<Deployment, PortError> {
        let mut all = self.readings.borrow_mut();
        let readings = all.get_mut(id).ok_or_else(|| unknown("the deployment"))?;
        if readings.len() > 1 { Ok(readings.pop_front().unwrap()) } else { Ok(readings[0].clone()) }
    }

    async fn target(&self, _: &DeploymentId) -> Result<Target, PortError> {
        self.target.borrow().clone().ok_or_else(|| unknown("the target"))
    }

    async fn list(
        &self,
        _: Option<&GroupName>,
        _: &[Status],
        _: Option<Timestamp>,
    ) -> Result<Vec<DeploymentId>, PortError> {
        Err(unknown("a list"))
    }
}

/// Rendered blocks as a person reads them.
pub(crate) fn readable(rendered: &Value) -> String {
    let mut lines = Vec::new();
    let text = |value: &Value| value["text"].as_str().unwrap().to_owned();
    for block in rendered["blocks"].as_array().unwrap() {
        match block["type"].as_str().unwrap() {
            "header" => lines.push(format!("# {}", text(&block["text"]))),
            "context" => lines.extend(block["elements"].as_array().unwrap().iter().map(|e| format!("~ {}", text(e)))),
            _ => {
                lines.extend(block.get("text").map(&text));
                let fields = block.get("fields").and_then(Value::as_array);
                lines.extend(fields.into_iter().flatten().map(|field| format!("| {}", text(field).replace('\n', " "))));
            }
        }
    }
    lines.push(format!("({})", rendered["text"].as_str().unwrap()));
    lines.join("\n")
}
