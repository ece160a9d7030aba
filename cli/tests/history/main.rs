//! `greenlight history` from outside: what it reads, what it counts, what it says and which status it ends with.

#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

mod counting;
#[path = "../program/mod.rs"]
mod program;
mod reading;
mod telling;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use program::greenlight;
use serde_json::{Value, json};

/// A folder of its own, gone when the test is over.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("greenlight-history-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn with(name: &str, text: &str) -> Self {
        let folder = Self::new(name);
        folder.write("history.jsonl", text);
        folder
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        std::fs::write(self.0.join(file), text).unwrap();
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.0.join(file)).unwrap()
    }

    /// Runs `greenlight history …` in it; status, standard output, standard error.
    pub(crate) fn history(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        greenlight("history", &self.0, arguments)
    }

    /// The document that `--format json` prints of its history.
    pub(crate) fn json(&self, more: &[&str]) -> Value {
        let (status, out, error) = self.history(&[&["history.jsonl", "--format", "json"], more].concat());
        assert_eq!(status, Some(0), "{error}");
        serde_json::from_str(&out).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A deployment of `shop/web` at an hour of 2026-03-02, a Monday. It takes ten minutes, and when it succeeds it keeps the old version for five more.
pub(crate) fn deployment(id: &str, hour: u32, status: &str, more: &Value) -> Value {
    let mut info = json!({
        "applicationName": "shop", "deploymentGroupName": "web", "deploymentId": id, "status": status, "creator": "user",
        "computePlatform": "ECS", "description": "",
        "revision": { "revisionType": "AppSpecContent", "appSpecContent": { "sha256": format!("hash-of-{id}") } },
        "createTime": format!("2026-03-02T{hour:02}:00:00.000000+00:00"),
        "startTime": format!("2026-03-02T{hour:02}:00:01.000000+00:00"),
        "completeTime": format!("2026-03-02T{hour:02}:{}:01.500000+00:00", if status == "Succeeded" { 15 } else { 10 }),
        "instanceTerminationWaitTimeStarted": status == "Succeeded",
        "blueGreenDeploymentConfiguration": {
            "terminateBlueInstancesOnDeploymentSuccess": { "action": "TERMINATE", "terminationWaitTimeInMinutes": 5 }
        },
    });
    info.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    info
}

/// One that brings a commit of an hour before, one that an alarm stops, and two hours later the next that succeeds.
pub(crate) fn three() -> [Value; 3] {
    [
        deployment("d-1", 8, "Succeeded", &json!({ "description": "by ci commit_time=2026-03-02T07:10:01.500Z" })),
        deployment(
            "d-2",
            9,
            "Stopped",
            &json!({ "errorInformation": { "code": "ALARM_ACTIVE", "message": "One or more alarms … <web-5xx>" } }),
        ),
        deployment("d-3", 11, "Succeeded", &json!({})),
    ]
}

/// As `aws deploy get-deployment` prints them, one a line.
pub(crate) fn lines(infos: &[Value]) -> String {
    let lines: Vec<String> = infos.iter().map(|info| format!("{}\n", json!({ "deploymentInfo": info }))).collect();
    lines.concat()
}
