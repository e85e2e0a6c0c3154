"""e2e_lab.py - the lab of tests/e2e: a VM named web, and VMs that install and get ready.

Under emulation each installation takes about two and a half minutes on two cores.
"""
import json
import os
import time

from kit import vmlab_cli
from kit.check import check, check_equal, eventually
from kit.command import LOGS, docker, have_image, run
from kit.raw_disk import esp_of
from kit.vmlab_cli import IMAGES, STACK_IMAGE, VM_IMAGE, VmLab

WEB = "52:54:00:e2:e0:01"
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"  # what a machine may say of itself
WEB6 = "fd56:6d6c:6162::10"
INSTALL_S = int(os.environ.get("VMLAB_TEST_INSTALL_SECONDS", "420"))
BOOT_S = 240


class E2eLab(VmLab):
    def begin(self):
        missing = []
        for image in (STACK_IMAGE, VM_IMAGE):
            if not have_image(image):
                missing.append(f"container image {image} (`make load`)")
        if not os.path.exists(os.path.join(IMAGES, "debian-13", "amd64", "manifest.json")):
            missing.append("images/debian-13/amd64 (`vmlab image build debian-13`)")
        if run([vmlab_cli.BINARY, "--version"], check_rc=False).returncode != 0:
            missing.append("the program vmlab (`make vmlab`)")
        check(not missing, "missing: " + ", ".join(missing))
        self.link_image("debian-13")

    def save_console(self, name, label):
        os.makedirs(LOGS, exist_ok=True)
        with open(os.path.join(LOGS, f"e2e-{label}.console"), "w") as f:
            f.write(self.console(name))

    def only_the_lab(self):
        """The lab's network and stack run, and no VM that takes the processor away."""
        for name in docker("ps", "--filter", f"name={self.name}-vm-", "--format", "{{.Names}}").stdout.split():
            docker("stop", "-t", "5", name, check_rc=False)
        if not docker("ps", "--filter", f"name={self.name}-stack", "-q").stdout.strip():
            self.vmlab("up", "--no-wait", timeout=90)

    def strangers_get(self, word):
        """VMLAB_STRANGERS. `up` starts every VM that is defined: they are stopped again."""
        self.env["VMLAB_STRANGERS"] = word
        self.vmlab("up", "--no-wait", timeout=240)
        self.only_the_lab()

    def define(self, name, **fields):
        """As any lab's; but here every definition is meant to be taken, and tests share the folder."""
        for other in (f for f in os.listdir(self.vms) if f.endswith(".json") and f != f"{name}.json"):
            with open(os.path.join(self.vms, other)) as f:
                check(not fields.get("mac") or fields["mac"] not in f.read(), f"{fields.get('mac')} is {other}'s already")
        super().define(name, **fields)

    def check_no_boot_file(self, name):
        """Stops the VM; its disk has nothing that firmware would start."""
        docker("stop", "-t", "3", self.container(name), timeout=60)
        raw = os.path.join(self.scope.tempdir(), name + ".raw")
        self.raw_disk(name, raw)
        esp = esp_of(raw)
        if esp:
            with open(raw, "rb") as f:
                f.seek(esp[0])
                for _ in range(0, esp[1], 1 << 20):
                    check(b"BOOTX64 EFI" not in f.read(1 << 20), "the ESP holds EFI/BOOT/BOOTX64.EFI")
        os.unlink(raw)

    def check_untouched(self, name):
        """The VM's disk holds nothing but zeros; VM and definition are gone afterwards."""
        docker("stop", "-t", "3", self.container(name), timeout=60)
        raw = os.path.join(self.scope.tempdir(), name + ".raw")
        self.raw_disk(name, raw)
        with open(raw, "rb") as f:
            while piece := f.read(1 << 20):
                check(not piece.strip(b"\0"), "something was written")
        os.unlink(raw)
        self.remove_vm(name)
        os.unlink(os.path.join(self.vms, name + ".json"))

    def installs_to_ready(self, name, mac, fields=None, env=(), **vm):
        self.only_the_lab()
        self.define(name, **dict({"mac": mac, "arch": "amd64", "distro": "debian-13", "disks": [{"size": "4G"}]}, **(fields or {})))
        time.sleep(1)
        self.start_vm(name, mac, env=env, **vm)
        try:
            self.wait_state(name, "ready", INSTALL_S)
        finally:
            self.save_console(name, name)

    def mounts_of(self, name):
        """{mount point: (file system, device)} of a guest, and its swap areas under "swap"."""
        found = json.loads(self.ssh(name, "findmnt -J --real -o TARGET,FSTYPE,SOURCE"))["filesystems"]
        mounts = {}
        while found:
            entry = found.pop()
            mounts[entry["target"]] = (entry["fstype"], entry["source"].split("[")[0])
            found += entry.get("children", [])
        mounts["swap"] = self.ssh(name, "cat /proc/swaps").splitlines()[1:]
        return mounts

    def content_with_itself(self, name):
        """A guest that is well: cloud-init without errors, no failed unit, fstab complete."""
        status = json.loads(self.ssh(name, "cloud-init status --wait --format json", timeout=120))
        check_equal(status["status"], "done", f"cloud-init: {status}; status")
        check(not status.get("errors"), f"cloud-init's errors: {status}")
        check_equal(self.ssh(name, "systemctl list-units --failed --no-legend --plain"), "", "failed units")
        self.ssh(name, "sudo findmnt --verify --fstab >/dev/null")

    def build_image(self, distro, arch="amd64", kernel="cloud"):
        """The lab gets links to image_of(); with the generic kernel it is <distro>-generic here."""
        image, name = vmlab_cli.image_of(distro, arch, kernel), distro + ("-generic" if kernel == "generic" else "")
        if not os.path.exists(os.path.join(self.images, name, arch)):
            self.link_image(name, arch, source=distro, images=os.path.dirname(os.path.dirname(image)))

    def define_web(self, **fields):
        self.define("web", mac=WEB, ipv6=WEB6, arch="amd64", distro="debian-13", cpus=2, memory="512M",
            disks=[{"size": "4G"}], hostname="web-host", **fields,
            hooks={"post_install": ["#!/bin/sh\n. /etc/os-release\necho \"hook: uid $(id -u) in $ID\"\necho made >/etc/by-hook\n"
                f"echo '{HOSTILE}'\n"]})

    def check_healthy(self):
        eventually(lambda: docker("inspect", "-f", "{{.State.Health.Status}} {{.RestartCount}}",
            f"{self.name}-stack").stdout.strip() == "healthy 0", 60, "the stack is healthy and was never started again")
