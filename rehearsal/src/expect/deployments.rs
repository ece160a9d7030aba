//! What is expected of deployments and of the traffic: how they end, who has the traffic in the end, how soon it is back. Knows nothing of
//! what the functions say of it.

use std::time::Duration;

use domain::time::{Timestamp, spoken};

use super::Held;
use crate::scenario::{
    ExpectedDeployment, ExpectedPeak, ExpectedProduction, ExpectedRestored, ProductionOf, RestoredOf,
};
use crate::timeline::{Entry, Tone, Who};
use crate::world::{DeploymentRecord, Record};

/// The planned deployments, in order of their creation; neither rollbacks nor what the functions themselves deploy.
fn all_planned(record: Record<'_>) -> impl DoubleEndedIterator<Item = &DeploymentRecord> {
    record.deployments().filter(|deployment| deployment.plan.is_some() && deployment.rolls_back.is_none())
}

/// The planned deployment of that number or, of those of that service, the last.
fn chosen<'a>(record: Record<'a>, service: Option<&str>, nth: Option<usize>) -> Option<&'a DeploymentRecord> {
    all_planned(record)
        .filter(|deployment| service.is_none_or(|service| deployment.service == service))
        .rfind(|deployment| nth.is_none_or(|nth| deployment.plan == nth.checked_sub(1)))
}

fn no_such() -> String {
    "there was no such deployment".to_owned()
}

/// ` of shop`, ` of deployment 2`, or nothing.
fn of(service: Option<&str>, nth: Option<usize>) -> String {
    match (service, nth) {
        (Some(service), _) => format!(" of {service}"),
        (None, Some(nth)) => format!(" of deployment {nth}"),
        (None, None) => String::new(),
    }
}

pub(super) fn production(expected: &ExpectedProduction, record: Record<'_>) -> Held {
    let wanted = match expected {
        ExpectedProduction::Colour(colour) => {
            ProductionOf { service: None, nth: None, colour: Some(colour.clone()), version: None }
        }
        ExpectedProduction::Of(of) => of.clone(),
    };
    let (service, nth) = (wanted.service.as_deref(), wanted.nth);
    let mut words: Vec<String> = wanted.colour.iter().cloned().collect();
    words.extend(wanted.version.map(|version| format!("version {version}")));
    let what = format!("all production traffic{} is on {} in the end", of(service, nth), words.join(", "));
    let deployment = chosen(record, service, nth);
    let Some(name) = deployment.map(|deployment| deployment.service.as_str()).or(service) else {
        return Held { what, met: false, seen: no_such() };
    };
    let colour = match deployment.and_then(|deployment| record.production_is_green(&deployment.id)) {
        Some(true) => "green",
        Some(false) => "blue",
        None => "neither",
    };
    let serving = record.serving(name);
    let mut seen = format!("it is on {colour}");
    if wanted.version.is_some() {
        seen.push_str(
            &serving.map_or_else(|| ", no version has all".to_owned(), |number| format!(", version {number}")),
        );
    }
    let met = wanted.colour.is_none_or(|wanted| wanted == colour)
        && wanted.version.is_none_or(|version| serving == Some(version));
    Held { what, met, seen }
}

pub(super) fn peak(expected: &ExpectedPeak, record: Record<'_>) -> Held {
    let (service, nth) = (expected.service.as_deref(), expected.nth);
    let what =
        format!("the new version{} never has more than {} % of production traffic", of(service, nth), expected.at_most);
    match chosen(record, service, nth) {
        Some(deployment) => Held {
            what,
            met: deployment.peak_weight <= expected.at_most,
            seen: format!("it had {} % at the most", deployment.peak_weight),
        },
        None => Held { what, met: false, seen: no_such() },
    }
}

