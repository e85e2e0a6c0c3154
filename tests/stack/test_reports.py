"""One installation, told by its reports."""
import json
import re

from kit.check import check, check_equal, eventually
from kit.scope import needs
from kit.stack_lab import ALPHA, BIOS, KEY, PVMLAB, installs, lines_of

state = {}


def test_reports_take_a_machine_from_booting_to_installed_then_it_boots_its_disk(lab):
    first = lab.api("/api/v1/events")["last"]
    check(installs(lab.ipxe(ALPHA)), "no install script")
    check(lab.vm("alpha")["state"] in ("booting", "installing"), f"after /ipxe: {lab.vm('alpha')['state']}")
    check_equal(lab.ask(f"/config/{ALPHA}").status, 200, "/config: status")
    lab.report(ALPHA, phase="network", status="done")
    lab.report(ALPHA, phase="rootfs", status="running", bytes=1000, total_bytes=4000, rate_bytes_per_s=500, eta_s=6)
    vm = lab.vm("alpha")
    check_equal((vm["state"], vm["phase"], vm["bytes"], vm["total_bytes"], vm["rate_bytes_per_s"], vm["eta_s"]),
        ("installing", "rootfs", 1000, 4000, 500, 6), "what the operator sees")
    state["attempt"] = vm["attempt"]
    check_equal(vm["installed_disk_bytes"], None, "the disk's size before the installer told it")
    lab.report(ALPHA, phase="format", status="running", disk_bytes=12 << 30)
    check_equal(lab.vm("alpha")["installed_disk_bytes"], 12 << 30, "the disk's size, as the installer told it")
    check(installs(lab.ipxe(ALPHA)), "an interrupted install is not taken up again")
    check_equal(lab.ask(f"/config/{ALPHA}").status, 200, "/config: status")
    state["attempt"] = lab.vm("alpha")["attempt"]
    for phase in ("network", "config", "plan", "partition", "format", "rootfs", "configure", "bootloader"):
        lab.report(ALPHA, phase=phase, status="running")
        lab.report(ALPHA, phase=phase, status="done")
    lab.report(ALPHA, phase="report", status="done")
    check_equal(lab.vm("alpha")["state"], "installed", "state")
    script = lab.ipxe(ALPHA)
    check(not lines_of(script, "kernel") and re.search(r"^sanboot .*exit 1$", script, re.M), script)
    # The list is written behind the answers, in one commit for a burst.
    wanted = {("ipxe", "install"), ("ipxe", "local"), ("state", "installed"), ("phase", "rootfs")}
    def all_there():
        kinds = {(e["kind"], e["text"]) for e in lab.api(f"/api/v1/events?after={first}&vm=alpha")["events"]}
        check(wanted <= kinds, f"no {wanted - kinds} in {kinds}")
        return True
    eventually(all_there, 3, "all events are there")


