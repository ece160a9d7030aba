//! Alarms that the scenario tells of, one by one or as a storm: events in AWS's own shapes, whatever the metrics say. Knows nothing of what
//! the functions make of them.

#[cfg(test)]
mod tests;

use std::time::Duration;

use domain::time::Timestamp;
use serde_json::{Value, json};

use super::{ACCOUNT, Happening, REGION, World};
use crate::scenario::{AlarmForm, AlarmWord, InjectedAlarm, LISTENER, Storm, Suppression};
use crate::services::cloudwatch::{AlarmState, CloudWatch, Transition, state_change_event};
use crate::timeline::{Tone, Who};

/// The topic that notifications come from.
const TOPIC: &str = "alarms";
/// How old the state is that an alarm comes from.
const LONG_AGO: Duration = Duration::from_hours(24);
/// How far the alarms of a storm become red one after another.
const APART: Duration = Duration::from_millis(137);
/// The seed of every storm.
const SEED: u64 = 0x5DEE_CE66_D1CE_5EED;

/// One telling of a transition, ready to be delivered.
#[derive(Clone, Debug)]
pub(crate) enum Telling {
    /// An event for the bus.
    Event(Value),
    /// The payload of an alarm's action.
    Action(Value),
    /// Subject and message for a topic.
    Notification(String, String),
}

impl AlarmWord {
    fn state(self) -> AlarmState {
        match self {
            AlarmWord::Ok => AlarmState::Ok,
            AlarmWord::Alarm => AlarmState::Alarm,
            AlarmWord::InsufficientData => AlarmState::InsufficientData,
        }
    }
}

impl Suppression {
    fn word(self) -> &'static str {
        match self {
            Suppression::Alarm => "Alarm",
            Suppression::WaitPeriod => "WaitPeriod",
            Suppression::ExtensionPeriod => "ExtensionPeriod",
        }
    }
}

impl InjectedAlarm {
    /// A usual alarm of a storm.
    fn usual(name: &str, at: Duration, state: AlarmWord, form: AlarmForm) -> Self {
        let no_time = domain::time::Span(Duration::ZERO);
        Self {
            at: domain::time::Span(at),
            name: name.to_owned(),
            state,
            previous: None,
            since: no_time,
            form,
            suppressed_by: None,
            rule: None,
            account: None,
            times: 1,
            reason: None,
            datapoints: None,
            threshold: 1.0,
            metric: "HTTPCode_Target_5XX_Count".to_owned(),
            described: true,
        }
    }

    fn is_known(&self) -> bool {
        self.described && self.account.is_none()
    }

    fn previous(&self) -> AlarmState {
        match (self.previous, self.state) {
            (Some(previous), _) => previous.state(),
            (None, AlarmWord::Ok) => AlarmState::Alarm,
            (None, _) => AlarmState::Ok,
        }
    }

    /// The alarm's properties, where the template has none of that name.
    fn properties(&self) -> Value {
        let rule = self.rule.clone().or_else(|| self.suppressed_by.map(|_| format!("ALARM({}-first)", self.name)));
        if let Some(rule) = rule {
            let mut properties =
                json!({ "AlarmName": self.name, "AlarmDescription": "An alarm on alarms.", "AlarmRule": rule });
            if let (Some(_), Some(map)) = (self.suppressed_by, properties.as_object_mut()) {
                map.insert("ActionsSuppressor".to_owned(), json!(format!("{}-suppressor", self.name)));
                map.insert("ActionsSuppressorWaitPeriod".to_owned(), json!(120));
                map.insert("ActionsSuppressorExtensionPeriod".to_owned(), json!(180));
            }
            return properties;
        }
        let count = self.datapoints.as_ref().map_or(2, Vec::len).max(1);
        json!({
            "AlarmName": self.name, "AlarmDescription": "An alarm that the scenario tells of.",
            "Namespace": "AWS/ApplicationELB", "MetricName": self.metric, "Statistic": "Sum", "Period": 60,
            "Dimensions": [{ "Name": "LoadBalancer", "Value": "app/mangaassist/50dc6c495c0c9188" }],
            "EvaluationPeriods": count, "DatapointsToAlarm": count, "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": self.threshold, "TreatMissingData": "notBreaching",
        })
    }
}

/// Numbers without an order that anybody sees, the same in every run.
struct Scrambled(u64);

impl Scrambled {
    fn below(&mut self, limit: u64) -> u64 {
        // Knuth's MMIX generator; the high bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit.max(1)
    }
}

