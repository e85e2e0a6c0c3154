"""One HTTP request sent exactly as given: no redirects, no path clean-up."""
import http.client
import json
import os
import socket


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {k.lower(): v for k, v in headers}
        self.body = body

    @property
    def text(self):
        return self.body.decode(errors="replace")

    @property
    def json(self):
        return json.loads(self.body)

    def __str__(self):
        return f"HTTP {self.status} {self.text[:300]!r}"


class LocalConnection(http.client.HTTPConnection):
    """Over a unix socket, whose path may be longer than the kernel takes."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        folder = os.open(os.path.dirname(self.path), os.O_PATH | os.O_DIRECTORY)
        try:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            self.sock.connect(f"/proc/self/fd/{folder}/{os.path.basename(self.path)}")
        finally:
            os.close(folder)


def request(host, path, method="GET", body=None, headers=None, port=80, timeout=10, unix=None,
        source=None, tls=None):
    """`path` goes into the request line untouched. A dict as body is sent as JSON. With `unix`, the
    path of a socket, `host` and `port` are not used. `source` is the address to ask from;
    `tls` an ssl.SSLContext."""
    headers = dict(headers or {})
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    if unix:
        connection = LocalConnection(unix, timeout)
    elif tls:
        connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=tls)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout, source_address=source and (source, 0))
    try:
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        if body is not None and "Content-Length" not in headers:
            headers["Content-Length"] = str(len(body))
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        if body:
            try:
                connection.send(body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before it was read; the answer is there all the same
        answer = connection.getresponse()
        return Response(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()


def raw(host, data, port=80, timeout=5):
    """Sends bytes, returns what comes back until the server closes or falls silent."""
    with socket.create_connection((host, port), timeout=timeout) as s:
        s.sendall(data)
        got = b""
        try:
            while True:
                piece = s.recv(65536)
                if not piece:
                    return got
                got += piece
        except socket.timeout:
            return got
