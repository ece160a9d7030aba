//! What one group has at PagerDuty, and what has to be sent there next. Pure: the order in which things are heard makes no difference to what is
//! open in the end, and a page whose end is known is never triggered. Knows nothing of the table or of PagerDuty's API.

use std::collections::BTreeSet;

use domain::config::PageSeverity;
use domain::deployment::DeploymentId;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::page::{self, About, Asked, End, Page, Until, resolve, rollback_key};

/// So many pages of a group are remembered, so that its entry fits into the table (400 KB) with every event that waits to be sent.
const PAGES: usize = 16;
/// Of so many deployments of a group it is remembered what has become of them.
const ENDS: usize = 60;

/// What is known of a group's pages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Duty {
    /// The pages that PagerDuty has, or is to have, open; and those whose end it is still to hear of.
    pages: Vec<Kept>,
    /// What has become of the last deployments.
    ends: Vec<(DeploymentId, End)>,
    /// The last success.
    succeeded: Option<(DeploymentId, Timestamp)>,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    deployment: DeploymentId,
    about: About,
    key: String,
    since: Timestamp,
    urgent: bool,
    severity: PageSeverity,
    until: Until,
    /// The event, until PagerDuty has it.
    event: Option<Value>,
    /// Whether it was sent without an answer: PagerDuty may have it.
    #[serde(default)]
    is_tried: bool,
    /// Whether it has ended, and PagerDuty is to hear so.
    is_over: bool,
}

/// What is to be sent next.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    /// PagerDuty's key.
    pub(super) key: String,
    /// The event.
    pub(super) event: Value,
    /// For the function's answer: `rollback/trigger`.
    pub(super) word: String,
    /// Whose page it is; `None` for the end of all that have the key.
    page: Option<(DeploymentId, About)>,
}

impl Duty {
    /// Adds what is known of a deployment; twice is as good as once.
    pub(super) fn hear(&mut self, place: &str, asked: &Asked) {
        if let Some(end) = asked.end {
            self.end(&asked.deployment, end);
        }
        if let Some(at) = asked.succeeded
            && self.succeeded.as_ref().is_none_or(|(_, last)| *last < at)
        {
            self.succeeded = Some((asked.deployment.clone(), at));
        }
        for page in &asked.pages {
            self.add(place, &asked.deployment, page);
        }
        for index in 0..self.pages.len() {
            let is_over = self.pages.get(index).is_some_and(|page| self.is_ended(page));
            let is_too_late = self.pages.get(index).is_some_and(|page| self.is_too_late_to_stop(page));
            if let Some(page) = self.pages.get_mut(index) {
                page.is_over |= is_over;
                if let Some(event) = page.event.as_mut().filter(|_| is_too_late) {
                    page::no_longer_stopped(event);
                }
            }
        }
        self.tidy();
    }

    fn end(&mut self, deployment: &DeploymentId, end: End) {
        match self.ends.iter_mut().find(|(other, _)| other == deployment) {
            Some((_, known)) => *known = end.max(*known),
            None => self.ends.push((deployment.clone(), end)),
        }
        let surplus = self.ends.len().saturating_sub(ENDS);
        self.ends.drain(..surplus);
    }

    fn add(&mut self, place: &str, deployment: &DeploymentId, page: &Page) {
        let mut kept = Kept {
            deployment: deployment.clone(),
            about: page.about.clone(),
            key: page.key.clone(),
            since: page.since,
            urgent: page.urgent,
            severity: page.severity,
            until: page.until,
            event: Some(page.event.clone()),
            is_tried: false,
            is_over: false,
        };
        let of_same = |kept: &Kept| {
            let known = self.pages.iter().find(|it| it.deployment == kept.deployment && it.about == kept.about);
            known.map(|known| known.urgent || !kept.urgent)
        };
        match of_same(&kept) {
            Some(true) => return,
            // What was safe has become urgent.
            Some(false) => kept.about = About::Rollback,
            None => {}
        }
        if of_same(&kept).is_some() {
            return;
        }
        let is_hidden = |it: &Kept| it.key == kept.key && !it.urgent && !it.is_over;
        if kept.urgent && self.pages.iter().any(is_hidden) {
            kept.key = rollback_key(place);
            if let Some(key) = kept.event.as_mut().and_then(|event| event.pointer_mut("/dedup_key")) {
                *key = kept.key.clone().into();
            }
        }
        if self.is_ended(&kept) || self.is_of_the_past(&kept) {
            tracing::info!(deployment.id = %deployment, key = kept.key, "not paging: it was over before it was heard of");
            return;
        }
        self.pages.push(kept);
    }

