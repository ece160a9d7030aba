//! The one that tells in a thread at a time: posts the headline or updates it, and posts what waits in the order in which it happened. What may
//! have been posted without an answer is looked for before it is posted again. Knows nothing of who waits for it.

use std::time::Duration;

use domain::lease;
use domain::ports::{Address, Chat, Ledger, PortError, PostedMessage, Unsent};
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::blocks::{Said, render};
use crate::memory::{KEPT, Known, Root, recall};
use crate::mention::{digest, lateness, mentioning, plain, remarked};
use crate::outbox::{Outbox, Pending, Queued, Thread};
use crate::posting::{Found, Posted, TWICE, closed_or_failed};
use crate::tale::Tale;
use crate::telling::{Telling, root_key};

/// What is told later than this after it happened, calls nobody any more, unless somebody must act.
const STALE: Duration = Duration::from_mins(10);
/// So often a headline that somebody deletes is posted anew.
const ANEW: usize = 3;

/// Why the telling ends before all is told.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It could not be told now.
    Failed(PortError),
    /// Slack takes nothing from us until somebody changes something.
    Closed,
}

impl From<PortError> for Stop {
    fn from(error: PortError) -> Self {
        Stop::Failed(error)
    }
}

/// Whoever has the lease of a thread.
pub(crate) struct Teller<'a, L, C> {
    pub(crate) telling: &'a Telling<'a, L, C>,
    pub(crate) outbox: &'a Outbox<'a, L>,
    /// The keys of the invocation's own replies.
    pub(crate) mine: &'a [String],
    /// What was told.
    pub(crate) told: Vec<String>,
    /// Whether something was posted of which nothing could be written down: then the lease is kept, and whoever takes it over when it has run out
    /// looks first what stands there.
    pub(crate) keeps_lease: bool,
    /// Whether it has turned out that nobody can look.
    pub(crate) cannot_look: bool,
    /// Whether a deleted headline was posted anew, which is done once.
    pub(crate) is_anew: bool,
}

