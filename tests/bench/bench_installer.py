"""bench_installer.py - how fast the installer lays a root file system down, beside its peers.

The same Debian root file system, from the stack image's nginx over loopback, onto a fresh ext4 on a
loop device in memory (so that no disk's speed is measured), until it is synced. Turn by turn, so that whatever else the machine does hits all alike:

    ours              os-installer --no-disk: every chunk's SHA-256 verified before a byte of it is used
    busybox           busybox wget | busybox tar xz: what pvmlab's installer does; verifies nothing
    bsdtar            curl | bsdtar, zstd: the fastest there is in the distributions; verifies nothing
    decompression     zstd -d of the file at hand, to nowhere: one limit
    write             dd of as many bytes into one file, synced: the other

The same system as a whole disk image, onto the bare loop device, beside `zstd -d` and `dd` of that disk.
"""
import contextlib
import json
import mmap
import os
import re
import statistics
import subprocess
import time

from kit import netns
from kit.check import check
from kit.command import ROOT, have_command, run, tail
from kit.lab import SERVER, Lab
from kit.vmlab_cli import ARCH, BINARY, IMAGES

MAC = "52:54:00:be:7c:02"
INSTALLER = os.path.join(ROOT, "build", ARCH, "release", "os_installer", "os-installer")
DISK_BYTES = 4 << 30


REPORTING = "/sys/module/page_reporting/parameters/page_reporting_order"


@contextlib.contextmanager
def memory_kept(gib):
    """On a virtual machine whose host takes free memory back, the first use of each page costs more than
    all that is measured here. Meanwhile it keeps what it has, and has `gib` of it from the beginning."""
    before = None
    if os.access(REPORTING, os.W_OK):
        with open(REPORTING) as f:
            before = f.read()
        with open(REPORTING, "w") as f:
            f.write("11") # larger than any block of free pages
    with mmap.mmap(-1, gib << 30) as memory:
        for at in range(0, gib << 30, mmap.PAGESIZE):
            memory[at] = 1
    try:
        yield
    finally:
        if before:
            with open(REPORTING, "w") as f:
                f.write(before)


class Target:
    """A disk in memory that is there already, as a disk is; a fresh ext4 on it for each turn."""

    def __init__(self, scope):
        self.image = f"/dev/shm/{os.path.basename(scope.tempdir())}.img"
        self.where = os.path.join(scope.tempdir(), "target")
        os.makedirs(self.where)
        with open(self.image, "wb") as f:
            os.posix_fallocate(f.fileno(), 0, DISK_BYTES)
        self.loop = run(["losetup", "-f", "--show", self.image], check_rc=False).stdout.strip()
        check(self.loop, "no loop device can be had")
        scope.cleanup(self.close)

    def fresh(self):
        run(["umount", self.where], check_rc=False)
        run(["mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1", self.loop])
        run(["mount", "-o", "noinit_itable,data=writeback,commit=300", self.loop, self.where])
        run(["sync"])
        return self.where

    def close(self):
        run(["umount", self.where], check_rc=False)
        run(["losetup", "-d", self.loop], check_rc=False)
        if os.path.exists(self.image):
            os.unlink(self.image)


def timed(command, mounted):
    """Seconds until `command` (for the shell) is done and what it wrote to the file system `mounted` is on
    its disk. Commands that write to no file system do that themselves."""
    began = time.monotonic()
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    check(done.returncode == 0, f"`{command}`: {done.returncode} {tail(done.stdout)}")
    if mounted:
        run(["sync", "-f", mounted])
    return time.monotonic() - began, done.stdout.decode(errors="replace")


