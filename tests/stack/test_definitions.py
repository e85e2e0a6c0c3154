"""vms/ while it runs: files that come, change, collide and go."""
import time

from kit import dhcp, dns
from kit.check import check, check_equal, eventually
from kit.lab import SERVER
from kit.scope import needs
from kit.stack_lab import ADDED, ALPHA, installs, lines_of


def test_a_definition_added_while_running_dhcp_dns_and_ipxe_within_3_s(lab):
    lab.define("late", mac=ADDED, ip="192.168.100.20")
    began = time.monotonic()
    eventually(lambda: (o := lab.offer(lab.machine, ADDED, timeout=1)) and o.yiaddr == "192.168.100.20", 3,
        "DHCP offers 192.168.100.20")
    with lab.machine.inside():
        eventually(lambda: dns.ask(SERVER, "late.pvmlab.local") == (0, ["192.168.100.20"]), 3, "DNS knows late")
    eventually(lambda: installs(lab.ipxe(ADDED)), 3, "iPXE installs late")
    print(f"new answers after {time.monotonic() - began:.2f} s")


ADDING = test_a_definition_added_while_running_dhcp_dns_and_ipxe_within_3_s


@needs(ADDING)
def test_a_changed_address_is_answered_within_3_s_also_to_a_machine_that_holds_the_old_lease(lab):
    mac = "52:54:00:7e:57:22"
    lab.define("mover", mac=mac, ip="192.168.100.22")
    eventually(lambda: (o := lab.offer(lab.machine, mac, timeout=1)) and o.yiaddr == "192.168.100.22", 3,
        "DHCP offers 192.168.100.22")
    with lab.machine.inside():
        c = dhcp.Client()
        check(c.acquire(mac), "no lease")
        c.close()
    lab.define("mover", mac=mac, ip="192.168.100.23")
    eventually(lambda: (o := lab.offer(lab.machine, mac, timeout=1)) and o.yiaddr == "192.168.100.23", 3,
        "DHCP offers 192.168.100.23")
    with lab.machine.inside():
        check_equal(dns.ask(SERVER, "mover.pvmlab.local")[1], ["192.168.100.22"], "what it still has, by DNS")
        c = dhcp.Client()
        check(c.acquire(mac), "no lease")
        c.close()
        eventually(lambda: dns.ask(SERVER, "mover.pvmlab.local")[1] == ["192.168.100.23"], 3, "DNS knows the new address")
    lab.undefine("mover.json")
    eventually(lambda: lab.vm("mover") is None, 3, "mover is gone")


@needs(ADDING)
def test_a_half_written_file_keeps_its_last_good_definition_file_line_and_column_are_named(lab):
    lab.write("late.json", '{\n  "name": "late",\n  "mac": "52:54:00')
    problem = eventually(lambda: lab.problems("late.json"), 3, "a problem of late.json")[0]
    check(problem["line"] >= 2 and problem["column"] >= 1, str(problem))
    check(problem["serving_last_good"], str(problem))
    check(installs(lab.ipxe(ADDED)), "late is gone")
    check(lab.vm("pvm") and lab.vm("late"), "other machines suffer")
    offer = lab.offer(lab.machine, ADDED)
    check(offer and offer.yiaddr.startswith("192.168.100.2"), f"DHCP: {offer and offer.yiaddr}")
    lab.define("late", mac=ADDED, ip="192.168.100.20")
    eventually(lambda: not lab.problems("late.json"), 3, "the problem is gone")


@needs(ADDING)
def test_two_files_with_one_mac_ip_or_name_the_newcomer_is_refused_both_are_named(lab):
    for what, fields in (("mac", {"name": "thief", "mac": ALPHA}),
            ("ip", {"name": "thief", "mac": "52:54:00:7e:57:31", "ip": "192.168.100.10"}),
            ("name", {"name": "alpha", "mac": "52:54:00:7e:57:31"})):
        name = fields.pop("name")
        lab.define(name, file="thief.json", **fields)
        problem = eventually(lambda: lab.problems("thief.json"), 3, f"a problem of thief.json ({what})")[0]
        check("alpha.json" in problem["text"], f"{what}: the holder is not named: {problem}")
        check(not problem["warning"], str(problem))
        check_equal(lab.vm("alpha")["mac"], ALPHA, f"{what}: alpha's MAC")
        check(lab.vm("thief") is None, f"{what}: thief is served")
        check_equal(lab.offer(lab.machine, ALPHA).yiaddr, "192.168.100.10", f"{what}: alpha's offer")
        lab.undefine("thief.json")
        eventually(lambda: not lab.problems("thief.json"), 3, "the problem is gone")


@needs(ADDING)
def test_a_definition_removed_gone_from_dhcp_dns_ipxe_and_the_api_within_3_s(lab):
    lab.undefine("late.json")
    eventually(lambda: lab.vm("late") is None, 3, "late is gone from the API")
    eventually(lambda: not lines_of(lab.ipxe(ADDED), "kernel"), 3, "iPXE waits")
    with lab.machine.inside():
        eventually(lambda: dns.ask(SERVER, "late.pvmlab.local")[0] == dns.NXDOMAIN, 3, "DNS knows no late")
    hosts = lab.exec("cat", "/run/vm_watcher/dhcp-hosts", "/run/vm_watcher/dns-hosts").stdout
    check(ADDED not in hosts.lower() and "late" not in hosts, f"still in the hosts files:\n{hosts}")


def test_a_burst_of_200_files_all_served_within_5_s_dnsmasq_signalled_a_few_times(lab):
    for i in range(200):
        lab.define(f"burst{i}", mac=f"52:54:00:b0:00:{i:02x}", ip=f"192.168.100.{20 + i % 100}" if i < 100 else "")
    eventually(lambda: len(lab.api("/api/v1/vms")["vms"]) >= 207, 5, "all of them in the API")
    eventually(lambda: lab.exec("cat", "/run/vm_watcher/dhcp-hosts").stdout.count("52:54:00:b0:00:") == 200, 5,
        "all of them in dhcp-hosts")
    offer = eventually(lambda: lab.offer(lab.machine, "52:54:00:b0:00:50", timeout=1), 3, "an offer")
    check_equal(offer.yiaddr, "192.168.100.100", "the address of number 80")
    for i in range(200):
        lab.undefine(f"burst{i}.json")
    eventually(lambda: len(lab.api("/api/v1/vms")["vms"]) == 7, 5, "all of them gone")


def test_every_daemon_is_still_the_process_that_it_was(lab):
    lab.same_processes()
