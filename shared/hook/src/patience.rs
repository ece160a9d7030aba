//! Tries again what may work later. Knows nothing of what is tried.

use std::time::Duration;

use clock::Clock;
use domain::ports::PortError;
use domain::time::spoken;

/// The first pause; each later one is twice as long. The SDK's own retries have taken place before.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause: CodeDeploy's throttling lets calls through again within seconds.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Tries until it works, fails for good, or `limit` has passed. Returns the last error that was seen.
pub async fn patiently<T>(
    clock: &Clock,
    limit: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, PortError>,
) -> Result<T, PortError> {
    let end = clock.now().plus(limit);
    let mut pause = FIRST_PAUSE;
    let mut last = None;
    loop {
        let error = match clock.timeout(end.since(clock.now()), attempt()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error,
            Err(_) => return Err(last.unwrap_or_else(|| no_answer(limit))),
        };
        let PortError::Transient { retry_after, .. } = &error else { return Err(error) };
        let wait = retry_after.map_or(pause, |asked| asked.max(pause));
        if clock.now().plus(wait) >= end {
            return Err(error);
        }
        last = Some(error);
        clock.sleep(wait).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn no_answer(limit: Duration) -> PortError {
    PortError::Transient {
        what: "the call".to_owned(),
        detail: format!("no answer within {}", spoken(limit)),
        retry_after: None,
    }
}

#[cfg(test)]
mod tests {
    use testkit::fakes::{denied, throttled};

    use super::*;

    fn tried(limit_ms: u64, outcome: impl Fn(u32) -> Result<u32, PortError>) -> (u32, Result<u32, PortError>) {
        let clock = testkit::clock();
        testkit::run_on(&clock, async {
            let mut tries = 0;
            let result = patiently(&clock, Duration::from_millis(limit_ms), async || {
                tries += 1;
                outcome(tries)
            })
            .await;
            (tries, result)
        })
    }

    #[test]
    fn only_what_may_work_later_is_tried_again_and_only_within_the_limit() {
        assert!(matches!(tried(5000, |n| if n < 2 { Err(throttled()) } else { Ok(n) }), (2, Ok(2))));
        assert!(matches!(tried(5000, |_| Err(denied("the call"))), (1, Err(PortError::Denied { .. }))));
        assert!(matches!(tried(550, |_| Err(throttled())), (2, Err(PortError::Transient { .. }))));
        let asks_for_more = || PortError::Transient {
            what: "x".to_owned(),
            detail: "y".to_owned(),
            retry_after: Some(Duration::from_mins(1)),
        };
        assert!(matches!(tried(1000, |_| Err(asks_for_more())), (1, Err(PortError::Transient { .. }))));
    }

    #[test]
    fn a_call_that_hangs_is_given_up_at_the_limit() {
        let clock = testkit::clock();
        testkit::run_on(&clock, async {
            let result: Result<(), _> =
                patiently(&clock, Duration::from_secs(20), async || std::future::pending().await).await;
            assert_eq!(result.unwrap_err().to_string(), "the call failed for now: no answer within 20 s");
        });
    }
}
