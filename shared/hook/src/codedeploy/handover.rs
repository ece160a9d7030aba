//! What a hook leaves to the watchdog when CodeDeploy does not take its answer: it stands in the text of the function's error, which
//! Lambda hands to the on-failure destination. Knows nothing of Lambda's record around it.

use std::fmt;

use domain::deployment::GroupName;
use domain::hook::Verdict;
use serde::{Deserialize, Serialize};

/// What stands before it in the error's text. The first occurrence counts: what comes before is Greenlight's and CodeDeploy's own words,
/// and whatever a check has seen comes after it, inside of the JSON text.
const MARK: &str = "`hook-watchdog` is to report in its place: ";

/// A hook's answer that CodeDeploy has not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// The answer.
    pub verdict: Verdict,
    /// Why, one sentence.
    pub reason: String,
    /// Why a person asked to let the deployment through unchecked, when one did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub skipped: Option<String>,
    /// The application and the deployment group, when the deployment could be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub group: Option<GroupName>,
    /// The lifecycle event, when it could be told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lifecycle_event: Option<String>,
}

impl fmt::Display for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MARK}{}", serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Handover {
    /// Finds it in an error's text.
    pub fn find(text: &str) -> Option<Self> {
        let (_, json) = text.split_once(MARK)?;
        serde_json::Deserializer::from_str(json).into_iter().next()?.ok()
    }

    /// Whether the answer holds without another look at the deployment: it does not hold it up, or the hook had read that it is no
    /// rollback.
    pub fn is_settled(&self) -> bool {
        self.verdict == Verdict::Succeeded || self.group.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handover(verdict: Verdict, reason: &str, group: Option<GroupName>) -> Handover {
        let lifecycle_event = Some("AfterAllowTraffic".to_owned());
        Handover { verdict, reason: reason.to_owned(), skipped: None, group, lifecycle_event }
    }

    #[test]
    fn what_is_written_into_an_error_is_found_in_it() {
        let group = Some(testkit::build::group());
        let written = handover(Verdict::Succeeded, "3 \"checks\"\npassed", group);
        let text = format!("could not be reported within 59 s: Throttling; {written}");
        assert_eq!(Handover::find(&text), Some(written.clone()));
        assert_eq!(Handover::find(&format!("{text} (and what somebody adds)")), Some(written));
    }

    #[test]
    fn what_a_check_has_seen_cannot_pass_for_a_verdict() {
        let seen = handover(Verdict::Succeeded, "fine", None).to_string();
        let written = handover(Verdict::Failed, &format!("`x` fail: observed {seen}"), None);
        assert_eq!(Handover::find(&format!("not reported; {written}")), Some(written));
    }

    #[test]
    fn another_error_or_one_that_was_cut_off_holds_none() {
        let cut = handover(Verdict::Succeeded, "fine", None).to_string();
        for text in ["Task timed out after 300.00 seconds", MARK, cut.trim_end_matches('}')] {
            assert_eq!(Handover::find(text), None, "{text}");
        }
    }

    #[test]
    fn only_an_answer_that_may_hold_up_a_rollback_is_to_be_looked_at_again() {
        let group = || Some(testkit::build::group());
        let is_settled = |verdict, group| handover(verdict, "", group).is_settled();
        assert!(is_settled(Verdict::Succeeded, None) && is_settled(Verdict::Failed, group()));
        assert!(!is_settled(Verdict::Failed, None));
    }
}
