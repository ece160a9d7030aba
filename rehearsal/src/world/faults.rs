//! The scenario's faults: how often each may still strike, and whether it has. Knows nothing of what they do.

use crate::scenario::Fault;

/// A fault of the scenario.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) fault: Fault,
    /// How often it strikes yet; only of those that are counted.
    pub(crate) left: u32,
    /// Whether it has struck.
    pub(crate) struck: bool,
}

/// The faults of a scenario before anything has happened.
pub(crate) fn planned(faults: &[Fault]) -> Vec<Planned> {
    let planned = |fault: &Fault| {
        let left = match fault {
            Fault::Kill(fault) | Fault::Hang(fault) | Fault::Panic(fault) => fault.times,
            Fault::Duplicate { times, .. } => *times,
            Fault::Throttle(fault) | Fault::Break(fault) => fault.times,
            _ => 0,
        };
        Planned { fault: fault.clone(), left, struck: is_a_state(fault) }
    };
    faults.iter().map(planned).collect()
}

/// Whether it is a state of things, there from the start whoever looks.
fn is_a_state(fault: &Fault) -> bool {
    matches!(fault, Fault::RedAlarm { .. } | Fault::MuteAlarm { .. } | Fault::MissingAlarm { .. })
}

impl Planned {
    /// The fault in words, for the complaint that it never struck.
    pub(crate) fn spoken(&self) -> String {
        match &self.fault {
            Fault::Kill(fault) => format!("kill {} during {}", fault.function, fault.during),
            Fault::Hang(fault) => format!("hang {} during {}", fault.function, fault.during),
            Fault::Panic(fault) => format!("panic {} during {}", fault.function, fault.during),
            Fault::Duplicate { function, .. } => format!("duplicate {function}"),
            Fault::Throttle(fault) => format!("throttle {}", fault.call),
            Fault::Break(fault) => format!("break {}", fault.call),
            Fault::Slack(_) => "slack".to_owned(),
            Fault::Pagerduty(_) => "pagerduty".to_owned(),
            Fault::Events(fault) => format!("events {}", fault.detail_type.as_deref().unwrap_or_default()),
            Fault::RedAlarm { name } => format!("red_alarm {name}"),
            Fault::MuteAlarm { name } => format!("mute_alarm {name}"),
            Fault::MissingAlarm { name } => format!("missing_alarm {name}"),
        }
    }
}
