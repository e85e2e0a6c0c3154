"""raspberry_rom.py - a client that asks for what a Raspberry Pi's boot ROM and firmware ask for, in their order.

raspberry_trace.txt beside it says which and where that is known from. Run it in the client's network namespace
(netns.Client.inside()).
"""
import hashlib
import os
import socket
import struct

from kit import dhcp
from kit.check import check, check_equal

TRACE = os.path.join(os.path.dirname(__file__), "raspberry_trace.txt")
DEVICE_TREES = {"4b": "bcm2711-rpi-4-b.dtb", "cm4": "bcm2711-rpi-cm4.dtb"}
BLOCKS = {"rom": 1024, "firmware": 1408}


class NotBooted(Exception):
    """What keeps it from going on, after which it begins again or takes what is next in its boot order."""


class Tftp:
    """RFC 1350 with blksize and tsize (RFC 2348, 2349)."""

    def __init__(self, server, timeout=5):
        self.server = server
        self.timeout = timeout

    def get(self, name, block):
        """The file, or None when there is no such file."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(self.timeout)
            options = f"tsize\0000\0blksize\0{block}\0".encode() if block != 512 else b""
            s.sendto(b"\0\1" + name.encode() + b"\0octet\0" + options, (self.server, 69))
            packet, peer = s.recvfrom(65536)
            size = None
            if packet[:2] == b"\0\6":
                words = packet[2:].decode().lower().split("\0")
                agreed = dict(zip(words[::2], words[1::2]))
                block, size = int(agreed.get("blksize", 512)), int(agreed["tsize"])
                s.sendto(b"\0\4\0\0", peer)
                packet, _ = s.recvfrom(65536)
            data = self._blocks(s, peer, packet, block)
        if data is not None and size is not None:
            check_equal(len(data), size, f"{name}: bytes, as tsize told")
        return data

    def _blocks(self, s, peer, packet, block):
        parts, expected = [], 1
        while True:
            if packet[:2] == b"\0\5":
                if parts or packet[2:4] not in (b"\0\1", b"\0\2"):
                    raise NotBooted(f"TFTP error: {packet[4:].decode(errors='replace')}")
                return None
            if packet[:2] == b"\0\3" and packet[2:4] == struct.pack("!H", expected & 0xffff):
                parts.append(packet[4:])
                s.sendto(b"\0\4" + packet[2:4], peer)
                expected += 1
                if len(packet) < 4 + block:
                    return b"".join(parts)
            packet, _ = s.recvfrom(65536)


class RaspberryPi:
    def __init__(self, mac, serial, model="4b", name=b"RPi4"):
        self.mac = mac
        self.serial = serial
        self.model = model
        self.name = name
        self.asked = []  # in order: (path, its length, or None when it is not there)
        self.eeprom = None  # what an update made it
        self.updated = 0    # when that was made, by its signature

    def dhcp_options(self):
        card = bytes.fromhex(self.mac.replace(":", ""))
        return {60: b"PXEClient:Arch:00000:UNDI:002001", 93: b"\0\0", 94: b"\x01\x02\x01",
            97: b"\0" + self.name + bytes.fromhex("140303d0") + card[:1:-1] + bytes.fromhex(self.serial)}

    def address(self, interface="eth0"):
        """DHCP as the boot ROM does it: the server to go on with."""
        client = dhcp.Client(interface)
        try:
            reply = client.acquire(self.mac, timeout=8, extra=self.dhcp_options())
        finally:
            client.close()
        check(reply and reply.kind == dhcp.ACK, f"no address for {self.mac}")
        if b"Raspberry Pi Boot" not in reply.options.get(43, b""):
            raise NotBooted("option 43 offers no Raspberry Pi Boot")
        return reply.yiaddr, reply.siaddr if reply.siaddr != "0.0.0.0" else reply.server

    def fetch(self, server, blocks=None):
        """Everything that it loads, {name without its folder: content}; an update makes it begin again."""
        self.tftp = Tftp(server)
        self.blocks = blocks or BLOCKS
        self.asked = []
        got, names = {}, {}
        prefix = None
        for who, needed, file in trace():
            if file.startswith("{"):
                names = names or self.config(got["config.txt"])
                wanted = names[file[1:-1]]
            else:
                wanted = [file]
            for name in wanted:
                if prefix is None:
                    prefix = f"{self.serial}/" if self.ask(who, f"{self.serial}/{name}") is not None else ""
                    continue
                data = self.ask(who, prefix + name)
                if data is None and needed:
                    raise NotBooted(f"{prefix}{name} is not there")
                if data is not None:
                    got[name] = data
                if name == "pieeprom.sig" and data is not None and self.updates(prefix, data.decode()):
                    return self.fetch(server, blocks)
        return got

    def updates(self, prefix, signature):
        """ENABLE_SELF_UPDATE: what is newer than its last update, and whole, is written to its EEPROM."""
        digest, stamp = signature.splitlines()
        check(stamp.startswith("ts: "), f"signature: {signature}")
        if int(stamp[4:]) <= self.updated:
            return False
        data = self.ask("rom", prefix + "pieeprom.upd")
        check_equal(hashlib.sha256(data or b"").hexdigest(), digest, "pieeprom.upd: its digest")
        self.eeprom, self.updated = data, int(stamp[4:])
        return True

    def ask(self, who, path):
        data = self.tftp.get(path, self.blocks[who])
        self.asked.append((path, None if data is None else len(data)))
        return data

    def config(self, text):
        """config.txt, as far as the trace asks for what it names: {initramfs, device_tree, kernel: file names}."""
        found = {"device_tree": [DEVICE_TREES[self.model]], "kernel": ["kernel8.img"], "initramfs": []}
        applies = True
        for line in text.decode().splitlines():
            check(len(line) <= 98, f"config.txt: the firmware cuts {line!r}")
            line = line.split("#")[0].strip()
            if line.startswith("["):
                applies = line in ("[all]", "[pi4]", f"[{self.model}]")
            elif applies and line.startswith("initramfs "):
                files, where = line.split()[1:]
                check_equal(where, "followkernel", "where the initramfs goes")
                found["initramfs"] = files.split(",")
            elif applies and line.split("=")[0] in ("device_tree", "kernel"):
                key, value = line.split("=")
                found[key] = [value]
        check(found["initramfs"], "config.txt names no initramfs")
        return found


def trace():
    """(who, whether it has to be there, file) of each line."""
    with open(TRACE, encoding="ascii") as f:
        for line in f:
            words = line.split("#")[0].split()
            if words:
                yield words[0], "!" in words, words[-1]
