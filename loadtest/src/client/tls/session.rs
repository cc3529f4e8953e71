//! One TLS session: what comes from the socket is opened, what is to go there is sealed.
//!
//! Holds the start of a record that has not arrived completely, and sealed bytes that wait to be sent. Many frames that
//! wait together leave in one record.

use rustls::client::UnbufferedClientConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{Error, HandshakeKind, ProtocolVersion};

use crate::client::outbox::Outbox;
use crate::client::tls::words;

/// What the seal of a record, and splitting a large message into records, adds at most to so few bytes.
const SEAL_BYTES: usize = 64;
const RECORD_BYTES: usize = 16 * 1024;

/// What both sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// Version and cipher suite.
    pub(crate) suite: String,
    /// Without a handshake in full, by what an earlier session left behind.
    pub(crate) resumed: bool,
}

/// A session of one connection.
pub(crate) struct Session {
    tls: UnbufferedClientConnection,
    /// Records that are not complete.
    incoming: Vec<u8>,
    /// Sealed, and not yet sent.
    pub(in crate::client) wire: Outbox,
    /// The server has said that nothing more comes.
    ended: bool,
}

impl Session {
    /// A session whose opening words wait behind `preamble`, which goes in the clear.
    pub(super) fn new(tls: UnbufferedClientConnection, preamble: &[u8]) -> Result<Self, Error> {
        let mut session = Self {
            tls,
            incoming: Vec::new(),
            wire: Outbox::default(),
            ended: false,
        };
        session.wire.bytes().extend_from_slice(preamble);
        session.advance(&mut |_| {})?;
        Ok(session)
    }

    /// What was agreed on; `None` while the handshake is under way.
    pub(crate) fn agreed(&self) -> Option<Agreed> {
        let suite = self
            .tls
            .negotiated_cipher_suite()
            .filter(|_| !self.tls.is_handshaking())?;
        let version = match self.tls.protocol_version()? {
            ProtocolVersion::TLSv1_3 => "TLS 1.3",
            _ => "TLS 1.2",
        };
        // As the registry of suites spells them; the library has a prefix of its own for those of TLS 1.3.
        let suite = format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
        Some(Agreed {
            suite: format!("{version} {suite}"),
            resumed: self.tls.handshake_kind() == Some(HandshakeKind::Resumed),
        })
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Opens what has come and hands it over, record by record; what goes wrong is told in words, and nothing more can be
    /// done with the session.
    pub(in crate::client) fn take(&mut self, bytes: &[u8], mut open: impl FnMut(&[u8])) -> Result<(), String> {
        self.incoming.extend_from_slice(bytes);
        self.advance(&mut open)
            .map_err(|error| words::of(&error, &self.incoming))
    }

    /// Seals everything that waits in `plain`, once the handshake is over.
    pub(in crate::client) fn seal(&mut self, plain: &mut Outbox) -> Result<(), String> {
        if plain.is_empty() || self.tls.is_handshaking() {
            return Ok(());
        }
        // What the library wants to say of its own accord, like new keys, goes first.
        self.advance(&mut |_| {})
            .map_err(|error| words::of(&error, &self.incoming))?;
        match self.tls.process_tls_records(&mut self.incoming).state {
            Ok(ConnectionState::WriteTraffic(mut writer)) => {
                let unsealed = plain.unsent();
                let room = unsealed.len() + SEAL_BYTES * (1 + unsealed.len() / RECORD_BYTES);
                append(self.wire.bytes(), room, |free| match writer.encrypt(unsealed, free) {
                    Ok(length) => Ok(length),
                    Err(EncryptError::InsufficientSize(missing)) => Err(Some(missing.required_size)),
                    Err(EncryptError::EncryptExhausted) => Err(None),
                })
                .map_err(|()| "TLS: the keys of this connection are used up".to_owned())?;
                plain.clear();
                Ok(())
            }
            Ok(_) => Err("TLS: the session is over".to_owned()),
            Err(error) => Err(words::of(&error, &self.incoming)),
        }
    }

    /// Says that nothing more comes from us.
    pub(in crate::client) fn leave(&mut self) {
        if let Ok(ConnectionState::WriteTraffic(mut writer)) = self.tls.process_tls_records(&mut self.incoming).state {
            // A session that cannot say good-bye ends without.
            let _ = append(self.wire.bytes(), SEAL_BYTES, |free| {
                writer.queue_close_notify(free).map_err(|_| None)
            });
        }
    }

    /// How the end of the stream looks from here.
    pub(in crate::client) fn end_in_words(&self) -> &'static str {
        if self.tls.is_handshaking() {
            "the server ended the stream during the TLS handshake"
        } else if !self.incoming.is_empty() {
            "the server ended the stream in the middle of a TLS record"
        } else if self.ended {
            "the server ended the stream without a close frame"
        } else {
            "the server ended the stream without a close frame, and TLS without close_notify"
        }
    }

    /// Goes on until the other side has to say something.
    fn advance(&mut self, open: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        let mut at = 0;
        let result = loop {
            let UnbufferedStatus { discard, state } = self.tls.process_tls_records(&mut self.incoming[at..]);
            let mut blocked = false;
            let step = match state {
                Ok(ConnectionState::ReadTraffic(mut records)) => {
                    let mut step = Ok(());
                    while let Some(record) = records.next_record() {
                        match record {
                            Ok(record) => {
                                at += record.discard;
                                open(record.payload);
                            }
                            Err(error) => step = Err(error),
                        }
                    }
                    step
                }
                Ok(ConnectionState::EncodeTlsData(mut words)) => {
                    let encoded = append(self.wire.bytes(), SEAL_BYTES, |free| match words.encode(free) {
                        Ok(length) => Ok(length),
                        Err(EncodeError::InsufficientSize(missing)) => Err(Some(missing.required_size)),
                        Err(EncodeError::AlreadyEncoded) => Err(None),
                    });
                    encoded.map_err(|()| Error::General("words were encoded twice".to_owned()))
                }
                Ok(ConnectionState::TransmitTlsData(words)) => {
                    // They wait in `wire` and leave with the next send.
                    words.done();
                    Ok(())
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.ended = true;
                    Ok(())
                }
                // WriteTraffic, BlockedHandshake, Closed: nothing more to be done with what is here.
                Ok(_) => {
                    blocked = true;
                    Ok(())
                }
                Err(error) => Err(error),
            };
            at += discard;
            if step.is_err() || blocked {
                break step;
            }
        };
        if result.is_ok() {
            self.incoming.drain(..at);
        }
        result
    }
}

/// Appends what `write` puts into free space, of which it may ask for more by `Err(Some(size))`.
fn append(
    out: &mut Vec<u8>,
    room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> Result<(), ()> {
    let start = out.len();
    let mut room = room;
    loop {
        out.resize(start + room, 0);
        match write(&mut out[start..]) {
            Ok(length) => {
                out.truncate(start + length);
                return Ok(());
            }
            Err(Some(size)) if size > room => room = size,
            Err(_) => {
                out.truncate(start);
                return Err(());
            }
        }
    }
}
