//! Reads an `AWS::Logs::MetricFilter`: which lines of which log group become which metric.
//!
//! Knows nothing of the lines.

use std::collections::BTreeMap;

use super::error::TemplateError;
use super::fleet::Resource;
use super::model::MetricFilter;
use super::place::Place;
use crate::services::log_pattern::LogPattern;

/// Reads the filter. Everything in it is needed, because the lines are really counted.
pub(super) fn read(resource: &Resource<'_>) -> Result<MetricFilter, TemplateError> {
    const READ: [&str; 4] = ["FilterName", "LogGroupName", "FilterPattern", "MetricTransformations"];
    let properties = resource.properties(&READ, &[])?;
    let place = resource.place(&properties);
    let pattern = place.need("FilterPattern")?;
    let pattern = match LogPattern::parse(&pattern.text()?) {
        Ok(read) => read,
        Err(problem) => {
            return pattern.unsupported(problem, "give another pattern to the rehearsal, with `--parameter` for one");
        }
    };
    let transformations = place.need("MetricTransformations")?;
    let all = transformations.items()?;
    // "You must include exactly one" (CloudFormation, "AWS::Logs::MetricFilter").
    let [metric] = all.as_slice() else { return transformations.wrong("exactly one transformation") };
    metric.only("property", &["MetricNamespace", "MetricName", "MetricValue", "DefaultValue", "Unit", "Dimensions"])?;
    let default_value = metric.get("DefaultValue")?.map(|value| number(&value)).transpose()?;
    let dimensions = match metric.get("Dimensions")? {
        // "If you specify dimensions, you can't specify a default value" (the same page, "DefaultValue").
        Some(dimensions) if default_value.is_some() => return dimensions.wrong("no dimensions beside a default value"),
        Some(dimensions) => self::dimensions(&dimensions)?,
        None => BTreeMap::new(),
    };
    Ok(MetricFilter {
        logical_id: resource.logical_id.to_owned(),
        log_group: place.need("LogGroupName")?.text()?,
        pattern,
        namespace: metric.need("MetricNamespace")?.text()?,
        metric: metric.need("MetricName")?.text()?,
        value: number(&metric.need("MetricValue")?)?,
        default_value,
        unit: metric.get("Unit")?.map_or(Ok("None".to_owned()), |unit| unit.text())?,
        dimensions,
    })
}

fn number(place: &Place<'_>) -> Result<f64, TemplateError> {
    let text = place.text()?;
    if text.starts_with('$') {
        return place.unsupported(
            format!("the value `{text}`, taken out of a line,"),
            "count the lines, with `MetricValue: \"1\"`",
        );
    }
    text.parse().or_else(|_| place.wrong("a number"))
}

fn dimensions(place: &Place<'_>) -> Result<BTreeMap<String, String>, TemplateError> {
    let read = |dimension: &Place<'_>| {
        dimension.only("property", &["Key", "Value"])?;
        let field = dimension.need("Value")?;
        let path = field.text()?;
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        match path.strip_prefix("$.").filter(|path| path.chars().all(plain)) {
            Some(path) => Ok((dimension.need("Key")?.text()?, format!("/{}", path.replace('.', "/")))),
            None => field.wrong("a field of a JSON line, such as `$.service`"),
        }
    };
    place.items()?.iter().map(read).collect()
}
