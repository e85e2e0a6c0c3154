"""os-installer --inventory: of this machine, of a made one field by field, and of trees full of nonsense. Each
document fits os_installer/inventory/inventory.schema.json."""
import json
import os
import random
import subprocess

import pytest

from kit.check import check, check_equal, skip
from kit.command import ROOT, have_command, run
from kit.installer_bench import find_installer
from kit.made_machine import EXPECTED, HOSTILE_FILES, LINKS, made_machine, nonsense
from kit.scope import Scope

jsonschema = pytest.importorskip("jsonschema")
scope = Scope("inventory")
MOST_BYTES = 1 << 20
SECURE = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
SEEDS = int(os.environ.get("VMLAB_TEST_SEEDS", "40"))


@pytest.fixture(scope="module")
def judge():
    with open(os.path.join(ROOT, "os_installer/inventory/inventory.schema.json")) as f:
        schema = json.load(f)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def inventory(judge, *words):
    done = subprocess.run([find_installer(), "--inventory", *words], stdout=subprocess.PIPE, timeout=60, check=True)
    check(len(done.stdout) <= MOST_BYTES, f"{len(done.stdout)} bytes")
    document = json.loads(done.stdout.decode())
    judge.validate(document)
    return document


def test_this_machines_fits_the_schema(judge):
    told = inventory(judge)
    check_equal(told["kernel"], os.uname().release, "kernel")
    check_equal(told["cpu"]["threads"], len([c for c in os.listdir("/sys/devices/system/cpu") if c[3:].isdigit() and
        os.path.exists(f"/sys/devices/system/cpu/{c}/topology")]), "threads")


def test_the_schema_takes_nothing_else(judge):
    told = inventory(judge)
    for wrong in ({**told, "format": 2}, {**told, "more": 1}, {k: v for k, v in told.items() if k != "cpu"},
            {**told, "tpm": "3.0"}, {**told, "kernel": "two\nlines"}):
        check(not judge.is_valid(wrong), "the schema takes it")


@pytest.fixture(scope="module")
def machine():
    for tool in ("sfdisk", "mkfs.ext4", "mkfs.vfat"):
        if not have_command(tool):
            skip(f"{tool} is not installed")
    return made_machine(os.path.join(scope.tempdir(), "machine"))


@pytest.mark.parametrize("part", EXPECTED)
def test_a_made_machine_is_told_field_by_field(judge, machine, part):
    told = inventory(judge, "--root", machine)
    check_equal(set(told) - {"format"}, set(EXPECTED), "parts")
    check_equal(told[part], EXPECTED[part], part)


@pytest.mark.parametrize("files, wanted", [({}, None), ({"BootOrder-x": b"\0"}, False), ({SECURE: b"\6\0\0\0\0"}, False),
    ({SECURE: b"\6\0\0\0\1"}, True), ({SECURE: b"\6\0"}, False)], ids=["no variables", "none of it", "off", "on", "cut"])
def test_secure_boot_is_told_as_far_as_it_is_known(judge, files, wanted, tmp_path):
    folder = tmp_path / "sys/firmware/efi/efivars"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    check_equal(inventory(judge, "--root", str(tmp_path))["firmware"], {"type": "uefi", "secure_boot": wanted}, "firmware")


def test_a_folder_with_nothing_is_a_machine_that_tells_nothing(judge):
    told = inventory(judge, "--root", "/nonexistent")
    check_equal((told["disks"], told["nics"], told["memory"], told["system"]["serial"], told["cpu"]["cores"]), ([], [],
        {"total_bytes": None, "modules": []}, None, None), "what it tells")


def test_any_bytes_in_any_file_make_a_document_of_the_schema(judge):
    if not have_command("cp"):
        skip("no cp")
    base = made_machine(os.path.join(scope.tempdir(), "base"), disks=False)
    for seed in range(SEEDS):
        rng, root = random.Random(seed), os.path.join(scope.tempdir(), f"hostile-{seed}")
        run(["cp", "-a", base, root])
        for path in HOSTILE_FILES:
            if rng.random() < 0.7:
                with open(os.path.join(root, path), "wb") as f:
                    f.write(nonsense(rng))
        for path in LINKS:
            if rng.random() < 0.3:
                os.unlink(os.path.join(root, path))
                os.symlink(rng.choice((".", "/", "loop", "/dev/zero", "x" * 200, "../../nowhere")), os.path.join(root, path))
        try:
            inventory(judge, "--root", root)
        except Exception as e:
            raise AssertionError(f"seed {seed}: {e}") from e
        run(["rm", "-rf", root])


def test_a_machine_with_very_much_of_all_stays_below_its_limit(judge):
    root = made_machine(os.path.join(scope.tempdir(), "large"), disks=False)
    for n in range(1500):
        place = os.path.join(root, f"sys/bus/pci/devices/{n >> 13:04x}:{n >> 5 & 255:02x}:{n & 31:02x}.0")
        os.makedirs(place, exist_ok=True)
        for file, text in (("vendor", "0x8086"), ("device", hex(n)), ("class", "0x020000")):
            with open(f"{place}/{file}", "w") as f:
                f.write(text + "\n")
    for n in range(400):
        place = os.path.join(root, f"sys/bus/usb/devices/2-{n}")
        os.makedirs(place)
        for file, text in (("idVendor", "1d6b"), ("idProduct", "0002"), ("product", '"\\' * 2000)):
            with open(f"{place}/{file}", "w") as f:
                f.write(text)
    told = inventory(judge, "--root", root)
    check_equal((len(told["pci"]), len(told["usb"])), (1024, 256), "devices")
