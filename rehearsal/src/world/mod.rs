//! The world that a rehearsal runs in: AWS around CodeDeploy, the fleet's processes as seen from outside, Slack, PagerDuty, the
//! application under test, and virtual time. A plain value: what comes in from the processes are method calls, what goes out are
//! [`Effect`]s, so every run of the same scenario takes the same course. Knows nothing of sockets, of processes or of the real clock.

mod actions;
mod app;
mod authorize;
mod aws;
mod bus;
mod codedeploy;
mod ecs;
mod elb;
mod engine;
mod faults;
mod fleet;
mod guarded;
mod http_form;
mod landscape;
mod metrics;
mod neighbours;
mod record;
mod rolling;
mod shift;
mod talk;
mod tasks;
mod told;
mod traffic;
mod vendors;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::config::Config;
use domain::time::Timestamp;
use serde_json::Value;

use crate::scenario::Scenario;
use crate::services::cloudwatch::CloudWatch;
use crate::services::dynamodb::Tables;
use crate::template::Template;
use crate::timeline::{CallRecord, Entry, Tone, VerdictRecord, Who};

pub(crate) use metrics::check_alarms;
pub(crate) use shift::check as check_configuration;

pub use aws::{ACCESS_KEY_PREFIX, access_key};
pub use fleet::SandboxId;
pub use http_form::{HttpAnswer, HttpAsked};
pub use metrics::Sampled;
pub use talk::Spoken;
pub use vendors::{Change, Page, SlackMessage};

/// The account that everything belongs to.
pub const ACCOUNT: &str = "123456789012";
/// The region that everything is in.
pub const REGION: &str = "eu-west-1";

/// How long a call to AWS takes in virtual time: a round trip within a region.
pub(crate) const AWS_LATENCY: Duration = Duration::from_millis(12);
/// How long an event or an asynchronous invocation is on its way.
pub(crate) const DELIVERY: Duration = Duration::from_millis(150);

/// A request that waits for its answer; the driver's number for it.
pub type Token = u64;

/// Something for the driver to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Answer a request.
    Answer(Token, HttpAnswer),
    /// Say something on a WebSocket, named by the request that opened it.
    Say(Token, String),
    /// Start a process.
    Spawn(SandboxId),
    /// End a process.
    Kill(SandboxId),
    /// Tell a process that a wait is over.
    Wake(SandboxId, u64),
    /// Let the code panic that waits in a process.
    Panic(SandboxId, u64),
    /// Pass a request on to a real application and bring the answer back with [`World::forwarded`].
    Forward(Token, String, HttpAsked),
    /// Ask a real application so many times and bring the outcome back with [`World::sampled`].
    Sample(u64, String, u32),
}

/// Something that is going to happen.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    Answer(Token, HttpAnswer),
    Say(Token, String),
    Wake(SandboxId, u64),
    Deadline(SandboxId, String),
    Deliver(Box<fleet::Invocation>),
    Publish(Box<Value>),
    Engine(String, engine::Step),
    Rolling(String, String, rolling::Step),
    HookTimeout(String, String),
    Plan(usize),
    PersonStops(String),
    NativeStop(String, String),
    Minute,
    Scheduled(usize, usize),
    AlarmTurns(usize),
    AlarmTold(usize),
    Storm,
    Told(Box<told::Telling>),
}

/// The world.
pub struct World {
    now: Timestamp,
    started: Timestamp,
    queue: BTreeMap<(i64, u64), Happening>,
    sequence: u64,
    ids: u64,
    template: Arc<Template>,
    config: Config,
    scenario: Scenario,
    faults: Vec<faults::Planned>,
    effects: Vec<Effect>,
    fleet: fleet::Fleet,
    tables: Tables,
    cloudwatch: CloudWatch,
    land: landscape::Landscape,
    engine: engine::Engine,
    neighbours: neighbours::Neighbours,
    vendors: vendors::Vendors,
    samples: metrics::Samples,
    /// Requests that a real application has not answered yet; virtual time waits for them.
    forwarded: BTreeSet<Token>,
    sockets: BTreeMap<Token, talk::Socket>,
    secrets: BTreeMap<String, Value>,
    plans: engine::Plans,
    serving: bool,
    timeline: Vec<Entry>,
    shown: usize,
    pub(crate) calls: Vec<CallRecord>,
    /// Every failed attempt at an invocation: the function's binary and the kind of error.
    pub(crate) failures: Vec<(String, String)>,
    verdicts: Vec<VerdictRecord>,
    pub(crate) notices: Vec<Value>,
    dead_letters: Vec<(String, Value)>,
    used: BTreeSet<(String, String)>,
}

