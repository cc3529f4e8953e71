//! From the operator's configuration to what the shards use.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::access_check::check_rules;
use crate::auth::token_binding::BindingPolicy;
use crate::auth::turn::TurnSecret;
use crate::budget::BudgetLimits;
use crate::config::{self, Config, HistoryField, MetricsConfig, OriginPolicy, RuntimeConfig, TokenKeyError};
use crate::metrics::{DashboardSettings, HistoryParts};
use crate::net::http::{Doors, HostPolicy, Site};
use crate::net::proxies::ProxyPolicy;
use crate::net::{PumpSettings, TurnWindows};
use crate::networks::Networks;
use crate::protocol::{AppId, GameDataFormat, NameRules, ProtocolVersion, Secret, Topology};
use crate::session::{AccessPolicy, AppPolicy, AppTerms, ConnectTokenPolicy, HandshakePolicy, SdkTable, VersionRange};
use crate::shard::admission::AdmissionLimits;
use crate::shard::{
    DeliveryRules, IceRules, ListedIceServer, LivenessRules, MessageLimits, OutboxLimits, PacingRules,
    PeerSessionRules, ReconnectionRules, RoomRules, Settings, SourceRule, TurnRules, World,
};

/// How long the peer may take for its half of a closing handshake.
const CLOSE_TIMEOUT_MS: u64 = 4_000;

/// A shard looks at its clock every tick at least. So much more than a tick, and it did not get to.
const STANDSTILL: Duration = Duration::from_millis(100);

/// Sockets of the process that may be on their way to an upgrade, and the least that a shard may have of them. Whoever
/// sends its request at once is on its way for as long as that takes to arrive: with 256 places and 50 ms, 5,000 a second
/// and shard come through, however many others are silent.
const MAX_PENDING_UPGRADES: usize = 4_096;
const LEAST_PENDING_UPGRADES: usize = 256;

/// Connections of one shard that may have been upgraded only to be told that there is no place.
const MAX_FAREWELLS: usize = 64;

const fn millis(seconds: u64) -> u64 {
    seconds.saturating_mul(1_000)
}

/// What every shard agrees on.
///
/// # Errors
///
/// When the key of connect tokens cannot be read; every other fault is found by [`Config::validate`].
pub fn shard_settings(config: &Config) -> Result<Settings, TokenKeyError> {
    Ok(Settings {
        access: access_policy(config)?,
        handshake: handshake(config),
        budgets: BudgetLimits {
            window_ms: millis(config.rate_limit.time_window),
            room_creations: config.rate_limit.max_room_creations.into(),
            joins: config.rate_limit.max_join_attempts.into(),
            relay_bytes: config.rate_limit.max_relay_bytes,
            room_relay_bytes: config.rate_limit.max_room_relay_bytes,
            signals: config.rate_limit.max_signals.into(),
            signal_refusals: config.rate_limit.max_signal_errors.into(),
            error_replies: config.rate_limit.max_inbound_error_replies.into(),
        },
        rooms: RoomRules {
            refuse_above_busy: (config.server.refuse_rooms_above_busy > 0)
                .then(|| f64::from(config.server.refuse_rooms_above_busy) / 100.0),
            code_length: config.protocol.room_code_length,
            code_prefix: config.server.room_code_prefix.clone(),
            max_game_name_bytes: config.protocol.max_game_name_length,
            max_players: config.protocol.max_players_limit,
            default_players: config.server.default_max_players,
            default_spectators: config.server.default_max_spectators,
            outpost_members: Some(config.runtime.outpost_members).filter(|members| *members > 0),
            empty_timeout_ms: millis(config.server.empty_room_timeout),
            inactive_timeout_ms: millis(config.server.inactive_room_timeout),
            sweep_interval_ms: millis(config.server.room_cleanup_interval),
            is_recorded: config.control.flight_recorder,
            relay_type: config.relay_types.default_relay_type.clone(),
            relay_types_by_game: config.relay_types.game_relay_mappings.clone(),
        },
        messages: MessageLimits {
            max_inbound_bytes: config.security.max_message_size,
            max_outbound_bytes: config.security.max_outbound_message_size,
            max_fragments: u32::try_from(config.runtime.max_fragments).unwrap_or(u32::MAX),
            max_connection_info_bytes: config.security.max_connection_info_bytes,
            max_signal_bytes: config.security.max_signal_bytes,
            max_game_data_bytes: game_data_caps(config),
        },
        outbox: OutboxLimits {
            max_bytes: config.outbox_max_bytes(),
            max_age_ms: config.websocket.max_sojourn_ms,
            stall_timeout_ms: config.websocket.slow_consumer_timeout_ms,
        },
        pacing: PacingRules {
            free_rate_bytes: config.websocket.pacing_free_rate_bytes,
            burst_bytes: config.websocket.pacing_burst_bytes,
        },
        delivery: DeliveryRules {
            droppable_frames: config.websocket.send_queue_capacity,
            stats_interval_ms: Some(millis(config.websocket.delivery_stats_interval_secs)).filter(|ms| *ms > 0),
        },
        peer_sessions: peer_sessions(config),
        reconnection: ReconnectionRules {
            is_enabled: config.server.enable_reconnection,
            window_ms: millis(config.server.reconnection_window),
            event_limit: config.server.event_buffer_size,
        },
        liveness: LivenessRules {
            idle_timeout_ms: Some(millis(config.websocket.idle_timeout_secs)).filter(|ms| *ms > 0),
            activity_timeout_ms: Some(millis(config.server.ping_timeout)).filter(|ms| *ms > 0),
            ping_interval_ms: Some(millis(config.websocket.server_ping_interval_secs)).filter(|ms| *ms > 0),
            pong_timeout_ms: millis(config.websocket.pong_timeout_secs),
        },
        close_timeout_ms: CLOSE_TIMEOUT_MS,
    })
}

