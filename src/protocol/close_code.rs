//! The close codes this server sends, with their reason texts.
//!
//! The coded ones are the protocol's; framing violations close with the codes of RFC 6455, section 7.4.1.

/// Why the server ends a connection, as its close frame says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub enum CloseCode {
    /// An ordinary end by the server: a failed handshake, or a message before a required handshake.
    Unregistered,
    /// A frame broke the rules of RFC 6455.
    ProtocolViolation,
    /// A text message or a close reason was not UTF-8.
    InvalidUtf8,
    /// An inbound message or control frame was beyond the polite tier.
    InboundTooLarge,
    /// A message to this client would exceed the outbound limit.
    OutboundTooLarge,
    /// The connection could not be registered.
    AdmissionFailed,
    /// The server is stopping.
    ServerShutdown,
    /// A required handshake was not completed in time.
    AuthTimeout,
    /// The client did not read what was sent to it.
    SlowConsumer,
    /// The client showed no life.
    ActivityTimeout,
    /// No frame of any kind arrived for too long.
    IdleTimeout,
    /// The room of the player was deleted for inactivity.
    RoomInactive,
    /// The budget for refused requests was used up.
    InboundRateLimited,
    /// The room's authority removed the player.
    Kicked,
}

impl CloseCode {
    /// Every one, in their order.
    pub const ALL: &'static [Self] = &[
        Self::Unregistered,
        Self::ProtocolViolation,
        Self::InvalidUtf8,
        Self::InboundTooLarge,
        Self::OutboundTooLarge,
        Self::AdmissionFailed,
        Self::ServerShutdown,
        Self::AuthTimeout,
        Self::SlowConsumer,
        Self::ActivityTimeout,
        Self::IdleTimeout,
        Self::RoomInactive,
        Self::InboundRateLimited,
        Self::Kicked,
    ];

    /// The number in the close frame.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Unregistered => 1000,
            Self::ProtocolViolation => 1002,
            Self::InvalidUtf8 => 1007,
            Self::InboundTooLarge | Self::OutboundTooLarge => 1009,
            Self::AdmissionFailed => 1011,
            Self::ServerShutdown => 4000,
            Self::AuthTimeout => 4001,
            Self::SlowConsumer => 4002,
            Self::ActivityTimeout => 4003,
            Self::IdleTimeout => 4004,
            Self::RoomInactive => 4005,
            Self::InboundRateLimited => 4006,
            Self::Kicked => 4007,
        }
    }

    /// Whether the player's seat ends with the connection, so that there is nothing to come back to.
    #[must_use]
    pub const fn ends_membership(self) -> bool {
        match self {
            Self::RoomInactive | Self::Kicked => true,
            Self::Unregistered
            | Self::ProtocolViolation
            | Self::InvalidUtf8
            | Self::InboundTooLarge
            | Self::OutboundTooLarge
            | Self::AdmissionFailed
            | Self::ServerShutdown
            | Self::AuthTimeout
            | Self::SlowConsumer
            | Self::ActivityTimeout
            | Self::IdleTimeout
            | Self::InboundRateLimited => false,
        }
    }

    /// The reason text in the close frame.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unregistered => "unregistered",
            Self::ProtocolViolation => "protocol_violation",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::InboundTooLarge => "inbound_message_too_large",
            Self::OutboundTooLarge => "outbound_message_too_large",
            Self::AdmissionFailed => "admission_failed",
            Self::ServerShutdown => "server_shutdown",
            Self::AuthTimeout => "auth_timeout",
            Self::SlowConsumer => "slow_consumer",
            Self::ActivityTimeout => "activity_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::RoomInactive => "room_inactive",
            Self::InboundRateLimited => "inbound_rate_limited",
            Self::Kicked => "kicked",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_the_order_of_the_codes() {
        for (place, code) in CloseCode::ALL.iter().enumerate() {
            assert_eq!(*code as usize, place);
        }
        assert_eq!(CloseCode::ALL.last(), Some(&CloseCode::Kicked), "the last one is in it");
    }
}
