"""The system that was installed, seen from inside."""
import json
import os
import re
import signal
import subprocess

import pytest

from kit.browser import Browser, why_not
from kit.check import check, check_equal, eventually
from kit.vmlab_cli import BINARY
from kit.e2e_lab import WEB6


def test_in_the_guest_host_name_user_sudo_authorized_key(lab, web):
    check_equal(lab.ssh("web", "hostname; hostname -f"), "web-host\nweb-host.pvmlab.local", "hostname")
    check_equal(lab.ssh("web", "id -un"), "lab", "user")
    check_equal(lab.ssh("web", "sudo -n id -u"), "0", "uid under sudo")
    keys = lab.ssh("web", "cat ~/.ssh/authorized_keys")
    with open(os.path.join(lab.dir, "home", "authorized_keys")) as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                check(line.split()[1] in keys, f"the operator's key is not authorized: {line}")
    check("192.168.100.10/" in lab.ssh("web", "ip -4 -o addr"), "the address is not the declared one")
    eventually(lambda: WEB6 + "/" in lab.ssh("web", "ip -6 -o addr"), 30, "it has the declared IPv6 address", every=2)


def test_in_the_guest_gpt_a_512_mib_esp_the_rest_is_root_fstab_by_uuid(lab, web):
    table = json.loads(lab.ssh("web", "sudo sfdisk -J /dev/vda"))["partitiontable"]
    check_equal(table["label"], "gpt", "partition table")
    parts = table["partitions"]
    sector = table.get("sectorsize", 512)
    check_equal(len(parts), 2, "partitions")
    check_equal(parts[0]["type"].upper(), "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "type of the first")
    check_equal(parts[0]["size"] * sector, 512 << 20, "size of the ESP")
    check(parts[1]["size"] * sector > (4 << 30) - (512 << 20) - (4 << 20), f"root is not the rest: {parts[1]}")
    devices = json.loads(lab.ssh("web", "lsblk -J -o NAME,UUID,MOUNTPOINT,FSTYPE"))["blockdevices"]
    children = {c["mountpoint"]: c for d in devices if d["name"] == "vda" for c in d["children"]}
    check("/" in children and "/boot/efi" in children, f"mounts: {children}")
    fstab = [l.split() for l in lab.ssh("web", "cat /etc/fstab").splitlines() if l and not l.startswith("#")]
    mounts = {f[1]: f[0] for f in fstab}
    for where in ("/", "/boot/efi"):
        check_equal(mounts.get(where), f"UUID={children[where]['uuid']}", f"fstab's {where}")


def test_in_the_guest_cloud_init_is_done_the_seed_is_0600(lab, web):
    status = lab.ssh("web", "cloud-init status --wait --format json", timeout=120)
    check_equal(json.loads(status)["status"], "done", f"cloud-init: {status}; status")
    check(not json.loads(status).get("errors"), f"cloud-init's errors: {status}")
    modes = lab.ssh("web", "sudo find /var/lib/cloud/seed/nocloud -type f -printf '%m %f\\n'").splitlines()
    check(modes, "there is no NoCloud seed")
    check(all(line.startswith("600 ") for line in modes), f"modes: {modes}")
    check({"meta-data", "user-data"} <= {line.split()[1] for line in modes}, f"files: {modes}")


def test_in_the_guest_the_hook_ran_as_root_in_the_new_system_and_the_log_has_what_it_said(lab, web):
    check_equal(lab.ssh("web", "cat /etc/by-hook"), "made", "what the hook wrote")
    check("hook: uid 0 in debian" in lab.vmlab("logs", "--installer", "web").stdout, "its output is not in the log")


def test_in_the_guest_no_password_anywhere_root_locked_sshd_takes_keys_only(lab, web):
    for line in lab.ssh("web", "sudo cat /etc/shadow").splitlines():
        user, secret = line.split(":")[:2]
        check(not secret.startswith("$") and secret != "", f"{user} has a password: {secret[:4]}…")
        if user in ("root", "lab"):
            check(secret.startswith("!") or secret.startswith("*"), f"{user} is not locked: {secret!r}")
    settings = lab.ssh("web", "sudo sshd -T").lower()
    check("passwordauthentication no" in settings, "sshd takes passwords")


def test_in_the_guest_the_network_is_still_first_in_the_firmwares_boot_order(lab, web):
    text = lab.ssh("web", "sudo efibootmgr")
    order = re.search(r"BootOrder: ([0-9A-F,]+)", text)
    check(order, f"no boot order:\n{text}")
    names = {m.group(1): m.group(2) for m in re.finditer(r"Boot([0-9A-F]{4})\*? ([^\t\n]*)", text)}
    listed = [names.get(number, "?") for number in order.group(1).split(",")]
    pxe = next((i for i, n in enumerate(listed) if re.search(r"PXE|IPv4|Net", n, re.I)), None)
    ours = next((i for i, n in enumerate(listed) if re.search(r"debian|vmlab", n, re.I)), None)
    check(pxe is not None, f"no network entry:\n{text}")
    check(ours is not None, f"the installer left no entry of its own:\n{text}")
    check(pxe < ours, f"the disk comes before the network: {listed}")
    current = re.search(r"BootCurrent: ([0-9A-F]+)", text)
    print(f"boot order: {', '.join(listed[:5])}; started from {names.get(current.group(1)) if current else '?'}",
        flush=True)


def test_in_the_guest_boots_by_grubs_removable_path_too_initramfs_matches_the_kernel(lab, web):
    efi = lab.ssh("web", "sudo find /boot/efi -type f").lower()
    check("/boot/efi/efi/boot/bootx64.efi" in efi, f"no removable path:\n{efi}")
    kernel = lab.ssh("web", "uname -r")
    lab.ssh("web", f"test -e /boot/vmlinuz-{kernel} -a -e /boot/initrd.img-{kernel}")
    check("root=UUID=" in lab.ssh("web", "cat /proc/cmdline"), "root is not by UUID")


def test_in_the_guest_names_of_the_lab_resolve_the_world_is_reached_through_the_lab(lab, web):
    check("192.168.100.10" in lab.ssh("web", "getent ahostsv4 web.pvmlab.local"), "web.pvmlab.local")
    check("192.168.100.1" in lab.ssh("web", "ip -4 route show default"), "no default route")


def test_in_the_guest_no_unit_failed(lab, web):
    failed = lab.ssh("web", "systemctl list-units --failed --no-legend --plain")
    check_equal(failed, "", "failed units")


@pytest.mark.long
def test_in_the_browser_one_logs_in_over_its_serial_console_and_its_log_is_the_containers(lab, web):
    reason = why_not()
    if reason:
        pytest.skip(reason)
    served = subprocess.Popen([BINARY, "dashboard", "--no-open"], cwd=lab.dir, env=lab.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, text=True)
    lab.scope.cleanup(served.kill)
    base, secret = re.fullmatch(r"(http://[^/]+)(/login/.*)\n", served.stdout.readline()).groups()
    browser = Browser(lab.scope, os.getpid(), base)
    browser.use(name="console")
    browser.goto(path=secret)
    browser.wait(until="location.pathname === '/machines'")
    browser.goto(path="/machines/web/console")
    screen = "document.querySelector('.xterm-rows')?.innerText"
    lab.ssh("web", "echo lab:over-the-console | sudo chpasswd")
    try:
        browser.click(on="#terminal")
        for typed, shown in (("", "login:"), ("lab", "Password:"), ("over-the-console", "lab@web-host"), ("echo $((40 + 2))-there", "42-there")):
            for key in (*typed, "Enter"):
                browser.press(key="Space" if key == " " else key)
            browser.wait(until=f"{screen}.includes({json.dumps(shown)})", ms=60000)
        browser.shot("console-vm")
        for key in (*"exit", "Enter"):
            browser.press(key=key)
        browser.wait(until=f"{screen}.trimEnd().endsWith('login:')", ms=60000)
    finally:
        lab.ssh("web", "sudo passwd --lock lab")
    notes = browser.notes()
    check_equal((notes["dialogs"], notes["errors"]), (0, []), "dialogs, errors")
    check("42-there" in lab.console("web"), "the container's log does not have it")
    browser.close()
    served.send_signal(signal.SIGINT)
    served.communicate(timeout=10)
