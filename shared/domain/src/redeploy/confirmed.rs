//! What `greenlight_rolls_back=…` in a deployment's description is worth: anybody can write it there, and a rollback is never stopped, never
//! checked and never counted. Knows nothing of what follows from it.

use serde_json::Value;

use crate::deployment::{Deployment, DeploymentId, ROLLS_BACK, Status};
use crate::lease;
use crate::ports::{Ledger, PortError};

/// The ledger's entry for a deployment that Greenlight rolls back after its end: a lease while it is at it, and then a record whose
/// `redeployed_by` names the deployment that brings the good version back.
pub fn late_key(bad: &DeploymentId) -> String {
    format!("late/{bad}")
}

/// What somebody was asked for.
#[derive(Debug)]
pub enum Known<'a, T> {
    /// It could not be read, or was not asked for.
    Unread,
    /// There is none.
    Absent,
    /// It is this.
    Found(&'a T),
}

impl<T> Clone for Known<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Known<'_, T> {}

impl<'a, T> From<&'a Result<Option<T>, PortError>> for Known<'a, T> {
    fn from(answer: &'a Result<Option<T>, PortError>) -> Self {
        match answer {
            Ok(Some(found)) => Known::Found(found),
            Ok(None) | Err(PortError::NotFound { .. }) => Known::Absent,
            Err(_) => Known::Unread,
        }
    }
}

impl<'a, T> From<&'a Result<T, PortError>> for Known<'a, T> {
    fn from(answer: &'a Result<T, PortError>) -> Self {
        match answer {
            Ok(found) => Known::Found(found),
            // CodeDeploy refuses for good what is no deployment's id at all (`InvalidDeploymentIdException`).
            Err(PortError::NotFound { .. } | PortError::Permanent { .. }) => Known::Absent,
            Err(_) => Known::Unread,
        }
    }
}

/// What a deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A rollback by CodeDeploy or by Greenlight, or one that cannot be told from those.
    Rollback,
    /// A person's rollback: its description names a deployment of the group that had ended well before it.
    ByHand,
    /// No rollback, whatever its description says.
    Ordinary,
}

impl Standing {
    /// Whether it restores an older version.
    pub fn is_rollback(self) -> bool {
        self != Standing::Ordinary
    }
}

/// The deployment that this one says it rolls back, where nothing but its description says so: that is to be confirmed by
/// [`confirmed`], with the ledger's entry [`late_key`] and CodeDeploy's record of that deployment. `None` for nearly every deployment.
pub fn to_confirm(deployment: &Deployment) -> Option<&DeploymentId> {
    let named = deployment.rolls_back.as_ref()?;
    let is_codedeploys = Deployment { rolls_back: None, ..deployment.clone() }.is_rollback();
    let is_described = deployment.described(ROLLS_BACK) == Some(named.0.as_str());
    (is_described && !is_codedeploys).then_some(named)
}

/// Whether what a deployment says of rolling back may be believed; one that says nothing may. CodeDeploy itself links the rollbacks that it creates; of any other
/// deployment the link stands in its description, which whoever creates it may write. So it counts only where `alarm-rollback` has noted
/// that this deployment takes that one back, or is about to.
///
/// # Errors
/// When the ledger does not tell.
pub async fn is_believable(deployment: &Deployment, ledger: &impl Ledger) -> Result<bool, PortError> {
    let unlinked = Deployment { rolls_back: None, ..deployment.clone() };
    let Some(original) = deployment.rolls_back.as_ref().filter(|_| !unlinked.is_rollback()) else {
        return Ok(true);
    };
    let noted = ledger.read(&late_key(original)).await?;
    Ok(noted.is_some_and(|entry| is_of(&entry, &deployment.id)))
}

/// What a deployment is, by what is known of the one that it says it rolls back: the ledger's entry [`late_key`], and its record.
///
/// What could not be read speaks for a rollback: stopping one by mistake brings a bad version back, and that is worse than leaving another
/// deployment to a person.
pub fn confirmed(deployment: &Deployment, late: Known<'_, Value>, named: Known<'_, Deployment>) -> Standing {
    if to_confirm(deployment).is_none() {
        return if deployment.is_rollback() { Standing::Rollback } else { Standing::Ordinary };
    }
    match late {
        Known::Unread => return Standing::Rollback,
        Known::Found(entry) if is_of(entry, &deployment.id) => return Standing::Rollback,
        Known::Found(_) | Known::Absent => {}
    }
    match named {
        Known::Unread => Standing::Rollback,
        Known::Absent => Standing::Ordinary,
        Known::Found(bad) => {
            let had_ended = bad.completed.zip(deployment.created).is_some_and(|(ended, began)| ended <= began);
            let is_cured = bad.group == deployment.group && bad.status == Status::Succeeded && had_ended;
            if is_cured { Standing::ByHand } else { Standing::Ordinary }
        }
    }
}

