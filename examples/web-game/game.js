// Pearl Divers: a small game, written to be copied.
//
// One player, the room's authority, moves all fish and sees who finds a pearl. The others say thirty times a second where
// they want to swim, and draw what the authority tells. When it leaves, the next one goes on from what everybody knows.
//
//   what            who says it      how                    why
//   steer           every player     latest, key 0          only the newest wish matters
//   sea             the authority    latest, key 1          only the newest picture matters
//   pearls, found   the authority    reliable               nobody may miss them
import { connect } from "./signal-fish.js";

const GAME = "pearl-divers";
const SIZE = { x: 1600, y: 1000 };
const PEARLS = 12;
const TICK_MS = 1000 / 30;
const SPEED = 330; // a second
const REACH = 38; // how near a pearl is found
const DELAY_MS = 100; // how far behind the newest picture is drawn, so that there is one on both sides
const NAMES = ["Mira", "Otto", "Kite", "Vera", "Wren", "Piet", "Nell", "Ida", "Bo", "Juno", "Fay", "Sol"];
const $ = (id) => document.getElementById(id);
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// What the room knows. Everybody keeps it, so that everybody can go on as the authority.

const sea = {
  fish: new Map(), // id → { x, y, angle, score }
  pearls: [], // { id, x, y }
  pictures: [], // what was told of late, to draw between: { at, fish }
  wishes: new Map(), // id → { x, y }, each from -1 to 1
  sparks: [], // where a pearl was found: { x, y, at }
};

const somewhere = () => ({ x: 80 + Math.random() * (SIZE.x - 160), y: 120 + Math.random() * (SIZE.y - 200) });
const pearl = () => ({ id: Math.floor(Math.random() * 2 ** 31), ...somewhere() });

// The connection.

const name = (localStorage.name ??= NAMES[Math.floor(Math.random() * NAMES.length)]);
// The relay is where this page comes from. From anywhere else: connect("wss://relay.example", …).
const appId = new URLSearchParams(location.search).get("app") ?? GAME;
const client = await connect(location.origin, { appId }).catch((error) => {
  $("status").textContent = error.message;
  throw error;
});
const isHost = () => client.room?.isAuthority ?? false;

client.on("data", ({ from, data }) => {
  if (data.type === "steer" && isHost()) sea.wishes.set(from, data.wish);
  // Whoever was the authority a moment ago may still be heard; what is newer is told by the one who leads now.
  if (from !== client.room.authority) return;
  if (data.type === "sea") {
    sea.pictures.push({ at: performance.now(), fish: data.fish });
    if (sea.pictures.length > 20) sea.pictures.shift();
    sea.fish = new Map(data.fish.map(([id, x, y, angle, score]) => [id, { x, y, angle, score }]));
  }
  if (data.type === "pearls") sea.pearls = data.pearls;
  if (data.type === "found") found(data);
});

/** A pearl was found, and there is another one. */
function found({ id, next }) {
  const old = sea.pearls.find((it) => it.id === id);
  if (old) sea.sparks.push({ x: old.x, y: old.y, at: performance.now() });
  sea.pearls = [...sea.pearls.filter((it) => it.id !== id), next];
}

client.on("playerJoined", () => isHost() && tellPearls());
client.on("spectatorJoined", () => isHost() && tellPearls());
client.on("playerReturned", () => isHost() && tellPearls());
client.on("authority", lead);
client.on("joined", (room) => {
  history.replaceState(null, "", `#${room.code}`);
  if (room.role === "player") sessionStorage.seat = JSON.stringify(client.seat);
  lead();
});
client.on("reconnecting", () => say("Lost the connection. Coming back …"));
client.on("reconnected", ({ how }) => say(how === "seat" ? "Back in your seat." : "Back."));
client.on("left", ({ reason }) => say(`You left: ${reason}`));
client.on("closed", (error) => say(error.message));
client.on("room", show);

