"""What a Raspberry Pi boots by, built of Debian's packages, served, and fetched as its ROM does."""
import hashlib
import json
import os
import re
import time

import pytest

from kit import vmlab_cli
from kit.check import check, check_equal, skip
from kit.command import have_command, run
from kit.lab import Lab
from kit.raspberry_rom import RaspberryPi
from kit.scope import Scope, needs

scope = Scope("raspberry-e2e")
here = None
machine = None

MAC, SERIAL = "dc:a6:32:00:e2:11", "e2e2a1b2"
BUILD_S = 900


@pytest.mark.long
@pytest.mark.timeout(BUILD_S + 60)
def test_vmlab_builds_the_tree_of_debians_packages():
    global here
    for command in ("mmdebstrap", "depmod"):
        if not have_command(command):
            skip(f"{command} is not installed")
    here = Lab(scope, "raspberry-e2e", access="own")
    began = time.monotonic()
    run([vmlab_cli.BINARY, "--images", here.images, "image", "build", "raspberrypi"], timeout=BUILD_S)
    where = os.path.join(here.images, "raspberrypi", "arm64")
    with open(os.path.join(where, "manifest.json")) as f:
        boot = json.load(f)["boot"]
    listed = [boot["kernel"], *boot["initrds"], *boot["firmware"]]
    for one in listed:
        with open(os.path.join(where, one["file"]), "rb") as f:
            data = f.read()
        check_equal((len(data), hashlib.sha256(data).hexdigest()), (one["size_bytes"], one["sha256"]), one["file"])
    names = {one["file"] for one in listed}
    check_equal({"manifest.json"} | names, set(os.listdir(where)), "files in the image and in its manifest")
    check({"start4.elf", "fixup4.dat", "start4cd.elf", "fixup4cd.dat", "bcm2711-rpi-4-b.dtb",
        "bcm2711-rpi-cm4-io.dtb", "bcm2712-rpi-5-b.dtb", "config.txt", "vmlinuz"} <= names, f"{sorted(names)}")
    for name in names:
        if name.endswith(".dtb"):
            with open(os.path.join(where, name), "rb") as f:
                check_equal(f.read(4), b"\xd0\x0d\xfe\xed", f"{name}: begins as a device tree")
    for name in "start4.elf", "start4cd.elf":
        with open(os.path.join(where, name), "rb") as f:
            check_equal(f.read(4), b"\x7fELF", f"{name} begins as a program")
    row = run([vmlab_cli.BINARY, "--images", here.images, "image", "ls"]).stdout
    check(re.search(r"raspberrypi +arm64 .*boots: firmware", row), row)
    print(f"built in {time.monotonic() - began:.0f} s, {sum(one['size_bytes'] for one in listed) >> 20} MiB")


@pytest.mark.long
@needs(test_vmlab_builds_the_tree_of_debians_packages)
def test_its_rom_and_firmware_fetch_it_from_the_stack():
    global machine
    here.make_image(arch="arm64") # what /config is of
    here.define("pi", mac=MAC, ip="192.168.100.10", arch="arm64", serial=SERIAL, mode="shell")
    here.start()
    if here.exec("test", "-e", "/srv/initrds/arm64/initrd.zst", check_rc=False).returncode != 0:
        skip("the stack's image was made without the initrd for arm64")
    machine = here.client("client", cidr="192.168.100.99/24")
    began = time.monotonic()
    with machine.inside():
        pi = RaspberryPi(MAC, SERIAL)
        _, server = pi.address()
        got = pi.fetch(server)
    for name, data in got.items():
        origin = os.path.join(here.images, "raspberrypi", "arm64", name)
        if os.path.exists(origin):
            with open(origin, "rb") as f:
                check(f.read() == data, f"{name} is another than in the image")
    print(f"{sum(map(len, got.values())) >> 20} MiB in {time.monotonic() - began:.0f} s")
