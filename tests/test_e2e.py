#!/usr/bin/python3
"""test_e2e.py - VMs from power-on to ready through `vmlab`, over real PXE, with the network first in
their boot order for ever.

Needs the images pxeboot_stack:latest and vmlab_vm:latest, images/debian-13/amd64, and the vmlab
program (build/amd64/release/vmlab/vmlab, $VMLAB or on the PATH). One VM serves many tests; under
emulation each installation takes about two and a half minutes on two cores.
"""
import json
import os
import pty
import re
import subprocess
import sys
import tarfile
import time

import vmlab_cli
from harness import LOGS, ROOT, Suite, check, check_equal, docker, eventually, fail, have_image, run, skip, tail
from raw_disk import esp_of
from vmlab_cli import IMAGES, STACK_IMAGE, VM_IMAGE, VmLab

suite = Suite("e2e", __doc__)
lab = VmLab(suite)
facts = {}

WEB = "52:54:00:e2:e0:01"
WEB6 = "fd56:6d6c:6162::10"
STRANGER = "52:54:00:e2:e0:02"
TINY = "52:54:00:e2:e0:03"
INSTALL_S = int(os.environ.get("VMLAB_TEST_INSTALL_SECONDS", "420"))
BOOT_S = 240

HAVE = "what is needed is there"
DEFINED = "`vmlab validate` accepts the definition and refuses a broken one"
READY = "`vmlab up` brings a 512 MiB VM from power-on to ready"


@suite.test(HAVE)
def _():
    missing = []
    for image in (STACK_IMAGE, VM_IMAGE):
        if not have_image(image):
            missing.append(f"container image {image} (`make load`)")
    if not os.path.exists(os.path.join(IMAGES, "debian-13", "amd64", "manifest.json")):
        missing.append("images/debian-13/amd64 (`vmlab image build debian-13`)")
    if run([vmlab_cli.BINARY, "--version"], check_rc=False).returncode != 0:
        missing.append("the program vmlab (`make vmlab`)")
    check(not missing, "missing: " + ", ".join(missing))
    lab.link_image("debian-13")


def save_console(name, label):
    os.makedirs(LOGS, exist_ok=True)
    with open(os.path.join(LOGS, f"e2e-{label}.console"), "w") as f:
        f.write(lab.console(name))


# ---- one VM's life -------------------------------------------------------------------------------

def define_web(**fields):
    lab.define("web", mac=WEB, ipv6=WEB6, arch="amd64", distro="debian-13", cpus=2, memory="512M",
        disks=[{"size": "4G"}], hostname="web-host", **fields,
        hooks={"post_install": ["#!/bin/sh\n. /etc/os-release\necho \"hook: uid $(id -u) in $ID\"\necho made >/etc/by-hook\n"]})


@suite.test(DEFINED, needs=[HAVE])
def _():
    define_web(ip="192.168.100.10")
    lab.vmlab("validate")
    with open(os.path.join(lab.vms, "broken.json"), "w") as f:
        f.write('{"name": "broken",\n "mac": "nonsense"}\n')
    done = lab.vmlab("validate", check_rc=False)
    os.unlink(os.path.join(lab.vms, "broken.json"))
    check(done.returncode != 0, "validate says nothing about a broken MAC")
    check(re.search(r"broken\.json:2", done.stdout + done.stderr), f"no file and line: {done.stdout} {done.stderr}")


@suite.test("`vmlab plan` prints the partitions, and refuses a disk that is too small", needs=[HAVE])
def _():
    lab.define("planned", mac="52:54:00:e2:e0:04", arch="amd64", distro="debian-13", disks=[{"size": "8G"}],
        storage={"root": {"fs": "xfs"}, "swap": "1G"})
    text = lab.vmlab("plan", "planned", "--disk", "20G").stdout
    check(re.search(r"2 +swap +swap +1\.0 GiB.*\n +3 +/ +xfs +18\.5 GiB", text), f"not the layout:\n{text}")
    done = lab.vmlab("plan", "planned", "--disk", "1G", check_rc=False)
    os.unlink(os.path.join(lab.vms, "planned.json"))
    check_equal(done.returncode, 1, "exit status")
    check("too small" in done.stderr and "at least" in done.stderr, done.stderr)


@suite.test(READY, needs=[DEFINED])
def _():
    began = time.monotonic()
    done = lab.vmlab("up", "web", timeout=INSTALL_S)
    facts["install_s"] = time.monotonic() - began
    save_console("web", "web")
    vm = lab.vm("web")
    check_equal(vm["state"], "ready", f"state after `vmlab up`: {tail(done.stdout)}")
    check_equal(vm["attempt"], 1, "attempt")
    check("ssh" in done.stdout, f"does not say how to log in: {tail(done.stdout)}")
    print(f"       ready {facts['install_s']:.0f} s after `vmlab up`", flush=True)


