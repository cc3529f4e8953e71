// What a game does all day, on one shard and on eight, in both versions and encodings.
import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, enter, game, pair, serve } from "./support.mjs";

for (const shards of [1, 8]) {
  for (const version of [2, 3]) {
    for (const encoding of ["json", "message_pack"]) {
      test(`a game from its room to its end, ${shards} shards, version ${version}, ${encoding}`, { timeout: 30_000 }, async (t) => {
        const { url } = await serve(t, { shards });
        const { mira, otto, room } = await pair(t, url, { version, encoding });
        assert.equal(mira.version, version);
        assert.equal(mira.encoding, encoding);
        assert.deepEqual([...room.players.values()].map((player) => player.name).sort(), ["Mira", "Otto"]);
        assert.ok(room.isAuthority && !otto.room.isAuthority);

        const kite = await enter(t, url, { version });
        const seen = mira.once("spectatorJoined");
        const watched = await kite.spectate({ game, name: "Kite", code: room.code });
        assert.equal((await seen).name, "Kite");
        assert.equal(room.spectatorCount, 1);
        assert.equal(watched.players.size, 2);

        const said = { x: 12, y: -3.5, text: "ahoy ✓", list: [1, null, true] };
        const heard = [otto.once("data"), kite.once("data")];
        assert.ok(mira.send(said));
        for (const event of await Promise.all(heard)) {
          assert.deepEqual(event.data, said);
          assert.equal(event.from, room.me);
          if (version === 3) assert.deepEqual([event.seq, event.epoch], [1, 1]);
        }
        const back = mira.once("data");
        otto.send({ x: 1 }, { class: "latest", key: 7 });
        const { class: kind, key } = await back;
        assert.deepEqual([kind, key], version === 3 ? ["latest", 7] : ["reliable", undefined]);
        assert.equal(kite.send({ x: 2 }), false, "who watches says nothing");

        await assert.rejects(mira.start(), { code: "GAME_START_NOT_READY" });
        const started = [mira, otto, kite].map((client) => client.once("started"));
        await mira.setReady(true);
        await mira.setReady(true);
        await otto.setReady(true);
        await mira.start();
        for (const peers of await Promise.all(started)) assert.equal(peers.length, 2);
        assert.ok(mira.room.isStarted && otto.room.isStarted && watched.isStarted);

        const moved = kite.once("authority");
        await mira.releaseAuthority();
        assert.deepEqual(await moved, { player: null, isMe: false });
        await otto.claimAuthority();
        await assert.rejects(mira.claimAuthority(), { code: "AUTHORITY_CONFLICT" });

        const left = otto.once("playerLeft");
        await mira.leave();
        assert.equal((await left).name, "Mira");
        assert.equal(mira.room, null);
        await kite.leave();
        assert.ok((await otto.ping()) > 0 && otto.roundTripMs > 0);
        const closed = otto.once("closed", () => true).catch((error) => error);
        otto.close();
        assert.equal((await closed).code, "CLOSED");
        assert.equal(otto.state, "closed");
      });
    }
  }
}

for (const encoding of ["json", "message_pack"]) {
  test(`10,000 messages arrive in order, ${encoding}`, { timeout: 60_000 }, async (t) => {
    const { url } = await serve(t, { shards: 8 });
    const { mira, otto } = await pair(t, url, { encoding });
    const gaps = collect(otto, "gap");
    const all = (async () => {
      let next = 0;
      for await (const { data, seq } of otto.stream("data", { limit: 20_000 })) {
        assert.equal(data.n, next);
        assert.equal(seq, next + 1);
        next += 1;
        if (next === 10_000) break;
      }
      return next;
    })();
    for (let n = 0; n < 10_000; n += 1) {
      mira.send({ n, filler: "x".repeat(n % 50) });
      if (n % 500 === 0) await mira.ping();
    }
    assert.equal(await all, 10_000);
    assert.deepEqual(gaps, []);
    assert.deepEqual(otto.delivery, { received: 10_000, missing: 0 });
  });
}

test("bytes and whole values go through MessagePack, and both encodings understand each other", { timeout: 20_000 }, async (t) => {
  const { url } = await serve(t);
  const { mira, otto } = await pair(t, url, { encoding: "message_pack" }, { encoding: "message_pack" });
  let heard = otto.once("data");
  mira.send(new Uint8Array([1, 2, 255]));
  assert.deepEqual([...(await heard).data], [1, 2, 255]);
  const kite = await enter(t, url);
  await kite.joinRoom({ game, name: "Kite", code: mira.room.code });
  heard = Promise.all([kite.once("data"), otto.once("data")]);
  mira.send({ hp: 3 });
  for (const { data } of await heard) assert.deepEqual(data, { hp: 3 });
  heard = mira.once("data");
  kite.send({ hp: 4 });
  assert.deepEqual((await heard).data, { hp: 4 });
  // What has no JSON form is a gap for the reader of JSON, and told.
  const gap = kite.once("gap");
  mira.send(new Uint8Array([9]));
  assert.deepEqual(await gap, { from: mira.room.me, epoch: 1, fromSeq: 3, toSeq: 3, count: 1, reason: "unsupported_format" });
});

