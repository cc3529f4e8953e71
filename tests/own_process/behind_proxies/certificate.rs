//! A certificate, and a connection that is encrypted by a program of the machine's.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use tempfile::TempDir;

use super::NAME;

/// A certificate that vouches for itself, its key, and those who use it.
pub struct Certificate {
    directory: TempDir,
    tunnels: Mutex<Vec<Child>>,
}

impl Certificate {
    /// One for the relay's name.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
            ])
            .args([
                "-subj",
                &format!("/CN={NAME}"),
                "-addext",
                &format!("subjectAltName=DNS:{NAME}"),
            ])
            .args(["-keyout", "key.pem", "-out", "certificate.pem"])
            .current_dir(directory.path())
            .output()
            .expect("openssl in PATH");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self {
            directory,
            tunnels: Mutex::default(),
        }
    }

    /// The certificate, in PEM.
    pub fn certificate(&self) -> PathBuf {
        self.path("certificate.pem")
    }

    /// Its key, in PEM.
    pub fn key(&self) -> PathBuf {
        self.path("key.pem")
    }

    /// Both in one file, as HAProxy wants them.
    pub fn with_key(&self) -> PathBuf {
        let text = |path: &Path| std::fs::read_to_string(path).expect("made");
        let path = self.path("both.pem");
        std::fs::write(&path, text(&self.certificate()) + &text(&self.key())).expect("written");
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A connection from an address of this machine, encrypted on its way to `to`, which must have this certificate.
    pub fn connect(&self, from: Ipv4Addr, to: SocketAddr) -> TcpStream {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let ours = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        let (theirs, _) = listener.accept().expect("we have connected");
        let output = OwnedFd::from(theirs.try_clone().expect("a descriptor"));
        let tunnel = Command::new("openssl")
            .args([
                "s_client",
                "-quiet",
                "-verify_return_error",
                "-verify_hostname",
                NAME,
                "-servername",
                NAME,
            ])
            .args([
                "-alpn",
                "http/1.1",
                "-bind",
                &format!("{from}:0"),
                "-connect",
                &to.to_string(),
            ])
            .arg("-CAfile")
            .arg(self.certificate())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(output))
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl in PATH");
        self.tunnels.lock().expect("no panic").push(tunnel);
        ours
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        for tunnel in self.tunnels.get_mut().expect("no panic") {
            // Both fail when it has ended and been waited for.
            let _ = tunnel.kill();
            let _ = tunnel.wait();
        }
    }
}