/// When a scenario starts: a Monday morning.
const MONDAY_MORNING: Timestamp = Timestamp(1_767_603_600_000);

impl World {
    /// A world in which nothing has happened yet.
    pub fn new(template: Arc<Template>, config: Config, scenario: Scenario) -> Self {
        Self::starting_at(MONDAY_MORNING, template, config, scenario)
    }

    /// The same at another time, for `serve`, which keeps the real one.
    pub fn starting_at(started: Timestamp, template: Arc<Template>, config: Config, scenario: Scenario) -> Self {
        let faults = faults::planned(&scenario.faults);
        let land = landscape::Landscape::new(&config, &scenario);
        let mut world = Self {
            now: started,
            started,
            queue: BTreeMap::new(),
            sequence: 0,
            ids: 0,
            tables: Tables::new(template.tables.iter().map(|table| (table.name.clone(), table.key.clone()))),
            cloudwatch: CloudWatch::new(),
            fleet: fleet::Fleet::default(),
            engine: engine::Engine::default(),
            neighbours: neighbours::Neighbours::new(scenario.account, started),
            vendors: vendors::Vendors::default(),
            samples: metrics::Samples::default(),
            forwarded: BTreeSet::new(),
            sockets: BTreeMap::new(),
            secrets: BTreeMap::new(),
            template,
            config,
            faults,
            effects: Vec::new(),
            land,
            plans: engine::Plans::default(),
            serving: false,
            timeline: Vec::new(),
            shown: 0,
            calls: Vec::new(),
            failures: Vec::new(),
            verdicts: Vec::new(),
            notices: Vec::new(),
            dead_letters: Vec::new(),
            used: BTreeSet::new(),
            scenario,
        };
        world.set_up();
        world
    }

    fn set_up(&mut self) {
        self.set_up_secrets();
        self.set_up_alarms();
        self.set_up_told_alarms();
        self.set_up_past();
        self.schedule(Duration::from_mins(1), Happening::Minute);
        self.set_up_schedules();
        self.set_up_rolling();
        self.set_up_plans();
    }

    /// Now, in virtual time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Since the start, in virtual time.
    pub fn elapsed(&self) -> Duration {
        self.now.since(self.started)
    }

    /// Moves the clock without anything happening, for `serve`.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    /// Lets virtual time pass up to a moment, with everything that is due in it and needs no process.
    pub fn advance_to(&mut self, until: Timestamp) {
        while self.next_at().is_some_and(|at| at <= until) {
            self.step();
        }
        self.set_now(until);
    }

