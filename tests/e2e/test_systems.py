"""The long matrix: other images, another architecture, another base of the initrd."""
import os
import re
import subprocess
import tarfile
import time

import pytest

from kit.check import check, check_equal, eventually, skip
from kit.command import ROOT, docker, run
from kit.e2e_lab import BOOT_S, INSTALL_S
from kit.scope import needs
from kit.vmlab_cli import IMAGES, STACK_IMAGE


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_debian_12_installs_and_gets_ready(lab):
    lab.build_image("debian-12")
    lab.installs_to_ready("deb12", "52:54:00:e2:e1:40", {"distro": "debian-12", "ip": "192.168.100.50"})
    check('VERSION_ID="12"' in lab.ssh("deb12", "cat /etc/os-release"), "it is no Debian 12")
    lab.remove_vm("deb12")


def with_alpine_names(where):
    """The rootfs with its kernel as vmlinuz-<flavour> and its initramfs as initramfs-<flavour>, and
    without the tool that would make another."""
    source = os.path.join(IMAGES, "debian-13", "amd64", "rootfs.tar.zst")
    unpacked = subprocess.Popen(["zstd", "-dc", source], stdout=subprocess.PIPE)
    with tarfile.open(fileobj=unpacked.stdout, mode="r|") as old, tarfile.open(where, "w", format=tarfile.PAX_FORMAT) as new:
        for member in old:
            name = member.name.removeprefix("./")
            if name in ("vmlinuz", "initrd.img", "usr/sbin/update-initramfs"):
                continue
            for before, after in (("boot/vmlinuz-", "boot/vmlinuz-"), ("boot/initrd.img-", "boot/initramfs-")):
                if name.startswith(before):
                    member.name = re.sub(rf"{before}.*?-(?=[a-z])", after, member.name)
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
    check_equal(unpacked.wait(), 0, "zstd")


@pytest.mark.long
def test_a_system_with_alpines_names_of_kernel_and_initramfs_installs_and_boots(lab):
    tar = os.path.join(lab.scope.tempdir(), "alpine-names.tar")
    with_alpine_names(tar)
    lab.vmlab("image", "import", "alpine-names", "--arch", "amd64", tar, timeout=300)
    os.unlink(tar)
    lab.installs_to_ready("flavour", "52:54:00:e2:e1:45", {"distro": "alpine-names", "ip": "192.168.100.55"})
    check_equal(lab.ssh("flavour", "cd /boot; ls -d vmlinuz* init*"), "initramfs-cloud-amd64\nvmlinuz-cloud-amd64", "/boot")
    check("vmlinuz-cloud-amd64" in lab.ssh("flavour", "cat /proc/cmdline"), "it booted another kernel")
    lab.remove_vm("flavour")


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_an_arm64_machine_installs_and_gets_ready(lab):
    lab.build_image("debian-13", "arm64")
    lab.only_the_lab()
    mac = "52:54:00:e2:e1:41"
    lab.define("arm", mac=mac, ip="192.168.100.51", arch="arm64", distro="debian-13", memory="1G", disks=[{"size": "4G"}])
    time.sleep(1)
    lab.start_vm("arm", mac, memory_mib=1024, env=["VM_ARCH=arm64"])
    try:
        lab.wait_state("arm", "ready", 3 * INSTALL_S)
    finally:
        lab.save_console("arm", "arm")
    check_equal(lab.ssh("arm", "uname -m"), "aarch64", "machine")
    lab.remove_vm("arm")


