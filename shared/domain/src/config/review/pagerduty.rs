//! What the types cannot rule out of `pagerduty`. Pure.

use std::collections::BTreeSet;

use crate::config::load::Remark;
use crate::config::path::Path;
use crate::config::service::Service;
use crate::config::tell::{OTHERS, PagerDuty};
use crate::text::{bounded, nearest};

/// A misspelt environment would leave the severity that was meant for it unused, and nobody would notice before the night on which it counts.
pub(super) fn review(pagerduty: &PagerDuty, services: &[Service], at: &Path, remarks: &mut Vec<Remark>) {
    let known: BTreeSet<&str> = services.iter().map(|service| service.environment.as_str()).collect();
    if known.is_empty() {
        return;
    }
    for (key, map) in [("severity", &pagerduty.severity), ("severity_when_safe", &pagerduty.severity_when_safe)] {
        for name in map.keys().filter(|name| *name != OTHERS && !known.contains(name.as_str())) {
            let instead = if let Some(near) = nearest(name, known.iter().copied()) {
                format!("; did you mean `{near}`?")
            } else {
                let known: Vec<&str> = known.iter().copied().collect();
                format!(
                    ": theirs are {}, and `\"*\"` stands for all that are not named",
                    bounded(&known.join(", "), 200)
                )
            };
            let message = format!("no service has the environment `{}`{instead}", bounded(name, 60));
            let remark = Remark::new(at.key(key).key(name), message);
            // A service that could not be read may be the one that has it.
            remarks.push(Remark { rests_on_names: true, ..remark });
        }
    }
}
