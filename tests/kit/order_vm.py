"""order_vm.py - a VM of the lab as a machine of kit/order_faults.py: its disks are the one for a system, the one that orders
mean, and another. What is on them is told by scripts that it is ordered to run."""
import hashlib
import os
import subprocess
import time

from kit import boot_image, http_client
from kit.check import check_equal, eventually
from kit.command import DOCKER, docker, run
from kit.takes_orders import TakesOrders
from kit.vmlab_cli import VM_IMAGE

MAC = "52:54:00:e2:e0:1d"
MIB = 1 << 20
TARGET_MIB, FULL_MIB, STEP_MIB = 1024, 48, 32
MIDDLE_BYTES = 8 * MIB
BOOT_S = 300
# Of the first MiBs and one of every so many: all of it takes an emulated machine minutes.
LOOK = (f"(dd if=/dev/vdb bs=1M count={FULL_MIB}; i={FULL_MIB}; while [ $i -lt {TARGET_MIB} ]; do dd if=/dev/vdb bs=1M skip=$i count=1; "
    f"i=$((i + {STEP_MIB})); done) 2>/dev/null | sha256sum | cut -c1-64")
FILL = f"dd if=/dev/urandom of=/dev/vdb bs=1M count={FULL_MIB} && dd if=/dev/urandom of=/dev/vdc bs=1M count=16 && sync"


def look(read_at):
    """The same of read_at(MiB, MiBs)."""
    h = hashlib.sha256(read_at(0, FULL_MIB))
    for at in range(FULL_MIB, TARGET_MIB, STEP_MIB):
        h.update(read_at(at, 1))
    return h.hexdigest()


class World:
    """The lab's stack, and how it is killed."""

    def __init__(self, lab):
        self.lab, self.stack = lab, f"{lab.name}-stack"

    def pids(self):
        lines = docker("top", self.stack, "-eo", "pid,comm").stdout.splitlines()[1:]
        return {int(pid): comm for pid, comm in (line.split(None, 1) for line in lines) if comm in ("boot_handler", "nginx")}

    def kill_server(self):
        self.killed = self.pids()
        run(["kill", "-9", *map(str, self.killed)], check_rc=False)

    def wait_server(self):
        eventually(lambda: set(self.pids().values()) == {"boot_handler", "nginx"} and not set(self.pids()) & set(self.killed), 60,
            "other processes serve")
        eventually(lambda: self.lab.api("/api/v1/vms"), 60, "the server answers")


