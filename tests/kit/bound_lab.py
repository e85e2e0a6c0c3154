"""bound_lab.py - two machines, a and b, behind ports that are set as a VM's are (docker/vm/port.sh), and what they hear."""
import socket
import time

from kit import http_client, netns
from kit.check import fail, skip
from kit.command import have_image, run
from kit.lab import SERVER, STACK_IMAGE, Lab

A, B, POOL = "52:54:00:c1:09:01", "52:54:00:c1:09:02", "52:54:00:c1:09:03"
STRANGER = "52:54:00:c1:09:99"
IP = {"a": "192.168.100.50", "b": "192.168.100.51"}
IP6 = {"a": "fd56:6d6c:6162::50", "b": "fd56:6d6c:6162::51"}
STATIC = "192.168.100.61"  # of b, in its network_config
UUID = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b"


class BoundLab(Lab):
    def __init__(self, scope):
        super().__init__(scope, access="own")
        self.who = {}

    def begin(self):
        if not have_image(STACK_IMAGE):
            fail(f"there is no image {STACK_IMAGE}: `make load` makes it")
        self.make_image()
        self.define("a", mac=A, ip=IP["a"], ipv6=IP6["a"])
        self.define("b", mac=B, ip=IP["b"], ipv6=IP6["b"], uuid=UUID, serial="BOUND-1", user_data="#cloud-config\nsecret: b\n",
            network_config={"version": 2, "ethernets": {"eth0": {"addresses": [f"{STATIC}/24"]}}})
        self.define("pool", mac=POOL)
        self.start()
        for name, mac in (("a", A), ("b", B)):
            self.who[name] = self.plug(name, mac)
            self.who[name].address(f"{IP[name]}/24")
            self.who[name].run(["ip", "addr", "add", f"{IP6[name]}/64", "dev", "eth0", "nodad"])

    def plug(self, label, mac):
        """A machine whose port has a VM's name and is locked to `mac` and, as a second card's, to nothing else."""
        client = netns.Client(f"bound-{label}", mac=mac)
        self.scope.cleanup(client.close)
        port = "tap" + mac.replace(":", "")
        with client.inside():
            run(["ip", "link", "add", "eth0", "address", mac, "type", "veth", "peer", "name", port])
            run(["ip", "link", "set", port, "netns", str(self.net_pid())])
            run(["ip", "link", "set", "lo", "up"])
            run(["ip", "link", "set", "eth0", "up"])
        with self.inside():
            run(["ip", "link", "set", port, "master", "lab0"])
            if run(["bridge", "link", "set", "dev", port, "learning", "off", "locked", "on"], check_rc=False).returncode:
                skip("this kernel or iproute2 knows no locked ports")
            run(["bridge", "fdb", "replace", mac, "dev", port, "master", "static"])
            run(["ip", "link", "set", port, "up"])
        netns.wait_carrier(client)
        return client

    def space(self):
        return f"/proc/{self.net_pid()}/ns/net"


class Ear:
    """What arrives at a client."""

    def __init__(self, client):
        with client.inside():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.socket.bind(("eth0", 3))

    def hears(self, marker, seconds=0.4):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data, address = self.socket.recvfrom(4000)
            except TimeoutError:
                break
            if address[2] != socket.PACKET_OUTGOING and marker in data:
                return True
        return False


def ask(client, path, host=SERVER, source=None, timeout=1.5, **kwargs):
    """The status, or None when no answer comes."""
    with client.inside():
        try:
            return http_client.request(host, path, source=source, timeout=timeout, **kwargs).status
        except OSError:
            return None


def raw(client, data):
    with client.inside():
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
            s.bind(("eth0", 0))
            s.send(data.ljust(60, b"\0"))


def neighbour(space, ip):
    """The MAC address that namespace has for `ip`, or ""."""
    with netns.inside(space):
        words = run(["ip", "neigh", "show", ip]).stdout.split()
    return words[words.index("lladdr") + 1] if "lladdr" in words else ""