@suite.test("each stage is in the event list, in order", needs=[READY])
def _():
    def in_order():
        events = [(e["kind"], e["phase"] if e["kind"] == "phase" else e["text"])
            for e in lab.api("/api/v1/events?vm=web&limit=1000")["events"]]
        at = -1
        for wanted in (("ipxe", "install"), ("phase", "partition"), ("phase", "rootfs"), ("phase", "bootloader"),
                ("state", "installed"), ("ipxe", "local"), ("state", "ready")):
            check(wanted in events[at + 1:], f"no event {wanted} after number {at}: {events}")
            at = events.index(wanted, at + 1)
        return True
    eventually(in_order, 3, "all events are there")


@suite.test("the serial console is the container's log", needs=[READY])
def _():
    text = lab.console("web")
    check("iPXE" in text, "no iPXE in the log")
    check("web-host login:" in text or "Debian" in text, "no login prompt in the log")


@suite.test("in the guest: host name, user, sudo, authorized key", needs=[READY])
def _():
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


@suite.test("in the guest: GPT, a 512 MiB ESP, the rest is root, fstab by UUID", needs=[READY])
def _():
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


@suite.test("in the guest: cloud-init is done, the seed is 0600", needs=[READY])
def _():
    status = lab.ssh("web", "cloud-init status --wait --format json", timeout=120)
    check_equal(json.loads(status)["status"], "done", f"cloud-init: {status}; status")
    check(not json.loads(status).get("errors"), f"cloud-init's errors: {status}")
    modes = lab.ssh("web", "sudo find /var/lib/cloud/seed/nocloud -type f -printf '%m %f\\n'").splitlines()
    check(modes, "there is no NoCloud seed")
    check(all(line.startswith("600 ") for line in modes), f"modes: {modes}")
    check({"meta-data", "user-data"} <= {line.split()[1] for line in modes}, f"files: {modes}")


@suite.test("in the guest: the hook ran as root in the new system, and the log has what it said", needs=[READY])
def _():
    check_equal(lab.ssh("web", "cat /etc/by-hook"), "made", "what the hook wrote")
    check("hook: uid 0 in debian" in lab.vmlab("logs", "--installer", "web").stdout, "its output is not in the log")


@suite.test("in the guest: no password anywhere, root locked, sshd takes keys only", needs=[READY])
def _():
    for line in lab.ssh("web", "sudo cat /etc/shadow").splitlines():
        user, secret = line.split(":")[:2]
        check(not secret.startswith("$") and secret != "", f"{user} has a password: {secret[:4]}…")
        if user in ("root", "lab"):
            check(secret.startswith("!") or secret.startswith("*"), f"{user} is not locked: {secret!r}")
    settings = lab.ssh("web", "sudo sshd -T").lower()
    check("passwordauthentication no" in settings, "sshd takes passwords")


@suite.test("in the guest: the network is still first in the firmware's boot order", needs=[READY])
def _():
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
    print(f"       boot order: {', '.join(listed[:5])}; started from {names.get(current.group(1)) if current else '?'}",
        flush=True)


@suite.test("in the guest: boots by GRUB's removable path too, initramfs matches the kernel", needs=[READY])
def _():
    efi = lab.ssh("web", "sudo find /boot/efi -type f").lower()
    check("/boot/efi/efi/boot/bootx64.efi" in efi, f"no removable path:\n{efi}")
    kernel = lab.ssh("web", "uname -r")
    lab.ssh("web", f"test -e /boot/vmlinuz-{kernel} -a -e /boot/initrd.img-{kernel}")
    check("root=UUID=" in lab.ssh("web", "cat /proc/cmdline"), "root is not by UUID")


@suite.test("in the guest: names of the lab resolve, the world is reached through the lab", needs=[READY])
def _():
    check("192.168.100.10" in lab.ssh("web", "getent ahostsv4 web.pvmlab.local"), "web.pvmlab.local")
    check("192.168.100.1" in lab.ssh("web", "ip -4 route show default"), "no default route")


@suite.test("in the guest: no unit failed", needs=[READY])
def _():
    failed = lab.ssh("web", "systemctl list-units --failed --no-legend --plain")
    check_equal(failed, "", "failed units")


@suite.test("`vmlab ls`, `logs` and `wait` tell the same", needs=[READY])
def _():
    listed = json.loads(lab.vmlab("ls", "--json").stdout)
    vms = listed["vms"] if isinstance(listed, dict) else listed
    check([v for v in vms if v["name"] == "web" and v["state"] == "ready"], f"ls --json: {listed}")
    check("ready" in lab.vmlab("ls").stdout, "ls does not show the state")
    lab.vmlab("wait", "web", "--for", "ready", timeout=10)
    log = lab.vmlab("logs", "--installer", "web").stdout
    check("rootfs" in log, f"the install log is not kept: {tail(log, 400)}")
    check("log" in lab.vm("web") and lab.vm("web")["log"], "the API has no install log")


