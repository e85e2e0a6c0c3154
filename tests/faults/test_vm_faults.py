"""Faults of the machine itself while it installs: its disk, clock, cable, cards.

Each test is one VM under emulation, a minute or two; `make fault` runs them all, `make test` only
the first. See test_fault.py for lines, files and servers, test_power.py for power cuts.
"""
import os
import re
import time

import pytest

from kit.check import check, check_equal, eventually, skip
from kit.command import docker, have_image, run, tail
from kit.counts import tell
from kit.scope import Scope, needs
from kit.vmlab_cli import STACK_IMAGE, VM_IMAGE, VmLab

INSTALL_S = 420
scope = Scope("vmfaults")
rows = {}
lab = None


@pytest.fixture(scope="module", autouse=True)
def told(record_testsuite_property):
    yield
    tell(record_testsuite_property, rows, "cases")


def test_a_lab_is_up():
    global lab
    for image in (STACK_IMAGE, VM_IMAGE):
        if not have_image(image):
            skip(f"there is no image {image}: `make load`")
    lab = VmLab(scope, "vmfaults")
    lab.link_image("debian-13")
    lab.vmlab("up", "--no-wait", timeout=90)


HAVE = test_a_lab_is_up


@pytest.fixture(autouse=True)
def row(request):
    """Counts disk, clock and network, which the names begin with."""
    failed = request.session.testsfailed
    yield
    kind = request.node.name.split("_")[1]
    if kind in ("disk", "clock", "network"):
        tried, good = rows.get(f"the machine's {kind}", (0, 0))
        rows[f"the machine's {kind}"] = tried + 1, good + (request.session.testsfailed == failed)


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


@pytest.mark.parametrize("n, kind, sector, phases", [pytest.param(n, *error, marks=[pytest.mark.long] if n else [])
    for n, error in enumerate(ERRORS)])
@needs(HAVE)
def test_disk_an_error_fails_with_the_reason_the_other_disk_untouched(n, kind, sector, phases):
    disk_error(n, kind, sector, phases)


# ---- the clock -------------------------------------------------------------------------------------

@pytest.mark.long
@pytest.mark.parametrize("n, year", enumerate((1970, 2039)))
@needs(HAVE)
def test_clock_the_machines_is_wrong_and_it_gets_ready(n, year):
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


@pytest.mark.long
@needs(HAVE)
def test_network_the_dhcp_server_answers_20_s_late():
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
        f"echo set_link lab {'on' if up else 'off'} | socat -t 0.3 - UNIX-CONNECT:/run/vm/monitor.sock")


@pytest.mark.long
@needs(HAVE)
def test_network_the_link_comes_up_20_s_late():
    machine("late-link", 0x31)
    when_linux_starts("late-link")
    link("late-link", False)
    time.sleep(20)
    link("late-link", True)
    installed("late-link")


@pytest.mark.long
@needs(HAVE)
def test_network_the_cable_is_pulled_for_40_s_in_the_middle_of_the_transfer():
    machine("pulled", 0x32)
    eventually(lambda: lab.vm("pulled")["bytes"] > 8 << 20, INSTALL_S, "bytes flow", every=0.2)
    link("pulled", False)
    time.sleep(40)
    link("pulled", True)
    installed("pulled")


@pytest.mark.long
@needs(HAVE)
def test_network_the_whole_stack_stands_still_for_30_s_in_the_middle_of_the_transfer():
    machine("paused", 0x33)
    eventually(lambda: lab.vm("paused")["bytes"] > 8 << 20, INSTALL_S, "bytes flow", every=0.2)
    docker("pause", f"{lab.name}-stack")
    try:
        time.sleep(30)
    finally:
        docker("unpause", f"{lab.name}-stack")
    installed("paused")


@pytest.mark.long
@needs(HAVE)
def test_network_two_cards_the_first_one_found_is_not_the_one_it_booted_from():
    machine("two-cards", 0x34, env=["VM_NICS=2"])
    installed("two-cards")
