// All rooms: searched, sorted, a page at a time.

import { bytes, count, element, millis, rate, say, since, table } from "./figures.js";

/** What was asked last, so that it is still so for whoever comes back from a room. */
const asked = { search: "", sort: "messages", ascending: false, page: 0 };

export const ROOM = {
  code: { name: "Code", class: "text", sort: "code", of: (room) => element("a", { href: `#/rooms/${room.id}`, class: "code" }, room.code) },
  game: { name: "Game", class: "text", sort: "game", of: (room) => room.game_name },
  players: { name: "Players", sort: "players", title: "Of so many seats; and those who may come back", of: (room) => `${room.players}/${room.max_players}` + (room.absent ? ` +${room.absent}` : "") },
  watching: { name: "Watching", class: "wide", sort: "spectators", of: (room) => count(room.spectators) },
  messages: { name: "Messages/s", sort: "messages", of: (room) => rate(room.messages_per_s) },
  bytes: { name: "Bytes/s", class: "wide", sort: "bytes", title: "Payload", of: (room) => bytes(room.bytes_per_s) },
  all: { name: "In all", class: "wide", of: (room) => count(room.messages) },
  state: { name: "State", class: "wide text", of: (room) => room.is_started ? "started" : "lobby" },
  age: { name: "Age", class: "wide", sort: "created", of: (room) => since(room.created_at) },
  quiet: { name: "Quiet for", class: "wide", sort: "quiet", of: (room) => millis(room.idle_ms) },
  shard: { name: "Shard", class: "wide", sort: "shard", of: (room) => `${room.shard}` },
  application: { name: "Application", class: "wide text", of: (room) => room.application ?? "" },
};

export function rooms(root, again) {
  const search = element("input", {
    type: "search", placeholder: "Code, game, application or id", value: asked.search, maxlength: 64, "aria-label": "Search",
  });
  const found = element("span", { class: "count" });
  const [back, on] = ["‹ Back", "Next ›"].map((text, at) => element("button", { type: "button", onclick: () => turn(at * 2 - 1) }, text));
  const sort = (by) => {
    asked.ascending = asked.sort === by ? !asked.ascending : ["code", "game", "shard"].includes(by);
    Object.assign(asked, { sort: by, page: 0 });
    grid.sorted(asked.sort, asked.ascending);
    again();
  };
  const grid = table(Object.values(ROOM), {
    key: (room) => room.id,
    empty: "No room.",
    onrow: (room) => { location.hash = `#/rooms/${room.id}`; },
    onsort: sort,
  });
  const turn = (by) => {
    asked.page = Math.max(0, asked.page + by);
    again();
  };
  let typed;
  search.addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(() => {
      Object.assign(asked, { search: search.value, page: 0 });
      again();
    }, 200);
  });
  grid.sorted(asked.sort, asked.ascending);
  root.append(element("div", { class: "tools" }, search, found, back, on), grid.box);

  return {
    get query() {
      return { ...asked, per_page: 50 };
    },
    rooms(seen) {
      asked.page = seen.page;
      const first = seen.page * seen.per_page;
      const of = seen.matching === seen.total ? "" : ` of ${count(seen.total)}`;
      const range = seen.matching > seen.per_page ? `${first + 1}–${first + seen.rooms.length} of ` : "";
      say(found, `${range}${seen.matching.toLocaleString("en")} rooms${of}${seen.is_partial ? ", not all were seen" : ""}`);
      back.hidden = on.hidden = seen.matching <= seen.per_page;
      back.disabled = seen.page === 0;
      on.disabled = first + seen.rooms.length >= seen.matching;
      grid.show(seen.rooms);
    },
    end: () => clearTimeout(typed),
  };
}
