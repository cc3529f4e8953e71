// The playground: players side by side, each with a client of its own. Texts of others are only ever set as text.
import { connect } from "./signal-fish.js";
import * as messagePack from "./message-pack.js";

const GAME = "playground";
const NAMES = ["Mira", "Otto", "Kite", "Vera", "Wren", "Piet", "Nell", "Ida"];
const MAX_LINES = 400;

const controls = document.querySelector("#new");
const board = document.querySelector("#players");
const codeInLink = () => decodeURIComponent(location.hash.slice(1));
let added = 0;
let newestCode = codeInLink();

/** An element: `el("button", { onclick }, "text")`. */
function el(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const short = (value) => (value === undefined ? "" : JSON.stringify(value, bytesAsText));
const bytesAsText = (_, value) => (value instanceof Uint8Array ? `${value.length} bytes: ${[...value.slice(0, 64)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ")}` : value);

class Card {
  constructor(name, version, encoding) {
    Object.assign(this, { name, version, encoding, startedAt: performance.now(), heard: 0, gaps: 0, burst: 0 });
    this.state = el("span", { className: "pill" }, "connecting");
    this.facts = el("span", { className: "facts" });
    this.note = el("p", { className: "note", role: "status" });
    this.people = el("ul", { className: "people" });
    this.code = el("input", { className: "code", placeholder: "CODE", maxLength: 12, value: newestCode, ariaLabel: "room code" });
    this.log = el("div", { className: "log", tabIndex: 0, ariaLabel: `messages of ${name}` });
    this.text = el("input", { value: '{"x": 12, "y": -3.5}', ariaLabel: "game data" });
    this.kind = el("select", { ariaLabel: "class" }, ...["reliable", "latest", "volatile"].map((word) => el("option", {}, word)));
    const button = (label, act, className = "") => el("button", { type: "button", className, onclick: () => this.try(act) }, label);
    this.lobbyRow = el("div", { className: "row" },
      button("Create a room", () => this.client.createRoom({ game: GAME, name }), "main"),
      this.code,
      button("Join", () => this.client.joinRoom({ game: GAME, name, code: this.code.value.trim() })),
      button("Watch", () => this.client.spectate({ game: GAME, name, code: this.code.value.trim() })));
    this.roomCode = el("button", { type: "button", className: "code", title: "Copy the link to this room", onclick: () => this.copy() });
    this.readyButton = button("Ready", () => this.client.setReady(!this.client.room.self.isReady));
    this.startButton = button("Start", () => this.client.start());
    this.leadButton = button("Lead", () => (this.client.room.isAuthority ? this.client.releaseAuthority() : this.client.claimAuthority()));
    this.roomRow = el("div", { className: "row" }, this.roomCode, this.readyButton, this.startButton, this.leadButton, button("Leave", () => this.client.leave()));
    this.sendRow = el("form", { className: "row", onsubmit: (event) => (event.preventDefault(), this.try(() => this.say())) },
      this.text, this.kind, el("button", { className: "main" }, "Send"), button("× 1,000", () => this.flood(), "flood"));
    this.lineRow = el("div", { className: "row" },
      button("Cut the connection", () => this.client.cut(), "cut"),
      button("Ping", async () => this.tell(`${(await this.client.ping()).toFixed(1)} ms to the server and back`, true)),
      button("Slow reader", () => this.watchSlowly(), "slow"), this.facts);
    this.element = el("section", { className: "player", ariaLabel: name },
      el("div", { className: "row" }, el("span", { className: "title" }, name),
        el("span", { className: "pill" }, `v${version} ${encoding === "json" ? "JSON" : "MessagePack"}`), this.state,
        el("button", { type: "button", ariaLabel: `remove ${name}`, onclick: () => this.remove() }, "✕")),
      this.lobbyRow, this.roomRow, this.people, this.sendRow, this.lineRow, this.note, this.log);
    board.append(this.element);
    this.draw();
  }

  async open() {
    try {
      // The same server that this page came from.
      this.client = await connect(location.origin, {
        appId: controls.elements.app.value, version: this.version, encoding: this.encoding, messagePack,
        reconnect: { firstDelayMs: 600 },
      });
    } catch (error) {
      this.set("closed");
      return this.tell(error.message);
    }
    const { client } = this;
    this.set(client.state);
    client.on("state", (state) => this.set(state));
    client.on("room", () => this.draw());
    client.on("joined", ({ code }) => this.share(code));
    client.on("left", ({ reason }) => (this.draw(), reason !== "left" && this.tell(reason)));
    client.on("closed", (error) => this.tell(error.message));
    client.on("error", (error) => this.tell(error.message));
    client.on("reconnecting", ({ attempt, delayMs, cause }) => this.line("event", `try ${attempt}`, `in ${delayMs.toFixed(0)} ms: ${cause.message}`));
    client.on("reconnected", (back) => {
      const missed = back.missed.reduce((sum, gap) => sum + gap.count, 0);
      this.tell(`Back after ${(back.awayMs / 1000).toFixed(1)} s (${back.how}): ${back.events.length} events and ${missed} messages missed.`, true);
      this.line("event", "reconnected", short(back), back);
    });
    client.on("gap", (gap) => ((this.gaps += gap.count), this.line("lost", "gap", `${gap.count} × ${gap.reason}`, gap)));
    client.on("data", () => (this.heard += 1));
    client.on("sent", ({ message, bytes }) => this.message("say", message, bytes));
    client.on("received", ({ message, bytes }) => this.message("hear", message, bytes));
    this.timer = setInterval(() => this.count(), 500);
  }

  /** Does what a button says, and shows what is wrong with it. */
  async try(act) {
    this.tell("");
    try {
      await act();
    } catch (error) {
      this.tell(error.message);
    }
    this.draw();
  }

  say() {
    const kind = this.kind.value;
    if (!this.client.send(JSON.parse(this.text.value), kind === "latest" ? { key: 1 } : { class: kind })) this.tell("Not sent: there is no seat, or too much waits.");
  }

  /** A thousand messages in one go; classes other than `reliable` may lose some of them to whoever is slow. */
  async flood() {
    const kind = this.kind.value;
    const filler = "~".repeat(200);
    for (let n = 1; n <= 1_000; n += 1) {
      this.client.send({ n, filler }, kind === "latest" ? { key: n % 4 } : { class: kind });
      while (this.client.bufferedAmount > 100_000) await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Somebody in a thread of its own who takes a while for each message, and counts what it gets. */
  watchSlowly() {
    const { room } = this.client;
    if (!room) throw new Error("Create or join a room first: a slow reader watches it.");
    const worker = new Worker("slow.js", { type: "module" });
    const text = el("span", {}, "a slow reader comes");
    const item = el("li", { className: "slow" }, text, el("button", { type: "button", ariaLabel: "remove", onclick: () => (worker.terminate(), item.remove()) }, "✕"));
    worker.onmessage = ({ data }) => (text.textContent = data);
    worker.postMessage({ origin: location.origin, appId: controls.elements.app.value, game: GAME, code: room.code, pauseMs: 40 });
    (this.slow ??= []).push(item);
    this.draw();
  }

  share(code) {
    newestCode = code;
    history.replaceState(null, "", `#${encodeURIComponent(code)}`);
    for (const card of cards) if (!card.client?.room) card.code.value = code;
    this.draw();
  }

  async copy() {
    await navigator.clipboard?.writeText(location.href);
    this.tell("The link to this room is copied.", true);
  }

  set(state) {
    this.state.className = `pill ${state}`;
    this.state.textContent = state;
    this.draw();
  }

  tell(text, isGood = false) {
    this.note.className = isGood ? "note good" : "note";
    this.note.textContent = text;
  }

  draw() {
    const room = this.client?.room;
    this.lobbyRow.hidden = Boolean(room);
    this.lobbyRow.style.display = room ? "none" : "";
    this.roomRow.style.display = this.people.style.display = room ? "" : "none";
    for (const button of this.element.querySelectorAll("button.cut, .row button:not([aria-label])")) button.disabled = this.client?.state !== "open";
    if (!room) return;
    const isPlayer = room.role === "player";
    this.roomCode.textContent = room.code;
    this.readyButton.textContent = room.self?.isReady ? "Not ready" : "Ready";
    this.readyButton.disabled ||= !isPlayer || room.isStarted;
    this.startButton.disabled ||= !isPlayer || room.isStarted || !room.allReady;
    this.startButton.textContent = room.isStarted ? "Started" : "Start";
    this.leadButton.textContent = room.isAuthority ? "Stop leading" : "Lead";
    this.leadButton.disabled ||= !isPlayer || (room.authority !== null && !room.isAuthority);
    for (const button of this.sendRow.querySelectorAll("button")) button.disabled ||= !isPlayer;
    const people = [...room.players.values()].map((player) =>
      el("li", { className: player.isReady ? "ready" : "", title: player.id },
        `${player.isAuthority ? "★ " : ""}${player.name}${player.isReady ? " ✓" : ""}`,
        room.isAuthority && player.id !== room.me && this.client.version === 3
          ? el("button", { type: "button", title: `Remove ${player.name}`, ariaLabel: `kick ${player.name}`, onclick: () => this.try(() => this.client.kick(player.id)) }, "✕")
          : null));
    const watchers = [...room.spectators.values()].map((spectator) => el("li", { title: spectator.id }, `${spectator.name} (watching)`));
    this.people.replaceChildren(...people, ...watchers, ...(this.slow ?? []));
  }

  count() {
    const trip = this.client.roundTripMs;
    this.facts.textContent = `${trip === undefined ? "–" : `${trip.toFixed(1)} ms`} · ${this.heard} heard${this.gaps ? ` · ${this.gaps} missed` : ""}${this.client.skipped ? ` · ${this.client.skipped} not sent` : ""}`;
    this.flush();
  }

  message(direction, message, bytes) {
    if (message instanceof Uint8Array) return this.line(direction, "binary", short(message), message, bytes);
    if (["Ping", "Pong"].includes(message.type) && !controls.pings.checked) return;
    const inner = message.data?.operation ?? message.data?.result;
    if (message.type === "GameData") {
      const { class: kind, data } = message.data;
      return this.line(direction, kind ? `GameData ${kind}` : "GameData", short(data), message, bytes);
    }
    this.line(direction, inner ? inner.type : message.type, short(inner ? inner.data : message.data), message, bytes);
  }

  /** A line of the log: kept until the next frame is drawn, so that a flood costs little. */
  line(direction, what, text, whole, bytes) {
    const at = ((performance.now() - this.startedAt) / 1000).toFixed(3);
    (this.waiting ??= []).push({ at, direction, what, text: text.slice(0, 300), whole, bytes });
    if (this.waiting.length > MAX_LINES) this.waiting.shift();
    this.drawing ??= requestAnimationFrame(() => this.flush());
  }

  flush() {
    cancelAnimationFrame(this.drawing);
    this.drawing = undefined;
    if (!this.waiting?.length) return;
    const isAtEnd = this.log.scrollTop + this.log.clientHeight > this.log.scrollHeight - 40;
    const arrows = { say: "↑", hear: "↓", event: "·", lost: "✗" };
    for (const { at, direction, what, text, whole, bytes } of this.waiting.splice(0)) {
      const details = el("details", { className: direction }, el("summary", {},
        el("span", { className: "at" }, at), el("span", {}, arrows[direction]), el("b", {}, what),
        el("span", { className: "what" }, text), el("span", { className: "bytes" }, bytes === undefined ? "" : `${bytes} B`)));
      details.addEventListener("toggle", () => details.children.length < 2 && whole && details.append(el("pre", {}, JSON.stringify(whole, bytesAsText, 2))), { once: true });
      this.log.append(details);
    }
    while (this.log.childElementCount > MAX_LINES) this.log.firstElementChild.remove();
    if (isAtEnd) this.log.scrollTop = this.log.scrollHeight;
  }

  remove() {
    this.client?.close();
    clearInterval(this.timer);
    cards.delete(this);
    this.element.remove();
  }
}

const cards = new Set();
async function add(name, version = 3, encoding = "json") {
  const card = new Card(name, version, encoding);
  cards.add(card);
  added += 1;
  controls.elements.name.value = NAMES[added % NAMES.length] + (added >= NAMES.length ? ` ${added}` : "");
  await card.open();
  return card;
}

controls.addEventListener("submit", (event) => {
  event.preventDefault();
  const { name, version, encoding } = controls.elements;
  add(name.value.trim(), Number(version.value), encoding.value);
});
document.querySelector("#freeze").addEventListener("click", () => {
  const end = performance.now() + 8_000;
  while (performance.now() < end);
});

// Two players, and a room for them; whoever comes by a link finds its code filled in.
if (newestCode) {
  added = 1 + Math.floor(Math.random() * (NAMES.length - 1));
  await add(NAMES[added]);
} else {
  const mira = await add("Mira");
  if (mira.client) await mira.try(() => mira.client.createRoom({ game: GAME, name: "Mira" }));
  await add("Otto");
}
