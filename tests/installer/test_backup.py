"""The agent's orders `backup` and `deploy`: disks of all kinds go to a server by their used bytes and come back."""
import os
import re
import subprocess
import tempfile
import time

import pytest

from kit.backup_bench import MIB, BackupBench
from kit.check import check, check_equal, eventually, skip
from kit.command import have_command
from kit.made_disk import KINDS, MadeDisk, run
from kit.scope import Scope

scope = Scope("backup")


@pytest.fixture(scope="module")
def made(own_mounts):
    if os.geteuid() != 0:
        skip("needs root")
    for tool in ("unshare", "losetup", "zstd", "sfdisk", "sgdisk", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "mkfs.vfat",
            "mcopy", "debugfs", "dumpe2fs"):
        if not have_command(tool):
            skip(f"{tool} is not installed")
    return BackupBench(scope)


@pytest.fixture
def bench(made):
    yield from made.for_one_test()


def back_up(bench, path, sector=512, **options):
    with bench.loop(path, sector) as name:
        bench.start_agent()
        done = bench.order("backup", name="made", disk=bench.disk(name), **options)
    return done


def backed_up(bench, disk):
    """The disk that the server has then."""
    done = back_up(bench, disk.path, disk.sector)
    check_equal(done["result"], "ok", f"{done}; {bench.log()[-800:]}")
    check_equal((bench.finished["disk_bytes"], bench.finished["sector_bytes"]), (disk.bytes, disk.sector), "bytes of the disk, of a sector")
    print({k: v for k, v in done["figures"].items()})
    raw = bench.raw(os.path.join(bench.work, "raw"))
    check_equal(os.path.getsize(raw), disk.bytes, "bytes of what came")
    return raw


def differing(a, b, step=512):
    """Offsets of the sectors that differ."""
    with open(a, "rb") as f, open(b, "rb") as g:
        at = 0
        while x := f.read(MIB):
            y = g.read(MIB)
            if x != y:
                yield from (at + i for i in range(0, len(x), step) if x[i:i + step] != y[i:i + step])
            at += len(x)


def free_blocks(part):
    """Of an ext file system, as e2fsprogs says: (bytes of a block, set of numbers)."""
    text = run("dumpe2fs", part)
    free = set()
    for spans in re.findall(r"^  Free blocks: ([\d, -]+)$", text, re.M):
        for span in spans.split(", "):
            first, _, last = span.partition("-")
            free.update(range(int(first), int(last or first) + 1))
    return int(re.search(r"^Block size: +(\d+)", text, re.M)[1]), free