def turns(runs, commands, before, space):
    """{name: seconds of each turn}, {name: output of each turn}; before() makes each turn's disk and
    returns where it is mounted, if it is."""
    took, said = {name: [] for name in commands}, {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            mounted = before()
            with netns.inside(space):
                seconds, out = timed(command, mounted)
            took[name].append(seconds)
            said[name].append(out)
    return took, said


def peak_mib(outputs):
    return max(int(re.search(r"peak_rss_kib=(\d+)", out).group(1)) / 1024 for out in outputs)


def ratio(took, a, b):
    return statistics.median(x / y for x, y in zip(took[a], took[b]))


def share_of_limit(took, a, b, ours="ours"):
    """How close `ours` comes to the slower of two limits, turn by turn."""
    return statistics.median(max(x, y) / o for x, y, o in zip(took[a], took[b], took[ours]))


def bench_installer(scope, runs, row):
    with open("/proc/meminfo") as f:
        available_gib = int(re.search(r"MemAvailable: +(\d+)", f.read()).group(1)) >> 20
    check(available_gib >= 9, f"{available_gib} GiB of memory are free, 9 are needed")
    with memory_kept(min(12, available_gib - 1)):
        bench_all(scope, runs, row)


def bench_all(scope, runs, row):
    image = os.path.join(IMAGES, "debian-13", ARCH)
    for tool in ("busybox", "bsdtar", "curl", "zstd", "losetup", "mkfs.ext4"):
        check(have_command(tool), f"`{tool}` is not installed")
    lab = Lab(scope, "bench-installer")
    os.rmdir(lab.images)
    os.makedirs(os.path.join(lab.images, "debian-13"))
    run(["cp", "-al" if os.stat(image).st_dev == os.stat(lab.images).st_dev else "-a", image,
        os.path.join(lab.images, "debian-13", ARCH)])
    served = os.path.join(lab.images, "debian-13", ARCH)
    run(["bash", "-o", "pipefail", "-c", f"zstd -dc {served}/rootfs.tar.zst | gzip -6 > {served}/rootfs.tar.gz"], timeout=300)
    lab.define("bench", mac=MAC, ip="192.168.100.50", arch=ARCH, distro="debian-13")
    lab.start()
    lab.wait_vm("bench")
    target = Target(scope)
    with open(os.path.join(served, "manifest.json")) as f:
        rootfs = json.load(f)["rootfs"]
    unpacked = run(["bash", "-c", f"zstd -dc {served}/rootfs.tar.zst | wc -c"]).stdout.strip()
    base = f"http://{SERVER}/images/debian-13/{ARCH}"
    commands = {
        "ours": f"{INSTALLER} --config-url http://{SERVER}/config/{MAC} --directory {target.where} --no-disk --no-reboot",
        "busybox": f"busybox wget -q -O - {base}/rootfs.tar.gz | busybox tar xz -C {target.where} -f -",
        "bsdtar": f"curl -s {base}/rootfs.tar.zst | bsdtar -xp --numeric-owner -C {target.where} -f -",
        "decompression": f"zstd -dc {served}/rootfs.tar.zst > /dev/null",
        "write": f"dd if=/dev/zero of={target.where}/zero bs=1M count={rootfs['unpacked_bytes'] >> 20} status=none",
    }
    space = f"/proc/{lab.net_pid()}/ns/net"
    took, said = turns(runs, commands, target.fresh, space)
    peak = peak_mib(said["ours"])
    cpu = [tuple(int(re.search(k + r"=(\d+)", out).group(1)) for k in ("download_cpu_ms", "unpack_cpu_ms")) for out in said["ours"]]
    bench_disk_image(scope, runs, row, lab, target, unpacked)
    target.close()
    lab.remove()
    for name, values in took.items():
        row(f"{rootfs['size_bytes'] >> 20} MiB rootfs ({int(unpacked) >> 20} MiB tar), synced: {name}", statistics.median(values), "s")
    value = ratio(took, "busybox", "ours")
    row("installer: times as fast as busybox wget | tar xz", value, "x", "at least 4", value >= 4)
    value = ratio(took, "bsdtar", "ours")
    row("installer: times as fast as curl | bsdtar", value, "x", "at least 1", value >= 1)
    row("installer: share of the slower of decompression and write", share_of_limit(took, "decompression", "write"), "")
    row("installer: processor time, download and verify", statistics.median(a for a, _ in cpu), "ms")
    row("installer: processor time, unpack", statistics.median(b for _, b in cpu), "ms")
    row("installer: peak resident memory", peak, "MiB", "at most 32", peak <= 32)


def disk_image_make(path, tarball, tar_bytes):
    """A raw disk as cloud images are: EFI system partition, then a root file system with room to spare."""
    root_at, size = 513 << 20, (513 << 20) + 2 * tar_bytes // (1 << 20) * (1 << 20)
    with open(path, "wb") as f:
        f.truncate(size)
    run(["sfdisk", "-q", path], stdin="label: gpt\nstart=2048, size=512M, type=U\nstart=%d, type=L\n" % (root_at >> 9))
    run(["mkfs.vfat", "-F", "32", "--offset=2048", path, str(512 << 10)])
    where = path + ".root"
    os.makedirs(where)
    loop = run(["losetup", "-f", "--show", "-o", str(root_at), "--sizelimit", str(size - root_at - (1 << 20)), path]).stdout.strip()
    try:
        run(["mkfs.ext4", "-q", loop])
        run(["mount", loop, where])
        run(["bash", "-o", "pipefail", "-c", f"zstd -dc {tarball} | tar -C {where} -xp --numeric-owner -f -"], timeout=120)
    finally:
        run(["umount", where], check_rc=False)
        run(["losetup", "-d", loop], check_rc=False)
    os.rmdir(where)
    return size


def bench_disk_image(scope, runs, row, lab, target, tar_bytes):
    raw = target.image + ".raw"
    scope.cleanup(lambda: os.path.exists(raw) and os.unlink(raw))
    size = disk_image_make(raw, os.path.join(lab.images, "debian-13", ARCH, "rootfs.tar.zst"), int(tar_bytes))
    run([BINARY, "--images", lab.images, "image", "import", "bench-disk", "--arch", ARCH, "--kernel-from", "debian-13", raw],
        timeout=300)
    served = os.path.join(lab.images, "bench-disk", ARCH)
    mac = MAC[:-2] + "03"
    lab.define("bench-disk", mac=mac, ip="192.168.100.51", arch=ARCH, distro="bench-disk")
    lab.wait_vm("bench-disk")
    run(["umount", target.where], check_rc=False)
    commands = {
        "ours": f"{INSTALLER} --config-url http://{SERVER}/config/{mac} --disk {target.loop} --directory {target.where}"
            " --until rootfs --no-nvram --no-reboot",
        "decompression": f"zstd -dc {served}/disk.raw.zst > /dev/null",
        "dd": f"dd if={raw} of={target.loop} bs=1M conv=fsync status=none",
        "dd of what is not zero": f"dd if={raw} of={target.loop} bs=1M conv=fsync,sparse status=none",
    }

    # Each turn finds a disk never written to, as a new one is.
    took, said = turns(runs, commands, lambda: run(["blkdiscard", "-f", target.loop]) and None,
        f"/proc/{lab.net_pid()}/ns/net")
    for name, values in took.items():
        row(f"{size >> 20} MiB disk image, synced: {name}", statistics.median(values), "s")
    value = share_of_limit(took, "decompression", "dd")
    row("disk image: share of the slower of decompression and dd", value, "", "at least 0.9", value >= 0.9)
    row("disk image: the same, had dd skipped zeros", share_of_limit(took, "decompression", "dd of what is not zero"), "")
    peak = peak_mib(said["ours"])
    row("disk image: peak resident memory", peak, "MiB", "at most 32", peak <= 32)
