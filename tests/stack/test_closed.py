"""What a lab refuses: to its own guests, to other containers and labs of this host, to a
network it is a guest on. Real clients ask the built image; each refusal stands beside what has to work.

Needs the image pxeboot_stack:latest, ip(8) and busybox. Run as root.
"""
import json
import os
import re
import select
import socket
import time

from kit import dhcp, dns, http_client, netns
from kit.check import check, check_equal, eventually, fail
from kit.command import docker, have_image, run
from kit.lab import SERVER, SERVER6, STACK_IMAGE, Lab
from kit.scope import Scope, needs

scope = Scope("closed")
lab = Lab(scope, access="own")
WEB, DB, CARD = "52:54:00:c1:05:01", "52:54:00:c1:05:02", "52:54:00:c1:05:77"
OUTSIDE = "203.0.113.5"  # stands for the Internet: an address of the container beside
who = {}


def guest(name, **kwargs):
    return lambda path, **more: inside(who[name], path, **dict(kwargs, **more))


def inside(client, path, host=SERVER, **kwargs):
    with client.inside():
        return http_client.request(host, path, timeout=kwargs.pop("timeout", 5), **kwargs)


def connects(space, host, port, timeout=0.8, source=None):
    """"open", or why not; `space`: a path of a network namespace."""
    with netns.inside(space):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
            s.settimeout(timeout)
            if source:
                s.bind((source, 0))
            try:
                s.connect((host, port))
            except socket.timeout:
                return "silence"
            except OSError as e:
                return os.strerror(e.errno)
            return "open"


def refused_from(client, path, what, **kwargs):
    answer = inside(client, path, **kwargs)
    check_equal(answer.status, 403, f"{what}: {answer.text[:200]!r}; status")
    check(answer.text.count("\n") == 1, f"{what}: not one sentence: {answer.text!r}")


def space_of(container):
    pid = docker("inspect", "-f", "{{.State.Pid}}", container).stdout.strip()
    return f"/proc/{pid}/ns/net"


def address_of(container):
    return docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container).stdout.strip()


def beside():
    """A container on the engine's bridge that serves HTTP on port 8000, as anyone's might."""
    name = f"{lab.name}-beside"
    docker("run", "-d", "--name", name, "--label", f"vmlab.lab={lab.name}", "--no-healthcheck", "--entrypoint",
        "/usr/bin/python3", STACK_IMAGE, "-m", "http.server", "8000", "--directory", "/srv/tftp")
    scope.cleanup(lambda: docker("rm", "-f", "-v", name, check_rc=False))
    return name


def test_a_lab_with_two_guests_another_container_beside_it_and_another_lab():
    if not have_image(STACK_IMAGE):
        fail(f"there is no image {STACK_IMAGE}: `make all` builds it, `docker load` brings it in")
    lab.make_image()
    lab.define("web", mac=WEB, ip="192.168.100.10", ipv6="fd56:6d6c:6162::10", serial="CLOSED-1",
        user_data="#cloud-config\npassword_of: web\n")
    lab.define("db", mac=DB, ip="192.168.100.11", ipv6="fd56:6d6c:6162::11")
    lab.start()
    for name, last in (("web", 10), ("db", 11)):
        who[name] = lab.client(scope, name, cidr=f"192.168.100.{last}/24")
        who[name].run(["ip", "addr", "add", f"fd56:6d6c:6162::{last}/64", "dev", "eth0", "nodad"])
        who[name].run(["ip", "route", "replace", "default", "via", SERVER])
    who["beside"] = beside()
    who["beside ip"] = address_of(who["beside"])
    with netns.inside(space_of(who["beside"])):
        for address in (OUTSIDE, "169.254.169.254"):
            run(["ip", "addr", "add", f"{address}/32", "dev", "eth0"])
        run(["ip", "route", "add", "192.168.100.0/24", "via", address_of(lab.net)])
    with lab.inside():
        for address in (OUTSIDE, "169.254.169.254"):
            run(["ip", "route", "add", f"{address}/32", "via", who["beside ip"]])
    eventually(lambda: connects(lab_space(), who["beside ip"], 8000) == "open", 10, "the container beside serves")


