"""A DHCP client made of raw frames, able to be any machine: MAC, architecture, user class.

DHCPv4: RFC 2131, options RFC 2132, 4578 (93, 94, 97), 3004 (77). DHCPv6: RFC 8415, one Solicit.
Run it in the client's network namespace (netns.Client.inside()).
"""
import os
import random
import socket
import struct
import time

ETH_P_IP = 0x0800
DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)


class Reply:
    """One BOOTP reply: .kind, .yiaddr, .siaddr, .file (field or option 67), .options {code: bytes}"""

    def __init__(self, payload):
        self.yiaddr = socket.inet_ntoa(payload[16:20])
        self.siaddr = socket.inet_ntoa(payload[20:24])
        self.options = {}
        at = 240
        while at < len(payload) and payload[at] != 255:
            if payload[at] == 0:
                at += 1
                continue
            code, size = payload[at], payload[at + 1]
            self.options[code] = self.options.get(code, b"") + payload[at + 2:at + 2 + size]
            at += 2 + size
        self.kind = self.options.get(53, b"\0")[0]
        field = payload[108:236].split(b"\0")[0]
        self.file = (field or self.options.get(67, b"").rstrip(b"\0")).decode()
        self.hostname = self.options.get(12, b"").decode()
        self.server = self.address(54)

    def address(self, code):
        value = self.options.get(code, b"")
        return socket.inet_ntoa(value[:4]) if len(value) >= 4 else None


class Client:
    """Speaks on one interface as any number of machines. Answers are asked for by broadcast."""

    def __init__(self, interface="eth0"):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
        self.socket.bind((interface, ETH_P_IP))

    def close(self):
        self.socket.close()

    def discover(self, mac, timeout=3.0, **kwargs):
        """The first DHCPOFFER, or None when there is none in `timeout` seconds."""
        return self._exchange(DISCOVER, OFFER, mac, timeout, kwargs)

    def offers(self, mac, seconds):
        """All DHCPOFFERs to one DHCPDISCOVER within that time."""
        xid = random.getrandbits(32)
        deadline = time.monotonic() + seconds
        found = []
        self._send(mac, xid, _options(DISCOVER, {}))
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                reply = _reply(self.socket.recv(4096), xid)
            except socket.timeout:
                break
            if reply and reply.kind == OFFER:
                found.append(reply)
        return found

    def request(self, mac, offer, timeout=3.0, **kwargs):
        """DHCPACK or DHCPNAK to the request of an offer."""
        extra = {50: socket.inet_aton(offer.yiaddr), 54: socket.inet_aton(offer.server)}
        extra.update(kwargs.pop("extra", {}))
        return self._exchange(REQUEST, ACK, mac, timeout, dict(kwargs, extra=extra))

    def acquire(self, mac, timeout=3.0, **kwargs):
        offer = self.discover(mac, timeout, **kwargs)
        return offer and self.request(mac, offer, timeout, **kwargs)

    def release(self, mac, reply):
        self._send(mac, random.getrandbits(32), _options(RELEASE, {"extra": {
            54: socket.inet_aton(reply.server)}}), ciaddr=reply.yiaddr)

    def decline(self, mac, address, server):
        """Says that `address` is taken, as the machine `mac` would. There is no answer."""
        self._send(mac, random.getrandbits(32), _options(DECLINE, {"extra": {
            50: socket.inet_aton(address), 54: socket.inet_aton(server)}}))

    def _exchange(self, kind, answer, mac, timeout, kwargs):
        xid = random.getrandbits(32)
        options = _options(kind, kwargs)
        deadline = time.monotonic() + timeout
        resend = 0
        while True:
            now = time.monotonic()
            if now >= deadline:
                return None
            if now >= resend:
                self._send(mac, xid, options)
                resend = now + 1.0
            self.socket.settimeout(max(0.01, min(resend, deadline) - now))
            try:
                frame = self.socket.recv(4096)
            except socket.timeout:
                continue
            reply = _reply(frame, xid)
            if reply and reply.kind in (answer, NAK):
                return reply

    def _send(self, mac, xid, options, ciaddr="0.0.0.0"):
        hw = bytes.fromhex(mac.replace(":", ""))
        bootp = struct.pack("!BBBBIHH4s4s4s4s16s64s128s4s", 1, 1, 6, 0, xid, 0, 0x8000,
            socket.inet_aton(ciaddr), b"\0" * 4, b"\0" * 4, b"\0" * 4, hw, b"", b"", b"\x63\x82\x53\x63")
        payload = (bootp + options).ljust(300, b"\0")
        udp = struct.pack("!HHHH", 68, 67, 8 + len(payload), 0)
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0,
            b"\0\0\0\0", b"\xff\xff\xff\xff")
        ip = ip[:10] + struct.pack("!H", _checksum(ip)) + ip[12:]
        self.socket.send(b"\xff" * 6 + hw + struct.pack("!H", ETH_P_IP) + ip + udp + payload)


