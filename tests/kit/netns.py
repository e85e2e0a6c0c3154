"""Network namespaces: entering one, and a client machine wired to a lab's bridge."""
import contextlib
import ctypes
import os

from kit.check import check
from kit.command import PREFIX, run

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def inside(path):
    """The calling thread is in the namespace at `path` until the block ends, and so are the sockets
    and processes it makes there. They stay there."""
    with open("/proc/thread-self/ns/net") as before, open(path) as wanted:
        _setns(wanted.fileno(), path)
        try:
            yield
        finally:
            _setns(before.fileno(), "the namespace before")


def _setns(fd, what):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"cannot enter {what}")


class Client:
    """A machine on the lab's network: its own namespace with `eth0`, one end of a veth pair whose
    other end is a port of the bridge in the lab's namespace."""
    _count = 0

    def __init__(self, label, mac=None):
        Client._count += 1
        self.name = f"{PREFIX}{label}"
        self.path = f"/run/netns/{self.name}"
        self.mac = mac or f"52:54:00:c1:{os.getpid() & 0xff:02x}:{Client._count:02x}"
        run(["ip", "netns", "add", self.name])

    def plug(self, lab_pid, bridge="lab0"):
        """Wires eth0 to the bridge in the namespace of process lab_pid, replacing what was there."""
        port = self.port = f"vt{os.getpid() % 1000000}n{Client._count}"
        lab = f"/proc/{lab_pid}/ns/net"
        with inside(self.path):
            run(["ip", "link", "del", "eth0"], check_rc=False)
            run(["ip", "link", "add", "eth0", "address", self.mac, "type", "veth", "peer", "name", port])
            run(["ip", "link", "set", port, "netns", str(lab_pid)])
            run(["ip", "link", "set", "lo", "up"])
            run(["ip", "link", "set", "eth0", "up"])
        with inside(lab):
            run(["ip", "link", "set", port, "master", bridge, "up"])

    def address(self, cidr):
        with inside(self.path):
            run(["ip", "addr", "replace", cidr, "dev", "eth0"])

    def run(self, argv, **kwargs):
        with inside(self.path):
            return run(argv, **kwargs)

    def inside(self):
        return inside(self.path)

    def close(self):
        run(["ip", "netns", "del", self.name], check_rc=False)


def wait_carrier(client, seconds=5):
    import time
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if "state UP" in client.run(["ip", "link", "show", "eth0"]).stdout:
            return
        time.sleep(0.05)
    check(False, "the client's eth0 has no carrier")
