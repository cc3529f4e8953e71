//! Who can read a message: which versions have it, and whether it is one receiver's own.
//!
//! Both are said of every message by name, without a catch-all: a new one does not compile until somebody has said it.

use crate::protocol::{ProtocolVersion, ServerMessage};

impl ServerMessage<'_> {
    /// The oldest version that has such a message. Who sends one looks at its receiver's version first.
    #[must_use]
    pub const fn oldest_version(&self) -> ProtocolVersion {
        match self {
            Self::SessionPlan(_)
            | Self::Signal { .. }
            | Self::PeerTransportStatus { .. }
            | Self::DeliveryReport { .. }
            | Self::RelayStats { .. }
            | Self::RoomOperationResult { .. }
            | Self::GoingAway(_) => ProtocolVersion::V3,
            Self::Authenticated { .. }
            | Self::ProtocolInfo(_)
            | Self::AuthenticationError { .. }
            | Self::RoomJoined(_)
            | Self::RoomJoinFailed { .. }
            | Self::RoomLeft
            | Self::PlayerJoined { .. }
            | Self::PlayerLeft { .. }
            | Self::LobbyStateChanged { .. }
            | Self::GameStarting { .. }
            | Self::AuthorityChanged { .. }
            | Self::AuthorityResponse { .. }
            | Self::SpectatorJoined(_)
            | Self::SpectatorLeft { .. }
            | Self::NewSpectatorJoined { .. }
            | Self::SpectatorDisconnected { .. }
            | Self::SpectatorJoinFailed { .. }
            | Self::Reconnected(_)
            | Self::PlayerReconnected { .. }
            | Self::ReconnectionFailed { .. }
            | Self::TokenBindingChallenge { .. }
            | Self::Pong
            | Self::Error { .. } => ProtocolVersion::V2,
        }
    }

    /// Whether the text is for one receiver alone. Of anything else one encoding for each version serves a whole room.
    #[must_use]
    pub const fn is_personal(&self) -> bool {
        match *self {
            Self::AuthorityChanged { you_are_authority, .. } => you_are_authority,
            // Answers, and what is made for one connection.
            Self::Authenticated { .. }
            | Self::ProtocolInfo(_)
            | Self::AuthenticationError { .. }
            | Self::RoomJoined(_)
            | Self::RoomJoinFailed { .. }
            | Self::AuthorityResponse { .. }
            | Self::SpectatorJoined(_)
            | Self::SpectatorJoinFailed { .. }
            | Self::Reconnected(_)
            | Self::ReconnectionFailed { .. }
            | Self::DeliveryReport { .. }
            | Self::RelayStats { .. }
            | Self::TokenBindingChallenge { .. }
            | Self::SessionPlan(_)
            | Self::RoomOperationResult { .. } => true,
            Self::RoomLeft
            | Self::PlayerJoined { .. }
            | Self::PlayerLeft { .. }
            | Self::LobbyStateChanged { .. }
            | Self::GameStarting { .. }
            | Self::SpectatorLeft { .. }
            | Self::NewSpectatorJoined { .. }
            | Self::SpectatorDisconnected { .. }
            | Self::PlayerReconnected { .. }
            | Self::Signal { .. }
            | Self::PeerTransportStatus { .. }
            | Self::GoingAway(_)
            | Self::Pong
            | Self::Error { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::server_message::GoingAway;
    use crate::protocol::{OperationAnswer, OperationId};

    const GOING_AWAY: GoingAway = GoingAway {
        deadline_ms: 1,
        retry_after_secs: None,
    };

    #[test]
    fn what_version_2_cannot_read_is_known_as_such() {
        let notice = ServerMessage::GoingAway(GOING_AWAY);
        let pong = ServerMessage::Pong;
        let answer = ServerMessage::RoomOperationResult {
            operation_id: OperationId::parse("11111111-1111-1111-1111-111111111111").expect("an id"),
            result: OperationAnswer::Plain(&pong),
        };
        assert_eq!(
            [&notice, &answer].map(ServerMessage::oldest_version),
            [ProtocolVersion::V3; 2]
        );
        assert_eq!(pong.oldest_version(), ProtocolVersion::V2);
        assert!(answer.is_personal() && !notice.is_personal());
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "version 2 cannot read this")]
    fn no_notice_of_the_end_is_written_for_version_2() {
        ServerMessage::GoingAway(GOING_AWAY).write_json(ProtocolVersion::V2, &mut Vec::new());
    }
}
