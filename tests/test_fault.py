#!/usr/bin/python3
"""test_fault.py - the installer against everything that can go wrong; what `make fault` runs whole.

    tests/test_fault.py                a sample of each campaign, as `make test` runs it
    VMLAB_FAULT=full tests/test_fault.py   every case; the last lines count them by row

The server is the real stack in its own namespace, with tests/fault_proxy.py in front of it; the
installer is the program of the initrd, run here on a directory or a loop device.
"""
import concurrent.futures
import os
import random
import re
import shutil
import subprocess
import sys
import time

import netns
import small_image
from fault_proxy import Fault, Proxy
from harness import ROOT, Suite, check, eventually, have_command, print_counts, run, skip, tail
from lab import SERVER, Lab

FULL = os.environ.get("VMLAB_FAULT") == "full"
SEED = int(os.environ.get("VMLAB_FAULT_SEED") or 20251120)
MAC = "52:54:00:fa:00:01"
CHUNK = small_image.CHUNK_BYTES
ARCH = run(["dpkg", "--print-architecture"]).stdout.strip()
INSTALLER = os.environ.get("OS_INSTALLER") or os.path.join(ROOT, "build", ARCH, "release", "os_installer", "os-installer")

suite = Suite("fault", "faults while installing: lines, servers, files, kills")
rng = random.Random(SEED)
rows = {}
shared = {}


def counts(full, sample):
    return full if FULL else sample


class Installer:
    """One run of os-installer into a fresh directory, through a proxy with the given faults."""
    _number = 0

    def __init__(self, faults=(), work=None):
        Installer._number += 1
        self.dir = os.path.join(work or shared["work"], f"case-{Installer._number}")
        os.makedirs(os.path.join(self.dir, "tree"))
        self.proxy = Proxy(shared["space"], SERVER, "/rootfs.tar.zst", faults)

    def run(self, timeout=240):
        with netns.inside(shared["space"]):
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


def campaign(row, cases, one, workers=3):
    """Runs one(case) for each case, several at a time; one returns None or what went wrong."""
    wrong = []
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for case, problem in zip(cases, pool.map(lambda c: guarded(one, c), cases)):
            if problem:
                wrong.append(f"{case}: {problem}")
    before = rows.get(row, (0, 0))
    rows[row] = (before[0] + len(cases), before[1] + len(cases) - len(wrong))
    check(not wrong, lambda: f"{len(wrong)} of {len(cases)} cases (seed {SEED}): " + "; ".join(wrong[:5]))


def guarded(one, case):
    try:
        return one(case)
    except Exception as e:  # a case that breaks the test itself has failed, too
        return f"{type(e).__name__}: {e}"


# ---- the server ------------------------------------------------------------------------------------

@suite.test("the stack serves a small image, and it installs")
def _():
    check(os.path.exists(INSTALLER), f"{INSTALLER} is not there: `make load` builds it")
    lab = Lab(suite, "fault")
    tar = small_image.make_tar()
    data = small_image.write(os.path.join(lab.images, "small", ARCH), tar, arch=ARCH)
    lab.define("fault1", mac=MAC, ip="192.168.100.50", arch=ARCH, distro="small")
    lab.start()
    lab.wait_vm("fault1")
    shared.update(lab=lab, tar=tar, size=len(data), space=f"/proc/{lab.net_pid()}/ns/net",
        work=os.path.join(suite.tempdir(), "cases"))
    reference = os.path.join(suite.tempdir(), "reference")
    os.makedirs(reference)
    subprocess.run(["tar", "-C", reference, "-xp", "--numeric-owner", "--xattrs", "--xattrs-include=*"], input=tar,
        check=True)
    shared["tree"] = small_image.tree_digest(reference)
    i = Installer().run()
    check(i.status == 0, f"status {i.status}: {tail(i.log)}")
    check(i.tree() == shared["tree"], "the tree is not what GNU tar makes")
    check(i.proxy.starts == [0], f"requests began at {i.proxy.starts}")
    i.close()


SERVED = ["the stack serves a small image, and it installs"]