    fn is_ended(&self, page: &Kept) -> bool {
        let end = self.ends.iter().find(|(deployment, _)| *deployment == page.deployment).map(|(_, end)| *end);
        let is_superseded =
            |(deployment, at): &(DeploymentId, Timestamp)| *deployment != page.deployment && page.since < *at;
        self.succeeded.as_ref().is_some_and(is_superseded)
            || match page.until {
                Until::Back => end == Some(End::Back),
                Until::Stopped => end.is_some(),
                Until::Success => false,
            }
    }

    /// Whether it asked to stop a deployment that has ended well since.
    fn is_too_late_to_stop(&self, page: &Kept) -> bool {
        let has_ended =
            |(deployment, at): &(DeploymentId, Timestamp)| *deployment == page.deployment && page.since < *at;
        page.until == Until::Stopped && self.succeeded.as_ref().is_some_and(has_ended)
    }

    /// Whether nobody has to be woken for it any more, although it would stay open.
    fn is_of_the_past(&self, page: &Kept) -> bool {
        page.urgent && self.ends.contains(&(page.deployment.clone(), End::Back))
    }

    fn tidy(&mut self) {
        let open: BTreeSet<String> =
            self.pages.iter().filter(|page| page.is_open()).map(|page| page.key.clone()).collect();
        // Another keeps the alert open, and its end will be told then.
        self.pages.retain(|page| !page.is_over || !open.contains(&page.key));
        while self.pages.len() > PAGES {
            // Rather one that PagerDuty has already, and the oldest.
            let index = self.pages.iter().position(|page| page.event.is_none()).unwrap_or(0);
            let lost = self.pages.remove(index);
            tracing::warn!(deployment.id = %lost.deployment, key = lost.key, "the group has more than {PAGES} pages, so the end of this one will not be told");
        }
    }

    /// What is to be sent next, leaving out the keys in `without`: what wakes somebody first, then what else is new, then what is over.
    pub(super) fn next(&self, without: &BTreeSet<String>) -> Option<Step> {
        let keys: BTreeSet<&String> = self.pages.iter().map(|page| &page.key).collect();
        let steps = keys.into_iter().filter(|key| !without.contains(*key)).filter_map(|key| self.next_of(key));
        steps.min_by_key(|(rank, _)| *rank).map(|(_, step)| step)
    }

    fn next_of(&self, key: &str) -> Option<(u8, Step)> {
        let of_key = || self.pages.iter().filter(|page| page.key == key);
        let new = of_key().find(|page| !page.is_over && page.event.is_some());
        let rank = new.map_or(2, |page| u8::from(!page.urgent));
        // Before another begins under the key: an alert that is open, and perhaps acknowledged, would only note it.
        if let Some(over) = of_key().find(|page| page.is_over)
            && !of_key().any(Kept::is_open)
        {
            let word = format!("{}resolve", over.about.word());
            return Some((rank, Step { key: key.to_owned(), event: resolve(key), word, page: None }));
        }
        let page = new?;
        let mut event = page.event.clone()?;
        // An alert takes the severity of its last trigger; nothing that is milder may soothe it.
        let worst = of_key().filter(|other| !other.is_over).map(|other| other.severity).min();
        *event.pointer_mut("/payload/severity")? = serde_json::to_value(worst.unwrap_or(page.severity)).ok()?;
        let word = format!("{}trigger", page.about.word());
        let of = Some((page.deployment.clone(), page.about.clone()));
        Some((rank, Step { key: key.to_owned(), event, word, page: of }))
    }

    /// Notes that a step was taken.
    pub(super) fn done(&mut self, step: &Step) {
        if step.page.is_none() {
            self.pages.retain(|page| page.key != step.key || !page.is_over);
        } else if let Some(page) = self.page_of(step) {
            page.event = None;
        }
        self.tidy();
    }

    /// Notes that nobody answered to a step.
    pub(super) fn tried(&mut self, step: &Step) {
        if let Some(page) = self.page_of(step) {
            page.is_tried = true;
        }
        self.tidy();
    }

    fn page_of(&mut self, step: &Step) -> Option<&mut Kept> {
        let (deployment, about) = step.page.as_ref()?;
        self.pages.iter_mut().find(|page| page.deployment == *deployment && page.about == *about)
    }
}

impl Kept {
    /// Whether PagerDuty has it, or may have it, and it has not ended.
    fn is_open(&self) -> bool {
        (self.event.is_none() || self.is_tried) && !self.is_over
    }
}

#[cfg(test)]
mod tests;
