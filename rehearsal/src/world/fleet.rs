//! Lambda as a service: invocations, execution environments, time limits that kill, asynchronous retries, destinations and
//! reserved concurrency (Lambda developer guide, "Asynchronous invocation"). Knows nothing of what the functions do.

mod arrival;
mod ending;
mod pace;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::time::Timestamp;
use serde_json::{Value, json};

use super::{ACCOUNT, Effect, Happening, HttpAnswer, REGION, Token, World};

/// The number of an execution environment: one process.
pub type SandboxId = u32;

/// What is to be done by a function, or is being done.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) id: String,
    pub(crate) function: usize,
    pub(crate) payload: Value,
    pub(crate) attempts: u32,
    pub(crate) throttled: u32,
    pub(crate) accepted: Timestamp,
    /// Who waits for the answer, when it is a synchronous one.
    pub(crate) waiting: Option<Token>,
}

/// How an invocation ended.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Answered(Vec<u8>),
    Failed { kind: String, message: String },
}

#[derive(Debug)]
enum State {
    Starting(Option<Box<Invocation>>),
    Waiting(Token),
    Running(Box<Invocation>),
    Frozen(Box<Invocation>),
    Answered,
    Dead,
}

#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) function: usize,
    state: State,
    parked: Option<Parked>,
    wakes: u64,
    waits: BTreeMap<u64, (i64, u64)>,
    held: BTreeMap<u64, Token>,
    /// When its invocation's time is up: the place in the queue.
    deadline: Option<(i64, u64)>,
    /// Whether it has been struck: what it asks is no longer heard, and it hears no answer.
    deaf: bool,
}

/// What a process said when it had nothing left to do.
#[derive(Debug)]
struct Parked {
    /// How many wakes it had counted.
    woken: u64,
    /// The highest number that it had given to a request.
    begun: u64,
    /// Its requests in flight.
    outstanding: BTreeSet<u64>,
}

