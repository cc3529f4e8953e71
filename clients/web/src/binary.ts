// Binary frames: MessagePack, which is loaded when it is asked for, and the envelope of the server, which is not.

import { RelayError } from "./errors.js";

/** What encodes and decodes MessagePack: `@msgpack/msgpack`, or anything like it. */
export interface MessagePack {
  encode(value: unknown): Uint8Array;
  decode(bytes: Uint8Array): unknown;
}

export async function loadMessagePack(): Promise<MessagePack> {
  try {
    return await import("@msgpack/msgpack");
  } catch {
    throw new RelayError("NO_MESSAGE_PACK", "MessagePack was asked for and is not there");
  }
}

/** What the server puts around binary game data. */
export interface Envelope {
  from_player?: string;
  encoding?: string;
  payload?: Uint8Array;
  seq?: number;
  epoch?: number;
}

/** Reads the envelope: a MessagePack map of short texts, bytes and whole numbers. `undefined`: it is none. */
export function readEnvelope(bytes: Uint8Array): Envelope | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const number = (width: number): number => {
    const start = at;
    at += width;
    if (width === 1) return view.getUint8(start);
    if (width === 2) return view.getUint16(start);
    if (width === 4) return view.getUint32(start);
    return view.getUint32(start) * 2 ** 32 + view.getUint32(start + 4);
  };
  const slice = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new RangeError();
    return bytes.subarray(at, (at += length));
  };
  const value = (): string | number | Uint8Array => {
    const head = number(1);
    if (head < 0x80) return head;
    if (head >= 0xa0 && head < 0xc0) return new TextDecoder().decode(slice(head & 0x1f));
    if (head >= 0xc4 && head <= 0xc6) return slice(number(1 << (head - 0xc4)));
    if (head >= 0xcc && head <= 0xcf) return number(1 << (head - 0xcc));
    throw new RangeError();
  };
  try {
    const head = number(1);
    if (head >> 4 !== 8) return undefined;
    const read: Record<string, unknown> = {};
    for (let left = head & 0x0f; left > 0; left -= 1) read[value() as string] = value();
    if (!(read["payload"] instanceof Uint8Array) || at !== bytes.length) return undefined;
    return { ...(read as Envelope), from_player: uuid(read["from_player"] as Uint8Array) };
  } catch {
    return undefined;
  }
}

function uuid(bytes: Uint8Array): string {
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
