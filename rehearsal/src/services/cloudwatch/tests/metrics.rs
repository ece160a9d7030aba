//! Putting metrics in and getting statistics out.

use super::*;

fn get(cloudwatch: &mut CloudWatch, queries: impl Borrow<Value>, more: &Value) -> Value {
    let mut input = json!({
        "MetricDataQueries": queries.borrow(), "StartTime": when::seconds(NOW - 10 * MINUTE), "EndTime": when::seconds(NOW),
    });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ok(cloudwatch, "GetMetricData", input)["MetricDataResults"].clone()
}

fn stat(id: &str, name: &str, stat: &str) -> Value {
    json!({"Id": id, "MetricStat": {"Metric": {"Namespace": "N", "MetricName": name}, "Period": 60, "Stat": stat}})
}

#[test]
fn what_is_put_comes_back_as_statistics() {
    let mut cloudwatch = CloudWatch::new();
    let put = json!({"Namespace": "N", "MetricData": [
        {"MetricName": "m", "Value": 3.0, "Unit": "Count", "Timestamp": when::seconds(NOW - MINUTE)},
        {"MetricName": "m", "Values": [1.0, 10.0], "Counts": [3.0, 1.0], "Timestamp": when::seconds(NOW - MINUTE)},
        {"MetricName": "m", "Dimensions": [{"Name": "a", "Value": "b"}], "Value": 99},
        {"MetricName": "m", "Value": 7, "Timestamp": when::seconds(NOW - 3 * MINUTE), "StorageResolution": 1},
    ]});
    assert_eq!(ok(&mut cloudwatch, "PutMetricData", put), Value::Null);
    let first = when::seconds(1_570_035_780_000);
    let second = when::seconds(1_570_035_660_000);
    for (statistic, values) in [
        ("Sum", [16.0, 7.0]),
        ("SampleCount", [5.0, 1.0]),
        ("Average", [3.2, 7.0]),
        ("Minimum", [1.0, 7.0]),
        ("Maximum", [10.0, 7.0]),
        ("p50", [1.0, 7.0]),
        ("p80", [3.0, 7.0]),
        ("p95", [10.0, 7.0]),
        ("p99.9", [10.0, 7.0]),
    ] {
        let results = get(&mut cloudwatch, json!([stat("q", "m", statistic)]), &json!({}));
        let expected = json!([{
            "Id": "q", "Label": "m", "Timestamps": [first, second], "Values": values, "StatusCode": "Complete",
        }]);
        assert_eq!(results, expected, "{statistic}");
    }
    let ascending = get(&mut cloudwatch, json!([stat("q", "m", "Sum")]), &json!({"ScanBy": "TimestampAscending"}));
    assert_eq!(ascending[0]["Values"], json!([7.0, 16.0]));
}

#[test]
fn a_statistic_set_has_no_percentiles() {
    let mut cloudwatch = CloudWatch::new();
    let set = json!({"SampleCount": 4, "Sum": 10, "Minimum": 1, "Maximum": 4});
    let put = json!({"Namespace": "N", "MetricData": [
        {"MetricName": "m", "StatisticValues": set, "Timestamp": when::seconds(NOW - MINUTE)}
    ]});
    ok(&mut cloudwatch, "PutMetricData", put);
    let results = get(&mut cloudwatch, json!([stat("a", "m", "Average"), stat("b", "m", "p50")]), &json!({}));
    assert_eq!((&results[0]["Values"], &results[1]["Values"]), (&json!([2.5]), &json!([])));
}

