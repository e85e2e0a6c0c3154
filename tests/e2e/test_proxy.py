"""DHCP_MODE=proxy in firmware: a network whose own DHCP server, another dnsmasq, gives every address."""
import re
import socket
import threading

import pytest

from kit import dhcp, netns, raw_vm
from kit.check import check, check_equal, eventually
from kit.command import docker, run, tail
from kit.lab import STACK_IMAGE, Lab
from kit.loaders import BOOT_S
from kit.scope import Scope, needs

scope = Scope("e2e-proxy")
OURS, THEIRS, LAN = "10.77.0.2", "10.77.0.1", "10.77.0."
here = None
heard = []


class Ear(threading.Thread):
    """Every answer of a DHCP server on the network: who gave which address to whom."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        with lab.inside():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
            self.socket.bind(("lan0", 0x0003))

    def run(self):
        while True:
            frame = self.socket.recv(65536)
            ip = frame[14:]
            if frame[12:14] != b"\x08\0" or ip[9] != 17 or int.from_bytes(ip[6:8], "big") & 0x1fff:
                continue
            udp = ip[(ip[0] & 15) * 4:]
            if int.from_bytes(udp[:2], "big") in (67, 4011) and udp[8] == 2:
                reply = dhcp.Reply(udp[8:])
                heard.append((socket.inet_ntoa(ip[12:16]), reply.yiaddr, udp[36:42].hex(":")))


def start_their_server(lab):
    """dnsmasq as an office's router has it, in a namespace of its own."""
    name = lab.name + "-theirs"
    scope.cleanup(lambda: docker("rm", "-f", name, check_rc=False))
    docker("run", "-d", "--name", name, "--network", "none", "--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW",
        "--entrypoint", "/bin/sleep", STACK_IMAGE, "infinity")
    pid = docker("inspect", "-f", "{{.State.Pid}}", name).stdout.strip()
    with netns.inside(f"/proc/{pid}/ns/net"):
        run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "theirs", "netns", str(lab.net_pid())])
        run(["ip", "addr", "add", f"{THEIRS}/24", "dev", "eth0"])
        run(["ip", "link", "set", "eth0", "up"])
    with lab.inside():
        run(["ip", "link", "set", "theirs", "master", "lan0", "up"])
    docker("exec", "-d", name, "/usr/sbin/dnsmasq", "-k", "--conf-file=/dev/null", "--port=0", "--interface=eth0",
        "--user=root", f"--dhcp-range={LAN}100,{LAN}150,1h", "--dhcp-authoritative", "--dhcp-leasefile=/run/leases",
        "--pid-file=/run/theirs.pid", f"--dhcp-option=option:router,{THEIRS}")


def test_two_servers_are_on_one_network():
    global here
    here = Lab(scope, "lan", access="any")
    here.start_net()
    with here.inside():
        run(["ip", "link", "add", "lan0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0"])
        run(["ip", "addr", "add", f"{OURS}/24", "dev", "lan0"])
        run(["ip", "link", "set", "lan0", "up", "promisc", "on"])
    Ear(here).start()
    start_their_server(here)
    here.start_stack(env=["INTERFACE=lan0", f"PROVISIONER_IP={OURS}", "DHCP_MODE=proxy"])
    here.wait_serving()


@needs(test_two_servers_are_on_one_network)
@pytest.mark.parametrize("name, arch, uefi, loader, options", [
    ("bios", "amd64", False, r"boot\.ipxe", ["-machine", "graphics=off"]),
    ("uefi", "amd64", True, r"ipxe-x86_64\.efi", []),
    pytest.param("arm", "arm64", True, r"ipxe-arm64\.efi", [], marks=pytest.mark.long),
])
def test_firmware_boots_what_the_proxy_says_with_the_address_that_the_other_gave(name, arch, uefi, loader, options):
    mac = f"52:54:00:e2:ec:{name.encode()[0]:02x}"
    here.define(name, mac=mac, arch=arch, firmware="uefi" if uefi else "bios", mode="menu", menu_timeout=0)
    here.wait_vm(name, 20)
    raw_vm.start(here, name, mac, arch, *options, uefi=uefi, rom=not uefi, bridge="lan0")
    try:
        eventually(lambda: f"{name}: what shall it boot?" in raw_vm.console(here, name), BOOT_S,
            f"{name} shows its menu", every=1)
        check(re.search(loader, raw_vm.console(here, name)), f"{loader} was not loaded: {tail(raw_vm.console(here, name))!r}")
    finally:
        raw_vm.remove(here, name)
    given = {(server, ip) for server, ip, to in heard if to == mac}
    ours, theirs = ({ip for server, ip in given if server == at} for at in (OURS, THEIRS))
    check(len(theirs) == 1 and min(theirs).startswith(LAN), f"what the other gave: {given}")
    # Port 4011 tells a client the address that it asks from (dnsmasq's answer to a REQUEST there).
    check("0.0.0.0" in ours and ours <= {"0.0.0.0"} | theirs, f"ours answered with {ours}, theirs with {theirs}")
    check_equal(here.exec("cat", "/run/dnsmasq/leases", check_rc=False).stdout.strip(), "", "leases that ours has given")
    check_equal({e["source"] for e in here.api(f"/api/v1/events?vm={name}")["events"] if e["kind"] == "ipxe"}, theirs,
        "who asked /ipxe")
