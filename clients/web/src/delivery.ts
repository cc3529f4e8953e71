// What came of each sender and what did not, by the numbers that version 3 puts on game data.

import type { Gap as WireGap, GapReason, MissedEventV3, PlayerId, PlayerV2, PlayerV3, Watermark } from "./protocol.js";

/** Messages of one sender that did not arrive: neighbours, missing for one reason. */
export interface Gap {
  from: PlayerId;
  epoch: number;
  fromSeq: number;
  toSeq: number;
  /** How many. */
  count: number;
  /** The server's reason; `away` while this client was not connected; `unexplained` is a mistake of the server. */
  reason: GapReason | "away" | "unexplained";
}

interface Place {
  epoch: number;
  seq: number;
  /** Gaps that the server told of and no later message has passed yet. */
  told: WireGap[];
}

/** The books. */
export class Ledger {
  #places = new Map<PlayerId, Place>();
  received = 0;
  missing = 0;

  clear(): void {
    this.#places.clear();
  }

  /** Where a sender stands. Version 2 has no numbers, and so no books. */
  open(player: PlayerV2 | PlayerV3 | (Watermark & { id: PlayerId })): void {
    if ("epoch" in player) this.#places.set(player.id, { epoch: player.epoch, seq: player.seq, told: [] });
  }

  /** What the server says is missing. */
  told(gaps: readonly WireGap[]): Gap[] {
    return gaps.map((gap) => {
      const place = this.#places.get(gap.from_player);
      if (place?.epoch === gap.epoch) place.told.push(gap);
      return this.#gap(gap.from_player, gap.epoch, gap.from_seq, gap.to_seq, gap.reason);
    });
  }

  /** A message came, or the sender is gone and `seq` was its last: what is missing before it and was not told. */
  reached(from: PlayerId, epoch: number, seq: number, came: boolean): Gap[] {
    if (came) this.received += 1;
    const place = this.#places.get(from);
    if (!place || place.epoch !== epoch) return [];
    const holes: Gap[] = [];
    let next = place.seq + 1;
    const end = came ? seq : seq + 1;
    for (const gap of place.told.sort((one, other) => one.from_seq - other.from_seq)) {
      if (gap.from_seq >= end) break;
      if (gap.from_seq > next) holes.push(this.#gap(from, epoch, next, gap.from_seq - 1, "unexplained"));
      next = Math.max(next, gap.to_seq + 1);
    }
    if (next < end) holes.push(this.#gap(from, epoch, next, end - 1, "unexplained"));
    place.told = place.told.filter((gap) => gap.to_seq >= end);
    place.seq = Math.max(place.seq, seq);
    return holes;
  }

  /** What was said while this client was away, from where its senders stand now and who left meanwhile. */
  away(me: PlayerId, watermarks: readonly Watermark[], events: readonly MissedEventV3[]): Gap[] {
    const gaps: Gap[] = [];
    // A page that takes a seat over from another one had heard nothing yet.
    const isNew = this.#places.size === 0;
    const upTo = (id: PlayerId, epoch: number, seq: number) => {
      const place = this.#places.get(id);
      const from = place?.epoch === epoch ? place.seq + 1 : 1;
      if (!isNew && id !== me && seq >= from) gaps.push(this.#gap(id, epoch, from, seq, "away"));
    };
    for (const event of events) {
      if (event.type === "PlayerLeft") upTo(event.data.player_id, event.data.epoch, event.data.final_seq);
    }
    for (const { player_id, epoch, seq } of watermarks) upTo(player_id, epoch, seq);
    this.clear();
    for (const mark of watermarks) this.open({ ...mark, id: mark.player_id });
    return gaps;
  }

  #gap(from: PlayerId, epoch: number, fromSeq: number, toSeq: number, reason: Gap["reason"]): Gap {
    const count = toSeq - fromSeq + 1;
    this.missing += count;
    return { from, epoch, fromSeq, toSeq, count, reason };
  }
}
