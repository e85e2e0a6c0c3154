"""A machine of mode menu, and a stranger: iPXE shows what can be booted, and what is chosen is booted and told."""
import hashlib
import json
import os
import shutil

import pytest

from kit.check import check_equal, eventually
from kit.scope import needs
from kit.screen import DOWN, screen_of

MAC, STRANGE = "52:54:00:e2:e0:08", "52:54:00:e2:e0:09"
SCRIPT = b"#!ipxe\necho this is ${name} of ${image_url}\nsleep 2\n"


def told(lab):
    return [(e["kind"], e["text"]) for e in lab.api("/api/v1/events?vm=asked")["events"] if e["kind"] in ("ipxe", "choice")]


def add_boot_image(lab, name, boot, contents):
    """images/<name>/amd64: {file: bytes}, and what `boot` says of them, a file's name being for its kernel or script."""
    where = os.path.join(lab.images, name, "amd64")
    os.makedirs(where)
    for file, data in contents.items():
        with open(os.path.join(where, file), "wb") as f:
            f.write(data)
    described = {key: {"file": value, "size_bytes": len(contents[value]), "sha256": hashlib.sha256(contents[value]).hexdigest()}
        if value in contents else value for key, value in boot.items()}
    with open(os.path.join(where, "manifest.json"), "w") as f:
        json.dump({"format": 1, "kind": "boot", "distro": name, "arch": "amd64", "os_name": f"The {name}", "boot": described}, f)


@pytest.fixture(scope="module")
def images(lab):
    """A kernel, the installer's, without a root to go on with; and a script."""
    lab.only_the_lab()
    with open(os.path.join(lab.images, "debian-13", "amd64", "vmlinuz"), "rb") as f:
        add_boot_image(lab, "a-kernel", {"kernel": "vmlinuz", "args": "console=ttyS0 panic=600"}, {"vmlinuz": f.read()})
    add_boot_image(lab, "a-script", {"script": "boot.ipxe"}, {"boot.ipxe": SCRIPT})
    yield
    for name in ("a-kernel", "a-script"):
        shutil.rmtree(os.path.join(lab.images, name))


def test_the_menu_offers_disk_installation_shell_and_images_and_the_choice_is_told(lab, images):
    lab.define("asked", mac=MAC, arch="amd64", distro="debian-13", mode="menu", menu_timeout=0, disks=[{"size": "4G"}])
    lab.start_vm("asked", MAC)
    with screen_of(lab, "asked") as screen:
        screen.shows(r"(?s)asked: what shall it boot\?.*Boot from disk.*install debian-13.*shell.*agent"
            r".*Boot a-kernel \(The a-kernel\).*Boot a-script", 300)
        screen.types(DOWN * 5 + b"\r")
        screen.shows(r"(?s)asked boots a-script.*this is asked of http://[0-9.]+/images/a-script/amd64", 60)
        screen.shows(r"(?s)what shall it boot\?.*Boot a-script", 60)
        screen.types(DOWN * 4 + b"\r")
        screen.shows(r"(?s)asked boots a-kernel.*Linux version \d", 300)
    eventually(lambda: told(lab) == [("ipxe", "menu"), ("choice", "a-script"), ("ipxe", "boot"), ("ipxe", "menu"),
        ("choice", "a-kernel"), ("ipxe", "boot")], 10, f"the events of the choices; there are {told(lab)}")
    lab.remove_vm("asked")


@needs(test_the_menu_offers_disk_installation_shell_and_images_and_the_choice_is_told)
def test_left_alone_it_boots_the_default(lab):
    lab.define("asked", mac=MAC, arch="amd64", distro="debian-13", mode="menu", menu_timeout=3, menu_default="install",
        disks=[{"size": "4G"}])
    lab.start_vm("asked", MAC)
    eventually(lambda: lab.vm("asked")["state"] == "installing", 400, "it installs by itself", every=1)
    check_equal(told(lab)[-2:], [("choice", "install"), ("ipxe", "install")], "events")
    lab.remove_vm("asked")
    os.unlink(os.path.join(lab.vms, "asked.json"))


@pytest.mark.long
def test_a_stranger_is_asked_as_well(lab, images):
    lab.strangers_get("menu")
    try:
        lab.start_vm("strange", STRANGE)
        with screen_of(lab, "strange") as screen:
            screen.shows(rf"(?s)no definition in vms/ has this machine: mac {STRANGE}.*to declare it: vmlab adopt {STRANGE}"
                r".*Ask again.*Boot from disk.*shell.*agent.*Boot a-kernel.*Boot a-script", 300)
            screen.types(DOWN * 2 + b"\r")
            screen.shows(r"iPXE>", 60)
            screen.types(b"exit\r")
            screen.shows(r"(?s)to declare it.*Boot a-script", 60)
            screen.types(DOWN * 5 + b"\r")
            screen.shows(r"(?s)it boots a-script.*this is stranger of http://", 60)
            found = next(m for m in lab.api("/api/v1/machines")["machines"] if STRANGE in m["macs"])
            check_equal((found["kind"], found["chosen"], bool(found["chosen_at"])), ("stranger", "a-script", True), "what is remembered")
            lab.define("strange", mac=STRANGE, arch="amd64", mode="local", disks=[{"size": "4G"}])
            screen.shows(r"strange boots from its disk", 120)
    finally:
        lab.remove_vm("strange")
        lab.strangers_get("wait")
