//! A TLS connection after its handshake: what comes is opened, what goes is sealed, record by record.
//!
//! Owns both directions, the start of a record that has not come completely, and what was sealed and not yet taken by the
//! socket. Promises that it can be archived at any time, and that what it holds is bounded: one record each way. Keys are
//! renewed when the peer asks, and when they are used up, as long as the handshake's own secrets are there; they are not
//! archived, so a connection that was taken over ends when its keys would have to change. Must never touch a socket.

use std::fmt;

use rustls::kernel::KernelConnection;
use rustls::server::ServerConnectionData;
use rustls::{ExtractedSecrets, ProtocolVersion};

use super::fault::{CLOSE_NOTIFY, FATAL, Fault, USER_CANCELED, WARNING};
use super::half::{Content, HEADER_BYTES, Half, MAX_PLAIN_BYTES, Material, OVERHEAD_BYTES, Version};

/// The most that may be in a record: RFC 5246, section 6.2.3, which allows more than RFC 8446.
const MAX_PAYLOAD_BYTES: usize = MAX_PLAIN_BYTES + 2_048;

/// Times that a peer may renew its keys, or say something that means nothing, between two reads that bring data. A renewal
/// costs microseconds, and asks for 26 bytes.
const MAX_RENEWALS_AT_ONCE: u8 = 8;

/// A handshake message that says that the sender has new keys, and whether it asks for the same.
const KEY_UPDATE: [u8; 4] = [24, 0, 0, 1];

/// A connection after its handshake.
pub struct Records {
    sealing: Half,
    opening: Half,
    /// Makes new keys. `None`: another process made the handshake.
    secrets: Option<Box<KernelConnection<ServerConnectionData>>>,
    /// A record that has not come completely.
    carry: Vec<u8>,
    /// Sealed, and not yet taken by the socket.
    tail: Vec<u8>,
    /// Whether the peer waits for new keys of ours.
    owes_keys: bool,
    /// Whether the peer has said that no more comes.
    is_over: bool,
    has_said_end: bool,
    renewals: u8,
}

/// What is archived of a connection. It holds keys, and whoever goes on with it must be the only one: two who seal with the
/// same numbers give the keys away. So it must never be kept for a second use.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct FrozenRecords {
    sealing: Material,
    opening: Material,
    carry: Vec<u8>,
    tail: Vec<u8>,
    is_over: bool,
}

impl Records {
    /// Goes on where a handshake ended. `None`: with a cipher that is not offered.
    pub(super) fn new(
        version: ProtocolVersion,
        secrets: &ExtractedSecrets,
        renewal: KernelConnection<ServerConnectionData>,
    ) -> Option<Self> {
        let version = Version::of(version)?;
        Some(Self::of(
            Half::new(version, &secrets.tx)?,
            Half::new(version, &secrets.rx)?,
            Some(Box::new(renewal)),
        ))
    }

    const fn of(sealing: Half, opening: Half, secrets: Option<Box<KernelConnection<ServerConnectionData>>>) -> Self {
        Self {
            sealing,
            opening,
            secrets,
            carry: Vec::new(),
            tail: Vec::new(),
            owes_keys: false,
            is_over: false,
            has_said_end: false,
            renewals: 0,
        }
    }

    /// Takes over what the handshake has not used.
    pub(super) fn go_on(&mut self, unused: Vec<u8>, is_over: bool) {
        self.carry = unused;
        self.is_over = is_over;
    }

    /// What is archived. A connection that owes its peer new keys ends with its next record there.
    #[must_use]
    pub fn freeze(self) -> FrozenRecords {
        FrozenRecords {
            sealing: self.sealing.freeze(),
            opening: self.opening.freeze(),
            carry: self.carry,
            tail: self.tail,
            is_over: self.is_over,
        }
    }

    /// Goes on with what was archived.
    #[must_use]
    pub fn thaw(frozen: FrozenRecords) -> Self {
        let FrozenRecords {
            sealing,
            opening,
            carry,
            tail,
            is_over,
        } = frozen;
        Self {
            carry,
            tail,
            is_over,
            ..Self::of(Half::thaw(sealing), Half::thaw(opening), None)
        }
    }

