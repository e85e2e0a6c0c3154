"""Orders that are about a disk: wiped in each way, read, and refused where it is not the disk that was meant. The disk is
a loop device; wipefs and its file judge."""
import hashlib
import os
import re
import shutil
import subprocess
import tempfile

import pytest

from kit.agent_bench import AgentBench
from kit.check import check, check_equal, eventually, skip
from kit.command import have_command, run
from kit.scope import Scope

SIZE = 128 << 20
scope = Scope("agent-disk")


class Disk:
    def __init__(self, folder):
        self.file, self.device = os.path.join(folder, "disk"), None

    def attach(self, size=SIZE):
        self.detach()
        with open(self.file, "wb") as f:
            f.truncate(size)
        self.device = run(["losetup", "-f", "--show", "-P", self.file]).stdout.strip()
        self.name = os.path.basename(self.device)
        return self

    def detach(self):
        if self.device:
            run(["losetup", "-d", self.device])
        self.device = None

    def fill(self):
        """A partition table with a file system, and data where neither is."""
        run(["sfdisk", "-q", self.device], stdin="label: gpt\nsize=60M\n,\n")
        run(["mkfs.ext4", "-q", "-F", "-E", "offset=1048576", self.device, "40M"])
        with open(self.file, "r+b") as f:
            f.seek(90 << 20)
            f.write(b"secret" * 100000)

    def told(self, **other):
        return {"name": self.name, "serial": None, "size_bytes": SIZE, **other}

    def digest(self):
        with open(self.file, "rb") as f:
            return hashlib.file_digest(f, "sha256").hexdigest()

    def signatures(self):
        return subprocess.run(["wipefs", "-n", "--noheadings", "-O", "TYPE", self.file], stdout=subprocess.PIPE,
            text=True).stdout.split()

    def holds(self, word):
        with open(self.file, "rb") as f:
            return word in f.read()


@pytest.fixture(scope="module")
def made(own_mounts):
    if os.geteuid() != 0:
        skip("needs root")
    for tool in ("unshare", "losetup", "sfdisk", "mkfs.ext4", "wipefs"):
        if not have_command(tool):
            skip(f"{tool} is not installed")
    made = AgentBench(scope)
    made.disk = Disk(scope.tempdir())
    scope.cleanup(made.disk.detach)
    made.start_server()
    return made


@pytest.fixture
def bench(made):
    made.fresh()
    made.disk.attach()
    made.start_agent()
    yield made
    made.stop_agent()


def test_signatures_are_wiped_and_nothing_else(bench):
    bench.disk.fill()
    check(bench.disk.signatures(), "there are none to wipe")
    done = bench.order("wipe", disk=bench.disk.told(), how="signatures")
    check_equal((done["result"], done["figures"]["disk"]), ("ok", bench.disk.name), f"{done}")
    check_equal(bench.disk.signatures(), [], "signatures")
    with open(bench.disk.file, "rb") as f:
        f.seek(SIZE - 33 * 512)
        check(not f.read().strip(b"\0"), "the table's copy is there")
    check(bench.disk.holds(b"secret"), "more was wiped than asked for")


def put_system(disk):
    """A root file system on all of it, as far as one is looked for."""
    at = tempfile.mkdtemp(dir=scope.tempdir())
    os.makedirs(os.path.join(at, "etc"))
    for name in "fstab", "os-release":
        open(os.path.join(at, "etc", name), "w").close()
    run(["mkfs.ext4", "-q", "-F", "-d", at, disk.device])


@pytest.mark.parametrize("how, holds, gone", [("signatures", put_system, True), ("blocks", put_system, True),
    ("signatures", Disk.fill, None), ("secure", put_system, False)], ids=["signatures", "blocks", "no system", "not erased"])
def test_it_is_told_when_the_system_goes_with_its_disk(bench, how, holds, gone):
    holds(bench.disk)
    done = bench.order("wipe", disk=bench.disk.told(), how=how, seconds=120)
    check_equal(done.get("figures", {}).get("system_gone"), gone, f"{done}; the system is gone")


def test_it_is_told_of_a_wipe_that_ends_in_the_middle(bench):
    put_system(bench.disk)
    bench.give("wipe", disk=bench.disk.told(), how="blocks")
    eventually(lambda: bench.progress(7), 20, "it has begun", every=0.01)
    bench.over.add(7)
    check_equal(bench.waits_for("/api/action-done")[0]["figures"]["system_gone"], True, "the system is gone")


@pytest.mark.parametrize("how", ["blocks", "discard"])
def test_all_of_a_disk_is_wiped(bench, how):
    bench.disk.fill()
    done = bench.order("wipe", disk=bench.disk.told(), how=how, seconds=120)
    print(f"       {done['figures']}")
    check_equal((done["result"], done["figures"]["bytes"], done["figures"]["reads_zero"]), ("ok", SIZE, True), f"{done}")
    with open(bench.disk.file, "rb") as f:
        check(all(not piece.strip(b"\0") for piece in iter(lambda: f.read(1 << 20), b"")), "something is left")
    if how == "discard":
        check(os.stat(bench.disk.file).st_blocks * 512 < 1 << 20, "nothing was given back")


def test_progress_is_told_and_a_wipe_can_be_stopped(bench):
    run(["losetup", "-d", bench.disk.device])
    bench.disk.device = None
    bench.disk.attach(60 << 30)
    bench.give("wipe", disk=bench.disk.told(size_bytes=60 << 30), how="blocks")
    told = eventually(lambda: len(bench.progress(7)) >= 3 and bench.progress(7), 30, "progress")
    check(0 < told[1]["done_bytes"] < told[2]["done_bytes"] < told[2]["total_bytes"] == 60 << 30, f"{told}")
    bench.over.add(7)
    done = bench.waits_for("/api/action-done")[0]
    check_equal((done["result"], done["phase"]), ("failed", "wipe"), f"{done}")
    run(["losetup", "-d", bench.disk.device])  # nobody has it open
    bench.disk.device = None
    os.truncate(bench.disk.file, 0)


