//! What the types cannot rule out outside of the checks: names, groups, addresses, alarms. Pure; what stands inside a check is reviewed by
//! the engine that runs it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::check::Request;
use super::load::Remark;
use super::path::Path;
use super::service::{Config, Service};
use super::tell::{OTHERS, PagerDuty, Slack};
use super::yaml::Document;
use crate::text::{bounded, nearest, without_credentials};

/// How far back a service's rollbacks are counted.
const LONGEST_LIMIT: Duration = Duration::from_hours(7 * 24);
/// How long after its end a deployment may be rolled back by itself.
const LONGEST_LATE: Duration = Duration::from_hours(24);

/// Everything about the fleet that does not fit together; the remarks begin at the top. The document tells what is written there at all.
pub(super) fn review(config: &Config, document: &Document) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let top = Path::top();
    if config.version != 1 {
        let message = format!("version {} of the configuration is not known; write `version: 1`", config.version);
        remarks.push(Remark::new(top.key("version"), message));
    }
    if let Some(slack) = &config.slack {
        review_slack(slack, &top.key("slack"), &mut remarks);
    }
    if let Some(pagerduty) = &config.pagerduty {
        review_pagerduty(pagerduty, &config.services, &top.key("pagerduty"), &mut remarks);
    }
    let mut names = BTreeSet::new();
    let mut groups = BTreeSet::new();
    let mut rolling = BTreeSet::new();
    for (index, service) in config.services.iter().enumerate() {
        let at = top.key("services").entry(index);
        if !names.insert(service.name.as_str()) {
            let message = format!("there are two services named `{}`; give each its own name", service.name);
            remarks.push(Remark::new(at.key("name"), message));
        }
        if let Some(group) = &service.codedeploy
            && !groups.insert(group)
        {
            let message = format!("the deployment group `{group}` belongs to two services; a deployment is of one");
            remarks.push(Remark::new(at.key("codedeploy"), message));
        }
        if let Some(name) = &service.ecs
            && !rolling.insert(name)
        {
            let message = format!("the ECS service `{name}` stands below two services; a deployment is of one");
            remarks.push(Remark::new(at.key("ecs"), message));
        }
        review_service(service, document, &at, &mut remarks);
    }
    remarks
}

fn review_slack(slack: &Slack, at: &Path, remarks: &mut Vec<Remark>) {
    match (&slack.token, &slack.channel, &slack.webhook) {
        (Some(_), Some(channel), None) => {
            if channel.starts_with('#') {
                let message =
                    format!("`{}` is a channel's name; write its id, such as `C0DEPLOYS`", bounded(channel, 60));
                remarks.push(Remark::new(at.key("channel"), message));
            }
        }
        (None, None, Some(_)) => {}
        (Some(_), None, None) => {
            let message = "`token` needs a `channel`: the channel's id, such as `C0DEPLOYS`";
            remarks.push(Remark::new(at.clone(), message));
        }
        (None, Some(_), None) => {
            remarks.push(Remark::new(at.clone(), "`channel` needs a `token`: a reference to a bot token"));
        }
        _ => remarks.push(Remark::new(at.clone(), "give either `token` and `channel`, or `webhook`")),
    }
}

/// A misspelt environment would leave the severity that was meant for it unused, and nobody would notice before the night on which it counts.
fn review_pagerduty(pagerduty: &PagerDuty, services: &[Service], at: &Path, remarks: &mut Vec<Remark>) {
    let known: BTreeSet<&str> = services.iter().map(|service| service.environment.as_str()).collect();
    if known.is_empty() {
        return;
    }
    for (key, map) in [("severity", &pagerduty.severity), ("severity_when_safe", &pagerduty.severity_when_safe)] {
        for name in map.keys().filter(|name| *name != OTHERS && !known.contains(name.as_str())) {
            let instead = if let Some(near) = nearest(name, known.iter().copied()) {
                format!("; did you mean `{near}`?")
            } else {
                let known: Vec<&str> = known.iter().copied().collect();
                format!(
                    ": theirs are {}, and `\"*\"` stands for all that are not named",
                    bounded(&known.join(", "), 200)
                )
            };
            let message = format!("no service has the environment `{}`{instead}", bounded(name, 60));
            let remark = Remark::new(at.key(key).key(name), message);
            // A service that could not be read may be the one that has it.
            remarks.push(Remark { rests_on_names: true, ..remark });
        }
    }
}

