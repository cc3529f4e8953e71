//! What all routes of the page know.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::one_room::RoomBook;
use super::overview::Watch;
use super::room_list::RoomList;
use super::signed_in::SignedIn;
use super::token::AdminToken;
use super::tries::Tries;
use crate::control::operator::Operator;
use crate::control::routes::Known;

/// Pages that are kept up to date at a time.
const MAX_STREAMS: usize = 16;

/// Whom the page is for.
pub struct AdminParts {
    /// What operators show.
    pub token: AdminToken,
    /// Whether only this machine can reach it: then it may be looked at without a token.
    pub is_private: bool,
    /// Whether some of what players send is shown.
    pub may_preview: bool,
    /// Random bytes of the system's.
    pub random: fn() -> io::Result<[u8; 32]>,
}

impl fmt::Debug for AdminParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminParts")
            .field("is_private", &self.is_private)
            .finish_non_exhaustive()
    }
}

/// What all routes of the page know.
#[derive(Debug)]
pub(super) struct Admin {
    pub(super) known: Arc<Known>,
    pub(super) parts: AdminParts,
    pub(super) signed_in: SignedIn,
    pub(super) tries: Tries,
    pub(super) watch: Watch,
    pub(super) list: RoomList,
    pub(super) rooms: RoomBook,
    pub(super) operator: Operator,
    pub(super) streams: Arc<Semaphore>,
}

impl Admin {
    pub(super) fn new(known: &Arc<Known>, parts: AdminParts) -> Self {
        Self {
            signed_in: SignedIn::default(),
            tries: Tries::new(known.site.world.ledger.sources()),
            watch: Watch::new(known),
            list: RoomList::new(&known.shards),
            rooms: RoomBook::new(&known.shards, parts.may_preview),
            operator: Operator::new(Arc::clone(&known.site.world), Arc::clone(&known.shards)),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            known: Arc::clone(known),
            parts,
        }
    }
}
