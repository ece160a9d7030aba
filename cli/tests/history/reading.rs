//! What is read: every form of the AWS CLI's output, what is wrong with it, and the commands that fetch it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::program::{greenlight, root};
use crate::{Folder, lines, three};

const TIMES: [&str; 3] = ["createTime", "startTime", "completeTime"];

/// What was counted, without how it was read.
fn counted(text: &str) -> Value {
    let mut document = Folder::with("form", text).json(&[]);
    document.as_object_mut().unwrap().remove("remarks");
    document
}

/// The three with their times in another form, of the hour, the minutes and the seconds.
fn with_times(form: impl Fn(u32, u32, f64) -> Value) -> [Value; 3] {
    let mut infos = three();
    for info in &mut infos {
        for key in TIMES {
            let text = info[key].as_str().unwrap();
            let (hour, minutes) = (text[11..13].parse().unwrap(), text[14..16].parse().unwrap());
            info[key] = form(hour, minutes, text[17..26].parse().unwrap());
        }
    }
    infos
}

#[test]
fn every_form_in_which_the_aws_cli_prints_it_counts_alike() {
    let infos = three();
    let [one, two, three] = &infos;
    let expected = counted(&lines(&infos));
    // 2026-03-02T00:00:00Z is 1772409600.
    let seconds =
        with_times(|hour, minutes, seconds| json!(1_772_409_600.0 + f64::from(hour * 3600 + minutes * 60) + seconds));
    let india = with_times(|hour, minutes, seconds| {
        json!(format!("2026-03-02T{:02}:{:02}:{seconds:09.6}+05:30", hour + 5, minutes + 30))
    });
    let forms = [
        ("batch", json!({ "deploymentsInfo": infos }).to_string()),
        (
            "pretty",
            format!("{:#}\n\n{:#}", json!({ "deploymentsInfo": [one, two] }), json!({ "deploymentsInfo": [three] })),
        ),
        ("joined", format!("{}{}", json!({ "deploymentsInfo": [one] }), json!({ "deploymentsInfo": [three, two] }))),
        ("bare", format!("{one}\r\n{two}\r\n{three}\r\n")),
        ("list", json!(infos).to_string()),
        ("marked", format!("\u{feff}{}", json!({ "deploymentsInfo": infos, "new": { "key": [1] } }))),
        ("version 1", json!({ "deploymentsInfo": seconds }).to_string()),
        ("another offset", json!({ "deploymentsInfo": india }).to_string()),
        ("twice", format!("{}{}", lines(&infos), lines(&infos))),
    ];
    for (name, text) in forms {
        assert_eq!(counted(&text), expected, "{name}: {text}");
    }
}

/// The sample of AWS's own documentation ("batch-get-deployments", AWS CLI command reference): of version 1, with revisions in S3.
const DOCUMENTED: &str = r#"{"deploymentsInfo": [
    {"applicationName": "WordPress_App", "status": "Failed", "deploymentOverview": {"Failed": 0, "InProgress": 0, "Skipped": 0, "Succeeded": 1, "Pending": 0},
     "deploymentConfigName": "CodeDeployDefault.OneAtATime", "creator": "user", "deploymentGroupName": "WordPress_DG",
     "revision": {"revisionType": "S3", "s3Location": {"bundleType": "zip", "version": "uTecLusEXAMPLEFXtfUcyfV8bEXAMPLE", "bucket": "CodeDeployDemoBucket", "key": "WordPressApp.zip"}},
     "deploymentId": "d-A1B2C3111", "createTime": 1408480721.9, "completeTime": 1408480741.822},
    {"applicationName": "MyOther_App", "status": "Failed", "deploymentOverview": {"Failed": 1, "InProgress": 0, "Skipped": 0, "Succeeded": 0, "Pending": 0},
     "deploymentConfigName": "CodeDeployDefault.OneAtATime", "creator": "user",
     "errorInformation": {"message": "Deployment failed: Constraint default violated: No hosts succeeded.", "code": "HEALTH_CONSTRAINTS"},
     "deploymentGroupName": "MyOther_DG",
     "revision": {"revisionType": "S3", "s3Location": {"bundleType": "zip", "eTag": "\"dd56cfdEXAMPLE8e768f9d77fEXAMPLE\"", "bucket": "CodeDeployDemoBucket", "key": "MyOtherApp.zip"}},
     "deploymentId": "d-A1B2C3222", "createTime": 1409764576.589, "completeTime": 1409764596.101}]}"#;

#[test]
fn the_documented_sample_is_read() {
    let document = counted(DOCUMENTED);
    assert_eq!([&document["deployments"], &document["succeeded"], &document["changes"]], [2, 0, 2]);
    assert_eq!(document["from"], "2014-08-19T20:39:01.822Z");
    // 741.822 less 721.9.
    assert_eq!(document["duration_seconds"]["longest"], 19.922);
    assert_eq!(document["failed_by_cause"], json!({ "other": 2 }));
    // The weeks of 18 August, 25 August and 1 September.
    let weeks: Vec<&Value> = document["weeks"].as_array().unwrap().iter().map(|week| &week["deployments"]).collect();
    assert_eq!(weeks, [1, 0, 1]);
}

