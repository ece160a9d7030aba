//! Of a Lambda function: whether the new version is active, whether its alias stands still, and whether provisioned
//! concurrency is ready. Pure.

use domain::hook::Outcome;
use domain::ports::VersionState;
use domain::text::bounded;

use super::{REASON, Seen, settled, starting, unread};
use crate::facts::LambdaFacts;

fn because(reason: Option<&str>) -> String {
    reason.map_or(String::new(), |reason| format!(": {}", bounded(reason, REASON)))
}

/// `tasks_running`, of a version.
pub(super) fn active(facts: &LambdaFacts) -> Seen {
    let VersionState { state, last_update, reason } = match &facts.state {
        Ok(state) => state,
        Err(why) => return unread("the version", why),
    };
    let seen = format!("state {state}, last update {last_update}{}", because(reason.as_deref()));
    match (state.as_str(), last_update.as_str()) {
        ("Active", "Successful") => settled(Outcome::Pass, seen),
        ("Pending", _) | ("Active", "InProgress") => starting(Outcome::Fail, seen),
        // Lambda takes back what an idle function needs, and gets it again at the next invocation, which fails (Lambda developer guide, "Lambda
        // function states").
        ("Inactive", _) => settled(
            Outcome::Fail,
            format!(
                "{seen}; it has been idle for long: invoke it once (`aws lambda invoke --function-name {} --qualifier {} /dev/null`), wait until it \
                 is Active, and deploy again",
                facts.function, facts.target
            ),
        ),
        _ => settled(Outcome::Fail, seen),
    }
}

/// `alias_not_shifting`: another version that has a share of the alias's traffic would be mixed with the new one.
pub(super) fn alias_not_shifting(facts: &LambdaFacts) -> Seen {
    let alias = match &facts.shares {
        Ok(alias) => alias,
        Err(why) => return unread("the alias", why),
    };
    let shares: Vec<String> = alias
        .shares
        .iter()
        .filter(|(_, share)| *share > 0.0)
        .map(|(version, share)| format!("{} % on version {version}", share * 100.0))
        .collect();
    if !shares.is_empty() {
        return settled(
            Outcome::Fail,
            format!(
                "version {} with {}: an earlier shift did not end; take it back with `aws lambda update-alias --function-name {} \
                 --name {} --routing-config AdditionalVersionWeights={{}}`",
                alias.version,
                shares.join(", "),
                facts.function,
                facts.alias_name
            ),
        );
    }
    if !facts.current.is_empty() && alias.version != facts.current {
        return settled(
            Outcome::Fail,
            format!("version {}: somebody has moved the alias since the deployment was created", alias.version),
        );
    }
    settled(Outcome::Pass, format!("version {} alone", alias.version))
}

/// `provisioned_concurrency_ready`; does not apply where there is none. What the alias has, as SAM gives it with `AutoPublishAlias`, serves the old
/// version until the shift.
pub(super) fn provisioned_concurrency_ready(facts: &LambdaFacts) -> Option<Seen> {
    let provisioned = match &facts.provisioned {
        Ok(None) if facts.is_provisioned_on_alias => {
            let alias = &facts.alias_name;
            return Some(settled(
                Outcome::Pass,
                format!("on the alias `{alias}`: it moves with the shift, so it was not looked at"),
            ));
        }
        Ok(provisioned) => provisioned.as_ref()?,
        Err(why) => return Some(unread("the provisioned concurrency", why)),
    };
    let reason = because(provisioned.reason.as_deref());
    let seen = format!("{}, {} of {} ready{reason}", provisioned.status, provisioned.available, provisioned.requested);
    Some(match provisioned.status.as_str() {
        "READY" => settled(Outcome::Pass, seen),
        "IN_PROGRESS" => starting(Outcome::Inconclusive, seen),
        _ => settled(Outcome::Fail, seen),
    })
}
