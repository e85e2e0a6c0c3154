"""bare_image.py - what the agent needs of an architecture that no guest's image was built for: Debian's kernel and its drivers,
unpacked and not installed, which takes half a minute for any architecture; and a disk with a system that says so."""
import json
import os
import shutil
import subprocess

from kit.backup_bench import image_files
from kit.check import check, skip
from kit.command import ROOT, have_command, run
from kit.vmlab_cli import BINARY, IMAGES

KEPT = os.path.join(ROOT, "build", "images-bare")
NAME, MIB = "bare", 1 << 20
DEPMOD = '[ -e "$1"/lib ] || ln -s usr/lib "$1"/lib; for d in "$1"/lib/modules/*/; do depmod -b "$1" "$(basename "$d")" || exit 1; done'
DISK_MIB = 256


def image_of(arch):
    """The folder of debian-13's image, or of one that has its kernel and nothing else."""
    for folder in os.path.join(IMAGES, "debian-13", arch), os.path.join(KEPT, NAME, arch):
        if os.path.exists(os.path.join(folder, "manifest.json")):
            return folder
    for command in "mmdebstrap", "depmod":
        if not have_command(command):
            skip(f"{command} is not installed")
    os.makedirs(KEPT, exist_ok=True)
    tar = os.path.join(KEPT, f"{arch}.tar")
    run(["mmdebstrap", "--variant=extract", "--format=tar", f"--architectures={arch}", f"--include=linux-image-cloud-{arch}",
        '--aptopt=APT::Install-Recommends "false"', f"--extract-hook={DEPMOD}", "trixie", tar], timeout=600)
    run([BINARY, "--images", KEPT, "image", "import", NAME, "--arch", arch, tar], timeout=300)
    os.unlink(tar)
    return folder


class Bare:
    """In the lab's folder of images as debian-13, whose kernel machines boot the agent with; gone at the end where it is none."""

    def __init__(self, lab, arch):
        self.folder, self.arch, self.lab = image_of(arch), arch, lab
        self.there = os.path.join(lab.images, "debian-13", arch)
        self.made = not os.path.exists(self.there)
        if self.made:
            lab.link_image("debian-13", arch, source=os.path.basename(os.path.dirname(self.folder)),
                images=os.path.dirname(os.path.dirname(self.folder)))
        with open(os.path.join(self.folder, "manifest.json")) as f:
            self.kernel = json.load(f)["kernel_version"]

    def end(self):
        if self.made:
            shutil.rmtree(self.there)

    def root(self, work):
        """Our initramfs as a system on a disk, which starts the same way once more."""
        tree = os.path.join(work, "tree")
        initrd = os.path.join(ROOT, "build", "initrd", self.arch, "initrd.zst")
        if not os.path.exists(initrd):
            skip(f"{initrd} is not there: `make load` for {self.arch} builds it")
        os.makedirs(tree)
        packed = subprocess.run(["zstd", "-q", "-d", "-c", initrd], stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["cpio", "-idm", "--quiet", "-D", tree], input=packed, check=True)
        for path, text in {"etc/fstab": "", "etc/os-release": f"ID=bare\nVERSION={self.arch}\n", "boot/grub/grub.cfg":
                f"linux /boot/vmlinuz-{self.kernel} initrd.mode=shell console=ttyS0 console=ttyAMA0 quiet\n"}.items():
            os.makedirs(os.path.join(tree, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(tree, path), "w") as f:
                f.write(text)
        for name in "dev", "proc", "run", "sys", "tmp":
            os.makedirs(os.path.join(tree, name), exist_ok=True)
        shutil.copy(os.path.join(self.folder, "vmlinuz"), os.path.join(tree, "boot", f"vmlinuz-{self.kernel}"))
        with open(os.path.join(tree, "boot", f"initrd.img-{self.kernel}"), "wb") as out:
            for path in initrd, os.path.join(self.folder, "modules.cpio.zst"):
                with open(path, "rb") as f:
                    out.write(f.read())
        return tree

    def disk_image(self, work, name):
        """Puts an image of a disk with that system there."""
        disk, part = os.path.join(work, "disk"), os.path.join(work, "part")
        for path, mib in (disk, DISK_MIB), (part, DISK_MIB - 2):
            with open(path, "wb") as f:
                f.truncate(mib * MIB)
        run(["sfdisk", "-q", disk], stdin=f"label: gpt\nstart=1MiB, size={DISK_MIB - 2}MiB\n")
        run(["mkfs.ext4", "-q", "-F", "-d", self.root(work), part])
        run(["dd", f"if={part}", f"of={disk}", "bs=1M", "seek=1", "conv=notrunc", "status=none"])
        with open(disk, "rb") as f:
            packed = subprocess.run(["zstd", "-q", "-1", "-c"], stdin=f, stdout=subprocess.PIPE, check=True).stdout
        where = os.path.join(self.lab.images, name, self.arch)
        os.makedirs(where)
        for file, data in image_files(name, packed, DISK_MIB * MIB, self.arch).items():
            with open(os.path.join(where, file), "wb") as f:
                f.write(data)
        check(os.path.getsize(os.path.join(where, "disk.raw.zst")) > MIB, "the image is empty")
