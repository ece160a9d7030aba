//! Metric math, expression by expression.

use super::*;

const TIMES: [i64; 5] = [0, 60, 120, 180, 240];

fn series(points: &[(i64, f64)]) -> Series {
    points.iter().copied().collect()
}

fn evaluate(expression: &str) -> Result<Answer, MathError> {
    let named = BTreeMap::from([
        ("ok".to_owned(), series(&[(0, 8.0), (60, 4.0), (120, 0.0)])),
        ("bad".to_owned(), series(&[(60, 1.0), (120, 0.0), (240, 3.0)])),
        ("none".to_owned(), Series::new()),
        ("e1".to_owned(), series(&[(0, -1.5)])),
    ]);
    let metrics = ["ok".to_owned(), "bad".to_owned(), "none".to_owned()];
    Expression::parse(expression)?.evaluate(Inputs { named: &named, metrics: &metrics, times: &TIMES })
}

#[track_caller]
fn check(expression: &str, points: &[(i64, f64)]) {
    assert_eq!(evaluate(expression), Ok(Answer::Series(series(points))), "{expression}");
}

#[track_caller]
fn number(expression: &str, expected: f64) {
    assert_eq!(evaluate(expression), Ok(Answer::Scalar(expected)), "{expression}");
}

#[test]
fn arithmetic_binds_as_in_school() {
    number("1 + 2 * 3", 7.0);
    number("(1 + 2) * 3", 9.0);
    number("2 * 3 ^ 2", 18.0);
    number("-2 ^ 2", -4.0);
    number("2 * -3", -6.0);
    number("10 - 4 - 3", 3.0);
    number("8 / 4 / 2", 1.0);
    number("1.5 + .5", 2.0);
    number("1 < 2 AND 3 > 4 OR 1 == 1", 1.0);
    number("1 + 1 >= 2 && 2 != 2", 0.0);
    number("NOT 1 > 2", 1.0);
    number("!0 || 0", 1.0);
}

#[test]
fn a_number_applies_to_every_point() {
    check("ok * 2 + 1", &[(0, 17.0), (60, 9.0), (120, 1.0)]);
    check("100 - bad", &[(60, 99.0), (120, 100.0), (240, 97.0)]);
    check("ok > 3", &[(0, 1.0), (60, 1.0), (120, 0.0)]);
    check("NOT ok", &[(0, 0.0), (60, 0.0), (120, 1.0)]);
}

#[test]
fn two_series_meet_where_both_have_a_point() {
    check("ok + bad", &[(60, 5.0), (120, 0.0)]);
    check("ok AND bad", &[(60, 1.0), (120, 0.0)]);
    check("ok + none", &[]);
}

#[test]
fn a_division_by_zero_gives_no_point() {
    check("100 * ok / (ok + bad)", &[(60, 80.0)]);
    check("ok / 0", &[]);
    check("ok * (1 / 0)", &[]);
}

#[test]
fn fill_puts_a_value_where_there_is_none() {
    check("FILL(ok, 0)", &[(0, 8.0), (60, 4.0), (120, 0.0), (180, 0.0), (240, 0.0)]);
    check("FILL(bad, REPEAT)", &[(60, 1.0), (120, 0.0), (180, 0.0), (240, 3.0)]);
    check("FILL(bad, LINEAR)", &[(60, 1.0), (120, 0.0), (180, 1.5), (240, 3.0)]);
    check("FILL(bad, ok)", &[(0, 8.0), (60, 1.0), (120, 0.0), (240, 3.0)]);
    check("FILL(none, 7)", &[(0, 7.0), (60, 7.0), (120, 7.0), (180, 7.0), (240, 7.0)]);
    check("SUM(FILL(METRICS(), 1))", &[(0, 10.0), (60, 6.0), (120, 1.0), (180, 3.0), (240, 5.0)]);
    check("100*FILL(ok,0)/(FILL(ok,0)+FILL(bad,0))", &[(0, 100.0), (60, 80.0), (240, 0.0)]);
}

