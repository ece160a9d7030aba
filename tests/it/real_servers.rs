//! The engine against servers that nobody here wrote: nginx, httpbin under waitress, websockets and grpcio. Runs where `GREENLIGHT_NGINX` names
//! the program and `GREENLIGHT_SERVERS` a Python with the packages of `tests/real-servers/serve.py`; `.ci/run` sees to both.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use checks::{NoVersion, Suite, Variables};
use clock::Clock;
use domain::config::{load, yaml};
use domain::hook::Finding;
use outbound::HttpClient;
use serde_json::{Map, Value, json};

use crate::project::root;

/// How long the servers may take to be there; Python's gRPC alone takes a second on a slow machine.
const START: Duration = Duration::from_secs(30);

/// The servers, ended when dropped.
struct Servers {
    /// What stands for an address in the suites, and the address: the longest first, as one may be part of another.
    addresses: Vec<(String, String)>,
    authority: PathBuf,
    processes: Vec<Child>,
}

impl Drop for Servers {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("an address").port()
}

fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Starts everything; `clock` is the system's.
async fn start(python: &str, nginx: &str, clock: &Clock) -> Servers {
    let folder = root().join("target/real-servers").join(std::process::id().to_string());
    for sub in ["www", "temp"] {
        std::fs::create_dir_all(folder.join(sub)).expect("a folder to work in");
    }
    for file in ["health.txt", "limited.txt"] {
        std::fs::write(folder.join("www").join(file), "ok\n").expect("written");
    }
    let here = root().join("tests/real-servers");
    let mut servers = Servers { addresses: Vec::new(), authority: folder.join("authority.pem"), processes: Vec::new() };
    let mut serving = Command::new(python)
        .arg(here.join("serve.py"))
        .arg(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("`{python}` does not start: {error}"));
    let mut line = String::new();
    BufReader::new(serving.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
    servers.processes.push(serving);
    let mut ports: BTreeMap<String, u16> = serde_json::from_str(&line)
        .unwrap_or_else(|error| panic!("serve.py tells no ports ({error}); its complaint stands above: {line}"));
    for name in ["NGINX", "VALID", "HTTP2", "SHORT", "EXPIRED", "EARLY", "OTHER", "UNTRUSTED", "NOBODY"] {
        ports.insert(name.to_owned(), free_port());
    }
    let mut conf = std::fs::read_to_string(here.join("nginx.conf")).expect("nginx.conf is there");
    for (name, port) in longest_first(&ports) {
        conf = conf.replace(&format!("{name}_PORT"), &port.to_string());
    }
    std::fs::write(folder.join("nginx.conf"), conf).expect("written");
    let started = Command::new(nginx)
        .args(["-e", "error.log", "-c", "nginx.conf", "-p"])
        .arg(format!("{}/", folder.display()))
        .spawn()
        .unwrap_or_else(|error| panic!("`{nginx}` does not start: {error}"));
    servers.processes.push(started);
    let until = clock.now().plus(START);
    let waited_for = ports.iter().filter(|(name, _)| *name != "NOBODY").map(|(_, port)| *port);
    for port in waited_for {
        while !listens(port) {
            let log = || std::fs::read_to_string(folder.join("error.log")).unwrap_or_default();
            assert!(clock.now() < until, "nobody listens on {port}; nginx says: {}", log());
            clock.sleep(Duration::from_millis(20)).await;
        }
    }
    let has_tls = |name: &str| !matches!(name, "NGINX" | "HTTPBIN" | "WEBSOCKETS" | "GRPC" | "BARE_GRPC" | "NOBODY");
    for (name, port) in longest_first(&ports) {
        // The certificates are made out to this name.
        let (scheme, host) = if has_tls(&name) { ("https", "localhost") } else { ("http", "127.0.0.1") };
        servers.addresses.push((format!("{name}_AUTHORITY"), format!("{host}:{port}")));
        servers.addresses.push((name, format!("{scheme}://{host}:{port}")));
    }
    servers
}

fn longest_first(ports: &BTreeMap<String, u16>) -> Vec<(String, u16)> {
    let mut all: Vec<(String, u16)> = ports.iter().map(|(name, port)| (name.clone(), *port)).collect();
    all.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    all
}

/// What must come of a check.
struct Wanted {
    outcome: String,
    says: Option<String>,
    tries: Option<u64>,
}

/// Takes what is wanted off a check of a suite.
fn take_wanted(check: &mut Map<String, Value>) -> Wanted {
    let mut text = |key: &str| check.remove(key).and_then(|value| value.as_str().map(str::to_owned));
    let (outcome, says) = (text("outcome").expect("every check says its outcome"), text("says"));
    Wanted { outcome, says, tries: check.remove("tries").and_then(|value| value.as_u64()) }
}

/// Runs a suite as a hook would; the checks whose findings are not as wanted, one a line, and how many there were.
async fn run(file: &Path, servers: &Servers, http: &HttpClient) -> (Vec<String>, usize) {
    let mut text = std::fs::read_to_string(file).expect("the suite is there");
    for (name, address) in &servers.addresses {
        text = text.replace(name, address);
    }
    let Value::Array(mut list) = yaml::parse(&text).expect("YAML").value else { panic!("a suite is a list") };
    let wanted: Vec<Wanted> =
        list.iter_mut().map(|check| take_wanted(check.as_object_mut().expect("a check is a map"))).collect();
    // JSON is YAML: the checks are read as those of any configuration.
    let service = json!({
        "name": "real", "codedeploy": { "application": "a", "deployment_group": "g" }, "after_allow_traffic": { "checks": list }
    });
    let config = load("suite", &json!({ "version": 1, "services": [service] }).to_string());
    let config = config.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let checks = &config.services.first().expect("a service").after_allow_traffic.checks;
    let base = servers.addresses.iter().find(|(name, _)| name == "HTTPBIN").expect("httpbin runs").1.clone();
    let suite = Suite { checks, base: Ok(base), variables: Variables::new() };
    let findings = checks::run(&suite, http, &NoVersion("none".to_owned()), Duration::from_mins(1)).await;
    assert_eq!(findings.len(), wanted.len(), "{}: one finding for each check", file.display());
    let differs = |(finding, wanted): (&Finding, &Wanted)| {
        let outcome = serde_json::to_value(finding.outcome).expect("an outcome");
        let fits = outcome == wanted.outcome.as_str()
            && wanted.says.as_ref().is_none_or(|says| finding.observed.contains(says.as_str()))
            && wanted.tries.is_none_or(|tries| tries == u64::from(finding.tries));
        let Wanted { outcome, says, .. } = wanted;
        (!fits).then(|| format!("wanted {outcome} {says:?}, got {finding:?}"))
    };
    (findings.iter().zip(&wanted).filter_map(differs).collect(), findings.len())
}

#[test]
#[expect(clippy::disallowed_methods, reason = "where the servers are comes from outside")]
fn every_check_comes_out_against_real_servers_as_it_was_written_down() {
    let (Ok(python), Ok(nginx)) = (std::env::var("GREENLIGHT_SERVERS"), std::env::var("GREENLIGHT_NGINX")) else {
        println!("GREENLIGHT_SERVERS or GREENLIGHT_NGINX is not set: the engine meets real servers in .ci/run");
        return;
    };
    let clock = Clock::system();
    let outcome = clock.run(async {
        let servers = start(&python, &nginx, &clock).await;
        let http = HttpClient::new(clock.clone()).trusting(servers.authority.to_str());
        let mut wrong = Vec::new();
        for suite in ["http", "tls", "conversations"] {
            let file = root().join(format!("tests/real-servers/{suite}.yaml"));
            let (differ, count) = run(&file, &servers, &http).await;
            println!("{suite}: {count} checks, {} not as written down", differ.len());
            wrong.extend(differ);
        }
        wrong
    });
    let wrong = outcome.expect("an event loop");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
