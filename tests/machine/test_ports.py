"""What a machine's network port lets through."""
import os
import re
import socket
import struct
import subprocess
import time

from kit import dhcp, netns
from kit.boxed_lab import MAC, TAP
from kit.check import check, check_equal, skip
from kit.command import PREFIX, docker, run
from kit.scope import needs
from kit.vmlab_cli import VM_IMAGE

EXPERIMENTAL = 0x88b5 # IEEE 802 local experimental
pair = {}


def machine(boxed, label, number):
    """A client whose port has a VM's name and went through what a VM's port goes through."""
    client = netns.Client(f"{boxed.name[len(PREFIX):]}-{label}", mac=f"52:54:00:c0:f1:{number:02x}")
    boxed.scope.cleanup(client.close)
    client.plug(boxed.net_pid())
    port = "tap" + client.mac.replace(":", "")
    with netns.inside(f"/proc/{boxed.net_pid()}/ns/net"):
        plugged = re.search(r"(vt\d+n\d+)@", run(["ip", "-o", "link", "show", "type", "veth"]).stdout).group(1)
        run(["ip", "link", "set", plugged, "down"])
        run(["ip", "link", "set", plugged, "name", port])
    done = docker("run", "--rm", "--network", f"container:{boxed.name}-net", "--cap-add", "NET_ADMIN",
        "--entrypoint", "/usr/lib/vmlab/port.sh", VM_IMAGE, "lab0", port, client.mac, "--", "true")
    if "warning" in done.stderr:
        skip(f"this kernel cannot: {done.stderr.strip()}")
    netns.wait_carrier(client)
    return client


def test_the_bridge_learns_nothing_from_a_vms_port_and_locks_it_to_its_mac(boxed):
    with netns.inside(f"/proc/{boxed.net_pid()}/ns/net"):
        link = run(["bridge", "-d", "link", "show", "dev", TAP]).stdout
        if " locked " not in link:
            skip("this iproute2 or kernel knows no locked ports")
        check("learning off" in link and "locked on" in link, f"the port: {link}")
        table = run(["bridge", "fdb", "show", "dev", TAP]).stdout
        check(re.search(rf"^{MAC} .*static", table, re.M), f"no static entry: {table}")


def frame(source, payload, kind, to=b"\xff" * 6):
    return to + bytes.fromhex(source.replace(":", "")) + struct.pack("!H", kind) + payload


def send(client, data):
    with client.inside():
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
            s.bind(("eth0", 0))
            s.send(data)


def listener(client, kind):
    with client.inside():
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind))
        s.bind(("eth0", kind))
        s.settimeout(1)
        return s


def arrives(receiver, marker):
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        try:
            if marker in receiver.recv(2000):
                return True
        except TimeoutError:
            break
    return False


@needs(test_the_bridge_learns_nothing_from_a_vms_port_and_locks_it_to_its_mac)
def test_two_machines_on_locked_ports_reach_each_other(boxed):
    pair["good"], pair["evil"] = machine(boxed, "good", 0x21), machine(boxed, "evil", 0x22)
    ear = listener(pair["good"], EXPERIMENTAL)
    send(pair["evil"], frame(pair["evil"].mac, b"honest".ljust(60), EXPERIMENTAL))
    check(arrives(ear, b"honest"), "a frame under the machine's own MAC does not arrive")


CLIENTS = test_two_machines_on_locked_ports_reach_each_other


@needs(CLIENTS)
def test_a_frame_under_anothers_mac_is_dropped_and_takes_nobodys_frames(boxed):
    good, evil = pair["good"], pair["evil"]
    ear, theft = listener(good, EXPERIMENTAL), listener(evil, EXPERIMENTAL)
    for source in (good.mac, MAC, "52:54:00:c0:f1:99"):
        send(evil, frame(source, b"forged".ljust(60), EXPERIMENTAL))
    check(not arrives(ear, b"forged"), "a forged frame arrives")
    third = pair.setdefault("third", machine(boxed, "third", 0x23))
    send(third, frame(third.mac, b"for good".ljust(60), EXPERIMENTAL, bytes.fromhex(good.mac.replace(":", ""))))
    check(arrives(ear, b"for good"), "the frame does not arrive where it belongs")
    check(not arrives(theft, b"for good"), "the frame went to who forged its receiver's MAC")