/** Somebody has to lead: the player whose id is the smallest, so that all agree without asking. */
function lead() {
  const { room } = client;
  if (!room || room.role !== "player") return;
  if (room.authority === null && [...room.players.keys()].sort()[0] === room.me) {
    client.claimAuthority().catch(() => {}); // somebody was faster
  } else if (isHost()) {
    sea.wishes.clear();
    while (sea.pearls.length < PEARLS) sea.pearls.push(pearl());
    tellPearls();
  }
}

const tellPearls = () => client.send({ type: "pearls", pearls: sea.pearls });

/** A hidden page is slowed down by its browser: it should not be the one that moves everybody. */
document.addEventListener("visibilitychange", () => {
  const other = [...(client.room?.players.keys() ?? [])].find((id) => id !== client.room.me);
  if (document.hidden && isHost() && other) client.transferAuthority(other).catch(() => {});
});

/** Into the room: the seat that this tab had, the room of the link, or a new one. */
async function enter() {
  const code = location.hash.slice(1);
  if (new URLSearchParams(location.search).has("watch")) return client.spectate({ game: GAME, name, code });
  try {
    if (sessionStorage.seat && JSON.parse(sessionStorage.seat).code === code) return await client.resume(JSON.parse(sessionStorage.seat));
  } catch {
    // The seat was kept for some minutes only.
  }
  if (!code) return client.createRoom({ game: GAME, name });
  try {
    return await client.joinRoom({ game: GAME, name: `${name} ${Math.floor(Math.random() * 90 + 10)}`, code, create: true });
  } catch (error) {
    if (error.code === "ROOM_FULL") return client.spectate({ game: GAME, name, code });
    throw error;
  }
}

// The authority's work.

let simulatedAt = performance.now();
function simulate() {
  const now = performance.now();
  const seconds = Math.min(0.1, (now - simulatedAt) / 1000);
  simulatedAt = now;
  if (!isHost()) return;
  sea.wishes.set(client.room.me, wish);
  for (const id of sea.fish.keys()) if (!client.room.players.has(id)) sea.fish.delete(id);
  for (const id of client.room.players.keys()) {
    const fish = sea.fish.get(id) ?? { ...somewhere(), angle: 0, score: 0 };
    const { x, y } = sea.wishes.get(id) ?? { x: 0, y: 0 };
    fish.x = clamp(fish.x + x * SPEED * seconds, 30, SIZE.x - 30);
    fish.y = clamp(fish.y + y * SPEED * seconds, 30, SIZE.y - 30);
    if (x || y) fish.angle = Math.atan2(y, x);
    sea.fish.set(id, fish);
    for (const one of sea.pearls) {
      if (Math.hypot(one.x - fish.x, one.y - fish.y) > REACH) continue;
      fish.score += 1;
      const event = { type: "found", id: one.id, next: pearl() };
      client.send(event);
      found(event);
    }
  }
  const round = (value) => Math.round(value * 10) / 10;
  const fish = [...sea.fish].map(([id, it]) => [id, round(it.x), round(it.y), round(it.angle), it.score]);
  client.send({ type: "sea", fish }, { class: "latest", key: 1 });
}

// Everybody's wish.

let wish = { x: 0, y: 0 };
let pointer = null;
const keys = new Set();
const canvas = $("sea");
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], a: [-1, 0], d: [1, 0], w: [0, -1], s: [0, 1] };
const point = (event) => (pointer = { x: event.clientX, y: event.clientY });
canvas.addEventListener("pointermove", (event) => (event.pointerType === "mouse" || event.buttons) && point(event));
canvas.addEventListener("pointerdown", point);
canvas.addEventListener("pointerup", (event) => event.pointerType !== "mouse" && (pointer = null));
canvas.addEventListener("pointerleave", () => (pointer = null));
addEventListener("keydown", ({ key }) => key in DIRECTIONS && (keys.add(key), (pointer = null)));
addEventListener("keyup", ({ key }) => keys.delete(key));
addEventListener("blur", () => keys.clear());