#[test]
fn what_cannot_be_read_is_told_with_its_file_and_line_and_ends_with_2() {
    let good = lines(&three());
    let without = |key: &str| {
        let mut info = three()[0].clone();
        info.as_object_mut().unwrap().remove(key);
        format!("{good}\n{}\n", json!({ "deploymentsInfo": [three()[1], info] }))
    };
    let at = |time: &str| good.replacen("\"2026-03-02T08:00:00.000000+00:00\"", time, 1);
    let cases = [
        ("not json\n".to_owned(), "history.jsonl:1: this is not JSON: "),
        (format!("{good}{{\"deploymentsInfo\": [\n\n"), "history.jsonl:6: the document ends too early: "),
        (
            format!("{good}[1]"),
            "history.jsonl:4: `1` is not an object; expected what `aws deploy batch-get-deployments`",
        ),
        (
            format!("{good}\n\n{{\"deployments\": []}}"),
            "history.jsonl:6: this is what `aws deploy list-deployments` prints",
        ),
        (format!("{good}[\"d-ONE\", \"d-TWO\"]"), "history.jsonl:4: this is what `aws deploy list-deployments` prints"),
        ("d-ONE\td-TWO\n".to_owned(), "history.jsonl:1: this is what `aws deploy list-deployments` prints"),
        // `--output text`, `table` and `yaml`, as version 2 of the AWS CLI prints them.
        (
            "DEPLOYMENTSINFO\tshop\tECS\n".to_owned(),
            "history.jsonl:1: this is the AWS CLI's output as text, a table or YAML; add `--output json`",
        ),
        ("-----\n|  BatchGetDeployments  |\n".to_owned(), "add `--output json`"),
        ("deploymentsInfo:\n- applicationName: shop\n".to_owned(), "add `--output json`"),
        (
            format!(
                "{good}\nAn error occurred (ThrottlingException) when calling the BatchGetDeployments operation: Rate exceeded\n"
            ),
            "history.jsonl:5: the AWS CLI says that it failed: `An error occurred (ThrottlingException)",
        ),
        (
            "aws: error: the following arguments are required: --deployment-ids\n".to_owned(),
            "the AWS CLI says that it failed: `aws: error: the",
        ),
        (format!("{good}{{\"Messages\": []}}"), "history.jsonl:4: an object with the keys `Messages`; expected what"),
        (without("deploymentId"), "history.jsonl:5: deploymentsInfo[1]: the deployment has no `deploymentId`"),
        (without("applicationName"), "has no `applicationName`"),
        (without("deploymentGroupName"), "has no `deploymentGroupName`"),
        (without("status"), "has no `status`"),
        (at("\"yesterday\""), "history.jsonl:1: deploymentInfo.createTime: `yesterday` is not a time; expected `2026-"),
        // Milliseconds; before CodeDeploy was; after anybody will care.
        (at("1772438400000"), "createTime: `1772438400000` is not a time"),
        (at("-1e300"), "is not a time"),
        (at("\"9999-12-31T23:59:59Z\""), "is not a time"),
        (at("[]"), "createTime: invalid type: sequence, expected a time"),
        (format!("{good}{{\"deploymentInfo\": 5}}"), "history.jsonl:4: deploymentInfo: invalid type"),
        (format!("{good}{{\"deploymentsInfo\": 5}}"), "history.jsonl:4: deploymentsInfo: invalid type"),
        (
            format!("{good}{{\"deploymentTarget\": {{\"ecsTarget\": {{}}}}}}"),
            "the deployment target has no `deploymentId`",
        ),
        // What the colours of a terminal are made of is not repeated.
        (format!("{good}{{\"\\u001b[2J\": 1}}"), "an object with the keys `[2J`"),
    ];
    for (text, expected) in cases {
        let folder = Folder::with("wrong", &text);
        let (status, out, error) = folder.history(&["history.jsonl", "--html", "page.html"]);
        assert_eq!((status, out.as_str()), (Some(2), ""), "{expected}: {error}");
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(!folder.0.join("page.html").exists(), "{expected}");
    }
    // A list of ids is one mistake, however long it is.
    let (_, _, error) = Folder::with("ids", &json!(vec!["d-1"; 40]).to_string()).history(&["history.jsonl"]);
    assert!(!error.contains("more") && error.matches("history.jsonl:1").count() == 1, "{error}");
    // All of them at once, but not without end.
    let (_, _, error) = Folder::with("many", &"{\"a\":1}\n".repeat(40)).history(&["history.jsonl"]);
    assert!(error.contains("history.jsonl:10: ") && !error.contains("history.jsonl:11: "), "{error}");
    assert!(error.contains("… and 30 more"), "{error}");
}

