//! `greenlight check`: which suites are run, against which URL, and how it is told. The checks themselves are run by the
//! engine that the hooks run them with. Knows nothing of AWS.

mod choose;
mod given;
mod progress;
mod report;
mod summary;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use checks::{NoVersion, Suite, Variables, revealed, watched};
use clap::{Args, ValueEnum};
use clock::Clock;
use domain::config::{Request, load_reviewed};
use domain::hook::{Conclusion, Finding, Outcome, Verdict};
use domain::text::without_secrets;
use domain::time::{Span, Timestamp};
use futures_util::future::{Either, select};
use outbound::HttpClient;

use choose::{Choice, choose};
use given::{Interrupts, Local};
use progress::Progress;

use crate::configuration;
use crate::terminal::{Channel, complain, style};

/// The time for one block when neither it nor the command line says: what Lambda grants a hook in the template.
const BUDGET: Duration = Duration::from_mins(5);
/// 128 and the number of SIGINT, as a shell reports a program that ended by it.
const INTERRUPTED: u8 = 130;

/// Why an `invoke` cannot be carried out here.
const NO_INVOCATION: &str = "`invoke` needs AWS, which `greenlight check` does not speak to; the hook runs this check. `--skip-invoke` takes such \
     checks out of the verdict";

#[derive(Args)]
pub(crate) struct Arguments {
    /// The configuration, in place of the project's config/greenlight.yaml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The service; needed where the configuration has several
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Every service that has checks
    #[arg(long, conflicts_with = "service")]
    all: bool,
    /// Which block of checks
    #[arg(long, value_enum, default_value_t = Stage::Both)]
    stage: Stage,
    /// Where requests go, in place of the service's endpoints
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Only this check, what it needs and what cleans up after it; may be repeated
    #[arg(long = "check", value_name = "NAME")]
    only: Vec<String>,
    /// A value for `{{ name }}`: `revision.git_sha=$GITHUB_SHA`, `secret:app#token=env:TOKEN`; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// The time for each block, in place of its own budget: `90s`, `2m`
    #[arg(long, value_name = "SPAN", value_parser = some_time)]
    budget: Option<Span>,
    /// Take checks that invoke a Lambda function out of the verdict
    #[arg(long)]
    skip_invoke: bool,
    /// A report for machines; may be repeated. The progress then goes to standard error
    #[arg(long = "report", value_enum, value_name = "FORM")]
    reports: Vec<report::Form>,
    /// The file of the report; the first of these is that of the first report, and so on
    #[arg(long = "output", value_name = "FILE", requires = "reports")]
    outputs: Vec<PathBuf>,
}

/// Which block of checks is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// `before_allow_traffic`, at `endpoints.test`
    #[value(name = "before", alias = "before_allow_traffic")]
    Before,
    /// `after_allow_traffic`, at `endpoints.production`
    #[value(name = "after", alias = "after_allow_traffic")]
    After,
    /// One after the other
    #[value(name = "both")]
    Both,
}

/// A block that has been run.
pub(crate) struct Ran {
    pub(crate) service: String,
    pub(crate) environment: String,
    /// `before_allow_traffic` or `after_allow_traffic`.
    pub(crate) block: &'static str,
    /// Without credentials; `None` where no check needed one.
    pub(crate) base: Option<String>,
    pub(crate) conclusion: Conclusion,
    /// Which of the findings `--skip-invoke` has taken out of the verdict.
    pub(crate) skipped: BTreeSet<usize>,
    pub(crate) started: Timestamp,
    pub(crate) took: Duration,
}

impl Ran {
    /// Each finding, and whether it was taken out of the verdict.
    pub(crate) fn findings(&self) -> impl Iterator<Item = (&Finding, bool)> {
        self.conclusion.findings.iter().enumerate().map(|(index, finding)| (finding, self.skipped.contains(&index)))
    }
}

