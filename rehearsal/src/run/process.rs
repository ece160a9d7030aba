//! The functions' processes: started with the environment that Lambda gives and the template names, ended by their own id. Knows nothing
//! of what they do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};

use domain::config::PagerDutyRegion;
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot};

use super::{Input, RunError, Setting, io, server};
use crate::world::{REGION, SandboxId, access_key};

/// Where the layer of the configuration is unpacked on Lambda.
const LAYERS: &str = "/opt/";

pub(super) struct Places {
    pub(super) address: SocketAddr,
    pub(super) clock: Option<SocketAddr>,
}

/// A running process.
pub(super) struct Process {
    kill: Option<oneshot::Sender<()>>,
    /// Its Runtime API: on Lambda too, each execution environment has one of its own.
    _door: server::Door,
}

impl Process {
    pub(super) fn kill(&mut self) {
        if let Some(kill) = self.kill.take() {
            let _ = kill.send(());
        }
    }
}

/// Writes what the functions read: the configuration, as its layer would put it under `/opt`.
pub(super) fn prepare(setting: &Setting) -> Result<(), RunError> {
    let opt = setting.folder.join("opt");
    std::fs::create_dir_all(&opt).map_err(io(format!("could not make the folder `{}`", opt.display())))?;
    let file = opt.join("greenlight.yaml");
    // An endpoint that the configuration reaches by https is played by the rehearsal over plain HTTP.
    let mut text = setting.config_text.clone();
    for service in &setting.config.services {
        for url in [&service.endpoints.test, &service.endpoints.production].into_iter().flatten() {
            if let Some(rest) = url.strip_prefix("https://") {
                text = text.replace(url.as_str(), &format!("http://{rest}"));
            }
        }
    }
    std::fs::write(&file, text).map_err(io(format!("could not write `{}`", file.display())))
}

pub(super) async fn start(
    setting: &Setting,
    function: usize,
    id: SandboxId,
    places: &Places,
    inputs: mpsc::UnboundedSender<Input>,
) -> Result<Process, RunError> {
    let missing = |what: String| RunError::Io { what, error: std::io::ErrorKind::NotFound.into() };
    let Some(function) = setting.template.functions.get(function) else {
        return Err(missing("the template has no such function".to_owned()));
    };
    let binary = setting.binaries.get(&function.binary).ok_or_else(|| {
        missing(format!(
            "the template's function `{}` runs the binary `{}`, which was not built",
            function.name, function.binary
        ))
    })?;
    let log = setting.folder.join(format!("{}-{id}.log", function.binary));
    let output = std::fs::File::create(&log).map_err(io(format!("could not write `{}`", log.display())))?;
    let errors = output.try_clone().map_err(io(format!("could not write `{}`", log.display())))?;
    let door = server::serve_http(0, Some(id), inputs.clone()).await?;
    let mut command = Command::new(binary);
    command
        .env_clear()
        .envs(environment(setting, function, id, places))
        .env("AWS_LAMBDA_RUNTIME_API", door.address.to_string())
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(io(format!("could not start `{}`", binary.display())))?;
    let (kill, killed) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let status = tokio::select! {
            status = child.wait() => status,
            // The sender is dropped with the run, which ends the process too.
            _ = killed => {
                let _ = child.start_kill();
                child.wait().await
            }
        };
        let how = status.map_or_else(|error| error.to_string(), spoken);
        let _ = inputs.send(Input::Exited(id, how));
    });
    Ok(Process { kill: Some(kill), _door: door })
}

/// How a process ended, in the words that Lambda uses.
fn spoken(status: ExitStatus) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        match status.signal() {
            Some(9) => return "signal: killed".to_owned(),
            Some(6) => return "signal: aborted".to_owned(),
            Some(number) => return format!("signal: {number}"),
            None => {}
        }
    }
    format!("exit status {}", status.code().unwrap_or(-1))
}

/// The variables that Lambda sets, those of the template, and those that lead every client to the rehearsal.
fn environment(
    setting: &Setting,
    function: &crate::template::Function,
    id: SandboxId,
    places: &Places,
) -> BTreeMap<String, String> {
    // Without its layer a function finds nothing under `/opt`.
    let opt = setting.folder.join(if function.layers.is_empty() { "no-layer" } else { "opt" });
    let proxy = format!("http://{id}:rehearsal@{}", places.address);
    let mut variables: BTreeMap<String, String> = function.environment.clone();
    // Where the functions look when they are not told; it lies under `/opt` too.
    variables.entry("GREENLIGHT_CONFIG".to_owned()).or_insert_with(|| format!("{LAYERS}greenlight.yaml"));
    for value in variables.values_mut() {
        if let Some(file) = value.strip_prefix(LAYERS) {
            *value = opt.join(file).display().to_string();
        }
    }
    let mut set = |name: &str, value: String| {
        variables.insert(name.to_owned(), value);
    };
    set("AWS_LAMBDA_FUNCTION_NAME", function.name.clone());
    set("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned());
    set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string());
    let logging = |key: &str| {
        let resource = setting.template.resources.get(&function.logical_id)?;
        resource.pointer(&format!("/Properties/LoggingConfig/{key}"))?.as_str().map(str::to_owned)
    };
    set("AWS_LAMBDA_LOG_FORMAT", logging("LogFormat").unwrap_or_else(|| "Text".to_owned()));
    if let Some(level) = logging("ApplicationLogLevel") {
        set("AWS_LAMBDA_LOG_LEVEL", level);
    }
    set("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name));
    set("AWS_LAMBDA_LOG_STREAM_NAME", format!("rehearsal/{id}"));
    set("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023".to_owned());
    set("AWS_REGION", REGION.to_owned());
    set("AWS_DEFAULT_REGION", REGION.to_owned());
    set("AWS_ACCESS_KEY_ID", access_key(id));
    set("AWS_SECRET_ACCESS_KEY", "rehearsal".to_owned());
    set("AWS_SESSION_TOKEN", "rehearsal".to_owned());
    set("AWS_ENDPOINT_URL", format!("http://{}", places.address));
    set("SLACK_API_URL", "http://slack.rehearsal/api".to_owned());
    let region = setting.config.pagerduty.as_ref().map(|pager| pager.region);
    let pagerduty = if region == Some(PagerDutyRegion::Eu) { "eu.pagerduty.rehearsal" } else { "pagerduty.rehearsal" };
    set("PAGERDUTY_EVENTS_URL", format!("http://{pagerduty}"));
    set("HTTP_PROXY", proxy.clone());
    set("HTTPS_PROXY", proxy);
    if let Some(clock) = places.clock {
        set(clock::REHEARSAL_CLOCK, format!("{clock}/{id}"));
    }
    variables
}

/// The environment of a function that somebody else starts, as the lines of a file.
pub(super) fn file(setting: &Setting, address: SocketAddr) -> String {
    let places = Places { address, clock: None };
    let mut variables = BTreeMap::new();
    for function in &setting.template.functions {
        variables.extend(environment(setting, function, 0, &places));
    }
    // The Runtime API and the function's name are whoever's who starts it.
    variables.retain(|name, _| !name.starts_with("AWS_LAMBDA_") && name != "AWS_EXECUTION_ENV");
    let lines: Vec<String> = variables.into_iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    lines.concat()
}
