"""One question to one DNS server (RFC 1035), without a resolver library in between."""
import random
import socket
import struct

A, PTR, AAAA = 1, 12, 28
NXDOMAIN = 3


def ask(server, name, kind=A, timeout=2.0, tries=3):
    """Returns (rcode, [answers]); addresses and names as text."""
    ident = random.getrandbits(16)
    question = b"".join(bytes([len(p)]) + p.encode() for p in name.rstrip(".").split(".")) + b"\0"
    query = struct.pack("!HHHHHH", ident, 0x0100, 1, 0, 0, 0) + question + struct.pack("!HH", kind, 1)
    for _ in range(tries):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(timeout)
            s.sendto(query, (server, 53))
            try:
                data = s.recv(4096)
            except socket.timeout:
                continue
        if data[:2] == query[:2]:
            return data[3] & 15, _answers(data, 12 + len(question) + 4, kind)
    raise OSError(f"no answer from {server} for {name}")


def _answers(data, at, kind):
    answers = []
    for _ in range(struct.unpack("!H", data[6:8])[0]):
        _, at = _name(data, at)
        rtype, _, _, size = struct.unpack("!HHIH", data[at:at + 10])
        at += 10
        if rtype == kind == A:
            answers.append(socket.inet_ntoa(data[at:at + 4]))
        elif rtype == kind == AAAA:
            answers.append(socket.inet_ntop(socket.AF_INET6, data[at:at + 16]))
        elif rtype == kind == PTR:
            answers.append(_name(data, at)[0])
        at += size
    return answers


def _name(data, at):
    labels, end = [], None
    for _ in range(64):
        size = data[at]
        if size >= 0xc0:
            end = end or at + 2
            at = struct.unpack("!H", data[at:at + 2])[0] & 0x3fff
        elif size == 0:
            return ".".join(labels), end or at + 1
        else:
            labels.append(data[at + 1:at + 1 + size].decode())
            at += 1 + size
    raise ValueError("a name that points at itself")


def reverse(address):
    return ".".join(reversed(address.split("."))) + ".in-addr.arpa"