UP = test_a_lab_with_two_guests_another_container_beside_it_and_another_lab


def lab_space():
    return f"/proc/{lab.net_pid()}/ns/net"


# ---- a guest and its neighbours ------------------------------------------------------------------

@needs(UP)
def test_a_guest_reads_its_own_configuration_not_its_neighbours_and_reports_for_itself_only():
    own, paths = guest("web"), (f"/config/{WEB}", "/cloud-init/web/user-data", "/cloud-init/web/meta-data",
        "/cloud-init/web/vendor-data", "/cloud-init/web/network-config")
    for path in paths:
        check_equal(own(path).status, 200, f"web asks for {path}")
        refused_from(who["db"], path, f"db asks for {path}")
        refused_from(who["db"], path, f"db says it is web and asks for {path}", headers={
            "X-Real-IP": "192.168.100.10", "X-Forwarded-For": "192.168.100.10", "Forwarded": "for=192.168.100.10"})
        with lab.inside():
            check_equal(http_client.request(SERVER, path).status, 403, f"from the stack's own address: {path}")
    check("password_of" in own("/cloud-init/web/user-data").text, "web's user-data is not web's")
    for path, body in ((f"/report/{WEB}", {"phase": "report", "status": "done"}), (f"/report/{WEB}?phase=ready", b"a=b")):
        refused_from(who["db"], path, f"db reports to {path}", method="POST", body=body)
    check_equal(lab.vm("web")["state"], "declared", "web's state")
    refusals = eventually(lambda: [e for e in lab.api("/api/v1/events?vm=web")["events"] if e["kind"] == "refused"],
        3, "an event of the refusal")
    check_equal(refusals[0]["source"], "192.168.100.11", "who was refused")


@needs(UP)
def test_ipv6_the_same():
    if "fd56:6d6c:6162::1/" not in lab.exec("ip", "-6", "addr", "show", "dev", "lab0", check_rc=False).stdout:
        fail("lab0 has no IPv6 address")
    six = dict(host=SERVER6)
    check_equal(inside(who["web"], f"/config/{WEB}", source="fd56:6d6c:6162::10", **six).status, 200, "web over IPv6")
    refused_from(who["db"], f"/config/{WEB}", "db over IPv6", source="fd56:6d6c:6162::11", **six)
    refused_from(who["db"], "/cloud-init/web/user-data", "db over IPv6", source="fd56:6d6c:6162::11", **six)


@needs(UP)
def test_ipxe_from_elsewhere_shows_installs_nobody_and_changes_nothing_nor_does_head():
    before = lab.vm("web")
    script = inside(who["db"], f"/ipxe?mac={WEB}&arch=x86_64").text
    check("install" in script and "192.168.100.11" in script, f"does not say what and who: {script}")
    check(not re.search(r"^(kernel|initrd|boot|sanboot|imgfetch)\b", script, re.M), f"it would boot: {script}")
    check_equal(guest("web")(f"/ipxe?mac={WEB}", method="HEAD").status, 200, "HEAD")
    check_equal(inside(who["db"], f"/ipxe?mac={CARD}&serial=CLOSED-1").status, 200, "db claims web's serial number")
    for key in ("state", "attempt", "last_seen"):
        check_equal(lab.vm("web")[key], before[key], key)
    script = guest("web")(f"/ipxe?mac={WEB}&arch=x86_64").text
    check("initrd.mode=install" in script, f"web itself is not installed: {script}")
    check_equal(lab.vm("web")["state"], "booting", "web's state")
    sources = {e["source"] for e in lab.api("/api/v1/events?vm=web")["events"] if e["kind"] == "ipxe"}
    eventually(lambda: {e["source"] for e in lab.api("/api/v1/events?vm=web")["events"]
        if e["kind"] == "ipxe"} == {"192.168.100.10"}, 3, f"the source of the boot (seen: {sources})")


