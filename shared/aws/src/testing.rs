//! For tests: a local HTTP server that gives canned answers in order and keeps what it was asked. Knows nothing of AWS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use clock::Clock;
use outbound::HttpClient;

use crate::Aws;

/// An answer.
pub(crate) struct Canned {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Canned {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200, body)
    }

    pub(crate) fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: String::new(), body: body.into() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers = format!("{}{name}: {value}\r\n", self.headers);
        self
    }
}

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: String,
    pub(crate) body: String,
}

/// The server's record.
pub(crate) struct Server(Arc<Mutex<Vec<Asked>>>);

impl Server {
    pub(crate) fn request(&self, index: usize) -> Asked {
        self.0.lock().unwrap()[index].clone()
    }

    pub(crate) fn json(&self, index: usize) -> serde_json::Value {
        serde_json::from_str(&self.request(index).body).unwrap()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// Adapters that talk to a server with these answers.
pub(crate) fn serve(answers: Vec<Canned>) -> (Aws, Server) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&asked);
    std::thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            exchange(stream, &answer, &record);
        }
    });
    let lookup = move |name: &str| {
        let value = match name {
            "AWS_REGION" => "us-east-1",
            "AWS_ACCESS_KEY_ID" => "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY" => "secret",
            "AWS_SESSION_TOKEN" => "session",
            "AWS_ENDPOINT_URL" => &url,
            _ => return None,
        };
        Some(value.to_owned())
    };
    (Aws::new(lookup, HttpClient::new(Clock::system())), Server(asked))
}

fn exchange(mut stream: TcpStream, answer: &Canned, record: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let (mut headers, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let header = header.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        headers.push_str(&header);
        headers.push('\n');
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body = String::from_utf8_lossy(&body).into_owned();
    record.lock().unwrap().push(Asked { line: line.trim_end().to_owned(), headers, body });
    let Canned { status, headers, body } = answer;
    let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
}
