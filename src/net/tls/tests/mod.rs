//! TLS without sockets: our end against the library's, byte for byte.

mod certificates;
mod handshakes;
mod outgoing;
mod records;

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use rustls::{ClientConfig, Error, RootCertStore, SupportedCipherSuite, SupportedProtocolVersion, version};

use super::{Certificate, ClientRule, Handshake, Progress, Refusal, Secured, Terms, tickets};

const NAME: &str = "relay.example";

pub(super) static V1_2: [&SupportedProtocolVersion; 1] = [&version::TLS12];
pub(super) static V1_3: [&SupportedProtocolVersion; 1] = [&version::TLS13];
static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

/// Signs certificates.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub(super) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Authority {
    pub(super) fn new() -> Self {
        Self::called("one")
    }

    pub(super) fn called(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    pub(super) fn certificate(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub(super) fn sign(&self, names: &[&str]) -> Identity {
        self.sign_until(names, 2_100)
    }

    /// A certificate that ends with the begin of a year.
    pub(super) fn sign_until(&self, names: &[&str], year: i32) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        (vec![certificate.der().clone()], key)
    }
}

pub(super) fn certificate((chain, key): Identity) -> Certificate {
    Certificate::new(chain, key).expect("a pair")
}

pub(super) fn terms(authority: &Authority, clients: Option<ClientRule>) -> Terms {
    let certificate = certificate(authority.sign(&[NAME]));
    Terms::new(vec![certificate], clients, tickets().expect("randomness")).expect("terms")
}

/// Who connects.
pub(super) struct ClientSetup {
    pub(super) versions: &'static [&'static SupportedProtocolVersion],
    pub(super) suite: Option<SupportedCipherSuite>,
    pub(super) identity: Option<Identity>,
    pub(super) protocols: Vec<Vec<u8>>,
}

impl Default for ClientSetup {
    fn default() -> Self {
        Self {
            versions: &BOTH,
            suite: None,
            identity: None,
            protocols: vec![b"http/1.1".to_vec()],
        }
    }
}

impl ClientSetup {
    pub(super) fn config(self, authority: &Authority) -> ClientConfig {
        let mut provider = ring::default_provider();
        if let Some(suite) = self.suite {
            provider.cipher_suites = vec![suite];
        }
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate()).expect("an authority");
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(self.versions)
            .expect("versions of the suite")
            .with_root_certificates(roots);
        let mut config = match self.identity {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).expect("a pair"),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.protocols;
        config.enable_secret_extraction = true;
        config.resumption = Resumption::in_memory_sessions(4);
        config
    }
}

/// The library's end.
pub(super) struct Client {
    pub(super) tls: UnbufferedClientConnection,
    incoming: Vec<u8>,
    /// To be sent.
    pub(super) outgoing: Vec<u8>,
    /// What came, opened.
    pub(super) opened: Vec<u8>,
    /// Whether the other end has said that no more comes.
    pub(super) saw_end: bool,
}

impl Client {
    pub(super) fn new(config: &Arc<ClientConfig>) -> Self {
        Self::asking_for(config, NAME)
    }

    pub(super) fn asking_for(config: &Arc<ClientConfig>, name: &str) -> Self {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let tls = UnbufferedClientConnection::new(Arc::clone(config), name).expect("a client");
        let mut client = Self {
            tls,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            opened: Vec::new(),
            saw_end: false,
        };
        client.take(&[]).expect("its first words");
        client
    }