fn review_service(service: &Service, document: &Document, at: &Path, remarks: &mut Vec<Remark>) {
    let mut texts = vec![(at.key("name"), &service.name), (at.key("environment"), &service.environment)];
    if let Some(group) = &service.codedeploy {
        let here = at.key("codedeploy");
        texts.push((here.key("application"), &group.application));
        texts.push((here.key("deployment_group"), &group.deployment_group));
    }
    if let Some(name) = &service.ecs {
        for (key, text) in [("cluster", &name.cluster), ("service", &name.service)] {
            texts.push((at.key("ecs").key(key), text));
            let wrong = not_an_ecs_name(key, text).map(|wrong| Remark::new(at.key("ecs").key(key), wrong));
            remarks.extend(wrong);
        }
    }
    review_deployer(service, document, at, remarks);
    for (path, text) in texts {
        if text.trim().is_empty() {
            remarks.push(Remark::new(path, "this is empty; write a name"));
        }
    }
    let endpoints = [("test", &service.endpoints.test), ("production", &service.endpoints.production)];
    for (key, url) in endpoints {
        if let Some(wrong) = url.as_deref().and_then(not_a_base_url) {
            remarks.push(Remark::new(at.key("endpoints").key(key), wrong));
        }
    }
    review_certificates(service, at, remarks);
    let budgets = [
        ("before_allow_traffic", service.before_allow_traffic.budget),
        ("after_allow_traffic", service.after_allow_traffic.budget),
    ];
    for (block, budget) in budgets {
        if budget.is_some_and(|budget| budget.0.is_zero()) {
            let message = "a budget of nothing leaves no time for anything; leave it out to take what Lambda leaves";
            remarks.push(Remark::new(at.key(block).key("budget"), message));
        }
    }
    review_rollbacks(service, at, remarks);
    let mut alarms = BTreeSet::new();
    for (index, alarm) in service.alarms.iter().enumerate() {
        let here = at.key("alarms").entry(index).key("name");
        if alarm.name.trim().is_empty() {
            remarks.push(Remark::new(here, "this is empty; write the alarm's name in CloudWatch"));
        } else if !alarms.insert(alarm.name.as_str()) {
            let message = format!("the alarm `{}` stands here twice; keep one of the two entries", alarm.name);
            remarks.push(Remark::new(here, message));
        } else if let Some(wrong) = not_an_alarms_name(&alarm.name) {
            remarks.push(Remark::new(here, wrong));
        }
    }
}

/// Why no alarm has this name: events name alarms, and what they are compared with is taken as it stands.
fn not_an_alarms_name(name: &str) -> Option<String> {
    if name.starts_with("arn:") {
        // arn:aws:cloudwatch:<region>:<account>:alarm:<name>
        let own = name.splitn(7, ':').nth(6).unwrap_or_default();
        let instead = if own.is_empty() { String::new() } else { format!(", `{}`", bounded(own, 120)) };
        return Some(format!("this is an alarm's ARN; write its name{instead}"));
    }
    let is_framed = name.starts_with(char::is_whitespace) || name.ends_with(char::is_whitespace);
    is_framed.then(|| format!("this name begins or ends with a blank, so no alarm has it; write `{}`", name.trim()))
}

/// Why no cluster or service of ECS has this name (letters, digits, `-` and `_`: ECS API reference, `CreateCluster` and `CreateService`).
fn not_an_ecs_name(what: &str, name: &str) -> Option<String> {
    if name.starts_with("arn:") {
        let own = name.rsplit('/').next().filter(|own| *own != name).unwrap_or_default();
        let instead = if own.is_empty() { String::new() } else { format!(", `{}`", bounded(own, 120)) };
        return Some(format!("this is the {what}'s ARN; write its name{instead}"));
    }
    let wrong = name.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'))?;
    if name.trim().is_empty() {
        return None;
    }
    let seen = if wrong.is_whitespace() { "a blank".to_owned() } else { format!("a `{wrong}`") };
    Some(format!("this name has {seen} in it, and a {what} of ECS has letters, digits, `-` and `_` only"))
}

/// Who deploys the service: CodeDeploy or ECS itself.
fn review_deployer(service: &Service, document: &Document, at: &Path, remarks: &mut Vec<Remark>) {
    match (&service.codedeploy, &service.ecs) {
        (None, None) => {
            let message = "this service says nothing of who deploys it; add `codedeploy: { application: …, deployment_group: … }`, \
                           or `ecs: { cluster: …, service: … }` for ECS's own rolling deployments";
            remarks.push(Remark::new(at.clone(), message));
        }
        (Some(_), Some(_)) => {
            let message = "a service is deployed by CodeDeploy or by ECS itself; keep `codedeploy` or `ecs`";
            remarks.push(Remark::new(at.key("ecs"), message));
        }
        _ => {}
    }
    if service.ecs.is_none() {
        return;
    }
    for block in ["before_allow_traffic", "after_allow_traffic"] {
        if document.has(&at.key(block)) {
            let message = "a rolling deployment has no hooks, so nothing would ask these checks; take the block out";
            remarks.push(Remark::new(at.key(block), message));
        }
    }
    if document.has(&at.key("endpoints")) {
        let message = "a rolling deployment has no hooks, so no check would go to these endpoints; take the block out";
        remarks.push(Remark::new(at.key("endpoints"), message));
    }
}