#[test]
fn aggregates_work_across_series_and_along_one() {
    check("SUM(METRICS())", &[(0, 8.0), (60, 5.0), (120, 0.0), (240, 3.0)]);
    check("AVG([ok, bad])", &[(0, 8.0), (60, 2.5), (120, 0.0), (240, 3.0)]);
    check("MIN([ok, bad])", &[(0, 8.0), (60, 1.0), (120, 0.0), (240, 3.0)]);
    check("MAX(METRICS(\"o\"))", &[(0, 8.0), (60, 4.0), (120, 0.0)]);
    check("DATAPOINT_COUNT(METRICS())", &[(0, 1.0), (60, 2.0), (120, 2.0), (240, 1.0)]);
    number("SUM(ok)", 12.0);
    number("AVG(ok)", 4.0);
    number("MIN(bad)", 0.0);
    number("MAX(bad)", 3.0);
    number("DATAPOINT_COUNT(ok)", 3.0);
    check("ok / SUM(ok) * 12", &[(0, 8.0), (60, 4.0), (120, 0.0)]);
}

#[test]
fn rounding_works_on_every_kind() {
    check("CEIL(e1)", &[(0, -1.0)]);
    check("FLOOR(e1)", &[(0, -2.0)]);
    check("ABS(e1)", &[(0, 1.5)]);
    number("ABS(-3)", 3.0);
    assert_eq!(evaluate("ABS([e1])"), Ok(Answer::Many(vec![("e1".to_owned(), series(&[(0, 1.5)]))])));
}

#[test]
fn if_chooses_point_by_point() {
    check("IF(ok > 3, ok, -1)", &[(0, 8.0), (60, 4.0), (120, -1.0)]);
    check("IF(ok > 3, bad)", &[(60, 1.0)]);
    check("IF(1, ok, bad)", &[(0, 8.0), (60, 4.0), (120, 0.0)]);
    check(
        "IF((FILL(ok,0)+FILL(bad,0))>0, 100*FILL(ok,0)/(FILL(ok,0)+FILL(bad,0)), 100)",
        &[(0, 100.0), (60, 80.0), (120, 100.0), (180, 100.0), (240, 0.0)],
    );
}

#[test]
fn an_array_meets_one_series_or_number() {
    let doubled = evaluate("[ok, bad] * 2 - ok").unwrap();
    assert_eq!(
        doubled,
        Answer::Many(vec![
            ("ok".to_owned(), series(&[(0, 8.0), (60, 4.0), (120, 0.0)])),
            ("bad".to_owned(), series(&[(60, -2.0), (120, 0.0)])),
        ])
    );
    assert!(evaluate("METRICS() + METRICS()").is_err());
}

#[test]
fn an_expression_tells_what_it_refers_to() {
    let expression = Expression::parse("IF(a > 1, [b, -c], NOT d) + SUM(METRICS())").unwrap();
    assert_eq!(expression.references().into_iter().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
}

#[test]
fn what_is_not_implemented_is_refused_by_name() {
    for (expression, message) in [
        ("RATE(ok)", "the metric math function `RATE` is not implemented"),
        ("SEARCH('x', 'Sum')", "the metric math function `SEARCH` is not implemented"),
        ("SELECT SUM(x) FROM y", "the metric math function `SELECT` is not implemented"),
        ("ANOMALY_DETECTION_BAND(ok, 2)", "`ANOMALY_DETECTION_BAND` cannot be rehearsed"),
        ("missing + 1", "refers to `missing`, but no metric or expression has that id"),
        ("SUM(1)", "`SUM` cannot take a number; it takes time series"),
        ("FILL(1, 2)", "`FILL` cannot take a number"),
        ("FILL(ok)", "`FILL` cannot take these arguments"),
        ("IF(METRICS(), 1, 2)", "`IF` cannot take several time series"),
        ("ok + REPEAT", "cannot take a text"),
        ("[1]", "cannot take a number"),
    ] {
        let error = evaluate(expression).expect_err(expression).to_string();
        assert!(error.contains(message), "{expression}: {error}");
    }
}

#[test]
fn a_broken_expression_is_refused_where_it_breaks() {
    for (expression, message) in [
        ("", "a metric, a number or a function is missing at `the end`"),
        ("ok +", "a metric, a number or a function is missing at `the end`"),
        ("(ok", "a `)` is missing at `the end`"),
        ("ok bad", "nothing may follow at `bad`"),
        ("SUM(ok bad)", "a `,` is missing at `bad)`"),
        ("1.2.3", "this is no number at `1.2.3`"),
        ("ok.x", "a name cannot have a dot"),
        ("METRICS(\"x)", "a text does not end"),
        ("ok % 2", "nothing may follow at `% 2`"),
    ] {
        let error = evaluate(expression).expect_err(expression).to_string();
        assert!(error.contains(message), "{expression}: {error}");
    }
    let deep = "(".repeat(500);
    assert!(evaluate(&deep).unwrap_err().to_string().contains("nests too deeply"));
}
