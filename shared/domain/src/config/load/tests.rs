//! What is told of a wrong file, in the words and at the places that a person sees.

use super::*;

const SERVICE: &str =
    "version: 1\nservices:\n  - name: a\n    codedeploy: { application: app, deployment_group: grp }\n";

/// Each problem as `line:column: message`.
fn told(text: &str) -> Vec<String> {
    let problems = load("greenlight.yaml", text).map_or_else(|error| error.problems, |_| Vec::new());
    let line = |problem: &Problem| format!("{}:{}: {}", problem.place.line, problem.place.column, problem.message);
    problems.iter().map(line).collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(told(text), expected, "{text}");
}

/// One line below a service.
#[track_caller]
fn check_line(line: &str, expected: &[&str]) {
    check(&format!("{SERVICE}    {line}\n"), expected);
}

#[test]
fn an_error_reads_like_a_compilers() {
    let error = load("config/greenlight.yaml", &format!("{SERVICE}    endpoint: {{ test: http://a }}\n")).unwrap_err();
    assert_eq!(error.to_string(), "config/greenlight.yaml:5:5: unknown key `endpoint`; did you mean `endpoints`?");
}

#[test]
fn a_wrong_type_is_told_with_what_is_wanted_and_what_stands_there() {
    let block = |text: &str| format!("after_allow_traffic: {{ {text} }}");
    let cases = [
        (block("budget: 120"), "5:28: `budget` needs a span of time such as `2m`, not the number 120"),
        (
            block("budget: 2 minutes"),
            "5:28: `2 minutes` is not a span of time: write a number and a unit, such as `300ms`, `3s`, `2m`, `1h` or `14d`",
        ),
        (block("checks:"), "5:28: `checks` needs a list, but nothing stands there"),
        (
            block("checks: { name: a }"),
            "5:28: `checks` needs a list, not a map with `name`; begin each entry with `- `",
        ),
        (
            block("checks: [health]"),
            "5:37: this entry of `checks` needs a map of keys and values, not the text `health`",
        ),
        (block("checks: [{ name: a, get: /, needs: b }]"), "5:56: `needs` needs a list, not the text `b`; write `[b]`"),
        (
            block("checks: [{ name: 5, get: / }]"),
            "5:39: `name` needs a text, not the number 5; put it in quotes, `\"5\"`",
        ),
        (
            block("checks: [{ name: a, get: /, always: yes }]"),
            "5:56: `always` needs `true` or `false`, not the text `yes`; write `true`",
        ),
        (block("checks: [{ name: a, get: /, severity: wran }]"), "5:56: `wran` is no `severity`; did you mean `warn`?"),
        (block("checks: [{ name: a, get: /, severity: 3 }]"), "5:56: `severity` needs a word, not the number 3"),
        (
            block("checks: [{ name: a, get: /, retries: { times: 2, backof: 1s } }]"),
            "5:56: `retries` needs a number of further tries, or `{ times: 2, backoff: 1s }`, not a map with `times`, `backof`",
        ),
        (
            block("checks: [{ name: a, get: /, capture: { id: { header: a, regex: b } } }]"),
            "5:67: `id` needs a JSONPath, `{ header: … }` or `{ regex: … }`, not a map with `header`, `regex`",
        ),
        (
            block("checks: [{ name: a, get: /, expect: { status: ok!, body: json } }]"),
            "5:79: `body` needs a map of keys and values, not the text `json`",
        ),
        (
            "before_allow_traffic: { require: { alarms_quiet: wran } }".to_owned(),
            "5:40: `alarms_quiet` needs `true`, `false` or `warn`, not the text `wran`; did you mean `warn`?",
        ),
        (
            "alarms: [{ name: x, action: rollbak }]".to_owned(),
            "5:25: `rollbak` is no `action`; did you mean `rollback`?",
        ),
        ("alarms: [{ name: x, action: page }]".to_owned(), "5:25: `page` is no `action`; write `rollback` or `alert`"),
        (
            "alarms: [{ name: x }]".to_owned(),
            "5:14: this entry of `alarms` lacks `action`; add `action: rollback` or `action: alert`",
        ),
        ("endpoints: [a, b]".to_owned(), "5:5: `endpoints` needs a map of keys and values, not a list"),
        (
            "<<: { environment: x }".to_owned(),
            "5:5: merge keys (`<<`) mean nothing here; write the keys out, or use an alias for a whole value",
        ),
        (
            "monitoring: on".to_owned(),
            "5:5: unknown key `monitoring`; allowed here: name, environment, codedeploy, ecs, endpoints, before_allow_traffic, after_allow_traffic, alarms, late_rollback, rollback_limit, slack, links",
        ),
    ];
    for (line, expected) in cases {
        check_line(&line, &[expected]);
    }
}

