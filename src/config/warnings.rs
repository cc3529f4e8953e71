//! What is allowed and still worth saying once, at start.

use std::collections::BTreeMap;

use super::{Config, Topology};
use crate::networks::Network;

/// Samples of history that are kept at most.
const MAX_HISTORY_SAMPLES: u64 = 720;

/// A metrics token shorter than this, in characters, is easy to guess.
const SHORT_TOKEN_CHARS: usize = 16;

/// With fewer characters than this to draw, a game has at most 1,024 codes.
const FEW_CODE_CHARACTERS: usize = 3;

/// What is allowed and still worth saying once, at start.
///
/// `production` is what the environment says of this system ([`super::Loaded::production`]).
#[must_use]
pub fn startup_warnings(config: &Config, production: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |condition: bool, text: &str| {
        if condition {
            found.push(text.to_owned());
        }
    };
    let public = !config.is_loopback_only();
    let (security, session, websocket) = (&config.security, &config.session, &config.websocket);
    let (tls, binding) = (&security.transport.tls, &security.transport.token_binding);

    say(
        config.access_check.is_in_the_clear(),
        "access_check.url is not https: anybody on the way reads tokens, and can say yes",
    );
    say(
        config.access_check.url.is_none() && (config.access_check.ask_on_create || config.access_check.ask_on_join),
        "access_check.ask_on_create and access_check.ask_on_join do nothing without access_check.url",
    );
    say(
        config.access_check.url.is_some() && config.access_check.fail_open,
        "whoever the game's backend gives no answer about is let in: access_check.fail_open is set",
    );

    let ignores_apps = security.names_apps() && !config.allowlist_enforced();
    say(
        ignores_apps,
        "any app may connect although apps are listed: remove security.enforce_app_id_allowlist, or set it to true",
    );
    say(
        public && !config.allowlist_enforced() && !ignores_apps,
        "any app may connect: name your apps in security.allowed_apps and set security.enforce_app_id_allowlist to true",
    );
    let asks_tokens_of_some = security
        .allowed_apps
        .iter()
        .any(|app| app.require_connect_token == Some(true));
    say(
        security.connect_token.is_some() && !config.connect_token_required() && !asks_tokens_of_some,
        "nobody has to show a connect token although there is a key: remove security.connect_token.required, or set it to \
         true",
    );
    let ignores_token = security.metrics_auth_token.is_some() && !config.metrics_auth_required();
    say(
        ignores_token && !public,
        "metrics are open although there is a token: remove security.require_metrics_auth, or set it to true",
    );
    let open_metrics = public && !config.metrics_auth_required();
    say(
        open_metrics && production,
        "THIS IS A PRODUCTION SYSTEM AND ITS METRICS ARE OPEN TO ALL: set security.metrics_auth_token and \
         security.require_metrics_auth",
    );
    say(
        open_metrics && !production,
        "metrics are open to all: set security.metrics_auth_token and security.require_metrics_auth",
    );
    say(
        security
            .metrics_auth_token
            .as_ref()
            .is_some_and(|token| token.expose().chars().count() < SHORT_TOKEN_CHARS),
        "security.metrics_auth_token has fewer than 16 characters: choose a longer one",
    );
    say(
        config
            .admin_token()
            .is_ok_and(|token| token.is_some_and(|token| token.expose().len() < SHORT_TOKEN_CHARS)),
        "the token of operators (control.admin_token, or its file) has fewer than 16 characters: choose a longer one",
    );
    say(
        config.turn.enabled && !tls.enabled,
        "TURN credentials travel unencrypted: put TLS in front of this server",
    );
    say(
        binding.enabled && !binding.required && !tls.enabled,
        "token binding is optional and there is no TLS: it protects nobody who does not ask for it",
    );
    say(
        config.server.ping_timeout == 0 && websocket.idle_timeout_secs == 0 && websocket.server_ping_interval_secs == 0,
        "nothing notices a client that is gone: set one of server.ping_timeout, websocket.idle_timeout_secs, \
         websocket.server_ping_interval_secs",
    );
    say(
        config.protocol.enable_rkyv_game_data || config.protocol.enable_protobuf_game_data,
        "published clients up to 0.14 refuse a server that offers rkyv or protobuf: let only your own clients connect, or \
         set protocol.enable_rkyv_game_data and protocol.enable_protobuf_game_data to false",
    );
    say(
        security
            .cors_origins
            .as_ref()
            .is_some_and(|origins| origins.split(',').all(|origin| origin.trim().is_empty())),
        "security.cors_origins is empty: no page may connect but those of this server's own host; leave it out, or list yours",
    );
    say(
        security.blocked_networks.iter().any(Network::is_everybody),
        "security.blocked_networks keeps out every IPv4 address, or every IPv6 address: nobody may connect from one; name \
         those who are meant",
    );
    let sdk = &config.protocol.sdk_compatibility;
    say(
        sdk.enforce && sdk.minimum_versions.is_empty(),
        "protocol.sdk_compatibility.enforce admits listed platforms only, and minimum_versions lists none: nobody may \
         connect; list yours, or set it to false",
    );
    let names_nothing_longer = websocket.enable_batching && websocket.batch_interval_ms > 10;
    say(
        names_nothing_longer,
        "websocket.batch_interval_ms counts as 10, the longest that messages gather here: set it to 10 or less",
    );
    let peer_topology = session.default_topology != Topology::Relay
        || session
            .game_topology_mappings
            .values()
            .any(|topology| *topology != Topology::Relay);
    say(
        peer_topology && !session.enable_webrtc && !session.enable_direct,
        "peer topologies are set and both session.enable_webrtc and session.enable_direct are off: all games are relayed",
    );
    say(
        session.enable_ice_pregather && !session.enable_webrtc,
        "session.enable_ice_pregather does nothing while session.enable_webrtc is off",
    );
    let turn_without_credentials = session.ice_servers.iter().any(|server| {
        let turn = server
            .urls
            .iter()
            .any(|url| url.starts_with("turn:") || url.starts_with("turns:"));
        turn && (server.username.is_none() || server.credential.is_none())
    });
    say(
        turn_without_credentials,
        "a TURN server in session.ice_servers has no username or no credential",
    );
    let refresh = config.metrics.dashboard_cache_refresh_interval_secs.max(1);
    say(
        config.metrics.dashboard_cache_history_window_secs > refresh.saturating_mul(MAX_HISTORY_SAMPLES),
        "metrics.dashboard_cache_history_window_secs asks for more than 720 samples: the oldest are dropped",
    );

    let prefix_length = config.server.room_code_prefix.as_ref().map_or(0, String::len);
    say(
        config.protocol.room_code_length.saturating_sub(prefix_length) < FEW_CODE_CHARACTERS,
        "room codes have only one or two characters to draw: games soon have no free code, and a room seldom gets another \
         one; shorten server.room_code_prefix or raise protocol.room_code_length",
    );

    let turn_urls = config.turn.urls.iter().chain(&config.turn.stun_urls);
    let urls = session
        .ice_servers
        .iter()
        .flat_map(|server| &server.urls)
        .chain(turn_urls);
    for url in repeated(urls.cloned()) {
        found.push(format!("the ICE address {url} is given more than once"));
    }
    for game in repeated(session.game_topology_mappings.keys().map(|game| game.to_lowercase())) {
        found.push(format!(
            "session.game_topology_mappings has {game:?} in several spellings; names match exactly"
        ));
    }
    found
}

