//! The dashboard as it is written: that CloudWatch would take it, and that every metric on it is one that `dora` publishes. The rehearsal's
//! metric math has no `SEARCH`, so those expressions are held to their grammar and to the metrics that they are meant to find.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::events::TrafficRestored;
use domain::time::Timestamp;
use dora::bands::{CHANGE_FAILURE_RATE, LEAD_TIME, RECOVERY};
use dora::{Assessment, HookRun};
use rehearsal::services::metric_math::Expression;
use serde_json::{Map, Value};

use super::{DAY, START, good, minutes, production, taken_back, template};

/// A widget's properties by widget type, those of "Dashboard body structure and syntax" (CloudWatch API reference) that this dashboard uses.
const PROPERTIES: [(&str, &[&str]); 3] = [
    ("text", &["markdown"]),
    ("alarm", &["title", "sortBy", "alarms"]),
    (
        "metric",
        &["title", "region", "view", "stacked", "period", "setPeriodToTimeRange", "yAxis", "annotations", "metrics"],
    ),
];
/// Those of one entry of `metrics`.
const RENDERING: [&str; 7] = ["id", "stat", "label", "color", "visible", "expression", "period"];
const VIEWS: [&str; 3] = ["timeSeries", "singleValue", "bar"];
pub(super) const WEEK: i64 = 7 * DAY;

pub(super) fn body(parameters: &[(&str, &str)]) -> Value {
    let template = template(parameters);
    let dashboard = template.resources.get("DeliveryDashboard").expect("there is a dashboard");
    let text = dashboard.pointer("/Properties/DashboardBody").and_then(Value::as_str);
    serde_json::from_str(text.expect("the body is resolved to a text")).expect("the body is JSON")
}

pub(super) fn widgets(body: &Value) -> &[Value] {
    body.get("widgets").and_then(Value::as_array).expect("there are widgets")
}

pub(super) fn metrics(widget: &Value) -> &[Value] {
    widget.pointer("/properties/metrics").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn title(widget: &Value) -> &str {
    widget.pointer("/properties/title").and_then(Value::as_str).unwrap_or_default()
}

/// One line of a widget.
#[derive(Debug)]
pub(super) enum Line<'a> {
    Metric { namespace: &'a str, name: &'a str, dimensions: BTreeMap<&'a str, &'a str> },
    Math(&'a str),
    Search(&'a str),
}

/// Reads an entry of `metrics`: a list of texts that may end in an object.
pub(super) fn line(entry: &Value) -> (Line<'_>, &Map<String, Value>) {
    let items = entry.as_array().expect("an entry of `metrics` is a list");
    let (options, texts) = items.split_last().expect("it is not empty");
    let options = options.as_object().expect("every entry here ends in an object");
    let texts: Vec<&str> = texts.iter().map(|text| text.as_str().expect("a name or a value")).collect();
    let line = match (texts.as_slice(), options.get("expression").and_then(Value::as_str)) {
        ([], Some(search)) if search.starts_with("SEARCH(") => Line::Search(search),
        ([], Some(math)) => Line::Math(math),
        ([namespace, name, dimensions @ ..], None) => {
            assert_eq!(dimensions.len() % 2, 0, "{entry}");
            let dimensions = dimensions.chunks(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))).collect();
            Line::Metric { namespace, name, dimensions }
        }
        _ => panic!("neither a metric nor an expression: {entry}"),
    };
    (line, options)
}

pub(super) fn restored(seconds: f64, at: i64) -> TrafficRestored {
    TrafficRestored {
        deployment_id: good().id,
        rollback_deployment_id: None,
        group: Some(good().group),
        ecs: None,
        service: None,
        environment: None,
        alarm: "orchestrator-http-5xx".to_owned(),
        restored: true,
        observed: String::new(),
        seconds_since_alarm: Some(seconds),
        seconds_since_event: seconds,
        at: Timestamp(at),
    }
}

pub(super) fn hook(lifecycle_event: &str, seconds: i64, succeeded: bool, at: i64) -> HookRun {
    let (started, ended) = (Timestamp(at - seconds * 1000), Timestamp(at));
    HookRun { lifecycle_event: lifecycle_event.to_owned(), started, ended, succeeded }
}

/// Every metric that can be published, with the names of its dimensions.
fn published() -> BTreeSet<(&'static str, Vec<&'static str>)> {
    let everything = Assessment {
        lead_time: Some(minutes(1)),
        recovery: Some(minutes(1)),
        takes_back: Some(taken_back(START)),
        hooks: vec![hook("BeforeAllowTraffic", 1, true, START)],
        is_unchecked: true,
        ..good()
    };
    let mut measures = dora::measures(&everything, &production());
    measures.extend(dora::of_traffic_restored(&restored(1.0, START), &production()));
    measures
        .into_iter()
        .map(|measure| (measure.name, measure.dimensions.into_iter().map(|(name, _)| name).collect()))
        .collect()
}

