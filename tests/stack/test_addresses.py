"""The address that a machine is said to have is the one it has.

Clients with an identity of their own (busybox udhcpc; a DHCPv6 client) against the built stack: whoever
holds a declared address, and whatever a client calls itself, the declared machine gets it at once.
Needs the image pxeboot_stack, ip(8) and busybox. Run as root.
"""
import os
import signal
import time

import pytest

from kit import dhcp, dhcp6, dns, http_client, netns
from kit.check import check, check_equal, eventually, fail
from kit.command import docker, have_command, have_image, run
from kit.lab import SERVER, STACK_IMAGE, Lab
from kit.scope import Scope, needs

scope = Scope("addresses")
lab = Lab(scope, "addr")

PREFIX6 = "fd56:6d6c:6162::"
BYSTANDER = "52:54:00:ad:00:01"
state = {}


class Machine:
    """A network card in a namespace of its own, wired to the lab."""

    def __init__(self, mac):
        self.mac = mac
        label = f"m{mac.replace(':', '')[6:]}"
        self.client = netns.Client(label, mac=mac)
        scope.cleanup(self.client.close)
        self.client.run(["sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0",
            "net.ipv6.conf.default.accept_ra=0"], check_rc=False)
        self.client.plug(lab.net_pid())
        netns.wait_carrier(self.client)

    def v4(self, *options):
        """What busybox's client is given, or None. Tells the server nothing when it ends."""
        script = os.path.join(scope.tempdir(), "udhcpc.sh")
        if not os.path.exists(script):
            with open(script, "w") as f:
                f.write("#!/bin/sh\n[ \"$1\" = bound ] && echo \"$ip\" >\"$OUT\"\nexit 0\n")
            os.chmod(script, 0o755)
        out = script + self.mac.replace(":", "")
        if os.path.exists(out):
            os.unlink(out)
        self.client.run(["busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "6", "-T", "1", "-A", "1",
            "-s", script, *options], check_rc=False, env=dict(os.environ, OUT=out))
        if not os.path.exists(out):
            return None
        with open(out) as f:
            return f.read().strip()

    def v6(self, duid):
        c = dhcp6.Client6(duid)
        with self.client.inside():
            return c.acquire(), c

    def get(self, family, who="system"):
        return self.v4() if family == 4 else self.v6(dhcp6.duid_en(self.mac + who))[0]

    def close(self):
        self.client.close()


def ask(mac, **kwargs):
    """One DHCPv4 exchange of a raw client, able to be anyone."""
    with state["client"].inside():
        c = dhcp.Client()
        try:
            return c.acquire(mac, **kwargs)
        finally:
            c.close()


def mac(n):
    return f"52:54:00:ad:01:{n:02x}"


def declared(family, n):
    return f"192.168.100.{n}" if family == 4 else f"{PREFIX6}{n:x}"


def define(name, mac, family, n, **fields):
    lab.define(name, mac=mac, **{"ip" if family == 4 else "ipv6": declared(family, n)}, **fields)


def wait_hosts(*macs, absent=()):
    """The definitions have reached dnsmasq's file: dnsmasq reads it within milliseconds of that."""
    def there():
        text = lab.exec("cat", "/run/vm_watcher/dhcp-hosts").stdout
        return all(m in text for m in macs) and not any(m in text for m in absent)
    eventually(there, 5, "the definitions are in dhcp-hosts")


def gets(machine, family, address, who="system", seconds=3):
    """The machine asks anew until it is given `address`; how long that took is told."""
    began = time.monotonic()
    eventually(lambda: machine.get(family, who) == address, seconds, f"{machine.mac} gets {address}", every=0.05)
    took = time.monotonic() - began
    state["slowest"] = max(state.get("slowest", 0), took)


def known_as(name, family, address):
    """DNS and the API tell the same."""
    key, kind = ("ip", dns.A) if family == 4 else ("ipv6", dns.AAAA)
    lab.wait_vm(name, 30, lambda vm: vm[key] == address, f"has {key} {address}")
    with state["client"].inside():
        eventually(lambda: dns.ask(SERVER, f"{name}.pvmlab.local", kind) == (0, [address]), 3,
            f"{name}.pvmlab.local is {address}")


def same_dnsmasq():
    """A helper of a lease event may be there for a moment."""
    eventually(lambda: lab.pids()["dnsmasq"] == state["dnsmasq"], 3, f"dnsmasq's processes are {state['dnsmasq']}")


