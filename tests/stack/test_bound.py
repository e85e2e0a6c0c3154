"""That an address is its machine's. Real clients behind ports that are set as a VM's are
(docker/vm/port.sh) try to speak as their neighbour or as the stack, past tags, fragments and odd frames; what
a machine may do stands beside it and has to work.

Needs the image pxeboot_stack:latest and ip(8). Run as root.
"""
import ipaddress
import itertools
import socket
import struct
import time

from kit import dhcp, http_client, netns
from kit.check import check, check_equal, eventually, fail, skip
from kit.command import docker, have_image, run
from kit.lab import SERVER, SERVER6, STACK_IMAGE, Lab
from kit.scope import Scope, needs

scope = Scope("bound")
lab = Lab(scope, access="own")
A, B, POOL = "52:54:00:c1:09:01", "52:54:00:c1:09:02", "52:54:00:c1:09:03"
STRANGER = "52:54:00:c1:09:99"
IP = {"a": "192.168.100.50", "b": "192.168.100.51"}
IP6 = {"a": "fd56:6d6c:6162::50", "b": "fd56:6d6c:6162::51"}
STATIC = "192.168.100.61"  # of b, in its network_config
UUID = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b"
who = {}


def plug(label, mac):
    """A machine whose port has a VM's name and is locked to `mac` and, as a second card's, to nothing else."""
    client = netns.Client(f"bound-{label}", mac=mac)
    scope.cleanup(client.close)
    port = "tap" + mac.replace(":", "")
    with client.inside():
        run(["ip", "link", "add", "eth0", "address", mac, "type", "veth", "peer", "name", port])
        run(["ip", "link", "set", port, "netns", str(lab.net_pid())])
        run(["ip", "link", "set", "lo", "up"])
        run(["ip", "link", "set", "eth0", "up"])
    with lab.inside():
        run(["ip", "link", "set", port, "master", "lab0"])
        if run(["bridge", "link", "set", "dev", port, "learning", "off", "locked", "on"], check_rc=False).returncode:
            skip("this kernel or iproute2 knows no locked ports")
        run(["bridge", "fdb", "replace", mac, "dev", port, "master", "static"])
        run(["ip", "link", "set", port, "up"])
    netns.wait_carrier(client)
    return client


def ask(client, path, host=SERVER, source=None, timeout=1.5, **kwargs):
    """The status, or None when no answer comes."""
    with client.inside():
        try:
            return http_client.request(host, path, source=source, timeout=timeout, **kwargs).status
        except OSError:
            return None


def raw(client, data):
    with client.inside():
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
            s.bind(("eth0", 0))
            s.send(data.ljust(60, b"\0"))


def octets(mac):
    return bytes.fromhex(mac.replace(":", ""))


def arp(mac, ip, kind=2, hardware=1, target=SERVER, to=b"\xff" * 6):
    return (to + octets(mac) + b"\x08\x06" + struct.pack("!HHBBH", hardware, 0x800, 6, 4, kind) + octets(mac)
        + socket.inet_aton(ip) + to + socket.inet_aton(target))


class Ear:
    """What arrives at a client."""

    def __init__(self, client):
        with client.inside():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.socket.bind(("eth0", 3))

    def hears(self, marker, seconds=0.4):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data, address = self.socket.recvfrom(4000)
            except TimeoutError:
                break
            if address[2] != socket.PACKET_OUTGOING and marker in data:
                return True
        return False


def neighbour(space, ip):
    """The MAC address that namespace has for `ip`, or ""."""
    with netns.inside(space):
        words = run(["ip", "neigh", "show", ip]).stdout.split()
    return words[words.index("lladdr") + 1] if "lladdr" in words else ""


def stack_space():
    return f"/proc/{lab.net_pid()}/ns/net"