@needs(UP)
def test_known_by_its_serial_number_with_another_card_from_an_address_that_is_nobody_elses():
    """Known by its serial number with another card: from an address that is nobody else's, while its own is not there."""
    stranger = lab.client(scope, "card", cidr="192.168.100.150/24")
    script = inside(stranger, f"/ipxe?mac={CARD}&serial=CLOSED-1").text
    check("own card is there" in script and "initrd.mode" not in script, f"web has just asked itself: {script}")
    lab.define("metal", mac="52:54:00:c1:05:03", serial="CLOSED-2")
    eventually(lambda: lab.vm("metal"), 3, "metal is defined")
    refused_from(stranger, "/cloud-init/metal/user-data", "nobody has asked for it yet")
    check("initrd.mode=install" in inside(stranger, f"/ipxe?mac={CARD}&serial=CLOSED-2").text, "is not installed")
    check_equal(inside(stranger, f"/config/{CARD}").status, 200, "its configuration")
    refused_from(who["db"], f"/config/{CARD}", "db asks for it")
    lab.undefine("metal.json")
    stranger.close()


# ---- a guest and the world -----------------------------------------------------------------------

def reach(space=None):
    space = space or who["web"].path
    return {what: connects(space, host, 8000) for what, host in (("private", who["beside ip"]),
        ("link-local", "169.254.169.254"), ("Internet", OUTSIDE))}


def gateway():
    with lab.inside():
        return run(["ip", "-4", "route", "show", "default"]).stdout.split()[2]


@needs(UP)
def test_guests_reach_the_internet_and_no_private_or_link_local_address_of_the_host_and_its():
    """Guests reach the Internet, and no private or link-local address of the host and its neighbours."""
    found = reach()
    check_equal(found.pop("Internet"), "open", "an address of the Internet")
    for what, how in found.items():
        check(how not in ("open", "silence"), f"{what}: {how}, wanted a refusal at once")
    done = who["web"].run(["busybox", "ping", "-c", "1", "-W", "1", gateway()], check_rc=False)
    check(done.returncode != 0, "a guest pings the engine's gateway")
    check(connects(who["web"].path, gateway(), 22) not in ("open", "Connection refused"), "a guest reaches the host")
    # The lab itself, all the same: neighbours, and names of outside by the lab's DNS.
    check_equal(who["web"].run(["busybox", "ping", "-c", "1", "-W", "2", "192.168.100.11"]).returncode, 0, "a neighbour")
    with who["web"].inside():
        check_equal(dns.ask(SERVER, "db.pvmlab.local"), (0, ["192.168.100.11"]), "DNS")
    check_equal(connects(who["web"].path, SERVER, 8080), "silence", "the operator's port from the lab")


@needs(UP)
def test_lab_reach_one_private_address_besides_everything_nothing():
    for setting, wanted in ((f"internet,{who['beside ip']}", {"private": True, "link-local": False, "Internet": True}),
            ("all", {"private": True, "link-local": True, "Internet": True}),
            ("none", {"private": False, "link-local": False, "Internet": False})):
        docker("rm", "-f", lab.stack)
        lab.start_stack(env=[f"LAB_REACH={setting}"])
        lab.wait_serving()
        check_equal({k: v == "open" for k, v in reach().items()}, wanted, f"LAB_REACH={setting}")
    docker("rm", "-f", lab.stack)
    lab.start_stack()
    lab.wait_serving()


# ---- others on this host -------------------------------------------------------------------------

