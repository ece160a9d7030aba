//! Sends pages and their ends, each once per deployment. Knows nothing of what is worth a page.

use clock::Clock;
use domain::lease::{self, Holder, Once};
use domain::ports::{Ledger, Pager, PortError};
use serde_json::json;

use crate::memory::KEPT;
use crate::page::{Page, pages};
use crate::story::Story;

/// Sends what the story asks for and has not been sent. Returns what was sent now.
pub(crate) async fn page<L: Ledger, P: Pager>(
    ledger: &L,
    pager: &P,
    clock: &Clock,
    holder: &Holder,
    story: &Story,
) -> (Vec<String>, Vec<PortError>) {
    let (mut sent, mut errors) = (Vec::new(), Vec::new());
    for page in pages(story) {
        match once(ledger, pager, clock, holder, story, &page).await {
            Ok(Some(word)) => sent.push(word.to_owned()),
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
    }
    (sent, errors)
}

async fn once<L: Ledger, P: Pager>(
    ledger: &L,
    pager: &P,
    clock: &Clock,
    holder: &Holder,
    story: &Story,
    page: &Page,
) -> Result<Option<&'static str>, PortError> {
    let key = |word: &str| format!("pager/{}/{word}", story.deployment);
    let (word, event) = match page {
        Page::Trigger(event) => ("trigger", event),
        Page::Resolve(event) => ("resolve", event),
    };
    // Where the end overtook the beginning, a page sent now would stay open for ever.
    if word == "trigger" && lease::record(ledger, &key("resolve")).await?.is_some() {
        if lease::record(ledger, &key("trigger")).await?.is_none() {
            tracing::info!(deployment.id = %story.deployment, "not paging: it was over before the ending was heard of");
        }
        return Ok(None);
    }
    let now = clock.now();
    let work = async || pager.send(event).await.map(|()| json!({"sent": true}));
    match lease::once(ledger, &key(word), holder, now, now.plus(KEPT), work).await? {
        Once::Did { forgotten } => {
            if let Some(error) = forgotten {
                tracing::error!(deployment.id = %story.deployment, "the page was sent and cannot be remembered: {error}");
            }
            Ok(Some(word))
        }
        Once::DoneBefore | Once::Busy => Ok(None),
    }
}
