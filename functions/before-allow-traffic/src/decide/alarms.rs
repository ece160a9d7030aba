//! Whether the alarms that would end the deployment are quiet and able to speak: those of the configuration and those on the
//! deployment group. Pure.

use domain::alarm::{AlarmReading, AlarmState, MOST_GROUP_ALARMS};
use domain::emergency::HOW_TO_ASK;
use domain::hook::Outcome;
use domain::text::{bounded, count};

use super::{REASON, Seen, listed, settled, unread};
use crate::facts::AlarmFacts;

/// `alarms_quiet`, of the configuration's alarms and of the group's; does not apply where there are none. Those with `action: alert` end no
/// deployment, so all they can do is degrade: one that is missing or red tells nobody of what comes.
pub(super) fn quiet(configured: &[String], alerts: &[String], facts: &AlarmFacts) -> Option<Seen> {
    let group = facts.group.as_ref().ok();
    let watched = group.filter(|group| group.enabled).map(|group| group.names.as_slice()).unwrap_or_default();
    let is_watched = |name: &str| watched.iter().any(|one| one == name);
    let mut names: Vec<&str> = configured.iter().map(String::as_str).collect();
    names.extend(watched.iter().map(String::as_str).filter(|name| !configured.iter().any(|one| one == name)));
    let alerts: Vec<&str> = alerts.iter().map(String::as_str).filter(|name| !names.contains(name)).collect();
    let looked_at = names.len() + alerts.len();
    let mut parts = of_the_group(facts);
    if names.is_empty() && alerts.is_empty() && parts.is_empty() {
        return None;
    }
    let readings = match &facts.readings {
        Ok(readings) => readings.as_slice(),
        Err(_) if looked_at == 0 => &[],
        Err(why) => return Some(unread("the alarms", why)),
    };
    parts.extend(of_alerts(&alerts, readings));
    let readings: Vec<&AlarmReading> = readings.iter().filter(|one| !alerts.contains(&one.name.as_str())).collect();
    let in_state =
        |state: &AlarmState| readings.iter().copied().filter(|one| one.state == *state).collect::<Vec<&AlarmReading>>();
    let red = in_state(&AlarmState::Alarm);
    if !red.is_empty() {
        let each: Vec<String> = red
            .iter()
            .map(|one| format!("`{}` is in ALARM{}: {}", one.name, since(one), bounded(&one.reason, REASON)))
            .collect();
        let native = red.iter().find(|one| is_watched(&one.name)).map(|one| one.name.as_str());
        parts.push((Outcome::Fail, format!("{}; {}", listed(&each), way_out(native))));
    }
    let (ours, theirs): (Vec<&str>, Vec<&str>) = names
        .iter()
        .filter(|name| readings.iter().all(|reading| reading.name != **name))
        .partition(|name| configured.iter().any(|one| one == *name));
    if !ours.is_empty() {
        let each: Vec<String> = ours.iter().map(|name| format!("`{name}` does not exist in CloudWatch")).collect();
        let hint = "create it, or correct its name under `alarms` in config/greenlight.yaml";
        parts.push((Outcome::Inconclusive, format!("{}; {hint}", listed(&each))));
    }
    if !theirs.is_empty() {
        let each: Vec<String> = theirs
            .iter()
            .map(|name| format!("`{name}` on the deployment group does not exist in CloudWatch"))
            .collect();
        parts.push((Outcome::Degraded, listed(&each)));
    }
    let mute = in_state(&AlarmState::InsufficientData);
    if !mute.is_empty() {
        let each: Vec<String> = mute.iter().map(|one| format!("`{}` has no data{}", one.name, since(one))).collect();
        parts.push((Outcome::Degraded, format!("{}: it could not tell if the new version were bad", listed(&each))));
    }
    let strange: Vec<String> = readings
        .iter()
        .filter(|one| matches!(one.state, AlarmState::Other(_)))
        .map(|one| format!("`{}` is in the state `{}`, which is not known here", one.name, one.state))
        .collect();
    if !strange.is_empty() {
        parts.push((Outcome::Inconclusive, listed(&strange)));
    }
    // The worst first; among equals the order stays.
    parts.sort_by_key(|(outcome, _)| std::cmp::Reverse(*outcome));
    let observed = parts.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("; ");
    Some(match parts.first() {
        Some((outcome, _)) if *outcome != Outcome::Pass => settled(*outcome, observed),
        _ if observed.is_empty() => settled(Outcome::Pass, format!("{} quiet", count(looked_at, "alarm"))),
        _ => settled(Outcome::Pass, format!("{} quiet; {observed}", count(looked_at, "alarm"))),
    })
}

/// What is to be said of the alarms that only tell.
fn of_alerts(alerts: &[&str], readings: &[AlarmReading]) -> Option<(Outcome, String)> {
    let told = alerts.iter().filter_map(|name| match readings.iter().find(|one| one.name == *name) {
        None => Some(format!("`{name}` (`action: alert`) does not exist in CloudWatch")),
        Some(one) if one.state == AlarmState::Alarm => {
            let reason = bounded(&one.reason, REASON);
            Some(format!("`{name}` (`action: alert`) is in ALARM{}: {reason}", since(one)))
        }
        Some(_) => None,
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| (Outcome::Degraded, listed(&told)))
}

/// What is to be said of the alarms on the deployment group, whatever their states.
fn of_the_group(facts: &AlarmFacts) -> Vec<(Outcome, String)> {
    let group = match &facts.group {
        Ok(group) => group,
        Err(why) => {
            return vec![(Outcome::Degraded, format!("the alarms on the deployment group could not be read: {why}"))];
        }
    };
    let mut parts = Vec::new();
    let alarms = count(group.names.len(), "alarm");
    if group.names.len() > MOST_GROUP_ALARMS {
        parts.push((
            Outcome::Degraded,
            format!(
                "the deployment group has {alarms}, and CodeDeploy takes {MOST_GROUP_ALARMS}; put the others together in a composite \
                 alarm, or name them under `alarms` in config/greenlight.yaml only"
            ),
        ));
    }
    if !group.names.is_empty() && !group.enabled {
        parts.push((
            Outcome::Degraded,
            format!("the deployment group has {alarms} and does not look at them (`enabled: false`)"),
        ));
    }
    if group.enabled && group.ignores_poll_failure {
        let what = "the deployment group goes on when CodeDeploy cannot read its alarms (`ignorePollAlarmFailure`)";
        parts.push((Outcome::Pass, what.to_owned()));
    }
    parts
}

fn since(reading: &AlarmReading) -> String {
    reading.since.map_or(String::new(), |since| format!(" since {since}"))
}

/// What to do when the alarm is red and this deployment may be what cures it.
fn way_out(native: Option<&str>) -> String {
    let ours = format!(
        "if this deployment is the cure, let the alarm only warn (`alarms_quiet: warn`), or create it with `{HOW_TO_ASK}` in its \
         description"
    );
    match native {
        None => ours,
        Some(name) => format!(
            "{ours}; CodeDeploy itself stops it because of `{name}` on the deployment group, unless it is created with \
             `--override-alarm-configuration enabled=false`"
        ),
    }
}