class OrderVm(TakesOrders):
    name, patience_s = "struck", 900
    target, system, read_disk, read_bytes = "VMLAB-1", "VMLAB-0", "VMLAB-0", 3 << 30
    image, boot_image = "filled", "rescue"
    zeros_sum = look(lambda at, mib: bytes(mib * MIB))

    def __init__(self, lab):
        self.lab = lab
        lab.define(self.name, mac=MAC, arch="amd64", distro="debian-13", mode="agent", cpus=2, memory="512M",
            disks=[{"size": "3G"}, {"size": f"{TARGET_MIB}M"}, {"size": "64M"}])
        boot_image.add(lab, "rescue/amd64", {"vmlinuz": "a kernel"}, {"format": 1, "kind": "boot", "distro": "rescue", "arch": "amd64",
            "boot": {"kernel": boot_image.stored("vmlinuz", "a kernel")}})

    def prepare(self):
        """Its disks are full, and the image of the one that is meant is there."""
        self.power_on()
        self.does(FILL)
        self.image_sum = self.target_before = self.does(LOOK).strip()
        self.other_before = self.does("sha256sum </dev/vdc")
        self.finish("backup", {"name": self.image, "disk": self.target, "compress": 1})

    # ---- its power, its line

    def monitor(self, words):
        docker("exec", "-u", "65534", self.lab.container(self.name), "/bin/sh", "-c",
            f"echo {words} | socat -t 0.3 - UNIX-CONNECT:/run/vm/monitor.sock")

    def greetings(self):
        return len([e for e in self.lab.api("/api/v1/events?limit=1000")["events"] if e["kind"] == "agent" and e["mac"] == MAC])

    def power_on(self):
        """Twice where it went another way at first: an order before may have said so."""
        before = self.greetings()
        for _ in range(3):
            docker("kill", self.lab.container(self.name), check_rc=False)
            self.lab.vmlab("up", "--no-wait", self.name, timeout=90)
            try:
                return eventually(lambda: self.greetings() > before, BOOT_S / 2, "its agent is there", every=0.5)
            except AssertionError:
                pass
        raise AssertionError(f"its agent does not come: {self.log()[-600:]}")

    def cut_power(self):
        docker("kill", self.lab.container(self.name))

    def comes_back(self):
        self.power_on()

    def freeze(self):
        self.monitor("stop")

    def thaw(self):
        self.monitor("cont")

    def line(self, there):
        self.monitor(f"set_link lab {'on' if there else 'off'}")

    # ---- its orders

    def api(self, path="", method="GET", body=None):
        return http_client.request("localhost", f"/api/v1/machines/{self.name}/orders{path}", unix=self.lab.socket, method=method,
            body=body)

    def works(self, number):
        order = self.of(number)
        return (self.lab.vm(self.name)["bytes"] or 0) > MIDDLE_BYTES if order["action"] == "install" else order["done_bytes"] > 0

    def new_name(self):
        return f"made-{time.monotonic_ns()}"

    def finish(self, action, args):
        number = self.give(action, args)
        order = eventually(lambda: (now := self.of(number))["state"] in ("done", "failed") and now, self.patience_s,
            f"{action} has ended", every=0.5)
        check_equal(order["state"], "done", f"{order}: {self.output(number)[-600:]}; state")
        return number

    def does(self, script, **args):
        """What a script writes."""
        return self.output(self.finish("run", {"script": script, **args}))

    def begin_anew(self):
        """Whatever came before."""
        for order in self.api().json["orders"]:
            if order["state"] in ("waiting", "running", "stopped"):
                self.take_back(order["id"])
        self.power_on()

    # ---- what is on its disks

    def target_sum(self):
        return self.does(LOOK).strip()

    def edges(self):
        """Of the VM that is off: whether anything is in the first or the last MiB of the disk that is meant."""
        folder = self.lab.scope.tempdir()
        docker("run", "--rm", "--network", "none", "-v", f"{self.lab.name}-disk-{self.name}:/disks:ro", "-v", f"{folder}:/out",
            "--entrypoint", "/usr/bin/qemu-img", "-e", "TMPDIR=/out", VM_IMAGE, "convert", "-U", "-O", "raw", "/disks/disk1.qcow2",
            "/out/target.raw", timeout=180)
        path = os.path.join(folder, "target.raw")
        with open(path, "rb") as f:
            first = f.read(MIB)
            f.seek(-MIB, os.SEEK_END)
            found = any(first) or any(f.read(MIB))
        os.unlink(path)
        return found

    def backup_sum(self, name):
        path = os.path.join(self.lab.scope.tempdir(), "backup.raw")
        stored = f"/state/backups/images/{name}/amd64/disk.raw.zst"
        with open(path, "wb") as out:
            cat = subprocess.Popen([DOCKER, "exec", f"{self.lab.name}-stack", "cat", stored], stdout=subprocess.PIPE)
            subprocess.run(["zstd", "-q", "-d", "-c", "--sparse"], stdin=cat.stdout, stdout=out, check=True)
            cat.wait()
        with open(path, "rb") as f:
            found = look(lambda at, mib: (f.seek(at * MIB), f.read(mib * MIB))[1])
        os.unlink(path)
        return found

    def check_others(self):
        check_equal(self.does("sha256sum </dev/vdc"), self.other_before, "what is on the disk that was not meant")

    def check_installed(self):
        check_equal(self.does('. /etc/os-release; echo "$ID"', where="disk", disk=self.system), "debian\n", "the installed system")

    def log(self):
        return self.lab.console(self.name)
