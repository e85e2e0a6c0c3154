"""vmlab-ipxe.iso and .img, from the stack: a CD and a stick for machines whose firmware does not boot from the network."""
import os

import pytest

from kit import raw_vm
from kit.check import check, check_equal
from kit.command import docker
from kit.loaders import BOOT_S, check_asked, menu_of, screen_of
from kit.small_disk import SAYS, bios_disk, uefi_disk

STICK = ["-device", "qemu-xhci", "-drive", "if=none,id=medium,format=raw,readonly=on,file=/given/vmlab-ipxe.img",
    "-device", "usb-storage,drive=medium,bootindex=1"]
CD = ["-drive", "if=none,id=medium,media=cdrom,format=raw,readonly=on,file=/given/vmlab-ipxe.iso", "-device",
    "virtio-scsi-pci", "-device", "scsi-cd,drive=medium,bootindex=1"]
IDE_CD = [*CD[:2], "-device", "ide-cd,drive=medium,bootindex=1"]
BIOS = ["-machine", "graphics=off"]


def media_of(lab):
    """As a stack has them below /loaders/."""
    paths = [os.path.join(lab.dir, "vmlab-ipxe." + kind) for kind in ("iso", "img")]
    for path in paths:
        if not os.path.exists(path):
            docker("cp", f"{lab.name}-stack:/srv/tftp/{os.path.basename(path)}", path)
    return paths


@pytest.mark.parametrize("name, arch, uefi, options", [
    ("bios-stick", "amd64", False, BIOS + STICK),
    ("uefi-cd", "amd64", True, CD),
    ("arm64-stick", "arm64", True, STICK),
    pytest.param("bios-cd", "amd64", False, BIOS + IDE_CD, marks=pytest.mark.long),
    pytest.param("uefi-stick", "amd64", True, STICK, marks=pytest.mark.long),
    pytest.param("arm64-cd", "arm64", True, CD, marks=pytest.mark.long),
])
def test_a_machine_that_boots_the_medium_gets_to_ipxe(lab, name, arch, uefi, options):
    mac = f"52:54:00:e2:ea:{sum(name.encode()) % 256:02x}"
    menu = menu_of(lab, name, mac, arch, firmware="uefi" if uefi else "bios")
    raw_vm.start(lab, name, mac, arch, *options, boots=False, uefi=uefi, files=media_of(lab))
    with screen_of(lab, name) as screen:
        screen.shows(menu, BOOT_S)
        check_asked(lab, name)
        text = lab.console(name)
        check("PXE over IPv" not in text and "HTTP Boot over" not in text, "its firmware has booted from the network")
        check_equal(text.count("ISOLINUX"), 0 if uefi else 1, "isolinux, which starts iPXE for a BIOS")


@pytest.mark.parametrize("name, uefi, options", [
    ("after-bios-stick", False, BIOS + STICK), ("after-bios-cd", False, BIOS + IDE_CD), ("after-uefi-stick", True, STICK),
    pytest.param("after-uefi-cd", True, CD, marks=pytest.mark.long)])
def test_with_the_medium_left_in_a_machine_that_is_told_its_disk_boots_the_disk(lab, name, uefi, options):
    mac = f"52:54:00:e2:ed:{sum(name.encode()) % 256:02x}"
    menu_of(lab, name, mac, firmware="uefi" if uefi else "bios")
    lab.define(name, mac=mac, arch="amd64", firmware="uefi" if uefi else "bios", mode="local")
    disk = os.path.join(lab.dir, name + ".raw")
    if uefi:
        docker("cp", f"{lab.name}-stack:/srv/tftp/snponly-x86_64.efi", os.path.join(lab.dir, "loader.efi"))
        uefi_disk(disk, os.path.join(lab.dir, "loader.efi"))
    else:
        bios_disk(disk)
    raw_vm.start(lab, name, mac, "amd64", *options, "-drive", f"if=none,id=disk,format=raw,snapshot=on,file=/given/{name}.raw",
        "-device", "virtio-blk-pci,drive=disk,bootindex=2", boots=False, uefi=uefi, files=[*media_of(lab), disk])
    with screen_of(lab, name) as screen:
        screen.shows(f"(?s){name} boots from its disk.*{SAYS}", BOOT_S)
