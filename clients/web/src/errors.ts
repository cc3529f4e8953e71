// What goes wrong, with a sentence that says what to do about it.

import type { ErrorCode } from "./protocol.js";

/** What goes wrong on this side. The server's own codes are `ErrorCode`. */
export type LocalCode =
  | "UNREACHABLE"
  | "CLOSED"
  | "TIMEOUT"
  | "NOT_CONNECTED"
  | "BUFFER_FULL"
  | "NO_WEBSOCKET"
  | "NO_MESSAGE_PACK"
  | "NOT_IN_THIS_VERSION"
  | "STREAM_TOO_SLOW"
  | "UNREADABLE";

const HINTS: Partial<Record<ErrorCode | LocalCode, string>> = {
  UNREACHABLE:
    "Is the server running, and the address right? A server that is not on this machine also wants this page's origin in security.cors_origins; the network view of the developer tools shows its answer.",
  NO_WEBSOCKET: "In Node below 22 pass a class: connect(url, { WebSocket: (await import('ws')).WebSocket }).",
  NO_MESSAGE_PACK: "Install @msgpack/msgpack, or pass { messagePack: { encode, decode } }.",
  NOT_IN_THIS_VERSION: "Connect with version 3, to a server that serves it.",
  STREAM_TOO_SLOW: "Do less in the loop, or take a larger limit: client.stream(type, { limit }).",
  BUFFER_FULL: "The network takes less than you send: send less, or send state as `latest` and effects as `volatile`.",
  NOT_CONNECTED: "Wait for the `reconnected` event, or look at client.state.",
  INVALID_APP_ID: "The server has a list of applications (security.allowed_apps): is this appId on it?",
  SDK_VERSION_UNSUPPORTED: "The server asks for a newer client: tell your players to reload.",
  CONNECT_TOKEN_REQUIRED: "Pass { connectToken }, a function that asks your backend for a fresh one.",
  CONNECT_TOKEN_INVALID: "It may have expired, or be signed for another appId: ask your backend for a fresh one.",
  UNSUPPORTED_PROTOCOL_VERSION: "Connect with { version: 3 }, or ask the operator to allow version 2.",
  UNSUPPORTED_GAME_DATA_FORMAT: "Use JSON, or ask the operator to enable the format.",
  INVALID_GAME_NAME: "Letters, digits, spaces, - and _ are allowed.",
  INVALID_PLAYER_NAME: "client.info.player_name_rules says what a name may be.",
  INVALID_ROOM_CODE: "A code is what room.code says, usually six letters and digits.",
  INVALID_MAX_PLAYERS: "1 to 100, and no more than the operator allows your application.",
  MESSAGE_TOO_LARGE: "A message may have 64 KiB unless the operator allows more: send less, or in pieces.",
  ROOM_NOT_FOUND: "Is the code right, and the same game name used? An empty room is deleted after some minutes.",
  ROOM_FULL: "Every seat is taken: watch with spectate(), or make a room with a larger maxPlayers.",
  ALREADY_IN_ROOM: "leave() first: a connection is in one room at a time.",
  NOT_IN_ROOM: "Join a room first; spectators cannot play.",
  ROOM_CREATION_FAILED: "Is the name taken by somebody in the room? Choose another one.",
  PASSWORD_REQUIRED: "Ask the player for the room's password and pass { password }; an open room takes none.",
  BANNED: "The room's authority keeps this player out.",
  RATE_LIMIT_EXCEEDED: "Wait a minute, and ask less often.",
  TOO_MANY_CONNECTIONS: "Close old connections: was connect() called again for each room or each render?",
  GAME_START_NOT_READY: "Everybody has to call setReady(true) first.",
  GAME_START_FORBIDDEN: "Only the room's authority may start: look at room.isAuthority.",
  INVALID_ROOM_STATE: "The game has started already.",
  AUTHORITY_CONFLICT: "Somebody leads already: it has to releaseAuthority() or transferAuthority().",
  NOT_ROOM_AUTHORITY: "Only the room's authority may do this: look at room.isAuthority.",
  INVALID_DELIVERY_CLASS: "`latest` wants a key, the other classes none, and version 2 has no classes.",
  SLOW_CONSUMER: "This page did not read in time: do less per message, and send state as `latest`.",
  SERVER_DRAINING: "The server is about to stop: try again in some seconds.",
  SERVICE_UNAVAILABLE: "The server is full at the moment: try again in a second.",
  RECONNECTION_EXPIRED: "The seat was kept for some minutes only: join again.",
};

/** An error with a code for programs and a hint for people. */
export class RelayError extends Error {
  override readonly name = "RelayError";
  /** The server's code, or one of this side. */
  readonly code: ErrorCode | LocalCode;
  /** What to do about it, where that is known. */
  readonly hint: string | undefined;
  /** The WebSocket close code, where a connection ended. */
  readonly closeCode: number | undefined;

  constructor(code: ErrorCode | LocalCode, what: string, closeCode?: number) {
    const hint = HINTS[code];
    super(hint ? `${what.replace(/\.?$/, ".")} ${hint} (${code})` : `${what} (${code})`);
    this.code = code;
    this.hint = hint;
    this.closeCode = closeCode;
  }
}
