// Made from docs/protocol.schema.json by scripts/types.mjs. Do not edit.

/** What a client may say on version 3. */
export type ClientMessage = ClientAuthenticate | ClientJoinRoom | ClientLeaveRoom | ClientPlayerReady | ClientStartGame | ClientAuthorityRequest | ClientProvideConnectionInfo | ClientGameData | ClientPing | ClientJoinAsSpectator | ClientLeaveSpectator | ClientReconnect | ClientSignal | ClientTransportStatus | ClientRoomOperation;

/** What a client may say on version 2. */
export type ClientMessageV2 = ClientAuthenticate | ClientJoinRoom | ClientLeaveRoom | ClientPlayerReady | ClientStartGame | ClientAuthorityRequest | ClientProvideConnectionInfo | ClientGameData | ClientPing | ClientJoinAsSpectator | ClientLeaveSpectator | ClientReconnect;

/** What the server may say on version 3. */
export type ServerMessageV3 = ServerAuthenticated | ServerProtocolInfoV3 | ServerAuthenticationError | ServerRoomJoinedV3 | ServerRoomJoinFailed | ServerRoomLeft | ServerPlayerJoinedV3 | ServerPlayerLeftV3 | ServerLobbyStateChanged | ServerGameStarting | ServerAuthorityChanged | ServerAuthorityResponse | ServerGameDataV3 | ServerSpectatorJoinedV3 | ServerSpectatorJoinFailed | ServerSpectatorLeftV3 | ServerNewSpectatorJoinedV3 | ServerSpectatorDisconnectedV3 | ServerReconnectedV3 | ServerReconnectionFailed | ServerPlayerReconnectedV3 | ServerDeliveryReport | ServerRelayStats | ServerSessionPlan | ServerSignal | ServerPeerTransportStatus | ServerRoomOperationResult | ServerGoingAway | ServerTokenBindingChallenge | ServerPong | ServerError;

/** What the server may say on version 2. */
export type ServerMessageV2 = ServerAuthenticated | ServerProtocolInfoV2 | ServerAuthenticationError | ServerRoomJoinedV2 | ServerRoomJoinFailed | ServerRoomLeft | ServerPlayerJoinedV2 | ServerPlayerLeftV2 | ServerLobbyStateChanged | ServerGameStarting | ServerAuthorityChanged | ServerAuthorityResponse | ServerGameDataV2 | ServerSpectatorJoinedV2 | ServerSpectatorJoinFailed | ServerSpectatorLeftV2 | ServerNewSpectatorJoinedV2 | ServerSpectatorDisconnectedV2 | ServerReconnectedV2 | ServerReconnectionFailed | ServerPlayerReconnectedV2 | ServerTokenBindingChallenge | ServerPong | ServerError;

/** A version-4 uuid in lower case with hyphens. */
export type Uuid = string;

/** Who: a player while seated, a spectator while watching. New with every connection, and kept by a return. */
export type PlayerId = Uuid;

/** Which room. Unrelated to its code, and needed to come back. */
export type RoomId = Uuid;

/** Which session plan; signals repeat it as their `generation`. */
export type PlanId = Uuid;

/** A client's own id for one room operation, repeated in the answer. */
export type OperationId = Uuid;

/** How a room is found: 6 letters or digits, any case when sent. Operators may change the length and set a prefix. */
export type RoomCode = string;

/** RFC 3339, UTC. */
export type Time = string;

/** How a connection's binary frames are encoded. `json`: it has none. */
export type GameDataFormat = "json" | "message_pack" | "rkyv" | "protobuf";

/** What may happen to game data when its receiver falls behind. `reliable`: nothing. `latest`: an unsent value gives way to a newer one with the same key. `volatile`: it may be left out, and is then reported. */
export type DeliveryClass = "reliable" | "latest" | "volatile";

/** How game traffic reaches a peer. */
export type Transport = "relay" | "direct" | "webrtc";

/** The shape of a session. */
export type Topology = "relay" | "host" | "mesh";

/** Transport of a third-party relay. */
export type RelayTransport = "tcp" | "udp" | "websocket" | "auto";

