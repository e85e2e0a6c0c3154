"""made_machine.py - a folder as /sys, /proc and /dev of a server look, and what its inventory has to be.

Names, places and forms of the files are those of a real kernel; the SMBIOS table is made here by DSP0134.
"""
import os
import struct

from kit.command import run

GIB = 1 << 30
UUID = "4c4c4544-0042-3510-8052-b4c04f4d3732"
DISK_BYTES = 64 << 20
PARTS = ({"start": 2048, "size": 16384, "type": "uefi"}, {"start": 18432, "size": 65536, "type": "linux"},
    {"start": 83968, "size": 20480, "type": "linux"})
CPU = "sys/devices/system/cpu"
NIC = "sys/devices/pci0000:00/0000:00:1c.0/0000:01:00.0"
VIRTIO = "sys/devices/pci0000:00/0000:00:05.0/virtio2"
SDA = "sys/devices/pci0000:00/0000:00:17.0/ata3/host2/target2:0:0/2:0:0:0/block/sda"
USB = "sys/devices/pci0000:00/0000:00:14.0/usb2"
SDB = f"{USB}/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb"
NVME = "sys/devices/pci0000:00/0000:00:1d.0/0000:02:00.0/nvme/nvme0/nvme0n1"

TEXTS = {
    **{f"sys/class/dmi/id/{k}": v for k, v in {"sys_vendor": "Dell Inc.", "product_name": "PowerEdge R640",
        "product_version": "Not Specified", "product_serial": "B5RM72X", "product_uuid": UUID.upper(), "product_sku":
        "SKU=NotProvided;ModelName=PowerEdge R640", "product_family": "PowerEdge", "board_vendor": "Dell Inc.", "board_name":
        "0H28RR", "board_version": "A03", "board_serial": ".B5RM72X.CNIVC0095F0123.", "board_asset_tag": "Not Specified",
        "chassis_type": "23", "chassis_serial": "B5RM72X", "chassis_asset_tag": "To be filled by O.E.M.", "bios_vendor":
        "Dell Inc.", "bios_version": "2.1", "bios_date": "11/15/2021"}.items()},
    "proc/cpuinfo": "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz\n"
        "flags\t\t: fpu vme lm vmx aes avx avx2 avx512f sse4_2 avx512fx\n\nprocessor\t: 1\nvendor_id\t: Other\n",
    "proc/meminfo": "MemTotal:       98304000 kB\nMemFree: 1 kB\n",
    "proc/sys/kernel/osrelease": "6.12.57+deb13-amd64",
    "sys/class/tpm/tpm0/tpm_version_major": "2",
    f"{NIC}/vendor": "0x8086", f"{NIC}/device": "0x1563", f"{NIC}/class": "0x020000",
    f"{NIC}/net/eno1/type": "1", f"{NIC}/net/eno1/address": "e4:43:4b:00:11:22", f"{NIC}/net/eno1/carrier": "1",
    f"{NIC}/net/eno1/speed": "10000",
    f"{VIRTIO}/vendor": "0x1af4", f"{VIRTIO}/device": "0x0001", f"{VIRTIO}/net/eth10/type": "1",
    f"{VIRTIO}/net/eth10/address": "52:54:00:12:34:56", f"{VIRTIO}/net/eth10/speed": "-1",
    f"{VIRTIO}/../vendor": "0x1af4", f"{VIRTIO}/../device": "0x1041", f"{VIRTIO}/../class": "0x020000",
    "sys/devices/virtual/net/lo/type": "772", "sys/devices/virtual/net/lo/address": "00:00:00:00:00:00",
    f"{SDA}/size": str(DISK_BYTES // 512), f"{SDA}/queue/logical_block_size": "512", f"{SDA}/queue/rotational": "1",
    f"{SDA}/removable": "0", f"{SDA}/../../model": "ST4000NM0115-1YZ", f"{SDA}/../../wwid": "naa.5000c500a5f1b2c3",
    f"{NVME}/size": "1953525168", f"{NVME}/queue/logical_block_size": "4096", f"{NVME}/queue/rotational": "0",
    f"{NVME}/removable": "0", f"{NVME}/wwid": "eui.0025385b71b00e1f", f"{NVME}/../model": "SAMSUNG MZQLB960HAJR-00007   ",
    f"{NVME}/../serial": "S439NA0M700123",
    f"{SDB}/size": "7864320", f"{SDB}/queue/logical_block_size": "512", f"{SDB}/queue/rotational": "0", f"{SDB}/removable": "1",
    f"{SDB}/../../model": "Ultra Fit       ", f"{USB}/2-1/serial": "4C531001", f"{USB}/serial": "0000:00:14.0",
    "sys/devices/virtual/block/loop0/size": "100", "sys/devices/virtual/block/loop0/queue/logical_block_size": "512",
    "sys/bus/usb/devices/1-1/idVendor": "413c", "sys/bus/usb/devices/1-1/idProduct": "a102", "sys/bus/usb/devices/1-1/product":
    "iDRAC Virtual NIC", "sys/bus/usb/devices/1-1:1.0/bInterfaceClass": "02", "sys/bus/usb/devices/usb1/idVendor": "1d6b",
    "sys/bus/usb/devices/usb1/idProduct": "0002",
    **{f"{CPU}/cpu{n}/topology/{k}": str(v) for n in range(8) for k, v in {"core_id": n % 2, "physical_package_id":
        n // 2 % 2, "die_id": 0}.items()}, f"{CPU}/cpufreq/policy": "1", f"{CPU}/possible": "0-7",
}
VPD = struct.pack(">BBH", 0, 0x80, 12) + b"    ZC1A2B3C"
LINKS = {
    "sys/class/net/eno1": f"../../../{NIC}/net/eno1", f"{NIC}/net/eno1/device": "../..", f"{NIC}/subsystem": "/sys/bus/pci",
    f"{NIC}/driver": "../../../../bus/pci/drivers/ixgbe", "sys/class/net/eth10": f"../../../{VIRTIO}/net/eth10",
    f"{VIRTIO}/net/eth10/device": "../..", f"{VIRTIO}/subsystem": "/sys/bus/virtio", f"{VIRTIO}/../subsystem": "/sys/bus/pci",
    f"{VIRTIO}/driver": "../../../../bus/virtio/drivers/virtio_net", "sys/class/net/lo": "../../devices/virtual/net/lo",
    "sys/bus/pci/devices/0000:01:00.0": f"../../../../{NIC}", "sys/bus/pci/devices/0000:00:05.0": f"../../../../{VIRTIO}/..",
    "sys/block/sda": f"../../{SDA}", f"{SDA}/device": "../..", "sys/block/nvme0n1": f"../../{NVME}", f"{NVME}/device": "..",
    "sys/block/sdb": f"../../{SDB}", f"{SDB}/device": "../..", "sys/block/loop0": "../devices/virtual/block/loop0",
}
DMI = "sys/firmware/dmi/tables/DMI"
SECURE_BOOT = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
HOSTILE_FILES = sorted({os.path.normpath(p) for p in (*TEXTS, f"{SDA}/../../vpd_pg80", DMI, SECURE_BOOT)})


def structure(kind, fields, *strings):
    head = struct.pack("<BBH", kind, len(fields) + 4, kind)
    return head + fields + (b"".join(s.encode() + b"\0" for s in strings) or b"\0") + b"\0"


def dimm(size_mib, speed, *strings):
    """Type 17 of SMBIOS 2.8."""
    words = size_mib if size_mib < 0x7fff else 0x7fff
    return structure(17, struct.pack("<HHHHHBBBBBHHBBBBBIHHHH", 0, 0, 72, 64, words, 9, 0, 1, 2, 0x1a, 0x80, 2933, 3, 4, 5, 6, 2,
        size_mib if words == 0x7fff else 0, speed, 1200, 1200, 1200), *strings)


def dmi_table():
    return (dimm(16384, 2666, "DIMM A1", "Bank 1", "00AD063200AD", "32CD3C9B", "01190100", "HMA82GR7AFR8N-VK")
        + dimm(0, 0, "DIMM A2", "Bank 1") + dimm(65536, 2666, "DIMM B1", "Bank 2", "Samsung", "Not Specified", "  ", "M386A8K40BM2")
        + structure(127, b""))


def made_machine(root, disks=True):
    for path, text in {**{p: t.encode() + b"\n" for p, t in TEXTS.items()}, f"{SDA}/../../vpd_pg80": VPD, DMI: dmi_table(),
            SECURE_BOOT: b"\6\0\0\0\1"}.items():
        put(root, path, text)
    for path, target in LINKS.items():
        place = os.path.normpath(os.path.join(root, path))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.symlink(target, place)
    os.makedirs(f"{root}/dev")
    if disks:
        partitioned(f"{root}/dev/sda")
    return root


def put(root, path, content):
    place = os.path.normpath(os.path.join(root, path))
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place, "wb") as f:
        f.write(content)


def partitioned(path):
    """A disk with a FAT, an ext4 and an empty partition."""
    run(["truncate", "-s", str(DISK_BYTES), path])
    run(["sfdisk", "-q", "--no-tell-kernel", path], stdin="label: gpt\n" + "".join(
        f"start={p['start']}, size={p['size']}, type={p['type']}\n" for p in PARTS))
    for part, make in ((PARTS[0], ["mkfs.vfat", "-n", "EFI", "-i", "ab12cd34"]),
            (PARTS[1], ["mkfs.ext4", "-q", "-L", "root fs", "-U", UUID])):
        run(["truncate", "-s", str(part["size"] * 512), path + ".part"])
        run([*make, path + ".part"])
        run(["dd", f"if={path}.part", f"of={path}", "bs=1M", f"seek={part['start'] // 2048}", "conv=notrunc"])
        os.unlink(path + ".part")


def module(**fields):
    return {"locator": None, "size_bytes": None, "type": "DDR4", "speed_mts": 2666, "manufacturer": None, "part": None,
        "serial": None, **fields}


def partition(n, **fields):
    return {"number": n + 1, "start_bytes": PARTS[n]["start"] * 512, "size_bytes": PARTS[n]["size"] * 512, "fs": None,
        "label": None, "uuid": None, **fields}


EXPECTED = {
    "system": {"manufacturer": "Dell Inc.", "product": "PowerEdge R640", "version": None, "serial": "B5RM72X", "uuid": UUID,
        "sku": "SKU=NotProvided;ModelName=PowerEdge R640", "family": "PowerEdge"},
    "board": {"manufacturer": "Dell Inc.", "product": "0H28RR", "version": "A03", "serial": ".B5RM72X.CNIVC0095F0123.",
        "asset": None},
    "chassis": {"type": "rack mount chassis", "serial": "B5RM72X", "asset": None},
    "bios": {"vendor": "Dell Inc.", "version": "2.1", "date": "11/15/2021"},
    "firmware": {"type": "uefi", "secure_boot": True},
    "cpu": {"arch": "amd64", "model": "Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz", "vendor": "GenuineIntel", "sockets": 2,
        "cores": 4, "threads": 8, "flags": ["lm", "vmx", "sse4_2", "avx", "avx2", "avx512f", "aes"]},
    "memory": {"total_bytes": 80 * GIB, "modules": [module(locator="DIMM A1", size_bytes=16 * GIB, manufacturer="00AD063200AD",
        part="HMA82GR7AFR8N-VK", serial="32CD3C9B"), module(locator="DIMM B1", size_bytes=64 * GIB, manufacturer="Samsung",
        part="M386A8K40BM2")]},
    "disks": [{"name": "nvme0n1", "size_bytes": 1953525168 * 512, "sector_bytes": 4096, "model": "SAMSUNG MZQLB960HAJR-00007",
        "serial": "S439NA0M700123", "wwn": "eui.0025385b71b00e1f", "transport": "nvme", "rotational": False, "removable": False,
        "table": None, "fs": None, "label": None, "uuid": None, "partitions": []},
        {"name": "sda", "size_bytes": DISK_BYTES, "sector_bytes": 512, "model": "ST4000NM0115-1YZ", "serial": "ZC1A2B3C",
        "wwn": "naa.5000c500a5f1b2c3", "transport": "sata", "rotational": True, "removable": False, "table": "gpt", "fs": None,
        "label": None, "uuid": None, "partitions": [partition(0, fs="vfat", label="EFI", uuid="AB12-CD34"),
            partition(1, fs="ext4", label="root fs", uuid=UUID), partition(2)]},
        {"name": "sdb", "size_bytes": 7864320 * 512, "sector_bytes": 512, "model": "Ultra Fit", "serial": "4C531001", "wwn": None,
        "transport": "usb", "rotational": False, "removable": True, "table": None, "fs": None, "label": None, "uuid": None,
        "partitions": []}],
    "nics": [{"name": "eno1", "mac": "e4:43:4b:00:11:22", "driver": "ixgbe", "pci_id": "8086:1563", "link": True, "speed_mbps":
        10000, "neighbour": None}, {"name": "eth10", "mac": "52:54:00:12:34:56", "driver": "virtio_net", "pci_id": "1af4:1041",
        "link": None, "speed_mbps": None, "neighbour": None}],
    "pci": [{"address": "0000:00:05.0", "id": "1af4:1041", "class": "020000"}, {"address": "0000:01:00.0", "id": "8086:1563",
        "class": "020000"}],
    "usb": [{"id": "413c:a102", "product": "iDRAC Virtual NIC"}, {"id": "1d6b:0002", "product": None}],
    "tpm": "2.0",
    "kernel": "6.12.57+deb13-amd64",
}


def nonsense(rng):
    """What may stand in a file: nothing, noise, text of other lengths and letters, broken structures."""
    kind = rng.randrange(7)
    if kind == 0:
        return b""
    if kind == 1:
        return rng.randbytes(rng.randrange(1, 5000))
    if kind == 2:
        return rng.choice(["\x1b]0;x\x07", "‮ ﻿", "ä☃\U0001f600" * 60, '"\\' * 500, "\n\n\t x \r\n", "\x00x", "é" * 63 + "x"]).encode()
    if kind == 3:
        return str(rng.choice([-1, 0, 1, 2 ** 31, 2 ** 63, -2 ** 63, 2 ** 64, 10 ** 30, 512, 0xffffffff])).encode()
    if kind == 4:
        table = bytearray(dmi_table())
        for _ in range(rng.randrange(1, 20)):
            table[rng.randrange(len(table))] = rng.choice([0, 1, 4, 17, 127, 128, 255, rng.randrange(256)])
        return bytes(table[:rng.randrange(1, len(table) + 1)])
    if kind == 5:
        return b"".join(bytes([rng.choice([1, 4, 17]), rng.randrange(256)]) + rng.randbytes(rng.randrange(100)) + b"\0\0" for _ in range(50))
    return b"model name\t: " + rng.randbytes(3000) + b"\nflags : " + b"aes " * 4000
