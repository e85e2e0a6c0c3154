"""archive_relay.py - Debian's archive inside a lab: every name that is not the lab's own is this relay,
and what is asked of it comes from the archive that this machine's apt knows. So an installer that
knows no other archive than its own default needs neither a resolver nor a way out of the lab.
"""
import http.server
import re
import socket
import socketserver
import struct
import threading
import urllib.error
import urllib.request

from kit import debian_archive, netns
from kit.command import docker, run

ADDRESS = "192.0.2.80"  # RFC 5737: nobody's
PASSED_ON = ("Content-Type", "Content-Length", "Last-Modified", "Accept-Ranges", "Content-Range")


def answer_to(query):
    """Whatever has an address, has this one; there are no others."""
    at = 12
    while query[at]:
        at += query[at] + 1
    question = query[12:at + 5]
    is_a = question[-4:] == struct.pack("!HH", 1, 1)
    record = struct.pack("!HHHIH", 0xc00c, 1, 1, 60, 4) + socket.inet_aton(ADDRESS)
    return query[:2] + struct.pack("!HHHHH", 0x8180, 1, int(is_a), 0, 0) + question + (record if is_a else b"")


class Relay(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        asked = re.fullmatch(r"/debian(-security)?/(.*)", re.sub("/+", "/", self.path))
        if not asked:
            return self.send_error(404)
        wanted = urllib.request.Request(f"{debian_archive.mirror()}{asked[1] or ''}/{asked[2]}", method=self.command,
            headers={name: self.headers[name] for name in ("Range", "If-Modified-Since") if name in self.headers})
        try:
            found = urllib.request.urlopen(wanted, timeout=60)
        except urllib.error.HTTPError as e:
            found = e
        except OSError as e:
            return self.send_error(502, explain=str(e))
        with found:
            self.hand_on(found)

    do_HEAD = do_GET

    def hand_on(self, found):
        self.send_response(found.status)
        for name in PASSED_ON:
            if name in found.headers:
                self.send_header(name, found.headers[name])
        if "Content-Length" not in found.headers and found.status != 304:
            self.send_header("Connection", "close")
        self.end_headers()
        while self.command == "GET" and (piece := found.read(1 << 18)):
            self.wfile.write(piece)

    def log_message(self, format, *args):
        self.server.asked.append(f"{self.command} {self.path} {args[1] if len(args) > 1 else ''}")


class Names(socketserver.BaseRequestHandler):
    def handle(self):
        query, sock = self.request
        if len(query) > 16:
            sock.sendto(answer_to(query), self.client_address)


class ArchiveRelay:
    """In the namespace of a VmLab that is up, until close(). `asked` is what machines asked for."""

    def __init__(self, lab):
        self.asked = []
        resolv = docker("exec", f"{lab.name}-stack", "cat", "/etc/resolv.conf").stdout
        resolvers = [a for a in re.findall(r"(?m)^nameserver\s+(\S+)", resolv) if ":" not in a]
        self.addresses = [ADDRESS, *resolvers]
        self.namespace = f"/proc/{docker('inspect', '-f', '{{.State.Pid}}', f'{lab.name}-net').stdout.strip()}/ns/net"
        with netns.inside(self.namespace):
            for address in self.addresses:
                run(["ip", "addr", "replace", f"{address}/32", "dev", "lo"])
            archive = http.server.ThreadingHTTPServer((ADDRESS, 80), Relay)
            self.servers = [archive, *(socketserver.UDPServer((address, 53), Names) for address in resolvers)]
        archive.asked = self.asked
        for server in self.servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def log(self):
        return "\n".join(["---- asked of the archive", *self.asked[-60:]])

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()
        with netns.inside(self.namespace):
            for address in self.addresses:
                run(["ip", "addr", "del", f"{address}/32", "dev", "lo"], check_rc=False)