#[test]
fn expressions_are_computed_in_the_order_they_need() {
    let mut cloudwatch = CloudWatch::new();
    for (minutes, good, bad) in [(2, 8.0, 2.0), (1, 5.0, 5.0)] {
        cloudwatch.put("N", "good", BTreeMap::new(), NOW - minutes * MINUTE, good, "Count");
        cloudwatch.put("N", "bad", BTreeMap::new(), NOW - minutes * MINUTE, bad, "Count");
    }
    let mut hidden = stat("good", "good", "Sum");
    hidden["ReturnData"] = json!(false);
    let queries = json!([
        {"Id": "percent", "Expression": "100 * share", "Label": "failing"},
        {"Id": "share", "Expression": "bad / (good + bad)", "ReturnData": false},
        hidden,
        stat("bad", "bad", "Sum"),
        {"Id": "every", "Expression": "METRICS()"},
        {"Id": "total", "Expression": "SUM(bad)"},
    ]);
    let results = get(&mut cloudwatch, queries, &json!({}));
    let seen: Vec<_> =
        results.as_array().unwrap().iter().map(|result| (result["Label"].clone(), result["Values"].clone())).collect();
    assert_eq!(seen[0], (json!("failing"), json!([50.0, 20.0])));
    assert_eq!(seen[1], (json!("bad"), json!([5.0, 2.0])));
    assert_eq!(seen[2], (json!("every good"), json!([5.0, 8.0])));
    assert_eq!(seen[4].1.as_array().unwrap().len(), 11);
    assert_eq!(seen[4].1[0], json!(7.0));
}

#[test]
fn a_wrong_query_is_refused() {
    let mut cloudwatch = CloudWatch::new();
    let other_period = json!({"Id": "b", "MetricStat": {
        "Metric": {"Namespace": "N", "MetricName": "m"}, "Period": 300, "Stat": "Sum",
    }});
    for (queries, message) in [
        (json!([]), "takes 1 to 500 queries, but has 0"),
        (json!([stat("Q", "m", "Sum")]), "the id `Q` is not valid"),
        (json!([stat("q", "m", "Sum"), stat("q", "m", "Sum")]), "the id `q` is given twice"),
        (json!([stat("q", "m", "TM(10%:90%)")]), "the statistic `TM(10%:90%)` is not implemented"),
        (json!([{"Id": "q"}]), "either a MetricStat or an Expression"),
        (json!([{"Id": "q", "Expression": "RATE(m)"}]), "the metric math function `RATE` is not implemented"),
        (json!([{"Id": "q", "Expression": "m"}]), "the expression `q` refers to `m`"),
        (json!([{"Id": "a", "Expression": "b"}, {"Id": "b", "Expression": "a"}]), "in a circle"),
        (json!([stat("a", "m", "Sum"), other_period, {"Id": "c", "Expression": "a + b"}]), "use one period"),
        (json!([{"Id": "q", "Expression": "1", "AccountId": "1"}]), "`AccountId` of `MetricDataQuery`"),
    ] {
        let input = json!({"MetricDataQueries": queries, "StartTime": 0, "EndTime": 60});
        fails(&mut cloudwatch, "GetMetricData", input, "InvalidParameterValue", message);
    }
    let backwards = json!({"MetricDataQueries": [stat("q", "m", "Sum")], "StartTime": 60, "EndTime": 60});
    fails(&mut cloudwatch, "GetMetricData", backwards, "InvalidParameterValue", "must be less than");
    let endless = json!({"MetricDataQueries": [stat("q", "m", "Sum")], "StartTime": 60});
    fails(&mut cloudwatch, "GetMetricData", endless, "MissingParameter", "EndTime");
}