/** Where a room stands. `waiting` is said to its creator alone, `finalized` is for ever. */
export type LobbyState = "waiting" | "lobby" | "finalized";

/** Why somebody watches, or no longer does. */
export type SpectatorReason = "joined" | "voluntary_leave" | "disconnected" | "removed" | "room_closed";

/** Why a message is missing. */
export type GapReason = "latest_superseded" | "latest_dropped_full" | "volatile_dropped" | "unsupported_format";

/** Whether `missed_events` are all: older ones may have been pushed out, or none are kept. */
export type Replay = "complete" | "truncated" | "unavailable";

/** The list is closed: no code is ever added. */
export type ErrorCode = "UNAUTHORIZED" | "INVALID_TOKEN" | "AUTHENTICATION_REQUIRED" | "INVALID_APP_ID" | "APP_ID_EXPIRED" | "APP_ID_REVOKED" | "APP_ID_SUSPENDED" | "MISSING_APP_ID" | "AUTHENTICATION_TIMEOUT" | "SDK_VERSION_UNSUPPORTED" | "UNSUPPORTED_GAME_DATA_FORMAT" | "INVALID_INPUT" | "INVALID_GAME_NAME" | "INVALID_ROOM_CODE" | "INVALID_PLAYER_NAME" | "INVALID_MAX_PLAYERS" | "MESSAGE_TOO_LARGE" | "ROOM_NOT_FOUND" | "ROOM_FULL" | "ALREADY_IN_ROOM" | "NOT_IN_ROOM" | "ROOM_CREATION_FAILED" | "MAX_ROOMS_PER_GAME_EXCEEDED" | "INVALID_ROOM_STATE" | "AUTHORITY_NOT_SUPPORTED" | "AUTHORITY_CONFLICT" | "AUTHORITY_DENIED" | "RATE_LIMIT_EXCEEDED" | "TOO_MANY_CONNECTIONS" | "RECONNECTION_FAILED" | "RECONNECTION_TOKEN_INVALID" | "RECONNECTION_EXPIRED" | "PLAYER_ALREADY_CONNECTED" | "SPECTATOR_NOT_ALLOWED" | "TOO_MANY_SPECTATORS" | "NOT_A_SPECTATOR" | "SPECTATOR_JOIN_FAILED" | "INTERNAL_ERROR" | "STORAGE_ERROR" | "SERVICE_UNAVAILABLE" | "CROSS_ROOM_SIGNAL" | "UNSUPPORTED_TRANSPORT" | "SIGNAL_TARGET_NOT_FOUND" | "SIGNAL_RATE_LIMITED" | "SIGNAL_TOO_LARGE" | "CONNECTION_IDLE_TIMEOUT" | "GAME_START_NOT_READY" | "GAME_START_FORBIDDEN" | "ROOM_SESSION_INCOMPATIBLE" | "SLOW_CONSUMER" | "ACTIVITY_TIMEOUT" | "SERVER_DRAINING" | "INVALID_DELIVERY_CLASS" | "UNSUPPORTED_PROTOCOL_VERSION" | "NOT_ROOM_AUTHORITY" | "KICK_TARGET_NOT_FOUND" | "KICKED" | "PASSWORD_REQUIRED" | "BANNED" | "TRANSFER_TARGET_NOT_FOUND" | "CONNECT_TOKEN_INVALID" | "CONNECT_TOKEN_REQUIRED";

/** For people; may change. */
export type Reason = string;

/** Counts a player's memberships from 1: every join and every return is a new one. */
export type Epoch = number;

/** Counts what a player said in one membership, from 1. In a snapshot: the number already used. */
export type Seq = number;

/** Where a player says it can be reached. The relay gives the fields no meaning. */
export type ConnectionInfo = {
  type: "direct";
  host: string;
  port: number;
} | {
  type: "unity_relay";
  allocation_id: string;
  connection_data: string;
  key: string;
} | {
  type: "relay";
  host: string;
  port: number;
  /** Absent: `auto`. */
  transport?: RelayTransport | null;
  allocation_id: string;
  token: string;
  client_id?: number | null;
} | {
  type: "webrtc";
  sdp?: string | null;
  ice_candidates: string[];
} | {
  type: "custom";
  /** Anything that the game understands. */
  data: unknown;
};