def undisturbed():
    same_dnsmasq()
    leases = lab.exec("cat", "/state/dnsmasq/leases").stdout
    for address in state["bystanders"]:
        check(f" {address} " in leases, f"the lease of {address}, which is in nobody's way, is gone:\n{leases}")


def test_the_stack_starts_with_two_bystanders_who_keep_their_leases():
    if not have_image(STACK_IMAGE):
        fail(f"there is no image {STACK_IMAGE}: `make load` builds it")
    for command in ("ip", "busybox"):
        check(have_command(command), f"`{command}` is not installed on this machine")
    lab.make_image()
    lab.define("bystander", mac=BYSTANDER, ip="192.168.100.9", ipv6=f"{PREFIX6}9")
    lab.start()
    state["client"] = lab.client(scope, "asks", cidr="192.168.100.99/24")
    m = Machine(BYSTANDER)
    state["bystanders"] = [m.get(4), m.get(6)]
    check_equal(state["bystanders"], ["192.168.100.9", f"{PREFIX6}9"], "the bystander's addresses")
    m.close()
    m = Machine("52:54:00:ad:00:02")
    state["bystanders"] += [m.get(4), m.get(6)]
    m.close()
    check(all(state["bystanders"]), f"no lease: {state['bystanders']}")
    state["dnsmasq"] = lab.pids()["dnsmasq"]


UP = test_the_stack_starts_with_two_bystanders_who_keep_their_leases


# ---- the matrix ----------------------------------------------------------------------------------

def new_file(family, n):
    """`vmlab rm`, the file removed, and a new file with the freed address."""
    old, new = Machine(mac(n)), Machine(mac(n + 1))
    define("gone", old.mac, family, n)
    wait_hosts(old.mac)
    gets(old, family, declared(family, n))
    lab.undefine("gone.json")
    wait_hosts(absent=[old.mac])
    define("fresh", new.mac, family, n)
    wait_hosts(new.mac)
    gets(new, family, declared(family, n))
    known_as("fresh", family, declared(family, n))
    return [old, new], ["fresh"]


def changed_mac(family, n):
    old, new = Machine(mac(n)), Machine(mac(n + 1))
    define("changed", old.mac, family, n)
    wait_hosts(old.mac)
    gets(old, family, declared(family, n))
    define("changed", new.mac, family, n)
    wait_hosts(new.mac, absent=[old.mac])
    if family == 6:  # what the old card got was the machine's: its new card comes with a network boot
        boots(new)
    gets(new, family, declared(family, n))
    known_as("changed", family, declared(family, n))
    check(old.get(family) != declared(family, n), "the old card gets it as well")
    return [old, new], ["changed"]


def swapped(family, n):
    a, b = Machine(mac(n)), Machine(mac(n + 1))
    define("left", a.mac, family, n)
    define("right", b.mac, family, n + 1)
    wait_hosts(a.mac, b.mac)
    gets(a, family, declared(family, n))
    gets(b, family, declared(family, n + 1))
    lab.write(".left", "")  # both at once, as an editor's "save all"
    define("left", a.mac, family, n + 1, role="swapped")
    define("right", b.mac, family, n, role="swapped")
    key = "declared_ip" if family == 4 else "declared_ipv6"
    lab.wait_vm("left", 3, lambda vm: vm[key] == declared(family, n + 1), "declares the other address")
    gets(a, family, declared(family, n + 1))
    gets(b, family, declared(family, n))
    known_as("left", family, declared(family, n + 1))
    known_as("right", family, declared(family, n))
    return [a, b], ["left", "right"]


def stranger(family, n):
    """Nobody declared it, and it got from the range what a new file then claims."""
    who, machine = Machine(mac(n)), Machine(mac(n + 1))
    address = who.get(family)
    check(address, "the stranger gets no address")
    lab.define("claims", mac=machine.mac, **{"ip" if family == 4 else "ipv6": address})
    wait_hosts(machine.mac)
    gets(machine, family, address)
    known_as("claims", family, address)
    other = who.get(family)
    check(other and other != address, f"the stranger has {other}")
    gets(machine, family, address)
    return [who, machine], ["claims"]


