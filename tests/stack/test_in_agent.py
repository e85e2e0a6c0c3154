"""What is told of a machine that an order brings to the agent, from its boot until it leaves: by the API, `vmlab ls`,
`vmlab machines` and what is expected of its next boot."""
import json

from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.commanded_lab import CommandedLab, Machine
from kit.scope import Scope, needs

scope = Scope("inagent")
lab = CommandedLab(scope, "inagent")


def order(action, **args):
    answer = lab.operator("/api/v1/machines/web1/orders", method="POST", body={"action": action, "args": args})
    check_equal(answer.status, 200, f"{answer}: status")
    return answer.json


def now(*keys):
    vm = lab.vm("web1")
    return tuple(vm[k] for k in keys)


def in_machines():
    return next(m for m in lab.api("/api/v1/machines")["machines"] if m["name"] == "web1")


def test_what_waits_is_what_its_next_boot_is_for():
    lab.make_image()
    lab.start()
    scope.client = lab.client("web", cidr="192.168.100.20/24")
    scope.web = Machine(scope.client, "52:54:00:a9:00:20")
    lab.define("web1", mac=scope.web.mac)
    lab.wait_vm("web1")
    scope.web.installs()
    check_equal(now("state", "recorded", "agent"), ("ready", "ready", None), "installed")
    check_equal(lab.vm("web1")["expected"], {"does": "local", "ends": "ready"}, "expected")
    scope.given = order("inventory")
    check_equal(lab.vm("web1")["expected"], {"does": "agent", "ends": "started"}, "expected")
    check_equal(lab.list_state("web1"), "ready, inventory ordered", "ls")


@needs(test_what_waits_is_what_its_next_boot_is_for)
def test_it_is_in_the_agent_from_its_boot_until_it_leaves():
    web = scope.web
    check("initrd.mode=agent" in web.boots(), "it boots the agent")
    check_equal(now("state", "recorded"), ("agent", "installed"), "on its way")
    check_equal(lab.list_state("web1"), "agent: starts", "ls")
    web.comes()
    told = web.poll()
    check_equal(told["id"], scope.given["id"], "the order")
    check_equal(web.done(told).status, 204, "its end: status")
    check_equal(now("state", "recorded"), ("agent", "installed"), "it is there")
    check(lab.vm("web1")["agent"]["since"] == lab.vm("web1")["changed_at"], f"{lab.vm('web1')}")
    check_equal(lab.list_state("web1"), "agent: waits for orders", "ls")
    check_equal(in_machines()["state"], "agent", "machines")
    wipe = order("wipe", disk="vda", how="blocks")
    check_equal(web.poll()["id"], wipe["id"], "the order")
    check_equal(web.progress(wipe, phase="blocks", done_bytes=43, total_bytes=100).status, 204, "progress: status")
    check_equal(lab.list_state("web1"), "agent: wipe 43 %", "ls")
    listed = json.loads(lab.vmlab("ls", "--json", "web1").stdout)["vms"][0]
    check_equal((listed["state"], listed["recorded"], listed["order"]["done_bytes"]), ("agent", "installed", 43), "ls --json")
    check("agent: wipe 43 %" in lab.vmlab("machines").stdout, "machines")
    check("state      agent: wipe 43 %" in lab.vmlab("machines", "show", "web1").stdout, "machines show")
    check_equal(web.done(wipe).status, 204, "its end: status")
    local = order("local")
    check_equal(web.poll()["id"], local["id"], "the order")
    check_equal(web.done(local).status, 204, "its end: status")
    check_equal(now("state", "agent"), ("installed", None), "it leaves, and is not ready by that")
    check("sanboot" in web.boots(), "it boots its disk")
    web.is_ready(boot="2")
    check_equal(now("state", "expected"), ("ready", {"does": "local", "ends": "ready"}), "back")


def page():
    """Its page, as a browser gets it."""
    return lab.operator("/machines/web1").text