impl Sandbox {
    /// Whether the process can do nothing before the rehearsal does something.
    fn is_idle(&self) -> bool {
        match &self.state {
            State::Waiting(_) | State::Frozen(_) | State::Dead => true,
            State::Answered => false,
            // A process that is starting may wait and ask as well: Lambda's clock runs during the init phase too.
            State::Starting(_) | State::Running(_) => self.parked.as_ref().is_some_and(|parked| {
                parked.woken == self.wakes
                    && parked.outstanding.iter().eq(self.held.keys())
                    && !(self.waits.is_empty() && self.held.is_empty())
            }),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Fleet {
    sandboxes: BTreeMap<SandboxId, Sandbox>,
    askers: BTreeMap<Token, SandboxId>,
    next: SandboxId,
}

impl Fleet {
    pub(crate) fn anything_runs(&self) -> bool {
        self.sandboxes.values().any(|sandbox| {
            matches!(sandbox.state, State::Starting(_) | State::Running(_) | State::Frozen(_) | State::Answered)
        })
    }

    /// Notes that a request is being answered; false when whoever asked can hear nothing any more.
    pub(crate) fn answered(&mut self, token: Token) -> bool {
        for sandbox in self.sandboxes.values_mut() {
            sandbox.held.retain(|_, held| *held != token);
        }
        self.askers.remove(&token).is_none_or(|sandbox| self.hears(sandbox))
    }

    /// Whether a process still takes part: one that was struck or ended does nothing more, although it may take the operating system a moment
    /// to see to that.
    fn hears(&self, id: SandboxId) -> bool {
        self.sandboxes.get(&id).is_some_and(|sandbox| !sandbox.deaf && !matches!(sandbox.state, State::Dead))
    }

    fn running(&self, function: usize) -> usize {
        self.sandboxes
            .values()
            .filter(|sandbox| sandbox.function == function)
            .filter(|sandbox| matches!(&sandbox.state, State::Running(_) | State::Frozen(_) | State::Starting(Some(_))))
            .count()
    }
}

impl World {
    /// Whether virtual time may move on: no process has anything left to do but wait.
    pub fn is_quiet(&self) -> bool {
        !self.samples.awaited() && self.forwarded.is_empty() && self.fleet.sandboxes.values().all(Sandbox::is_idle)
    }

    /// The processes that keep virtual time from moving on, for the message when that takes too long.
    pub fn busy(&self) -> Vec<(SandboxId, String)> {
        let busy = self.fleet.sandboxes.iter().filter(|(_, sandbox)| !sandbox.is_idle());
        busy.map(|(id, sandbox)| (*id, self.binary(sandbox.function))).collect()
    }

    /// Whether a process still hears and is heard.
    pub(crate) fn takes_part(&self, id: SandboxId) -> bool {
        self.fleet.hears(id)
    }

    /// The function that a sandbox runs: its place in the template.
    pub fn function_of(&self, sandbox: SandboxId) -> Option<usize> {
        self.fleet.sandboxes.get(&sandbox).map(|sandbox| sandbox.function)
    }

    /// The attempt at an invocation that a sandbox is busy with.
    pub(crate) fn attempt_of(&self, sandbox: SandboxId) -> Option<String> {
        match &self.fleet.sandboxes.get(&sandbox)?.state {
            State::Running(invocation) => Some(format!("{}/{}", invocation.id, invocation.attempts)),
            _ => None,
        }
    }

    pub(crate) fn binary(&self, function: usize) -> String {
        self.template.functions.get(function).map_or_else(String::new, |function| function.binary.clone())
    }

    /// The function of that name, ARN or binary.
    pub(crate) fn function_named(&self, name: &str) -> Option<usize> {
        let plain = name.rsplit(":function:").next().unwrap_or(name);
        let plain = plain.split(':').next().unwrap_or(plain);
        self.template.functions.iter().position(|function| function.name == plain || function.binary == plain)
    }

    pub(crate) fn hand_over(&mut self, id: SandboxId, token: Token, mut invocation: Invocation) {
        let Some(function) = self.template.functions.get(invocation.function) else { return };
        invocation.attempts += 1;
        let limit = Duration::from_secs(u64::from(function.timeout_seconds));
        let headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("lambda-runtime-aws-request-id".to_owned(), invocation.id.clone()),
            ("lambda-runtime-deadline-ms".to_owned(), self.now.plus(limit).0.to_string()),
            ("lambda-runtime-invoked-function-arn".to_owned(), function.arn.clone()),
            (
                "lambda-runtime-trace-id".to_owned(),
                format!("Root=1-{:08x}-{:024x};Sampled=0", self.now.0 / 1000, self.sequence),
            ),
        ];
        let answer = HttpAnswer {
            status: 200,
            headers,
            body: invocation.payload.to_string().into_bytes(),
            ..HttpAnswer::default()
        };
        let deadline = self.schedule(limit, Happening::Deadline(id, invocation.id.clone()));
        if let Some(sandbox) = self.fleet.sandboxes.get_mut(&id) {
            sandbox.parked = None;
            sandbox.deadline = Some(deadline);
            sandbox.state = State::Running(Box::new(invocation));
        }
        self.effects.push(Effect::Answer(token, answer));
    }

    /// A process asks for its next invocation.
    pub fn runtime_next(&mut self, id: SandboxId, token: Token) {
        let Some(sandbox) = self.fleet.sandboxes.get_mut(&id) else {
            let message = "this execution environment is not one of the rehearsal's";
            self.effects.push(Effect::Answer(token, HttpAnswer::text(403, message)));
            return;
        };
        if sandbox.deaf || matches!(sandbox.state, State::Dead) {
            return;
        }
        match std::mem::replace(&mut sandbox.state, State::Waiting(token)) {
            State::Starting(Some(invocation)) => self.hand_over(id, token, *invocation),
            State::Starting(None) | State::Answered | State::Waiting(_) => {}
            // The process gave up on what it was doing without saying so.
            State::Running(invocation) | State::Frozen(invocation) => {
                self.forget_waits(id);
                self.finish(
                    *invocation,
                    Outcome::Failed {
                        kind: "Runtime.Unknown".to_owned(),
                        message: "the runtime asked for the next invocation without having answered this one"
                            .to_owned(),
                    },
                );
            }
            State::Dead => {}
        }
    }

    /// A process answers its invocation, well or with an error.
    pub fn runtime_answer(&mut self, id: SandboxId, request: &str, token: Token, failed: bool, body: Vec<u8>) {
        let accepted = HttpAnswer::json(202, &json!({ "status": "OK" }));
        let refused =
            |text: &str| HttpAnswer::json(400, &json!({ "errorMessage": text, "errorType": "InvalidRequestID" }));
        let Some(sandbox) = self.fleet.sandboxes.get_mut(&id).filter(|sandbox| !sandbox.deaf) else { return };
        match std::mem::replace(&mut sandbox.state, State::Answered) {
            State::Running(invocation) if invocation.id == request => {
                self.forget_waits(id);
                self.effects.push(Effect::Answer(token, accepted));
                let outcome = if failed { failure_of(&body) } else { Outcome::Answered(body) };
                self.finish(*invocation, outcome);
            }
            other => {
                sandbox.state = other;
                self.effects.push(Effect::Answer(token, refused("Invalid request ID")));
            }
        }
    }

    /// A process could not start.
    pub fn runtime_init_error(&mut self, id: SandboxId, token: Token, body: &[u8]) {
        self.effects.push(Effect::Answer(token, HttpAnswer::json(202, &json!({ "status": "OK" }))));
        let Some(sandbox) = self.fleet.sandboxes.get_mut(&id) else { return };
        // Once it has asked for an invocation it has started, and answers that instead.
        if matches!(sandbox.state, State::Starting(_))
            && let State::Starting(Some(mut invocation)) = std::mem::replace(&mut sandbox.state, State::Dead)
        {
            invocation.attempts += 1;
            self.forget_waits(id);
            self.finish(*invocation, failure_of(body));
        }
    }

    /// A process ended.
    pub fn exited(&mut self, id: SandboxId, how: &str) {
        let Some(sandbox) = self.fleet.sandboxes.get_mut(&id) else { return };
        let state = std::mem::replace(&mut sandbox.state, State::Dead);
        self.forget_waits(id);
        // A process that dies before it asks for its invocation has used up an attempt all the same.
        let died_early = u32::from(matches!(state, State::Starting(_)));
        match state {
            State::Starting(Some(mut invocation)) | State::Running(mut invocation) | State::Frozen(mut invocation) => {
                invocation.attempts += died_early;
                let message = format!("RequestId: {} Error: Runtime exited with error: {how}", invocation.id);
                self.finish(*invocation, Outcome::Failed { kind: "Runtime.ExitError".to_owned(), message });
            }
            State::Starting(None) | State::Waiting(_) | State::Answered | State::Dead => {}
        }
    }

    pub(crate) fn deadline(&mut self, id: SandboxId, request: &str) {
        let Some(sandbox) = self.fleet.sandboxes.get_mut(&id) else { return };
        let over = matches!(&sandbox.state, State::Running(invocation) | State::Frozen(invocation) if invocation.id == request);
        if !over {
            return;
        }
        let (State::Running(invocation) | State::Frozen(invocation)) =
            std::mem::replace(&mut sandbox.state, State::Dead)
        else {
            return;
        };
        self.forget_waits(id);
        self.effects.push(Effect::Kill(id));
        let limit = self.template.functions.get(invocation.function).map_or(0, |function| function.timeout_seconds);
        let message = format!("{} {} Task timed out after {limit}.00 seconds", self.now, invocation.id);
        self.finish(*invocation, Outcome::Failed { kind: "Sandbox.Timedout".to_owned(), message });
    }

    /// The ARN of one of the fleet's functions or of a guarded one.
    pub(crate) fn lambda_arn(name: &str) -> String {
        if name.starts_with("arn:") {
            name.to_owned()
        } else {
            format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
        }
    }
}

fn failure_of(body: &[u8]) -> Outcome {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key: &str| parsed.get(key).and_then(Value::as_str).map(str::to_owned);
    Outcome::Failed {
        kind: text("errorType").unwrap_or_else(|| "Unknown".to_owned()),
        message: text("errorMessage").unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()),
    }
}
