//! For how long the server's certificate is still valid. Pure: the time comes with the answer.

use std::time::Duration;

use domain::time::spoken;

use super::{Judgement, Unmet};
use crate::answer::Seal;

/// Holds what was seen of the certificate against the time for which it must still be valid.
pub(super) fn judge(wanted: Duration, seal: &Seal, judgement: &mut Judgement) {
    let expected = spoken_certificate(wanted);
    match seal {
        Seal::ValidUntil { end, now } if end.since(*now) >= wanted => {}
        Seal::ValidUntil { end, now } => {
            judgement.fail(expected, format!("it expires {}, in {}", end.day_and_time(), spoken(end.since(*now))));
        }
        Seal::Absent => judgement.fail(expected, "no certificate: it was asked over plain `http://`, without TLS"),
        Seal::Rehearsed => judgement.untold.push(Unmet {
            expected,
            observed:
                "no certificate: a rehearsal plays what is reached by `https://` over plain HTTP, so this can only be \
                       told of the real endpoint"
                    .to_owned(),
        }),
        Seal::Unreadable(why) => {
            judgement.untold.push(Unmet { expected, observed: format!("a certificate that could not be read: {why}") });
        }
    }
}

pub(super) fn spoken_certificate(wanted: Duration) -> String {
    format!("a certificate that is valid for {} more", spoken(wanted))
}