@suite.test("Ctrl-] leaves the console with status 0, and the VM goes on", needs=[READY])
def _():
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(vmlab_cli.BINARY, [vmlab_cli.BINARY, "console", "web"], lab.env)
    shown = os.read(terminal, 4096).decode(errors="replace")
    time.sleep(2)
    os.write(terminal, b"\x1d")
    status = eventually(lambda: (found := os.waitpid(pid, os.WNOHANG))[0] and found, 20, "the console is left")[1]
    os.close(terminal)
    check("Ctrl-]" in shown, f"it does not say how to leave it: {shown!r}")
    check_equal(os.waitstatus_to_exitcode(status), 0, "exit status")
    check_equal(docker("inspect", "-f", "{{.State.Running}}", lab.container("web")).stdout.strip(), "true", "running")


@suite.test("`vmlab events` tells the way and how long each stage took", needs=[READY])
def _():
    text = lab.vmlab("events", "web").stdout
    for wanted in ("iPXE: loads the installer", "installer: rootfs", "ready", "disk boot", "total"):
        check(wanted in text, f"no {wanted!r} in:\n{text}")
    check(re.search(r"\+ +[0-9.]+ s  installer: partition", text), text)


@suite.test("up again changes nothing", needs=[READY])
def _():
    before = docker("inspect", "-f", "{{.Id}}", lab.container("web")).stdout
    lab.vmlab("up", "web", timeout=60)
    check_equal(docker("inspect", "-f", "{{.Id}}", lab.container("web")).stdout, before, "container")
    check_equal(lab.vm("web")["attempt"], 1, "attempt")


REBOOT = "a reboot: over the network to its own disk, same machine, same files"


@suite.test(REBOOT, needs=[READY])
def _():
    lab.ssh("web", "sudo touch /var/lib/kept; sync")
    before = lab.ssh("web", "cat /proc/sys/kernel/random/boot_id")
    last = lab.api("/api/v1/events?vm=web")["last"]
    began = time.monotonic()
    lab.ssh("web", "sudo systemctl reboot", check_rc=False)
    def back():
        done = lab.vmlab("ssh", "web", "cat /proc/sys/kernel/random/boot_id", check_rc=False, timeout=30)
        return done.returncode == 0 and done.stdout.strip() != before
    eventually(back, BOOT_S, "the guest answers with another boot id", every=3)
    print(f"       back after {time.monotonic() - began:.0f} s", flush=True)
    texts = [(e["kind"], e["text"]) for e in lab.api(f"/api/v1/events?vm=web&after={last}")["events"]]
    check(("ipxe", "local") in texts, f"it did not come by the network: {texts}")
    check(("ipxe", "install") not in texts, f"it was installed again: {texts}")
    lab.ssh("web", "test -e /var/lib/kept")
    check_equal(lab.vm("web")["state"], "ready", "state")


REINSTALL = "`vmlab reinstall`: attempt 2, a new system, ready, and what its first boot could not do is said"


@suite.test(REINSTALL, needs=[READY])
def _():
    began = time.monotonic()
    # No "ip" any more: firmware, installer and system have to get one address all the same.
    define_web(users=["default", {"name": "ann"}], runcmd=["echo ran >/etc/ran; exit 3"],
        write_files=[{"path": "/etc/late", "owner": "ann:ann", "content": "x\n"}, {"path": "/etc/after", "content": "y\n"}])
    done = lab.vmlab("reinstall", "-y", "--wait", "web", timeout=INSTALL_S, check_rc=False)
    vm = lab.vm("web")
    check_equal((done.returncode, vm["state"]), (1, "ready"), f"status and state: {tail(done.stdout + done.stderr)}")
    check_equal(vm["cloud_init"]["status"], "error", str(vm["cloud_init"]))
    check(re.search(r"runcmd|scripts", done.stdout + done.stderr), f"the error is not shown: {tail(done.stdout + done.stderr)}")
    check("with errors" in lab.vmlab("ls", "web").stdout, lab.vmlab("ls", "web").stdout)
    print(f"       ready after {time.monotonic() - began:.0f} s", flush=True)
    save_console("web", "web-reinstalled")
    check_equal(lab.vm("web")["attempt"], 2, "attempt")
    check_equal(lab.ssh("web", "hostname"), "web-host", "hostname")
    check_equal(lab.ssh("web", "test -e /var/lib/kept && echo old || echo new"), "new", "system")
    check_equal(lab.ssh("web", "id -un; stat -c %U:%G /etc/late; cat /etc/after /etc/ran"), "debian\nann:ann\ny\nran",
        "the image's own user, a file of a later user, the file and the command after it")
    kinds = {e["kind"] for e in lab.api("/api/v1/events?vm=web&limit=1000")["events"]}
    check("cloud-init" in kinds, f"no event of a stage of cloud-init: {kinds}")


@suite.test("one address from PXE to the installed system, and the declared IPv6 one after a reinstall", needs=[REINSTALL])
def _():
    vm = lab.vm("web")
    check_equal(vm["declared_ip"], None, "declared address")
    check(f" {vm['ip']}/" in lab.ssh("web", "ip -4 -o addr"), f"the API says {vm['ip']}, the guest has another")
    events = lab.api("/api/v1/events?vm=web&limit=1000")["events"]
    ordered = max(i for i, e in enumerate(events) if (e["kind"], e["text"]) == ("action", "reinstall"))
    since = {e["text"] for e in events[ordered:] if e["kind"] == "dhcp" and ":" not in e["text"]}
    check_equal(since, {vm["ip"]}, "addresses given since the reinstall was ordered")
    eventually(lambda: WEB6 + "/" in lab.ssh("web", "ip -6 -o addr"), 30, "the new system has the declared IPv6 address", every=2)
    check_equal(lab.vm("web")["ipv6"], WEB6, "IPv6 address in the API")


