"""A disk that is full, and an installer that is killed anywhere."""
import os
import shutil
import subprocess
import time

import pytest

from kit import netns, small_image
from kit.check import check, eventually, skip
from kit.command import have_command, run, tail
from kit.fault_campaign import FULL, INSTALLER, MAC, counts
from kit.fault_proxy import Proxy
from kit.lab import SERVER
from kit.vmlab_cli import ARCH

pytestmark = pytest.mark.timeout(5400 if FULL else 900)


def loop_disk(scope, name, size_bytes):
    """A file as a disk; returns its device."""
    for tool in ("losetup", "mkfs.ext4", "mkfs.vfat", "unshare", "e2fsck"):
        if not have_command(tool):
            skip(f"`{tool}` is not installed")
    path = os.path.join(scope.tempdir(), name)
    with open(path, "wb") as f:
        f.truncate(size_bytes)
    loop = run(["losetup", "-fP", "--show", path], check_rc=False).stdout.strip()
    if not loop:
        skip("no loop device can be had")
    scope.cleanup(lambda: run(["losetup", "-d", loop], check_rc=False))
    return loop


def install_onto(campaign, loop, config_url):
    """Starts os-installer on a disk and lets it go on to where it needs vfat, which kernels may lack. Its
    mounts and children end with it, as a machine's do when its power goes."""
    target = os.path.join(campaign.scope.tempdir(), "target")
    os.makedirs(target, exist_ok=True)
    with netns.inside(campaign.space):
        return subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", INSTALLER,
            "--config-url", config_url, "--disk", loop, "--directory", target, "--until", "configure", "--no-nvram",
            "--no-reboot"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace")


def test_disk_full_in_the_middle_fails_with_the_reason_another_disk_untouched(campaign):
    lab, mac = campaign.lab, MAC[:-2] + "02"
    where = os.path.join(lab.images, "large", ARCH)
    small_image.write(where, small_image.tar_of_size("opt", 96), distro="large", arch=ARCH)
    lab.define("fault2", mac=mac, ip="192.168.100.51", arch=ARCH, distro="large",
        storage={"partitions": [{"mount": "/opt", "size": "64M"}]}) # no plan knows how much goes there
    lab.wait_vm("fault2")
    disk, other = loop_disk(campaign.scope, "full", 1200 << 20), os.path.join(campaign.scope.tempdir(), "other")
    loop_disk(campaign.scope, "other", 64 << 20)
    with open(other, "r+b") as f:
        f.write(b"somebody's" * 1000)
    before = small_image.sha256(open(other, "rb").read())

    def filled(_):
        p = install_onto(campaign, disk, f"http://{SERVER}/config/{mac}")
        log, _ = p.communicate(timeout=120)
        if p.returncode == 0 or "install failed in phase rootfs" not in log or "No space left on device" not in log:
            return f"status {p.returncode}: {tail(log, 400)}"
        return None if small_image.sha256(open(other, "rb").read()) == before else "the other disk was written"
    campaign.run("disk full", [0], filled, workers=1)
    shutil.rmtree(os.path.join(lab.images, "large"))


def test_installer_killed_anywhere_the_next_one_installs_cleanly(campaign):
    loop = loop_disk(campaign.scope, "disk", 2 << 30)
    target = os.path.join(campaign.scope.tempdir(), "target")
    proxy = Proxy(campaign.space, SERVER, "/rootfs.tar.zst")

    def start():
        return install_onto(campaign, loop, f"http://127.0.0.1:{proxy.port}/config/{MAC}")

    def whole():
        began = time.monotonic()
        p = start()
        log, _ = p.communicate(timeout=120)
        return p.returncode, log, time.monotonic() - began

    def tree():
        run(["mount", "-o", "ro", loop + "p2", target])
        try:
            h = small_image.tree_digest(os.path.join(target, "usr")), small_image.tree_digest(os.path.join(target, "opt"))
        finally:
            run(["umount", target])
        return h
    status, log, took = whole()
    check(status == 0, f"status {status}: {tail(log)}")
    wanted = tree()

    def killed(share):
        p = start()
        time.sleep(took * share)
        p.kill()
        p.communicate(timeout=30)
        eventually(lambda: run(["mount", "-o", "ro", loop, target], check_rc=False).returncode in (0, 32), 5, "the disk is free")
        run(["umount", target], check_rc=False)
        status, log, _ = whole()
        if status != 0:
            return f"status {status}: {tail(log, 300)}"
        return None if tree() == wanted else "another tree"
    try:
        n = counts(100, 8)
        campaign.run("killed at a random point", [campaign.rng.uniform(0, 1) for _ in range(n)], killed, workers=1)
    finally:
        proxy.close()
