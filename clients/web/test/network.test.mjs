// Networks that fail, readers that are slow, servers that go away: what is lost is known, and what is not arrives.
import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, enter, game, network, pair, serve, until } from "./support.mjs";

/** A short queue, no pacing of whoever speaks, and patience with whoever does not read. */
const slowPages = {
  "websocket.send_queue_capacity": 64,
  "websocket.pacing_free_rate_bytes": 1_000_000_000,
  "websocket.slow_consumer_timeout_ms": 25_000,
};
const quick = { reconnect: { firstDelayMs: 20, maxDelayMs: 200 } };

for (const shards of [1, 8]) {
  test(`a cut in mid-message: the seat is taken back, and what was missed is known, ${shards} shards`, { timeout: 30_000 }, async (t) => {
    const { url, port } = await serve(t, { shards });
    const net = await network(t, port);
    const { mira, otto, room } = await pair(t, url, quick, quick, net.url);
    const me = otto.room.me;
    await mira.setReady(true);
    const heard = collect(otto, "data");
    const gaps = collect(otto, "gap");
    const tries = collect(otto, "reconnecting");
    for (let n = 1; n <= 20; n += 1) mira.send({ n });
    await until(() => heard.length === 20);

    // The next message is cut in its middle, and nothing gets through for a while.
    net.cutAfterBytes = 1_000;
    const gone = mira.once("playerLeft");
    const back = otto.once("reconnected");
    net.isDown = true;
    mira.send({ n: 21, filler: "x".repeat(5_000) });
    assert.equal((await gone).id, me);
    for (let n = 22; n <= 30; n += 1) mira.send({ n });
    await mira.setReady(false);
    await until(() => tries.length > 2);
    const returned = mira.once("playerReturned");
    net.isDown = false;
    const { how, events, missed, isComplete, awayMs } = await back;
    assert.equal((await returned).id, me);
    assert.equal(how, "seat");
    assert.equal(otto.room.me, me, "the same player");
    assert.equal(otto.room, otto.room);
    assert.ok(isComplete && awayMs > 0);
    assert.deepEqual(events.map((event) => event.type), ["LobbyStateChanged"]);
    const gap = { from: room.me, epoch: 1, fromSeq: 21, toSeq: 30, count: 10, reason: "away" };
    assert.deepEqual(missed, [gap]);
    assert.deepEqual(gaps, [gap]);
    assert.equal(otto.room.players.get(room.me).isReady, false);

    mira.send({ n: 31 });
    await until(() => heard.length === 21);
    assert.equal(heard.at(-1).data.n, 31);
    assert.deepEqual(otto.delivery, { received: 21, missing: 10 });
    const reply = mira.once("data");
    assert.ok(otto.send("here again"));
    assert.equal((await reply).epoch, 2);
  });
}

test("whoever leaves and comes back meanwhile is in the account too", { timeout: 30_000 }, async (t) => {
  const { url, port } = await serve(t, { shards: 2 });
  const net = await network(t, port);
  const { mira, otto, room } = await pair(t, url, quick, quick, net.url);
  const heard = collect(otto, "data");
  mira.send(1);
  await until(() => heard.length === 1);
  const gone = mira.once("playerLeft");
  net.isDown = true;
  net.cut();
  await gone;
  mira.send(2);
  mira.send(3);
  await mira.ping();
  const again = mira.once("reconnected");
  mira.cut();
  await again;
  mira.send(4);
  await mira.ping();
  const back = otto.once("reconnected");
  net.isDown = false;
  const from = room.me;
  assert.deepEqual((await back).missed, [
    { from, epoch: 1, fromSeq: 2, toSeq: 3, count: 2, reason: "away" },
    { from, epoch: 2, fromSeq: 1, toSeq: 1, count: 1, reason: "away" },
  ]);
});

test("the authority comes back to its authority, and says how much of its own may be lost", { timeout: 30_000 }, async (t) => {
  const { url, port } = await serve(t);
  const net = await network(t, port);
  const { mira, otto } = await pair(t, net.url, quick, quick, url);
  assert.ok(mira.room.isAuthority);
  const heard = collect(otto, "data");
  mira.send("served");
  await mira.ping();
  net.hold("near");
  mira.send("lost 1");
  mira.send("lost 2");
  const lost = otto.once("authority");
  const back = mira.once("reconnected");
  net.cut();
  assert.deepEqual(await lost, { player: null, isMe: false });
  assert.equal((await back).uncertain, 2);
  assert.ok(mira.room.isAuthority);
  await until(() => otto.room.authority === mira.room.me);
  mira.send("after");
  await until(() => heard.at(-1)?.data === "after");
  assert.deepEqual(heard.map((event) => event.data), ["served", "after"]);
});

test("a network that swallows everything is noticed by its silence", { timeout: 30_000 }, async (t) => {
  const { port } = await serve(t);
  const net = await network(t, port);
  const client = await enter(t, net.url, { ...quick, pingMs: 50 });
  await client.createRoom({ game, name: "Mira" });
  const me = client.room.me;
  const cause = client.once("reconnecting");
  net.isBlackHole = true;
  assert.match((await cause).cause.message, /silent/);
  const back = client.once("reconnected");
  net.isBlackHole = false;
  // The server may not have noticed yet that the old connection is gone: then the client is patient.
  assert.equal((await back).how, "seat");
  assert.equal(client.room.me, me);
});

