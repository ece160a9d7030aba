//! Reads the `Events` of a function: rules, schedules and topics that invoke it.
//!
//! Knows nothing of how events are delivered.

use super::error::{Problem, TemplateError};
use super::fleet::Resource;
use super::model::{EventSource, Retry, Rule, Schedule, ScheduleService, Subscription};
use super::names::Identity;
use super::place::Place;
use super::schedule::ScheduleExpression;
use crate::pattern::Pattern;

const TYPES: [&str; 5] = ["EventBridgeRule", "CloudWatchEvent", "Schedule", "ScheduleV2", "SNS"];
const RAW_EVENT: &str = "let the function receive the event as it is";

/// Reads every event source of a function.
pub(super) fn read(resource: &Resource<'_>, properties: &Place<'_>) -> Result<Vec<EventSource>, TemplateError> {
    let Some(events) = properties.get("Events")? else { return Ok(Vec::new()) };
    events
        .entries()?
        .into_iter()
        .map(|(name, event)| {
            event.only("key", &["Type", "Properties"])?;
            let logical_id = format!("{}{name}", resource.logical_id);
            let kind = event.need("Type")?;
            let properties = event.need("Properties")?;
            match kind.text()?.as_str() {
                "EventBridgeRule" | "CloudWatchEvent" => rule(resource, logical_id, &properties).map(EventSource::Rule),
                "Schedule" => scheduled_rule(resource, logical_id, &properties).map(EventSource::Schedule),
                "ScheduleV2" => schedule(resource, logical_id, &properties).map(EventSource::Schedule),
                "SNS" => subscription(logical_id, &properties).map(EventSource::Sns),
                other => kind.unknown("event type", other, &TYPES),
            }
        })
        .collect()
}

fn rule(resource: &Resource<'_>, logical_id: String, place: &Place<'_>) -> Result<Rule, TemplateError> {
    for key in ["Input", "InputPath", "InputTransformer"] {
        if let Some(input) = place.get(key)? {
            return input.unsupported(format!("`{key}`"), RAW_EVENT);
        }
    }
    place.only(
        "property",
        &["Pattern", "RuleName", "EventBusName", "DeadLetterConfig", "RetryPolicy", "Target", "State", "Enabled"],
    )?;
    if let Some(bus) = place.get("EventBusName")?
        && bus.text()? != "default"
    {
        return bus.unsupported("an event bus of its own", "use the default bus, where AWS services send their events");
    }
    let written = place.need("Pattern")?;
    let pattern_json = written.json();
    let pattern = match Pattern::parse(&pattern_json) {
        Ok(pattern) => pattern,
        Err(error) => return written.fail(Problem::Pattern(error)),
    };
    let identity = identity(resource, &logical_id, place)?;
    Ok(Rule {
        logical_id,
        rule_arn: identity.arn(),
        rule_name: identity.name,
        pattern,
        pattern_json,
        dead_letter: dead_letter(resource, place)?,
        retry: retry(place)?,
        enabled: enabled(place)?,
    })
}

fn scheduled_rule(resource: &Resource<'_>, logical_id: String, place: &Place<'_>) -> Result<Schedule, TemplateError> {
    place.only(
        "property",
        &["Schedule", "Name", "Description", "Input", "DeadLetterConfig", "RetryPolicy", "State", "Enabled"],
    )?;
    timed(resource, logical_id, place, ScheduleService::Rules, "Schedule")
}

