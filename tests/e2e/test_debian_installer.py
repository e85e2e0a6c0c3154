"""Debian's own installer, started over PXE and answered by a generated preseed; what it makes of a
definition is what our installer makes of it.
"""
import json
import os
import time

import pytest

from kit import debian_archive
from kit.archive_relay import ArchiveRelay
from kit.calls import heard_in
from kit.check import check, check_equal, eventually
from kit.command import tail
from kit.e2e_lab import INSTALL_S
from kit.screen import screen_of

SUITES = {"12": "bookworm", "13": "trixie"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3qNw6yT0aBQ0Qdl4f2mTm7aK1r5wD3sXj8oZ9pV7bT ann@elsewhere"
WANTED = {"arch": "amd64", "hostname": "made-host", "cpus": 2, "memory": "1G", "disks": [{"size": "8G"}],
    "users": [{"name": "ann", "gecos": "Ann Other", "shell": "/bin/bash", "groups": ["adm"], "sudo": "ALL=(ALL) NOPASSWD:ALL",
        "ssh_authorized_keys": [KEY]}, {"name": "bob", "gecos": "Bob", "shell": "/bin/sh"}],
    "packages": ["tree", "jq"],
    "storage": {"swap": "512M", "partitions": [{"mount": "/srv/data", "size": "1G", "fs": "ext4", "label": "data"}]},
    "runcmd": ["echo by runcmd >/etc/by-runcmd"],
    "hooks": {"post_install": ["#!/bin/sh\n. /etc/os-release\necho \"uid $(id -u) in $ID $VERSION_ID\" >/etc/by-hook\n"]}}
BOOTS_S, WHOLE_S = 900, 5400 # of an emulated machine that has little of two processors
DISK = "sudo lsblk -J -b -o NAME,TYPE,SIZE,FSTYPE,MOUNTPOINT,LABEL /dev/vda"


@pytest.fixture(scope="module")
def archive(lab):
    lab.only_the_lab()
    relay = ArchiveRelay(lab)
    lab.scope.log_on_failure(relay.log)
    yield relay
    relay.close()


def initrd_of(lab, image):
    return os.path.join(lab.images, image, "amd64", "initrd-1")


def install(lab, release, name, mac, ip, **how):
    image = f"debian-installer-{release}"
    lab.only_the_lab()
    lab.build_image(image)
    lab.define(name, mac=mac, ip=ip, **(how or {"mode": "boot", "image": image, "unattended": True}), **WANTED)
    time.sleep(1)
    lab.start_vm(name, mac, disk_bytes=8 << 30, memory_mib=1024)


def all_events(lab, name):
    return lab.api(f"/api/v1/events?vm={name}&limit=1000")["events"]


def events(lab, name):
    return [(e["kind"], e["phase"], e["source"]) for e in all_events(lab, name)]


def log(lab, name):
    return lab.vm(name)["log"]


def waits_for(lab, name, what, seconds):
    """Until the machine's log holds that; a failed installation ends the waiting with its reason."""
    def there():
        vm = lab.vm(name)
        return vm["state"] == "failed" or what in vm["log"]
    eventually(there, seconds, f"{what!r} is in the log of {name}", every=2)
    vm = lab.vm(name)
    check(vm["state"] != "failed", lambda: f"{name} failed: {vm['error']}\n{tail(vm['log'], 3000)}")


@pytest.mark.timeout(BOOTS_S + 300)
def test_chosen_at_the_menu_it_takes_our_preseed_and_calls_back_and_its_syslog_is_progress(lab, archive):
    mac, item = "52:54:00:e2:d1:01", "debian-installer-13:unattended"
    with heard_in(archive.namespace) as heard:
        install(lab, "13", "by-di", mac, "192.168.100.61", mode="menu", menu_default=item, menu_timeout=0)
        try:
            with screen_of(lab, "by-di") as screen:
                screen.shows(r"(?s)what shall it boot\?.*install by debian-installer-13, unattended", BOOTS_S)
                screen.types(b"\r")
                screen.shows("by-di is installed by debian-installer-13", BOOTS_S)
            waits_for(lab, "by-di", f"successfully loaded preseed file from http://192.168.100.1/unattended/{mac}", BOOTS_S)
            eventually(lambda: (mac, "POST", f"/report/{mac}") in heard, 60, "the preseed's first command calls back")
            waits_for(lab, "by-di", "Menu item 'localechooser' selected", 300)
        finally:
            lab.save_console("by-di", "by-di")
            lab.remove_vm("by-di")
    check(("phase", "config", "syslog") in events(lab, "by-di"), f"events: {events(lab, 'by-di')}")
    chosen = [e["text"] for e in all_events(lab, "by-di") if e["kind"] == "choice"]
    check_equal(chosen, [item], "the events of choices")
    vm = lab.vm("by-di")
    check_equal((vm["state"], vm["phase"]), ("installing", "config"), "state")


# ---- a whole installation, compared with ours ---------------------------------------------------


def ssh(lab, name, command):
    """Without cloud-init nobody has told the host's keys."""
    return lab.vmlab("ssh", "--unverified", name, command, timeout=120).stdout.strip()


def people(lab, name):
    lines = [line.split(":") for line in ssh(lab, name, "getent passwd").splitlines()]
    return {f[0]: (f[4].rstrip(","), f[5], f[6], set(ssh(lab, name, f"id -nG {f[0]}").split()) - {f[0]})
        for f in lines if 1000 <= int(f[2]) < 60000}


def partitions(lab, name):
    """{mount point: (file system, label, MiB)} of the disk."""
    found, left = {}, json.loads(ssh(lab, name, DISK))["blockdevices"][0]["children"]
    for part in left:
        place = part["mountpoint"]
        found[place] = (part["fstype"], part["label"] if place == "/srv/data" else None, int(part["size"]) >> 20)
    return found


def facts(lab, name):
    return {
        "host name": ssh(lab, name, "hostname"),
        "people": people(lab, name),
        "keys": KEY in ssh(lab, name, "sudo cat ~ann/.ssh/authorized_keys"),
        "sudo": ssh(lab, name, "sudo -n -l -U ann | tail -n 1 | tr -s ' '"),
        "locked": ssh(lab, name, "sudo passwd -S root | cut -d' ' -f2; sudo passwd -S bob | cut -d' ' -f2"),
        "packages": ssh(lab, name, "dpkg-query -W -f '${Package} ${db:Status-Status}\\n' tree jq"),
        "hook": ssh(lab, name, "cat /etc/by-hook"),
        "runcmd": ssh(lab, name, "cat /etc/by-runcmd"),
    }


def alike(one, other):
    """Partitions: the same places and file systems, and sizes as near as megabytes and mebibytes are."""
    check_equal({place: part[:2] for place, part in one.items()}, {place: part[:2] for place, part in other.items()}, "partitions")
    for place, part in one.items():
        check(abs(part[2] - other[place][2]) <= max(other[place][2] * 0.06, 40), f"{place}: {part[2]} MiB, {other[place][2]} MiB")


@pytest.mark.long
@pytest.mark.timeout(WHOLE_S + 3 * INSTALL_S)
@pytest.mark.parametrize("release", SUITES)
def test_whole_it_makes_the_same_system_as_our_installer(lab, archive, release):
    lab.build_image(f"debian-installer-{release}")
    debian_archive.need_consistent(SUITES[release], "amd64", initrd_of(lab, f"debian-installer-{release}"))
    name, mac = f"whole{release}", f"52:54:00:e2:d3:{release}"
    install(lab, release, name, mac, "192.168.100.63")
    try:
        lab.wait_state(name, "installed", WHOLE_S)
        seen = [phase for kind, phase, _ in events(lab, name) if kind == "phase"]
        wanted = ["config", "partition", "rootfs", "configure", "bootloader", "hooks"]
        check_equal([phase for phase in seen if phase in wanted], wanted, f"phases in {seen}")
        eventually(lambda: ssh(lab, name, "true") == "", 600, "the disk boots, and SSH answers", every=5)
        theirs, their_disk = facts(lab, name), partitions(lab, name)
    finally:
        lab.save_console(name, name)
        lab.remove_vm(name)
    check_equal(theirs["hook"], f"uid 0 in debian {release}", "what the hook wrote")
    lab.build_image(f"debian-{release}")
    lab.define("ours" + release, mac=f"52:54:00:e2:d4:{release}", distro=f"debian-{release}", ip="192.168.100.64", **WANTED)
    lab.start_vm("ours" + release, f"52:54:00:e2:d4:{release}", disk_bytes=8 << 30, memory_mib=1024)
    try:
        lab.wait_state("ours" + release, "ready", 3 * INSTALL_S)  # and its packages are installed over the network
        check_equal(theirs, facts(lab, "ours" + release), "what their installer made of it, and ours")
        alike(their_disk, partitions(lab, "ours" + release))
    finally:
        lab.remove_vm("ours" + release)
