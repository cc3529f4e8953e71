//! Who was refused what: how often, and what the log says of it.
//!
//! One place for the count and the line, so that neither is ever without the other. Promises that a refusal costs one
//! counted addition, and a line of the log once a minute for each reason, with how often there was none.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use crate::protocol::{AppId, ErrorCode, Excerpt, PlayerId};
use crate::rare_line::RareLine;
use crate::session::ClientAddress;
use crate::shard::world::admission::ConnectionRefused;

/// Declares the reasons that have no error code once: variant, name, and what was refused.
macro_rules! reasons {
    ($($variant:ident, $name:literal, $what:literal;)+) => {
        /// Why somebody was refused something.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum RefusalReason {
            $(#[doc = $what] $variant,)+
            /// What the client was told with this code.
            Error(ErrorCode),
        }

        /// The reasons that have no error code.
        const AT_THE_DOOR: &[RefusalReason] = &[$(RefusalReason::$variant,)+];

        impl RefusalReason {
            /// The name in the log and in the metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Error(code) => code.as_str(),
                }
            }

            const fn index(self) -> usize {
                match self {
                    $(Self::$variant => Door::$variant as usize,)+
                    Self::Error(code) => AT_THE_DOOR.len() + code as usize,
                }
            }
        }

        enum Door {
            $($variant,)+
        }
    };
}

reasons! {
    NotHttp, "not_http", "What is no request of HTTP/1.";
    Http2, "http2", "The greeting of HTTP/2.";
    Tls, "tls", "The greeting of TLS on a port without it.";
    Blocked, "blocked", "Whoever comes from a network that is kept out.";
    ProxyHeader, "proxy_header", "A PROXY header where none is read.";
    ProxyUntrusted, "proxy_untrusted", "A connection that only a trusted proxy may open, or a PROXY header of somebody else.";
    ProxyHeaderMissing, "proxy_header_missing", "A connection of a trusted proxy without the PROXY header that is required.";
    ProxyHeaderMalformed, "proxy_header_malformed", "A PROXY header that is malformed or too long.";
    TlsHandshake, "tls_handshake", "A TLS handshake that failed, or something else on a port that speaks TLS.";
    HeadTooLarge, "head_too_large", "A request whose head is too large.";
    Host, "host", "A request for a host that is not this server's.";
    Upgrade, "upgrade", "An upgrade that breaks the standard.";
    Origin, "origin", "An upgrade of a page whose origin is not allowed.";
    Draining, "draining", "An upgrade while the server stops.";
    BindingOffer, "token_binding_offer", "An upgrade whose offer of token binding is not what is asked for.";
    BindingKey, "token_binding_key", "An upgrade whose key of token binding cannot be used.";
    ServerFull, "server_full", "A connection beyond the server's limit.";
    AddressCap, "address_cap", "A connection beyond the limit of its address.";
    MetricsToken, "metrics_token", "A request for metrics without their token.";
    AdminToken, "admin_token", "A request for the operators' page with a wrong token, after too many, or from where it is not served.";
    ControlFull, "control_full", "A request for which the control plane had no place.";
}

impl RefusalReason {
    const COUNT: usize = AT_THE_DOOR.len() + ErrorCode::ALL.len();

    /// Every reason. A connection that finds no place is told one code for two reasons, so the code itself is none.
    pub fn all() -> impl Iterator<Item = Self> {
        let codes = ErrorCode::ALL.iter().copied();
        let codes = codes.filter(|code| *code != ErrorCode::TooManyConnections);
        AT_THE_DOOR.iter().copied().chain(codes.map(Self::Error))
    }
}

impl From<ConnectionRefused> for RefusalReason {
    fn from(refused: ConnectionRefused) -> Self {
        match refused {
            ConnectionRefused::Total { .. } => Self::ServerFull,
            ConnectionRefused::PerAddress { .. } => Self::AddressCap,
        }
    }
}

/// What the log may say of somebody who is refused something.
#[derive(Debug, Clone, Copy, Default)]
pub struct Refused<'a> {
    /// Where it comes from.
    pub address: Option<ClientAddress>,
    /// The id that the answer to the upgrade shows.
    pub request_id: Option<Uuid>,
    /// The page that asks.
    pub origin: Option<&'a [u8]>,
    /// The application.
    pub app: Option<&'a AppId>,
    /// The player.
    pub player: Option<PlayerId>,
    /// The text that the client is told.
    pub told: &'a str,
}

/// How often who was refused what, and the lines about it. Shared by everybody who refuses: what is refused is rare beside
/// what is relayed.
#[derive(Debug)]
pub struct Refusals(Box<[Entry]>);

/// On a cache line of its own: a flood of one reason is counted on all shards at once.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Entry {
    count: AtomicU64,
    line: RareLine,
}

impl Default for Refusals {
    fn default() -> Self {
        Self((0..RefusalReason::COUNT).map(|_| Entry::default()).collect())
    }
}

impl Refusals {
    /// Counts a refusal, and tells of it in the log if it is time for that.
    pub fn note(&self, reason: RefusalReason, who: &Refused<'_>, now_ms: u64) {
        let entry = &self.0[reason.index()];
        entry.count.fetch_add(1, Ordering::Relaxed);
        let Some(unsaid) = entry.line.may_say(now_ms) else {
            return;
        };
        tracing::info!(
            reason = reason.name(),
            address = who.address.map(tracing::field::display),
            request_id = who.request_id.map(tracing::field::display),
            origin = who.origin.map(|origin| tracing::field::display(Excerpt::<64>(origin))),
            app_id = who.app.map(|app| tracing::field::display(Excerpt::<64>(app.as_str().as_bytes()))),
            player_id = who.player.map(tracing::field::display),
            told = %Excerpt::<240>(who.told.as_bytes()),
            unsaid,
            "refused"
        );
    }

    /// Tells how often the lines were left out since they were last written, where nothing has told it for a minute.
    pub fn tell_what_was_left_out(&self, now_ms: u64) {
        for reason in RefusalReason::all() {
            if let Some(more) = self.0[reason.index()].line.take_left_out(now_ms) {
                tracing::info!(reason = reason.name(), more, "more refused");
            }
        }
    }

    /// How often anybody was refused anything.
    #[must_use]
    pub fn total(&self) -> u64 {
        RefusalReason::all().map(|reason| self.count(reason)).sum()
    }

    /// How often somebody was refused something for this reason.
    #[must_use]
    pub fn count(&self, reason: RefusalReason) -> u64 {
        self.0[reason.index()].count.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_a_name_and_a_count_of_its_own() {
        let refusals = Refusals::default();
        let mut names = BTreeSet::new();
        for (place, reason) in RefusalReason::all().enumerate() {
            for _ in 0..=place {
                refusals.note(reason, &Refused::default(), 0);
            }
            assert!(names.insert(reason.name()), "{reason:?}");
        }
        for (place, reason) in RefusalReason::all().enumerate() {
            assert_eq!(refusals.count(reason), place as u64 + 1, "{reason:?}");
        }
        assert_eq!(names.len(), RefusalReason::COUNT - 1);
    }
}
