//! Event patterns against AWS's documented examples and against the cases in which matchers are known to differ.

use serde_json::{Value, json};

use super::Pattern;

#[track_caller]
fn check(pattern: &Value, matching: &[Value], other: &[Value]) {
    let parsed = Pattern::parse(pattern).unwrap();
    for event in matching {
        assert!(parsed.matches(event), "{pattern} should match {event}");
    }
    for event in other {
        assert!(!parsed.matches(event), "{pattern} should not match {event}");
    }
}

#[track_caller]
fn refuses(pattern: &Value, message: &str) {
    let error = Pattern::parse(pattern).expect_err("the pattern should be refused");
    assert_eq!(error.to_string(), message);
}

fn instance_event() -> Value {
    json!({
        "version": "0",
        "detail-type": "EC2 Instance State-change Notification",
        "source": "aws.ec2",
        "time": "2017-10-02T16:24:49Z",
        "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-000000aaaaaa00000"],
        "detail": {"c-count": 5, "d-count": 3, "x-limit": 301.8, "source-ip": "10.0.0.33", "state": "running"}
    })
}

#[test]
fn the_documented_examples_match_the_documented_event() {
    for pattern in [
        json!({"detail-type": ["EC2 Instance State-change Notification"],
               "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-000000aaaaaa00000"],
               "detail": {"state": ["initializing", "running"]}}),
        json!({"time": [{"prefix": "2017-10-02"}]}),
        json!({"source": [{"suffix": "ec2"}]}),
        json!({"source": [{"equals-ignore-case": "AWS.EC2"}]}),
        json!({"detail": {"state": [{"anything-but": "initializing"}]}}),
        json!({"detail": {"state": [{"anything-but": ["stopped", "overloaded"]}]}}),
        json!({"detail": {"x-limit": [{"anything-but": [100, 200, 300]}]}}),
        json!({"detail": {"state": [{"anything-but": {"prefix": "init"}}]}}),
        json!({"detail": {"c-count": [{"numeric": [">", 0, "<=", 5]}],
                          "d-count": [{"numeric": ["<", 10]}],
                          "x-limit": [{"numeric": ["=", 3.018e2]}]}}),
        json!({"detail": {"source-ip": [{"cidr": "10.0.0.0/24"}]}}),
        json!({"detail": {"c-count": [{"exists": true}]}}),
        json!({"detail": {"e-count": [{"exists": false}]}}),
        json!({"time": [{"prefix": "2017-10-02"}],
               "detail": {"state": [{"anything-but": "initializing"}], "c-count": [{"numeric": [">", 0, "<=", 5]}],
                          "d-count": [{"numeric": ["<", 10]}], "x-limit": [{"anything-but": [100, 200, 300]}],
                          "source-ip": [{"cidr": "10.0.0.0/8"}]}}),
    ] {
        check(&pattern, &[instance_event()], &[]);
    }
}

#[test]
fn exact_values_respect_the_type() {
    check(&json!({"a": ["1"]}), &[json!({"a": "1"})], &[json!({"a": 1})]);
    check(&json!({"a": [null]}), &[json!({"a": null})], &[json!({"a": "null"}), json!({"a": ""}), json!({})]);
    check(&json!({"a": [""]}), &[json!({"a": ""})], &[json!({"a": null}), json!({})]);
    check(&json!({"a": [true]}), &[json!({"a": true})], &[json!({"a": "true"}), json!({"a": false})]);
    check(&json!({"a": ["x"]}), &[json!({"a": "x"})], &[json!({"a": "X"}), json!({"a": {"x": "x"}})]);
}

#[test]
fn numbers_are_equal_by_value() {
    check(&json!({"a": [300]}), &[json!({"a": 300.0}), json!({"a": 300})], &[json!({"a": 301})]);
    check(&json!({"a": [1_754_000_000_000_u64]}), &[json!({"a": 1_754_000_000_000_u64})], &[]);
}

#[test]
fn every_field_has_to_match_and_any_value_of_a_field_may() {
    let pattern = json!({"source": ["aws.ec2", "aws.fargate"], "detail": {"state": ["running"]}});
    check(
        &pattern,
        &[json!({"source": "aws.fargate", "detail": {"state": "running"}})],
        &[
            json!({"source": "aws.fargate", "detail": {"state": "stopped"}}),
            json!({"source": "aws.ec2"}),
            json!("text"),
        ],
    );
}

