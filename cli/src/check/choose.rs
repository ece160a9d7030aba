//! Which suites are run: the configuration file, the services, the blocks, the checks in them and where their requests go.
//! Knows nothing of how they are run.

use std::time::Duration;

use anyhow::{Context, bail};
use checks::{needs_base, only};
use domain::config::{Check, Config, Service, not_a_base_url};
use domain::text::{nearest, without_secrets};

use super::{Arguments, BUDGET, Stage};

/// One block of one service, ready to be run.
#[derive(Debug)]
pub(super) struct Choice<'a> {
    pub(super) service: &'a Service,
    pub(super) block: &'static str,
    pub(super) checks: Vec<Check>,
    pub(super) base: Result<String, String>,
    pub(super) budget: Duration,
}

/// What is to be run; never nothing.
pub(super) fn choose<'a>(config: &'a Config, arguments: &Arguments) -> anyhow::Result<Vec<Choice<'a>>> {
    let mut choices = Vec::new();
    let services = services(config, arguments)?;
    for service in &services {
        let (before, after) = (&service.before_allow_traffic, &service.after_allow_traffic);
        let endpoints = &service.endpoints;
        let blocks = [
            (Stage::Before, "before_allow_traffic", &before.checks, before.budget, "test", &endpoints.test),
            (Stage::After, "after_allow_traffic", &after.checks, after.budget, "production", &endpoints.production),
        ];
        for (stage, block, checks, budget, key, endpoint) in blocks {
            let checks = if arguments.only.is_empty() { checks.clone() } else { only(checks, &arguments.only) };
            if checks.is_empty() || (arguments.stage != Stage::Both && arguments.stage != stage) {
                continue;
            }
            let budget = arguments.budget.or(budget).map_or(BUDGET, |span| span.0);
            let base = base(service, block, &checks, key, arguments.base_url.as_deref().or(endpoint.as_deref()))?;
            choices.push(Choice { service, block, checks, base, budget });
        }
    }
    known(&services, &choices, arguments)?;
    if choices.is_empty() {
        let what = match arguments.stage {
            Stage::Before => "no checks in `before_allow_traffic`",
            Stage::After => "no checks in `after_allow_traffic`",
            Stage::Both => "no checks",
        };
        let names: Vec<String> = services.iter().map(|service| format!("`{}`", service.name)).collect();
        bail!("nothing to run: {what} of {}; a run of nothing would prove nothing", names.join(", "));
    }
    Ok(choices)
}

fn services<'a>(config: &'a Config, arguments: &Arguments) -> anyhow::Result<Vec<&'a Service>> {
    let names = || config.services.iter().map(|service| service.name.as_str());
    let list = || names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if let Some(wanted) = &arguments.service {
        let found = config.services.iter().find(|service| service.name == *wanted);
        let service = found.with_context(|| match nearest(wanted, names()) {
            Some(near) => format!("the configuration has no service `{wanted}`; did you mean `{near}`?"),
            None => format!("the configuration has no service `{wanted}`; it has {}", list()),
        })?;
        return Ok(vec![service]);
    }
    match config.services.len() {
        0 => bail!("the configuration has no services, so there is nothing to check"),
        1 => {}
        _ if arguments.all => {}
        _ => bail!("which service? Say `--service NAME`, or `--all`; the configuration has {}", list()),
    }
    Ok(config.services.iter().collect())
}

/// Every name that was asked for must be that of a check in what is run.
fn known(services: &[&Service], choices: &[Choice<'_>], arguments: &Arguments) -> anyhow::Result<()> {
    for wanted in &arguments.only {
        if choices.iter().flat_map(|choice| &choice.checks).any(|check| check.name == *wanted) {
            continue;
        }
        let blocks = services.iter().flat_map(|service| {
            let before = (Stage::Before, &service.before_allow_traffic.checks);
            [before, (Stage::After, &service.after_allow_traffic.checks)]
        });
        let chosen = blocks.filter(|(stage, _)| arguments.stage == Stage::Both || arguments.stage == *stage);
        let names: Vec<&str> = chosen.flat_map(|(_, checks)| checks).map(|check| check.name.as_str()).collect();
        match nearest(wanted, names.iter().copied()) {
            Some(near) => bail!("there is no check `{wanted}` in what is run; did you mean `{near}`?"),
            None => bail!("there is no check `{wanted}` in what is run; there are {}", quoted(&names)),
        }
    }
    Ok(())
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The base URL, where a check needs one. A URL that cannot be one is an error, whether it is needed or not.
fn base(
    service: &Service,
    block: &str,
    checks: &[Check],
    key: &str,
    url: Option<&str>,
) -> anyhow::Result<Result<String, String>> {
    let Some(url) = url else {
        let missing = format!("no URL for `{block}` of `{}`", service.name);
        if checks.iter().any(needs_base) {
            bail!("{missing}: give it with `--base-url URL`, or set `endpoints.{key}` in the configuration");
        }
        return Ok(Err(missing));
    };
    if let Some(wrong) = not_a_base_url(url) {
        bail!("--base-url: {wrong}");
    }
    if let Err(error) = url.parse::<http::Uri>() {
        bail!("--base-url: `{}` is no URL: {error}", without_secrets(url));
    }
    Ok(Ok(url.to_owned()))
}