    /// When the next thing happens.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.queue.keys().next().map(|(at, _)| Timestamp(*at))
    }

    /// What the driver is to do.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The entries of the timeline since this was last asked.
    pub fn take_news(&mut self) -> Vec<Entry> {
        let news = self.timeline.get(self.shown..).unwrap_or_default().to_vec();
        self.shown = self.timeline.len();
        news
    }

    /// Lets the next thing happen; false when there is none.
    pub fn step(&mut self) -> bool {
        let Some(((at, _), happening)) = self.queue.pop_first() else { return false };
        self.now = self.now.max(Timestamp(at));
        match happening {
            Happening::Answer(token, answer) => self.answer_now(token, answer),
            Happening::Say(token, text) => self.say_now(token, text),
            Happening::Wake(sandbox, id) => self.wake(sandbox, id),
            Happening::Deadline(sandbox, request) => self.deadline(sandbox, &request),
            Happening::Deliver(invocation) => self.deliver(*invocation),
            Happening::Publish(event) => self.route(&event),
            Happening::Engine(deployment, step) => self.engine_step(&deployment, step),
            Happening::Rolling(service, deployment, step) => self.rolling_step(&service, &deployment, &step),
            Happening::HookTimeout(deployment, execution) => self.hook_timed_out(&deployment, &execution),
            Happening::Plan(index) => self.begin_plan(index),
            Happening::PersonStops(deployment) => self.person_stops(&deployment),
            Happening::NativeStop(deployment, alarm) => self.native_stop(&deployment, &alarm),
            Happening::Minute => self.minute(),
            Happening::Scheduled(function, event) => self.scheduled(function, event),
            Happening::AlarmTurns(index) => self.alarm_turns(index),
            Happening::AlarmTold(index) => self.alarm_told(index),
            Happening::Storm => self.storm(),
            Happening::Told(telling) => self.told(*telling),
        }
        true
    }

    /// Whether the scenario has run its course: everything planned has ended so long ago as it says, nothing runs and nothing is on its way.
    pub fn is_over(&self) -> bool {
        let on_its_way = || {
            self.queue.values().any(|happening| {
                matches!(
                    happening,
                    Happening::Deliver(_)
                        | Happening::Publish(_)
                        | Happening::Plan(_)
                        | Happening::Answer(..)
                        | Happening::Wake(..)
                        | Happening::AlarmTurns(_)
                        | Happening::AlarmTold(_)
                        | Happening::Storm
                        | Happening::Told(_)
                )
            })
        };
        !self.serving
            && self.plans_have_ended()
            && self.engine.all_ended()
            && !self.fleet.anything_runs()
            && !on_its_way()
    }

    pub(crate) fn schedule(&mut self, after: Duration, happening: Happening) -> (i64, u64) {
        self.sequence += 1;
        let key = (self.now.plus(after).0, self.sequence);
        self.queue.insert(key, happening);
        key
    }

    /// A number that has not been given out before. It has nothing to do with the queue's: how often processes begin to wait in the
    /// meantime depends on which of two that run side by side comes first.
    pub(crate) fn fresh(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub(crate) fn tell(&mut self, who: Who, tone: Tone, what: impl Into<String>) {
        self.tell_more(who, tone, what, None, Vec::new());
    }

    pub(crate) fn tell_more(
        &mut self,
        who: Who,
        tone: Tone,
        what: impl Into<String>,
        weight: Option<f64>,
        details: Vec<String>,
    ) {
        let entry = Entry {
            at: self.now,
            seconds: self.now.since(self.started).as_secs_f64(),
            who,
            what: what.into(),
            tone,
            weight,
            service: None,
            details,
        };
        self.timeline.push(entry);
    }

    /// Tells of a service's traffic: the share of its new version in percent.
    pub(crate) fn tell_traffic(&mut self, service: &str, tone: Tone, what: impl Into<String>, weight: f64) {
        self.tell_more(Who::CodeDeploy, tone, what, Some(weight), Vec::new());
        if let Some(entry) = self.timeline.last_mut() {
            entry.service = Some(service.to_owned());
        }
    }

    /// Answers a request after some virtual time.
    pub(crate) fn answer(&mut self, token: Token, answer: HttpAnswer, after: Duration) {
        if after.is_zero() {
            self.answer_now(token, answer);
        } else {
            self.schedule(after, Happening::Answer(token, answer));
        }
    }

    fn answer_now(&mut self, token: Token, answer: HttpAnswer) {
        if self.fleet.answered(token) {
            self.effects.push(Effect::Answer(token, answer));
        }
    }

    /// Whether the template has a function of that name or binary.
    pub fn knows_function(&self, name: &str) -> bool {
        self.function_named(name).is_some()
    }

    /// Refuses a tunnel: the rehearsal has no TLS of its own.
    pub fn refuse_connect(&mut self, sandbox: Option<SandboxId>, request: Option<u64>, token: Token, why: &str) {
        if sandbox.is_some_and(|sandbox| !self.hold(sandbox, request, token)) {
            return;
        }
        self.tell(Who::Rehearsal, Tone::Warning, format!("refuses a TLS connection: {why}"));
        self.answer(token, HttpAnswer::text(501, why), AWS_LATENCY);
    }

    /// What has not ended, for the message when a scenario takes too long.
    pub fn open_ends(&self) -> String {
        let mut open: Vec<String> = self
            .engine
            .in_order()
            .filter(|record| !record.status.is_terminal())
            .map(|record| record.id.clone())
            .collect();
        open.extend(self.busy().into_iter().map(|(_, binary)| binary));
        if open.is_empty() { "nothing but events on their way".to_owned() } else { open.join(", ") }
    }

    /// Everything that the run left behind.
    pub fn record(&self) -> Record<'_> {
        Record { world: self }
    }
}

pub use engine::Record as DeploymentRecord;
pub use metrics::Published;
pub use record::Record;