#[test]
fn a_file_in_utf_16_is_told_from_one_that_is_not_json() {
    let folder = Folder::new("utf-16");
    std::fs::write(folder.0.join("history.jsonl"), b"\xff\xfe{\0}\0").unwrap();
    let (status, _, error) = folder.history(&["history.jsonl"]);
    assert_eq!(status, Some(2));
    assert!(error.contains("history.jsonl: this is UTF-16, as PowerShell's `>` writes it"), "{error}");
}

#[test]
fn an_argument_that_cannot_be_meant_ends_with_2() {
    let folder = Folder::with("arguments", &lines(&three()));
    let cases: [(&[&str], &str); 8] = [
        (&[], "<FILE>"),
        (&["nowhere.jsonl"], "could not read `nowhere.jsonl`"),
        (&["history.jsonl", "--group", "shop"], "write the application and the deployment group, `application/group`"),
        (&["history.jsonl", "--group", "shop/wbe"], "no deployment of `shop/wbe`; did you mean `shop/web`?"),
        (&["history.jsonl", "--since", "october"], "write a day, `2026-10-01`"),
        (&["history.jsonl", "--since", "2026-10-02", "--until", "2026-10-01"], "--since is not before --until"),
        (&["history.jsonl", "--config", "none.yaml"], "could not read `none.yaml`"),
        (&["history.jsonl", "--html", "no/such/folder.html"], "could not write the page `no/such/folder.html`"),
    ];
    for (arguments, expected) in cases {
        let (status, _, error) = folder.history(arguments);
        assert_eq!(status, Some(2), "{arguments:?}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn standard_input_and_several_files_are_read() {
    let folder = Folder::with("input", &lines(&three()[..2]));
    let mut command = Command::new(env!("CARGO_BIN_EXE_greenlight"));
    let command = command.args(["history", "history.jsonl", "-", "--format", "json"]).current_dir(&folder.0);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines(&three()[2..]).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &document["deployments"]), (Some(0), &json!(3)));
}

/// A program in the AWS CLI's place: 60 deployments of a minute, whose shift took half of it. It keeps CodeDeploy's limit of 25.
const AWS: &str = r#"#!/bin/sh
case "$2" in
list-deployments) seq -f 'd-%03g' 1 60 | tr '\n' '\t' ;;
list-deployment-targets) printf 'cluster:service\n' ;;
batch-get-deployments)
  while [ "$1" != --deployment-ids ]; do shift; done; shift
  [ $# -le 25 ] || { echo BatchLimitExceededException >&2; exit 254; }
  printf '{"deploymentsInfo": ['
  for id; do
    printf '%s{"deploymentId": "%s", "applicationName": "APP", "deploymentGroupName": "GROUP", "status": "Succeeded", ' "$comma" "$id"
    printf '"createTime": 1772438400, "completeTime": 1772438460}'
    comma=,
  done
  printf ']}\n' ;;
batch-get-deployment-targets)
  while [ "$1" != --deployment-id ]; do shift; done
  [ "$3 $4" = "--target-ids cluster:service" ] || exit 252
  printf '{"deploymentTargets": [{"ecsTarget": {"deploymentId": "%s", "lifecycleEvents": [{"endTime": 1772438430}]}}]}\n' "$2" ;;
*) exit 252 ;;
esac
"#;

#[cfg(unix)]
#[test]
fn the_commands_of_the_help_and_of_the_page_fetch_a_history() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new("help");
    folder.write("aws", AWS);
    std::fs::set_permissions(folder.0.join("aws"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (_, help, _) = greenlight("history", root(), &["--help"]);
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let docs = squeezed(&std::fs::read_to_string(root().join("docs/metrics.md")).unwrap());
    let run = |title: &str| {
        let after = help.split_once(title).unwrap_or_else(|| panic!("{title}: {help}")).1;
        let script = after.split_once('\n').unwrap().1.split("\n\n").next().unwrap();
        assert!(docs.contains(&squeezed(script)), "docs/metrics.md does not show\n{script}");
        // Wrapped in a narrow terminal, they would not run.
        assert!(script.lines().all(|line| line.len() < 80), "{script}");
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", folder.0.display());
        let status =
            Command::new("sh").args(["-ec", script]).current_dir(&folder.0).env("PATH", path).status().unwrap();
        assert!(status.success(), "{script}");
    };
    for title in ["  One deployment group:", "  Every group of the account"] {
        run(title);
        let document = folder.json(&[]);
        assert_eq!(
            [&document["deployments"], &document["duration_seconds"]["p50"]],
            [&json!(60), &json!(60.0)],
            "{title}"
        );
    }
    run("  When each shift ended exactly");
    assert_eq!(folder.json(&["targets.jsonl"])["duration_seconds"]["p50"], 30.0);
}
