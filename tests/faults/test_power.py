"""Power cuts: every disk that one could have left while a VM installed.

A VM installs for real while QEMU logs each write and each flush. From the log every state is made
that the disk could have had: at each flush, and between two of them with random parts of what was
not flushed. Such a disk must either hold nothing that firmware starts, or the complete system.
VMLAB_FAULT=full takes many more random states and boots two of them.
"""
import os
import random
import re
import subprocess
import time

import pytest

from kit import small_image
from kit.check import check, eventually, skip
from kit.command import docker, have_command, have_image, run, tail
from kit.counts import tell
from kit.raw_disk import ESP_TYPE, WriteLog, esp_of, partitions_of
from kit.scope import Scope, needs
from kit.vmlab_cli import STACK_IMAGE, VM_IMAGE, VmLab

FULL = os.environ.get("VMLAB_FAULT") == "full"
pytestmark = pytest.mark.timeout(3600 if FULL else 900)
SEED = int(os.environ.get("VMLAB_FAULT_SEED") or 20251120)
RANDOM_STATES = 40 if FULL else 6       # between two flushes, where a boot file could appear
MAC = "52:54:00:fa:00:10"
DISK_BYTES = 3 << 30
INSTALL_S = 420
# What firmware looks for: by the removable path, and by the entry the installer makes: shim's where the image has it.
BOOT_FILES = ("EFI/BOOT/BOOTX64.EFI", "EFI/debian/shimx64.efi")
# What those start and read, which has to be whole by then.
BESIDE = ("EFI/BOOT/grubx64.efi", "EFI/debian/grubx64.efi", "EFI/BOOT/grub.cfg", "EFI/debian/grub.cfg")

scope = Scope("power")
rng = random.Random(SEED)
shared = {}
rows = {"power cut at a flush": [0, 0], "power cut with a random part of what was not flushed": [0, 0]}


@pytest.fixture(scope="module", autouse=True)
def told(record_testsuite_property):
    yield
    tell(record_testsuite_property, rows, "disks")


def test_a_vm_installs_while_its_writes_are_logged():
    for image in (STACK_IMAGE, VM_IMAGE):
        if not have_image(image):
            skip(f"there is no image {image}: `make load`")
    for tool in ("mcopy", "e2fsck", "losetup"):
        if not have_command(tool):
            skip(f"`{tool}` is not installed")
    lab = VmLab(scope, "power")
    lab.link_image("debian-13")
    lab.vmlab("up", "--no-wait", timeout=90)
    lab.define("cut", mac=MAC, arch="amd64", distro="debian-13", memory="768M", disks=[{"size": "3G"}],
        after_install="poweroff")
    time.sleep(1)
    lab.start_vm("cut", MAC, disk_bytes=DISK_BYTES, env=["VM_DISK_FILTER=log"])
    lab.wait_state("cut", "installed", INSTALL_S, quiet=True)
    eventually(lambda: docker("inspect", "-f", "{{.State.Status}}", lab.container("cut")).stdout.strip() == "exited",
        60, "the VM is off", every=0.5)
    where = os.path.join(scope.tempdir(), "disk0.log")
    docker("run", "--rm", "--network", "none", "-v", f"{lab.name}-disk-cut:/disks:ro", "-v", f"{scope.tempdir()}:/out",
        "--entrypoint", "/bin/cp", VM_IMAGE, "--sparse=always", "/disks/disk0.log", "/out/disk0.log", timeout=120)
    shared.update(lab=lab, log=WriteLog(where))
    log = shared["log"]
    print(f"       {sum(map(len, log.epochs))} writes, {log.bytes >> 20} MiB, {len(log.epochs) - 1} flushes", flush=True)
    check(len(log.epochs) > 3, "too few flushes to be an install")


LOGGED = ["a VM installs while its writes are logged"]


# ---- looking at a disk -------------------------------------------------------------------------------

