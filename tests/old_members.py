#!/usr/bin/python3
"""old_members.py - os-installer on a disk that is full of members of other things: ZFS, md, LVM, bcache,
btrfs, DRBD, LUKS, boards' RAIDs, all at the places where the new partitions begin and end.

Debian's own blkid and wipefs judge. Prints "ok NAME", "not ok NAME: why". Needs root and loop devices; exit
status 77 where there are none. OS_INSTALLER=PATH uses that program instead of the one built here.
"""
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time

from hostile_archives import Bench, Tar, of, skip

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
DISK = 3 * GIB
EDGE = 8 * MIB
LAYOUT = {"root": {"fs": "ext4"}, "swap": "64M",
    "partitions": [{"mount": "/var", "size": "700M"}, {"mount": "/srv", "size": "20%", "label": "srv"}]}
FOUND = {"zfs_member", "linux_raid_member", "LVM2_member", "bcache", "btrfs", "drbd", "swap", "crypto_LUKS",
    "promise_fasttrack_raid_member", "VMFS"}
failed = 0


def result(name, wrong):
    global failed
    failed += bool(wrong)
    print(f"not ok {name}: {wrong}" if wrong else f"ok {name}", flush=True)


def run(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


def md(version, size):
    """An md superblock of version 0.90 or 1.0: (offset, bytes)."""
    if version == "0.90":
        return (size & ~0xffff) - 64 * KIB, struct.pack("<IIII", 0xa92b4efc, 0, 90, 0).ljust(4096, b"\0")
    at = (size - 8 * KIB) & ~0xfff
    head = struct.pack("<IIII16s", 0xa92b4efc, 1, 0, 0, b"u" * 16).ljust(144, b"\0")
    return at, (head + struct.pack("<Q", at // 512)).ljust(512, b"\0")


def zfs(size):
    """The uberblock rings of the four labels; size is rounded down as ZFS does."""
    size &= ~(256 * KIB - 1)
    ring = b"".join(struct.pack("<QQQQ", 0x00bab10c, 5000, i, i).ljust(KIB, b"\0") for i in range(128))
    return [(label + 128 * KIB, ring) for label in (0, 256 * KIB, size - 512 * KIB, size - 256 * KIB)]


def luks_copy(at):
    head = b"SKUL\xba\xbe" + struct.pack(">HQQ", 2, 16384, 1)
    return at, (head.ljust(168, b"\0") + b"01234567-89ab-cdef-0123-456789abcdef".ljust(88, b"\0") +
        struct.pack(">Q", at)).ljust(512, b"\0")


def members(size):
    """(offset, bytes) of everything that fits beside each other on a device of that size."""
    lvm = (b"LABELONE" + struct.pack("<QII8s", 1, 0, 32, b"LVM2 001") + b"p" * 32).ljust(512, b"\0")
    bcache = (struct.pack("<QQQ", 0, 8, 1) + bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")).ljust(4096, b"\0")
    swap = (struct.pack("<II", 1, size // 4096 - 1) + b"s" * 16).ljust(4086 - 1024, b"\0") + b"SWAPSPACE2"
    btrfs = (b"\0" * 64 + b"_BHRfS_M").ljust(4096, b"\0")
    drbd = (b"\0" * 60 + struct.pack(">I", 0x8374026b)).ljust(4096, b"\0")
    found = [*zfs(size), (512, lvm), (1024, swap), (8 * 512, bcache), (64 * KIB, btrfs), luks_copy(32 * KIB),
        (size - 4 * KIB, drbd), md("0.90", size), md("1.0", size)]
    if size > 64 * MIB + 4 * KIB:
        found.append((64 * MIB, btrfs))
    if size > 2 * EDGE:
        found += [(MIB, b"\x0d\xd0\x01\xc0".ljust(512, b"\0")), (2 * MIB, b"\x5e\xf1\xab\x2f".ljust(512, b"\0")),
            luks_copy(4 * MIB), (size - 3087 * 512, b"Promise Technology, Inc.".ljust(512, b"\0"))]
    return found


def put(path, start, size):
    with open(path, "r+b") as f:
        for at, data in members(size):
            f.seek(start + at)
            f.write(data)


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


def main():
    if os.geteuid() != 0:
        skip("needs root")
    for tool in ("losetup", "mkfs.ext4", "mkfs.vfat", "zstd", "sfdisk", "wipefs", "blkid"):
        if not shutil.which(tool):
            skip(f"{tool} is not installed")
    work = tempfile.mkdtemp()
    bench = Bench(work)
    bench.disk_bytes = DISK
    system = small_system()
    try:
        for name, config, wanted in (("standard layout", {}, ["vfat", "ext4"]),
                ("own layout", {"storage": LAYOUT}, ["vfat", "swap", "ext4", "ext4", "ext4"])):
            fill(bench, [])
            code, log, _, _ = bench.install(system, "--until", "partition", **config)
            places = partitions(bench) if code == 0 else []
            if len(places) != len(wanted):
                result(f"{name}: the places of its partitions", f"{code}: {places} {log[-400:]}")
                continue
            fill(bench, places)
            seen = [kinds(bench, *place) for place in places]
            result(f"{name}: each place is a member of all there is",
                any(FOUND - s for s in seen) and f"missing: {[sorted(FOUND - s) for s in seen]}")
            began = time.monotonic()
            code, log, _, _ = bench.install(system, "--until", "partition", **config)
            took = time.monotonic() - began
            result(f"{name}: nothing of it is left", left(bench, places) if code == 0 else log[-400:])
            result(f"...in {took:.1f} s", took > 15 and "too slow")
            fill(bench, places)
            code, log, _, _ = bench.install(system, "--until", "format", **config)
            result(f"{name}: blkid sees the new file systems alone",
                formatted(bench, places, wanted) if code == 0 else log[-400:])
    finally:
        bench.detach()
        shutil.rmtree(work, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
