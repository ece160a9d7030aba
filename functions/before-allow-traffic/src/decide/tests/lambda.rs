//! Tests of the facts about a Lambda version.

use domain::ports::{AliasState, ProvisionedConcurrency, VersionState};

use super::*;
use crate::facts::LambdaFacts;

fn lambda() -> LambdaFacts {
    LambdaFacts {
        function: "overflow".to_owned(),
        alias_name: "live".to_owned(),
        current: "1".to_owned(),
        target: "2".to_owned(),
        state: Ok(VersionState { state: "Active".into(), last_update: "Successful".into(), reason: None }),
        shares: Ok(build::alias()),
        provisioned: Ok(None),
        is_provisioned_on_alias: false,
    }
}

fn told_of(change: impl Fn(&mut LambdaFacts)) -> Vec<String> {
    let mut lambda = lambda();
    change(&mut lambda);
    told_with(|case| case.target = Ok(build::lambda_target("BeforeAllowTraffic")), &facts(VersionFacts::Lambda(lambda)))
}

#[test]
fn a_version_must_be_active_and_its_last_update_successful() {
    let with = |state: &str, last_update: &str| {
        told_of(|lambda| {
            let reason = Some("why".to_owned());
            lambda.state = Ok(VersionState { state: state.to_owned(), last_update: last_update.to_owned(), reason });
        })
    };
    assert!(with("Active", "Successful").is_empty());
    assert_eq!(with("Pending", "InProgress"), ["tasks_running fail?: state Pending, last update InProgress: why"]);
    let idle = with("Inactive", "Successful");
    assert!(
        idle[0]
            .starts_with("tasks_running fail: state Inactive, last update Successful: why; it has been idle for long")
            && idle[0].contains("`aws lambda invoke --function-name overflow --qualifier 2 /dev/null`"),
        "{idle:?}"
    );
    assert_eq!(with("Failed", "Successful"), ["tasks_running fail: state Failed, last update Successful: why"]);
    assert_eq!(with("Active", "Failed"), ["tasks_running fail: state Active, last update Failed: why"]);
}

#[test]
fn an_alias_must_stand_still_on_the_version_that_serves() {
    let with = |version: &str, shares: &[(&str, f64)]| {
        let shares = shares.iter().map(|(version, share)| ((*version).to_owned(), *share)).collect::<Vec<_>>();
        told_of(move |lambda| lambda.shares = Ok(AliasState { version: version.to_owned(), shares: shares.clone() }))
    };
    assert!(with("1", &[("3", 0.0)]).is_empty());
    assert_eq!(
        with("1", &[("3", 0.1)]),
        [
            "alias_not_shifting fail: version 1 with 10 % on version 3: an earlier shift did not end; take it back with `aws lambda \
          update-alias --function-name overflow --name live --routing-config AdditionalVersionWeights={}`"
        ]
    );
    assert_eq!(
        with("3", &[]),
        ["alias_not_shifting fail: version 3: somebody has moved the alias since the deployment was created"]
    );
    assert!(
        told_of(|lambda| lambda.current.clear()).is_empty(),
        "what CodeDeploy does not tell is not held against the alias"
    );
    assert_eq!(
        told_of(|lambda| lambda.shares = Err("`GetAlias` was refused".to_owned())),
        ["alias_not_shifting inconclusive: the alias could not be read: `GetAlias` was refused"]
    );
}

#[test]
fn provisioned_concurrency_must_be_ready_where_there_is_any() {
    let with = |status: &str, reason: Option<&str>| {
        told_of(|lambda| {
            lambda.provisioned = Ok(Some(ProvisionedConcurrency {
                status: status.to_owned(),
                reason: reason.map(str::to_owned),
                requested: 5,
                available: 2,
            }));
        })
    };
    assert!(with("READY", None).is_empty());
    assert_eq!(with("IN_PROGRESS", None), ["provisioned_concurrency_ready inconclusive?: IN_PROGRESS, 2 of 5 ready"]);
    assert_eq!(
        with("FAILED", Some("FUNCTION_ERROR_INIT_FAILURE")),
        ["provisioned_concurrency_ready fail: FAILED, 2 of 5 ready: FUNCTION_ERROR_INIT_FAILURE"]
    );
    assert!(told_of(|lambda| lambda.provisioned = Ok(None)).is_empty());
}

#[test]
fn provisioned_concurrency_of_the_alias_is_said_to_move_with_the_shift() {
    let config = build::config(CONFIG);
    let case = Case { target: Ok(build::lambda_target("BeforeAllowTraffic")), ..case(&config) };
    let told = |is_provisioned_on_alias| {
        let lambda = LambdaFacts { is_provisioned_on_alias, ..lambda() };
        let decided = decide(&case, &Wanted::of(&case), &facts(VersionFacts::Lambda(lambda)));
        let finding = decided.into_iter().map(Decided::finding).find(|one| one.name == "provisioned_concurrency_ready");
        finding.map(|finding| (finding.outcome, finding.observed))
    };
    let on_alias = "on the alias `live`: it moves with the shift, so it was not looked at".to_owned();
    assert_eq!(told(true), Some((Outcome::Pass, on_alias)));
    assert_eq!(told(false), None);
}
