"""A machine that loses power right after it is told ready: what was in its memory alone is gone."""
import pytest

from kit.check import check, check_equal
from kit.command import docker
from kit.e2e_lab import BOOT_S, INSTALL_S

CUT = "52:54:00:e2:ef:01"
# What a system cannot do without; a file whose data was lost is there, and empty.
WHOLE = "sudo find /boot /etc /usr/bin /usr/lib/systemd /var/lib/dpkg/info -xdev -type f -empty | sort"


@pytest.mark.long
def test_its_next_boot_is_the_installed_system_with_everything_there(lab):
    lab.only_the_lab()
    lab.define("cut", mac=CUT, arch="amd64", distro="debian-13", memory="512M", disks=[{"size": "4G"}], hostname="cut-host",
        hooks={"post_install": ["#!/bin/sh\necho made >/etc/by-hook\n"]})
    lab.vmlab("up", "cut", timeout=INSTALL_S)
    docker("kill", lab.container("cut"))
    told = lab.vm("cut")
    check(told["ssh_host_keys"] and told["attempt"] == 1, f"{told}")
    try:
        docker("start", lab.container("cut"))
        lab.wait_state("cut", "installed", BOOT_S)
        lab.wait_state("cut", "ready", BOOT_S)
    finally:
        lab.save_console("cut", "cut")
    now = lab.vm("cut")
    check_equal((now["attempt"], now["ssh_host_keys"]), (1, told["ssh_host_keys"]), "attempt and host keys")
    check_equal(lab.ssh("cut", "hostname; cat /etc/by-hook"), "cut-host\nmade", "host name and hook")
    empty = lab.ssh("cut", WHOLE).split()
    print(empty)
    lost = [e for e in empty if "ssh_host" in e or e.startswith("/boot") or e in ("/etc/fstab", "/etc/passwd", "/etc/shadow", "/etc/machine-id")]
    check_equal(lost, [], "files that are empty")
    # Not content_with_itself(): cloud-init counts it as an error that its first stage has no network yet to tell of.
    check_equal(lab.ssh("cut", "systemctl list-units --failed --no-legend --plain"), "", "failed units")
    lab.ssh("cut", "sudo findmnt --verify --fstab >/dev/null")
    lab.remove_vm("cut")
