// A client: one player or spectator, over as many connections as it takes.

import { loadMessagePack, readEnvelope, type MessagePack } from "./binary.js";
import { Ledger, type Gap } from "./delivery.js";
import { RelayError } from "./errors.js";
import { Emitter } from "./events.js";
import { isFinal, Link, type WebSocketClass } from "./link.js";
import type * as wire from "./protocol.js";
import { named, Room, type Player, type Spectator } from "./room.js";

export type ServerMessage = wire.ServerMessageV2 | wire.ServerMessageV3;

export interface ConnectOptions {
  /** The application's id. Without an allowlist on the server any word does. */
  appId: string;
  /** Which version of the protocol to speak. 3, unless something old is to be tried. */
  version?: 2 | 3;
  /** How game data travels: `json` (as it is), `message_pack` (smaller, bytes allowed), or bytes of your own. */
  encoding?: wire.GameDataFormat;
  /** What signs this client in where the server asks for it: the token, or what fetches a fresh one. */
  connectToken?: string | (() => string | Promise<string>);
  platform?: string;
  sdkVersion?: string;
  /** For games between peers; see `plan` and `signal`. */
  transports?: wire.Transport[];
  topologies?: wire.Topology[];
  /** The class of WebSockets, where there is no global one. */
  WebSocket?: unknown;
  /** What encodes and decodes MessagePack, where `@msgpack/msgpack` cannot be loaded. */
  messagePack?: MessagePack;
  /** How to come back when the connection is lost; `false`: not at all. */
  reconnect?: false | ReconnectOptions;
  /** How long to wait for an answer. 10 s. */
  timeoutMs?: number;
  /** How often to ask the server for a sign of life. 4 s; three without one end the connection. */
  pingMs?: number;
  /** How much may wait in this side's socket before `volatile` data is left out and `latest` data held. 256 KiB. */
  bufferLimit?: number;
}

export interface ReconnectOptions {
  /** The first wait, doubled each time, with jitter. 250 ms. */
  firstDelayMs?: number;
  /** The longest wait. 8 s. */
  maxDelayMs?: number;
  /** When to give up. 5 min, for which the server keeps a seat. */
  withinMs?: number;
  /** Whether to join again by the room's code where the seat cannot be taken back, as after a restart. Yes. */
  rejoin?: boolean;
}

export interface RoomOptions {
  /** The namespace of the room's code: the same word in every player of a game. */
  game: string;
  /** The player's name. */
  name: string;
  password?: string;
}
export interface CreateOptions extends RoomOptions {
  /** A code of your own; without one the server draws it. */
  code?: string;
  maxPlayers?: number;
  /** Whether the room has an authority, at first its creator. Yes. */
  authority?: boolean;
}
export interface JoinOptions extends RoomOptions {
  code: string;
  /** Make the room where there is none. */
  create?: boolean;
}

export interface SendOptions {
  /** `reliable`: all of it, in order. `latest`: only the newest value of a key matters. `volatile`: may be left out. */
  class?: wire.DeliveryClass;
  /** With `latest`: which value this is, 0 if left out. Alone it means `latest`. */
  key?: number;
}

/** What it takes to come back to a seat, from another page too. Keep it to yourself. */
export interface Seat {
  roomId: wire.RoomId;
  playerId: wire.PlayerId;
  token: string;
  code: string;
  game: string;
  name: string;
}

export interface Data<T> {
  /** Who said it. `null` on version 2 with `rkyv` or `protobuf`, which do not tell. */
  from: wire.PlayerId | null;
  data: T;
  class: wire.DeliveryClass;
  key?: number;
  /** The sender's number of it, in its membership. Version 3. */
  seq?: number;
  epoch?: number;
}

/** How a client came back. */
export interface Return {
  /** `seat`: to the old seat. `rejoined`: to a new seat in the room of that code. `none`: there was no room, or it is gone. */
  how: "seat" | "rejoined" | "none";
  /** What happened in the room meanwhile, oldest first; the room itself is up to date already. */
  events: Array<wire.MissedEventV2 | wire.MissedEventV3>;
  /** Game data of others that did not arrive, exactly. */
  missed: Gap[];
  /** Whether `events` and `missed` are all. */
  isComplete: boolean;
  /** How many of the last messages that were sent may have been lost: none is, or those at the end. */
  uncertain: number;
  /** How long it took. */
  awayMs: number;
}

export type State = "connecting" | "open" | "reconnecting" | "closed";