def test_two_machines_on_ports_of_their_own_with_an_address_each():
    if not have_image(STACK_IMAGE):
        fail(f"there is no image {STACK_IMAGE}: `make load` makes it")
    lab.make_image()
    lab.define("a", mac=A, ip=IP["a"], ipv6=IP6["a"])
    lab.define("b", mac=B, ip=IP["b"], ipv6=IP6["b"], uuid=UUID, serial="BOUND-1", user_data="#cloud-config\nsecret: b\n",
        network_config={"version": 2, "ethernets": {"eth0": {"addresses": [f"{STATIC}/24"]}}})
    lab.define("pool", mac=POOL)
    lab.start()
    for name, mac in (("a", A), ("b", B)):
        who[name] = plug(name, mac)
        who[name].address(f"{IP[name]}/24")
        who[name].run(["ip", "addr", "add", f"{IP6[name]}/64", "dev", "eth0", "nodad"])
        check_equal(ask(who[name], f"/cloud-init/{name}/user-data"), 200, f"{name} itself")
        check_equal(ask(who[name], f"/cloud-init/{name}/user-data", host=SERVER6, source=IP6[name]), 200,
            f"{name} itself over IPv6")
    check_equal(ask(who["a"], "/cloud-init/b/user-data"), 403, "a asks for b's under its own address")


UP = test_two_machines_on_ports_of_their_own_with_an_address_each


# ---- another's address ---------------------------------------------------------------------------

def takes(client, mac, ip):
    """`client` takes b's IPv4 address and asks as it, with all the announcements it can make."""
    client.run(["ip", "addr", "add", f"{ip}/32", "dev", "eth0"], check_rc=False)
    got = []
    for kind, hardware in ((2, 1), (1, 1), (2, 6), (1, 6), (9, 1)):
        raw(client, arp(mac, ip, kind, hardware))
        raw(client, arp(mac, ip, kind, hardware, target=ip))
        got.append(ask(client, "/cloud-init/b/user-data", source=ip, timeout=0.3))
        got.append(ask(client, f"/report/{B}", source=ip, timeout=0.3, method="POST",
            body={"phase": "report", "status": "failed", "reason": "evil"}))
    client.run(["ip", "addr", "del", f"{ip}/32", "dev", "eth0"], check_rc=False)
    return got


@needs(UP)
def test_who_takes_a_neighbours_address_on_or_off():
    """Who takes a neighbour's address, on or off, gets none of its documents and reports nothing for it."""
    a, b = who["a"], who["b"]
    for ip, state in ((IP["b"], "up"), (STATIC, "up"), (IP["b"], "down"), (STATIC, "down")):
        b.run(["ip", "link", "set", "eth0", state])
        with lab.inside():
            run(["ip", "neigh", "flush", "dev", "lab0"])
        check_equal(set(takes(a, A, ip)), {None}, f"a as {ip}, b {state}: answers")
        check(neighbour(stack_space(), ip) != A, f"the stack sends what is for {ip} to a")
    b.run(["ip", "link", "set", "eth0", "up"])
    netns.wait_carrier(b)
    check_equal(lab.vm("b")["state"], "declared", "b's state")
    eventually(lambda: ask(b, "/cloud-init/b/user-data") == 200, 5, "b itself is served")
    check_equal(ask(a, "/cloud-init/a/user-data"), 200, "a itself is served")


@needs(UP)
def test_ipv6_the_same():
    a, b = who["a"], who["b"]
    for state in ("up", "down"):
        b.run(["ip", "link", "set", "eth0", state])
        a.run(["ip", "addr", "add", f"{IP6['b']}/64", "dev", "eth0", "nodad"])
        with lab.inside():
            run(["ip", "-6", "neigh", "flush", "dev", "lab0"])
        for _ in range(3):
            check_equal(ask(a, "/cloud-init/b/user-data", host=SERVER6, source=IP6["b"], timeout=0.5), None,
                f"a as b over IPv6, b {state}")
        check(neighbour(stack_space(), IP6["b"]) != A, "the stack sends what is b's to a")
        a.run(["ip", "addr", "del", f"{IP6['b']}/64", "dev", "eth0"])
    b.run(["ip", "link", "set", "eth0", "up"])
    b.run(["ip", "addr", "replace", f"{IP6['b']}/64", "dev", "eth0", "nodad"])
    eventually(lambda: ask(b, "/cloud-init/b/user-data", host=SERVER6, source=IP6["b"]) == 200, 8, "b itself is served")


