"""The agent in machines of many shapes: what its inventory says is what QEMU was given, field by field."""
import json
import os
import socket
import time

import pytest

from kit.check import check, check_equal, eventually
from kit.command import ROOT
from kit.netns import inside
from kit.scope import Scope
from kit.shape_vm import CARD_PORT, HEARING, SENDER_PORT, ShapeVm
from kit.shapes import FIRST_MAC, SHAPES, Shape

BOOT_S = int(os.environ.get("VMLAB_TEST_BOOT_SECONDS", "240"))
REGISTER, POLL, DONE, INVENTORY = ("/api/register-device", "/api/device-action-poll", "/api/action-done", f"/inventory/{FIRST_MAC}")
ANNOUNCED = bytes.fromhex("0180c200000e 001c730a0b0c 88cc") + (b"\x02\x07\x04\x00\x1c\x73\x0a\x0b\x0c\x04\x0b\x05Ethernet12\x06\x02"
    b"\x00\x78\x0a\x05leaf1\0\0").ljust(50, b"\0")
KEYS = {"disks": "serial", "nics": "mac", "partitions": "number", "modules": "locator"}
scope = Scope("shapes")


def compare(told, wanted, where):
    """All that is wanted is told; of a list's items neither more nor fewer."""
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            compare(told[key], value, f"{where}.{key}")
    elif isinstance(wanted, list):
        key = KEYS[where.split(".")[-1]]
        ordered = [sorted(items, key=lambda item: str(item[key])) for items in (told, wanted)]
        check_equal([i[key] for i in ordered[0]], [i[key] for i in ordered[1]], f"{where}, by {key}")
        for mine, theirs in zip(*ordered):
            compare(mine, theirs, f"{where}[{theirs[key]}]")
    else:
        check_equal(told, wanted, where)


def judge(document):
    jsonschema = pytest.importorskip("jsonschema")
    with open(os.path.join(ROOT, "os_installer/inventory/inventory.schema.json")) as f:
        jsonschema.Draft7Validator(json.load(f)).validate(document)


def shapes():
    return [pytest.param(name, id=name, marks=[pytest.mark.long] if name.startswith(("made", "metal")) else []) for name in SHAPES]


@pytest.mark.timeout(BOOT_S + 60)
@pytest.mark.parametrize("name", shapes())
def test_the_inventory_is_what_qemu_was_given(name):
    shape, began = SHAPES[name], time.monotonic()
    vm = ShapeVm(scope, shape)
    try:
        document = vm.waits_for(INVENTORY, seconds=BOOT_S)[0]
        print(f"       {time.monotonic() - began:.0f} s to its inventory of {len(json.dumps(document))} bytes", flush=True)
        judge(document)
        compare(document, shape.wanted, "inventory")
        for pci_id, pci_class in shape.on_pci:
            check([d for d in document["pci"] if (d["id"], d["class"]) == (pci_id, pci_class)], f"no {pci_id}: {document['pci']}")
        system = document["system"]
        told = vm.of(REGISTER)[0]
        check_equal((told["mac"], told.get("uuid"), told.get("serial")), (FIRST_MAC, system["uuid"], system["serial"]), "who it is")
    finally:
        vm.end()


@pytest.mark.timeout(BOOT_S + 180)
def test_a_neighbour_that_says_who_it_is_is_in_the_inventory_and_orders_end_the_machine():
    vm = ShapeVm(scope, Shape(256).card().card(line=HEARING))
    try:
        vm.longest_wait_s = 5
        vm.waits_for(POLL, seconds=BOOT_S)
        with inside(vm.server_path), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind(("127.0.0.1", SENDER_PORT))
            sender.sendto(ANNOUNCED, ("127.0.0.1", CARD_PORT))
        nics = {nic["mac"]: nic for nic in vm.waits_for(INVENTORY, 2, seconds=60)[1]["nics"]}
        check_equal([nics[FIRST_MAC]["neighbour"], nics[FIRST_MAC[:-1] + "2"]["neighbour"]],
            [None, {"chassis": "00:1c:73:0a:0b:0c", "port": "Ethernet12", "system": "leaf1"}], "neighbours")
        vm.orders = [{"action": "poweroff", "id": 1}]
        check_equal(vm.waits_for(DONE, seconds=60)[0]["result"], "ok", "result")
        eventually(lambda: not vm.runs(), 60, "the machine is off")
    finally:
        vm.end()
