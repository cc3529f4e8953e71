//! What a receiver of one protocol version sees of a control message: the only place that knows.
//!
//! Version 2 sees when players connected and how to reach them; version 3 sees sender stamps instead. Everything that a
//! version must not see is left out here, so the state above can hold everything.

mod readers;
#[cfg(test)]
mod tests;
mod views;

use serde::Serialize;
use serde_json::value::RawValue;

use self::views::{
    AuthorityResponseView, ClassesView, GalleryView, LatestView, NewSpectatorView, PeerTransportStatusView, PeerView,
    PlayerLeftView, PlayerReconnectedView, PlayerView, ProtocolInfoView, ReconnectedView, ReliableView, ReportView,
    RoomView, ServerView, SessionPlanView, SpectatorGoneView, SpectatorLeftView, SpectatorRoomView, SpectatorView,
    VolatileView, WatermarkView,
};
use super::delivery::{DeliveryCounts, Gap};
use super::server_message::{
    AdvisoryRates, GallerySight, GoingAway, PeerInfo, PlayerInfo, ProtocolInfo, Reconnected, RoomSnapshot,
    SpectatorInfo, SpectatorReason, SpectatorSnapshot,
};
use super::{
    ErrorCode, LobbyState, OperationAnswer, OperationId, OperationResult, PlanId, PlayerId, ProtocolVersion,
    ServerMessage, Transport,
};

impl ServerMessage<'_> {
    /// Appends the message's JSON text, as a receiver of `version` sees it.
    pub fn write_json(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
        debug_assert!(version >= self.oldest_version(), "version 2 cannot read this");
        serde_json::to_writer(out, &wire(self, version)).expect("writing plain values to memory cannot fail");
    }
}