FORGOTTEN = "a lab that lost its state leaves what is installed alone"


@suite.test(FORGOTTEN, needs=[READY])
def _():
    lab.ssh("web", "sudo touch /var/lib/kept-too; sync")
    stack = f"{lab.name}-stack"
    docker("exec", stack, "find", "/state", "-mindepth", "1", "-delete")
    docker("restart", "-t", "5", stack, timeout=90)
    eventually(lambda: lab.vm("web")["state"] == "declared", 60, "the state is forgotten", every=0.5)
    began = time.monotonic()
    docker("restart", "-t", "0", lab.container("web"), timeout=90)
    lab.wait_state("web", "installed", BOOT_S)
    said = lab.vmlab("logs", "--installer", "web").stdout
    check("already installed" in said, f"the installer's log: {tail(said, 600)}")
    eventually(lambda: lab.vmlab("ssh", "--unverified", "web", "test -e /var/lib/kept-too", check_rc=False,
        timeout=30).returncode == 0, BOOT_S, "the system of before answers", every=2)
    print(f"       back after {time.monotonic() - began:.0f} s", flush=True)


@suite.test("`vmlab down` ends it by an orderly shutdown", needs=[READY])
def _():
    lab.vmlab("down", "web", timeout=120)
    states = docker("ps", "-a", "--filter", f"name={lab.container('web')}", "--format", "{{.State}}").stdout.split()
    check(states in ([], ["exited"]), f"container state: {states}")
    if states:
        check(re.search(r"Power down|reboot: Power|Reached target.*(poweroff|Power-Off)", lab.console("web")),
            f"no shutdown on the console: {tail(lab.console('web'), 600)}")


# ---- what must not install -------------------------------------------------------------------------

WAITS = "an unknown machine waits at PXE and shows its MAC"


def only_the_lab():
    """The lab's network and stack run, and no VM that takes the processor away."""
    for name in docker("ps", "--filter", f"name={lab.name}-vm-", "--format", "{{.Names}}").stdout.split():
        docker("stop", "-t", "5", name, check_rc=False)
    if not docker("ps", "--filter", f"name={lab.name}-stack", "-q").stdout.strip():
        lab.vmlab("up", "--no-wait", timeout=90)


@suite.test(WAITS, needs=[HAVE])
def _():
    only_the_lab()
    lab.start_vm("stray", STRANGER)
    lab.wait_console("stray", STRANGER, 120)


NO_IMAGE = "its file appears, but no image: it says which one, and waits"


@suite.test(NO_IMAGE, needs=[WAITS])
def _():
    lab.define("stray", mac=STRANGER, arch="amd64", distro="nosuch-9", disks=[{"size": "4G"}])
    lab.wait_console("stray", r"nosuch-9", 60)
    vm = lab.vm("stray")
    check_equal((vm["state"], vm["outlook"]["stage"]), ("waiting", "no image"), "state")


WRONG_HASH = "a rootfs with the wrong hash: starts by itself, ends failed with the reason"


@suite.test(WRONG_HASH, needs=[NO_IMAGE])
def _():
    def spoil(manifest):
        digest = manifest["rootfs"]["sha256"]
        manifest["rootfs"]["sha256"] = ("0" if digest[0] != "0" else "1") + digest[1:]
        chunks = manifest["rootfs"].get("chunks")
        if chunks:
            chunks[-1] = ("0" if chunks[-1][0] != "0" else "1") + chunks[-1][1:]
    lab.link_image("spoiled-1", change=spoil)
    lab.define("stray", mac=STRANGER, arch="amd64", distro="spoiled-1", disks=[{"size": "4G"}])
    eventually(lambda: lab.vm("stray")["state"] in ("installing", "failed"), 120, "the install starts by itself",
        every=1)
    vm = eventually(lambda: (v := lab.vm("stray"))["state"] == "failed" and v, INSTALL_S, "state failed", every=1)
    save_console("stray", "wrong-hash")
    check_equal(vm["error"]["phase"], "rootfs", f"{vm['error']}; phase")
    check(re.search(r"sha-?256|digest|hash", vm["error"]["reason"], re.I), str(vm["error"]))
    check(vm["log"], "no installer log is kept")
    lab.wait_console("stray", r"(?i)sha-?256|digest|hash", 10)


FAILED_WAITS = "after that the machine comes back over PXE, says why, and waits"


@suite.test(FAILED_WAITS, needs=[WRONG_HASH])
def _():
    since = str(int(time.time()))
    docker("restart", "-t", "3", lab.container("stray"), timeout=60)
    lab.wait_console("stray", r"(?i)fail.*", 120, since)
    lab.wait_console("stray", r"(?i)sha-?256|digest|hash", 20, since)
    time.sleep(15)
    check_equal(lab.vm("stray")["state"], "failed", "state")
    check("Linux version" not in lab.console("stray", since), "it booted something")


