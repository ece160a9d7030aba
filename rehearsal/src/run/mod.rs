//! Runs a scenario: real processes and real sockets on one side, the [`World`] on the other. The world decides, this carries out.
//! Knows nothing of what anything means.

mod attend;
mod error;
mod process;
mod real;
mod server;
mod socket;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use clock::Clock;
use domain::config::Config;
use domain::time::Timestamp;
use outbound::HttpClient;
use tokio::sync::{mpsc, oneshot};

pub use error::RunError;
pub(crate) use error::{LONGEST, io};

use crate::scenario::Scenario;
use crate::template::Template;
use crate::timeline::Entry;
use crate::world::{Effect, HttpAnswer, HttpAsked, Sampled, SandboxId, Spoken, Token, World};

/// How long a process may keep the virtual clock from moving on, in real time, before it is ended. A function that computes for that
/// long would be ended by Lambda too.
const BUSY: Duration = Duration::from_mins(1);

/// What a run needs besides the scenario.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The fleet.
    pub template: Arc<Template>,
    /// The configuration that the functions get.
    pub config: Config,
    /// Its text.
    pub config_text: String,
    /// Binary to the file that was built.
    pub binaries: BTreeMap<String, PathBuf>,
    /// Where logs and the functions' files go; one folder a run.
    pub folder: PathBuf,
}

/// What a process is told of one of its waits.
pub(crate) enum Told {
    Wake(u64),
    Panic(u64),
}

/// What the sockets and the processes tell.
pub(crate) enum Input {
    Http { asked: HttpAsked, runtime_of: Option<SandboxId>, answer: oneshot::Sender<Reply> },
    Spoken(Token, Spoken),
    PaceOpened(SandboxId, mpsc::UnboundedSender<Told>),
    Pace(SandboxId, String),
    Exited(SandboxId, String),
    Forwarded(Token, Result<HttpAnswer, String>, Duration),
    Sampled(u64, Sampled),
}

/// An answer, and the line for what is said on the WebSocket that it opens.
pub(crate) struct Reply {
    pub(crate) answer: HttpAnswer,
    pub(crate) line: Option<socket::Line>,
}

/// A world with its sockets and processes.
pub struct Runner {
    pub(crate) world: World,
    setting: Setting,
    now: Arc<AtomicI64>,
    inputs: mpsc::UnboundedReceiver<Input>,
    sender: mpsc::UnboundedSender<Input>,
    door: server::Door,
    clock_address: Option<std::net::SocketAddr>,
    tokens: Token,
    waiting: BTreeMap<Token, oneshot::Sender<Reply>>,
    talking: BTreeMap<Token, mpsc::UnboundedSender<String>>,
    paces: BTreeMap<SandboxId, mpsc::UnboundedSender<Told>>,
    processes: BTreeMap<SandboxId, process::Process>,
    http: HttpClient,
    /// Since when processes have kept the virtual clock from moving on, in real time.
    busy_since: Option<Timestamp>,
    patience: Duration,
}

impl Runner {
    /// Opens the sockets; nothing runs yet. `port` is 0 for one that the system chooses; `real_time` leaves the functions on the system's
    /// clock.
    ///
    /// # Errors
    /// When a socket cannot be opened or the folder cannot be written.
    pub async fn open(setting: Setting, world: World, port: u16, real_time: bool) -> Result<Self, RunError> {
        process::prepare(&setting)?;
        let now = Arc::new(AtomicI64::new(world.now().0));
        let (sender, inputs) = mpsc::unbounded_channel();
        let door = server::serve_http(port, None, sender.clone()).await?;
        let clock_address =
            if real_time { None } else { Some(server::serve_clock(Arc::clone(&now), sender.clone()).await?) };
        Ok(Self {
            world,
            setting,
            now,
            inputs,
            sender,
            door,
            clock_address,
            tokens: 0,
            waiting: BTreeMap::new(),
            talking: BTreeMap::new(),
            paces: BTreeMap::new(),
            processes: BTreeMap::new(),
            http: HttpClient::new(Clock::system()),
            busy_since: None,
            patience: BUSY,
        })
    }

    /// Gives processes another while than the usual minute to keep the virtual clock from moving on.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Where the AWS endpoint and the Runtime API listen.
    pub fn address(&self) -> std::net::SocketAddr {
        self.door.address
    }

    /// What leads a function that somebody else starts to this rehearsal, as lines of an environment file.
    pub fn environment(&self) -> String {
        process::file(&self.setting, self.door.address)
    }