/// A span in which something can happen.
fn some_time(text: &str) -> Result<Span, String> {
    let span = Span::parse(text)?;
    if span.0.is_zero() {
        Err("it leaves no time for anything; write a span such as `90s`".to_owned())
    } else {
        Ok(span)
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let targets = report::targets(&arguments.reports, &arguments.outputs)?;
    let to_output = targets.iter().any(|(_, file)| file.is_none());
    let channel = if to_output { Channel::Error } else { Channel::Output };
    let local = Local::read(&arguments.variables)?;
    let path = configuration::file(arguments.config.as_deref())?;
    let text = std::fs::read_to_string(&path).with_context(|| format!("could not read `{}`", path.display()))?;
    let config = load_reviewed(&path.display().to_string(), &text, checks::review)?;
    local.all_known(&config)?;
    let choices = choose(&config, arguments)?;
    report::writable(&targets)?;
    let http = HttpClient::new(Clock::system()).trusting(given::authorities().as_deref());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let finished = runtime.block_on(async {
        let interrupts = Interrupts::default();
        let every = async {
            let mut ran = Vec::new();
            for choice in &choices {
                ran.push(if interrupts.came() {
                    not_run(choice, http.clock().now())
                } else {
                    run_one(choice, arguments, &local, &http, channel, &interrupts).await?
                });
            }
            anyhow::Ok(ran)
        };
        match select(pin!(interrupts.second()), pin!(every)).await {
            Either::Left(((), _)) => Ok(None),
            Either::Right((ran, _)) => ran.map(Some),
        }
    });
    let Some(ran) = finished? else {
        complain(
            "interrupted twice: ended at once; clean-ups that had not finished are cancelled, and no report is written",
        );
        return Ok(ExitCode::from(INTERRUPTED));
    };
    channel.write(&summary::text(&ran, style(channel)))?;
    for (form, file) in targets {
        report::write(form, file, &ran)?;
    }
    let acceptable = ran.iter().all(|ran| ran.conclusion.verdict == Verdict::Succeeded);
    Ok(if acceptable { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn run_one(
    choice: &Choice<'_>,
    arguments: &Arguments,
    local: &Local,
    http: &HttpClient,
    channel: Channel,
    interrupts: &Interrupts,
) -> anyhow::Result<Ran> {
    let base = choice.base.as_deref().ok().map(without_secrets);
    channel.line(&progress::heading(choice, base.as_deref(), style(channel)))?;
    let mut variables: Variables = local.variables(choice.service);
    variables.extend(revealed(&choice.checks, local, http.clock(), choice.budget).await);
    let suite = Suite { checks: &choice.checks, base: choice.base.clone(), variables };
    let skipped: BTreeSet<usize> = choice
        .checks
        .iter()
        .enumerate()
        .filter(|(_, check)| arguments.skip_invoke && matches!(check.request(), Ok(Request::Invoke(_))))
        .map(|(index, _)| index)
        .collect();
    let progress = Progress::new(&choice.checks, &skipped, channel, interrupts);
    let started = http.clock().now();
    let invoker = NoVersion(NO_INVOCATION.to_owned());
    let mut findings = Box::pin(watched(&suite, http, &invoker, choice.budget, &progress)).await;
    progress.done()?;
    // There is one finding for each check, in the same order.
    for (index, finding) in findings.iter_mut().enumerate() {
        if skipped.contains(&index) && finding.tries == 0 {
            finding.outcome = Outcome::Degraded;
            "not run: taken out of the verdict by --skip-invoke".clone_into(&mut finding.observed);
        }
    }
    Ok(Ran {
        service: choice.service.name.clone(),
        environment: choice.service.environment.clone(),
        block: choice.block,
        base,
        conclusion: Conclusion::from_findings(findings),
        skipped,
        started,
        took: http.clock().now().since(started),
    })
}

/// A block that was not begun any more. It is told like any other: what was not looked at has not passed.
fn not_run(choice: &Choice<'_>, now: Timestamp) -> Ran {
    let why = "not run: the run was stopped before";
    let findings = choice.checks.iter().map(|check| Finding::fact(&check.name, Outcome::Inconclusive, "", why, ""));
    Ran {
        service: choice.service.name.clone(),
        environment: choice.service.environment.clone(),
        block: choice.block,
        base: choice.base.as_deref().ok().map(without_secrets),
        conclusion: Conclusion::from_findings(findings.collect()),
        skipped: BTreeSet::new(),
        started: now,
        took: Duration::ZERO,
    }
}