def check_no_boot_file(name):
    """Stops the VM; its disk has nothing that firmware would start."""
    docker("stop", "-t", "3", lab.container(name), timeout=60)
    raw = os.path.join(suite.tempdir(), name + ".raw")
    lab.raw_disk(name, raw)
    esp = esp_of(raw)
    if esp:
        with open(raw, "rb") as f:
            f.seek(esp[0])
            for _ in range(0, esp[1], 1 << 20):
                check(b"BOOTX64 EFI" not in f.read(1 << 20), "the ESP holds EFI/BOOT/BOOTX64.EFI")
    os.unlink(raw)


@suite.test("the disk of the failed install cannot be booted", needs=[FAILED_WAITS])
def _():
    check_no_boot_file("stray")
    lab.remove_vm("stray")


def check_untouched(name):
    """The VM's disk holds nothing but zeros; VM and definition are gone afterwards."""
    docker("stop", "-t", "3", lab.container(name), timeout=60)
    raw = os.path.join(suite.tempdir(), name + ".raw")
    lab.raw_disk(name, raw)
    with open(raw, "rb") as f:
        while piece := f.read(1 << 20):
            check(not piece.strip(b"\0"), "something was written")
    os.unlink(raw)
    lab.remove_vm(name)
    os.unlink(os.path.join(lab.vms, name + ".json"))


@suite.test("a disk too small is refused before the first write", needs=[HAVE])
def _():
    only_the_lab()
    lab.define("tiny", mac=TINY, arch="amd64", distro="debian-13", disks=[{"size": "600M"}])
    time.sleep(1)
    lab.start_vm("tiny", TINY, disk_bytes=600 << 20)
    vm = eventually(lambda: (v := lab.vm("tiny"))["state"] in ("failed", "installed") and v, INSTALL_S,
        "state failed", every=1)
    save_console("tiny", "tiny")
    check_equal(vm["state"], "failed", "state")
    check_equal(vm["error"]["phase"], "plan", f"{vm['error']}; phase")
    check(re.search(r"small|needs|at least", vm["error"]["reason"] + (vm["error"]["hint"] or ""), re.I), str(vm["error"]))
    check_untouched("tiny")


@suite.test("a definition for BIOS on a UEFI machine is refused before the first write", needs=[HAVE])
def _():
    only_the_lab()
    lab.define("mistaken", mac="52:54:00:e2:e0:05", arch="amd64", distro="debian-13", firmware="bios", disks=[{"size": "4G"}])
    time.sleep(1)
    lab.start_vm("mistaken", "52:54:00:e2:e0:05")
    vm = eventually(lambda: (v := lab.vm("mistaken"))["state"] in ("failed", "installed") and v, INSTALL_S,
        "state failed", every=1)
    save_console("mistaken", "mistaken")
    check_equal((vm["state"], vm["error"] and vm["error"]["phase"]), ("failed", "plan"), f"{vm['error']}; state and phase")
    check(re.search(r'UEFI firmware, and the definition says "firmware": "bios"', vm["error"]["reason"]), str(vm["error"]))
    check_untouched("mistaken")


# ---- the long matrix -------------------------------------------------------------------------------

def installs_to_ready(name, mac, fields=None, env=(), **vm):
    only_the_lab()
    lab.define(name, **dict({"mac": mac, "arch": "amd64", "distro": "debian-13", "disks": [{"size": "4G"}]}, **(fields or {})))
    time.sleep(1)
    lab.start_vm(name, mac, env=env, **vm)
    try:
        lab.wait_state(name, "ready", INSTALL_S)
    finally:
        save_console(name, name)


for bus in ("scsi", "nvme", "sata"):
    @suite.test(f"a {bus} disk is found and installed", needs=[HAVE], heavy=True)
    def _(bus=bus):
        installs_to_ready(f"on-{bus}", f"52:54:00:e2:e1:{('scsi', 'nvme', 'sata').index(bus):02x}",
            {"disks": [{"size": "4G", "bus": bus}]}, env=[f"VM_DISK_BUS={bus}"])
        lab.remove_vm(f"on-{bus}")


def mounts_of(name):
    """{mount point: (file system, device)} of a guest, and its swap areas under "swap"."""
    found = json.loads(lab.ssh(name, "findmnt -J --real -o TARGET,FSTYPE,SOURCE"))["filesystems"]
    mounts = {}
    while found:
        entry = found.pop()
        mounts[entry["target"]] = (entry["fstype"], entry["source"].split("[")[0])
        found += entry.get("children", [])
    mounts["swap"] = lab.ssh(name, "cat /proc/swaps").splitlines()[1:]
    return mounts


