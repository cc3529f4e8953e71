// A real server in a process of its own, and networks that misbehave on demand.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import { connect as dial, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { WebSocket } from "ws";
import { connect } from "../dist/signal-fish.js";

const root = new URL("../../../", import.meta.url).pathname;
export const program = process.env.SIGNAL_FISH_RELAY ?? join(root, "target/debug/signal-fish-relay");
export const game = "client-test";

/** Starts a server; `keys` are those of its configuration, as `security.cors_origins`. */
export async function serve(t, { shards = 1, port = 0, keys = {} } = {}) {
  const env = { SIGNAL_FISH__SERVER__DRAIN_GRACE_SECS: "0" };
  for (const [key, value] of Object.entries(keys)) {
    env[`SIGNAL_FISH__${key.replaceAll(".", "__").toUpperCase()}`] = typeof value === "string" ? value : JSON.stringify(value);
  }
  const child = spawn(program, ["--shards", String(shards), "--port", String(port)], {
    cwd: mkdtempSync(join(tmpdir(), "signal-fish-")),
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = once(child, "exit");
  const told = [];
  const address = await new Promise((resolve, reject) => {
    createInterface(child.stdout).on("line", (line) => {
      told.push(line);
      const { fields } = JSON.parse(line);
      if (fields.message === "serving") resolve(fields.address);
    });
    gone.then(() => reject(new Error(`the server does not start:\n${told.join("\n")}`)));
  });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    await gone;
  };
  t.after(stop);
  return { url: `http://${address}`, port: Number(address.split(":")[1]), stop };
}

/** Connects a client that is closed when the test ends. */
export async function enter(t, url, options = {}) {
  const client = await connect(url, { appId: "client-test", WebSocket, ...options });
  t.after(() => client.close());
  return client;
}

/** Two players in a room. */
export async function pair(t, url, options = {}, otherOptions = options, otherUrl = url) {
  const mira = await enter(t, url, options);
  const otto = await enter(t, otherUrl, otherOptions);
  const room = await mira.createRoom({ game, name: "Mira" });
  const arrived = mira.once("playerJoined");
  await otto.joinRoom({ game, name: "Otto", code: room.code });
  await arrived;
  return { mira, otto, room };
}

/** A network between client and server that can be cut, held up and swallowed. */
export async function network(t, port) {
  const pairs = new Set();
  const net = { cutAfterBytes: Infinity, isBlackHole: false, isDown: false };
  const server = createServer((near) => {
    if (net.isDown) return near.destroy();
    const far = dial(port, "127.0.0.1");
    const ends = { near, far };
    pairs.add(ends);
    const end = () => {
      pairs.delete(ends);
      near.destroy();
      far.destroy();
    };
    near.on("error", end).on("close", end);
    far.on("error", end).on("close", end);
    near.on("data", (data) => net.isBlackHole || far.write(data) || (near.pause(), far.once("drain", () => near.resume())));
    far.on("data", (data) => {
      if (net.isBlackHole) return;
      if (data.length > net.cutAfterBytes) {
        near.write(data.subarray(0, net.cutAfterBytes), end);
        net.cutAfterBytes = Infinity;
        return;
      }
      net.cutAfterBytes -= data.length;
      if (!near.write(data)) {
        far.pause();
        near.once("drain", () => far.resume());
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  net.url = `http://127.0.0.1:${server.address().port}`;
  net.cut = () => pairs.forEach(({ near }) => near.destroy());
  /** The server's words no longer reach the client, nor the client's the server: everything waits. */
  net.hold = (side) => pairs.forEach((ends) => ends[side].pause());
  net.release = (side) => pairs.forEach((ends) => ends[side].resume());
  t.after(() => (net.cut(), server.close()));
  return net;
}

/** A server that speaks TLS itself, with a certificate for localhost that nobody trusts yet. */
export async function serveTls(t, { shards = 1 } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "signal-fish-tls-"));
  const [key, certificate] = ["key.pem", "cert.pem"].map((name) => join(folder, name));
  const made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost";
  execFileSync("openssl", [...made.split(" "), "-keyout", key, "-out", certificate], { stdio: "ignore" });
  const tls = "security.transport.tls";
  const keys = { [`${tls}.enabled`]: true, [`${tls}.certificate_path`]: certificate, [`${tls}.private_key_path`]: key };
  const { port } = await serve(t, { shards, keys });
  return { url: `https://localhost:${port}`, cert: readFileSync(certificate) };
}

/** Every event of one kind, as they come. */
export function collect(client, type) {
  const all = [];
  client.on(type, (event) => all.push(event));
  return all;
}

/** Waits until something is so; a test that waits for too long fails by its timeout. */
export async function until(test) {
  while (!(await test())) await new Promise((resolve) => setTimeout(resolve, 5));
}
