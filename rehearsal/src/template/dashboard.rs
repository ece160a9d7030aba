//! Reads an `AWS::CloudWatch::Dashboard`: its body is JSON in a text, which CloudWatch reads only when the stack is deployed.
//!
//! Knows nothing of the metrics that the widgets show.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::error::{Problem, TemplateError};
use super::fleet::Resource;
use super::model::Dashboard;

/// The types of widgets ("Dashboard Body Structure and Syntax", CloudWatch API reference).
const TYPES: [&str; 7] = ["alarm", "chart", "custom", "explorer", "log", "metric", "text"];
/// The members of a body (the same page).
const MEMBERS: [&str; 5] = ["end", "periodOverride", "start", "variables", "widgets"];
/// The most widgets of a dashboard (the same page).
const MOST_WIDGETS: usize = 500;
/// The columns of the grid (the same page).
const COLUMNS: u64 = 24;
/// How wide a widget is that does not say (the same page).
const USUAL_WIDTH: u64 = 6;

/// Reads the dashboard. What CloudWatch would refuse or leave out is an error.
pub(super) fn read(resource: &Resource<'_>) -> Result<Dashboard, TemplateError> {
    let properties = resource.properties(&["DashboardName", "DashboardBody"], &["Tags"])?;
    let place = resource.place(&properties);
    let identity = resource.identity()?;
    let letters = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    if let Some(name) = place.get("DashboardName")?
        && (identity.name.len() > 255 || identity.name.is_empty() || !identity.name.chars().all(letters))
    {
        return name.wrong("a name of 1 to 255 letters, digits, `-` and `_`");
    }
    let body = place.need("DashboardBody")?;
    let text = body.text()?;
    match parse(&text) {
        Ok(read) => Ok(Dashboard { logical_id: resource.logical_id.to_owned(), name: identity.name, body: read }),
        Err(problem) => body.fail(Problem::Dashboard(problem)),
    }
}

fn parse(text: &str) -> Result<Value, String> {
    let body: Value = serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
    let Some(members) = body.as_object() else { return Err("is not a JSON object".to_owned()) };
    if let Some(unknown) = members.keys().find(|member| !MEMBERS.contains(&member.as_str())) {
        return Err(format!("has an unknown member `{unknown}`; known are {}", MEMBERS.join(", ")));
    }
    let Some(widgets) = body.get("widgets").and_then(Value::as_array) else {
        return Err("has no list `widgets`".to_owned());
    };
    if widgets.len() > MOST_WIDGETS {
        return Err(format!("has {} widgets, more than the {MOST_WIDGETS} that CloudWatch takes", widgets.len()));
    }
    for (index, one) in widgets.iter().enumerate() {
        widget(one).map_err(|problem| {
            let title = one.pointer("/properties/title").and_then(Value::as_str);
            let title = title.map_or_else(String::new, |title| format!(" (`{title}`)"));
            format!("has in `widgets[{index}]`{title} {problem}")
        })?;
    }
    Ok(body)
}

/// A whole number within a range, where it is given.
fn whole(widget: &Value, member: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, String> {
    let Some(value) = widget.get(member) else { return Ok(None) };
    match value.as_u64().filter(|number| range.contains(number)) {
        Some(number) => Ok(Some(number)),
        None if *range.end() == u64::MAX => {
            Err(format!("`{member}` {value}, which is no whole number from {}", range.start()))
        }
        None => Err(format!("`{member}` {value}, which is no whole number from {} to {}", range.start(), range.end())),
    }
}

fn widget(widget: &Value) -> Result<(), String> {
    let kind = widget.get("type").and_then(Value::as_str).unwrap_or_default();
    if !TYPES.contains(&kind) {
        return Err(format!("the type `{kind}`, which CloudWatch does not know; it knows {}", TYPES.join(", ")));
    }
    let column = whole(widget, "x", 0..=COLUMNS - 1)?;
    let width = whole(widget, "width", 1..=COLUMNS)?.unwrap_or(USUAL_WIDTH);
    whole(widget, "y", 0..=u64::MAX)?;
    whole(widget, "height", 1..=1000)?;
    if column.is_some_and(|column| column + width > COLUMNS) {
        return Err(format!("`x` and `width` that reach beyond the {COLUMNS} columns of the grid"));
    }
    let Some(properties) = widget.get("properties").filter(|properties| properties.is_object()) else {
        return Err("no object `properties`".to_owned());
    };
    let needs: &[&str] = match kind {
        "text" => &["markdown"],
        "alarm" => &["alarms"],
        "metric" => &["region"],
        "log" => &["region", "query"],
        _ => &[],
    };
    if let Some(missing) = needs.iter().find(|member| properties.get(**member).is_none()) {
        return Err(format!("no `{missing}` in its `properties`, which a widget of the type `{kind}` needs"));
    }
    let shows = properties.get("metrics").is_some() || properties.pointer("/annotations/alarms").is_some();
    if kind == "metric" && !shows {
        return Err("neither `metrics` nor an alarm among its `annotations` to show".to_owned());
    }
    Ok(())
}