impl World {
    /// Creates the alarms that the scenario tells of, and sets the times at which it does.
    pub(crate) fn set_up_told_alarms(&mut self) {
        let told = self.scenario.alarms.clone();
        let mut storm = Vec::new();
        for (name, at) in
            self.scenario.storm.iter().flat_map(|storm| storm.alarms.iter().zip(std::iter::repeat(storm.at.0)))
        {
            storm.push(InjectedAlarm::usual(name, at, AlarmWord::Alarm, AlarmForm::Event));
        }
        let mut all: Vec<&InjectedAlarm> = told.iter().chain(&storm).filter(|alarm| alarm.is_known()).collect();
        all.sort_by_key(|alarm| alarm.at.0.saturating_sub(alarm.since.0));
        let mut known = std::collections::BTreeSet::new();
        for alarm in all {
            // Its state at the start is the one that its first transition comes from.
            if known.insert(alarm.name.clone()) {
                if let Err(error) = self.cloudwatch.put_told(&alarm.properties(), self.now.0) {
                    self.tell(
                        Who::CloudWatch,
                        Tone::Bad,
                        format!("cannot create the alarm `{}`: {}", alarm.name, error.message),
                    );
                }
                let before = self.now.minus(LONG_AGO);
                if let Some(record) = self.cloudwatch.imagine(&alarm.name, alarm.previous(), None, before.0) {
                    self.cloudwatch.turn(&alarm.name, record);
                }
            }
        }
        for (index, alarm) in told.iter().enumerate() {
            self.schedule(alarm.at.0.saturating_sub(alarm.since.0), Happening::AlarmTurns(index));
            self.schedule(alarm.at.0, Happening::AlarmTold(index));
        }
        if let Some(at) = self.scenario.storm.as_ref().map(|storm| storm.at.0) {
            self.schedule(at, Happening::Storm);
        }
        for (name, tags) in self.scenario.alarm_tags.clone() {
            self.cloudwatch.tag(&name, &tags);
        }
    }

    /// An alarm that the scenario tells of goes to its state; people and functions hear of it at its time.
    pub(crate) fn alarm_turns(&mut self, index: usize) {
        let Some(alarm) = self.scenario.alarms.get(index).cloned() else { return };
        let changed = self.started.plus(alarm.at.0).minus(alarm.since.0);
        self.turn_alarm(&alarm, changed);
    }

    fn turn_alarm(&mut self, alarm: &InjectedAlarm, changed: Timestamp) {
        let Some(transition) = self.transition_of(alarm, changed) else { return };
        let state = transition.current.value;
        let tone = if state == AlarmState::Alarm { Tone::Bad } else { Tone::Plain };
        let whose = alarm.account.as_ref().map_or_else(String::new, |account| format!(" of the account {account}"));
        let what = format!("alarm {}{whose} goes to {state}: {}", alarm.name, transition.current.reason);
        self.tell(Who::CloudWatch, tone, what);
        if alarm.is_known() {
            self.cloudwatch.turn(&alarm.name, transition.current);
            if state == AlarmState::Alarm {
                self.alarm_went_red(&alarm.name);
            }
        }
    }

    /// Tells of an alarm as often as the scenario says.
    pub(crate) fn alarm_told(&mut self, index: usize) {
        let Some(alarm) = self.scenario.alarms.get(index).cloned() else { return };
        let changed = self.started.plus(alarm.at.0).minus(alarm.since.0);
        let Some(telling) = self.telling(&alarm, changed) else { return };
        if alarm.times > 1 {
            let what = format!("tells of the alarm {} {} times", alarm.name, alarm.times);
            self.tell(Who::Rehearsal, Tone::Warning, what);
        }
        for _ in 0..alarm.times {
            self.deliver_telling(telling.clone());
        }
    }

    /// The transition that the scenario tells of, with all that AWS would say of it.
    fn transition_of(&mut self, alarm: &InjectedAlarm, changed: Timestamp) -> Option<Transition> {
        let mut alone = CloudWatch::new();
        let cloudwatch = if self.cloudwatch.alarm_state(&alarm.name).is_some() && alarm.account.is_none() {
            &self.cloudwatch
        } else {
            alone.put_told(&alarm.properties(), changed.minus(LONG_AGO).0).ok()?;
            &alone
        };
        let values = alarm.datapoints.as_deref();
        let mut current = cloudwatch.imagine(&alarm.name, alarm.state.state(), values, changed.0)?;
        if let Some(reason) = &alarm.reason {
            current.reason.clone_from(reason);
        }
        let previous = cloudwatch.imagine(&alarm.name, alarm.previous(), None, changed.minus(LONG_AGO).0)?;
        let suppressed = alarm.suppressed_by.map(Suppression::word);
        let mut transition = cloudwatch.transition(&alarm.name, previous, current, suppressed)?;
        if let Some(account) = &alarm.account {
            transition.arn = format!("arn:aws:cloudwatch:{REGION}:{account}:alarm:{}", alarm.name);
        }
        Some(transition)
    }

