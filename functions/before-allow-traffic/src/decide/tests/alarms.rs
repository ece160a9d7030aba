//! Tests of the alarms: those of the configuration and those on the deployment group.

use domain::time::Timestamp;

use super::*;

fn of(group: GroupAlarms, readings: Vec<AlarmReading>) -> Vec<String> {
    let mut readings = readings;
    if readings.iter().all(|one| one.name != "chatty") {
        readings.push(quiet("chatty"));
    }
    let alarms = AlarmFacts { group: Ok(group), readings: Ok(readings) };
    told_with(|_| {}, &Facts { alarms, ..facts(VersionFacts::Ecs(ecs())) })
}

fn none() -> GroupAlarms {
    GroupAlarms::default()
}

fn on_group(names: &[&str]) -> GroupAlarms {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    GroupAlarms { names, enabled: true, ignores_poll_failure: false }
}

fn in_alarm(name: &str) -> AlarmReading {
    AlarmReading {
        state: AlarmState::Alarm,
        reason: "Threshold Crossed: 3 datapoints".to_owned(),
        since: Some(Timestamp(1_767_603_600_000)),
        ..quiet(name)
    }
}

#[test]
fn a_red_alarm_is_named_with_its_reason_and_the_ways_out() {
    assert_eq!(
        of(none(), vec![in_alarm("red"), quiet("latency")]),
        [
            "alarms_quiet fail: `red` is in ALARM since 2026-01-05T09:00:00.000Z: Threshold Crossed: 3 datapoints; if this deployment is \
          the cure, let the alarm only warn (`alarms_quiet: warn`), or create it with `[greenlight skip: why]` in its description"
        ]
    );
    // CodeDeploy's own alarms end the deployment whatever the hook says.
    let told = of(on_group(&["cpu"]), vec![quiet("red"), quiet("latency"), in_alarm("cpu")]);
    assert!(
        told[0].ends_with(
            "CodeDeploy itself stops it because of `cpu` on the deployment group, unless it is created with \
             `--override-alarm-configuration enabled=false`"
        ),
        "{told:?}"
    );
}

#[test]
fn a_missing_alarm_is_not_taken_for_quiet_and_one_without_data_says_so() {
    assert_eq!(
        of(none(), vec![quiet("red")]),
        [
            "alarms_quiet inconclusive: `latency` does not exist in CloudWatch; create it, or correct its name under `alarms` in \
          config/greenlight.yaml"
        ]
    );
    assert_eq!(
        of(on_group(&["gone"]), vec![quiet("red"), quiet("latency")]),
        ["alarms_quiet degraded: `gone` on the deployment group does not exist in CloudWatch"]
    );
    let mute = AlarmReading { state: AlarmState::InsufficientData, ..quiet("red") };
    assert_eq!(
        of(none(), vec![mute, quiet("latency")]),
        ["alarms_quiet degraded: `red` has no data: it could not tell if the new version were bad"]
    );
    let strange = AlarmReading { state: AlarmState::Other("PARTIAL".to_owned()), ..quiet("red") };
    assert_eq!(
        of(none(), vec![strange, quiet("latency")]),
        ["alarms_quiet inconclusive: `red` is in the state `PARTIAL`, which is not known here"]
    );
}

#[test]
fn an_alarm_that_only_tells_degrades_when_it_is_missing_or_red() {
    let told = |readings: Vec<AlarmReading>, group: GroupAlarms| {
        let readings = [readings, vec![quiet("red"), quiet("latency")]].concat();
        let alarms = AlarmFacts { group: Ok(group), readings: Ok(readings) };
        told_with(|_| {}, &Facts { alarms, ..facts(VersionFacts::Ecs(ecs())) })
    };
    assert_eq!(
        told(Vec::new(), none()),
        ["alarms_quiet degraded: `chatty` (`action: alert`) does not exist in CloudWatch"]
    );
    assert_eq!(
        told(vec![in_alarm("chatty")], none()),
        [
            "alarms_quiet degraded: `chatty` (`action: alert`) is in ALARM since 2026-01-05T09:00:00.000Z: Threshold Crossed: 3 \
          datapoints"
        ]
    );
    let mute = AlarmReading { state: AlarmState::InsufficientData, ..quiet("chatty") };
    assert!(told(vec![mute], none()).is_empty(), "a count of errors has no data while there are none");
    let on_group = told(vec![in_alarm("chatty")], on_group(&["chatty"]));
    assert!(on_group[0].starts_with("alarms_quiet fail: `chatty` is in ALARM"), "{on_group:?}");
}

#[test]
fn the_worst_comes_first_and_nothing_is_left_out() {
    let mute = AlarmReading { state: AlarmState::InsufficientData, ..quiet("latency") };
    let told = of(none(), vec![mute, in_alarm("red")]);
    assert!(told[0].starts_with("alarms_quiet fail: `red` is in ALARM"), "{told:?}");
    assert!(told[0].ends_with("; `latency` has no data: it could not tell if the new version were bad"), "{told:?}");
}

#[test]
fn what_is_odd_about_the_groups_alarms_is_reported() {
    let names: Vec<String> = (1..=11).map(|number| format!("a{number}")).collect();
    let mut readings = vec![quiet("red"), quiet("latency")];
    readings.extend(names.iter().map(|name| quiet(name)));
    let eleven = GroupAlarms { names, enabled: true, ignores_poll_failure: true };
    let told = of(eleven.clone(), readings.clone());
    assert!(
        told[0].starts_with("alarms_quiet degraded: the deployment group has 11 alarms, and CodeDeploy takes 10; "),
        "{told:?}"
    );
    assert!(told[0].ends_with("goes on when CodeDeploy cannot read its alarms (`ignorePollAlarmFailure`)"), "{told:?}");
    let ten = GroupAlarms { names: eleven.names[..10].to_vec(), ..eleven.clone() };
    assert!(of(ten.clone(), readings.clone()).is_empty(), "to ignore a failed poll is the team's choice");
    let off = GroupAlarms { enabled: false, ..ten };
    assert_eq!(
        of(off, readings),
        ["alarms_quiet degraded: the deployment group has 10 alarms and does not look at them (`enabled: false`)"]
    );
}

#[test]
fn a_group_that_cannot_be_read_only_degrades_and_without_any_alarm_the_fact_does_not_apply() {
    let quiet_ones = || Ok(vec![quiet("red"), quiet("latency"), quiet("chatty")]);
    let alarms = AlarmFacts { group: Err("`GetDeploymentGroup` was refused".to_owned()), readings: quiet_ones() };
    let told = told_with(|_| {}, &Facts { alarms, ..facts(VersionFacts::Ecs(ecs())) });
    assert_eq!(
        told,
        [
            "alarms_quiet degraded: the alarms on the deployment group could not be read: `GetDeploymentGroup` was refused"
        ]
    );
    let config = build::config(CONFIG.split("    alarms").next().unwrap());
    let case = case(&config);
    let alarms = AlarmFacts { group: Ok(none()), readings: Ok(Vec::new()) };
    let facts = Facts { alarms, ..facts(VersionFacts::Ecs(ecs())) };
    let names: Vec<String> =
        decide(&case, &Wanted::of(&case), &facts).into_iter().map(|one| one.finding.name).collect();
    assert_eq!(names, ["tasks_running", "targets_healthy", "image_matches_revision"]);
}
