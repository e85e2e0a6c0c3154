"""Boot images of every kind in machines that boot them: what `vmlab image add` makes of a script, a program for UEFI, an ISO
and a kernel, and Memtest86+ as `vmlab image build` brings it. What the machine shows is the judge."""
import os
import shutil

import pytest

from kit.check import check
from kit.command import docker
from kit.loaders import BOOT_S, screen_of

BIOS, UEFI = "bios", "uefi"
LONG = pytest.mark.long
STARTS = "iPXE initialising devices"
SHOWS = {
    "a-script": r"this is an-script-\w+ of http://[0-9.]+/images/a-script/amd64",
    "a-program": STARTS,
    "an-iso": STARTS,
    "a-kernel": r"Linux version \d.*who=an-kernel-uefi",
    "memtest86+": r"Memtest86\+",
}


def given(lab, name, path):
    """A file of the stack's."""
    where = os.path.join(lab.dir, name)
    if not os.path.exists(where):
        docker("cp", f"{lab.name}-stack:/srv/tftp/{path}", where)
    return where


@pytest.fixture(scope="module")
def images(lab):
    yield
    for name in SHOWS:
        shutil.rmtree(os.path.join(lab.images, name), ignore_errors=True)


def add(lab, name):
    """As a user does, once."""
    if os.path.exists(os.path.join(lab.images, name)):
        return
    if name == "memtest86+":
        lab.build_image(name)
        return
    words = {"a-script": ("--script", os.path.join(lab.dir, "a.ipxe")), "a-program": ("--efi", given(lab, "a.efi", "snponly-x86_64.efi")),
        "an-iso": ("--iso", given(lab, "a.iso", "vmlab-ipxe.iso")), "a-kernel": ("--kernel", os.path.join(lab.images, "debian-13", "amd64",
            "vmlinuz"), "--args", "console=ttyS0 panic=600 who={name}")}[name]
    with open(os.path.join(lab.dir, "a.ipxe"), "w") as f:
        f.write("#!ipxe\necho this is ${name} of ${image_url}\nsleep 600\n")
    lab.vmlab("image", "add", name, "--arch", "amd64", *words, timeout=120)
    check(name in lab.vmlab("image", "ls").stdout, f"{name} is not listed")


@pytest.mark.parametrize("image, firmware", [("an-iso", UEFI), ("a-script", BIOS), ("a-program", UEFI),
    pytest.param("an-iso", BIOS, marks=LONG), pytest.param("a-script", UEFI, marks=LONG),
    pytest.param("a-kernel", UEFI, marks=LONG), pytest.param("memtest86+", UEFI, marks=LONG),
    pytest.param("memtest86+", BIOS, marks=LONG)])
def test_a_machine_boots_it(lab, images, image, firmware):
    lab.only_the_lab()
    add(lab, image)
    name = f"an-{image.split('-')[-1].rstrip('+')}-{firmware}"
    mac = f"52:54:00:e2:eb:{sum(name.encode()) % 256:02x}"
    lab.define(name, mac=mac, arch="amd64", mode="boot", image=image, firmware=firmware)
    lab.start_vm(name, mac, env=[f"VM_FIRMWARE={firmware}"])
    with screen_of(lab, name) as screen:
        screen.shows(rf"(?s){name} boots {image.replace('+', '.')}.*{SHOWS[image]}", BOOT_S)