#[test]
fn a_service_is_deployed_by_codedeploy_or_by_ecs_itself() {
    let service = |rest: &str| format!("version: 1\nservices:\n  - name: a\n{rest}");
    let ecs = "    ecs: { cluster: c, service: s }\n";
    check(&service(ecs), &[]);
    check(
        "version: 1\nservices:\n  - name: a\n",
        &[
            "3:5: this service says nothing of who deploys it; add `codedeploy: { application: …, deployment_group: … }`, or `ecs: { cluster: \
          …, service: … }` for ECS's own rolling deployments",
        ],
    );
    check_line(ecs.trim(), &["5:5: a service is deployed by CodeDeploy or by ECS itself; keep `codedeploy` or `ecs`"]);
    let hooked = format!("{ecs}    after_allow_traffic: {{ checks: [{{ name: x, get: / }}] }}\n");
    check(
        &service(&hooked),
        &["5:5: a rolling deployment has no hooks, so nothing would ask these checks; take the block out"],
    );
    for block in ["before_allow_traffic: { checks: [] }", "after_allow_traffic: {}"] {
        let empty = format!("{ecs}    {block}\n");
        check(
            &service(&empty),
            &["5:5: a rolling deployment has no hooks, so nothing would ask these checks; take the block out"],
        );
    }
    check(
        &service(&format!("{ecs}    endpoints: {{ production: \"https://a.example\" }}\n")),
        &["5:5: a rolling deployment has no hooks, so no check would go to these endpoints; take the block out"],
    );
    check(
        &service("    ecs: { cluster: \"arn:aws:ecs:eu-west-1:123456789012:cluster/main\", service: \"my worker\" }\n"),
        &[
            "4:12: this is the cluster's ARN; write its name, `main`",
            "4:72: this name has a blank in it, and a service of ECS has letters, digits, `-` and `_` only",
        ],
    );
    check(
        &service("    ecs: { cluster: c, service: \"arn:aws:ecs:eu-west-1:123456789012:service/main/worker\" }\n"),
        &["4:24: this is the service's ARN; write its name, `worker`"],
    );
    let twice = format!("{ecs}  - name: b\n{ecs}");
    check(&service(&twice), &["6:5: the ECS service `c/s` stands below two services; a deployment is of one"]);
    check(&service("    ecs: { cluster: c, service: \"\" }\n"), &["4:24: this is empty; write a name"]);
}

#[test]
fn windows_and_limits_of_rollbacks_must_make_sense() {
    check_line("late_rollback: { window: 30m }", &[]);
    check_line("rollback_limit: { rollbacks: 1, window: 7d }", &[]);
    check_line(
        "late_rollback: { window: 0s }",
        &["5:22: a window of nothing catches no alarm; leave `late_rollback` out to switch it off"],
    );
    check_line(
        "late_rollback: { window: 25h }",
        &["5:22: after more than a day much else has changed; write a window of at most `1d`"],
    );
    check_line(
        "rollback_limit: { rollbacks: 0 }",
        &[
            "5:23: write a whole number from 1 up: with 0 no alarm would ever roll back; set `action: alert` on the alarms for that",
        ],
    );
    check_line(
        "rollback_limit: { rollbacks: -1 }",
        &["5:23: `rollbacks` needs a whole number from 1 up, not the number -1"],
    );
}

#[test]
fn an_alarm_is_named_by_its_name_as_it_stands_in_cloudwatch() {
    check_line(
        "alarms: [{ name: \"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:web:5xx\", action: rollback }]",
        &["5:16: this is an alarm's ARN; write its name, `web:5xx`"],
    );
    check_line(
        "alarms: [{ name: \"web-5xx \", action: rollback }]",
        &["5:16: this name begins or ends with a blank, so no alarm has it; write `web-5xx`"],
    );
    check_line(
        "rollback_limit: { window: 8d }",
        &["5:23: rollbacks are remembered for 7 days; write a window of at most `7d`"],
    );
}

#[test]
fn what_is_wrong_with_the_whole_file_is_told_once() {
    check("", &["1:1: the file is empty; the least that it needs is `version: 1` and `services: []`"]);
    check("# nothing\n", &["1:1: the file is empty; the least that it needs is `version: 1` and `services: []`"]);
    check("- version: 1\n", &["1:1: the file needs a map of keys and values, not a list"]);
    check("services: []\n", &["1:1: the file lacks `version`; add `version: 1`"]);
    check("version: 1\n", &["1:1: the file lacks `services`; add `services:` and the list of them, `[]` for none"]);
    check(
        "version: \"1\"\nservices: []\n",
        &["1:1: `version` needs a whole number from 0 up, not the text `1`; write it without quotes"],
    );
    check("version: -1\nservices: []\n", &["1:1: `version` needs a whole number from 0 up, not the number -1"]);
    check("version: 2\nservices: []\n", &["1:1: version 2 of the configuration is not known; write `version: 1`"]);
}

