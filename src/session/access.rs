//! Who is let in: applications, their terms, and connect tokens.
//!
//! The one part of what the operator decided that may change while the server runs, so it is apart from the rest.

use ahash::AHashMap;

use super::access_check::CheckRules;
use super::address::ClientAddress;
use crate::auth::connect_token::{TokenKey, TokenRefusal};
use crate::networks::Networks;
use crate::protocol::AppId;

/// Who is let in.
#[derive(Debug, Clone)]
pub struct AccessPolicy {
    /// Which applications.
    pub apps: AppPolicy,
    /// Which tokens.
    pub connect_tokens: ConnectTokenPolicy,
    /// Nobody from here.
    pub blocked: Networks,
    /// Whom the game's own backend lets in, if it is asked.
    pub check: Option<CheckRules>,
    /// Applications that were listed once: their connections go on, on the terms that they had.
    former: AHashMap<AppId, AppTerms>,
}

/// Which applications are let in.
#[derive(Debug, Clone)]
pub enum AppPolicy {
    /// Any id is a label, and the handshake may be skipped unless a token is required.
    Open,
    /// Only these, each on its own terms, and the handshake is required.
    Listed(AHashMap<AppId, AppTerms>),
}

/// What one application was granted.
#[derive(Debug, Clone, Default)]
pub struct AppTerms {
    /// The registered name.
    pub name: String,
    /// Handshakes in any sixty seconds.
    pub handshakes_per_minute: Option<u32>,
    /// Live rooms.
    pub max_rooms: Option<u32>,
    /// Players in a room.
    pub max_players_per_room: Option<u8>,
    /// Relayed bytes per sender and window, in place of the general figure.
    pub relay_bytes: Option<u64>,
    /// Whether a connect token must be shown, in place of the general rule.
    pub requires_connect_token: Option<bool>,
    /// Whether its clients' addresses are those of a platform that hides their own: nothing is limited by them.
    pub shares_addresses: bool,
}

/// Which connect tokens are accepted, and from whom one is demanded.
#[derive(Debug, Clone, Default)]
pub struct ConnectTokenPolicy {
    /// What tokens are checked with. Without it none is accepted.
    pub key: Option<TokenKey>,
    /// Whether one must be shown where an application's terms do not say.
    pub is_required: bool,
}

impl AccessPolicy {
    /// Lets in whoever these say.
    #[must_use]
    pub fn new(apps: AppPolicy, connect_tokens: ConnectTokenPolicy) -> Self {
        Self {
            apps,
            connect_tokens,
            blocked: Networks::default(),
            check: None,
            former: AHashMap::new(),
        }
    }

    /// The same, and nobody from these networks.
    #[must_use]
    pub fn keeping_out(self, blocked: Networks) -> Self {
        Self { blocked, ..self }
    }

    /// The same, and whoever the game's backend lets in, if there are rules for asking it.
    #[must_use]
    pub fn checked(self, check: Option<CheckRules>) -> Self {
        Self { check, ..self }
    }

    /// Whether a client is kept out for where it comes from. A proxy is none: those behind it are judged by their own addresses.
    #[must_use]
    pub fn keeps_out(&self, client: ClientAddress) -> bool {
        !client.is_shared() && self.blocked.contain(client.ip())
    }

    /// The same, in place of an earlier policy: what that one granted still binds the connections that it let in.
    #[must_use]
    pub fn succeeding(mut self, earlier: &Self) -> Self {
        self.former.clone_from(&earlier.former);
        if let AppPolicy::Listed(apps) = &earlier.apps {
            self.former.extend(apps.clone());
        }
        self
    }

    /// Whether a handshake must come first.
    #[must_use]
    pub const fn requires_handshake(&self) -> bool {
        matches!(self.apps, AppPolicy::Listed(_)) || self.connect_tokens.is_required || self.check.is_some()
    }

    /// The terms of an application that is, or was, listed.
    #[must_use]
    pub fn terms(&self, app: Option<&AppId>) -> Option<&AppTerms> {
        match &self.apps {
            AppPolicy::Open => None,
            AppPolicy::Listed(apps) => {
                let app = app?;
                apps.get(app).or_else(|| self.former.get(app))
            }
        }
    }

    /// Checks the token of a client that names `app`, or that it may do without.
    pub(super) fn check_token(
        &self,
        app: &AppId,
        terms: Option<&AppTerms>,
        token: Option<&str>,
        now_unix_secs: u64,
    ) -> Result<(), TokenRefusal> {
        let policy = &self.connect_tokens;
        let is_required = terms
            .and_then(|terms| terms.requires_connect_token)
            .unwrap_or(policy.is_required);
        match (token, &policy.key) {
            (None, _) if is_required => Err(TokenRefusal::Required),
            (None, _) => Ok(()),
            // Then it is the game's backend that can tell.
            (Some(_), None) if self.check.is_some() => Ok(()),
            (Some(_), None) => Err(TokenRefusal::NoKey),
            (Some(token), Some(key)) => key.check(token, app, now_unix_secs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(app: &str, max_rooms: u32) -> AccessPolicy {
        let terms = AppTerms {
            max_rooms: Some(max_rooms),
            ..AppTerms::default()
        };
        let apps = [(AppId::new(app), terms)].into_iter().collect();
        AccessPolicy::new(AppPolicy::Listed(apps), ConnectTokenPolicy::default())
    }

    #[test]
    fn an_application_that_was_listed_keeps_its_terms() {
        let rooms = |policy: &AccessPolicy, app| policy.terms(Some(&AppId::new(app))).and_then(|terms| terms.max_rooms);
        let first = listed("reef", 1);
        let second = listed("kelp", 2).succeeding(&first);
        assert_eq!((rooms(&second, "reef"), rooms(&second, "kelp")), (Some(1), Some(2)));
        let third = listed("reef", 3).succeeding(&second);
        assert_eq!((rooms(&third, "reef"), rooms(&third, "kelp")), (Some(3), Some(2)));
        let AppPolicy::Listed(apps) = &third.apps else {
            panic!("listed")
        };
        assert_eq!(apps.len(), 1, "but it is not let in again");
    }

    #[test]
    fn required_tokens_require_a_handshake() {
        let with = |is_required| {
            let tokens = ConnectTokenPolicy { key: None, is_required };
            AccessPolicy::new(AppPolicy::Open, tokens)
        };
        assert!(with(true).requires_handshake() && !with(false).requires_handshake());
        let rules = CheckRules {
            creates: false,
            joins: false,
            fails_open: true,
            timeout_ms: 1,
        };
        assert!(
            with(false).checked(Some(rules)).requires_handshake(),
            "nobody is asked about a stranger"
        );
        assert!(listed("reef", 1).requires_handshake());
    }

    #[test]
    fn an_applications_own_rule_comes_before_the_general_one() {
        let app = AppId::new("reef");
        let outcome = |general, own, token| {
            let tokens = ConnectTokenPolicy {
                key: None,
                is_required: general,
            };
            let terms = AppTerms {
                requires_connect_token: own,
                ..AppTerms::default()
            };
            AccessPolicy::new(AppPolicy::Open, tokens).check_token(&app, Some(&terms), token, 0)
        };
        for (general, own, demanded) in [
            (false, None, false),
            (true, None, true),
            (true, Some(false), false),
            (false, Some(true), true),
        ] {
            let expected = if demanded { Err(TokenRefusal::Required) } else { Ok(()) };
            assert_eq!(outcome(general, own, None), expected);
            assert_eq!(outcome(general, own, Some("t")), Err(TokenRefusal::NoKey));
        }
    }
}