test("gaps of a slow page are exact", { timeout: 60_000 }, async (t) => {
  const { url, port } = await serve(t, { shards: 2, keys: slowPages });
  const net = await network(t, port);
  const { mira, otto } = await pair(t, url, {}, { pingMs: 60_000 }, net.url);
  const got = new Set();
  const missing = new Map();
  otto.on("data", ({ seq, data }) => {
    assert.equal(data.n, seq, "numbers and data go together");
    assert.ok(!got.has(seq), "nothing twice");
    got.add(seq);
  });
  otto.on("gap", ({ fromSeq, toSeq, reason }) => {
    for (let seq = fromSeq; seq <= toSeq; seq += 1) missing.set(seq, reason);
  });
  // Otto stops reading; what the socket buffers take is much, so the messages are large.
  net.hold("far");
  const filler = "x".repeat(8_000);
  const count = 2_000;
  for (let n = 1; n <= count; n += 1) {
    // In stretches: more than 768 gaps that are no neighbours would end the connection.
    mira.send({ n, filler }, n % 200 < 100 ? { class: "volatile" } : { class: "latest", key: n % 10 });
    if (n % 50 === 0) await mira.ping();
  }
  net.release("far");
  mira.send({ n: count + 1 });
  await until(() => got.has(count + 1));
  const reasons = new Set(missing.values());
  assert.ok(missing.size > 100, `only ${missing.size} were left out: the page was not slow`);
  assert.ok(!reasons.has("unexplained"), [...reasons].join());
  for (let seq = 1; seq <= count + 1; seq += 1) assert.ok(got.has(seq) !== missing.has(seq), `${seq}: either came or is a gap`);
  assert.deepEqual(otto.delivery, { received: got.size, missing: missing.size });
  assert.equal(got.size + missing.size, count + 1);
  t.diagnostic(`${got.size} came, ${missing.size} were gaps (${[...reasons].join(", ")})`);
});

test("what waits in this side's socket is watched", { timeout: 30_000 }, async (t) => {
  const { url, port } = await serve(t);
  const net = await network(t, port);
  const { mira, otto } = await pair(t, net.url, { bufferLimit: 20_000, pingMs: 60_000 }, {}, url);
  const heard = collect(otto, "data");
  const pressure = collect(mira, "pressure");
  net.hold("near");
  const filler = "x".repeat(10_000);
  let sent = 0;
  while (mira.send({ filler }, { class: "volatile" })) {
    sent += 1;
    if (sent % 50 === 0) await new Promise((resolve) => setTimeout(resolve));
  }
  assert.equal(pressure[0].isHigh, true);
  assert.equal(mira.send({ at: 1 }, { key: 7 }), false);
  assert.equal(mira.send({ at: 2 }, { key: 7 }), false);
  assert.equal(mira.skipped, 3);
  net.release("near");
  await until(() => heard.some((event) => event.data.at === 2));
  assert.ok(!heard.some((event) => event.data.at === 1), "of `latest` data only the newest is sent later");
  assert.equal(heard.length, sent + 1);
  assert.equal(pressure.at(-1).isHigh, false);
});

for (const version of [2, 3]) {
  test(`a restart in between: everybody is in the room again, version ${version}`, { timeout: 60_000 }, async (t) => {
    const first = await serve(t, { shards: 2 });
    const { mira, otto, room } = await pair(t, first.url, { ...quick, version });
    const kite = await enter(t, first.url, { ...quick, version });
    await kite.spectate({ game, name: "Kite", code: room.code });
    const { code } = room;
    const backs = [mira, otto, kite].map((client) => client.once("reconnected"));
    await first.stop();
    await serve(t, { shards: 2, port: first.port });
    for (const { how } of await Promise.all(backs)) assert.equal(how, "rejoined");
    await until(() => mira.room.players.size === 2 && otto.room.players.size === 2 && kite.room.players.size === 2);
    assert.equal(mira.room, room, "the same object");
    for (const client of [mira, otto, kite]) assert.equal(client.room.code, code);
    assert.ok(mira.room.isAuthority !== otto.room.isAuthority, "one of them leads");
    const heard = [otto.once("data"), kite.once("data")];
    mira.send("still here");
    for (const { data } of await Promise.all(heard)) assert.equal(data, "still here");
  });
}

test("a page that is loaded anew has its seat again", { timeout: 20_000 }, async (t) => {
  const { url } = await serve(t, { shards: 2 });
  const { mira, otto } = await pair(t, url);
  const { seat } = otto;
  assert.equal(seat.playerId, otto.room.me);
  const gone = mira.once("playerLeft");
  otto.cut();
  await gone;
  const next = await enter(t, url);
  // Both try: one has the seat, and what the other does is of no interest here.
  otto.close();
  const room = await next.resume(JSON.parse(JSON.stringify(seat)));
  assert.equal(room.me, seat.playerId);
  assert.equal(room.players.size, 2);
  await assert.rejects((await enter(t, url)).resume({ ...seat, token: "wrong" }), { code: /RECONNECTION|PLAYER_ALREADY/ });
});

test("without reconnection, and after its time, it is over", { timeout: 30_000 }, async (t) => {
  const { port, stop } = await serve(t);
  const net = await network(t, port);
  const one = await enter(t, net.url, { reconnect: false });
  const other = await enter(t, net.url, { reconnect: { firstDelayMs: 10, maxDelayMs: 20, withinMs: 200 } });
  const closed = [one, other].map((client) => new Promise((resolve) => client.on("closed", resolve)));
  net.isDown = true;
  net.cut();
  assert.equal((await closed[0]).closeCode, 1006);
  assert.equal((await closed[1]).code, "UNREACHABLE");
  await stop();
});
