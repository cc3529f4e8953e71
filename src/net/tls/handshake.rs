//! A TLS handshake: bytes in, bytes out, until it is over one way or the other.
//!
//! Owns what has come and was not used yet, and the library's state. Promises that what it holds is bounded, and that whoever
//! resumes an earlier connection with a certificate is checked as if it had shown it now. Must never touch a socket.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::UnbufferedServerConnection;
use rustls::server::danger::ClientCertVerifier;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{AlertDescription, Error, HandshakeKind};

use super::fault::{CERTIFICATE_REQUIRED, HANDSHAKE_FAILURE, ONLY_TLS_HERE, TOO_OLD};
use super::records::Records;
use super::terms::Terms;
use crate::protocol::CertificateFingerprint;

/// The most that may have come and not be used: a certificate chain that is longer than any in use.
const MAX_UNUSED_BYTES: usize = 32 * 1024;

/// The most that may come in the clear behind a handshake before it is looked at: what the peer sent with its last words.
const MAX_EARLY_BYTES: usize = 64 * 1024;

/// What a client without TLS hears, if it speaks HTTP.
const USE_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 69\r\nConnection: close\r\n\r\n\
    this port speaks TLS only: use wss:// (or https://) instead of ws://\n";

/// Where a peer's first words name a version: behind the header of the record and that of the message.
const VERSION_AT: usize = 5 + 4;

const TLS_1_2: [u8; 2] = [3, 3];

/// A handshake that is not over.
pub struct Handshake {
    tls: Box<UnbufferedServerConnection>,
    /// Checks client certificates again; `None`: none are asked for.
    clients: Option<Arc<dyn ClientCertVerifier>>,
    /// What has come and is not used.
    unused: Vec<u8>,
    /// What came encrypted behind the peer's last words.
    early: Vec<u8>,
    has_begun: bool,
    /// The version that the peer names first.
    newest_version: Option<[u8; 2]>,
    /// Whether the peer has said that no more comes.
    is_over: bool,
}

/// What became of a handshake.
#[derive(Debug)]
pub enum Progress {
    /// The peer has to say more.
    Goes(Handshake),
    /// It is over; what follows is sealed.
    Done(Secured),
    /// There is no connection. What is to be sent says why.
    Refused(Refusal),
}

/// What a handshake led to.
#[derive(Debug)]
pub struct Secured {
    /// What opens and seals.
    pub records: Box<Records>,
    /// What the peer said behind its last words, opened.
    pub early: Vec<u8>,
    /// The certificate that the peer has shown.
    pub fingerprint: Option<CertificateFingerprint>,
    /// Whether an earlier connection was resumed.
    pub resumed: bool,
}

/// Why a handshake failed.
#[derive(Debug)]
pub enum Refusal {
    /// The peer speaks HTTP in the clear.
    Plain,
    /// The peer speaks nothing that is still safe.
    TooOld,
    /// The library's reason.
    Tls(Error),
    /// The peer says too much at once.
    TooLong,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("this port speaks TLS, and the peer does not"),
            Self::TooOld => f.write_str("the peer speaks no TLS newer than 1.1"),
            Self::Tls(error) => write!(f, "{error}"),
            Self::TooLong => f.write_str("the peer says too much at once"),
        }
    }
}

impl Handshake {
    /// A handshake on the terms of this moment.
    ///
    /// # Errors
    ///
    /// When the library has no randomness.
    pub fn new(terms: &Terms) -> Result<Self, Error> {
        Ok(Self {
            tls: Box::new(UnbufferedServerConnection::new(Arc::clone(&terms.config))?),
            clients: terms.clients.clone(),
            unused: Vec::new(),
            early: Vec::new(),
            has_begun: false,
            newest_version: None,
            is_over: false,
        })
    }

    /// Takes what has come, and appends to `out` what is to be sent.
    pub fn read(mut self, bytes: &[u8], out: &mut Vec<u8>) -> Progress {
        if let (false, Some(first)) = (self.has_begun, bytes.first()) {
            self.has_begun = true;
            if *first != 22 {
                let is_http = first.is_ascii_uppercase();
                out.extend_from_slice(if is_http { USE_TLS } else { &ONLY_TLS_HERE });
                return Progress::Refused(Refusal::Plain);
            }
        }
        self.unused.extend_from_slice(bytes);
        self.newest_version = self.newest_version.or_else(|| offered_version(&self.unused));
        match self.advance(out) {
            Ok(true) => self.finish(out),
            Ok(false) if self.unused.len() > MAX_UNUSED_BYTES => Progress::Refused(Refusal::TooLong),
            Ok(false) => Progress::Goes(self),
            // The library finds other reasons before this one.
            Err(_) if self.newest_version.is_some_and(|newest| newest < TLS_1_2) => {
                out.extend_from_slice(&TOO_OLD);
                Progress::Refused(Refusal::TooOld)
            }
            Err(error) => {
                self.say_why(out);
                Progress::Refused(Refusal::Tls(error))
            }
        }
    }