def content_with_itself(name):
    """A guest that is well: cloud-init without errors, no failed unit, fstab complete."""
    status = json.loads(lab.ssh(name, "cloud-init status --wait --format json", timeout=120))
    check_equal(status["status"], "done", f"cloud-init: {status}; status")
    check(not status.get("errors"), f"cloud-init's errors: {status}")
    check_equal(lab.ssh(name, "systemctl list-units --failed --no-legend --plain"), "", "failed units")
    lab.ssh(name, "sudo findmnt --verify --fstab >/dev/null")


for number, fs in enumerate(("xfs", "btrfs")):
    @suite.test(f"a root file system of {fs} is installed and boots", needs=[HAVE], heavy=True)
    def _(number=number, fs=fs):
        ip = f"192.168.100.{40 + number}"
        installs_to_ready(f"on-{fs}", f"52:54:00:e2:e1:{0x20 + number:02x}", {"ip": ip, "storage": {"root": {"fs": fs}}})
        check_equal(mounts_of(f"on-{fs}")["/"][0], fs, "root")
        content_with_itself(f"on-{fs}")
        lab.remove_vm(f"on-{fs}")


@suite.test("a BIOS machine installs and boots its disk", needs=[HAVE], heavy=True)
def _():
    installs_to_ready("bios", "52:54:00:e2:e1:10", {"firmware": "bios", "ip": "192.168.100.42"},
        env=["VM_FIRMWARE=bios"])
    table = json.loads(lab.ssh("bios", "sudo sfdisk -J /dev/vda"))["partitiontable"]
    check_equal(table["label"], "gpt", "partition table")
    check_equal([p["type"].upper()[:8] for p in table["partitions"]], ["21686148", "0FC63DAF"], "partition types")
    lab.ssh("bios", "test ! -e /sys/firmware/efi")
    content_with_itself("bios")
    lab.remove_vm("bios")


@suite.test("storage: partitions and swap as planned, filled and mounted", needs=[HAVE], heavy=True)
def _():
    storage = {"swap": "256M", "partitions": [{"mount": "/srv/data", "size": "rest", "fs": "xfs"},
        {"mount": "/var", "size": "25%", "label": "state"}, {"mount": "/", "size": "1536M"}]}
    only_the_lab() # `vmlab up` for the lab would start what is defined already
    lab.define("parts", mac="52:54:00:e2:e1:22", arch="amd64", distro="debian-13", disks=[{"size": "4G"}],
        storage=storage)
    plan = json.loads(lab.vmlab("plan", "parts", "--json").stdout)["plan"]["partitions"]
    installs_to_ready("parts", "52:54:00:e2:e1:22", {"ip": "192.168.100.43", "storage": storage})
    table = json.loads(lab.ssh("parts", "sudo sfdisk -J /dev/vda"))["partitiontable"]
    check_equal([(p["start"] * 512, p["size"] * 512) for p in table["partitions"]],
        [(p["start_bytes"], p["size_bytes"]) for p in plan], "what `vmlab plan` says, and what is there;")
    mounts = mounts_of("parts")
    for where, fs in (("/", "ext4"), ("/var", "ext4"), ("/srv/data", "xfs"), ("/boot/efi", "vfat")):
        check_equal(mounts.get(where, (None,))[0], fs, where)
    check_equal(len(mounts["swap"]), 1, f"swap areas ({mounts['swap']})")
    check_equal(lab.ssh("parts", "lsblk -no LABEL $(findmnt -no SOURCE /var)"), "state", "label of /var")
    lab.ssh("parts", "test -e /var/lib/dpkg/status")
    content_with_itself("parts")
    lab.remove_vm("parts")


@suite.test("BIOS, /boot of its own, btrfs root, an NVMe disk chosen by transport", needs=[HAVE], heavy=True)
def _():
    installs_to_ready("mixed", "52:54:00:e2:e1:25", {"ip": "192.168.100.45", "firmware": "bios",
        "disks": [{"size": "4G", "match": {"transport": "nvme", "pick": "largest"}}],
        "storage": {"root": {"fs": "btrfs"}, "partitions": [{"mount": "/boot", "size": "512M"}]}},
        env=["VM_FIRMWARE=bios", "VM_DISK_BUS=nvme"])
    mounts = mounts_of("mixed")
    check_equal((mounts["/"][0], mounts["/boot"][0]), ("btrfs", "ext4"), "root and /boot")
    check(mounts["/"][1].startswith("/dev/nvme0n1p"), f"root: {mounts['/']}")
    content_with_itself("mixed")
    lab.remove_vm("mixed")


@suite.test("match by serial: of two disks alike the one meant, the other is never written", needs=[HAVE],
    heavy=True)
def _():
    installs_to_ready("twins", "52:54:00:e2:e1:23", {"ip": "192.168.100.44",
        "disks": [{"size": "4G", "match": {"serial": "vmlab-1"}}, {"size": "4G"}]}, disk_bytes=f"{4 << 30} {4 << 30}")
    check(mounts_of("twins")["/"][1].startswith("/dev/vdb"), f"root: {mounts_of('twins')['/']}")
    lab.ssh("twins", "sudo cmp -n 4294967296 /dev/vda /dev/zero", timeout=200)
    lab.remove_vm("twins")