@needs(test_it_is_in_the_agent_from_its_boot_until_it_leaves)
def test_one_whose_systems_disk_is_wiped_has_nothing_installed():
    web = scope.web
    wipes = [order("wipe", disk="vda") for _ in range(2)]
    web.boots()
    web.comes()
    for wipe, gone, recorded in zip(wipes, (False, True), ("installed", "declared")):
        check_equal(web.poll()["id"], wipe["id"], "the order")
        check_equal(web.done(wipe, figures={"system_gone": gone}).status, 204, "its end: status")
        check_equal(now("state", "recorded"), ("agent", recorded), f"the system is gone: {gone}; state")
    check("wiped" in [e["text"] for e in lab.api("/api/v1/events?limit=200")["events"] if e["kind"] == "action"], "no event")
    check_equal(web.done(wipes[1], figures={"system_gone": True}).status, 204, "told twice: status")
    reboot = order("reboot")
    check_equal(web.poll()["id"], reboot["id"], "the order")
    check_equal(web.done(reboot).status, 204, "its end: status")
    check_equal(now("state", "recorded", "expected"), ("declared", "declared", {"does": "install", "ends": "ready"}), "it leaves")
    check_equal(lab.list_state("web1"), "declared", "ls")
    check_equal(in_machines()["state"], "declared", "machines")
    check(">declared<" in page(), "its page")
    docker("restart", lab.stack)
    lab.wait_serving()
    check_equal(now("state"), ("declared",), "after a restart")
    web.installs()
    check_equal(now("state"), ("ready",), "installed anew")


@needs(test_it_is_in_the_agent_from_its_boot_until_it_leaves)
def test_one_that_is_switched_off_and_on_has_left():
    web = scope.web
    run = order("run", script="true")
    web.boots()
    web.comes()
    check_equal(web.poll()["id"], run["id"], "the order")
    check_equal(web.progress(run, phase="script").status, 204, "progress: status")
    check_equal(lab.list_state("web1"), "agent: run: script", "ls")
    web.boots()
    check(now("state") == ("agent",) and lab.vm("web1")["agent"]["is"] in ("silent", "starting"), "its agent ends, as in a power cut")
    web.comes()
    check_equal(web.poll(), None, "what may not be begun twice")
    check_equal(lab.list_state("web1"), "agent: waits for orders", "ls")
    check("sanboot" in web.boots(), "it boots its disk")
    check_equal(now("state", "agent"), ("installed", None), "it has left")


@needs(test_one_that_is_switched_off_and_on_has_left)
def test_a_failed_install_is_told_wherever_the_machine_is():
    web = scope.web
    check_equal(lab.operator("/api/v1/vms/web1/reinstall", method="POST").status, 200, "reinstall: status")
    check("initrd.mode=install" in web.boots(), "it installs")
    web.reports(phase="format", status="failed", message="no")
    given = order("inventory")
    check("initrd.mode=agent" in web.boots(), "it boots the agent")
    web.comes()
    check_equal(web.poll()["id"], given["id"], "the order")
    check_equal(now("state"), ("failed",), "state")
    check_equal(lab.list_state("web1"), "failed: format, agent: inventory", "ls")
    check_equal(web.done(given).status, 204, "its end: status")


@needs(test_what_waits_is_what_its_next_boot_is_for)
def test_a_stranger_in_the_agent_is_told_too():
    strange = Machine(scope.client, "52:54:00:a9:00:99")
    strange.comes()
    listed = eventually(lambda: [m for m in lab.api("/api/v1/machines")["machines"] if strange.mac in m["macs"]], 3, "it is listed")[0]
    check(listed["agent"] and not listed["order"], f"{listed}")
    check("stranger, agent: waits for orders" in lab.vmlab("machines").stdout, "machines")
    check("agent: waits for orders" in lab.vmlab("machines", "show", strange.mac).stdout, "machines show")
