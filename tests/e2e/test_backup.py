"""A machine that is installed is backed up by an order, and another becomes what it was by an order: with its own name, keys
and address, and ready."""
import pytest

from kit import http_client
from kit.check import check, check_equal, eventually
from kit.scope import needs

SOURCE_MAC, TARGET_MAC = "52:54:00:e2:e0:1b", "52:54:00:e2:e0:1c"
MACHINE = {"arch": "amd64", "distro": "debian-13", "cpus": 2, "memory": "768M"}
INSTALL_S, ORDER_S = 900, 900
pytestmark = pytest.mark.long


def ask(lab, machine, *orders):
    answer = http_client.request("localhost", f"/api/v1/machines/{machine}/orders", unix=lab.socket, method="POST",
        body=list(orders))
    check_equal(answer.status, 200, f"{answer}; status")
    return [o["id"] for o in answer.json["orders"]]


def has_inventory(lab, name):
    eventually(lambda: lab.api(f"/api/v1/machines/{name}/inventory")["inventories"], ORDER_S, "its inventory is there", every=1)


def wait_done(lab, machine, number, seconds=ORDER_S):
    def ended():
        found = next(o for o in lab.api(f"/api/v1/machines/{machine}/orders")["orders"] if o["id"] == number)
        check(found["state"] not in ("failed", "cancelled", "stopped"), f"{found}")
        return found if found["state"] == "done" else None
    found = eventually(ended, seconds, f"order {number} is done", every=1)
    print(f"       {found['action']}: {found['text']} {found['figures']}")
    return found


def test_an_installed_machine_becomes_an_image(lab):
    lab.only_the_lab()
    lab.define("cloned", mac=SOURCE_MAC, disks=[{"size": "3G"}], **MACHINE)
    lab.vmlab("up", "cloned", timeout=INSTALL_S)
    check_equal(lab.ssh("cloned", "echo here | sudo tee /srv/mark && sync"), "here", "its mark")
    lab.define("cloned", mac=SOURCE_MAC, disks=[{"size": "3G"}], mode="agent", **MACHINE)
    lab.vmlab("restart", "cloned", "--no-wait", timeout=200)
    has_inventory(lab, "cloned")
    number, off = ask(lab, "cloned", {"action": "backup", "args": {"name": "clone", "disk": "vda"}}, {"action": "poweroff"})
    figures = wait_done(lab, "cloned", number)["figures"]
    check(figures["used_bytes"] < 2 << 30, f"of 3 GiB so much is in use: {figures}")
    wait_done(lab, "cloned", off, 120)


@needs(test_an_installed_machine_becomes_an_image)
def test_another_machine_is_deployed_and_ready(lab):
    lab.define("clone", mac=TARGET_MAC, disks=[{"size": "4G"}], mode="agent", **MACHINE)
    lab.vmlab("up", "--no-wait", "clone", timeout=90)
    has_inventory(lab, "clone")
    number, local = ask(lab, "clone", {"action": "deploy", "args": {"image": "clone", "disk": "vda"}}, {"action": "local"})
    figures = wait_done(lab, "clone", number)["figures"]
    check(figures["verified"] and figures["seeded"], f"{figures}")
    wait_done(lab, "clone", local, 120)
    lab.wait_state("clone", "ready", INSTALL_S)
    seen = lab.ssh("clone", "hostname; cat /srv/mark; cat /sys/class/net/e*/address").split()
    check_equal(seen, ["clone", "here", TARGET_MAC], "its name, the mark, its card")
    lab.save_console("clone", "deployed")
    lab.remove_vm("clone")
    lab.remove_vm("cloned")
