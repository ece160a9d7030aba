//! What a process waits for, and what strikes it: the world's side of the virtual clock. Knows nothing of invocations.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::time::Timestamp;

use super::{Parked, SandboxId, State};
use crate::timeline::{Tone, Who};
use crate::world::{Effect, Happening, Token, World};

/// The shortest wait.
const TICK: Duration = Duration::from_millis(1);

impl World {
    pub(crate) fn forget_waits(&mut self, id: SandboxId) {
        if let Some(sandbox) = self.fleet.sandboxes.get_mut(&id) {
            let waits = std::mem::take(&mut sandbox.waits).into_values();
            let keys: Vec<(i64, u64)> = waits.chain(sandbox.deadline.take()).collect();
            sandbox.held.clear();
            for key in keys {
                self.queue.remove(&key);
            }
        }
    }

    /// A line of a process's clock connection: what it waits for.
    pub fn paced(&mut self, id: SandboxId, line: &str) {
        let mut words = line.split_whitespace();
        let verb = words.next();
        let first: Option<u64> = words.next().and_then(|word| word.parse().ok());
        let Some(sandbox) = self.fleet.sandboxes.get_mut(&id) else { return };
        match (verb, first) {
            (Some("sleep"), Some(wait)) => {
                let until: i64 = words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
                sandbox.parked = None;
                // No wait is shorter than a tick, or one that begins over and over would hold up the world.
                let after = Timestamp(until).since(self.now).max(TICK);
                let key = self.schedule(after, Happening::Wake(id, wait));
                if let Some(sandbox) = self.fleet.sandboxes.get_mut(&id) {
                    sandbox.waits.insert(wait, key);
                }
            }
            (Some("cancel"), Some(wait)) => {
                sandbox.parked = None;
                if let Some(key) = sandbox.waits.remove(&wait) {
                    self.queue.remove(&key);
                }
            }
            (Some("park"), Some(woken)) => {
                let begun = words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
                let outstanding: BTreeSet<u64> =
                    words.next().unwrap_or_default().split(',').filter_map(|word| word.parse().ok()).collect();
                // What the process no longer waits for was given up by it. The two come by different connections, so there may
                // already be a request that it began after it said this.
                sandbox.held.retain(|request, _| outstanding.contains(request) || *request > begun);
                sandbox.parked = Some(Parked { woken, begun, outstanding });
            }
            _ => {}
        }
    }

    pub(crate) fn wake(&mut self, id: SandboxId, wait: u64) {
        if let Some(sandbox) = self.fleet.sandboxes.get_mut(&id)
            && sandbox.waits.remove(&wait).is_some()
            && matches!(sandbox.state, State::Starting(_) | State::Running(_))
        {
            sandbox.wakes += 1;
            self.effects.push(Effect::Wake(id, wait));
        }
    }

    /// Lets the code panic that waits in a process, in its innermost wait: the one that began last.
    pub(crate) fn break_code_of(&mut self, id: SandboxId) {
        let binary = self.function_of(id).map_or_else(String::new, |function| self.binary(function));
        let Some(sandbox) = self.fleet.sandboxes.get_mut(&id) else { return };
        let Some((wait, key)) = sandbox.waits.pop_last() else { return };
        sandbox.wakes += 1;
        self.queue.remove(&key);
        self.effects.push(Effect::Panic(id, wait));
        self.tell(Who::Rehearsal, Tone::Warning, format!("lets the code of `{binary}` panic"));
    }

    /// A request of a process has arrived and waits for its answer; false when the process is past asking.
    pub(crate) fn hold(&mut self, id: SandboxId, request: Option<u64>, token: Token) -> bool {
        if !self.fleet.hears(id) {
            return !self.fleet.sandboxes.contains_key(&id);
        }
        self.fleet.askers.insert(token, id);
        if let (Some(sandbox), Some(request)) = (self.fleet.sandboxes.get_mut(&id), request) {
            // It may have been given up before it arrived.
            let given_up = sandbox
                .parked
                .as_ref()
                .is_some_and(|parked| request <= parked.begun && !parked.outstanding.contains(&request));
            if !given_up {
                sandbox.held.insert(request, token);
            }
        }
        true
    }

    /// Ends a process from outside, or stops it where it stands.
    pub(crate) fn strike(&mut self, id: SandboxId, hang: bool) {
        let binary = self.function_of(id).map_or_else(String::new, |function| self.binary(function));
        if let Some(sandbox) = self.fleet.sandboxes.get_mut(&id) {
            sandbox.deaf = true;
        }
        if hang {
            // It gets no answer and no wake any more, so it does nothing, and needs nobody to let it go on if the rehearsal is
            // broken off.
            self.tell(Who::Rehearsal, Tone::Warning, format!("lets the process of `{binary}` hang"));
            if let Some(sandbox) = self.fleet.sandboxes.get_mut(&id) {
                sandbox.state = match std::mem::replace(&mut sandbox.state, State::Dead) {
                    State::Running(invocation) => State::Frozen(invocation),
                    other => other,
                };
            }
        } else {
            self.tell(Who::Rehearsal, Tone::Warning, format!("kills the process of `{binary}`"));
            // It is not idle before its end has been seen.
            if let Some(sandbox) = self.fleet.sandboxes.get_mut(&id) {
                sandbox.parked = None;
            }
            self.effects.push(Effect::Kill(id));
        }
    }
}