    fn telling(&mut self, alarm: &InjectedAlarm, changed: Timestamp) -> Option<Telling> {
        let transition = self.transition_of(alarm, changed)?;
        let account = alarm.account.as_deref().unwrap_or(ACCOUNT);
        Some(match alarm.form {
            AlarmForm::Event => {
                let mut event = state_change_event(&transition);
                if let Some(map) = event.as_object_mut() {
                    map.insert("account".to_owned(), json!(account));
                }
                Telling::Event(event)
            }
            AlarmForm::Action => Telling::Action(Self::action_payload(&transition)),
            AlarmForm::Sns => {
                let mut alone = CloudWatch::new();
                let known = self.cloudwatch.notification(&transition, account);
                let message = known.or_else(|| {
                    alone.put_told(&alarm.properties(), changed.minus(LONG_AGO).0).ok()?;
                    alone.notification(&transition, account)
                })?;
                Telling::Notification(Self::subject(&transition), message.to_string())
            }
        })
    }

    fn deliver_telling(&mut self, telling: Telling) {
        match telling {
            Telling::Event(event) => self.publish(event),
            Telling::Action(payload) => self.invoke_for_alarm(LISTENER, payload),
            // Whoever names the function as a topic's subscriber adds the permission for it; the template has none.
            Telling::Notification(subject, message) => {
                if let Some(function) = self.function_named(LISTENER) {
                    let topic = super::aws::arn("sns", TOPIC);
                    let event = self.notification_event(&topic, function, Some(&subject), &message);
                    self.invoke(function, event, super::DELIVERY);
                }
            }
        }
    }

    /// Very many events at once.
    pub(crate) fn storm(&mut self) {
        let Some(Storm { events, alarms, within, .. }) = self.scenario.storm.clone() else { return };
        let begin = self.now;
        self.tell(
            Who::Rehearsal,
            Tone::Warning,
            format!(
                "lets {events} alarm events of {} alarms come within {}",
                alarms.len(),
                domain::time::spoken(within.0)
            ),
        );
        let mut scrambled = Scrambled(SEED);
        let mut red = begin;
        let mut changed = Vec::new();
        for name in &alarms {
            self.turn_alarm(&InjectedAlarm::usual(name, Duration::ZERO, AlarmWord::Alarm, AlarmForm::Event), red);
            changed.push(red);
            red = red.plus(APART);
        }
        let millis = u64::try_from(within.0.as_millis()).unwrap_or(u64::MAX);
        for number in 0..events as usize {
            // Each alarm's own event is among them; the others are drawn.
            let of = if number < alarms.len() { number } else { scrambled.below(alarms.len() as u64) as usize };
            let (Some(name), Some(red)) = (alarms.get(of), changed.get(of).copied()) else { continue };
            let draw = if number < alarms.len() { 0 } else { scrambled.below(100) };
            let (state, form, at) = match draw {
                0..45 => (AlarmWord::Alarm, AlarmForm::Event, red),
                45..60 => (AlarmWord::Alarm, AlarmForm::Action, red),
                60..70 => (AlarmWord::Alarm, AlarmForm::Sns, red),
                // It had been red before, and has been well again in the meantime.
                70..82 => (AlarmWord::Ok, form_of(draw), red.minus(Duration::from_secs(30 + scrambled.below(60)))),
                _ => (AlarmWord::Alarm, form_of(draw), red.minus(Duration::from_mins(90 + scrambled.below(30)))),
            };
            let after = Duration::from_millis(scrambled.below(millis));
            let alarm = InjectedAlarm::usual(name, Duration::ZERO, state, form);
            if let Some(telling) = self.telling(&alarm, at) {
                self.schedule(after, Happening::Told(Box::new(telling)));
            }
        }
    }

    /// One event of the storm arrives.
    pub(crate) fn told(&mut self, telling: Telling) {
        self.deliver_telling(telling);
    }
}

/// The form of an event that is drawn: most come over the bus.
fn form_of(draw: u64) -> AlarmForm {
    match draw % 5 {
        0 => AlarmForm::Action,
        1 => AlarmForm::Sns,
        _ => AlarmForm::Event,
    }
}
