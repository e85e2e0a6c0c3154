"""Leases that are told again, declined, or changed while vm_watcher is away."""
import os
import signal
import time

from kit.address_lab import PREFIX6
from kit.check import check, check_equal, eventually
from kit.command import docker


def test_dnsmasq_tells_its_leases_again_and_again_none_of_that_is_an_event(addr):
    m = addr.card("52:54:00:ad:08:01")
    addr.define("calm", mac=m.mac, ip="192.168.100.125", ipv6=f"{PREFIX6}125")
    addr.wait_hosts(m.mac)
    addr.gets(m, 4, "192.168.100.125")
    check("extern_learn" in addr.exec("ip", "neigh", "show", "192.168.100.125").stdout, "it counts among the host's 1,024 neighbours")
    addr.gets(m, 6, f"{PREFIX6}125")
    addr.known_as("calm", 6, f"{PREFIX6}125")
    time.sleep(2.1)  # within that time not even a new lease is another event
    eventually(lambda: len(addr.lease_events("calm")) >= 2, 15, "its leases are events")
    before = addr.lease_events("calm")
    for _ in range(3):
        addr.exec("sh", "-c", "kill -HUP $(cat /run/dnsmasq/dnsmasq.pid)")
        time.sleep(0.5)
    check_equal(addr.lease_events("calm"), before, "events of leases after three times")
    m.close()
    addr.undefine("calm.json")
    addr.undisturbed()


def test_who_declines_again_and_again_is_slowed_down_which_is_said_once_nobody_else_notices(addr):
    m, other = addr.card("52:54:00:ad:09:01"), addr.card("52:54:00:ad:09:02")
    addr.define("declines", mac=m.mac, ip="192.168.100.131")
    addr.define("steady", mac=other.mac, ip="192.168.100.132")
    addr.wait_hosts(m.mac, other.mac)
    addr.gets(other, 4, "192.168.100.132")
    reads = lambda: addr.stack_log().count("read /run/vm_watcher/dhcp-hosts")
    count, said = reads(), addr.stack_log().count("again and again")
    began = time.monotonic()
    while time.monotonic() - began < 10:
        addr.forge_decline(m.mac, "192.168.100.131")
        time.sleep(0.2)
    # Four at once, one a second, then after 1, 2, 4 seconds; fewer where that has begun before.
    check(reads() - count <= 7, f"dnsmasq read its files {reads() - count} times in 10 s")
    check(said <= 1 and addr.stack_log().count("again and again") == 1, "it is not said once")
    check_equal(len(addr.lease_events("steady")), 1, f"events of the other one {addr.lease_events('steady')}")
    addr.gets(other, 4, "192.168.100.132")
    m.close()
    other.close()
    addr.undefine("declines.json")
    addr.undefine("steady.json")
    addr.undisturbed()


def test_after_vm_watcher_died_a_lease_in_the_way_is_dropped_all_the_same(addr):
    m, old = addr.card("52:54:00:ad:07:01"), addr.card("52:54:00:ad:07:02")
    addr.define("before", mac=old.mac, ip="192.168.100.119")
    addr.wait_hosts(old.mac)
    addr.gets(old, 4, "192.168.100.119")
    watcher = addr.pids()["vm_watcher"]
    for pid in watcher:
        os.kill(pid, 9)
    eventually(lambda: (p := addr.pids()["vm_watcher"]) and p != watcher, 5, "vm_watcher is back")
    time.sleep(1)
    addr.same_dnsmasq()  # nothing was in the way
    addr.undefine("before.json")
    addr.wait_hosts(absent=[old.mac])
    addr.define("after", mac=m.mac, ip="192.168.100.119")
    addr.wait_hosts(m.mac)
    addr.gets(m, 4, "192.168.100.119", seconds=12)
    leases = addr.exec("cat", "/run/dnsmasq/leases").stdout
    check(all(f" {a} " in leases for a in addr.bystanders), f"a lease that is in nobody's way is gone:\n{leases}")


def while_away(addr, what):
    """vm_watcher is not there while that happens, and starts again."""
    watcher = addr.pids()["vm_watcher"]
    for pid in watcher:
        os.kill(pid, signal.SIGSTOP)
    what()
    time.sleep(0.2)  # dnsmasq has taken it
    for pid in watcher:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: (p := addr.pids()["vm_watcher"]) and p != watcher, 5, "vm_watcher is back")


def test_what_happened_while_vm_watcher_was_away_is_seen_to_as_soon_as_it_is_back(addr):
    declines, claims, who = (addr.card(f"52:54:00:ad:0a:{i:02x}") for i in (1, 2, 3))
    addr.define("declines", mac=declines.mac, ip="192.168.100.140")
    addr.wait_hosts(declines.mac)
    addr.gets(declines, 4, "192.168.100.140")
    taken = who.get(4)
    check(taken, "the stranger gets no address")
    time.sleep(1.2)  # what it was told of is done
    while_away(addr, lambda: addr.forge_decline(declines.mac, "192.168.100.140"))
    time.sleep(1)
    check_equal(declines.get(4), "192.168.100.140", "what the first one to ask is given")
    while_away(addr, lambda: addr.define("claims", mac=claims.mac, ip=taken))
    addr.gets(claims, 4, taken, seconds=6)


def test_leases_outlive_a_server_that_was_killed(addr):
    stranger = addr.card("52:54:00:ad:0b:01")
    address = stranger.get(4)
    lease = lambda: [line for line in addr.exec("cat", "/run/dnsmasq/leases").stdout.splitlines() if f" {address} " in line]
    held = eventually(lease, 3, f"the lease of {address} is known")
    check_equal(len(held), 1, f"leases of {address}")
    time.sleep(1)  # the copy is at most half a second old
    docker("kill", addr.stack)
    docker("start", addr.stack)
    addr.wait_serving()
    check_equal(lease(), held, "the lease after the server was killed")
    stranger.close()
    addr.dnsmasq = eventually(addr.lasting_dnsmasq, 10, "dnsmasq's processes stay the same")
