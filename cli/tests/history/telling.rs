//! What is told: in a terminal, in JSON and on the page; of nothing, of little, of much, and of what somebody made up to do harm.

use std::process::Command;

use serde_json::{Value, json};

use crate::{Folder, deployment, lines, three};

#[test]
fn of_nothing_it_says_so_and_how_to_get_something() {
    for text in ["", "\n\n", "{\"deploymentsInfo\": []}", "[]"] {
        let folder = Folder::with("empty", text);
        let (status, out, error) = folder.history(&["history.jsonl", "--html", "page.html"]);
        assert_eq!(status, Some(1), "{text:?}");
        assert_eq!(out, "Nothing to count: there is no deployment in it that has ended.\n", "{text:?}");
        assert!(error.contains("How to fetch a history: greenlight history --help"), "{error}");
        assert!(folder.read("page.html").contains("Nothing to count"));
        let (status, out, _) = folder.history(&["history.jsonl", "--format", "json"]);
        let document: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((status, &document["deployments"], &document["success_rate"]), (Some(1), &json!(0), &Value::Null));
    }
}

#[test]
fn one_deployment_is_enough_and_what_is_missing_says_why() {
    let folder = Folder::with("one", &lines(&[deployment("d-3", 11, "Succeeded", &json!({}))]));
    let (status, out, _) = folder.history(&["history.jsonl", "--html", "page.html"]);
    assert_eq!(status, Some(0));
    assert!(out.contains("Lead time for changes       —"), "{out}");
    assert!(out.contains("No lead time: no deployment") && out.contains("`commit_time=…`"), "{out}");
    assert!(out.contains("No recovery time: nothing has failed."), "{out}");
    let page = folder.read("page.html");
    assert!(page.contains("Nothing to show: nothing has failed.") && !page.contains("NaN"), "{page}");
    let failed = Folder::with("one-failed", &lines(&[three()[1].clone()]));
    let (_, out, _) = failed.history(&["history.jsonl"]);
    assert!(out.contains("No recovery time: no deployment has succeeded since what failed."), "{out}");
    assert!(out.contains("d-2: stopped by an alarm; not well again in this history"), "{out}");
}

/// Names and texts as somebody might choose them who wants to do harm.
fn hostile() -> String {
    let script = "</title></svg><script>alert(1)</script><img src=x onerror='alert(2)'>\" & \u{1b}[2J\u{202e}";
    let more = json!({
        "applicationName": script, "deploymentGroupName": format!("{script}/{}", "x".repeat(300)),
        "description": format!("{script} commit_time=1"), "creator": script,
        "errorInformation": { "code": script, "message": format!("{script}{}", "y".repeat(5000)) },
    });
    lines(&[
        deployment(&format!("d-1{script}"), 8, "Failed", &more),
        deployment("d-2", 9, "Succeeded", &more),
        deployment("d-3", 10, script, &more),
    ])
}

/// What stands between `<main>` and `</main>`, which is written so that an XML parser can read it.
fn main_of(page: &str) -> String {
    let body = page.split_once("<main>").unwrap().1.rsplit_once("</main>").unwrap().0;
    format!("<main>{body}</main>")
}

#[test]
fn whatever_stands_in_a_history_stays_text() {
    let folder = Folder::with("hostile", &hostile());
    let (status, out, error) = folder.history(&["history.jsonl", "--html", "page.html"]);
    assert_eq!(status, Some(0), "{error}");
    assert!(!out.contains('\u{1b}') && !out.contains('\u{202e}'), "{out}");
    let page = folder.read("page.html");
    assert!(
        !page.contains("<script") && !page.contains("<img") && !page.contains('\u{1b}') && !page.contains('\u{202e}')
    );
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && page.contains("default-src 'none'"));
    let (_, out, _) = folder.history(&["history.jsonl", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["deployments"], 2);
    // Somebody else's reader of markup: nothing that came from outside has opened or closed an element, or become an attribute.
    let body = main_of(&page);
    let document = roxmltree::Document::parse(&body).unwrap();
    let attributes = document.descendants().flat_map(|node| node.attributes());
    assert!(attributes.clone().count() > 100 && attributes.into_iter().all(|one| !one.name().starts_with("on")));
}

#[test]
fn the_page_fetches_nothing_and_tells_in_tables_what_its_plots_show() {
    let folder = Folder::with("page", &lines(&three()));
    folder.history(&["history.jsonl", "--html", "page.html"]);
    let page = folder.read("page.html");
    for fetching in ["http://", "https://", "url(", "@import", "<script", "<link"] {
        assert!(!page.contains(fetching), "{fetching}");
    }
    let body = main_of(&page);
    let document = roxmltree::Document::parse(&body).unwrap();
    let named = |name: &'static str| document.descendants().filter(move |node| node.has_tag_name(name));
    let plots: Vec<_> = named("svg").collect();
    assert_eq!(plots.len(), 5, "nothing was rolled back, so there is no plot of it");
    for plot in &plots {
        for id in plot.attribute("aria-labelledby").unwrap().split(' ') {
            let label = plot.descendants().find(|node| node.attribute("id") == Some(id));
            assert!(!label.unwrap().text().unwrap().is_empty());
        }
        let figure = plot.parent().unwrap();
        assert!(figure.descendants().any(|node| node.has_tag_name("table")), "no numbers behind a plot");
    }
    // Each deployment is a point in the plot of durations: two good ones, one bad.
    let durations = plots.iter().find(|plot| plot.attribute("aria-labelledby").unwrap().contains("duration")).unwrap();
    let of = |class: &str| {
        let points = durations.descendants().filter(|node| node.has_tag_name("circle"));
        points.filter(|node| node.attribute("class") == Some(class)).count()
    };
    assert_eq!((of("good"), of("bad")), (2, 1));
    let tiles = named("ul").find(|list| list.attribute("class") == Some("tiles")).unwrap();
    assert_eq!(tiles.children().count(), 5);
}

