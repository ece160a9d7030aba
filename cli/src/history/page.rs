//! The numbers as one page without anything to fetch and without scripts: tiles, plots with the numbers behind them, tables, and how it was
//! counted. Pure. Whatever came from the history is escaped: names and descriptions are anybody's.

mod charts;
mod plot;

use domain::text::visible;
use domain::time::Timestamp;
use dora::bands::{Band, CHANGE_FAILURE_RATE, FREQUENCY, LEAD_TIME, RECOVERY};
use dora::{Cause, Figures, Week};

use super::NOTHING;
use super::counted::{Failure, History, Recovery, spoken_cause};
use super::words::{self, NONE, Stretch, brief, decimal, five, median, percent, whole};

const STYLE: &str = include_str!("page/style.css");
/// Nothing is loaded from anywhere and nothing runs, whatever stands in the history.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The text as it may stand in an element or an attribute.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A table with these headings. Every row begins with its own heading; one of a single cell goes across. Cells are escaped here.
pub(super) fn table(caption: &str, headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut out = format!(
        "<div class=\"scroll\" role=\"region\" aria-label=\"{0}\" tabindex=\"0\"><table><caption>{0}</caption><thead><tr>",
        escape(caption)
    );
    for heading in headings {
        out.push_str(&format!("<th scope=\"col\">{}</th>", escape(heading)));
    }
    out.push_str("</tr></thead><tbody>");
    for row in rows {
        out.push_str("<tr>");
        if let [alone] = row.as_slice() {
            out.push_str(&format!("<td class=\"none\" colspan=\"{}\">{}</td></tr>\n", headings.len(), escape(alone)));
            continue;
        }
        for (column, cell) in row.iter().enumerate() {
            let (open, close) = if column == 0 { ("<th scope=\"row\">", "</th>") } else { ("<td>", "</td>") };
            out.push_str(&format!("{open}{}{close}", escape(cell)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>");
    out
}

/// The page.
pub(super) fn page(history: &History) -> String {
    let mut body = String::from("<h1>Deployment history</h1>");
    if history.assessments.is_empty() {
        body.push_str(&format!(
            "<p class=\"lead\">{NOTHING}</p><p>How to fetch a history: <code>greenlight history --help</code></p>"
        ));
    } else {
        let extent = words::extent(&history.figures, history.groups.len());
        body.push_str(&format!("<p class=\"lead\">{}</p>", escape(&extent)));
        body.push_str(&tiles(&history.figures));
        body.push_str(&besides(&history.figures));
        body.push_str(&charts::all(history));
        body.push_str("<section><h2>Deployment groups</h2>");
        let rows = history.groups.iter().map(|group| row(words::group(group), &group.figures));
        body.push_str(&table("By deployment group", &headings("group"), &rows.collect::<Vec<_>>()));
        body.push_str("</section><section><h2>Week by week</h2>");
        let rows = by_week(&history.figures, |week| row(words::day(week.from), &week.figures));
        body.push_str(&table("By week (UTC, from Monday)", &headings("week of"), &rows));
        body.push_str("</section><section><h2>What failed</h2>");
        body.push_str(&failures(&history.failures));
        body.push_str("</section>");
    }
    body.push_str(&rules(history));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Deployment history</title><style>{STYLE}</style></head>\
         <body><main>{body}</main></body></html>\n"
    )
}

fn tiles(of: &Figures) -> String {
    let mut out = String::from("<ul class=\"tiles\" aria-label=\"The five DORA numbers\">");
    for number in five(of) {
        let band = number.band.map_or_else(
            || "<span class=\"band\">no level</span>".to_owned(),
            |band| format!("<span class=\"band {0}\">{0}</span>", band.word()),
        );
        let median = if number.besides.is_empty() { String::new() } else { format!("median; {}; ", number.besides) };
        out.push_str(&format!(
            "<li><h2>{}</h2><p class=\"value\">{}</p><p>{band}</p><p class=\"from\">{}</p></li>",
            number.name,
            escape(&number.value),
            escape(&format!("{median}{}", number.from))
        ));
    }
    out.push_str("</ul>");
    out
}

fn besides(of: &Figures) -> String {
    let mut pairs =
        vec![("Success rate", format!("{} ({} of {})", percent(of.success_rate()), of.succeeded, of.deployments))];
    if let Some(took) = of.duration {
        pairs.push(("Duration, start to the shift’s end", format!("p50 {}, p95 {}", whole(took.p50), whole(took.p95))));
    }
    if let Some(took) = of.total_duration {
        pairs.push(("With the termination wait", format!("p50 {}, p95 {}", whole(took.p50), whole(took.p95))));
    }
    let after = if of.taken_back > 0 { format!(", {} after it had succeeded", of.taken_back) } else { String::new() };
    pairs.push(("Rolled back", format!("{}{after}", of.rolled_back)));
    pairs.push(("Rollbacks that failed", of.failed_rollbacks.to_string()));
    let causes: Vec<String> =
        of.causes.iter().map(|(cause, number)| format!("{number} {}", spoken_cause(Some(*cause)))).collect();
    pairs.push(("Failures", if causes.is_empty() { "none".to_owned() } else { causes.join(", ") }));
    for (event, hook) in &of.hooks {
        let took = hook.took.map(|took| format!(", p50 {}, p95 {}", whole(took.p50), whole(took.p95)));
        pairs.push((event, format!("{} runs, {} failed{}", hook.runs, hook.failed, took.unwrap_or_default())));
    }
    let pairs =
        pairs.iter().map(|(name, value)| format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value)));
    format!("<dl class=\"besides\">{}</dl>", pairs.collect::<String>())
}

/// A row for each week, or for many of them in which nothing was.
pub(super) fn by_week(of: &Figures, row: impl Fn(&Week) -> Vec<String>) -> Vec<Vec<String>> {
    let rows = words::folded(&of.weeks).into_iter().map(|stretch| match stretch {
        Stretch::Week(week) => row(week),
        Stretch::Empty(weeks) => vec![words::without(weeks)],
    });
    rows.collect()
}

fn headings(first: &str) -> [&str; 11] {
    [
        first,
        "deployments",
        "success rate",
        "change failure rate",
        "lead time p50",
        "duration p50",
        "duration p95",
        "recovery p50",
        "rolled back",
        "rollbacks failed",
        "rework",
    ]
}

fn row(name: String, of: &Figures) -> Vec<String> {
    vec![
        name,
        of.deployments.to_string(),
        percent(of.success_rate()),
        format!("{} ({} of {})", percent(of.change_failure_rate()), of.change_failures, of.changes),
        median(of.lead_time),
        median(of.duration),
        of.duration.map_or_else(|| NONE.to_owned(), |took| brief(took.p95)),
        median(of.recovery),
        of.rolled_back.to_string(),
        of.failed_rollbacks.to_string(),
        of.rework.to_string(),
    ]
}

fn failures(of: &[Failure]) -> String {
    if of.is_empty() {
        return "<p>Nothing did.</p>".to_owned();
    }
    let rows = of.iter().rev().map(|failure| {
        let recovery = match failure.recovery {
            Recovery::After(took) => whole(took),
            Recovery::WithEarlier => "with an earlier one".to_owned(),
            Recovery::Untimed => "not recorded".to_owned(),
            Recovery::NotYet => "not in this history".to_owned(),
        };
        vec![
            failure.at.day_and_time(),
            failure.group.to_string(),
            failure.id.to_string(),
            spoken_cause(failure.cause).to_owned(),
            recovery,
            if failure.said.is_empty() { NONE.to_owned() } else { failure.said.clone() },
        ]
    });
    let headings = ["when", "group", "deployment", "what", "well again after", "CodeDeploy said"];
    format!("<div class=\"failures\">{}</div>", table("The newest first", &headings, &rows.collect::<Vec<_>>()))
}

/// By which rules it was counted; `docs/metrics.md` has their reasons.
const RULES: [&str; 9] = [
    "A deployment that an alarm stopped, that a hook failed, that timed out or that CodeDeploy could not finish is a failure. One that a person stopped is a \
     failure when it was rolled back.",
    "A rollback is no deployment. It ends an outage when it succeeds, and what it takes back counts as rolled back.",
    "What was in production already, or was tried right before, is no change when it is deployed again, and is neither in the change failure rate nor \
     below it.",
    "A change that had succeeded and was taken back counts as a change failure, at the time of its rollback.",
    "Recovery runs from a group’s first failure until the group is well again: the end of the next deployment that succeeds, a rollback included.",
    "Lead time runs from the commit until all traffic was on what it brought; only where the deployment’s description tells commit_time=….",
    "Duration runs from the start to the end of the traffic shift. The wait before the old version is ended is no deployment time.",
    "Rework is a deployment that follows a failure before one has succeeded again, or that asked to be let through unchecked.",
    "Weeks are UTC, from Monday; a deployment belongs to the week in which it ended. p50 and p95 are values that occurred (nearest rank).",
];

fn rules(history: &History) -> String {
    let mut out = String::from("<section><h2>How it was counted</h2>");
    if let Some(left_out) = words::left_out(&history.left_out) {
        out.push_str(&format!("<p class=\"notice\">{}</p>", escape(&left_out)));
    }
    let list = |out: &mut String, class: &str, entries: &mut dyn Iterator<Item = &str>| {
        out.push_str(&format!("<ul class=\"{class}\">"));
        for entry in entries {
            out.push_str(&format!("<li>{}</li>", escape(entry)));
        }
        out.push_str("</ul>");
    };
    if !history.remarks.is_empty() {
        list(&mut out, "remarks", &mut history.remarks.iter().map(String::as_str));
    }
    list(&mut out, "rules", &mut RULES.into_iter());
    let under = |limits: [(std::time::Duration, Band); 3]| {
        limits.map(|(limit, band)| format!("{} under {}", band.word(), brief_limit(limit))).join(", ")
    };
    let rates =
        CHANGE_FAILURE_RATE.map(|(limit, band)| format!("{} up to {} %", band.word(), decimal(limit))).join(", ");
    let frequencies = FREQUENCY.map(|(limit, band)| format!("{} from {:.2}", band.word(), limit)).join(", ");
    out.push_str(&format!(
        "<p>Levels, by DORA’s report of 2024 (they are not steps of one stair there; docs/metrics.md): deployments a week: {frequencies}. Lead time: {}. \
         Change failure rate: {rates}. Recovery: {}. What is beyond is low. For rework there are none.</p></section>",
        under(LEAD_TIME),
        under(RECOVERY)
    ));
    out
}

/// A limit as one says it: `1 h`, `1 d`, `7 d`.
pub(super) fn brief_limit(limit: std::time::Duration) -> String {
    let hours = limit.as_secs() / 3600;
    if hours >= 24 && hours.is_multiple_of(24) { format!("{} d", hours / 24) } else { brief(limit) }
}

/// How an ending is told in a plot's hint: when, and which deployment.
pub(super) fn ending(at: Timestamp, group: &str, id: &str) -> String {
    format!("{}, {group} {id}", at.day_and_time())
}

/// What is told of a cause in a plot's hint.
pub(super) fn cause(cause: Option<Cause>) -> &'static str {
    cause.map_or("succeeded", |cause| spoken_cause(Some(cause)))
}
