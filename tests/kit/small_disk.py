"""small_disk.py - disks that say that they were booted, and nothing else; and one that nothing is on."""
import os

from kit.command import run

SAYS = "this disk was booted"


def blank_disk(path, size):
    with open(path, "wb") as f:
        f.truncate(size)
    return path


def bios_disk(path):
    """A boot sector that writes SAYS by the BIOS (int 10h, ah 0eh) and halts, with interrupts, at which SeaBIOS flushes."""
    code = bytes.fromhex("fb31c08ed8be1b7cfcac84c07409b40ebb0700cd10ebf2f4ebfd").ljust(0x1b, b"\x90")
    sector = (code + SAYS.encode() + b"\r\n\0").ljust(510, b"\0") + b"\x55\xaa"
    with open(path, "wb") as f:
        f.write(sector)
        f.truncate(1 << 20)


def uefi_disk(path, loader, name="BOOTX64.EFI"):
    """A FAT file system with an iPXE, `loader`, as the program that firmware looks for, and a script for it."""
    script = path + ".ipxe"
    with open(script, "w") as f:
        f.write(f"#!ipxe\necho {SAYS}\nsleep 600\n")
    run(["mformat", "-i", path, "-C", "-T", "16384", "-h", "16", "-s", "63", "::"])
    run(["mmd", "-i", path, "::/EFI", "::/EFI/BOOT"])
    run(["mcopy", "-i", path, loader, "::/EFI/BOOT/" + name])
    run(["mcopy", "-i", path, script, "::/autoexec.ipxe"])
    os.unlink(script)