#[test]
fn the_limits_of_put_metric_data_are_enforced() {
    let mut cloudwatch = CloudWatch::new();
    let value = "InvalidParameterValue";
    let datum = |more: Value| {
        let mut datum = json!({"MetricName": "m", "Value": 1});
        datum.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        datum
    };
    let many: Vec<Value> = (0..1001).map(|_| datum(json!({}))).collect();
    let dimensions =
        |count: usize| -> Vec<Value> { (0..count).map(|n| json!({"Name": format!("d{n}"), "Value": "x"})).collect() };
    let cases = [
        (json!(many), value, "MetricData has 1001 metrics, but one request takes 1000"),
        (json!([]), "MissingParameter", "MetricData"),
        (json!([datum(json!({"Dimensions": dimensions(31)}))]), value, "at most 30 dimensions, but 31"),
        (json!([datum(json!({"Dimensions": [{"Name": "a", "Value": " "}]}))]), value, "not blank"),
        (json!([datum(json!({"Dimensions": [{"Name": "ä", "Value": "x"}]}))]), value, "ASCII"),
        (json!([datum(json!({"Dimensions": [{"Name": "a", "Value": "x".repeat(1025)}]}))]), value, "1024"),
        (json!([datum(json!({"Value": "NaN"}))]), value, "`Value` has to be a number, but is `\"NaN\"`"),
        (json!([datum(json!({"Value": 1e120}))]), value, "outside of -2^360 to 2^360"),
        (json!([{"MetricName": "m", "Values": vec![1; 151]}]), value, "151 values"),
        (json!([{"MetricName": "m", "Values": [1, 2], "Counts": [1]}]), value, "2 values and 1 counts"),
        (json!([datum(json!({"Values": [1]}))]), "InvalidParameterCombination", "more than one of"),
        (json!([{"MetricName": "m"}]), "MissingParameter", "Value"),
        (json!([{"Value": 1}]), "MissingParameter", "MetricName"),
        (json!([datum(json!({"Unit": "Furlongs"}))]), value, "the unit `Furlongs` is not valid"),
        (json!([datum(json!({"StorageResolution": 5}))]), value, "has to be 1 or 60"),
        (json!([datum(json!({"Entity": {}}))]), value, "`Entity` of `MetricData` is not implemented"),
        (
            json!([datum(json!({"Timestamp": when::seconds(NOW - 15 * 24 * 60 * MINUTE)}))]),
            value,
            "the last two weeks and the next two hours",
        ),
        (json!([datum(json!({"Timestamp": when::seconds(NOW + 121 * MINUTE)}))]), value, "the next two hours"),
    ];
    for (data, code, message) in cases {
        fails(&mut cloudwatch, "PutMetricData", json!({"Namespace": "N", "MetricData": data}), code, message);
    }
    let aws = json!({"Namespace": "AWS/Lambda", "MetricData": [datum(json!({}))]});
    fails(&mut cloudwatch, "PutMetricData", aws, value, "The value AWS/ for parameter Namespace is invalid");
    assert_eq!(ok(&mut cloudwatch, "ListMetrics", json!({}))["Metrics"], json!([]));
}

#[test]
fn what_is_published_shows_when_its_age_and_the_scenario_let_it() {
    let hour = 60 * MINUTE;
    for (age, delay, shows) in
        [(0, 0, 0), (0, 90_000, 90_000), (2 * hour, 0, 0), (3 * hour, 90_000, 2 * hour), (24 * hour, 0, 48 * hour)]
    {
        let mut cloudwatch = CloudWatch::new();
        cloudwatch.show_after(delay);
        let at = NOW - age;
        let put =
            json!({"Namespace": "N", "MetricData": [{"MetricName": "m", "Value": 7, "Timestamp": when::seconds(at)}]});
        ok(&mut cloudwatch, "PutMetricData", put);
        let (start, end) = (when::seconds(at - hour), when::seconds(at + hour));
        let query = json!({"MetricDataQueries": [stat("q", "m", "Sum")], "StartTime": start, "EndTime": end});
        let statistics = json!({
            "Namespace": "N", "MetricName": "m", "StartTime": start, "EndTime": end, "Period": 3600,
            "Statistics": ["SampleCount"],
        });
        let mut shown = |now: i64| {
            let data = cloudwatch.handle("GetMetricData", &query, now).unwrap();
            let points = cloudwatch.handle("GetMetricStatistics", &statistics, now).unwrap();
            let seen = data["MetricDataResults"][0]["Values"] == json!([7.0]);
            assert_eq!(seen, points["Datapoints"] != json!([]), "both tell the same");
            seen
        };
        assert!(shows == 0 || !shown(NOW + shows - 1), "{age} ms old: not yet");
        assert!(shown(NOW + shows), "{age} ms old");
        let read = cloudwatch.read_back(("N", "m"), &BTreeMap::new(), "Sum", (at, at + 1)).unwrap();
        assert_eq!(read, Some(7.0), "what was taken is known, shown or not");
    }
}

