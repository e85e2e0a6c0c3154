"""raw_vm.py - a QEMU of a test's own on the lab's bridge, for machines that `vmlab` makes none of.

It runs in the VM's image as a VM of the lab does: its port of the bridge is confined, and Screen and the lab's
console() find it by its name.
"""
import os

from kit.command import docker, plain
from kit.vmlab_cli import VM_IMAGE

FIRMWARE = "/usr/share/vmlab/firmware"
LIB = "/usr/lib/vmlab"
UEFI = {"amd64": ["-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE}/amd64-code.fd", "-drive",
    "if=pflash,format=raw,file=/run/vars.fd"],
    "arm64": ["-drive", "if=pflash,format=raw,readonly=on,file=/run/code.fd", "-drive",
    "if=pflash,format=raw,file=/run/vars.fd"]}
MACHINE = {"amd64": ["qemu-system-x86_64", "-machine", "q35,vmport=off,smm=off", "-cpu", "max,-svm"],
    "arm64": ["qemu-system-aarch64", "-machine", "virt,gic-version=max", "-cpu", "max,pauth-impdef=on"]}
# Firmware's variables, and for arm64 its code in the size that QEMU wants, are of this machine alone.
FLASH = {"amd64": f"cp {FIRMWARE}/amd64-vars.fd /run/vars.fd", "arm64": f"cp {FIRMWARE}/arm64-vars.fd /run/vars.fd && "
    f"cp {FIRMWARE}/arm64-code.fd /run/code.fd && truncate -s 64M /run/code.fd /run/vars.fd"}


def container(lab, name):
    return f"{lab.name}-vm-{name}"


def console(lab, name):
    done = docker("logs", container(lab, name), check_rc=False)
    return plain(done.stdout + done.stderr)


def remove(lab, name):
    docker("rm", "-f", container(lab, name), check_rc=False)


def start(lab, name, mac, arch, *options, card="virtio-net-pci", boots=True, memory_mib=512, files=(), uefi=True,
        rom=False, bridge="lab0"):
    """QEMU with these options besides machine, card and console; `files` of the host are at /given/NAME in it.
    boots=False: its firmware is not told to boot from the network; rom: the card brings QEMU's iPXE, as a BIOS needs it."""
    tap = "tap" + mac.replace(":", "")
    qemu = [*MACHINE[arch], "-accel", "tcg,thread=multi,tb-size=512", "-smp", "2", "-m", str(memory_mib), "-nodefaults",
        "-no-user-config", "-display", "none", "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
        "-netdev", "tap,id=lab,fd=3", "-device", f"{card},netdev=lab,mac={mac}" + ("" if rom else ",romfile=") + (",bootindex=1" if boots else ""),
        "-boot", "menu=off,splash-time=0", *(UEFI[arch] if uefi else []), *options]
    remove(lab, name)
    docker("run", "-d", "-i", "-t", "--name", container(lab, name), "--label", f"vmlab.lab={lab.name}", "--label",
        "vmlab.role=vm", "--label", f"vmlab.vm={name}", "--network", f"container:{lab.name}-net", "--cap-add", "NET_ADMIN",
        "--device", "/dev/net/tun", "--stop-timeout", "1", *(w for path in files for w in ("-v",
        f"{path}:/given/{os.path.basename(path)}:ro")), "--entrypoint", f"{LIB}/with-tap", VM_IMAGE, tap, "--",
        f"{LIB}/port.sh", bridge, tap, mac, "--", "sh", "-c", FLASH[arch] + ' && exec "$@"', "qemu", *qemu)
