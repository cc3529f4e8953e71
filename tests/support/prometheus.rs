//! Prometheus itself, as an operator runs it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::DEADLINE;

/// A Prometheus that reads a server's page every second, ended with the test.
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    _place: TempDir,
}

impl Prometheus {
    /// One with the configuration and the alerts that are delivered, but for the address and the pace.
    pub fn reading(server: SocketAddr) -> Self {
        let delivered = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus");
        let place = tempfile::tempdir().expect("a directory");
        let config = fs::read_to_string(delivered.join("prometheus.yml")).expect("it is delivered");
        let paced = ["scrape_interval: 5s", "evaluation_interval: 15s", "127.0.0.1:3536"];
        assert!(paced.iter().all(|known| config.contains(known)), "{config}");
        let config = config
            .replace(paced[0], "scrape_interval: 1s")
            .replace(paced[1], "evaluation_interval: 1s")
            .replace(paced[2], &server.to_string());
        let file = place.path().join("prometheus.yml");
        fs::write(&file, config).expect("ours");
        fs::copy(delivered.join("alerts.yml"), place.path().join("alerts.yml")).expect("it is delivered");
        // Taken and given back: the port of a moment ago is nobody's yet.
        let address = TcpListener::bind("127.0.0.1:0")
            .and_then(|any| any.local_addr())
            .expect("a port");
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", place.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus in PATH");
        Self {
            child,
            address,
            _place: place,
        }
    }

    /// Asks its interface; nothing while it does not answer.
    pub fn ask(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(DEADLINE)).ok()?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// Asks until something is so.
    pub fn until<T>(&self, path: &str, found: impl Fn(&Value) -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE * 3;
        loop {
            let answer = self.ask(path);
            if let Some(found) = answer.as_ref().and_then(&found) {
                return found;
            }
            assert!(Instant::now() < deadline, "{path}: {answer:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
