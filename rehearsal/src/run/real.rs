//! A real application that plays a version: requests passed on to it, and a minute's sample of it. Knows nothing of who asks.

use std::time::Duration;

use outbound::{HttpClient, HttpError};

use super::{Input, Runner};
use crate::world::{HttpAnswer, HttpAsked, Sampled, Token};

/// How long a real application may take to answer.
const FORWARD_LIMIT: Duration = Duration::from_secs(30);

impl Runner {
    pub(super) fn forward(&self, token: Token, base: &str, asked: HttpAsked) {
        let (http, sender) = (self.http.clone(), self.sender.clone());
        let url = format!("{}{}", base.trim_end_matches('/'), asked.path);
        tokio::spawn(async move {
            let started = http.clock().now();
            let answer = pass_on(&http, &url, asked).await;
            let took = http.clock().now().since(started);
            let _ = sender.send(Input::Forwarded(token, answer, took));
        });
    }

    pub(super) fn sample(&self, id: u64, url: String, times: u32) {
        let (http, sender) = (self.http.clone(), self.sender.clone());
        tokio::spawn(async move {
            let mut sampled = Sampled::default();
            for left in (1..=times).rev() {
                let request = http::Request::get(&url).body(Vec::new());
                let answer = match request {
                    Ok(request) => http.send(request, FORWARD_LIMIT).await,
                    Err(error) => Err(HttpError::Malformed(error.to_string())),
                };
                match answer {
                    Ok(answer) => {
                        sampled.errors += u32::from(answer.status >= 500);
                        sampled.latencies.push(answer.elapsed);
                    }
                    // Nobody would wait that long twenty times over.
                    Err(HttpError::Timeout(_)) => {
                        sampled.errors += left;
                        break;
                    }
                    Err(_) => sampled.errors += 1,
                }
            }
            let _ = sender.send(Input::Sampled(id, sampled));
        });
    }
}

async fn pass_on(http: &HttpClient, url: &str, asked: HttpAsked) -> Result<HttpAnswer, String> {
    let mut request = http::Request::builder().method(asked.method).uri(url);
    for (name, value) in &asked.headers {
        let hop = ["host", "connection", "content-length", "proxy-connection", "transfer-encoding"];
        if !hop.contains(&name.as_str()) {
            request = request.header(name, value);
        }
    }
    let request = request.body(asked.body).map_err(|error| error.to_string())?;
    // gRPC is HTTP/2 all the way.
    let is_grpc =
        asked.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let answer =
        if is_grpc { http.send_http2(request, FORWARD_LIMIT).await } else { http.send(request, FORWARD_LIMIT).await };
    let answer = answer.map_err(|error| error.to_string())?;
    let mut headers = texts(&answer.headers);
    headers.retain(|(name, _)| !["connection", "transfer-encoding", "content-length"].contains(&name.as_str()));
    let trailers = texts(&answer.trailers);
    Ok(HttpAnswer { status: answer.status, headers, body: answer.body, trailers })
}

fn texts(headers: &http::HeaderMap) -> Vec<(String, String)> {
    headers.iter().filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned()))).collect()
}
