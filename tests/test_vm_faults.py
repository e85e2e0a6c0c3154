#!/usr/bin/python3
"""test_vm_faults.py - faults of the machine itself while it installs: its disk, clock, cable, cards.

Each test is one VM under emulation, a minute or two; `make fault` runs them all, `make test` only
the first. See test_fault.py for lines, files and servers, test_power.py for power cuts.
"""
import os
import re
import sys
import time

from harness import Suite, check, check_equal, docker, eventually, have_image, print_counts, run, skip, tail
from vmlab_cli import STACK_IMAGE, VM_IMAGE, VmLab

INSTALL_S = 420
suite = Suite("vmfaults", __doc__)
lab = None
HAVE = "a lab is up"


@suite.test(HAVE)
def _():
    global lab
    for image in (STACK_IMAGE, VM_IMAGE):
        if not have_image(image):
            skip(f"there is no image {image}: `make load`")
    lab = VmLab(suite, "vmfaults")
    lab.link_image("debian-13")
    lab.vmlab("up", "--no-wait", timeout=90)


def machine(name, number, env=(), disk_bytes="%d" % (3 << 30), **fields):
    """Defines and starts a VM; it installs and then powers off unless `fields` say otherwise."""
    sizes = [{"size": f"{int(b) >> 20}M"} for b in disk_bytes.split()]
    mac = f"52:54:00:fa:01:{number:02x}"
    lab.define(name, **dict({"mac": mac, "arch": "amd64", "distro": "debian-13", "memory": "768M", "disks": sizes,
        "after_install": "poweroff"}, **fields))
    time.sleep(1)
    lab.start_vm(name, mac, disk_bytes=disk_bytes, env=env)


def installed(name):
    vm = eventually(lambda: (v := lab.vm(name))["state"] in ("installed", "ready", "failed") and v, INSTALL_S,
        f"{name} is installed or failed", every=1)
    check(vm["state"] != "failed", f"{vm['error']}")
    lab.remove_vm(name)


# ---- the disk --------------------------------------------------------------------------------------

