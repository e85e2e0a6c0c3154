"""Stands between an installer and the real web server, and breaks what it is told to.

It speaks as much HTTP/1.1 as that takes: one request for each connection, answers with a
Content-Length. In /config's answer it puts itself in place of the server, so that the files are
asked for here as well. Faults concern the body of `file` and are said by its byte offsets, so a
resumed transfer meets them where a whole one would.
"""
import fcntl
import os
import re
import socket
import struct
import termios
import threading
import time

from kit import netns

STALL_MAX_S = 60
READ_MAX_S = 5


class Fault:
    """Once, when byte `at` is due: reset | close | stall | corrupt. Always: flip (mask `bit` is put
    on that byte each time)."""

    def __init__(self, kind, at, bit=1):
        self.kind, self.at, self.bit = kind, at, bit
        self.left = None if kind == "flip" else 1


class Proxy:
    def __init__(self, space, server, file, faults=()):
        """Listens on loopback in the network namespace `space` and asks `server` there."""
        self.space, self.server, self.file = space, server, file
        self.faults = list(faults)
        self.starts = []       # where each request for the file began
        self.hits = []         # (byte of the fault, how many requests there were by then)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        with netns.inside(space):
            self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self._listener.settimeout(0.2)
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self):
        self._stop.set()
        for t in self._threads:
            t.join(STALL_MAX_S + 5)
        self._listener.close()

    def _accept(self):
        while not self._stop.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            t = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(t)
            t.start()

    def _serve(self, client):
        try:
            client.settimeout(STALL_MAX_S)
            head, rest = _read_head(client)
            if head:
                self._exchange(client, head, rest)
        except OSError:
            pass  # either side hung up, which is what is tested
        finally:
            client.close()

    def _exchange(self, client, head, rest):
        path = head.split(b" ", 2)[1].decode()
        length = _header(head, b"content-length")
        body = rest + _read_exactly(client, int(length or 0) - len(rest))
        with netns.inside(self.space):
            upstream = socket.create_connection((self.server, 80), timeout=STALL_MAX_S)
        with upstream:
            upstream.sendall(_one_request_only(head) + body)
            answer, data = _read_head(upstream)
            total = int(_header(answer, b"content-length") or 0)
            if path.startswith("/config/"):
                data += _read_exactly(upstream, total - len(data))
                data = data.replace(b"http://%s/" % self.server.encode(), b"http://127.0.0.1:%d/" % self.port)
                client.sendall(re.sub(rb"(?i)(content-length: )\d+", rb"\g<1>%d" % len(data), answer) + data)
            elif path.endswith(self.file):
                client.sendall(answer)
                self._relay(client, upstream, answer, data, total)
            else:
                client.sendall(answer + data + _read_exactly(upstream, total - len(data)))

    def _due(self, start, end):
        """The first fault due within [start, end), which counts as happened."""
        with self._lock:
            due = [f for f in self.faults if start <= f.at < end and f.left != 0]
            if not due:
                return None
            fault = min(due, key=lambda f: f.at)
            if fault.left:
                fault.left -= 1
                self.hits.append((fault.at, len(self.starts)))
            return fault

    def repeated(self):
        """For each fault how many good bytes before it were asked for again."""
        return [max(0, at - self.starts[n]) if n < len(self.starts) else 0 for at, n in self.hits]

    def _relay(self, client, upstream, answer, data, total):
        found = re.search(rb"(?i)content-range: bytes (\d+)-", answer)
        at = int(found.group(1)) if found else 0
        end = at + total
        with self._lock:
            self.starts.append(at)
        while at < end:
            if not data:
                data = upstream.recv(65536)
                if not data:
                    return
            fault = self._due(at, at + len(data))
            if fault:
                cut = fault.at - at
                client.sendall(data[:cut])
                data, at = data[cut:], fault.at
                if fault.kind in ("corrupt", "flip"):
                    client.sendall(bytes([data[0] ^ fault.bit]))
                    data, at = data[1:], at + 1
                    continue
                if fault.kind == "reset":
                    self._wait_until_read(client)
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                elif fault.kind == "stall":
                    _wait_for_hangup(client)
                return
            client.sendall(data)
            at += len(data)
            data = b""

    def _wait_until_read(self, client):
        """A reset throws away what the other side has not read yet: that would be no measure of it."""
        port = f":{client.getpeername()[1]:04X}"
        table = os.path.join(os.path.dirname(os.path.dirname(self.space)), "net", "tcp")
        deadline = time.monotonic() + READ_MAX_S
        while time.monotonic() < deadline:
            # First what is still to be delivered: it would arrive in the queue looked at next.
            if _undelivered(client) == 0:
                with open(table) as f:
                    waiting = [line.split()[4].split(":")[1] for line in f if line.split()[1].endswith(port)]
                if waiting and int(waiting[0], 16) == 0:
                    return
            time.sleep(0.002)


def _undelivered(sock):
    """Bytes that the other end's kernel has not acknowledged yet."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))[0]


def _header(head, name):
    found = re.search(rb"(?im)^" + name + rb":\s*(.*?)\r?$", head)
    return found.group(1) if found else None


def _one_request_only(head):
    """Without persistent connections a body's end is the connection's."""
    return re.sub(rb"(?im)^connection:.*?\r\n", b"", head)[:-2] + b"Connection: close\r\n\r\n"


def _read_head(sock):
    """Returns (head with its empty line, what came after it); (b"", b"") when nothing comes."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(65536)
        if not part or len(data) > 65536:
            return b"", b""
        data += part
    at = data.index(b"\r\n\r\n") + 4
    return data[:at], data[at:]


def _read_exactly(sock, count):
    data = b""
    while len(data) < count:
        part = sock.recv(min(65536, count - len(data)))
        if not part:
            break
        data += part
    return data


def _wait_for_hangup(client):
    """Holds the connection open and silent until the other side ends it."""
    try:
        while client.recv(4096):
            pass
    except OSError:
        pass
