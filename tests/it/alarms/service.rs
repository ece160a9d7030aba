//! The alarms of the ECS service: 5xx, latency, unhealthy hosts, error lines.

use super::{MINUTE, Metric, Minute, START, check, check_on, letter, named, publish, template, watching};
use crate::project::project;

/// A metric of the load balancer; `group` is `blue` or `green`.
fn elb(group: &str, metric: &'static str, values: Vec<(f64, f64)>) -> Metric {
    let target_group = match group {
        "blue" => "targetgroup/orchestrator-blue/6d0ecf831eec9f09",
        _ => "targetgroup/orchestrator-green/7f1fde942ffd0a10",
    };
    let dimensions = vec![("LoadBalancer", "app/mangaassist/50dc6c495c0c9188"), ("TargetGroup", target_group)];
    ("AWS/ApplicationELB", metric, dimensions, values)
}

/// Requests to a target group; no value when there are none, as the load balancer has it.
fn requests(group: &str, many: u32) -> Option<Metric> {
    (many > 0).then(|| elb(group, "RequestCount", vec![(1.0, f64::from(many))]))
}

/// Requests and 5xx of blue and of green.
pub(super) fn served(blue: (u32, u32), green: (u32, u32)) -> Minute {
    let errors = |group: &str, many: u32| {
        (many > 0).then(|| elb(group, "HTTPCode_Target_5XX_Count", vec![(1.0, f64::from(many))]))
    };
    [requests("blue", blue.0), errors("blue", blue.1), requests("green", green.0), errors("green", green.1)]
        .into_iter()
        .flatten()
        .collect()
}

/// The same, with connections that were refused in place of 5xx.
fn refused(blue: (u32, u32), green: (u32, u32)) -> Minute {
    let mut minute = served((blue.0, 0), (green.0, 0));
    for (group, many) in [("blue", blue.1), ("green", green.1)] {
        minute.extend((many > 0).then(|| elb(group, "TargetConnectionErrorCount", vec![(1.0, f64::from(many))])));
    }
    minute
}

pub(super) const HTTP_5XX: &str = "orchestrator-http-5xx";

#[test]
fn http_5xx_fires_at_more_than_one_percent_in_two_of_three_minutes() {
    // Green has 60 requests a minute: one error is 1.67 %.
    let canary = |errors: &[u32]| errors.iter().map(|errors| served((540, 0), (60, *errors))).collect::<Vec<_>>();
    check(HTTP_5XX, canary(&[0, 1, 0, 0, 1, 1, 0, 0]), ".....AA.");
    check(HTTP_5XX, canary(&[1, 0, 1]), "..A");
    // One of 100 is 1 %, which is not more.
    check(HTTP_5XX, (0..4).map(|_| served((900, 0), (100, 1))), "....");
    check(HTTP_5XX, (0..4).map(|_| served((900, 0), (100, 2))), ".AAA");
    // Over the load balancer the same two errors would be 0.2 %.
}

#[test]
fn http_5xx_is_silent_below_the_floor_and_without_traffic() {
    check(HTTP_5XX, (0..5).map(|_| served((171, 0), (19, 19))), ".....");
    check(HTTP_5XX, (0..5).map(|_| served((180, 0), (20, 20))), ".AAAA");
    check(HTTP_5XX, (0..6).map(|_| served((0, 0), (0, 0))), "......");
    // Errors that come without requests are of a minute whose requests are not known yet.
    check(HTTP_5XX, (0..4).map(|_| served((0, 0), (0, 50))), "....");
}

#[test]
fn http_5xx_counts_connections_that_no_target_takes() {
    check(HTTP_5XX, (0..3).map(|_| refused((540, 0), (60, 1))), ".AA");
    check(HTTP_5XX, (0..3).map(|_| refused((900, 0), (100, 1))), "...");
    check(HTTP_5XX, (0..3).map(|_| refused((600, 60), (0, 0))), ".AA");
    check(HTTP_5XX, (0..3).map(|_| refused((181, 0), (19, 19))), "...");
    // One of each of 150 is 1.33 %, where one alone is 0.67 %.
    let both = |errors| {
        let mut minute = served((850, 0), (150, errors));
        minute.extend(refused((0, 0), (0, 1)));
        minute
    };
    check(HTTP_5XX, (0..3).map(|_| both(0)), "...");
    check(HTTP_5XX, (0..3).map(|_| both(1)), ".AA");
}

#[test]
fn http_5xx_watches_both_groups_during_the_shift_and_after_it() {
    // Traffic on blue alone, the shift, traffic on green alone; then green is blue and it is the other way round.
    let shift = [(600, 0), (540, 60), (540, 60), (0, 600), (0, 600), (60, 540), (600, 0)];
    check(HTTP_5XX, shift.map(|(blue, green)| served((blue, 0), (green, 0))), ".......");
    check(HTTP_5XX, (0..3).map(|_| served((600, 60), (0, 0))), ".AA");
    check(HTTP_5XX, (0..3).map(|_| served((0, 0), (600, 60))), ".AA");
    check(HTTP_5XX, (0..3).map(|_| served((60, 6), (540, 0))), ".AA");
}

