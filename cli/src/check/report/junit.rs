//! The report as `JUnit`'s XML in the form that CI systems agree on: `testsuites`, `testsuite`, `testcase` with `failure`, `error` or
//! `skipped`. Knows nothing of files.

use std::time::Duration;

use domain::hook::{Finding, Outcome};

use crate::check::Ran;

/// The document. What failed is a `failure`, what could not be told an `error`, what was taken out of the verdict `skipped`.
pub(super) fn document(ran: &[Ran]) -> String {
    let total = ran.iter().map(Numbers::of).fold(Numbers::default(), Numbers::plus);
    let took = ran.iter().map(|ran| ran.took).sum();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"greenlight\" {} time=\"{}\">\n",
        total.attributes(),
        seconds(took)
    );
    for ran in ran {
        out.push_str(&format!(
            "  <testsuite name=\"{}\" {} time=\"{}\" timestamp=\"{}\">\n",
            escaped(&format!("{} {}", ran.service, ran.block)),
            Numbers::of(ran).attributes(),
            seconds(ran.took),
            ran.started
        ));
        for (finding, is_skipped) in ran.findings() {
            out.push_str(&case(ran, finding, is_skipped));
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

#[derive(Clone, Copy, Default)]
struct Numbers {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Numbers {
    fn of(ran: &Ran) -> Self {
        let findings = &ran.conclusion.findings;
        let of = |outcome| findings.iter().filter(|finding| finding.outcome == outcome).count();
        Self {
            tests: findings.len(),
            failures: of(Outcome::Fail),
            errors: of(Outcome::Inconclusive),
            skipped: ran.skipped.len(),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            tests: self.tests + other.tests,
            failures: self.failures + other.failures,
            errors: self.errors + other.errors,
            skipped: self.skipped + other.skipped,
        }
    }

    fn attributes(self) -> String {
        let Self { tests, failures, errors, skipped } = self;
        format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\"")
    }
}

fn case(ran: &Ran, finding: &Finding, is_skipped: bool) -> String {
    let head = format!(
        "    <testcase name=\"{}\" classname=\"{}\" time=\"{}\"",
        escaped(&finding.name),
        escaped(&format!("{}.{}", ran.service, ran.block)),
        seconds(Duration::from_millis(finding.duration_ms.unwrap_or_default()))
    );
    let with = |element: &str| {
        format!(
            "{head}>\n      <{element} type=\"{}\" message=\"{}\">{}</{element}>\n    </testcase>\n",
            finding.outcome.word(),
            escaped(&finding.observed),
            escaped(&details(finding))
        )
    };
    match finding.outcome {
        _ if is_skipped => {
            format!("{head}>\n      <skipped message=\"{}\"/>\n    </testcase>\n", escaped(&finding.observed))
        }
        Outcome::Fail => with("failure"),
        Outcome::Inconclusive => with("error"),
        Outcome::Degraded => {
            format!("{head}>\n      <system-out>{}</system-out>\n    </testcase>\n", escaped(&details(finding)))
        }
        Outcome::Pass => format!("{head}/>\n"),
    }
}

fn details(finding: &Finding) -> String {
    let rows = [
        ("expected", finding.expected.clone()),
        ("observed", finding.observed.clone()),
        ("target", finding.place()),
        ("effort", finding.effort()),
    ];
    let rows = rows.into_iter().filter(|(_, value)| !value.is_empty());
    rows.map(|(label, value)| format!("{label}: {value}")).collect::<Vec<_>>().join("\n")
}

fn seconds(span: Duration) -> String {
    format!("{:.3}", span.as_secs_f64())
}

/// A text for XML 1.0: what has a meaning is written as a reference, what may not stand in a document at all (its section 2.2) as the
/// replacement character. Line breaks are references, too, as an attribute would lose them.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\t' => out.push_str("&#9;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
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
    fn the_document_is_as_ci_systems_expect_it() {
        let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="greenlight" tests="5" failures="1" errors="1" skipped="1" time="2.000">
  <testsuite name="orchestrator before_allow_traffic" tests="5" failures="1" errors="1" skipped="1" time="2.000" timestamp="2026-03-03T10:07:08.912Z">
    <testcase name="health" classname="orchestrator.before_allow_traffic" time="0.012"/>
    <testcase name="build | a `odd` &lt;name&gt;" classname="orchestrator.before_allow_traffic" time="1.200">
      <failure type="fail" message="status 500, body `&lt;b&gt;&#10;&amp; �|`">expected: $.sha = &quot;3f9c&quot;&#10;observed: status 500, body `&lt;b&gt;&#10;&amp; �|`&#10;target: GET https://test.example.com/version at 10.0.1.7:443&#10;effort: try 3 took 1.2 s</failure>
    </testcase>
    <testcase name="warm-up" classname="orchestrator.before_allow_traffic" time="0.040">
      <system-out>observed: status 200 at try 2; the try before: status 503&#10;effort: try 2 took 40 ms</system-out>
    </testcase>
    <testcase name="overflow" classname="orchestrator.before_allow_traffic" time="0.000">
      <error type="inconclusive" message="not run: it needs `build`, which did not pass">observed: not run: it needs `build`, which did not pass</error>
    </testcase>
    <testcase name="answers" classname="orchestrator.before_allow_traffic" time="0.000">
      <skipped message="not run"/>
    </testcase>
  </testsuite>
</testsuites>
"#;
        assert_eq!(document(&[ran()]), expected);
    }

    #[test]
    fn another_parser_reads_back_what_was_written() {
        let text = document(&[ran(), ran()]);
        let document = roxmltree::Document::parse(&text).unwrap();
        let root = document.root_element();
        assert_eq!((root.tag_name().name(), root.attribute("tests")), ("testsuites", Some("10")));
        let failure = document.descendants().find(|node| node.has_tag_name("failure")).unwrap();
        assert_eq!(failure.attribute("message"), Some("status 500, body `<b>\n& \u{fffd}|`"));
        assert!(failure.text().unwrap().starts_with("expected: $.sha = \"3f9c\"\nobserved: status 500"));
        for c in (0..=0x2ff_u32).chain([0xfffd, 0xfffe, 0xffff, 0x1_f600]).filter_map(char::from_u32) {
            let text = format!("<a b=\"{0}\">{0}</a>", escaped(&format!("x{c}y")));
            let document = roxmltree::Document::parse(&text).unwrap_or_else(|error| panic!("{c:?}: {error}"));
            let seen = document.root_element().attribute("b").unwrap();
            assert!(seen == format!("x{c}y") || seen == "x\u{fffd}y", "{c:?}: {seen:?}");
        }
    }
}
