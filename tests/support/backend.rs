//! A game's backend on a port of its own, which answers as a test pleases.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use super::DEADLINE;

/// A request that was put to the backend.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its first line and its fields, in lower case.
    pub head: String,
    /// What was asked.
    pub body: Value,
}

/// What the backend does with it.
#[derive(Debug, Clone)]
pub enum Reply {
    /// An answer in JSON.
    Says(Value),
    /// These bytes, and the end.
    Sends(Vec<u8>),
    /// Nothing, and the connection stays.
    Silence,
    /// Bytes without an end.
    Floods,
}

type Rule = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

/// The backend. It answers until the end of its scope.
pub struct Backend {
    address: SocketAddr,
    rule: Arc<Mutex<Rule>>,
    asked: Receiver<Asked>,
    is_over: Arc<AtomicBool>,
}

impl Backend {
    /// A backend that answers by this rule.
    pub fn start(rule: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("bound");
        let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Arc::new(rule)));
        let is_over = Arc::new(AtomicBool::new(false));
        let (tell, asked) = channel();
        let (rules, over) = (Arc::clone(&rule), Arc::clone(&is_over));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (rules, tell) = (Arc::clone(&rules), tell.clone());
                thread::spawn(move || serve(stream, &rules, &tell));
            }
        });
        Self {
            address,
            rule,
            asked,
            is_over,
        }
    }

    /// Where it is asked.
    pub fn url(&self) -> String {
        format!("http://{}/check", self.address)
    }

    /// Answers by another rule from now on.
    pub fn changes(&self, rule: impl Fn(&Asked) -> Reply + Send + Sync + 'static) {
        *self.rule.lock().expect("no panic") = Arc::new(rule);
    }

    /// The next request that nobody has looked at.
    pub fn next(&self) -> Asked {
        self.asked.recv_timeout(DEADLINE).expect("a request")
    }

    /// The requests that have come and that nobody has looked at.
    pub fn all(&self) -> Vec<Asked> {
        self.asked.try_iter().collect()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts. If it is gone, it need not be woken.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, rule: &Mutex<Rule>, tell: &Sender<Asked>) {
    let mut writing = stream.try_clone().expect("a descriptor");
    let mut reading = BufReader::new(stream);
    while let Some(asked) = read(&mut reading) {
        let rule = Arc::clone(&*rule.lock().expect("no panic"));
        let reply = rule(&asked);
        // The test may be over, and whoever asked may have given up.
        let _ = tell.send(asked);
        match reply {
            Reply::Says(answer) => {
                let body = answer.to_string();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = writing.write_all((head + &body).as_bytes());
            }
            Reply::Sends(bytes) => {
                let _ = writing.write_all(&bytes);
                return;
            }
            Reply::Silence => {}
            Reply::Floods => {
                let _ = writing.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
                while writing.write_all(b"10\r\n0123456789abcdef\r\n").is_ok() {}
                return;
            }
        }
    }
}

fn read(reading: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reading.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let length = head.split_once("content-length: ")?.1.split_once("\r\n")?.0;
    let mut body = vec![0; length.parse().ok()?];
    reading.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).expect("the server sends JSON");
    Some(Asked { head, body })
}