/// Whether an entry says that Greenlight has made this deployment, or is at it. A lease that has run out is that of a process that died
/// after it had asked for the deployment.
fn is_of(entry: &Value, id: &DeploymentId) -> bool {
    lease::is_lease(entry) || entry.get("redeployed_by").and_then(Value::as_str) == Some(id.0.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::time::Timestamp;

    fn deployment(id: &str, description: &str, creator: &str) -> Deployment {
        let info = json!({
            "id": id, "group": {"application": "a", "deployment_group": "g"}, "platform": "ECS", "status": "Succeeded",
            "creator": creator, "configuration": "", "description": description, "created": null, "started": null, "completed": null,
            "error": null, "rolled_back_by": null, "rolls_back": null, "routes": null, "revision": {}
        });
        let mut made: Deployment = serde_json::from_value(info).unwrap();
        made.created = Some(Timestamp(100));
        made.completed = Some(Timestamp(200));
        made.rolls_back = made.described(ROLLS_BACK).map(|id| DeploymentId(id.to_owned()));
        made
    }

    fn claims() -> Deployment {
        let began = Some(Timestamp(300));
        Deployment { created: began, ..deployment("d-new", "x greenlight_rolls_back=d-bad y", "user") }
    }

    fn check(late: Known<'_, Value>, named: Known<'_, Deployment>, expected: Standing) {
        assert_eq!(confirmed(&claims(), late, named), expected);
    }

    #[test]
    fn greenlights_own_is_known_by_the_ledger_and_what_cannot_be_read_speaks_for_a_rollback() {
        let (lease, done) = (json!({"lease": {"holder": "r", "until": 1}}), json!({"redeployed_by": "d-new"}));
        for entry in [lease, done] {
            check(Known::Found(&entry), Known::Absent, Standing::Rollback);
        }
        check(Known::Unread, Known::Absent, Standing::Rollback);
        check(Known::Absent, Known::Unread, Standing::Rollback);
    }

    #[test]
    fn a_person_who_names_what_had_ended_well_before_is_believed_and_nobody_else() {
        let (bad, others) = (deployment("d-bad", "", "user"), json!({"redeployed_by": "d-else"}));
        check(Known::Absent, Known::Found(&bad), Standing::ByHand);
        check(Known::Found(&others), Known::Found(&bad), Standing::ByHand);
        check(Known::Found(&others), Known::Absent, Standing::Ordinary);
        let elsewhere = crate::deployment::GroupName { application: "a".to_owned(), deployment_group: "h".to_owned() };
        let wrong = [
            Deployment { group: elsewhere, ..bad.clone() },
            Deployment { status: Status::Failed, ..bad.clone() },
            Deployment { completed: Some(Timestamp(301)), ..bad.clone() },
            Deployment { completed: None, ..bad.clone() },
        ];
        for bad in &wrong {
            check(Known::Absent, Known::Found(bad), Standing::Ordinary);
        }
    }

    #[test]
    fn codedeploys_own_rollbacks_need_no_confirmation_and_what_claims_nothing_is_none() {
        let own = deployment("d-back", "greenlight_rolls_back=d-bad", "codeDeployRollback");
        let linked = Deployment { rolls_back: Some(DeploymentId("d-x".to_owned())), ..deployment("d-y", "", "user") };
        for rollback in [own, linked] {
            assert_eq!(to_confirm(&rollback), None);
            assert_eq!(confirmed(&rollback, Known::Absent, Known::Absent), Standing::Rollback);
        }
        let ordinary = deployment("d-z", "git_sha=1", "user");
        assert_eq!(confirmed(&ordinary, Known::Unread, Known::Unread), Standing::Ordinary);
        assert_eq!(to_confirm(&claims()), Some(&DeploymentId("d-bad".to_owned())));
    }

    #[test]
    fn an_answer_that_there_is_none_differs_from_no_answer() {
        let (what, detail) = (|| "x".to_owned(), || "y".to_owned());
        let gone: Result<Deployment, _> = Err(PortError::NotFound { what: what(), detail: detail() });
        let known: Known<'_, Deployment> = Known::from(&gone);
        assert!(matches!(known, Known::Absent));
        let refused: Result<Deployment, _> = Err(PortError::Permanent { what: what(), detail: detail() });
        let known: Known<'_, Deployment> = Known::from(&refused);
        assert!(matches!(known, Known::Absent));
        let denied: Result<Option<Value>, _> = Err(PortError::Denied { what: what(), detail: detail() });
        let known: Known<'_, Value> = Known::from(&denied);
        assert!(matches!(known, Known::Unread));
        let entry: Result<Option<Value>, PortError> = Ok(None);
        let known: Known<'_, Value> = Known::from(&entry);
        assert!(matches!(known, Known::Absent));
    }
}