/** Opens the conversation. Answered by `Authenticated` and `ProtocolInfo`, or by `AuthenticationError`. */
export interface ClientAuthenticate {
  type: "Authenticate";
  data: {
    /** The application's public id, at most 256 bytes. Without an allowlist on the server any label does. */
    app_id: string;
    /** The newest version that the client speaks. Absent: the path's. */
    protocol_version?: number | null;
    /** Absent: `json`. */
    game_data_format?: GameDataFormat | null;
    /** Meant to be semantic. */
    sdk_version?: string | null;
    /** Comes back in `ProtocolInfo`. */
    platform?: string | null;
    /** What the game's own backend signed, where the server asks for it. */
    connect_token?: string | null;
    /** Version 3: what the client can do. `relay` is always among them. */
    supported_transports?: Transport[] | null;
    /** Version 3: what the client can do. `relay` is always among them. */
    supported_topologies?: Topology[] | null;
    /** Version 3: `room_operation_ids`; other words are ignored. */
    requested_capabilities?: string[] | null;
  };
}

/** Takes a seat in a room, or makes the room. Answered by `RoomJoined` or `RoomJoinFailed`. */
export interface ClientJoinRoom {
  type: "JoinRoom";
  data: JoinRoomPayload;
}

/** Gives the seat up. Answered by `RoomLeft`; without a seat not at all. */
export interface ClientLeaveRoom {
  type: "LeaveRoom";
  data?: null;
}

/** Toggles readiness. The room gets `LobbyStateChanged`. */
export interface ClientPlayerReady {
  type: "PlayerReady";
  data?: null;
}

/** Starts the game, when everybody is ready. The room gets `GameStarting`. */
export interface ClientStartGame {
  type: "StartGame";
  data?: null;
}

/** Answered by `AuthorityResponse`; on success the room gets `AuthorityChanged`. */
export interface ClientAuthorityRequest {
  type: "AuthorityRequest";
  data: {
    /** `true` claims, `false` releases. */
    become_authority: boolean;
  };
}

/** Not answered on success. */
export interface ClientProvideConnectionInfo {
  type: "ProvideConnectionInfo";
  data: {
    connection_info: ConnectionInfo;
  };
}

/** Game data for everybody else in the room. Not answered on success. */
export interface ClientGameData {
  type: "GameData";
  data: {
    /** Any JSON value, relayed byte for byte. */
    data: unknown;
    /** Version 3. Absent: `reliable`; never `null`. */
    class?: DeliveryClass;
    /** Version 3: with `latest`, and only there; never `null`. */
    key?: number;
  };
}

/** Answered by `Pong`. */
export interface ClientPing {
  type: "Ping";
  data?: null;
}

/** Watches a room. Answered by `SpectatorJoined` or `SpectatorJoinFailed`. */
export interface ClientJoinAsSpectator {
  type: "JoinAsSpectator";
  data: JoinAsSpectatorPayload;
}

/** Stops watching. Answered by `SpectatorLeft`, or by `Error`. */
export interface ClientLeaveSpectator {
  type: "LeaveSpectator";
  data?: null;
}

/** Takes a lost seat back. Answered by `Reconnected` or `ReconnectionFailed`. */
export interface ClientReconnect {
  type: "Reconnect";
  data: ReconnectPayload;
}

/** Version 3: signalling for one other player. Not answered on success. */
export interface ClientSignal {
  type: "Signal";
  data: {
    to: PlayerId;
    generation: PlanId;
    /** Any JSON value of at most 16,384 bytes, passed on byte for byte. */
    signal: unknown;
  };
}

/** Version 3: whether a transport to the peers works. Never answered. */
export interface ClientTransportStatus {
  type: "TransportStatus";
  data: {
    transport: Transport;
    connected: boolean;
  };
}

