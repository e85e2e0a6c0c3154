"""loop_server.py WORK - for test_loop.sh: /config/<fault>, /<fault>/rootfs.tar.zst, /cloud-init/...,
POST /report/... (kept in reports).
"""
import http.server, os, re, sys

work = sys.argv[1]
SEED = {"meta-data": b'{"instance-id":"iid-loop1-1"}', "user-data": b"#cloud-config\n{}"}
cuts = [0]

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args):
        pass
    def answer(self, body, code=200, headers=()):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        for h in headers:
            self.send_header(*h)
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(f"{work}/reports", "ab") as f:
            f.write(body + b"\n")
        self.send_response(204)
        self.end_headers()
    def do_GET(self):
        parts = self.path.strip("/").split("/")
        if parts[0] == "config":
            return self.answer(open(f"{work}/config-{parts[1]}.json", "rb").read())
        if parts[0] == "cloud-init":
            return self.answer(SEED[parts[2]]) if parts[2] in SEED else self.answer(b"", 404)
        if parts[1] == "manifest.json":
            return self.answer(open(f"{work}/manifest.json", "rb").read())
        name = "many" if parts[0] == "many" else "rootfs"
        data = bytearray(open(f"{work}/{name}.tar.zst", "rb").read())
        if parts[0] == "flip":
            data[len(data) // 2] ^= 1
        m = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(m[1]) if m else 0
        headers = [("ETag", '"1"')]
        if m:
            headers.append(("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}"))
        body = bytes(data[start:])
        if parts[0] == "cut" and cuts[0] < 6:
            cuts[0] += 1
            self.send_response(206 if m else 200)
            self.send_header("Content-Length", str(len(body)))
            for h in headers:
                self.send_header(*h)
            self.end_headers()
            self.wfile.write(body[:300001])
            self.close_connection = True
            return
        self.answer(body, 206 if m else 200, headers)

class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # a client that hangs up is part of the test

server = Server(("127.0.0.1", 0), Handler)
open(f"{work}/port.new", "w").write(str(server.server_port))
os.rename(f"{work}/port.new", f"{work}/port")
server.serve_forever()