#[test]
fn nothing_is_kept_of_a_request_that_is_refused() {
    let mut cloudwatch = CloudWatch::new();
    let half = json!({"Namespace": "N", "MetricData": [{"MetricName": "a", "Value": 1}, {"MetricName": "b"}]});
    fails(&mut cloudwatch, "PutMetricData", half, "MissingParameter", "Value");
    assert_eq!(ok(&mut cloudwatch, "ListMetrics", json!({}))["Metrics"], json!([]));
}

#[test]
fn metrics_are_listed_by_name_and_dimension() {
    let mut cloudwatch = CloudWatch::new();
    for (name, pairs) in [("a", vec![("App", "x")]), ("a", vec![("App", "y"), ("Env", "p")]), ("b", vec![])] {
        cloudwatch.put("N", name, dimensions(&pairs), NOW, 1.0, "None");
    }
    let mut names = |filter: Value| {
        let found = ok(&mut cloudwatch, "ListMetrics", filter)["Metrics"].clone();
        found.as_array().unwrap().iter().map(|metric| metric["Dimensions"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(json!({})).len(), 3);
    assert_eq!(names(json!({"Namespace": "Other"})).len(), 0);
    assert_eq!(names(json!({"MetricName": "a"})).len(), 2);
    assert_eq!(names(json!({"Dimensions": [{"Name": "App"}]})).len(), 2);
    assert_eq!(
        names(json!({"Dimensions": [{"Name": "App", "Value": "y"}]})),
        [r#"[{"Name":"App","Value":"y"},{"Name":"Env","Value":"p"}]"#]
    );
}

#[test]
fn statistics_come_with_their_unit() {
    let mut cloudwatch = CloudWatch::new();
    for value in [1.0, 2.0, 3.0] {
        sample(&mut cloudwatch, 2, value);
    }
    let mut input = json!({
        "Namespace": "N", "MetricName": "m", "StartTime": when::seconds(NOW - 10 * MINUTE),
        "EndTime": when::seconds(NOW), "Period": 600, "Statistics": ["Sum", "Average"],
    });
    let start = when::seconds(1_570_035_240_000);
    let point = json!({"Timestamp": start, "Sum": 6.0, "Average": 2.0, "Unit": "Count"});
    assert_eq!(ok(&mut cloudwatch, "GetMetricStatistics", input.clone()), json!({"Label": "m", "Datapoints": [point]}));
    input["Unit"] = json!("Seconds");
    assert_eq!(ok(&mut cloudwatch, "GetMetricStatistics", input.clone())["Datapoints"], json!([]));
    input["Unit"] = Value::Null;
    input["Statistics"] = Value::Null;
    input["ExtendedStatistics"] = json!(["p95"]);
    let points = ok(&mut cloudwatch, "GetMetricStatistics", input.clone())["Datapoints"].clone();
    assert_eq!(points[0]["ExtendedStatistics"], json!({"p95": 3.0}));
    input["ExtendedStatistics"] = Value::Null;
    let both = "either Statistics or ExtendedStatistics";
    fails(&mut cloudwatch, "GetMetricStatistics", input.clone(), "InvalidParameterCombination", both);
    input["Statistics"] = json!(["Sum"]);
    input["Period"] = json!(45);
    fails(&mut cloudwatch, "GetMetricStatistics", input.clone(), "InvalidParameterValue", "multiple of 60");
    input["Period"] = json!(60);
    input["StartTime"] = json!(0);
    fails(&mut cloudwatch, "GetMetricStatistics", input, "InvalidParameterCombination", "exceeds the limit of 1440");
}
