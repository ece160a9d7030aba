//! Start-up, settings, deadline and logging: the only crate that knows `lambda_runtime`, and the only place where a
//! function reads its environment. Knows nothing of what a function decides.

pub mod settings;

use std::future::Future;
use std::time::Duration;

use clock::{Clock, REHEARSAL_CLOCK};
use domain::time::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;

pub use settings::{Environment, SettingError};

/// What stops a function from starting.
pub type Error = lambda_runtime::Error;

/// What a function gets when it starts.
#[derive(Clone, Debug)]
pub struct Start {
    /// The environment, read once.
    pub environment: Environment,
    /// The clock.
    pub clock: Clock,
}

/// One invocation.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The payload as it came; decoding it is part of the work that may fail.
    pub payload: Value,
    /// Lambda's id of the request.
    pub request_id: String,
    /// The ARN by which the function was invoked: the one place where Lambda tells a function its account.
    pub function_arn: String,
    /// When the invocation arrived.
    pub arrived: Timestamp,
    /// When Lambda ends the process.
    pub deadline: Timestamp,
}

impl Invocation {
    /// What is left until the deadline.
    pub fn remaining(&self, now: Timestamp) -> Duration {
        self.deadline.since(now)
    }
}

/// The time that an invocation is granted when the deadline it came with is none: `cargo lambda watch` hands out one in 1970.
const UNKNOWN_DEADLINE: Duration = Duration::from_mins(1);

/// Runs a function until Lambda ends it: `build` makes the handler once, the handler answers each invocation.
///
/// # Errors
/// When the Runtime API cannot be reached.
#[expect(clippy::disallowed_methods, reason = "this is where a function's environment is read")]
pub fn run<Build, Handler, Work>(build: Build) -> Result<(), Error>
where
    Build: FnOnce(Start) -> Handler,
    Handler: Fn(Invocation) -> Work,
    Work: Future<Output = anyhow::Result<Value>>,
{
    lambda_runtime::tracing::init_default_subscriber();
    let environment = Environment::new(std::env::vars());
    let clock = Clock::from_address(environment.get(REHEARSAL_CLOCK))?;
    let started = clock.now();
    let handler = build(Start { environment, clock: clock.clone() });
    let (handler, of_service) = (&handler, &clock);
    let service = service_fn(move |event: LambdaEvent<Value>| {
        let arrived = of_service.now();
        let invocation = Invocation {
            payload: event.payload,
            request_id: event.context.request_id,
            function_arn: event.context.invoked_function_arn,
            arrived,
            deadline: deadline(event.context.deadline, started, arrived),
        };
        let work = handler(invocation);
        async move { work.await.map_err(|error| diagnose(&error)) }
    });
    clock.run(lambda_runtime::run(service))?
}

fn deadline(epoch_ms: u64, started: Timestamp, arrived: Timestamp) -> Timestamp {
    let deadline = Timestamp(i64::try_from(epoch_ms).unwrap_or(i64::MAX));
    if deadline > started {
        return deadline;
    }
    tracing::warn!(
        deadline = %deadline,
        granted_ms = UNKNOWN_DEADLINE.as_millis() as u64,
        "the invocation's deadline lies before the process started, so it is taken as unknown"
    );
    arrived.plus(UNKNOWN_DEADLINE)
}

/// The error as Lambda reports it: one stable type, the whole chain of causes in the text.
fn diagnose(error: &anyhow::Error) -> Diagnostic {
    Diagnostic { error_type: "Greenlight".to_owned(), error_message: format!("{error:#}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_in_1970_is_taken_as_unknown() {
        // What cargo-lambda 1.9.2's emulator sends: 600000 ms since the epoch.
        let (started, arrived) = (Timestamp(1_790_000_000_000), Timestamp(1_790_000_000_500));
        assert_eq!(deadline(600_000, started, arrived), arrived.plus(UNKNOWN_DEADLINE));
        assert_eq!(deadline(1_790_000_030_000, started, arrived), Timestamp(1_790_000_030_000));
    }
}