fn review_rollbacks(service: &Service, at: &Path, remarks: &mut Vec<Remark>) {
    if service.late_rollback.is_some_and(|late| late.window.0.is_zero()) {
        let message = "a window of nothing catches no alarm; leave `late_rollback` out to switch it off";
        remarks.push(Remark::new(at.key("late_rollback").key("window"), message));
    }
    let limit = at.key("rollback_limit");
    if service.rollback_limit.rollbacks == 0 {
        let message = "write a whole number from 1 up: with 0 no alarm would ever roll back; set `action: alert` on the alarms for that";
        remarks.push(Remark::new(limit.key("rollbacks"), message));
    }
    if service.rollback_limit.window.0.is_zero() {
        let message = "a window of nothing counts no rollback; write how far to look back, such as `1h`";
        remarks.push(Remark::new(limit.key("window"), message));
    }
    if service.rollback_limit.window.0 > LONGEST_LIMIT {
        let message = "rollbacks are remembered for 7 days; write a window of at most `7d`";
        remarks.push(Remark::new(limit.key("window"), message));
    }
    if service.late_rollback.is_some_and(|late| late.window.0 > LONGEST_LATE) {
        let message = "after more than a day much else has changed; write a window of at most `1d`";
        remarks.push(Remark::new(at.key("late_rollback").key("window"), message));
    }
}

/// Where neither endpoint has TLS, no check below them ever sees a certificate.
fn review_certificates(service: &Service, at: &Path, remarks: &mut Vec<Remark>) {
    let is_plain = |url: &Option<String>| url.as_deref().is_some_and(|url| url.starts_with("http://"));
    if !is_plain(&service.endpoints.test) || !is_plain(&service.endpoints.production) {
        return;
    }
    let blocks = [
        ("before_allow_traffic", &service.before_allow_traffic.checks),
        ("after_allow_traffic", &service.after_allow_traffic.checks),
    ];
    for (block, checks) in blocks {
        for (index, check) in checks.iter().enumerate().filter(|(_, check)| check.expect.certificate.is_some()) {
            let is_below = match check.request() {
                Ok(Request::Http { path, .. } | Request::WebSocket { path }) => !path.contains("://"),
                Ok(Request::GrpcHealth(health)) => health.url.is_none(),
                Ok(Request::Invoke(_)) | Err(_) => false,
            };
            if is_below {
                let path = at.key(block).key("checks").entry(index).key("expect").key("certificate");
                let message = "there is no certificate without TLS, and both endpoints begin with `http://`";
                remarks.push(Remark::new(path, message));
            }
        }
    }
}

/// What is wrong with an address that checks are to go below. A user and a password in it are not repeated.
pub fn not_a_base_url(url: &str) -> Option<String> {
    let shown = bounded(&without_credentials(url), 120);
    let Some(rest) = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) else {
        let host = url.split_once("://").map_or(url, |(_, rest)| rest);
        return Some(match host.split(['/', ':']).next() {
            Some(name) if name.contains('.') && !name.contains(char::is_whitespace) => {
                format!("`{shown}` is not a URL; did you mean `https://{}`?", bounded(&without_credentials(host), 120))
            }
            _ => format!("`{shown}` is not a URL; write `https://` and the host"),
        });
    };
    if url.contains("{{") {
        return Some(format!("`{shown}` holds a reference; an endpoint is taken as it stands"));
    }
    if let Some(wrong) = url.chars().find(|c| c.is_whitespace() || matches!(c, '?' | '#')) {
        let what = if wrong.is_whitespace() { "a blank".to_owned() } else { format!("a `{wrong}`") };
        return Some(format!(
            "`{shown}` has {what} in it; the paths of checks go below an endpoint, so it ends with its path"
        ));
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    // An IPv6 address stands in brackets, with colons of its own.
    let (name, port) = match host.rfind(']') {
        Some(end) => host.split_at(end + 1),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    if name.is_empty() {
        return Some(format!("`{shown}` has no host; write it behind `://`"));
    }
    let is_port =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    (!is_port).then(|| format!("`{shown}` has no port from 1 to 65535 behind its host"))
}
