//! What is counted: by hand, by configuration, by time, with and without the targets.

use serde_json::{Value, json};

use crate::program::root;
use crate::{Folder, deployment, lines, three};

#[test]
fn three_deployments_come_to_what_they_are_by_hand() {
    let folder = Folder::with("three", &lines(&three()));
    let document = folder.json(&[]);
    // d-2 fails at 09:10:01.5; d-3 has its traffic at 11:10:01.5, five minutes before its end: two hours. Rework is d-3 alone.
    assert_eq!([&document["deployments"], &document["succeeded"]], [3, 2]);
    assert_eq!(document["dora"]["recovery"], json!({ "seconds": 7200.0, "band": "high" }));
    // 07:10:01.5 to 08:10:01.5.
    assert_eq!(document["dora"]["lead_time"], json!({ "seconds": 3600.0, "band": "elite" }));
    assert_eq!(document["dora"]["deployment_frequency"], json!({ "per_week": 3.0, "days": 7, "band": "high" }));
    assert_eq!(document["dora"]["change_failure_rate"]["band"], "low");
    assert_eq!([&document["change_failures"], &document["changes"], &document["rework"]], [1, 3, 1]);
    assert_eq!(document["duration_seconds"], json!({ "count": 3, "p50": 600.5, "p95": 600.5, "longest": 600.5 }));
    assert_eq!(document["total_duration_seconds"]["p95"], 900.5);
    assert_eq!(document["failed_by_cause"], json!({ "alarm": 1 }));
    assert_eq!(document["weeks"][0]["week"], "2026-03-02");
    let failure = &document["failures"][0];
    assert_eq!([&failure["deployment_id"], &failure["cause"]], ["d-2", "alarm"]);
    assert_eq!(failure["recovery_seconds"], 7200.0);
    assert_eq!(failure["said"], "ALARM_ACTIVE: One or more alarms … <web-5xx>");
    let (_, text, _) = folder.history(&["history.jsonl"]);
    for line in [
        "3 deployments of 1 group, 2026-03-02 to 2026-03-02",
        "Deployment frequency        3 a week                  high    3 in 7 days",
        "Lead time for changes       1 h (p95 1 h)             elite   1 deployment",
        "Change failure rate         33.3 %                    low     1 of 3 changes",
        "Failed deployment recovery  2 h (p95 2 h)             high    1 recovery",
        "Rework rate                 33.3 %                    —       1 of 3",
        "2026-03-02 09:10  shop/web d-2: stopped by an alarm; well again after 2 h",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
}

#[test]
fn nothing_is_left_out_in_silence() {
    let mut infos = three().to_vec();
    infos.push(deployment("d-4", 12, "InProgress", &json!({ "completeTime": null })));
    infos.push(deployment("d-5", 13, "Pondering", &json!({ "completeTime": null })));
    infos.push(deployment("d-6", 13, "Succeeded", &json!({ "computePlatform": "Server" })));
    infos.push(deployment(
        "d-7",
        13,
        "Failed",
        &json!({ "createTime": null, "startTime": null, "completeTime": null }),
    ));
    infos.push(deployment("d-8", 14, "Succeeded", &json!({ "deploymentGroupName": "other" })));
    // The same deployment as it was before it ended, read after its end.
    infos.push(deployment("d-1", 8, "InProgress", &json!({ "completeTime": null })));
    let stray = json!({ "deploymentTarget": { "ecsTarget": { "deploymentId": "d-9", "lifecycleEvents": [] } } });
    let server = json!({ "deploymentTargets": [{ "deploymentTargetType": "InstanceTarget" }] });
    let folder = Folder::with("left-out", &format!("{}{stray}{server}", lines(&infos)));
    let document = folder.json(&["--group", "shop/web", "--since", "2026-03-02T08:30:00Z"]);
    assert_eq!(document["deployments"], 2);
    let told = |one: &Value| format!("{} {}", one["count"], one["what"].as_str().unwrap());
    let left_out: Vec<String> = document["left_out"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(
        left_out,
        [
            "1 in flight (InProgress)",
            "1 with a status that is not known (Pondering)",
            "1 on servers (EC2 and on premises), which have no traffic to shift",
            "1 without any time",
            "1 of other groups",
            "1 that ended outside of --since and --until",
            "1 targets of deployments that were not read",
            "1 targets that are neither an ECS service nor a Lambda function",
        ]
    );
    let (_, text, _) = folder.history(&["history.jsonl"]);
    assert!(
        text.contains("\nleft out: 1 in flight (InProgress); 1 with a status that is not known (Pondering); 1 on"),
        "{text}"
    );
    assert!(text.contains("1 record was read more than once and counted once."), "{text}");
}

#[test]
fn what_came_before_is_known_also_where_it_is_not_counted() {
    let folder = Folder::with("since", &lines(&three()));
    // d-3 mends what failed before.
    let document = folder.json(&["--since", "2026-03-02T11:00:00+00:00", "--until", "2026-03-02"]);
    assert_eq!([&document["deployments"], &document["rework"], &document["change_failures"]], [1, 1, 0]);
    assert_eq!(document["dora"]["recovery"]["seconds"], 7200.0);
    let (status, out, _) = folder.history(&["history.jsonl", "--until", "2026-03-01"]);
    assert_eq!(status, Some(1));
    assert!(out.contains("Nothing to count") && out.contains("left out: 3 that ended outside of --since"), "{out}");
}

#[test]
fn the_targets_tell_the_shifts_end_and_the_app_spec_which_events_have_hooks() {
    let app_spec = r#"{"version":0,"Resources":[],"Hooks":[{"BeforeAllowTraffic":"smoke"}]}"#;
    let revision = json!({ "revisionType": "String", "string": { "content": app_spec, "sha256": "1" } });
    let info = deployment("d-1", 8, "Succeeded", &json!({ "computePlatform": "Lambda", "revision": revision }));
    let event = |name: &str, from: &str, to: &str| {
        json!({ "lifecycleEventName": name, "status": "Succeeded",
                "startTime": format!("2026-03-02T08:{from}Z"), "endTime": format!("2026-03-02T08:{to}Z") })
    };
    let events = [
        event("BeforeAllowTraffic", "00:02", "00:32"),
        event("AllowTraffic", "00:33", "07:01"),
        event("AfterAllowTraffic", "07:01", "07:01"),
    ];
    let target =
        json!({ "deploymentTargets": [{ "lambdaTarget": { "deploymentId": "d-1", "lifecycleEvents": events } }] });
    let document = Folder::with("targets", &format!("{target}\n{info}\n")).json(&[]);
    // 08:00:01 to 08:07:01, and not to 15:01.5 less five minutes.
    assert_eq!(document["duration_seconds"]["p50"], 420.0);
    let took = json!({ "count": 1, "p50": 30.0, "p95": 30.0, "longest": 30.0 });
    assert_eq!(document["hooks"], json!({ "BeforeAllowTraffic": { "runs": 1, "failed": 0, "seconds": took } }));
    assert!(!document["remarks"].to_string().contains("termination wait"), "{document}");
}

#[test]
fn a_rollback_of_greenlights_own_is_believed_where_the_history_bears_it_out() {
    let rollback =
        |of: &str| deployment("d-9", 9, "Succeeded", &json!({ "description": format!("greenlight_rolls_back={of}") }));
    let document = Folder::with("own", &lines(&[three()[0].clone(), rollback("d-1")])).json(&[]);
    assert_eq!([&document["deployments"], &document["taken_back"], &document["change_failures"]], [1, 1, 1]);
    assert_eq!(document["failures"][0]["cause"], "taken_back");
    let but = |key: &str, value: &str| {
        let mut other = three()[0].clone();
        other[key] = json!(value);
        vec![other, rollback("d-1")]
    };
    let cases = [
        ("nobody knows it", vec![rollback("d-1")]),
        ("of another group", but("deploymentGroupName", "api")),
        ("it had failed", but("status", "Failed")),
        ("itself", vec![rollback("d-9")]),
    ];
    for (why, infos) in cases {
        let document = Folder::with("not-own", &lines(&infos)).json(&[]);
        assert_eq!(document["deployments"], infos.len(), "{why}");
        assert_eq!(document["taken_back"], 0, "{why}");
        assert!(document["remarks"].to_string().contains("counted as a deployment, not as a rollback"), "{why}");
    }
}

#[test]
fn what_is_claimed_again_and_again_does_not_hide_that_it_failed() {
    let stopped = |number: u32| {
        let error = json!({ "code": "ALARM_ACTIVE", "message": "" });
        let more = json!({ "description": "greenlight_rolls_back=d-1", "errorInformation": error });
        deployment(&format!("d-x{number}"), 9 + number, "Stopped", &more)
    };
    let infos: Vec<Value> = [three()[0].clone()].into_iter().chain((0..8).map(stopped)).collect();
    let document = Folder::with("claims", &lines(&infos)).json(&[]);
    assert_eq!([&document["deployments"], &document["succeeded"], &document["change_failures"]], [9, 1, 8]);
    assert!(document["remarks"].to_string().contains("8 deployments say `greenlight_rolls_back=…`"), "{document}");
}

#[test]
fn two_accounts_in_one_history_are_refused() {
    let other = deployment(
        "d-9",
        9,
        "Succeeded",
        &json!({ "createTime": "2026-03-02T08:10:00Z", "startTime": "2026-03-02T08:10:00Z" }),
    );
    let folder = Folder::with("accounts", &lines(&three()));
    folder.write("staging.jsonl", &lines(&[deployment("d-8", 14, "Succeeded", &json!({})), other.clone()]));
    let (status, out, error) = folder.history(&["history.jsonl", "staging.jsonl"]);
    assert_eq!((status, out.as_str()), (Some(2), ""), "{error}");
    let (one, two) =
        ("`d-1` (history.jsonl:1: 2026-03-02 08:00 UTC to 2026-03-02 08:15 UTC)", "`d-9` (staging.jsonl:2: ");
    assert!(
        error.contains(one) && error.contains(two) && error.contains("once for each account and region"),
        "{error}"
    );
    // Of another group it says nothing.
    let (status, _, error) = folder.history(&["staging.jsonl", "history.jsonl", "--group", "shop/web"]);
    assert_eq!(status, Some(2), "{error}");
    let mut elsewhere = other;
    elsewhere["deploymentGroupName"] = json!("api");
    folder.write("staging.jsonl", &lines(&[elsewhere]));
    assert_eq!(folder.history(&["history.jsonl", "staging.jsonl"]).0, Some(0));
    // A rollback that begins some seconds before the end of what it rolls back is no second account's.
    let rollback = json!({ "creator": "codeDeployRollback", "createTime": "2026-03-02T09:09:50Z", "startTime": "2026-03-02T09:09:50Z" });
    folder.write("staging.jsonl", &lines(&[deployment("d-9", 9, "Succeeded", &rollback)]));
    assert_eq!(folder.history(&["history.jsonl", "staging.jsonl"]).0, Some(0));
}

#[test]
fn a_week_is_seven_days_and_not_a_page_of_the_calendar() {
    let on = |day: u32, number: u32| {
        let at = |clock: &str| format!("2026-02-{day:02}T{:02}:{clock}Z", 8 + number);
        let more = json!({ "createTime": at("00:00"), "startTime": at("00:00"), "completeTime": at("10:00") });
        deployment(&format!("d-{number}"), 0, "Succeeded", &more)
    };
    // Wednesday to Tuesday, eight of them.
    let infos: Vec<Value> = (0..8).map(|number| on(4 + number.min(6), number)).collect();
    let folder = Folder::with("seven-days", &lines(&infos));
    for arguments in [&[][..], &["--since", "2026-02-04", "--until", "2026-02-10"]] {
        assert_eq!(folder.json(arguments)["dora"]["deployment_frequency"]["per_week"], 8.0, "{arguments:?}");
    }
    let fortnight = folder.json(&["--since", "2026-01-28", "--until", "2026-02-10"]);
    let expected = json!({ "per_week": 4.0, "days": 14, "band": "high" });
    assert_eq!(
        [&fortnight["dora"]["deployment_frequency"], &fortnight["groups"][0]["per_week"]],
        [&expected, &json!(4.0)]
    );
}

#[test]
fn what_the_wait_was_not_taken_off_is_not_said_to_be_without_it() {
    let of = |more: &Value| {
        let infos = [deployment("d-1", 8, "Succeeded", more), deployment("d-2", 9, "Succeeded", more)];
        Folder::with("wait", &lines(&infos)).json(&[])["remarks"].to_string()
    };
    let kept = json!({ "terminateBlueInstancesOnDeploymentSuccess": { "action": "KEEP_ALIVE" } });
    let long = json!({ "terminateBlueInstancesOnDeploymentSuccess": { "action": "TERMINATE", "terminationWaitTimeInMinutes": 60 } });
    assert!(of(&json!({})).contains("For 2 of 2 deployments"), "{}", of(&json!({})));
    for without in [
        json!({ "computePlatform": "Lambda", "blueGreenDeploymentConfiguration": null }),
        json!({ "blueGreenDeploymentConfiguration": kept }),
        // Shorter than its wait: somebody has cut it short.
        json!({ "blueGreenDeploymentConfiguration": long }),
    ] {
        assert!(!of(&without).contains("termination wait"), "{without}");
    }
}

#[test]
fn a_success_without_an_end_is_a_success() {
    let infos = [three()[1].clone(), deployment("d-3", 11, "Succeeded", &json!({ "completeTime": null }))];
    let document = Folder::with("endless", &lines(&infos)).json(&[]);
    let remarks = document["remarks"].to_string();
    assert!(!remarks.contains("no deployment has succeeded since"), "{remarks}");
    assert!(remarks.contains("has no end in its record (`completeTime`)"), "{remarks}");
    assert!(remarks.contains("1 deployment ended without a `completeTime`"), "{remarks}");
}

#[test]
fn a_hook_that_was_cut_short_has_not_failed() {
    let app_spec = r#"{"version":0,"Resources":[],"Hooks":[{"AfterAllowTraffic":"smoke"}]}"#;
    let revision = json!({ "revisionType": "String", "string": { "content": app_spec, "sha256": "1" } });
    let event = json!({ "lifecycleEventName": "AfterAllowTraffic", "status": "Failed",
        "startTime": "2026-03-02T08:02:00Z", "endTime": "2026-03-02T08:05:00Z" });
    let target =
        json!({ "deploymentTarget": { "lambdaTarget": { "deploymentId": "d-1", "lifecycleEvents": [event] } } });
    for (status, expected) in [("Stopped", None), ("Failed", Some(1))] {
        let info = deployment("d-1", 8, status, &json!({ "computePlatform": "Lambda", "revision": revision }));
        let document = Folder::with("cut", &format!("{target}\n{info}\n")).json(&[]);
        assert_eq!(document["hooks"]["AfterAllowTraffic"]["failed"].as_u64(), expected, "{status}");
    }
}

#[test]
fn the_configuration_says_which_groups_count_and_their_environments() {
    let mut infos = three().to_vec();
    infos.push(deployment("d-8", 14, "Succeeded", &json!({ "deploymentGroupName": "other" })));
    let folder = Folder::with("config", &lines(&infos));
    let service = "name: web, environment: staging, codedeploy: { application: shop, deployment_group: web }";
    folder.write("greenlight.yaml", &format!("version: 1\nservices: [ {{ {service} }} ]\n"));
    let document = folder.json(&["--config", "greenlight.yaml"]);
    assert_eq!([&document["deployments"], &document["left_out"][0]["count"]], [3, 1]);
    assert_eq!(document["left_out"][0]["what"], "of groups that the configuration does not name");
    assert_eq!(document["groups"][0]["environment"], "staging");
    let both = ["history.jsonl", "--config", "greenlight.yaml", "--group", "shop/other", "--group", "shop/web"];
    let (_, text, _) = folder.history(&both);
    assert!(text.contains("4 deployments of 2 groups") && text.contains("shop/web (staging)"), "{text}");
}

/// The golden history, whose numbers are worked out by hand, with their reasons, where it is kept (`shared/dora/tests`). Here it goes through the file, the reader
/// and the program, and comes to the same sums.
#[test]
fn the_golden_history_comes_to_its_sums() {
    let golden = std::fs::read_to_string(root().join("shared/dora/tests/golden/history.jsonl")).unwrap();
    let folder = Folder::with("golden", &golden);
    let document = folder.json(&["--html", "page.html"]);
    let counts = |of: &Value| {
        [
            "deployments",
            "succeeded",
            "changes",
            "change_failures",
            "rolled_back",
            "taken_back",
            "failed_rollbacks",
            "rework",
        ]
        .map(|key| of[key].as_u64().unwrap())
    };
    assert_eq!(counts(&document), [42, 29, 36, 13, 10, 2, 2, 15]);
    let causes = json!({ "alarm": 4, "hook": 3, "time_out": 1, "stopped_and_rolled_back": 2, "other": 2 });
    assert_eq!(document["failed_by_cause"], causes);
    let spread = |of: &Value| json!(["count", "p50", "p95", "longest"].map(|key| of[key].as_f64().unwrap()));
    assert_eq!(spread(&document["duration_seconds"]), json!([42.0, 600.0, 900.0, 3600.0]));
    assert_eq!(spread(&document["total_duration_seconds"]), json!([42.0, 660.0, 4500.0, 4500.0]));
    assert_eq!(spread(&document["lead_time_seconds"]), json!([22.0, 4262.0, 259_802.0, 605_461.0]));
    assert_eq!(spread(&document["recovery_seconds"]), json!([12.0, 122.0, 7500.0, 7500.0]));
    assert_eq!(
        document["dora"]["deployment_frequency"],
        json!({ "per_week": 42.0 * 7.0 / 39.0, "days": 39, "band": "elite" })
    );
    let groups: Vec<_> = document["groups"].as_array().unwrap().iter().map(counts).collect();
    let by_hand =
        [[8, 5, 7, 2, 1, 0, 0, 3], [23, 15, 18, 8, 6, 1, 1, 9], [8, 6, 8, 3, 3, 1, 1, 3], [3, 3, 3, 0, 0, 0, 0, 0]];
    assert_eq!(groups, by_hand, "burst-overflow, orchestrator, storefront, worker");
    let weeks: Vec<_> = document["weeks"].as_array().unwrap().iter().map(|week| counts(week)[..4].to_vec()).collect();
    assert_eq!(weeks, [[9, 6, 8, 3], [10, 6, 7, 3], [8, 5, 7, 2], [5, 4, 4, 3], [7, 5, 7, 2], [3, 3, 3, 0]]);
    // 12 failed by a cause and 2 were taken back. The one in flight is not counted, nor is the claim of one to be a rollback believed.
    assert_eq!(document["failures"].as_array().unwrap().len(), 14);
    assert_eq!(document["left_out"], json!([{ "count": 1, "what": "in flight (InProgress)" }]));
    assert!(document["remarks"].to_string().contains("1 deployment says `greenlight_rolls_back=…`"), "{document}");
    let recovered = |id: &str| {
        let failures = document["failures"].as_array().unwrap();
        let failure = failures.iter().find(|one| one["deployment_id"] == id).unwrap();
        (failure["recovery_seconds"].as_f64(), failure["recovered_with_an_earlier_one"].as_bool().unwrap())
    };
    // Two failures, one outage: from the first of the two to the next success.
    assert_eq!(recovered("d-ORC000026"), (Some(7500.0), false));
    assert_eq!(recovered("d-ORC000027"), (None, true));
    assert_eq!(recovered("d-STO000008"), (Some(1322.0), false));
    let page = folder.read("page.html");
    assert!(
        page.contains("42 deployments of 4 groups, 2026-02-02 to 2026-03-12")
            && page.contains("13 of 36 changes in all, 36.1 %")
    );
}
