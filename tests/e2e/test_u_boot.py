"""A board whose firmware is U-Boot: QEMU's `virt` with Debian's build for it."""
import os

import pytest

from kit import raw_vm
from kit.loaders import BOOT_S, check_asked, menu_of, screen_of

U_BOOT = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
MAC = "52:54:00:e2:eb:01"


def start(lab, name, mac, *options, memory_mib=512):
    """Its virtio-net wedges on bursts: e1000."""
    if not os.path.exists(U_BOOT):
        pytest.skip("u-boot-qemu is not installed")
    raw_vm.start(lab, name, mac, "arm64", "-bios", "/given/u-boot.bin", *options, card="e1000", boots=False, uefi=False,
        memory_mib=memory_mib, files=[U_BOOT])


def boots_from_network(screen):
    """By bootstd, which here has no place for a device tree and asks the server for one; Debian 12's build has no
    network in its bootstd, and does what bootcmd_dhcp does."""
    screen.shows(r"Hit any key to stop autoboot", 60)
    screen.types(b" ")
    screen.shows(r"=> ", 30)
    screen.types(b"setenv fdt_addr_r 0x43000000; setenv fdtfile none.dtb; "
        b"bootflow scan -lb || dhcp ${kernel_addr_r} && bootefi ${kernel_addr_r} ${fdtcontroladdr}\r")
    screen.shows(r"ipxe-arm64\.efi", BOOT_S)


def test_u_boot_starts_our_ipxe_which_does_not_nap_there(lab):
    menu = menu_of(lab, "board", MAC, "arm64")
    start(lab, "board", MAC)
    with screen_of(lab, "board") as screen:
        boots_from_network(screen)
        screen.shows(menu, BOOT_S)
        check_asked(lab, "board")