#[test]
fn cloudwatch_would_take_it() {
    for parameters in [&[][..], &[("MetricsEnvironment", "production"), ("DeliveryAlarms", "no")]] {
        let body = body(parameters);
        assert!(widgets(&body).len() <= 500);
        assert!(!body.to_string().replace("${PROP(", "").contains("${"), "everything is resolved but dynamic labels");
        for widget in widgets(&body) {
            let kind = widget["type"].as_str().expect("a widget has a type");
            let (_, known) = PROPERTIES.iter().find(|(known, _)| *known == kind).expect("a type that CloudWatch has");
            let properties = widget["properties"].as_object().expect("it has properties");
            for property in properties.keys() {
                assert!(known.contains(&property.as_str()), "`{property}` of {}", title(widget));
            }
            if kind == "metric" {
                assert!(VIEWS.contains(&properties["view"].as_str().unwrap_or_default()), "{}", title(widget));
                assert_eq!(properties["region"], "eu-west-1", "{}", title(widget));
                assert!((1..=500).contains(&metrics(widget).len()), "{}", title(widget));
                // Either a period of whole hours, which CloudWatch keeps for 15 months, or the whole range; with a sparkline that would be one point.
                let period = properties.get("period").and_then(Value::as_i64);
                let is_whole = properties.get("setPeriodToTimeRange") == Some(&Value::Bool(true));
                assert!(period.is_some() != is_whole && period.is_none_or(|period| period % 3600 == 0));
            }
        }
    }
}

#[test]
fn no_widget_lies_over_another_and_the_grid_has_no_holes() {
    let body = body(&[]);
    let mut taken = BTreeMap::new();
    for widget in widgets(&body) {
        let number = |name: &str| widget[name].as_i64().expect("a place on the grid");
        let (x, y, width, height) = (number("x"), number("y"), number("width"), number("height"));
        assert!(x >= 0 && y >= 0 && width >= 1 && height >= 1 && x + width <= 24, "{}", title(widget));
        for cell in (y..y + height).flat_map(|row| (x..x + width).map(move |column| (row, column))) {
            if let Some(other) = taken.insert(cell, title(widget)) {
                panic!("`{}` lies over `{other}` at {cell:?}", title(widget));
            }
        }
    }
    let rows = taken.keys().map(|(row, _)| row + 1).max().unwrap_or_default();
    assert_eq!(i64::try_from(taken.len()), Ok(rows * 24));
}

#[test]
fn every_line_has_an_id_of_its_own_and_every_expression_can_be_read() {
    for parameters in [&[][..], &[("MetricsEnvironment", "production")]] {
        let body = body(parameters);
        for widget in widgets(&body) {
            let mut ids = BTreeSet::new();
            let lines: Vec<_> = metrics(widget).iter().map(line).collect();
            for (_, options) in &lines {
                let id = options["id"].as_str().expect("an id");
                assert!(id.starts_with(|c: char| c.is_ascii_lowercase()), "{id}");
                assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{id}");
                assert!(ids.insert(id), "`{id}` stands twice in `{}`", title(widget));
                let unknown = options.keys().find(|key| !RENDERING.contains(&key.as_str()));
                assert_eq!(unknown, None, "{}", title(widget));
            }
            for (line, _) in &lines {
                if let Line::Math(text) = line {
                    let expression = Expression::parse(text).unwrap_or_else(|error| panic!("{error}"));
                    let unknown: Vec<&str> =
                        expression.references().into_iter().filter(|id| !ids.contains(id)).collect();
                    assert!(
                        unknown.is_empty() && !text.contains("FILL"),
                        "`{text}` of `{}`: {unknown:?}",
                        title(widget)
                    );
                }
            }
            assert!(
                metrics(widget).is_empty() || lines.iter().any(|(_, options)| options.get("visible").is_none()),
                "nothing shows in `{}`",
                title(widget)
            );
        }
    }
}

/// The metric and the statistic of a search, which has to be `SEARCH('{schema} MetricName="…"', '…')`, and the dimensions that it names.
fn searched<'a>(text: &'a str, environment: Option<&str>) -> (&'a str, Vec<&'a str>, &'a str) {
    let inner = text.strip_prefix("SEARCH('{").and_then(|rest| rest.strip_suffix("')")).expect("SEARCH('{…')");
    let (schema, rest) = inner.split_once("} MetricName=\"").expect("the schema ends before the metric's name");
    let (name, rest) = rest.split_once('"').expect("the metric's name is in quotes");
    let (only, statistic) = rest.split_once("', '").expect("the statistic is in quotes");
    assert_eq!(only, environment.map(|it| format!(" Environment=\"{it}\"")).unwrap_or_default(), "{text}");
    let (namespace, dimensions) = schema.split_once(',').expect("dimensions follow the namespace");
    // In quotes, since a namespace may have other characters than letters and digits ("Search expression syntax", CloudWatch user guide).
    assert_eq!(namespace, "\"Greenlight\"", "{text}");
    (name, dimensions.split(',').collect(), statistic)
}

