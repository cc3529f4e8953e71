//! TLS in front of a server that speaks none: what a proxy does, and what it does wrong.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};

use crate::authority::{Authority, Identity};

/// How a connection ends that has carried so many bytes to the client.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending {
    /// It does not.
    Never,
    /// In the middle of a record.
    WithinRecord { after_bytes: usize },
    /// Between two records, without close_notify.
    WithoutNotice { after_bytes: usize },
    /// It does not, but one record takes [`DRIPS`] times [`DRIP_INTERVAL`].
    Drips { after_bytes: usize },
}

/// In so many pieces a record drips.
pub(crate) const DRIPS: u32 = 15;
/// So long a piece of it is waited for.
pub(crate) const DRIP_INTERVAL: Duration = Duration::from_millis(200);

/// Serves TLS on a free port until the test process ends. With `clients` it asks for certificates that were signed there.
pub(crate) fn start(
    identity: &Identity,
    clients: Option<&Authority>,
    behind: SocketAddr,
    ending: Ending,
) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions that the provider has");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let root = CertificateDer::from_pem_file(authority.file.path()).expect("a certificate");
            roots.add(root).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
    };
    let chain = vec![CertificateDer::from_pem_file(identity.certificate.path()).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(identity.key.path()).expect("a key");
    let config = Arc::new(builder.with_single_cert(chain, key).expect("a key that fits"));

    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the port's address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let pair = Pair {
                tls: Mutex::new(ServerConnection::new(Arc::clone(&config)).expect("a session")),
                outside: stream.expect("a connection"),
                behind,
                ending,
            };
            std::thread::spawn(move || pair.serve());
        }
    });
    address
}

/// One connection and the one behind it.
struct Pair {
    tls: Mutex<ServerConnection>,
    outside: TcpStream,
    behind: SocketAddr,
    ending: Ending,
}

impl Pair {
    fn tls(&self) -> MutexGuard<'_, ServerConnection> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let mut early = Vec::new();
        while self.tls().is_handshaking() {
            match self.read_records() {
                Some(plain) => early.extend(plain),
                None => return,
            }
        }
        let mut inside = TcpStream::connect(self.behind).expect("the server behind");
        inside.write_all(&early).expect("a new connection");
        std::thread::scope(|scope| {
            scope.spawn(|| self.carry_out(&inside));
            self.carry_in(&inside);
            let _ = inside.shutdown(Shutdown::Both);
        });
    }

    /// Reads what has come and answers what TLS has to answer; `None` at the end.
    fn read_records(&self) -> Option<Vec<u8>> {
        let mut bytes = [0; 16 * 1024];
        // Not under the lock: the other direction goes on meanwhile.
        let read = (&self.outside).read(&mut bytes).ok().filter(|&read| read > 0)?;
        let mut tls = self.tls();
        let mut rest = &bytes[..read];
        let mut plain = Vec::new();
        while !rest.is_empty() {
            tls.read_tls(&mut rest).ok()?;
            let processed = tls.process_new_packets();
            while tls.wants_write() {
                tls.write_tls(&mut &self.outside).ok()?;
            }
            processed.ok()?;
            match tls.reader().read_to_end(&mut plain) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // close_notify
                _ => return None,
            }
        }
        Some(plain)
    }

    fn carry_in(&self, mut inside: &TcpStream) {
        while let Some(plain) = self.read_records() {
            if inside.write_all(&plain).is_err() {
                return;
            }
        }
    }

    fn carry_out(&self, mut inside: &TcpStream) {
        let mut plain = [0; 4096];
        let (mut carried_bytes, mut drips) = (0, DRIPS);
        while let Ok(read @ 1..) = inside.read(&mut plain) {
            let mut sealed = Vec::new();
            let mut tls = self.tls();
            tls.writer().write_all(&plain[..read]).expect("room in the session");
            while tls.wants_write() {
                tls.write_tls(&mut sealed).expect("room in memory");
            }
            drop(tls);
            carried_bytes += read;
            if matches!(self.ending, Ending::Drips { after_bytes } if carried_bytes > after_bytes) {
                while drips > 1 {
                    let rest = sealed.split_off(sealed.len() / drips as usize);
                    if (&self.outside).write_all(&sealed).is_err() {
                        return;
                    }
                    std::thread::sleep(DRIP_INTERVAL);
                    (sealed, drips) = (rest, drips - 1);
                }
            }
            let sent_bytes = match self.ending {
                Ending::WithinRecord { after_bytes } if carried_bytes > after_bytes => sealed.len() / 2,
                _ => sealed.len(),
            };
            let written = (&self.outside).write_all(&sealed[..sent_bytes]);
            let over = match self.ending {
                Ending::Never | Ending::Drips { .. } => false,
                Ending::WithinRecord { after_bytes } | Ending::WithoutNotice { after_bytes } => {
                    carried_bytes > after_bytes
                }
            };
            if written.is_err() || over {
                let _ = self.outside.shutdown(Shutdown::Write);
                return;
            }
        }
        let mut tls = self.tls();
        tls.send_close_notify();
        let _ = tls.write_tls(&mut &self.outside);
        let _ = self.outside.shutdown(Shutdown::Write);
    }
}