/// The envelope: `{"type": …, "data": …}`, without `data` where there is nothing to say.
#[derive(Serialize)]
#[serde(tag = "type", content = "data")]
enum Wire<'a> {
    Authenticated {
        app_name: &'a str,
        rate_limits: AdvisoryRates,
    },
    ProtocolInfo(ProtocolInfoView<'a>),
    AuthenticationError {
        error: &'a str,
        error_code: ErrorCode,
    },
    RoomJoined(RoomView<'a>),
    RoomJoinFailed {
        reason: &'a str,
        error_code: ErrorCode,
    },
    RoomLeft,
    PlayerJoined {
        player: PlayerView<'a>,
    },
    PlayerLeft(PlayerLeftView),
    LobbyStateChanged {
        lobby_state: LobbyState,
        ready_players: &'a [PlayerId],
        all_ready: bool,
    },
    GameStarting {
        peer_connections: Vec<PeerView<'a>>,
    },
    AuthorityChanged {
        authority_player: Option<PlayerId>,
        you_are_authority: bool,
    },
    AuthorityResponse(AuthorityResponseView<'a>),
    SpectatorJoined(SpectatorRoomView<'a>),
    SpectatorLeft(SpectatorLeftView<'a>),
    NewSpectatorJoined(NewSpectatorView<'a>),
    SpectatorDisconnected(SpectatorGoneView<'a>),
    SpectatorJoinFailed {
        reason: &'a str,
        error_code: ErrorCode,
    },
    Reconnected(ReconnectedView<'a>),
    PlayerReconnected(PlayerReconnectedView<'a>),
    ReconnectionFailed {
        reason: &'a str,
        error_code: ErrorCode,
    },
    DeliveryReport(ReportView<'a>),
    RelayStats {
        interval_ms: u64,
        sent_to_you: u64,
        dropped_for_you: u64,
        backpressure_events: u64,
    },
    TokenBindingChallenge {
        version: u8,
        scheme: &'a str,
        nonce: &'a str,
        first_sequence: u64,
    },
    SessionPlan(SessionPlanView<'a>),
    Signal {
        from: PlayerId,
        generation: PlanId,
        signal: &'a RawValue,
    },
    PeerTransportStatus(PeerTransportStatusView),
    RoomOperationResult {
        operation_id: OperationId,
        result: ResultWire<'a>,
    },
    GoingAway(GoingAway),
    Pong,
    Error {
        message: &'a str,
        error_code: ErrorCode,
    },
}

/// An envelope inside an envelope.
#[derive(Serialize)]
#[serde(untagged)]
enum ResultWire<'a> {
    Plain(Box<Wire<'a>>),
    Own(&'a OperationResult<'a>),
}

fn wire<'a>(message: &'a ServerMessage<'_>, version: ProtocolVersion) -> Wire<'a> {
    match *message {
        ServerMessage::Authenticated { app_name, rate_limits } => Wire::Authenticated { app_name, rate_limits },
        ServerMessage::ProtocolInfo(ref info) => Wire::ProtocolInfo(protocol_info(info, version)),
        ServerMessage::AuthenticationError { error, error_code } => Wire::AuthenticationError { error, error_code },
        ServerMessage::RoomJoined(ref room) => Wire::RoomJoined(room_view(room, version)),
        ServerMessage::RoomJoinFailed { reason, error_code } => Wire::RoomJoinFailed { reason, error_code },
        ServerMessage::RoomLeft => Wire::RoomLeft,
        ServerMessage::PlayerJoined { ref player } => Wire::PlayerJoined {
            player: player_view(player, version),
        },
        ServerMessage::PlayerLeft { player_id, last } => {
            let stamped = version >= ProtocolVersion::V3;
            Wire::PlayerLeft(PlayerLeftView {
                player_id,
                epoch: stamped.then_some(last.epoch),
                final_seq: stamped.then_some(last.seq),
            })
        }
        ServerMessage::LobbyStateChanged {
            lobby_state,
            ref ready_players,
            all_ready,
        } => Wire::LobbyStateChanged {
            lobby_state,
            ready_players,
            all_ready,
        },
        ServerMessage::GameStarting { ref peers } => Wire::GameStarting {
            peer_connections: peers.iter().map(peer_view).collect(),
        },
        ServerMessage::AuthorityChanged {
            authority_player,
            you_are_authority,
        } => Wire::AuthorityChanged {
            authority_player,
            you_are_authority,
        },
        ServerMessage::AuthorityResponse { refusal } => Wire::AuthorityResponse(AuthorityResponseView {
            granted: refusal.is_none(),
            reason: refusal.map(|refusal| &*refusal.text),
            error_code: refusal.map(|refusal| refusal.code),
        }),
        ServerMessage::SpectatorJoined(ref room) => Wire::SpectatorJoined(spectator_room_view(room, version)),
        ServerMessage::SpectatorLeft {
            room_id,
            room_code,
            reason,
            ref current_spectators,
        } => {
            let current_spectators = spectator_views(current_spectators, version);
            Wire::SpectatorLeft(SpectatorLeftView {
                room_id,
                room_code,
                reason,
                current_spectators,
            })
        }
        ServerMessage::NewSpectatorJoined {
            ref spectator,
            ref gallery,
        } => Wire::NewSpectatorJoined(NewSpectatorView {
            spectator: spectator_view(spectator, version),
            gallery: gallery_view(gallery, version),
            reason: SpectatorReason::Joined,
        }),
        ServerMessage::SpectatorDisconnected {
            spectator_id,
            reason,
            ref gallery,
        } => {
            let gallery = gallery_view(gallery, version);
            Wire::SpectatorDisconnected(SpectatorGoneView {
                spectator_id,
                reason,
                gallery,
            })
        }
        ServerMessage::SpectatorJoinFailed { reason, error_code } => Wire::SpectatorJoinFailed { reason, error_code },
        ServerMessage::Reconnected(ref back) => Wire::Reconnected(reconnected_view(back, version)),
        ServerMessage::PlayerReconnected { ref player } => Wire::PlayerReconnected(PlayerReconnectedView {
            player_id: player.id,
            player: player_view(player, version),
            epoch: (version >= ProtocolVersion::V3).then_some(player.stamp.epoch),
        }),
        ServerMessage::ReconnectionFailed { reason, error_code } => Wire::ReconnectionFailed { reason, error_code },
        ServerMessage::DeliveryReport { ref counts, gaps } => Wire::DeliveryReport(report_view(counts, gaps)),
        ServerMessage::RelayStats {
            interval_ms,
            sent_to_you,
            dropped_for_you,
            backpressure_events,
        } => Wire::RelayStats {
            interval_ms,
            sent_to_you,
            dropped_for_you,
            backpressure_events,
        },
        ServerMessage::TokenBindingChallenge {
            version,
            scheme,
            nonce,
            first_sequence,
        } => Wire::TokenBindingChallenge {
            version,
            scheme,
            nonce,
            first_sequence,
        },
        ServerMessage::SessionPlan(ref plan) => Wire::SessionPlan(SessionPlanView {
            plan,
            fallback: Transport::Relay,
        }),
        ServerMessage::Signal {
            from,
            generation,
            signal,
        } => Wire::Signal {
            from,
            generation,
            signal,
        },
        ServerMessage::PeerTransportStatus { peer_id, status } => {
            Wire::PeerTransportStatus(PeerTransportStatusView { peer_id, status })
        }
        ServerMessage::RoomOperationResult {
            operation_id,
            ref result,
        } => Wire::RoomOperationResult {
            operation_id,
            result: match result {
                OperationAnswer::Plain(message) => ResultWire::Plain(Box::new(wire(message, version))),
                OperationAnswer::Own(result) => ResultWire::Own(result),
            },
        },
        ServerMessage::GoingAway(notice) => Wire::GoingAway(notice),
        ServerMessage::Pong => Wire::Pong,
        ServerMessage::Error { message, error_code } => Wire::Error { message, error_code },
    }
}

fn report_view<'a>(counts: &DeliveryCounts, gaps: &'a [Gap]) -> ReportView<'a> {
    let [reliable, latest, volatile] = counts.delivered;
    let losses = counts.losses;
    ReportView {
        per_class: ClassesView {
            reliable: ReliableView {
                delivered: reliable,
                abandoned: 0,
                unsupported_format: losses.unsupported_format,
            },
            latest: LatestView {
                delivered: latest,
                superseded: losses.superseded,
                dropped_full: losses.dropped_full,
                abandoned: 0,
                unsupported_format: 0,
            },
            volatile: VolatileView {
                delivered: volatile,
                dropped: losses.volatile_dropped,
                abandoned: 0,
                unsupported_format: 0,
            },
        },
        gaps,
    }
}

fn protocol_info<'a>(info: &'a ProtocolInfo<'_>, version: ProtocolVersion) -> ProtocolInfoView<'a> {
    let server = Some(&info.server).filter(|_| version >= ProtocolVersion::V3);
    ProtocolInfoView {
        platform: info.platform,
        sdk_version: info.sdk_version,
        minimum_version: info.minimum_version,
        recommended_version: info.recommended_version,
        capabilities: &info.capabilities,
        notes: info.notes,
        game_data_formats: info.game_data_formats,
        player_name_rules: info.player_name_rules,
        server: server.map(|server| ServerView {
            protocol_version: version.number(),
            min_protocol_version: server.oldest.number(),
            max_protocol_version: server.newest.number(),
            transports: ["websocket"],
            max_outbound_message_size: server.max_outbound_bytes,
            implementation_version: server.implementation_version,
            game_data_limits: &server.game_data_limits,
        }),
    }
}

fn player_view<'a>(player: &'a PlayerInfo<'_>, version: ProtocolVersion) -> PlayerView<'a> {
    let stamped = version >= ProtocolVersion::V3;
    PlayerView {
        id: player.id,
        name: player.name,
        is_authority: player.is_authority,
        is_ready: player.is_ready,
        connected_at: (!stamped).then_some(player.connected_at),
        connection_info: player.connection_info.filter(|_| !stamped),
        epoch: stamped.then_some(player.stamp.epoch),
        seq: stamped.then_some(player.stamp.seq),
    }
}

fn peer_view<'a>(peer: &'a PeerInfo<'_>) -> PeerView<'a> {
    PeerView {
        player_id: peer.player_id,
        player_name: peer.player_name,
        is_authority: peer.is_authority,
        relay_type: peer.relay_type,
        connection_info: peer.connection_info,
    }
}

fn room_view<'a>(room: &'a RoomSnapshot<'_>, version: ProtocolVersion) -> RoomView<'a> {
    RoomView {
        room_id: room.room_id,
        room_code: room.room_code,
        player_id: room.player_id,
        game_name: room.game_name,
        max_players: room.max_players,
        supports_authority: room.supports_authority,
        current_players: room
            .current_players
            .iter()
            .map(|player| player_view(player, version))
            .collect(),
        is_authority: room.is_authority,
        lobby_state: room.lobby_state,
        ready_players: &room.ready_players,
        relay_type: room.relay_type,
        current_spectators: spectator_views(&room.current_spectators, version),
        ice_servers: if version >= ProtocolVersion::V3 {
            &room.ice_servers
        } else {
            &[]
        },
        reconnection_token: room.reconnection_token.filter(|_| version >= ProtocolVersion::V3),
    }
}

fn reconnected_view<'a>(back: &'a Reconnected<'_>, version: ProtocolVersion) -> ReconnectedView<'a> {
    let stamped = version >= ProtocolVersion::V3;
    let watermark = |player: &PlayerInfo<'_>| WatermarkView {
        player_id: player.id,
        epoch: player.stamp.epoch,
        seq: player.stamp.seq,
    };
    ReconnectedView {
        room: room_view(&back.room, version),
        missed_events: &back.missed_events,
        replay: stamped.then_some(back.replay),
        sender_watermarks: stamped.then(|| back.room.current_players.iter().map(watermark).collect()),
    }
}

fn spectator_view<'a>(spectator: &'a SpectatorInfo<'_>, version: ProtocolVersion) -> SpectatorView<'a> {
    SpectatorView {
        id: spectator.id,
        name: spectator.name,
        connected_at: (version < ProtocolVersion::V3).then_some(spectator.connected_at),
    }
}

fn spectator_views<'a>(spectators: &'a [SpectatorInfo<'_>], version: ProtocolVersion) -> Vec<SpectatorView<'a>> {
    spectators
        .iter()
        .map(|spectator| spectator_view(spectator, version))
        .collect()
}

fn gallery_view<'a>(sight: &'a GallerySight<'_>, version: ProtocolVersion) -> GalleryView<'a> {
    let counted = version >= ProtocolVersion::V3;
    GalleryView {
        current_spectators: if counted {
            Vec::new()
        } else {
            spectator_views(&sight.everybody, version)
        },
        spectator_count: counted.then_some(sight.count),
    }
}

fn spectator_room_view<'a>(room: &'a SpectatorSnapshot<'_>, version: ProtocolVersion) -> SpectatorRoomView<'a> {
    SpectatorRoomView {
        room_id: room.room_id,
        room_code: room.room_code,
        spectator_id: room.spectator_id,
        game_name: room.game_name,
        current_players: room
            .current_players
            .iter()
            .map(|player| player_view(player, version))
            .collect(),
        current_spectators: spectator_views(&room.current_spectators, version),
        lobby_state: room.lobby_state,
        reason: SpectatorReason::Joined,
    }
}