export interface ClientEvents<T> {
  state: State;
  /** Game data. */
  data: Data<T>;
  /** The client is in a room: made, joined, watched or rejoined. */
  joined: Room;
  /** The client is in no room any more. */
  left: { reason: string };
  playerJoined: Player;
  playerLeft: Player;
  playerReturned: Player;
  spectatorJoined: Spectator;
  spectatorLeft: Spectator & { reason: wire.SpectatorReason };
  /** Somebody is ready, or no longer. */
  lobby: Room;
  /** The game starts. */
  started: wire.PeerConnection[];
  /** Who leads has changed. */
  authority: { player: Player | null; isMe: boolean };
  /** Anything of the room has changed: draw it again. */
  room: Room;
  /** Data of somebody that does not arrive. */
  gap: Gap;
  /** The connection is lost; the next try is in `delayMs`. */
  reconnecting: { attempt: number; delayMs: number; cause: RelayError };
  reconnected: Return;
  /** The server is about to stop. */
  goingAway: { at: Date; retryAfterSecs: number | undefined };
  /** More waits to be sent than `bufferLimit`, or no longer. */
  pressure: { isHigh: boolean; bufferedAmount: number };
  plan: wire.ServerSessionPlan["data"];
  signal: wire.ServerSignal["data"];
  peerTransport: wire.ServerPeerTransportStatus["data"];
  stats: wire.ServerRelayStats["data"];
  /** What was refused and nobody waits for. */
  error: RelayError;
  /** It is over, and nothing more happens. */
  closed: RelayError;
  /** Every message as it came and went. */
  received: { message: ServerMessage | Uint8Array; bytes: number };
  sent: { message: wire.ClientMessage | Uint8Array; bytes: number };
}

type Answer = ServerMessage | wire.RoomOperationAnswer;

/** What somebody waits for. */
interface Asked {
  /** Its answer, or its refusal, or `undefined`: the message is about something else. */
  judge(message: Answer): RelayError | true | undefined;
  resolve(message: Answer): void;
  reject(error: RelayError): void;
  timer: ReturnType<typeof setTimeout>;
}

/** How the client came to its room. */
interface Place {
  request: { type: "JoinRoom"; data: wire.JoinRoomPayload } | { type: "JoinAsSpectator"; data: wire.JoinAsSpectatorPayload };
  seat: Seat | undefined;
}

const JOINS = ["RoomJoined", "SpectatorJoined", "Reconnected"];
/** Refusals that another try a little later may not meet. */
const PASSING = ["PLAYER_ALREADY_CONNECTED", "SERVICE_UNAVAILABLE", "RATE_LIMIT_EXCEEDED"];
const HARD_LIMIT_FACTOR = 64;

/** `crypto.randomUUID` is there on https and localhost only. */
const randomUuid = () =>
  "00000000-0000-4000-8000-000000000000".replace(/0(?=.*-)|0/g, () => (crypto.getRandomValues(new Uint8Array(1))[0]! & 15).toString(16));
const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const now = () => performance.now();

/** Connects. Rejects with a `RelayError` that says what to do. */
export async function connect<T = unknown>(url: string | URL, options: ConnectOptions): Promise<Client<T>> {
  const client = new Client<T>(url, options);
  await client.open();
  return client;
}

export class Client<T = unknown> extends Emitter<ClientEvents<T>> {
  /** What the server said of itself. */
  info: wire.ServerProtocolInfoV2["data"] | wire.ServerProtocolInfoV3["data"] | undefined;
  /** The room that the client is in. */
  room: Room | null = null;
  /** How game data travels on this connection. */
  encoding: wire.GameDataFormat;
  /** The newest round trip to the server and back. */
  roundTripMs: number | undefined;
  /** Game data that was not sent, because too much waited already or there was no seat. */
  skipped = 0;

  readonly #url: string;
  readonly #options: ConnectOptions;
  readonly #ledger = new Ledger();
  readonly #results = new Map<string, Asked>();
  readonly #asked: Asked[] = [];
  readonly #held = new Map<number, T>();
  #state: State = "connecting";
  #link: Link | undefined;
  #place: Place | undefined;
  #messagePack: MessagePack | undefined;
  #pings: Array<{ at: number; sent: number; resolve: (ms: number) => void; reject: (error: RelayError) => void }> = [];
  #missed: Gap[] = [];
  #sent = 0;
  #served = 0;
  #heardAt = 0;
  #isHigh = false;
  #timers: Array<ReturnType<typeof setInterval>> = [];
  #wake: () => void = () => {};
  #unwatch = new AbortController();

  /** @internal Use `connect`. */
  constructor(url: string | URL, options: ConnectOptions) {
    super();
    const at = new URL(url, globalThis.location?.href);
    at.protocol = at.protocol.replace("http", "ws");
    if (at.pathname === "/") at.pathname = `/v${options.version ?? 3}/ws`;
    this.#url = at.href;
    this.#options = options;
    this.encoding = options.encoding ?? "json";
  }

