"""A machine whose firmware has Microsoft's keys and Secure Boot on: from the first start on it runs what is signed only."""
import json
import os

import pytest

from kit.check import check, check_equal, skip
from kit.e2e_lab import INSTALL_S
from kit.scope import needs
from kit.vmlab_cli import IMAGES

MAC, HTTP, REFUSED = "52:54:00:e2:e1:60", "52:54:00:e2:e1:61", "52:54:00:e2:e1:62"
VARIABLE = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
# What firmware and kernel say: the variable's value after four bytes of attributes; the lockdown that goes with it.
LOOK = f"od -An -tu1 -j4 {VARIABLE}; cat /sys/kernel/security/lockdown; cat /proc/sys/kernel/tainted"
HOOK = f"""#!/bin/sh
set -e
mount -t efivarfs efivarfs /sys/firmware/efi/efivars
mount -t securityfs securityfs /sys/kernel/security
{{ {LOOK}; }} >/etc/seen-by-installer
umount /sys/firmware/efi/efivars /sys/kernel/security
"""
UNSIGNED_MODULE = 1 << 13  # of the kernel's taints


def has_shim():
    with open(os.path.join(IMAGES, "debian-13", "amd64", "manifest.json")) as f:
        return "shim-x64" in json.load(f)["provides"]


def check_secure(seen, where):
    variable, lockdown, tainted = seen.splitlines()
    check_equal(variable.strip(), "1", f"{where}: the firmware's variable SecureBoot")
    check("[none]" not in lockdown, f"{where}: the kernel has no lockdown: {lockdown}")
    check(not int(tainted) & UNSIGNED_MODULE, f"{where}: a module is not signed, taint {tainted}")


def define(lab, name, mac, **fields):
    if not has_shim():
        skip("the image debian-13 has no shim: it is older than `vmlab image build` with shim-signed")
    lab.only_the_lab()
    lab.define(name, mac=mac, arch="amd64", distro="debian-13", secure_boot=True, memory="1G", disks=[{"size": "4G"}], **fields)


@pytest.mark.long
def test_it_is_installed_and_boots_from_its_disk_with_nothing_but_signed_programs(lab):
    define(lab, "secure", MAC, hooks={"post_install": [HOOK]})
    lab.vmlab("up", "secure", "--no-wait", timeout=90)
    try:
        lab.wait_state("secure", "ready", 2 * INSTALL_S)
    finally:
        lab.save_console("secure", "secure")
    check("secure installs debian-13" in lab.console("secure"), "GRUB has not said what it does")


@needs(test_it_is_installed_and_boots_from_its_disk_with_nothing_but_signed_programs)
@pytest.mark.long
def test_secure_boot_is_on_in_the_installer_and_in_the_installed_system(lab):
    check_secure(lab.ssh("secure", "cat /etc/seen-by-installer"), "installer")
    check_secure(lab.ssh("secure", LOOK), "installed system")
    check_equal(lab.ssh("secure", "mokutil --sb-state"), "SecureBoot enabled", "mokutil --sb-state")
    found = lab.ssh("secure", "sudo find /boot/efi -type f -printf '%P\\n' | sort").split()
    for name in ("EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/grubx64.efi", "EFI/debian/shimx64.efi", "EFI/debian/grubx64.efi"):
        check(name in found, f"{name} is not on the EFI partition: {found}")
    lab.content_with_itself("secure")


def test_an_unsigned_loader_is_refused_by_that_firmware(lab):
    lab.only_the_lab()
    lab.define("unsigned", mac=REFUSED, arch="amd64", distro="debian-13", disks=[{"size": "4G"}])
    lab.start_vm("unsigned", REFUSED, env=["VM_SECURE_BOOT=true"])
    lab.wait_console("unsigned", r"(?i)access denied|security violation", 120)
    check_equal(lab.vm("unsigned")["state"], "declared", "iPXE has asked: its state")
    told = lab.vmlab("explain", "unsigned", check_rc=False)
    check(told.returncode == 1 and told.stdout.startswith("unsigned: loader: its firmware refuses the loader: Secure Boot is on"),
        f"what explains it: {told.stdout}")
    lab.remove_vm("unsigned")


def test_the_same_way_by_http_boot(lab):
    lab.only_the_lab()
    define(lab, "web-booted", HTTP, mode="shell")
    lab.start_vm("web-booted", HTTP, memory_mib=1024, env=["VM_SECURE_BOOT=true", "VM_NIC_ROM=http"])
    lab.wait_console("web-booted", r"(?s)UEFI HTTPv4.*web-booted starts a shell", 200)
    check("error: failed" not in lab.console("web-booted"), "GRUB cannot tell what the machine is")
    lab.wait_console("web-booted", r"(?m)^(/|~) ?#|/ ?# ", 200)
    lab.remove_vm("web-booted")