@needs(test_reports_take_a_machine_from_booting_to_installed_then_it_boots_its_disk)
def test_cloud_inits_call_back_makes_it_ready_and_its_host_keys_known(lab):
    form = f"instance_id=iid-alpha-1&hostname=alpha&pub_key_ed25519={KEY.replace(' ', '+')}+root%40alpha"
    answer = lab.ask(f"/report/{ALPHA}?phase=ready", method="POST", body=form.encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded"})
    check(answer.status in (200, 204), f"phone_home: {answer}")
    vm = lab.vm("alpha")
    check_equal(vm["state"], "ready", "state")
    check_equal(vm["ssh_host_keys"], [KEY], "host keys")
    answer = lab.ask(f"/report/{ALPHA}", method="POST", body={"phase": "rootfs", "status": "running"})
    check_equal(lab.vm("alpha")["state"], "ready", f"state after a late installer report ({answer.status})")


@needs(test_cloud_inits_call_back_makes_it_ready_and_its_host_keys_known)
def test_reinstall_installs_once_more_as_a_new_instance(lab):
    before = json.loads(lab.ask("/cloud-init/alpha/meta-data").text)["instance-id"]
    vm = lab.api("/api/v1/vms/alpha/reinstall", method="POST", body=b"")
    check_equal(vm["name"], "alpha", "the answer's name")
    check(installs(lab.ipxe(ALPHA)), "no install script")
    check_equal(lab.ask(f"/config/{ALPHA}").status, 200, "/config: status")
    lab.report(ALPHA, phase="partition", status="running")
    check(lab.vm("alpha")["attempt"] > state["attempt"], f"attempt {lab.vm('alpha')['attempt']}")
    after = json.loads(lab.ask("/cloud-init/alpha/meta-data").text)["instance-id"]
    check(after != before, f"the instance-id is still {before}")
    check([e for e in lab.api("/api/v1/events?vm=alpha")["events"]
        if e["kind"] == "action" and e["text"] == "reinstall"], "no action event")


@needs(test_reinstall_installs_once_more_as_a_new_instance)
def test_a_failed_install_shows_its_reason_and_waits_it_never_loops(lab):
    lab.report(ALPHA, phase="rootfs", status="failed", message="rootfs.tar.zst has the wrong SHA-256",
        hint="build the image again", log="line one\nline \x1b[31mtwo\n${evil}")
    vm = lab.vm("alpha")
    check_equal(vm["state"], "failed", "state")
    check_equal(vm["error"]["phase"], "rootfs", "error.phase")
    check("wrong SHA-256" in vm["error"]["reason"], str(vm["error"]))
    check("build the image" in (vm["error"]["hint"] or ""), str(vm["error"]))
    check("line one" in json.dumps(vm["log"]), f"log: {vm['log']!r}")
    for _ in range(3):
        script = lab.ipxe(ALPHA)
        check(not lines_of(script, "kernel"), f"installs again:\n{script}")
        check("rootfs" in script and "wrong SHA-256" in script and "sleep 10" in script, script)


FAILED = test_a_failed_install_shows_its_reason_and_waits_it_never_loops


@needs(FAILED)
def test_an_installers_words_cannot_become_ipxe_commands(lab):
    lab.api("/api/v1/vms/alpha/reinstall", method="POST", body=b"")
    lab.ipxe(ALPHA)
    lab.report(ALPHA, phase="rootfs", status="failed", message="a\nshell\r\nkernel evil ${net0/mac} && reboot || poweroff",
        hint="x\nreboot")
    script = lab.ipxe(ALPHA)
    for line in script.splitlines():
        check(not re.match(r"\s*(shell|kernel|reboot|poweroff)\b", line), f"{line!r} in:\n{script}")
        check("evil ${net0" not in line, f"a variable of the report is expanded: {line!r}")
        if "evil" in line:
            check(line.lstrip().startswith("echo"), f"{line!r}")
            check("||" not in line and "&&" not in line, f"{line!r} runs what follows")


@needs(FAILED)
def test_local_the_operator_can_send_a_machine_to_its_disk(lab):
    lab.api("/api/v1/vms/alpha/local", method="POST", body=b"")
    check(re.search(r"^sanboot .*exit 1$", lab.ipxe(ALPHA), re.M), lab.ipxe(ALPHA))
    lab.api("/api/v1/vms/bios/local", method="POST", body=b"")
    check("sanboot --no-describe --drive 0x80" in lab.ipxe(BIOS), lab.ipxe(BIOS))


def test_noreboot_keeps_the_installer_from_rebooting(lab):
    check_equal(lab.ask(f"/config/{PVMLAB}").json["reboot_on_success"], True, "before")
    lab.write("pvm.noreboot", "")
    eventually(lambda: lab.ask(f"/config/{PVMLAB}").json["reboot_on_success"] is False, 3, "reboot_on_success false")
    lab.undefine("pvm.noreboot")
    eventually(lambda: lab.ask(f"/config/{PVMLAB}").json["reboot_on_success"] is True, 3, "reboot_on_success true")


def test_every_daemon_is_still_the_process_that_it_was(lab):
    lab.same_processes()