  get state(): State {
    return this.#state;
  }
  get version(): 2 | 3 {
    return this.info && "protocol_version" in this.info ? 3 : 2;
  }
  /** What is needed to come back to this seat with `resume()`, after a reload for instance. */
  get seat(): Seat | null {
    return this.#place?.seat ?? null;
  }
  /** How much waits in this side's socket. */
  get bufferedAmount(): number {
    return this.#link?.bufferedAmount ?? 0;
  }
  /** Game data of others that came, and that did not. Version 3. */
  get delivery(): { received: number; missing: number } {
    return { received: this.#ledger.received, missing: this.#ledger.missing };
  }

  // Rooms

  /** Makes a room and takes a seat in it. */
  createRoom({ game, name, code, maxPlayers, authority, password }: CreateOptions): Promise<Room> {
    const data: wire.JoinRoomPayload = { game_name: game, player_name: name };
    if (code !== undefined) data.room_code = code;
    if (maxPlayers !== undefined) data.max_players = maxPlayers;
    if (authority !== undefined) data.supports_authority = authority;
    if (password !== undefined) data.password = password;
    return this.#enter({ request: { type: "JoinRoom", data }, seat: undefined });
  }

  /** Takes a seat in the room of that code, which must exist, unless `create` is set. */
  joinRoom({ game, name, code, password, create = false }: JoinOptions): Promise<Room> {
    const data: wire.JoinRoomPayload = { game_name: game, player_name: name, room_code: code, join_only: !create };
    if (password !== undefined) data.password = password;
    return this.#enter({ request: { type: "JoinRoom", data }, seat: undefined });
  }

  /** Watches the room of that code: everything is heard, nothing said. */
  spectate({ game, name, code, password }: RoomOptions & { code: string }): Promise<Room> {
    const data: wire.JoinAsSpectatorPayload = { game_name: game, spectator_name: name, room_code: code };
    if (password !== undefined) data.password = password;
    return this.#enter({ request: { type: "JoinAsSpectator", data }, seat: undefined });
  }

  /** Takes back a seat that another page had, as `client.seat` was there. Version 3. */
  async resume(seat: Seat): Promise<Room> {
    const { game, name, code } = seat;
    this.#ledger.clear();
    this.#place = { request: { type: "JoinRoom", data: { game_name: game, player_name: name, room_code: code } }, seat };
    try {
      await this.#takeBack(seat);
    } catch (error) {
      this.#place = undefined;
      throw error;
    }
    return this.room as unknown as Room;
  }

  /** Gives the place in the room up. */
  async leave(): Promise<void> {
    if (!this.room) return;
    await this.#ask({ type: this.room.role === "player" ? "LeaveRoom" : "LeaveSpectator" }, ["RoomLeft", "SpectatorLeft"]);
  }

  // Play

  /**
   * Sends game data to everybody else in the room. `false`: it was not sent, because there is no seat at the moment, or
   * because too much waits and its class allows to leave it out (of `latest` data the newest value is sent later).
   */
  send(data: T, { class: named, key }: SendOptions = {}): boolean {
    const kind = named ?? (key === undefined ? "reliable" : "latest");
    const link = this.#link;
    if (this.#state !== "open" || !link || this.room?.role !== "player") return this.#skip();
    const limit = this.#options.bufferLimit ?? 262_144;
    const waiting = link.bufferedAmount;
    if (waiting > limit) {
      this.#press(true);
      if (waiting > limit * HARD_LIMIT_FACTOR) throw new RelayError("BUFFER_FULL", `${waiting} bytes wait to be sent`);
      if (kind === "latest") this.#held.set(key ?? 0, data);
      if (kind !== "reliable") return this.#skip();
    }
    if (kind === "latest") this.#held.delete(key ?? 0);
    this.#put(data, kind, key ?? 0);
    return true;
  }

  /** Says that this player is ready, or is not. Resolves when the room knows. */
  async setReady(isReady: boolean): Promise<void> {
    if (this.room?.self?.isReady === isReady) return;
    const me = this.room?.me;
    await this.#await("PlayerReady", ["NOT_IN_ROOM", "INVALID_ROOM_STATE"], (message) =>
      message.type === "LobbyStateChanged" && me !== undefined && message.data.ready_players.includes(me) === isReady);
  }

  /** Starts the game: for the authority, when all are ready. */
  async start(): Promise<void> {
    const refusals = ["NOT_IN_ROOM", "INVALID_ROOM_STATE", "GAME_START_FORBIDDEN", "GAME_START_NOT_READY"] as const;
    await this.#await("StartGame", refusals, (message) => message.type === "GameStarting");
  }

  /** Becomes the authority, where nobody is. */
  claimAuthority(): Promise<void> {
    return this.#authority(true);
  }
  releaseAuthority(): Promise<void> {
    return this.#authority(false);
  }

  /** Tells the others where this player can be reached. */
  provideConnectionInfo(connection_info: wire.ConnectionInfo): void {
    this.#say({ type: "ProvideConnectionInfo", data: { connection_info } });
  }
  /** Signalling for one other player; `generation` is the plan's. Version 3. */
  signal(to: wire.PlayerId, generation: wire.PlanId, signal: unknown): void {
    this.#say({ type: "Signal", data: { to, generation, signal } });
  }
  /** Tells the others whether a way to the peers works. Version 3. */
  reportTransport(transport: wire.Transport, connected: boolean): void {
    this.#say({ type: "TransportStatus", data: { transport, connected } });
  }

  // Moderation, for the authority on version 3

  async kick(player_id: wire.PlayerId): Promise<void> {
    await this.#ask({ type: "KickPlayer", data: { player_id } }, ["PlayerKicked"]);
  }
  /** Removes somebody and keeps it out for as long as the room lives. */
  async ban(player_id: wire.PlayerId): Promise<void> {
    await this.#ask({ type: "BanPlayer", data: { player_id } }, ["PlayerBanned"]);
  }
  async unban(player_id: wire.PlayerId): Promise<void> {
    await this.#ask({ type: "UnbanPlayer", data: { player_id } }, ["PlayerUnbanned"]);
  }
  /** Seals the room, or with `null` opens it. */
  async setPassword(password: string | null): Promise<void> {
    await this.#ask({ type: "SetRoomAccess", data: { password } }, ["RoomAccessUpdated"]);
  }
  /** Gives the room another code; the old one leads nowhere from then on, and nobody else is told the new one. */
  async newCode(): Promise<string> {
    await this.#ask({ type: "RegenerateRoomCode" }, ["RoomCodeRegenerated"]);
    return this.room?.code ?? "";
  }
  async transferAuthority(player_id: wire.PlayerId): Promise<void> {
    await this.#ask({ type: "TransferAuthority", data: { player_id } }, ["AuthorityTransferred"]);
  }

  // The connection

  /** Asks the server for a sign of life. Resolves with the round trip in milliseconds, once everything before was served. */
  ping(): Promise<number> {
    return new Promise((resolve, reject) => this.#ping(resolve, reject));
  }

  /** Loses the connection without a word, as a network does. It is then taken up again: to try how that feels. */
  cut(): void {
    this.#link?.cut(new RelayError("CLOSED", "The connection was cut", 1006));
  }

  /** Leaves, and ends everything. */
  close(): void {
    if (this.room && this.#state === "open") {
      this.#say({ type: this.room.role === "player" ? "LeaveRoom" : "LeaveSpectator" });
    }
    this.#finish(new RelayError("CLOSED", "close() was called"));
  }

  /** @internal */
  async open(): Promise<void> {
    this.#watchThePage();
    if (this.encoding === "message_pack") {
      this.#messagePack = this.#options.messagePack ?? (await loadMessagePack());
    }
    try {
      await this.#handshake();
    } catch (error) {
      this.#finish(error as RelayError);
      throw error;
    }
    this.#become("open");
  }

  async #handshake(): Promise<void> {
    const { appId, connectToken, platform, sdkVersion, transports, topologies, version = 3, timeoutMs = 10_000 } = this.#options;
    const Class = (this.#options.WebSocket ?? globalThis.WebSocket) as WebSocketClass | undefined;
    if (!Class) throw new RelayError("NO_WEBSOCKET", "There is no WebSocket here");
    const token = typeof connectToken === "function" ? await connectToken() : connectToken;
    const link: Link = await Link.open(Class, this.#url, timeoutMs, {
      message: (data) => this.#receive(data),
      closed: (error) => this.#lost(link, error),
    });
    if (this.#state === "closed") return link.cut(new RelayError("CLOSED", "close() was called"));
    this.#link = link;
    this.#heardAt = now();
    this.encoding = this.#options.encoding ?? "json";
    const data: wire.ClientAuthenticate["data"] = { app_id: appId, protocol_version: version, game_data_format: this.encoding };
    if (platform !== undefined) data.platform = platform;
    if (sdkVersion !== undefined) data.sdk_version = sdkVersion;
    if (token !== undefined) data.connect_token = token;
    if (version === 3) {
      if (transports) data.supported_transports = transports;
      if (topologies) data.supported_topologies = topologies;
      data.requested_capabilities = ["room_operation_ids"];
    }
    try {
      const info = await this.#expect(
        (message) => {
          // That a format is not enabled is a remark: the connection goes on with JSON.
          const isRemark = message.type === "Error" && message.data.error_code === "UNSUPPORTED_GAME_DATA_FORMAT";
          if (message.type === "AuthenticationError" || (message.type === "Error" && !isRemark)) return refusal(message);
          return message.type === "ProtocolInfo" || undefined;
        },
        () => this.#say({ type: "Authenticate", data }),
      );
      this.info = (info as wire.ServerProtocolInfoV3).data;
    } catch (error) {
      link.cut(error as RelayError);
      throw error;
    }
    this.#served = this.#sent;
    this.#keepAlive();
  }

  /** Asks for a sign of life at an interval, and ends a connection that gives none. */
  #keepAlive(): void {
    const pingMs = this.#options.pingMs ?? 4_000;
    let beatAt = now();
    const beat = () => {
      const late = now() - beatAt - pingMs;
      beatAt = now();
      // A page that was asleep has not listened, so the server is not to blame.
      if (late > pingMs) this.#heardAt = now();
      if (now() - this.#heardAt > 3 * pingMs) {
        this.#link?.cut(new RelayError("CLOSED", "The server was silent for too long", 1006));
      } else if (this.#pings.length < 3) {
        this.#ping();
      }
    };
    const relieve = () => {
      if (this.#isHigh && this.bufferedAmount <= (this.#options.bufferLimit ?? 262_144)) {
        this.#press(false);
        for (const [key, data] of this.#held) this.send(data, { class: "latest", key });
      }
    };
    this.#stopTimers();
    this.#timers = [setInterval(beat, pingMs), setInterval(relieve, 50)];
    this.#ping();
  }

  #ping(resolve: (ms: number) => void = () => {}, reject: (error: RelayError) => void = () => {}): void {
    if (!this.#link) return reject(new RelayError("NOT_CONNECTED", "There is no connection at the moment"));
    this.#pings.push({ at: now(), sent: this.#sent, resolve, reject });
    this.#say({ type: "Ping" });
  }

  #stopTimers(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
  }

