"""bench_backup.py - the agent's orders `backup` and `deploy` beside what limits them: the disk, and zstd.

The real agent in a network namespace of its own, the real stack as `vmlab up` runs it, a virtual cable between them. The
disk has 10 GiB; on it is a Debian system whose files take 1.1 GiB. It is a loop device: over a file in memory for the
backup, over one on this machine's disk for the deployment, past the machine's memory: one in memory does not zero a
range. Turn by turn:

    read      of all blocks in use, through the loop device, by one thread
    zstd      `zstd -3`, one thread, of the same bytes, to nowhere
    backup    from the order's begin until the server has the image on its disk
    unzstd    `zstd -d`, one thread, of that image, to nowhere
    write     `dd` of the blocks in use onto the loop device, synced
    deploy    from the order's begin until the image is on the disk, synced, with cloud-init's seed in it

The limit of a backup is the slower of read and zstd, of a deployment that of unzstd and write. They are measured alone:
one thread each, the machine's other processors idle. The orders have the same processors for all else, too: the agent's
other threads, both ends of the cable, nginx, boot_handler, which verifies and stores the image, and the kernel's thread
behind the loop device; on machines of metal that is another machine's work, or a disk's. So on two processors what else
is done has to find room on the second one.
"""
import os
import re
import statistics
import threading
import time

from bench_installer import memory_kept, timed
from bench_table import row
from kit import http_client, loop_disk
from kit.agent_bench import RunsAgent
from kit.check import check, check_equal, eventually
from kit.command import have_command, run
from kit.lab import SERVER, Lab
from kit.process import cpu_s, tree
from kit.vmlab_cli import ARCH, IMAGES

MIB = 1 << 20
DISK, FILES = 10 << 30, 1100 * MIB
ADDRESS = "192.168.100.20"
STORE = "/state/backups"


class Memory:
    """The most that os-installer's processes below `pid` had, what they share counted once."""

    def __init__(self, pid):
        self.pid, self.kib, self.ends = pid, 0, threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self):
        while not self.ends.wait(0.1):
            self.kib = max(self.kib, sum(pss_kib(pid) for pid in tree(self.pid)))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *ignored):
        self.ends.set()
        self.thread.join()


def pss_kib(pid):
    try:
        ours = os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "os-installer"
        with open(f"/proc/{pid}/smaps_rollup") as f:
            return int(re.search(r"^Pss: +(\d+)", f.read(), re.M)[1]) if ours else 0
    except (OSError, TypeError):
        return 0  # it ended meanwhile


# ---- the disk --------------------------------------------------------------------------------------

