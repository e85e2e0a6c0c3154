"""shapes.py - shapes of hardware that QEMU can have: its options, and what an inventory has to say of them.

The cloud kernel has drivers for the disks and cards of clouds; what has none is on the PCI bus all the same. Metal
runs the generic kernel.
"""
import random
import uuid

from kit.made_machine import DISK_BYTES, EXPECTED

MIB = 1 << 20
FIRST_MAC = "52:54:00:5a:00:01"
# What a made disk has on it: see made_machine.partitioned().
CONTENTS = next(d for d in EXPECTED["disks"] if d["name"] == "sda")


class Shape:
    """`wanted`: part of an inventory; lists of dicts are compared item by item, by the keys that are there."""

    def __init__(self, memory_mib=512, smp=(1, 1, 1), uefi=False, kernel="cloud"):
        sockets, cores, threads = smp
        self.kernel, self.uefi, self.disks, self.cards, self.on_pci = kernel, uefi, 0, 0, []
        self.options = ["-m", str(memory_mib), "-smp", f"{sockets * cores * threads},sockets={sockets},cores={cores},threads={threads}",
            "-cpu", "Haswell,model-id=Made CPU 7,-hle,-rtm"]
        self.wanted = {"firmware": {"type": "uefi" if uefi else "bios", "secure_boot": False if uefi else None}, "tpm": None,
            "cpu": {"arch": "amd64", "model": "Made CPU 7", "vendor": "GenuineIntel", "sockets": sockets, "cores": sockets * cores,
                "threads": sockets * cores * threads}, "memory": {"total_bytes": memory_mib * MIB}, "disks": [], "nics": []}
        self.files = []

    def of_maker(self, seed):
        rng = random.Random(seed)
        word = lambda: rng.choice(["Äpfel", "Made", "Lenovo", "X", "Model 9"]) + f" {rng.randrange(10 ** 6)}"
        serial = lambda: f"SN{rng.randrange(10 ** 9):09}Q"
        told = {"system": (1, {"manufacturer": word(), "product": word(), "version": "2.1", "serial": serial(), "uuid":
            str(uuid.UUID(int=rng.getrandbits(128), version=4)), "sku": serial(), "family": word()}),
            "board": (2, {"manufacturer": word(), "product": word(), "version": word(), "serial": serial(), "asset": serial()}),
            "chassis": (3, {"serial": serial(), "asset": serial()}),
            "bios": (0, {"vendor": word(), "version": "1.1", "date": "04/01/2014"})}
        for part, (kind, fields) in told.items():
            self.options += ["-smbios", f"type={kind}," + ",".join(f"{k}={v}" for k, v in fields.items())]
            self.wanted[part] = fields
        memory = {"manufacturer": word(), "serial": serial(), "part": serial()}
        self.options += ["-smbios", "type=17,loc_pfx=SLOT,speed=3200," + ",".join(f"{k}={v}" for k, v in memory.items())]
        self.wanted["memory"]["modules"] = [{"locator": "SLOT 0", "size_bytes": self.wanted["memory"]["total_bytes"], "type": "RAM",
            "speed_mts": 3200, **memory}]
        return self

    def vendor_set_nothing(self):
        self.options += ["-smbios", "type=1,manufacturer=To be filled by O.E.M.,product=System Product Name,serial=System Serial Number,"
            "uuid=03000200-0400-0500-0006-000700080009", "-smbios", "type=2,manufacturer=Default string,serial=0123456789"]
        self.wanted.update(system={"manufacturer": None, "product": None, "serial": None, "uuid": None},
            board={"manufacturer": None, "serial": None})
        return self

    def disk(self, bus, mib=100, sector=512, made=False):
        n = self.disks
        self.disks += 1
        serial, wwn = f"DISK{n}Z{mib}", 0x5000c50000a00000 + n
        rate, spins = (7200, True) if n % 2 else (1, False)
        told = {"size_bytes": mib * MIB, "sector_bytes": sector, "serial": serial, "removable": False, "table": None, "partitions": []}
        blocks = f",logical_block_size={sector},physical_block_size={max(sector, 4096)}"
        same = {"wwn": f"naa.{wwn:016x}", "rotational": spins}
        device, of_bus = {
            "virtio": ([f"virtio-blk-pci,drive=d{n},serial={serial}{blocks}"], {"transport": "virtio", "model": None, "wwn": None}),
            "nvme": ([f"nvme,drive=d{n},serial={serial}{blocks}"], {"transport": "nvme", "model": "QEMU NVMe Ctrl",
                "rotational": False}),
            "sata": ([f"ide-hd,drive=d{n},bus=ide.{n},serial={serial},model=ST{n}000,wwn={wwn:#x},rotation_rate={rate}{blocks}"],
                {"transport": "sata", "model": f"ST{n}000", **same}),
            "scsi": ([f"virtio-scsi-pci,id=scsi{n}", f"scsi-hd,drive=d{n},bus=scsi{n}.0,serial={serial},product=MODEL{n},"
                f"wwn={wwn:#x},rotation_rate={rate}{blocks}"], {"transport": "scsi", "model": f"MODEL{n}", **same}),
            **{host: ([f"{host},id=scsi{n}", f"scsi-hd,drive=d{n},bus=scsi{n}.0,serial={serial},product=MODEL{n},"
                f"wwn={wwn:#x},rotation_rate={rate}{blocks}"], {"transport": transport, "model": f"MODEL{n}", **same})
                for host, transport in (("megasas-gen2", "scsi"), ("mptsas1068", "sas"), ("lsi53c895a", "scsi"), ("pvscsi", "scsi"))},
            "usb": ([f"qemu-xhci,id=usb{n}", f"usb-storage,drive=d{n},bus=usb{n}.0,serial={serial}{blocks}"],
                {"transport": "usb", "wwn": None}),
        }[bus]
        if made:
            told.update(size_bytes=DISK_BYTES, table=CONTENTS["table"], partitions=CONTENTS["partitions"])
        file = "/given/disk" if made else f"/run/d{n}.raw"
        self.files += [] if made else [(file, mib)]
        self.options += ["-drive", f"if=none,id=d{n},format=raw,file={file}" + (",snapshot=on" if made else "")]
        for words in device:
            self.options += ["-device", words]
        self.wanted["disks"].append({**told, **of_bus})
        return self

    def card(self, model="virtio", speed=None, line="user"):
        n = self.cards
        self.cards += 1
        mac = FIRST_MAC[:-2] + f"{n + 1:02x}"
        device, driver, pci_id = {"virtio": ("virtio-net-pci,disable-legacy=on" + (f",speed={speed},duplex=full" if speed else ""),
            "virtio_net", "1af4:1041"), "vmxnet3": ("vmxnet3", "vmxnet3", "15ad:07b0"), "e1000e": ("e1000e", "e1000e", "8086:10d3"),
            "igb": ("igb", "igb", "8086:10c9"), "e1000": ("e1000", "e1000", "8086:100e"),
            "rtl8139": ("rtl8139", "8139cp", "10ec:8139"), "i82559er": ("i82559er", "e100", "8086:1209"),
            "pcnet": ("pcnet", "pcnet32", "1022:2000")}[model]
        self.options += ["-netdev", f"{line},id=n{n}", "-device", f"{device},netdev=n{n},mac={mac}"]
        self.wanted["nics"].append({"mac": mac, "driver": driver, "pci_id": pci_id, "link": True, "neighbour": None,
            **({"speed_mbps": speed} if speed else {})})
        return self

    def beside(self, device, pci_id, pci_class):
        """What the kernel has no driver for."""
        self.options += ["-device", device]
        self.on_pci.append((pci_id, pci_class))
        return self


