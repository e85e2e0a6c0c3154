"""The menu of a declared machine and a stranger's (STRANGERS=menu): what they offer, and that what is chosen is told and
remembered. As iPXE asks; tests/e2e/test_menu.py has iPXE itself."""
import hashlib
import json
import os
import re
import shutil

from kit.check import check, check_equal, eventually
from kit import http_client
from kit.command import docker
from kit.lab import SERVER, Lab
from kit.scope import Scope, needs
from kit.stack_lab import lines_of

scope = Scope("menus")
menus = Lab(scope, "menus", access="own")
ASKED, ADDRESS = "52:54:00:7e:5b:01", "192.168.100.20"
STRANGE, STRANGE_ADDRESS = "52:54:00:7e:5b:99", "192.168.100.99"
INSTALLER = "debian-installer-13"
KERNEL = "a kernel"


def add(name, arch="amd64", **more):
    where = os.path.join(menus.images, name, arch)
    os.makedirs(where)
    with open(os.path.join(where, "vmlinuz"), "w") as f:
        f.write(KERNEL)
    kernel = {"file": "vmlinuz", "size_bytes": len(KERNEL), "sha256": hashlib.sha256(KERNEL.encode()).hexdigest()}
    title = more.pop("os_name", None)
    manifest = {"format": 1, "kind": "boot", "distro": name, "arch": arch, "boot": dict({"kernel": kernel, "args": "who={name}"}, **more)}
    if title:
        manifest["os_name"] = title
    with open(os.path.join(where, "manifest.json"), "w") as f:
        json.dump(manifest, f)


def ask(path, source=ADDRESS, **kwargs):
    with scope.client.inside():
        return http_client.request(SERVER, path, source=source, **kwargs)


def boots(choose=None):
    return ask(f"/ipxe?mac={ASKED}&arch=x86_64" + (f"&choose={choose}" if choose else "")).text


def strange(choose=None, arch="x86_64"):
    return ask(f"/ipxe?mac={STRANGE}&arch={arch}" + (f"&choose={choose}" if choose else ""), source=STRANGE_ADDRESS).text


def items(script):
    return {words[1]: " ".join(words[2:]) for words in (line.split() for line in lines_of(script, "item")) if words[1] != "--gap"}


def preset(script):
    return re.search(r"^choose --default (\S+)", script, re.M)[1]


def stranger():
    return next(m for m in menus.api("/api/v1/machines")["machines"] if STRANGE in m["macs"])


def choices():
    return [e["text"] for e in menus.api("/api/v1/events?vm=asked")["events"] if e["kind"] == "choice"]


def state():
    return menus.vm("asked")["state"]


def test_every_boot_image_of_its_architecture_is_on_the_menu():
    add("rescue", os_name="Rescue System 4")
    add(INSTALLER, unattended_args="url={unattended_url} done={done_url}")
    add("boards", arch="arm64")
    menus.define("asked", mac=ASKED, ip=ADDRESS, mode="menu", menu_default=INSTALLER + ":unattended", menu_timeout=7)
    menus.start(env=["STRANGERS=menu"])
    scope.client = menus.client("client", cidr=STRANGE_ADDRESS + "/24")
    scope.client.address(ADDRESS + "/24")
    script = boots()
    check_equal(items(script), {"local": "Boot from disk", "rescue": "Boot rescue (Rescue System 4)",
        INSTALLER: f"Boot {INSTALLER}", INSTALLER + ":unattended": f"Erase the disk and install by {INSTALLER}, unattended"}, "items")
    check_equal(preset(script), INSTALLER + ":unattended", "the default")
    check("--timeout 7000" in script, script)


@needs(test_every_boot_image_of_its_architecture_is_on_the_menu)
def test_images_come_and_go_while_it_runs():
    add("later")
    eventually(lambda: "later" in items(boots()), 5, "the new image is offered")
    os.unlink(os.path.join(menus.images, "later", "amd64", "vmlinuz"))
    eventually(lambda: "later" not in items(boots()), 5, "one that lacks its kernel is not")
    check_equal(preset(boots("later")), INSTALLER + ":unattended", "chosen all the same, the menu again; the default")
    shutil.rmtree(os.path.join(menus.images, "later"))


