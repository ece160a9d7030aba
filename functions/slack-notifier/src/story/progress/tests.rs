//! What the progress and the traffic read like, and that no order of readings makes any difference.

use insta::assert_snapshot;
use proptest::prelude::*;
use testkit::build;

use super::*;
use crate::blocks::Said;

fn steps(states: &[(&str, &str)]) -> Vec<LifecycleEvent> {
    let since = Some(Timestamp(1_772_532_131_000));
    let event = |(name, status): &(&str, &str)| {
        let started = since.filter(|_| *status != "Pending" && *status != "Skipped");
        LifecycleEvent { started, ..LifecycleEvent::undated(name, status) }
    };
    states.iter().map(event).collect()
}

fn of(states: &[(&str, &str)], share: Option<f64>) -> Progress {
    Progress { steps: steps(states).iter().map(Step::of).collect(), share }
}

const SHIFTING: [(&str, &str); 4] = [
    ("Install", "Succeeded"),
    ("BeforeAllowTraffic", "Succeeded"),
    ("AllowTraffic", "InProgress"),
    ("AfterAllowTraffic", "Pending"),
];

fn line(states: &[(&str, &str)], stage: Stage) -> String {
    of(states, None).line(stage).map(|line| line.said()).unwrap_or_default()
}

#[test]
fn each_lifecycle_event_is_told_as_what_became_of_it() {
    assert_snapshot!(line(&SHIFTING, Stage::Running), @"*Progress:* Install, BeforeAllowTraffic done · *AllowTraffic running* since 10:02:11 UTC · AfterAllowTraffic to come");
    let failed = [
        ("Install", "Succeeded"),
        ("BeforeAllowTraffic", "Failed"),
        ("AllowTraffic", "Skipped"),
        ("AfterAllowTraffic", "Skipped"),
    ];
    assert_snapshot!(line(&failed, Stage::Running), @"*Progress:* Install done · *BeforeAllowTraffic failed* · AllowTraffic, AfterAllowTraffic skipped");
    assert_snapshot!(line(&failed, Stage::Failed), @"*Progress:* Install done · *BeforeAllowTraffic failed* · AllowTraffic, AfterAllowTraffic never ran");
    // What never ran is not listed as done, whatever the last reading before a stop said of it.
    assert_snapshot!(line(&SHIFTING, Stage::Stopped), @"*Progress:* Install, BeforeAllowTraffic done · *AllowTraffic cut short* · AfterAllowTraffic never ran");
    assert_snapshot!(line(&[("AllowTraffic", "Pondering")], Stage::Running), @"*Progress:* AllowTraffic to come");
    assert_eq!(line(&[], Stage::Running), "");
}

#[test]
fn a_lifecycle_event_without_a_hook_is_left_out_unless_it_failed() {
    let mut target = build::ecs_target("AllowTraffic");
    target.lifecycle_events = steps(&[
        ("BeforeInstall", "Succeeded"),
        ("Install", "Succeeded"),
        ("AfterInstall", "Failed"),
        ("BeforeAllowTraffic", "Succeeded"),
    ]);
    let hooks = vec![("BeforeAllowTraffic".to_owned(), "f".to_owned())];
    let names = |app_spec: &AppSpec| {
        let progress = Progress::of(&Target::Ecs(target.clone()), app_spec);
        progress.steps.into_iter().map(|step| step.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&AppSpec::Read { hooks }), ["Install", "AfterInstall", "BeforeAllowTraffic"]);
    assert_eq!(names(&AppSpec::None).len(), 4);
}