def shut(space, what):
    """Neither the stack nor a guest answers whoever is in that namespace, which has a route here."""
    uplink = address_of(lab.net)
    for host in (SERVER, uplink):
        for port in (53, 80, 8080):
            check_equal(connects(space, host, port, timeout=0.4), "silence", f"{what}: TCP {host}:{port}")
        with netns.inside(space):
            try:
                answer = dns.ask(host, "db.pvmlab.local", timeout=0.5, tries=1)
            except OSError:
                continue
        fail(f"{what}: {host} answers DNS: {answer}")
    with who["db"].inside():
        listener = socket.create_server(("192.168.100.11", 7777))
    with listener:
        check_equal(connects(who["web"].path, "192.168.100.11", 7777), "open", "a neighbour's port")
        check_equal(connects(space, "192.168.100.11", 7777), "silence", f"{what}: a guest's port")


@needs(UP)
def test_another_container_on_the_engines_bridge_reaches_neither_the_stack_nor_the_guests():
    shut(space_of(who["beside"]), "the container beside")


@needs(UP)
def test_a_guest_of_another_lab_on_this_host_even_of_one_without_limits_reaches_nothing_here():
    other = Lab(scope, "other", access="own")
    other.start(env=["LAB_CIDR=192.168.101.1/24", "LAB_CIDR6=off", "LAB_REACH=all"])
    stranger = other.client(scope, "stranger", cidr="192.168.101.10/24")
    stranger.run(["ip", "route", "replace", "default", "via", "192.168.101.1"])
    with other.inside():
        run(["ip", "route", "add", "192.168.100.0/24", "via", address_of(lab.net)])
    eventually(lambda: connects(stranger.path, who["beside ip"], 8000) == "open", 10, "its way out of its own lab")
    shut(stranger.path, "the other lab's guest")
    check_equal(connects(who["web"].path, address_of(other.net), 80), connects(who["web"].path, "10.255.0.1", 80),
        "this lab's guest to the other lab")
    other.remove()


# ---- a storm of loaders --------------------------------------------------------------------------

def read_at_once(count, name, timeout):
    """TFTP (RFC 1350) of one small file by `count` clients at the same time; returns how many got all of it."""
    request = b"\0\1" + name.encode() + b"\0octet\0"
    transfers = {}
    for _ in range(count):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setblocking(False)
        transfers[s.fileno()] = {"socket": s, "block": 0, "data": b"", "sent": 0, "peer": None, "done": False}
    poll = select.poll()
    for fd in transfers:
        poll.register(fd, select.POLLIN)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and not all(t["done"] for t in transfers.values()):
        for t in transfers.values():
            if not t["done"] and time.monotonic() - t["sent"] > 1:
                t["sent"] = time.monotonic()
                t["socket"].sendto(b"\0\4" + t["block"].to_bytes(2, "big") if t["peer"] else request,
                    t["peer"] or (SERVER, 69))
        for fd, _ in poll.poll(50):
            t = transfers[fd]
            try:
                packet, peer = t["socket"].recvfrom(2048)
            except OSError:
                continue
            if packet[:2] == b"\0\3" and int.from_bytes(packet[2:4], "big") == t["block"] + 1:
                t.update(peer=peer, block=t["block"] + 1, data=t["data"] + packet[4:], done=len(packet) < 516,
                    sent=time.monotonic())
                t["socket"].sendto(b"\0\4" + packet[2:4], peer)
    for t in transfers.values():
        t["socket"].close()
    return [t["data"] for t in transfers.values() if t["done"]]


@needs(UP)
def test_500_machines_read_autoexec_ipxe_at_once():
    began = time.monotonic()
    with who["web"].inside():
        got = read_at_once(500, "autoexec.ipxe", 30)
    check_equal(len(got), 500, "complete transfers")
    check_equal(len(set(got)), 1, "different contents")
    check(got[0].startswith(b"#!ipxe"), f"{got[0][:60]!r}")
    print(f"       {time.monotonic() - began:.1f} s", flush=True)
    tracked = lab.exec("cat", "/proc/sys/net/netfilter/nf_conntrack_count", check_rc=False).stdout.strip()
    check(not tracked or int(tracked) < 300, f"{tracked} connections are tracked: services were not to be")


# ---- what reaches a terminal ---------------------------------------------------------------------

