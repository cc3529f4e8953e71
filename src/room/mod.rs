//! One room: who sits in it, where its lobby stands, who leads it, and how far each sender's stream has come.
//!
//! Owns the rules of membership, lobby, authority and sequence numbers. Promises that every request either changes the
//! room and says what changed, or changes nothing and says why. Must never know sockets, shards or encodings: a member is
//! reached through a [`ConnectionKey`] whose meaning is the shard's.

mod authority;
mod bans;
mod disconnected_seat;
mod gallery;
mod lobby;
mod membership;
mod missed;
mod moderation;
mod peer_session;
mod record;
mod returning;
mod roster;
mod state;
mod telling;
#[cfg(test)]
mod tests;
mod watching;

pub use authority::AuthorityRefusal;
pub use gallery::{Gallery, Spot, Watcher};
pub use lobby::{ReadyRefusal, StartRefusal};
pub use membership::{Departure, JoinRefusal};
pub use missed::{MissedEvent, Portrait};
pub use moderation::{ModerationRefusal, Removed};
pub use peer_session::{Briefing, PeerSession, SessionRules};
pub use record::RoomRecord;
pub use returning::{Absence, Claim, RedeemRefusal, Return};
pub use roster::{ConnectionKey, Member, Newcomer, Roster, Seat, UndeliverableNotice};
pub use state::{Room, RoomSettings};
pub use watching::{Visitor, WatchRefusal};
