"""A machine of mode menu: iPXE shows what can be booted, and what is chosen is booted and told."""
import contextlib

from kit.check import check_equal, eventually
from kit.scope import needs
from kit.screen import DOWN, Screen

MAC = "52:54:00:e2:e0:08"


def told(lab):
    return [(e["kind"], e["text"]) for e in lab.api("/api/v1/events?vm=asked")["events"] if e["kind"] in ("ipxe", "choice")]


@contextlib.contextmanager
def screen_of(lab, name):
    screen = Screen(lab, name)
    try:
        yield screen
    finally:
        screen.leave()


def test_the_menu_offers_disk_installation_and_shell_and_the_choice_is_told(lab):
    lab.only_the_lab()
    lab.define("asked", mac=MAC, arch="amd64", distro="debian-13", mode="menu", menu_timeout=0, disks=[{"size": "4G"}])
    lab.start_vm("asked", MAC)
    with screen_of(lab, "asked") as screen:
        screen.shows(r"(?s)asked: what shall it boot\?.*Boot from disk.*install debian-13.*shell", 120)
        screen.types(DOWN + DOWN + b"\r")
        screen.shows(r"asked starts a shell", 30)
    eventually(lambda: told(lab) == [("ipxe", "menu"), ("choice", "shell"), ("ipxe", "shell")], 10, "the events of the choice")


@needs(test_the_menu_offers_disk_installation_and_shell_and_the_choice_is_told)
def test_left_alone_it_boots_the_default(lab):
    lab.remove_vm("asked")
    lab.define("asked", mac=MAC, arch="amd64", distro="debian-13", mode="menu", menu_timeout=3, menu_default="install",
        disks=[{"size": "4G"}])
    lab.start_vm("asked", MAC)
    eventually(lambda: lab.vm("asked")["state"] == "installing", 180, "it installs by itself", every=1)
    check_equal(told(lab)[-2:], [("choice", "install"), ("ipxe", "install")], "events")
    lab.remove_vm("asked")
