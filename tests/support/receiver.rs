//! A server that webhooks are posted to, and that does as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Channel, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use signal_fish_relay::WebhookKey;

use super::DEADLINE;

/// What it is told to do with a request.
#[derive(Debug, Clone, Copy)]
pub enum Does {
    /// Takes it.
    Takes,
    /// Takes it after a while.
    TakesLate(Duration),
    /// Takes it, with an answer that has no end.
    TakesAndTalks,
    /// Takes it, with an answer that does not come to its end.
    TakesAndStalls,
    /// Answers with this status.
    Answers(u16),
    /// Answers that it is busy for so many seconds.
    IsBusy(u16),
    /// Ends the connection.
    HangsUp,
    /// Says nothing, for as long as the connection is there.
    Stalls,
}

/// A request that it has read, whatever it did with it.
#[derive(Debug)]
pub struct Posted {
    /// The value of `webhook-id`.
    pub id: String,
    /// Its events.
    pub events: Vec<Value>,
    /// Whether it said that it took them.
    pub is_taken: bool,
    /// When it had read it.
    pub at: Instant,
}

/// The receiver.
pub struct Receiver {
    address: SocketAddr,
    posted: Channel<Posted>,
}

impl Receiver {
    /// Starts one that checks signatures with `key`, and does with the how-manieth request what `script` says.
    pub fn start(key: &str, script: impl Fn(usize) -> Does + Send + Sync + 'static) -> Self {
        let key = WebhookKey::parse(key).expect("a key");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let (tell, posted) = channel();
        let count = Arc::new(Mutex::new(0));
        let script = Arc::new(script);
        // It lives as long as the process of the tests.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (key, tell, count, script) = (key.clone(), tell.clone(), Arc::clone(&count), Arc::clone(&script));
                thread::spawn(move || serve(stream, &key, &tell, &count, &*script));
            }
        });
        Self { address, posted }
    }

    /// Where it takes webhooks.
    pub fn url(&self) -> String {
        format!("http://{}/webhooks", self.address)
    }

    /// The next request that it has read.
    pub fn next(&self) -> Posted {
        self.posted
            .recv_timeout(DEADLINE)
            .expect("a request before the deadline")
    }

    /// All that it has read and nobody has looked at.
    pub fn rest(&self) -> Vec<Posted> {
        self.posted.try_iter().collect()
    }
}

fn serve(
    mut stream: TcpStream,
    key: &WebhookKey,
    tell: &Sender<Posted>,
    count: &Mutex<usize>,
    script: &(dyn Fn(usize) -> Does + Send + Sync),
) {
    let mut reader = BufReader::new(stream.try_clone().expect("a descriptor"));
    loop {
        let (mut fields, mut line) = (Vec::new(), String::new());
        loop {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            match line.trim_end().split_once(": ") {
                Some((name, value)) => fields.push((name.to_lowercase(), value.to_owned())),
                None if line.trim_end().is_empty() => break,
                None => {}
            }
        }
        let field = |name: &str| {
            let found = fields.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let mut body = vec![0; field("content-length").parse().expect("a length")];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970")
            .as_secs();
        let (id, time, signature) = (
            field("webhook-id"),
            field("webhook-timestamp"),
            field("webhook-signature"),
        );
        key.verify(&id, &time, &signature, &body, now).expect("it is signed");
        let events = events_in(&body);
        let at = Instant::now();
        let number = {
            let mut count = count.lock().expect("nobody panics with it");
            *count += 1;
            *count
        };
        let does = script(number);
        let status = match does {
            Does::Takes => Some(204),
            Does::TakesLate(after) => {
                thread::sleep(after);
                Some(200)
            }
            Does::Answers(status) => Some(status),
            Does::IsBusy(_) => Some(503),
            Does::TakesAndTalks | Does::TakesAndStalls => Some(200),
            Does::HangsUp | Does::Stalls => None,
        };
        let is_taken = status.is_some_and(|status| status < 300);
        // Nobody listens any more once the test is over.
        let _ = tell.send(Posted {
            id,
            events,
            is_taken,
            at,
        });
        match (status, does) {
            (Some(_), Does::TakesAndTalks | Does::TakesAndStalls) => {
                let _ = stream.write_all(b"HTTP/1.1 200 As Told\r\ncontent-length: 10000000000\r\n\r\n");
                while matches!(does, Does::TakesAndTalks) && stream.write_all(&[b' '; 65_536]).is_ok() {}
                let _ = stream.read(&mut [0]);
                return;
            }
            (Some(status), _) => {
                let busy = match does {
                    Does::IsBusy(seconds) => format!("retry-after: {seconds}\r\n"),
                    _ => String::new(),
                };
                let answer =
                    format!("HTTP/1.1 {status} As Told\r\n{busy}location: /elsewhere\r\ncontent-length: 0\r\n\r\n");
                let answer = if status == 204 {
                    answer.replace("content-length: 0\r\n", "")
                } else {
                    answer
                };
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
            (None, Does::Stalls) => {
                let _ = stream.read(&mut [0]);
                return;
            }
            (None, _) => return,
        }
    }
}

/// The events of a body, each with its `id` and with the `room` that it stands with.
pub fn events_in(body: &[u8]) -> Vec<Value> {
    let body: Value = serde_json::from_slice(body).expect("JSON");
    let array = |value: &Value| value.as_array().expect("an array").clone();
    let mut events = Vec::new();
    for mut room in array(&body["rooms"]) {
        for mut event in array(&room["events"].take()) {
            let id = room["id"].as_str().expect("a room's id");
            event["id"] = format!("{id}.{}", event["number"]).into();
            event["room"] = room.clone();
            events.push(event);
        }
    }
    events
}
