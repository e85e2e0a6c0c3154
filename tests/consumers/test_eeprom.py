"""Updates of a Raspberry Pi's EEPROM, made by vm_watcher as for an order, read and made again by their maker's own
rpi-eeprom-config: byte for byte the same. Over its maker's images and ones of our own, with configurations of all kinds. It is a
clone of the repository raspberrypi/rpi-eeprom, build/judges/rpi-eeprom or what RPI_EEPROM names.
"""
import glob
import hashlib
import os
import random
import subprocess

from kit import eeprom_image
from kit.check import check, check_equal
from kit.command import docker
from kit.judges import copy_of
from kit.lab import STACK_IMAGE
from kit.scope import Scope

scope = Scope("eeprom")
SERIAL, TIME = "a1b2c3d4", 1790000000
CASES = 60
LINES = ["BOOT_UART=1", "BOOT_ORDER=0xf41", "BOOT_ORDER=0xf2461", "  BOOT_ORDER=0x21  ", "BOOT_ORDER=33", "#BOOT_ORDER=0x4", "[all]",
    "[none]", "[cm4]", "[gpio5=1]", "TFTP_IP=", "NET_INSTALL_AT_POWER_ON=1", "", "BOOT_ORDERS=1"]
EACH = r"""
for d in /cases/*; do
	vm_watcher --once --vms "$d/vms" --dhcp-hosts "$d/dhcp" --dns-hosts "$d/dns" --tftp "$d/tftp" --eeproms "$d/images" \
		--lab 192.168.100.1/24 --leases "$d/leases" --machines "$d/machines" >"$d/log" 2>&1
done
chmod -R a+rX /cases
"""


def configs(rng):
    """(what is wrong with it or None, bytes) of each."""
    fixed = [b"", b"[all]\nBOOT_UART=0\n", b"[all]\r\nBOOT_ORDER=0xf21\r\n", b"[cm4]\nBOOT_ORDER=0x2\n", b"BOOT_ORDER=0xf41"]
    fixed += [b"BOOT_ORDER=0xf41\n" + b"#" * (4075 - 18 - 17) + b"\nBOOT_ORDER=0xf21\n"]
    for config in fixed:
        yield None, config
    yield "no room", b"BOOT_ORDER=0xf41\n" + b"#" * (4076 - 17)
    yield "no number", b"BOOT_ORDER=network\n"
    while True:
        end = rng.choice(["\n", "\r\n"])
        yield None, end.join(rng.choices(LINES, k=rng.randrange(1, 30))).encode() + rng.choice([b"", end.encode()])


def lay(folder, number, soc, image, first):
    where = os.path.join(folder, f"{number:04}")
    for name in ("vms", "tftp", f"images/{soc}"):
        os.makedirs(os.path.join(where, name))
    files = {"vms/pi.json": f'{{"name": "pi", "mac": "dc:a6:32:00:00:11", "arch": "arm64", "serial": "{SERIAL}", "mode": "agent"}}',
        "machines": f"pi - - 0 - - {soc}:{'first' if first else 'last'}:{TIME}\n", "leases": ""}
    for name, text in files.items():
        with open(os.path.join(where, name), "w") as f:
            f.write(text)
    with open(os.path.join(where, f"images/{soc}/pieeprom.bin"), "wb") as f:
        f.write(image)
    return where


def read(path):
    with open(path, "rb") as f:
        return f.read()


def judge(tool, *words):
    done = subprocess.run(["/usr/bin/python3", tool, *words], capture_output=True, timeout=60)
    check(done.returncode == 0, done.stderr.decode()[-800:])
    return done.stdout


def updated(where):
    """The image and what its signature says; None: none is served."""
    folder = os.path.join(where, "tftp", SERIAL)
    if not os.path.exists(os.path.join(folder, "pieeprom.sig")):
        check(not os.path.exists(os.path.join(folder, "pieeprom.upd")), "an update without its signature")
        return None
    image = read(os.path.join(folder, "pieeprom.upd"))
    check_equal(read(os.path.join(folder, "pieeprom.sig")).decode(), f"{hashlib.sha256(image).hexdigest()}\nts: {TIME}\n", "signature")
    return image


def orders_of(config):
    """The numbers of BOOT_ORDER that count for some board, and those for every one."""
    some, every, section = [], [], b"[all]"
    for line in config.splitlines():
        line = line.strip()
        section = line if line.startswith(b"[") else section
        if line.startswith(b"BOOT_ORDER=") and section != b"[none]":
            some.append(int(line.split(b"=")[1], 0))
            every += some[-1:] if section == b"[all]" else []
    return some, every


def first_or_last(order, first):
    digits = f"{order:x}"[::-1]
    return digits[0] == "2" if first else digits.rstrip("ef")[-1] == "2"


def test_their_makers_program_reads_and_makes_the_same():
    clone = copy_of("RPI_EEPROM", "rpi-eeprom", "rpi-eeprom")
    tool = os.path.join(clone, "rpi-eeprom-config")
    rng = random.Random(8)
    folder = os.path.join(scope.tempdir(), "cases")
    real = {soc: [read(path) for path in sorted(glob.glob(os.path.join(clone, f"firmware-{soc}", "latest", "pieeprom-*.bin")))[-2:]]
        for soc in eeprom_image.SIZES}
    cases = []
    for number, (wrong, config) in zip(range(CASES), configs(rng)):
        soc, first = rng.choice(list(eeprom_image.SIZES)), rng.random() < 0.5
        image = eeprom_image.make(soc, config, follows=rng.choice([b"", b"key" * 99]) if len(config) < 3000 else b"")
        cases.append((lay(folder, number, soc, image, first), image, first, wrong, config))
    for soc, images in real.items():
        for image in images:
            for first in (True, False):
                where = lay(folder, len(cases), soc, image, first)
                cases.append((where, image, first, None, judge(tool, os.path.join(where, "images", soc, "pieeprom.bin"))))
    docker("run", "--rm", "--network", "none", "-v", f"{folder}:/cases", "--entrypoint", "sh", STACK_IMAGE, "-c", EACH)
    print(f"{len(cases)} images, {sum(map(len, real.values())) * 2} of them their maker's")
    for where, image, first, wrong, config in cases:
        made = updated(where)
        if wrong:
            check(made is None, f"an image with {wrong} was served")
            continue
        check(made is not None, f"{config!r}: {read(os.path.join(where, 'log')).decode()}")
        upd, conf, again = (os.path.join(where, name) for name in (f"tftp/{SERIAL}/pieeprom.upd", "conf", "again"))
        edited = judge(tool, upd)
        with open(conf, "wb") as f:
            f.write(edited)
        judge(tool, "--config", conf, "--out", again, *glob.glob(os.path.join(where, "images", "*", "pieeprom.bin")))
        check(read(again) == made, f"{config!r}: rpi-eeprom-config makes another image of it")
        some, every = orders_of(edited)
        check(every and all(first_or_last(order, first) for order in some), f"{config!r} became {edited!r}, first: {first}")
        check_equal(len(some), max(len(orders_of(config)[0]) + (not orders_of(config)[1]), 1), f"{config!r}: settings")