test("other people's bytes travel as they are", { timeout: 20_000 }, async (t) => {
  const { url } = await serve(t, { keys: { "protocol.enable_protobuf_game_data": true } });
  for (const version of [2, 3]) {
    const { mira, otto } = await pair(t, url, { encoding: "protobuf", version });
    const heard = otto.once("data");
    mira.send(new Uint8Array([8, 150, 1]));
    const { data, from } = await heard;
    assert.deepEqual([...data], [8, 150, 1]);
    assert.equal(from, version === 3 ? mira.room.me : null);
  }
});

test("a format that the server has not falls back to JSON, and says so", { timeout: 20_000 }, async (t) => {
  const { url } = await serve(t);
  const client = await enter(t, url, { encoding: "protobuf" });
  assert.equal(client.encoding, "json");
});

test("the authority moderates, and each answer is awaited", { timeout: 30_000 }, async (t) => {
  const { url } = await serve(t, { shards: 2 });
  const { mira, otto, room } = await pair(t, url);
  await assert.rejects(otto.kick(mira.room.me), { code: "NOT_ROOM_AUTHORITY", hint: /authority/ });
  await assert.rejects(mira.kick("00000000-0000-4000-8000-000000000000"), { code: "KICK_TARGET_NOT_FOUND" });
  await mira.setPassword("anemone");
  const kite = await enter(t, url);
  const join = { game, name: "Kite", code: room.code };
  await assert.rejects(kite.joinRoom(join), { code: "PASSWORD_REQUIRED" });
  await kite.joinRoom({ ...join, password: "anemone" });
  await mira.setPassword(null);

  const old = room.code;
  const fresh = await mira.newCode();
  assert.notEqual(fresh, old);
  assert.equal(room.code, fresh);
  const vera = await enter(t, url);
  await assert.rejects(vera.joinRoom({ game, name: "Vera", code: old }), { code: "ROOM_NOT_FOUND" });

  const told = otto.once("authority");
  await mira.transferAuthority(otto.room.me);
  assert.equal((await told).isMe, true);
  const closed = collect(kite, "closed");
  const left = collect(kite, "left");
  await otto.ban(kite.room.me);
  await new Promise((resolve) => (closed.length ? resolve() : kite.on("closed", resolve)));
  assert.equal(closed[0].closeCode, 4007);
  assert.equal(kite.state, "closed", "who was removed does not come back");
  assert.equal(left.length, 1);
  await assert.rejects(vera.joinRoom({ game, name: "kite", code: fresh }), { code: "BANNED" });
});

test("what goes wrong says what to do", { timeout: 20_000 }, async (t) => {
  const { url } = await serve(t, { keys: { "security.allowed_apps": [{ app_id: "client-test", app_name: "Test" }] } });
  await assert.rejects(enter(t, "ws://127.0.0.1:9/v3/ws"), { code: "UNREACHABLE", message: /server running/ });
  await assert.rejects(enter(t, url, { appId: "nobody" }), { code: "INVALID_APP_ID", message: /allowed_apps/ });
  await assert.rejects(enter(t, url, { WebSocket: null, ...(globalThis.WebSocket ? { WebSocket: undefined } : {}) }).then(() => {
    throw Object.assign(new Error(), { code: "NO_WEBSOCKET" });
  }), { code: "NO_WEBSOCKET" });
  const client = await enter(t, url);
  await assert.rejects(client.joinRoom({ game, name: "Mira", code: "AAAAAA" }), { code: "ROOM_NOT_FOUND", hint: /empty room/ });
  await assert.rejects(client.createRoom({ game, name: " " }), { code: "INVALID_PLAYER_NAME" });
  await assert.rejects(client.setReady(true), { code: "NOT_IN_ROOM" });
  const old = await enter(t, url, { version: 2 });
  await assert.rejects(old.kick("x"), { code: "NOT_IN_THIS_VERSION" });
  const errors = collect(client, "error");
  client.provideConnectionInfo({ type: "custom", data: 1 });
  await client.ping();
  assert.equal(errors[0].code, "NOT_IN_ROOM");
  client.close();
  await assert.rejects(client.createRoom({ game, name: "Mira" }), { code: "NOT_CONNECTED" });
});

test("a listener that fails harms nobody else", { timeout: 20_000 }, async (t) => {
  const { url } = await serve(t);
  const { mira, otto } = await pair(t, url);
  const uncaught = new Promise((resolve) => (globalThis.reportError = resolve));
  t.after(() => delete globalThis.reportError);
  otto.on("data", () => {
    throw new Error("a game's mistake");
  });
  const heard = otto.once("data");
  mira.send(1);
  assert.equal((await heard).data, 1);
  assert.match(String(await uncaught), /a game's mistake/);
});

test("a loop that is too slow is told, and nothing is left out in silence", { timeout: 20_000 }, async (t) => {
  const { url } = await serve(t);
  const { mira, otto } = await pair(t, url);
  const stream = otto.stream("data", { limit: 3 });
  for (let n = 0; n < 5; n += 1) mira.send(n);
  await mira.ping();
  await otto.ping();
  const taken = [];
  await assert.rejects(
    (async () => {
      for await (const { data } of stream) taken.push(data);
    })(),
    { code: "STREAM_TOO_SLOW" },
  );
  assert.deepEqual(taken, [0, 1, 2]);
});
