"""made_disk.py - disks as they are found: tables, file systems with files, some removed again, swap, and what
nobody knows, at places that a seed draws. Each part with the program that judges it."""
import contextlib
import os
import random
import subprocess

from kit.check import check
from kit.loop_disk import attached

MIB = 1 << 20


def run(*argv, **options):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    check(done.returncode == 0, f"{' '.join(argv)}: {done.returncode} {done.stdout[-400:]}")
    return done.stdout


def tree(rng, where, mib):
    """Files of all sizes, mib MiB of them."""
    os.makedirs(where)
    left, n = mib * MIB, 0
    while left > 0:
        size = min(left, rng.choice((100, 5000, 70000, 900000, 3 * MIB)))
        folder = os.path.join(where, f"d{rng.randrange(6)}")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, f"f{n}"), "wb") as f:
            f.write(rng.randbytes(size) if rng.random() < 0.7 else bytes([rng.randrange(256)]) * size)
        left -= size
        n += 1


# Each makes a file system of `size` bytes for sectors of `sector` in the file `part` from the folder `root`.

def ext(kind, *options):
    def make(rng, part, size, sector, root):
        blocks = ((), ("-b", "1024"), ("-b", "4096")) if sector == 512 else (("-b", "4096"),)
        run(f"mkfs.{kind}", "-q", "-F", *options, *rng.choice(blocks), "-d", root, part)
        for name in rng.sample(sorted(f for f in os.listdir(f"{root}/d0")), min(2, len(os.listdir(f"{root}/d0")))):
            run("debugfs", "-w", "-R", f"rm /d0/{name}", part)
        if rng.random() < 0.5:
            subprocess.run(["e2fsck", "-fyD", part], stdout=subprocess.DEVNULL)
    return make


def vfat(rng, part, size, sector, root):
    few = ("-s", "1") if sector != 512 else ()
    run("mkfs.vfat", "-S", str(sector), *(("-F", "32") if size >= 64 * MIB else ("-F", "16")), *few, part)
    for d in sorted(os.listdir(root)):
        run("mcopy", "-s", "-Q", "-i", part, f"{root}/{d}", "::")


def xfs(rng, part, size, sector, root):
    proto = root + ".proto"
    lines = ["/", "0 0", "d--755 0 0"]
    for d in sorted(os.listdir(root)):
        lines.append(f"{d} d--755 0 0")
        lines += [f"{f} ---644 0 0 {root}/{d}/{f}" for f in sorted(os.listdir(f"{root}/{d}"))]
        lines.append("$")
    with open(proto, "w") as f:
        f.write("\n".join([*lines, "$", ""]))
    blocks = (("-b", "size=1024"),) if sector == 512 else ()
    run("mkfs.xfs", "-q", "-f", "-s", f"size={sector}", *rng.choice(((), ("-m", "crc=0"), ("-d", "agcount=3"), *blocks)), "-p", proto, part)
    os.unlink(proto)


def btrfs(rng, part, size, sector, root):
    run("mkfs.btrfs", "-q", "-f", *rng.choice(((), ("-m", "single"), ("--mixed",))), "--rootdir", root, part)


def swap(rng, part, size, sector, root):
    run("mkswap", part)


def unknown(rng, part, size, sector, root):
    with open(part, "r+b") as f:
        for _ in range(3):
            f.seek(rng.randrange(0, size - MIB) & ~511)
            f.write(rng.randbytes(rng.randrange(1, MIB)))


KINDS = {  # how it is made, MiB at least, what judges it
    "ext4": (ext("ext4"), 48, ("e2fsck", "-fn")),
    "ext3": (ext("ext3"), 48, ("e2fsck", "-fn")),
    "ext2": (ext("ext2"), 24, ("e2fsck", "-fn")),
    "ext4 without flex_bg": (ext("ext4", "-O", "^flex_bg,^metadata_csum,uninit_bg"), 48, ("e2fsck", "-fn")),
    "vfat 16": (vfat, 40, ("fsck.vfat", "-n")),
    "vfat 32": (vfat, 80, ("fsck.vfat", "-n")),
    "large vfat 32": (vfat, 290, ("fsck.vfat", "-n")),  # of sectors of 4096 bytes, that mtools takes for one, too
    "xfs": (xfs, 320, ("xfs_repair", "-n", "-f")),
    "btrfs": (btrfs, 160, ("btrfs", "check", "-q")),
    "swap": (swap, 16, None),
    "unknown": (unknown, 8, None),
}


class MadeDisk:
    """parts: [(kind, offset, size)]"""

    def __init__(self, work, seed, kinds=None, label=None, sector=512):
        rng, self.sector = random.Random(seed), sector
        self.rng = rng
        self.path, self.parts, self.work = os.path.join(work, f"disk{seed}"), [], work
        kinds = kinds or rng.sample(sorted(set(KINDS) - {"large vfat 32"}), 3)
        label = label or rng.choice(("gpt", "dos"))
        at, rows = 2048, [f"label: {label}"]
        for n, kind in enumerate(kinds):
            at += rng.choice((0, 2048, 4096))
            size = (KINDS[kind][1] + rng.randrange(30)) * MIB
            rows.append(f"{n + 1} : start={at * 512 // sector}, size={size // sector}")
            self.parts.append((kind, at * 512, size))
            at += size // 512
        self.bytes = (at + rng.choice((4096, 40960))) * 512
        with open(self.path, "wb") as f:
            f.truncate(self.bytes)
            f.seek(20 * 512 if label == "dos" else 100 * 512)
            f.write(rng.randbytes(9000))  # a boot loader before the first partition
        with attached(self.path, sector) if sector != 512 else contextlib.nullcontext() as name:
            run("sfdisk", "-q", f"/dev/{name}" if name else self.path, input="\n".join(rows) + "\n")
        for kind, offset, size in self.parts:
            self.fill(kind, offset, size)

    def fill(self, kind, offset, size):
        part, root = self.path + ".part", self.path + ".root"
        with open(part, "wb") as f:
            f.truncate(size)
            for at in range(0, size, 4 * MIB):  # what was there before
                f.seek(at)
                f.write(self.rng.randbytes(self.rng.choice((0, 512, 65536))))
        tree(self.rng, root, max(2, min(60, size // MIB // 4)))
        KINDS[kind][0](self.rng, part, size, self.sector, root)
        run("rm", "-rf", root)
        run("dd", f"if={part}", f"of={self.path}", "bs=1M", "oflag=seek_bytes", f"seek={offset}",
            "conv=notrunc", "status=none")
        os.unlink(part)

    def part(self, path, offset, size):
        """A partition of the disk in `path`, in a file."""
        out = path + ".look"
        run("dd", f"if={path}", f"of={out}", "bs=1M", "iflag=skip_bytes,count_bytes", f"skip={offset}", f"count={size}",
            "status=none", "conv=sparse")
        os.truncate(out, size)
        return out
