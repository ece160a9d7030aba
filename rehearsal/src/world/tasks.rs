//! How the tasks of a version fare over time: late ones, a crash loop, health checks, images and digests. Knows nothing of ECS's calls.

use std::time::Duration;

use domain::time::Timestamp;
use serde_json::{Value, json};
use sha2::Digest;

use super::aws::arn;
use super::landscape::{DESIRED, Guarded, Version};

/// How long a task takes to start again after its predecessor has crashed.
const RESTART: Duration = Duration::from_secs(5);
/// How many crashed tasks ECS still shows: it forgets them within the hour.
const REMEMBERED: u32 = 20;

/// How many tasks a version wants, has and waits for.
pub(crate) struct Counts {
    pub(crate) desired: u32,
    pub(crate) running: u32,
    pub(crate) pending: u32,
}

/// One task of a version.
pub(crate) struct Played {
    /// Its number among the version's tasks, those that ended included.
    pub(crate) index: u32,
    status: &'static str,
    /// Whether Fargate Spot has taken it back.
    is_interrupted: bool,
    /// Since when it runs, if it does.
    pub(crate) since: Timestamp,
}

impl Played {
    pub(crate) fn is_stopped(&self) -> bool {
        self.status == "STOPPED"
    }

    pub(crate) fn is_running(&self) -> bool {
        self.status == "RUNNING"
    }
}

/// The tasks of a version as they stand at a time.
pub(crate) fn played(version: &Version, now: Timestamp) -> Vec<Played> {
    let tasks = &version.behaviour.tasks;
    let since = |at: Option<Timestamp>| at.map(|at| now.since(at)).unwrap_or_default();
    if let Some(every) = tasks.crash_every {
        // From the creation on: when the task set is taken for installed, its tasks have crashed before.
        let lived = since(Some(version.created));
        let cycle = (every.0 + RESTART).as_millis().max(1);
        let crashes = u32::try_from(lived.as_millis() / cycle).unwrap_or(u32::MAX / (2 * DESIRED));
        let within = lived.as_millis() % cycle;
        let current = if within < RESTART.as_millis() { "PENDING" } else { "RUNNING" };
        let gone = (crashes * DESIRED).saturating_sub(REMEMBERED)..crashes * DESIRED;
        let alive = crashes * DESIRED..(crashes + 1) * DESIRED;
        let since = now.plus(RESTART).minus(Duration::from_millis(u64::try_from(within).unwrap_or_default()));
        let task = |index, status| Played { index, status, is_interrupted: false, since };
        let ended = gone.map(|index| task(index, "STOPPED"));
        return ended.chain(alive.map(|index| task(index, current))).collect();
    }
    let running = tasks.running.unwrap_or(DESIRED).min(DESIRED);
    let late = tasks.late.filter(|late| since(version.installed) < late.after.0).map_or(0, |late| late.tasks);
    let status = |index: u32| match index {
        _ if index >= running => "STOPPED",
        _ if index + late >= running => "PENDING",
        _ => "RUNNING",
    };
    let installed = version.installed.unwrap_or(version.created);
    let mut played: Vec<Played> = (0..DESIRED)
        .map(|index| {
            let start = tasks.late.filter(|late| index + late.tasks >= running).map(|late| late.after.0);
            let since = start.map_or(version.created, |after| installed.plus(after));
            Played { index, status: status(index), is_interrupted: false, since }
        })
        .collect();
    if let (Some(spot), Some(last)) = (tasks.spot, played.last_mut())
        && version.installed.is_some()
        && since(version.installed) >= spot.after.0
    {
        (last.status, last.is_interrupted) = ("STOPPED", true);
        let back = installed.plus(spot.after.0).plus(spot.back_after.0);
        let status = if now >= back { "RUNNING" } else { "PENDING" };
        played.push(Played { index: DESIRED, status, is_interrupted: false, since: back });
    }
    played
}

impl Guarded {
    pub(crate) fn counts(version: &Version, now: Timestamp) -> Counts {
        if !version.alive {
            return Counts { desired: 0, running: 0, pending: 0 };
        }
        if let Some(running) = version.running {
            return Counts { desired: running, running, pending: 0 };
        }
        let running = played(version, now).iter().filter(|task| task.status == "RUNNING").count();
        let running = u32::try_from(running).unwrap_or(DESIRED).min(DESIRED);
        Counts { desired: DESIRED, running, pending: DESIRED - running }
    }

    pub(crate) fn task_arn(&self, version: &Version, index: u32) -> String {
        arn(
            "ecs",
            &format!("task/{}/{:08x}{:024x}", self.cluster(), version.number + 10_000 * version.again, index + 1),
        )
    }

    /// The one container of a version's task definition.
    pub(crate) fn container(&self, version: &Version) -> Value {
        let mut container = json!({
            "name": self.name, "image": self.image(version), "essential": true,
            "portMappings": [{ "containerPort": 8080, "protocol": "tcp" }],
        });
        if let (Some(_), Some(map)) = (&version.behaviour.tasks.health, container.as_object_mut()) {
            map.insert(
                "healthCheck".to_owned(),
                json!({ "command": ["CMD-SHELL", "wget -qO- http://localhost:8080/health"] }),
            );
        }
        container
    }
}

