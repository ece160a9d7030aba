//! The report as a table in GitHub's Markdown, for a job's summary. Knows nothing of files.

use domain::hook::{Finding, Outcome};
use domain::text::visible;
use domain::time::spoken;

use crate::check::{Ran, summary};

/// A heading and a table for each block.
pub(super) fn table(ran: &[Ran]) -> String {
    let mut out = String::new();
    for ran in ran {
        let mark = mark(if ran.conclusion.findings.iter().all(|finding| finding.outcome.is_acceptable()) {
            Outcome::Pass
        } else {
            Outcome::Fail
        });
        let base = ran.base.as_deref().map(|base| format!(" at {}", escaped(base))).unwrap_or_default();
        out.push_str(&format!("### {mark} {}, {}{base}\n\n", escaped(&ran.service), escaped(ran.block)));
        out.push_str(&format!("{} in {}\n\n", summary::numbers(ran), spoken(ran.took)));
        out.push_str("| | check | expected | observed | where | how long |\n| --- | --- | --- | --- | --- | --- |\n");
        for (finding, is_skipped) in ran.findings() {
            out.push_str(&row(finding, is_skipped));
        }
        out.push('\n');
    }
    out
}

fn row(finding: &Finding, is_skipped: bool) -> String {
    let mark = if is_skipped { "⏭️" } else { mark(finding.outcome) };
    let cells = [&finding.name, &finding.expected, &finding.observed, &finding.place(), &finding.effort()];
    format!("| {mark} | {} |\n", cells.map(|cell| escaped(cell)).join(" | "))
}

fn mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "✅",
        Outcome::Degraded => "⚠️",
        Outcome::Inconclusive => "❔",
        Outcome::Fail => "❌",
    }
}

/// A text that Markdown shows as it is, in one line. A backslash before ASCII punctuation takes its meaning away (CommonMark 0.31, 2.4),
/// in a table also that of a bar (GitHub Flavored Markdown, 4.10).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '!' | '|' | '~' | '@' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::report::samples::ran;

    #[test]
    fn the_table_holds_whatever_the_texts_hold() {
        let expected = r#"### ❌ orchestrator, before\_allow\_traffic at https://test.example.com

1 of 5 checks passed, 1 degraded, 1 inconclusive, 1 failed, 1 not run in 2 s

| | check | expected | observed | where | how long |
| --- | --- | --- | --- | --- | --- |
| ✅ | health |  |  |  | took 12 ms |
| ❌ | build \| a \`odd\` &lt;name&gt; | $.sha = "3f9c" | status 500, body \`&lt;b&gt; &amp; \|\` | GET https://test.example.com/version at 10.0.1.7:443 | try 3 took 1.2 s |
| ⚠️ | warm-up |  | status 200 at try 2; the try before: status 503 |  | try 2 took 40 ms |
| ❔ | overflow |  | not run: it needs \`build\`, which did not pass |  |  |
| ⏭️ | answers |  | not run |  |  |

"#;
        let text = table(&[ran()]);
        assert_eq!(text, expected);
        // Whatever stands in a cell, each row has six of them.
        for line in text.lines().filter(|line| line.starts_with('|')) {
            let bars = line.replace("\\|", "").matches('|').count();
            assert_eq!(bars, 7, "{line}");
        }
    }
}
