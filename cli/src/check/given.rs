//! What is given from outside to a run on this machine: variables, secrets and Ctrl-C. Knows nothing of the checks.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};
use checks::{Given, Variables};
use domain::config::{Config, SecretRef, Service};
use domain::ports::{PortError, Secrets};
use domain::text::nearest;
use tokio::sync::Notify;

/// The names that a hook takes from the deployment.
const FROM_A_DEPLOYMENT: [&str; 6] = [
    "deployment.id",
    "deployment.application",
    "deployment.group",
    "revision.git_sha",
    "revision.task_definition",
    "revision.lambda_version",
];

/// What the command line and the environment give.
pub(super) struct Local {
    variables: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
}

impl Local {
    /// Reads `--var NAME=VALUE`. The value of a secret may be `env:NAME`, so that it does not show in the list of processes.
    pub(super) fn read(given: &[String]) -> anyhow::Result<Self> {
        let mut local = Self { variables: BTreeMap::new(), secrets: BTreeMap::new() };
        for assignment in given {
            // The name of a secret may hold an `=` before its key.
            let key_at = if assignment.starts_with("secret:") { assignment.find('#').unwrap_or(0) } else { 0 };
            let at = assignment.get(key_at..).and_then(|rest| rest.find('=')).map(|at| at + key_at);
            let (name, value) = match at.and_then(|at| assignment.split_at_checked(at)) {
                Some((name, value)) if !name.trim().is_empty() => {
                    (name.trim(), value.strip_prefix('=').unwrap_or(value))
                }
                // The whole text is not repeated: it may hold a secret.
                _ => bail!("a `--var` is written NAME=VALUE, such as `--var revision.git_sha=$GITHUB_SHA`"),
            };
            if value.is_empty() {
                bail!(
                    "`--var {name}=` has no value; an empty one would let a check pass that looks for it. Is the variable set that it comes from?"
                );
            }
            let value = value.to_owned();
            if name.starts_with("secret:") || name.starts_with("env:") {
                let reference = SecretRef::parse(name).ok().with_context(|| {
                    format!("`{name}` names no secret; write `--var 'secret:<name>#<key>=env:VARIABLE'`")
                })?;
                let value = match value.strip_prefix("env:") {
                    Some(variable) => variable_of(variable).with_context(|| {
                        format!("`--var {name}=env:{variable}`: the environment variable `{variable}` is not set")
                    })?,
                    None => value,
                };
                local.secrets.insert(reference.to_string(), value);
            } else {
                local.variables.insert(name.to_owned(), value);
            }
        }
        Ok(local)
    }

    /// Every name that is given must mean something to some check of the configuration: one that is misspelt would leave the right one
    /// without its value.
    pub(super) fn all_known(&self, config: &Config) -> anyhow::Result<()> {
        let blocks = config.services.iter().flat_map(|service| {
            [service.before_allow_traffic.checks.as_slice(), service.after_allow_traffic.checks.as_slice()]
        });
        let mut known: BTreeSet<&str> = blocks.flat_map(checks::names).collect();
        known.extend(checks::VARIABLES);
        for name in self.variables.keys().chain(self.secrets.keys()) {
            if known.contains(name.as_str()) {
                continue;
            }
            let hint = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here are {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
            };
            bail!("`--var {name}=…`: no check refers to `{name}`; {hint}");
        }
        Ok(())
    }

    /// What a check of the service may refer to, secrets aside.
    pub(super) fn variables(&self, service: &Service) -> Variables {
        let mut variables = Variables::new();
        for name in FROM_A_DEPLOYMENT {
            let why = format!("a hook takes it from the deployment; give it here with `--var {name}=…`");
            variables.insert(name, Given::Missing(why));
        }
        if let Some(group) = &service.codedeploy {
            variables.insert("deployment.application", Given::Plain(group.application.clone()));
            variables.insert("deployment.group", Given::Plain(group.deployment_group.clone()));
        }
        variables.insert("service.name", Given::Plain(service.name.clone()));
        variables.insert("service.environment", Given::Plain(service.environment.clone()));
        for (name, value) in &self.variables {
            variables.insert(name.clone(), Given::Plain(value.clone()));
        }
        variables
    }
}

impl Secrets for Local {
    async fn reveal(&self, reference: &SecretRef) -> Result<String, PortError> {
        let name = reference.to_string();
        if let Some(value) = self.secrets.get(&name) {
            return Ok(value.clone());
        }
        let detail = match reference {
            SecretRef::Environment(variable) => match variable_of(variable) {
                Some(value) => return Ok(value),
                None => format!("the environment variable `{variable}` is not set"),
            },
            SecretRef::SecretsManager { .. } => format!(
                "`greenlight check` does not speak to AWS; put the value into an environment variable and say \
                 `--var '{name}=env:VARIABLE'`"
            ),
        };
        Err(PortError::Permanent { what: format!("reading the secret `{name}`"), detail })
    }
}

/// The file of further authorities to trust, as the functions know it.
pub(super) fn authorities() -> Option<String> {
    variable_of(outbound::SSL_CERT_FILE)
}

#[expect(clippy::disallowed_methods, reason = "this is the command line's edge")]
fn variable_of(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether somebody wants the run to end. The first Ctrl-C cancels and lets the clean-ups run, the second is for who cannot wait.
#[derive(Default)]
pub(super) struct Interrupts {
    came: Cell<bool>,
    news: Notify,
}

impl Interrupts {
    /// Whether the first has come.
    pub(super) fn came(&self) -> bool {
        self.came.get()
    }

    /// Resolves with the first one, or at once when it has come.
    pub(super) async fn first(&self) {
        if !self.came() {
            self.news.notified().await;
        }
    }

    /// Listens, and resolves with the second one.
    pub(super) async fn second(&self) {
        interrupted().await;
        self.came.set(true);
        self.news.notify_waiters();
        interrupted().await;
    }
}

/// Resolves when the run is to end: Ctrl-C, or what a CI system sends when a job is cancelled.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
