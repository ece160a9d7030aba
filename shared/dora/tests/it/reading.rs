//! Reads the golden history: `aws deploy batch-get-deployments` output, one document per line. Only what these tests need, and nothing that the program
//! itself reads with.

use std::time::Duration;

use domain::deployment::{Deployment, DeploymentError, DeploymentId, GroupName, ROLLS_BACK, Status};
use domain::time::{Span, Timestamp};
use dora::Record;
use serde_json::Value;

/// Every record of the golden history, as the file has them: out of order.
pub(crate) fn golden() -> Vec<Record> {
    let lines = include_str!("../golden/history.jsonl").lines();
    let documents = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    documents
        .flat_map(|document| document["deploymentsInfo"].as_array().unwrap().clone())
        .map(|one| record(&one))
        .collect()
}

fn record(info: &Value) -> Record {
    let text = |key: &str| info[key].as_str().unwrap_or_default().to_owned();
    let at = |key: &str| info[key].as_str().map(|text| Timestamp::parse(text).unwrap());
    let id = |value: &Value| value.as_str().map(|id| DeploymentId(id.to_owned()));
    let ending = &info["blueGreenDeploymentConfiguration"]["terminateBlueInstancesOnDeploymentSuccess"];
    let wait = ending["terminationWaitTimeInMinutes"].as_u64().filter(|_| ending["action"] == "TERMINATE");
    let mut deployment = Deployment {
        id: id(&info["deploymentId"]).unwrap(),
        group: GroupName { application: text("applicationName"), deployment_group: text("deploymentGroupName") },
        status: Status::from_word(info["status"].as_str().unwrap()),
        creator: text("creator"),
        configuration: text("deploymentConfigName"),
        description: text("description"),
        created: at("createTime"),
        started: at("startTime"),
        completed: at("completeTime"),
        error: info["errorInformation"]["code"]
            .as_str()
            .map(|code| DeploymentError { code: code.to_owned(), message: String::new() }),
        rolled_back_by: id(&info["rollbackInfo"]["rollbackDeploymentId"]),
        rolls_back: id(&info["rollbackInfo"]["rollbackTriggeringDeploymentId"]),
        revision_id: info["revision"]["appSpecContent"]["sha256"].as_str().map(str::to_owned),
        termination_wait: wait.map(|minutes| Span(Duration::from_mins(minutes))),
        ..testkit::build::deployment()
    };
    if deployment.rolls_back.is_none() {
        deployment.rolls_back = deployment.described(ROLLS_BACK).map(|id| DeploymentId(id.to_owned()));
    }
    Record::of(deployment)
}

/// What an assessment comes to, in one line: how it ended; what it was; `failure` where it is a change failure, and `again` where the same change has
/// failed before or nothing was changed; seconds to the shift's end and to the very end; lead time; recovery.
pub(crate) fn told(of: &dora::Assessment) -> String {
    let seconds = |took: Option<Duration>| took.map_or("-".to_owned(), |took| took.as_secs_f64().to_string());
    let mut told = vec![if of.status == Status::Succeeded { "ok" } else { "no" }.to_owned()];
    if of.is_rollback {
        told.push("rollback".to_owned());
    }
    if of.is_change {
        told.push("change".to_owned());
    }
    if let Some(cause) = of.failure {
        told.push(format!("{} {cause:?}", if of.is_change_failure() { "failure" } else { "again" }));
    }
    if of.rolled_back {
        told.push("rolled back".to_owned());
    }
    if of.is_rework {
        told.push("rework".to_owned());
    }
    if let Some(taken) = &of.takes_back {
        let failure = if taken.is_change { ": failure" } else { "" };
        told.push(format!("takes back {}{failure}", taken.id));
    }
    if !of.is_rollback {
        told.push(format!("{}/{}", seconds(of.duration), seconds(of.total_duration)));
    }
    told.extend(of.lead_time.map(|took| format!("lead {}", seconds(Some(took)))));
    told.extend(of.recovery.map(|took| format!("recovery {}", seconds(Some(took)))));
    told.join(", ")
}
