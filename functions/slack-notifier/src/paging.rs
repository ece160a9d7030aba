//! Sends pages and their ends, each once. Knows nothing of what is worth a page.

use clock::Clock;
use domain::deployment::DeploymentId;
use domain::events::{RollbackDecision, TrafficRestored};
use domain::lease::{self, Holder, Once};
use domain::ports::{Ledger, Pager, PortError};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::memory::{KEPT, RACES};
use crate::page::{self, About, Page};
use crate::story::{Ending, Story};
use crate::watch;

/// What was sent now, and what could not be.
pub(crate) type Sent = (Vec<String>, Vec<PortError>);

/// One pager, for one invocation.
pub(crate) struct Paging<'a, L, P> {
    pub(crate) ledger: &'a L,
    pub(crate) pager: &'a P,
    pub(crate) clock: &'a Clock,
    pub(crate) holder: &'a Holder,
}

/// A page that stays open until something becomes of a deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct LeftOpen {
    /// The deployment that goes on, or serves.
    deployment: DeploymentId,
    /// PagerDuty's key of the page.
    dedup_key: String,
    /// Where it is remembered that its end was sent.
    entry: String,
    /// When it was asked for.
    since: Timestamp,
}

fn left_key(group: &str) -> String {
    format!("pager/left/{group}")
}

fn of_entry(group: &str, entry: &Value) -> Result<Vec<LeftOpen>, PortError> {
    let pages = entry.get("pages").map(Vec::deserialize).transpose();
    pages.map(Option::unwrap_or_default).map_err(|error| PortError::Permanent {
        what: format!("reading the ledger's entry `{}`", left_key(group)),
        detail: format!("{error}; delete the entry, and resolve the group's pages by hand"),
    })
}

/// Where it is remembered that a group has an open page about a rollback.
fn open_key(group: &str) -> String {
    format!("pager/open/{group}")
}

