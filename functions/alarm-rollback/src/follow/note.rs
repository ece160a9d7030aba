//! Notes in the table what is to be followed. Knows nothing of following.

use std::time::Duration;

use clock::Clock;
use domain::ports::Ledger;

use super::{MOST_OPEN, Pursuit, REMEMBERED};
use crate::list;

/// A return must not wait for it any longer.
const AT_MOST: Duration = Duration::from_secs(3);

/// Notes a new pursuit in the table, so that another invocation can go on with it should this one die; whether that worked.
pub(crate) async fn note(ledger: &impl Ledger, clock: &Clock, pursuit: &Pursuit) -> bool {
    let Some(key) = pursuit.key() else { return false };
    let change = |open: &mut Vec<Pursuit>| {
        open.retain(|other| other.deployment != pursuit.deployment);
        open.push(pursuit.clone());
        open.drain(..open.len().saturating_sub(MOST_OPEN));
    };
    let noted = list::amend(ledger, &key, clock.now().plus(REMEMBERED), change);
    let noted = matches!(clock.timeout(AT_MOST, noted).await, Ok(Ok(_)));
    if !noted {
        tracing::warn!(key, "should this process die now, nobody goes on with the pursuit");
    }
    noted
}