@needs(UP)
def test_nobody_becomes_the_stack_for_a_neighbour():
    a, b = who["a"], who["b"]
    check_equal(ask(b, "/cloud-init/b/user-data"), 200, "b")
    own = neighbour(b.path, SERVER)
    for kind, hardware in ((2, 1), (1, 1), (2, 6), (1, 6)):
        raw(a, arp(A, SERVER, kind, hardware, target=IP["b"], to=octets(B)))
        raw(a, arp(A, SERVER, kind, hardware, target=IP["b"]))
        time.sleep(0.05)
        check(neighbour(b.path, SERVER) != A, "b sends to a what is for the stack")
    check_equal(ask(b, "/cloud-init/b/user-data"), 200, "b")
    check_equal(neighbour(b.path, SERVER), own, "whom b asks")
    ear = Ear(b)
    raw(a, udp(A, SERVER, 53, 5353, b"as the stack"))
    check(not ear.hears(b"as the stack"), "a speaks under the stack's address")
    for target in (SERVER6, link_local(own)):
        ear = Ear(b)
        raw(a, ipv6(A, 58, advert(target, A), source=IP6["a"]))
        check(not ear.hears(socket.inet_pton(socket.AF_INET6, target) + b"\x02\x01"), f"a advertises {target} as its own")


@needs(UP)
def test_legitimate_an_address_of_no_file_several_temporary_ipv6_a_containers():
    """Legitimate: an address of no file, several, temporary IPv6, a container's; the neighbour hears them."""
    a, b = who["a"], who["b"]
    for address in ("192.168.100.70/24", "192.168.100.71/32"):
        a.run(["ip", "addr", "add", address, "dev", "eth0"])
        ip = address.split("/")[0]
        check_equal(ask(a, "/cloud-init/a/user-data", source=ip), 403, f"a under {ip}, which is nobody's: it is answered")
        a.run(["ip", "addr", "del", address, "dev", "eth0"])
    temporary = "fd56:6d6c:6162:0:1234:5678:9abc:def0"
    a.run(["ip", "addr", "add", f"{temporary}/64", "dev", "eth0", "nodad"])
    check_equal(ask(a, "/cloud-init/a/user-data", host=SERVER6, source=temporary), 403, "a temporary IPv6 address")
    ear = Ear(b)
    raw(a, udp(A, "172.18.0.5", 9999, 9998, b"of a container", to=IP["b"]))
    check(ear.hears(b"of a container"), "a packet of a network behind a does not arrive")
    # A machine may be its neighbour's router: what goes further than the lab is not judged.
    ear = Ear(b)
    raw(a, udp(A, IP["b"], 9999, 9998, b"forwarded", to="203.0.113.9"))
    check(ear.hears(b"forwarded"), "what a forwards to elsewhere does not pass")
    raw(a, udp(A, IP["b"], 9999, 9998, b"as b"))
    check(not ear.hears(b"as b"), "a speaks as b in the lab")


