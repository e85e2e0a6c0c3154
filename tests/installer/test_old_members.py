"""os-installer on a disk that is full of members of other things, all at the places where the new partitions
begin and end; see kit/old_members.py. Debian's own blkid and wipefs judge.
"""
import subprocess
import time

import pytest

from kit.check import check, check_equal
from kit.old_members import EDGE, put
from kit.scope import needs
from kit.tar import Tar, of

DISK = 3 << 30
LAYOUT = {"root": {"fs": "ext4"}, "swap": "64M",
    "partitions": [{"mount": "/var", "size": "700M"}, {"mount": "/srv", "size": "20%", "label": "srv"}]}
FOUND = {"zfs_member", "linux_raid_member", "LVM2_member", "bcache", "btrfs", "drbd", "swap", "crypto_LUKS",
    "promise_fasttrack_raid_member", "VMFS"}
took = {}


def run(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


def fill(bench, places):
    """The disk, and every place that will be a partition, filled at its edges and made a member of all."""
    bench.detach()
    with open(bench.disk, "wb") as f:
        f.truncate(DISK)
    with open(bench.disk, "r+b") as f:
        for start, size in [(0, DISK), *places]:
            for at, length in ((start, min(size, EDGE)), (start + max(0, size - EDGE), min(size, EDGE))):
                f.seek(at)
                f.write(b"\xa5old" * (length // 4))
    for start, size in [(0, DISK), *places]:
        put(bench.disk, start, size)
    bench.disk_ready()


def ask(bench, start, size, *argv):
    """What a tool says of a part of the disk, as a device of its own."""
    device = run("losetup", "-r", "-f", "--show", "-o", str(start), "--sizelimit", str(size), bench.disk).strip()
    try:
        return subprocess.run([*argv, device], stdout=subprocess.PIPE, text=True)
    finally:
        run("losetup", "-d", device)


def kinds(bench, start, size):
    """Everything wipefs sees."""
    return set(ask(bench, start, size, "wipefs", "-n", "--noheadings", "-O", "TYPE").stdout.split())


def partitions(bench):
    found = []
    for line in run("sfdisk", "-d", bench.disk).splitlines():
        if "start=" in line:
            found.append(tuple(512 * int(line.split(key)[1].split(",")[0]) for key in ("start=", "size=")))
    return found


def not_zero(bench, start, size):
    edge = min(size, EDGE)
    with open(bench.disk, "rb") as f:
        for at, length in ((start, edge), (start + size - edge, edge)):
            f.seek(at)
            if f.read(length).strip(b"\0"):
                return f"something is left within {length} bytes at {at}"
    return None


def left(bench, places):
    for start, size in places:
        wrong = not_zero(bench, start, size) or kinds(bench, start, size)
        if wrong:
            return f"the partition at {start} of {size} bytes: {wrong}"
    return None


def formatted(bench, places, wanted):
    for (start, size), kind in zip(places, wanted):
        seen = kinds(bench, start, size)
        if seen != {kind}:
            return f"wipefs sees {seen} at {start}, not only {kind}"
        told = ask(bench, start, size, "blkid", "-p", "-s", "TYPE", "-o", "value")
        if told.returncode or told.stdout.strip() != kind:
            return f"blkid ends with {told.returncode} (8: ambivalent) for the {kind} at {start}: {told.stdout}"
    return None


def small_system():
    tar = Tar()
    for d in ("./etc", "./usr"):
        tar.add(d)
    return of(tar)


class Layout:
    """What is installed: its configuration, the file systems wanted, the places of its partitions."""

    def __init__(self, bench, name, config, wanted):
        self.bench, self.name, self.config, self.wanted = bench, name, config, wanted
        bench.disk_bytes = DISK
        fill(bench, [])
        self.install("partition")
        self.places = partitions(bench)
        check_equal(len(self.places), len(wanted), "partitions")

    def install(self, until):
        code, log, _, _ = self.bench.install(small_system(), "--until", until, **self.config)
        check_equal(code, 0, f"{log[-400:]}; exit status")


@pytest.fixture(scope="module", params=(("standard", {}, ["vfat", "ext4"]),
    ("own", {"storage": LAYOUT}, ["vfat", "swap", "ext4", "ext4", "ext4"])), ids=lambda row: row[0])
def layout(bench, request):
    return Layout(bench, *request.param)


def test_each_place_is_a_member_of_all_there_is(bench, layout):
    fill(bench, layout.places)
    seen = [kinds(bench, *place) for place in layout.places]
    check(not any(FOUND - s for s in seen), f"missing: {[sorted(FOUND - s) for s in seen]}")


@needs(test_each_place_is_a_member_of_all_there_is)
def test_nothing_of_it_is_left(bench, layout):
    began = time.monotonic()
    layout.install("partition")
    took[layout.name] = time.monotonic() - began
    wrong = left(bench, layout.places)
    check(not wrong, wrong)


@needs(test_nothing_of_it_is_left)
def test_that_took_no_more_than_15_s(layout):
    print(f"{took[layout.name]:.1f} s")
    check(took[layout.name] <= 15, f"{took[layout.name]:.1f} s")


def test_blkid_sees_the_new_file_systems_alone(bench, layout):
    fill(bench, layout.places)
    layout.install("format")
    wrong = formatted(bench, layout.places, layout.wanted)
    check(not wrong, wrong)
