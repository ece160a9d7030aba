//! A Lambda function that does what its event says, straight on the Runtime API: the probe with which two Runtime APIs are
//! compared. Knows nothing of Greenlight.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

#[expect(clippy::disallowed_methods, reason = "this program has no start-up crate to ask")]
fn main() -> std::io::Result<()> {
    let api =
        std::env::vars().find(|(name, _)| name == "AWS_LAMBDA_RUNTIME_API").map(|(_, value)| value).unwrap_or_default();
    loop {
        let (head, body) = ask(&api, "GET", "/2018-06-01/runtime/invocation/next", "")?;
        let header = |name: &str| {
            head.lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().to_owned())
        };
        let id = header("Lambda-Runtime-Aws-Request-Id").unwrap_or_default();
        let event: Value = serde_json::from_str(&body).unwrap_or_default();
        let wanted = event.get("do").and_then(Value::as_str).unwrap_or("echo");
        let path = format!("/2018-06-01/runtime/invocation/{id}");
        match wanted {
            "fail" => {
                let error = json!({ "errorMessage": "as asked", "errorType": "Asked", "stackTrace": [] });
                ask(&api, "POST", &format!("{path}/error"), &error.to_string())?;
            }
            "flood" => flood()?,
            "exit" => std::process::exit(3),
            "sleep" => loop {
                std::thread::park();
            },
            _ => {
                let mut names: Vec<String> = head
                    .lines()
                    .filter_map(|line| line.split_once(':'))
                    .map(|(name, _)| name.to_ascii_lowercase())
                    .filter(|name| name.starts_with("lambda-runtime"))
                    .collect();
                names.sort();
                let deadline: i64 =
                    header("Lambda-Runtime-Deadline-Ms").and_then(|ms| ms.parse().ok()).unwrap_or_default();
                // An answer to an invocation that is not there, to see how that is refused.
                let (refused, _) = ask(&api, "POST", "/2018-06-01/runtime/invocation/no-such-id/response", "{}")?;
                let answer = json!({
                    "headers": names,
                    "arn": header("Lambda-Runtime-Invoked-Function-Arn"),
                    "deadline_ms": deadline,
                    "wrong_id": refused.split_whitespace().nth(1),
                    "event": event,
                });
                ask(&api, "POST", &format!("{path}/response"), &answer.to_string())?;
            }
        }
    }
}

/// Begins waits and gives them up at once, for ever, on the rehearsal's clock.
#[expect(clippy::disallowed_methods, reason = "this program has no start-up crate to ask")]
fn flood() -> std::io::Result<()> {
    let clock = std::env::vars().find(|(name, _)| name == "GREENLIGHT_REHEARSAL_CLOCK").map(|(_, value)| value);
    let clock = clock.unwrap_or_default();
    let (address, sandbox) = clock.split_once('/').unwrap_or_default();
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(format!("pace {sandbox}\n").as_bytes())?;
    for wait in 1_u64.. {
        stream.write_all(format!("sleep {wait} 0\ncancel {wait}\n").as_bytes())?;
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Ok(())
}

/// One request on a connection of its own; head and body of the answer.
fn ask(api: &str, method: &str, path: &str, body: &str) -> std::io::Result<(String, String)> {
    let (host, prefix) =
        api.split_once('/').map_or((api, String::new()), |(host, prefix)| (host, format!("/{prefix}")));
    let mut stream = TcpStream::connect(host)?;
    let request = format!(
        "{method} {prefix}{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    Ok((head.to_owned(), body.to_owned()))
}
