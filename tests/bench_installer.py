"""bench_installer.py - how fast the installer lays a root file system down, beside its peers.

The same Debian root file system, from the stack image's nginx over loopback, onto a fresh ext4 on a
loop device in memory (so that no disk's speed is measured), until it is synced. Turn by turn, so that whatever else the machine does hits all alike:

    ours              os-installer --no-disk: every chunk's SHA-256 verified before a byte of it is used
    busybox           busybox wget | busybox tar xz: what pvmlab's installer does; verifies nothing
    bsdtar            curl | bsdtar, zstd: the fastest there is in the distributions; verifies nothing
    decompression     zstd -d of the file at hand, to nowhere: one limit
    write             dd of as many bytes into one file, synced: the other
"""
import json
import os
import re
import statistics
import subprocess
import time

import netns
from harness import ROOT, check, docker, eventually, have_command, run, tail
from lab import SERVER, Lab
from vmlab_cli import ARCH, IMAGES

MAC = "52:54:00:be:7c:02"
INSTALLER = os.path.join(ROOT, "build", ARCH, "release", "os_installer", "os-installer")
DISK_BYTES = 4 << 30


class Target:
    """A fresh ext4 for each turn."""

    def __init__(self, suite):
        self.image = f"/dev/shm/{os.path.basename(suite.tempdir())}.img"
        self.where = os.path.join(suite.tempdir(), "target")
        os.makedirs(self.where)
        with open(self.image, "wb") as f:
            f.truncate(DISK_BYTES)
        self.loop = run(["losetup", "-f", "--show", self.image], check_rc=False).stdout.strip()
        check(self.loop, "no loop device can be had")
        suite.cleanup(self.close)

    def fresh(self):
        run(["umount", self.where], check_rc=False)
        run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", self.loop])
        run(["mount", "-o", "noinit_itable,data=writeback,commit=300", self.loop, self.where])
        run(["sync"])

    def close(self):
        run(["umount", self.where], check_rc=False)
        run(["losetup", "-d", self.loop], check_rc=False)
        if os.path.exists(self.image):
            os.unlink(self.image)


def timed(target, command, env=None, synced=True):
    """Seconds until `command` (for the shell) is done and what it wrote is on the disk."""
    began = time.monotonic()
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env=dict(os.environ, **(env or {})))
    check(done.returncode == 0, f"`{command}`: {done.returncode} {tail(done.stdout)}")
    if synced:
        run(["sync", "-f", target.where])
    return time.monotonic() - began, done.stdout.decode(errors="replace")


def bench_installer(suite, runs, row):
    image = os.path.join(IMAGES, "debian-13", ARCH)
    for tool in ("busybox", "bsdtar", "curl", "zstd", "losetup", "mkfs.ext4"):
        check(have_command(tool), f"`{tool}` is not installed")
    lab = Lab(suite, "bench-installer")
    os.rmdir(lab.images)
    os.makedirs(os.path.join(lab.images, "debian-13"))
    run(["cp", "-al" if os.stat(image).st_dev == os.stat(lab.images).st_dev else "-a", image,
        os.path.join(lab.images, "debian-13", ARCH)])
    served = os.path.join(lab.images, "debian-13", ARCH)
    run(["bash", "-o", "pipefail", "-c", f"zstd -dc {served}/rootfs.tar.zst | gzip -6 > {served}/rootfs.tar.gz"], timeout=300)
    lab.define("bench", mac=MAC, ip="192.168.100.50", arch=ARCH, distro="debian-13")
    lab.start()
    lab.wait_vm("bench")
    target = Target(suite)
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
    took = {name: [] for name in commands}
    peaks, cpu = [], []
    for _ in range(runs):
        for name, command in commands.items():
            target.fresh()
            with netns.inside(f"/proc/{lab.net_pid()}/ns/net"):
                seconds, out = timed(target, command)
            took[name].append(seconds)
            if name == "ours":
                peaks.append(int(re.search(r"peak_rss_kib=(\d+)", out).group(1)) / 1024)
                cpu.append(tuple(int(re.search(k + r"=(\d+)", out).group(1)) for k in ("download_cpu_ms", "unpack_cpu_ms")))
    target.close()
    lab.remove()
    for name, values in took.items():
        row(f"{rootfs['size_bytes'] >> 20} MiB rootfs ({int(unpacked) >> 20} MiB tar), synced: {name}", statistics.median(values), "s")
    ratio = lambda a, b: statistics.median(x / y for x, y in zip(took[a], took[b]))
    row("installer: times as fast as busybox wget | tar xz", ratio("busybox", "ours"), "x", "at least 4", ratio("busybox", "ours") >= 4)
    row("installer: times as fast as curl | bsdtar", ratio("bsdtar", "ours"), "x", "at least 1", ratio("bsdtar", "ours") >= 1)
    slower = [max(a, b) for a, b in zip(took["decompression"], took["write"])]
    row("installer: share of the slower of decompression and write", statistics.median(s / o for s, o in zip(slower, took["ours"])), "")
    row("installer: processor time, download and verify", statistics.median(a for a, _ in cpu), "ms")
    row("installer: processor time, unpack", statistics.median(b for _, b in cpu), "ms")
    row("installer: peak resident memory", max(peaks), "MiB", "at most 32", max(peaks) <= 32)
