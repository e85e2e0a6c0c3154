"""What `vmlab explain` says of VMs that do not get on. Of Secure Boot and of too small a disk: test_secure_boot.py, test_refused.py."""
import pytest

from kit.check import check, eventually
from kit.e2e_lab import INSTALL_S

HOOK, PANIC, BARE = (f"52:54:00:e2:ee:{n:02x}" for n in range(3))


def explained(lab, name, link, *said, seconds=INSTALL_S):
    """Until it says so, as a user would ask again."""
    def says():
        done = lab.vmlab("explain", name, check_rc=False)
        text = done.stdout.replace("\n", " ")
        return done.returncode == 1 and text.startswith(f"{name}: {link}: ") and all(s in text for s in said) and text
    print(eventually(says, seconds, f"explain {name} names {link}: {said}", every=3))


@pytest.mark.long
def test_a_hook_that_fails(lab):
    lab.only_the_lab()
    lab.define("hooked", mac=HOOK, arch="amd64", distro="debian-13", memory="1G", disks=[{"size": "4G"}],
        hooks={"post_install": ["#!/bin/sh\necho it says this >&2\nexit 3\n"]})
    lab.vmlab("up", "hooked", "--no-wait", timeout=90)
    explained(lab, "hooked", "disk", "\"hooks\" failed", "it says this", "vmlab reinstall hooked")
    lab.remove_vm("hooked")


@pytest.mark.long
def test_too_little_memory_and_no_disk(lab):
    """Started as they are: `vmlab up` would refuse both."""
    lab.only_the_lab()
    lab.define("short", mac=PANIC, arch="amd64", distro="debian-13", memory="1G", disks=[{"size": "4G"}])
    lab.start_vm("short", PANIC, memory_mib=160)
    explained(lab, "short", "kernel", "memory", seconds=240)
    lab.remove_vm("short")


@pytest.mark.long
def test_no_disk(lab):
    lab.only_the_lab()
    lab.define("bare", mac=BARE, arch="amd64", distro="debian-13", memory="1G", disks=[{"size": "4G"}])
    lab.start_vm("bare", BARE, memory_mib=1024, env=["VM_DISKS_BYTES="])
    explained(lab, "bare", "disk", "no disk")
    lab.remove_vm("bare")