fn schedule(resource: &Resource<'_>, logical_id: String, place: &Place<'_>) -> Result<Schedule, TemplateError> {
    place.only(
        "property",
        &[
            "ScheduleExpression",
            "ScheduleExpressionTimezone",
            "FlexibleTimeWindow",
            "Name",
            "OmitName",
            "Description",
            "Input",
            "DeadLetterConfig",
            "RetryPolicy",
            "State",
            "PermissionsBoundary",
        ],
    )?;
    if let Some(zone) = place.get("ScheduleExpressionTimezone")?
        && !["UTC", "Etc/UTC"].contains(&zone.text()?.as_str())
    {
        return zone.unsupported("a time zone", "give the schedule in UTC");
    }
    if let Some(window) = place.get("FlexibleTimeWindow")?
        && window.need("Mode")?.text()? != "OFF"
    {
        return window.unsupported("a flexible time window", "set `Mode: OFF`, so that a run can be repeated");
    }
    timed(resource, logical_id, place, ScheduleService::Scheduler, "ScheduleExpression")
}

fn timed(
    resource: &Resource<'_>,
    logical_id: String,
    place: &Place<'_>,
    service: ScheduleService,
    property: &str,
) -> Result<Schedule, TemplateError> {
    let written = place.need(property)?;
    let expression = match ScheduleExpression::parse(&written.text()?) {
        Ok(expression) => expression,
        Err(error) => return written.fail(Problem::Schedule(error)),
    };
    let input = match place.get("Input")? {
        Some(input) => match serde_json::from_str(&input.text()?) {
            Ok(value) => Some(value),
            Err(_) => return input.wrong("a text that is JSON"),
        },
        None => None,
    };
    let identity = identity(resource, &logical_id, place)?;
    Ok(Schedule {
        logical_id,
        arn: identity.arn(),
        name: identity.name,
        service,
        expression,
        input,
        dead_letter: dead_letter(resource, place)?,
        retry: retry(place)?,
        enabled: enabled(place)?,
    })
}

fn subscription(logical_id: String, place: &Place<'_>) -> Result<Subscription, TemplateError> {
    place.only("property", &["Topic"])?;
    let topic = place.need("Topic")?;
    let topic_arn = topic.text()?;
    if topic_arn.starts_with("arn:") {
        Ok(Subscription { logical_id, topic_arn })
    } else {
        topic.wrong("the ARN of a topic")
    }
}

fn identity(resource: &Resource<'_>, logical_id: &str, place: &Place<'_>) -> Result<Identity, TemplateError> {
    resource.resolver.identity(logical_id, place.line(), place.at())
}

fn dead_letter(resource: &Resource<'_>, place: &Place<'_>) -> Result<Option<String>, TemplateError> {
    let Some(config) = place.get("DeadLetterConfig")? else { return Ok(None) };
    config.only("property", &["Arn", "Type", "QueueLogicalId"])?;
    match config.get("Arn")? {
        Some(arn) => resource.owned_arn(&["AWS::SQS::Queue"], &arn).map(Some),
        None => config.unsupported(
            "a dead-letter queue that SAM makes by itself",
            "write the queue into the template and name it in `Arn`",
        ),
    }
}

fn retry(place: &Place<'_>) -> Result<Retry, TemplateError> {
    let mut retry = Retry::default();
    let Some(policy) = place.get("RetryPolicy")? else { return Ok(retry) };
    policy.only("property", &["MaximumRetryAttempts", "MaximumEventAgeInSeconds"])?;
    if let Some(attempts) = policy.get("MaximumRetryAttempts")? {
        retry.max_attempts = attempts.number(0..=185)?;
    }
    if let Some(age) = policy.get("MaximumEventAgeInSeconds")? {
        retry.max_age_seconds = age.number(60..=86_400)?;
    }
    Ok(retry)
}

fn enabled(place: &Place<'_>) -> Result<bool, TemplateError> {
    match (place.get("State")?, place.get("Enabled")?) {
        (Some(state), None) => match state.text()?.as_str() {
            "ENABLED" => Ok(true),
            "DISABLED" => Ok(false),
            _ => state.wrong("`ENABLED` or `DISABLED`"),
        },
        (None, Some(enabled)) => enabled.boolean(),
        (None, None) => Ok(true),
        (Some(state), Some(_)) => state.wrong("either `State` or `Enabled`, not both"),
    }
}