# where the error lies, its kind, and in which phases it may show
ERRORS = [
    ("write", 0, "partition"),                # the partition table
    ("write", 4096, "format"),                # the EFI system partition
    ("write", (640 << 20) // 512, "format|rootfs|configure|bootloader"), # where the files are
    ("write", (3 << 30) // 512 - 1, "partition"),   # the backup table
    ("read", 0, "plan|partition"),
]


def disk_error(number, kind, sector, phases):
    name = f"broken{number}"
    # Half a GiB of them: one sector may happen never to be written.
    rules = "".join(f'[inject-error]\nevent = "none"\niotype = "{kind}"\nerrno = "5"\nsector = "{s}"\n'
        for s in ([sector] if sector < 1 << 20 or sector > 5 << 20 else range(sector, sector + (1 << 20), 8192)))
    volume = f"{lab.name}-disk-{name}"
    docker("run", "--rm", "-i", "--network", "none", "-v", f"{volume}:/disks", "--entrypoint", "/usr/bin/tee", VM_IMAGE,
        "/disks/rules", stdin=rules)
    machine(name, 0x10 + number, env=["VM_DISK_FILTER=/disks/rules"], disk_bytes=f"{3 << 30} {256 << 20}")
    vm = eventually(lambda: (v := lab.vm(name))["state"] in ("failed", "installed", "ready") and v, INSTALL_S,
        "state failed", every=1)
    check_equal(vm["state"], "failed", f"state with a {kind} error at sector {sector}")
    check(re.fullmatch(phases, vm["error"]["phase"]), f"phase: {vm['error']}")
    check(len(vm["error"]["reason"]) > 20 and vm["error"]["hint"], f"no clear reason: {vm['error']}")
    print(f"       {vm['error']['phase']}: {vm['error']['reason']}", flush=True)
    docker("stop", "-t", "1", lab.container(name))
    used = docker("run", "--rm", "--network", "none", "-v", f"{volume}:/disks:ro", "--entrypoint", "/usr/bin/qemu-img",
        VM_IMAGE, "map", "-U", "--output=json", "/disks/disk1.qcow2").stdout
    check('"data": true' not in used, f"the other disk was written: {tail(used, 300)}")
    lab.remove_vm(name)
    os.unlink(os.path.join(lab.vms, name + ".json"))


for n, (kind, sector, phases) in enumerate(ERRORS):
    @suite.test(f"disk: a {kind} error at sector {sector} fails with the reason, the other disk untouched", needs=[HAVE],
        heavy=n > 0)
    def _(n=n, kind=kind, sector=sector, phases=phases):
        disk_error(n, kind, sector, phases)


# ---- the clock -------------------------------------------------------------------------------------

for n, year in enumerate((1970, 2039)):
    @suite.test(f"clock: the machine's says {year}, and it gets ready", needs=[HAVE], heavy=True)
    def _(n=n, year=year):
        name = f"in{year}"
        machine(name, 0x20 + n, env=[f"VM_CLOCK={year}-01-01T00:00:00"], after_install="reboot")
        lab.wait_state(name, "ready", INSTALL_S, quiet=True)
        lab.remove_vm(name)


# ---- the network -----------------------------------------------------------------------------------

def when_linux_starts(name):
    lab.wait_console(name, r"modules.cpio.zst\.\.\. ok", 180)


def stack_pids(daemon):
    lines = docker("top", f"{lab.name}-stack", "-eo", "pid,comm").stdout.splitlines()[1:]
    return [line.split()[0] for line in lines if line.split()[1] == daemon]


@suite.test("network: the DHCP server answers 20 s late", needs=[HAVE], heavy=True)
def _():
    machine("late-dhcp", 0x30)
    when_linux_starts("late-dhcp")
    pids = stack_pids("dnsmasq")
    run(["kill", "-STOP", *pids])
    try:
        time.sleep(20)
    finally:
        run(["kill", "-CONT", *pids], check_rc=False)
    installed("late-dhcp")


def link(name, up):
    docker("exec", lab.container(name), "/bin/sh", "-c",
        f"echo set_link lab {'on' if up else 'off'} | socat -t 0.3 - UNIX-CONNECT:/run/qemu-monitor.sock")


@suite.test("network: the link comes up 20 s late", needs=[HAVE], heavy=True)
def _():
    machine("late-link", 0x31)
    when_linux_starts("late-link")
    link("late-link", False)
    time.sleep(20)
    link("late-link", True)
    installed("late-link")


@suite.test("network: the cable is pulled for 40 s in the middle of the transfer", needs=[HAVE], heavy=True)
def _():
    machine("pulled", 0x32)
    eventually(lambda: lab.vm("pulled")["bytes"] > 8 << 20, INSTALL_S, "bytes flow", every=0.2)
    link("pulled", False)
    time.sleep(40)
    link("pulled", True)
    installed("pulled")


@suite.test("network: the whole stack stands still for 30 s in the middle of the transfer", needs=[HAVE], heavy=True)
def _():
    machine("paused", 0x33)
    eventually(lambda: lab.vm("paused")["bytes"] > 8 << 20, INSTALL_S, "bytes flow", every=0.2)
    docker("pause", f"{lab.name}-stack")
    try:
        time.sleep(30)
    finally:
        docker("unpause", f"{lab.name}-stack")
    installed("paused")


@suite.test("network: two cards, the first one found is not the one it booted from", needs=[HAVE], heavy=True)
def _():
    machine("two-cards", 0x34, env=["VM_NICS=2"])
    installed("two-cards")


if __name__ == "__main__":
    code = suite.main()
    counted = {}
    for kind in ("disk", "clock", "network"):
        ran = [r for title, r in suite.results.items() if title.startswith(kind + ":") and r != "skipped"]
        counted[f"the machine's {kind}"] = len(ran), ran.count("passed")
    print_counts(counted, "cases")
    sys.exit(code)
