"""What a Raspberry Pi boots by, built of Debian's packages, served, fetched as its ROM does, and started in QEMU.

QEMU has no Raspberry Pi 4 with a network card; its raspi3b boots the same kernel and initramfs by the device tree of
a Pi 3, which is in the image for that.
"""
import hashlib
import json
import os
import re
import subprocess
import time

import pytest

from kit import vmlab_cli
from kit.check import check, check_equal, fail, skip
from kit.command import DOCKER, docker, have_command, run, tail
from kit.lab import SERVER, Lab
from kit.raspberry_rom import RaspberryPi, Tftp
from kit.scope import Scope, needs
from kit.vmlab_cli import VM_IMAGE

scope = Scope("raspberry-e2e")
here = None
machine = None

MAC, SERIAL = "dc:a6:32:00:e2:11", "e2e2a1b2"
BUILD_S = 900
BOOT_S = 900
QEMU_TREE = "bcm2837-rpi-3-b.dtb"


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
        got[QEMU_TREE] = Tftp(server).get(f"{SERIAL}/{QEMU_TREE}", 1024)
    check(got[QEMU_TREE], f"no {QEMU_TREE}")
    for name, data in got.items():
        with open(os.path.join(scope.tempdir(), name), "wb") as f:
            f.write(data)
        origin = os.path.join(here.images, "raspberrypi", "arm64", name)
        if os.path.exists(origin):
            with open(origin, "rb") as f:
                check(f.read() == data, f"{name} is another than in the image")
    print(f"{sum(map(len, got.values())) >> 20} MiB in {time.monotonic() - began:.0f} s")


class Board:
    """QEMU's raspi3b on the lab's bridge, its serial port on standard input and output."""

    def __init__(self, folder):
        with open(os.path.join(folder, "initramfs"), "wb") as out: # as config.txt says, one after the other
            for name in ("initrd.zst", "modules.cpio.zst"):
                with open(os.path.join(folder, name), "rb") as f:
                    out.write(f.read())
        with open(os.path.join(folder, "cmdline.txt")) as f:
            words = f.read().strip()
        self.name = here.name + "-board"
        script = ("ip tuntap add board mode tap && ip link set board master lab0 up && exec qemu-system-aarch64 "
            "-M raspi3b -kernel /boot/vmlinuz -initrd /boot/initramfs -dtb /boot/" + QEMU_TREE + " -append \"$0\" "
            f"-netdev tap,id=n,ifname=board,script=no,downscript=no -device usb-net,netdev=n,mac={MAC} "
            "-display none -monitor none -serial null -serial stdio -no-reboot")
        scope.cleanup(lambda: docker("rm", "-f", self.name, check_rc=False))
        self.process = subprocess.Popen([DOCKER, "run", "-i", "--rm", "--name", self.name, "--network",
            f"container:{here.net}", "--cap-add", "NET_ADMIN", "--device", "/dev/net/tun", "-v", f"{folder}:/boot:ro",
            "--entrypoint", "/bin/sh", VM_IMAGE, "-c", script, words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = ""

    def shows(self, pattern, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.text += (self.process.stdout.read() or b"").decode(errors="replace")
            found = re.search(pattern, self.text)
            if found:
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.5)
        fail(f"the board does not show {pattern!r} within {seconds} s:\n{tail(self.text, 3000)}")

    def types(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()


@pytest.mark.long
@pytest.mark.timeout(BOOT_S + 300)
@needs(test_its_rom_and_firmware_fetch_it_from_the_stack)
def test_its_kernel_and_initramfs_boot_to_our_system_dhcp_and_http():
    board = Board(scope.tempdir())
    began = time.monotonic()
    board.shows(r"initrd: Linux [0-9.]+\S*-arm64, aarch64", BOOT_S)
    first = time.monotonic() - began
    board.shows(r"initrd: \w+ has 192\.168\.100\.10", 300)
    board.types(f"wget -q -O - http://{SERVER}/config/{MAC} | grep -o '\"arch\": *\"[a-z0-9]*\"'; tr '\\0' '\\n' </proc/device-tree/model")
    board.shows(r'"arch": *"aarch64"', 120)
    board.shows(r"Raspberry Pi 3 Model B", 60)
    check(here.vm("pi"), "the stack lost it")
    print(f"our first line after {first:.0f} s, all after {time.monotonic() - began:.0f} s")
