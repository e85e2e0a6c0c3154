"""address_lab.py - clients with an identity of their own (busybox udhcpc; a DHCPv6 client) against the built stack.

Two bystanders keep their leases, whatever happens to the others.
"""
import os
import time

from kit import dhcp, dhcp6, dns, http_client, netns
from kit.check import check, check_equal, eventually, fail
from kit.command import docker, have_command, have_image, run
from kit.lab import SERVER, STACK_IMAGE, Lab

PREFIX6 = "fd56:6d6c:6162::"
BYSTANDER = "52:54:00:ad:00:01"


def declared(family, n):
    return f"192.168.100.{n}" if family == 4 else f"{PREFIX6}{n:x}"


class Card:
    """A network card in a namespace of its own, wired to the lab."""

    def __init__(self, lab, mac):
        self.lab = lab
        self.mac = mac
        label = f"m{mac.replace(':', '')[6:]}"
        self.client = netns.Client(label, mac=mac)
        lab.scope.cleanup(self.client.close)
        self.client.run(["sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0",
            "net.ipv6.conf.default.accept_ra=0"], check_rc=False)
        self.client.plug(lab.net_pid())
        netns.wait_carrier(self.client)

    def v4(self, *options):
        """What busybox's client is given, or None. Tells the server nothing when it ends."""
        script = os.path.join(self.lab.scope.tempdir(), "udhcpc.sh")
        if not os.path.exists(script):
            with open(script, "w") as f:
                f.write("#!/bin/sh\n[ \"$1\" = bound ] && echo \"$ip\" >\"$OUT\"\nexit 0\n")
            os.chmod(script, 0o755)
        out = script + self.mac.replace(":", "")
        if os.path.exists(out):
            os.unlink(out)
        self.client.run(["busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "6", "-T", "1", "-A", "1",
            "-s", script, *options], check_rc=False, env=dict(os.environ, OUT=out))
        if not os.path.exists(out):
            return None
        with open(out) as f:
            return f.read().strip()

    def v6(self, duid):
        c = dhcp6.Client6(duid)
        with self.client.inside():
            return c.acquire(), c

    def get(self, family, who="system"):
        return self.v4() if family == 4 else self.v6(dhcp6.duid_en(self.mac + who))[0]

    def firmware(self):
        """What its firmware is given; called inside its namespace."""
        c = dhcp.Client()
        try:
            return c.acquire(self.mac, arch=7, timeout=8).yiaddr
        finally:
            c.close()

    def close(self):
        self.client.close()


class AddressLab(Lab):
    def __init__(self, scope):
        super().__init__(scope, "addr")
        self.asks = self.bystanders = self.dnsmasq = None

    def card(self, mac):
        return Card(self, mac)

    def begin(self):
        if not have_image(STACK_IMAGE):
            fail(f"there is no image {STACK_IMAGE}: `make load` builds it")
        for command in ("ip", "busybox"):
            check(have_command(command), f"`{command}` is not installed on this machine")
        self.make_image()
        self.define("bystander", mac=BYSTANDER, ip="192.168.100.9", ipv6=f"{PREFIX6}9")
        self.start()
        self.asks = self.client("asks", cidr="192.168.100.99/24")
        m = self.card(BYSTANDER)
        self.bystanders = [m.get(4), m.get(6)]
        check_equal(self.bystanders, ["192.168.100.9", f"{PREFIX6}9"], "the bystander's addresses")
        m.close()
        m = self.card("52:54:00:ad:00:02")
        self.bystanders += [m.get(4), m.get(6)]
        m.close()
        check(all(self.bystanders), f"no lease: {self.bystanders}")
        self.dnsmasq = eventually(self.lasting_dnsmasq, 10, "dnsmasq's processes stay the same")

    def ask(self, mac, **kwargs):
        """One DHCPv4 exchange of a raw client, able to be anyone."""
        with self.asks.inside():
            c = dhcp.Client()
            try:
                return c.acquire(mac, **kwargs)
            finally:
                c.close()

    def define_at(self, name, mac, family, n, **fields):
        self.define(name, mac=mac, **{"ip" if family == 4 else "ipv6": declared(family, n)}, **fields)

    def wait_hosts(self, *macs, absent=()):
        """The definitions have reached dnsmasq's file: dnsmasq reads it within milliseconds of that."""
        def there():
            text = self.exec("cat", "/run/vm_watcher/dhcp-hosts").stdout
            return all(m in text for m in macs) and not any(m in text for m in absent)
        eventually(there, 5, "the definitions are in dhcp-hosts")

    def gets(self, machine, family, address, who="system", seconds=3):
        """The machine asks anew until it is given `address`."""
        eventually(lambda: machine.get(family, who) == address, seconds, f"{machine.mac} gets {address}", every=0.05)

    def known_as(self, name, family, address):
        """DNS and the API tell the same."""
        key, kind = ("ip", dns.A) if family == 4 else ("ipv6", dns.AAAA)
        self.wait_vm(name, 30, lambda vm: vm[key] == address, f"has {key} {address}")
        with self.asks.inside():
            eventually(lambda: dns.ask(SERVER, f"{name}.pvmlab.local", kind) == (0, [address]), 3,
                f"{name}.pvmlab.local is {address}")

    def lasting_dnsmasq(self):
        """Its processes, once there is no helper of a lease event among them."""
        found = self.pids()["dnsmasq"]
        time.sleep(1)
        return found if self.pids()["dnsmasq"] == found else None

    def same_dnsmasq(self):
        """A helper of a lease event may be there for a moment."""
        eventually(lambda: self.pids()["dnsmasq"] == self.dnsmasq, 3, f"dnsmasq's processes are {self.dnsmasq}")

    def undisturbed(self):
        self.same_dnsmasq()
        leases = self.exec("cat", "/run/dnsmasq/leases").stdout
        for address in self.bystanders:
            check(f" {address} " in leases, f"the lease of {address}, which is in nobody's way, is gone:\n{leases}")

    def boots(self, machine):
        """Its firmware asks what to boot, from the address it has by DHCP."""
        with machine.client.inside():
            address = machine.firmware()
            run(["ip", "addr", "add", f"{address}/24", "dev", "eth0"])
            answer = http_client.request(SERVER, f"/ipxe?mac={machine.mac}")
            run(["ip", "addr", "del", f"{address}/24", "dev", "eth0"])
        check_equal(answer.status, 200, "/ipxe")
        time.sleep(1.5)  # what firmware, loader and kernel take at the very least until a system asks

    def forge_decline(self, mac, address):
        with self.asks.inside():
            c = dhcp.Client()
            c.decline(mac, address, SERVER)
            c.close()

    def says(self, machine, address, path, body):
        with machine.client.inside():
            run(["ip", "addr", "replace", f"{address}/24", "dev", "eth0"])
            answer = http_client.request(SERVER, path, method="POST", body=body)
            run(["ip", "addr", "del", f"{address}/24", "dev", "eth0"])
        check_equal(answer.status, 204, f"{path} from {address}: {answer.text[:200]}; status")

    def stack_log(self):
        done = docker("logs", self.stack, check_rc=False)
        return done.stdout + done.stderr

    def lease_events(self, name):
        events = self.api(f"/api/v1/events?vm={name}&limit=1000")["events"]
        return [(e["id"], e["kind"], e["text"]) for e in events if e["kind"] in ("dhcp", "lease")]
