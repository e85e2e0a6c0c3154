"""The agent's side of the server as a machine that runs it calls: registering, inventory, orders while it waits for them;
what it may not say of others, and what is too much. A profile that goes by what was told."""
import json
import os
import threading
import time

from kit import http_client
from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.lab import SERVER, Lab
from kit.scope import Scope, needs

scope = Scope("agent")
ADDRESS, STRANGE_ADDRESS = "192.168.100.20", "192.168.100.99"
GIB = 1 << 30


class Writable(Lab):
    vms_mount = "rw"


lab = Writable(scope, "agent", access="own")


def inventory(product="R640", memory=16 * GIB, disk=480 * 10**9, **more):
    return dict({"format": 1, "system": {"manufacturer": "Maker", "product": product, "serial": "AG 77", "uuid": None},
        "cpu": {"arch": "amd64", "model": "Some CPU", "threads": 8},
        "memory": {"total_bytes": memory, "modules": [{"locator": "A1", "size_bytes": memory}]},
        "disks": [{"name": "sda", "size_bytes": disk, "removable": False}, {"name": "sdb", "size_bytes": 10**15, "removable": True}],
        "nics": [{"name": "eth0", "mac": "52:54:00:00:00:01"}]}, **more)


def ask(client, path, **kwargs):
    with client.inside():
        return http_client.request(SERVER, path, **kwargs)


def post(client, path, body):
    return ask(client, path, method="POST", body=body)


def poll(client, wait=None, mac=None):
    return ask(client, f"/api/device-action-poll?mac={mac or client.mac}" + (f"&wait={wait}" if wait else ""), timeout=70)


def tell(client, what, mac=None):
    return post(client, f"/inventory/{mac or client.mac}", what)


def end(client, order, result="ok", text=""):
    return post(client, "/api/action-done", {"mac": client.mac, "id": order["id"], "result": result, "text": text})


def order(machine, action):
    return lab.operator(f"/api/v1/machines/{machine}/orders", method="POST", body={"action": action})


def told(machine):
    return lab.api(f"/api/v1/machines/{machine}/inventory")["inventories"]


def stranger():
    return next((m for m in lab.api("/api/v1/machines")["machines"] if scope.strange.mac in m["macs"]), None)


def test_a_machine_of_the_mode_and_a_stranger_boot_the_agent():
    lab.make_image()
    os.chmod(lab.vms, 0o777)
    lab.start(env=["STRANGERS=agent"])
    scope.strange = lab.client("strange", cidr=STRANGE_ADDRESS + "/24")
    scope.known = lab.client("known", cidr=ADDRESS + "/24")
    lab.define("web1", mac=scope.known.mac, ip=ADDRESS, mode="agent")
    lab.wait_vm("web1")
    for client in (scope.known, scope.strange):
        script = ask(client, f"/ipxe?mac={client.mac}&arch=x86_64").text
        check(f"/images/debian-13/amd64/vmlinuz " in script and " initrd.mode=agent " in script, script)
        check(f" agent_url=http://{SERVER} " in script and "BOOTIF=01-" + client.mac.replace(":", "-") in script, script)
    check("config_url" not in script and ":again" in ask(scope.strange, f"/ipxe?mac={scope.strange.mac}&arch=arm64").text, script)


@needs(test_a_machine_of_the_mode_and_a_stranger_boot_the_agent)
def test_it_registers_by_mac_and_address_alone():
    answer = post(scope.known, "/api/register-device", {"mac": scope.known.mac, "ip": ADDRESS})
    check_equal((answer.status, answer.json), (200, {"machine": "web1"}), "a declared one")
    answer = post(scope.strange, "/api/register-device", {"mac": scope.strange.mac, "ip": STRANGE_ADDRESS})
    check_equal((answer.status, answer.json), (200, {"machine": scope.strange.mac}), "a stranger")
    check_equal(poll(scope.known).status, 204, "nothing to do: status")
    kinds = eventually(lambda: [e["vm"] for e in lab.api("/api/v1/events")["events"] if e["kind"] == "agent"], 3, "events")
    check_equal(sorted(kinds), sorted(["web1", scope.strange.mac]), "who is there")


@needs(test_it_registers_by_mac_and_address_alone)
def test_a_machine_speaks_for_itself_only():
    a, b = scope.known, scope.strange
    for client, mac in ((a, b.mac), (b, a.mac), (b, "02:00:00:00:00:01")):
        check_equal(post(client, "/api/register-device", {"mac": mac, "ip": ADDRESS}).status, 403, "registering: status")
        check_equal(poll(client, mac=mac).status, 403, "polling: status")
        check_equal(tell(client, inventory(), mac=mac).status, 403, "inventory: status")
        check_equal(post(client, "/api/action-done", {"mac": mac, "id": 1, "result": "ok"}).status, 403, "ending: status")
    check_equal(lab.operator("/api/v1/machines/web1/inventory").status, 404, "nobody told one: status")


@needs(test_it_registers_by_mac_and_address_alone)
def test_the_last_inventories_that_differ_are_kept():
    for n in range(10):
        for _ in range(2):
            check_equal(tell(scope.known, inventory(product=f"P{n}")).status, 204, "inventory: status")
    check_equal([i["inventory"]["system"]["product"] for i in told("web1")], [f"P{n}" for n in range(9, 1, -1)], "kept")
    docker("restart", lab.stack)
    lab.wait_serving()
    check_equal([i["inventory"]["system"]["product"] for i in told(scope.known.mac)], [f"P{n}" for n in range(9, 1, -1)], "after a restart")
    check_equal(told("web1")[0]["inventory"], inventory(product="P9"), "as it was told")


