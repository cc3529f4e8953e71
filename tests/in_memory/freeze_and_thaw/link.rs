//! A client's link in the rig: what arrived and is not served, and what opens and seals, archived between any two uses.

use signal_fish_relay::net::conversation::Wire;
use signal_fish_relay::net::tls::{FrozenRecords, Records};
use signal_fish_relay::net::websocket::Inbound;

/// A client's link, which is its own record.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Link {
    pub(super) client: usize,
    pub(super) inbound: Inbound,
    /// Always as it is archived: it is taken out for each use.
    pub(super) sealed: Option<FrozenRecords>,
}

impl Link {
    /// What is in what has come. `None`: it is not sealed.
    pub(super) fn open(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.with_records(|records| opened(records, bytes))
    }

    /// What goes on the wire. `None`: it is not sealed.
    pub(super) fn seal(&mut self, plain: &[u8]) -> Option<Vec<u8>> {
        self.with_records(|records| sealed(records, plain))
    }

    fn with_records<T>(&mut self, work: impl FnOnce(&mut Records) -> T) -> Option<T> {
        let mut records = Records::thaw(self.sealed.take()?);
        let done = work(&mut records);
        self.sealed = Some(records.freeze());
        Some(done)
    }
}

impl Wire for Link {
    fn inbound(&mut self) -> &mut Inbound {
        &mut self.inbound
    }
}

fn opened(records: &mut Records, bytes: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0; records.carried()];
    buffer.extend_from_slice(bytes);
    records.uncarry(&mut buffer);
    let count = records.open(&mut buffer).expect("authentic");
    buffer.truncate(count);
    buffer
}

fn sealed(records: &mut Records, mut plain: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    while !plain.is_empty() {
        let count = records.seal(plain, &mut wire).expect("keys are good");
        plain = &plain[count..];
    }
    wire
}
