"""stack_lab.py - the lab that tests/stack asks: the built stack, seven machines in its folder, and one that speaks for them all."""
import json
import os
import re
import time

from kit import http_client
from kit.check import check, check_equal, eventually, fail
from kit.command import docker, have_command, have_image
from kit.lab import SERVER, STACK_IMAGE, Lab

BASE = f"http://{SERVER}"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3qNw6yT0aBQ0Qdl4f2mTm7aK1r5wD3sXj8oZ9pV7bT"
OPERATOR_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGo1v8bVn2yqQm0sZ7kTqf0t3hR9cLx5uJwE4dPa6iXo operator@test"
ALPHA, ARM, GAMMA, BIOS, LOCAL, SHELL, PVMLAB = (f"52:54:00:7e:57:{n:02x}" for n in range(1, 8))
STRANGER = "52:54:00:7e:57:fe"
ADDED = "52:54:00:7e:57:20"
OWN = [("alpha", ALPHA, "192.168.100.10"), ("arm", ARM, "192.168.100.11"), ("bios", BIOS, "192.168.100.13"),
    ("local", LOCAL, "192.168.100.14"), ("rescue", SHELL, "192.168.100.15"), ("pvm", PVMLAB, "192.168.100.16"),
    ("late", ADDED, "192.168.100.20")]


class StackLab(Lab):
    def __init__(self, scope):
        super().__init__(scope, access="own")
        self.machine = None  # has the addresses of all
        self.started = None  # the daemons' pids

    def begin(self):
        if not have_image(STACK_IMAGE):
            fail(f"there is no image {STACK_IMAGE}: `make all` builds it, `docker load` brings it in")
        for command in ("ip", "busybox"):
            check(have_command(command), f"`{command}` is not installed on this machine")
        self.files, self.manifest = self.make_image()
        with open(self.keys, "w") as f:
            f.write(f"# operators\n{OPERATOR_KEY}\n")
        self._define_machines()
        began = time.monotonic()
        self.start()
        print(f"ready after {time.monotonic() - began:.1f} s")
        self.machine = self.client("client", cidr="192.168.100.99/24")
        for _, _, address in OWN:
            self.machine.address(address + "/24")
        eventually(lambda: all(self.pids().values()), 10, "every daemon runs")
        self.started = self.pids()

    def _define_machines(self):
        self.define("alpha", mac=ALPHA, ip="192.168.100.10", ipv6="fd56:6d6c:6162::10", ssh_keys=[KEY],
            uuid="0f0e0d0c-0b0a-4908-8706-050403020100", serial="ALPHA-1", kernel_args="quiet lab.test=1")
        self.define("arm", mac=ARM, ip="192.168.100.11", arch="arm64")
        self.define("gamma", mac=GAMMA, arch="amd64")
        self.define("bios", mac=BIOS, ip="192.168.100.13", firmware="bios")
        self.define("local", mac=LOCAL, ip="192.168.100.14", mode="local")
        self.define("rescue", mac=SHELL, ip="192.168.100.15", mode="shell")
        self.define("pvm", role="target", arch="x86_64", ip="192.168.100.16", subnet="192.168.100.0/24",
            ipv6="", subnetv6="", mac=PVMLAB, pxe_boot_stack_tar="pxeboot_stack.tar", docker_images_path="",
            vms_path="/somewhere/vms", ssh_port=0, pxeboot=True, distro="debian-13", ssh_key=KEY, kernel="",
            initrd="")

    # ---- asked by a machine

    def ask(self, path, **kwargs):
        """A request from the client machine to the lab's server, from the address of the machine that the path names."""
        kwargs.setdefault("source", own_address(path))
        with self.machine.inside():
            return http_client.request(kwargs.pop("host", SERVER), path, **kwargs)

    def ipxe(self, mac, **query):
        answer = self.ask("/ipxe?" + "&".join(f"{k}={v}" for k, v in dict({"mac": mac}, **query).items()))
        check_equal(answer.status, 200, f"/ipxe for {mac}: {answer.text[:200]!r}; status")
        check(answer.text.startswith("#!ipxe\n"), f"no iPXE script: {answer.text[:80]!r}")
        return answer.text

    def report(self, mac, **fields):
        answer = self.ask(f"/report/{mac}", method="POST", body=fields)
        check_equal(answer.status, 204, f"report {fields}: {answer.text[:200]!r}; status")

    def tftp(self, name):
        where = os.path.join(self.scope.tempdir(), "tftp.out")
        if os.path.exists(where):
            os.unlink(where)
        self.machine.run(["busybox", "tftp", "-g", "-b", "1408", "-r", name, "-l", where, SERVER], timeout=30)
        with open(where, "rb") as f:
            return f.read()

    # ---- its health

    def same_processes(self):
        eventually(lambda: self.pids() == self.started, 3, f"the pids are {self.started}")

    def healthcheck(self):
        return json.loads(docker("image", "inspect", STACK_IMAGE).stdout)[0]["Config"]["Healthcheck"]

    def health_command(self):
        test = self.healthcheck()["Test"]
        return ["/bin/sh", "-c", test[1]] if test[0] == "CMD-SHELL" else test[1:]


def own_address(path):
    """The address of the machine that the path names, from which alone it is answered."""
    text = path.lower().replace("-", ":")
    for name, mac, address in OWN:
        if mac in text or f"/cloud:init/{name}/" in text:
            return address
    return None


def lines_of(script, command):
    return [l for l in script.splitlines() if re.match(rf"\s*{command}\b", l)]


def installs(script):
    kernels = lines_of(script, "kernel")
    return bool(kernels) and "initrd.mode=install" in kernels[0]