def boots(machine):
    """Its firmware asks what to boot, from the address it has by DHCP."""
    with machine.client.inside():
        address = dhcp_address(machine)
        run(["ip", "addr", "add", f"{address}/24", "dev", "eth0"])
        answer = http_client.request(SERVER, f"/ipxe?mac={machine.mac}")
        run(["ip", "addr", "del", f"{address}/24", "dev", "eth0"])
    check_equal(answer.status, 200, "/ipxe")
    time.sleep(1.5)  # what firmware, loader and kernel take at the very least until a system asks


def dhcp_address(machine):
    c = dhcp.Client()
    try:
        return c.acquire(machine.mac, arch=7, timeout=8).yiaddr
    finally:
        c.close()


def unclean_end(family, n):
    """Powered off in the midst of things, installed again: another client identifier and DUID."""
    machine = Machine(mac(n))
    define("unclean", machine.mac, family, n)
    wait_hosts(machine.mac)
    gets(machine, family, declared(family, n))
    boots(machine)
    if family == 4:
        for client_id in ("ff000000010002000000ab01020304", "00766d6c6162", "01525400ffffff"):
            check_equal(machine.v4("-x", f"0x3d:{client_id}"), declared(4, n), f"as {client_id}")
        check_equal(machine.v4("-C"), declared(4, n), "without a client identifier")
    else:
        gets(machine, 6, declared(6, n), who="installed again", seconds=1)
    known_as("unclean", family, declared(family, n))
    return [machine], ["unclean"]


def decline(family, n):
    """A forged DECLINE, with the lease and without, takes nobody's address away."""
    machine = Machine(mac(n))
    define("declined", machine.mac, family, n)
    wait_hosts(machine.mac)
    if family == 4:
        forge_decline(machine.mac, declared(4, n))
        time.sleep(1.2)
        gets(machine, 4, declared(4, n), seconds=3)
        for _ in range(3):
            forge_decline(machine.mac, declared(4, n))
        time.sleep(1.2)
        gets(machine, 4, declared(4, n), seconds=3)
    else:
        address, c = machine.v6(dhcp6.duid_en("declines"))
        check_equal(address, declared(6, n), "the first address")
        with machine.client.inside():
            check(c.decline(address), "no answer to the DECLINE")
        gets(machine, 6, declared(6, n), who="after it")
    known_as("declined", family, declared(family, n))
    return [machine], ["declined"]


def forge_decline(mac, address):
    with state["client"].inside():
        c = dhcp.Client()
        c.decline(mac, address, SERVER)
        c.close()


CASES = {"new file": new_file, "changed MAC": changed_mac, "swapped": swapped, "stranger": stranger,
    "unclean end": unclean_end, "decline": decline}


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("what", CASES)
@needs(UP)
def test_the_declared_machine_gets_its_address_at_once(what, family):
    machines, names = CASES[what](family, 20 + list(CASES).index(what) * 4 + (family == 6) * 2)
    for machine in machines:
        machine.close()
    for name in names:
        lab.undefine(f"{name}.json")
    wait_hosts(absent=[m.mac for m in machines])
    undisturbed()


# ---- identity, names -------------------------------------------------------------------------------

@needs(UP)
def test_name_and_mac_alone_one_address_for_firmware_installer_and_system():
    """Name and MAC alone: one address for firmware, installer and system, however they call themselves."""
    m = Machine("52:54:00:ad:02:01")
    lab.define("small", mac=m.mac)
    wait_hosts(m.mac)
    with m.client.inside():
        first = dhcp_address(m)  # firmware: PXE, no client identifier
    seen = {"udhcpc": m.v4(), "none": m.v4("-C"),
        "DUID": m.v4("-x", "0x3d:ff56504d980002000000ab11aabbccddeeff00"), "text": m.v4("-x", "0x3d:00616263")}
    check_equal(set(seen.values()), {first}, f"addresses {seen}")
    known_as("small", 4, first)
    m.close()
    lab.undefine("small.json")
    undisturbed()


