"""DHCP_MODE=proxy: beside a network's own DHCP server, whose addresses are not given here."""
import socket
import struct

from kit import dhcp, netns
from kit.check import check, check_equal
from kit.command import docker, run
from kit.lab import STACK_IMAGE, Lab
from kit.raspberry_rom import RaspberryPi
from kit.scope import Scope

scope = Scope("proxy")
METAL, OFF, STRANGER = "52:54:00:90:0a:01", "52:54:00:90:0a:02", "52:54:00:90:0a:77"
PI = RaspberryPi("dc:a6:32:90:0a:03", "a1b2c3d4")
OURS, CLIENT = "10.77.0.2", "10.77.0.99"


def firmware(arch):
    return {60: f"PXEClient:Arch:{arch:05d}:UNDI:003016".encode(), 93: struct.pack("!H", arch),
        94: b"\x01\x03\x10", 97: b"\0" + bytes(16)}


def boot_server(mac, arch):
    """What port 4011 answers to a client that has its address from elsewhere."""
    options = {53: b"\x03", **firmware(arch), 55: bytes([43, 60, 66, 67])}
    if arch == 0:
        options[43] = bytes([71, 4, 0x80, 0, 0, 0, 255])  # the first item of the menu
    packed = b"".join(bytes([k, len(v)]) + v for k, v in options.items()) + b"\xff"
    packet = struct.pack("!BBBBIHH4s4s4s4s16s64s128s4s", 1, 1, 6, 0, 77, 0, 0, socket.inet_aton(CLIENT), b"", b"",
        b"", bytes.fromhex(mac.replace(":", "")), b"", b"", b"\x63\x82\x53\x63") + packed
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((CLIENT, 68))
        s.settimeout(3)
        s.sendto(packet, (OURS, 4011))
        try:
            return dhcp.Reply(s.recv(4096)).file
        except socket.timeout:
            return None


def test_a_proxy_says_what_to_boot_to_declared_machines_and_gives_nobody_an_address():
    here = Lab(scope, "proxy", access="any")
    here.start_net()
    with here.inside():
        run(["ip", "link", "add", "lan0", "type", "bridge"])
        run(["ip", "addr", "add", f"{OURS}/24", "dev", "lan0"])
        run(["ip", "link", "set", "lan0", "up"])
    here.define("metal", mac=METAL, ip="10.77.0.10")
    here.define("off", mac=OFF, mode="off")
    here.define("pi", mac=PI.mac, ip="10.77.0.11", arch="arm64", serial=PI.serial, mode="shell")
    here.start_stack(env=["INTERFACE=lan0", f"PROVISIONER_IP={OURS}", "DHCP_MODE=proxy"])
    here.wait_serving()
    c = netns.Client("proxyclient")
    scope.cleanup(c.close)
    c.plug(here.net_pid(), bridge="lan0")
    c.address(f"{CLIENT}/24")
    netns.wait_carrier(c)
    with c.inside():
        raw = dhcp.Client()
        for arch, file in ((0, "undionly.kpxe"), (7, "ipxe-x86_64.efi"), (9, "ipxe-x86_64.efi"),
                (11, "ipxe-arm64.efi")):
            offer = raw.discover(METAL, 3, extra=firmware(arch))
            check(offer, f"architecture {arch}: no offer")
            check_equal((offer.yiaddr, offer.options.get(60)), ("0.0.0.0", b"PXEClient"), "a proxy's offer")
            check_equal(boot_server(METAL, arch), file, f"architecture {arch}: boot file of port 4011")
            check_equal(raw.discover(OFF, 3, extra=firmware(arch)).file, "", f"architecture {arch}: offer with mode off")
            if arch:  # a BIOS asks for an item of the menu, and was shown none
                check_equal(boot_server(OFF, arch) or "", "", f"architecture {arch}: boot file with mode off")
            check(not raw.discover(STRANGER, 0.5, extra=firmware(arch)), "a stranger is offered something")
        offer = raw.discover(PI.mac, 3, extra=PI.dhcp_options())
        check(offer, "a Raspberry Pi: no offer")
        check_equal((offer.yiaddr, offer.server), ("0.0.0.0", OURS), "a proxy's offer to a Raspberry Pi")
        check(b"\0\0\x11Raspberry Pi Boot" in offer.options.get(43, b""), f"option 43: {offer.options.get(43)}")
        check_equal(raw.discover(METAL, 3, arch=7, user_class="iPXE").file, "boot.ipxe", "boot file of an iPXE")
        check(not raw.discover(METAL, 1), "a system that asks for an address is answered")
        raw.close()
    here.remove()


def test_settings_by_which_a_proxy_would_give_addresses_are_refused():
    for env, sentence in ((["PROVISIONER_IP=127.0.0.1", "INTERFACE=lo", "DHCP_MODE=both"], "give server"),
            (["DHCP_MODE=proxy"], "needs a network that has a DHCP server of its own")):
        done = docker("run", "--rm", "--network", "none", *(w for e in env for w in ("-e", e)), "--entrypoint",
            "/usr/lib/vmlab/settings.py", STACK_IMAGE, "check", check_rc=False)
        check(done.returncode == 1 and sentence in done.stderr, f"{env}: {done.returncode} {done.stderr}")
    for name, value in (("DHCP_RANGE", "10.0.0.5,10.0.0.9"), ("DHCP_RANGE_START", "10.0.0.5"), ("ROUTER", "self"),
            ("DHCP_RANGE_V6_START", "::64")):
        done = docker("run", "--rm", "--network", "none", "-e", "DHCP_MODE=proxy", "-e", "INTERFACE=x", "-e",
            "PROVISIONER_IP=10.0.0.1", "-e", "LAB_CIDR=10.0.0.1/24", "-e", f"{name}={value}", "--entrypoint",
            "/usr/lib/vmlab/settings.py", STACK_IMAGE, "check", check_rc=False)
        check(done.returncode == 1 and f"{name} is set with DHCP_MODE=proxy" in done.stderr,
            f"{name}: {done.returncode} {done.stderr}")