@needs(UP)
def test_an_address_by_dhcp_is_its_machines_at_once_and_anothers_when_the_definition_says_so():
    pool = who["pool"] = plug("pool", POOL)
    with pool.inside():
        client = dhcp.Client()
        ip = client.acquire(POOL).yiaddr
        client.close()
    pool.address(f"{ip}/24")
    eventually(lambda: ask(pool, "/cloud-init/pool/user-data") == 200, 5, "it is served under its lease")
    eventually(lambda: lab.exec("nft", "list", "set", "bridge", "vmlab", "claimed4").stdout.count(ip), 5, "its lease is bound")
    check_equal(set(takes(who["a"], A, ip)), {None}, "a as the machine with a lease: answers")
    check_equal(ask(pool, "/cloud-init/pool/user-data"), 200, "the machine itself")
    # A changed address is its new owner's without a restart of anything.
    other = "192.168.100.58"
    lab.define("a", mac=A, ip=other, ipv6=IP6["a"])
    who["a"].run(["ip", "addr", "add", f"{other}/24", "dev", "eth0"])
    eventually(lambda: ask(who["a"], "/cloud-init/a/user-data", source=other) == 200, 5, "a under its new address")
    eventually(lambda: takes(pool, POOL, other).count(None) == 10, 5, "nobody else under it")
    lab.define("a", mac=A, ip=IP["a"], ipv6=IP6["a"])
    who["a"].run(["ip", "addr", "del", f"{other}/24", "dev", "eth0"])
    eventually(lambda: ask(who["a"], "/cloud-init/a/user-data", source=IP["a"]) == 200, 5, "a under its old address")


@needs(UP)
def test_what_is_bound_outlives_vm_watcher_and_the_stack():
    docker("restart", "-t", "2", lab.stack)
    lab.wait_serving()
    eventually(lambda: lab.exec("nft", "list", "set", "bridge", "vmlab", "owners4").stdout.count(B), 5, "bound again")
    check_equal(set(takes(who["a"], A, IP["b"])), {None}, "a as b after a restart: answers")
    check_equal(ask(who["b"], "/cloud-init/b/user-data"), 200, "b")


# ---- frames that hide what they are -----------------------------------------------------------------

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


ALL_NODES = socket.inet_pton(socket.AF_INET6, "ff02::1")


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


ROUTER = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
OPTIONS = bytes([58, 0, 1, 4, 0, 0, 0, 0])
TWO = bytes([60, 0, 1, 4, 0, 0, 0, 0]) + OPTIONS
FIRST = {OPTIONS: 60, TWO: 0}


def routes(client):
    return client.run(["ip", "-6", "route", "show", "default"]).stdout


numbers = itertools.count(7)


def fragments(mac, kind, packet):
    """Two IPv6 fragments of what begins with a header of `kind`, 16 bytes in the first."""
    number = next(numbers)
    for offset, more, part in ((0, 1, packet[:16]), (16, 0, packet[16:])):
        yield ipv6(mac, 44, struct.pack("!BBHI", kind, 0, offset | more, number) + part)


@needs(UP)
def test_tags_extension_headers_and_fragments_hide_no_router_and_no_dhcp_server():
    a, b = who["a"], who["b"]
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


# ---- another's UUID or serial number ----------------------------------------------------------------

def lease_of(client, mac):
    with client.inside():
        c = dhcp.Client()
        answer = c.acquire(mac)
        c.close()
    return answer.yiaddr if answer else None