export interface JoinRoomPayload {
  /** The namespace of the code: letters, digits, spaces, `-`, `_`. */
  game_name: string;
  /** Shown to the others; the rules are in `ProtocolInfo.player_name_rules`. */
  player_name: string;
  /** Absent: a room is made under a code that the server draws. One that no room has makes that room, unless `join_only`. */
  room_code?: RoomCode | null;
  /** Seats of a room that is made, 1 to 100. Absent: 8. */
  max_players?: number | null;
  /** Whether a room that is made has an authority. Absent: yes. */
  supports_authority?: boolean | null;
  /** 1 to 256 bytes. Seals a room that is made; must match that of a sealed room. */
  password?: string | null;
  /** Makes no room. Absent: no. */
  join_only?: boolean | null;
  /** Without effect. */
  relay_transport?: RelayTransport | null;
}

export interface JoinAsSpectatorPayload {
  game_name: string;
  room_code: RoomCode;
  /** Need not be unique. */
  spectator_name: string;
  password?: string | null;
}

export interface ReconnectPayload {
  player_id: PlayerId;
  room_id: RoomId;
  /** The token that came with the seat. */
  auth_token: string;
}

export interface TargetPayload {
  player_id: PlayerId;
}

export interface OperationJoinRoom {
  type: "JoinRoom";
  data: JoinRoomPayload;
}

export interface OperationLeaveRoom {
  type: "LeaveRoom";
  data?: null;
}

export interface OperationReconnect {
  type: "Reconnect";
  data: ReconnectPayload;
}

export interface OperationJoinAsSpectator {
  type: "JoinAsSpectator";
  data: JoinAsSpectatorPayload;
}

export interface OperationLeaveSpectator {
  type: "LeaveSpectator";
  data?: null;
}

export interface OperationKickPlayer {
  type: "KickPlayer";
  data: TargetPayload;
}

export interface OperationBanPlayer {
  type: "BanPlayer";
  data: TargetPayload;
}

export interface OperationUnbanPlayer {
  type: "UnbanPlayer";
  data: TargetPayload;
}

export interface OperationSetRoomAccess {
  type: "SetRoomAccess";
  data: {
    /** 1 to 256 bytes. Absent: the room is open. */
    password?: string | null;
  };
}

export interface OperationRegenerateRoomCode {
  type: "RegenerateRoomCode";
  data?: null;
}

export interface OperationTransferAuthority {
  type: "TransferAuthority";
  data: TargetPayload;
}

/** What a room operation asks for. */
export type RoomOperationRequest = OperationJoinRoom | OperationLeaveRoom | OperationReconnect | OperationJoinAsSpectator | OperationLeaveSpectator | OperationKickPlayer | OperationBanPlayer | OperationUnbanPlayer | OperationSetRoomAccess | OperationRegenerateRoomCode | OperationTransferAuthority;

/** Version 3, where `room_operation_ids` was granted: a room request that is answered once, under its id, by `RoomOperationResult`. */
export interface ClientRoomOperation {
  type: "RoomOperation";
  data: {
    operation_id: OperationId;
    operation: RoomOperationRequest;
  };
}

/** A player as room mates see it. */
export interface PlayerV2 {
  id: PlayerId;
  name: string;
  is_authority: boolean;
  is_ready: boolean;
  connected_at: Time;
  connection_info?: ConnectionInfo;
}

/** A player as room mates see it. */
export interface PlayerV3 {
  id: PlayerId;
  name: string;
  is_authority: boolean;
  is_ready: boolean;
  epoch: Epoch;
  seq: Seq;
}

/** A spectator as room mates see it. */
export interface SpectatorV2 {
  id: PlayerId;
  name: string;
  connected_at: Time;
}

/** A spectator as room mates see it. */
export interface SpectatorV3 {
  id: PlayerId;
  name: string;
}

/** What a player name may be. */
export interface NameRules {
  /** In bytes of UTF-8. */
  max_length: number;
  min_length: number;
  allow_unicode_alphanumeric: boolean;
  allow_spaces: boolean;
  allow_leading_trailing_whitespace: boolean;
  allowed_symbols: string[];
  additional_allowed_characters?: string;
}

/** A STUN or TURN server, as `RTCPeerConnection` takes it. */
export interface IceServer {
  urls: string[];
  username?: string;
  credential?: string;
}

/** A player when the game starts. */
export interface PeerConnection {
  player_id: PlayerId;
  player_name: string;
  is_authority: boolean;
  relay_type: string;
  connection_info?: ConnectionInfo;
}