    /// Goes on until the peer has to say something. `true`: it is over.
    fn advance(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        let mut at = 0;
        let result = loop {
            let UnbufferedStatus { discard, state } = self.tls.process_tls_records(&mut self.unused[at..]);
            let step = match state {
                Ok(ConnectionState::EncodeTlsData(mut words)) => encode(out, |free| words.encode(free)).map(|()| None),
                Ok(ConnectionState::TransmitTlsData(words)) => {
                    words.done();
                    Ok(None)
                }
                Ok(ConnectionState::ReadTraffic(mut records)) => {
                    let mut step = Ok(None);
                    while let Some(record) = records.next_record() {
                        match record {
                            Ok(record) => {
                                at += record.discard;
                                self.early.extend_from_slice(record.payload);
                            }
                            Err(error) => step = Err(error),
                        }
                    }
                    if self.early.len() > MAX_EARLY_BYTES {
                        step = Err(Error::General("too much at once".to_owned()));
                    }
                    step
                }
                Ok(ConnectionState::WriteTraffic(_)) => Ok(Some(true)),
                Ok(ConnectionState::PeerClosed) => {
                    self.is_over = true;
                    Ok(None)
                }
                Ok(_) => Ok(Some(false)),
                Err(error) => Err(error),
            };
            at += discard;
            match step {
                Ok(None) => {}
                Ok(Some(is_over)) => break Ok(is_over && !self.tls.is_handshaking()),
                Err(error) => break Err(error),
            }
        };
        self.unused.drain(..at.min(self.unused.len()));
        result
    }

    fn finish(self, out: &mut Vec<u8>) -> Progress {
        let leaf = self.tls.peer_certificates().and_then(<[_]>::first);
        let fingerprint = leaf.map(|leaf| CertificateFingerprint::of(leaf));
        let judged = self.check_again();
        let resumed = self.tls.handshake_kind() == Some(HandshakeKind::Resumed);
        let Self {
            tls,
            unused,
            early,
            is_over,
            ..
        } = self;
        let version = tls.protocol_version();
        let made = tls.dangerous_into_kernel_connection().and_then(|(secrets, renewal)| {
            version
                .and_then(|version| Records::new(version, &secrets, renewal))
                .ok_or_else(|| Error::General("a cipher that is not offered was agreed on".to_owned()))
        });
        let mut records = match made {
            Ok(records) => Box::new(records),
            Err(error) => return Progress::Refused(Refusal::Tls(error)),
        };
        if let Err(error) = judged {
            records.seal_alert(alert_of(&error), out);
            return Progress::Refused(Refusal::Tls(error));
        }
        records.go_on(unused, is_over);
        Progress::Done(Secured {
            records,
            early,
            fingerprint,
            resumed,
        })
    }

    /// Checks the certificate of a peer that resumes: it may have expired since, or nobody may trust it any more.
    fn check_again(&self) -> Result<(), Error> {
        if let (Some(clients), Some(HandshakeKind::Resumed), Some([leaf, rest @ ..])) =
            (&self.clients, self.tls.handshake_kind(), self.tls.peer_certificates())
        {
            let rest: &[CertificateDer<'_>] = rest;
            clients.verify_client_cert(leaf, rest, UnixTime::now())?;
        }
        Ok(())
    }

    /// Appends the alert that the library has made of an error.
    fn say_why(&mut self, out: &mut Vec<u8>) {
        // Not once more after its last word: it would look at the same bytes again.
        while let Ok(ConnectionState::EncodeTlsData(mut words)) = self.tls.process_tls_records(&mut self.unused).state {
            let start = out.len();
            if encode(out, |free| words.encode(free)).is_err() {
                return;
            }
            if is_alert(&out[start..]) {
                return use_the_words_of_1_2(&mut out[start..]);
            }
        }
    }
}

/// What a peer is told whose certificate is not believed.
fn alert_of(error: &Error) -> u8 {
    match error {
        Error::InvalidCertificate(why) => AlertDescription::from(why.clone()).into(),
        _ => HANDSHAKE_FAILURE,
    }
}

/// Whether a record holds an alert. Sealed, nothing else is as short: two bytes, their type, and the seal.
const fn is_alert(record: &[u8]) -> bool {
    matches!(record, [21, ..]) || (matches!(record, [23, ..]) && record.len() == 5 + 2 + 1 + 16)
}

/// Has an alert in the clear say what TLS 1.2 has for it: there is none of its own for a certificate that is missing (RFC 5246,
/// section 7.4.6), and the library takes that of TLS 1.3, where it is sealed.
fn use_the_words_of_1_2(record: &mut [u8]) {
    if let [21, .., description @ CERTIFICATE_REQUIRED] = record {
        *description = HANDSHAKE_FAILURE;
    }
}

/// The version that a peer's first words name, once they have come. Whoever speaks TLS 1.3 names 1.2 there.
fn offered_version(words: &[u8]) -> Option<[u8; 2]> {
    words.get(VERSION_AT..VERSION_AT + 2)?.try_into().ok()
}

/// Appends what `write` puts into free space.
fn encode(out: &mut Vec<u8>, mut write: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) -> Result<(), Error> {
    let start = out.len();
    let mut room = 1_024;
    loop {
        out.resize(start + room, 0);
        match write(&mut out[start..]) {
            Ok(length) => {
                out.truncate(start + length);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(missing)) if missing.required_size > room => room = missing.required_size,
            Err(error) => {
                out.truncate(start);
                return Err(Error::General(error.to_string()));
            }
        }
    }
}

/// What has come may be secret, and the library's state is.
impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("unused_bytes", &self.unused.len())
            .field("early_bytes", &self.early.len())
            .finish_non_exhaustive()
    }
}