@needs(UP)
def test_an_ip_that_is_taken_out_of_its_file_from_then_on_one_other_address_for_all():
    m = Machine("52:54:00:ad:02:09")
    lab.define("late", mac=m.mac, ip=declared(4, 59), ipv6=declared(6, 0x59))
    wait_hosts(m.mac)
    system = ("-x", "0x3d:ff56504d980002000000ab11aabbccddeeff00")
    with m.client.inside():
        check_equal(dhcp_address(m), declared(4, 59), "firmware's address while it is declared")
    check_equal((m.v4(), m.v4(*system)), (declared(4, 59),) * 2, "installer's and system's while it is declared")
    m.v6(dhcp6.duid_en(m.mac + "old"))
    lab.define("late", mac=m.mac, ipv6=declared(6, 0x59))
    eventually(lambda: declared(4, 59) not in lab.exec("cat", "/run/vm_watcher/dhcp-hosts").stdout, 5, "the file is read")
    ask_boot = lambda: lab.get(f"/ipxe?mac={m.mac}", from_lab=True)
    with m.client.inside():
        first = dhcp_address(m)
    ask_boot()
    installer = m.v4()
    with m.client.inside():
        again = dhcp_address(m)
    ask_boot()
    time.sleep(1)
    m.v6(dhcp6.duid_en(m.mac + "new"))
    check_equal((installer, again, m.v4(*system)), (first,) * 3, f"addresses after {first}")
    known_as("late", 4, first)
    m.close()
    lab.undefine("late.json")
    undisturbed()


NAMES = ["10m", "600", "1h", "5d", "2w", "30s", "infinite", "ignore", "id", "net", "set", "tag", "0", "00", "0x10",
    "deadbeef", "a", "1e3", "option", "known", "null", "true", "no", "127", "fd00", "11-22-33-44-55-66"]


@needs(UP)
def test_every_legal_name_is_a_name_to_dnsmasq_none_is_read_as_a_time_a_number_or_a_word():
    for i, name in enumerate(NAMES):
        lab.define(name, mac=f"52:54:00:ad:03:{i:02x}", **({"ip": f"192.168.100.{60 + i}"} if i % 2 else {}))
    wait_hosts(f"52:54:00:ad:03:{len(NAMES) - 1:02x}")
    problems = [p for p in lab.problems() if not p["warning"]]
    check(not problems, str(problems))
    wrong = []
    for i, name in enumerate(NAMES):
        reply = ask(f"52:54:00:ad:03:{i:02x}", timeout=8)
        check(reply, f"{name}: no lease")
        with state["client"].inside():
            answer = dns.ask(SERVER, f"{name}.pvmlab.local")
        seconds = int.from_bytes(reply.options.get(51, b""), "big")
        if (reply.hostname, answer, seconds) != (name, (0, [reply.yiaddr]), 3600):
            wrong.append((name, reply.hostname, answer, reply.yiaddr, seconds))
    check(not wrong, f"name, host name, DNS, address, lease: {wrong}")
    text = docker("logs", lab.stack, check_rc=False)
    complaints = [l for l in (text.stdout + text.stderr).splitlines() if "bad " in l or "Ignoring domain" in l]
    check(not complaints, str(complaints[:3]))
    for name in NAMES:
        lab.undefine(f"{name}.json")
    wait_hosts(absent=["52:54:00:ad:03:"])
    undisturbed()


@needs(UP)
def test_a_machine_that_had_its_lease_before_its_definition_is_known_by_it():
    m = Machine("52:54:00:ad:02:02")
    leased = m.get(4)
    check(leased, "no lease")
    lab.define("late", mac=m.mac)
    known_as("late", 4, leased)
    m.close()
    lab.undefine("late.json")
    undisturbed()


# ---- what a machine was seen to have ------------------------------------------------------------------


@needs(UP)
def test_an_address_other_than_the_declared_one_is_told_by_dns_and_the_api_and_a_problem_names_both():
    m = Machine("52:54:00:ad:04:01")
    lab.define("moves", mac=m.mac, ip="192.168.100.110", ipv6=f"{PREFIX6}110")
    wait_hosts(m.mac)
    gets(m, 4, "192.168.100.110")
    gets(m, 6, f"{PREFIX6}110")
    check(not lab.problems("moves.json"), str(lab.problems("moves.json")))
    lab.define("moves", mac=m.mac, ip="192.168.100.111", ipv6=f"{PREFIX6}111")
    lab.wait_vm("moves", 3, lambda vm: vm["declared_ip"] == "192.168.100.111", "declares the new address")
    known_as("moves", 4, "192.168.100.110")  # it has not asked again
    known_as("moves", 6, f"{PREFIX6}110")
    problems = eventually(lambda: (p := lab.problems("moves.json")) and len(p) == 2 and p, 3, "two problems")
    for problem, pair in zip(problems, (("192.168.100.111", "192.168.100.110"), (f"{PREFIX6}111", f"{PREFIX6}110"))):
        check(problem["warning"] and all(a in problem["text"] for a in pair), str(problem))
    gets(m, 4, "192.168.100.111")
    boots(m)
    gets(m, 6, f"{PREFIX6}111", who="again")
    known_as("moves", 4, "192.168.100.111")
    known_as("moves", 6, f"{PREFIX6}111")
    eventually(lambda: not lab.problems("moves.json"), 3, "no problem any more")
    m.close()
    lab.undefine("moves.json")
    undisturbed()


