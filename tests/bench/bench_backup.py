"""bench_backup.py - the agent's orders `backup` and `deploy` beside what limits them: a disk of 10 GiB with a Debian system on
it, on a loop device in memory, over a virtual cable to a server on this machine; onto one on this machine's disk.

    backup    beside reading the used blocks, and `zstd -3` of them
    deploy    beside `zstd -d` of the image, and writing the used blocks
"""
import contextlib
import os
import re
import statistics
import subprocess
import threading
import time

from bench_installer import memory_kept, timed
from kit.backup_bench import MIB, BackupBench
from kit.check import check
from kit.command import have_command, run
from kit.vmlab_cli import ARCH, IMAGES

DISK = 10 << 30


def used_blocks(part, out):
    """Of an ext file system, as dumpe2fs says, one after the other."""
    text = run(["dumpe2fs", part]).stdout
    block = int(re.search(r"^Block size: +(\d+)", text, re.M)[1])
    at, count = 0, int(re.search(r"^Block count: +(\d+)", text, re.M)[1])
    free = sorted((int(a), int(b or a)) for spans in re.findall(r"^  Free blocks: ([\d, -]+)$", text, re.M)
        for a, _, b in (span.partition("-") for span in spans.split(", ")))
    with open(part, "rb") as f, open(out, "wb") as g:
        for first, last in [*free, (count, count)]:
            f.seek(at * block)
            left = (first - at) * block
            while left > 0:
                piece = f.read(min(left, MIB))
                g.write(piece)
                left -= len(piece)
            at = last + 1
    return os.path.getsize(out)


class Memory:
    """The most that a process and its children had, what they share counted once."""

    def __init__(self, pid):
        self.pid, self.kib, self.ends = pid, 0, threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def tree(self, pid):
        yield pid
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as f:
                    for child in f.read().split():
                        yield from self.tree(int(child))

    def look(self):
        while not self.ends.wait(0.1):
            total = 0
            for pid in self.tree(self.pid):
                with contextlib.suppress(OSError, TypeError):
                    with open(f"/proc/{pid}/comm") as f:
                        ours = f.read().startswith("os-installer")
                    with open(f"/proc/{pid}/smaps_rollup") as f:
                        total += int(re.search(r"^Pss: +(\d+)", f.read(), re.M)[1]) if ours else 0
            self.kib = max(self.kib, total)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *ignored):
        self.ends.set()
        self.thread.join()


def make_disk(folder):
    """(the disk, the bytes that are in use on it)"""
    root, disk, used = (os.path.join(folder, name) for name in ("root", "disk", "used"))
    os.makedirs(root)
    run(["tar", "-x", "-C", root, "-f", os.path.join(IMAGES, "debian-13", ARCH, "rootfs.tar.zst")], timeout=300)
    run(["cp", "-a", f"{root}/usr", f"{root}/srv/usr"], timeout=300)  # as large as one that is in use
    with open(disk, "wb") as f:
        f.truncate(DISK)
    run(["sfdisk", "-q", disk], stdin="label: gpt\n1 : start=2048\n")
    part = os.path.join(folder, "part")
    with open(part, "wb") as f:
        f.truncate(DISK - 2 * MIB)
    run(["mkfs.ext4", "-q", "-F", "-d", root, part], timeout=300)
    run(["rm", "-rf", root])
    used_bytes = used_blocks(part, used)
    run(["dd", f"if={part}", f"of={disk}", "bs=1M", "seek=1", "conv=notrunc,sparse", "status=none"], timeout=300)
    os.unlink(part)
    return disk, used, used_bytes


def share(ours, *limits):
    """Of the slower limit's speed, turn by turn."""
    return statistics.median(max(pair) / o for o, *pair in zip(ours, *limits))


def seconds(command):
    return timed(command, None)[0]


def bench_backup(scope, runs, row):
    for tool in ("losetup", "zstd", "sfdisk", "mkfs.ext4", "dumpe2fs", "unshare"):
        check(have_command(tool), f"`{tool}` is not installed")
    folder = f"/dev/shm/{os.path.basename(scope.tempdir())}"
    os.makedirs(folder)
    scope.cleanup(run, ["rm", "-rf", folder])
    bench = BackupBench(scope)
    with memory_kept(6):
        disk, used, used_bytes = make_disk(folder)
        row("backup: bytes in use", used_bytes / MIB, "MiB")
        bench_both(bench, folder, disk, used, runs, row)


def carry_out(bench, disk, action, args):
    """(seconds, KiB at most, figures)"""
    bench.stop_server()
    bench.fresh()
    files = bench.kept if action == "deploy" else {}
    bench.files = files
    bench.start_server()
    with bench.loop(disk) as name:
        bench.start_agent()
        bench.waits_for("/api/device-action-poll", seconds=60)
        with Memory(bench.agent.pid) as memory:
            done = bench.order(action, seconds=600, disk=bench.disk(name), **args())
    bench.stop_agent()
    check(done["result"] == "ok", f"{done}")
    return done["figures"]["seconds"], memory.kib, done["figures"]


def bench_both(bench, folder, disk, used, runs, row):
    took = {name: [] for name in ("backup", "read", "zstd", "deploy", "unzstd", "write")}
    memory = {"backup": 0, "deploy": 0}
    packed = os.path.join(folder, "packed")
    run(["zstd", "-q", "-3", "-T1", used, "-o", packed], timeout=300)
    for _ in range(runs):
        took["read"].append(seconds(f"cat {used} >/dev/null"))
        took["zstd"].append(seconds(f"zstd -q -3 -c {used} >/dev/null"))
        spent, kib, figures = carry_out(bench, disk, "backup", lambda: {"name": "made"})
        took["backup"].append(spent)
        memory["backup"] = max(memory["backup"], kib)
        with open(f"{packed}.image", "wb") as f:
            for piece in bench.slices:
                f.write(piece)
        told = bench.image(DISK)
        bench.kept = bench.files
        # Where there is a file system below that can zero a range, as a disk can.
        target = os.path.join(bench.scope.tempdir(), "target")
        with open(target, "wb") as f:
            f.truncate(DISK)
        took["unzstd"].append(seconds(f"zstd -q -dc {packed}.image >/dev/null"))
        took["write"].append(seconds(f"dd if={used} of={target} bs=1M conv=notrunc,fsync status=none"))
        spent, kib, _ = carry_out(bench, target, "deploy", lambda: {"image": told})
        took["deploy"].append(spent)
        memory["deploy"] = max(memory["deploy"], kib)
    for name in took:
        print(f"    {name}: {', '.join(f'{s:.2f}' for s in took[name])} s")
    for name, limits in (("backup", ("read", "zstd")), ("deploy", ("unzstd", "write"))):
        of = share(took[name], *(took[limit] for limit in limits))
        row(f"{name}, of the slower of its limits", of, "", "at least 0.9", of >= 0.9)
        row(f"{name}'s memory", memory[name] / 1024, "MiB", "at most 32", memory[name] <= 32 * 1024)
    ratio = figures["sent_bytes"] / os.path.getsize(packed)
    row("backup's bytes on the wire, of `zstd -3`", ratio, "", "at most 1.05", ratio <= 1.05)