#[test]
fn a_syntax_error_is_told_at_a_place_inside_the_file() {
    let error = load("g.yaml", "version: 1\nservices: [\n").unwrap_err();
    assert_eq!(error.problems.len(), 1);
    assert_eq!(error.problems[0].place, Place { line: 2, column: 12 });
    assert!(error.problems[0].message.starts_with("this is not YAML: "), "{error}");
}

#[test]
fn a_secret_written_into_the_file_is_refused_and_not_repeated() {
    for secret in ["https://hooks.slack.com/services/T0/B0/4711", "4711", "[4711]", "{ a: 4711 }"] {
        let text = format!("version: 1\nslack: {{ webhook: {secret} }}\nservices: []\n");
        let told = told(&text);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("2:10: ") && told[0].contains("`secret:<name>#<key>`"), "{told:?}");
        assert!(!told[0].contains("4711"), "{told:?}");
    }
}

#[test]
fn problems_of_every_kind_are_told_at_once_in_the_files_order() {
    let text = "version: 1
slack: { token: env:T, chanel: '#deploys' }
services:
  - name: a
    codedeploy: { application: app, deploymentgroup: grp }
    endpoint: { test: test.example.com, prod: 5 }
    before_allow_traffic:
      budget: 120
      budget: 90s
      require: { alarms_quiet: maybe, targets_healty: warn }
      checks:
        - { get: 5 }
        - { name: b, get: /, timeout: soon, severity: critical }
    alarms:
      - { name: x, action: rollbak }
      - { name: x, action: alert }
  - name: a
    codedeploy: !Ref { application: app, deployment_group: grp }
";
    check(
        text,
        &[
            "2:24: unknown key `chanel`; did you mean `channel`?",
            "2:24: `#deploys` is a channel's name; write its id, such as `C0DEPLOYS`",
            "5:37: unknown key `deploymentgroup`; did you mean `deployment_group`?",
            "6:5: unknown key `endpoint`; did you mean `endpoints`?",
            "6:17: `test.example.com` is not a URL; did you mean `https://test.example.com`?",
            "6:41: unknown key `prod`; allowed here: test, production",
            "8:7: `budget` needs a span of time such as `2m`, not the number 120",
            "9:7: the key `budget` stands here twice, first in line 8; keep one of them",
            "10:18: `alarms_quiet` needs `true`, `false` or `warn`, not the text `maybe`",
            "10:39: unknown key `targets_healty`; did you mean `targets_healthy`?",
            "12:11: this entry of `checks` lacks `name`; add `name: …`",
            "12:13: `get` needs a text, not the number 5; put it in quotes, `\"5\"`",
            "13:30: `soon` is not a span of time: write a number and a unit, such as `300ms`, `3s`, `2m`, `1h` or `14d`",
            "13:45: `critical` is no `severity`; write `fail` or `warn`",
            "15:20: `rollbak` is no `action`; did you mean `rollback`?",
            "16:11: the alarm `x` stands here twice; keep one of the two entries",
            "17:5: there are two services named `a`; give each its own name",
            "18:5: the deployment group `app/grp` belongs to two services; a deployment is of one",
            "18:17: the tag `!Ref` means nothing here; take it out",
        ],
    );
}

#[test]
fn what_does_not_fit_together_is_told() {
    check(
        "version: 1\nslack: { token: \"env:T\" }\nservices: []\n",
        &["2:1: `token` needs a `channel`: the channel's id, such as `C0DEPLOYS`"],
    );
    check(
        "version: 1\nslack: { token: \"env:T\", webhook: \"env:W\" }\nservices: []\n",
        &["2:1: give either `token` and `channel`, or `webhook`"],
    );
    check(
        "version: 1\nslack: { webhook: \"env:W\", mention: \"@team\" }\nservices:\n  - name: a\n    codedeploy: { application: app, deployment_group: grp }\n    slack: { channel: C2 }\n",
        &[
            "2:28: `@team` is nobody who can be mentioned; write a user group's id (`S…`), a user's (`U…`), `here` or `channel`",
            "6:14: a webhook posts to its own channel only; for a channel of its own the service needs `slack.token` in place of `slack.webhook`",
        ],
    );
    check_line(
        "slack: { channel: deploys }",
        &[
            "5:14: `deploys` is no channel's id; write one such as `C0DEPLOYS` (Slack shows it at the end of the channel's details)",
        ],
    );
    check(
        &format!("{SERVICE}{}", SERVICE.replace("version: 1\nservices:\n", "").replace("name: a", "name: b")),
        &["6:5: the deployment group `app/grp` belongs to two services; a deployment is of one"],
    );
    check_line("environment: \"\"", &["5:5: this is empty; write a name"]);
    check_line(
        "links: { logs: logs.example }",
        &["5:14: a link in a message is a whole URL that begins with `https://` and has no blank in it"],
    );
    check_line(
        "after_allow_traffic: { budget: 0s }",
        &["5:28: a budget of nothing leaves no time for anything; leave it out to take what Lambda leaves"],
    );
}