@needs(UP)
def test_an_ipv6_outside_of_the_labs_network_is_not_used_anywhere_and_a_warning_says_so():
    lab.define("abroad", mac="52:54:00:ad:05:01", ip="192.168.100.115", ipv6="fd00:cafe::15")
    lab.define("ours", mac="52:54:00:ad:05:02", ipv6=f"{PREFIX6}1")
    for file, address in ("abroad.json", "fd00:cafe::15"), ("ours.json", f"{PREFIX6}1"):
        problem = eventually(lambda: lab.problems(file), 3, f"a problem of {file}")[0]
        check(problem["warning"] and problem["line"] > 1 and address in problem["text"], str(problem))
    vm = lab.wait_vm("abroad")
    check_equal((vm["ipv6"], vm["ip"]), (None, "192.168.100.115"), "addresses in the API")
    check("cafe" not in lab.exec("cat", "/run/vm_watcher/dhcp-hosts", "/run/vm_watcher/dns-hosts").stdout,
        "it is in dnsmasq's files")
    lab.undefine("abroad.json")
    lab.undefine("ours.json")


@needs(UP)
def test_a_static_address_that_the_definitions_network_config_sets_is_where_dns_and_the_api_see_the():
    """A static address that the definition's network_config sets is where DNS and the API see the machine."""
    m = Machine("52:54:00:ad:06:01")
    static = "192.168.100.117"
    lab.define("static", mac=m.mac, arch="amd64", distro="debian-13", network_config={"version": 2, "ethernets": {
        "lan": {"match": {"macaddress": m.mac}, "addresses": [f"{static}/24"]}}})
    wait_hosts(m.mac)
    boots(m)
    leased = m.v4()
    says(m, leased, f"/report/{m.mac}", {"phase": "report", "status": "done"})
    known_as("static", 4, leased)
    says(m, static, f"/report/{m.mac}?phase=ready", b"instance_id=i&hostname=static&pub_key_ed25519=")
    known_as("static", 4, static)
    boots(m)  # its firmware gets a lease again: the system has its own address all the same
    known_as("static", 4, static)
    check(not lab.problems("static.json"), str(lab.problems("static.json")))
    lab.define("static", mac=m.mac, ip="192.168.100.118", arch="amd64", distro="debian-13",
        network_config={"version": 2, "ethernets": {"lan": {"match": {"macaddress": m.mac},
            "addresses": [f"{static}/24"]}}})
    problem = eventually(lambda: [p for p in lab.problems("static.json") if static in p["text"] and "192.168.100.118" in p["text"]],
        3, "a problem that names both")[0]
    check(problem["warning"], str(problem))
    m.close()
    lab.undefine("static.json")
    undisturbed()


def says(machine, address, path, body):
    with machine.client.inside():
        run(["ip", "addr", "replace", f"{address}/24", "dev", "eth0"])
        answer = http_client.request(SERVER, path, method="POST", body=body)
        run(["ip", "addr", "del", f"{address}/24", "dev", "eth0"])
    check_equal(answer.status, 204, f"{path} from {address}: {answer.text[:200]}; status")


def stack_log():
    done = docker("logs", lab.stack, check_rc=False)
    return done.stdout + done.stderr


def lease_events(name):
    events = lab.api(f"/api/v1/events?vm={name}&limit=1000")["events"]
    return [(e["id"], e["kind"], e["text"]) for e in events if e["kind"] in ("dhcp", "lease")]