/// Who is let in.
///
/// # Errors
///
/// When the key of connect tokens cannot be read.
pub(super) fn access_policy(config: &Config) -> Result<AccessPolicy, TokenKeyError> {
    let tokens = config.security.connect_token.as_ref();
    let connect_tokens = ConnectTokenPolicy {
        key: tokens.map(|tokens| tokens.key()).transpose()?,
        is_required: config.connect_token_required(),
    };
    let blocked = Networks::new(&config.security.blocked_networks);
    let policy = AccessPolicy::new(app_policy(config), connect_tokens);
    let is_checked = config.access_check.url.is_some();
    Ok(policy
        .keeping_out(blocked)
        .checked(is_checked.then(|| check_rules(config))))
}

fn handshake(config: &Config) -> HandshakePolicy {
    let names = &config.protocol.player_name_validation;
    let sdk = &config.protocol.sdk_compatibility;
    HandshakePolicy {
        versions: VersionRange {
            oldest: version(config.protocol.min_protocol_version),
            newest: version(config.protocol.max_protocol_version),
        },
        formats: formats(config),
        name_rules: NameRules {
            max_length_bytes: config.protocol.max_player_name_length,
            allow_unicode_alphanumeric: names.allow_unicode_alphanumeric,
            allow_spaces: names.allow_spaces,
            allow_leading_trailing_whitespace: names.allow_leading_trailing_whitespace,
            allowed_symbols: names.allowed_symbols.clone(),
            additional_allowed_characters: names.additional_allowed_characters.clone(),
        },
        sdk: SdkTable {
            enforce: sdk.enforce,
            minimum_versions: by_platform(&sdk.minimum_versions),
            recommended_versions: by_platform(&sdk.recommended_versions),
            capabilities: by_platform(&sdk.capabilities),
            notes: by_platform(&sdk.notes),
        },
        timeout_ms: millis(config.websocket.auth_timeout_secs),
    }
}

/// The configuration's checks let only versions pass that are known.
fn version(number: u16) -> ProtocolVersion {
    ProtocolVersion::at_most(number).unwrap_or(ProtocolVersion::V2)
}

/// What clients may choose, in the protocol's order.
fn formats(config: &Config) -> Vec<GameDataFormat> {
    let is_enabled = |format: &GameDataFormat| match format {
        GameDataFormat::Json => true,
        GameDataFormat::MessagePack => config.protocol.enable_message_pack_game_data,
        GameDataFormat::Rkyv => config.protocol.enable_rkyv_game_data,
        GameDataFormat::Protobuf => config.protocol.enable_protobuf_game_data,
    };
    GameDataFormat::ALL.iter().copied().filter(is_enabled).collect()
}

