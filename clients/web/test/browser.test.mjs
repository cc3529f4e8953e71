// A headless Chromium: the client in a page of ten lines, the playground, and two pages that play the demo.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { enter, network, serve, serveTls, until } from "./support.mjs";

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const shots = process.env.SCREENSHOTS;
let browser;
before(async () => {
  assert.ok(executablePath, "a Chromium is needed");
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"] });
});
after(() => browser?.close());

/** A page that fails the test when anything in it fails. */
async function open(t, url, { scheme = "light", width = 1280, height = 860 } = {}) {
  const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height }, ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(String(error)));
  // That a connection is lost is what some tests are about.
  const isOurs = (text, url) => !text.startsWith("WebSocket connection to") && !url.endsWith("/favicon.ico");
  page.on("console", (message) => message.type() === "error" && isOurs(message.text(), message.location().url) && wrong.push(message.text()));
  t.after(async () => {
    await context.close();
    assert.deepEqual(wrong, []);
  });
  await page.goto(url);
  return page;
}

async function shot(page, name) {
  if (!shots) return;
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: `${shots}/${name}.png` });
}

/** What a newcomer writes. */
const TEN_LINES = (url) => `<!doctype html>
<pre id="log"></pre>
<script type="module">
  import { connect } from "${url}/play/signal-fish.js";
  const client = await connect("${url}", { appId: "my-game" });
  const code = location.hash.slice(1);
  const room = await (code ? client.joinRoom({ game: "my-game", name: "Otto", code }) : client.createRoom({ game: "my-game", name: "Mira" }));
  location.hash = room.code;
  client.on("data", ({ data }) => document.querySelector("#log").append(JSON.stringify(data)));
  onclick = () => client.send({ hello: room.self.name });
  globalThis.client = client;
</script>`;