#[test]
fn every_metric_on_it_is_published_with_these_dimensions() {
    let published = published();
    let sorted = |mut names: Vec<&'static str>| {
        names.sort_unstable();
        names
    };
    let published: BTreeSet<_> = published.into_iter().map(|(name, dimensions)| (name, sorted(dimensions))).collect();
    for environment in [None, Some("production")] {
        let body = body(&environment.map(|it| vec![("MetricsEnvironment", it)]).unwrap_or_default());
        let mut shown = BTreeSet::new();
        for (line, options) in widgets(&body).iter().flat_map(metrics).map(line) {
            let (name, mut dimensions, statistic) = match line {
                Line::Math(_) => continue,
                Line::Search(text) => searched(text, environment),
                Line::Metric { namespace, name, dimensions } => {
                    assert_eq!(namespace, "Greenlight");
                    assert_eq!(dimensions.get("Environment").copied(), environment, "{name}");
                    // The hooks that an AppSpec for ECS can have ("AppSpec 'hooks' section", CodeDeploy user guide); Lambda has two of them.
                    let event = dimensions.get("LifecycleEvent").copied().unwrap_or("BeforeAllowTraffic");
                    let events = [
                        "BeforeInstall",
                        "AfterInstall",
                        "AfterAllowTestTraffic",
                        "BeforeAllowTraffic",
                        "AfterAllowTraffic",
                    ];
                    assert!(events.contains(&event), "{event}");
                    (name, dimensions.into_keys().collect(), options["stat"].as_str().expect("a statistic"))
                }
            };
            dimensions.sort_unstable();
            let is_published = published.iter().any(|(known, with)| *known == name && *with == dimensions);
            assert!(is_published, "nobody publishes `{name}` with {dimensions:?}");
            assert!(["Sum", "Average", "SampleCount", "Maximum", "p50", "p95"].contains(&statistic), "{statistic}");
            shown.insert(name.to_owned());
        }
        let all: BTreeSet<String> = published.iter().map(|(name, _)| (*name).to_owned()).collect();
        // That somebody asked for the emergency lane is told at once, in Slack.
        assert_eq!(all.difference(&shown).collect::<Vec<_>>(), ["HookSkipped"]);
    }
}

#[test]
fn the_lines_are_doras_bands_and_the_alarms_thresholds() {
    let own = [("LeastSuccessRate", "90"), ("LongestDeploymentMinutes", "35"), ("MostRollbacksPerWeek", "4")];
    let body = body(&[&own[..], &[("LongestRecoveryMinutes", "11")]].concat());
    let lines = |named: &str| -> Vec<f64> {
        let widget = widgets(&body).iter().find(|widget| title(widget) == named).expect("there is the widget");
        let lines = widget.pointer("/properties/annotations/horizontal").and_then(Value::as_array);
        let lines = lines.map(Vec::as_slice).unwrap_or_default();
        assert!(lines.iter().all(|line| line["label"].as_str().is_some_and(|label| !label.is_empty())));
        lines.iter().map(|line| line["value"].as_f64().expect("a number")).collect()
    };
    let hours = |limit: Duration| limit.as_secs_f64() / 3600.0;
    assert_eq!(lines("Lead time from commit to production, by week"), LEAD_TIME.map(|(limit, _)| hours(limit)));
    assert_eq!(lines("Change failure rate, by week"), CHANGE_FAILURE_RATE.map(|(limit, _)| limit));
    let [elite, high, _] = RECOVERY.map(|(limit, _)| hours(limit) * 60.0);
    assert_eq!(lines("Recovery from a failed deployment, by week"), [11.0, elite, high]);
    // DORA's levels of it are of one application, and the widget adds up a fleet.
    assert_eq!(lines("Deployments, by week"), [0.0; 0]);
    assert_eq!(lines("Success rate, by week"), [90.0]);
    assert_eq!(lines("Duration, by week"), [35.0]);
    assert_eq!(lines("Rollbacks, by week"), [4.0]);
}

#[test]
fn the_alarms_on_it_are_those_of_the_template() {
    for (parameters, many) in [(&[][..], 5), (&[("DeliveryAlarms", "no")], 1)] {
        let (template, body) = (template(parameters), body(parameters));
        let widget = widgets(&body).iter().find(|widget| widget["type"] == "alarm").expect("there is an alarm widget");
        let shown: Vec<&str> =
            widget["properties"]["alarms"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        assert_eq!(shown.len(), many);
        assert!(shown.iter().all(|arn| template.alarms.iter().any(|alarm| alarm.arn == *arn)), "{shown:?}");
    }
}