fn app_policy(config: &Config) -> AppPolicy {
    if !config.allowlist_enforced() {
        return AppPolicy::Open;
    }
    let listed = config.security.allowed_apps.iter().map(|app| {
        let terms = AppTerms {
            name: app.app_name.clone(),
            handshakes_per_minute: app.rate_limit_per_minute,
            max_rooms: app.max_rooms,
            max_players_per_room: app.max_players_per_room,
            relay_bytes: app.max_relay_bytes,
            requires_connect_token: app.require_connect_token,
            shares_addresses: !app.per_address_limits,
        };
        (AppId::new(&app.app_id), terms)
    });
    AppPolicy::Listed(listed.collect())
}

fn peer_sessions(config: &Config) -> PeerSessionRules {
    let session = &config.session;
    let by_game = session.game_topology_mappings.iter();
    PeerSessionRules {
        topology: topology(session.default_topology),
        topologies_by_game: by_game
            .map(|(game, wanted)| (game.clone(), topology(*wanted)))
            .collect(),
        allows_webrtc: session.enable_webrtc,
        allows_direct: session.enable_direct,
        pregathers_ice: session.enable_ice_pregather,
        ice: ice(config),
    }
}

const fn topology(configured: config::Topology) -> Topology {
    match configured {
        config::Topology::Mesh => Topology::Mesh,
        config::Topology::Host => Topology::Host,
        config::Topology::Relay => Topology::Relay,
    }
}

fn ice(config: &Config) -> IceRules {
    let listed = config.session.ice_servers.iter().map(|server| ListedIceServer {
        urls: server.urls.clone(),
        username: server.username.clone(),
        credential: server.credential.as_ref().map(|secret| Secret::new(secret.expose())),
    });
    let turn = &config.turn;
    IceRules {
        listed: listed.collect(),
        stun_urls: turn.stun_urls.clone(),
        turn: turn.enabled.then(|| TurnRules {
            urls: turn.urls.clone(),
            secret: TurnSecret::new(turn.static_auth_secret.expose()),
            credential_ttl_secs: turn.credential_ttl_secs,
        }),
    }
}

fn game_data_caps(config: &Config) -> Vec<(GameDataFormat, usize)> {
    let Some(caps) = &config.security.max_game_data_bytes else {
        return Vec::new();
    };
    [
        (GameDataFormat::Json, caps.json),
        (GameDataFormat::MessagePack, caps.message_pack),
        (GameDataFormat::Rkyv, caps.rkyv),
        (GameDataFormat::Protobuf, caps.protobuf),
    ]
    .into_iter()
    .filter_map(|(format, cap)| Some((format, cap?)))
    .collect()
}

/// A table of the SDK manifest, by the platforms in lower case: that is how they are looked up.
fn by_platform<T: Clone>(table: &BTreeMap<String, T>) -> BTreeMap<String, T> {
    let entries = table.iter();
    entries
        .map(|(platform, value)| (platform.to_lowercase(), value.clone()))
        .collect()
}

/// How long messages gather at most, and on a shard that is busy.
fn turn_windows(config: &Config) -> TurnWindows {
    let (runtime, websocket) = (&config.runtime, &config.websocket);
    if websocket.enable_batching {
        let interval = Duration::from_millis(websocket.batch_interval_ms).min(RuntimeConfig::LONGEST_TURN_WINDOW);
        return TurnWindows {
            longest: interval,
            busy: interval,
        };
    }
    TurnWindows {
        longest: Duration::from_micros(runtime.turn_window_us),
        busy: Duration::from_micros(runtime.busy_turn_window_us),
    }
}

/// Which addresses are taken together, and which count at all.
pub(super) fn source_rule(config: &Config) -> SourceRule {
    SourceRule {
        ipv6_prefix_bits: config.security.ipv6_prefix_bits,
        exempt_loopback: config.security.exempt_loopback,
    }
}