#[test]
fn a_list_in_the_event_matches_when_one_element_does() {
    let pattern = json!({"resources": [{"prefix": "arn:aws:ecs"}]});
    let nested = json!({"resources": [["arn:aws:ec2:1"], ["arn:aws:ecs:2"]]});
    check(
        &pattern,
        &[json!({"resources": ["arn:aws:ec2:1", "arn:aws:ecs:2"]}), nested],
        &[json!({"resources": []}), json!({"resources": [{"prefix": "arn:aws:ecs"}]})],
    );
}

#[test]
fn two_fields_must_come_from_the_same_element_of_a_list() {
    let event = json!({"employees": [
        {"firstName": "John", "lastName": "Doe"}, {"firstName": "Anna", "lastName": "Smith"},
        [{"firstName": "Peter", "lastName": "Jones"}]]});
    check(&json!({"employees": {"firstName": ["Anna"]}}), std::slice::from_ref(&event), &[]);
    check(&json!({"employees": {"firstName": ["Peter"], "lastName": ["Jones"]}}), std::slice::from_ref(&event), &[]);
    check(&json!({"employees": {"firstName": ["Anna"], "lastName": ["Jones"]}}), &[], &[event]);
}

#[test]
fn prefix_and_suffix_work_on_texts_with_and_without_case() {
    check(
        &json!({"a": [{"prefix": "us-"}]}),
        &[json!({"a": "us-east-1"})],
        &[json!({"a": "US-east"}), json!({"a": 1})],
    );
    check(
        &json!({"a": [{"prefix": {"equals-ignore-case": "EventB"}}]}),
        &[json!({"a": "eventBridge"})],
        &[json!({"a": "bridge"})],
    );
    check(&json!({"a": [{"suffix": ".png"}]}), &[json!({"a": "b.png"})], &[json!({"a": "b.PNG"}), json!({})]);
    check(
        &json!({"a": [{"suffix": {"equals-ignore-case": ".png"}}]}),
        &[json!({"a": "b.PNG"})],
        &[json!({"a": "png"})],
    );
}

#[test]
fn wildcards_stand_for_any_run_of_characters() {
    check(
        &json!({"a": [{"wildcard": "dir/*.png"}]}),
        &[json!({"a": "dir/x.png"}), json!({"a": "dir/.png"})],
        &[json!({"a": "dir/x.jpg"}), json!({"a": "other/x.png"}), json!({"a": 1})],
    );
    check(
        &json!({"a": [{"wildcard": "*/lib/*"}]}),
        &[json!({"a": "/usr/lib/x"}), json!({"a": "/lib/"})],
        &[json!({"a": "lib"})],
    );
    check(&json!({"a": [{"wildcard": "a*a"}]}), &[json!({"a": "aa"})], &[json!({"a": "a"})]);
    check(&json!({"a": [{"wildcard": "*ab*b"}]}), &[json!({"a": "xabb"})], &[json!({"a": "xab"})]);
    check(&json!({"a": [{"wildcard": "plain"}]}), &[json!({"a": "plain"})], &[json!({"a": "plainer"})]);
    check(&json!({"a": [{"wildcard": r"a\*b\\*"}]}), &[json!({"a": r"a*b\c"})], &[json!({"a": r"axb\c"})]);
}

#[test]
fn anything_but_takes_every_documented_form() {
    let cases = [
        (json!("initializing"), "running", "initializing"),
        (json!(["stopped", "overloaded"]), "running", "overloaded"),
        (json!({"prefix": "init"}), "running", "initializing"),
        (json!({"prefix": ["init", "over"]}), "running", "overloaded"),
        (json!({"prefix": {"equals-ignore-case": "INIT"}}), "running", "initializing"),
        (json!({"suffix": ".png"}), "a.jpg", "a.png"),
        (json!({"suffix": [".png", ".jpg"]}), "a.gif", "a.jpg"),
        (json!({"equals-ignore-case": "initializing"}), "running", "INITIALIZING"),
        (json!({"equals-ignore-case": ["initializing", "stopped"]}), "running", "Stopped"),
        (json!({"wildcard": "*/lib/*"}), "/usr/bin/x", "/usr/lib/x"),
        (json!({"wildcard": ["*/lib/*", "*/bin/*"]}), "/etc/x", "/usr/bin/x"),
    ];
    for (argument, passing, stopped) in cases {
        let pattern = json!({"a": [{"anything-but": argument}]});
        check(&pattern, &[json!({"a": passing})], &[json!({"a": stopped}), json!({}), json!({"a": []})]);
    }
}