def who_offers(boxed, server, client):
    """The servers that offer `client` an address while another's runs on `server`."""
    folder = os.path.join(boxed.scope.tempdir(), server.name)
    os.makedirs(folder, exist_ok=True)
    config = os.path.join(folder, "udhcpd.conf")
    with open(config, "w") as f:
        f.write("interface eth0\nstart 192.168.100.70\nend 192.168.100.90\noption subnet 255.255.255.0\n"
            f"lease_file {folder}/leases\npidfile {folder}/pid\n")
    open(os.path.join(folder, "leases"), "w").close()
    server.address("192.168.100.66/24")
    with server.inside():
        rogue = subprocess.Popen(["busybox", "udhcpd", "-f", "-I", "192.168.100.66", config],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    try:
        check(rogue.poll() is None, "udhcpd does not run")
        with client.inside():
            c = dhcp.Client()
            servers = [o.server for _ in range(2) for o in c.offers(client.mac, 3.5)]
            c.close()
    finally:
        rogue.kill()
        rogue.wait()
    return servers


@needs(CLIENTS)
def test_a_rogue_dhcp_server_in_a_vms_place_wins_nothing_on_a_port_that_is_no_vms_it_would(boxed):
    outside = netns.Client(f"{boxed.name[len(PREFIX):]}-outside")
    boxed.scope.cleanup(outside.close)
    outside.plug(boxed.net_pid())
    netns.wait_carrier(outside)
    heard = who_offers(boxed, outside, pair["good"])
    outside.close()
    check("192.168.100.66" in heard, f"the rogue server does not even work where nothing is filtered: {heard}")
    check_equal(set(who_offers(boxed, pair["evil"], pair["good"])), {"192.168.100.1"}, "who offers")


def ipv6(source_mac, icmp):
    source = socket.inet_pton(socket.AF_INET6, "fe80::66")
    to = socket.inet_pton(socket.AF_INET6, "ff02::1")
    pseudo = source + to + struct.pack("!I3xB", len(icmp), 58)
    total = sum(struct.unpack(f"!{(len(pseudo) + len(icmp)) // 2}H", pseudo + icmp))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    icmp = icmp[:2] + struct.pack("!H", ~total & 0xffff) + icmp[4:]
    return frame(source_mac, struct.pack("!IHBB", 6 << 28, len(icmp), 58, 255) + source + to + icmp, 0x86dd,
        bytes.fromhex("333300000001"))


@needs(CLIENTS)
def test_router_advertisements_and_redirects_from_a_vm_reach_nobody_its_neighbour_solicitations_do(boxed):
    good, evil = pair["good"], pair["evil"]
    ear = listener(good, 0x86dd)
    advert = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    redirect = struct.pack("!BBHI", 137, 0, 0, 0) + b"\xfe\x80" + b"\x07" * 30
    solicit = struct.pack("!BBHI", 135, 0, 0, 0) + b"\xfe\x80" + b"\x09" * 14
    for icmp in (advert, redirect, solicit):
        send(evil, ipv6(evil.mac, icmp))
    check(arrives(ear, b"\xfe\x80" + b"\x09" * 14), "a neighbour solicitation does not arrive")
    ear = listener(good, 0x86dd)
    send(evil, ipv6(evil.mac, advert))
    check(not arrives(ear, advert[4:]), "the advertisement arrives")
    send(evil, ipv6(evil.mac, redirect))
    check(not arrives(ear, redirect[8:]), "the redirect arrives")