/** Whom the receiver of a plan connects to. */
export interface PlanPeer {
  player_id: PlayerId;
  player_name: string;
  is_authority: boolean;
  /** Whether the receiver opens the connection; the other side waits for it. */
  initiate: boolean;
}

/** Messages of one sender that the receiver does not get. */
export interface Gap {
  from_player: PlayerId;
  epoch: Epoch;
  /** The first that is missing. */
  from_seq: number;
  /** The last. */
  to_seq: number;
  reason: GapReason;
}

/** Where a sender stands. */
export interface Watermark {
  player_id: PlayerId;
  epoch: Epoch;
  seq: Seq;
}

/** The application is let in. `ProtocolInfo` follows. */
export interface ServerAuthenticated {
  type: "Authenticated";
  data: {
    app_name: string;
    /** Advisory. */
    rate_limits: {
      per_minute: number;
      per_hour: number;
      per_day: number;
    };
  };
}

/** What the connection may rely on. */
export interface ServerProtocolInfoV2 {
  type: "ProtocolInfo";
  data: {
    platform?: string;
    sdk_version?: string;
    minimum_version?: string;
    recommended_version?: string;
    capabilities: string[];
    notes?: string;
    game_data_formats: GameDataFormat[];
    player_name_rules: NameRules;
  };
}

/** What the connection may rely on. */
export interface ServerProtocolInfoV3 {
  type: "ProtocolInfo";
  data: {
    platform?: string;
    sdk_version?: string;
    minimum_version?: string;
    recommended_version?: string;
    capabilities: string[];
    notes?: string;
    game_data_formats: GameDataFormat[];
    player_name_rules: NameRules;
    /** What is spoken. */
    protocol_version: number;
    min_protocol_version: number;
    max_protocol_version: number;
    /** How the client reaches this server. */
    transports: "websocket"[];
    /** The longest message that the client is sent, in bytes. */
    max_outbound_message_size: number;
    /** The server's own. */
    implementation_version: string;
    game_data_limits?: Array<{
      encoding: GameDataFormat;
      max_bytes: number;
    }>;
  };
}

/** The handshake was refused. */
export interface ServerAuthenticationError {
  type: "AuthenticationError";
  data: {
    error: Reason;
    error_code: ErrorCode;
  };
}

/** The receiver has a seat: a snapshot of the room. */
export interface ServerRoomJoinedV2 {
  type: "RoomJoined";
  data: {
    room_id: RoomId;
    room_code: RoomCode;
    /** The receiver. */
    player_id: PlayerId;
    game_name: string;
    max_players: number;
    supports_authority: boolean;
    /** In no order. */
    current_players: PlayerV2[];
    /** Whether the receiver leads the room. */
    is_authority: boolean;
    lobby_state: LobbyState;
    ready_players: PlayerId[];
    relay_type: string;
    current_spectators: SpectatorV2[];
  };
}

/** The receiver has a seat: a snapshot of the room. */
export interface ServerRoomJoinedV3 {
  type: "RoomJoined";
  data: {
    room_id: RoomId;
    room_code: RoomCode;
    /** The receiver. */
    player_id: PlayerId;
    game_name: string;
    max_players: number;
    supports_authority: boolean;
    /** In no order. */
    current_players: PlayerV3[];
    /** Whether the receiver leads the room. */
    is_authority: boolean;
    lobby_state: LobbyState;
    ready_players: PlayerId[];
    relay_type: string;
    current_spectators: SpectatorV3[];
    /** Good for one return. Left out where returns are switched off. */
    reconnection_token?: string;
    ice_servers?: IceServer[];
  };
}

/** No seat. */
export interface ServerRoomJoinFailed {
  type: "RoomJoinFailed";
  data: {
    reason: Reason;
    error_code: ErrorCode;
  };
}

/** The seat is given up. */
export interface ServerRoomLeft {
  type: "RoomLeft";
}

/** Somebody took a seat. */
export interface ServerPlayerJoinedV2 {
  type: "PlayerJoined";
  data: {
    player: PlayerV2;
  };
}

/** Somebody took a seat. */
export interface ServerPlayerJoinedV3 {
  type: "PlayerJoined";
  data: {
    player: PlayerV3;
  };
}