let steeredAt = 0;
function steer() {
  let [x, y] = [...keys].reduce(([x, y], key) => [x + DIRECTIONS[key][0], y + DIRECTIONS[key][1]], [0, 0]);
  const me = shown.get(client.room?.me);
  if (pointer && me) {
    const { scale, left, top } = view();
    x = ((pointer.x - left) / scale - me.x) / 120;
    y = ((pointer.y - top) / scale - me.y) / 120;
    if (Math.hypot(x, y) < 0.1) x = y = 0;
  }
  const length = Math.max(1, Math.hypot(x, y));
  const next = { x: Math.round((x / length) * 100) / 100, y: Math.round((y / length) * 100) / 100 };
  const isNews = next.x !== wish.x || next.y !== wish.y || performance.now() - steeredAt > 500;
  wish = next;
  if (!isNews || isHost() || client.room?.role !== "player") return;
  steeredAt = performance.now();
  client.send({ type: "steer", wish }, { class: "latest", key: 0 });
}

// What is seen.

const pen = canvas.getContext("2d");
const shown = new Map(); // id → where it is drawn
const colour = (id) => `hsl(${parseInt(id.slice(0, 4), 16) % 360} 78% 52%)`;

function view() {
  const scale = Math.min(innerWidth / SIZE.x, innerHeight / SIZE.y);
  return { scale, left: (innerWidth - SIZE.x * scale) / 2, top: (innerHeight - SIZE.y * scale) / 2 };
}

/** Where everybody is a little ago, between the two pictures around that moment; the authority knows it as it is. */
function place() {
  shown.clear();
  if (isHost()) {
    for (const [id, fish] of sea.fish) shown.set(id, fish);
    return;
  }
  const at = performance.now() - DELAY_MS;
  const later = sea.pictures.find((picture) => picture.at >= at) ?? sea.pictures.at(-1);
  const before = sea.pictures.findLast((picture) => picture.at < at) ?? later;
  if (!later) return;
  const share = later === before ? 1 : clamp((at - before.at) / (later.at - before.at), 0, 1);
  const from = new Map(before.fish.map((fish) => [fish[0], fish]));
  for (const [id, x, y, angle, score] of later.fish) {
    const [, oldX, oldY] = from.get(id) ?? [id, x, y];
    shown.set(id, { x: oldX + (x - oldX) * share, y: oldY + (y - oldY) * share, angle, score });
  }
}

function draw() {
  requestAnimationFrame(draw);
  place();
  const ratio = devicePixelRatio;
  if (canvas.width !== innerWidth * ratio || canvas.height !== innerHeight * ratio) {
    [canvas.width, canvas.height] = [innerWidth * ratio, innerHeight * ratio];
  }
  const { scale, left, top } = view();
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const time = performance.now() / 1000;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  const water = pen.createLinearGradient(0, 0, 0, innerHeight);
  for (const [stop, tone] of isDark ? [[0, "#0b3f52"], [1, "#041018"]] : [[0, "#b6edee"], [1, "#3f9fb5"]]) water.addColorStop(stop, tone);
  pen.fillStyle = water;
  pen.fillRect(0, 0, innerWidth, innerHeight);
  pen.setTransform(ratio * scale, 0, 0, ratio * scale, left * ratio, top * ratio);
  pen.fillStyle = isDark ? "#ffffff08" : "#ffffff26";
  for (let ray = 0; ray < 6; ray += 1) {
    const x = ray * 300 + Math.sin(time / 3 + ray) * 60;
    pen.beginPath();
    pen.moveTo(x + 500, -2500), pen.lineTo(x + 590, -2500), pen.lineTo(x - 300, 3500), pen.lineTo(x - 600, 3500);
    pen.fill();
  }
  pen.strokeStyle = isDark ? "#ffffff22" : "#ffffff66";
  pen.lineWidth = 2;
  pen.strokeRect(0, 0, SIZE.x, SIZE.y);
  for (const { id, x, y } of sea.pearls) drawPearl(x, y + Math.sin(time * 2 + id) * 4);
  sea.sparks = sea.sparks.filter((spark) => performance.now() - spark.at < 600);
  for (const { x, y, at } of sea.sparks) {
    const age = (performance.now() - at) / 600;
    pen.strokeStyle = `rgb(255 244 200 / ${1 - age})`;
    pen.lineWidth = 5;
    pen.beginPath();
    pen.arc(x, y, 14 + age * 60, 0, 7);
    pen.stroke();
  }
  for (const [id, fish] of shown) drawFish(id, fish, time, isDark, Math.max(22, 13 / scale));
}

