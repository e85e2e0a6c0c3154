"""The syslog of another system's installer: what of it is shown as progress, whose it is, and what a
hostile machine does with it.
"""
import os
import random
import socket
import time
import unicodedata

from kit.boot_image import add, stored
from kit.check import check, check_equal, eventually
from kit.lab import SERVER
from kit.scope import needs

MACHINE = "52:54:00:7e:57:50"
ADDRESS = "192.168.100.20"
OTHER = "192.168.100.99"  # the client's own, which no machine has
FILE = "a kernel"
# As debian-installer 12 sent it.
SAID = """\
<14>Nov 26 15:41:39 main-menu[267]: INFO: Menu item 'network-preseed' selected
<13>Nov 26 15:49:53 localechooser: info: Default country = 'US'
<14>Nov 26 15:52:10 main-menu[267]: INFO: Menu item 'download-installer' selected
<14>Nov 26 15:52:10 main-menu[267]: INFO: Menu item 'partman-base' selected
<14>Nov 26 15:52:10 main-menu[267]: INFO: Menu item 'bootstrap-base' selected
<14>Nov 26 15:53:10 debootstrap: Unpacking base-files
<14>Nov 26 15:52:10 main-menu[267]: INFO: Menu item 'pkgsel' selected
<14>Nov 26 15:52:10 main-menu[267]: INFO: Menu item 'grub-installer' selected
<13>Nov 26 15:54:10 in-target: vmlab: hook 1
""".splitlines()


def say(lab, *lines, source=ADDRESS, port=514):
    with lab.machine.inside():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((source, 0))
            for line in lines:
                s.sendto(line if isinstance(line, bytes) else line.encode(), (SERVER, port))


def phases(lab):
    events = lab.api("/api/v1/events?vm=di&limit=1000")["events"]
    return [(e["phase"], e["source"]) for e in events if e["kind"] == "phase"]


def log(lab):
    return lab.vm("di")["log"]


def boots(lab):
    return lab.ask(f"/ipxe?mac={MACHINE}", source=ADDRESS).text


def test_each_phase_of_debian_installer_is_an_event_of_its_machine(lab):
    add(lab, "debian-installer-13/amd64", {"vmlinuz": FILE}, {"format": 1, "kind": "boot", "distro": "debian-installer-13",
        "arch": "amd64", "boot": {"kernel": stored("vmlinuz", FILE), "unattended_args": "url={unattended_url} log_host={server_host}"}})
    lab.define("di", mac=MACHINE, ip=ADDRESS, mode="boot", image="debian-installer-13", unattended=True)
    eventually(lambda: f" log_host={SERVER}" in boots(lab), 5, "the image is seen")
    check_equal(lab.vm("di")["state"], "booting", "state")
    for line in SAID:
        say(lab, line)
    wanted = ["config", "partition", "rootfs", "configure", "bootloader", "hooks"]
    eventually(lambda: phases(lab) == [(phase, "syslog") for phase in wanted], 5, f"the events are {wanted}")
    check_equal((lab.vm("di")["state"], lab.vm("di")["phase"]), ("installing", "hooks"), "state")


@needs(test_each_phase_of_debian_installer_is_an_event_of_its_machine)
def test_who_hears_its_privileged_port_has_no_capability(lab):
    with open(f"/proc/{lab.pids()['boot_handler'][0]}/status") as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f)
    check_equal({kind: int(value, 16) for kind, value in status.items() if kind.startswith("Cap")},
        dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), 0), "capabilities")
    check("0" not in status["Uid"].split() + status["Gid"].split(), f"it is root: {status['Uid']}, {status['Gid']}")


@needs(test_each_phase_of_debian_installer_is_an_event_of_its_machine)
def test_its_lines_are_the_log_of_the_installation(lab):
    eventually(lambda: "vmlab: hook 1" in log(lab), 10, "the last line is kept")
    check_equal(log(lab).splitlines(), [line.split("> ", 1)[-1].split(" ", 3)[3].replace("[267]", "") for line in SAID], "the log")


