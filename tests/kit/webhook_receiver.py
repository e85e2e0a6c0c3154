"""webhook_receiver.py - who is told by a webhook: a real server over http or https, that verifies each signature by itself."""
import hashlib
import hmac
import http.server
import json
import ssl
import threading
import time

from kit.check import check, check_equal, eventually

TAKEN = (204, {}, b"")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, headers, answer = self.server.receiver.take(self, body)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(answer)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def do_GET(self):
        self.server.receiver.others.append(self.path)
        self.send_error(405)

    def log_message(self, *_):
        pass


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """Who sends was killed in the middle."""


class Delivery:
    def __init__(self, path, headers, body):
        self.at, self.path, self.headers, self.body = time.time(), path, headers, body
        self.json = json.loads(body)
        self.ids = [e["id"] for e in self.json["events"]]


class Receiver:
    """`answer(delivery)` says what becomes of one: (status, headers, body)."""

    def __init__(self, bench, pair=None, secret=None):
        self.secret, self.answer = secret, lambda delivery: TAKEN
        self.tried, self.taken, self.others = [], [], []
        with bench.inside():
            self.server = Quiet(("127.0.0.1", 0), Handler)
        self.server.receiver = self
        self.port = self.server.server_address[1]
        self.url = f"{'https' if pair else 'http'}://127.0.0.1:{self.port}"
        if pair:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair[1], pair[0])
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        bench.scope.cleanup(self.close)

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def take(self, request, body):
        delivery = Delivery(request.path, {k.lower(): v for k, v in request.headers.items()}, body)
        self.tried.append(delivery)
        status, headers, answer = self.answer(delivery)
        if 200 <= status < 300:
            self.taken.append(delivery)
        return status, headers, answer

    # ---- judged

    def verify(self, delivery, webhook):
        signature = "sha256=" + hmac.new(self.secret.encode(), delivery.body, hashlib.sha256).hexdigest()
        check(hmac.compare_digest(signature, delivery.headers["x-vmlab-signature-256"]), f"signature of {delivery.body[:200]}")
        check_equal((delivery.headers["x-vmlab-webhook"], delivery.json["webhook"]), (webhook, webhook), "name")
        check_equal(delivery.headers["x-vmlab-delivery"], delivery.json["delivery"], "name of the delivery")
        check_equal(delivery.headers["content-type"], "application/json", "type")
        sent = time.mktime(time.strptime(delivery.json["sent"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
        check_equal(int(delivery.headers["x-vmlab-timestamp"]), int(sent), "its time, in the body and beside it")
        check(abs(sent - delivery.at) < 5, f"sent at {sent}, taken at {delivery.at}")

    def events(self):
        """Those that were taken: {id: event}, in the order in which they came first; what came again is the same."""
        found, last = {}, 0
        for delivery in self.taken:
            for event in delivery.json["events"]:
                if event["id"] in found:
                    check_equal(event, found[event["id"]], f"event {event['id']} again")
                    continue
                check(event["id"] > last, f"event {event['id']} comes behind {last}")
                found[event["id"]], last = event, event["id"]
        return found

    def wait(self, last, seconds=20):
        """Until all up to that event were taken."""
        return eventually(lambda: any(d.json["last"] >= last and not d.json.get("test") for d in list(self.taken)), seconds,
            f"events up to {last} are taken", every=0.02)
