// One room, with everybody in it.

import { bytes, count, element, micros, millis, none, rate, say, since, table, tiles } from "./figures.js";
import { History, plot } from "./plots.js";

export function room(root, id, { may, confirm, act }) {
  const name = element("h2");
  const code = element("span", { class: "code" });
  const state = element("span", { class: "pill" });
  const close = element("button", { type: "button", class: "danger", onclick: () => closeRoom() }, "Close room");
  const acts = element("span", { class: "acts" }, may() ? close : null);
  const figures = tiles(["Players", "Watching", "Messages/s", "Bytes/s", "Messages", "Age", "Quiet for", "Shard"]);
  const [messages, queues] = [new History(), new History()];
  const plots = [
    plot("Messages in a second", messages, rate, { least: 5 }),
    plot("Waiting, in the longest queue", queues, bytes, { least: 1000, size: 60 }),
  ];
  let seen = null;

  const link = (member, of) => member.connection ? of(member.connection) : none;
  const rates = (member, of) => seen.rates[member.id] ? of(seen.rates[member.id]) : none;
  const marked = (text, isBad) => isBad ? element("span", { class: "bad" }, text) : text;
  const columns = (isPlayer) => [
    { name: "Name", class: "text", of: (member) => element("span", { title: member.id }, member.name) },
    { name: "", class: "text", of: (member) => element("span", { class: "soft" }, notes(member, isPlayer)) },
    { name: "Version", class: "wide", of: (member) => link(member, (it) => `${it.version}`) },
    { name: "Encoding", class: "wide text", of: (member) => link(member, (it) => it.encoding) },
    { name: "Address", class: "wide text mono", of: (member) => link(member, (it) => element("span", { title: `request_id ${it.request_id}` }, it.address)) },
    { name: "Round trip", title: "As TCP sees it, smoothed", of: (member) => link(member, (it) => micros(it.round_trip_us)) },
    ...(isPlayer ? [{ name: "Says/s", of: (member) => rates(member, (it) => rate(it.sent_per_s)) }] : []),
    { name: "Hears/s", class: "wide", of: (member) => rates(member, (it) => rate(it.received_per_s)) },
    { name: "Bytes/s", class: "wide", title: "That its socket took", of: (member) => rates(member, (it) => bytes(it.received_bytes_per_s)) },
    { name: "Waiting", title: "What its socket has not taken", of: (member) => link(member, (it) => marked(it.queue.frames ? `${count(it.queue.frames)} · ${bytes(it.queue.bytes)}` : "0", it.is_behind)) },
    { name: "For", class: "wide", of: (member) => link(member, (it) => it.queue.frames ? millis(it.queue.age_ms) : "0") },
    { name: "Gaps", class: "wide", title: "Ranges that it has yet to be told of, or remembers · messages that it missed", of: (member) => link(member, (it) => marked(`${it.gaps} · ${count(it.missed)}`, it.gaps > 0)) },
    { name: "Paced", class: "wide", title: "For how long it was not read because others could not keep up with it", of: (member) => link(member, (it) => marked(millis(it.paced_ms), it.is_paced)) },
    { name: "Silent for", class: "wide", of: (member) => link(member, (it) => millis(it.silent_ms)) },
    ...(may() ? [{
      name: "", once: true,
      of: (_, cell, now) => element("button", { type: "button", class: "danger plain", onclick: () => kick(now()) }, "Kick"),
    }] : []),
  ];
  const notes = (member, isPlayer) => {
    const said = [];
    if (member.id === seen.authority) said.push("leads");
    if (member.is_ready) said.push("ready");
    if (member.connection?.is_closing) said.push("closing");
    if (member.spot?.outpost != null) said.push(`at shard ${member.spot.outpost}`);
    return said.join(", ");
  };
  const players = table(columns(true), { key: (member) => member.id, empty: "Nobody sits here." });
  const watchers = table(columns(false), { key: (member) => member.id, empty: "" });
  const more = element("p", { class: "soft" });
  const watching = element("section", { hidden: true }, element("h2", {}, "Watching"), watchers.box, more);

  const decisions = element("ol", { class: "log" });
  const story = element("section", { hidden: true }, element("h2", {}, "Last decisions"), element("div", { class: "card" }, decisions));
  let told = "";
  const tell = (now) => {
    const newest = now.decisions.at(-1);
    const state = `${now.forgotten} ${now.decisions.length} ${newest?.at} ${newest?.what}`;
    story.hidden = now.decisions.length === 0;
    if (state === told) return;
    told = state;
    for (const member of [...now.members, ...now.watching.shown]) names.set(member.id, member.name);
    const lines = now.decisions.toReversed().map((decided) => element("li", {},
      element("time", { class: "soft", datetime: decided.at, title: decided.at }, new Date(decided.at).toLocaleTimeString("en-GB")),
      element("span", { class: names.has(decided.player) ? "who" : "who mono soft", title: decided.player }, names.get(decided.player) ?? decided.player.slice(0, 8)),
      element("span", { class: /^(refused|missed|removed|closed 1|closed 4)/.test(decided.what) ? "what warn" : "what" }, decided.what)));
    if (now.forgotten) lines.push(element("li", { class: "soft" }, `and ${count(now.forgotten)} before`));
    decisions.replaceChildren(...lines);
  };
  const names = new Map();
  const frames = element("ol", { class: "log frames" });
  const sent = element("section", { hidden: true }, element("h2", {}, "Some of what players send"), element("div", { class: "card" }, frames));
  let newestFrame = "";
  const preview = (now) => {
    sent.hidden = !now.frames;
    const newest = now.frames?.at(-1)?.at ?? "";
    if (newest === newestFrame) return;
    newestFrame = newest;
    frames.replaceChildren(...now.frames.toReversed().map((frame) => element("li", {},
      element("time", { class: "soft", title: frame.at }, new Date(frame.at).toLocaleTimeString("en-GB")),
      element("span", { class: "who", title: frame.player }, names.get(frame.player) ?? frame.player.slice(0, 8)),
      element("span", { class: "what" },
        element("span", { class: "soft" }, `${frame.class}, ${frame.encoding}, ${bytes(frame.bytes)} `),
        element("span", { class: "mono" }, frame.preview)))));
  };

  const closeRoom = async () => {
    const text = `Players are closed with 4005 and cannot come back. ${seen.players} play and ${seen.spectators} watch.`;
    if (await confirm(`Close the room ${seen.code}?`, text, "Close room")) act(`rooms/${id}/close`, {}, "The room is closed.");
  };
  const kick = async (member) => {
    const text = `${member.name} is removed (players with 4007) and may join again at once.`;
    if (await confirm("Kick?", text, "Kick")) act(`rooms/${id}/kick`, { id: member.id }, "It was removed.");
  };

  root.append(
    element("div", { class: "title" }, element("a", { href: "#/rooms" }, "‹ Rooms"), name, code, state, acts),
    figures.list,
    element("section", {}, element("h2", {}, "Players"), players.box),
    watching,
    element("div", { class: "plots" }, ...plots.map((one) => one.box)),
    story,
    sent,
  );

  return {
    query: { without_rooms: true, room: id },
    room(now) {
      seen = now;
      say(name, now.game_name);
      say(code, now.code);
      say(state, [now.is_started ? "started" : "lobby", now.has_password && "password", now.application].filter(Boolean).join(" · "));
      figures.show("Players", `${now.players}/${now.max_players}`, now.absent ? `${now.absent} may come back` : "");
      figures.show("Watching", count(now.spectators));
      figures.show("Messages/s", rate(now.messages_per_s));
      figures.show("Bytes/s", bytes(now.bytes_per_s));
      figures.show("Messages", count(now.messages), `${bytes(now.bytes)} of payload`);
      figures.show("Age", since(now.created_at));
      figures.show("Quiet for", millis(now.idle_ms));
      figures.show("Shard", `${now.shard}`);
      players.show(now.members);
      watchers.show(now.watching.shown);
      watching.hidden = now.spectators === 0;
      say(more, now.watching.more ? `and ${count(now.watching.more)} more` : "");
      const everybody = [...now.members, ...now.watching.shown];
      tell(now);
      preview(now);
      messages.add({ messages: now.messages_per_s });
      queues.add({ longest: Math.max(0, ...everybody.map((member) => member.connection?.queue.bytes ?? 0)) });
      plots.forEach((one) => one.update());
    },
    gone() {
      say(state, "gone");
      state.className = "pill bad";
      close.disabled = true;
      players.show([]);
      watching.hidden = true;
    },
    end: () => plots.forEach((one) => one.end()),
  };
}
