//! What people are told elsewhere of a sink that refuses: one entry of the table for each sink (`refusals/<sink>`), so that of many invocations that
//! are refused one tells, a token that twenty channels share is told of once, and what was told is taken back when the sink works again, even
//! where the channel is no longer configured. Knows nothing of how it is told.

use std::collections::{BTreeMap, BTreeSet};

use domain::ports::{Ledger, PortError};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::closed::{Refusal, Sink};
use crate::contend::Patient;
use crate::memory::KEPT;

/// So many places are remembered of one notice.
const PLACES: usize = 200;

/// What is told of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notice {
    /// When it began.
    pub(crate) since: Timestamp,
    /// What the sink said, and what to do.
    pub(crate) why: String,
    /// The places that it closes.
    pub(crate) places: BTreeSet<String>,
    /// Whether it is about the secret, and so about every place.
    pub(crate) is_about_the_secret: bool,
    /// Whether it is told.
    pub(crate) told: bool,
    /// Until when somebody is at it.
    pub(crate) telling: Option<Timestamp>,
}

/// The notices of one sink, by what they are about.
pub(crate) type Notices = BTreeMap<String, Notice>;

/// What a refusal is about: a place, or the secret (`token`), which no place is called.
pub(crate) fn subject(refusal: &Refusal, place: &str) -> String {
    match (refusal.is_about_the_secret(), place) {
        (true, _) => "token",
        (false, "") => "webhook",
        (false, place) => place,
    }
    .to_owned()
}

fn key(sink: Sink) -> String {
    format!("refusals/{}", sink.word())
}

fn of_entry(sink: Sink, entry: Option<&Value>) -> Result<Notices, PortError> {
    entry.map(Notices::deserialize).transpose().map(Option::unwrap_or_default).map_err(|error| PortError::Permanent {
        what: format!("reading the ledger's entry `{}`", key(sink)),
        detail: format!("{error}; delete the entry, and resolve its pages by hand"),
    })
}

/// The notices of a sink as they are.
pub(crate) async fn read(ledger: &impl Ledger, sink: Sink) -> Result<Notices, PortError> {
    of_entry(sink, ledger.read(&key(sink)).await?.as_ref())
}

async fn amend<T>(
    ledger: &impl Ledger,
    patient: Patient<'_>,
    sink: Sink,
    change: impl Fn(&mut Notices) -> T,
) -> Result<T, PortError> {
    let expires = patient.clock.now().plus(KEPT);
    patient
        .change(ledger, &key(sink), expires, |entry| {
            let mut next = of_entry(sink, entry)?;
            let old = next.clone();
            let result = change(&mut next);
            let written = (next != old).then(|| serde_json::to_value(&next).unwrap_or_default());
            Ok((written, result))
        })
        .await
}

/// Notes a refusal; answers with it where it is to be told by the caller, who has until `until`.
pub(crate) async fn claim(
    ledger: &impl Ledger,
    patient: Patient<'_>,
    sink: Sink,
    place: &str,
    refusal: &Refusal,
) -> Result<Option<Notice>, PortError> {
    let now = patient.clock.now();
    amend(ledger, patient, sink, |notices| {
        let notice = notices.entry(subject(refusal, place)).or_insert_with(|| Notice {
            since: refusal.since,
            why: refusal.why.clone(),
            places: BTreeSet::new(),
            is_about_the_secret: refusal.is_about_the_secret(),
            told: false,
            telling: None,
        });
        if notice.places.len() < PLACES {
            notice.places.insert(place.to_owned());
        }
        if notice.told || notice.telling.is_some_and(|until| until > now) {
            return None;
        }
        notice.telling = Some(patient.until);
        Some(notice.clone())
    })
    .await
}

/// Notes whether a notice that was claimed is told.
pub(crate) async fn settle(
    ledger: &impl Ledger,
    patient: Patient<'_>,
    sink: Sink,
    subject: &str,
    told: bool,
) -> Result<(), PortError> {
    amend(ledger, patient, sink, |notices| {
        if let Some(notice) = notices.get_mut(subject) {
            (notice.told, notice.telling) = (told, None);
        }
    })
    .await
}

/// Takes a notice away that is over.
pub(crate) async fn over(
    ledger: &impl Ledger,
    patient: Patient<'_>,
    sink: Sink,
    subject: &str,
) -> Result<(), PortError> {
    amend(ledger, patient, sink, |notices| drop(notices.remove(subject))).await
}
