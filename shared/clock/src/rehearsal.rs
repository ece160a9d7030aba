//! The virtual clock of a rehearsal, seen from a function's process. Knows nothing of what is rehearsed.
//!
//! Two connections to the rehearsal. On the first, `now` is asked and answered (milliseconds since the epoch) while the thread
//! waits. On the second, the process tells line by line what it waits for, and is told what is over:
//!
//! ```text
//! > sleep <id> <until>       a wait begins                    < wake <id>      a wait is over
//!                                                             < panic <id>     whoever waits for it panics: the scenario says so
//! > cancel <id>              nobody waits for it any more
//! > park <woken> <begun> <ids>
//!                            the thread has nothing left to do: so many waits have ended so far, this is the highest number that was given
//!                            out, and these requests are in flight
//! ```
//!
//! The rehearsal moves its clock on only when every request that `park` names is one that it holds back itself, and when
//! every wake that it sent has been counted. So a process that is still computing is never overtaken by the clock.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::time::Timestamp;
use tokio::io::{AsyncBufReadExt, BufReader as AsyncBufReader};
use tokio::sync::oneshot;

#[derive(Clone, Debug)]
pub(crate) struct RehearsalClock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    questions: Mutex<BufReader<TcpStream>>,
    pace: Mutex<Pace>,
}

#[derive(Debug)]
struct Pace {
    telling: TcpStream,
    /// The half that is listened to, until the first wait starts the listener.
    hearing: Option<TcpStream>,
    waits: BTreeMap<u64, oneshot::Sender<Over>>,
    requests: BTreeSet<u64>,
    next: u64,
    woken: u64,
    /// Whether anything happened since the last `park`.
    news: bool,
}

/// How a wait came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// Its time has come.
    Woken,
    /// The scenario has a defect strike here.
    Panic,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RehearsalClock {
    pub(crate) fn connect(address: &str) -> std::io::Result<Self> {
        let (address, sandbox) = address.split_once('/').ok_or_else(|| {
            std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                format!("`{address}` is not `host:port/sandbox`; the variable is set by the rehearsal alone"),
            )
        })?;
        let open = |kind: &str| -> std::io::Result<TcpStream> {
            let mut stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.write_all(format!("{kind} {sandbox}\n").as_bytes())?;
            Ok(stream)
        };
        let telling = open("pace")?;
        let hearing = Some(telling.try_clone()?);
        let pace = Pace {
            telling,
            hearing,
            waits: BTreeMap::new(),
            requests: BTreeSet::new(),
            next: 1,
            woken: 0,
            news: false,
        };
        Ok(Self(Arc::new(Inner { questions: Mutex::new(BufReader::new(open("now")?)), pace: Mutex::new(pace) })))
    }

    pub(crate) fn now(&self) -> Timestamp {
        let mut stream = lock(&self.0.questions);
        let mut answer = String::new();
        let asked = stream.get_mut().write_all(b"now\n").and_then(|()| stream.read_line(&mut answer));
        match (asked, answer.trim().parse()) {
            (Ok(_), Ok(now)) => Timestamp(now),
            _ => gone(),
        }
    }

    pub(crate) async fn sleep(&self, span: Duration) {
        let until = self.now().plus(span);
        let (sender, over) = oneshot::channel();
        let id = {
            let mut pace = lock(&self.0.pace);
            if let Some(hearing) = pace.hearing.take() {
                tokio::spawn(self.clone().listen(hearing));
            }
            let id = pace.next;
            pace.next += 1;
            pace.waits.insert(id, sender);
            pace.tell(&format!("sleep {id} {}\n", until.0));
            id
        };
        let _cancel = CancelOnDrop { clock: self, id };
        // The sender is dropped only together with the whole clock.
        if over.await == Ok(Over::Panic) {
            defect();
        }
    }

    async fn listen(self, hearing: TcpStream) {
        let stream = hearing.set_nonblocking(true).and_then(|()| tokio::net::TcpStream::from_std(hearing));
        let Ok(stream) = stream else { gone() };
        let mut lines = AsyncBufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let told = line.split_once(' ').and_then(|(verb, id)| Some((verb, id.parse::<u64>().ok()?)));
            let (over, id) = match told {
                Some(("wake", id)) => (Over::Woken, id),
                Some(("panic", id)) => (Over::Panic, id),
                _ => continue,
            };
            let mut pace = lock(&self.0.pace);
            pace.woken += 1;
            pace.news = true;
            if let Some(waiting) = pace.waits.remove(&id) {
                let _ = waiting.send(over);
            }
        }
        gone()
    }

    pub(crate) fn begin_request(&self) -> u64 {
        let mut pace = lock(&self.0.pace);
        let id = pace.next;
        pace.next += 1;
        pace.requests.insert(id);
        pace.news = true;
        id
    }

    pub(crate) fn end_request(&self, id: u64) {
        let mut pace = lock(&self.0.pace);
        pace.requests.remove(&id);
        pace.news = true;
    }

    pub(crate) fn parked(&self) {
        let mut pace = lock(&self.0.pace);
        if pace.news {
            let ids: Vec<String> = pace.requests.iter().map(u64::to_string).collect();
            let line = format!("park {} {} {}\n", pace.woken, pace.next - 1, ids.join(","));
            pace.tell(&line);
            pace.news = false;
        }
    }
}

impl Pace {
    fn tell(&mut self, line: &str) {
        // The stream is shared with the listening half, which is non-blocking: a full buffer is waited out.
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            match self.telling.write(rest) {
                Ok(0) => gone(),
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => gone(),
            }
        }
        self.news = true;
    }
}

struct CancelOnDrop<'a> {
    clock: &'a RehearsalClock,
    id: u64,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        let mut pace = lock(&self.clock.0.pace);
        if pace.waits.remove(&self.id).is_some() {
            let line = format!("cancel {}\n", self.id);
            pace.tell(&line);
        }
    }
}

/// Breaks as a defect in the code that waits would: a scenario shows that the hook answers all the same.
#[expect(clippy::panic, reason = "it is asked for, and by a rehearsal alone")]
fn defect() -> ! {
    panic!("a defect that the rehearsal asked for")
}

/// The rehearsal has ended, and so does the process that it started: there is nobody left to answer to.
fn gone() -> ! {
    std::process::exit(0)
}