def _options(kind, kwargs):
    """kwargs: arch (option 93 value: makes it a PXE client), user_class, hostname, uuid, extra {code: bytes}"""
    options = {53: bytes([kind]), 55: bytes([1, 3, 6, 12, 15, 26, 28, 42, 43, 60, 66, 67, 97, 119])}
    arch = kwargs.get("arch")
    if arch is not None:
        options[60] = f"PXEClient:Arch:{arch:05d}:UNDI:003016".encode()
        options[93] = struct.pack("!H", arch)
        options[94] = b"\x01\x03\x10"
        options[97] = b"\0" + kwargs.get("uuid", os.urandom(16))
    if kwargs.get("user_class"):
        options[77] = kwargs["user_class"].encode()
        options[175] = b"\xb1\x01\x01"
    if kwargs.get("hostname") is not None:
        name = kwargs["hostname"]
        options[12] = name if isinstance(name, bytes) else name.encode()
    options.update(kwargs.get("extra", {}))
    return b"".join(bytes([code, len(value)]) + value for code, value in options.items()) + b"\xff"


def _reply(frame, xid):
    if len(frame) < 14 + 20 + 8 + 240 or frame[12:14] != b"\x08\x00" or frame[23] != 17:
        return None
    head = 14 + (frame[14] & 15) * 4
    source, dest = struct.unpack("!HH", frame[head:head + 4])
    payload = frame[head + 8:]
    if source != 67 or dest != 68 or payload[0] != 2 or payload[4:8] != struct.pack("!I", xid):
        return None
    return Reply(payload)


def _checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def solicit6(mac, interface="eth0", timeout=4.0):
    """Asks for an IPv6 address with a DUID-LL of `mac`; returns the advertised address or None.
    The interface must have a link-local address; the caller's namespace must have IPv6."""
    hw = bytes.fromhex(mac.replace(":", ""))
    duid = struct.pack("!HH", 3, 1) + hw
    xid = random.getrandbits(24)
    message = struct.pack("!I", (1 << 24) | xid) + _option6(1, duid) + _option6(8, b"\0\0") \
        + _option6(3, struct.pack("!III", 1, 0, 0)) + _option6(6, struct.pack("!H", 23))
    index = socket.if_nametoindex(interface)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("::", 546, 0, index))
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            s.sendto(message, ("ff02::1:2", 547, 0, index))
            s.settimeout(1.0)
            try:
                answer = s.recv(4096)
            except socket.timeout:
                continue
            if answer[0] == 2 and answer[1:4] == struct.pack("!I", xid)[1:]:
                return _address6(answer[4:])
    return None


def _option6(code, value):
    return struct.pack("!HH", code, len(value)) + value


def _address6(options):
    for code, value in _options6(options):
        if code == 3:
            for inner, data in _options6(value[12:]):
                if inner == 5:
                    return socket.inet_ntop(socket.AF_INET6, data[:16])
    return None


def _options6(data):
    while len(data) >= 4:
        code, size = struct.unpack("!HH", data[:4])
        yield code, data[4:4 + size]
        data = data[4 + size:]