#[test]
fn anything_but_lets_other_types_through_but_not_an_absent_field() {
    check(
        &json!({"a": [{"anything-but": {"prefix": "x"}}]}),
        &[json!({"a": 1}), json!({"a": null})],
        &[json!({"b": 1})],
    );
    check(&json!({"a": [{"anything-but": 123}]}), &[json!({"a": "123"}), json!({"a": 124})], &[json!({"a": 123.0})]);
    check(&json!({"a": [{"anything-but": [1, 2]}]}), &[json!({"a": [1, 3]})], &[json!({"a": [1, 2]})]);
}

#[test]
fn numeric_ranges_have_open_and_closed_ends() {
    check(
        &json!({"a": [{"numeric": [">", 10, "<=", 20]}]}),
        &[json!({"a": 10.5}), json!({"a": 20})],
        &[json!({"a": 10}), json!({"a": 20.1}), json!({"a": "15"})],
    );
    check(&json!({"a": [{"numeric": [">=", -1.5]}]}), &[json!({"a": -1.5})], &[json!({"a": -2})]);
    check(&json!({"a": [{"numeric": ["<", 0]}]}), &[json!({"a": -0.1})], &[json!({"a": 0})]);
    check(&json!({"a": [{"numeric": ["=", 0]}]}), &[json!({"a": 0}), json!({"a": -0.0})], &[json!({"a": 1})]);
}

#[test]
fn numeric_never_sees_a_millisecond_timestamp() {
    check(&json!({"a": [{"numeric": [">", 0]}]}), &[json!({"a": 5e9})], &[json!({"a": 1_754_000_000_000_u64})]);
}

#[test]
fn exists_looks_at_leaves_only() {
    let present = json!({"detail": {"a": [{"exists": true}]}});
    check(
        &present,
        &[json!({"detail": {"a": null}}), json!({"detail": {"a": [0]}})],
        &[json!({"detail": {"a": {"b": 1}}}), json!({"detail": {"a": []}}), json!({"detail": "a"})],
    );
    let absent = json!({"detail": {"a": [{"exists": false}]}});
    check(
        &absent,
        &[json!({}), json!({"detail": {}}), json!({"detail": {"a": {"b": 1}}}), json!({"detail": 1})],
        &[json!({"detail": {"a": 0}}), json!({"detail": [{"b": 1}, {"a": 1}]})],
    );
    check(&json!({"a": [{"exists": false}, "x"]}), &[json!({}), json!({"a": "x"})], &[json!({"a": "y"})]);
}

#[test]
fn cidr_covers_both_address_families() {
    check(
        &json!({"ip": [{"cidr": "10.0.0.0/24"}]}),
        &[json!({"ip": "10.0.0.255"})],
        &[json!({"ip": "10.0.1.0"}), json!({"ip": "::ffff:10.0.0.1"}), json!({"ip": "nowhere"})],
    );
    check(&json!({"ip": [{"cidr": "0.0.0.0/0"}]}), &[json!({"ip": "255.1.2.3"})], &[json!({"ip": "::1"})]);
    check(
        &json!({"ip": [{"cidr": "2001:db8::/32"}]}),
        &[json!({"ip": "2001:db8:1::1"})],
        &[json!({"ip": "2001:db9::1"})],
    );
    check(&json!({"ip": [{"cidr": "::/0"}]}), &[json!({"ip": "fe80::1"})], &[]);
}

#[test]
fn or_holds_at_the_top_and_joins_with_the_other_fields() {
    let pattern = json!({
        "source": ["aws.cloudwatch"],
        "$or": [{"metricName": ["CPUUtilization"]},
                {"metricType": ["MetricType"], "namespace": ["AWS/EC2"],
                 "$or": [{"metricId": [1234]}, {"spaceId": [{"numeric": [">", 1000]}]}]}]
    });
    check(
        &pattern,
        &[
            json!({"source": "aws.cloudwatch", "metricName": "CPUUtilization"}),
            json!({"source": "aws.cloudwatch", "metricType": "MetricType", "namespace": "AWS/EC2", "spaceId": 1001}),
        ],
        &[
            json!({"source": "aws.cloudwatch"}),
            json!({"source": "aws.ec2", "metricName": "CPUUtilization"}),
            json!({"source": "aws.cloudwatch", "metricType": "MetricType", "namespace": "AWS/EC2", "spaceId": 1000}),
        ],
    );
}

