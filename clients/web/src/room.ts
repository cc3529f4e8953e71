// The room as it is, kept up to date with what the server says.

import type {
  ConnectionInfo,
  LobbyState,
  PlayerId,
  PlayerV2,
  PlayerV3,
  RoomId,
  ServerMessageV2,
  ServerMessageV3,
  ServerRoomJoinedV2,
  ServerRoomJoinedV3,
  ServerSpectatorJoinedV2,
  ServerSpectatorJoinedV3,
  SpectatorV2,
  SpectatorV3,
} from "./protocol.js";

type Message = ServerMessageV2 | ServerMessageV3;
type Snapshot = ServerRoomJoinedV2 | ServerRoomJoinedV3 | ServerSpectatorJoinedV2 | ServerSpectatorJoinedV3;

/** Somebody with a seat. */
export interface Player {
  readonly id: PlayerId;
  readonly name: string;
  readonly isAuthority: boolean;
  readonly isReady: boolean;
  /** Version 2 only. */
  readonly connectionInfo?: ConnectionInfo;
}

/** Somebody who watches. */
export interface Spectator {
  readonly id: PlayerId;
  readonly name: string;
}

/** The room that a client is in. One object for as long as the client has its place in the room, returns included. */
export class Room {
  id: RoomId = "";
  /** What others join by. */
  code = "";
  game = "";
  /** 0 to those who watch: they are not told. */
  maxPlayers = 0;
  supportsAuthority = true;
  role: "player" | "spectator" = "player";
  /** The own id. */
  me: PlayerId = "";
  lobby: LobbyState = "lobby";
  /** Who leads. */
  authority: PlayerId | null = null;
  allReady = false;
  readonly players = new Map<PlayerId, Player>();
  /** In a large gallery those of whom this client was told; `spectatorCount` counts all. */
  readonly spectators = new Map<PlayerId, Spectator>();
  spectatorCount = 0;

  /** Oneself, while seated. */
  get self(): Player | undefined {
    return this.players.get(this.me);
  }
  /** Whether this client leads. */
  get isAuthority(): boolean {
    return this.role === "player" && this.authority === this.me;
  }
  get isStarted(): boolean {
    return this.lobby === "finalized";
  }

  /** @internal Everything anew. */
  take({ data }: { data: Snapshot["data"] }): void {
    this.id = data.room_id;
    this.code = data.room_code;
    this.game = data.game_name;
    this.lobby = data.lobby_state;
    if ("spectator_id" in data) {
      this.role = "spectator";
      this.me = data.spectator_id;
    } else {
      this.role = "player";
      this.me = data.player_id;
      this.maxPlayers = data.max_players;
      this.supportsAuthority = data.supports_authority;
    }
    this.players.clear();
    this.authority = null;
    for (const player of data.current_players) this.#seat(player);
    this.allReady = this.players.size > 0 && [...this.players.values()].every((player) => player.isReady);
    this.#gallery(data.current_spectators);
  }

  /** @internal One change. */
  apply(message: Message): void {
    switch (message.type) {
      case "PlayerJoined":
      case "PlayerReconnected":
        this.#seat(message.data.player);
        break;
      case "PlayerLeft":
        this.players.delete(message.data.player_id);
        if (this.authority === message.data.player_id) this.authority = null;
        break;
      case "LobbyStateChanged": {
        const ready = new Set(message.data.ready_players);
        this.lobby = message.data.lobby_state;
        this.allReady = message.data.all_ready;
        this.#change((player) => ({ isReady: ready.has(player.id) }));
        break;
      }
      case "GameStarting":
        this.lobby = "finalized";
        break;
      case "AuthorityChanged":
        this.authority = message.data.authority_player;
        this.#change((player) => ({ isAuthority: player.id === this.authority }));
        break;
      case "NewSpectatorJoined":
      case "SpectatorDisconnected":
        if ("spectator_count" in message.data) {
          this.spectatorCount = message.data.spectator_count;
          if ("spectator" in message.data) this.spectators.set(message.data.spectator.id, named(message.data.spectator));
          else this.spectators.delete(message.data.spectator_id);
        } else {
          this.#gallery(message.data.current_spectators);
        }
    }
  }

  #change(change: (player: Player) => Partial<Player>): void {
    for (const player of this.players.values()) this.players.set(player.id, { ...player, ...change(player) });
  }

  #gallery(spectators: readonly (SpectatorV2 | SpectatorV3)[]): void {
    this.spectators.clear();
    for (const spectator of spectators) this.spectators.set(spectator.id, named(spectator));
    this.spectatorCount = this.spectators.size;
  }

  #seat(player: PlayerV2 | PlayerV3): void {
    if (player.is_authority) this.authority = player.id;
    this.players.set(player.id, {
      ...named(player),
      isAuthority: player.is_authority,
      isReady: player.is_ready,
      ...("connection_info" in player && player.connection_info ? { connectionInfo: player.connection_info } : {}),
    });
  }
}

/** @internal */
export const named = ({ id, name }: { id: PlayerId; name: string }): Spectator => ({ id, name });