@needs(test_each_phase_of_debian_installer_is_an_event_of_its_machine)
def test_a_phase_comes_once_and_never_again(lab):
    before = phases(lab)
    say(lab, *SAID * 20)
    time.sleep(1)
    check_equal(phases(lab), before, "events")


@needs(test_each_phase_of_debian_installer_is_an_event_of_its_machine)
def test_what_another_machine_says_of_it_does_not_count(lab):
    before = len(phases(lab))
    for source in (OTHER, "192.168.100.10"):
        say(lab, "<14>Nov 26 15:52:10 main-menu[267]: WARNING **: Configuring 'bootstrap-base' failed with error code 1",
            source=source)
    time.sleep(1)
    check_equal(lab.vm("di")["state"], "installing", "state")
    check_equal(len(phases(lab)), before, "events")
    check_equal(lab.vm("alpha")["state"], "declared", "state of one that no boot image installs")


@needs(test_each_phase_of_debian_installer_is_an_event_of_its_machine)
def test_an_installer_that_stops_is_a_failed_installation_that_says_why(lab):
    say(lab, "<13>Nov 26 15:53:11 debootstrap: /usr/sbin/debootstrap --arch amd64 trixie \x1b[2J/target",
        "<12>Nov 26 15:53:12 main-menu[267]: WARNING **: Configuring 'bootstrap-base' failed with error code 1")
    vm = lab.wait_vm("di", 5, lambda vm: vm["state"] == "failed", "is failed")
    check_equal(vm["error"]["phase"], "hooks", "phase of the error")
    check("Configuring 'bootstrap-base' failed with error code 1" in vm["error"]["reason"], vm["error"])
    check("vmlab console di" in vm["error"]["hint"], vm["error"])
    eventually(lambda: "trixie ?[2J/target\n" in log(lab), 10, "the cleaned line is in the log")
    check_equal(lab.ask(f"/done/{MACHINE}", source=ADDRESS).status, 204, "rescued by hand, it is done: status")
    check_equal(lab.vm("di")["state"], "installed", "state")


@needs(test_an_installer_that_stops_is_a_failed_installation_that_says_why)
def test_an_installed_machine_says_nothing_any_more(lab):
    events = phases(lab)
    say(lab, *SAID, "<14>Nov 26 16:00:00 cron: of the installed system")
    time.sleep(6)
    check_equal((lab.vm("di")["state"], phases(lab)), ("installed", events), "state and events")
    check("of the installed system" not in log(lab), log(lab))


@needs(test_an_installed_machine_says_nothing_any_more)
def test_a_flood_of_garbage_harms_nobody_and_leaves_the_end_in_the_log(lab):
    lab.api("/api/v1/vms/di/reinstall", method="POST")
    check("url=" in boots(lab), "it does not install again")
    rng = random.Random(9)
    began = time.monotonic()
    for _ in range(40):
        say(lab, *(rng.randbytes(rng.randrange(3000)) for _ in range(200)),
            *(b"<14>Nov 26 15:52:10 main-menu[1]: " + os.urandom(300) for _ in range(50)), *SAID)
    check_equal(lab.ask(f"/unattended/{MACHINE}", source=ADDRESS).status, 200, "asked meanwhile: status")
    print(f"10,000 datagrams in {time.monotonic() - began:.1f} s")
    time.sleep(2) # what is too much at once is dropped
    say(lab, *SAID, "<14>Nov 26 15:59:59 main-menu[267]: INFO: the end")
    eventually(lambda: log(lab).endswith("main-menu: INFO: the end\n"), 15, "the last line is the log's")
    check(len(log(lab)) <= 32768, f"{len(log(lab))} characters")
    steers = {c for c in log(lab) if unicodedata.category(c) in ("Cc", "Zl", "Zp") or c in "\u200e\u200f\u202a\u202e\u2066\ufeff"}
    check_equal(steers, {"\n"}, "what steers a terminal in the log")
    check_equal([p for p, _ in phases(lab)].count("bootloader"), 2, "once for each of both attempts")
    lab.same_processes()
