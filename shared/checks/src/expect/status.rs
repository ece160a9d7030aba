//! The status of an answer: which are expected, and which one came. Pure.

use domain::config::StatusExpectation;

/// One status or a class of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatusPattern {
    Code(u16),
    /// The first digit.
    Class(u16),
}

impl StatusPattern {
    /// The status by which a WebSocket is opened (RFC 6455 §4.2.2).
    pub(super) const OPEN: Self = StatusPattern::Code(101);

    pub(super) fn includes(self, status: u16) -> bool {
        match self {
            StatusPattern::Code(code) => status == code,
            StatusPattern::Class(class) => status / 100 == class,
        }
    }

    fn text(self) -> String {
        match self {
            StatusPattern::Code(code) => code.to_string(),
            StatusPattern::Class(class) => format!("{class}xx"),
        }
    }
}

pub(super) fn patterns(status: &StatusExpectation) -> Result<Vec<StatusPattern>, String> {
    match status {
        StatusExpectation::Code(code) if (100..600).contains(code) => Ok(vec![StatusPattern::Code(*code)]),
        StatusExpectation::Code(code) => Err(not_a_status(&code.to_string())),
        StatusExpectation::Class(text) => {
            let class =
                text.strip_suffix("xx").and_then(|digit| digit.parse().ok()).filter(|class| (1..6).contains(class));
            let code = text.parse().ok().filter(|code| (100..600).contains(code));
            class
                .map(StatusPattern::Class)
                .or(code.map(StatusPattern::Code))
                .map(|pattern| vec![pattern])
                .ok_or_else(|| not_a_status(text))
        }
        StatusExpectation::AnyOf(list) if list.is_empty() => Err("an empty list of statuses allows none".to_owned()),
        StatusExpectation::AnyOf(list) => {
            list.iter().map(patterns).collect::<Result<Vec<_>, _>>().map(|all| all.concat())
        }
    }
}

fn not_a_status(text: &str) -> String {
    format!("`{text}` is no status; write a number from 100 to 599, a class such as `2xx`, or a list of them")
}

pub(super) fn spoken_status(patterns: &[StatusPattern]) -> String {
    if patterns == [StatusPattern::OPEN] {
        return "an open WebSocket (status 101)".to_owned();
    }
    let texts: Vec<String> = patterns.iter().map(|pattern| pattern.text()).collect();
    format!("status {}", texts.join(" or "))
}