# ---- the line --------------------------------------------------------------------------------------

def survives(case):
    """One or more faults, and the same tree in the end."""
    faults = [Fault(kind, at) for kind, at in case]
    i = Installer(faults).run()
    try:
        if i.status != 0:
            return f"status {i.status}: {tail(i.log, 300)}"
        if len(i.proxy.hits) != len(faults):
            return f"{len(i.proxy.hits)} of {len(faults)} faults happened"
        if i.tree() != shared["tree"]:
            return "another tree"
        if max(i.proxy.repeated()) >= CHUNK:
            return f"bytes asked for again, by fault: {i.proxy.repeated()}"
        return None
    finally:
        i.close()


def line_cases(kind, full, sample):
    edges = list(range(0, shared["size"], CHUNK)) + [shared["size"] - 1]
    at = [rng.randrange(shared["size"]) for _ in range(counts(full, sample))]
    return [[(kind, n)] for n in (edges if FULL else edges[::8]) + at]


for kind, full, sample, workers in (("reset", 200, 10, 3), ("close", 200, 10, 3), ("corrupt", 200, 10, 3),
        ("stall", 200, 4, 24)):
    @suite.test(f"connection: {kind} at random bytes and at chunk edges", needs=SERVED)
    def _(kind=kind, full=full, sample=sample, workers=workers):
        campaign("connection reset, closed, stalled, corrupted at byte N", line_cases(kind, full, sample), survives, workers)


@suite.test("connection: twenty drops in a row", needs=SERVED)
def _():
    def drops(seed):
        r = random.Random(seed)
        return sorted((r.choice(["reset", "close"]), r.randrange(shared["size"])) for _ in range(20))
    campaign("20 drops in a row", [drops(SEED + n) for n in range(counts(10, 2))], survives)


# ---- the servers -----------------------------------------------------------------------------------

