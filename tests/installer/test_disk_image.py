"""os-installer writing whole disk images onto a loop device full of old data."""
import gzip
import hashlib
import json
import lzma
import os
import re
import shutil
import subprocess

import pytest

from kit import old_members
from kit.check import check, check_equal, skip
from kit.installer_bench import Handler
from kit.loop_disk import attached
from kit.scope import needs
from kit.tar import Case, zstd

MIB = 1 << 20
IMAGE = 300 * MIB
IMAGE_XFS = 400 * MIB  # mkfs.xfs makes none below 300 MiB
DISK = 900 * MIB
ROOT_AT = 83968 * 512
memory_kib = {}


def run(*argv, **options):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options).stdout


def image_make(work, label, fs="ext4", size=IMAGE):
    """A disk as cloud images are: EFI partition in front, the root file system last."""
    root, path = f"{work}/root", f"{work}/image.{label}"
    if not os.path.exists(root):
        for d in ("etc/cloud/cloud.cfg.d", "usr/bin", "var/lib", "home"):
            os.makedirs(f"{root}/{d}")
        for name in ("fstab", "hostname"):
            with open(f"{root}/etc/{name}", "w") as f:
                f.write("the image's own\n")
        with open(f"{root}/usr/bin/data", "wb") as f:
            f.write(os.urandom(20 * MIB))
    run("truncate", "-s", "0", path)
    run("truncate", "-s", str(size), path)
    esp, linux = ("C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "0FC63DAF-8483-4772-8E79-3D69D8477DE4") if label == "gpt" \
        else ("ef", "83")
    run("sfdisk", "-q", path, input=f"label: {label}\n2 : start=2048, size=81920, type={esp}\n"
        f"1 : start=83968, {'' if label == 'gpt' else 'size=' + str(size // 512 - 83968) + ','} type={linux}\n")
    run("mkfs.vfat", "-F", "32", "--offset=2048", path, str(40 * 1024))
    if fs == "ext4":
        run("mkfs.ext4", "-q", "-F", "-E", f"offset={ROOT_AT}", "-d", root, path, f"{size // 1024 - 41984 - 1024}k")
    else:
        filled(work, fs, root, path, size - ROOT_AT - MIB)
    with open(path, "rb") as f:
        return f.read()


def filled(work, fs, root, path, size):
    """Puts a file system that only the kernel can fill at ROOT_AT of the image."""
    part, where = f"{work}/part", f"{work}/look"
    run("truncate", "-s", "0", part)
    run("truncate", "-s", str(size), part)
    run(f"mkfs.{fs}", "-q", "-f", part)
    os.makedirs(where, exist_ok=True)
    run("mount", "-o", "loop", part, where)
    try:
        run("cp", "-a", f"{root}/.", where)
    finally:
        run("umount", where)
    run("dd", f"if={part}", f"of={path}", "bs=1M", "oflag=seek_bytes", f"seek={ROOT_AT}", "conv=notrunc,sparse", "status=none")


def kernel_has(fs):
    with open("/proc/filesystems") as f:
        return fs in f.read().split() or subprocess.run(["modprobe", "-q", fs]).returncode == 0


def old_disk(bench):
    """Everything on it is something else's, so that nothing of that can be taken for a zero of the image."""
    bench.disk_bytes = DISK
    bench.disk_ready()
    with open(bench.disk, "r+b") as f:
        for at in range(0, DISK, MIB):
            f.write(b"\xa5old" * (MIB // 4))
    run("sfdisk", "-q", "--no-tell-kernel", "--force", bench.disk, input="label: gpt\nsize=200M\nsize=300M\n")
    run("mkfs.ext4", "-q", "-F", "-E", f"offset={MIB}", bench.disk, "100m")
    # Where the grown root will begin and end, whichever the table's last sector is.
    for size in (DISK - ROOT_AT - MIB, DISK - ROOT_AT - 33 * 512):
        old_members.put(bench.disk, ROOT_AT, size)
    run("blockdev", "--flushbufs", bench.loop)


def part(disk, start, size):
    with open(disk, "rb") as f:
        f.seek(start)
        return f.read(size)


def check_disk(bench, image, label, kind="ext4"):
    table = run("sfdisk", "-d", bench.disk)
    if f"label: {label}" not in table:
        return f"wrong table: {table}"
    if label == "gpt":
        said = run("sgdisk", "-v", bench.disk)
        if "No problems found" not in said:
            return said
    sizes = {l.split(":")[0].strip()[-1]: int(l.split("size=")[1].split(",")[0]) for l in table.splitlines() if "size=" in l}
    if not DISK // 512 - 83968 - 4200 < sizes["1"] <= DISK // 512 - 83968:
        return f"the last partition has {sizes['1']} sectors of {DISK // 512}"
    # The EFI partition is the image's, zeros included: nothing of the old disk shines through.
    if part(bench.disk, MIB, 40 * MIB) != image[MIB:41 * MIB]:
        return "the first partition is not the image's"
    fs = f"{bench.work}/fs"
    with open(fs, "wb") as f:
        f.write(part(bench.disk, ROOT_AT, sizes["1"] * 512))
    seen = run("wipefs", "-n", "--noheadings", "-O", "TYPE", fs).split()
    if set(seen) != {kind}:
        return f"wipefs sees {seen}, not only {kind}"
    if kind == "ext4":
        run("e2fsck", "-fn", fs)
        blocks = [int(l.split()[-1]) for l in run("dumpe2fs", "-h", fs).splitlines() if l.startswith(("Block count", "Block size"))]
        if blocks[0] * blocks[1] < (sizes["1"] - 2048) * 512:
            return f"the file system has {blocks[0] * blocks[1]} bytes"
    os.makedirs(f"{bench.work}/look", exist_ok=True)
    run("mount", "-o", "ro,loop", fs, f"{bench.work}/look")
    try:
        # What the system sees: less what a file system keeps for itself.
        seen = os.statvfs(f"{bench.work}/look")
        if seen.f_blocks * seen.f_frsize < sizes["1"] * 512 * 0.85:
            return f"the {kind} root has {seen.f_blocks * seen.f_frsize} of {sizes['1'] * 512} bytes"
        for name in ("etc/fstab", "etc/hostname"):
            with open(f"{bench.work}/look/{name}") as f:
                if f.read() != "the image's own\n":
                    return f"{name} was changed"
        with open(f"{bench.work}/look/usr/bin/data", "rb") as f, open(f"{bench.work}/root/usr/bin/data", "rb") as g:
            if f.read() != g.read():
                return "a file is not the image's"
        with open(f"{bench.work}/look/var/lib/cloud/seed/nocloud/user-data") as f:
            if f.read() != "#cloud-config\n{}":
                return "no seed"
    finally:
        run("umount", f"{bench.work}/look")
    return None


def unbootable(bench):
    for what, at in (("head", 0), ("tail", DISK - MIB)):
        if part(bench.disk, at, MIB).strip(b"\0"):
            return f"something is in the {what} of the disk"
    return None


def install(bench, case, until="bootloader"):
    """(exit status, log, memory in KiB, what it reported as the reason)"""
    old_disk(bench)
    seed = {"cloud_init_url": f"http://127.0.0.1:{bench.server.server_port}/cloud-init/x"}
    code, log, rss_kib, _ = bench.install(case, "--until", until, **seed)
    return code, log[-400:], rss_kib, Handler.now.get("failure", {}).get("message", "")


COMPRESS = {"raw.zst": zstd, "raw.gz": lambda d: gzip.compress(d, 1), "raw.xz": lambda d: lzma.compress(d, preset=0)}
IMAGES = [("gpt", "raw.zst"), ("gpt", "raw.gz"), ("gpt", "raw.xz"), ("dos", "raw.zst")]


@pytest.mark.parametrize("label, form", IMAGES)
def test_an_image_is_written_and_grown(bench, label, form):
    image = image_make(bench.work, label)
    code, log, memory_kib[label, form], _ = install(bench, Case(COMPRESS[form](image), 0, len(image), form))
    check_equal(code, 0, f"{log}; exit status")
    wrong = check_disk(bench, image, label)
    check(not wrong, wrong)


@pytest.mark.parametrize("label, form", IMAGES)
@needs(test_an_image_is_written_and_grown)
def test_that_took_little_memory(label, form):
    print(f"{memory_kib[label, form]} KiB")
    check(memory_kib[label, form] <= 48 * 1024, f"{memory_kib[label, form]} KiB")


@pytest.mark.parametrize("fs, size", (("xfs", IMAGE_XFS), ("btrfs", IMAGE)))
def test_a_root_of_another_file_system_is_grown(bench, fs, size):
    if not kernel_has(fs) or not shutil.which(f"mkfs.{fs}"):
        skip(f"this machine has no {fs}")
    image = image_make(bench.work, "gpt", fs, size)
    code, log, _, _ = install(bench, Case(zstd(image), 0, len(image), "raw.zst"))
    check_equal(code, 0, f"{log}; exit status")
    wrong = check_disk(bench, image, "gpt", fs)
    check(not wrong, wrong)


@pytest.fixture(scope="module")
def good(bench):
    """An image, compressed."""
    return zstd(image_make(bench.work, "gpt"))


def test_nothing_boots_before_the_last_phase(bench, good):
    code, log, _, _ = install(bench, Case(good, 0, IMAGE, "raw.zst"), until="configure")
    check_equal(code, 0, f"{log}; exit status")
    check(not unbootable(bench), unbootable(bench))


WRONG = {  # what is served of a good image, the bytes it is said to have, the reason
    "more bytes than said": (lambda good: good, IMAGE - MIB, "more than the"),
    "fewer bytes than said": (lambda good: good, IMAGE + MIB, "where its manifest says"),
    "garbage": (lambda good: os.urandom(2 * MIB), IMAGE, ""),
    "no partition table": (lambda good: zstd(bytes(8 * MIB)), 8 * MIB, "no partition table"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_image_leaves_a_disk_that_does_not_boot(bench, good, what):
    make, unpacked, says = WRONG[what]
    code, log, _, said = install(bench, Case(make(good), 0, unpacked, "raw.zst"))
    check(code == 1 and said and says in said, f"{code}: {said} {log}")
    check(not unbootable(bench), unbootable(bench))


@pytest.fixture(scope="module")
def larger(bench, good):
    """What became of an image that is larger than the disk."""
    old_disk(bench)
    before = hashlib.sha256(part(bench.disk, 0, DISK)).hexdigest()
    code, _, _, _ = bench.install(Case(good, 0, DISK + MIB, "raw.zst"), "--until", "bootloader")
    return code, Handler.now.get("failure", {}).get("message", ""), before


def test_larger_than_the_disk_is_refused(larger):
    code, said, _ = larger
    check(code == 1 and "too small" in said, f"{code}: {said}")


def test_larger_than_the_disk_is_refused_before_the_first_write(bench, larger):
    check_equal(hashlib.sha256(part(bench.disk, 0, DISK)).hexdigest(), larger[2], "the disk")


@pytest.fixture
def large_sectors(bench):
    old_disk(bench)
    bench.sectors_of(4096)
    yield bench
    bench.sectors_of(512)


def test_an_image_of_large_sectors_is_written_and_grown(large_sectors):
    bench, path = large_sectors, f"{large_sectors.work}/image.4096"
    image_make(bench.work, "gpt")
    run("truncate", "-s", str(IMAGE), path)
    with attached(path, 4096) as name:
        run("sfdisk", "-q", f"/dev/{name}", input=f"label: gpt\n1 : start={ROOT_AT // 4096}\n")
    run("mkfs.ext4", "-q", "-F", "-b", "4096", "-E", f"offset={ROOT_AT}", "-d", f"{bench.work}/root", path, f"{(IMAGE - ROOT_AT) // 1024 - 1024}k")
    with open(path, "rb") as f:
        image = f.read()
    code, log, _, _ = bench.install(Case(zstd(image), 0, IMAGE, "raw.zst"), "--until", "bootloader", image_sector_bytes=4096)
    check_equal(code, 0, f"{log}; exit status")
    said = run("sgdisk", "-v", bench.loop)
    check("No problems found" in said, said)
    row, = json.loads(run("sfdisk", "-J", bench.loop))["partitiontable"]["partitions"]
    check(row["start"] * 4096 == ROOT_AT and DISK - 2 * MIB <= (row["start"] + row["size"]) * 4096 < DISK, f"{row}")
    fs = f"{bench.work}/fs"
    with open(fs, "wb") as f:
        f.write(part(bench.disk, ROOT_AT, row["size"] * 4096))
    run("e2fsck", "-fn", fs)
    blocks = int(re.search(r"^Block count: +(\d+)", run("dumpe2fs", "-h", fs), re.M)[1])
    check(blocks * 4096 > row["size"] * 4096 - MIB, f"the file system has {blocks} blocks, its partition {row['size']}")


def test_an_image_of_other_sectors_is_refused_before_the_first_write(large_sectors, good):
    bench = large_sectors
    before = hashlib.sha256(part(bench.disk, 0, DISK)).hexdigest()
    code, _, _, _ = bench.install(Case(good, 0, IMAGE, "raw.zst"), "--until", "bootloader")
    said = Handler.now.get("failure", {}).get("message", "")
    check(code == 1 and "sectors of 512 bytes" in said and "has sectors of 4096" in said, f"{code}: {said}")
    check_equal(hashlib.sha256(part(bench.disk, 0, DISK)).hexdigest(), before, "the disk")