@suite.test("match that fits no disk: refused with all of them, nothing written", needs=[HAVE], heavy=True)
def _():
    only_the_lab()
    lab.define("nomatch", mac="52:54:00:e2:e1:24", arch="amd64", distro="debian-13",
        disks=[{"size": "4G", "match": {"model": "Samsung*"}}])
    time.sleep(1)
    lab.start_vm("nomatch", "52:54:00:e2:e1:24")
    vm = eventually(lambda: (v := lab.vm("nomatch"))["state"] == "failed" and v, INSTALL_S, "state failed", every=1)
    check_equal(vm["error"]["phase"], "plan", f"{vm['error']}; phase")
    check("/dev/vda 4.0 GiB virtio serial=VMLAB-0" in vm["error"]["reason"], str(vm["error"]))
    lab.remove_vm("nomatch")


# ---- other images, other endings -------------------------------------------------------------------

def build_image(distro, arch="amd64"):
    """images/<distro>/<arch> of the repository, built when it is not there; the lab gets links to it."""
    if not os.path.exists(os.path.join(IMAGES, distro, arch, "manifest.json")):
        print(f"       building {distro} for {arch}", flush=True)
        run([vmlab_cli.BINARY, "--images", IMAGES, "image", "build", distro, "--arch", arch], timeout=1800)
    if not os.path.exists(os.path.join(lab.images, distro, arch)):
        lab.link_image(distro, arch, source=distro)


@suite.test("Debian 12 installs and gets ready", needs=[HAVE], heavy=True)
def _():
    build_image("debian-12")
    installs_to_ready("deb12", "52:54:00:e2:e1:40", {"distro": "debian-12", "ip": "192.168.100.50"})
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


@suite.test("a system with Alpine's names of kernel and initramfs installs and boots", needs=[HAVE], heavy=True)
def _():
    tar = os.path.join(suite.tempdir(), "alpine-names.tar")
    with_alpine_names(tar)
    lab.vmlab("image", "import", "alpine-names", "--arch", "amd64", tar, timeout=300)
    os.unlink(tar)
    installs_to_ready("flavour", "52:54:00:e2:e1:45", {"distro": "alpine-names", "ip": "192.168.100.55"})
    check_equal(lab.ssh("flavour", "cd /boot; ls -d vmlinuz* init*"), "initramfs-cloud-amd64\nvmlinuz-cloud-amd64", "/boot")
    check("vmlinuz-cloud-amd64" in lab.ssh("flavour", "cat /proc/cmdline"), "it booted another kernel")
    lab.remove_vm("flavour")


@suite.test("an arm64 machine installs and gets ready", needs=[HAVE], heavy=True)
def _():
    build_image("debian-13", "arm64")
    only_the_lab()
    mac = "52:54:00:e2:e1:41"
    lab.define("arm", mac=mac, ip="192.168.100.51", arch="arm64", distro="debian-13", memory="1G", disks=[{"size": "4G"}])
    time.sleep(1)
    lab.start_vm("arm", mac, memory_mib=1024, env=["VM_ARCH=arm64"])
    try:
        lab.wait_state("arm", "ready", 3 * INSTALL_S)
    finally:
        save_console("arm", "arm")
    check_equal(lab.ssh("arm", "uname -m"), "aarch64", "machine")
    lab.remove_vm("arm")


@suite.test("the initrd on Alpine's base installs the same way", needs=[HAVE], heavy=True)
def _():
    with open(os.path.join(ROOT, "initrd", "alpine-minirootfs.table")) as f:
        file = next(line.split()[2] for line in f if line.startswith("amd64"))
    base = os.environ.get("ALPINE_MINIROOTFS") or os.path.join(ROOT, "build", "initrd", file)
    if not os.path.exists(base):
        skip(f"{file} is not in build/initrd/ and could not be downloaded; ALPINE_MINIROOTFS names it")
    ours, image = os.path.join(suite.tempdir(), "initrd-alpine.zst"), f"{lab.name}-alpine:latest"
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
        installs_to_ready("alpine", "52:54:00:e2:e1:44", {"ip": "192.168.100.54"})
        content_with_itself("alpine")
    finally:
        lab.env["VMLAB_STACK_IMAGE"] = STACK_IMAGE
        lab.remove_vm("alpine")
        os.unlink(os.path.join(lab.vms, "alpine.json"))
        lab.vmlab("up", "--no-wait", timeout=120)
        docker("rmi", "-f", image)


KEXEC = "kexec: ready without a second PXE boot, and GRUB starts it the next time"


@suite.test(KEXEC, needs=[HAVE], heavy=True)
def _():
    installs_to_ready("quick", "52:54:00:e2:e1:42", {"after_install": "kexec", "ip": "192.168.100.52"})
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
    lab.raw_disk("quick", os.path.join(suite.tempdir(), "system.raw"))
    lab.remove_vm("quick")


@suite.test("a whole disk, imported as qcow2, installs onto a larger one and grows", needs=[KEXEC],
    heavy=True)
