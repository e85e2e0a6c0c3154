"""boxed_lab.py - a lab with one VM, which gets no further than its firmware."""
import re

from kit import netns
from kit.check import check, eventually
from kit.command import docker, have_command, have_image, run
from kit.vmlab_cli import STACK_IMAGE, VM_IMAGE, VmLab

MAC = "52:54:00:c0:f1:01"
TAP = "tap525400c0f101"


class BoxedLab(VmLab):
    def __init__(self, scope):
        super().__init__(scope, "confined")

    def begin(self):
        for image in (STACK_IMAGE, VM_IMAGE):
            check(have_image(image), f"there is no image {image} (`make load`)")
        for command in ("ip", "busybox"):
            check(have_command(command), f"`{command}` is not installed on this machine")
        self.define("boxed", mac=MAC, ip="192.168.100.10", arch="amd64", memory="256M", disks=[{"size": "1G"}])
        self.vmlab("up", "--no-wait", "boxed", timeout=120, check_rc=False)
        eventually(lambda: "starting boxed" in self.console("boxed"), 20, "QEMU starts")

    def net_pid(self):
        return int(docker("inspect", "-f", "{{.State.Pid}}", f"{self.name}-net").stdout)

    def taps(self):
        with netns.inside(f"/proc/{self.net_pid()}/ns/net"):
            # sysfs shows the namespace it was mounted in: ask the kernel.
            return sorted(re.findall(r"^\d+: (tap[^:@]*)", run(["ip", "-o", "link"]).stdout, re.M))