  /** Comes back sooner when the network does, and looks whether the connection lives when the page is seen again. */
  #watchThePage(): void {
    const { signal } = this.#unwatch;
    const listen = (target: EventTarget | undefined, type: string, act: () => void) =>
      target?.addEventListener?.(type, act, { signal });
    const look = () => {
      this.#wake();
      if (this.#state !== "open" || globalThis.document?.visibilityState === "hidden") return;
      const link = this.#link;
      const asked = now();
      this.#ping();
      setTimeout(() => {
        if (this.#heardAt < asked) link?.cut(new RelayError("CLOSED", "The connection did not survive a pause", 1006));
      }, 3_000);
    };
    listen(globalThis as unknown as EventTarget, "online", look);
    listen(globalThis as unknown as EventTarget, "pageshow", look);
    listen(globalThis.document, "visibilitychange", look);
    listen((globalThis.navigator as { connection?: EventTarget } | undefined)?.connection, "change", look);
  }

  #become(state: State): void {
    if (this.#state === state) return;
    this.#state = state;
    this.emit("state", state);
  }

  #finish(error: RelayError): void {
    if (this.#state === "closed") return;
    this.#become("closed");
    this.#stopTimers();
    this.#unwatch.abort();
    this.#wake();
    this.#abandon(error);
    this.#link?.cut(error);
    const hadRoom = this.room;
    this.room = null;
    this.#place = undefined;
    if (hadRoom) this.emit("left", { reason: error.message });
    this.emit("closed", error);
    this.end();
  }

  #abandon(error: RelayError): void {
    for (const asked of [...this.#results.values(), ...this.#asked]) asked.reject(error);
  }

  #lost(link: Link, error: RelayError): void {
    if (link !== this.#link) return;
    this.#link = undefined;
    this.#stopTimers();
    for (const ping of this.#pings.splice(0)) ping.reject(error);
    this.#held.clear();
    this.#abandon(error);
    // During the first handshake and during a return, whoever waits there decides.
    if (this.#state !== "open") return;
    if (this.#options.reconnect === false || isFinal(error)) this.#finish(error);
    else void this.#comeBack(error);
  }

  async #comeBack(cause: RelayError): Promise<void> {
    const { firstDelayMs = 250, maxDelayMs = 8_000, withinMs = 300_000 } = this.#options.reconnect || {};
    const since = now();
    this.#become("reconnecting");
    for (let attempt = 1; ; attempt += 1) {
      const delayMs = Math.min(maxDelayMs, firstDelayMs * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);
      this.emit("reconnecting", { attempt, delayMs, cause });
      await Promise.race([sleep(delayMs), new Promise<void>((wake) => (this.#wake = wake))]);
      if (this.#isClosed()) return;
      try {
        const uncertain = this.#sent - this.#served;
        await this.#handshake();
        const back = await this.#takePlace();
        if (this.#isClosed()) return;
        this.#become("open");
        this.emit("reconnected", { ...back, uncertain, awayMs: now() - since });
        return;
      } catch (error) {
        if (this.#isClosed()) return;
        const failure = error instanceof RelayError ? error : new RelayError("UNREADABLE", String(error));
        this.#link?.cut(failure);
        if (isFinal(failure) || now() - since > withinMs) return this.#finish(failure);
        cause = failure;
      }
    }
  }

  #isClosed(): boolean {
    return this.#state === "closed";
  }

  /** Takes the old place in the room, on a new connection. */
  async #takePlace(): Promise<Pick<Return, "how" | "events" | "missed" | "isComplete">> {
    const none = { events: [], missed: [], isComplete: false };
    const place = this.#place;
    let join_only = false;
    if (!place) return { how: "none", ...none, isComplete: true };
    if (place.seat) {
      try {
        return { how: "seat", ...(await this.#patiently(() => this.#takeBack(place.seat as Seat))) };
      } catch (error) {
        const { code } = error as RelayError;
        if (!code.startsWith("RECONNECTION_") && code !== "ROOM_NOT_FOUND") return this.#giveUp(error as RelayError);
        // The server knows the seat and keeps it no longer: no restart is to blame, and the room lives or has died by itself.
        join_only = code === "RECONNECTION_EXPIRED";
      }
    }
    if (this.#options.reconnect && this.#options.reconnect.rejoin === false) {
      return this.#giveUp(new RelayError("RECONNECTION_FAILED", "The seat cannot be taken back"));
    }
    const { room } = this;
    if (place.request.type === "JoinRoom" && room) {
      Object.assign(place.request.data, { join_only, max_players: room.maxPlayers, supports_authority: room.supportsAuthority });
    }
    Object.assign(place.request.data, { room_code: room?.code ?? place.request.data.room_code });
    try {
      // A name is taken as long as the server has not noticed that the old connection is gone; a room is not there as long
      // as nobody else is back who makes it.
      await this.#patiently(() => this.#request(place), ["ROOM_CREATION_FAILED", ...(room?.role === "spectator" ? ["ROOM_NOT_FOUND"] : [])]);
      return { how: "rejoined", ...none };
    } catch (error) {
      return this.#giveUp(error as RelayError);
    }
  }

  /** Tries again while what is in the way may pass. */
  async #patiently<R>(attempt: () => Promise<R>, passing: string[] = []): Promise<R> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await attempt();
      } catch (error) {
        const { code } = error as RelayError;
        if (tries > 30 || this.#isClosed() || !(PASSING.includes(code) || passing.includes(code))) throw error;
        await sleep(Math.min(1_000, 100 * tries));
      }
    }
  }

  #giveUp(error: RelayError): Pick<Return, "how" | "events" | "missed" | "isComplete"> {
    if (["CLOSED", "TIMEOUT", "SERVER_DRAINING"].includes(error.code)) throw error;
    this.#leaveBehind(error.message);
    return { how: "none", events: [], missed: [], isComplete: false };
  }

  // What is asked and answered

  async #enter(place: Place): Promise<Room> {
    await this.#request(place);
    return this.room as unknown as Room;
  }

  async #request(place: Place): Promise<void> {
    await this.#ask(place.request, ["RoomJoined", "SpectatorJoined"], place);
  }

  async #takeBack({ playerId, roomId, token }: Seat): Promise<Pick<Return, "events" | "missed" | "isComplete">> {
    if (this.version === 2) throw new RelayError("NOT_IN_THIS_VERSION", "Version 2 keeps no seats");
    const data = { player_id: playerId, room_id: roomId, auth_token: token };
    const back = (await this.#ask({ type: "Reconnect", data }, ["Reconnected"])) as wire.ServerReconnectedV3;
    return { events: back.data.missed_events, missed: this.#missed, isComplete: back.data.replay === "complete" };
  }

  #ask(request: wire.RoomOperationRequest, answers: string[], place?: Place): Promise<Answer> {
    const isGranted = this.info?.capabilities.includes("room_operation_ids");
    const judge = (message: Answer) =>
      answers.includes(message.type)
        ? true
        : message.type.endsWith("Failed") || (!isGranted && message.type === "Error" && request.type === "LeaveSpectator")
          ? refusal(message)
          : undefined;
    const asked = place ? (message: Answer) => this.#seated(message, place) : () => {};
    if (isGranted) {
      const operation_id = randomUuid();
      return this.#expect(judge, () => this.#say({ type: "RoomOperation", data: { operation_id, operation: request } }), operation_id, asked);
    }
    if (!["JoinRoom", "LeaveRoom", "Reconnect", "JoinAsSpectator", "LeaveSpectator"].includes(request.type)) {
      return Promise.reject(new RelayError("NOT_IN_THIS_VERSION", `${request.type} needs version 3`));
    }
    return this.#expect(judge, () => this.#say(request as wire.ClientMessage), undefined, asked);
  }

  #await(
    type: "PlayerReady" | "StartGame",
    refusals: readonly wire.ErrorCode[],
    isAnswer: (message: Answer) => boolean,
  ): Promise<Answer> {
    const judge = (message: Answer) =>
      message.type === "Error" && refusals.includes(message.data.error_code) ? refusal(message) : isAnswer(message) || undefined;
    return this.#expect(judge, () => this.#say({ type }));
  }

  async #authority(become_authority: boolean): Promise<void> {
    await this.#expect(
      (message) => (message.type === "AuthorityResponse" ? (message.data.granted ? true : refusal(message)) : undefined),
      () => this.#say({ type: "AuthorityRequest", data: { become_authority } }),
    );
  }

  #expect(judge: Asked["judge"], say: () => void, id?: string, arrived: (message: Answer) => void = () => {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (!this.#link) return reject(new RelayError("NOT_CONNECTED", "There is no connection at the moment"));
      const forget = () => {
        clearTimeout(asked.timer);
        if (id) this.#results.delete(id);
        const place = this.#asked.indexOf(asked);
        if (place >= 0) this.#asked.splice(place, 1);
      };
      const asked: Asked = {
        judge,
        resolve: (message) => (forget(), arrived(message), resolve(message)),
        reject: (error) => (forget(), reject(error)),
        timer: setTimeout(
          () => asked.reject(new RelayError("TIMEOUT", "The server did not answer in time")),
          this.#options.timeoutMs ?? 10_000,
        ),
      };
      if (id) this.#results.set(id, asked);
      else this.#asked.push(asked);
      say();
    });
  }