#[test]
fn http_5xx_recovers_when_the_traffic_is_back_and_when_there_is_none_any_more() {
    let bad = [served((540, 0), (60, 6)), served((540, 0), (60, 6))];
    let back = (0..3).map(|_| served((600, 0), (0, 0)));
    check(HTTP_5XX, bad.clone().into_iter().chain(back), ".AA..");
    // CloudWatch looks at two minutes more than the three, and takes those that have a value.
    let none = (0..6).map(|_| Minute::new());
    check(HTTP_5XX, bad.into_iter().chain(none), ".AAAA...");
}

/// Green's requests, so many of them fast and so many that take `seconds`.
fn timed(fast: u32, slow: u32, seconds: f64) -> Minute {
    let mut minute = served((540, 0), (fast + slow, 0));
    minute.push(elb("blue", "TargetResponseTime", vec![(0.04, 540.0)]));
    minute.push(elb("green", "TargetResponseTime", vec![(0.04, f64::from(fast)), (seconds, f64::from(slow))]));
    minute
}

pub(super) const P95: &str = "orchestrator-p95-latency";

#[test]
fn p95_latency_fires_at_more_than_three_seconds_in_three_of_five_minutes() {
    // Six of 60 are slow, a tenth: then the slowest twentieth is.
    let minutes = |bad: &str| bad.chars().map(|bad| timed(54, if bad == 'x' { 6 } else { 0 }, 9.0)).collect::<Vec<_>>();
    check(P95, minutes("xx---xx-x--"), "........AA.");
    check(P95, minutes("xxx"), "..A");
    check(P95, (0..6).map(|_| timed(0, 60, 3.0)), "......");
    check(P95, (0..6).map(|_| timed(0, 60, 3.01)), "..AAAA");
    // One of 60 is less than a twentieth.
    check(P95, (0..6).map(|_| timed(59, 1, 60.0)), "......");
}

#[test]
fn p95_latency_is_silent_below_the_floor_and_without_traffic() {
    // Of 19 requests, p95 would be the slowest one.
    check(P95, (0..6).map(|_| timed(18, 1, 60.0)), "......");
    check(P95, (0..6).map(|_| timed(0, 19, 60.0)), "......");
    check(P95, (0..6).map(|_| timed(0, 20, 60.0)), "..AAAA");
    check(P95, (0..6).map(|_| Minute::new()), "......");
    let blue_alone = || {
        vec![elb("blue", "RequestCount", vec![(1.0, 600.0)]), elb("blue", "TargetResponseTime", vec![(0.04, 600.0)])]
    };
    check(P95, (0..6).map(|_| blue_alone()), "......");
}

/// Requests and unhealthy targets of blue and of green; none where a group has no targets.
fn hosts(blue: (u32, Option<u32>), green: (u32, Option<u32>)) -> Minute {
    let unhealthy = |group: &str, many: Option<u32>| {
        // The two zones' nodes: one sees none, the other all of them.
        many.map(|many| elb(group, "UnHealthyHostCount", vec![(0.0, 1.0), (f64::from(many), 1.0)]))
    };
    [requests("blue", blue.0), unhealthy("blue", blue.1), requests("green", green.0), unhealthy("green", green.1)]
        .into_iter()
        .flatten()
        .collect()
}

pub(super) const HEALTH: &str = "orchestrator-task-health";

#[test]
fn task_health_fires_at_one_unhealthy_host_in_one_minute() {
    let minutes = [(0, '.'), (1, 'A'), (0, '.'), (2, 'A'), (0, '.')];
    let expected: String = minutes.iter().map(|(_, letter)| *letter).collect();
    check(HEALTH, minutes.map(|(unhealthy, _)| hosts((540, Some(0)), (60, Some(unhealthy)))), &expected);
    check(HEALTH, [hosts((600, Some(1)), (0, None))], "A");
    check(HEALTH, [hosts((181, Some(0)), (19, Some(2))), hosts((180, Some(0)), (20, Some(2)))], ".A");
}

#[test]
fn task_health_is_silent_in_a_deployment_that_is_well() {
    check(
        HEALTH,
        [
            hosts((600, Some(0)), (0, None)),
            // Green's targets are registered, and boot slowly while nobody but the smoke tests asks them.
            hosts((600, Some(0)), (0, Some(2))),
            hosts((600, Some(0)), (7, Some(1))),
            hosts((540, Some(0)), (60, Some(0))),
            // Blue drains: it has no requests any more, and its last targets may fail while they shut down.
            hosts((0, Some(0)), (600, Some(0))),
            hosts((0, Some(1)), (600, Some(0))),
            hosts((0, None), (600, Some(0))),
            Minute::new(),
        ],
        "........",
    );
}

