// One WebSocket: opened with a deadline, watched for silence, ended at once when it is of no more use.

import { RelayError } from "./errors.js";

/** What a WebSocket must be able to do: the browser's own, Node's, Deno's, Bun's, or the one of `ws`. */
export interface WebSocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  readonly readyState: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}
export type WebSocketClass = new (url: string) => WebSocketLike;

export interface LinkEvents {
  message(data: string | Uint8Array): void;
  closed(error: RelayError): void;
}

export class Link {
  readonly #socket: WebSocketLike;
  readonly #events: LinkEvents;
  #isOver = false;

  private constructor(socket: WebSocketLike, events: LinkEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.onmessage = ({ data }: MessageEvent) => {
      if (!this.#isOver) events.message(typeof data === "string" ? data : new Uint8Array(data));
    };
    socket.onclose = ({ code, reason }: CloseEvent) => this.cut(closing(code, reason));
  }

  static open(Class: WebSocketClass, url: string, timeoutMs: number, events: LinkEvents): Promise<Link> {
    return new Promise((resolve, reject) => {
      const socket = new Class(url);
      socket.binaryType = "arraybuffer";
      const fail = (error: RelayError) => {
        clearTimeout(timer);
        socket.onopen = socket.onclose = null;
        socket.onerror = () => {};
        socket.close();
        reject(error);
      };
      const timer = setTimeout(() => fail(new RelayError("UNREACHABLE", `${url} does not answer`)), timeoutMs);
      socket.onerror = () => {};
      socket.onclose = () => fail(new RelayError("UNREACHABLE", `${url} cannot be reached`));
      socket.onopen = () => {
        clearTimeout(timer);
        resolve(new Link(socket, events));
      };
    });
  }

  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }
  get isOver(): boolean {
    return this.#isOver;
  }

  send(data: string | Uint8Array): void {
    if (!this.#isOver && this.#socket.readyState === 1) this.#socket.send(data as Uint8Array<ArrayBuffer>);
  }

  /** Ends it now, without waiting for the other side, which may be gone. */
  cut(error: RelayError, code = 1000, reason = ""): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#socket.onmessage = this.#socket.onclose = null;
    if (this.#socket.readyState < 2) this.#socket.close(code, reason);
    this.#events.closed(error);
  }
}

const CLOSES: Record<number, string> = {
  1000: "The server ended the connection",
  1001: "The page or the server went away",
  1006: "The connection was lost",
  1009: "A message was too large",
  4000: "The server stops",
  4001: "The handshake took too long",
  4002: "This client did not read in time",
  4003: "The server heard nothing of this client",
  4004: "The connection was silent for too long",
  4005: "The room was closed because nothing happened in it",
  4006: "Too many requests were refused",
  4007: "The room's authority removed this player",
};

const closing = (code: number, reason: string) =>
  new RelayError("CLOSED", `${CLOSES[code] ?? "The connection ended"} (${code}${reason && ` ${reason}`})`, code);

/** Whether a connection that ended so is not to be tried again: a next one would end as this one did. */
export const isFinal = ({ code, closeCode }: RelayError): boolean =>
  [1000, 1002, 1007, 4005, 4006, 4007].includes(closeCode ?? 0) ||
  !["CLOSED", "UNREACHABLE", "TIMEOUT", "SERVER_DRAINING", "TOO_MANY_CONNECTIONS"].includes(code);
