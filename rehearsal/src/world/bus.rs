//! EventBridge: events in, invocations out, by the event patterns of the template; duplicated, delayed and lost as the scenario says.
//! Knows nothing of who publishes or of what the events mean.

use serde_json::{Value, json};

use super::{ACCOUNT, DELIVERY, Happening, REGION, World};
use crate::scenario::Fault;
use crate::template::{EventSource, ScheduleService};
use crate::timeline::{Tone, Who};

impl World {
    /// Publishes an event; whatever the envelope lacks is filled in.
    pub(crate) fn publish(&mut self, mut event: Value) {
        let number = self.fresh();
        let usual = [
            ("version", json!("0")),
            ("id", json!(format!("00000000-0000-4000-9000-{number:012}"))),
            ("account", json!(ACCOUNT)),
            // EventBridge writes whole seconds.
            ("time", json!(domain::time::Timestamp(self.now.0 / 1000 * 1000).to_string().replace(".000Z", "Z"))),
            ("region", json!(REGION)),
            ("resources", json!([])),
        ];
        if let Some(map) = event.as_object_mut() {
            for (key, value) in usual {
                map.entry(key).or_insert(value);
            }
        }
        let kind = event.get("detail-type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let (mut copies, mut delay, mut lost) = (1, DELIVERY, false);
        for planned in &mut self.faults {
            if let Fault::Events(fault) = &planned.fault
                && fault.detail_type.as_ref().is_none_or(|wanted| *wanted == kind)
            {
                planned.struck = true;
                copies += fault.duplicate;
                lost |= fault.lose;
                delay += fault.delay.map(|span| span.0).unwrap_or_default();
            }
        }
        if lost {
            self.tell(Who::Rehearsal, Tone::Warning, format!("loses the event `{kind}`"));
            return;
        }
        if copies > 1 {
            self.tell(Who::Rehearsal, Tone::Warning, format!("delivers the event `{kind}` {copies} times"));
        }
        for _ in 0..copies {
            self.schedule(delay, Happening::Publish(Box::new(event.clone())));
        }
    }

    /// Hands an event to every function whose rule matches.
    pub(crate) fn route(&mut self, event: &Value) {
        let template = std::sync::Arc::clone(&self.template);
        for (index, function) in template.functions.iter().enumerate() {
            for source in &function.events {
                if let EventSource::Rule(rule) = source
                    && rule.enabled
                    && rule.pattern.matches(event)
                {
                    self.invoke(index, event.clone(), DELIVERY);
                }
            }
        }
    }

    pub(crate) fn set_up_schedules(&mut self) {
        let template = std::sync::Arc::clone(&self.template);
        for (index, function) in template.functions.iter().enumerate() {
            for (position, source) in function.events.iter().enumerate() {
                if let EventSource::Schedule(schedule) = source {
                    self.schedule_next(index, position, schedule);
                }
            }
        }
    }

    fn schedule_next(&mut self, index: usize, position: usize, schedule: &crate::template::Schedule) {
        let now = u64::try_from(self.now.0).unwrap_or_default();
        let next = schedule.expression.next_after(now).and_then(|next| i64::try_from(next).ok());
        if let (Some(next), true) = (next, schedule.enabled) {
            let after = domain::time::Timestamp(next).since(self.now);
            self.schedule(after, Happening::Scheduled(index, position));
        }
    }

    pub(crate) fn scheduled(&mut self, index: usize, position: usize) {
        let template = std::sync::Arc::clone(&self.template);
        let Some(function) = template.functions.get(index) else { return };
        let Some(EventSource::Schedule(schedule)) = function.events.get(position) else { return };
        let number = self.fresh();
        let (source, detail) = match schedule.service {
            ScheduleService::Rules => ("aws.events", json!({})),
            // EventBridge Scheduler writes its empty detail as a text.
            ScheduleService::Scheduler => ("aws.scheduler", json!("{}")),
        };
        let usual = json!({
            "version": "0", "id": format!("00000000-0000-4000-9000-{number:012}"),
            "detail-type": "Scheduled Event", "source": source, "account": ACCOUNT,
            "time": self.now.to_string().replace(".000Z", "Z"), "region": REGION,
            "resources": [schedule.arn],
            "detail": detail,
        });
        let event = schedule.input.clone().unwrap_or(usual);
        self.invoke(index, event, DELIVERY);
        self.schedule_next(index, position, schedule);
    }
}
