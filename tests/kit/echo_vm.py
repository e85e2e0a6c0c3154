"""echo_vm.py - a small QEMU of the VM's image, with the serial console that a VM of a lab has: its guest, a boot sector,
prints "ready" and then what is typed, byte by byte, but for two: 0x01 begins an endless flood of lines, 0x02 ends the
machine.
"""
import os
import struct

from kit.check import eventually
from kit.command import PREFIX, docker
from kit.vmlab_cli import VM_IMAGE

# QEMU's arguments about the console as qemu-command has them, and nothing else of the machine; a program of QEMU's
# name takes the other ones away.
ONLY_CONSOLE = r"""#!/bin/bash
while (($#)); do
	case $1 in
	-serial | -chardev) [[ $2 == *id=monitor* ]] || words+=("$1" "$2") ;;
	esac
	shift
done
exec /usr/bin/qemu-system-x86_64 -nodefaults -display none -machine pc,graphics=off -m 16 -accel tcg -boot menu=off,splash-time=0 \
	-device isa-debug-exit,iobase=0xf4 -drive if=floppy,format=raw,file=/guest/sector,readonly=on "${words[@]}"
"""
# As run-vm.sh begins machine.sh, but for the network.
START = r"""
mkdir -p /run/vm && chown 65534:65534 /run/vm /disks
while IFS= read -r setting; do export "${setting?}"; done < <(/usr/lib/vmlab/qemu-command settings)
export PATH=/guest:$PATH VM_PM1_PORT=
exec setpriv --reuid 65534 --regid 65534 --clear-groups /usr/lib/vmlab/machine.sh
"""
SETTINGS = {"VM_NAME": "echo", "VM_MAC": "52:54:00:00:00:01", "VM_ACCEL": "tcg", "VM_BRIDGE": "lo", "VM_FIRMWARE": "bios", "VM_STUCK_TIMEOUT": "0"}


def boot_sector():
    code, jumps, labels = bytearray(), [], {}

    def jump(opcode, label):
        code.extend(opcode + b"\0")
        jumps.append((len(code), label))

    def wait(bit, label):  # for that bit of COM1's line status
        labels[label] = len(code)
        code.extend(b"\xba\xfd\x03\xec\xa8" + bytes([bit]))  # mov dx,3fd; in al,dx; test al,bit
        jump(b"\x74", label)  # jz

    code.extend(b"\xfa")  # cli
    for n, c in enumerate(b"ready\n"):
        wait(0x20, n)
        code.extend(b"\xba\xf8\x03\xb0" + bytes([c]) + b"\xee")  # mov dx,3f8; mov al,c; out dx,al
    wait(1, "typed")
    code.extend(b"\xba\xf8\x03\xec\x3c\x01")  # mov dx,3f8; in al,dx; cmp al,1
    jump(b"\x74", "flood")
    code.extend(b"\x3c\x02")
    jump(b"\x74", "end")
    code.extend(b"\x88\xc3")  # mov bl,al
    wait(0x20, "room")
    code.extend(b"\xba\xf8\x03\x88\xd8\xee")  # mov dx,3f8; mov al,bl; out dx,al
    jump(b"\xeb", "typed")
    labels["flood"] = len(code)
    code.extend(b"\xbb\x3e\x00")  # mov bx,62: a line of them and its end
    wait(0x20, "lines")
    code.extend(b"\xba\xf8\x03\xb0x\xee\x4b")  # mov al,'x'; out dx,al; dec bx
    jump(b"\x75", "lines")  # jnz
    code.extend(b"\xb0\x0a\xee")
    jump(b"\xeb", "flood")
    labels["end"] = len(code)
    code.extend(b"\xba\xf4\x00\xb0\x00\xee")  # isa-debug-exit
    jump(b"\xeb", "end")
    for at, label in jumps:
        code[at - 1:at] = struct.pack("b", labels[label] - at)
    return bytes(code) + bytes(510 - len(code)) + b"\x55\xaa"


class EchoVm:
    """`folder`: what is at /run/console in it."""

    def __init__(self, scope, name, folder):
        self.name, self.folder = PREFIX + name, folder
        self.log = os.path.join(folder, "log")
        self.guest = os.path.join(scope.tempdir(), "guest")
        os.mkdir(self.guest)
        for file, content in (("sector", boot_sector()), ("qemu-system-x86_64", ONLY_CONSOLE.encode())):
            with open(os.path.join(self.guest, file), "wb") as f:
                f.write(content)
            os.chmod(f.name, 0o755)
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o777)
        scope.cleanup(self.remove)

    def start(self):
        docker("run", "-d", "-i", "-t", "--name", self.name, "--network", "none", "-v",
            f"{self.folder}:/run/console", "-v", f"{self.guest}:/guest:ro", *(w for pair in SETTINGS.items() for w in ("-e", "=".join(pair))),
            "--entrypoint", "/bin/bash", VM_IMAGE, "-c", START)
        self.wait_booted()

    def wait_booted(self, times=1):
        eventually(lambda: self.printed().count(b"ready\n") >= times, 20, f"{self.name} boots", every=0.1)

    def printed(self):
        if not os.path.exists(self.log):
            return b""
        with open(self.log, "rb") as f:
            return f.read()

    def remove(self):
        docker("rm", "-f", self.name, check_rc=False)
