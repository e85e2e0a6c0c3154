"""shape_vm.py - a QEMU with the agent's kernel and initrd in a container without a network, and the agent's server in
that container: to the machine it is at SERVER."""
import os

from kit import raw_vm
from kit.agent_bench import PORT, AgentServer
from kit.check import skip
from kit.command import PREFIX, ROOT, docker, have_image, plain
from kit.made_machine import partitioned
from kit.shapes import FIRST_MAC
from kit.vmlab_cli import VM_IMAGE, image_of

SERVER = "10.0.2.2"  # QEMU's name for the loopback of where it runs
ARCH = "amd64"
# LLDP is sent to the second card over UDP.
CARD_PORT, SENDER_PORT = 7001, 7002
HEARING = f"socket,udp=127.0.0.1:{SENDER_PORT},localaddr=127.0.0.1:{CARD_PORT}"


def given(kernel):
    """The machine's files, or a skip."""
    image = image_of("debian-13", ARCH, kernel)
    files = {"vmlinuz": os.path.join(image, "vmlinuz"), "modules": os.path.join(image, "modules.cpio.zst"),
        "initrd": os.path.join(ROOT, "build/initrd", ARCH, "initrd.zst")}
    for path in files.values():
        if not os.path.exists(path):
            skip(f"{path} is not there")
    if not have_image(VM_IMAGE):
        skip(f"there is no image {VM_IMAGE}: `make load` builds it")
    return files


class ShapeVm(AgentServer):
    def __init__(self, scope, shape):
        self.scope, self.name, files = scope, f"{PREFIX}shape", given(shape.kernel)
        disk = os.path.join(scope.tempdir(), "disk")
        if not os.path.exists(disk):
            partitioned(disk)
        with open(os.path.join(scope.tempdir(), "initrds"), "wb") as out:
            for part in ("initrd", "modules"):
                with open(files[part], "rb") as f:
                    out.write(f.read())
        mounts = {"/given/disk": disk, "/given/vmlinuz": files["vmlinuz"], "/given/initrd": out.name}
        words = (f"console=ttyS0 quiet panic=0 initrd.mode=agent agent_url=http://{SERVER}:{PORT} "
            f"BOOTIF=01-{FIRST_MAC.replace(':', '-')}")
        make = [raw_vm.FLASH[ARCH]] if shape.uefi else []
        make += [f"truncate -s {mib}M {path}" for path, mib in shape.files]
        docker("rm", "-f", self.name, check_rc=False)
        docker("run", "-d", "--name", self.name, "--network", "none", "--tmpfs", "/run", *(w for there, here in mounts.items()
            for w in ("-v", f"{os.path.realpath(here)}:{there}:ro")), "--entrypoint", "sh", VM_IMAGE, "-c",
            " && ".join([*make, 'exec "$@"']), "qemu", "qemu-system-x86_64", "-machine", "q35,vmport=off,smm=off", "-accel",
            "tcg,thread=multi,tb-size=256", "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
            *(raw_vm.UEFI[ARCH] if shape.uefi else []), *shape.options, "-kernel", "/given/vmlinuz", "-initrd", "/given/initrd",
            "-append", words)
        scope.cleanup(docker, "rm", "-f", self.name)
        scope.log_on_failure(self.log)
        pid = docker("inspect", "-f", "{{.State.Pid}}", self.name).stdout.strip()
        super().__init__(scope, f"/proc/{pid}/ns/net", "127.0.0.1")
        self.start_server()

    def log(self):
        done = docker("logs", self.name, check_rc=False)
        return plain(done.stdout + done.stderr)

    def runs(self):
        return docker("inspect", "-f", "{{.State.Running}}", self.name).stdout.strip() == "true"

    def end(self):
        self.stop_server()
        docker("rm", "-f", self.name)
