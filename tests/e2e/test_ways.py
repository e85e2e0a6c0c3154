"""The long matrix: other endings, other ways to boot, a power cut."""
import os
import time

import pytest

from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.e2e_lab import INSTALL_S


@pytest.mark.long
def test_a_hook_that_fails_fails_the_install_the_reason_is_told_and_the_disk_does_not_boot(lab):
    lab.only_the_lab()
    lab.define("hooked", mac="52:54:00:e2:e1:15", arch="amd64", distro="debian-13", disks=[{"size": "4G"}],
        hooks={"post_install": ["#!/bin/sh\necho 'no licence server'\nexit 3\n"]})
    time.sleep(1)
    lab.start_vm("hooked", "52:54:00:e2:e1:15")
    vm = eventually(lambda: (v := lab.vm("hooked"))["state"] in ("failed", "installed") and v, INSTALL_S, "state failed", every=1)
    check_equal((vm["state"], vm["error"] and vm["error"]["phase"]), ("failed", "hooks"), f"{vm['error']}; state and phase")
    check("no licence server" in lab.vmlab("logs", "--installer", "hooked").stdout, "its output is not in the log")
    lab.check_no_boot_file("hooked")
    lab.remove_vm("hooked")
    os.unlink(os.path.join(lab.vms, "hooked.json"))


@pytest.mark.long
def test_a_network_card_with_ipxe_in_its_rom_takes_the_same_way(lab):
    lab.installs_to_ready("rom", "52:54:00:e2:e1:11", env=["VM_NIC_ROM=ipxe"])
    lab.remove_vm("rom")


@pytest.mark.long
def test_noreboot_installed_and_the_installer_stays(lab):
    with open(os.path.join(lab.vms, "stays.noreboot"), "w"):
        pass
    lab.define("stays", mac="52:54:00:e2:e1:12", arch="amd64", distro="debian-13", disks=[{"size": "4G"}])
    time.sleep(1)
    lab.start_vm("stays", "52:54:00:e2:e1:12")
    lab.wait_state("stays", "installed", INSTALL_S)
    time.sleep(20)
    events = [(e["kind"], e["text"]) for e in lab.api("/api/v1/events?vm=stays")["events"]]
    check(("ipxe", "local") not in events, f"it rebooted: {events}")
    lab.remove_vm("stays")


@pytest.mark.long
def test_mode_shell_a_shell_in_the_installers_initrd(lab):
    lab.define("rescue", mac="52:54:00:e2:e1:13", arch="amd64", distro="debian-13", mode="shell")
    time.sleep(1)
    lab.start_vm("rescue", "52:54:00:e2:e1:13")
    lab.wait_console("rescue", r"(?m)^(/|~) ?#|/ ?# ", 150)
    check("partition" not in (lab.vm("rescue")["phase"] or ""), "it installs")
    lab.remove_vm("rescue")


@pytest.mark.long
def test_power_cut_in_the_middle_of_the_install_it_is_installed_again(lab):
    lab.define("cut", mac="52:54:00:e2:e1:14", arch="amd64", distro="debian-13", disks=[{"size": "4G"}])
    time.sleep(1)
    lab.start_vm("cut", "52:54:00:e2:e1:14")
    eventually(lambda: (v := lab.vm("cut"))["phase"] == "rootfs" and v["bytes"] > 10 << 20, INSTALL_S,
        "the root file system is being written", every=0.3)
    docker("kill", lab.container("cut"))
    docker("start", lab.container("cut"))
    lab.wait_state("cut", "ready", INSTALL_S)
    lab.remove_vm("cut")