    /// Everything that it makes the process hold beside itself, at its true size.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.carry.capacity() + self.tail.capacity()
    }

    /// Whether the peer has said that no more comes.
    pub(crate) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// How many bytes have come of a record that has not come completely.
    #[must_use]
    pub const fn carried(&self) -> usize {
        self.carry.len()
    }

    /// Puts them at the front of `buffer`, behind which the rest was read.
    pub fn uncarry(&mut self, buffer: &mut [u8]) {
        if !self.carry.is_empty() {
            buffer[..self.carry.len()].copy_from_slice(&self.carry);
            self.carry = Vec::new();
        }
    }

    /// Opens the records that begin at the front of `buffer`, and moves what they hold to the front. Returns how many bytes
    /// that are; the start of a record at the end is kept.
    ///
    /// # Errors
    ///
    /// The first fault. What came before it is lost with the connection.
    pub fn open(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        let (mut at, mut opened) = (0, 0);
        while !self.is_over {
            let Some(record_bytes) = whole_record(&buffer[at..])? else {
                self.carry = buffer[at..].to_vec();
                break;
            };
            let (content, range) = self.opening.open(&mut buffer[at..at + record_bytes])?;
            let range = at + range.start..at + range.end;
            at += record_bytes;
            match content {
                Content::Data => {
                    let plain_bytes = range.len();
                    buffer.copy_within(range, opened);
                    opened += plain_bytes;
                }
                Content::Alert => self.hear_alert(&buffer[range])?,
                Content::Handshake => self.hear_handshake(&buffer[range])?,
            }
        }
        if opened > 0 {
            self.renewals = 0;
        }
        Ok(opened)
    }

    fn hear_alert(&mut self, alert: &[u8]) -> Result<(), Fault> {
        match *alert {
            [_, CLOSE_NOTIFY] => {
                self.is_over = true;
                Ok(())
            }
            [_, USER_CANCELED] => self.count_renewal(),
            [_, description] => Err(Fault::Alert(description)),
            _ => Err(Fault::Unexpected),
        }
    }

    /// The only message of a handshake that may still come is the one that renews keys; it never shares a record.
    fn hear_handshake(&mut self, message: &[u8]) -> Result<(), Fault> {
        let Some((kind, &[asks])) = message.split_at_checked(KEY_UPDATE.len()) else {
            return Err(Fault::Unexpected);
        };
        if kind != KEY_UPDATE || asks > 1 || self.opening.version() != Version::V1_3 {
            return Err(Fault::Unexpected);
        }
        self.count_renewal()?;
        let secrets = self.secrets.as_mut().ok_or(Fault::NotRenewable)?;
        let fresh = secrets.update_rx_secret().map_err(|_| Fault::NotRenewable)?;
        self.opening = Half::new(Version::V1_3, &fresh).ok_or(Fault::NotRenewable)?;
        self.owes_keys |= asks == 1;
        Ok(())
    }

    fn count_renewal(&mut self) -> Result<(), Fault> {
        self.renewals += 1;
        if self.renewals > MAX_RENEWALS_AT_ONCE {
            return Err(Fault::NotRenewable);
        }
        Ok(())
    }

    /// Appends to `out` a record with as much of `plain` as fits into one. Returns how much that is.
    ///
    /// # Errors
    ///
    /// When the keys are used up and there are no others.
    pub fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<usize, Fault> {
        if self.owes_keys || self.sealing.is_used_up() {
            self.renew(out)?;
        }
        let plain = &plain[..plain.len().min(MAX_PLAIN_BYTES)];
        out.reserve(plain.len() + OVERHEAD_BYTES);
        self.sealing.seal(Content::Data, plain, out);
        Ok(plain.len())
    }

    /// Tells the peer of new keys, and seals with them from now on.
    #[cold]
    fn renew(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let secrets = self.secrets.as_mut().ok_or(Fault::NotRenewable)?;
        let fresh = secrets.update_tx_secret().map_err(|_| Fault::NotRenewable)?;
        let fresh = Half::new(Version::V1_3, &fresh).ok_or(Fault::NotRenewable)?;
        let [kind, a, b, c] = KEY_UPDATE;
        self.sealing.seal(Content::Handshake, &[kind, a, b, c, 0], out);
        self.sealing = fresh;
        self.owes_keys = false;
        Ok(())
    }

    /// As if all records but the last of a key had been sealed.
    #[cfg(test)]
    pub(super) const fn skip_to_the_last_record(&mut self) {
        self.sealing.skip_to_the_last();
    }

    /// Whether the peer was told that no more comes, or why.
    pub(crate) const fn has_said_end(&self) -> bool {
        self.has_said_end
    }

    /// Appends to `out` what says that no more comes.
    pub(crate) fn seal_end(&mut self, out: &mut Vec<u8>) {
        self.has_said_end = true;
        self.sealing.seal(Content::Alert, &[WARNING, CLOSE_NOTIFY], out);
    }

    /// Appends to `out` what says why the connection ends.
    pub(crate) fn seal_fault(&mut self, fault: Fault, out: &mut Vec<u8>) {
        self.has_said_end = true;
        if let Some(alert) = fault.alert() {
            self.seal_alert(alert, out);
        }
    }

    /// Appends to `out` an alert after which there is no connection.
    pub(super) fn seal_alert(&mut self, description: u8, out: &mut Vec<u8>) {
        self.has_said_end = true;
        self.sealing.seal(Content::Alert, &[FATAL, description], out);
    }

    /// What was sealed and not yet taken by the socket.
    pub(crate) fn tail(&self) -> &[u8] {
        &self.tail
    }

    /// The same, to be sent.
    pub(crate) const fn tail_mut(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// Keeps what the socket did not take.
    pub(crate) fn keep(&mut self, unsent: &[u8]) {
        self.tail.extend_from_slice(unsent);
    }
}

/// How long the record is that `bytes` begin with. `None`: it has not come completely.
fn whole_record(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    let Some([_, major, _, high, low]) = bytes.first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    if *major != 3 {
        return Err(Fault::Unexpected);
    }
    let payload_bytes = usize::from(u16::from_be_bytes([*high, *low]));
    if payload_bytes > MAX_PAYLOAD_BYTES {
        return Err(Fault::TooLong);
    }
    let record_bytes = HEADER_BYTES + payload_bytes;
    Ok((bytes.len() >= record_bytes).then_some(record_bytes))
}

/// What it holds was said in confidence: only its measure is shown.
impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records")
            .field("sealing", &self.sealing)
            .field("opening", &self.opening)
            .field("carry_bytes", &self.carry.len())
            .field("tail_bytes", &self.tail.len())
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for FrozenRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrozenRecords").finish_non_exhaustive()
    }
}