@suite.test("servers: nginx and boot_handler killed in the middle of the stream", needs=SERVED)
def _():
    lab = shared["lab"]

    def killed(n):
        i = Installer([Fault("close", shared["size"] * k // 9) for k in range(1, 9)])
        done = concurrent.futures.ThreadPoolExecutor(1).submit(i.run)
        r = random.Random(SEED + n)
        try:
            for daemon in ("nginx", "boot_handler", "nginx"):
                time.sleep(r.uniform(0.1, 0.8))
                run(["kill", "-9", *map(str, lab.pids()[daemon])], check_rc=False)
            done.result(240)
            if i.status != 0:
                return f"status {i.status}: {tail(i.log, 300)}"
            return None if i.tree() == shared["tree"] else "another tree"
        finally:
            i.close()
    campaign("nginx and boot_handler killed mid-stream", list(range(counts(10, 2))), killed, workers=1)
    lab.wait_serving()


# ---- the file --------------------------------------------------------------------------------------

def refused(i, what):
    if i.status == 0:
        return f"{what} was installed"
    if "install failed in phase rootfs" not in i.log and "install failed in phase config" not in i.log:
        return f"no clear failure: {tail(i.log, 300)}"
    if not re.search(r"SHA-256|bytes where its manifest|longer than|too short|manifest", i.log):
        return f"the reason is not said: {tail(i.log, 300)}"
    return None


@suite.test("file: one bit flipped anywhere", needs=SERVED)
def _():
    def flipped(case):
        i = Installer([Fault("flip", case[0], 1 << case[1])]).run()
        try:
            return refused(i, "a wrong file")
        finally:
            i.close()
    campaign("one bit flipped", [(rng.randrange(shared["size"]), rng.randrange(8)) for _ in range(counts(1000, 30))],
        flipped, workers=4)


@suite.test("file: truncated, at member edges of the tar and elsewhere", needs=SERVED)
def _():
    lab, tar = shared["lab"], shared["tar"]
    path = os.path.join(lab.images, "small", ARCH, "rootfs.tar.zst")
    with open(path, "rb") as f:
        whole = f.read()

    def truncated(case):
        kind, n = case
        short = small_image.compress(tar[:n] + bytes(1024)) if kind == "tar" else whole[:n]
        with open(path + ".new", "wb") as f:
            f.write(short)
        os.rename(path + ".new", path)
        i = Installer().run()
        try:
            return refused(i, "a truncated file")
        finally:
            i.close()
    edges = small_image.member_edges(tar)
    chosen = edges if FULL else edges[1::12]
    cases = [("tar", n) for n in chosen if 0 < n < edges[-1]]
    cases += [("file", rng.randrange(1, len(whole))) for _ in range(counts(60, 4))]
    cases += [("file", n) for n in range(CHUNK, len(whole), CHUNK)][::1 if FULL else 16]
    try:
        campaign("file truncated", cases, truncated, workers=1)
    finally:
        with open(path + ".new", "wb") as f:
            f.write(whole)
        os.rename(path + ".new", path)


# ---- the installer itself --------------------------------------------------------------------------

def loop_disk(name, size_bytes):
    """A file as a disk; returns its device."""
    for tool in ("losetup", "mkfs.ext4", "mkfs.vfat", "unshare", "e2fsck"):
        if not have_command(tool):
            skip(f"`{tool}` is not installed")
    path = os.path.join(suite.tempdir(), name)
    with open(path, "wb") as f:
        f.truncate(size_bytes)
    loop = run(["losetup", "-fP", "--show", path], check_rc=False).stdout.strip()
    if not loop:
        skip("no loop device can be had")
    suite.cleanup(lambda: run(["losetup", "-d", loop], check_rc=False))
    return loop


def install_onto(loop, config_url):
    """Starts os-installer on a disk and lets it go on to where it needs vfat, which kernels may lack. Its
    mounts and children end with it, as a machine's do when its power goes."""
    target = os.path.join(suite.tempdir(), "target")
    os.makedirs(target, exist_ok=True)
    with netns.inside(shared["space"]):
        return subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", INSTALLER,
            "--config-url", config_url, "--disk", loop, "--directory", target, "--until", "configure", "--no-nvram",
            "--no-reboot"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace")


@suite.test("disk: full in the middle fails with the reason, another disk untouched", needs=SERVED)
def _():
    lab, mac = shared["lab"], MAC[:-2] + "02"
    where = os.path.join(lab.images, "large", ARCH)
    small_image.write(where, small_image.tar_of_size("opt", 96), distro="large", arch=ARCH)
    lab.define("fault2", mac=mac, ip="192.168.100.51", arch=ARCH, distro="large",
        storage={"partitions": [{"mount": "/opt", "size": "64M"}]}) # no plan knows how much goes there
    lab.wait_vm("fault2")
    disk, other = loop_disk("full", 1200 << 20), os.path.join(suite.tempdir(), "other")
    loop_disk("other", 64 << 20)
    with open(other, "r+b") as f:
        f.write(b"somebody's" * 1000)
    before = small_image.sha256(open(other, "rb").read())

    def filled(_):
        p = install_onto(disk, f"http://{SERVER}/config/{mac}")
        log, _ = p.communicate(timeout=120)
        if p.returncode == 0 or "install failed in phase rootfs" not in log or "No space left on device" not in log:
            return f"status {p.returncode}: {tail(log, 400)}"
        return None if small_image.sha256(open(other, "rb").read()) == before else "the other disk was written"
    campaign("disk full", [0], filled, workers=1)
    shutil.rmtree(os.path.join(lab.images, "large"))


@suite.test("installer: killed anywhere, the next one installs cleanly", needs=SERVED)
def _():
    loop = loop_disk("disk", 2 << 30)
    target = os.path.join(suite.tempdir(), "target")
    proxy = Proxy(shared["space"], SERVER, "/rootfs.tar.zst")

    def start():
        return install_onto(loop, f"http://127.0.0.1:{proxy.port}/config/{MAC}")

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
        campaign("killed at a random point", [rng.uniform(0, 1) for _ in range(n)], killed, workers=1)
    finally:
        proxy.close()


if __name__ == "__main__":
    code = suite.main()
    print_counts(rows, "cases")
    sys.exit(code)