def made_shape(seed):
    rng = random.Random(seed)
    shape = Shape(rng.choice([256, 384, 512, 768, 1024]), rng.choice([(1, 1, 1), (1, 2, 1), (2, 1, 1), (2, 2, 1), (1, 2, 2), (4, 1, 1)]),
        uefi=seed % 8 == 7).of_maker(seed)
    shape.card("virtio", rng.choice([None, 1000, 10000, 25000]))
    for _ in range(rng.randrange(3)):
        shape.card(rng.choice(["virtio", "vmxnet3"]))
    for _ in range(rng.randrange(5)):
        bus = rng.choice(["virtio", "nvme", "sata", "scsi"])
        shape.disk(bus, rng.randrange(10, 3000), 4096 if bus != "sata" and rng.random() < 0.3 else 512)
    return shape


SHAPES = {
    "256 MiB, a disk with partitions": Shape(256).card().disk("virtio", made=True).of_maker("first"),
    "every bus, two sockets": Shape(512, (2, 2, 1)).card("virtio", 10000).card("vmxnet3").disk("sata", 200).disk("scsi", 300)
        .disk("nvme", 400, 4096).disk("virtio", 500).beside("edu", "1234:11e8", "00ff00").beside("pci-testdev", "1b36:0005", "00ff00"),
    "UEFI, no disk": Shape(512, uefi=True).card().of_maker("second"),
    "a vendor who set nothing": Shape(384, (1, 1, 2)).card().vendor_set_nothing().disk("nvme"),
    **{f"made {n}": made_shape(n) for n in range(16)},
    "metal, 512 MiB": Shape(512, kernel="generic").card("igb").card("e1000e").disk("megasas-gen2").disk("lsi53c895a").disk("sata")
        .disk("nvme").of_maker("third"),
    "metal, UEFI and older cards": Shape(768, (2, 1, 1), True, "generic").card("e1000").card("rtl8139").card("i82559er").card("pcnet")
        .disk("mptsas1068").disk("pvscsi").disk("usb"),
}