#[test]
fn the_traffic_is_told_with_what_the_configuration_says_comes_next() {
    let before = [("BeforeAllowTraffic", "InProgress"), ("AllowTraffic", "Pending")];
    let traffic = |states: &[(&str, &str)], share: Option<f64>, at: Option<Traffic>, configuration: &str| {
        of(states, share).traffic(Stage::Running, at, configuration).map(|line| line.said()).unwrap_or_default()
    };
    let (canary, linear) =
        ("CodeDeployDefault.ECSCanary10Percent5Minutes", "CodeDeployDefault.LambdaLinear10PercentEvery1Minute");
    assert_snapshot!(traffic(&before, Some(0.0), None, canary), @"*Traffic:* 100 % old, 0 % new. Next: 10 % for 5 min, then all of it.");
    assert_snapshot!(traffic(&SHIFTING, Some(10.0), None, canary), @"*Traffic:* 90 % old, 10 % new. The canary: 10 % for 5 min, then all of it, at about 10:07:11 UTC.");
    assert_snapshot!(traffic(&SHIFTING, None, Some(Traffic::Some), linear), @"*Traffic:* some of it is on the new version. Next: 10 % more every 1 min.");
    assert_snapshot!(traffic(&SHIFTING, Some(30.0), None, "CodeDeployDefault.ECSLinear10PercentEvery3Minutes"), @"*Traffic:* 70 % old, 30 % new. Next: 10 % more every 3 min.");
    assert_snapshot!(traffic(&before, None, Some(Traffic::Old), "CodeDeployDefault.ECSAllAtOnce"), @"*Traffic:* 100 % old, 0 % new. All of it moves at once.");
    assert_snapshot!(traffic(&SHIFTING, Some(100.0), None, canary), @"*Traffic:* 0 % old, 100 % new.");
    // What somebody else calls a configuration says nothing of what it does.
    assert_snapshot!(traffic(&SHIFTING, Some(10.0), None, "Canary90Percent1Minutes"), @"*Traffic:* 90 % old, 10 % new.");
    assert_eq!(traffic(&SHIFTING, None, None, canary), "");
    assert_eq!(of(&SHIFTING, Some(10.0)).traffic(Stage::Stopped, None, canary), None);
}

#[test]
fn every_configuration_of_codedeploys_own_is_read() {
    // CodeDeploy user guide, "Predefined deployment configurations" for ECS and for Lambda.
    for name in [
        "ECSLinear10PercentEvery1Minutes",
        "ECSLinear10PercentEvery3Minutes",
        "ECSCanary10Percent5Minutes",
        "ECSCanary10Percent15Minutes",
        "ECSAllAtOnce",
        "LambdaCanary10Percent5Minutes",
        "LambdaCanary10Percent10Minutes",
        "LambdaCanary10Percent15Minutes",
        "LambdaCanary10Percent30Minutes",
        "LambdaLinear10PercentEvery1Minute",
        "LambdaLinear10PercentEvery2Minutes",
        "LambdaLinear10PercentEvery3Minutes",
        "LambdaLinear10PercentEvery10Minutes",
        "LambdaAllAtOnce",
    ] {
        assert!(Plan::of(&format!("CodeDeployDefault.{name}")).is_some(), "{name}");
    }
    assert_eq!(Plan::of("CodeDeployDefault.OneAtATime"), None);
    assert_eq!(short("CodeDeployDefault.LambdaCanary10Percent5Minutes"), "Canary10Percent5Minutes");
    assert_eq!(short("ECSteam-own"), "ECSteam-own");
}

proptest! {
    #[test]
    fn the_order_of_readings_makes_no_difference_and_nothing_goes_back(
        times in proptest::collection::vec((0_usize..4, 0_usize..4, 0.0_f64..100.0), 2..6),
        swaps in proptest::collection::vec((0_usize..6, 0_usize..6), 0..8),
    ) {
        // Readings as a deployment goes on, some of them lagging behind: by the number of its lifecycle events that are done.
        let names = ["Install", "BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic"];
        let reading = |(done, lag, share): &(usize, usize, f64)| {
            let done = done.saturating_sub(*lag);
            let status = |index: usize| match index.cmp(&done) {
                std::cmp::Ordering::Less => "Succeeded",
                std::cmp::Ordering::Equal => "InProgress",
                std::cmp::Ordering::Greater => "Pending",
            };
            let states: Vec<(&str, &str)> = names.iter().enumerate().map(|(index, name)| (*name, status(index))).collect();
            of(&states, Some(*share))
        };
        let readings: Vec<(usize, Progress)> = times.iter().map(reading).enumerate().collect();
        let add = |all: &[(usize, Progress)]| {
            let mut all = all.iter().cloned();
            let first = all.next().unwrap();
            all.fold(first, |(known_at, known), (at, progress)| {
                let (old, new) = if at >= known_at { (known, progress) } else { (progress, known) };
                (at.max(known_at), Progress::with(old, new))
            })
        };
        let (_, in_order) = add(&readings);
        let mut shuffled = readings.clone();
        for (one, other) in swaps {
            let length = shuffled.len();
            shuffled.swap(one % length, other % length);
        }
        prop_assert_eq!(add(&shuffled).1, in_order.clone());
        for (_, reading) in &readings {
            for step in &reading.steps {
                let known = in_order.steps.iter().find(|known| known.name == step.name).unwrap();
                prop_assert!(known.state.rank() >= step.state.rank());
            }
        }
    }
}