#[test]
fn the_tables_keep_to_the_width_of_the_terminal() {
    let mut infos = three().to_vec();
    for number in 0_u32..30 {
        let group = format!("a-group-with-a-long-name-{number}-{}", "x".repeat(number as usize * 3));
        let more = json!({ "deploymentGroupName": group });
        infos.push(deployment(&format!("d-x{number}"), number % 24, "Failed", &more));
    }
    for (name, text) in [("wide", lines(&infos)), ("wide-hostile", hostile())] {
        let folder = Folder::with(name, &text);
        for width in [80, 120] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_greenlight"));
            let command = command.args(["history", "history.jsonl"]).current_dir(&folder.0);
            let out = String::from_utf8(command.env("COLUMNS", width.to_string()).output().unwrap().stdout).unwrap();
            let longest = out.lines().max_by_key(|line| line.chars().count()).unwrap();
            assert!(longest.chars().count() <= width, "{width}: {longest}\n{out}");
            assert!(!out.contains('\u{1b}'), "{out}");
        }
    }
}

#[test]
fn a_long_number_does_not_push_the_levels_out_of_their_column() {
    // Days and hours to recover, and p95 beside it.
    let at = |day: u32, hour: u32| format!("2026-03-{day:02}T{hour:02}:00:00Z");
    let of = |id: &str, status: &str, (day, hour): (u32, u32)| {
        let more = json!({ "createTime": at(day, hour), "startTime": at(day, hour), "completeTime": at(day, hour + 1),
            "description": "commit_time=2022-01-01T07:11:00Z" });
        deployment(id, 0, status, &more)
    };
    let infos = [
        of("d-1", "Failed", (1, 0)),
        of("d-2", "Succeeded", (12, 5)),
        of("d-3", "Failed", (13, 0)),
        of("d-4", "Succeeded", (28, 9)),
    ];
    let folder = Folder::with("long-numbers", &lines(&infos));
    for width in ["70", "80", "120"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_greenlight"));
        let command = command.args(["history", "history.jsonl"]).current_dir(&folder.0).env("COLUMNS", width);
        let out = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let column = |name: &str, word: &str| {
            let line = out.lines().find(|line| line.starts_with(name)).unwrap();
            line.chars().count() - line[line.rfind(word).unwrap()..].chars().count()
        };
        assert!(out.contains("11 d 4 h") && out.contains("(p95 15 d 8 h)"), "{out}");
        let columns = [
            column("Deployment frequency", "high"),
            column("Lead time", "low"),
            column("Change failure rate", "low"),
            column("Failed deployment recovery", "low"),
            column("Rework rate", "—"),
        ];
        assert!(columns.iter().all(|one| *one == columns[0]), "{columns:?}\n{out}");
    }
}

#[test]
fn years_without_a_deployment_are_one_line() {
    let long_ago = json!({ "createTime": "2018-01-01T08:00:00Z", "startTime": "2018-01-01T08:00:00Z", "completeTime": "2018-01-01T08:10:00Z" });
    let infos = [deployment("d-1", 0, "Succeeded", &long_ago), deployment("d-2", 8, "Succeeded", &json!({}))];
    let folder = Folder::with("years", &lines(&infos));
    let (_, out, _) = folder.history(&["history.jsonl", "--html", "page.html"]);
    // From Monday, 2018-01-01 to Monday, 2026-03-02 are 2982 days, which is 426 weeks; those between the two are 425.
    assert!(out.contains("\n… 425 weeks without a deployment\n") && out.lines().count() < 30, "{out}");
    let page = folder.read("page.html");
    assert!(page.contains("… 425 weeks without a deployment</td>") && !page.contains("<th scope=\"row\">2020-"));
}

#[test]
fn ten_thousand_deployments_are_counted() {
    let infos: Vec<Value> = (0_i64..10_000)
        .map(|number| {
            let at = 1_735_689_600 + number * 3600;
            let more = json!({
                "deploymentGroupName": format!("group-{}", number % 20), "description": format!("commit_time={}", at - 600),
                "createTime": at, "startTime": at + 1, "completeTime": at + 901,
            });
            deployment(&format!("d-{number:05}"), 0, if number % 10 == 9 { "Failed" } else { "Succeeded" }, &more)
        })
        .collect();
    let folder = Folder::with("many-deployments", &json!({ "deploymentsInfo": infos }).to_string());
    let document = folder.json(&["--html", "page.html"]);
    assert_eq!([&document["deployments"], &document["succeeded"]], [10_000, 9_000]);
    assert_eq!(document["groups"].as_array().unwrap().len(), 20);
    // 10,000 hours from Wednesday, 2025-01-01 00:15 on end on 2026-02-21: from Monday 2024-12-30 to 2026-02-16 are 60 weeks.
    assert_eq!(document["weeks"].as_array().unwrap().len(), 60);
    assert!(folder.read("page.html").len() < 10_000_000);
}