ESCAPES = "\033[31m\033]0;owned\a\x9b31m\u202egnp.\u2066\x7f\x08"
STEERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f]")


def escaped():
    return "".join(f"%{b:02x}" for b in ESCAPES.encode())


@needs(UP)
def test_nothing_that_machines_send_steers_the_terminal_of_who_reads_the_log_or_the_api():
    evil = ESCAPES.encode().replace(b"\0", b"")
    headers = {"User-Agent": evil, "Referer": evil, "Cookie": evil}
    web = guest("web", headers=headers)
    with who["web"].inside():
        c = dhcp.Client()
        leased = c.acquire(DB, hostname=evil, timeout=4)
        check(leased and leased.kind == dhcp.ACK, f"no lease: {leased}")
        c.discover(CARD, hostname=b"x" + evil, user_class="iPXE", extra={60: evil}, timeout=2)
        c.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(2)
            s.sendto(b"\0\1autoexec.ipxe\0octet\0", (SERVER, 69))
            _, peer = s.recvfrom(2048)
            s.sendto(b"\0\5\0\0" + evil + b"\0", peer)
            s.sendto(b"\0\1" + evil + b"\0octet\0", (SERVER, 69))
        for path in (f"/ipxe?mac={CARD}&serial={escaped()}", f"/ipxe?mac={escaped()}", f"/images/{escaped()}/x",
                f"/images/{'a' * 300}", f"/cloud-init/{escaped()}/user-data", f"/config/{escaped()}"):
            text = http_client.request(SERVER, path, headers=headers).text
            check(not STEERS.search(text), f"{path}: answers {text!r}")
    web(f"/ipxe?mac={WEB}")
    answer = web(f"/report/{WEB}", method="POST", body=json.dumps({"phase": "plan", "status": "failed",
        "message": "disk " + ESCAPES, "hint": ESCAPES, "log": f"line 1 {ESCAPES}\nline 2"}).encode())
    check_equal(answer.status, 204, f"report: {answer.text}; status")
    lab.write("evil.json", json.dumps({"name": "evil", "mac": ESCAPES, ESCAPES: 1}))
    lab.write("torn.json", b'{"name": "\x1b[31m\x9b')
    eventually(lambda: len({p["file"] for p in lab.problems()}) == 2, 5, "the problems of both files")
    eventually(lambda: [e for e in lab.api("/api/v1/events?vm=db")["events"] if e["kind"] == "dhcp"], 5,
        "a lease event of db")
    # nginx, with its back to a service that is gone.
    pid = lab.pids()["boot_handler"][0]
    os.kill(pid, 9)
    for _ in range(20):
        try:
            web(f"/ipxe?mac={WEB}")
        except OSError:
            pass
    lab.wait_serving()
    vm = lab.vm("web")
    check("disk " in json.dumps(vm["error"]), f"the report is not there: {vm}")
    for text in [*map(str, vm["error"].values()), *(vm["log"] or ""), *(p["text"] for p in lab.problems())]:
        check(not STEERS.search(text), f"the API says {text!r}")
    done = docker("logs", lab.stack)
    for line in (done.stdout + done.stderr).split("\n"):
        check(not STEERS.search(line), f"the log says {line!r}")
    check("install failed vm=web" in done.stdout + done.stderr, "the failure is not in the log")
    for file in ("evil.json", "torn.json"):
        lab.undefine(file)


@needs(UP)
def test_dnsmasq_says_nothing_of_leases_that_come_and_go():
    text = docker("logs", lab.stack)
    for word in ("DHCPDISCOVER", "DHCPOFFER", "DHCPREQUEST", "DHCPACK", "not found for"):
        check(word not in text.stdout + text.stderr, f"{word} is in the log")
    check([e for e in lab.api("/api/v1/events?vm=db")["events"] if e["kind"] == "dhcp"], "no lease event of db")


# ---- a guest on somebody else's network ----------------------------------------------------------

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


@needs(UP)
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


@needs(UP)
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
