"""A lab for one file of tests: the built stack image in a network namespace of its own.

The same arrangement as vmlab's: a container that does nothing owns the namespace, the stack joins
it, so the stack can be restarted under a wired client. Nothing is published on the host.
"""
import contextlib
import hashlib
import json
import os
import random
import subprocess

from kit import dhcp, http_client, netns
from kit.check import check, eventually, fail
from kit.command import DOCKER, PREFIX, docker, run

STACK_IMAGE = os.environ.get("STACK_IMAGE", "pxeboot_stack:latest")
SERVER = "192.168.100.1"
SERVER6 = "fd56:6d6c:6162::1"
OPERATOR_PORT = 8080 # only where OPERATOR_LISTEN asks for one
# What the stack is run with, as the README and `vmlab` do.
CONFINED = ["--cap-drop", "ALL", *(w for c in ("NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE", "SETUID", "SETGID",
    "SETPCAP", "CHOWN", "DAC_OVERRIDE", "KILL") for w in ("--cap-add", c)), "--security-opt", "no-new-privileges",
    "--read-only", "--tmpfs", "/run", "--tmpfs", "/tmp", "--pids-limit", "200", "--memory", "512m"]
DAEMONS = ("dnsmasq", "nginx", "boot_handler", "vm_watcher", "image_adopt")


