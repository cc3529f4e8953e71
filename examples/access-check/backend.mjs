// A game's backend in JavaScript: says who may play. Run it with `node backend.mjs [port]`.

import { createHash, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const SECRET = process.env.ACCESS_CHECK_SECRET ?? "open-sesame";
const TICKETS = new Map([["ticket-7", { user: "u-7", display_name: "Mira" }]]);

const digest = (text) => createHash("sha256").update(text).digest();
const knows = (header) => timingSafeEqual(digest(header ?? ""), digest(`Bearer ${SECRET}`));

function decide(question) {
  if (question.kind !== "handshake") return { allow: "user" in question };
  const player = TICKETS.get(question.connect_token);
  if (!player) return { allow: false, reason: "buy a ticket", valid_for_secs: 10 };
  return { allow: true, valid_for_secs: 60, ...player, limits: { max_players_per_room: 4 } };
}

const server = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  const allowed = knows(request.headers.authorization);
  const answer = JSON.stringify(allowed ? decide(JSON.parse(body)) : {});
  response.writeHead(allowed ? 200 : 401, { "Content-Length": Buffer.byteLength(answer) });
  response.end(answer);
});

server.listen(Number(process.argv[2] ?? 8080), "127.0.0.1", () => console.log(server.address().port));
