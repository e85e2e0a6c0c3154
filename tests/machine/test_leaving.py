"""A VM that is killed, grown, renamed or removed: its port, its disk, what is said."""
import json
import os
import re
import time

from kit.boxed_lab import MAC, TAP
from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.vmlab_cli import VM_IMAGE


def test_a_killed_vm_leaves_no_network_port(boxed):
    check(TAP in boxed.taps(), f"ports: {boxed.taps()}")
    docker("kill", boxed.container("boxed"))
    eventually(lambda: TAP not in boxed.taps(), 5, "the port is gone")


def test_a_disk_of_an_older_version_roots_is_taken_over_a_larger_size_makes_it_grow(boxed):
    """A disk of an older version, root's, is taken over; a larger size makes it grow, a smaller one does not."""
    volume = f"{boxed.name}-disk-boxed"
    docker("run", "--rm", "--network", "none", "-v", f"{volume}:/disks", "--entrypoint", "/bin/chown", VM_IMAGE,
        "-R", "0:0", "/disks")
    def disk_bytes():
        text = docker("run", "--rm", "--network", "none", "-v", f"{volume}:/disks:ro", "--entrypoint", "/usr/bin/qemu-img",
            VM_IMAGE, "info", "-U", "--output=json", "/disks/disk0.qcow2").stdout
        return json.loads(text)["virtual-size"]
    check_equal(disk_bytes(), 1 << 30, "size at first")
    boxed.define("boxed", mac=MAC, ip="192.168.100.10", arch="amd64", memory="256M", disks=[{"size": "3G"}])
    done = boxed.vmlab("up", "--no-wait", "boxed", timeout=120, check_rc=False)
    check(re.search(r"disk 0 grows from 1 GiB to 3 GiB", done.stdout), f"not told: {done.stdout}")
    eventually(lambda: disk_bytes() == 3 << 30, 10, "the disk has grown")
    began = time.monotonic()
    boxed.vmlab("down", "boxed", timeout=60) # perhaps before QEMU runs
    check(time.monotonic() - began < 30, "`down` just after `up` takes long")
    boxed.define("boxed", mac=MAC, ip="192.168.100.10", arch="amd64", memory="256M", disks=[{"size": "2G"}])
    done = boxed.vmlab("up", "--no-wait", "boxed", timeout=120, check_rc=False)
    check(re.search(r"disk 0 stays at 3 GiB", done.stdout) and "2 GiB disk" not in done.stdout,
        f"not told, or not the disk's real size: {done.stdout}")
    check_equal(disk_bytes(), 3 << 30, "size of a disk that was to shrink")
    vm = json.loads(boxed.vmlab("ls", "--json", "boxed").stdout)["vms"][0]
    check_equal((vm["disks_seen_bytes"], vm["disks_bytes"]), ([3 << 30], [2 << 30]), "sizes: seen, the definition's")
    wide = boxed.vmlab("ls", "--wide", "boxed").stdout
    check("3 GiB (wanted: 2 GiB)" in wide, wide)


def test_a_running_vm_whose_file_was_renamed_is_left_alone_by_up_and_found_by_its_new_name(boxed):
    os.unlink(os.path.join(boxed.vms, "boxed.json"))
    boxed.define("renamed", mac=MAC, ip="192.168.100.10", arch="amd64", memory="256M", disks=[{"size": "1G"}])
    began = docker("inspect", "-f", "{{.State.StartedAt}}", boxed.container("boxed")).stdout
    boxed.vmlab("up", "--no-wait", "renamed", timeout=120)
    check(TAP in boxed.taps(), "the running VM has lost its port")
    check_equal(docker("inspect", "-f", "{{.State.StartedAt}}", boxed.container("boxed")).stdout, began, "when it was started")
    check("renamed" in boxed.vmlab("ls").stdout and "boxed" not in boxed.vmlab("ls").stdout, boxed.vmlab("ls").stdout)
    check_equal(docker("ps", "-aq", "--filter", f"name={boxed.container('renamed')}").stdout, "", "a second container")
    os.unlink(os.path.join(boxed.vms, "renamed.json"))


def test_vmlab_rm_leaves_nothing_of_a_running_vm(boxed):
    boxed.vmlab("rm", "-y", "boxed", timeout=60)
    check_equal(boxed.taps(), [], "ports")
    volumes = docker("volume", "ls", "-q").stdout.split()
    check(f"{boxed.name}-disk-boxed" not in volumes, f"volumes: {volumes}")
