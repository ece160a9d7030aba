//! `greenlight check` from outside: what it asks, what it says, what it reports and which status it ends with.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, helpers included")]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use testkit::http::{Reply, Seen, Server};

const CONFIG: &str = r#"version: 1
services:
  - name: orchestrator
    codedeploy: { application: mangaassist, deployment_group: orchestrator }
    before_allow_traffic:
      checks:
        - { name: the new build answers, get: /version, expect: { json: { $.sha: "{{ revision.git_sha }}" } } }
        - { name: flaky, get: /flaky, retries: { times: 2, backoff: 10ms } }
    after_allow_traffic:
      checks:
        - { name: create, post: /orders, json: {}, capture: { id: $.id } }
        - name: read
          get: /orders/{{ id }}
          headers: { authorization: "Bearer {{ secret:app#token }}" }
          expect: { status: 200 }
        - { name: remove, delete: "/orders/{{ id }}", always: true }
  - name: overflow
    codedeploy: { application: mangaassist, deployment_group: overflow }
    before_allow_traffic:
      checks:
        - { name: answers, invoke: {}, expect: { json: { $.statusCode: 200 } } }
        - { name: health, get: /health }
  - name: empty
    codedeploy: { application: mangaassist, deployment_group: empty }
"#;

/// A folder of its own with a configuration in it; it goes with the test.
struct Project(PathBuf);

impl Project {
    fn new(config: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let folder = std::env::temp_dir().join(format!("greenlight-check-{}-{number}", std::process::id()));
        std::fs::create_dir_all(folder.join("config")).unwrap();
        std::fs::write(folder.join("config/greenlight.yaml"), config).unwrap();
        Self(folder)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_greenlight"));
        command.arg("check").args(arguments).current_dir(&self.0).env_remove("NO_COLOR").env_remove("COLUMNS");
        command
    }

