//! Metric filters on logs: what is read of them, and what is refused.

use super::{read, read_with, refuses};
use crate::template::MetricFilter;

/// A filter with this pattern and this transformation, on lines 7 and 8.
fn sections(pattern: &str, transformation: &str) -> String {
    format!(
        "Resources:
  F:
    Type: AWS::Logs::MetricFilter
    Properties:
      LogGroupName: /ecs/shop
      FilterPattern: {pattern}
      MetricTransformations: {transformation}
"
    )
}

const PLAIN: &str = "[{MetricNamespace: Shop, MetricName: errors, MetricValue: '1'}]";

fn filter(pattern: &str, transformation: &str) -> MetricFilter {
    read(&sections(pattern, transformation)).metric_filters.pop().expect("the template has one filter")
}

#[test]
fn a_filter_is_read_with_all_that_it_publishes() {
    let plain = filter("ERROR", PLAIN);
    assert_eq!((plain.logical_id.as_str(), plain.log_group.as_str()), ("F", "/ecs/shop"));
    assert_eq!((plain.namespace.as_str(), plain.metric.as_str(), plain.value), ("Shop", "errors", 1.0));
    assert_eq!((plain.default_value, plain.unit.as_str(), plain.dimensions.len()), (None, "None", 0));
    assert!(plain.pattern.fits("an ERROR") && !plain.pattern.fits("all is well"));
    let rich = filter("''", "[{MetricNamespace: S, MetricName: m, MetricValue: 0.5, Unit: Count, DefaultValue: 0}]");
    assert_eq!((rich.value, rich.default_value, rich.unit.as_str()), (0.5, Some(0.0), "Count"));
    assert!(rich.pattern.fits("anything"), "the empty pattern fits every line");
    let split = filter(
        "ERROR",
        "[{MetricNamespace: S, MetricName: m, MetricValue: 1, Dimensions: [{Key: Service, Value: $.app.name}]}]",
    );
    assert_eq!(split.dimensions["Service"], "/app/name");
}

#[test]
fn a_filter_that_cannot_be_counted_by_is_refused() {
    refuses(
        &sections("'{ $.level = \"error\" }'", PLAIN),
        "template line 7, `F.Properties.FilterPattern`: a pattern on the fields of JSON lines (`{ $.level = \"error\" }`) \
         cannot be rehearsed; give another pattern to the rehearsal, with `--parameter` for one",
    );
    let refused = |transformation: &str, message: &str| {
        let error = read_with(&sections("ERROR", transformation), &[]).expect_err("the filter should be refused");
        let error = error.to_string();
        assert!(
            error.starts_with("template line 8, `F.Properties.MetricTransformations") && error.contains(message),
            "{error}"
        );
    };
    refused("[]", "needs exactly one transformation");
    refused("[{MetricNamespace: S, MetricName: m}]", "`MetricValue` is missing");
    refused(
        "[{MetricNamespace: S, MetricName: m, MetricValue: $.took}]",
        "the value `$.took`, taken out of a line, cannot be rehearsed; count the lines",
    );
    refused("[{MetricNamespace: S, MetricName: m, MetricValue: many}]", "needs a number, saw `\"many\"`");
    refused("[{MetricNamespace: S, MetricName: m, MetricValue: 1, Filter: x}]", "unknown property `Filter`");
    refused(
        "[{MetricNamespace: S, MetricName: m, MetricValue: 1, DefaultValue: 0, Dimensions: [{Key: a, Value: $.a}]}]",
        "needs no dimensions beside a default value",
    );
    refused(
        "[{MetricNamespace: S, MetricName: m, MetricValue: 1, Dimensions: [{Key: a, Value: shop}]}]",
        "needs a field of a JSON line, such as `$.service`, saw `\"shop\"`",
    );
    let transformed = sections("ERROR", PLAIN) + "      ApplyOnTransformedLogs: true\n";
    let error = read_with(&transformed, &[]).unwrap_err().to_string();
    assert!(error.starts_with("template line 9, `F.Properties.ApplyOnTransformedLogs`: unknown property"), "{error}");
}
