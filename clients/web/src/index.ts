// A client of Signal Fish Relay for browsers, Node, Deno and Bun.

export { connect, Client } from "./client.js";
export type {
  ClientEvents,
  ConnectOptions,
  CreateOptions,
  Data,
  JoinOptions,
  ReconnectOptions,
  Return,
  RoomOptions,
  Seat,
  SendOptions,
  ServerMessage,
  State,
} from "./client.js";
export type { MessagePack } from "./binary.js";
export type { Gap } from "./delivery.js";
export { RelayError, type LocalCode } from "./errors.js";
export { Room, type Player, type Spectator } from "./room.js";
export type * as protocol from "./protocol.js";
