"""A VM from power-on to ready, and what the command tells of it."""
import ast
import json
import os
import pty
import re
import time

from kit import vmlab_cli
from kit.check import check, check_equal, eventually
from kit.command import docker, tail
from kit.e2e_lab import HOSTILE


def test_vmlab_validate_accepts_the_definition_and_refuses_a_broken_one(lab):
    lab.define_web(ip="192.168.100.10")
    lab.vmlab("validate")
    with open(os.path.join(lab.vms, "broken.json"), "w") as f:
        f.write('{"name": "broken",\n "mac": "nonsense"}\n')
    done = lab.vmlab("validate", check_rc=False)
    os.unlink(os.path.join(lab.vms, "broken.json"))
    check(done.returncode != 0, "validate says nothing about a broken MAC")
    check(re.search(r"broken\.json:2", done.stdout + done.stderr), f"no file and line: {done.stdout} {done.stderr}")


def test_vmlab_plan_prints_the_partitions_and_refuses_a_disk_that_is_too_small(lab):
    lab.define("planned", mac="52:54:00:e2:e0:04", arch="amd64", distro="debian-13", disks=[{"size": "8G"}],
        storage={"root": {"fs": "xfs"}, "swap": "1G"})
    text = lab.vmlab("plan", "planned", "--disk", "20G").stdout
    check(re.search(r"2 +swap +swap +1\.0 GiB.*\n +3 +/ +xfs +18\.5 GiB", text), f"not the layout:\n{text}")
    done = lab.vmlab("plan", "planned", "--disk", "1G", check_rc=False)
    os.unlink(os.path.join(lab.vms, "planned.json"))
    check_equal(done.returncode, 1, "exit status")
    check("too small" in done.stderr and "at least" in done.stderr, done.stderr)


def test_vmlab_up_brings_a_512_mib_vm_from_power_on_to_ready(lab, web):
    vm = lab.vm("web")
    check_equal(vm["state"], "ready", f"state after `vmlab up`: {tail(web.stdout)}")
    check_equal(vm["attempt"], 1, "attempt")
    check("ssh" in web.stdout, f"does not say how to log in: {tail(web.stdout)}")


def test_its_pages_came_back_when_they_were_cut_off_and_the_stack_was_stopped_and_no_event_is_missing_or_twice(lab, web, watched):
    watched.wait("web", "ready", 10)
    watched.shown()
    check_equal(watched.interruptions, 2, "times that its pages said that they are old, and came back")
    count, passed_over = watched.told_once()
    check_equal((len(passed_over), passed_over[0]), (2, []), "connections after the first; events that the second passed over")
    print(f"{count} events came; {passed_over[1]} were told while the stack stopped: the page asked for them")


def test_the_page_followed_it_from_power_on_to_ready(lab, web, watched):
    watched.wait("web", "ready", 10)
    shown = watched.shown()
    states = [state for n, (state, _, _) in enumerate(shown) if n == 0 or shown[n - 1][0] != state]
    at = [states.index(state) for state in ("installing", "installed", "ready")]
    check_equal(at, sorted(at), f"{states}; their order")
    words = {said for _, said, _ in shown}
    for phase in ("rootfs", "bootloader"):
        check(any(phase in said for said in words), f"{phase} was not shown: {words}")
    check(any(bar > 0 for _, _, bar in shown), f"the bar did not move: {shown}")
    texts = watched.pages("/machines", "/machines/web", "/machines/web/events", "/machines/web/log", "/machines/web/definition",
        "/machines/web/orders", "/images")
    check("rootfs" in texts["/machines/web"] and "ready" in texts["/machines/web"], texts["/machines/web"])
    check("verified" in texts["/images"], texts["/images"])
    check("old value" not in texts["/machines/web/definition"], texts["/machines/web/definition"])


