"""pvmlab_lab.py - the built stack image run as pvmlab runs its own, with its files and folders.

The network namespace of a container stands for its provisioner VM: an interface enp0s2 that has the
lab's addresses already, and a stack started with --network host and --privileged, without INTERFACE
and without a volume for /state.
"""
import json
import os

from kit import dhcp, http_client, netns
from kit.check import check_equal, eventually
from kit.command import docker, run
from kit.lab import STACK_IMAGE, Lab

SERVER = "192.168.105.1"
SERVER6 = "fd00:cafe:babe::1"
KEY = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7vbqajDhA1jZ3ZQ8V3tA2oRPxF8a1C0W0yZ5gq8vV pvmlab"
TARGET, CAPITALS, DISK, KERNEL, RIVAL = (f"52:54:00:d1:0b:{n:02x}" for n in range(1, 6))
DISTRO, VERSION = "ubuntu-24.04", "6.8.0-87-generic"
ENV = [f"PROVISIONER_IP={SERVER}", "DHCP_RANGE_START=192.168.105.100", "DHCP_RANGE_END=192.168.105.200",
    "DHCP_RANGE_V6_START=::64", "DHCP_RANGE_V6_END=::c8"]


class PvmlabLab(Lab):
    """Where pvmlab runs its stack, and how."""

    bridge = "enp0s2"
    server = SERVER
    _powers = None

    def __init__(self, scope):
        super().__init__(scope, "dropin")
        self.machine = None  # one place asks for every machine

    def begin(self):
        image = os.path.join(self.images, DISTRO, "x86_64")
        os.makedirs(image)
        for name in (f"vmlinuz-{VERSION}", f"initrd.img-{VERSION}", "modules.cpio.gz"):
            with open(os.path.join(image, name), "w") as f:
                f.write(name + "\n")
        self.make_image()
        self.created("provisioner", role="provisioner", ip=SERVER, mac="52:54:00:d1:0b:ff", ssh_port=40022,
            docker_images_path="/Users/me/.pvmlab/docker_images", vms_path="/Users/me/.pvmlab/vms", ssh_key=KEY)
        files = {"kernel": f"vmlinuz-{VERSION}", "initrd": f"initrd.img-{VERSION}", "distro": DISTRO,
            "ssh_key": KEY + "\n"}
        self.created("target1", ip="192.168.105.2", ipv6="fd00:cafe:babe::2", subnetv6="fd00:cafe:babe::/64",
            mac=TARGET, pxeboot=True, **files)
        self.created("My_VM.1", ip="192.168.105.3", mac=CAPITALS, pxeboot=True, distro="debian-13", ssh_key=KEY)
        self.created("disk", ip="192.168.105.4", mac=DISK, ssh_key=KEY)
        self.created("own-kernel", ip="192.168.105.5", mac=KERNEL, **files)
        self.start(ENV)
        self.machine = self.client("client", cidr="192.168.105.99/24")

    def start_net(self):
        docker("run", "-d", "--name", self.net, "--label", f"vmlab.lab={self.name}", "--network", "none",
            "--sysctl", "net.ipv6.conf.all.disable_ipv6=0", "--sysctl", "net.ipv6.conf.default.disable_ipv6=0",
            "--entrypoint", "/bin/sleep", "--no-healthcheck", STACK_IMAGE, "infinity")
        with self.inside():
            run(["ip", "link", "add", "enp0s2", "type", "bridge", "forward_delay", "0"])
            run(["ip", "addr", "add", f"{SERVER}/24", "dev", "enp0s2"])
            run(["ip", "addr", "add", f"{SERVER6}/64", "dev", "enp0s2", "nodad"])
            run(["ip", "link", "set", "enp0s2", "up"])
            run(["ip", "link", "set", "lo", "up"])

    def stack_args(self, name, env=()):
        args = ["--mount", f"type=bind,source={self.vms},target=/mnt/host/vms",
            "--mount", f"type=bind,source={self.images},target=/www/images",
            "-v", f"{self.api_dir}:/run/operator"] # for the questions of this test only
        for item in [*env, "GUEST_ACCESS=any"]: # one place asks for every machine
            args += ["-e", item]
        # --net=host there; here the namespace that stands for that host.
        return args + ["--name", name, "--label", f"vmlab.lab={self.name}",
            f"--net=container:{self.net}", *self.powers()]

    def powers(self):
        """pvmlab says --privileged; where this machine has not got that to give, what the stack needs."""
        if self._powers is None:
            done = docker("run", "--rm", "--privileged", "--network", "none", "--entrypoint", "/bin/true",
                STACK_IMAGE, check_rc=False)
            self._powers = ["--privileged"] if done.returncode == 0 else \
                ["--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW"]
        return self._powers

    def created(self, name, role="target", **fields):
        """vms/<name>.json as pvmlab's tool writes it: what is empty or false is left out."""
        fields = {"name": name, "role": role, "arch": "x86_64", "subnet": "192.168.105.0/24", **fields}
        self.write(f"{name}.json", json.dumps({k: v for k, v in fields.items() if v}, indent=2))

    def ask(self, path, **kwargs):
        with self.machine.inside():
            return http_client.request(SERVER, path, **kwargs)

    def script(self, mac):
        answer = self.ask(f"/ipxe?mac={mac}")
        check_equal(answer.status, 200, "status of /ipxe")
        return answer.text

    def readyz(self):
        return self.operator("/readyz").json

    def address6(self, label, mac):
        c = netns.Client(f"dropin-{label}", mac=mac)
        self.scope.cleanup(c.close)
        c.plug(self.net_pid(), self.bridge)
        eventually(lambda: "tentative" not in (o := c.run(["ip", "-6", "addr", "show", "dev", "eth0"]).stdout)
            and "fe80" in o, 8, "the client has a link-local address")
        with c.inside():
            address = dhcp.solicit6(mac, timeout=8)
        c.close()
        return address
