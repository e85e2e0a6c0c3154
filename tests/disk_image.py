#!/usr/bin/python3
"""disk_image.py - os-installer writing whole disk images onto a loop device full of old data.

Prints "ok NAME", "not ok NAME: why". Needs root and loop devices; exit status 77 where there are none.
OS_INSTALLER=PATH uses that program instead of the one built here.
"""
import gzip
import hashlib
import lzma
import os
import shutil
import subprocess
import sys
import tempfile

import hostile_archives as archives
import old_members
from hostile_archives import Bench, Case, Handler, skip, zstd

MIB = 1 << 20
IMAGE = 300 * MIB
IMAGE_XFS = 400 * MIB  # mkfs.xfs makes none below 300 MiB
DISK = 900 * MIB
ROOT_AT = 83968 * 512
failed = 0


def result(name, wrong):
    global failed
    failed += bool(wrong)
    print(f"not ok {name}: {wrong}" if wrong else f"ok {name}", flush=True)


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


def main():
    if os.geteuid() != 0:
        skip("needs root")
    for tool in ("losetup", "mkfs.ext4", "mkfs.vfat", "zstd", "sfdisk", "sgdisk", "e2fsck"):
        if not shutil.which(tool):
            skip(f"{tool} is not installed")
    work = tempfile.mkdtemp()
    bench = Bench(work)
    seed = {"cloud_init_url": f"http://127.0.0.1:{bench.server.server_port}/cloud-init/x"}
    try:
        for label in ("gpt", "dos"):
            image = image_make(work, label)
            for form, compress in (("raw.zst", zstd), ("raw.gz", lambda d: gzip.compress(d, 1)),
                    ("raw.xz", lambda d: lzma.compress(d, preset=0))):
                if label == "dos" and form != "raw.zst":
                    continue
                c = Case(compress(image), 0, len(image), form)
                old_disk(bench)
                code, log, rss_kib, _ = bench.install(c, "--until", "bootloader", **seed)
                name = f"{label} image as {form}"
                result(name, check_disk(bench, image, label) if code == 0 else log[-400:])
                result(f"...in {rss_kib} KiB", rss_kib > 48 * 1024)
        for fs, size in (("xfs", IMAGE_XFS), ("btrfs", IMAGE)):
            name = f"{fs} root, grown"
            if not kernel_has(fs) or not shutil.which(f"mkfs.{fs}"):
                print(f"skip {name}: this machine has no {fs}", flush=True)
                continue
            image = image_make(work, "gpt", fs, size)
            old_disk(bench)
            code, log, _, _ = bench.install(Case(zstd(image), 0, len(image), "raw.zst"), "--until", "bootloader", **seed)
            result(name, check_disk(bench, image, "gpt", fs) if code == 0 else log[-400:])
        image = image_make(work, "gpt")
        good = Case(zstd(image), 0, len(image), "raw.zst")

        old_disk(bench)
        code, log, _, _ = bench.install(good, "--until", "configure", **seed)
        result("nothing boots before the last phase", unbootable(bench) if code == 0 else log[-300:])
        for name, c, says in (
                ("more bytes than said", Case(good.data, 0, IMAGE - MIB, "raw.zst"), "more than the"),
                ("fewer bytes than said", Case(good.data, 0, IMAGE + MIB, "raw.zst"), "where its manifest says"),
                ("garbage", Case(os.urandom(2 * MIB), 0, IMAGE, "raw.zst"), ""),
                ("no partition table", Case(zstd(bytes(8 * MIB)), 0, 8 * MIB, "raw.zst"), "no partition table")):
            old_disk(bench)
            code, log, _, _ = bench.install(c, "--until", "bootloader", **seed)
            said = Handler.now.get("failure", {}).get("message", "")
            result(name, unbootable(bench) if code == 1 and says in said and said else f"{code}: {said} {log[-300:]}")
        old_disk(bench)
        before = hashlib.sha256(part(bench.disk, 0, DISK)).hexdigest()
        code, log, _, _ = bench.install(Case(good.data, 0, DISK + MIB, "raw.zst"), "--until", "bootloader", **seed)
        said = Handler.now.get("failure", {}).get("message", "")
        result("larger than the disk: refused", code != 1 or "too small" not in said)
        result("...before the first write", hashlib.sha256(part(bench.disk, 0, DISK)).hexdigest() != before)
    finally:
        bench.detach()
        shutil.rmtree(work, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