#[test]
fn a_base_url_has_a_scheme_a_host_and_nothing_behind_its_path() {
    for url in ["http://a", "https://a.example:8443/v1/", "http://user:pw@a", "http://[::1]:80"] {
        check_line(&format!("endpoints: {{ test: \"{url}\" }}"), &[]);
    }
    let cases = [
        ("a", "`a` is not a URL; write `https://` and the host"),
        ("ftp://a.example", "`ftp://a.example` is not a URL; did you mean `https://a.example`?"),
        ("https://", "`https://` has no host; write it behind `://`"),
        ("https://a:port", "`https://a:port` has no port from 1 to 65535 behind its host"),
        (
            "https://a/?x=1",
            "`https://a/?x=1` has a `?` in it; the paths of checks go below an endpoint, so it ends with its path",
        ),
        ("https://{{ x }}", "`https://{{ x }}` holds a reference; an endpoint is taken as it stands"),
    ];
    for (url, expected) in cases {
        check_line(&format!("endpoints: {{ test: \"{url}\" }}"), &[&format!("5:18: {expected}")]);
    }
}

#[test]
fn a_review_of_checks_joins_in_but_not_behind_what_could_not_be_read() {
    let reviewer: Reviewer = |checks| {
        let mut remarks = Vec::new();
        for (index, check) in checks.iter().enumerate() {
            let at = Path::top().entry(index);
            remarks.push(Remark::new(at.key("expect").key("json").key("$.a.b"), format!("a remark on {}", check.name)));
            remarks.push(Remark { rests_on_names: true, ..Remark::new(at.key("get"), "refers to nothing") });
        }
        remarks
    };
    let told = |checks: &str| {
        let text = format!("{SERVICE}    before_allow_traffic:\n      checks:\n{checks}");
        load_reviewed("g", &text, reviewer).unwrap_err().to_string()
    };
    let check = "        - { name: a, get: /, expect: { json: { $.a.b: 1 } } }\n";
    assert_eq!(told(check), "g:7:22: refers to nothing\ng:7:48: a remark on a");
    // The second check's names are unknown, so nothing that rests on them is told; nor anything of what was put in its place.
    assert_eq!(
        told(&format!("{check}        - health\n")),
        "g:7:48: a remark on a\ng:8:11: this entry of `checks` needs a map of keys and values, not the text `health`"
    );
}

#[test]
fn a_file_of_nothing_but_mistakes_is_told_up_to_a_bound() {
    let alarms = "      - { name: 5 }\n".repeat(150);
    let told = told(&format!("{SERVICE}    alarms:\n{alarms}"));
    assert_eq!(told.len(), MOST + 1);
    assert!(told[MOST].ends_with("there are more problems; these are the first 100"), "{}", told[MOST]);
}

#[test]
fn a_severity_is_for_an_environment_that_a_service_has() {
    let text = |maps: &str, more: &str| {
        format!(
            "version: 1\npagerduty: {{ routing_key: \"env:K\", {maps} }}\nservices:\n  - name: a\n    environment: staging\n    codedeploy: {{ application: app, deployment_group: a }}\n\
             {more}"
        )
    };
    check(&text("severity: { staging: none, \"*\": error }", ""), &[]);
    check(
        &text("severity: { stagign: none }, severity_when_safe: { production: info }", ""),
        &[
            "2:48: no service has the environment `stagign`; did you mean `staging`?",
            "2:87: no service has the environment `production`: theirs are staging, and `\"*\"` stands for all that are not named",
        ],
    );
    check(
        &text("severity: { staging: loud }", ""),
        &["2:48: `loud` is no `staging`; write `critical` or `error` or `warning` or `info` or `none`"],
    );
    // The service that could not be read may be the one.
    check(
        &text(
            "severity: { production: none }",
            "  - { name: b, environment: [production], codedeploy: { application: app, deployment_group: b } }\n",
        ),
        &["7:16: `environment` needs a text, not a list"],
    );
}
