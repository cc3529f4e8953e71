//! TLS in memory: the library's end for a client, and the server's own for the shards.
//!
//! The handshake is over before the run begins; what is played is everything after it, with the server's own records.

use std::fmt;
use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::client::UnbufferedClientConnection;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use rustls::{ClientConfig, RootCertStore};
use signal_fish_relay::net::tls::{Acceptor, Certificate, Greeter, Handshake, Progress, Records, Terms, tickets};

const NAME: &str = "relay.example";

/// Room that sealing needs beside what is sealed.
const SEAL_BYTES: usize = 1_024;

struct Authority {
    greeter: Greeter,
    config: Arc<ClientConfig>,
}

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![NAME.to_owned()]).expect("a name");
    let chain = vec![params.signed_by(&key, &issuer).expect("a certificate").der().clone()];
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let certificate = Certificate::new(chain, key).expect("a pair");
    let terms = Terms::new(vec![certificate], None, tickets().expect("randomness")).expect("terms");
    let mut roots = RootCertStore::empty();
    roots.add(issuer.der().clone()).expect("an authority");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Authority {
        greeter: Greeter::new(Acceptor::new(terms)),
        config: Arc::new(config),
    }
});

/// A client's end.
pub struct TlsEnd {
    tls: UnbufferedClientConnection,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
}

impl TlsEnd {
    /// A client's end and the server's, after their handshake.
    pub fn pair() -> (Self, Box<Records>) {
        let name = ServerName::try_from(NAME).expect("a name");
        let tls = UnbufferedClientConnection::new(Arc::clone(&AUTHORITY.config), name).expect("a client");
        let mut client = Self {
            tls,
            incoming: Vec::new(),
            outgoing: Vec::new(),
        };
        let mut handshake: Handshake = AUTHORITY.greeter.clone().greet().expect("randomness");
        client.open(&[]);
        loop {
            let mut answer = Vec::new();
            let words = std::mem::take(&mut client.outgoing);
            let progress = handshake.read(&words, &mut answer);
            client.open(&answer);
            match progress {
                Progress::Goes(next) => handshake = next,
                Progress::Done(secured) => return (client, secured.records),
                Progress::Refused(why) => panic!("no connection: {why}"),
            }
        }
    }

    /// Takes what has come, and returns what is in it.
    pub fn open(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.incoming.extend_from_slice(bytes);
        let (mut at, mut opened) = (0, Vec::new());
        loop {
            let UnbufferedStatus { mut discard, state } = self.tls.process_tls_records(&mut self.incoming[at..]);
            let mut is_blocked = false;
            match state.expect("the server's records are authentic, each once and in order") {
                ConnectionState::ReadTraffic(mut records) => {
                    while let Some(record) = records.next_record() {
                        let record = record.expect("authentic");
                        discard += record.discard;
                        opened.extend_from_slice(record.payload);
                    }
                }
                ConnectionState::EncodeTlsData(mut words) => {
                    let mut free = vec![0; 8 * 1024];
                    let count = words.encode(&mut free).expect("room enough");
                    self.outgoing.extend_from_slice(&free[..count]);
                }
                ConnectionState::TransmitTlsData(words) => words.done(),
                ConnectionState::PeerClosed => {}
                _ => is_blocked = true,
            }
            at += discard;
            if is_blocked {
                self.incoming.drain(..at);
                return opened;
            }
        }
    }

    /// What goes on the wire for `plain`; now and then behind a renewal of keys, which the server has to follow.
    pub fn seal(&mut self, plain: &[u8], renews_keys: bool) -> Vec<u8> {
        let mut sealed = Vec::new();
        if renews_keys {
            self.with_writer(|writer| writer.refresh_traffic_keys().expect("version 1.3"));
            self.open(&[]);
            sealed = std::mem::take(&mut self.outgoing);
        }
        let mut free = vec![0; plain.len() + SEAL_BYTES];
        self.with_writer(|mut writer| {
            let count = writer.encrypt(plain, &mut free).expect("room enough");
            free.truncate(count);
        });
        sealed.extend(free);
        sealed
    }

    fn with_writer(
        &mut self,
        write: impl FnOnce(rustls::unbuffered::WriteTraffic<'_, rustls::client::ClientConnectionData>),
    ) {
        match self.tls.process_tls_records(&mut []).state.expect("no fault") {
            ConnectionState::WriteTraffic(writer) => write(writer),
            other => panic!("nothing can be sealed: {other:?}"),
        }
    }
}

impl fmt::Debug for TlsEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsEnd").finish_non_exhaustive()
    }
}
