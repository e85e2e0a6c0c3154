"""Frames that hide what they are: past tags, extension headers, fragments and LLC nobody is a router or a server."""
import struct
import time

from kit.bound_lab import A, IP, IP6, Ear, ask, raw
from kit.check import check, check_equal, eventually
from kit.frames import OPTIONS, ROUTER, TWO, arp, fragments, icmp6, ipv6, link_local, octets, udp, udp6
from kit.lab import SERVER6


def routes(client):
    return client.run(["ip", "-6", "route", "show", "default"]).stdout


def test_tags_extension_headers_and_fragments_hide_no_router_and_no_dhcp_server(bound):
    a, b = bound.who["a"], bound.who["b"]
    b.run(["sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra=2", "net.ipv6.conf.eth0.disable_ipv6=0"], check_rc=False)
    zero, ad, seven = (0x8100, 0), (0x88a8, 0), (0x8100, 7)
    for tags in ((), (zero,), (zero, zero), (zero, zero, zero), (ad,), (ad, zero), (zero, ad), (seven,), (seven, zero),
            (zero, seven)):
        ear = Ear(b)
        raw(a, udp(A, IP["a"], 67, 68, b"an offer of a's", tags=tags))
        raw(a, ipv6(A, 58, ROUTER, tags=tags))
        check(not ear.hears(b"an offer of a's", 0.2), f"a DHCP server's packet arrives under the tags {tags}")
        check_equal(routes(b), "", f"b has a router by an advertisement under the tags {tags}")
    ear = Ear(b)
    raw(a, udp(A, IP["a"], 9999, 9998, b"honest", tags=(seven,)))
    check(ear.hears(b"honest"), "a VLAN that machines have among them does not work")
    for headers in (OPTIONS, TWO):
        raw(a, ipv6(A, 58, ROUTER, headers=headers))
    source = link_local(A)
    for packet in fragments(A, 60, bytes([58, 1, 1, 12]) + bytes(12) + icmp6(ROUTER, source)):
        raw(a, packet)
    for packet in fragments(A, 58, icmp6(ROUTER, source) + bytes([0] * 8)):
        raw(a, packet)
    time.sleep(0.3)
    check_equal(routes(b), "", "b's router")
    ear = Ear(b)
    dhcp6 = udp6(547, 546, b"a server's, in fragments", A)
    for packet in fragments(A, 60, bytes([17, 1, 1, 12]) + bytes(12) + dhcp6):
        raw(a, packet)
    raw(a, ipv6(A, 17, dhcp6))
    check(not ear.hears(b"a server's"), "a DHCPv6 server's packet arrives")
    snap = lambda kind, inner: b"\xff" * 6 + octets(A) + struct.pack("!H", 8 + len(inner)) + b"\xaa\xaa\x03\0\0\0" + kind + inner
    raw(a, snap(b"\x08\x00", udp(A, IP["a"], 67, 68, b"in LLC")[14:]))
    raw(a, snap(b"\x08\x06", arp(A, IP["b"])[14:]))
    check(not ear.hears(b"\xaa\xaa\x03"), "IP or ARP in LLC/SNAP arrives")
    # What machines need arrives: a fragmented datagram of theirs, and neighbour discovery.
    def honest():
        ear = Ear(b)
        for packet in fragments(A, 17, udp6(9999, 9998, b"a long one, in two parts", A)):
            raw(a, packet)
        return ear.hears(b"two parts")
    eventually(honest, 5, "an honest datagram in fragments arrives")
    check_equal(ask(b, "/cloud-init/b/user-data", host=SERVER6, source=IP6["b"]), 200, "b over IPv6")
