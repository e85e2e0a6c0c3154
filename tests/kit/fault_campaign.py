"""fault_campaign.py - a small system served by the real stack in its own namespace, installed again and again
through kit/fault_proxy.py by the program of the initrd, run here.

VMLAB_FAULT=full asks for every case, VMLAB_FAULT_SEED for others of them.
"""
import concurrent.futures
import os
import random
import re
import shutil
import subprocess

from kit import netns, small_image
from kit.check import check
from kit.command import ROOT, tail
from kit.fault_proxy import Proxy
from kit.lab import SERVER, Lab
from kit.vmlab_cli import ARCH

FULL = os.environ.get("VMLAB_FAULT") == "full"
SEED = int(os.environ.get("VMLAB_FAULT_SEED") or 20251120)
MAC = "52:54:00:fa:00:01"
CHUNK = small_image.CHUNK_BYTES
INSTALLER = os.environ.get("OS_INSTALLER") or os.path.join(ROOT, "build", ARCH, "release", "os_installer", "os-installer")


def counts(full, sample):
    return full if FULL else sample


class Campaign:
    """The server, what it serves, and what was tried so far: rows, {what: (how often, how often as required)}."""

    def __init__(self, scope):
        self.scope, self.rows, self.rng = scope, {}, random.Random(SEED)
        self.lab = Lab(scope, "fault")

    def begin(self):
        check(os.path.exists(INSTALLER), f"{INSTALLER} is not there: `make load` builds it")
        self.tar = small_image.make_tar()
        self.size = len(small_image.write(os.path.join(self.lab.images, "small", ARCH), self.tar, arch=ARCH))
        self.lab.define("fault1", mac=MAC, ip="192.168.100.50", arch=ARCH, distro="small")
        self.lab.start()
        self.lab.wait_vm("fault1")
        self.space = f"/proc/{self.lab.net_pid()}/ns/net"
        reference = os.path.join(self.scope.tempdir(), "reference")
        os.makedirs(reference)
        subprocess.run(["tar", "-C", reference, "-xp", "--numeric-owner", "--xattrs", "--xattrs-include=*"], input=self.tar,
            check=True)
        self.tree = small_image.tree_digest(reference)

    def installer(self, faults=()):
        return Installer(self, faults)

    def run(self, row, cases, one, workers=3):
        """Runs one(case) for each case, several at a time; one returns None or what went wrong."""
        wrong = []
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            for case, problem in zip(cases, pool.map(lambda c: guarded(one, c), cases)):
                if problem:
                    wrong.append(f"{case}: {problem}")
        before = self.rows.get(row, (0, 0))
        self.rows[row] = (before[0] + len(cases), before[1] + len(cases) - len(wrong))
        check(not wrong, lambda: f"{len(wrong)} of {len(cases)} cases (seed {SEED}): " + "; ".join(wrong[:5]))


def guarded(one, case):
    try:
        return one(case)
    except Exception as e:  # a case that breaks the test itself has failed, too
        return f"{type(e).__name__}: {e}"


class Installer:
    """One run of os-installer into a fresh directory, through a proxy with the given faults."""
    _number = 0

    def __init__(self, campaign, faults):
        Installer._number += 1
        self.space = campaign.space
        self.dir = os.path.join(campaign.scope.tempdir(), "cases", f"case-{Installer._number}")
        os.makedirs(os.path.join(self.dir, "tree"))
        self.proxy = Proxy(self.space, SERVER, "/rootfs.tar.zst", faults)

    def run(self, timeout=240):
        with netns.inside(self.space):
            process = subprocess.Popen([INSTALLER, "--config-url", f"http://127.0.0.1:{self.proxy.port}/config/{MAC}",
                "--directory", os.path.join(self.dir, "tree"), "--no-disk", "--no-reboot"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        try:
            self.log, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            self.log, _ = process.communicate()
            self.log += f"\n(killed: not done within {timeout} s)"
        self.status = process.returncode
        return self

    def tree(self):
        return small_image.tree_digest(os.path.join(self.dir, "tree"))

    def close(self):
        self.proxy.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def refused(i, what):
    if i.status == 0:
        return f"{what} was installed"
    if "install failed in phase rootfs" not in i.log and "install failed in phase config" not in i.log:
        return f"no clear failure: {tail(i.log, 300)}"
    if not re.search(r"SHA-256|bytes where its manifest|longer than|too short|manifest", i.log):
        return f"the reason is not said: {tail(i.log, 300)}"
    return None
