"""The stack on a network that was there before: a guest of others."""
import os
import socket

from kit import dhcp, netns
from kit.check import check, check_equal
from kit.closed_lab import CARD, WEB
from kit.command import run
from kit.lab import Lab
from kit.scope import Scope

scope = Scope("others")


def lan(label, env=()):
    """The stack on a network that was there before: 10.77.0.0/24, where it has 10.77.0.2."""
    here = Lab(scope, label, access="own")
    here.start_net()
    with here.inside():
        run(["ip", "link", "add", "lan0", "type", "bridge"])
        run(["ip", "addr", "add", "10.77.0.2/24", "dev", "lan0"])
        run(["ip", "link", "set", "lan0", "up"])
    here.define("metal", mac=WEB, ip="10.77.0.10")
    here.start_stack(env=["INTERFACE=lan0", "PROVISIONER_IP=10.77.0.2", *env])
    here.wait_serving()
    return here


def plugged(here, label):
    c = netns.Client(label)
    scope.cleanup(c.close)
    c.plug(here.net_pid(), bridge="lan0")
    netns.wait_carrier(c)
    return c


def udhcpc(c, mac, *more):
    c.run(["ip", "link", "set", "eth0", "address", mac])
    script = os.path.join(scope.tempdir(), f"udhcpc-{c.name}.sh")
    with open(script, "w") as f:
        f.write("#!/bin/sh\n[ \"$1\" = bound ] && env > \"$0.env\"\nexit 0\n")
    os.chmod(script, 0o755)
    if os.path.exists(script + ".env"):
        os.unlink(script + ".env")
    c.run(["busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "2", "-T", "1", "-s", script, *more],
        check_rc=False)
    if not os.path.exists(script + ".env"):
        return None
    with open(script + ".env") as f:
        return dict(l.rstrip("\n").split("=", 1) for l in f if "=" in l)


def test_on_a_network_of_others_no_offer_no_nak_and_no_loader_to_a_stranger_no_router_to_anyone():
    here = lan("lan")
    with here.inside():
        before = run(["nft", "list", "ruleset"]).stdout if os.path.exists("/usr/sbin/nft") else ""
    check("vmlab" not in before, f"it changed the host's packet filter: {before}")
    c = plugged(here, "lanclient")
    lease = udhcpc(c, WEB)
    check(lease and lease["ip"] == "10.77.0.10", f"the declared machine: {lease}")
    check("router" not in lease, f"it is told a router: {lease}")
    check_equal(udhcpc(c, CARD), None, "a stranger's lease")
    check_equal(udhcpc(c, CARD, "-r", "10.77.0.50"), None, "a stranger's lease")
    with c.inside():
        raw = dhcp.Client()
        try:
            for what, extra, kind in (
                    ("looks for a server", {}, dhcp.DISCOVER),
                    ("boots from the network", {60: b"PXEClient:Arch:00007:UNDI:003016", 93: b"\0\7"}, dhcp.DISCOVER),
                    ("comes back with an address of this network", {50: socket.inet_aton("10.77.0.50")}, dhcp.REQUEST),
                    ("comes back from another network", {50: socket.inet_aton("192.168.1.50")}, dhcp.REQUEST),
                    ("answers another server", {50: socket.inet_aton("10.77.0.50"),
                        54: socket.inet_aton("10.77.0.1")}, dhcp.REQUEST),
                    ("asks for options only", {}, dhcp.INFORM)):
                answer = dhcp.ACK if kind == dhcp.REQUEST else dhcp.OFFER
                reply = raw._exchange(kind, answer, CARD, 1.2, {"extra": extra})
                check(reply is None, lambda: f"a stranger that {what} gets {reply.kind} {reply.options}")
        finally:
            raw.close()
    here.remove()
    c.close()


def test_on_a_network_of_others_with_a_range_it_is_their_dhcp_server_still_no_router():
    here = lan("range", env=["DHCP_RANGE=10.77.0.100,10.77.0.120"])
    c = plugged(here, "rangeclient")
    lease = udhcpc(c, CARD, "-t", "6") # dnsmasq first asks whether the address is in use
    check(lease and lease["ip"].startswith("10.77.0.1"), f"a stranger: {lease}")
    check("router" not in lease, f"it is told a router: {lease}")
    with c.inside():
        raw = dhcp.Client()
        reply = raw._exchange(dhcp.REQUEST, dhcp.ACK, "52:54:00:c1:05:78", 3,
            {"extra": {50: socket.inet_aton("192.168.1.50")}})
        raw.close()
    check(reply and reply.kind == dhcp.NAK, f"an address of another network: {reply and reply.kind}")
    here.remove()
    c.close()