@needs(test_it_registers_by_mac_and_address_alone)
def test_what_makes_no_sense_or_is_too_much_changes_nothing():
    before = told("web1")
    deep = b'{"format":1,"x":' + b"[" * 5000 + b"]" * 5000 + b"}"
    for body in (b"", b"nonsense", b"[]", b'{"format":1', b'{"format":2}', b'{"format":1,"disks":7}', b'{"format":1,"a\\u0007":1}', deep,
            b"\xff\xfe" * 500, b'{"format":1,"format":1}'):
        check_equal(tell(scope.known, body).status, 400, f"{body[:40]}: status")
    check_equal(tell(scope.known, inventory(x="x" * 1000000)).status, 204, "nearly a MiB: status")
    large = tell(scope.known, inventory(x="x" * 1100000))
    check(large.status in (400, 413), f"more than a MiB: {large}")
    for path in ("/api/register-device", "/api/action-done"):
        for body in (b"", b"[]", b"{}", b'{"mac":"x"}', b'{"mac":"' + scope.known.mac.encode() + b'","id":true,"result":"ok"}'):
            if body != b"" and path.endswith("device") and b"id" in body:
                continue
            check_equal(post(scope.known, path, body).status, 400, f"{path} {body}: status")
        check_equal(post(scope.known, path, b"x" * 10000).status, 413, "a large one: status")
    check_equal(told("web1")[1:], before[:7], "what was told before")


@needs(test_it_registers_by_mac_and_address_alone)
def test_one_that_floods_is_slowed_down_and_others_are_served():
    statuses = [tell(scope.known, inventory(product=f"F{n}")).status for n in range(40)]
    check(409 in statuses and 503 not in statuses, f"statuses: {statuses}")
    check_equal(tell(scope.strange, inventory(product="slow")).status, 204, "another: status")
    check_equal(len(told("web1")), 8, "kept")


@needs(test_it_registers_by_mac_and_address_alone)
def test_an_order_is_heard_at_once_by_who_waits():
    heard = []

    def wait():
        heard.append(poll(scope.known, wait=30))
        heard.append(time.monotonic())

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(1)
    check_equal(heard, [], "heard before")
    began = time.monotonic()
    given = order("web1", "inventory")
    check_equal((given.status, given.json["state"], given.json["machine"]), (200, "waiting", "web1"), "the order")
    waiter.join(20)
    first = heard[0].json
    check_equal((heard[0].status, first), (200, {"action": "inventory", "id": given.json["id"], "begun_ms": first["begun_ms"], "timeout_s": 300}), "heard")
    check(heard[1] - began < 3, f"after {heard[1] - began:.1f} s")
    check_equal(poll(scope.strange).status, 204, "of another: status")
    docker("restart", lab.stack)
    lab.wait_serving()
    again = poll(scope.known).json
    check_equal({**again, "timeout_s": 300}, first, "again, after a restart")
    check_equal(end(scope.known, heard[0].json, "failed", "no\x1b[2J disk").status, 204, "its end: status")
    check_equal(poll(scope.known).status, 204, "nothing more: status")
    last = lab.api("/api/v1/machines/web1/orders")["orders"][0]
    check_equal((last["id"], last["state"], last["text"]), (given.json["id"], "failed", "no?[2J disk"), "the order")
    began = time.monotonic()
    check_equal(poll(scope.known, wait=2).status, 204, "nothing for 2 s: status")
    check(1.9 < time.monotonic() - began < 10, f"after {time.monotonic() - began:.1f} s")


@needs(test_an_order_is_heard_at_once_by_who_waits)
def test_local_is_one_boot_from_disk():
    boots = lambda: ask(scope.known, f"/ipxe?mac={scope.known.mac}&arch=x86_64").text
    given = order("web1", "local").json
    check("initrd.mode=agent" in boots(), "before it has ended")
    check_equal(poll(scope.known).json["id"], given["id"], "the order")
    check_equal(end(scope.known, given).status, 204, "its end: status")
    check("sanboot" in boots(), "the next boot")
    check("initrd.mode=agent" in boots(), "the one after it")
    check_equal(order("web1", "format").status, 400, "no such order: status")
    check_equal(order("nobody", "reboot").status, 404, "no such machine: status")


@needs(test_one_that_floods_is_slowed_down_and_others_are_served)
def test_a_profile_goes_by_what_was_told():
    os.makedirs(os.path.join(lab.vms, "_profiles"))
    for name, match in (("large", {"min_memory": "64G"}), ("rack", {"min_memory": "12G", "max_memory": "32G", "min_disk": "400G"})):
        lab.write(f"_profiles/{name}.json", json.dumps({"match": match, "name": name + "-{serial}", "mode": "local"}))
    eventually(lambda: os.path.exists(os.path.join(lab.vms, "rack-ag-77.json")), 10, "it is declared")
    lab.wait_vm("rack-ag-77")
    check_equal(told("rack-ag-77")[0]["inventory"]["system"]["product"], "slow", "its inventory is still known")
    check_equal(lab.vm("rack-ag-77")["expected"]["does"], "local", "it boots as the profile says")
