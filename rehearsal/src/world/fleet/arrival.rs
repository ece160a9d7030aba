//! How an invocation arrives: Lambda's queue for asynchronous ones, throttling by reserved concurrency, the execution environment that takes
//! it. Knows nothing of how it ends.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Invocation, Sandbox, State};
use crate::scenario::Fault;
use crate::timeline::{Tone, Who};
use crate::world::faults::Planned;
use crate::world::{Effect, Happening, HttpAnswer, Token, World};

impl World {
    /// Asks for an asynchronous invocation.
    pub(crate) fn invoke(&mut self, function: usize, payload: Value, after: Duration) {
        let invocation = self.invocation(function, payload, None);
        if let Some(later) = self.delivered_twice(function) {
            self.schedule(after + later, Happening::Deliver(Box::new(invocation.clone())));
        }
        self.schedule(after, Happening::Deliver(Box::new(invocation)));
    }

    /// How much later an invocation of this function is delivered a second time, when the scenario says that it is: "your function
    /// might receive the same event multiple times" (Lambda developer guide, "Asynchronous invocation").
    fn delivered_twice(&mut self, function: usize) -> Option<Duration> {
        let binary = self.binary(function);
        let strikes = |planned: &&mut Planned| {
            planned.left > 0 && matches!(&planned.fault, Fault::Duplicate { function, .. } if *function == binary)
        };
        let planned = self.faults.iter_mut().find(strikes)?;
        planned.left -= 1;
        planned.struck = true;
        let Fault::Duplicate { after, .. } = &planned.fault else { return None };
        let later = after.map_or(Duration::ZERO, |span| span.0);
        self.tell(Who::Rehearsal, Tone::Warning, format!("delivers an invocation of `{binary}` twice"));
        Some(later)
    }

    /// Asks for an invocation whose answer somebody waits for: `cargo lambda invoke`.
    pub fn invoke_and_wait(&mut self, name: &str, payload: Value, token: Token) {
        if let Some(function) = self.function_named(name) {
            let invocation = self.invocation(function, payload, Some(token));
            self.deliver(invocation);
        } else {
            let names: Vec<String> = self.template.functions.iter().map(|function| function.binary.clone()).collect();
            let message = format!("there is no function `{name}` in the template; there are {}", names.join(", "));
            let body = json!({ "Type": "User", "Message": message });
            self.answer(token, HttpAnswer::json(404, &body), Duration::ZERO);
        }
    }

    pub(crate) fn invocation(&mut self, function: usize, payload: Value, waiting: Option<Token>) -> Invocation {
        let number = self.fresh();
        Invocation {
            id: format!("00000000-0000-4000-8000-{number:012}"),
            function,
            payload,
            attempts: 0,
            throttled: 0,
            accepted: self.now,
            waiting,
        }
    }

    pub(crate) fn deliver(&mut self, mut invocation: Invocation) {
        let function = invocation.function;
        let Some(settings) = self.template.functions.get(function) else { return };
        let too_old = Duration::from_secs(u64::from(settings.async_invoke.max_event_age_seconds));
        let limit = settings.reserved_concurrency;
        if limit.is_some_and(|limit| self.fleet.running(function) >= limit as usize) {
            if let Some(token) = invocation.waiting {
                let body = json!({ "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "Type": "User", "message": "Rate Exceeded." });
                return self.answer(token, HttpAnswer::json(429, &body), Duration::ZERO);
            }
            // "Lambda begins sending new events to the dead-letter queue or the on-failure destination, without any retries".
            if limit == Some(0) {
                return self.give_up(&invocation, "RetriesExhausted", "Rate Exceeded.", "TooManyRequestsException");
            }
            let pause = throttle_pause(&invocation);
            if self.now.plus(pause).since(invocation.accepted) > too_old {
                return self.give_up(&invocation, "EventAgeExceeded", "Rate Exceeded.", "TooManyRequestsException");
            }
            invocation.throttled += 1;
            self.schedule(pause, Happening::Deliver(Box::new(invocation)));
            return;
        }
        let warm = self
            .fleet
            .sandboxes
            .iter()
            .find(|(_, sandbox)| sandbox.function == function && matches!(sandbox.state, State::Waiting(_)))
            .map(|(id, _)| *id);
        if let Some(id) = warm {
            let token = match self.fleet.sandboxes.get_mut(&id).map(|sandbox| &sandbox.state) {
                Some(State::Waiting(token)) => *token,
                _ => return,
            };
            self.hand_over(id, token, invocation);
        } else {
            self.fleet.next += 1;
            let id = self.fleet.next;
            let sandbox = Sandbox {
                function,
                state: State::Starting(Some(Box::new(invocation))),
                parked: None,
                wakes: 0,
                waits: BTreeMap::new(),
                held: BTreeMap::new(),
                deadline: None,
                deaf: false,
            };
            self.fleet.sandboxes.insert(id, sandbox);
            self.effects.push(Effect::Spawn(id));
        }
    }
}

/// How long a throttled event stays in the queue before it is tried again: "the retry interval increases exponentially from 1 second after
/// the first attempt to a maximum of 5 minutes" (Lambda developer guide, "Asynchronous invocation"). Many events that were throttled at the
/// same moment do not all come back at the same moment: each waits between half and one and a half times as long, which AWS does not
/// document, but without which a few copies of a function would never get through a storm.
fn throttle_pause(invocation: &Invocation) -> Duration {
    let usual = Duration::from_secs(1 << invocation.throttled.min(8)).min(Duration::from_mins(5));
    let number = invocation.id.bytes().fold(u64::from(invocation.throttled) + 1, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    let spread = (number >> 24) % 1000;
    usual / 2 + usual.mul_f64(spread as f64 / 1000.0)
}
