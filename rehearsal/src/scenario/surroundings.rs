//! What lies around a scenario's deployments: alarms that are told of, other teams' deployments, what was deployed before. Knows nothing of
//! how it is made to happen.

use domain::config::Config;
use domain::deployment::Status;
use domain::time::Span;
use serde::Deserialize;

use super::Scenario;
use super::check::{ENDINGS, known};
use crate::template::Template;

/// A transition of an alarm that the scenario tells of, whatever the metrics say.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InjectedAlarm {
    /// When it is told, counted from the scenario's start.
    pub at: Span,
    /// The alarm's name; it need not stand in the template.
    pub name: String,
    /// The state that it goes to.
    #[serde(default = "alarm")]
    pub state: AlarmWord,
    /// The state that it comes from; when not given, `OK`, and `ALARM` where it goes to `OK`.
    #[serde(default)]
    pub previous: Option<AlarmWord>,
    /// How long before `at` it went there: the event is late, or the alarm was red before the deployment began.
    #[serde(default = "super::no_time")]
    pub since: Span,
    /// The way by which it is told.
    #[serde(default)]
    pub form: AlarmForm,
    /// What keeps the alarm's actions from running; it is a composite one then.
    #[serde(default)]
    pub suppressed_by: Option<Suppression>,
    /// The rule of a composite alarm.
    #[serde(default)]
    pub rule: Option<String>,
    /// The account that it belongs to, when it is another one.
    #[serde(default)]
    pub account: Option<String>,
    /// How often the same event is delivered.
    #[serde(default = "once")]
    pub times: u32,
    /// CloudWatch's sentence; made from threshold and data points when not given.
    #[serde(default)]
    pub reason: Option<String>,
    /// The data points that were looked at, the newest first; when not given, two that fit the state.
    #[serde(default)]
    pub datapoints: Option<Vec<f64>>,
    /// The threshold.
    #[serde(default = "one")]
    pub threshold: f64,
    /// The metric's name.
    #[serde(default = "usual_metric")]
    pub metric: String,
    /// Whether CloudWatch's API knows the alarm and its state; `false` for an event alone.
    #[serde(default = "yes")]
    pub described: bool,
}

fn alarm() -> AlarmWord {
    AlarmWord::Alarm
}
fn once() -> u32 {
    1
}
fn one() -> f64 {
    1.0
}
fn usual_metric() -> String {
    "HTTPCode_Target_5XX_Count".to_owned()
}
fn yes() -> bool {
    true
}

/// A state of an alarm, as CloudWatch writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmWord {
    /// Within the threshold.
    Ok,
    /// Beyond it.
    Alarm,
    /// Nobody knows.
    InsufficientData,
}

/// The way by which an alarm's transition is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmForm {
    /// An event on the event bus, which every alarm sends.
    #[default]
    Event,
    /// The alarm's action invokes `alarm-rollback` itself.
    Action,
    /// The alarm's action publishes to a topic that `alarm-rollback` subscribes to.
    Sns,
}

/// What keeps the actions of a composite alarm from running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Suppression {
    /// The suppressor alarm is red.
    Alarm,
    /// It may yet become red.
    WaitPeriod,
    /// It was red until a moment ago.
    ExtensionPeriod,
}

/// Very many alarm events at once: transitions to `ALARM`, the same events again, transitions to `OK`, older ones, in all three forms and in
/// no order, which is the same in every run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storm {
    /// When it begins, counted from the scenario's start.
    pub at: Span,
    /// How many events.
    pub events: u32,
    /// The alarms that they are of.
    pub alarms: Vec<String>,
    /// How long it lasts.
    #[serde(default = "two_seconds")]
    pub within: Span,
}

fn two_seconds() -> Span {
    Span(std::time::Duration::from_secs(2))
}

/// What else is in the account: applications and deployment groups of other teams, and their deployments, which nobody in the scenario looks
/// after.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// How many deployment groups.
    pub deployment_groups: u32,
    /// In how many of them a deployment is in flight, from before the scenario's start to after its end.
    #[serde(default)]
    pub in_flight: u32,
    /// How many deployments have ended before the scenario's start.
    #[serde(default)]
    pub ended: u32,
    /// How many applications the groups belong to.
    #[serde(default = "once")]
    pub applications: u32,
}