@pytest.mark.long
def test_the_initrd_on_alpines_base_installs_the_same_way(lab):
    with open(os.path.join(ROOT, "initrd", "alpine-minirootfs.table")) as f:
        file = next(line.split()[2] for line in f if line.startswith("amd64"))
    base = os.environ.get("ALPINE_MINIROOTFS") or os.path.join(ROOT, "build", "initrd", file)
    if not os.path.exists(base):
        skip(f"{file} is not in build/initrd/ and could not be downloaded; ALPINE_MINIROOTFS names it")
    ours, image = os.path.join(lab.scope.tempdir(), "initrd-alpine.zst"), f"{lab.name}-alpine:latest"
    built = run([os.path.join(ROOT, "initrd", "build.sh"), "--arch", "amd64", "--base", base, "--out", ours, "--installer",
        os.path.join(ROOT, "build", "amd64", "release", "os_installer", "os-installer")], timeout=300).stdout
    check("Alpine" in built, f"not Alpine's base: {built}")
    created = docker("create", STACK_IMAGE).stdout.strip()
    docker("cp", ours, f"{created}:/srv/initrds/amd64/initrd.zst")
    docker("commit", created, image)
    docker("rm", "-v", created)
    try:
        lab.env["VMLAB_STACK_IMAGE"] = image
        lab.vmlab("up", "--no-wait", timeout=120)
        lab.installs_to_ready("alpine", "52:54:00:e2:e1:44", {"ip": "192.168.100.54"})
        lab.content_with_itself("alpine")
    finally:
        lab.env["VMLAB_STACK_IMAGE"] = STACK_IMAGE
        lab.remove_vm("alpine")
        os.unlink(os.path.join(lab.vms, "alpine.json"))
        lab.vmlab("up", "--no-wait", timeout=120)
        docker("rmi", "-f", image)


@pytest.mark.long
def test_kexec_ready_without_a_second_pxe_boot_and_grub_starts_it_the_next_time(lab):
    lab.installs_to_ready("quick", "52:54:00:e2:e1:42", {"after_install": "kexec", "ip": "192.168.100.52"})
    def local_boots():
        return [e for e in lab.api("/api/v1/events?vm=quick&limit=1000")["events"]
            if (e["kind"], e["text"]) == ("ipxe", "local")]
    check(not local_boots(), "it went through the firmware")
    check("BOOT_IMAGE" not in lab.ssh("quick", "cat /proc/cmdline"), "GRUB started it")
    before = lab.ssh("quick", "cat /proc/sys/kernel/random/boot_id")
    lab.ssh("quick", "sudo systemctl reboot", check_rc=False)
    def back():
        done = lab.vmlab("ssh", "quick", "cat /proc/sys/kernel/random/boot_id", check_rc=False, timeout=30)
        return done.returncode == 0 and done.stdout.strip() != before
    eventually(back, BOOT_S, "the guest answers with another boot id", every=3)
    check(local_boots(), "it did not come by the network")
    check("BOOT_IMAGE" in lab.ssh("quick", "cat /proc/cmdline"), "GRUB did not start it")
    lab.ssh("quick", "sudo cloud-init clean --logs --machine-id && sudo rm -rf /var/lib/cloud/seed && sync")
    lab.vmlab("down", "quick", timeout=120)
    lab.raw_disk("quick", os.path.join(lab.scope.tempdir(), "system.raw"))
    lab.remove_vm("quick")


@pytest.mark.long
@needs(test_kexec_ready_without_a_second_pxe_boot_and_grub_starts_it_the_next_time)
def test_a_whole_disk_imported_as_qcow2_installs_onto_a_larger_one_and_grows(lab):
    raw, qcow2 = (os.path.join(lab.scope.tempdir(), "system." + ending) for ending in ("raw", "qcow2"))
    run(["qemu-img", "convert", "-O", "qcow2", raw, qcow2], timeout=120)
    os.unlink(raw)
    lab.vmlab("image", "import", "whole-disk", "--arch", "amd64", "--kernel-from", "debian-13", qcow2, timeout=300)
    os.unlink(qcow2)
    lab.installs_to_ready("whole", "52:54:00:e2:e1:43", {"distro": "whole-disk", "ip": "192.168.100.53",
        "disks": [{"size": "6G"}]},
        disk_bytes=6 << 30)
    size = int(lab.ssh("whole", "df --output=size -B1 / | tail -n 1"))
    check(size > 5 << 30, f"the root has {size >> 20} MiB")
    check_equal(lab.ssh("whole", "cloud-init status"), "status: done", "cloud-init")
    lab.remove_vm("whole")