impl<L: Ledger, P: Pager> Paging<'_, L, P> {
    /// What the story of a deployment asks for and has not been sent.
    pub(crate) async fn story(&self, story: &Story) -> Sent {
        let pages = page::pages(story);
        let (mut sent, mut errors) = (Vec::new(), Vec::new());
        let is_good = story.ending() == Some(Ending::Succeeded) && !story.is_taken_back() && !story.restores;
        let succeeded = is_good.then(|| story.ended.unwrap_or(story.read_at));
        let mut former = Vec::new();
        if let Some(succeeded) = succeeded {
            former.push(self.end_former(&story.group.to_string(), succeeded).await);
        }
        if succeeded.is_some() || story.ended_badly() || story.is_rolled_back() {
            former.push(self.end_left(story, succeeded).await);
        }
        for outcome in former {
            match outcome {
                Ok(words) => sent.extend(words),
                Err(error) => errors.push(error),
            }
        }
        let (more, failed) = self.all(&story.deployment, &story.group.to_string(), story.read_at, &pages).await;
        sent.extend(more);
        errors.extend(failed);
        (sent, errors)
    }

    /// Pages of a deployment, in order; `place` is its group, and `since` when what they are about was seen.
    pub(crate) async fn all(&self, deployment: &DeploymentId, place: &str, since: Timestamp, pages: &[Page]) -> Sent {
        let (mut sent, mut errors) = (Vec::new(), Vec::new());
        for page in pages {
            let outcome = match page {
                Page::Trigger(about, event) => self.trigger(deployment, *about, place, since, event).await,
                Page::Resolve(about, event) => self.resolve(deployment, *about, place, event).await,
            };
            match outcome {
                Ok(words) => sent.extend(words),
                Err(error) => errors.push(error),
            }
        }
        (sent, errors)
    }

    /// The page that the traffic is not back; nothing where the event names nobody.
    pub(crate) async fn not_restored(&self, restored: &TrafficRestored, page: Option<Page>) -> Sent {
        match (page, page::place_of(restored)) {
            (Some(page), Some(place)) => self.all(&restored.deployment_id, &place, restored.at, &[page]).await,
            _ => Sent::default(),
        }
    }

    async fn trigger(
        &self,
        deployment: &DeploymentId,
        about: About,
        place: &str,
        since: Timestamp,
        event: &Value,
    ) -> Result<Vec<String>, PortError> {
        let key = |word: &str| format!("pager/{deployment}/{}{word}", about.word());
        // Where the end overtook the beginning, a page sent now would stay open for ever.
        if lease::record(self.ledger, &key("resolve")).await?.is_some() {
            if lease::record(self.ledger, &key("trigger")).await?.is_none() {
                tracing::info!(deployment.id = %deployment, "not paging: it was over before it was heard of");
            }
            return Ok(Vec::new());
        }
        if about == About::Rollback {
            // Before it is sent: the next success must find it whatever becomes of this process.
            let expires = self.clock.now().plus(KEPT);
            self.ledger.claim(&open_key(place), &json!({"since": since}), expires).await?;
        }
        let mut sent = Vec::new();
        if self.once(&key("trigger"), event).await? {
            sent.push(format!("{}trigger", about.word()));
            // The end may have come while the page was being sent.
            if lease::record(self.ledger, &key("resolve")).await?.is_some()
                && let Some(dedup_key) = event.get("dedup_key").and_then(Value::as_str)
            {
                self.pager.send(&page::resolve(dedup_key)).await?;
                sent.push(format!("{}resolve", about.word()));
            }
        }
        Ok(sent)
    }

    async fn resolve(
        &self,
        deployment: &DeploymentId,
        about: About,
        place: &str,
        event: &Value,
    ) -> Result<Vec<String>, PortError> {
        let key = |word: &str| format!("pager/{deployment}/{}{word}", about.word());
        if about == About::Rollback {
            if self.ledger.read(&key("trigger")).await?.is_none() {
                // Nobody was paged, and nobody is to be when that is heard of late.
                let expires = self.clock.now().plus(KEPT);
                self.ledger.claim(&key("resolve"), &json!({"paged": false}), expires).await?;
                return Ok(Vec::new());
            }
            self.ledger.release(&open_key(place)).await?;
        }
        let sent = self.once(&key("resolve"), event).await?;
        Ok(sent.then(|| format!("{}resolve", about.word())).into_iter().collect())
    }

    /// A deployment that succeeds ends what its group's rollbacks have left open before.
    async fn end_former(&self, group: &str, succeeded: Timestamp) -> Result<Vec<String>, PortError> {
        let Some(open) = self.ledger.read(&open_key(group)).await? else { return Ok(Vec::new()) };
        let since = open.get("since").and_then(Value::as_str).and_then(Timestamp::parse).unwrap_or_default();
        if since > succeeded {
            return Ok(Vec::new());
        }
        self.pager.send(&page::resolve(&page::rollback_key(group))).await?;
        self.ledger.release(&open_key(group)).await?;
        Ok(vec!["rollback/resolve".to_owned()])
    }

    /// The page for an alarm that is left to a person.
    pub(crate) async fn alarm(&self, decision: &RollbackDecision, region: &str) -> Result<Vec<String>, PortError> {
        let red = watch::changed(decision);
        let holds = watch::holds(decision);
        // Written down before it is sent, so that its end finds it: the alarm's, or that of the deployment.
        let note = |watch: &mut watch::Watch| watch.paged = if holds { None } else { watch.paged.max(Some(red)) };
        let watch = watch::change(self.ledger, decision, self.clock.now(), note).await?;
        if holds {
            self.note_left(decision).await?;
        } else if watch.is_over(red) {
            tracing::info!(
                alarm.name = decision.alarm.name,
                "not paging: the alarm was OK again before this was heard of"
            );
            return Ok(Vec::new());
        }
        let key = alarm_entry(decision, "trigger");
        let mut sent = Vec::new();
        if self.once(&key, &page::alarm(decision, region)).await? {
            sent.push("alarm/trigger".to_owned());
            // The end may have come while the page was being sent.
            if !holds && watch::change(self.ledger, decision, self.clock.now(), |_| {}).await?.is_over(red) {
                self.pager.send(&page::resolve(&page::alarm_key(decision))).await?;
                sent.push("alarm/resolve".to_owned());
            }
        }
        Ok(sent)
    }

    /// Remembers a page that ends with what becomes of its deployment.
    async fn note_left(&self, decision: &RollbackDecision) -> Result<(), PortError> {
        let (Some(group), Some(deployment)) = (&decision.group, &decision.deployment_id) else { return Ok(()) };
        let (dedup_key, entry) = (page::alarm_key(decision), alarm_entry(decision, "resolve"));
        let page = LeftOpen { deployment: deployment.clone(), dedup_key, entry, since: decision.at };
        self.amend(&group.to_string(), |open| {
            if !open.iter().any(|other| other.entry == page.entry) {
                open.push(page.clone());
            }
        })
        .await
        .map(drop)
    }

    /// The ends of such pages: of this deployment when it has not stayed, and of those before it when it has succeeded.
    async fn end_left(&self, story: &Story, succeeded: Option<Timestamp>) -> Result<Vec<String>, PortError> {
        let group = story.group.to_string();
        let is_over = |page: &LeftOpen| match succeeded {
            Some(at) if page.deployment != story.deployment => page.since < at,
            _ => page.deployment == story.deployment && (story.ended_badly() || story.is_rolled_back()),
        };
        let Some(entry) = self.ledger.read(&left_key(&group)).await? else { return Ok(Vec::new()) };
        let over: Vec<LeftOpen> = of_entry(&group, &entry)?.into_iter().filter(is_over).collect();
        let mut sent = Vec::new();
        for page in &over {
            if self.once(&page.entry, &page::resolve(&page.dedup_key)).await? {
                sent.push("alarm/resolve".to_owned());
            }
        }
        if !over.is_empty() {
            self.amend(&group, |open| open.retain(|page| !over.contains(page))).await?;
        }
        Ok(sent)
    }

    /// Changes what is remembered of a group's open pages.
    async fn amend(&self, group: &str, change: impl Fn(&mut Vec<LeftOpen>)) -> Result<Vec<LeftOpen>, PortError> {
        let key = left_key(group);
        for _ in 0..RACES {
            let entry = self.ledger.read(&key).await?;
            let old = entry.as_ref().map(|entry| of_entry(group, entry)).transpose()?.unwrap_or_default();
            let mut next = old.clone();
            change(&mut next);
            let expires = self.clock.now().plus(KEPT);
            if next == old || self.ledger.replace(&key, entry.as_ref(), &json!({"pages": next}), expires).await? {
                return Ok(next);
            }
        }
        Err(PortError::Transient {
            what: format!("changing the ledger's entry `{key}`"),
            detail: format!("others changed it {RACES} times in between"),
            retry_after: None,
        })
    }

    /// The end of such a page.
    pub(crate) async fn alarm_over(&self, decision: &RollbackDecision) -> Result<Vec<String>, PortError> {
        let sent = self.once(&alarm_entry(decision, "resolve"), &page::resolve(&page::alarm_key(decision))).await?;
        Ok(sent.then(|| "alarm/resolve".to_owned()).into_iter().collect())
    }

    /// Sends an event unless that was done; true when it was done now.
    async fn once(&self, key: &str, event: &Value) -> Result<bool, PortError> {
        let now = self.clock.now();
        let work = async || Ok(self.pager.send(event).await.map(|()| json!({"sent": true}))?);
        match lease::once(self.ledger, key, self.holder, now, now.plus(KEPT), work).await? {
            Once::Did { forgotten } => {
                if let Some(error) = forgotten {
                    tracing::error!(key, "this was sent to PagerDuty and cannot be remembered: {error}");
                }
                Ok(true)
            }
            Once::DoneBefore | Once::Busy => Ok(false),
        }
    }
}

fn alarm_entry(decision: &RollbackDecision, word: &str) -> String {
    let (subject, at) = (watch::subject(decision), watch::changed(decision));
    domain::text::bounded(&format!("pager/alarm/{subject}/{}/{at}/{word}", decision.alarm.name), 900)
}