@needs(UP)
def test_a_stranger_that_knows_uuid_or_serial_number_becomes_nobody_while_the_machines_card_is():
    """A stranger that knows UUID or serial number becomes nobody while the machine's card is there."""
    b, stranger = who["b"], plug("stranger", STRANGER)
    check_equal(lease_of(b, B), IP["b"], "b's lease")
    check_equal(ask(b, f"/ipxe?mac={B}&uuid={UUID}&arch=x86_64"), 200, "b asks itself")
    check_equal(ask(b, f"/report/{B}", method="POST", body={"phase": "report", "status": "done"}), 204, "installed")
    check_equal(ask(b, f"/report/{B}?phase=ready", method="POST", body={"status": "done", "errors": [],
        "recoverable_errors": {}, "boot_id": "11111111-1111-1111-1111-111111111111", "first_boot": True,
        "host_keys": [], "user": "lab"}), 204, "ready")
    hosts = lab.exec("cat", "/run/vm_watcher/dhcp-hosts").stdout
    before = {key: lab.vm("b")[key] for key in ("state", "nic", "ip", "attempt")}
    check_equal(before["state"], "ready", "b's state")
    stranger.address("192.168.100.77/24")
    for query in (f"uuid={UUID}", "serial=BOUND-1", f"uuid={UUID}&serial=BOUND-1"):
        with stranger.inside():
            text = http_client.request(SERVER, f"/ipxe?mac={STRANGER}&{query}&arch=x86_64").text
        check("own card is there" in text and STRANGER in text, f"does not say what is wrong: {text}")
        check("\nkernel" not in text and "\nsanboot" not in text and "\nexit" not in text, f"it would boot: {text}")
    for query in (f"uuid={UUID}", f"mac={STRANGER}&uuid={UUID}"):
        check_equal(ask(stranger, f"/ipxe?{query}"), 200, query)
    for path in (f"/config/{STRANGER}", f"/config/{B}", "/cloud-init/b/user-data"):
        check(ask(stranger, path) in (403, 404), f"the stranger gets {path}")
    time.sleep(1.2)
    check_equal({key: lab.vm("b")[key] for key in before}, before, "b")
    check_equal(lab.exec("cat", "/run/vm_watcher/dhcp-hosts").stdout, hosts, "what dnsmasq is told")
    check(lease_of(stranger, STRANGER) != IP["b"], "the stranger has b's address by DHCP")
    refused = eventually(lambda: [e for e in lab.api("/api/v1/events?vm=b")["events"] if e["kind"] == "refused"
        and "card" in e["text"]], 3, "an event")
    check(STRANGER in refused[0]["text"] and refused[0]["source"] == "192.168.100.77", f"the event: {refused[0]}")
    stranger.close()


@needs(UP)
def test_a_card_that_replaces_one_never_heard_of_is_taken_from_its_own_port_only():
    """A card that replaces one never heard of is taken, from its own port only, and a third one is not."""
    lab.define("metal", mac="52:54:00:c1:09:70", serial="BOUND-METAL")
    eventually(lambda: lab.vm("metal"), 3, "metal is defined")
    path = "/ipxe?mac={}&serial=BOUND-METAL&arch=x86_64"
    a = who["a"]
    a.run(["ip", "addr", "add", "192.168.100.78/24", "dev", "eth0"])
    new = "52:54:00:c1:09:71"
    with a.inside():
        text = http_client.request(SERVER, path.format(new), source="192.168.100.78").text
    check("initrd.mode=install" not in text, f"a, from an address of nobody's, becomes metal: {text}")
    a.run(["ip", "addr", "del", "192.168.100.78/24", "dev", "eth0"])
    card = plug("metal", new)
    card.address(f"{lease_of(card, new)}/24")
    with card.inside():
        text = http_client.request(SERVER, path.format(new)).text
    check("initrd.mode=install" in text, f"the new card: {text}")
    eventually(lambda: lab.vm("metal")["state"] == "booting", 3, "metal boots")
    check_equal(ask(card, f"/config/{new}"), 200, "its configuration")
    other = plug("third", "52:54:00:c1:09:72")
    other.address("192.168.100.79/24")
    check_equal(ask(other, f"/config/{new}"), 403, "its configuration for who has an address of nobody's")
    with other.inside():
        text = http_client.request(SERVER, path.format("52:54:00:c1:09:72")).text
    check("own card is there" in text, f"a third card: {text}")
    # The operator's word: the definition says which card it is.
    lab.define("metal", mac="52:54:00:c1:09:72", serial="BOUND-METAL")
    address = eventually(lambda: lease_of(other, "52:54:00:c1:09:72"), 5, "an address for it")
    other.run(["ip", "addr", "flush", "dev", "eth0"])
    other.address(f"{address}/24")
    eventually(lambda: "initrd.mode=install" in inside_text(other, path.format("52:54:00:c1:09:72")), 5, "it is metal now")


def inside_text(client, path):
    with client.inside():
        return http_client.request(SERVER, path, timeout=3).text
