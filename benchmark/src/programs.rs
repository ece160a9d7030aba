//! What is measured: the fleet's functions, the bare one and the Python form, each with its environment and its event.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use rehearsal::project::Project;
use serde_json::{Value, json};

use crate::process::Program;
use crate::stage::{Stage, epoch};

/// The bare function, which everything is compared with.
pub(crate) const BARE: &str = "bare-function";
/// The hook as teams write it in Python.
pub(crate) const PYTHON: &str = "python";

/// What the Python form needs; pinned, so that a run can be repeated.
const PACKAGES: [&str; 3] = ["awslambdaric==3.1.1", "boto3==1.40.50", "httpx==0.28.1"];

/// Each function with the sample event that it is measured on, and what that makes it do.
pub(crate) const MEASURED: [(&str, &str, &str); 6] = [
    ("after-allow-traffic", "after-allow-traffic/ecs", "one check, the verdict"),
    ("before-allow-traffic", "before-allow-traffic/ecs", "every fact of an ECS deployment, one check, the verdict"),
    ("hook-watchdog", "hook-watchdog/hook-crashed", "the verdict for a hook that crashed"),
    ("alarm-rollback", "alarm-rollback/unknown-alarm", "an alarm that no service names"),
    ("deployment-metrics", "deployment-metrics/traffic-restored", "the seconds of a rollback"),
    ("slack-notifier", "slack-notifier/codedeploy-start", "a new thread in Slack"),
];

/// The measurement of a stop: the alarm of a service with a deployment in flight.
pub(crate) const STOPPING: &str = "alarm-rollback, stopping";

/// How far ahead of the run's start the alarm goes red: no run takes longer.
const LATER: Duration = Duration::from_hours(1);

/// The configuration: one service, and `checks` below both blocks.
pub(crate) fn configuration(url: &str, checks: &[String]) -> String {
    let checks = checks.concat();
    format!(
        "version: 1
slack: {{ token: \"secret:greenlight#slack_bot_token\", channel: C0DEPLOYS }}
services:
  - name: orchestrator
    codedeploy: {{ application: mangaassist, deployment_group: orchestrator }}
    endpoints: {{ test: \"{url}\", production: \"{url}\" }}
    before_allow_traffic:
      checks:
{checks}    after_allow_traffic:
      checks:
{checks}    alarms:
      - {{ name: orchestrator-p95-latency, action: rollback }}
"
    )
}

/// The programs, and what they are configured with.
pub(crate) struct Programs<'a> {
    pub(crate) project: &'a Project,
    pub(crate) stage: &'a Stage,
    /// Where the release binaries are.
    pub(crate) binaries: PathBuf,
    /// Where files may be written.
    pub(crate) folder: PathBuf,
}

impl Programs<'_> {
    /// One of the fleet's functions on a configuration; `name` is what the measurement is called.
    pub(crate) fn function(&self, name: &str, binary: &str, sample: &str, config: &str) -> anyhow::Result<Program> {
        let function = self.project.template.functions.iter().find(|function| function.binary == binary);
        let mut environment = function.map(|function| function.environment.clone()).unwrap_or_default();
        environment.extend(self.environment());
        let file = self.folder.join(format!("{name}.yaml"));
        std::fs::write(&file, config).with_context(|| format!("could not write `{}`", file.display()))?;
        environment.insert("GREENLIGHT_CONFIG".to_owned(), file.display().to_string());
        let event = self.sample(sample)?;
        Ok(Program { name: name.to_owned(), command: self.binary(binary)?, arguments: Vec::new(), environment, event })
    }

    /// The function that stops a deployment, and an alarm that has just gone red.
    pub(crate) fn stopping(&self, config: &str) -> anyhow::Result<Program> {
        let mut program = self.function(STOPPING, "alarm-rollback", "alarm-rollback/metric", config)?;
        // The deployment begins anew with each invocation, and the alarm must not be older than that.
        let later = json!(epoch().plus(LATER));
        for time in ["/time", "/detail/state/timestamp"] {
            if let Some(time) = program.event.pointer_mut(time) {
                time.clone_from(&later);
            }
        }
        Ok(program)
    }

    /// `lambda_runtime` and nothing else.
    pub(crate) fn bare(&self) -> anyhow::Result<Program> {
        Ok(Program {
            name: BARE.to_owned(),
            command: self.binary(BARE)?,
            arguments: Vec::new(),
            environment: self.environment(),
            event: self.sample("after-allow-traffic/ecs")?,
        })
    }

    /// The hook in Python, in a virtual environment that is made when it is not there.
    pub(crate) fn python(&self) -> anyhow::Result<Program> {
        let venv = self.folder.join("python");
        let python = venv.join("bin/python");
        let pins = venv.join("pins");
        if std::fs::read_to_string(&pins).ok().as_deref() != Some(&PACKAGES.join(" ")) {
            let _ = std::fs::remove_dir_all(&venv);
            run(Command::new("python3").arg("-m").arg("venv").arg(&venv))?;
            run(Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .args(PACKAGES))?;
            std::fs::write(&pins, PACKAGES.join(" "))
                .with_context(|| format!("could not write `{}`", pins.display()))?;
        }
        let code = self.project.root.join("benchmark/python");
        let mut environment = self.environment();
        environment.extend([
            ("LAMBDA_TASK_ROOT".to_owned(), code.display().to_string()),
            ("PYTHONPATH".to_owned(), code.display().to_string()),
            ("AWS_CA_BUNDLE".to_owned(), self.stage.authority.display().to_string()),
            ("CHECKED_URL".to_owned(), self.stage.url()),
            ("HOME".to_owned(), self.folder.display().to_string()),
        ]);
        Ok(Program {
            name: PYTHON.to_owned(),
            command: python,
            arguments: vec!["-m".to_owned(), "awslambdaric".to_owned(), "hook.handler".to_owned()],
            environment,
            event: self.sample("after-allow-traffic/ecs")?,
        })
    }

    fn binary(&self, name: &str) -> anyhow::Result<PathBuf> {
        let file = self.binaries.join(name);
        if !file.is_file() {
            bail!("there is no `{}`; leave `--no-build` out", file.display());
        }
        Ok(file)
    }

    fn sample(&self, name: &str) -> anyhow::Result<Value> {
        let file = self.project.root.join("events").join(format!("{name}.json"));
        let text = std::fs::read_to_string(&file).with_context(|| format!("could not read `{}`", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("`{}` is not JSON", file.display()))
    }

    /// What Lambda sets, and what leads every client to the stage.
    fn environment(&self) -> BTreeMap<String, String> {
        let url = self.stage.url();
        let pairs = json!({
            "AWS_LAMBDA_FUNCTION_NAME": "measured",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/measured",
            "AWS_LAMBDA_LOG_STREAM_NAME": "measured",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_EXECUTION_ENV": "AWS_Lambda_provided.al2023",
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "AKIAMEASURED",
            "AWS_SECRET_ACCESS_KEY": "measured",
            "AWS_SESSION_TOKEN": "measured",
            "AWS_ENDPOINT_URL": url,
            "SLACK_API_URL": format!("{url}/slack/api"),
            "SSL_CERT_FILE": self.stage.authority.display().to_string(),
        });
        let pairs = pairs.as_object().into_iter().flatten();
        pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("could not start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