def boot_files(disk, names=BOOT_FILES):
    """{name: content} of what firmware would start from this raw disk."""
    esp = esp_of(disk)
    found = {}
    if not esp:
        return found
    for name in names:
        done = subprocess.run(["mcopy", "-n", "-i", f"{disk}@@{esp[0]}", f"::/{name}", "-"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(os.environ, MTOOLS_SKIP_CHECK="1"))
        if done.returncode == 0:
            found[name] = done.stdout
    return found


def root_digest(disk):
    """Digest of the root file system, or what is wrong with it: first as GRUB sees it, which replays
    no journal, then as the system does."""
    _, at, size = next(p for p in partitions_of(disk) if p[0] != ESP_TYPE)
    loop = run(["losetup", "-f", "--show", "-o", str(at), "--sizelimit", str(size), disk]).stdout.strip()
    where = os.path.join(scope.tempdir(), "root")
    os.makedirs(where, exist_ok=True)

    def digest(options):
        done = run(["mount", "-t", "ext4", "-o", options, loop, where], check_rc=False)
        if done.returncode != 0:
            return f"it cannot be mounted: {tail(done.stderr, 200)}"
        try:
            return small_image.tree_digest(where)
        except OSError as e:
            return str(e)
        finally:
            run(["umount", where])
    try:
        before = digest("ro,noload")
        # A container that starts meanwhile holds the mount above for a moment longer.
        done = eventually(lambda: (d := run(["e2fsck", "-fp", loop], check_rc=False, timeout=120))
            and "is in use" not in d.stdout + d.stderr and d, 30, "the loop device is free")
        if done.returncode > 1:
            return f"e2fsck says {done.returncode}: {tail(done.stdout, 300)}"
        after = digest("ro")
        return after if after == before else f"GRUB does not see what the journal holds: {before} {after}"
    finally:
        run(["losetup", "-d", loop])


def judge(disk):
    """None, or why this is a third state. The disk may be changed."""
    found = boot_files(disk)
    if not found:
        return None
    for name, content in found.items():
        if content != shared["files"][name]:
            return f"{name} is there with another content"
    if boot_files(disk, BESIDE) != shared["beside"]:
        return f"{', '.join(found)} there, and what they start is not complete"
    digest = root_digest(disk)
    return None if digest == shared["root"] else f"{', '.join(found)} there, and the system is not complete: {digest}"


def sparse_copy(path, out):
    run(["cp", "--sparse=always", path, out], timeout=120)
    return out


def touches_boot(write, esp):
    """Whether a write can change what firmware finds: the tables and the ESP."""
    return write.offset < (1 << 20) or (esp and write.offset < esp[0] + esp[1] and write.offset + write.length > esp[0])


# ---- the campaign ------------------------------------------------------------------------------------

@needs(test_a_vm_installs_while_its_writes_are_logged)
def test_at_the_end_the_disk_holds_the_complete_system():
    log = shared["log"]
    final = os.path.join(scope.tempdir(), "final.raw")
    with open(final, "wb") as f:
        f.truncate(DISK_BYTES)
        for epoch in log.epochs:
            for w in epoch:
                log.apply(w, f)
    shared["files"] = boot_files(final)
    check(set(shared["files"]) == set(BOOT_FILES), f"boot files: {list(shared['files'])}")
    shared["beside"] = boot_files(final, BESIDE)
    check(set(shared["beside"]) == set(BESIDE), f"beside them: {list(shared['beside'])}")
    shared["esp"] = esp_of(final)
    shared["root"] = root_digest(final)
    check(re.fullmatch("[0-9a-f]{64}", shared["root"]), shared["root"])


def after_cut(epoch, seed):
    """[(write, bytes of it or None: all)]: what of an epoch reached the disk; the same for a seed."""
    r = random.Random(seed)
    share = r.random()
    kept = []
    for w in epoch:
        if w.fua or r.random() < share:
            # Disks write 4 KiB as one; longer writes may be cut.
            torn = not w.fua and w.data_at is not None and w.length > 4096 and r.random() < 0.1
            kept.append((w, r.randrange(0, w.length, 4096) if torn else None))
    return kept


def apply_all(writes, path):
    with open(path, "r+b") as f:
        for w, limit in writes:
            shared["log"].apply(w, f, limit)


@needs(test_a_vm_installs_while_its_writes_are_logged, test_at_the_end_the_disk_holds_the_complete_system)
def test_each_disk_a_power_cut_could_leave_boots_the_complete_system_or_nothing():
    log, esp = shared["log"], shared["esp"]
    # What firmware looks at is small and tried often; the whole disk only where something would boot.
    head, head_trial, disk, trial = (os.path.join(scope.tempdir(), n) for n in ("head", "head-trial", "disk", "trial"))
    wrong, bootable = [], 0
    for path in (head, disk):
        with open(path, "wb") as f:
            f.truncate(DISK_BYTES)

    def judge_state(row, where, cut):
        problem = None
        if boot_files(head_trial):
            sparse_copy(disk, trial)
            apply_all(cut, trial)
            problem = judge(trial)
        note(row, problem, where, wrong)

    for n, epoch in enumerate(log.epochs):
        relevant = {id(w) for w in epoch if touches_boot(w, esp)}
        there = bool(boot_files(head))
        for _ in range(RANDOM_STATES if relevant or there else 0):
            cut = after_cut(epoch, rng.random())
            sparse_copy(head, head_trial)
            apply_all([(w, limit) for w, limit in cut if id(w) in relevant], head_trial)
            judge_state("power cut with a random part of what was not flushed", f"after flush {n}", cut)
        everything = [(w, None) for w in epoch]
        apply_all([(w, None) for w in epoch if id(w) in relevant], head)
        sparse_copy(head, head_trial)
        judge_state("power cut at a flush", f"at flush {n + 1}", everything)
        apply_all(everything, disk)
        if boot_files(head):
            bootable += 1
            if not there:
                shared["first_bootable"] = sparse_copy(disk, os.path.join(scope.tempdir(), "first.raw"))
    cases = sum(c for c, _ in rows.values())
    print(f"       {len(log.epochs)} flushes, {bootable} of them with a disk that boots; {cases} disks in all", flush=True)
    check(bootable > 0, "no disk was bootable, not even the last")
    check(not wrong, lambda: f"{len(wrong)} of {cases} disks (seed {SEED}): " + "; ".join(wrong[:5]))


def note(row, problem, where, wrong):
    rows[row][0] += 1
    if problem:
        wrong.append(f"{where}: {problem}")
    else:
        rows[row][1] += 1


@pytest.mark.long
@needs(test_a_vm_installs_while_its_writes_are_logged, test_at_the_end_the_disk_holds_the_complete_system)
def test_the_first_disk_that_should_boot_does():
    lab = shared["lab"]
    raw = shared["first_bootable"]
    lab.remove_vm("cut")
    docker("run", "--rm", "--network", "none", "-v", f"{lab.name}-disk-cut:/disks", "-v", f"{os.path.dirname(raw)}:/in:ro",
        "--entrypoint", "/usr/bin/qemu-img", VM_IMAGE, "convert", "-O", "qcow2", f"/in/{os.path.basename(raw)}",
        "/disks/disk0.qcow2", timeout=180)
    lab.api("/api/v1/vms/cut/local", method="POST")
    lab.start_vm("cut", MAC, disk_bytes=DISK_BYTES)
    # The prompt after it ends in no newline, and the engine's log has whole lines only.
    lab.wait_console("cut", r"Debian GNU/Linux \d+ cut ttyS0", 300)