def _():
    raw, qcow2 = (os.path.join(suite.tempdir(), "system." + ending) for ending in ("raw", "qcow2"))
    run(["qemu-img", "convert", "-O", "qcow2", raw, qcow2], timeout=120)
    os.unlink(raw)
    lab.vmlab("image", "import", "whole-disk", "--arch", "amd64", "--kernel-from", "debian-13", qcow2, timeout=300)
    os.unlink(qcow2)
    installs_to_ready("whole", "52:54:00:e2:e1:43", {"distro": "whole-disk", "ip": "192.168.100.53",
        "disks": [{"size": "6G"}]},
        disk_bytes=6 << 30)
    size = int(lab.ssh("whole", "df --output=size -B1 / | tail -n 1"))
    check(size > 5 << 30, f"the root has {size >> 20} MiB")
    check_equal(lab.ssh("whole", "cloud-init status"), "status: done", "cloud-init")
    lab.remove_vm("whole")


@suite.test("a hook that fails, fails the install: the reason is told, and the disk does not boot", needs=[HAVE], heavy=True)
def _():
    only_the_lab()
    lab.define("hooked", mac="52:54:00:e2:e1:45", arch="amd64", distro="debian-13", disks=[{"size": "4G"}],
        hooks={"post_install": ["#!/bin/sh\necho 'no licence server'\nexit 3\n"]})
    time.sleep(1)
    lab.start_vm("hooked", "52:54:00:e2:e1:45")
    vm = eventually(lambda: (v := lab.vm("hooked"))["state"] in ("failed", "installed") and v, INSTALL_S, "state failed", every=1)
    check_equal((vm["state"], vm["error"] and vm["error"]["phase"]), ("failed", "hooks"), f"{vm['error']}; state and phase")
    check("no licence server" in lab.vmlab("logs", "--installer", "hooked").stdout, "its output is not in the log")
    check_no_boot_file("hooked")
    lab.remove_vm("hooked")
    os.unlink(os.path.join(lab.vms, "hooked.json"))


@suite.test("a network card with iPXE in its ROM takes the same way", needs=[HAVE], heavy=True)
def _():
    installs_to_ready("rom", "52:54:00:e2:e1:11", env=["VM_NIC_ROM=ipxe"])
    lab.remove_vm("rom")


@suite.test(".noreboot: installed, and the installer stays", needs=[HAVE], heavy=True)
def _():
    with open(os.path.join(lab.vms, "stays.noreboot"), "w"):
        pass
    lab.define("stays", mac="52:54:00:e2:e1:12", arch="amd64", distro="debian-13", disks=[{"size": "4G"}])
    time.sleep(1)
    lab.start_vm("stays", "52:54:00:e2:e1:12")
    lab.wait_state("stays", "installed", INSTALL_S)
    time.sleep(20)
    events = [(e["kind"], e["text"]) for e in lab.api("/api/v1/events?vm=stays")["events"]]
    check(("ipxe", "local") not in events, f"it rebooted: {events}")
    lab.remove_vm("stays")


@suite.test("mode shell: a shell in the installer's initrd", needs=[HAVE], heavy=True)
def _():
    lab.define("rescue", mac="52:54:00:e2:e1:13", arch="amd64", distro="debian-13", mode="shell")
    time.sleep(1)
    lab.start_vm("rescue", "52:54:00:e2:e1:13")
    lab.wait_console("rescue", r"(?m)^(/|~) ?#|/ ?# ", 150)
    check("partition" not in (lab.vm("rescue")["phase"] or ""), "it installs")
    lab.remove_vm("rescue")


@suite.test("power cut in the middle of the install: it is installed again", needs=[HAVE], heavy=True)
def _():
    lab.define("cut", mac="52:54:00:e2:e1:14", arch="amd64", distro="debian-13", disks=[{"size": "4G"}])
    time.sleep(1)
    lab.start_vm("cut", "52:54:00:e2:e1:14")
    eventually(lambda: (v := lab.vm("cut"))["phase"] == "rootfs" and v["bytes"] > 10 << 20, INSTALL_S,
        "the root file system is being written", every=0.3)
    docker("kill", lab.container("cut"))
    docker("start", lab.container("cut"))
    lab.wait_state("cut", "ready", INSTALL_S)
    lab.remove_vm("cut")


@suite.test("the lab's daemons live and its health check is content", needs=[READY])
def _():
    status = docker("inspect", "-f", "{{.State.Health.Status}} {{.RestartCount}}", f"{lab.name}-stack").stdout
    check_equal(status.strip(), "healthy 0", "stack")


@suite.test("`vmlab rm` leaves no container, volume or network", needs=[READY])
def _():
    lab.vmlab("rm", "-y", "web", timeout=60)
    lab.vmlab("down", timeout=120)
    volumes = [v for v in docker("volume", "ls", "--format", "{{.Name}}").stdout.split() if v.startswith(lab.name)]
    check(f"{lab.name}-disk-web" not in volumes, f"volumes: {volumes}")
    running = docker("ps", "--filter", f"label=vmlab.lab={lab.name}", "--format", "{{.Names}}").stdout.split()
    check_equal(running, [], "running containers")


if __name__ == "__main__":
    sys.exit(suite.main())
