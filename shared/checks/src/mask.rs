//! What must not be shown, and texts without it. Secrets that are known are found by their text, in every form in which an
//! answer is likely to repeat them; what comes from outside is also looked through for what is called like a secret or looks
//! like one (`domain::secrets`). Pure; knows nothing of where a secret comes from or where a text goes.
//!
//! A text is masked before it is cut: half a secret is found by nobody afterwards.

mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use domain::config::{Capture, Check};
use domain::secrets::{redacted, spans};
use domain::text::{bounded, visible};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::template::{each_text, text_of};
use views::views;

pub(crate) use domain::secrets::is_secret_name;

/// The shortest secret that is looked for, in characters: shorter ones stand in every other word.
const SHORTEST: usize = 4;

/// The secrets that are known, each in its several forms.
#[derive(Clone, Default)]
pub(crate) struct Mask(Arc<BTreeSet<String>>);

impl fmt::Debug for Mask {
    /// Shows none of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mask").field(&self.0.len()).finish()
    }
}

impl Mask {
    /// Hides a value: as it is, and as URLs, forms, JSON, HTML and Base64 write it, each within another as well.
    pub(crate) fn hide(&mut self, secret: &str) {
        let texts = Arc::make_mut(&mut self.0);
        for form in forms(secret) {
            if form.chars().count() >= SHORTEST {
                texts.insert(form);
            }
        }
    }

    /// Hides the user and the password of a URL; together also as Basic authentication writes them (RFC 7617).
    pub(crate) fn hide_credentials_of(&mut self, url: &str) {
        let Some((_, rest)) = url.split_once("://") else { return };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let Some((credentials, _)) = authority.rsplit_once('@') else { return };
        let decoded = percent_decode_str(credentials).decode_utf8_lossy().into_owned();
        self.hide(credentials);
        self.hide(&decoded);
        // Alone, a user's name is no secret; it would only take words out of messages.
        for text in [credentials, &decoded] {
            if let Some((_, password)) = text.split_once(':') {
                self.hide(password);
            }
        }
    }

    /// Hides what a check has captured under a name of a secret, or from a place that has one.
    pub(crate) fn hide_captured(&mut self, check: &Check, captured: &BTreeMap<String, Value>) {
        for (name, value) in captured {
            let source = match check.capture.get(name) {
                Some(Capture::JsonPath(path)) => path,
                Some(Capture::Header { header }) => header,
                Some(Capture::Regex { .. }) | None => name,
            };
            if !is_secret_name(name) && !is_secret_name(source) {
                continue;
            }
            match value {
                Value::Number(_) => self.hide(&text_of(value)),
                value => each_text(value, &mut |text| self.hide(text)),
            }
        }
    }

    /// The same mask with that hidden, too.
    pub(crate) fn with_captured(&self, check: &Check, captured: &BTreeMap<String, Value>) -> Self {
        let mut mask = self.clone();
        mask.hide_captured(check, captured);
        mask
    }

    /// What is said of a check: a line without any known secret, and without what a terminal would obey or nobody would see.
    pub(crate) fn said(&self, text: &str) -> String {
        // Once more when it can be seen: a secret may come with a character in it that nobody sees.
        self.own(&visible(&self.own(text)))
    }

    /// A text of our own, without any known secret.
    pub(crate) fn own(&self, text: &str) -> String {
        self.without_known(text, false)
    }

    /// A text from outside, masked and then cut to at most `limit` characters. A long one is not looked through beyond what may be
    /// shown of it.
    pub(crate) fn outside(&self, text: &str, limit: usize) -> String {
        bounded(&self.head(text, limit), limit)
    }

    /// The beginning of a text from outside, masked: enough of it for `limit` characters to be shown.
    pub(crate) fn head(&self, text: &str, limit: usize) -> String {
        let end = text.char_indices().nth(limit.saturating_mul(4)).map_or(text.len(), |(at, _)| at);
        let head = text.get(..end).unwrap_or(text);
        let is_cut = end < text.len();
        let known = self.without_known(head, is_cut);
        let looked_through = redacted(&known, spans(&known));
        let mut masked = self.without_known(&looked_through, false);
        if is_cut && masked.chars().count() <= limit {
            // So much was hidden that the cut itself may come to be seen: half a token has no pattern.
            masked.truncate(masked.trim_end_matches(|c: char| !c.is_whitespace() && c != '"').len());
            masked.push('…');
        }
        masked
    }

    /// Takes out every known secret, and again whatever taking one out may have put together.
    fn without_known(&self, text: &str, is_cut: bool) -> String {
        let mut text = text.to_owned();
        loop {
            let spans = self.known_in(&text, is_cut);
            if spans.is_empty() {
                return text;
            }
            // Each span is longer than what it is replaced by, so this ends.
            text = redacted(&text, spans);
        }
    }

    fn known_in(&self, text: &str, is_cut: bool) -> Vec<Range<usize>> {
        let mut spans = Vec::new();
        if self.0.is_empty() {
            return spans;
        }
        for view in views(text) {
            let text = view.text.as_str();
            for secret in self.0.iter() {
                let mut from = 0;
                while let Some(at) = text.get(from..).and_then(|rest| rest.find(secret.as_str())).map(|at| at + from) {
                    spans.push(view.place(at..at + secret.len()));
                    from = at + secret.chars().next().map_or(1, char::len_utf8);
                }
                let begun = secret.char_indices().skip(SHORTEST).map(|(at, _)| at).filter_map(|at| secret.get(..at));
                if let Some(part) = begun.filter(|part| is_cut && text.ends_with(part)).last() {
                    spans.push(view.place(text.len() - part.len()..text.len()));
                }
            }
        }
        spans
    }
}

/// The forms in which a value is likely to be repeated, besides those that `views` sees through.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![
        secret.to_owned(),
        // A value in a regular expression is taken literally; so it reads in what is expected.
        regex_lite::escape(secret),
        secret.trim().to_owned(),
        secret.split_whitespace().collect::<Vec<_>>().join(" "),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
    ];
    forms.extend(
        (0..3).flat_map(|before| [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD].map(|base64| within(base64, before, secret))),
    );
    forms
}

/// How Base64 writes a value within a longer one, with so many bytes before it: the characters that hold nothing but it.
fn within(base64: &GeneralPurpose, before: usize, secret: &str) -> String {
    let encoded = base64.encode([&vec![0; before], secret.as_bytes()].concat());
    // A character has six bits, so one at each end may hold some of a neighbour.
    let from = (before * 8).div_ceil(6);
    let to = (before + secret.len()) * 8 / 6;
    encoded.get(from..to).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