@needs(UP)
def test_dnsmasq_tells_its_leases_again_and_again_none_of_that_is_an_event():
    m = Machine("52:54:00:ad:08:01")
    lab.define("calm", mac=m.mac, ip="192.168.100.125", ipv6=f"{PREFIX6}125")
    wait_hosts(m.mac)
    gets(m, 4, "192.168.100.125")
    gets(m, 6, f"{PREFIX6}125")
    known_as("calm", 6, f"{PREFIX6}125")
    time.sleep(2.1)  # within that time not even a new lease is another event
    eventually(lambda: len(lease_events("calm")) >= 2, 15, "its leases are events")
    before = lease_events("calm")
    for _ in range(3):
        lab.exec("sh", "-c", "kill -HUP $(cat /run/dnsmasq/dnsmasq.pid)")
        time.sleep(0.5)
    check_equal(lease_events("calm"), before, "events of leases after three times")
    m.close()
    lab.undefine("calm.json")
    undisturbed()


@needs(UP)
def test_who_declines_again_and_again_is_slowed_down_which_is_said_once_nobody_else_notices():
    m, other = Machine("52:54:00:ad:09:01"), Machine("52:54:00:ad:09:02")
    lab.define("declines", mac=m.mac, ip="192.168.100.131")
    lab.define("steady", mac=other.mac, ip="192.168.100.132")
    wait_hosts(m.mac, other.mac)
    gets(other, 4, "192.168.100.132")
    reads = lambda: stack_log().count("read /run/vm_watcher/dhcp-hosts")
    count, said = reads(), stack_log().count("again and again")
    began = time.monotonic()
    while time.monotonic() - began < 10:
        forge_decline(m.mac, "192.168.100.131")
        time.sleep(0.2)
    # Four at once, one a second, then after 1, 2, 4 seconds; fewer where that has begun before.
    check(reads() - count <= 7, f"dnsmasq read its files {reads() - count} times in 10 s")
    check(said <= 1 and stack_log().count("again and again") == 1, "it is not said once")
    check_equal(len(lease_events("steady")), 1, f"events of the other one {lease_events('steady')}")
    gets(other, 4, "192.168.100.132")
    m.close()
    other.close()
    lab.undefine("declines.json")
    lab.undefine("steady.json")
    undisturbed()


@needs(UP)
def test_after_vm_watcher_died_a_lease_in_the_way_is_dropped_all_the_same():
    m, old = Machine("52:54:00:ad:07:01"), Machine("52:54:00:ad:07:02")
    lab.define("before", mac=old.mac, ip="192.168.100.119")
    wait_hosts(old.mac)
    gets(old, 4, "192.168.100.119")
    watcher = lab.pids()["vm_watcher"]
    for pid in watcher:
        os.kill(pid, 9)
    eventually(lambda: (p := lab.pids()["vm_watcher"]) and p != watcher, 5, "vm_watcher is back")
    time.sleep(1)
    same_dnsmasq()  # nothing was in the way
    lab.undefine("before.json")
    wait_hosts(absent=[old.mac])
    lab.define("after", mac=m.mac, ip="192.168.100.119")
    wait_hosts(m.mac)
    gets(m, 4, "192.168.100.119", seconds=12)
    leases = lab.exec("cat", "/state/dnsmasq/leases").stdout
    check(all(f" {a} " in leases for a in state["bystanders"]), f"a lease that is in nobody's way is gone:\n{leases}")


def while_away(what):
    """vm_watcher is not there while that happens, and starts again."""
    watcher = lab.pids()["vm_watcher"]
    for pid in watcher:
        os.kill(pid, signal.SIGSTOP)
    what()
    time.sleep(0.2)  # dnsmasq has taken it
    for pid in watcher:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: (p := lab.pids()["vm_watcher"]) and p != watcher, 5, "vm_watcher is back")


@needs(UP)
def test_what_happened_while_vm_watcher_was_away_is_seen_to_as_soon_as_it_is_back():
    declines, claims, who = (Machine(f"52:54:00:ad:0a:{i:02x}") for i in (1, 2, 3))
    lab.define("declines", mac=declines.mac, ip="192.168.100.140")
    wait_hosts(declines.mac)
    gets(declines, 4, "192.168.100.140")
    taken = who.get(4)
    check(taken, "the stranger gets no address")
    time.sleep(1.2)  # what it was told of is done
    while_away(lambda: forge_decline(declines.mac, "192.168.100.140"))
    time.sleep(1)
    check_equal(declines.get(4), "192.168.100.140", "what the first one to ask is given")
    while_away(lambda: lab.define("claims", mac=claims.mac, ip=taken))
    gets(claims, 4, taken, seconds=6)
