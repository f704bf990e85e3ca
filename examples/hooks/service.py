"""A routing hook in Python's standard library: who asks is checked by the signature, docs/hooks.md says what may be answered."""
import base64, hashlib, hmac, json, os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["HOOK_SECRET"].removeprefix("whsec_"))


def decide(request):
    if request["headers"].get("x-plan") == "expired":
        return {"refuse": {"status": 402, "code": "plan_expired", "message": "Your plan has expired: renew it to go on."}}
    if request["promptTokens"] < 100 and not request["has"]["tools"]:
        return {"rule": "small"}
    return {"labels": {"size": "long"}}


class Hook(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept for the next request
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        genuine = self.is_genuine(body)
        answer = json.dumps(decide(json.loads(body))).encode() if genuine else b""
        self.send_response(200 if genuine else 401)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def is_genuine(self, body):
        message, sent = self.headers.get("webhook-id", ""), self.headers.get("webhook-timestamp", "0")
        signed = hmac.new(KEY, f"{message}.{sent}.".encode() + body, hashlib.sha256).digest()
        signatures = self.headers.get("webhook-signature", "").split()
        known = any(hmac.compare_digest(f"v1,{base64.b64encode(signed).decode()}", given) for given in signatures)
        return known and abs(time.time() - int(sent)) < 300


if __name__ == "__main__":
    server = ThreadingHTTPServer((os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "9000"))), Hook)
    print(f"listening on port {server.server_port}", flush=True)
    server.serve_forever()