    /// Status, standard output, standard error.
    fn check(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        ended(&self.command(arguments).output().unwrap())
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn ended(output: &std::process::Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A server on a thread of its own, which ends with the tests.
fn serve(respond: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Server {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        testkit::run(async {
            tell.send(Server::start(respond).await).unwrap();
            std::future::pending::<()>().await;
        });
    });
    told.recv().unwrap()
}

fn healthy() -> Server {
    serve(|seen| match (seen.method.as_str(), seen.path.as_str()) {
        (_, "/version") => Reply::new(200, r#"{"sha": "3f9c"}"#),
        (_, "/flaky") if seen.number < 2 => Reply::new(503, "busy"),
        ("POST", _) => Reply::new(201, r#"{"id": 7}"#),
        ("GET", "/orders/7") => match seen.header("authorization") {
            Some("Bearer t0k3n-of-a-test") => Reply::new(200, "{}"),
            other => Reply::new(401, &format!("no: {other:?}")),
        },
        _ => Reply::new(200, ""),
    })
}

const ALL_GIVEN: [&str; 6] =
    ["--service", "orchestrator", "--var", "revision.git_sha=3f9c", "--var", "secret:app#token=env:APP_TOKEN"];

#[test]
fn what_is_as_expected_ends_with_0_and_says_what_was_checked() {
    let (project, server) = (Project::new(CONFIG), healthy());
    let arguments = [&ALL_GIVEN[..], &["--base-url", &server.url]].concat();
    let output = project.command(&arguments).env("APP_TOKEN", "t0k3n-of-a-test").output().unwrap();
    let (status, out, error) = ended(&output);
    assert_eq!((status, error.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains(&format!("orchestrator, before_allow_traffic at {}\n", server.url)), "{out}");
    assert!(out.contains("  ✓ the new build answers, took "), "{out}");
    assert!(out.contains("  … flaky, try 1: status 503, body `busy`; again in 10 ms\n"), "{out}");
    assert!(out.contains("! flaky (orchestrator, before_allow_traffic): degraded\n"), "{out}");
    assert!(out.contains("✓ orchestrator, before_allow_traffic: 1 of 2 checks passed, 1 degraded in "), "{out}");
    assert!(out.contains("✓ orchestrator, after_allow_traffic: 3 of 3 checks passed in "), "{out}");
    assert!(out.contains("they need AWS"), "{out}");
    assert!(server.asked().ends_with(&["GET /orders/7".to_owned(), "DELETE /orders/7".to_owned()]));
    // It is no terminal, so there are neither colours nor lines that are rewritten.
    assert!(!out.contains('\u{1b}'), "{out}");
}

#[test]
fn what_is_not_as_expected_ends_with_1_and_everything_that_was_seen() {
    let (project, server) = (Project::new(CONFIG), healthy());
    let arguments = ["--service", "orchestrator", "--stage", "after", "--base-url", &server.url];
    let arguments = [&arguments[..], &["--var", "secret:app#token=t0k3n-of-another"]].concat();
    let (status, out, _) = ended(&project.command(&arguments).env("COLUMNS", "80").output().unwrap());
    assert_eq!(status, Some(1), "{out}");
    let address = server.url.trim_start_matches("http://");
    for line in [
        "✗ read (orchestrator, after_allow_traffic): fail".to_owned(),
        "    expected  status 200".to_owned(),
        "    observed  status 401, body `no: Some(\"Bearer ***\")`".to_owned(),
        format!("    target    GET {}/orders/7", server.url),
        format!("    peer      {address}"),
        "    tries     1 try".to_owned(),
    ] {
        assert!(out.lines().any(|seen| seen == line), "{line}\n{out}");
    }
    assert!(out.contains("✗ orchestrator, after_allow_traffic: 2 of 3 checks passed, 1 failed in "), "{out}");
    assert!(!out.contains("t0k3n"), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    // What was made is removed all the same.
    assert_eq!(server.asked().last().map(String::as_str), Some("DELETE /orders/7"));
}

#[test]
fn what_cannot_be_told_here_says_what_to_do() {
    let (project, server) = (Project::new(CONFIG), healthy());
    let (status, out, _) = project.check(&["--service", "overflow", "--base-url", &server.url]);
    assert_eq!(status, Some(1), "{out}");
    assert!(out.contains("? answers (overflow, before_allow_traffic): inconclusive"), "{out}");
    assert!(out.contains("`--skip-invoke`"), "{out}");
    let (status, out, _) = project.check(&["--service", "overflow", "--base-url", &server.url, "--skip-invoke"]);
    assert_eq!(status, Some(0), "{out}");
    assert!(out.contains("  - answers, not run\n") && out.contains("1 of 2 checks passed, 1 not run"), "{out}");
    let (status, out, _) = project.check(&["--service", "orchestrator", "--base-url", &server.url]);
    assert_eq!(status, Some(1), "{out}");
    let words = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("give it here with `--var revision.git_sha=…`"), "{out}");
    assert!(words.contains("say `--var 'secret:app#token=env:VARIABLE'`"), "{out}");
}

#[test]
fn a_chosen_check_runs_with_what_it_needs_and_its_clean_up_and_nothing_else() {
    let (project, server) = (Project::new(CONFIG), healthy());
    let arguments = [&ALL_GIVEN[..], &["--base-url", &server.url, "--check", "read"]].concat();
    let output = project.command(&arguments).env("APP_TOKEN", "t0k3n-of-a-test").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(server.asked(), ["POST /orders", "GET /orders/7", "DELETE /orders/7"]);
}

#[test]
fn what_cannot_run_ends_with_2_and_says_what_to_do() {
    let project = Project::new(CONFIG);
    let one = |name| ["--service", name];
    let cases: [(Vec<&str>, &str); 22] = [
        (
            vec![],
            "which service? Say `--service NAME`, or `--all`; the configuration has `orchestrator`, `overflow`, `empty`",
        ),
        (one("orchestratr").to_vec(), "no service `orchestratr`; did you mean `orchestrator`?"),
        (one("zzzzzzzzzz").to_vec(), "no service `zzzzzzzzzz`; it has `orchestrator`, `overflow`, `empty`"),
        (one("orchestrator").to_vec(), "give it with `--base-url URL`, or set `endpoints.test` in the configuration"),
        ([&one("orchestrator")[..], &["--stage", "after"]].concat(), "set `endpoints.production` in the configuration"),
        (one("empty").to_vec(), "nothing to run: no checks of `empty`"),
        (
            [&one("orchestrator")[..], &["--base-url", "localhost:80"]].concat(),
            "--base-url: `localhost:80` is not a URL",
        ),
        ([&one("orchestrator")[..], &["--base-url", "http://h/?q"]].concat(), "`http://h/?q` has a `?` in it"),
        ([&one("orchestrator")[..], &["--base-url", "http://h", "--check", "raed"]].concat(), "did you mean `read`?"),
        ([&one("orchestrator")[..], &["--base-url", "http://h", "--var", "x"]].concat(), "is written NAME=VALUE"),
        ([&one("orchestrator")[..], &["--base-url", "http://localhost:99999"]].concat(), "no port from 1 to 65535"),
        ([&one("orchestrator")[..], &["--base-url", "https:/ada:hunter2@h"]].concat(), "`https:/***@h` is not a URL"),
        (
            [&one("orchestrator")[..], &["--var", "revision.git_sha="]].concat(),
            "`--var revision.git_sha=` has no value",
        ),
        (
            [&one("orchestrator")[..], &["--var", "secret:app#token="]].concat(),
            "`--var secret:app#token=` has no value",
        ),
        ([&one("orchestrator")[..], &["--var", "revision.gitsha=x"]].concat(), "did you mean `revision.git_sha`?"),
        ([&one("orchestrator")[..], &["--var", "secret:app#tokn=x"]].concat(), "did you mean `secret:app#token`?"),
        (
            ["--service", "overflow", "--base-url", "http://h", "--report", "json", "--output", "no/such/folder.json"]
                .to_vec(),
            "could not write the report `no/such/folder.json`",
        ),
        (vec!["--all", "--budget", "0s"], "it leaves no time for anything"),
        (vec!["--config", "/nowhere.yaml"], "could not read `/nowhere.yaml`"),
        (vec!["--all", "--budget", "5"], "write a number and a unit"),
        (vec!["--all", "--report", "json", "--report", "junit"], "several reports cannot share standard output"),
        (vec!["--all", "--var", "secret:a#b=env:GREENLIGHT_UNSET"], "`GREENLIGHT_UNSET` is not set"),
    ];
    for (arguments, expected) in cases {
        let (status, out, error) = project.check(&arguments);
        assert_eq!(status, Some(2), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
        assert_eq!(out, "", "{arguments:?} speaks to standard output");
    }
    let broken = Project::new("version: 1\nservises: []\n");
    let (status, _, error) = broken.check(&[]);
    assert!(status == Some(2) && error.contains("greenlight.yaml:2:1: ") && error.contains("`services`"), "{error}");
    // What `lint` refuses is not run: a check without its `needs` could pass for the wrong reason.
    let unsound = CONFIG.replace("name: health, get: /health", "name: answers, get: /health, needs: [nobody]");
    let (status, out, error) =
        Project::new(&unsound).check(&["--service", "overflow", "--base-url", "http://h", "--skip-invoke"]);
    assert_eq!((status, out.as_str()), (Some(2), ""), "{error}");
    assert!(error.contains("there are two checks named `answers`") && error.contains("no check `nobody`"), "{error}");
    let output = Command::new(env!("CARGO_BIN_EXE_greenlight")).arg("check").current_dir("/").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("and no `greenlight.yaml` in it; say where the file is"));
}

#[test]
fn reports_are_written_for_machines_and_the_progress_makes_room_for_them() {
    let (project, server) = (Project::new(CONFIG), healthy());
    let base = server.url.replace("http://", "http://ada:hunter2222@");
    let arguments = ["--all", "--stage", "before", "--base-url", &base, "--var", "revision.git_sha=0000"];
    let reports = [
        "--report",
        "junit",
        "--output",
        "junit.xml",
        "--report",
        "markdown",
        "--output",
        "summary.md",
        "--report",
        "json",
    ];
    let (status, out, error) = project.check(&[&arguments[..], &reports].concat());
    assert_eq!(status, Some(1), "{error}");
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["verdict"], "Failed");
    let blocks = document["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), 2);
    let finding = &blocks[0]["findings"][0];
    assert_eq!((&finding["name"], &finding["outcome"]), (&"the new build answers".into(), &"fail".into()));
    assert_eq!(finding["observed"], "$.sha is \"3f9c\"");
    assert_eq!(blocks[0]["base_url"], server.url);
    assert!(error.contains("✗ orchestrator, before_allow_traffic: "), "{error}");
    let xml = project.file("junit.xml");
    let parsed = roxmltree::Document::parse(&xml).unwrap();
    let suites: Vec<_> = parsed.descendants().filter(|node| node.has_tag_name("testsuite")).collect();
    assert_eq!(suites.len(), 2);
    assert_eq!((suites[0].attribute("failures"), suites[1].attribute("errors")), (Some("1"), Some("1")));
    let summary = project.file("summary.md");
    assert!(summary.contains("| ❌ | the new build answers | $.sha = \"0000\" |"), "{summary}");
    for text in [&out, &error, &xml, &summary] {
        assert!(!text.contains("hunter"), "{text}");
    }
}

fn signalled(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

#[track_caller]
fn wait_for(server: &Server, request: &str) {
    for _ in 0..2000 {
        if server.asked().iter().any(|asked| asked == request) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("`{request}` never came: {:?}", server.asked());
}

const HANGS: &str = r#"version: 1
services:
  - name: a
    codedeploy: { application: a, deployment_group: a }
    before_allow_traffic:
      checks:
        - { name: create, post: /orders, capture: { id: $.id } }
        - { name: hangs, get: "/hangs/{{ id }}", timeout: 5m }
        - { name: remove, delete: "/orders/{{ id }}", always: true }
    after_allow_traffic:
      checks: [{ name: later, get: /later }]
"#;

#[test]
fn an_interrupted_run_cleans_up_says_what_was_cancelled_and_is_not_green() {
    for signal in ["-INT", "-TERM"] {
        let server = serve(|seen| match seen.path.as_str() {
            "/hangs/7" => Reply::new(200, "").after(Duration::from_mins(5)),
            _ => Reply::new(200, r#"{"id": 7}"#),
        });
        let project = Project::new(HANGS);
        let arguments = ["--base-url", &server.url, "--report", "json"];
        let mut command = project.command(&arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for(&server, "GET /hangs/7");
        signalled(&child, signal);
        let (status, out, error) = ended(&child.wait_with_output().unwrap());
        assert_eq!(status, Some(1), "{error}");
        assert!(error.contains("stopped: what runs is cancelled, and clean-ups still run"), "{error}");
        let document: Value = serde_json::from_str(&out).unwrap();
        let told = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        assert_eq!(told("/blocks/0/findings/1/observed"), "the run was stopped; cancelled during try 1");
        assert_eq!(told("/blocks/0/findings/2/outcome"), "pass");
        assert_eq!(told("/blocks/1/findings/0/observed"), "not run: the run was stopped before");
        assert_eq!(server.asked(), ["POST /orders", "GET /hangs/7", "DELETE /orders/7"]);
    }
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let server = serve(|_| Reply::new(200, r#"{"id": 7}"#).after(Duration::from_mins(5)));
    let hangs = HANGS.replace("always: true", "always: true, timeout: 5m").replace("/orders/{{ id }}\"", "/orders/1\"");
    let project = Project::new(&hangs);
    let arguments = ["--base-url", &server.url];
    let child = project.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&server, "POST /orders");
    signalled(&child, "-INT");
    wait_for(&server, "DELETE /orders/1");
    signalled(&child, "-INT");
    let (status, _, error) = ended(&child.wait_with_output().unwrap());
    assert_eq!(status, Some(130), "{error}");
    assert!(error.contains("interrupted twice"), "{error}");
}

#[test]
fn a_reader_that_goes_away_changes_nothing() {
    let (project, server) = (Project::new(CONFIG), healthy());
    let arguments = [&ALL_GIVEN[..], &["--base-url", &server.url]].concat();
    let mut command = project.command(&arguments);
    let mut child =
        command.env("APP_TOKEN", "t0k3n-of-a-test").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let (status, _, error) = ended(&child.wait_with_output().unwrap());
    assert_eq!((status, error.as_str()), (Some(0), ""));
    assert_eq!(server.asked().last().map(String::as_str), Some("DELETE /orders/7"));
}

#[test]
fn a_proxy_of_the_environment_is_used_and_not_taken_for_the_server() {
    let project = Project::new(
        "version: 1\nservices:\n  - name: a\n    codedeploy: { application: a, deployment_group: a }\n    after_allow_traffic: { checks: [{ name: health, get: /health }] }\n",
    );
    let proxy = serve(|_| Reply::new(503, ""));
    let arguments = ["--base-url", "http://app.example.invalid", "--report", "json"];
    let output =
        project.command(&arguments).env("HTTP_PROXY", &proxy.url).env("http_proxy", &proxy.url).output().unwrap();
    let (status, out, error) = ended(&output);
    assert_eq!(status, Some(1), "{error}");
    assert_eq!(proxy.asked(), ["GET http://app.example.invalid/health"]);
    let document: Value = serde_json::from_str(&out).unwrap();
    let finding = &document["blocks"][0]["findings"][0];
    assert_eq!((&finding["observed"], &finding["peer"]), (&"status 503, an empty body".into(), &Value::Null));
}
