"""order_machine.py - machines of the real stack that carry out orders: the agent in a network namespace on the lab's bridge and
a process namespace of its own, with two disks that are loop devices. Killed, it has lost its power.

A machine of kit/order_faults.py; so is tests/e2e's VM.
"""
import glob
import hashlib
import os
import random
import signal
import subprocess

from kit import backup_bench, boot_image, http_client
from kit.agent_bench import RunsAgent
from kit.check import check, check_equal, eventually, skip
from kit.command import run
from kit.lab import SERVER, Lab
from kit.netns import inside
from kit.takes_orders import TakesOrders

MIB = 1 << 20
DISK_BYTES, OTHER_BYTES, FULL_BYTES = 160 * MIB, 4 * MIB, 48 * MIB
MIDDLE_BYTES = 8 * MIB  # read or written by who is in the middle of its order


def sum_of(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def children(pid):
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            with open(path) as f:
                found += map(int, f.read().split())
        except OSError:
            pass  # it has ended meanwhile
    return found


class World:
    """The stack, what it serves, and how it is killed."""

    def __init__(self, scope):
        self.lab = Lab(scope, "orders", access="own")

    def begin(self):
        self.lab.make_image()
        raw = random.Random(1).randbytes(FULL_BYTES).ljust(DISK_BYTES, b"\0")
        packed = subprocess.run(["zstd", "-q", "-1", "-c"], input=raw, stdout=subprocess.PIPE, check=True).stdout
        where = os.path.join(self.lab.images, "disk", backup_bench.ARCH)
        os.makedirs(where)
        for name, data in backup_bench.image_files("disk", packed, DISK_BYTES).items():
            with open(os.path.join(where, name), "wb") as f:
                f.write(data)
        boot_image.add(self.lab, f"rescue/{backup_bench.ARCH}", {"vmlinuz": "a kernel"}, {"format": 1, "kind": "boot",
            "distro": "rescue", "arch": backup_bench.ARCH, "boot": {"kernel": boot_image.stored("vmlinuz", "a kernel")}})
        self.image_sum, self.zeros_sum = (hashlib.sha256(data).hexdigest() for data in (raw, bytes(DISK_BYTES)))
        self.lab.start()

    def kill_server(self):
        self.killed = self.lab.pids()
        for daemon in "boot_handler", "nginx":
            for pid in self.killed[daemon]:
                os.kill(pid, signal.SIGKILL)

    def wait_server(self):
        eventually(lambda: all(pids and not set(pids) & set(self.killed[daemon]) for daemon, pids in self.lab.pids().items()
            if daemon in ("boot_handler", "nginx")), 20, "other processes serve")
        self.lab.wait_serving()


class Machine(TakesOrders, RunsAgent):
    agent_url = f"http://{SERVER}/"
    image, boot_image, read_bytes, patience_s = "disk", "rescue", DISK_BYTES, 60
    _numbers = iter(range(20, 250))

    def __init__(self, scope, world, name):
        self.world, self.lab, self.name = world, world.lab, name
        self.image_sum, self.zeros_sum = world.image_sum, world.zeros_sum
        address = f"192.168.100.{next(Machine._numbers)}"
        self.client = self.lab.client(name, cidr=address + "/24")
        self.path = self.client.path
        self.lab.define(name, mac=self.client.mac, ip=address, arch=backup_bench.ARCH, mode="agent")
        self.begin_agent(scope)
        self.files, self.disks = [], []

    def give_disks(self):
        """One that orders are for, and another."""
        self.files = [os.path.join(self.scope.tempdir(), f"{self.name}-{what}") for what in ("target", "other")]
        self.fill()
        self.target_before, self.other_before = map(sum_of, self.files)
        self.disks = [self.attach(path) for path in self.files]
        self.target = self.read_disk = self.disks[0]

    def fill(self):
        """As they were at first."""
        rng = random.Random(self.name)
        for path, size in zip(self.files, (DISK_BYTES, OTHER_BYTES)):
            with open(path, "ab") as f:
                f.truncate(size)
            with open(path, "r+b") as f:
                f.write(rng.randbytes(min(size, FULL_BYTES)))

    def attach(self, path):
        device = run(["losetup", "-f", "--show", path], check_rc=False).stdout.strip()
        if not device:
            skip("no loop device can be had")
        self.scope.cleanup(run, ["losetup", "-d", device])
        return os.path.basename(device)

    # ---- its power, its line

    def power_on(self):
        self.start_agent()
        eventually(lambda: "the inventory is sent" in self.log(), self.patience_s, f"{self.name} waits for orders; it says: "
            f"{self.log()[-600:]}", every=0.05)

    def cut_power(self):
        all_of_it = self.processes()
        self.stop_agent()
        eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in all_of_it), 10, "its processes are gone", every=0.02)

    def comes_back(self):
        check(self.ended() in ("reboot", "poweroff"), "how it ended")
        self.power_on()

    def processes(self):
        """Its agent and all below it."""
        found = [self.agent.pid]
        for pid in found:
            found += children(pid)
        return found[1:]

    def signal(self, signum):
        for pid in self.processes():
            try:
                os.kill(pid, signum)
            except ProcessLookupError:
                pass  # it has ended meanwhile

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def line(self, there):
        with self.lab.inside():
            run(["ip", "link", "set", self.client.port, "up" if there else "down"])

    # ---- its orders

    def tell_disks(self):
        """Loop devices are in no inventory, and may be named all the same."""
        disks = [{"name": name, "serial": None, "size_bytes": os.path.getsize(path), "removable": False}
            for name, path in zip(self.disks, self.files)]
        with self.client.inside():
            told = http_client.request(SERVER, f"/inventory/{self.client.mac}", method="POST",
                body={"format": 1, "system": {}, "cpu": {}, "memory": {}, "disks": disks, "nics": []})
        check_equal(told.status, 204, f"{told}; status")

    def api(self, path="", method="GET", body=None):
        return self.lab.operator(f"/api/v1/machines/{self.name}/orders{path}", method=method, body=body)

    def works(self, number):
        """The order's processes have read and written something; memory is tested by neither."""
        moved = 0
        for pid in self.processes()[1:]:
            with open(f"/proc/{pid}/io") as f:
                moved += sum(int(line.split()[1]) for line in f if line.startswith(("rchar", "wchar")))
        return moved > MIDDLE_BYTES or self.of(number)["phase"] == "memory" and self.of(number)["done_bytes"] > 0

    def new_name(self):
        return f"{self.name}-{len(self.api().json['orders'])}"

    # ---- what is on its disks

    def target_sum(self):
        os.sync()
        return sum_of(self.files[0])

    def edges(self):
        """Whether anything is in the first or the last MiB of the disk that is meant, if any is; None: not looked at."""
        if not self.disks:
            return None
        with open(self.files[0], "rb") as f:
            first = f.read(MIB)
            f.seek(-MIB, os.SEEK_END)
            return any(first) or any(f.read(MIB))

    def check_others(self):
        if self.disks:
            check_equal(sum_of(self.files[1]), self.other_before, "what is on the disk that was not meant")

    def backup_sum(self, name):
        """Of the disk that the image of that name is."""
        with inside(self.path):
            packed = http_client.request(SERVER, f"/images/{name}/{backup_bench.ARCH}/disk.raw.zst", timeout=60)
        check_equal(packed.status, 200, "the image: status")
        raw = subprocess.run(["zstd", "-q", "-d", "-c"], input=packed.body, stdout=subprocess.PIPE, check=True).stdout
        return hashlib.sha256(raw).hexdigest()
