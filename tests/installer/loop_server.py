"""loop_server.py WORK - for test_loop.sh: /config/<fault>, /<fault>/rootfs.tar.zst, /cloud-init/...,
POST /report/... (kept in reports).
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from kit import range_server  # noqa: E402 (found by the line above)

work = sys.argv[1]
SEED = {"meta-data": b'{"instance-id":"iid-loop1-1"}', "user-data": b"#cloud-config\n{}"}
cuts = [0]

class Handler(range_server.Handler):
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
        body, code, headers = self.asked_of(data)
        if parts[0] == "cut" and cuts[0] < 6:
            cuts[0] += 1
            self.begin(len(body), code, headers)
            self.wfile.write(body[:300001])
            self.close_connection = True
            return
        self.answer(body, code, headers)

server = range_server.Server(("127.0.0.1", 0), Handler)
open(f"{work}/port.new", "w").write(str(server.server_port))
os.rename(f"{work}/port.new", f"{work}/port")
server.serve_forever()
