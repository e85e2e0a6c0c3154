"""Raw disk images: where the EFI system partition lies, and logs of what was written.

WriteLog reads the format of the kernel's dm-log-writes, which QEMU's blklogwrites writes: a super block, then
an entry of one sector for each write, flush or discard, followed by a write's data.
"""
import struct

MAGIC = 0x6a736677736872
FLUSH, FUA, DISCARD = 1, 2, 4


ESP_TYPE = bytes.fromhex("28732ac11ff8d211ba4b00a0c93ec93b")


def partitions_of(path):
    """[(type, offset, size)] of a raw disk's GPT, in the table's order; [] when there is none."""
    with open(path, "rb") as f:
        f.seek(512)
        header = f.read(92)
        if header[:8] != b"EFI PART":
            return []
        first, count, size = struct.unpack("<QII", header[72:88])
        f.seek(first * 512)
        entries = [f.read(size) for _ in range(count)]
    found = []
    for entry in entries:
        start, end = struct.unpack("<QQ", entry[32:48])
        if any(entry[:16]):
            found.append((entry[:16], start * 512, (end - start + 1) * 512))
    return found


def esp_of(path):
    """(offset, size) of the EFI system partition, or None."""
    return next(((at, size) for kind, at, size in partitions_of(path) if kind == ESP_TYPE), None)


class Write:
    __slots__ = ("offset", "length", "data_at", "fua")

    def __init__(self, offset, length, data_at, fua):
        self.offset, self.length, self.data_at, self.fua = offset, length, data_at, fua


class WriteLog:
    """epochs: for each flush the writes between the one before and it; the last has no flush."""

    def __init__(self, path):
        self.file = open(path, "rb")
        magic, version, entries, sector = struct.unpack("<QQQI", self.file.read(28))
        if magic != MAGIC or version != 1:
            raise ValueError(f"{path} is no log of writes")
        self.epochs = [[]]
        self.bytes = 0
        at = sector
        for _ in range(entries):
            self.file.seek(at)
            first, count, flags, _ = struct.unpack("<QQQQ", self.file.read(32))
            at += sector
            # As in dm-log-writes: a flush covers what came before it, not the data it carries.
            if flags & FLUSH and self.epochs[-1]:
                self.epochs.append([])
            if flags & DISCARD:
                self.epochs[-1].append(Write(first * 512, count * 512, None, False))
            elif count:
                self.epochs[-1].append(Write(first * 512, count * 512, at, bool(flags & FUA)))
                self.bytes += count * 512
                at += count * 512

    def data(self, write):
        if write.data_at is None:
            return bytes(write.length)
        self.file.seek(write.data_at)
        return self.file.read(write.length)

    def apply(self, write, out, limit=None):
        """Writes to the open file `out`; `limit` bytes of it at most, as a torn write does."""
        out.seek(write.offset)
        if write.data_at is None:
            left = write.length
            while left > 0:
                out.write(bytes(min(left, 1 << 20)))
                left -= 1 << 20
        else:
            out.write(self.data(write)[:limit])
