//! The closed list of error codes.
//!
//! Owns the names that clients decode. Published clients have no catch-all: a name outside this list makes the whole
//! message undecodable, so the list is never extended.

/// Declares [`ErrorCode`] once: the variant, its wire name, and nothing else.
macro_rules! error_codes {
    ($($variant:ident => $wire:literal,)+) => {
        /// Why a request was refused or a connection ended, as clients read it.
        ///
        /// What each code means for the client is in `docs/protocol.md`.
        #[allow(missing_docs, reason = "each variant is its wire name; docs/protocol.md has the table of meanings")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ErrorCode {
            $($variant,)+
        }

        impl ErrorCode {
            /// Every code, in the order of the protocol's list.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $wire,)+
                }
            }
        }
    };
}

error_codes! {
    Unauthorized => "UNAUTHORIZED",
    InvalidToken => "INVALID_TOKEN",
    AuthenticationRequired => "AUTHENTICATION_REQUIRED",
    InvalidAppId => "INVALID_APP_ID",
    AppIdExpired => "APP_ID_EXPIRED",
    AppIdRevoked => "APP_ID_REVOKED",
    AppIdSuspended => "APP_ID_SUSPENDED",
    MissingAppId => "MISSING_APP_ID",
    AuthenticationTimeout => "AUTHENTICATION_TIMEOUT",
    SdkVersionUnsupported => "SDK_VERSION_UNSUPPORTED",
    UnsupportedGameDataFormat => "UNSUPPORTED_GAME_DATA_FORMAT",
    InvalidInput => "INVALID_INPUT",
    InvalidGameName => "INVALID_GAME_NAME",
    InvalidRoomCode => "INVALID_ROOM_CODE",
    InvalidPlayerName => "INVALID_PLAYER_NAME",
    InvalidMaxPlayers => "INVALID_MAX_PLAYERS",
    MessageTooLarge => "MESSAGE_TOO_LARGE",
    RoomNotFound => "ROOM_NOT_FOUND",
    RoomFull => "ROOM_FULL",
    AlreadyInRoom => "ALREADY_IN_ROOM",
    NotInRoom => "NOT_IN_ROOM",
    RoomCreationFailed => "ROOM_CREATION_FAILED",
    MaxRoomsPerGameExceeded => "MAX_ROOMS_PER_GAME_EXCEEDED",
    InvalidRoomState => "INVALID_ROOM_STATE",
    AuthorityNotSupported => "AUTHORITY_NOT_SUPPORTED",
    AuthorityConflict => "AUTHORITY_CONFLICT",
    AuthorityDenied => "AUTHORITY_DENIED",
    RateLimitExceeded => "RATE_LIMIT_EXCEEDED",
    TooManyConnections => "TOO_MANY_CONNECTIONS",
    ReconnectionFailed => "RECONNECTION_FAILED",
    ReconnectionTokenInvalid => "RECONNECTION_TOKEN_INVALID",
    ReconnectionExpired => "RECONNECTION_EXPIRED",
    PlayerAlreadyConnected => "PLAYER_ALREADY_CONNECTED",
    SpectatorNotAllowed => "SPECTATOR_NOT_ALLOWED",
    TooManySpectators => "TOO_MANY_SPECTATORS",
    NotASpectator => "NOT_A_SPECTATOR",
    SpectatorJoinFailed => "SPECTATOR_JOIN_FAILED",
    InternalError => "INTERNAL_ERROR",
    StorageError => "STORAGE_ERROR",
    ServiceUnavailable => "SERVICE_UNAVAILABLE",
    CrossRoomSignal => "CROSS_ROOM_SIGNAL",
    UnsupportedTransport => "UNSUPPORTED_TRANSPORT",
    SignalTargetNotFound => "SIGNAL_TARGET_NOT_FOUND",
    SignalRateLimited => "SIGNAL_RATE_LIMITED",
    SignalTooLarge => "SIGNAL_TOO_LARGE",
    ConnectionIdleTimeout => "CONNECTION_IDLE_TIMEOUT",
    GameStartNotReady => "GAME_START_NOT_READY",
    GameStartForbidden => "GAME_START_FORBIDDEN",
    RoomSessionIncompatible => "ROOM_SESSION_INCOMPATIBLE",
    SlowConsumer => "SLOW_CONSUMER",
    ActivityTimeout => "ACTIVITY_TIMEOUT",
    ServerDraining => "SERVER_DRAINING",
    InvalidDeliveryClass => "INVALID_DELIVERY_CLASS",
    UnsupportedProtocolVersion => "UNSUPPORTED_PROTOCOL_VERSION",
    NotRoomAuthority => "NOT_ROOM_AUTHORITY",
    KickTargetNotFound => "KICK_TARGET_NOT_FOUND",
    Kicked => "KICKED",
    PasswordRequired => "PASSWORD_REQUIRED",
    Banned => "BANNED",
    TransferTargetNotFound => "TRANSFER_TARGET_NOT_FOUND",
    ConnectTokenInvalid => "CONNECT_TOKEN_INVALID",
    ConnectTokenRequired => "CONNECT_TOKEN_REQUIRED",
}

impl serde::Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorCode;

    #[test]
    fn the_list_is_closed_and_its_names_are_distinct() {
        let mut names: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), 62);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 62);
    }
}
