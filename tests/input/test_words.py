"""What a machine shows and what a user writes, taken for that and nothing else by the built
stack: fillers of vendors, and machines that are found by UUID or serial number with another card.

Needs the image pxeboot_stack:latest and ip(8). Run as root.
"""
import os
import re

import pytest

from kit import dhcp, http_client
from kit.check import check, check_equal, eventually, fail
from kit.command import docker, have_image
from kit.lab import SERVER, STACK_IMAGE, Lab
from kit.scope import Scope, needs

scope = Scope("words")
lab = Lab(scope, "words")
VM_IMAGE = os.environ.get("VM_IMAGE", "vmlab_vm:latest")
UUID = "0f0e0d0c-0b0a-4908-8706-050403020100"
SERIAL = "VMware-56 4d 1c 2b 7f 8e 55 aa, (rev;2) 100%"
MACS = {"byuuid": "52:54:00:3d:00:01", "byserial": "52:54:00:3d:00:02", "plain": "52:54:00:3d:00:03"}
CARDS = {"byuuid": "02:00:00:3d:00:11", "byserial": "02:00:00:3d:00:12"}
STRANGER = "02:00:00:3d:00:fe"
FILLERS = {"serial": ["Default string", "To Be Filled By O.E.M.", "System Serial Number", "None", "0123456789",
        "00000000", "Not Specified", "N/A", "XXXXXXXXXX"],
    "uuid": ["00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009"]}
client = None


def quoted(text):
    return "".join(c if c.isalnum() or c in "-." else f"%{ord(c):02x}" for c in text)


def ask(path):
    with client.inside():
        answer = http_client.request(SERVER, path)
    return answer


def ipxe(mac, **query):
    answer = ask(f"/ipxe?mac={mac}&arch=x86_64" + "".join(f"&{k}={quoted(v)}" for k, v in query.items()))
    check_equal(answer.status, 200, f"/ipxe for {mac} {query}: status")
    return answer.text


def acquire(mac, arch=None):
    with client.inside():
        c = dhcp.Client()
        try:
            return c.acquire(mac, **({"arch": arch} if arch is not None else {}))
        finally:
            c.close()


def test_the_stack_starts():
    global client
    if not have_image(STACK_IMAGE):
        fail(f"there is no image {STACK_IMAGE}: `make load` builds it")
    lab.make_image()
    lab.define("byuuid", mac=MACS["byuuid"], ip="192.168.100.21", ipv6="fd56:6d6c:6162::21", uuid=UUID)
    lab.define("byserial", mac=MACS["byserial"], ip="192.168.100.22", serial=SERIAL)
    lab.define("plain", mac=MACS["plain"], ip="192.168.100.23")
    lab.start()
    client = lab.client("client", cidr="192.168.100.99/24")


UP = test_the_stack_starts


@needs(UP)
def test_a_definition_with_what_vendors_leave_unset_is_refused_with_the_reason_and_where_it_stands():
    for field, values in FILLERS.items():
        for i, value in enumerate(values):
            lab.define(f"bad-{field}-{i}", mac=f"52:54:00:3d:{10 if field == 'uuid' else 11}:{i:02x}", **{field: value})
    for field, values in FILLERS.items():
        for i, value in enumerate(values):
            found = eventually(lambda: lab.problems(f"bad-{field}-{i}.json"), 5, f"{field} {value!r} is a problem")[0]
            check(found["line"] and "whose vendor set no" in found["text"], str(found))
            check(lab.vm(f"bad-{field}-{i}") is None, f"{field} {value!r} is served")


@needs(UP)
def test_a_machine_that_shows_them_is_a_stranger():
    for field, values in FILLERS.items():
        for value in values:
            script = ipxe(STRANGER, **{field: value})
            check("initrd.mode" not in script and STRANGER in script, f"{field} {value!r} boots:\n{script}")


def shown(name):
    return {"uuid": UUID.upper()} if name == "byuuid" else {"serial": f"  {SERIAL}   "}


@needs(UP)
def test_a_machine_is_found_by_uuid_or_serial_with_another_card_and_all_is_made_for_that_card():
    for name, card in CARDS.items():
        pool = acquire(card, arch=7)  # its firmware: nobody knows it yet
        check(pool and pool.yiaddr != lab.vm(name)["ip"], f"{name}: firmware got {pool and pool.yiaddr}")
        script = ipxe(card, **shown(name))
        check(f"BOOTIF=01-{card.replace(':', '-')}" in script, f"{name}: BOOTIF is not the card's:\n{script}")
        check("initrd.mode=install" in script, script)
        check_equal(lab.vm(name)["nic"], card, f"{name}: the API's nic")
        check_equal(lab.vm(name)["mac"], MACS[name], f"{name}: the API's mac")


@needs(UP)
def test_such_a_machine_gets_its_declared_address_and_the_api_has_it():
    for name, card in CARDS.items():
        declared = {"byuuid": "192.168.100.21", "byserial": "192.168.100.22"}[name]
        eventually(lambda: (lambda a: a and a.yiaddr == declared)(acquire(card)), 10, f"{name} gets {declared}")
        lab.wait_vm(name, 5, lambda vm: vm["ip"] == declared, f"has {declared}")


def of_machine(name, path):
    """As that machine, from its declared address: others may not read it."""
    client.address(f"192.168.100.{21 if name == 'byuuid' else 22}/24")
    with client.inside():
        return http_client.request(SERVER, path,
            source=f"192.168.100.{21 if name == 'byuuid' else 22}")


@needs(UP)
def test_its_installers_configuration_and_its_network_config_are_the_cards():
    for name, card in CARDS.items():
        for mac in (MACS[name], card):
            answer = of_machine(name, f"/config/{mac}")
            check_equal(answer.status, 200, f"/config/{mac}: {answer.text[:200]}; status")
            check_equal(answer.json["mac"], card, "the configuration's mac")
            check(answer.json["report_url"].endswith(MACS[name]), answer.json["report_url"])
        answer = of_machine(name, f"/cloud-init/{name}/network-config")
        check_equal(answer.status, 200, f"{name}/network-config: {answer.text[:200]}; status")
        match = re.findall(r'"macaddress": "([^"]+)"', answer.text)
        check_equal(match, [card], f"{name}: network-config's MAC addresses")


@pytest.mark.long
@needs(UP)
def test_qemu_shows_that_serial_number_commas_and_all_and_firmware_asks_with_it():
    if not have_image(VM_IMAGE):
        fail(f"there is no image {VM_IMAGE}: `make load` builds it")
    name, card = lab.name + "-vm", "02:00:00:3d:00:13"
    scope.cleanup(lambda: docker("rm", "-f", "-v", name, check_rc=False))
    docker("run", "-d", "--name", name, "--network", f"container:{lab.net}", "--cap-add", "NET_ADMIN", "--device",
        "/dev/net/tun", "-e", "VM_NAME=other", "-e", f"VM_MAC={card}", "-e", f"VM_SERIAL={SERIAL}", "-e", "VM_ACCEL=tcg",
        "-e", "VM_MEMORY_MIB=512", "-e", "VM_NIC_ROM=ipxe", "-e", "VM_FIRMWARE=bios", VM_IMAGE)
    lab.wait_vm("byserial", 120, lambda vm: vm["nic"] == card, "asked with the VM's card")
    docker("rm", "-f", "-v", name)


@needs(UP)
def test_with_its_own_card_again_all_is_as_declared():
    ipxe(MACS["byuuid"], uuid=UUID)
    check_equal(lab.vm("byuuid")["nic"], None, "the API's nic")
    check(lab.vm("byserial")["nic"], "the other has its own card, too")