/// What the whole process admits.
#[must_use]
pub fn admission_limits(config: &Config) -> AdmissionLimits {
    AdmissionLimits {
        connections: config.security.max_connections,
        connections_per_address: config.security.max_connections_per_ip,
        sources: source_rule(config),
        failed_joins: Some(config.rate_limit.max_failed_joins_per_address).filter(|limit| *limit > 0),
        failed_joins_window_ms: millis(config.rate_limit.time_window),
        rooms: config.server.max_rooms,
        rooms_per_game: config.server.max_rooms_per_game,
    }
}

/// How the shards' loops run.
pub(super) fn pump_settings(config: &Config, shards: u16) -> PumpSettings {
    let tick = Duration::from_millis(config.runtime.tick_ms);
    PumpSettings {
        tick,
        turn_windows: turn_windows(config),
        standstill: tick + STANDSTILL,
        upgrade_timeout: Duration::from_secs(config.websocket.http_header_read_timeout_secs),
        max_pending_upgrades: (MAX_PENDING_UPGRADES / usize::from(shards)).max(LEAST_PENDING_UPGRADES),
        max_farewells: MAX_FAREWELLS,
        drain_grace: Duration::from_secs(config.server.drain_grace_secs),
        drain_spread: Duration::from_millis(config.runtime.drain_spread_ms),
        flush_timeout: Duration::from_millis(config.runtime.flush_timeout_ms),
    }
}

/// The kernel's send buffer of each socket; `None`: its own choice.
pub(super) fn send_buffer_bytes(config: &Config) -> Option<usize> {
    Some(config.websocket.socket_send_buffer_bytes as usize).filter(|bytes| *bytes > 0)
}

/// What is answered before an upgrade.
#[must_use]
pub fn site(config: &Config, world: Arc<World>) -> Site {
    Site {
        world,
        doors: doors(config, config.bind),
        proxies: proxy_policy(config),
        origins: config.origin_policy(),
        token_binding: token_binding(config),
        metrics_token: metrics_token(config),
        has_playground: has_playground(config),
    }
}

/// Who is believed about whom it speaks for.
fn proxy_policy(config: &Config) -> ProxyPolicy {
    ProxyPolicy {
        protocol: config.security.proxy_protocol,
        forwarded: config.security.forwarded_header,
        trusted: Networks::new(&config.security.trusted_proxies),
    }
}

/// Who is answered at all by what listens at `bind`.
pub(super) fn doors(config: &Config, bind: IpAddr) -> Doors {
    Doors::new(host_policy(config, bind), &config.undecided_doors())
}

/// Whether strangers who find the server may play with it.
fn has_playground(config: &Config) -> bool {
    let wanted = config.control.playground;
    wanted.unwrap_or_else(|| is_private(config, config.bind))
}

/// Whether only this machine asks. Behind a proxy that is known of it is a public server, wherever it is bound.
pub(super) fn is_private(config: &Config, bind: IpAddr) -> bool {
    bind.to_canonical().is_loopback() && config.security.trusted_proxies.is_empty()
}

/// Under which names it is asked. Where nobody said which pages may connect, that any may is no word about hosts.
fn host_policy(config: &Config, bind: IpAddr) -> HostPolicy {
    match (is_private(config, bind), &config.security.cors_origins) {
        (false, _) => HostPolicy::Any,
        (true, None) => HostPolicy::this_machine_and(&OriginPolicy::Only(Vec::new())),
        (true, Some(_)) => HostPolicy::this_machine_and(&config.origin_policy()),
    }
}

/// How connections are bound to their handshakes.
fn token_binding(config: &Config) -> Option<BindingPolicy> {
    let binding = &config.security.transport.token_binding;
    binding.enabled.then(|| BindingPolicy {
        subprotocol: binding.subprotocol.clone(),
        is_required: binding.required,
        demands_fingerprint: binding.require_client_fingerprint,
    })
}

/// How the snapshot behind `/metrics` is kept.
#[must_use]
pub fn dashboard(config: &MetricsConfig) -> DashboardSettings {
    let refresh = Duration::from_secs(config.dashboard_cache_refresh_interval_secs.max(1));
    let keeps = |part| config.dashboard_cache_history_fields.contains(&part);
    DashboardSettings {
        refresh,
        stale_after: Duration::from_secs(config.dashboard_cache_ttl_secs).max(refresh),
        window: Duration::from_secs(config.dashboard_cache_history_window_secs),
        parts: HistoryParts {
            active_rooms: keeps(HistoryField::ActiveRooms),
            rooms_by_game: keeps(HistoryField::RoomsByGame),
            player_percentiles: keeps(HistoryField::PlayerPercentiles),
            game_percentiles: keeps(HistoryField::GamePercentiles),
        },
    }
}

