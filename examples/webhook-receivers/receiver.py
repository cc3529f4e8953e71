"""Takes the relay's webhooks: WEBHOOK_SECRET=whsec_... python3 receiver.py 8080"""
import base64, hashlib, hmac, json, os, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer

KEY = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
seen = {}  # ids of events; a real receiver keeps them where its data is


def is_ours(fields, body):
    sent = fields.get("webhook-timestamp", "")
    if not sent.isdigit() or abs(time.time() - int(sent)) > 300:
        return False
    signed = f"{fields.get('webhook-id', '')}.{sent}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    given = fields.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(expected, one) for one in given)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        trusted = is_ours(self.headers, body)
        for room in json.loads(body)["rooms"] if trusted else []:
            for event in room["events"]:
                if (room["id"], event["number"]) not in seen:  # what comes twice is taken once
                    seen[room["id"], event["number"]] = True
                    print(event["type"], room["code"], event["data"], flush=True)
        self.send_response(204 if trusted else 401)
        self.end_headers()

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
