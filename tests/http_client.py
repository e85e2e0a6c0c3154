"""http_client.py - one HTTP request sent exactly as given: no redirects, no path clean-up."""
import http.client
import json
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


def request(host, path, method="GET", body=None, headers=None, port=80, timeout=10):
    """`path` goes into the request line untouched. A dict as body is sent as JSON."""
    headers = dict(headers or {})
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
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
