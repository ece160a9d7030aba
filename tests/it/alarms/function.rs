//! The alarms of the Lambda function: errors of the new version, 5xx of the API in front of it.

use super::{Minute, check, check_on, template};

/// Invocations of a version through the alias, and errors; Lambda publishes a 0 for each that went well.
pub(super) fn invoked(version: &'static str, invocations: u32, errors: u32) -> Minute {
    let dimensions =
        || vec![("FunctionName", "burst-overflow"), ("Resource", "burst-overflow:live"), ("ExecutedVersion", version)];
    let (all, bad) = (f64::from(invocations), f64::from(errors));
    vec![
        ("AWS/Lambda", "Invocations", dimensions(), vec![(1.0, all)]),
        ("AWS/Lambda", "Errors", dimensions(), vec![(1.0, bad), (0.0, all - bad)]),
    ]
}

pub(super) const FUNCTION: &str = "burst-overflow-errors";

#[test]
fn function_errors_fire_at_more_than_five_percent_for_five_minutes() {
    // Three of 60 are 5 %, which is not more; four are.
    let minutes = [4, 4, 4, 4, 3, 4, 4, 4, 4, 4, 3].map(|errors| invoked("142", 60, errors));
    check(FUNCTION, minutes, ".........A.");
    check(FUNCTION, (0..7).map(|_| invoked("142", 60, 3)), ".......");
}

#[test]
fn function_errors_are_those_of_the_new_version() {
    check(FUNCTION, (0..7).map(|_| invoked("141", 540, 540)), ".......");
    let both = || [invoked("141", 540, 0), invoked("142", 60, 6)].concat();
    check(FUNCTION, (0..6).map(|_| both()), "....AA");
    let next = template(&[("CanaryFunctionVersion", "143")]);
    check_on(&next, FUNCTION, (0..6).map(|_| both()), "......");
    check_on(&next, FUNCTION, (0..6).map(|_| invoked("143", 60, 6)), "....AA");
}

#[test]
fn function_errors_are_silent_below_the_floor_and_without_invocations() {
    check(FUNCTION, (0..7).map(|_| invoked("142", 19, 19)), ".......");
    check(FUNCTION, (0..7).map(|_| invoked("142", 20, 20)), "....AAA");
    check(FUNCTION, (0..7).map(|_| Minute::new()), ".......");
    // Four bad minutes and then none with invocations are not five.
    let gone = (0..4).map(|_| invoked("142", 60, 60)).chain((0..4).map(|_| Minute::new()));
    check(FUNCTION, gone, "........");
    let recovered = (0..5).map(|_| invoked("142", 60, 60)).chain((0..2).map(|_| invoked("142", 60, 0)));
    check(FUNCTION, recovered, "....A..");
}

fn asked(names: (&'static str, &'static str), api: &'static str, requests: u32, errors: u32) -> Minute {
    let dimensions = || vec![(names.1, api), ("Stage", "prod")];
    let (all, bad) = (f64::from(requests), f64::from(errors));
    vec![
        ("AWS/ApiGateway", "Count", dimensions(), vec![(1.0, all)]),
        ("AWS/ApiGateway", names.0, dimensions(), vec![(1.0, bad), (0.0, all - bad)]),
    ]
}

fn rest(requests: u32, errors: u32) -> Minute {
    asked(("5XXError", "ApiName"), "burst-overflow", requests, errors)
}

pub(super) const API: &str = "burst-overflow-api-5xx";

#[test]
fn api_5xx_fires_at_more_than_ten_percent_for_three_minutes() {
    check(API, [61, 61, 60, 61, 61, 61, 60].map(|errors| rest(600, errors)), ".....A.");
    // A tenth of the traffic that fails altogether is 10 %, and not more.
    check(API, (0..5).map(|_| rest(600, 60)), ".....");
}

#[test]
fn api_5xx_is_silent_below_the_floor_and_without_traffic() {
    check(API, (0..5).map(|_| rest(19, 19)), ".....");
    check(API, (0..5).map(|_| rest(20, 20)), "..AAA");
    check(API, (0..5).map(|_| Minute::new()), ".....");
    check(API, [rest(600, 600), rest(600, 600), Minute::new(), Minute::new(), Minute::new()], ".....");
    let recovered = [rest(600, 600), rest(600, 600), rest(600, 600), rest(600, 0), rest(600, 0)];
    check(API, recovered, "..A..");
}

#[test]
fn api_5xx_knows_an_http_api_by_its_own_names() {
    let http = template(&[("CanaryApiKind", "HTTP"), ("CanaryApi", "a1b2c3d4e5")]);
    check_on(&http, API, (0..4).map(|_| asked(("5xx", "ApiId"), "a1b2c3d4e5", 600, 61)), "..AA");
    check_on(&http, API, (0..4).map(|_| rest(600, 600)), "....");
}
