"""The long matrix: buses, file systems, layouts, the choice of a disk."""
import json
import time

import pytest

from kit.check import check, check_equal, eventually
from kit.e2e_lab import INSTALL_S


@pytest.mark.long
@pytest.mark.parametrize("bus", ("scsi", "nvme", "sata"))
def test_a_disk_on_another_bus_is_found_and_installed(lab, bus):
    lab.installs_to_ready(f"on-{bus}", f"52:54:00:e2:e1:{('scsi', 'nvme', 'sata').index(bus):02x}",
        {"disks": [{"size": "4G", "bus": bus}]}, env=[f"VM_DISK_BUS={bus}"])
    lab.remove_vm(f"on-{bus}")


@pytest.mark.long
@pytest.mark.parametrize("number, fs", enumerate(("xfs", "btrfs")))
def test_a_root_of_another_file_system_is_installed_and_boots(lab, number, fs):
    ip = f"192.168.100.{40 + number}"
    lab.installs_to_ready(f"on-{fs}", f"52:54:00:e2:e1:{0x20 + number:02x}", {"ip": ip, "storage": {"root": {"fs": fs}}})
    check_equal(lab.mounts_of(f"on-{fs}")["/"][0], fs, "root")
    lab.content_with_itself(f"on-{fs}")
    lab.remove_vm(f"on-{fs}")


@pytest.mark.long
def test_a_bios_machine_installs_and_boots_its_disk(lab):
    lab.installs_to_ready("bios", "52:54:00:e2:e1:10", {"firmware": "bios", "ip": "192.168.100.42"},
        env=["VM_FIRMWARE=bios"])
    table = json.loads(lab.ssh("bios", "sudo sfdisk -J /dev/vda"))["partitiontable"]
    check_equal(table["label"], "gpt", "partition table")
    check_equal([p["type"].upper()[:8] for p in table["partitions"]], ["21686148", "0FC63DAF"], "partition types")
    lab.ssh("bios", "test ! -e /sys/firmware/efi")
    lab.content_with_itself("bios")
    lab.remove_vm("bios")


@pytest.mark.long
def test_storage_partitions_and_swap_as_planned_filled_and_mounted(lab):
    storage = {"swap": "256M", "partitions": [{"mount": "/srv/data", "size": "rest", "fs": "xfs"},
        {"mount": "/var", "size": "25%", "label": "state"}, {"mount": "/", "size": "1536M"}]}
    lab.only_the_lab() # `vmlab up` for the lab would start what is defined already
    lab.define("parts", mac="52:54:00:e2:e1:22", arch="amd64", distro="debian-13", disks=[{"size": "4G"}],
        storage=storage)
    plan = json.loads(lab.vmlab("plan", "parts", "--json").stdout)["plan"]["partitions"]
    lab.installs_to_ready("parts", "52:54:00:e2:e1:22", {"ip": "192.168.100.43", "storage": storage})
    table = json.loads(lab.ssh("parts", "sudo sfdisk -J /dev/vda"))["partitiontable"]
    check_equal([(p["start"] * 512, p["size"] * 512) for p in table["partitions"]],
        [(p["start_bytes"], p["size_bytes"]) for p in plan], "what `vmlab plan` says, and what is there;")
    mounts = lab.mounts_of("parts")
    for where, fs in (("/", "ext4"), ("/var", "ext4"), ("/srv/data", "xfs"), ("/boot/efi", "vfat")):
        check_equal(mounts.get(where, (None,))[0], fs, where)
    check_equal(len(mounts["swap"]), 1, f"swap areas ({mounts['swap']})")
    check_equal(lab.ssh("parts", "lsblk -no LABEL $(findmnt -no SOURCE /var)"), "state", "label of /var")
    lab.ssh("parts", "test -e /var/lib/dpkg/status")
    lab.content_with_itself("parts")
    lab.remove_vm("parts")


@pytest.mark.long
def test_bios_boot_of_its_own_btrfs_root_an_nvme_disk_chosen_by_transport(lab):
    lab.installs_to_ready("mixed", "52:54:00:e2:e1:25", {"ip": "192.168.100.45", "firmware": "bios",
        "disks": [{"size": "4G", "match": {"transport": "nvme", "pick": "largest"}}],
        "storage": {"root": {"fs": "btrfs"}, "partitions": [{"mount": "/boot", "size": "512M"}]}},
        env=["VM_FIRMWARE=bios", "VM_DISK_BUS=nvme"])
    mounts = lab.mounts_of("mixed")
    check_equal((mounts["/"][0], mounts["/boot"][0]), ("btrfs", "ext4"), "root and /boot")
    check(mounts["/"][1].startswith("/dev/nvme0n1p"), f"root: {mounts['/']}")
    lab.content_with_itself("mixed")
    lab.remove_vm("mixed")


@pytest.mark.long
def test_match_by_serial_of_two_disks_alike_the_one_meant_the_other_is_never_written(lab):
    lab.installs_to_ready("twins", "52:54:00:e2:e1:23", {"ip": "192.168.100.44",
        "disks": [{"size": "4G", "match": {"serial": "vmlab-1"}}, {"size": "4G"}]}, disk_bytes=f"{4 << 30} {4 << 30}")
    check(lab.mounts_of("twins")["/"][1].startswith("/dev/vdb"), f"root: {lab.mounts_of('twins')['/']}")
    lab.ssh("twins", "sudo cmp -n 4294967296 /dev/vda /dev/zero", timeout=200)
    lab.remove_vm("twins")


@pytest.mark.long
def test_match_that_fits_no_disk_refused_with_all_of_them_nothing_written(lab):
    lab.only_the_lab()
    lab.define("nomatch", mac="52:54:00:e2:e1:24", arch="amd64", distro="debian-13",
        disks=[{"size": "4G", "match": {"model": "Samsung*"}}])
    time.sleep(1)
    lab.start_vm("nomatch", "52:54:00:e2:e1:24")
    vm = eventually(lambda: (v := lab.vm("nomatch"))["state"] == "failed" and v, INSTALL_S, "state failed", every=1)
    check_equal(vm["error"]["phase"], "plan", f"{vm['error']}; phase")
    check("/dev/vda 4.0 GiB virtio serial=VMLAB-0" in vm["error"]["reason"], str(vm["error"]))
    lab.remove_vm("nomatch")
