//! One connection's protocol life: its handshake, what it negotiated, and what it may still spend.
//!
//! Owns everything that follows a connection from shard to shard and outlives none of its rooms. Must never know sockets,
//! rooms' rules, or which shard it is on.

mod access;
mod access_check;
mod address;
mod checked;
mod handshake;
mod sdk;
mod versions;

pub use access::{AccessPolicy, AppPolicy, AppTerms, ConnectTokenPolicy};
pub use access_check::{AccessQuestion, CheckRules, Grant, NoVerdict, Verdict, Wish};
pub use address::ClientAddress;
pub use handshake::{Accepted, HandshakePolicy, HandshakeRefusal};
pub use sdk::{SdkRefusal, SdkTable};
pub use versions::VersionRange;

use uuid::Uuid;

use crate::auth::token_binding::{BindingTerms, NONCE_BYTES, TokenBinding};
use crate::budget::Allowance;
use crate::clock::{ClockChange, Moments};
use crate::protocol::{Abilities, AppId, CertificateFingerprint, Dialect, PlayerId, ProtocolVersion};

/// How a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The id that the answer to its upgrade and the log share.
    pub request_id: Uuid,
    /// Where the client comes from.
    pub address: ClientAddress,
    /// The version of the path that it asked for: what it speaks unless its handshake says otherwise.
    pub endpoint: ProtocolVersion,
    /// On what terms its frames are bound to its handshake, if it and the server agreed that they are.
    pub binding: Option<BindingTerms>,
    /// The certificate that its peer has shown.
    pub certificate: Option<CertificateFingerprint>,
}

/// How far a connection's handshake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub enum Stage {
    /// Nothing that counts has arrived; `Authenticate` is welcome.
    Fresh,
    /// The client went ahead without a handshake, which the open policy allows; it is too late for one now.
    Skipped,
    /// The handshake succeeded.
    Authenticated,
}

/// One connection's protocol state.
#[derive(Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Session {
    /// The id of the upgrade.
    request_id: [u8; 16],
    player: PlayerId,
    address: ClientAddress,
    opened_at_ms: u64,
    stage: Stage,
    dialect: Dialect,
    abilities: Abilities,
    /// Whether the client may send room requests under ids.
    has_operation_ids: bool,
    app: Option<AppId>,
    /// The epoch of the newest membership; 0 before the first.
    epoch: u32,
    /// What its frames must prove, if they must.
    binding: Option<Box<TokenBinding>>,
    /// What the game's backend has given to it.
    grant: Option<Box<Grant>>,
    /// What the connection may still spend.
    pub allowance: Allowance,
}

impl Session {
    /// The session of a connection that has just been upgraded.
    #[must_use]
    pub fn new(player: PlayerId, arrival: Arrival, versions: VersionRange, now_ms: u64) -> Self {
        Self {
            request_id: arrival.request_id.into_bytes(),
            player,
            address: arrival.address,
            opened_at_ms: now_ms,
            stage: Stage::Fresh,
            dialect: Dialect::unnegotiated(arrival.endpoint.min(versions.newest)),
            abilities: Abilities::RELAY_ONLY,
            has_operation_ids: false,
            app: None,
            epoch: 0,
            binding: None,
            grant: None,
            allowance: Allowance::new(now_ms),
        }
    }

    /// The connection's id in the protocol.
    #[must_use]
    pub const fn player(&self) -> PlayerId {
        self.player
    }

    /// The id that the answer to the upgrade and the log share.
    #[must_use]
    pub const fn request_id(&self) -> Uuid {
        Uuid::from_bytes(self.request_id)
    }

    /// Where the client comes from.
    #[must_use]
    pub const fn address(&self) -> ClientAddress {
        self.address
    }

    /// When the connection was upgraded, later by what it waited for the game's backend, in milliseconds of the monotonic clock.
    #[must_use]
    pub const fn opened_at_ms(&self) -> u64 {
        self.opened_at_ms
    }

    /// How far the handshake is.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// What the connection reads.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// What the connection can do beside being relayed to.
    #[must_use]
    pub const fn abilities(&self) -> Abilities {
        self.abilities
    }

    /// Whether the client may send room requests under ids.
    #[must_use]
    pub const fn has_operation_ids(&self) -> bool {
        self.has_operation_ids
    }

    /// The application that the connection named.
    #[must_use]
    pub const fn app(&self) -> Option<&AppId> {
        self.app.as_ref()
    }

    /// Notes that every frame of the connection must prove that it comes from whoever made the handshake.
    pub fn bind(
        &mut self,
        terms: &BindingTerms,
        certificate: Option<CertificateFingerprint>,
        nonce: &[u8; NONCE_BYTES],
    ) {
        self.binding = Some(Box::new(TokenBinding::new(terms, certificate, nonce)));
    }

    /// Whether every frame must prove where it comes from.
    #[must_use]
    pub const fn is_bound(&self) -> bool {
        self.binding.is_some()
    }

    /// What the next frame must prove, if it must.
    pub fn binding_mut(&mut self) -> Option<&mut TokenBinding> {
        self.binding.as_deref_mut()
    }

    /// The client certificate that every frame must name; `None`: none must be named.
    #[must_use]
    pub fn demanded_certificate(&self) -> Option<CertificateFingerprint> {
        self.binding.as_ref()?.demanded_certificate()
    }

    /// Notes that the client went ahead without a handshake.
    pub fn skip_handshake(&mut self) {
        if self.stage == Stage::Fresh {
            self.stage = Stage::Skipped;
        }
    }

    /// The epoch of the newest membership; 0 before the first.
    #[must_use]
    pub const fn newest_epoch(&self) -> u32 {
        self.epoch
    }

    /// Notes that a membership has begun: the next epoch is in use.
    pub const fn begin_epoch(&mut self) {
        self.epoch += 1;
    }

    /// Takes over the identity of a player who came back: its id, what it had spent, and its epochs.
    pub fn become_player(&mut self, player: PlayerId, allowance: Allowance, epoch: u32) {
        self.player = player;
        self.allowance.take_over(allowance);
        self.epoch = epoch;
    }
}

impl Moments for Session {
    fn change_clock(&mut self, change: ClockChange) {
        let Self {
            request_id: _,
            player: _,
            address: _,
            opened_at_ms,
            stage: _,
            dialect: _,
            abilities: _,
            has_operation_ids: _,
            app: _,
            epoch: _,
            binding: _,
            grant: _,
            allowance,
        } = self;
        change.apply(opened_at_ms);
        allowance.change_clock(change);
    }
}