/// A deployment that had ended before the scenario began.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Past {
    /// The service's name in the configuration.
    pub service: String,
    /// How long before the scenario's start it ended.
    pub ended: Span,
    /// `Succeeded`, `Failed` or `Stopped`.
    #[serde(default = "succeeded")]
    pub status: Status,
    /// The number of the version that it brought; the one that serves at the start when not given.
    #[serde(default)]
    pub version: Option<u32>,
    /// How that version behaves, should it come back; as the scenario's `blue` when not given.
    #[serde(default)]
    pub behaviour: Option<super::Behaviour>,
    /// Where its AppSpec lies and how it is written.
    #[serde(default)]
    pub app_spec: super::AppSpecForm,
    /// The description that the pipeline wrote; the version's commit when not given.
    #[serde(default)]
    pub description: Option<String>,
    /// How long it took, the termination wait included.
    #[serde(default = "eight_minutes")]
    pub took: Span,
    /// How long the old task set was kept after the shift (ECS).
    #[serde(default = "super::no_time")]
    pub termination_wait: Span,
    /// Whether it was counted when it ended, as the table remembers; with `false` nobody has, though the group was counted by then.
    #[serde(default = "yes")]
    pub counted: bool,
}

fn eight_minutes() -> Span {
    Span(std::time::Duration::from_mins(8))
}

fn succeeded() -> Status {
    Status::Succeeded
}

/// Who is told of alarms by their actions.
pub(crate) const LISTENER: &str = "alarm-rollback";

impl Scenario {
    /// The alarms that there are: the template's, and those that the scenario tells of.
    pub(super) fn alarm_names<'a>(&'a self, template: &'a Template) -> impl Iterator<Item = &'a str> {
        let of_the_template = template.alarms.iter().map(|alarm| alarm.name.as_str());
        let told = self.alarms.iter().map(|alarm| alarm.name.as_str());
        let storm = self.storm.iter().flat_map(|storm| &storm.alarms).map(String::as_str);
        of_the_template.chain(told).chain(storm)
    }

    pub(super) fn check_surroundings(&self, template: &Template, config: &Config) -> Result<(), String> {
        let by_action = self.alarms.iter().any(|alarm| alarm.form != AlarmForm::Event) || self.storm.is_some();
        if by_action {
            known("function", LISTENER, template.functions.iter().map(|function| function.binary.as_str()))?;
        }
        for alarm in &self.alarms {
            if alarm.times == 0 {
                return Err(format!("the alarm `{}` is told of 0 times; leave it out", alarm.name));
            }
            if alarm.suppressed_by.is_some() && alarm.form != AlarmForm::Event {
                return Err(format!(
                    "the alarm `{}` is suppressed, so that its actions do not run; only `form: event` can tell of it",
                    alarm.name
                ));
            }
        }
        if let Some(storm) = &self.storm
            && (storm.alarms.is_empty() || (storm.events as usize) < storm.alarms.len() || storm.within.0.is_zero())
        {
            return Err("a `storm` needs `alarms`, at least one event for each, and some time `within`".to_owned());
        }
        for alarm in self.alarm_tags.keys() {
            known("alarm", alarm, self.alarm_names(template))?;
        }
        for past in &self.history {
            known("service", &past.service, config.services.iter().map(|service| service.name.as_str()))?;
            known("status of a deployment", past.status.as_str(), ENDINGS)?;
            if past.termination_wait.0 >= past.took.0 {
                return Err(format!(
                    "a past deployment of `{}` took no longer than its `termination_wait`",
                    past.service
                ));
            }
        }
        let Some(account) = self.account else { return Ok(()) };
        if account.applications == 0 || account.in_flight > account.deployment_groups.min(1000) {
            return Err(format!(
                "the `account` needs `applications`, and at most one deployment in flight for each of its {} groups (and 1000 in all, \
                 which is CodeDeploy's limit)",
                account.deployment_groups
            ));
        }
        Ok(())
    }
}
