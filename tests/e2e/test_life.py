"""What comes after the first boot: reboots, another install, the end."""
import os
import re
import time

import pytest

from kit.check import check, check_equal, eventually
from kit.command import docker, tail
from kit.e2e_lab import BOOT_S, INSTALL_S, WEB6
from kit.scope import needs


def test_a_reboot_over_the_network_to_its_own_disk_same_machine_same_files(lab, web):
    lab.ssh("web", "sudo touch /var/lib/kept; sync")
    before = lab.ssh("web", "cat /proc/sys/kernel/random/boot_id")
    last = lab.api("/api/v1/events?vm=web")["last"]
    began = time.monotonic()
    lab.ssh("web", "sudo systemctl reboot", check_rc=False)
    def back():
        done = lab.vmlab("ssh", "web", "cat /proc/sys/kernel/random/boot_id", check_rc=False, timeout=30)
        return done.returncode == 0 and done.stdout.strip() != before
    eventually(back, BOOT_S, "the guest answers with another boot id", every=3)
    print(f"back after {time.monotonic() - began:.0f} s")
    texts = [(e["kind"], e["text"]) for e in lab.api(f"/api/v1/events?vm=web&after={last}")["events"]]
    check(("ipxe", "local") in texts, f"it did not come by the network: {texts}")
    check(("ipxe", "install") not in texts, f"it was installed again: {texts}")
    lab.ssh("web", "test -e /var/lib/kept")
    check_equal(lab.vm("web")["state"], "ready", "state")


def test_vmlab_reinstall_attempt_2_a_new_system_ready_and_what_its_first_boot_could_not_do_is_said(lab, web):
    began = time.monotonic()
    # No "ip" any more: firmware, installer and system have to get one address all the same.
    lab.define_web(users=["default", {"name": "ann"}], runcmd=["echo ran >/etc/ran; exit 3"],
        write_files=[{"path": "/etc/late", "owner": "ann:ann", "content": "x\n"}, {"path": "/etc/after", "content": "y\n"}])
    done = lab.vmlab("reinstall", "-y", "--wait", "web", timeout=INSTALL_S, check_rc=False)
    vm = lab.vm("web")
    check_equal((done.returncode, vm["state"]), (1, "ready"), f"status and state: {tail(done.stdout + done.stderr)}")
    check_equal(vm["cloud_init"]["status"], "error", str(vm["cloud_init"]))
    check(re.search(r"runcmd|scripts", done.stdout + done.stderr), f"the error is not shown: {tail(done.stdout + done.stderr)}")
    check("with errors" in lab.vmlab("ls", "web").stdout, lab.vmlab("ls", "web").stdout)
    print(f"ready after {time.monotonic() - began:.0f} s")
    lab.save_console("web", "web-reinstalled")
    check_equal(lab.vm("web")["attempt"], 2, "attempt")
    check_equal(lab.ssh("web", "hostname"), "web-host", "hostname")
    check_equal(lab.ssh("web", "test -e /var/lib/kept && echo old || echo new"), "new", "system")
    check_equal(lab.ssh("web", "id -un; stat -c %U:%G /etc/late; cat /etc/after /etc/ran"), "debian\nann:ann\ny\nran",
        "the image's own user, a file of a later user, the file and the command after it")
    kinds = {e["kind"] for e in lab.api("/api/v1/events?vm=web&limit=1000")["events"]}
    check("cloud-init" in kinds, f"no event of a stage of cloud-init: {kinds}")


@needs(test_vmlab_reinstall_attempt_2_a_new_system_ready_and_what_its_first_boot_could_not_do_is_said)
def test_one_address_from_pxe_to_the_installed_system_and_the_declared_ipv6_one_after_a_reinstall(lab, web):
    vm = lab.vm("web")
    check_equal(vm["declared_ip"], None, "declared address")
    check(f" {vm['ip']}/" in lab.ssh("web", "ip -4 -o addr"), f"the API says {vm['ip']}, the guest has another")
    events = lab.api("/api/v1/events?vm=web&limit=1000")["events"]
    ordered = max(i for i, e in enumerate(events) if (e["kind"], e["text"]) == ("action", "reinstall"))
    since = {e["text"] for e in events[ordered:] if e["kind"] == "dhcp" and ":" not in e["text"]}
    check_equal(since, {vm["ip"]}, "addresses given since the reinstall was ordered")
    eventually(lambda: WEB6 + "/" in lab.ssh("web", "ip -6 -o addr"), 30, "the new system has the declared IPv6 address", every=2)
    check_equal(lab.vm("web")["ipv6"], WEB6, "IPv6 address in the API")


@pytest.mark.long
def test_a_lab_that_lost_its_state_leaves_what_is_installed_alone(lab, web):
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
    print(f"back after {time.monotonic() - began:.0f} s")


def test_vmlab_down_ends_it_by_an_orderly_shutdown(lab, web):
    lab.vmlab("down", "web", timeout=120)
    states = docker("ps", "-a", "--filter", f"name={lab.container('web')}", "--format", "{{.State}}").stdout.split()
    check(states in ([], ["exited"]), f"container state: {states}")
    if states:
        check(re.search(r"Power down|reboot: Power|Reached target.*(poweroff|Power-Off)", lab.console("web")),
            f"no shutdown on the console: {tail(lab.console('web'), 600)}")


def test_the_labs_daemons_live_and_its_health_check_is_content(lab, web):
    lab.check_healthy()


def test_vmlab_rm_leaves_no_container_volume_or_network(lab, web):
    lab.vmlab("rm", "-y", "web", timeout=60)
    lab.vmlab("down", timeout=120)
    volumes = [v for v in docker("volume", "ls", "--format", "{{.Name}}").stdout.split() if v.startswith(lab.name)]
    check(f"{lab.name}-disk-web" not in volumes, f"volumes: {volumes}")
    running = docker("ps", "--filter", f"label=vmlab.lab={lab.name}", "--format", "{{.Names}}").stdout.split()
    check_equal(running, [], "running containers")
    os.unlink(os.path.join(lab.vms, "web.json"))  # or the next `vmlab up` would start it
