"""A machine that nobody declared, on metal or as here in a VM of its own: it appears among the strangers and waits, is
adopted by the command line with the profile that fits it, and installs until it is ready. Another is declared by its
serial number alone."""
import json
import os

import pytest

from kit.check import check, check_equal, eventually
from kit.e2e_lab import INSTALL_S
from kit.scope import needs

MAC, SERIAL = "52:54:00:e2:e0:21", "NEW-Box-7"
RACK_MAC, RACK = "52:54:00:e2:e0:22", "RACK-22"


def profile(lab, name, fields):
    os.makedirs(os.path.join(lab.vms, "_profiles"), exist_ok=True)
    with open(os.path.join(lab.vms, "_profiles", name + ".json"), "w") as f:
        json.dump(fields, f)


def machine(lab, mac):
    return next((m for m in lab.api("/api/v1/machines")["machines"] if mac in m["macs"]), None)


def test_an_unknown_machine_appears_and_waits(lab):
    lab.only_the_lab()
    profile(lab, "boxes", {"match": {"serial": "NEW-*", "arch": "amd64"}, "name": "box-{serial}", "distro": "debian-13",
        "disks": [{"size": "4G"}], "hooks": {"post_install": ["#!/bin/sh\necho boxes >/etc/by-profile\n"]}})
    lab.start_vm("box-new-box-7", MAC, env=[f"VM_SERIAL={SERIAL}"])
    found = eventually(lambda: (lambda m: m if m and m["loader"] == "ipxe" else None)(machine(lab, MAC)), 180,
        "it is a stranger that iPXE told of", every=1)
    check_equal({k: found[k] for k in ("kind", "serial", "arch", "platform", "profile", "declares_as")}, {"kind": "stranger",
        "serial": SERIAL, "arch": "amd64", "platform": "efi", "profile": "boxes", "declares_as": "box-new-box-7"}, "what it showed")
    lab.wait_console("box-new-box-7", f"vmlab adopt {MAC}", 60)
    done = lab.vmlab("machines")
    check(MAC in done.stdout and "stranger" in done.stdout and "boxes" in done.stdout, f"vmlab machines: {done.stdout}")
    check("profile boxes calls it box-new-box-7" in done.stderr, f"vmlab machines: {done.stderr}")


@needs(test_an_unknown_machine_appears_and_waits)
def test_adopted_with_its_profile_it_installs(lab):
    done = lab.vmlab("adopt", SERIAL.lower())
    with open(os.path.join(lab.vms, "box-new-box-7.json")) as f:
        definition = json.load(f)
    check_equal({k: definition.get(k) for k in ("mac", "serial", "arch", "profile")},
        {"mac": MAC, "serial": SERIAL, "arch": "amd64", "profile": "boxes"}, f"the definition ({done.stdout})")
    eventually(lambda: machine(lab, MAC)["kind"] == "declared", 5, "it is declared")
    lab.wait_state("box-new-box-7", "installing", 60)


@needs(test_adopted_with_its_profile_it_installs)
@pytest.mark.long
def test_it_gets_ready_as_its_profile_says(lab):
    try:
        lab.wait_state("box-new-box-7", "ready", INSTALL_S)
    finally:
        lab.save_console("box-new-box-7", "adopted")
    check_equal(lab.ssh("box-new-box-7", "hostname; cat /etc/by-profile"), "box-new-box-7\nboxes", "its name, and its profile's hook")
    check_equal(machine(lab, MAC)["kind"], "declared", "what it is")
    lab.remove_vm("box-new-box-7")


def test_one_declared_by_its_serial_number_has_its_address_from_the_installer_on(lab):
    lab.only_the_lab()
    lab.define("rack22", serial=RACK, ip="192.168.100.22", arch="amd64", distro="debian-13", disks=[{"size": "4G"}])
    lab.start_vm("rack22", RACK_MAC, env=[f"VM_SERIAL={RACK}"])
    try:
        lab.wait_state("rack22", "installing", 240)
        vm = eventually(lambda: (lambda v: v if v["phase"] not in (None, "plan") else None)(lab.vm("rack22")), 120, "it gets on")
        check_equal((vm["mac"], vm["ip"]), (RACK_MAC, "192.168.100.22"), "what was learned, and its address")
    finally:
        lab.save_console("rack22", "rack22")
    lab.remove_vm("rack22")
