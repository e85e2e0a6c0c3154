"""loop_disk.py - a file as a disk of this machine."""
import contextlib
import os
import subprocess

from kit.check import skip
from kit.command import run


@contextlib.contextmanager
def attached(path, sector_bytes=512, direct=False):
    """The disk's name, until the block ends. `direct`: past this machine's memory, as a disk is."""
    device = subprocess.run(["losetup", "-f", "-P", "--sector-size", str(sector_bytes), f"--direct-io={'on' if direct else 'off'}",
        "--show", path], stdout=subprocess.PIPE, text=True).stdout.strip()
    if not device:
        skip("no loop device can be had")
    try:
        yield os.path.basename(device)
    finally:
        run(["losetup", "-d", device])


def size_bytes(name):
    with open(f"/sys/block/{name}/size") as f:
        return int(f.read()) * 512
