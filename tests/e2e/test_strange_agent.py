"""A machine that nobody declared boots the agent: its inventory is on the server and tells the hardware that QEMU was
given, and its orders are done while it waits for them."""
import pytest

from kit import http_client
from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.scope import needs

pytestmark = pytest.mark.long
STRANGE = "52:54:00:e2:e0:0a"
UUID, SERIAL = "0e2e0d0c-0b0a-4908-8706-050403020a0a", "AGENT-E2E-1"
BOOT_S = 400
GIB = 1 << 30


def ask(lab, path, **kwargs):
    return http_client.request("localhost", f"/api/v1/machines/{STRANGE}/{path}", unix=lab.socket, **kwargs)


def order(lab, action):
    answer = ask(lab, "orders", method="POST", body={"action": action})
    check_equal(answer.status, 200, f"{action}: {answer}; status")
    return answer.json["id"]


def state_of(lab, number):
    return next(o["state"] for o in ask(lab, "orders").json["orders"] if o["id"] == number)


def events(lab, kind):
    return [e for e in lab.api("/api/v1/events?limit=1000")["events"] if e["kind"] == kind and e["mac"] == STRANGE]


def told(lab):
    answer = ask(lab, "inventory")
    return answer.json["inventories"] if answer.status == 200 else []


def test_its_inventory_is_what_qemu_was_given(lab):
    lab.only_the_lab()
    lab.strangers_get("agent")
    lab.start_vm("agent", STRANGE, env=[f"VM_UUID={UUID}", f"VM_SERIAL={SERIAL}"])
    newest = eventually(lambda: told(lab), BOOT_S, "the inventory is told", every=2)[0]["inventory"]
    lab.save_console("agent", "agent")
    check_equal((newest["system"]["uuid"], newest["system"]["serial"]), (UUID, SERIAL), "system")
    check_equal([n["mac"] for n in newest["nics"]], [STRANGE], "cards")
    check_equal((newest["cpu"]["arch"], newest["firmware"]["type"]), ("amd64", "uefi"), "CPU and firmware")
    check(newest["memory"]["total_bytes"] >= GIB // 4, f"memory: {newest['memory']}")
    check_equal([d["size_bytes"] for d in newest["disks"]], [4 * GIB], "disks")
    shown = lab.vmlab("machines", "show", STRANGE).stdout
    check(UUID in shown and SERIAL in shown and "4.0 GiB" in shown or "4 GiB" in shown and STRANGE in shown, f"`vmlab machines show`: {shown}")
    print(shown)


@needs(test_its_inventory_is_what_qemu_was_given)
def test_orders_are_done_while_it_waits(lab):
    number = order(lab, "inventory")
    eventually(lambda: state_of(lab, number) == "done", 60, "the inventory is taken again")
    docker("restart", f"{lab.name}-stack")
    eventually(lambda: ask(lab, "orders").status == 200, 60, "the server answers again")
    greetings = len(events(lab, "agent"))
    number = order(lab, "reboot")
    eventually(lambda: state_of(lab, number) == "done", 90, "the order is done")
    eventually(lambda: len(events(lab, "agent")) > greetings, BOOT_S, "it comes back", every=2)


@needs(test_orders_are_done_while_it_waits)
def test_poweroff_switches_it_off(lab):
    number = order(lab, "poweroff")
    eventually(lambda: state_of(lab, number) == "done", 90, "the order is done")
    eventually(lambda: docker("inspect", "-f", "{{.State.Running}}", lab.container("agent")).stdout.strip() == "false", 120, "it is off")
    lab.remove_vm("agent")
    lab.strangers_get("wait")