    /// Takes what the processes tell; false when all of them are idle and have told everything.
    async fn listen(&mut self) -> bool {
        if !self.world.is_quiet() {
            self.wait_for_input().await;
            return true;
        }
        self.busy_since = None;
        match self.inputs.try_recv() {
            Ok(input) => {
                self.take(input);
                true
            }
            Err(_) => false,
        }
    }

    /// Runs to the end of the scenario; `news` gets every entry of the timeline as it comes.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn run(mut self, scenario: &str, mut news: impl FnMut(&Entry)) -> Result<World, RunError> {
        loop {
            self.carry_out().await?;
            self.world.take_news().iter().for_each(&mut news);
            if self.listen().await {
                continue;
            }
            if self.world.is_over() {
                return Ok(self.world);
            } else if self.world.elapsed() > LONGEST + self.world.goes_on() {
                let (after, open) = (self.world.elapsed(), self.world.open_ends());
                return Err(RunError::Endless { scenario: scenario.to_owned(), after, open });
            } else if !self.world.step() {
                return Ok(self.world);
            }
        }
    }

    /// Invokes one function, in virtual time, and waits for its answer: what `cargo lambda invoke` does, without the waiting.
    ///
    /// # Errors
    /// When the process cannot be started, or the world comes to its end before there is an answer.
    pub async fn ask(&mut self, function: &str, payload: serde_json::Value) -> Result<HttpAnswer, RunError> {
        let (sender, mut answer) = oneshot::channel();
        self.tokens += 1;
        self.waiting.insert(self.tokens, sender);
        self.world.invoke_and_wait(function, payload, self.tokens);
        loop {
            self.carry_out().await?;
            if let Ok(reply) = answer.try_recv() {
                return Ok(reply.answer);
            }
            if self.listen().await {
                continue;
            }
            if !self.world.step() {
                let (after, open) = (self.world.elapsed(), self.world.open_ends());
                return Err(RunError::Endless { scenario: function.to_owned(), after, open });
            }
        }
    }

    /// Keeps real time until `stop` comes: nothing is hurried.
    ///
    /// # Errors
    /// When a process cannot be started.
    pub async fn serve(
        mut self,
        stop: impl Future<Output = ()>,
        mut news: impl FnMut(&Entry),
    ) -> Result<World, RunError> {
        let clock = Clock::system();
        let mut stop = std::pin::pin!(stop);
        loop {
            self.carry_out().await?;
            self.world.take_news().iter().for_each(&mut news);
            let now = clock.now();
            self.world.set_now(now);
            let until = self.world.next_at().map_or(Duration::from_hours(1), |at| at.since(now));
            if until.is_zero() {
                self.world.step();
                continue;
            }
            tokio::select! {
                () = &mut stop => return Ok(self.world),
                input = self.inputs.recv() => if let Some(input) = input {
                    self.world.set_now(clock.now());
                    self.take(input);
                },
                () = clock.sleep(until) => {}
            }
        }
    }

    /// Waits until somebody tells something. A process that keeps the clock from moving on for too long, silent or not, is ended.
    async fn wait_for_input(&mut self) {
        let now = Clock::system().now();
        if self.world.busy().is_empty() {
            self.busy_since = None;
        }
        let patience = self.patience.saturating_sub(now.since(*self.busy_since.get_or_insert(now)));
        if patience.is_zero() {
            return self.end_the_busy();
        }
        match Clock::system().timeout(patience, self.inputs.recv()).await {
            Ok(Some(input)) => self.take(input),
            Ok(None) => {}
            Err(_) => self.end_the_busy(),
        }
    }

    fn end_the_busy(&mut self) {
        self.busy_since = None;
        let patience = domain::time::spoken(self.patience);
        for (id, binary) in self.world.busy() {
            let how = format!("`{binary}` kept the clock from moving on for {patience} of real time and was ended");
            self.world.exited(id, &how);
            self.processes.remove(&id);
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Http { asked, runtime_of, answer } => {
                self.tokens += 1;
                self.waiting.insert(self.tokens, answer);
                match runtime_of {
                    Some(id) => self.runtime(self.tokens, id, asked),
                    None => self.asked(self.tokens, asked),
                }
            }
            Input::Spoken(token, spoken) => {
                if spoken == Spoken::Left {
                    self.talking.remove(&token);
                }
                self.world.spoken(token, spoken);
            }
            Input::PaceOpened(id, wakes) => {
                self.paces.insert(id, wakes);
            }
            Input::Pace(id, line) => self.world.paced(id, &line),
            Input::Exited(id, how) => {
                self.processes.remove(&id);
                self.world.exited(id, &how);
            }
            Input::Forwarded(token, answer, took) => self.world.forwarded(token, answer, took),
            Input::Sampled(id, sampled) => self.world.sampled(id, sampled),
        }
    }

    /// Sorts a request to the door that it is meant for.
    fn asked(&mut self, token: Token, mut asked: HttpAsked) {
        let request = asked.headers.remove(clock::REQUEST_HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
        let sandbox = server::proxy_user(&mut asked.headers);
        let own = asked.host.as_deref().is_none_or(|host| host == self.door.address.to_string());
        if asked.method == http::Method::CONNECT {
            let text = "the rehearsal speaks plain HTTP: write the endpoint as http://, or point --green and --blue at the application";
            self.world.refuse_connect(sandbox, request, token, text);
        } else if !own {
            self.world.web_request(sandbox, request, token, asked);
        } else if let Some(function) = self.fleet_function(&asked) {
            let payload = serde_json::from_slice(&asked.body).unwrap_or(serde_json::Value::Null);
            self.world.invoke_and_wait(&function, payload, token);
        } else {
            self.world.aws_request(request, token, &asked);
        }
    }

    /// The fleet's function that an unsigned `Invoke` names: `cargo lambda invoke`.
    fn fleet_function(&self, asked: &HttpAsked) -> Option<String> {
        let path = asked.path.split('?').next().unwrap_or_default();
        let name = path.strip_prefix("/2015-03-31/functions/")?.strip_suffix("/invocations")?;
        let signed = asked.headers.contains_key("authorization");
        let known = self.world.knows_function(name);
        (known || !signed).then(|| name.to_owned())
    }

    fn runtime(&mut self, token: Token, id: SandboxId, asked: HttpAsked) {
        let path = asked.path.strip_prefix("/2018-06-01/runtime/").unwrap_or(&asked.path);
        let answered = path.strip_prefix("invocation/").and_then(|rest| rest.split_once('/'));
        match (path, answered) {
            ("invocation/next", _) => self.world.runtime_next(id, token),
            ("init/error", _) => self.world.runtime_init_error(id, token, &asked.body),
            (_, Some((request, "response"))) => self.world.runtime_answer(id, request, token, false, asked.body),
            (_, Some((request, "error"))) => self.world.runtime_answer(id, request, token, true, asked.body),
            _ => {
                let text = format!("the Runtime API has no `{path}`");
                self.respond(token, HttpAnswer::text(404, text));
            }
        }
    }

    fn respond(&mut self, token: Token, answer: HttpAnswer) {
        if let Some(waiting) = self.waiting.remove(&token) {
            let line = (answer.status == 101).then(|| {
                let (sayings, line) = socket::line(token);
                self.talking.insert(token, sayings);
                line
            });
            // Whoever asked may be gone: a process that was ended, a check that gave up.
            let _ = waiting.send(Reply { answer, line });
        }
    }

    fn tell(&self, id: SandboxId, what: Told) {
        if let Some(pace) = self.paces.get(&id) {
            let _ = pace.send(what);
        }
    }

    async fn carry_out(&mut self) -> Result<(), RunError> {
        self.now.store(self.world.now().0, Ordering::SeqCst);
        for effect in self.world.take_effects() {
            match effect {
                Effect::Answer(token, answer) => self.respond(token, answer),
                Effect::Say(token, text) => {
                    if let Some(talking) = self.talking.get(&token) {
                        let _ = talking.send(text);
                    }
                }
                Effect::Spawn(id) => {
                    let places = process::Places { address: self.door.address, clock: self.clock_address };
                    let function = self.world.function_of(id).unwrap_or_default();
                    let process = process::start(&self.setting, function, id, &places, self.sender.clone()).await?;
                    self.processes.insert(id, process);
                }
                Effect::Kill(id) => {
                    if let Some(process) = self.processes.get_mut(&id) {
                        process.kill();
                    }
                }
                Effect::Wake(id, wait) => self.tell(id, Told::Wake(wait)),
                Effect::Panic(id, wait) => self.tell(id, Told::Panic(wait)),
                Effect::Forward(token, base, asked) => self.forward(token, &base, asked),
                Effect::Sample(id, url, times) => self.sample(id, url, times),
            }
        }
        Ok(())
    }
}

/// Runs one scenario from its beginning to its end.
///
/// # Errors
/// When it could not be run; what came of it is another question.
pub async fn scenario(setting: Setting, scenario: Scenario, news: impl FnMut(&Entry)) -> Result<World, RunError> {
    let name = scenario.name.clone();
    let world = World::new(Arc::clone(&setting.template), setting.config.clone(), scenario);
    Runner::open(setting, world, 0, false).await?.run(&name, news).await
}
