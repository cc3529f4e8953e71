//! Which ICE servers players are told of, and when they are told before there is a plan.

use crate::auth::turn;
use crate::auth::turn::{TurnCredentials, TurnSecret};
use crate::protocol::{IceServer, PlayerId, Secret};
use crate::shard::world::counters::CounterSet;
use crate::shard::world::now::Now;

/// The ICE servers of the deployment.
#[derive(Debug, Clone, Default)]
pub struct IceRules {
    /// Told as they are.
    pub listed: Vec<ListedIceServer>,
    /// STUN servers, told in one entry.
    pub stun_urls: Vec<String>,
    /// The TURN servers that credentials are made for.
    pub turn: Option<TurnRules>,
}

/// An ICE server that is told as it is.
#[derive(Debug, Clone)]
pub struct ListedIceServer {
    /// Its addresses; at least one.
    pub urls: Vec<String>,
    /// The user name of a TURN server.
    pub username: Option<String>,
    /// The password of a TURN server.
    pub credential: Option<Secret>,
}

/// TURN servers that share a secret with this one.
#[derive(Debug, Clone)]
pub struct TurnRules {
    /// Their addresses; at least one.
    pub urls: Vec<String>,
    /// What is shared with them.
    pub secret: TurnSecret,
    /// How long credentials are good for, in seconds.
    pub credential_ttl_secs: u64,
}

impl IceRules {
    /// The list for one player, with credentials of its own where there are any.
    pub(in crate::shard) fn list_for(&self, player: PlayerId, now: Now, counters: &CounterSet) -> Vec<IceServer<'_>> {
        let listed = self.listed.iter().map(|server| IceServer {
            urls: &server.urls,
            username: server.username.as_deref().map(Into::into),
            credential: server.credential.as_ref().map(|secret| secret.expose().into()),
        });
        let stun = (!self.stun_urls.is_empty()).then_some(IceServer {
            urls: &self.stun_urls,
            username: None,
            credential: None,
        });
        let turn = self.turn.as_ref().map(|rules| {
            counters.turn_credentials.add(1);
            let now_unix_secs = now.wall.unix_ms() / 1_000;
            let TurnCredentials { username, credential } =
                turn::credentials(&rules.secret, player, now_unix_secs, rules.credential_ttl_secs);
            IceServer {
                urls: &rules.urls,
                username: Some(username.into()),
                credential: Some(credential.into()),
            }
        });
        listed.chain(stun).chain(turn).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::WallTime;

    fn urls(url: &str) -> Vec<String> {
        vec![url.to_owned()]
    }

    #[test]
    fn a_list_is_what_is_listed_then_stun_then_turn_with_the_players_own_credentials() {
        let rules = IceRules {
            listed: vec![ListedIceServer {
                urls: urls("turn:own.example"),
                username: Some("al".into()),
                credential: Some(Secret::new("hunter2")),
            }],
            stun_urls: urls("stun:stun.example"),
            turn: Some(TurnRules {
                urls: urls("turn:turn.example"),
                secret: TurnSecret::new("lab-secret-0123456789"),
                credential_ttl_secs: 3_600,
            }),
        };
        let now = Now {
            mono_ms: 0,
            mono_us: 0,
            wall: WallTime {
                unix_nanos: 1_799_996_400_999_000_000,
            },
        };
        let player = PlayerId::from_bytes(*b"\x11\x11\x11\x11\x11\x11\x41\x11\x81\x11\x11\x11\x11\x11\x11\x11");
        let counters = CounterSet::default();
        let list = rules.list_for(player, now, &counters);
        assert_eq!(
            serde_json::to_string(&list).expect("plain values serialise"),
            concat!(
                r#"[{"urls":["turn:own.example"],"username":"al","credential":"hunter2"},"#,
                r#"{"urls":["stun:stun.example"]},{"urls":["turn:turn.example"],"#,
                r#""username":"1800000000:11111111-1111-4111-8111-111111111111","#,
                r#""credential":"BaYrS0PznZ5GtGyDxWnYBdING+o="}]"#
            )
        );
        assert_eq!(counters.turn_credentials.get(), 1);
        assert!(IceRules::default().list_for(player, now, &counters).is_empty());
        let printed = format!("{rules:?}");
        assert!(
            !printed.contains("hunter2") && !printed.contains("lab-secret"),
            "{printed}"
        );
    }
}
