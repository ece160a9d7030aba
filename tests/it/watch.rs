//! The template with parameters of its own, and one of its alarms alone in an account.

use rehearsal::services::cloudwatch::{AlarmState, CloudWatch};
use rehearsal::template::{Alarm, Template};

use crate::project::root;

/// `template.yaml` with these parameters.
pub(crate) fn template(parameters: &[(&str, &str)]) -> Template {
    let text = std::fs::read_to_string(root().join("template.yaml")).expect("the template is there");
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Template::read(&text, &parameters).unwrap_or_else(|error| panic!("{error}"))
}

/// The alarm of this name.
pub(crate) fn named<'a>(template: &'a Template, name: &str) -> Option<&'a Alarm> {
    template.alarms.iter().find(|alarm| alarm.name == name)
}

/// A CloudWatch that has this alarm and nothing else; the alarm has been evaluated once, without any data.
pub(crate) fn watching(alarm: &Alarm, start: i64) -> CloudWatch {
    let mut cloudwatch = CloudWatch::new();
    cloudwatch.put_alarm(&alarm.properties, start).expect("the alarm can be evaluated");
    cloudwatch.evaluate(start);
    assert_eq!(cloudwatch.alarm_state(&alarm.name), Some(AlarmState::Ok), "without any data it is OK");
    cloudwatch
}

/// The alarm's state: `A` for ALARM, `.` for OK, `?` for neither.
pub(crate) fn letter(cloudwatch: &CloudWatch, alarm: &str) -> char {
    match cloudwatch.alarm_state(alarm) {
        Some(AlarmState::Alarm) => 'A',
        Some(AlarmState::Ok) => '.',
        _ => '?',
    }
}