impl<L: Ledger, C: Chat> Teller<'_, L, C> {
    /// Tells what waits; whether anything still does that is others' and not due yet. `is_inherited` when whoever told before died with it.
    pub(crate) async fn run<T: Tale>(&mut self, is_inherited: bool) -> Result<bool, Stop> {
        if is_inherited {
            tracing::warn!(story = %self.outbox.story, "whoever told of this before has died; what it may have posted is looked for");
            self.outbox.doubt_all().await?;
        }
        let Some((mut root, said)) = self.root::<T>().await? else { return Ok(false) };
        // Replies do not wait for an update that is not taken now; where nothing is taken at all, they do.
        let shown = self.show::<T>(&mut root).await;
        if let Err(Stop::Closed) = shown {
            return Err(Stop::Closed);
        }
        let is_open = self.replies::<T>(&mut root, &said).await?;
        shown?;
        // Others may have added to the story meanwhile.
        self.show::<T>(&mut root).await?;
        Ok(is_open)
    }

    /// The headline, posted now if nobody has; and the keys of the replies that waited when it was posted now. `None` while there is nothing to
    /// be told.
    async fn root<T: Tale>(&mut self) -> Result<Option<(Root, Vec<String>)>, Stop> {
        let (story, telling) = (self.outbox.story, self.telling);
        let key = root_key(story);
        let entry = telling.ledger.read(&key).await?;
        // An earlier version of the function held a lease here while it posted.
        let died = entry.as_ref().is_some_and(lease::is_lease);
        if let Some(entry) = entry.as_ref().filter(|_| !died) {
            return Ok(Some((Root::of_entry(entry)?, Vec::new())));
        }
        // First what waits, then what is known: of whatever waits the story knows.
        let thread = self.outbox.read().await?;
        let Some(latest) = recall::<T>(telling.ledger, story).await? else { return Ok(None) };
        if telling.channel.quiet && !latest.story.concerns() {
            return Ok(None);
        }
        let is_loud =
            |queued: &Queued| queued.is_headline_alarming && (self.is_fresh(queued.at) || latest.story.is_urgent());
        let mentions = thread.queue.iter().any(is_loud);
        let content = self.headline(&latest, mentions);
        let Some((posted, is_new)) = self.stand(&content, &thread, died).await? else { return Ok(None) };
        // What stood there before may show less than is known now.
        let (shown, says) = if is_new { (latest.version, digest(&content)) } else { (0, 0) };
        let root = Root {
            channel: posted.channel,
            ts: posted.ts,
            shown,
            state: latest.story.state(),
            says,
            mentions: mentions && telling.channel.mention.is_some(),
            anew: 0,
        };
        self.keep(&key, entry.as_ref(), &root.to_entry()).await?;
        self.outbox.is_root_certain().await?;
        let said = if is_new { thread.queue.into_iter().map(|queued| queued.key).collect() } else { Vec::new() };
        Ok(Some((root, said)))
    }

    /// The headline in the channel: what may stand there already, else posted; and whether it was posted now, so that it says `content`. `None` where
    /// Slack does not take it.
    async fn stand(
        &mut self,
        content: &Value,
        thread: &Thread,
        died: bool,
    ) -> Result<Option<(PostedMessage, bool)>, Stop> {
        let (telling, key) = (self.telling, root_key(self.outbox.story));
        let to = Address { channel: telling.channel.channel, thread: None, broadcast: false };
        if died || thread.is_root_uncertain {
            match self.find(&to, &key, thread).await? {
                Found::There(posted) => return Ok(Some((posted, false))),
                Found::Unknown if thread.root_unanswered >= TWICE => {
                    tracing::error!(
                        key,
                        "this was posted {TWICE} times without an answer, so it may stand there, and is not posted again"
                    );
                    let nowhere = PostedMessage { channel: to.channel.to_owned(), ts: String::new() };
                    return Ok(Some((nowhere, false)));
                }
                Found::Nowhere | Found::Unknown => {}
            }
        }
        let thread = self.outbox.begin().await?;
        match self.post_surely(&to, content, &key, &thread).await? {
            Posted::There(posted) | Posted::Found(posted) => {
                self.told.push("headline".to_owned());
                Ok(Some((posted, true)))
            }
            Posted::Gone | Posted::Unfit => Ok(None),
        }
    }

    /// Posts a headline again that somebody has deleted, so that the thread goes on below it; whether that was done.
    async fn anew<T: Tale>(&mut self, root: &mut Root) -> Result<bool, Stop> {
        if self.is_anew || root.anew >= ANEW {
            return Ok(false);
        }
        self.is_anew = true;
        let (telling, key) = (self.telling, root_key(self.outbox.story));
        let thread = self.outbox.read().await?;
        let Some(latest) = recall::<T>(telling.ledger, self.outbox.story).await? else { return Ok(false) };
        // Whoever was to be called by it has been.
        let content = self.headline(&latest, false);
        let Some((posted, is_new)) = self.stand(&content, &thread, false).await? else { return Ok(false) };
        let (shown, says) = if is_new { (latest.version, digest(&content)) } else { (0, 0) };
        let PostedMessage { channel, ts } = posted;
        let state = latest.story.state();
        let next = Root { channel, ts, shown, state, says, mentions: false, anew: root.anew + 1 };
        let entry = telling.ledger.read(&key).await?;
        self.keep(&key, entry.as_ref(), &next.to_entry()).await?;
        self.outbox.is_root_certain().await?;
        *root = next;
        Ok(true)
    }

    /// Whether what happened then is news to whoever is called for it.
    fn is_fresh(&self, at: Timestamp) -> bool {
        self.telling.clock.now().since(at) <= STALE
    }

    /// Writes down what was posted. Where that fails, whoever comes next must look.
    async fn keep(&mut self, key: &str, from: Option<&Value>, to: &Value) -> Result<(), PortError> {
        let expires = self.telling.clock.now().plus(KEPT);
        let outcome = self.telling.ledger.replace(key, from, to, expires).await;
        if let Err(error) = &outcome {
            self.keeps_lease = true;
            tracing::error!(key, "this was told and cannot be remembered, so the next one looks for it first: {error}");
        }
        outcome.map(drop)
    }

    fn headline(&self, latest: &Known<impl Tale>, mentions: bool) -> Value {
        let content = render(&latest.story.headline());
        match self.telling.channel.mention.filter(|_| mentions) {
            Some(whom) => mentioning(&content, whom),
            None => content,
        }
    }

    /// Updates the headline when it shows less than is known. Only the holder of the lease does, so it never goes backwards.
    async fn show<T: Tale>(&mut self, root: &mut Root) -> Result<(), Stop> {
        let telling = self.telling;
        if !telling.has_threads {
            return Ok(());
        }
        let Some(latest) = recall::<T>(telling.ledger, self.outbox.story).await? else { return Ok(()) };
        if root.shown >= latest.version {
            return Ok(());
        }
        let content = self.headline(&latest, root.mentions);
        let says = digest(&content);
        // One of which nobody knows where it stands cannot be changed.
        if says != root.says && !root.ts.is_empty() {
            let posted = PostedMessage { channel: root.channel.clone(), ts: root.ts.clone() };
            match telling.chat.update(&posted, &content).await {
                Err(Unsent::Gone(error)) => {
                    tracing::warn!(story = %self.outbox.story, "somebody deleted the headline, so it is not updated: {error}");
                    if self.anew::<T>(root).await? {
                        return Ok(());
                    }
                }
                Err(Unsent::Unfit(error)) => {
                    tracing::error!(story = %self.outbox.story, "Slack does not take this headline, so its text alone is shown: {error}");
                    match telling.chat.update(&posted, &plain(&content)).await {
                        // Where the workspace forbids changes no form of it is taken, however often: the replies tell how it goes on.
                        Err(Unsent::Unfit(error) | Unsent::Gone(error)) => {
                            tracing::error!(story = %self.outbox.story, "the headline stays as it is: {error}");
                        }
                        outcome => outcome.map_err(closed_or_failed)?,
                    }
                }
                outcome => outcome.map_err(closed_or_failed)?,
            }
        }
        let next = Root { shown: latest.version, state: latest.story.state(), says, ..root.clone() };
        let expires = telling.clock.now().plus(KEPT);
        let key = root_key(self.outbox.story);
        if !telling.ledger.replace(&key, Some(&root.to_entry()), &next.to_entry(), expires).await? {
            // An earlier version of the function has written less into it.
            let entry = telling.ledger.read(&key).await?;
            telling.ledger.replace(&key, entry.as_ref(), &next.to_entry(), expires).await?;
        }
        *root = next;
        Ok(())
    }

    /// Posts what waits; whether anything still does.
    async fn replies<T: Tale>(&mut self, root: &mut Root, said: &[String]) -> Result<bool, Stop> {
        loop {
            let thread = self.outbox.read().await?;
            // What may stand there already decides what comes too late.
            if let Some(uncertain) = thread.queue.iter().find(|queued| queued.is_uncertain && !self.cannot_look) {
                self.look_for(root, &thread, uncertain).await?;
                continue;
            }
            let is_lost = |queued: &&Queued| queued.is_uncertain && queued.unanswered >= TWICE;
            if let Some(lost) = thread.queue.iter().find(is_lost) {
                tracing::error!(
                    key = lost.key,
                    "this was posted {TWICE} times without an answer, so it may stand there, and is not posted again"
                );
                let record = json!({"told": self.telling.clock.now(), "at": lost.at, "unanswered": lost.unanswered});
                self.outbox.done(lost, &record).await?;
                continue;
            }
            let Some(next) = thread.next() else {
                return self.say_left_out(root, &thread).await.map(|()| false);
            };
            let (now, due) = (self.telling.clock.now(), next.due(self.telling.settle));
            if due > now {
                // Whoever has added it waits for it.
                if !thread.has_any(self.mine) {
                    return Ok(true);
                }
                if due < self.telling.until {
                    self.telling.clock.sleep(due.since(now).max(Duration::from_millis(1))).await;
                    continue;
                }
            }
            if now >= self.telling.until || due > now {
                return Err(Stop::Failed(PortError::Transient {
                    what: format!("telling of `{}` in Slack", self.outbox.story),
                    detail: "no time is left in this invocation".to_owned(),
                    retry_after: None,
                }));
            }
            self.reply::<T>(root, said, &thread, next).await?;
        }
    }

    async fn reply<T: Tale>(
        &mut self,
        root: &mut Root,
        said: &[String],
        thread: &Thread,
        queued: &Queued,
    ) -> Result<(), Stop> {
        let telling = self.telling;
        let Some(entry) = telling.ledger.read(&queued.key).await? else {
            tracing::error!(key = queued.key, "this was to be told, and nobody knows any more what it says");
            return Ok(self.outbox.forget(queued).await?);
        };
        let Some(pending) = Pending::of_entry(&entry) else { return Ok(self.outbox.forget(queued).await?) };
        // What a headline that was just posted says, is not said again beside it.
        let is_said = pending.in_headline && said.contains(&queued.key);
        if is_said && !telling.has_threads {
            return Ok(self
                .outbox
                .done(queued, &json!({"told": telling.clock.now(), "at": queued.at, "in": "headline"}))
                .await?);
        }
        let mut content = pending.content;
        let mut is_loud = pending.alarming && !is_said;
        let is_alone = telling.has_threads && root.ts.is_empty();
        if is_alone || (is_loud && !self.is_fresh(queued.at)) {
            let latest = recall::<T>(telling.ledger, self.outbox.story).await?;
            // How it stands by now is shown by the headline.
            is_loud =
                is_loud && (self.is_fresh(queued.at) || latest.as_ref().is_none_or(|latest| latest.story.is_urgent()));
            let about = latest.filter(|_| is_alone).map(|latest| latest.story.about()).unwrap_or_default();
            content = about.iter().fold(content, |content, about| remarked(&content, &about.said()));
        }
        if let Some(whom) = telling.channel.mention.filter(|_| is_loud) {
            content = mentioning(&content, whom);
        }
        let stands_too_low = thread.told_up_to.is_some_and(|told| told > queued.at);
        if let Some(remark) = lateness(queued.at, telling.clock.now(), stands_too_low) {
            content = remarked(&content, &remark);
        }
        let to = place(telling, root);
        let to = Address { broadcast: is_loud && to.thread.is_some(), ..to };
        let record = match self.post_surely(&to, &content, &queued.key, thread).await? {
            Posted::There(posted) => {
                self.told.push(short(&queued.key));
                json!({"told": telling.clock.now(), "at": queued.at, "ts": posted.ts})
            }
            Posted::Found(posted) => {
                self.told.push(short(&queued.key));
                json!({"told": telling.clock.now(), "at": queued.at, "ts": posted.ts, "found": true})
            }
            Posted::Gone if to.thread.is_some() => {
                if self.anew::<T>(root).await? {
                    return Ok(());
                }
                json!({"gone": telling.clock.now()})
            }
            Posted::Gone | Posted::Unfit => json!({"gone": telling.clock.now()}),
        };
        if let Err(error) = self.outbox.done(queued, &record).await {
            // It may be that only its name is left in the queue; whoever finds the record takes it out.
            if self.outbox.doubt(&queued.key).await.is_err() {
                self.keeps_lease = true;
            }
            return Err(Stop::Failed(error));
        }
        Ok(())
    }

    /// Looks whether a reply stands in the thread that may have been posted.
    async fn look_for(&mut self, root: &Root, thread: &Thread, queued: &Queued) -> Result<(), Stop> {
        match self.find(&place(self.telling, root), &queued.key, thread).await? {
            Found::There(posted) => {
                let record = json!({"told": self.telling.clock.now(), "at": queued.at, "ts": posted.ts, "found": true});
                self.outbox.done(queued, &record).await?;
            }
            Found::Nowhere => self.outbox.is_not_there(&queued.key).await?,
            Found::Unknown => self.cannot_look = true,
        }
        Ok(())
    }

    /// Says how many replies there was no room for.
    async fn say_left_out(&mut self, root: &Root, thread: &Thread) -> Result<(), Stop> {
        if thread.left_out == 0 {
            return Ok(());
        }
        let more = domain::text::count(thread.left_out, "more reply");
        let text = format!(
            "There was no room for {}; the logs of the functions have them.",
            more.replace("replys", "replies")
        );
        let to = place(self.telling, root);
        let key = format!("slack/{}/left-out", self.outbox.story);
        match self.post(&to, &json!({"text": text}), &key).await {
            // Rather counted once too little than said without end.
            Ok(_) | Err(Unsent::Unanswered(_)) => Ok(self.outbox.said_left_out(thread.left_out).await?),
            Err(unsent) => Err(closed_or_failed(unsent)),
        }
    }
}

/// Where replies go.
fn place<'r, L, C>(telling: &'r Telling<'_, L, C>, root: &'r Root) -> Address<'r> {
    Address {
        channel: if root.channel.is_empty() { telling.channel.channel } else { &root.channel },
        thread: Some(root.ts.as_str()).filter(|ts| telling.has_threads && !ts.is_empty()),
        broadcast: false,
    }
}

/// A reply's own key, without that of its deployment.
fn short(key: &str) -> String {
    key.splitn(3, '/').nth(2).unwrap_or(key).to_owned()
}
