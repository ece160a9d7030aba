//! The one place that reads the clock and waits. A function that runs on Lambda gets the system's clock; one that runs in
//! a rehearsal gets the rehearsal's virtual clock, in which an hour passes in no time.
//!
//! Everything that takes time goes through a [`Clock`]: waiting, time limits, the SDK's retries and signatures. Requests
//! in flight are counted here too ([`Clock::request`]), because virtual time may only move on when a process has nothing left to do but
//! wait. Knows nothing of AWS, of HTTP or of what is being waited for.

mod idle;
mod rehearsal;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use domain::time::Timestamp;
use futures_util::future::{Either, select};

use idle::IdleClock;
use rehearsal::RehearsalClock;

/// The environment variable that names the rehearsal's clock, `host:port/sandbox`. Never set on AWS.
pub const REHEARSAL_CLOCK: &str = "GREENLIGHT_REHEARSAL_CLOCK";

/// The header that carries [`RequestInFlight::id`] in a rehearsal.
pub const REQUEST_HEADER: &str = "x-greenlight-request";

/// A clock. Cheap to clone; all clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System,
    Rehearsal(RehearsalClock),
    Idle(IdleClock),
}

/// A time limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// A clock for tests: it stands at `start` and moves on by itself, to the earliest wait, whenever the process has nothing left to do but
    /// wait and no request is in flight. So an hour passes in no time, and every run takes the same course.
    pub fn idle(start: Timestamp) -> Self {
        Self(Kind::Idle(IdleClock::new(start)))
    }

    /// The system's clock, or the rehearsal's when `address` (the value of [`REHEARSAL_CLOCK`]) is given.
    ///
    /// # Errors
    /// When the rehearsal does not answer at that address.
    pub fn from_address(address: Option<&str>) -> std::io::Result<Self> {
        match address {
            None => Ok(Self::system()),
            Some(address) => {
                // The pauses between the SDK's retries are drawn from this thread's generator; a rehearsal takes the same course every time.
                fastrand::seed(0);
                RehearsalClock::connect(address).map(|clock| Self(Kind::Rehearsal(clock)))
            }
        }
    }

    /// Whether this is a rehearsal's virtual time.
    pub fn is_virtual(&self) -> bool {
        matches!(self.0, Kind::Rehearsal(_))
    }

    /// Now.
    #[expect(clippy::disallowed_methods, reason = "this is where the clock is read")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::System => {
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Kind::Rehearsal(clock) => clock.now(),
            Kind::Idle(clock) => clock.now(),
        }
    }

    /// Waits.
    #[expect(clippy::disallowed_methods, reason = "this is where time is waited for")]
    pub async fn sleep(&self, span: Duration) {
        match &self.0 {
            // Whoever always finds something to read uses up what the runtime grants a task; its time limit is looked at all the same.
            Kind::System => tokio::task::unconstrained(tokio::time::sleep(span)).await,
            Kind::Rehearsal(clock) => clock.sleep(span).await,
            Kind::Idle(clock) => clock.sleep(span).await,
        }
    }

    /// Runs `work` for at most `limit`; then it is dropped.
    ///
    /// # Errors
    /// [`Elapsed`] when the limit came first.
    pub async fn timeout<F: Future>(&self, limit: Duration, work: F) -> Result<F::Output, Elapsed> {
        let work = std::pin::pin!(work);
        let limit = std::pin::pin!(self.sleep(limit));
        match select(work, limit).await {
            Either::Left((output, _)) => Ok(output),
            Either::Right(((), _)) => Err(Elapsed),
        }
    }

    /// Marks the beginning of a request to the outside; its end is the drop of what is returned.
    pub fn request(&self) -> RequestInFlight {
        RequestInFlight(match &self.0 {
            Kind::System => InFlight::Uncounted,
            Kind::Rehearsal(clock) => InFlight::Rehearsed(clock.clone(), clock.begin_request()),
            Kind::Idle(clock) => {
                clock.begin_request();
                InFlight::Counted(clock.clone())
            }
        })
    }

    /// Runs a process's main future on a runtime with one thread.
    ///
    /// # Errors
    /// When the operating system grants no event loop.
    pub fn run<F: Future>(&self, main: F) -> std::io::Result<F::Output> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all();
        match &self.0 {
            Kind::System => Ok(builder.build()?.block_on(main)),
            Kind::Rehearsal(clock) => {
                let clock = clock.clone();
                watched(builder, main, move || clock.parked())
            }
            Kind::Idle(clock) => {
                let clock = clock.clone();
                watched(builder, main, move || clock.parked())
            }
        }
    }
}

/// A request to the outside that has not ended yet.
#[derive(Debug)]
pub struct RequestInFlight(InFlight);

#[derive(Debug)]
enum InFlight {
    Uncounted,
    Rehearsed(RehearsalClock, u64),
    Counted(IdleClock),
}

impl RequestInFlight {
    /// Its number, which the request must carry in the header [`REQUEST_HEADER`]; only in a rehearsal.
    pub fn id(&self) -> Option<u64> {
        match &self.0 {
            InFlight::Rehearsed(_, id) => Some(*id),
            InFlight::Uncounted | InFlight::Counted(_) => None,
        }
    }
}

impl Drop for RequestInFlight {
    fn drop(&mut self) {
        match &self.0 {
            InFlight::Uncounted => {}
            InFlight::Rehearsed(clock, id) => clock.end_request(*id),
            InFlight::Counted(clock) => clock.end_request(),
        }
    }
}

/// Runs the main future and tells each time that the thread has nothing left to do.
fn watched<F: Future>(
    mut builder: tokio::runtime::Builder,
    main: F,
    parked: impl Fn() + Send + Sync + 'static,
) -> std::io::Result<F::Output> {
    let ready = Arc::new(AtomicBool::new(true));
    let is_ready = Arc::clone(&ready);
    // The thread may go to sleep for an instant although the main future has just been woken; it is not idle then.
    builder.on_thread_park(move || {
        if !is_ready.load(Ordering::SeqCst) {
            parked();
        }
    });
    Ok(builder.build()?.block_on(Watched { main: Box::pin(main), ready }))
}

/// A future that remembers whether it has been woken and not yet polled.
struct Watched<F> {
    main: Pin<Box<F>>,
    ready: Arc<AtomicBool>,
}

struct Remember {
    ready: Arc<AtomicBool>,
    inner: Waker,
}

impl Wake for Remember {
    fn wake(self: Arc<Self>) {
        self.ready.store(true, Ordering::SeqCst);
        self.inner.wake_by_ref();
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.ready.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::new(Remember { ready: Arc::clone(&self.ready), inner: context.waker().clone() }));
        self.main.as_mut().poll(&mut Context::from_waker(&waker))
    }
}