#[test]
fn task_health_fires_though_every_value_comes_a_minute_late() {
    // With FILL around the whole, the newest minute would always be 0, and an alarm of 1 in 1 could not fire.
    let alarm = named(&project().template, HEALTH).expect("the template has the alarm");
    let mut cloudwatch = watching(alarm, START);
    let mut seen = String::new();
    for (unhealthy, at) in [0, 1, 1, 0, 0].into_iter().zip((START..).step_by(60_000)) {
        cloudwatch.evaluate(at + MINUTE);
        seen.push(letter(&cloudwatch, HEALTH));
        publish(&mut cloudwatch, &hosts((540, Some(0)), (60, Some(unhealthy))), at);
    }
    assert_eq!(seen, "..AA.");
}

/// Requests to both groups together, a tenth of them to green, and error lines.
fn logged(total: u32, lines: Option<u32>) -> Minute {
    let mut minute = served((total - total / 10, 0), (total / 10, 0));
    let values = |lines: u32| vec![(1.0, f64::from(lines))];
    minute.extend(lines.map(|lines| ("MangaAssist", "orchestrator-error-lines", Vec::new(), values(lines))));
    minute
}

pub(super) const ERROR_LOG: &str = "orchestrator-error-log-5x";

#[test]
fn the_error_log_fires_at_more_than_five_times_the_usual_in_two_of_three_minutes() {
    // 5 lines are usual for 1000 requests, so 3 are for 600, and 15 are five times as many.
    let minutes = [15, 16, 15, 15, 16, 16, 0, 0].map(|lines| logged(600, Some(lines)));
    check(ERROR_LOG, minutes, ".....AA.");
    // Ten times the traffic with ten times the lines is nothing new.
    check(ERROR_LOG, (0..4).map(|_| logged(6000, Some(150))), "....");
    check(ERROR_LOG, (0..4).map(|_| logged(6000, Some(151))), ".AAA");
    let chatty = template(&[("UsualErrorLinesPer1000Requests", "50")]);
    check_on(&chatty, ERROR_LOG, (0..4).map(|_| logged(600, Some(150))), "....");
    check_on(&chatty, ERROR_LOG, (0..4).map(|_| logged(600, Some(151))), ".AAA");
}

#[test]
fn the_error_log_is_silent_below_the_floor_and_without_lines() {
    // Half a line is usual for 100 requests; one is taken for it.
    check(ERROR_LOG, (0..4).map(|_| logged(100, Some(5))), "....");
    check(ERROR_LOG, (0..4).map(|_| logged(100, Some(6))), ".AAA");
    check(ERROR_LOG, (0..4).map(|_| logged(19, Some(1000))), "....");
    check(ERROR_LOG, (0..4).map(|_| logged(20, Some(1000))), ".AAA");
    check(ERROR_LOG, (0..4).map(|_| logged(0, Some(1000))), "....");
    check(ERROR_LOG, (0..4).map(|_| logged(600, None)), "....");
    check(ERROR_LOG, (0..4).map(|_| Minute::new()), "....");
    let none_usual = template(&[("UsualErrorLinesPer1000Requests", "0")]);
    check_on(&none_usual, ERROR_LOG, (0..4).map(|_| logged(6000, Some(5))), "....");
    check_on(&none_usual, ERROR_LOG, (0..4).map(|_| logged(6000, Some(6))), ".AAA");
}

#[test]
fn the_pattern_finds_error_lines_in_plain_text_and_in_json_by_words_in_capital_letters() {
    let [filter] = project().template.metric_filters.as_slice() else { panic!("the template has one metric filter") };
    for line in [
        "2026-01-05 09:00:00,123 ERROR chat - the catalogue did not answer",
        "[FATAL] out of memory",
        "CRITICAL:root:no connection",
        r#"{"timestamp":"2026-01-05T09:00:00Z","level":"ERROR","fields":{"message":"no answer"}}"#,
        r#"{"severity":"CRITICAL","message":"no answer"}"#,
    ] {
        assert!(filter.pattern.fits(line), "`{line}` is to be counted");
    }
    for line in [
        "2026-01-05 09:00:00,123 INFO chat - answered without error",
        r#"{"level":"INFO","msg":"answered","errors":0}"#,
        // For these there is the pattern on the field.
        r#"{"level":"error","msg":"no answer"}"#,
        r#"{"level":"warn","msg":"an error that the caller made"}"#,
    ] {
        assert!(!filter.pattern.fits(line), "`{line}` is not to be counted");
    }
    // What it counts is what the alarm reads: see `logged` above.
    assert_eq!((filter.namespace.as_str(), filter.metric.as_str()), ("MangaAssist", "orchestrator-error-lines"));
    assert_eq!((filter.log_group.as_str(), filter.value, filter.default_value), ("/ecs/orchestrator", 1.0, Some(0.0)));
}
