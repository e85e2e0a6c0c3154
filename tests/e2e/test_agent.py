"""A VM of mode agent: it boots the agent over the network, its inventory is on the server, it does what it is ordered to,
and lives through a restart of the server."""
import json
import time

from kit import http_client
from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.scope import needs

MAC = "52:54:00:e2:e0:0b"
UUID = "6f1d7c1e-2f0b-4d6a-9c53-0a3f5d2b7e11"
BOOT_S = 400


def inventories(lab):
    return [i["inventory"] for i in lab.api("/api/v1/machines/commanded/inventory")["inventories"]]


def order(lab, action):
    answer = http_client.request("localhost", "/api/v1/machines/commanded/orders", unix=lab.socket, method="POST",
        body={"action": action})
    check_equal(answer.status, 200, f"{action}: {answer}; status")
    return answer.json["id"]


def wait_done(lab, number, seconds):
    def ended():
        found = next(o for o in lab.api("/api/v1/machines/commanded/orders")["orders"] if o["id"] == number)
        check(found["state"] != "failed", f"{found}")
        return found["state"] == "done"
    eventually(ended, seconds, f"order {number} is done", every=0.5)


def test_a_vm_of_mode_agent_has_its_inventory_on_the_server(lab):
    lab.only_the_lab()
    lab.define("commanded", mac=MAC, uuid=UUID, serial="AG-0815", arch="amd64", distro="debian-13", mode="agent", cpus=2,
        memory="256M", disks=[{"size": "3G"}, {"size": "1G"}])
    began = time.monotonic()
    lab.vmlab("up", "--no-wait", "commanded", timeout=90)
    told = eventually(lambda: inventories(lab), BOOT_S, "its inventory is there", every=1)[0]
    print(f"       inventory {time.monotonic() - began:.0f} s after power on")
    check_equal({k: told["system"][k] for k in ("manufacturer", "product", "serial", "uuid")}, {"manufacturer": "vmlab",
        "product": "vm", "serial": "AG-0815", "uuid": UUID}, "system")
    check_equal(told["firmware"], {"type": "uefi", "secure_boot": False}, "firmware")
    check_equal((told["memory"]["total_bytes"], told["cpu"]["threads"]), (256 << 20, 2), "memory, threads")
    check_equal([(d["serial"], d["size_bytes"], d["transport"]) for d in told["disks"]], [("VMLAB-0", 3 << 30, "virtio"),
        ("VMLAB-1", 1 << 30, "virtio")], "disks")
    check_equal([(n["mac"], n["driver"], n["link"]) for n in told["nics"]], [(MAC, "virtio_net", True)], "network cards")


@needs(test_a_vm_of_mode_agent_has_its_inventory_on_the_server)
def test_people_are_shown_what_it_is_made_of(lab):
    shown = lab.vmlab("machines", "show", "commanded").stdout
    for wanted in ("AG-0815", "VMLAB-1", MAC):
        check(wanted in shown, f"no {wanted} in:\n{shown}")


@needs(test_a_vm_of_mode_agent_has_its_inventory_on_the_server)
def test_it_hears_of_an_order_also_after_the_server_was_restarted(lab):
    docker("restart", f"{lab.name}-stack", timeout=90)
    eventually(lambda: lab.vm("commanded"), 60, "the server answers")
    wait_done(lab, order(lab, "inventory"), 90)
    check(len(inventories(lab)) >= 1, "its inventory is lost")


@needs(test_it_hears_of_an_order_also_after_the_server_was_restarted)
def test_it_is_switched_off_by_an_order(lab):
    number = order(lab, "poweroff")
    wait_done(lab, number, 60)
    eventually(lambda: json.loads(docker("inspect", lab.container("commanded")).stdout)[0]["State"]["Running"] is False, 60,
        "the machine is off")
    lab.save_console("commanded", "agent")
    lab.remove_vm("commanded")
