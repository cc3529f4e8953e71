// wss://, which the server speaks itself.
import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "ws";
import { pair, serveTls } from "./support.mjs";

test("a game over wss", { timeout: 30_000 }, async (t) => {
  const { url, cert } = await serveTls(t, { shards: 2 });
  class Trusting extends WebSocket {
    constructor(url) {
      super(url, { ca: cert });
    }
  }
  for (const encoding of ["json", "message_pack"]) {
    const { mira, otto } = await pair(t, url, { encoding, WebSocket: Trusting });
    const heard = otto.once("data");
    mira.send({ secret: true });
    assert.deepEqual((await heard).data, { secret: true });
    const back = otto.once("reconnected");
    otto.cut();
    assert.equal((await back).how, "seat");
  }
  await assert.rejects(pair(t, url, { WebSocket }), { code: "UNREACHABLE" });
});
