//! The form of PagerDuty's events and its limits, kept whatever comes in. Knows nothing of what is worth a page.
//!
//! The limits are those of the Events API v2: 1,024 characters for a summary, 255 for a key, 512 KB for the whole event. PagerDuty gives none for
//! the other texts; a page is read on a telephone.

use domain::config::PageSeverity;
use domain::deployment::DeploymentId;
use domain::secrets::{shown, without_tokens};
use domain::text::bounded;
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::thread::console_url;

/// PagerDuty's limit for a summary, in characters.
pub(super) const SUMMARY: usize = 1024;
/// PagerDuty's limit for a key, in characters.
const DEDUP_KEY: usize = 255;
/// What a text from outside may take in the details, in characters.
pub(super) const DETAIL: usize = 1500;

/// A text from outside, as it goes into a page: without what is called like a secret or looks like one.
pub(super) fn outside(text: &str) -> String {
    shown(text, DETAIL)
}

/// A page's first line, which is put together from several texts.
pub(super) fn summary(text: &str) -> String {
    bounded(&without_tokens(text), SUMMARY)
}

/// A name from outside.
pub(super) fn name(text: &str) -> String {
    bounded(&without_tokens(text), DEDUP_KEY)
}

/// A key that PagerDuty takes. What is too long keeps its beginning and ends in a digest of the whole: two long names stay two.
pub(crate) fn dedup_key(whole: &str) -> String {
    if whole.chars().count() <= DEDUP_KEY {
        return whole.to_owned();
    }
    // FNV-1a, 64 bits (draft-eastlake-fnv): the same in every version of the function.
    let digest = whole
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let kept: String = whole.chars().take(DEDUP_KEY - 17).collect();
    format!("{kept}#{digest:016x}")
}

/// What every trigger carries.
pub(super) struct Event<'a> {
    pub(super) key: &'a str,
    pub(super) summary: String,
    pub(super) source: String,
    pub(super) severity: PageSeverity,
    pub(super) at: Timestamp,
    pub(super) component: String,
    pub(super) group: String,
    pub(super) class: &'static str,
    pub(super) details: Value,
    pub(super) link: Option<(String, String)>,
}

impl Event<'_> {
    pub(super) fn value(self) -> Value {
        json!({
            "event_action": "trigger",
            "dedup_key": self.key,
            "payload": {
                "summary": summary(&self.summary),
                "source": name(&self.source),
                "severity": self.severity,
                "timestamp": self.at,
                "component": name(&self.component),
                "group": name(&self.group),
                "class": self.class,
                "custom_details": self.details,
            },
            "links": links(self.link),
            "client": "Greenlight",
        })
    }
}

/// The deployment in the console, as PagerDuty lists links.
pub(super) fn links(link: Option<(String, String)>) -> Vec<Value> {
    let links = link.into_iter();
    links.map(|(url, deployment)| json!({"href": url, "text": format!("Deployment {deployment}")})).collect()
}

/// The address of a deployment and its id.
pub(super) fn link(region: &str, deployment: &DeploymentId) -> Option<(String, String)> {
    console_url(region, &deployment.0).map(|url| (url, deployment.0.clone()))
}
