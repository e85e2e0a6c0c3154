"""loop_disk.py - a file as a disk of this machine."""
import contextlib
import os
import subprocess

from kit.check import skip
from kit.command import run


@contextlib.contextmanager
def attached(path, sector_bytes=512):
    """The disk's name, until the block ends."""
    device = subprocess.run(["losetup", "-f", "--show", "--sector-size", str(sector_bytes), path], stdout=subprocess.PIPE, text=True).stdout.strip()
    if not device:
        skip("no loop device can be had")
    try:
        yield os.path.basename(device)
    finally:
        run(["losetup", "-d", device])


def size_bytes(name):
    with open(f"/sys/block/{name}/size") as f:
        return int(f.read()) * 512
