"""range_server.py - an HTTP server that answers ranges, as an installer's transfer goes on by them."""
import http.server
import re


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, body, code=200, headers=()):
        self.begin(len(body), code, headers)
        self.wfile.write(body)

    def begin(self, length, code=200, headers=()):
        self.send_response(code)
        self.send_header("Content-Length", str(length))
        for h in headers:
            self.send_header(*h)
        self.end_headers()

    def asked_of(self, data):
        """What of the data was asked for, with the answer's status and headers."""
        m = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(m[1]) if m else 0
        headers = [("ETag", '"1"')]
        if m:
            headers.append(("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}"))
        return bytes(data[start:]), 206 if m else 200, headers


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # an installer that gives up hangs up
