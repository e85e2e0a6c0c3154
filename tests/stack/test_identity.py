"""The address that a machine is said to have is the one it has, by whatever name and identity it asks."""
import time

from kit import dhcp6, dns
from kit.address_lab import PREFIX6, declared
from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.lab import SERVER

NAMES = ["10m", "600", "1h", "5d", "2w", "30s", "infinite", "ignore", "id", "net", "set", "tag", "0", "00", "0x10",
    "deadbeef", "a", "1e3", "option", "known", "null", "true", "no", "127", "fd00", "11-22-33-44-55-66"]


def test_name_and_mac_alone_one_address_for_firmware_installer_and_system(addr):
    """Name and MAC alone: one address for firmware, installer and system, however they call themselves."""
    m = addr.card("52:54:00:ad:02:01")
    addr.define("small", mac=m.mac)
    addr.wait_hosts(m.mac)
    with m.client.inside():
        first = m.firmware()  # firmware: PXE, no client identifier
    seen = {"udhcpc": m.v4(), "none": m.v4("-C"),
        "DUID": m.v4("-x", "0x3d:ff56504d980002000000ab11aabbccddeeff00"), "text": m.v4("-x", "0x3d:00616263")}
    check_equal(set(seen.values()), {first}, f"addresses {seen}")
    addr.known_as("small", 4, first)
    m.close()
    addr.undefine("small.json")
    addr.undisturbed()


def test_an_ip_that_is_taken_out_of_its_file_from_then_on_one_other_address_for_all(addr):
    m = addr.card("52:54:00:ad:02:09")
    addr.define("late", mac=m.mac, ip=declared(4, 59), ipv6=declared(6, 0x59))
    addr.wait_hosts(m.mac)
    system = ("-x", "0x3d:ff56504d980002000000ab11aabbccddeeff00")
    with m.client.inside():
        check_equal(m.firmware(), declared(4, 59), "firmware's address while it is declared")
    check_equal((m.v4(), m.v4(*system)), (declared(4, 59),) * 2, "installer's and system's while it is declared")
    m.v6(dhcp6.duid_en(m.mac + "old"))
    addr.define("late", mac=m.mac, ipv6=declared(6, 0x59))
    eventually(lambda: declared(4, 59) not in addr.exec("cat", "/run/vm_watcher/dhcp-hosts").stdout, 5, "the file is read")
    ask_boot = lambda: addr.get(f"/ipxe?mac={m.mac}", from_lab=True)
    with m.client.inside():
        first = m.firmware()
    ask_boot()
    installer = m.v4()
    with m.client.inside():
        again = m.firmware()
    ask_boot()
    time.sleep(1)
    m.v6(dhcp6.duid_en(m.mac + "new"))
    check_equal((installer, again, m.v4(*system)), (first,) * 3, f"addresses after {first}")
    addr.known_as("late", 4, first)
    m.close()
    addr.undefine("late.json")
    addr.undisturbed()


def test_every_legal_name_is_a_name_to_dnsmasq_none_is_read_as_a_time_a_number_or_a_word(addr):
    for i, name in enumerate(NAMES):
        addr.define(name, mac=f"52:54:00:ad:03:{i:02x}", **({"ip": f"192.168.100.{60 + i}"} if i % 2 else {}))
    addr.wait_hosts(f"52:54:00:ad:03:{len(NAMES) - 1:02x}")
    problems = [p for p in addr.problems() if not p["warning"]]
    check(not problems, str(problems))
    wrong = []
    for i, name in enumerate(NAMES):
        reply = addr.ask(f"52:54:00:ad:03:{i:02x}", timeout=8)
        check(reply, f"{name}: no lease")
        with addr.asks.inside():
            answer = eventually(lambda: (a := dns.ask(SERVER, f"{name}.pvmlab.local"))[1] and a, 3, f"{name} is known to DNS")
        seconds = int.from_bytes(reply.options.get(51, b""), "big")
        if (reply.hostname, answer, seconds) != (name, (0, [reply.yiaddr]), 3600):
            wrong.append((name, reply.hostname, answer, reply.yiaddr, seconds))
    check(not wrong, f"name, host name, DNS, address, lease: {wrong}")
    text = docker("logs", addr.stack, check_rc=False)
    complaints = [l for l in (text.stdout + text.stderr).splitlines() if "bad " in l or "Ignoring domain" in l]
    check(not complaints, str(complaints[:3]))
    for name in NAMES:
        addr.undefine(f"{name}.json")
    addr.wait_hosts(absent=["52:54:00:ad:03:"])
    addr.undisturbed()