function drawPearl(x, y) {
  const glow = pen.createRadialGradient(x - 4, y - 5, 1, x, y, 13);
  for (const [stop, tone] of [[0, "#fff"], [0.6, "#f3e4ee"], [1, "#bda5c4"]]) glow.addColorStop(stop, tone);
  pen.fillStyle = glow;
  pen.beginPath();
  pen.arc(x, y, 13, 0, 7);
  pen.fill();
}

function drawFish(id, { x, y, angle }, time, isDark, letters) {
  pen.save();
  pen.translate(x, y);
  pen.save();
  pen.rotate(angle);
  if (Math.abs(angle) > Math.PI / 2) pen.scale(1, -1);
  pen.fillStyle = colour(id);
  const wag = Math.sin(time * 9 + x / 40) * 9;
  pen.beginPath();
  pen.moveTo(34, 0);
  pen.bezierCurveTo(20, -24, -12, -24, -26, -2);
  pen.lineTo(-46, -18 + wag), pen.lineTo(-40, wag / 2), pen.lineTo(-46, 18 + wag), pen.lineTo(-26, 2);
  pen.bezierCurveTo(-12, 24, 20, 24, 34, 0);
  pen.fill();
  pen.fillStyle = "#fff";
  pen.beginPath();
  pen.arc(18, -5, 6, 0, 7);
  pen.fill();
  pen.fillStyle = "#10242c";
  pen.beginPath();
  pen.arc(20, -5, 3, 0, 7);
  pen.fill();
  pen.restore();
  pen.fillStyle = isDark ? "#e9fbfa" : "#06343b";
  pen.font = `${id === client.room?.me ? 700 : 500} ${letters}px system-ui, sans-serif`;
  pen.textAlign = "center";
  pen.fillText(client.room?.players.get(id)?.name ?? "", 0, -36);
  pen.restore();
}

/** Says something that stays for as long as it takes to read it; then the usual line comes back. */
let readUntil = 0;
function say(text) {
  $("status").textContent = text;
  readUntil = performance.now() + 2000;
  setTimeout(show, 2050);
}

function show() {
  const { room } = client;
  if (!room) return;
  $("code").textContent = room.code;
  $("watch").textContent = room.role === "player" ? "Watch" : "Play";
  const role = room.role === "spectator" ? "You watch" : room.isAuthority ? "You lead: your page moves the fish" : "You swim";
  const watchers = room.spectatorCount ? `, ${room.spectatorCount} watching` : "";
  if (client.state !== "reconnecting" && performance.now() >= readUntil) {
    $("status").textContent = `${role}${watchers}. ${client.roundTripMs?.toFixed(0) ?? "–"} ms.`;
  }
  const rows = [...room.players.values()].sort((one, other) => (sea.fish.get(other.id)?.score ?? 0) - (sea.fish.get(one.id)?.score ?? 0));
  $("scores").replaceChildren(...rows.slice(0, 8).map(({ id, name }) => {
    const row = document.createElement("li");
    row.className = id === room.me ? "me" : "";
    row.style.setProperty("--fish", colour(id));
    for (const text of [name, String(sea.fish.get(id)?.score ?? 0)]) row.append(Object.assign(document.createElement("span"), { textContent: text }));
    return row;
  }));
}

$("code").onclick = () => navigator.clipboard?.writeText(location.href).then(() => say("The link is copied."));
$("drop").onclick = () => client.cut();
$("watch").onclick = async () => {
  const { role, code } = client.room ?? {};
  await client.leave();
  if (role === "player") await client.spectate({ game: GAME, name, code });
  else await client.joinRoom({ game: GAME, name: `${name} ${Math.floor(Math.random() * 90 + 10)}`, code, create: true });
};

// For the console of a browser, and for whoever plays by program.
export { sea, shown, view };

await enter().catch((error) => say(error.message));
setInterval(() => (steer(), simulate()), TICK_MS);
setInterval(show, 500);
draw();
