"""A game's backend in Python: says who may play. Run it with `python3 backend.py [port]`."""

import hmac
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ.get("ACCESS_CHECK_SECRET", "open-sesame")
TICKETS = {"ticket-7": {"user": "u-7", "display_name": "Mira"}}


class Backend(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # so that the relay uses its connections again

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if hmac.compare_digest(self.headers.get("Authorization", ""), "Bearer " + SECRET):
            self.answer(200, decide(json.loads(body)))
        else:
            self.answer(401, {})

    def answer(self, status, answer):
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def decide(question):
    if question["kind"] != "handshake":
        return {"allow": "user" in question}
    player = TICKETS.get(question.get("connect_token"))
    if player is None:
        return {"allow": False, "reason": "buy a ticket", "valid_for_secs": 10}
    return {"allow": True, "valid_for_secs": 60, **player, "limits": {"max_players_per_room": 4}}


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int((sys.argv + ["8080"])[1])), Backend)
    print(server.server_port, flush=True)
    server.serve_forever()