pub(super) fn restored_within(expected: &ExpectedRestored, record: Record<'_>) -> Held {
    let wanted = match expected {
        ExpectedRestored::Within(within) => RestoredOf { within: *within, service: None, alarm: None },
        ExpectedRestored::Of(of) => of.clone(),
    };
    let limit = wanted.within.0;
    let from = wanted.alarm.as_ref().map_or_else(|| "the alarm".to_owned(), |alarm| format!("the alarm {alarm}"));
    let whose = of(wanted.service.as_deref(), None);
    let what = format!("all traffic{whose} is back on the old version within {} of {from}", spoken(limit));
    let created: Vec<(&str, Timestamp)> =
        all_planned(record).map(|deployment| (deployment.service.as_str(), deployment.created)).collect();
    match returns(record.timeline(), &created, &wanted).max() {
        Some(slowest) => Held { what, met: slowest <= limit, seen: format!("after {}", spoken(slowest)) },
        None => Held { what, met: false, seen: "there was no alarm, or traffic never came back".to_owned() },
    }
}

/// The time that each return of a service's traffic took since the first alarm (or the one that is named) after the service's last creation
/// of a deployment before it. What came back without an alarm is left out.
fn returns<'a>(
    timeline: &'a [Entry],
    created: &'a [(&'a str, Timestamp)],
    wanted: &'a RestoredOf,
) -> impl Iterator<Item = Duration> {
    let is_return = |entry: &&Entry| entry.weight == Some(0.0) && entry.tone == Tone::Good;
    timeline
        .iter()
        .filter(is_return)
        .filter(|entry| wanted.service.is_none() || entry.service.is_none() || entry.service == wanted.service)
        .filter_map(|entry| {
            let before = created
                .iter()
                .filter(|(service, at)| entry.service.as_ref().is_none_or(|own| own == service) && *at <= entry.at);
            let since = before.map(|(_, at)| *at).max().unwrap_or(Timestamp(0));
            let alarm = timeline
                .iter()
                .find(|alarm| alarm.at >= since && alarm.at <= entry.at && is_alarm(alarm, wanted.alarm.as_deref()))?;
            Some(entry.at.since(alarm.at))
        })
}

/// Whether an entry tells that an alarm (of that name) has become red.
fn is_alarm(entry: &Entry, name: Option<&str>) -> bool {
    entry.who == Who::CloudWatch
        && entry.tone == Tone::Bad
        && match name {
            Some(name) => entry.what.starts_with(&format!("alarm {name} goes to ALARM")),
            None => entry.what.contains("goes to ALARM"),
        }
}

pub(super) fn ended_within(limit: Duration, record: Record<'_>) -> Held {
    let what = format!("every planned deployment ends within {} of its start", spoken(limit));
    let slowest = all_planned(record)
        .map(|deployment| deployment.completed.map(|at| at.since(deployment.created)))
        .max_by_key(|took| took.unwrap_or(Duration::MAX));
    match slowest {
        Some(Some(took)) => Held { what, met: took <= limit, seen: format!("the slowest took {}", spoken(took)) },
        _ => Held { what, met: false, seen: "one has not ended".to_owned() },
    }
}

pub(super) fn ends(expected: &ExpectedDeployment, record: Record<'_>) -> Held {
    let mut what = format!("deployment {} ends {}", expected.nth, expected.status);
    if let Some(error) = &expected.error {
        what.push_str(&format!(" with {error}"));
    }
    if let Some(rollback) = &expected.rollback {
        what.push_str(&format!(", and its rollback {rollback}"));
    }
    let Some(seen) = chosen(record, None, Some(expected.nth)) else {
        return Held { what, met: false, seen: no_such() };
    };
    let error = seen.error.as_ref().map(|(code, _)| code.clone());
    let rollback = seen
        .rolled_back_by
        .as_ref()
        .and_then(|id| record.deployments().find(|deployment| deployment.id == *id))
        .map(|deployment| deployment.status.as_str().to_owned());
    let mut text = format!("{} is {}", seen.id, seen.status.as_str());
    if let Some(error) = &error {
        text.push_str(&format!(" with {error}"));
    }
    text.push_str(
        &rollback.as_ref().map_or_else(|| ", not rolled back".to_owned(), |status| format!(", its rollback {status}")),
    );
    let met = seen.status.as_str() == expected.status
        && expected.error.as_ref().is_none_or(|wanted| error.as_ref() == Some(wanted))
        && expected.rollback == rollback;
    Held { what, met, seen: text }
}
