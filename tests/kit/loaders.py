"""loaders.py - a machine followed on its screen, from its firmware to the menu that /ipxe gives it."""
import contextlib
import os

from kit import screen
from kit.check import eventually

BOOT_S = 240


@contextlib.contextmanager
def screen_of(lab, name):
    """Its screen; then the machine is gone."""
    try:
        with screen.screen_of(lab, name) as shown:
            yield shown
    finally:
        lab.save_console(name, name)
        lab.remove_vm(name)
        os.unlink(os.path.join(lab.vms, name + ".json"))


def menu_of(lab, name, mac, arch="amd64", **fields):
    """Defines a machine that /ipxe shows a menu, and has it for itself; returns what its screen then shows."""
    lab.only_the_lab()
    lab.define(name, mac=mac, arch=arch, distro="debian-13", mode="menu", menu_timeout=0, **fields)
    return r"(?s)" + name + r": what shall it boot\?.*Boot from disk"


def check_asked(lab, name):
    def asked():
        return [e["text"] for e in lab.api(f"/api/v1/events?vm={name}")["events"] if e["kind"] == "ipxe"]
    eventually(lambda: asked() == ["menu"], 10, f"{name} has asked /ipxe once")