def fill(root):
    """A Debian system, and copies of what is in /usr until its files take as much as is wanted."""
    run(["tar", "-x", "-C", root, "-f", os.path.join(IMAGES, "debian-13", ARCH, "rootfs.tar.zst")], timeout=300)
    files = [(entry.path, entry.stat(follow_symlinks=False).st_blocks * 512) for folder, _, _ in os.walk(f"{root}/usr")
        for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)]
    have = int(run(["du", "-s", "-B1", root]).stdout.split()[0])
    for n in range(1 + FILES // max(1, sum(size for _, size in files))):
        wanted = []
        for path, size in files:
            if have < FILES:
                wanted.append(os.path.relpath(path, root))
                have += size
        os.makedirs(f"{root}/srv/{n}")
        run(["cp", "-a", "--parents", "--target-directory", f"srv/{n}", "--", *wanted], cwd=root, timeout=300) if wanted else None


def used_runs(part):
    """[(first byte, bytes)] of an ext file system, as dumpe2fs says."""
    text = run(["dumpe2fs", part]).stdout
    block = int(re.search(r"^Block size: +(\d+)", text, re.M)[1])
    count = int(re.search(r"^Block count: +(\d+)", text, re.M)[1])
    free = sorted((int(a), int(b or a)) for spans in re.findall(r"^  Free blocks: ([\d, -]+)$", text, re.M)
        for a, _, b in (span.partition("-") for span in spans.split(", ")))
    at, runs = 0, []
    for first, last in [*free, (count, count)]:
        if first > at:
            runs.append((at * block, (first - at) * block))
        at = last + 1
    return runs


def pieces(runs, piece=MIB):
    for at, length in runs:
        for offset in range(0, length, piece):
            yield at + offset, min(piece, length - offset)


class Disk:
    """`path`: the disk; `used`: a file with its blocks in use, one after the other."""

    def __init__(self, folder):
        root, self.path, self.used = (os.path.join(folder, name) for name in ("root", "disk", "used"))
        os.makedirs(root)
        fill(root)
        with open(self.path, "wb") as f:
            f.truncate(DISK)
        run(["sfdisk", "-q", self.path], stdin="label: gpt\n1 : start=2048\n")
        part = os.path.join(folder, "part")
        with open(part, "wb") as f:
            f.truncate(DISK - 2 * MIB)
        run(["mkfs.ext4", "-q", "-F", "-d", root, part], timeout=300)
        run(["rm", "-rf", root])
        self.runs = [(at + MIB, length) for at, length in used_runs(part)]
        self.used_bytes = sum(length for _, length in self.runs)
        run(["dd", f"if={part}", f"of={self.path}", "bs=1M", "seek=1", "conv=notrunc,sparse", "status=none"], timeout=300)
        os.unlink(part)
        with open(self.path, "rb") as f, open(self.used, "wb") as g:
            for at, length in pieces(self.runs):
                g.write(os.pread(f.fileno(), length, at))

    def read_s(self):
        with loop_disk.attached(self.path) as name, open(f"/dev/{name}", "rb", buffering=0) as f:
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
            buffer, began = memoryview(bytearray(MIB)), time.monotonic()
            for at, length in pieces(self.runs):
                os.preadv(f.fileno(), [buffer[:length]], at)
            return time.monotonic() - began


# ---- the machine -----------------------------------------------------------------------------------

class Machine(RunsAgent):
    """The lab's machine `bench`, which waits for orders."""

    agent_url = f"http://{SERVER}/"

    def __init__(self, scope):
        self.lab = lab = Lab(scope, "bench-backup", access="own")
        lab.make_image()
        lab.start()
        self.client = lab.client("bench", cidr=ADDRESS + "/24")
        lab.define("bench", mac=self.client.mac, ip=ADDRESS, mode="agent", distro="debian-13", arch=ARCH)
        lab.wait_vm("bench")
        self.path = self.client.path
        self.begin_agent(scope)
        self.server_pids = [pid for name in ("boot_handler", "nginx") for pid in lab.pids()[name]]

    def begin_with(self, disk):
        """With a disk more than it tells of itself: loop devices are none to it."""
        self.start_agent()
        eventually(lambda: "waiting for orders" in self.log(), 30, "the agent waits for orders")
        told = {"format": 1, "disks": [{"name": disk, "size_bytes": loop_disk.size_bytes(disk), "removable": False}]}
        with self.client.inside():
            answer = http_client.request(SERVER, f"/inventory/{self.client.mac}", method="POST", body=told)
        check_equal(answer.status, 204, f"{answer}; status")

    def order(self, action, disk, direct, **args):
        """(its figures, KiB at most, seconds of a processor the agent and the server used)"""
        with loop_disk.attached(disk, direct=direct) as name:
            self.begin_with(name)
            pid = self.agent_pid()
            before = cpu_s([pid], children=True), cpu_s(self.server_pids)
            with Memory(pid) as memory:
                number = self.lab.api("/api/v1/machines/bench/orders", method="POST",
                    body={"action": action, "args": {"disk": name, **args}})["id"]
                done = eventually(lambda: (o := self.told(number))["state"] not in ("waiting", "running") and o, 900,
                    f"order {action} ends")
            used = cpu_s([pid], children=True) - before[0], cpu_s(self.server_pids) - before[1]
            self.stop_agent()
        check_equal(done["state"], "done", f"{done}; state")
        return done["figures"], memory.kib, used

    def told(self, number):
        return self.lab.api(f"/api/v1/machines/bench/orders/{number}")

    def forget(self, name):
        self.lab.operator(f"/api/v1/backups/{name}", method="DELETE")

    def image(self, name, path):
        """Its file, brought here."""
        with open(path, "wb") as f, self.client.inside():
            f.write(http_client.request(SERVER, f"/images/{name}/{ARCH}/disk.raw.zst", timeout=120).body)
        return path


# ---- the figures -----------------------------------------------------------------------------------

def seconds(command):
    return timed(command, None)[0]


def share(ours, *limits):
    """Of the slower limit's speed, turn by turn."""
    return statistics.median(max(pair) / o for o, *pair in zip(ours, *limits))


class Turns:
    def __init__(self, machine, disk, folder, target):
        self.machine, self.disk, self.folder, self.target = machine, disk, folder, target
        self.took = {name: [] for name in ("read", "zstd", "backup", "unzstd", "write", "deploy")}
        self.kib = {"backup": 0, "deploy": 0}
        self.cpu = {"backup": [], "deploy": []}

    def order(self, action, *args, **more):
        figures, kib, used = self.machine.order(action, *args, **more)
        self.took[action].append(figures["seconds"])
        self.kib[action] = max(self.kib[action], kib)
        self.cpu[action].append(used)
        return figures

    def backup(self):
        self.machine.forget("made")
        self.took["read"].append(self.disk.read_s())
        self.took["zstd"].append(seconds(f"zstd -q -3 -T1 -c {self.disk.used} >/dev/null"))
        return self.order("backup", self.disk.path, False, name="made")

    def deploy(self):
        image = self.machine.image("made", os.path.join(self.folder, "image"))
        self.took["unzstd"].append(seconds(f"zstd -q -dc {image} >/dev/null"))
        os.unlink(image)
        self.fresh()
        with loop_disk.attached(self.target, direct=True) as name:
            self.took["write"].append(seconds(f"dd if={self.disk.used} of=/dev/{name} bs=1M conv=fsync status=none"))
        self.fresh()
        check(self.order("deploy", self.target, True, image="made")["seeded"], "the system on the disk has no seed")

    def fresh(self):
        """A disk that is there, and has nothing on it."""
        with open(self.target, "wb") as f:
            os.posix_fallocate(f.fileno(), 0, DISK)
            os.fsync(f.fileno())


def bench_backup(scope, runs):
    for tool in ("losetup", "zstd", "sfdisk", "mkfs.ext4", "dumpe2fs", "unshare"):
        check(have_command(tool), f"`{tool}` is not installed")
    folder = f"/dev/shm/{os.path.basename(scope.tempdir())}"
    os.makedirs(folder)
    scope.cleanup(run, ["rm", "-rf", folder])
    with memory_kept(8):
        disk = Disk(folder)
        turns = Turns(Machine(scope), disk, folder, os.path.join(scope.tempdir(), "target"))
        for _ in range(runs):
            figures = turns.backup()
            turns.deploy()
    packed = int(run(["bash", "-c", f"zstd -q -3 -T1 -c {disk.used} | wc -c"], timeout=300).stdout)
    row("backup: bytes in use", disk.used_bytes / MIB, "MiB")
    tell(turns)
    ratio = figures["sent_bytes"] / packed
    row("backup's bytes on the wire, of `zstd -3`", ratio, "", "at most 1.05", ratio <= 1.05)


def tell(turns):
    for name, took in turns.took.items():
        print(f"    {name}: {', '.join(f'{s:.2f}' for s in took)} s")
    for name, limits in (("backup", ("read", "zstd")), ("deploy", ("unzstd", "write"))):
        for limit in (name, *limits):
            row(f"10 GiB disk, 1.1 GiB used: {limit}", statistics.median(turns.took[limit]), "s")
        of = share(turns.took[name], *(turns.took[limit] for limit in limits))
        row(f"{name}, of the slower of its limits", of, "", "at least 0.9", of >= 0.9)
        for at, who in enumerate(("the agent", "the server")):
            row(f"{name}: processor time, {who}", statistics.median(used[at] for used in turns.cpu[name]), "s")
        row(f"{name}: the agent's peak memory", turns.kib[name] / 1024, "MiB", "at most 32", turns.kib[name] <= 32 * 1024)
