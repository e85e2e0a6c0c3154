"""frames.py - frames made of bytes: ARP, UDP over IPv4 and IPv6, tags, fragments, router advertisements."""
import ipaddress
import itertools
import socket
import struct

from kit.lab import SERVER

ALL_NODES = socket.inet_pton(socket.AF_INET6, "ff02::1")
ROUTER = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
OPTIONS = bytes([58, 0, 1, 4, 0, 0, 0, 0])
TWO = bytes([60, 0, 1, 4, 0, 0, 0, 0]) + OPTIONS
FIRST = {OPTIONS: 60, TWO: 0}
numbers = itertools.count(7)


def octets(mac):
    return bytes.fromhex(mac.replace(":", ""))


def arp(mac, ip, kind=2, hardware=1, target=SERVER, to=b"\xff" * 6):
    return (to + octets(mac) + b"\x08\x06" + struct.pack("!HHBBH", hardware, 0x800, 6, 4, kind) + octets(mac)
        + socket.inet_aton(ip) + to + socket.inet_aton(target))


def udp(mac, source, sport, dport, data, to="255.255.255.255", tags=()):
    packet = struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(packet), 0, 0, 64, 17, 0, socket.inet_aton(source),
        socket.inet_aton(to))
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return b"\xff" * 6 + octets(mac) + b"".join(struct.pack("!HH", *t) for t in tags) + b"\x08\x00" + head + packet


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def link_local(mac):
    m = octets(mac)
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + bytes([m[0] ^ 2]) + m[1:3] + b"\xff\xfe" + m[3:]))


def summed(kind, data, source, at):
    """With the checksum that ICMPv6 and UDP have over the IPv6 addresses, too."""
    pseudo = socket.inet_pton(socket.AF_INET6, source) + ALL_NODES + struct.pack("!II", len(data), kind)
    return data[:at] + struct.pack("!H", checksum(pseudo + data)) + data[at + 2:]


def icmp6(data, source):
    return summed(58, data, source, 2)


def udp6(sport, dport, data, mac):
    return summed(17, struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data, link_local(mac), 6)


def ipv6(mac, kind, payload, source=None, tags=(), headers=b""):
    source = source or link_local(mac)
    if kind == 58:
        payload = icmp6(payload, source)
    return (b"\x33\x33\0\0\0\1" + octets(mac) + b"".join(struct.pack("!HH", *t) for t in tags) + b"\x86\xdd"
        + struct.pack("!IHBB", 6 << 28, len(headers + payload), headers_first(kind, headers), 255)
        + socket.inet_pton(socket.AF_INET6, source) + ALL_NODES + headers + payload)


def headers_first(kind, headers):
    return FIRST.get(headers, kind)


def advert(target, mac):
    return struct.pack("!BBHI", 136, 0, 0, 0x20000000) + socket.inet_pton(socket.AF_INET6, target) + b"\x02\x01" + octets(mac)


def fragments(mac, kind, packet):
    """Two IPv6 fragments of what begins with a header of `kind`, 16 bytes in the first."""
    number = next(numbers)
    for offset, more, part in ((0, 1, packet[:16]), (16, 0, packet[16:])):
        yield ipv6(mac, 44, struct.pack("!BBHI", kind, 0, offset | more, number) + part)
