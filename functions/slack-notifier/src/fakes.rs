//! For tests only: a Slack, a PagerDuty and a CodeDeploy in memory, and messages in readable form.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use domain::config::{PagerDuty, Slack, Ticket};
use domain::deployment::{Deployment, DeploymentId, GroupName, Status, Target};
use domain::ports::{Address, Chat, Deployments, Pager, PortError, PostedMessage, Tickets, Unsent};
use domain::time::Timestamp;
use serde_json::Value;

use crate::sinks::Sinks;

/// One message as it stands in the channel.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) thread: Option<String>,
    pub(crate) content: Value,
    pub(crate) updates: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Channel {
    pub(crate) messages: RefCell<Vec<Standing>>,
    /// What goes wrong next, call by call; `None` goes well.
    pub(crate) trouble: RefCell<VecDeque<Option<PortError>>>,
    /// A webhook tells no `ts`.
    pub(crate) is_webhook: bool,
}

impl Channel {
    async fn trouble(&self) -> Result<(), Unsent> {
        tokio::task::yield_now().await;
        self.trouble.borrow_mut().pop_front().flatten().map_or(Ok(()), |error| Err(unsent(error)))
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
    async fn post(&self, to: &Address<'_>, message: &Value, _: &str) -> Result<PostedMessage, Unsent> {
        self.0.trouble().await?;
        let mut messages = self.0.messages.borrow_mut();
        messages.push(Standing { thread: to.thread.map(str::to_owned), content: message.clone(), updates: 0 });
        let ts = if self.0.is_webhook { String::new() } else { messages.len().to_string() };
        Ok(PostedMessage { channel: to.channel.to_owned(), ts })
    }

    async fn find(&self, _: &Address<'_>, _: &str, _: Timestamp) -> Result<Option<PostedMessage>, PortError> {
        Err(unknown("a message"))
    }

    async fn update(&self, message: &PostedMessage, content: &Value) -> Result<(), Unsent> {
        self.0.trouble().await?;
        let index = message.ts.parse::<usize>().unwrap() - 1;
        let mut messages = self.0.messages.borrow_mut();
        messages[index].content = content.clone();
        messages[index].updates += 1;
        Ok(())
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct PagerFake {
    pub(crate) sent: Rc<RefCell<Vec<Value>>>,
    pub(crate) trouble: Rc<RefCell<VecDeque<PortError>>>,
}

impl PagerFake {
    pub(crate) fn actions(&self) -> Vec<String> {
        self.sent.borrow().iter().map(|event| event["event_action"].as_str().unwrap().to_owned()).collect()
    }
}

/// What an error that a test scripts says of the message.
fn unsent(error: PortError) -> Unsent {
    match error {
        PortError::Transient { .. } => Unsent::NotTaken(error),
        PortError::NotFound { .. } => Unsent::Gone(error),
        PortError::Denied { .. } | PortError::Permanent { .. } => Unsent::Closed(error),
    }
}

impl PagerFake {
    fn take(&self, event: &Value) -> Result<(), Unsent> {
        if let Some(error) = self.trouble.borrow_mut().pop_front() {
            return Err(unsent(error));
        }
        self.sent.borrow_mut().push(event.clone());
        Ok(())
    }
}

impl Pager for PagerFake {
    async fn send(&self, event: &Value) -> Result<(), Unsent> {
        self.take(event)
    }

    async fn change(&self, event: &Value) -> Result<(), Unsent> {
        self.take(event)
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
