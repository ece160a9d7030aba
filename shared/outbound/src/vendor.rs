//! For tests only: a vendor on this machine that gives scripted answers.

use std::time::Duration;

use clock::Clock;
use domain::ports::Unsent;
use domain::time::Timestamp;
use testkit::http::{Reply, Server};

use crate::HttpClient;

/// One scripted answer: status, `Retry-After`, body.
pub(crate) type Answer = (u16, Option<&'static str>, &'static str);

/// Whether what became of something is what was expected.
pub(crate) type IsMeant = fn(&Unsent) -> bool;

/// Runs a test against a vendor that gives these answers, one a request, the last one for ever.
pub(crate) fn against(answers: &[Answer], test: impl AsyncFnOnce(&Server, HttpClient)) {
    let answers = answers.to_vec();
    testkit::run(async {
        let server = Server::start(move |seen| {
            let (status, retry_after, body) = answers.get(seen.number).or(answers.last()).unwrap();
            let reply = Reply::new(*status, body);
            retry_after.map_or(reply.clone(), |seconds| reply.header("retry-after", seconds))
        });
        test(&server.await, HttpClient::new(Clock::system())).await;
    });
}

/// The time until which a sender tries, so far from now.
pub(crate) fn within(http: &HttpClient, span: Duration) -> Timestamp {
    http.clock().now().plus(span)
}