fn repeated(items: impl Iterator<Item = String>) -> Vec<String> {
    let mut count = BTreeMap::<String, usize>::new();
    for item in items {
        *count.entry(item).or_default() += 1;
    }
    count
        .into_iter()
        .filter(|(_, times)| *times > 1)
        .map(|(item, _)| item)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConnectTokenConfig, IceServer, Secret};

    #[test]
    fn the_defaults_have_nothing_to_warn_of() {
        assert_eq!(startup_warnings(&Config::default(), true), Vec::<String>::new());
    }

    #[test]
    fn an_open_public_server_is_warned_of_louder_in_production() {
        let mut config = Config {
            bind: "0.0.0.0".parse().expect("a literal"),
            ..Config::default()
        };
        config.security.enforce_app_id_allowlist = Some(false);
        config.security.require_metrics_auth = Some(false);
        let quiet = startup_warnings(&config, false);
        assert_eq!(quiet.len(), 2, "{quiet:?}");
        let loud = startup_warnings(&config, true);
        assert!(
            loud.iter().any(|text| text.starts_with("THIS IS A PRODUCTION SYSTEM")),
            "{loud:?}"
        );
    }

    #[test]
    fn what_was_given_and_switched_off_is_warned_of() {
        let mut config = Config::default();
        config.security.allowed_apps =
            serde_json::from_value(serde_json::json!([{"app_id": "a", "app_name": "A"}])).expect("an app");
        config.security.metrics_auth_token = Some(Secret::new("sixteen characters"));
        config.security.connect_token = Some(ConnectTokenConfig::default());
        assert_eq!(startup_warnings(&config, true), Vec::<String>::new(), "given and used");
        config.security.enforce_app_id_allowlist = Some(false);
        config.security.require_metrics_auth = Some(false);
        config.security.connect_token = Some(ConnectTokenConfig {
            required: Some(false),
            ..ConnectTokenConfig::default()
        });
        for bind in ["127.0.0.1", "0.0.0.0"] {
            config.bind = bind.parse().expect("a literal");
            let found = startup_warnings(&config, false);
            assert_eq!(found.len(), 3, "{bind}: {found:#?}");
            for key in [
                "enforce_app_id_allowlist",
                "connect_token.required",
                "require_metrics_auth",
            ] {
                assert!(found.iter().any(|text| text.contains(key)), "{key}: {found:#?}");
            }
        }
        config.security.allowed_apps[0].require_connect_token = Some(true);
        assert_eq!(startup_warnings(&config, false).len(), 2, "one app asks for tokens");
    }

    #[test]
    fn every_other_warning_has_its_cause() {
        let mut config = Config::default();
        config.security.metrics_auth_token = Some(Secret::new("short"));
        config.turn.enabled = true;
        config.turn.urls = vec!["turn:a.example".to_owned(); 2];
        config.security.transport.token_binding.enabled = true;
        config.server.ping_timeout = 0;
        config.websocket.idle_timeout_secs = 0;
        config.websocket.server_ping_interval_secs = 0;
        config.protocol.enable_rkyv_game_data = true;
        config.session.enable_webrtc = false;
        config.session.enable_direct = false;
        config.session.ice_servers = vec![IceServer {
            urls: vec!["turn:b.example".to_owned()],
            username: None,
            credential: None,
        }];
        config.session.game_topology_mappings = ["Chess", "chess"]
            .map(|game| (game.to_owned(), Topology::Mesh))
            .into_iter()
            .collect();
        config.metrics.dashboard_cache_history_window_secs = 5 * 720 + 1;
        config.security.cors_origins = Some(" , ".to_owned());
        config.security.blocked_networks = vec!["::/0".parse().expect("a network")];
        config.protocol.sdk_compatibility.enforce = true;
        config.protocol.sdk_compatibility.minimum_versions.clear();
        config.websocket.enable_batching = true;
        config.server.room_code_prefix = Some("REEF".to_owned());
        let found = startup_warnings(&config, false);
        assert_eq!(found.len(), 16, "{found:#?}");
    }
}
