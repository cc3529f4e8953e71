// wss://, through a proxy that ends TLS.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import { connect as dial } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createServer } from "node:tls";
import { WebSocket } from "ws";
import { pair, serve } from "./support.mjs";

test("a game over wss", { timeout: 30_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "signal-fish-tls-"));
  const [key, cert] = ["key.pem", "cert.pem"].map((name) => join(folder, name));
  const made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1";
  execFileSync("openssl", [...made.split(" "), "-keyout", key, "-out", cert], { stdio: "ignore" });
  const { port } = await serve(t);
  const proxy = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (near) => {
    const far = dial(port, "127.0.0.1");
    near.pipe(far).pipe(near);
    near.on("error", () => far.destroy());
    far.on("error", () => near.destroy());
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  t.after(() => proxy.close());
  class Trusting extends WebSocket {
    constructor(url) {
      super(url, { ca: readFileSync(cert) });
    }
  }
  const url = `https://localhost:${proxy.address().port}`;
  for (const encoding of ["json", "message_pack"]) {
    const { mira, otto } = await pair(t, url, { encoding, WebSocket: Trusting });
    const heard = otto.once("data");
    mira.send({ secret: true });
    assert.deepEqual((await heard).data, { secret: true });
  }
  await assert.rejects(pair(t, url, { WebSocket }), { code: "UNREACHABLE" });
});