/** A seat is free. */
export interface ServerPlayerLeftV2 {
  type: "PlayerLeft";
  data: {
    player_id: PlayerId;
  };
}

/** A seat is free. */
export interface ServerPlayerLeftV3 {
  type: "PlayerLeft";
  data: {
    player_id: PlayerId;
    epoch: Epoch;
    /** The last number that the player used. */
    final_seq: number;
  };
}

/** Readiness changed. */
export interface ServerLobbyStateChanged {
  type: "LobbyStateChanged";
  data: {
    lobby_state: LobbyState;
    /** In no order. */
    ready_players: PlayerId[];
    all_ready: boolean;
  };
}

/** The game starts. */
export interface ServerGameStarting {
  type: "GameStarting";
  data: {
    /** All players, in no order. */
    peer_connections: PeerConnection[];
  };
}

/** Who leads the room now. */
export interface ServerAuthorityChanged {
  type: "AuthorityChanged";
  data: {
    authority_player: PlayerId | null;
    you_are_authority: boolean;
  };
}

/** The answer to `AuthorityRequest`. */
export interface ServerAuthorityResponse {
  type: "AuthorityResponse";
  data: {
    granted: boolean;
    /** For people; `null` when granted. */
    reason: string | null;
    error_code?: ErrorCode;
  };
}

/** What another player said. */
export interface ServerGameDataV2 {
  type: "GameData";
  data: {
    from_player: PlayerId;
    /** As it was sent. */
    data: unknown;
  };
}

/** What another player said. */
export interface ServerGameDataV3 {
  type: "GameData";
  data: {
    from_player: PlayerId;
    /** As it was sent. */
    data: unknown;
    seq: number;
    epoch: Epoch;
    /** If the sender wrote it. */
    class?: DeliveryClass;
    /** If the sender wrote it. */
    key?: number;
  };
}

/** The receiver watches: a snapshot of the room. */
export interface ServerSpectatorJoinedV2 {
  type: "SpectatorJoined";
  data: {
    room_id: RoomId;
    room_code: RoomCode;
    /** The receiver. */
    spectator_id: PlayerId;
    game_name: string;
    current_players: PlayerV2[];
    current_spectators: SpectatorV2[];
    lobby_state: LobbyState;
    reason: SpectatorReason;
  };
}

/** The receiver watches: a snapshot of the room. */
export interface ServerSpectatorJoinedV3 {
  type: "SpectatorJoined";
  data: {
    room_id: RoomId;
    room_code: RoomCode;
    /** The receiver. */
    spectator_id: PlayerId;
    game_name: string;
    current_players: PlayerV3[];
    current_spectators: SpectatorV3[];
    lobby_state: LobbyState;
    reason: SpectatorReason;
  };
}

/** The receiver does not watch. */
export interface ServerSpectatorJoinFailed {
  type: "SpectatorJoinFailed";
  data: {
    reason: Reason;
    error_code: ErrorCode;
  };
}

/** The receiver watches no longer. */
export interface ServerSpectatorLeftV2 {
  type: "SpectatorLeft";
  data: {
    room_id?: RoomId;
    room_code?: RoomCode;
    reason: SpectatorReason;
    current_spectators: SpectatorV2[];
  };
}

/** The receiver watches no longer. */
export interface ServerSpectatorLeftV3 {
  type: "SpectatorLeft";
  data: {
    room_id?: RoomId;
    room_code?: RoomCode;
    reason: SpectatorReason;
    current_spectators: SpectatorV3[];
  };
}

/** Somebody watches. */
export interface ServerNewSpectatorJoinedV2 {
  type: "NewSpectatorJoined";
  data: {
    spectator: SpectatorV2;
    current_spectators: SpectatorV2[];
    reason: SpectatorReason;
  };
}

/** Somebody watches. */
export interface ServerNewSpectatorJoinedV3 {
  type: "NewSpectatorJoined";
  data: {
    spectator: SpectatorV3;
    /** Always empty on version 3. */
    current_spectators: SpectatorV3[];
    /** How many watch. */
    spectator_count: number;
    reason: SpectatorReason;
  };
}

