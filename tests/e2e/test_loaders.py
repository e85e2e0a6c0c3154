"""Ways from firmware to /ipxe: each machine is followed on its screen, from the first loader to our answer."""
import os

import pytest

from kit.check import check_equal
from kit.command import docker
from kit.loaders import BOOT_S, check_asked, menu_of, screen_of


def test_a_bios_gets_ipxe_over_http_by_lpxelinux(lab):
    menu = menu_of(lab, "lpx", "52:54:00:e2:e9:01", firmware="bios", loader="lpxelinux")
    lab.start_vm("lpx", "52:54:00:e2:e9:01", env=["VM_FIRMWARE=bios"])
    with screen_of(lab, "lpx") as screen:
        screen.shows(r"PXELINUX [0-9.]+ lwIP", BOOT_S)
        screen.shows(r"ipxe\.lkrn", 60)
        screen.shows(menu, BOOT_S)
        check_asked(lab, "lpx")


@pytest.mark.parametrize("arch, loader", [("amd64", "ipxe-x86_64"), ("arm64", "ipxe-arm64")])
def test_uefi_http_boot_gets_ipxe_by_its_url(lab, arch, loader):
    name, mac = f"url-{arch}", "52:54:00:e2:e9:" + {"amd64": "02", "arm64": "04"}[arch]
    menu = menu_of(lab, name, mac, arch)
    lab.start_vm(name, mac, env=["VM_NIC_ROM=http", f"VM_ARCH={arch}"])
    with screen_of(lab, name) as screen:
        screen.shows(r"Start HTTP Boot", BOOT_S)
        screen.shows(rf"URI: http://[0-9.]+/loaders/{loader}\.efi", 60)
        screen.shows(menu, BOOT_S)
        check_asked(lab, name)


def test_a_build_of_the_users_own_in_images_loaders_is_what_its_machine_boots(lab):
    menu = menu_of(lab, "own", "52:54:00:e2:e9:03", loader="mine.efi")
    folder = os.path.join(lab.images, "_loaders")
    os.makedirs(folder)
    docker("cp", f"{lab.name}-stack:/srv/tftp/snponly-x86_64.efi", f"{folder}/mine.efi")
    with open(f"{folder}/mine.efi", "r+b") as f:
        build = f.read()
        check_equal(build.count(b"Open Source Network"), 1, "its name of itself")
        f.seek(0)
        f.write(build.replace(b"Open Source Network", b"A build of your own"))
    lab.start_vm("own", "52:54:00:e2:e9:03")
    with screen_of(lab, "own") as screen:
        screen.shows(r"(?s)own/mine\.efi.*A build of your own Boot Firmware.*" + menu[4:], BOOT_S)
        check_asked(lab, "own")
