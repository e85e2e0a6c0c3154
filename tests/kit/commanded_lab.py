"""A lab of kit.lab that the user's command takes for one of its own, and machines in it whose agents are made of calls."""
import os
import subprocess
import threading

from kit import http_client, netns
from kit.check import check_equal, eventually
from kit.command import run
from kit.lab import SERVER, Lab
from kit.vmlab_cli import BINARY

DISKS = [{"name": "vda", "size_bytes": 10 << 30, "serial": "DISK-1", "model": "QEMU", "transport": "virtio", "removable": False}]


class CommandedLab(Lab):
    """No VM runs in it: its machines are made of calls."""

    def __init__(self, scope, label="commanded", access="any"):
        super().__init__(scope, label, access=access)
        self.home = os.path.join(self.dir, "home")
        self.api_dir = os.path.join(self.home, "labs", self.name)
        os.makedirs(self.api_dir, 0o700)
        self.socket = os.path.join(self.api_dir, "api.sock")

    def labels(self, role):
        return [*super().labels(role), "--label", f"vmlab.role={role}", "--label", f"vmlab.vms={self.vms}"]

    def env(self):
        return dict({k: v for k, v in os.environ.items() if not k.startswith("VMLAB_") or k == "VMLAB_ENGINE"}, VMLAB_LAB=self.name,
            VMLAB_VMS=self.vms, VMLAB_IMAGES=self.images, VMLAB_HOME=self.home, NO_COLOR="1", TERM="dumb")

    def vmlab(self, *argv, timeout=60, check_rc=True):
        return run([BINARY, *argv], timeout=timeout, check_rc=check_rc, env=self.env(), cwd=self.dir)

    def begin(self, *argv):
        """The command while it runs, its output in one stream."""
        return subprocess.Popen([BINARY, *argv], cwd=self.dir, env=self.env(), text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def list_state(self, name):
        """What `vmlab ls` says of it."""
        return self.vmlab("ls", "--columns", "state", name).stdout.splitlines()[1]


class Machine:
    """One that asks from `client`, whatever MAC it says."""

    def __init__(self, client, mac):
        self.client, self.mac = client, mac

    def ask(self, path, **kwargs):
        with self.client.inside():
            return http_client.request(SERVER, path, **dict({"timeout": 70}, **kwargs))

    def post(self, path, **body):
        return self.ask(path, method="POST", body=dict({"mac": self.mac}, **body))

    def boots(self):
        return self.ask(f"/ipxe?mac={self.mac}&arch=x86_64").text

    def reports(self, **body):
        check_equal(self.ask(f"/report/{self.mac}", method="POST", body=body).status, 204, f"report {body}: status")

    def is_ready(self, boot="1"):
        check_equal(self.ask(f"/report/{self.mac}?phase=ready", method="POST", body={"status": "done", "errors": [],
            "recoverable_errors": {}, "boot_id": boot * 8 + "-1111-1111-1111-111111111111", "first_boot": boot == "1", "host_keys": [],
            "user": "lab"}).status, 204, "ready: status")

    def installs(self):
        """All the way to ready."""
        assert "initrd.mode=install" in self.boots()
        self.reports(phase="report", status="done")
        self.boots()
        self.is_ready()

    def comes(self):
        """Its agent does."""
        check_equal(self.post("/api/register-device", ip="192.168.100.20").status, 200, "registered: status")
        # Only so many of one address are taken at once.
        eventually(lambda: self.ask(f"/inventory/{self.mac}", method="POST", body={"format": 1, "system": {"product": "Simulated"},
            "disks": DISKS}).status == 204, 20, f"{self.mac}'s inventory is taken")

    def poll(self, wait=None):
        """The order, or None."""
        answer = self.ask(f"/api/device-action-poll?mac={self.mac}" + (f"&wait={wait}" if wait else ""))
        return answer.json if answer.status == 200 else None

    def progress(self, order, **more):
        return self.post("/api/action-progress", id=order["id"], **more)

    def done(self, order, result="ok", **more):
        return self.post("/api/action-done", id=order["id"], result=result, **more)


class Agent(threading.Thread):
    """A machine's agent that does what it is ordered by calling carry_out(machine, order), which tells its end."""

    def __init__(self, machine, carry_out):
        super().__init__(daemon=True)
        self.machine, self.carry_out, self.over = machine, carry_out, threading.Event()

    def run(self):
        self.machine.comes()
        while not self.over.is_set():
            order = self.machine.poll(wait=1)
            if order:
                self.carry_out(self.machine, order)

    def stop(self):
        self.over.set()
        self.join()