/** Somebody watches no longer. */
export interface ServerSpectatorDisconnectedV2 {
  type: "SpectatorDisconnected";
  data: {
    spectator_id: PlayerId;
    reason: SpectatorReason;
    current_spectators: SpectatorV2[];
  };
}

/** Somebody watches no longer. */
export interface ServerSpectatorDisconnectedV3 {
  type: "SpectatorDisconnected";
  data: {
    spectator_id: PlayerId;
    reason: SpectatorReason;
    /** Always empty on version 3. */
    current_spectators: SpectatorV3[];
    /** How many watch. */
    spectator_count: number;
  };
}

/** A room event that a player missed. */
export type MissedEventV2 = ServerPlayerJoinedV2 | ServerPlayerLeftV2 | ServerPlayerReconnectedV2 | ServerLobbyStateChanged | ServerGameStarting | ServerAuthorityChanged | ServerNewSpectatorJoinedV2 | ServerSpectatorDisconnectedV2;

/** A room event that a player missed. */
export type MissedEventV3 = ServerPlayerJoinedV3 | ServerPlayerLeftV3 | ServerPlayerReconnectedV3 | ServerLobbyStateChanged | ServerGameStarting | ServerAuthorityChanged | ServerNewSpectatorJoinedV3 | ServerSpectatorDisconnectedV3;

/** The seat is taken back: a snapshot of the room, and what was missed, oldest first, without game data. */
export interface ServerReconnectedV2 {
  type: "Reconnected";
  data: {
    room_id: RoomId;
    room_code: RoomCode;
    /** The receiver. */
    player_id: PlayerId;
    game_name: string;
    max_players: number;
    supports_authority: boolean;
    /** In no order. */
    current_players: PlayerV2[];
    /** Whether the receiver leads the room. */
    is_authority: boolean;
    lobby_state: LobbyState;
    ready_players: PlayerId[];
    relay_type: string;
    current_spectators: SpectatorV2[];
    missed_events: MissedEventV2[];
  };
}

/** The seat is taken back: a snapshot of the room, and what was missed, oldest first, without game data. */
export interface ServerReconnectedV3 {
  type: "Reconnected";
  data: {
    room_id: RoomId;
    room_code: RoomCode;
    /** The receiver. */
    player_id: PlayerId;
    game_name: string;
    max_players: number;
    supports_authority: boolean;
    /** In no order. */
    current_players: PlayerV3[];
    /** Whether the receiver leads the room. */
    is_authority: boolean;
    lobby_state: LobbyState;
    ready_players: PlayerId[];
    relay_type: string;
    current_spectators: SpectatorV3[];
    /** Good for one return. Left out where returns are switched off. */
    reconnection_token?: string;
    ice_servers?: IceServer[];
    missed_events: MissedEventV3[];
    replay: Replay;
    sender_watermarks: Watermark[];
  };
}

/** The seat is not taken back. */
export interface ServerReconnectionFailed {
  type: "ReconnectionFailed";
  data: {
    reason: Reason;
    error_code: ErrorCode;
  };
}

/** Somebody took its seat back. */
export interface ServerPlayerReconnectedV2 {
  type: "PlayerReconnected";
  data: {
    player_id: PlayerId;
    player: PlayerV2;
  };
}

/** Somebody took its seat back. */
export interface ServerPlayerReconnectedV3 {
  type: "PlayerReconnected";
  data: {
    player_id: PlayerId;
    player: PlayerV3;
    epoch: Epoch;
  };
}

/** What the receiver does not get. Comes before anything later of that sender. */
export interface ServerDeliveryReport {
  type: "DeliveryReport";
  data: {
    /** Counts of this connection since it was opened. */
    per_class: {
      reliable: {
        delivered: number;
        abandoned: number;
        unsupported_format: number;
      };
      latest: {
        delivered: number;
        superseded: number;
        dropped_full: number;
        abandoned: number;
        unsupported_format: number;
      };
      volatile: {
        delivered: number;
        dropped: number;
        abandoned: number;
        unsupported_format: number;
      };
    };
    /** Left out when there are none. */
    gaps?: Gap[];
  };
}

