//! A proxy of the machine's, run by a file of `deploy/`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::DEADLINE;

/// A file of `deploy/`, with what has to differ on this machine in place of what it says. All of that must be in it.
pub fn deployed(name: &str, changes: &[(&str, &str)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    let mut text = fs::read_to_string(&path).expect("a file of deploy");
    for (said, meant) in changes {
        assert!(text.contains(said), "{name} does not say {said:?}");
        text = text.replace(said, meant);
    }
    text
}

/// A port that was free a moment ago, for a proxy that takes no socket.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("bound").port()
}

/// A running proxy, killed at the end of its scope.
pub struct Proxy {
    child: Child,
    _directory: TempDir,
    address: SocketAddr,
}

impl Proxy {
    /// HAProxy with this configuration, which listens on `fd@0`.
    pub fn haproxy(configuration: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("bound");
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("haproxy.cfg");
        fs::write(&path, configuration).expect("written");
        let mut command = Command::new("haproxy");
        command
            .args(["-db", "-f"])
            .arg(&path)
            .stdin(Stdio::from(OwnedFd::from(listener)));
        Self::start(command, directory, address)
    }

    /// nginx with this configuration, which listens on `port`.
    pub fn nginx(configuration: &str, port: u16) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("nginx.conf");
        fs::write(&path, configuration).expect("written");
        let mut command = Command::new("nginx");
        command.arg("-p").arg(directory.path()).arg("-c").arg(&path).args([
            "-e",
            "stderr",
            "-g",
            "daemon off; master_process off; pid nginx.pid;",
        ]);
        Self::start(command, directory, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// Caddy with this configuration, which listens on `port`.
    pub fn caddy(configuration: &str, port: u16) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("Caddyfile");
        fs::write(&path, configuration).expect("written");
        let mut command = Command::new("caddy");
        command
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(&path)
            .env("HOME", directory.path())
            .env("XDG_CONFIG_HOME", directory.path())
            .env("XDG_DATA_HOME", directory.path());
        Self::start(command, directory, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    fn start(mut command: Command, directory: TempDir, address: SocketAddr) -> Self {
        // Its own lines are shown when a test fails.
        let child = command.stdout(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
        let mut proxy = Self {
            child,
            _directory: directory,
            address,
        };
        let give_up_at = Instant::now() + DEADLINE;
        while TcpStream::connect(address).is_err() {
            assert_eq!(proxy.child.try_wait().expect("our child"), None, "the proxy has ended");
            assert!(Instant::now() < give_up_at, "the proxy does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        proxy
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Both fail when it has ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