async function blankPages(t, url) {
  const server = createServer((_, response) => response.setHeader("Content-Type", "text/html").end(TEN_LINES(url)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => (server.closeAllConnections(), server.close()));
  return `http://127.0.0.1:${server.address().port}/`;
}

for (const shards of [1, 8]) {
  test(`a page of ten lines, on ${shards} shards`, { timeout: 60_000 }, async (t) => {
    const { url } = await serve(t, { shards });
    const site = await blankPages(t, url);
    const mira = await open(t, site);
    await mira.waitForFunction(() => location.hash.length === 7);
    const otto = await open(t, mira.url());
    await mira.waitForFunction(() => globalThis.client.room.players.size === 2);
    await mira.mouse.click(200, 300);
    await otto.waitForFunction(() => document.querySelector("#log").textContent === '{"hello":"Mira"}');
    await otto.mouse.click(200, 300);
    await mira.waitForFunction(() => document.querySelector("#log").textContent === '{"hello":"Otto"}');
    // In order, in a browser too.
    const count = otto.evaluate(async () => {
      let next = 0;
      for await (const { data } of client.stream("data", { limit: 20_000 })) {
        if (data.n !== next) return `expected ${next}, got ${data.n}`;
        if (++next === 10_000) return next;
      }
    });
    await mira.evaluate(async () => {
      for (let n = 0; n < 10_000; n += 1) {
        client.send({ n });
        if (n % 500 === 0) await client.ping();
      }
    });
    assert.equal(await count, 10_000);
  });
}

for (const shards of [1, 8]) {
  test(`both versions and encodings in a page over wss, ${shards} shards`, { timeout: 60_000 }, async (t) => {
    const { url } = await serveTls(t, { shards });
    const page = await open(t, `${url}/demo/style.css`);
    for (const version of [2, 3]) {
      for (const encoding of ["json", "message_pack"]) {
        const report = await page.evaluate(
          async ([version, encoding]) => {
            const [{ connect }, messagePack] = await Promise.all([import("/play/signal-fish.js"), import("/play/message-pack.js")]);
            const enter = () => connect(location.origin, { appId: "match", version, encoding, messagePack });
            const [mira, otto] = await Promise.all([enter(), enter()]);
            const { code } = await mira.createRoom({ game: "match", name: "Mira" });
            await otto.joinRoom({ game: "match", name: "Otto", code });
            const heard = [otto.once("data"), mira.once("data")];
            mira.send({ x: 12, y: -3.5 });
            otto.send({ ok: true }, { class: "latest", key: 2 });
            const said = (await Promise.all(heard)).map(({ data, key }) => [data, key]);
            const started = otto.once("started");
            await mira.setReady(true);
            await otto.setReady(true);
            await mira.start();
            const peers = (await started).length;
            const returned = otto.once("reconnected");
            otto.cut();
            const { how } = await returned;
            const protocol = new URL(performance.getEntriesByType("navigation")[0].name).protocol;
            mira.close();
            otto.close();
            return { version: mira.version, encoding: mira.encoding, said, peers, how, protocol };
          },
          [version, encoding],
        );
        assert.deepEqual(report, {
          version,
          encoding,
          said: [[{ x: 12, y: -3.5 }, undefined], [{ ok: true }, version === 3 ? 2 : undefined]],
          peers: 2,
          how: version === 3 ? "seat" : "rejoined",
          protocol: "https:",
        });
      }
    }
  });
}

test("a page comes back as soon as the network does, and looks whether it lives when it is seen again", { timeout: 60_000 }, async (t) => {
  const { url, port } = await serve(t);
  const net = await network(t, port);
  const page = await open(t, `${url}/demo/style.css`);
  const ways = await page.evaluate(async (far) => {
    const { connect } = await import("/play/signal-fish.js");
    const client = await connect(far, { appId: "match", pingMs: 60_000, reconnect: { firstDelayMs: 120_000, maxDelayMs: 120_000 } });
    await client.createRoom({ game: "match", name: "Mira" });
    globalThis.client = client;
    const back = client.once("reconnected");
    client.cut();
    // Again and again: the server may not have noticed yet that the old connection is gone, and refuses the seat until it has.
    const online = setInterval(() => dispatchEvent(new Event("online")), 200);
    const { how } = await back;
    clearInterval(online);
    return how;
  }, net.url);
  assert.equal(ways, "seat", "without the two minutes of its back-off");
  // The network is gone and nobody says so; then the page is looked at again.
  net.isBlackHole = true;
  const cause = await page.evaluate(() => {
    const lost = client.once("reconnecting");
    document.dispatchEvent(new Event("visibilitychange"));
    return lost.then(({ cause }) => cause.message);
  });
  assert.match(cause, /did not survive a pause/);
});

test("a page whose network fails in mid-message comes back", { timeout: 60_000 }, async (t) => {
  const { url, port } = await serve(t, { shards: 2 });
  const net = await network(t, port);
  const page = await open(t, await blankPages(t, net.url));
  await page.waitForFunction(() => location.hash.length === 7);
  const code = await page.evaluate(() => location.hash.slice(1));
  const mira = await enter(t, url, { appId: "my-game" });
  await mira.joinRoom({ game: "my-game", name: "Vera", code });
  await page.evaluate(() => void (globalThis.back = client.once("reconnected")));
  const gone = mira.once("playerLeft");
  net.cutAfterBytes = 1_000;
  mira.send({ big: "x".repeat(5_000) });
  await gone;
  const back = await page.evaluate(() => back.then(({ how, missed }) => ({ how, missed: missed.map((gap) => gap.count) })));
  assert.deepEqual(back, { how: "seat", missed: [1] });
});

test("a page that stands still knows what it missed", { timeout: 90_000 }, async (t) => {
  const keys = { "websocket.send_queue_capacity": 64, "websocket.pacing_free_rate_bytes": 1_000_000_000, "websocket.slow_consumer_timeout_ms": 25_000 };
  const { url } = await serve(t, { shards: 2, keys });
  const page = await open(t, await blankPages(t, url));
  await page.waitForFunction(() => location.hash.length === 7);
  const code = await page.evaluate(() => location.hash.slice(1));
  const mira = await enter(t, url, { appId: "my-game" });
  await mira.joinRoom({ game: "my-game", name: "Vera", code });
  await page.evaluate(() => {
    globalThis.came = new Set();
    globalThis.missing = new Set();
    client.on("data", ({ data }) => came.add(data.n));
    client.on("gap", (gap) => {
      for (let seq = gap.fromSeq; seq <= gap.toSeq; seq += 1) missing.add(seq);
    });
  });
  // The page reads nothing for two seconds, as one that loads a level does.
  const frozen = page.evaluate(() => {
    const end = performance.now() + 2_000;
    while (performance.now() < end);
  });
  const filler = "x".repeat(8_000);
  const count = 3_000;
  for (let n = 1; n <= count; n += 1) {
    mira.send({ n, filler }, { class: "volatile" });
    if (n % 50 === 0) await mira.ping();
  }
  await frozen;
  mira.send({ n: count + 1 });
  await page.waitForFunction((last) => came.has(last), count + 1, { timeout: 80_000 });
  const took = await page.evaluate(() => client.delivery);
  const [came, missing, both] = await page.evaluate(() => [came.size, missing.size, [...came].filter((n) => missing.has(n)).length]);
  assert.equal(came + missing, count + 1);
  assert.equal(both, 0);
  assert.deepEqual(took, { received: came, missing });
  t.diagnostic(`${came} came, ${missing} were gaps`);
});

test("a page rides out a restart of the server", { timeout: 60_000 }, async (t) => {
  const first = await serve(t);
  const page = await open(t, `${first.url}/play/`);
  const shown = page.locator("button.code").filter({ hasText: /^\w{6}$/ }).first();
  const code = await shown.textContent();
  await first.stop();
  await serve(t, { port: first.port });
  await page.getByText(/Back after .* \(rejoined\)/).waitFor();
  assert.equal(await shown.textContent(), code);
});

test("the playground: two players talk, one is cut and comes back", { timeout: 60_000 }, async (t) => {
  const { url } = await serve(t, { shards: 2 });
  const page = await open(t, `${url}/play/`);
  const [mira, otto] = [page.getByRole("region", { name: "Mira", exact: true }), page.getByRole("region", { name: "Otto", exact: true })];
  await otto.getByText("Join", { exact: true }).click();
  await otto.locator(".people li").nth(1).waitFor();
  await mira.getByLabel("game data").fill('{"hello": "Otto"}');
  await mira.getByText("Send", { exact: true }).click();
  await otto.locator(".log").getByText('"hello":"Otto"').waitFor();
  await otto.getByText("Cut the connection").click();
  await otto.getByText(/Back after .*\(seat\)/).waitFor();
  await otto.getByText("Ready", { exact: true }).click();
  await mira.getByText("Ready", { exact: true }).click();
  await mira.getByText("Start", { exact: true }).click();
  await otto.locator(".log").getByText("GameStarting").waitFor();

  // A third one with MessagePack, and a fourth who is called what a page must not run.
  await page.getByLabel("Name").fill("Kite");
  await page.getByLabel("Game data").first().selectOption("message_pack");
  await page.getByText("Add a player").click();
  const kite = page.getByRole("region", { name: "Kite", exact: true });
  await kite.getByText("Join", { exact: true }).click();
  await kite.locator(".people li").nth(2).waitFor();
  await kite.getByText("Send", { exact: true }).click();
  await otto.locator(".log").getByText('"x":12').waitFor();
  await otto.getByText("Send", { exact: true }).click();
  await mira.getByText("Slow reader").click();
  await mira.locator(".people").getByText(/slow: \d+ heard/).waitFor();
  await mira.getByLabel("class").selectOption("volatile");
  await mira.getByText("× 1,000").click();
  await otto.getByText(/\d{3,} heard/).waitFor();
  await shot(page, "playground-light");
  await page.emulateMedia({ colorScheme: "dark" });
  await shot(page, "playground-dark");
  await page.setViewportSize({ width: 400, height: 860 });
  await shot(page, "playground-400");
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing sticks out at 400 px");
});

test("what people are called is only ever text", { timeout: 60_000 }, async (t) => {
  const { url } = await serve(t, { keys: { "protocol.player_name_validation.additional_allowed_characters": "<>=/()\"'" } });
  const page = await open(t, `${url}/play/`);
  const mira = page.getByRole("region", { name: "Mira", exact: true });
  const code = await mira.locator("button.code").filter({ hasText: /^\w{6}$/ }).textContent();
  const other = await enter(t, url, { appId: "playground" });
  await other.joinRoom({ game: "playground", name: "<img src=x onerror=a()>", code });
  await mira.locator(".people").getByText("<img src=x onerror=a()>").waitFor();
  assert.equal(await page.locator("main img").count(), 0);
});

const scores = (page) => page.evaluate(() => [...document.querySelectorAll("#scores li span:last-child")].map((it) => Number(it.textContent)));

/** Points at the nearest pearl that no card covers. It stays where it is until somebody finds it, and the way there is short. */
async function swimToPearl(page) {
  const pearl = await page.evaluate(async () => {
    const [{ sea, shown, view }, seat] = [await import("/demo/game.js"), JSON.parse(sessionStorage.seat)];
    const me = shown.get(seat.playerId) ?? { x: 0, y: 0 };
    const far = ({ x, y }) => Math.hypot(x - me.x, y - me.y);
    const { scale, left, top } = view();
    const places = [...sea.pearls].sort((one, other) => far(one) - far(other)).map(({ x, y }) => ({ x: left + x * scale, y: top + y * scale }));
    return places.find(({ x, y }) => document.elementFromPoint(x, y)?.id === "sea");
  });
  if (pearl) await page.mouse.move(pearl.x, pearl.y);
}

test("two pages play the demo, a third watches, and when the host goes another one leads", { timeout: 90_000 }, async (t) => {
  const { url } = await serve(t, { shards: 2 });
  const host = await open(t, `${url}/demo/`);
  await host.waitForFunction(() => location.hash.length === 7);
  const guest = await open(t, host.url(), { scheme: "dark" });
  await guest.waitForFunction(() => document.querySelectorAll("#scores li").length === 2);
  const phone = await open(t, host.url().replace("/demo/", "/demo/?watch"), { width: 400, height: 800 });
  await phone.waitForFunction(() => document.querySelectorAll("#scores li").length === 2);
  await phone.getByText(/You watch/).waitFor();

  // Both find a pearl; the score is told by the host to everybody.
  await host.keyboard.press("ArrowRight", { delay: 300 });
  await until(async () => {
    await Promise.all([host, guest].map(swimToPearl));
    return (await scores(guest)).every((score) => score > 0);
  });
  await shot(host, "demo-light");
  await shot(guest, "demo-dark");
  await shot(phone, "demo-400");

  const seat = () => guest.evaluate(() => JSON.parse(sessionStorage.seat).playerId);
  const before = await seat();
  await guest.getByText("Drop").click();
  await guest.getByText(/Back in your seat/).waitFor();
  await guest.reload();
  await guest.waitForFunction(() => document.querySelectorAll("#scores li").length === 2);
  assert.equal(await seat(), before, "a page that is loaded anew has its seat again");

  await host.goto("about:blank");
  await guest.getByText(/You lead/).waitFor();
  const [had] = await scores(guest);
  await until(async () => {
    await swimToPearl(guest);
    const told = await scores(phone);
    return told.length === 1 && told[0] > had;
  });
  assert.equal(await guest.locator("#scores li").count(), 1);
});
