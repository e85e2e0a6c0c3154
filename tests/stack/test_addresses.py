"""The declared machine gets its address at once, whoever holds it and whatever a client calls itself."""
import time

import pytest

from kit import dhcp6
from kit.address_lab import declared
from kit.check import check, check_equal


def test_the_stack_starts_with_two_bystanders_who_keep_their_leases(addr):
    check(all(addr.bystanders), f"no lease: {addr.bystanders}")
    addr.undisturbed()


def mac(n):
    return f"52:54:00:ad:01:{n:02x}"


def new_file(addr, family, n):
    """`vmlab rm`, the file removed, and a new file with the freed address."""
    old, new = addr.card(mac(n)), addr.card(mac(n + 1))
    addr.define_at("gone", old.mac, family, n)
    addr.wait_hosts(old.mac)
    addr.gets(old, family, declared(family, n))
    addr.undefine("gone.json")
    addr.wait_hosts(absent=[old.mac])
    addr.define_at("fresh", new.mac, family, n)
    addr.wait_hosts(new.mac)
    addr.gets(new, family, declared(family, n))
    addr.known_as("fresh", family, declared(family, n))
    return [old, new], ["fresh"]


def changed_mac(addr, family, n):
    old, new = addr.card(mac(n)), addr.card(mac(n + 1))
    addr.define_at("changed", old.mac, family, n)
    addr.wait_hosts(old.mac)
    addr.gets(old, family, declared(family, n))
    addr.define_at("changed", new.mac, family, n)
    addr.wait_hosts(new.mac, absent=[old.mac])
    if family == 6:  # what the old card got was the machine's: its new card comes with a network boot
        addr.boots(new)
    addr.gets(new, family, declared(family, n))
    addr.known_as("changed", family, declared(family, n))
    check(old.get(family) != declared(family, n), "the old card gets it as well")
    return [old, new], ["changed"]


def swapped(addr, family, n):
    a, b = addr.card(mac(n)), addr.card(mac(n + 1))
    addr.define_at("left", a.mac, family, n)
    addr.define_at("right", b.mac, family, n + 1)
    addr.wait_hosts(a.mac, b.mac)
    addr.gets(a, family, declared(family, n))
    addr.gets(b, family, declared(family, n + 1))
    addr.write(".left", "")  # both at once, as an editor's "save all"
    addr.define_at("left", a.mac, family, n + 1, role="swapped")
    addr.define_at("right", b.mac, family, n, role="swapped")
    key = "declared_ip" if family == 4 else "declared_ipv6"
    addr.wait_vm("left", 3, lambda vm: vm[key] == declared(family, n + 1), "declares the other address")
    addr.gets(a, family, declared(family, n + 1))
    addr.gets(b, family, declared(family, n))
    addr.known_as("left", family, declared(family, n + 1))
    addr.known_as("right", family, declared(family, n))
    return [a, b], ["left", "right"]


def stranger(addr, family, n):
    """Nobody declared it, and it got from the range what a new file then claims."""
    who, machine = addr.card(mac(n)), addr.card(mac(n + 1))
    address = who.get(family)
    check(address, "the stranger gets no address")
    addr.define("claims", mac=machine.mac, **{"ip" if family == 4 else "ipv6": address})
    addr.wait_hosts(machine.mac)
    addr.gets(machine, family, address)
    addr.known_as("claims", family, address)
    other = who.get(family)
    check(other and other != address, f"the stranger has {other}")
    addr.gets(machine, family, address)
    return [who, machine], ["claims"]


def unclean_end(addr, family, n):
    """Powered off in the midst of things, installed again: another client identifier and DUID."""
    machine = addr.card(mac(n))
    addr.define_at("unclean", machine.mac, family, n)
    addr.wait_hosts(machine.mac)
    addr.gets(machine, family, declared(family, n))
    addr.boots(machine)
    if family == 4:
        for client_id in ("ff000000010002000000ab01020304", "00766d6c6162", "01525400ffffff"):
            check_equal(machine.v4("-x", f"0x3d:{client_id}"), declared(4, n), f"as {client_id}")
        check_equal(machine.v4("-C"), declared(4, n), "without a client identifier")
    else:
        addr.gets(machine, 6, declared(6, n), who="installed again", seconds=1)
    addr.known_as("unclean", family, declared(family, n))
    return [machine], ["unclean"]


def decline(addr, family, n):
    """A forged DECLINE, with the lease and without, takes nobody's address away."""
    machine = addr.card(mac(n))
    addr.define_at("declined", machine.mac, family, n)
    addr.wait_hosts(machine.mac)
    if family == 4:
        addr.forge_decline(machine.mac, declared(4, n))
        time.sleep(1.2)
        addr.gets(machine, 4, declared(4, n), seconds=3)
        for _ in range(3):
            addr.forge_decline(machine.mac, declared(4, n))
        time.sleep(1.2)
        addr.gets(machine, 4, declared(4, n), seconds=3)
    else:
        address, c = machine.v6(dhcp6.duid_en("declines"))
        check_equal(address, declared(6, n), "the first address")
        with machine.client.inside():
            check(c.decline(address), "no answer to the DECLINE")
        addr.gets(machine, 6, declared(6, n), who="after it")
    addr.known_as("declined", family, declared(family, n))
    return [machine], ["declined"]


CASES = {"new file": new_file, "changed MAC": changed_mac, "swapped": swapped, "stranger": stranger,
    "unclean end": unclean_end, "decline": decline}


@pytest.mark.parametrize("family", (4, 6))
@pytest.mark.parametrize("what", CASES)
def test_the_declared_machine_gets_its_address_at_once(addr, what, family):
    machines, names = CASES[what](addr, family, 20 + list(CASES).index(what) * 4 + (family == 6) * 2)
    for machine in machines:
        machine.close()
    for name in names:
        addr.undefine(f"{name}.json")
    addr.wait_hosts(absent=[m.mac for m in machines])
    addr.undisturbed()
