//! Requests that have arrived and wait until every process has said what it has to say: those that a process makes side by side come by different
//! connections, in an order that the operating system chooses. They are carried out in the order in which the process began them, so that every run
//! of a scenario takes the same course. Knows nothing of what is asked.

use super::{HttpAsked, SandboxId, Token, World};
use crate::protocol::{AwsError, Call};

/// A request that has arrived.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// To AWS; `refusal` when it is refused whatever it asks for.
    Call { token: Token, call: Box<Call>, refusal: Option<AwsError> },
    /// To anybody else.
    Web { token: Token, asked: Box<HttpAsked> },
}

impl World {
    /// Takes a request that a process holds the line for. Whoever is no process of the fleet gives it no number, and is answered at once.
    pub(crate) fn arrive(&mut self, sandbox: Option<SandboxId>, request: Option<u64>, arrived: Arrived) {
        match (sandbox, request) {
            (Some(sandbox), Some(request)) => {
                self.arrived.insert((sandbox, request), arrived);
            }
            _ => self.carry_out_arrived(sandbox, request, arrived),
        }
    }

    /// Carries out the next one; false when there is none.
    pub(crate) fn next_arrived(&mut self) -> bool {
        let Some(((sandbox, request), arrived)) = self.arrived.pop_first() else { return false };
        // It may have been struck by what it asked just before.
        if self.takes_part(sandbox) {
            self.carry_out_arrived(Some(sandbox), Some(request), arrived);
        }
        true
    }

    fn carry_out_arrived(&mut self, sandbox: Option<SandboxId>, request: Option<u64>, arrived: Arrived) {
        match arrived {
            Arrived::Call { token, call, refusal } => self.aws_call(sandbox, token, &call, refusal),
            Arrived::Web { token, asked } => self.web_call(sandbox, request, token, *asked),
        }
    }
}
