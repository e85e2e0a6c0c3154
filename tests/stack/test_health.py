"""Daemons that hang or die, containers that are stopped and replaced."""
import os
import re
import signal
import time

from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.scope import needs
from kit.stack_lab import ALPHA, PVMLAB


def test_healthcheck_turns_healthy(lab):
    eventually(lambda: lab.health() == "healthy", 60, "healthy", every=0.5)


def daemons(lab):
    """{daemon: pids}; three are dnsmasq, told apart by their configuration."""
    found = dict(lab.started)
    for pid in found.pop("dnsmasq"):
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as f:
            found.setdefault(re.search(r"/run/vmlab/(\w+)\.conf", f.read())[1], []).append(pid)
    return found


def test_the_health_check_notices_each_daemon_that_hangs_and_says_which(lab):
    command = lab.health_command()
    lab.same_processes()
    found = daemons(lab)
    # These answer nobody here: what shows is that they stop touching their file, and of dnsmasq that another cannot ask it.
    together, asked = ("vm_watcher", "image_adopt"), "dnsmasq"
    for names in [(name,) for name in found if name not in together] + [together]:
        pids = [pid for name in names for pid in found[name]]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        said = lambda: lab.exec(*command, check_rc=False, timeout=40).stdout.splitlines()
        blamed = lambda: {name for line in said() for name in found if line.startswith(name + " ")}
        try:
            eventually(lambda: set(names) <= blamed(), 40 if names in (together, (asked,)) else 1, f"the check notices that {names} hang")
            others = blamed() - set(names)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        # Guests reach boot_handler through nginx.
        check(others <= ({"boot_handler"} if names == ("nginx",) else set()), f"named when {names} hang: {others}")
        eventually(lambda: lab.exec(*command, check_rc=False).returncode == 0, 10, f"healthy after {names}")


@needs(test_healthcheck_turns_healthy)
def test_healthcheck_turns_unhealthy_when_a_daemon_hangs_and_healthy_again(lab):
    config = lab.healthcheck()
    second = 1000000000
    limit = (config.get("Interval", 30 * second) + config.get("Timeout", 30 * second)) / second \
        * config.get("Retries", 3) + 5
    check(limit <= 120, f"it would take {limit:.0f} s to notice")
    lab.same_processes()
    pids = lab.started["boot_handler"]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        eventually(lambda: lab.health() == "unhealthy", limit, "unhealthy", every=0.5)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    eventually(lambda: lab.health() == "healthy", limit, "healthy again", every=0.5)


def test_kill_9_of_each_daemon_back_by_itself_state_kept(lab):
    lab.ipxe(ALPHA)
    lab.report(ALPHA, phase="report", status="done")
    before = lab.vm("alpha")
    check_equal(before["state"], "installed", "alpha's state")
    for name in ("boot_handler", "vm_watcher", "nginx", "dnsmasq", "image_adopt"):
        old = lab.pids()[name]
        for pid in old:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        eventually(lambda: (new := lab.pids()[name]) and not set(new) & set(old), 10, f"{name} is back")
        eventually(lambda: lab.operator("/readyz").status == 200, 10, f"ready after {name}")
        eventually(lambda: lab.ask(f"/config/{PVMLAB}").status == 200, 10, f"HTTP after {name}")
        eventually(lambda: lab.offer(lab.machine, ALPHA, timeout=1), 10, f"DHCP after {name}")
    after = lab.vm("alpha")
    for key in ("state", "attempt", "error", "ssh_host_keys"):
        check_equal(after[key], before[key], key)
    lab.define("fresh", mac="52:54:00:7e:57:41", ip="192.168.100.41")
    eventually(lambda: (o := lab.offer(lab.machine, "52:54:00:7e:57:41", timeout=1)) and o.yiaddr == "192.168.100.41",
        3, "a definition added after that is answered")
    lab.undefine("fresh.json")


def test_docker_restart_up_again_with_its_state_the_wired_client_notices_nothing_else(lab):
    before, last = lab.vm("alpha"), lab.api("/api/v1/events")["last"]
    docker("restart", lab.stack, timeout=60)
    lab.wait_serving()
    after = lab.vm("alpha")
    for key in ("state", "attempt", "error", "ssh_host_keys"):
        check_equal(after[key], before[key], key)
    check(lab.api("/api/v1/events")["last"] >= last, "the events are gone")
    check("lab0" in lab.machine.run(["ip", "link"]).stdout or lab.offer(lab.machine, ALPHA), "DHCP is silent")
    check_equal(lab.ask(f"/config/{PVMLAB}").status, 200, "HTTP: status")
    check_equal(lab.offer(lab.machine, ALPHA).yiaddr, "192.168.100.10", "DHCP")
    names = lab.exec("ip", "-o", "link", check_rc=False).stdout
    check(names.count("lab0:") <= 1, names)
    lab.started = lab.pids()


RESTARTED = test_docker_restart_up_again_with_its_state_the_wired_client_notices_nothing_else


@needs(RESTARTED)
def test_masquerading_is_set_up_once_also_after_a_restart(lab):
    text = lab.exec("nft", "list", "ruleset").stdout
    rules = [l.strip() for l in text.splitlines() if "masquerade" in l]
    check(rules, f"no masquerade rule in:\n{text}")
    check_equal(sorted(rules), sorted(set(rules)), "masquerade rules")


@needs(RESTARTED)
def test_every_daemon_lives_after_all_that(lab):
    lab.same_processes()
    eventually(lambda: lab.health() == "healthy", 60, "healthy", every=0.5)


@needs(RESTARTED)
def test_docker_stop_ends_within_2_s_with_status_0(lab):
    took = []
    for _ in range(3):  # the best of three: the machine may be busy with something else
        began = time.monotonic()
        docker("stop", lab.stack)
        took.append(time.monotonic() - began)
        code = docker("inspect", "-f", "{{.State.ExitCode}}", lab.stack).stdout.strip()
        check(code in ("0", "143"), f"exit status {code}")
        docker("start", lab.stack)
        lab.wait_serving()
    print(", ".join(f"{t:.2f} s" for t in took))
    check(min(took) <= 2.0, f"it took {min(took):.1f} s")


@needs(RESTARTED)
def test_a_removed_stack_leaves_the_network_to_the_next_one(lab):
    docker("rm", "-f", lab.stack)
    lab.start_stack()
    lab.wait_serving()
    check_equal(lab.vm("pvm")["mac"], PVMLAB, "pvm's MAC")
    check_equal(lab.offer(lab.machine, ALPHA).yiaddr, "192.168.100.10", "DHCP")
    docker("rm", "-f", lab.stack)
