"""That an address is its machine's: who tries to speak as a neighbour or as the stack, and what a machine may do."""
import socket
import time

from kit import dhcp, netns
from kit.bound_lab import A, B, IP, IP6, POOL, STATIC, Ear, ask, neighbour, raw
from kit.check import check, check_equal, eventually
from kit.command import docker, run
from kit.frames import advert, arp, ipv6, link_local, octets, udp
from kit.lab import SERVER, SERVER6


def test_two_machines_on_ports_of_their_own_with_an_address_each(bound):
    for name in ("a", "b"):
        check_equal(ask(bound.who[name], f"/cloud-init/{name}/user-data"), 200, f"{name} itself")
        check_equal(ask(bound.who[name], f"/cloud-init/{name}/user-data", host=SERVER6, source=IP6[name]), 200,
            f"{name} itself over IPv6")
    check_equal(ask(bound.who["a"], "/cloud-init/b/user-data"), 403, "a asks for b's under its own address")


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


def test_who_takes_a_neighbours_address_on_or_off(bound):
    """Who takes a neighbour's address, on or off, gets none of its documents and reports nothing for it."""
    a, b = bound.who["a"], bound.who["b"]
    for ip, state in ((IP["b"], "up"), (STATIC, "up"), (IP["b"], "down"), (STATIC, "down")):
        b.run(["ip", "link", "set", "eth0", state])
        with bound.inside():
            run(["ip", "neigh", "flush", "dev", "lab0"])
        check_equal(set(takes(a, A, ip)), {None}, f"a as {ip}, b {state}: answers")
        check(neighbour(bound.space(), ip) != A, f"the stack sends what is for {ip} to a")
    b.run(["ip", "link", "set", "eth0", "up"])
    netns.wait_carrier(b)
    check_equal(bound.vm("b")["state"], "declared", "b's state")
    eventually(lambda: ask(b, "/cloud-init/b/user-data") == 200, 5, "b itself is served")
    check_equal(ask(a, "/cloud-init/a/user-data"), 200, "a itself is served")


def test_ipv6_the_same(bound):
    a, b = bound.who["a"], bound.who["b"]
    for state in ("up", "down"):
        b.run(["ip", "link", "set", "eth0", state])
        a.run(["ip", "addr", "add", f"{IP6['b']}/64", "dev", "eth0", "nodad"])
        with bound.inside():
            run(["ip", "-6", "neigh", "flush", "dev", "lab0"])
        for _ in range(3):
            check_equal(ask(a, "/cloud-init/b/user-data", host=SERVER6, source=IP6["b"], timeout=0.5), None,
                f"a as b over IPv6, b {state}")
        check(neighbour(bound.space(), IP6["b"]) != A, "the stack sends what is b's to a")
        a.run(["ip", "addr", "del", f"{IP6['b']}/64", "dev", "eth0"])
    b.run(["ip", "link", "set", "eth0", "up"])
    b.run(["ip", "addr", "replace", f"{IP6['b']}/64", "dev", "eth0", "nodad"])
    eventually(lambda: ask(b, "/cloud-init/b/user-data", host=SERVER6, source=IP6["b"]) == 200, 8, "b itself is served")


def test_nobody_becomes_the_stack_for_a_neighbour(bound):
    a, b = bound.who["a"], bound.who["b"]
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


def test_legitimate_an_address_of_no_file_several_temporary_ipv6_a_containers(bound):
    """Legitimate: an address of no file, several, temporary IPv6, a container's; the neighbour hears them."""
    a, b = bound.who["a"], bound.who["b"]
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


def test_an_address_by_dhcp_is_its_machines_at_once_and_anothers_when_the_definition_says_so(bound):
    pool = bound.who["pool"] = bound.plug("pool", POOL)
    with pool.inside():
        client = dhcp.Client()
        ip = client.acquire(POOL).yiaddr
        client.close()
    pool.address(f"{ip}/24")
    eventually(lambda: ask(pool, "/cloud-init/pool/user-data") == 200, 5, "it is served under its lease")
    eventually(lambda: bound.exec("nft", "list", "set", "bridge", "vmlab", "claimed4").stdout.count(ip), 5, "its lease is bound")
    check_equal(set(takes(bound.who["a"], A, ip)), {None}, "a as the machine with a lease: answers")
    check_equal(ask(pool, "/cloud-init/pool/user-data"), 200, "the machine itself")
    # A changed address is its new owner's without a restart of anything.
    other = "192.168.100.58"
    bound.define("a", mac=A, ip=other, ipv6=IP6["a"])
    bound.who["a"].run(["ip", "addr", "add", f"{other}/24", "dev", "eth0"])
    eventually(lambda: ask(bound.who["a"], "/cloud-init/a/user-data", source=other) == 200, 5, "a under its new address")
    eventually(lambda: takes(pool, POOL, other).count(None) == 10, 5, "nobody else under it")
    bound.define("a", mac=A, ip=IP["a"], ipv6=IP6["a"])
    bound.who["a"].run(["ip", "addr", "del", f"{other}/24", "dev", "eth0"])
    eventually(lambda: ask(bound.who["a"], "/cloud-init/a/user-data", source=IP["a"]) == 200, 5, "a under its old address")


def test_what_is_bound_outlives_vm_watcher_and_the_stack(bound):
    docker("restart", "-t", "2", bound.stack)
    bound.wait_serving()
    eventually(lambda: bound.exec("nft", "list", "set", "bridge", "vmlab", "owners4").stdout.count(B), 5, "bound again")
    check_equal(set(takes(bound.who["a"], A, IP["b"])), {None}, "a as b after a restart: answers")
    check_equal(ask(bound.who["b"], "/cloud-init/b/user-data"), 200, "b")
