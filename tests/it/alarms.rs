//! The canary alarms of `template.yaml`, as the template defines them, on metrics given minute by minute: when each fires, when it does not, and
//! when it is quiet again. A table has one letter for each minute, the alarm's state at its end: `A` for ALARM, `.` for OK, `?` for INSUFFICIENT_DATA.

mod function;
mod parameters;
mod service;

use rehearsal::services::cloudwatch::CloudWatch;
use rehearsal::template::Template;

use crate::project::project;
use crate::watch::{letter, named, template, watching};

const MINUTE: i64 = 60_000;
/// A Monday morning.
const START: i64 = 1_767_603_600_000;

/// A metric's name and dimensions, and its values with how often each was seen.
type Metric = (&'static str, &'static str, Vec<(&'static str, &'static str)>, Vec<(f64, f64)>);
/// Everything that was measured in a minute.
type Minute = Vec<Metric>;

fn publish(cloudwatch: &mut CloudWatch, minute: &Minute, at: i64) {
    for (namespace, metric, dimensions, values) in minute {
        let dimensions = dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        cloudwatch.put_values(namespace, metric, dimensions, at, values, "Count");
    }
}

#[track_caller]
fn check_on(template: &Template, alarm: &str, minutes: impl IntoIterator<Item = Minute>, expected: &str) {
    let alarm = named(template, alarm).expect("the template has the alarm");
    let mut cloudwatch = watching(alarm, START);
    let mut seen = String::new();
    for (minute, at) in minutes.into_iter().zip((START..).step_by(60_000)) {
        publish(&mut cloudwatch, &minute, at);
        cloudwatch.evaluate(at + MINUTE);
        seen.push(letter(&cloudwatch, &alarm.name));
    }
    assert_eq!(seen, expected, "{}", alarm.name);
}

#[track_caller]
fn check(alarm: &str, minutes: impl IntoIterator<Item = Minute>, expected: &str) {
    check_on(&project().template, alarm, minutes, expected);
}