def filled(path, block):
    """The blocks that are not nothing but zeros."""
    found, zeros = set(), bytes(block)
    with open(path, "rb") as f:
        for number in range(os.path.getsize(path) // block):
            if f.read(block) != zeros:
                found.add(number)
    return found


def contents(part, kind, where):
    """Sums of all files."""
    os.makedirs(where)
    if "vfat" in kind:
        run("mcopy", "-s", "-Q", "-m", "-i", part, "::*", where)
        return run("bash", "-c", f"cd {where} && find . -type f -print0 | sort -z | xargs -0 sha256sum")
    run("mount", "-o", "loop,ro" + (",norecovery,nouuid" if kind == "xfs" else ""), part, where)
    try:
        return run("bash", "-c", f"cd {where} && find . -type f -print0 | sort -z | xargs -0 sha256sum")
    finally:
        run("umount", where)


def judge_part(bench, disk, raw, kind, offset, size):
    """(sectors that were left out of it)"""
    before, after = disk.part(disk.path, offset, size), disk.part(raw, offset, size)
    other = list(differing(before, after))
    with open(after, "rb") as f:
        for at in other:
            f.seek(at)
            check(not any(f.read(512)), f"{kind}: what differs at {at} is not zeros")
    tool = KINDS[kind][2]
    if tool:
        seen = subprocess.run([*tool, after], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        check_equal(seen.returncode, 0, f"{kind}: {' '.join(tool)}: {seen.stdout[-600:]}")
        check_equal(contents(after, kind, os.path.join(bench.work, f"a{offset}")),
            contents(before, kind, os.path.join(bench.work, f"b{offset}")), f"{kind}: files")
    if kind.startswith("ext"):
        block, free = free_blocks(before)
        check(all(at // block in free for at in other), f"{kind}: a block in use differs")
        sent = filled(after, block) & free
        check(len(sent) <= len(free) / 100, f"{kind}: {len(sent)} of {len(free)} free blocks were taken")
    if kind == "unknown":
        check_equal(other, [], "sectors of what nobody knows that differ")
    for path in before, after:
        os.unlink(path)
    return len(other)


def judge(bench, disk, raw):
    for kind, offset, size in disk.parts:
        left = judge_part(bench, disk, raw, kind, offset, size)
        print(f"{kind}: {left * 512 // MIB} of {size // MIB} MiB left out")
        check(left > 0 or kind == "unknown", f"of {kind} nothing was left out: {bench.log()[-1500:]}")
    covered = sorted((offset, offset + size) for _, offset, size in disk.parts)
    outside = [at for at in differing(disk.path, raw) if not any(a <= at < b for a, b in covered)]
    check_equal(outside, [], "sectors outside of partitions that differ")


@pytest.mark.parametrize("kinds", [("ext4", "swap"), ("ext2", "vfat 16"), ("ext3", "unknown"), ("vfat 32", "ext4 without flex_bg"),
    ("xfs",), ("btrfs",)], ids=str)
@pytest.mark.parametrize("seed", (1, 2))
def test_what_is_in_use_comes_back_and_nothing_else_is_read(bench, kinds, seed):
    disk = MadeDisk(bench.work, seed, kinds)
    judge(bench, disk, backed_up(bench, disk))


@pytest.mark.parametrize("label", ("gpt", "dos"))
@pytest.mark.parametrize("kinds", [("ext4", "vfat 16"), ("large vfat 32", "swap"), ("xfs",), ("btrfs",)], ids=str)
def test_so_is_a_disk_with_sectors_of_4096_bytes(bench, kinds, label):
    disk = MadeDisk(bench.work, 5, kinds, label, sector=4096)
    judge(bench, disk, backed_up(bench, disk))


def test_a_file_system_that_was_not_unmounted_is_taken_whole(bench):
    disk = MadeDisk(bench.work, 5, ("ext4", "xfs", "btrfs"))
    dirty = []
    for kind, offset, size in disk.parts:
        part, where = disk.part(disk.path, offset, size), os.path.join(bench.work, kind)
        os.makedirs(where)
        run("mount", "-o", "loop", part, where)
        try:
            with open(f"{where}/new", "wb") as f:
                f.write(os.urandom(2 * MIB))
                f.flush()
                os.fsync(f.fileno())
            run("dd", f"if={part}", f"of={disk.path}", "bs=1M", "oflag=seek_bytes", f"seek={offset}", "conv=notrunc",
                "status=none")
        finally:
            run("umount", where)
        os.unlink(part)
        dirty.append(kind)
    raw = backed_up(bench, disk)
    check_equal(list(differing(disk.path, raw)), [], "sectors that differ")
    check_equal(bench.log().count("was not unmounted"), len(dirty), bench.log()[-1500:])


@pytest.fixture(scope="module")
def plain(made):
    """A disk with some slices."""
    return MadeDisk(tempfile.mkdtemp(dir=scope.tempdir()), 9, ("unknown", "ext4", "ext4"))


def test_a_line_that_is_cut_sends_no_slice_twice(bench, plain):
    bench.cut_at = [1, 3]
    raw = backed_up(bench, plain)
    check_equal(bench.put, list(range(len(bench.slices))), "slices as they came")
    check_equal(bench.cut_at, [], "cuts that did not happen")
    check_equal(sum(1 for _ in differing(plain.path, raw)) > 0, True, "something was left out")


def test_an_agent_that_is_killed_goes_on_where_it_was(bench, plain):
    bench.hold_at = 2
    with bench.loop(plain.path) as name:
        bench.start_agent()
        args = {"name": "made", "disk": bench.disk(name)}
        bench.orders = [{"action": "backup", "id": 1, "args": args, "timeout_s": 300}]
        eventually(lambda: bench.held, 60, "slice 2 came")
        bench.stop_agent()
        bench.hold_at = None
        time.sleep(0.3)
        kept, bench.put = len(bench.sums), []
        bench.start_agent()
        done = bench.waits_for("/api/action-done", seconds=120)[0]
    check_equal(done["result"], "ok", f"{done}")
    check(kept >= 3, f"{kept} slices were there")
    check_equal(bench.put, list(range(kept, len(bench.slices))), "slices that came then")


def test_what_changed_meanwhile_is_sent_again(bench, plain):
    backed_up(bench, plain)
    first = list(bench.put)
    bench.put, bench.sums[2] = [], "0" * 64
    done = back_up(bench, plain.path)
    check_equal((done["result"], bench.put), ("ok", first[2:]), "how it ended, what came again")


@pytest.mark.parametrize("code, sentence, says", [(507, b"the server's disk is full: ...\n", "disk is full"),
    (409, b"order 1 is over\n", "is over"), (422, b"slice 0 has another SHA-256\n", "another SHA-256")])
def test_what_the_server_refuses_ends_it_with_its_sentence(bench, plain, code, sentence, says):
    bench.says = (sentence, code)
    done = back_up(bench, plain.path)
    check_equal(done["result"], "failed", f"{done}")
    check(says in done["text"], done["text"])
    if code == 507:
        check("make room" in done["hint"], done["hint"])


def test_a_server_that_lost_its_slices_gets_all_of_them(bench, plain):
    bench.hold_at = 2
    with bench.loop(plain.path) as name:
        bench.start_agent()
        args = {"name": "made", "disk": bench.disk(name)}
        bench.orders = [{"action": "backup", "id": 1, "args": args, "timeout_s": 300}]
        eventually(lambda: bench.held, 60, "slice 2 came")
        bench.sums, bench.slices = [], []
        bench.hold_at = None
        done = bench.waits_for("/api/action-done", seconds=120)[0]
    check_equal(done["result"], "ok", f"{done} {bench.log()[-800:]}")
    check_equal(bench.asked, 2, "times it asked which slices there are")
    bench.raw(os.path.join(bench.work, "raw"))


@pytest.mark.parametrize("what", ("size", "serial"))
def test_another_disk_than_the_order_means_is_not_touched(bench, plain, what):
    with bench.loop(plain.path) as name:
        bench.start_agent()
        disk = bench.disk(name)
        disk.update({"size_bytes": disk["size_bytes"] + 512} if what == "size" else {"serial": "OTHER"})
        for action, args in ("backup", {"name": "made"}), ("deploy", {"url": "http://192.0.2.1/"}):
            done = bench.order(action, disk=disk, **args)
            check_equal(done["result"], "failed", f"{done}")
            check("nothing was done" in done["text"], done["text"])
    check_equal(bench.put, [], "slices that came")


def test_a_disk_that_is_in_use_is_not_read(bench, plain):
    with bench.loop(plain.path) as name:
        held = os.open(f"/dev/{name}", os.O_RDONLY | os.O_EXCL)
        try:
            bench.start_agent()
            done = bench.order("backup", name="made", disk=bench.disk(name))
        finally:
            os.close(held)
    check_equal(done["result"], "failed", f"{done}")
    check_equal(bench.put, [], "slices that came")