/// What a reader of the metrics must know.
fn metrics_token(config: &Config) -> Option<Secret> {
    let token = config
        .security
        .metrics_auth_token
        .as_ref()
        .filter(|_| config.metrics_auth_required())?;
    Some(Secret::new(token.expose()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_demanded_of_bindings_is_what_the_operator_says() {
        let mut config = Config::default();
        assert_eq!(token_binding(&config), None);
        for (required, require_client_fingerprint) in [(false, false), (true, false), (true, true)] {
            let binding = &mut config.security.transport.token_binding;
            (binding.enabled, binding.required) = (true, required);
            binding.require_client_fingerprint = require_client_fingerprint;
            let policy = token_binding(&config).expect("enabled");
            assert_eq!(policy.is_required, required);
            assert_eq!(policy.demands_fingerprint, require_client_fingerprint);
        }
    }

    #[test]
    fn other_hosts_than_this_machine_are_a_matter_of_loopback_and_of_the_list() {
        let mut config = Config::default();
        assert!(
            !host_policy(&config, config.bind).allows(b"play.example")
                && host_policy(&config, config.bind).allows(b"localhost")
        );
        config.security.cors_origins = Some("https://play.example".to_owned());
        assert!(
            host_policy(&config, config.bind).allows(b"play.example")
                && !host_policy(&config, config.bind).allows(b"evil.example")
        );
        config.security.cors_origins = Some("*".to_owned());
        assert_eq!(host_policy(&config, config.bind), HostPolicy::Any);
        config.security.cors_origins = None;
        config.bind = "0.0.0.0".parse().expect("a literal");
        assert_eq!(host_policy(&config, config.bind), HostPolicy::Any);
    }

    #[test]
    fn the_playground_is_for_this_machine_unless_somebody_says_otherwise() {
        let mut config = Config::default();
        assert!(has_playground(&config));
        config.security.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
        assert!(!has_playground(&config), "behind a proxy");
        config.control.playground = Some(true);
        assert!(has_playground(&config));
        config = Config::default();
        config.bind = "0.0.0.0".parse().expect("a literal");
        assert!(!has_playground(&config));
    }

    #[test]
    fn batches_gather_for_as_long_as_a_turn_may() {
        let mut config = Config::default();
        let windows = |config: &Config| {
            let windows = turn_windows(config);
            (windows.longest.as_micros(), windows.busy.as_micros())
        };
        assert_eq!(windows(&config), (1_000, 250));
        config.websocket.enable_batching = true;
        assert_eq!(windows(&config), (10_000, 10_000), "16 ms is more than a turn may");
        config.websocket.batch_interval_ms = 4;
        assert_eq!(windows(&config), (4_000, 4_000));
    }

    #[test]
    fn platforms_are_told_apart_whatever_their_case() {
        let mut config = Config::default();
        let sdk = &mut config.protocol.sdk_compatibility;
        sdk.minimum_versions = BTreeMap::from([("Unity".to_owned(), "2.0.0".to_owned())]);
        sdk.notes = BTreeMap::from([("UNITY".to_owned(), "note".to_owned())]);
        let table = handshake(&config).sdk;
        assert!(table.admit(Some("unity"), Some("1.0.0")).is_err());
        let advice = table.admit(Some("uniTY"), Some("2.0.0")).expect("new enough");
        assert_eq!((advice.minimum_version, advice.notes), (Some("2.0.0"), Some("note")));
    }

    #[test]
    fn a_wait_for_the_longest_tick_is_no_standstill() {
        let mut config = Config::default();
        for tick_ms in [1, 10, 100] {
            config.runtime.tick_ms = tick_ms;
            let settings = pump_settings(&config, 1);
            let longest_wait = settings.tick + Duration::from_millis(1) + settings.turn_windows.longest;
            assert!(settings.standstill > longest_wait * 3 / 2, "{settings:?}");
            assert!(settings.standstill <= settings.tick + Duration::from_millis(100));
        }
    }
}
