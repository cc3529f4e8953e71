// Takes the relay's webhooks: WEBHOOK_SECRET=whsec_... node receiver.mjs 8080
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const key = Buffer.from(process.env.WEBHOOK_SECRET.replace(/^whsec_/, ""), "base64");
const seen = new Set(); // ids of events; a real receiver keeps them where its data is

function isOurs(fields, body) {
  const sent = fields["webhook-timestamp"];
  if (!(Math.abs(Date.now() / 1000 - sent) <= 300)) return false;
  const mac = createHmac("sha256", key).update(`${fields["webhook-id"]}.${sent}.`).update(body);
  const expected = Buffer.from(`v1,${mac.digest("base64")}`);
  const given = (fields["webhook-signature"] ?? "").split(" ").map((one) => Buffer.from(one));
  return given.some((one) => one.length === expected.length && timingSafeEqual(one, expected));
}

createServer(async (request, response) => {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const body = Buffer.concat(pieces);
  const trusted = isOurs(request.headers, body);
  for (const room of trusted ? JSON.parse(body).rooms : []) {
    for (const event of room.events) {
      const id = `${room.id}.${event.number}`;
      if (seen.has(id)) continue; // what comes twice is taken once
      seen.add(id);
      console.log(event.type, room.code, JSON.stringify(event.data));
    }
  }
  response.writeHead(trusted ? 204 : 401).end();
}).listen(Number(process.argv[2]), "127.0.0.1");