    /// Takes what has come.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.incoming.extend_from_slice(bytes);
        let mut at = 0;
        loop {
            let UnbufferedStatus { mut discard, state } = self.tls.process_tls_records(&mut self.incoming[at..]);
            let mut is_blocked = false;
            let state = match state {
                Ok(state) => state,
                Err(error) => {
                    self.incoming.drain(..at + discard);
                    return Err(error);
                }
            };
            match state {
                ConnectionState::ReadTraffic(mut records) => {
                    while let Some(record) = records.next_record() {
                        let record = record?;
                        discard += record.discard;
                        self.opened.extend_from_slice(record.payload);
                    }
                }
                ConnectionState::EncodeTlsData(mut words) => {
                    let mut free = vec![0; 8 * 1024];
                    let count = words.encode(&mut free).expect("room enough");
                    self.outgoing.extend_from_slice(&free[..count]);
                }
                ConnectionState::TransmitTlsData(words) => words.done(),
                ConnectionState::PeerClosed => self.saw_end = true,
                _ => is_blocked = true,
            }
            at += discard;
            if is_blocked {
                self.incoming.drain(..at);
                return Ok(());
            }
        }
    }

    fn say_why(&mut self) {
        if let Ok(ConnectionState::EncodeTlsData(mut words)) = self.tls.process_tls_records(&mut self.incoming).state {
            self.outgoing.resize(64, 0);
            let count = words.encode(&mut self.outgoing).expect("room enough");
            self.outgoing.truncate(count);
        }
    }

    /// Seals `plain`, for which the handshake has to be over.
    pub(super) fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        self.write(|mut writer, free| writer.encrypt(plain, free).expect("room enough"))
    }

    pub(super) fn end(&mut self) -> Vec<u8> {
        self.write(|mut writer, free| writer.queue_close_notify(free).expect("room enough"))
    }

    /// Has new keys made, and asks for the same.
    pub(super) fn renew_keys(&mut self) -> Vec<u8> {
        self.write(|writer, _| {
            writer.refresh_traffic_keys().expect("version 1.3");
            0
        });
        self.take(&[]).expect("nothing came");
        std::mem::take(&mut self.outgoing)
    }

    fn write(
        &mut self,
        write: impl FnOnce(rustls::unbuffered::WriteTraffic<'_, rustls::client::ClientConnectionData>, &mut [u8]) -> usize,
    ) -> Vec<u8> {
        let mut free = vec![0; 256 * 1024];
        match self.tls.process_tls_records(&mut []).state.expect("no fault") {
            ConnectionState::WriteTraffic(writer) => {
                let count = write(writer, &mut free);
                free.truncate(count);
                free
            }
            other => panic!("the handshake is not over: {other:?}"),
        }
    }
}

/// How a handshake ended at our end.
#[derive(Debug)]
pub(super) enum Ended {
    Done(Secured),
    Refused(Refusal),
}

/// Plays a handshake to its end, with pieces of so many bytes towards us. Returns what the client has
/// found wrong, too.
pub(super) fn shake_hands(terms: &Terms, client: &mut Client, piece_bytes: usize) -> (Ended, Result<(), Error>) {
    let mut under_way = Some(Handshake::new(terms).expect("randomness"));
    let mut said = Ok(());
    loop {
        let words = std::mem::take(&mut client.outgoing);
        assert!(!words.is_empty(), "both wait");
        let mut out = Vec::new();
        let mut pieces = words.chunks(piece_bytes).peekable();
        let ended = loop {
            let piece = pieces
                .next()
                .expect("the handshake ends with the last of them at the latest");
            let handshake = under_way.take().expect("it is not over");
            match handshake.read(piece, &mut out) {
                Progress::Goes(next) => under_way = Some(next),
                Progress::Done(secured) => break Some(Ended::Done(secured)),
                Progress::Refused(why) => break Some(Ended::Refused(why)),
            }
            if pieces.peek().is_none() {
                break None;
            }
        };
        if let Err(error) = client.take(&out) {
            said = Err(error);
            // Why, is for us to hear.
            client.say_why();
        }
        if let Some(ended) = ended {
            assert!(pieces.next().is_none(), "everything was used");
            return (ended, said);
        }
    }
}

pub(super) fn secured(terms: &Terms, client: &mut Client) -> Secured {
    match shake_hands(terms, client, usize::MAX) {
        (Ended::Done(secured), Ok(())) => secured,
        other => panic!("no connection: {other:?}"),
    }
}