@needs(test_images_come_and_go_while_it_runs)
def test_what_is_chosen_is_booted_and_told():
    script = boots("rescue")
    check("web" not in script and " who=asked" in lines_of(script, "kernel")[0], script)
    check("/images/rescue/amd64/vmlinuz" in script, script)
    check_equal(state(), "declared", "state")
    eventually(lambda: choices() == ["rescue"], 5, "the choice is an event")
    for odd in ("off", "gone", "%1b%5b2J", "rescue:unattended"):
        check(lines_of(boots(odd), "choose"), f"{odd}: no menu")
    check_equal(choices(), ["rescue"], "choices told")


@needs(test_what_is_chosen_is_booted_and_told)
def test_one_that_installs_gets_its_file_and_done_also_after_a_restart():
    script = boots(INSTALLER + ":unattended")
    check(f"url=http://{SERVER}/unattended/{ASKED}" in script, script)
    check_equal(state(), "booting", "state")
    check("d-i " in ask(f"/unattended/{ASKED}").text, "no preseed")
    check(ask(f"/stage4/{ASKED}").text.startswith("#!/bin/sh"), "no stage4")
    check_equal(ask(f"/unattended/{ASKED}", source=STRANGE_ADDRESS).status, 403, "a stranger asks for it: status")
    docker("restart", menus.stack)
    menus.wait_serving()
    check_equal(ask(f"/done/{ASKED}").status, 204, "done: status")
    check_equal(state(), "installed", "state")
    check_equal(preset(boots()), "local", "the default of what is installed")
    check_equal(menus.operator("/api/v1/vms/asked/reinstall", method="POST").status, 200, "reinstall: status")
    check_equal(preset(boots()), INSTALLER + ":unattended", "the default after the order")


@needs(test_every_boot_image_of_its_architecture_is_on_the_menu)
def test_a_stranger_gets_a_menu_and_what_it_chose_is_remembered():
    script = strange()
    check(f"vmlab adopt {STRANGE}" in script, script)
    check_equal(sorted(items(script)), sorted(["again", "local", "shell", "rescue", INSTALLER]), "items")
    check_equal((preset(script), stranger()["chosen"]), ("again", None), "default and choice")
    check("boards" in items(strange(arch="arm64")), "of its own architecture")
    check("/images/rescue/amd64/vmlinuz" in strange("rescue"), "the image is booted")
    found = stranger()
    check_equal((found["chosen"], bool(found["chosen_at"])), ("rescue", True), "remembered")
    check(lines_of(strange(INSTALLER + ":unattended"), "choose"), "it is not installed by anything")
    check_equal(stranger()["chosen"], "rescue", "what it has not is no choice")
    check("sanboot" in strange("local") and lines_of(strange("shell"), "shell"), "disk and shell")


@needs(test_a_stranger_gets_a_menu_and_what_it_chose_is_remembered)
def test_once_declared_it_is_not_asked_again():
    menus.define("adopted", mac=STRANGE, ip=STRANGE_ADDRESS, mode="local")
    eventually(lambda: "adopted boots from its disk" in strange("again"), 5, "asking again")


@needs(test_once_declared_it_is_not_asked_again)
def test_one_that_stands_by_asks_again_until_it_is_to_do_something_else():
    menus.define("adopted", mac=STRANGE, ip=STRANGE_ADDRESS, arch="amd64", mode="wait")
    eventually(lambda: "stands by" in strange(), 5, "it stands by")
    for _ in range(5):
        strange()
    vm = menus.vm("adopted")
    check_equal((vm["state"], vm["expected"]["does"]), ("declared", "wait"), "its state")
    eventually(lambda: [e["text"] for e in menus.api("/api/v1/events?vm=adopted")["events"] if e["kind"] == "ipxe"].count("wait") == 1,
        3, "it is an event, once")
    menus.define("adopted", mac=STRANGE, ip=STRANGE_ADDRESS, arch="amd64", mode="local")
    eventually(lambda: "sanboot" in strange(), 5, "it boots its disk")