#[test]
fn or_holds_below_the_top() {
    let pattern = json!({"detail": {"$or": [{"c-count": [{"numeric": [">", 0]}]}, {"x": [{"exists": false}]}]}});
    check(
        &pattern,
        &[json!({"detail": {"c-count": 1, "x": 1}}), json!({"detail": {"y": 1}})],
        &[json!({"detail": {"c-count": 0, "x": 1}})],
    );
}

#[test]
fn an_unknown_operator_is_named_with_its_path() {
    refuses(
        &json!({"detail": {"state": [{"contains": "x"}]}}),
        "cannot read the event pattern at `detail.state`: unknown operator `contains`; known are `prefix`, `suffix`, \
         `equals-ignore-case`, `wildcard`, `anything-but`, `numeric`, `exists`, `cidr`",
    );
    refuses(
        &json!({"a": [{"prefix": {"wildcard": "x"}}]}),
        "cannot read the event pattern at `a`: unknown operator `prefix wildcard`; known are `prefix`, `suffix`, \
         `equals-ignore-case`, `wildcard`, `anything-but`, `numeric`, `exists`, `cidr`",
    );
}

#[test]
fn shapes_that_eventbridge_refuses_are_refused() {
    refuses(&json!([]), "cannot read the event pattern at `$`: expected an object of fields, saw a list");
    refuses(
        &json!({"detail": {}}),
        "cannot read the event pattern at `detail`: an object needs at least one field; leave the field out to let \
         every value through",
    );
    refuses(
        &json!({"source": "aws.ec2"}),
        "cannot read the event pattern at `source`: expected a list of values or an object, saw a text; write \
         `[\"aws.ec2\"]`",
    );
    refuses(
        &json!({"a": {"b": []}}),
        "cannot read the event pattern at `a.b`: an empty list matches nothing; name at least one value",
    );
    refuses(
        &json!({"a": [["x"]]}),
        "cannot read the event pattern at `a`: a list may hold values and operators, not another list",
    );
    refuses(
        &json!({"a": [{"prefix": "x", "suffix": "y"}]}),
        "cannot read the event pattern at `a`: an object in a list holds exactly one operator, saw [\"prefix\", \
         \"suffix\"]",
    );
    refuses(
        &json!({"$or": [{"prefix": ["x"]}, {"a": [1]}]}),
        "cannot read the event pattern at `prefix`: `prefix` is an operator and cannot be a field name inside `$or`",
    );
}

#[test]
fn operands_of_the_wrong_kind_are_refused() {
    for argument in [
        json!({"prefix": 1}),
        json!({"prefix": ["x"]}),
        json!({"suffix": null}),
        json!({"equals-ignore-case": ["x"]}),
        json!({"wildcard": "a**b"}),
        json!({"wildcard": r"a\b"}),
        json!({"wildcard": r"a\"}),
        json!({"anything-but": []}),
        json!({"anything-but": ["a", 1]}),
        json!({"anything-but": true}),
        json!({"anything-but": null}),
        json!({"anything-but": {"prefix": ""}}),
        json!({"anything-but": {"prefix": []}}),
        json!({"anything-but": {"numeric": ["=", 1]}}),
        json!({"anything-but": {"exists": true}}),
        json!({"numeric": [">"]}),
        json!({"numeric": []}),
        json!({"numeric": 5}),
        json!({"numeric": ["==", 5]}),
        json!({"numeric": [">", "5"]}),
        json!({"numeric": ["<", 5, ">", 0]}),
        json!({"numeric": [">", 5, "<", 0]}),
        json!({"numeric": [">", 6e9]}),
        json!({"exists": "true"}),
        json!({"cidr": "10.0.0.0"}),
        json!({"cidr": "10.0.0.0/33"}),
        json!({"cidr": 10}),
        json!({}),
    ] {
        assert!(Pattern::parse(&json!({"a": [argument]})).is_err(), "{argument} should be refused");
    }
    for alternatives in
        [json!([]), json!([{"a": [1]}]), json!({"a": [1]}), json!([{"a": [1]}, "b"]), json!([{"a": [1]}, {}])]
    {
        assert!(Pattern::parse(&json!({"$or": alternatives})).is_err(), "{alternatives} should be refused");
    }
}
