"""old_members.py - a device that is a member of other things: ZFS, md, LVM, bcache, btrfs, DRBD, LUKS, boards' RAIDs."""
import struct

KIB, MIB = 1 << 10, 1 << 20
EDGE = 8 * MIB


def md(version, size):
    """An md superblock of version 0.90 or 1.0: (offset, bytes)."""
    if version == "0.90":
        return (size & ~0xffff) - 64 * KIB, struct.pack("<IIII", 0xa92b4efc, 0, 90, 0).ljust(4096, b"\0")
    at = (size - 8 * KIB) & ~0xfff
    head = struct.pack("<IIII16s", 0xa92b4efc, 1, 0, 0, b"u" * 16).ljust(144, b"\0")
    return at, (head + struct.pack("<Q", at // 512)).ljust(512, b"\0")


def zfs(size):
    """The uberblock rings of the four labels; size is rounded down as ZFS does."""
    size &= ~(256 * KIB - 1)
    ring = b"".join(struct.pack("<QQQQ", 0x00bab10c, 5000, i, i).ljust(KIB, b"\0") for i in range(128))
    return [(label + 128 * KIB, ring) for label in (0, 256 * KIB, size - 512 * KIB, size - 256 * KIB)]


def luks_copy(at):
    head = b"SKUL\xba\xbe" + struct.pack(">HQQ", 2, 16384, 1)
    return at, (head.ljust(168, b"\0") + b"01234567-89ab-cdef-0123-456789abcdef".ljust(88, b"\0") +
        struct.pack(">Q", at)).ljust(512, b"\0")


def members(size):
    """(offset, bytes) of everything that fits beside each other on a device of that size."""
    lvm = (b"LABELONE" + struct.pack("<QII8s", 1, 0, 32, b"LVM2 001") + b"p" * 32).ljust(512, b"\0")
    bcache = (struct.pack("<QQQ", 0, 8, 1) + bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")).ljust(4096, b"\0")
    swap = (struct.pack("<II", 1, size // 4096 - 1) + b"s" * 16).ljust(4086 - 1024, b"\0") + b"SWAPSPACE2"
    btrfs = (b"\0" * 64 + b"_BHRfS_M").ljust(4096, b"\0")
    drbd = (b"\0" * 60 + struct.pack(">I", 0x8374026b)).ljust(4096, b"\0")
    found = [*zfs(size), (512, lvm), (1024, swap), (8 * 512, bcache), (64 * KIB, btrfs), luks_copy(32 * KIB),
        (size - 4 * KIB, drbd), md("0.90", size), md("1.0", size)]
    if size > 64 * MIB + 4 * KIB:
        found.append((64 * MIB, btrfs))
    if size > 2 * EDGE:
        found += [(MIB, b"\x0d\xd0\x01\xc0".ljust(512, b"\0")), (2 * MIB, b"\x5e\xf1\xab\x2f".ljust(512, b"\0")),
            luks_copy(4 * MIB), (size - 3087 * 512, b"Promise Technology, Inc.".ljust(512, b"\0"))]
    return found


def put(path, start, size):
    with open(path, "r+b") as f:
        for at, data in members(size):
            f.seek(start + at)
            f.write(data)