  /** Whether somebody waits for this. */
  #answer(message: ServerMessage): boolean {
    for (const asked of this.#asked) {
      const verdict = asked.judge(message);
      if (verdict === undefined) continue;
      if (verdict === true) asked.resolve(message);
      else asked.reject(verdict);
      return true;
    }
    return false;
  }

  // What is said

  #say(message: wire.ClientMessage): void {
    const text = JSON.stringify(message);
    this.#link?.send(text);
    if (this.hears("sent")) this.emit("sent", { message, bytes: text.length });
  }

  #put(data: T, kind: wire.DeliveryClass, key: number): void {
    this.#sent += 1;
    if (this.encoding !== "json" && kind === "reliable") {
      const bytes = this.#messagePack && this.encoding === "message_pack" ? this.#messagePack.encode(data) : (data as Uint8Array);
      this.#link?.send(bytes);
      if (this.hears("sent")) this.emit("sent", { message: bytes, bytes: bytes.length });
      return;
    }
    const payload: wire.ClientGameData["data"] = { data: data ?? null };
    // Version 2 has no classes: everything is reliable there.
    if (this.version === 3 && kind !== "reliable") payload.class = kind;
    if (this.version === 3 && kind === "latest") payload.key = key;
    this.#say({ type: "GameData", data: payload });
  }

  #skip(): false {
    this.skipped += 1;
    return false;
  }

  #press(isHigh: boolean): void {
    if (this.#isHigh === isHigh) return;
    this.#isHigh = isHigh;
    this.emit("pressure", { isHigh, bufferedAmount: this.bufferedAmount });
  }

  // What is heard

  #receive(frame: string | Uint8Array): void {
    this.#heardAt = now();
    if (typeof frame !== "string") return this.#receiveBytes(frame);
    const message = JSON.parse(frame) as ServerMessage;
    if (this.hears("received")) this.emit("received", { message, bytes: frame.length });
    switch (message.type) {
      case "GameData": {
        const { from_player: from, data, ...rest } = message.data as wire.ServerGameDataV3["data"];
        return this.#hand({ from, data: data as T, class: "reliable", ...rest });
      }
      case "Pong": {
        const ping = this.#pings.shift();
        if (ping) {
          this.roundTripMs = now() - ping.at;
          this.#served = ping.sent;
          ping.resolve(this.roundTripMs);
        }
        break;
      }
      case "RoomOperationResult": {
        const { operation_id, result } = message.data;
        this.#apply(result);
        const asked = this.#results.get(operation_id);
        const verdict = asked?.judge(result);
        if (verdict === true) asked?.resolve(result);
        else if (verdict) asked?.reject(verdict);
        return;
      }
    }
    this.#apply(message);
    const isAwaited = this.#answer(message);
    if (message.type === "Error" && !isAwaited) this.emit("error", refusal(message));
  }

  #receiveBytes(frame: Uint8Array): void {
    if (this.hears("received")) this.emit("received", { message: frame, bytes: frame.length });
    const isBare = this.version === 2 && this.encoding !== "message_pack";
    const envelope = isBare ? { payload: frame } : readEnvelope(frame);
    if (!envelope?.payload) return this.emit("error", new RelayError("UNREADABLE", "A binary message has no envelope"));
    const { from_player, payload, seq, epoch } = envelope;
    let data: unknown = payload;
    if (this.encoding === "message_pack") {
      try {
        data = this.#messagePack?.decode(payload);
      } catch {
        return this.emit("error", new RelayError("UNREADABLE", `A message of ${from_player} is no MessagePack`));
      }
    }
    const stamp = seq !== undefined && epoch !== undefined ? { seq, epoch } : {};
    this.#hand({ from: from_player ?? null, data: data as T, class: "reliable", ...stamp });
  }

  #hand(data: Data<T>): void {
    if (data.from && data.seq !== undefined && data.epoch !== undefined) {
      for (const gap of this.#ledger.reached(data.from, data.epoch, data.seq, true)) this.emit("gap", gap);
    }
    this.emit("data", data);
  }

  #apply(message: Answer): void {
    const { room } = this;
    switch (message.type) {
      case "RoomJoined":
      case "SpectatorJoined":
        // Whoever asked knows how the place came about, and tells.
        this.#ledger.clear();
        for (const player of message.data.current_players) this.#ledger.open(player);
        return this.#settle(message);
      case "Reconnected":
        if ("sender_watermarks" in message.data) {
          const { player_id, sender_watermarks, missed_events } = message.data;
          this.#missed = this.#ledger.away(player_id, sender_watermarks, missed_events);
        }
        this.#settle(message as unknown as wire.ServerRoomJoinedV3);
        for (const gap of this.#missed) this.emit("gap", gap);
        return;
      case "RoomLeft":
        return this.#leaveBehind("left");
      case "SpectatorLeft":
        return this.#leaveBehind(message.data.reason);
      case "RoomCodeRegenerated":
        if (room) room.code = message.data.room_code;
        if (this.#place) this.#place.request.data.room_code = message.data.room_code;
        break;
      case "DeliveryReport":
        for (const gap of this.#ledger.told(message.data.gaps ?? [])) this.emit("gap", gap);
        return;
      case "SessionPlan":
        return this.emit("plan", message.data);
      case "Signal":
        return this.emit("signal", message.data);
      case "PeerTransportStatus":
        return this.emit("peerTransport", message.data);
      case "RelayStats":
        return this.emit("stats", message.data);
      case "GoingAway":
        return this.emit("goingAway", { at: new Date(message.data.deadline_ms), retryAfterSecs: message.data.retry_after_secs });
      case "Error":
        if (message.data.error_code === "UNSUPPORTED_GAME_DATA_FORMAT" && !this.room && this.#state !== "open") this.encoding = "json";
        return;
    }
    if (!room) return;
    const before = "data" in message && message.data && "player_id" in message.data ? room.players.get(message.data.player_id) : undefined;
    const watcher = message.type === "SpectatorDisconnected" ? room.spectators.get(message.data.spectator_id) : undefined;
    room.apply(message as ServerMessage);
    switch (message.type) {
      case "PlayerJoined":
      case "PlayerReconnected": {
        this.#ledger.open(message.data.player);
        const player = room.players.get(message.data.player.id);
        if (player) this.emit(message.type === "PlayerJoined" ? "playerJoined" : "playerReturned", player);
        break;
      }
      case "PlayerLeft": {
        const { player_id, epoch, final_seq } = message.data as wire.ServerPlayerLeftV3["data"];
        if (epoch !== undefined) {
          for (const gap of this.#ledger.reached(player_id, epoch, final_seq, false)) this.emit("gap", gap);
        }
        if (before) this.emit("playerLeft", before);
        break;
      }
      case "LobbyStateChanged":
        this.emit("lobby", room);
        break;
      case "GameStarting":
        this.emit("started", message.data.peer_connections);
        break;
      case "AuthorityChanged":
        this.emit("authority", { player: room.players.get(room.authority ?? "") ?? null, isMe: room.isAuthority });
        break;
      case "NewSpectatorJoined":
        this.emit("spectatorJoined", named(message.data.spectator));
        break;
      case "SpectatorDisconnected":
        this.emit("spectatorLeft", { ...(watcher ?? { id: message.data.spectator_id, name: "" }), reason: message.data.reason });
        break;
      case "RoomCodeRegenerated":
        break;
      default:
        return;
    }
    this.emit("room", room);
  }

  /** A snapshot came. */
  #settle(message: wire.ServerRoomJoinedV3 | wire.ServerRoomJoinedV2 | wire.ServerSpectatorJoinedV2 | wire.ServerSpectatorJoinedV3): void {
    const isBack = (message.type as string) === "Reconnected";
    this.room ??= new Room();
    this.room.take(message);
    if (isBack && this.#place) this.#seated(message, this.#place);
  }

  /** The place is taken: what is needed to come back to it is kept. */
  #seated(message: Answer, place: Place): void {
    const { room } = this;
    if (!room || !JOINS.includes(message.type)) return;
    const token = (message as wire.ServerRoomJoinedV3).data.reconnection_token;
    place.request.data.room_code = room.code;
    place.seat = undefined;
    if (token !== undefined && place.request.type === "JoinRoom") {
      const { game_name: game, player_name: name } = place.request.data;
      place.seat = { roomId: room.id, playerId: room.me, token, code: room.code, game, name };
    }
    this.#place = place;
    this.emit("joined", room);
    this.emit("room", room);
  }

  #leaveBehind(reason: string): void {
    const { room } = this;
    this.room = null;
    this.#place = undefined;
    this.#ledger.clear();
    if (room) this.emit("left", { reason });
  }
}

function refusal(message: Answer): RelayError {
  const data = ("data" in message ? message.data : {}) as { error_code?: wire.ErrorCode | null; message?: string; reason?: string | null; error?: string };
  return new RelayError(data.error_code ?? "INTERNAL_ERROR", data.message ?? data.reason ?? data.error ?? message.type);
}