def test_by_keyboard_alone_from_the_list_through_its_tabs_to_an_order_and_back(lab, web, watched):
    browser = watched.browser
    browser.use(name="watcher")
    browser.goto(path="/machines")
    def follow(what, path):
        browser.tab_to(what)
        browser.press(key="Enter")
        browser.wait(until=f"location.pathname + location.search === '{path}'")
    follow("tr[data-machine=web] a", "/machines/web")
    for tab in ("/events", "/log", "/console", "/definition", "/orders", ""):
        follow(f".tabs a[href='/machines/web{tab}']", "/machines/web" + tab)
    for word, netboot in (("netboot-off", False), ("netboot-on", True)):
        follow(f"[value={word}] ~ button", "/machines/web?done=" + word)
        check_equal(lab.vm("web")["netboot"], netboot, f"{word}: netboot")
    follow("header a[href='/machines']", "/machines")
    watched.check_tidy("by keyboard")


def test_its_pages_are_read_without_script_and_in_the_dark_and_what_its_hook_said_is_text(lab, web, watched):
    watched.shown()
    pages = ["/machines", *("/machines/web" + tab for tab in ("", "/events", "/log", "/console", "/definition", "/orders")), "/images"]
    says = watched.look_elsewise(*pages)
    for path, words in zip(pages, ("ready", "rootfs", "installer: rootfs", HOSTILE, "iPXE", "web-host", "reboot", "verified")):
        check(words in says[path], f"{path} without script does not show {words!r}: {says[path][-1500:]}")


def test_each_stage_is_in_the_event_list_in_order(lab, web):
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


def test_each_stage_and_module_of_cloud_init_is_an_event_as_it_began_and_ended(lab, web):
    told = [(e["kind"], e["text"]) for e in lab.api("/api/v1/events?vm=web&limit=1000")["events"] if e["kind"].startswith("cloud-init")]
    queued = [ast.literal_eval(line.partition("data: ")[2])
        for line in lab.ssh("web", "sudo grep 'Queuing POST' /var/log/cloud-init.log").splitlines()]
    check_equal(told, [({"start": "cloud-init", "finish": "cloud-init-end"}[q["event_type"]],
        q["name"].replace("/config-", "/").replace("/", ": ")) for q in queued], "what is told, and what the guest's log says it sent")
    at = -1
    for module in ("init-network: growpart", "init-network: users-groups", "init-network: ssh", "modules-config: set-passwords",
            "modules-final: scripts-vendor", "modules-final: final-message"):
        check(("cloud-init", module) in told[at + 1:], f"{module} did not begin after number {at}: {told}")
        at = told.index(("cloud-init", module))
        check_equal(told[at + 1], ("cloud-init-end", module), "its end")
    print(f"{len(told)} events of cloud-init")


def test_the_serial_console_is_the_containers_log(lab, web):
    text = lab.console("web")
    check("iPXE" in text, "no iPXE in the log")
    check("web-host login:" in text or "Debian" in text, "no login prompt in the log")


def test_vmlab_ls_logs_and_wait_tell_the_same(lab, web):
    listed = json.loads(lab.vmlab("ls", "--json").stdout)
    vms = listed["vms"] if isinstance(listed, dict) else listed
    check([v for v in vms if v["name"] == "web" and v["state"] == "ready"], f"ls --json: {listed}")
    check("ready" in lab.vmlab("ls").stdout, "ls does not show the state")
    lab.vmlab("wait", "web", "--for", "ready", timeout=10)
    log = lab.vmlab("logs", "--installer", "web").stdout
    check("rootfs" in log, f"the install log is not kept: {tail(log, 400)}")
    check("log" in lab.vm("web") and lab.vm("web")["log"], "the API has no install log")


def test_ctrl_leaves_the_console_with_status_0_and_the_vm_goes_on(lab, web):
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


def test_vmlab_events_tells_the_way_and_how_long_each_stage_took(lab, web):
    text = lab.vmlab("events", "web").stdout
    for wanted in ("iPXE: loads the installer", "installer: rootfs", "ready", "disk boot", "total"):
        check(wanted in text, f"no {wanted!r} in:\n{text}")
    check(re.search(r"\+ +[0-9.]+ s  installer: partition", text), text)


def test_up_again_changes_nothing(lab, web):
    before = docker("inspect", "-f", "{{.Id}}", lab.container("web")).stdout
    lab.vmlab("up", "web", timeout=60)
    check_equal(docker("inspect", "-f", "{{.Id}}", lab.container("web")).stdout, before, "container")
    check_equal(lab.vm("web")["attempt"], 1, "attempt")