class Lab:
    bridge = "lab0"
    server = SERVER
    vms_mount = "ro"  # what the stack may do in vms/

    def __init__(self, scope, label="lab", access="any", image=STACK_IMAGE):
        """access: GUEST_ACCESS; "any" lets a test ask for every machine from one place."""
        self.scope = scope
        self.image = image
        self.access = access
        self.name = PREFIX + label
        self.net = self.name + "-net"
        self.stack = self.name + "-stack"
        self.state_volume = self.name + "-state"
        self.dir = os.path.join(scope.tempdir(), label)
        self.vms = os.path.join(self.dir, "vms")
        self.images = os.path.join(self.dir, "images")
        self.keys = os.path.join(self.dir, "authorized_keys")
        self.api_dir = os.path.join(self.dir, "api")
        self.socket = os.path.join(self.api_dir, "api.sock")
        self.consoles = os.path.join(self.dir, "consoles")
        os.makedirs(self.vms)
        os.mkdir(self.api_dir, 0o700)
        os.makedirs(self.images)
        os.makedirs(self.consoles)
        open(self.keys, "w").close()
        scope.cleanup(self.remove)
        scope.log_on_failure(self.log)

    # ---- containers

    def labels(self, role):
        return ["--label", f"vmlab.lab={self.name}"]

    def start_net(self):
        docker("run", "-d", "--name", self.net, *self.labels("net"),
            "--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "net.ipv6.conf.all.disable_ipv6=0",
            "--sysctl", "net.ipv6.conf.default.disable_ipv6=0", "--sysctl", "net.ipv6.conf.all.forwarding=1",
            "--entrypoint", "/bin/sleep", "--no-healthcheck", self.image, "infinity")

    def stack_args(self, name, env=()):
        args = ["--name", name, *self.labels("stack"),
            "--network", f"container:{self.net}", *CONFINED,
            "-v", f"{self.vms}:/vms:{self.vms_mount}", "-v", f"{self.images}:/srv/images:ro",
            "-v", f"{self.state_volume}:/state", "-v", f"{self.api_dir}:/run/operator",
            "-v", f"{self.consoles}:/run/consoles/vms:ro",
            "-v", f"{self.keys}:/etc/vmlab/authorized_keys:ro"]
        for item in (f"GUEST_ACCESS={self.access}", *env):
            args += ["-e", item]
        return args

    def start_stack(self, env=()):
        docker("run", "-d", *self.stack_args(self.stack, env), self.image)

    def start(self, env=()):
        self.start_net()
        self.start_stack(env)
        self.wait_serving()

    def wait_serving(self, seconds=30):
        eventually(lambda: self.operator("/readyz").status == 200, seconds,
            "the stack answers /readyz with 200")
        eventually(lambda: self.get("/", from_lab=True).status == 404, seconds, "machines are served")

    def net_pid(self):
        return int(docker("inspect", "-f", "{{.State.Pid}}", self.net).stdout)

    def running(self):
        return docker("inspect", "-f", "{{.State.Running}}", self.stack,
            check_rc=False).stdout.strip() == "true"

    def health(self):
        return docker("inspect", "-f", "{{.State.Health.Status}}", self.stack).stdout.strip()

    def exec(self, *argv, check_rc=True, timeout=60, user="root", stdin=None):
        return docker("exec", *(["-i"] if stdin is not None else []), "-u", user, self.stack, *argv,
            check_rc=check_rc, timeout=timeout, stdin=stdin)

    def pids(self):
        """{daemon: sorted pids as the host sees them}; nginx's and dnsmasq's children included."""
        found = {name: [] for name in DAEMONS}
        for line in docker("top", self.stack, "-eo", "pid,comm").stdout.splitlines()[1:]:
            pid, comm = line.split(None, 1)
            if comm in found:
                found[comm].append(int(pid))
        return {name: sorted(pids) for name, pids in found.items()}

    def log(self):
        parts = [f"---- {self.stack}"]
        done = subprocess.run([DOCKER, "logs", "--tail", "150", self.stack], text=True,
            errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return "\n".join(parts + [done.stdout])

    def remove(self):
        run([DOCKER, "rm", "-f", "-v", self.stack, self.net], check_rc=False)
        run([DOCKER, "volume", "rm", "-f", self.state_volume], check_rc=False)

    # ---- inputs

    def define(self, name, file=None, **fields):
        """Writes vms/<name>.json the way an editor does: beside it, then renamed into place."""
        self.write(file or f"{name}.json", json.dumps(dict({"name": name}, **fields), indent=2))

    def write(self, file, text):
        data = text if isinstance(text, bytes) else text.encode()
        temporary = os.path.join(self.vms, ".tmp")
        with open(temporary, "wb") as f:
            f.write(data)
        os.rename(temporary, os.path.join(self.vms, file))

    def undefine(self, file):
        os.unlink(os.path.join(self.vms, file))

    def make_image(self, distro="debian-13", arch="amd64", rootfs_bytes=300000):
        """An image directory with true digests and content that nothing can boot."""
        where = os.path.join(self.images, distro, arch)
        os.makedirs(where)
        rng = random.Random(distro + arch)
        files = {"rootfs.tar.zst": rng.randbytes(rootfs_bytes), "vmlinuz": rng.randbytes(50000),
            "modules.cpio.zst": rng.randbytes(20000)}
        for name, data in files.items():
            with open(os.path.join(where, name), "wb") as f:
                f.write(data)
        digest = lambda data: hashlib.sha256(data).hexdigest()
        entry = lambda name: {"file": name, "size_bytes": len(files[name]), "sha256": digest(files[name])}
        rootfs = files["rootfs.tar.zst"]
        chunk = 4194304
        manifest = {"format": 1, "distro": distro, "arch": arch, "created": "2025-11-20T10:00:00Z",
            "kernel_version": "6.12.0-test",
            "rootfs": dict(entry("rootfs.tar.zst"), format="tar.zst", unpacked_bytes=900000, entries=10,
                chunk_bytes=chunk, chunks=[digest(rootfs[i:i + chunk]) for i in range(0, len(rootfs), chunk)]),
            "kernel": entry("vmlinuz"), "modules": entry("modules.cpio.zst")}
        with open(os.path.join(where, "manifest.json"), "w") as f:
            json.dump(manifest, f)
        return files, manifest

    # ---- questions

    @contextlib.contextmanager
    def inside(self):
        with netns.inside(f"/proc/{self.net_pid()}/ns/net"):
            yield

    def client(self, label, cidr=None, mac=None):
        c = netns.Client(f"{self.name[len(PREFIX):]}-{label}", mac)
        self.scope.cleanup(c.close)
        c.plug(self.net_pid(), self.bridge)
        netns.wait_carrier(c)
        if cidr:
            c.address(cidr)
        return c

    def get(self, path, from_lab=False, **kwargs):
        """A request from inside the lab's own namespace."""
        with self.inside():
            return http_client.request(self.server if from_lab else "127.0.0.1", path, **kwargs)

    def operator(self, path, **kwargs):
        """A request to the operator's API, over its socket."""
        return http_client.request("localhost", path, unix=self.socket, **kwargs)

    def api(self, path, method="GET", body=None):
        answer = self.operator(path, method=method, body=body)
        if answer.status != 200:
            fail(f"{method} {path}: {answer}")
        return answer.json

    def vm(self, name):
        """The VM as the operator's API shows it, or None when there is no such VM."""
        answer = self.operator(f"/api/v1/vms/{name}")
        if answer.status == 404:
            return None
        check(answer.status == 200, f"/api/v1/vms/{name}: {answer}")
        return answer.json

    def problems(self, file=None):
        found = self.api("/api/v1/vms")["problems"]
        return [p for p in found if file is None or p["file"] == file]

    def wait_vm(self, name, seconds=3, condition=lambda vm: True, what="is known"):
        return eventually(lambda: (lambda vm: vm if vm and condition(vm) else None)(self.vm(name)),
            seconds, f"VM {name} {what}")

    def offer(self, client, mac, **kwargs):
        with client.inside():
            c = dhcp.Client()
            try:
                return c.discover(mac, **kwargs)
            finally:
                c.close()
