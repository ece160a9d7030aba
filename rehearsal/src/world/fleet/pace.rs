//! What a process waits for, and what strikes it: the world's side of the virtual clock. Knows nothing of invocations.

use std::collections::BTreeSet;

use domain::time::Timestamp;

use super::{SandboxId, State};
use crate::timeline::{Tone, Who};
use crate::world::{Effect, Happening, Token, World};

impl World {
    pub(crate) fn forget_waits(&mut self, id: SandboxId) {
        if let Some(sandbox) = self.fleet.sandboxes.get_mut(&id) {
            let keys: Vec<(i64, u64)> = std::mem::take(&mut sandbox.waits).into_values().collect();
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
                let after = Timestamp(until).since(self.now);
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
                let outstanding: BTreeSet<u64> =
                    words.next().unwrap_or_default().split(',').filter_map(|word| word.parse().ok()).collect();
                // What the process no longer waits for was given up by it.
                sandbox.held.retain(|request, _| outstanding.contains(request));
                sandbox.parked = Some((woken, outstanding));
            }
            _ => {}
        }
    }

    pub(crate) fn wake(&mut self, id: SandboxId, wait: u64) {
        if let Some(sandbox) = self.fleet.sandboxes.get_mut(&id)
            && sandbox.waits.remove(&wait).is_some()
            && matches!(sandbox.state, State::Running(_))
        {
            sandbox.wakes += 1;
            self.effects.push(Effect::Wake(id, wait));
        }
    }

    /// A request of a process has arrived and waits for its answer.
    pub(crate) fn hold(&mut self, id: SandboxId, request: Option<u64>, token: Token) {
        if let (Some(sandbox), Some(request)) = (self.fleet.sandboxes.get_mut(&id), request) {
            sandbox.held.insert(request, token);
        }
    }

    /// Ends a process from outside, or stops it where it stands.
    pub(crate) fn strike(&mut self, id: SandboxId, hang: bool) {
        let binary = self.function_of(id).map_or_else(String::new, |function| self.binary(function));
        if hang {
            self.tell(Who::Rehearsal, Tone::Warning, format!("lets the process of `{binary}` hang"));
            if let Some(sandbox) = self.fleet.sandboxes.get_mut(&id) {
                sandbox.state = match std::mem::replace(&mut sandbox.state, State::Dead) {
                    State::Running(invocation) => State::Frozen(invocation),
                    other => other,
                };
            }
            self.effects.push(Effect::Freeze(id));
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
