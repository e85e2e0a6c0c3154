"""A DHCPv6 client (RFC 8415): one machine with a DUID and an IAID, on its own interface.

The caller is in the machine's network namespace (netns.Client.inside()), whose interface has an IPv6
link-local address: dnsmasq knows the machine by the MAC address that it sees behind it.
"""
import random
import socket
import struct
import time

SOLICIT, ADVERTISE, REQUEST, CONFIRM, RENEW, REBIND, REPLY, RELEASE, DECLINE = range(1, 10)
CLIENT_ID, SERVER_ID, IA_NA, IA_ADDR, ORO, ELAPSED, STATUS = 1, 2, 3, 5, 6, 8, 13
NO_BINDING = 3


def duid_ll(mac):
    return struct.pack("!HH", 3, 1) + bytes.fromhex(mac.replace(":", ""))


def duid_en(seed):
    """What systemd-networkd makes of /etc/machine-id: another one after each installation."""
    return struct.pack("!HI", 2, 43793) + random.Random(seed).randbytes(8)


class Client6:
    def __init__(self, duid, iaid=1, interface="eth0"):
        self.duid, self.iaid, self.interface = duid, iaid, interface
        self.server = None

    def acquire(self, timeout=8):
        """Solicit, Advertise, Request, Reply: the address, or None."""
        offered = self._exchange(SOLICIT, ADVERTISE, [], timeout)
        if not offered or not offered.addresses:
            return None
        self.server = offered.server
        got = self._exchange(REQUEST, REPLY, offered.addresses[:1], timeout)
        return got.addresses[0] if got and got.addresses else None

    def renew(self, address, timeout=4):
        """The address that goes on, or None when the server knows of no such lease."""
        got = self._exchange(RENEW, REPLY, [address], timeout)
        return got.addresses[0] if got and got.addresses and NO_BINDING not in got.statuses else None

    def decline(self, address, timeout=4):
        return self._exchange(DECLINE, REPLY, [address], timeout) is not None

    def _exchange(self, kind, answer, addresses, timeout):
        xid = random.getrandbits(24)
        inner = b"".join(_option(IA_ADDR, socket.inet_pton(socket.AF_INET6, a) + b"\0" * 8) for a in addresses)
        message = struct.pack("!I", kind << 24 | xid) + _option(CLIENT_ID, self.duid)
        if self.server:
            message += _option(SERVER_ID, self.server) if kind != SOLICIT else b""
        message += _option(ELAPSED, b"\0\0") + _option(ORO, struct.pack("!H", 23)) \
            + _option(IA_NA, struct.pack("!III", self.iaid, 0, 0) + inner)
        index = socket.if_nametoindex(self.interface)
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("::", 546, 0, index))
            deadline = time.monotonic() + timeout
            while time.monotonic() < deadline:
                try:
                    s.sendto(message, ("ff02::1:2", 547, 0, index))
                except OSError:  # the link-local address is not there yet
                    time.sleep(0.1)
                    continue
                s.settimeout(1.0)
                try:
                    data = s.recv(4096)
                except socket.timeout:
                    continue
                if data[0] == answer and data[1:4] == struct.pack("!I", xid)[1:]:
                    return Answer(data[4:])
        return None


class Answer:
    def __init__(self, data):
        self.addresses, self.statuses, self.server = [], [], None
        for code, value in _options(data):
            if code == SERVER_ID:
                self.server = value
            elif code == STATUS:
                self.statuses.append(struct.unpack("!H", value[:2])[0])
            elif code == IA_NA:
                for inner, inside in _options(value[12:]):
                    if inner == IA_ADDR and struct.unpack("!I", inside[20:24])[0] > 0:
                        self.addresses.append(socket.inet_ntop(socket.AF_INET6, inside[:16]))
                    elif inner == STATUS:
                        self.statuses.append(struct.unpack("!H", inside[:2])[0])


def _option(code, value):
    return struct.pack("!HH", code, len(value)) + value


def _options(data):
    while len(data) >= 4:
        code, size = struct.unpack("!HH", data[:4])
        yield code, data[4:4 + size]
        data = data[4 + size:]