def test_what_has_no_erase_of_its_own_is_left_as_it_is(bench):
    bench.disk.fill()
    before = bench.disk.digest()
    done = bench.order("wipe", disk=bench.disk.told(), how="secure")
    check(done["result"] == "failed" and "no erase of its own" in done["text"], f"{done}")
    check_equal(bench.disk.digest(), before, "the disk")


@pytest.mark.parametrize("other, says", [({"serial": "X-1"}, "serial number X-1"), ({"size_bytes": SIZE + 512}, "another disk is there"),
    ({"name": "loop987"}, "this machine has"), ({"name": None}, "does not say which disk"), ({"size_bytes": 0}, "does not say which disk")],
    ids=["serial", "size", "name", "no name", "no size"])
@pytest.mark.parametrize("how", ["signatures", "blocks"])
def test_another_disk_than_was_meant_is_left_as_it_is(bench, how, other, says):
    bench.disk.fill()
    before = bench.disk.digest()
    done = bench.order("wipe", disk=bench.disk.told(**other), how=how)
    check(done["result"] == "failed" and says in done["text"] and "give the order anew" in done["hint"], f"{done}")
    check_equal(bench.disk.digest(), before, "the disk")


def test_a_disk_in_use_is_left_as_it_is(bench):
    run(["mkfs.ext4", "-q", "-F", bench.disk.device])
    where = tempfile.mkdtemp(dir=scope.tempdir())
    run(["mount", bench.disk.device, where])
    try:
        done = bench.order("wipe", disk=bench.disk.told(), how="signatures")
    finally:
        run(["umount", where])
    check(done["result"] == "failed", f"{done}")
    check("ext4" in bench.disk.signatures(), "it was wiped")


def test_a_disk_is_read_and_not_written(bench):
    bench.disk.fill()
    before = bench.disk.digest()
    done = bench.order("disktest", disk=bench.disk.told(), seconds=60)
    figures = done["figures"]
    print(f"       {figures}")
    check_equal((done["result"], figures["bytes"], figures["errors"]), ("ok", SIZE, 0), f"{done}")
    latency = figures["latency_us"]
    check(figures["mb_per_s"] > 1 and 0 < latency["p50"] <= latency["p99"] <= latency["max"], f"{figures}")
    check_equal(bench.disk.digest(), before, "the disk")


def test_a_script_runs_in_the_system_on_the_disk(bench):
    if not have_command("busybox"):
        skip("busybox is not installed")
    tree = tempfile.mkdtemp(dir=scope.tempdir())
    for folder in ("bin", "etc", "data"):
        os.mkdir(os.path.join(tree, folder))
    busybox = shutil.which("busybox")
    run(["cp", "-L", busybox, f"{tree}/bin/busybox"])
    for library in re.findall(r"(/\S+) \(0x", run(["ldd", busybox], check_rc=False).stdout):
        os.makedirs(tree + os.path.dirname(library), exist_ok=True)
        run(["cp", "-L", library, tree + library])
    os.symlink("busybox", f"{tree}/bin/sh")
    with open(f"{tree}/etc/os-release", "w") as f:
        f.write("ID=small\n")
    with open(f"{tree}/etc/fstab", "w") as f:
        f.write("LABEL=root / ext4 defaults 0 1\nLABEL=gone /data ext4 nofail 0 2\n")
    os.symlink("../run/resolve/stub.conf", f"{tree}/etc/resolv.conf")
    run(["mkfs.ext4", "-q", "-F", "-L", "root", "-d", tree, bench.disk.device])
    done = bench.order("run", where="disk", disk=bench.disk.told(), script="""set -e
. /etc/os-release; echo $ID; echo written >/data/by-script; busybox test -c /dev/null; busybox test -e /proc/1
busybox test -s /etc/resolv.conf && echo names; . $STAGE4; log helped; busybox setsid busybox sleep 876543 & exit 0""")
    check_equal(done["result"], "ok", f"{done}: {bench.output_of(7)}")
    check_equal(bench.output_of(7), "small\nnames\nvmlab: helped\n", "output")
    where = tempfile.mkdtemp(dir=scope.tempdir())
    run(["mount", "-o", "ro", bench.disk.device, where])
    try:
        with open(f"{where}/data/by-script") as f:
            check_equal(f.read(), "written\n", "on the disk")
    finally:
        run(["umount", where])
    done = bench.order("kexec", 8, disk=bench.disk.told())
    check(done["result"] == "failed" and "no kernel" in done["text"] and "reboot" in done["hint"], f"{done}")


def test_where_no_system_is_that_is_told(bench):
    done = bench.order("run", where="disk", disk=bench.disk.told(), script="true")
    check(done["result"] == "failed" and "no installed system on" in done["text"], f"{done}")


def test_an_order_that_is_over_before_it_begins_does_nothing(bench):
    bench.disk.fill()
    before = bench.disk.digest()
    bench.over.add(7)
    done = bench.order("wipe", disk=bench.disk.told(), how="signatures")
    check_equal((done["result"], done["text"]), ("failed", "it was cancelled"), "told")
    check_equal(bench.disk.digest(), before, "the disk")


def test_memory_is_tested(bench):
    done = bench.order("memtest", minutes=0.05, mib=64)
    figures = done["figures"]
    print(f"       {figures}")
    check_equal((done["result"], figures["errors"], figures["faults"], figures["memory_bytes"]), ("ok", 0, [], 64 << 20), f"{done}")
    check(figures["tested_bytes"] > 64 << 20, f"{figures}")