/// A task as `DescribeTasks` tells it.
pub(crate) fn task(service: &Guarded, version: &Version, played: &Played, now: Timestamp) -> Value {
    let tasks = &version.behaviour.tasks;
    let image = tasks.image.clone().unwrap_or_else(|| service.image(version));
    let is_last = played.index % DESIRED + 1 == DESIRED;
    let digest = tasks.digest.clone().filter(|_| is_last).unwrap_or_else(|| digest_of(&image));
    let health = health(version, played, now);
    let mut container = json!({
        "name": service.name, "image": image, "lastStatus": played.status, "healthStatus": health,
    });
    let desired = if played.is_stopped() { "STOPPED" } else { "RUNNING" };
    let mut task = json!({
        "taskArn": service.task_arn(version, played.index),
        "clusterArn": arn("ecs", &format!("cluster/{}", service.cluster())),
        "taskDefinitionArn": service.task_definition(version),
        "lastStatus": played.status,
        "desiredStatus": desired,
        "healthStatus": health,
        "startedBy": Guarded::task_set_id(version),
        "group": format!("service:{}", service.name),
        "launchType": "FARGATE",
    });
    if let (Some(container), Some(task)) = (container.as_object_mut(), task.as_object_mut()) {
        if played.status != "PENDING" {
            container.insert("imageDigest".to_owned(), json!(digest));
        }
        if played.is_stopped() {
            let (code, reason) = if played.is_interrupted {
                ("SpotInterruption", "Your Spot Task was interrupted.")
            } else {
                let reason = tasks.stopped_reason.as_deref().unwrap_or("Essential container in task exited");
                (tasks.stop_code.as_deref().unwrap_or("EssentialContainerExited"), reason)
            };
            task.insert("stoppedReason".to_owned(), json!(reason));
            task.insert("stopCode".to_owned(), json!(code));
            container.extend(tasks.exit_code.map(|code| ("exitCode".to_owned(), json!(code))));
            container.extend(tasks.container_reason.as_ref().map(|reason| ("reason".to_owned(), json!(reason))));
        }
        task.insert("containers".to_owned(), json!([container]));
    }
    task
}

fn health(version: &Version, played: &Played, now: Timestamp) -> &'static str {
    let Some(check) = version.behaviour.tasks.health.filter(|_| played.status == "RUNNING") else { return "UNKNOWN" };
    let lived = version.installed.map(|at| now.since(at)).unwrap_or_default();
    match check.after {
        Some(after) if lived < after.0 => "UNKNOWN",
        _ if played.index % DESIRED < check.failing => "UNHEALTHY",
        _ => "HEALTHY",
    }
}

fn digest_of(image: &str) -> String {
    let digest = sha2::Sha256::digest(image.as_bytes());
    digest.iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Behaviour;

    fn told(tasks: &str, seconds: i64) -> String {
        let tasks = domain::config::yaml::parse(tasks).unwrap().value;
        let behaviour: Behaviour = serde_json::from_value(json!({ "tasks": tasks })).unwrap();
        let version = Version {
            number: 42,
            behaviour,
            git_sha: String::new(),
            tags: std::collections::BTreeMap::new(),
            deployment: None,
            weight: 0.0,
            first_traffic: None,
            created: Timestamp(0),
            installed: Some(Timestamp(77_000)),
            target_group: 1,
            alive: true,
            running: None,
            error_debt: 0.0,
            again: 0,
        };
        let now = Timestamp(seconds * 1000);
        let counts = Guarded::counts(&version, now);
        let stopped = played(&version, now).iter().filter(|task| task.is_stopped()).count();
        format!("{} running, {} pending, {stopped} stopped", counts.running, counts.pending)
    }

    #[test]
    fn tasks_start_late_stop_and_crash_again_and_again() {
        assert_eq!(told("{}", 80), "2 running, 0 pending, 0 stopped");
        assert_eq!(told("{ running: 1 }", 80), "1 running, 1 pending, 1 stopped");
        assert_eq!(told("{ late: { tasks: 1, after: 30s } }", 80), "1 running, 1 pending, 0 stopped");
        assert_eq!(told("{ late: { tasks: 1, after: 30s } }", 108), "2 running, 0 pending, 0 stopped");
        assert_eq!(told("{ spot: { after: 2s, back_after: 20s } }", 78), "2 running, 0 pending, 0 stopped");
        assert_eq!(told("{ spot: { after: 2s, back_after: 20s } }", 80), "1 running, 1 pending, 1 stopped");
        assert_eq!(told("{ spot: { after: 2s, back_after: 20s } }", 99), "2 running, 0 pending, 1 stopped");
        assert_eq!(told("{ crash_every: 20s }", 78), "0 running, 2 pending, 6 stopped");
        assert_eq!(told("{ crash_every: 20s }", 90), "2 running, 0 pending, 6 stopped");
        assert_eq!(told("{ crash_every: 1s }", 3000), "0 running, 2 pending, 20 stopped");
    }
}