def test_a_machine_that_had_its_lease_before_its_definition_is_known_by_it(addr):
    m = addr.card("52:54:00:ad:02:02")
    leased = m.get(4)
    check(leased, "no lease")
    addr.define("late", mac=m.mac)
    addr.known_as("late", 4, leased)
    m.close()
    addr.undefine("late.json")
    addr.undisturbed()


def test_an_address_other_than_the_declared_one_is_told_by_dns_and_the_api_and_a_problem_names_both(addr):
    m = addr.card("52:54:00:ad:04:01")
    addr.define("moves", mac=m.mac, ip="192.168.100.110", ipv6=f"{PREFIX6}110")
    addr.wait_hosts(m.mac)
    addr.gets(m, 4, "192.168.100.110")
    addr.gets(m, 6, f"{PREFIX6}110")
    check(not addr.problems("moves.json"), str(addr.problems("moves.json")))
    addr.define("moves", mac=m.mac, ip="192.168.100.111", ipv6=f"{PREFIX6}111")
    addr.wait_vm("moves", 3, lambda vm: vm["declared_ip"] == "192.168.100.111", "declares the new address")
    addr.known_as("moves", 4, "192.168.100.110")  # it has not asked again
    addr.known_as("moves", 6, f"{PREFIX6}110")
    problems = eventually(lambda: (p := addr.problems("moves.json")) and len(p) == 2 and p, 3, "two problems")
    for problem, pair in zip(problems, (("192.168.100.111", "192.168.100.110"), (f"{PREFIX6}111", f"{PREFIX6}110"))):
        check(problem["warning"] and all(a in problem["text"] for a in pair), str(problem))
    addr.gets(m, 4, "192.168.100.111")
    addr.boots(m)
    addr.gets(m, 6, f"{PREFIX6}111", who="again")
    addr.known_as("moves", 4, "192.168.100.111")
    addr.known_as("moves", 6, f"{PREFIX6}111")
    eventually(lambda: not addr.problems("moves.json"), 3, "no problem any more")
    m.close()
    addr.undefine("moves.json")
    addr.undisturbed()


def test_an_ipv6_outside_of_the_labs_network_is_not_used_anywhere_and_a_warning_says_so(addr):
    addr.define("abroad", mac="52:54:00:ad:05:01", ip="192.168.100.115", ipv6="fd00:cafe::15")
    addr.define("ours", mac="52:54:00:ad:05:02", ipv6=f"{PREFIX6}1")
    for file, address in ("abroad.json", "fd00:cafe::15"), ("ours.json", f"{PREFIX6}1"):
        problem = eventually(lambda: addr.problems(file), 3, f"a problem of {file}")[0]
        check(problem["warning"] and problem["line"] > 1 and address in problem["text"], str(problem))
    vm = addr.wait_vm("abroad")
    check_equal((vm["ipv6"], vm["ip"]), (None, "192.168.100.115"), "addresses in the API")
    check("cafe" not in addr.exec("cat", "/run/vm_watcher/dhcp-hosts", "/run/vm_watcher/dns-hosts").stdout,
        "it is in dnsmasq's files")
    addr.undefine("abroad.json")
    addr.undefine("ours.json")


def test_a_static_address_that_the_definitions_network_config_sets_is_where_dns_and_the_api_see_the(addr):
    """A static address that the definition's network_config sets is where DNS and the API see the machine."""
    m = addr.card("52:54:00:ad:06:01")
    static = "192.168.100.117"
    addr.define("static", mac=m.mac, arch="amd64", distro="debian-13", network_config={"version": 2, "ethernets": {
        "lan": {"match": {"macaddress": m.mac}, "addresses": [f"{static}/24"]}}})
    addr.wait_hosts(m.mac)
    addr.boots(m)
    leased = m.v4()
    addr.says(m, leased, f"/report/{m.mac}", {"phase": "report", "status": "done"})
    addr.known_as("static", 4, leased)
    addr.says(m, static, f"/report/{m.mac}?phase=ready", b"instance_id=i&hostname=static&pub_key_ed25519=")
    addr.known_as("static", 4, static)
    addr.boots(m)  # its firmware gets a lease again: the system has its own address all the same
    addr.known_as("static", 4, static)
    check(not addr.problems("static.json"), str(addr.problems("static.json")))
    addr.define("static", mac=m.mac, ip="192.168.100.118", arch="amd64", distro="debian-13",
        network_config={"version": 2, "ethernets": {"lan": {"match": {"macaddress": m.mac},
            "addresses": [f"{static}/24"]}}})
    problem = eventually(lambda: [p for p in addr.problems("static.json") if static in p["text"] and "192.168.100.118" in p["text"]],
        3, "a problem that names both")[0]
    check(problem["warning"], str(problem))
    m.close()
    addr.undefine("static.json")
    addr.undisturbed()