/** Counts of this connection since it was opened, at an interval that the operator sets. */
export interface ServerRelayStats {
  type: "RelayStats";
  data: {
    interval_ms: number;
    sent_to_you: number;
    dropped_for_you: number;
    backpressure_events: number;
  };
}

/** How the players of a started game reach each other. The relay stays usable beside it. */
export interface ServerSessionPlan {
  type: "SessionPlan";
  data: {
    generation: PlanId;
    topology: Topology;
    transport: Transport;
    /** With topology `host`: through whom. */
    host?: PlayerId;
    /** With transport `direct`: the host's address. */
    direct_endpoint?: {
      host: string;
      port: number;
    };
    peers: PlanPeer[];
    ice_servers?: IceServer[];
    fallback: "relay";
  };
}

/** Signalling from another player. */
export interface ServerSignal {
  type: "Signal";
  data: {
    from: PlayerId;
    generation: PlanId;
    /** As it was sent. */
    signal: unknown;
  };
}

/** Whether another player's transport works. */
export interface ServerPeerTransportStatus {
  type: "PeerTransportStatus";
  data: {
    peer_id: PlayerId;
    transport: Transport;
    connected: boolean;
  };
}

export interface ResultOperationFailed {
  type: "OperationFailed";
  data: {
    reason: Reason;
    error_code: ErrorCode;
  };
}

export interface ResultPlayerKicked {
  type: "PlayerKicked";
  data: {
    player_id: PlayerId;
  };
}

export interface ResultPlayerBanned {
  type: "PlayerBanned";
  data: {
    player_id: PlayerId;
  };
}

export interface ResultPlayerUnbanned {
  type: "PlayerUnbanned";
  data: {
    player_id: PlayerId;
  };
}

export interface ResultRoomAccessUpdated {
  type: "RoomAccessUpdated";
  data: {
    requires_password: boolean;
  };
}

export interface ResultRoomCodeRegenerated {
  type: "RoomCodeRegenerated";
  data: {
    room_code: RoomCode;
  };
}

export interface ResultAuthorityTransferred {
  type: "AuthorityTransferred";
  data: {
    player_id: PlayerId;
  };
}

/** What a room operation is answered with: what the plain request would be, or what only operations have. */
export type RoomOperationAnswer = ServerRoomJoinedV3 | ServerRoomJoinFailed | ServerRoomLeft | ServerSpectatorJoinedV3 | ServerSpectatorJoinFailed | ServerSpectatorLeftV3 | ServerReconnectedV3 | ServerReconnectionFailed | ResultOperationFailed | ResultPlayerKicked | ResultPlayerBanned | ResultPlayerUnbanned | ResultRoomAccessUpdated | ResultRoomCodeRegenerated | ResultAuthorityTransferred;

/** The answer to a `RoomOperation`. */
export interface ServerRoomOperationResult {
  type: "RoomOperationResult";
  data: {
    operation_id: OperationId;
    result: RoomOperationAnswer;
  };
}

/** The server is about to stop. */
export interface ServerGoingAway {
  type: "GoingAway";
  data: {
    /** When the first connections are closed, in milliseconds since 1970. */
    deadline_ms: number;
    /** In how many seconds to try again. Left out where there is no grace. */
    retry_after_secs?: number;
  };
}

/** On a bound connection, before everything else. */
export interface ServerTokenBindingChallenge {
  type: "TokenBindingChallenge";
  data: {
    version: 2;
    scheme: "server_nonce_hkdf_sha256";
    /** Base64 of 32 bytes. */
    nonce: string;
    first_sequence: 1;
  };
}

/** The answer to `Ping`. */
export interface ServerPong {
  type: "Pong";
}

/** A request was refused, or the connection is about to end. */
export interface ServerError {
  type: "Error";
  data: {
    message: Reason;
    error_code: ErrorCode;
  };
}

/** On a bound connection: what each message of the client carries as `token_binding`, beside `type` and `data`. */
export interface TokenBindingProof {
  version: 2;
  scheme: "server_nonce_hkdf_sha256";
  sequence: number;
  /** Base64. */
  signature: string;
  /** Lower-case hexadecimal SHA-256 of a client certificate. */
  fingerprint?: string;
}
