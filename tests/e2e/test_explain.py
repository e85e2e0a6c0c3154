"""What `vmlab explain` says of VMs that do not get on. Of Secure Boot and of too small a disk: test_secure_boot.py, test_refused.py."""
import pytest

from kit.check import check, eventually
from kit.command import docker
from kit.e2e_lab import INSTALL_S
from kit.vmlab_cli import STACK_IMAGE

HOOK, PANIC, BARE, DROPPED = (f"52:54:00:e2:ee:{n:02x}" for n in range(4))


def explained(lab, name, link, *said, seconds=INSTALL_S):
    """Until it says so, as a user would ask again."""
    def says():
        done = lab.vmlab("explain", name, check_rc=False)
        text = done.stdout.replace("\n", " ")
        return done.returncode == 1 and text.startswith(f"{name}: {link}: ") and all(s in text for s in said) and text
    print(eventually(says, seconds, f"explain {name} names {link}: {said}", every=2))


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


def nft(lab, script):
    """In the lab's network namespace."""
    docker("run", "--rm", "-i", "--network", f"container:{lab.name}-net", "--cap-add", "NET_ADMIN", "--entrypoint", "nft",
        STACK_IMAGE, "-f", "-", stdin=script)


@pytest.mark.long
@pytest.mark.parametrize("firmware", ["uefi", "bios"])
def test_a_filter_that_drops_tftp(lab, firmware):
    """OVMF's own words, and iPXE's as a card's ROM, which a BIOS breaks at the width of its screen."""
    lab.only_the_lab()
    lab.define("dropped", mac=DROPPED, arch="amd64", distro="debian-13", memory="1G", firmware=firmware, disks=[{"size": "4G"}])
    nft(lab, "table bridge test { chain c { type filter hook prerouting priority -400; policy accept;\n"
        f"ether saddr {DROPPED} udp dport 69 drop\n}}\n}}\n")
    try:
        lab.start_vm("dropped", DROPPED, env=[f"VM_FIRMWARE={firmware}", *(["VM_NIC_ROM=ipxe"] if firmware == "bios" else [])])
        explained(lab, "dropped", "loader", "does not come by TFTP", "UDP port 69", seconds=150)
    finally:
        nft(lab, "delete table bridge test\n")
        lab.remove_vm("dropped")
