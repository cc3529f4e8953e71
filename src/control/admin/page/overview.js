// The server and its shards.

import { bar, bytes, count, element, micros, millis, none, percent, rate, seconds, table, tiles } from "./figures.js";
import { History, plot } from "./plots.js";
import { ROOM } from "./rooms.js";

const busy = new History();
const messages = new History();
const waits = new History();

/** Notes what was seen, whichever view is open: the lines go on. */
export function remember(seen) {
  const each = (of) => Object.fromEntries(seen.shards.map((shard) => [`${shard.shard}`, of(shard.now)]));
  busy.add(each((now) => now?.busy));
  messages.add({ "in": sum(seen, "messages_per_s"), "out": sum(seen, "deliveries_per_s") });
  waits.add({ relay: worst(seen, "relay_p99_us"), turn: worst(seen, "turn_p99_us") });
}

function sum(seen, figure) {
  const values = seen.shards.map((shard) => shard.now?.[figure]).filter((value) => value != null);
  return values.length ? values.reduce((all, value) => all + value, 0) : null;
}

function worst(seen, figure) {
  const values = seen.shards.map((shard) => shard.now?.[figure]).filter((value) => value != null);
  return values.length ? Math.max(...values) : null;
}

const COLUMNS = [
  { name: "Shard", class: "text", of: (shard) => shard.answers ? `${shard.shard}` : element("span", { class: "bad" }, `${shard.shard} is silent`) },
  { name: "Busy", of: (shard) => shard.now ? element("span", {}, bar(shard.now.busy), percent(shard.now.busy)) : none },
  { name: "Rooms", of: (shard) => count(shard.rooms) },
  { name: "Connections", of: (shard) => count(shard.connections) },
  { name: "In rooms", class: "wide", title: "Players and spectators of the rooms that live here", of: (shard) => count(shard.occupants) },
  { name: "Messages/s", title: "Accepted game data", of: (shard) => rate(shard.now?.messages_per_s) },
  { name: "Deliveries/s", class: "wide", title: "Game data queued for receivers", of: (shard) => rate(shard.now?.deliveries_per_s) },
  { name: "Sent/s", of: (shard) => shard.now ? bytes(shard.now.bytes_per_s) : none },
  { name: "Relay p99", title: "What the server adds to a message", of: (shard) => micros(shard.now?.relay_p99_us) },
  { name: "Outbox p99", class: "wide", title: "From queued to taken by the socket", of: (shard) => micros(shard.now?.sojourn_p99_us) },
  { name: "Turn p99", class: "wide", of: (shard) => micros(shard.now?.turn_p99_us) },
  { name: "Round trip", class: "wide", title: "Median of pings that came back in the last second", of: (shard) => micros(shard.now?.ping_p50_us) },
  { name: "Waiting", title: "Bytes that sockets have not taken", of: (shard) => shard.waiting_frames ? bytes(shard.waiting_bytes) : "0" },
  { name: "Oldest", class: "wide", of: (shard) => shard.oldest_wait_ms ? millis(shard.oldest_wait_ms) : "0" },
  { name: "Inbox", class: "wide", title: "Messages of other threads that were not read", of: (shard) => count(shard.inbox_waiting) },
];

const RESOURCES = { cpu: "CPU", memory: "memory", descriptors: "descriptors", connections: "connections", rooms: "max_rooms", rooms_of_one_game: "rooms of one game" };

/** How many more rooms like the present ones fit: a value, and what gives out first. */
function forecast({ more_rooms: more, first_to_give_out: first, resources }) {
  if (more == null) return [none, "not known"];
  // Too little is done to tell how far the CPU goes: it may be what gives out first.
  const isMeasured = resources.some(({ resource, more_rooms }) => resource === "cpu" && more_rooms != null);
  return isMeasured ? [count(more), `then ${RESOURCES[first] ?? first}`] : [`≤ ${count(more)}`, "CPU too idle"];
}

export function overview(root) {
  const figures = tiles(["Connections", "Rooms", "More rooms", "Messages/s", "CPU", "Memory", "Descriptors", "Slow readers", "Refused", "Up"]);
  const shards = table(COLUMNS, { key: (shard) => shard.shard, empty: "No shard." });
  const plots = [
    plot("Busy, by shard", busy, (value) => percent(value), { least: 0.05 }),
    plot("Messages in a second", messages, rate, { least: 5 }),
    plot("99th percentile", waits, micros, { least: 200, size: 60 }),
  ];
  const busiest = table([ROOM.code, ROOM.game, ROOM.players, ROOM.watching, ROOM.messages, ROOM.bytes, ROOM.shard], {
    key: (room) => room.id,
    empty: "No room.",
    onrow: (room) => { location.hash = `#/rooms/${room.id}`; },
  });
  root.append(
    figures.list,
    element("div", { class: "plots" }, ...plots.map((one) => one.box)),
    element("section", {}, element("h2", {}, "Shards"), shards.box),
    element("section", {}, element("h2", {}, "Busiest rooms"), busiest.box),
  );

  return {
    query: { per_page: 8 },
    rooms: (seen) => busiest.show(seen.rooms),
    overview(seen) {
      figures.show("Connections", count(seen.connections), `of ${count(seen.max_connections)}`);
      figures.show("Rooms", count(seen.rooms), `of ${count(seen.max_rooms)}`);
      figures.show("More rooms", ...forecast(seen.capacity));
      figures.show("Messages/s", rate(sum(seen, "messages_per_s")), `${rate(sum(seen, "deliveries_per_s"))} out`);
      figures.show("CPU", percent(seen.cpu), "of one core");
      figures.show("Memory", bytes(seen.resident_bytes));
      figures.show("Descriptors", count(seen.open_descriptors), `of ${count(seen.max_descriptors)}`);
      figures.show("Slow readers", count(seen.slow_consumers), "closed, 4002");
      figures.show("Refused", count(seen.refusals), "since the start");
      figures.show("Up", seconds(seen.up_secs), `${seen.region || "no region"} · ${seen.version}`);
      shards.show(seen.shards);
      plots.forEach((one) => one.update());
    },
    end: () => plots.forEach((one) => one.end()),
  };
}
