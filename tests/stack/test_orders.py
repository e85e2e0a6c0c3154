"""Orders as an operator gives them and machines hear of them: what boots the agent for them, lists that stop and go on, what
is taken back, deadlines of an agent that is silent, disks of an inventory, output; a client made of sh and curl."""
import os
import signal
import subprocess
from datetime import datetime

from kit import boot_image, http_client, netns
from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.lab import SERVER, Lab
from kit.scope import Scope, needs

scope = Scope("orders")
ADDRESS = "192.168.100.20"
lab = Lab(scope, "orders", access="own")
DISKS = [{"name": "vda", "size_bytes": 10 << 30, "serial": "DISK-1", "model": "QEMU", "transport": "virtio", "removable": False},
    {"name": "vdb", "size_bytes": 20 << 30, "serial": None, "removable": False}]

CLIENT = r"""
say() { curl -sS -f -H 'Content-Type: application/json' -d "$2" "http://$SERVER/api/$1"; }
say register-device "{\"mac\":\"$MAC\",\"ip\":\"$IP\"}"; echo
tries=0
while [ $tries -lt 40 ]; do
	tries=$((tries + 1))
	told=$(curl -sS -f "http://$SERVER/api/device-action-poll?mac=$MAC")
	action=$(printf %s "$told" | sed -n 's/.*"action" *: *"\([a-z-]*\)".*/\1/p')
	id=$(printf %s "$told" | sed -n 's/.*"id" *: *\([0-9]*\).*/\1/p')
	[ -n "$action" ] || { sleep 0.2; continue; }
	echo "$action"
	say action-done "{\"mac\":\"$MAC\",\"id\":$id,\"result\":\"ok\"}"
	[ "$action" = poweroff ] && exit 0
done
exit 1
"""


def ask(path, **kwargs):
    with scope.known.inside():
        return http_client.request(SERVER, path, **kwargs)


def post(path, **body):
    return ask(path, method="POST", body=dict({"mac": scope.known.mac}, **body))


def poll():
    return ask(f"/api/device-action-poll?mac={scope.known.mac}", timeout=70)


def done(order, result="ok", **more):
    return post("/api/action-done", id=order["id"], result=result, **more)


def boots():
    return ask(f"/ipxe?mac={scope.known.mac}&arch=x86_64").text


def give(orders):
    return lab.operator("/api/v1/machines/web1/orders", method="POST", body=orders)


def of(order, what="", method="GET"):
    return lab.operator(f"/api/v1/machines/web1/orders/{order['id'] if isinstance(order, dict) else order}{what}", method=method)


def states(orders):
    return [of(o).json["state"] for o in orders]


def test_a_machine_boots_the_agent_while_orders_wait():
    lab.make_image()
    lab.start()
    scope.known = lab.client("known", cidr=ADDRESS + "/24")
    lab.define("web1", mac=scope.known.mac, ip=ADDRESS, mode="local")
    lab.wait_vm("web1")
    check("sanboot" in boots(), "nothing was ordered")
    given = give({"action": "inventory"})
    check_equal(given.status, 200, f"{given}: status")
    check("it starts at web1's next network boot" in given.json["waits_for"], f"{given.json}")
    script = boots()
    check("initrd.mode=agent" in script and "/images/debian-13/amd64/vmlinuz " in script, script)
    check_equal(lab.vm("web1")["order"]["action"], "inventory", "what it will do")
    check_equal(poll().json["id"], given.json["id"], "the order")
    check("initrd.mode=agent" in boots(), "it is not done: a boot comes back to it")
    check_equal(done(given.json).status, 204, "its end: status")
    check("sanboot" in boots(), "all is done")
    check_equal(lab.vm("web1")["order"], None, "what it will do")


@needs(test_a_machine_boots_the_agent_while_orders_wait)
def test_a_stranger_boots_it_too():
    strange = scope.strange = lab.client("strange", cidr="192.168.100.99/24")

    def boots_strange():
        with strange.inside():
            return http_client.request(SERVER, f"/ipxe?mac={strange.mac}&arch=x86_64").text

    check("initrd.mode" not in boots_strange(), "nothing was ordered")
    path = f"/api/v1/machines/{strange.mac}/orders"
    given = lab.operator(path, method="POST", body={"action": "inventory"})
    check_equal(given.status, 200, f"{given}: status")
    check("initrd.mode=agent" in boots_strange() and "config_url" not in boots_strange(), boots_strange())
    check_equal(lab.operator(f"{path}/{given.json['id']}", method="DELETE").status, 200, "taken back: status")
    check("initrd.mode" not in boots_strange(), "nothing waits any more")


@needs(test_a_stranger_boots_it_too)
def test_an_agent_gets_an_order_and_is_silent_from_then_on():
    """Its time goes on while other tests run; what becomes of it is judged after them."""
    strange = scope.strange
    given = lab.operator(f"/api/v1/machines/{strange.mac}/orders", method="POST", body={"action": "inventory", "deadline_s": 1})
    with strange.inside():
        told = http_client.request(SERVER, f"/api/device-action-poll?mac={strange.mac}")
    check_equal((told.json["id"], told.json["timeout_s"]), (given.json["id"], 1), "the order, and what it has")
    scope.silent = given.json["id"]


@needs(test_a_machine_boots_the_agent_while_orders_wait)
def test_a_list_stops_and_goes_on_over_a_restart():
    orders = give([{"action": "inventory"}, {"action": "run", "args": {"script": "true"}}, {"action": "poweroff"}]).json["orders"]
    check_equal(len({o["list"] for o in orders}), 1, "lists")
    check_equal(done(poll().json).status, 204, "the first: status")
    run = poll().json
    check_equal((run["action"], run["args"]), ("run", {"script": "true", "where": "ram"}), "the second")
    check_equal(post("/api/action-progress", id=run["id"], phase="script", done_bytes=1, total_bytes=2, text="half").status, 204, "progress: status")
    docker("kill", lab.stack)
    docker("start", lab.stack)
    lab.wait_serving()
    now = of(orders[1]).json
    check_equal((now["state"], now["phase"]), ("running", "script"), "after the server was killed")
    check_equal(post("/api/action-progress", id=run["id"], phase="script").status, 204, "it goes on: status")
    check_equal(poll().status, 204, "begun twice: status")
    check_equal(states(orders), ["done", "failed", "stopped"], "states")
    check("started anew in the middle" in of(orders[1]).json["text"], f"{of(orders[1])}")
    check_equal(of(orders[1], "/resume", "POST").status, 200, "resume: status")
    run = poll().json
    check_equal(done(run, "failed", text="exit 7", hint="look", phase="script", figures={"status": 7}).status, 204, "its end: status")
    last = of(run).json
    check_equal((last["text"], last["hint"], last["phase"], last["figures"]), ("exit 7", "look", "script", {"status": 7}), "how it ended")
    check_equal(of(orders[2], "/resume", "POST").status, 200, "without it: status")
    check_equal(done(poll().json).status, 204, "the last: status")
    check_equal(states(orders), ["done", "failed", "done"], "states")
    told = [e["text"] for e in lab.api("/api/v1/events?vm=web1")["events"] if e["kind"] == "order"]
    check(told[-1] == "poweroff done" and "run failed" in told and "resumed" in told, f"{told}")


@needs(test_a_machine_boots_the_agent_while_orders_wait)
def test_a_server_that_is_killed_right_after_it_handed_one_out_has_it_on_record():
    order, killed = give({"action": "run", "args": {"script": "true"}}).json, lab.pids()["boot_handler"]
    check_equal(poll().json["id"], order["id"], "the order")
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: lab.pids()["boot_handler"] not in ([], killed) and lab.operator("/readyz").status == 200, 20, "it is back")
    check_equal(states([order]), ["running"], "states")
    check_equal(post("/api/action-progress", id=order["id"]).status, 204, "it goes on: status")
    check_equal(done(order).status, 204, "its end: status")


@needs(test_a_machine_boots_the_agent_while_orders_wait)
def test_what_is_taken_back_stops():
    orders = give([{"action": "run", "args": {"script": "sleep 1000"}}, {"action": "reboot"}]).json["orders"]
    other = give({"action": "inventory"}).json
    run = poll().json
    check_equal(post("/api/action-progress", id=run["id"]).status, 204, "progress: status")
    check_equal(of(run, method="DELETE").status, 200, "taken back: status")
    check_equal(states(orders), ["cancelled", "cancelled"], "states")
    stopped = post("/api/action-progress", id=run["id"])
    check(stopped.status == 409 and "took it back" in stopped.text, f"{stopped}")
    check_equal(poll().json["id"], other["id"], "the next is another's")
    check_equal(done(other).status, 204, "its end: status")


@needs(test_a_machine_boots_the_agent_while_orders_wait)
def test_a_disk_is_that_of_the_inventory():
    wipe = lambda disk: give({"action": "wipe", "args": {"disk": disk}})
    refused = wipe("vda")
    check(refused.status == 409 and "told no inventory yet" in refused.text, f"{refused}")
    told = {"format": 1, "system": {}, "cpu": {}, "memory": {}, "disks": DISKS, "nics": []}
    check_equal(ask(f"/inventory/{scope.known.mac}", method="POST", body=told).status, 204, "inventory: status")
    for named, found in (("vda", DISKS[0]), ("/dev/vdb", DISKS[1]), ("disk-1", DISKS[0]), ({"pick": "largest"}, DISKS[1]), ({"serial": "DISK-1"}, DISKS[0])):
        order = wipe(named)
        check_equal(order.status, 200, f"{named}: {order}: status")
        want = {"name": found["name"], "serial": found["serial"], "size_bytes": found["size_bytes"]}
        check_equal(order.json["args"]["disk"], want, f"{named}: the disk")
        check_equal(poll().json["args"]["disk"], want, f"{named}: what the agent gets")
        check_equal(done(order.json, "failed").status, 204, "its end: status")
    refused = wipe("vdc")
    check(refused.status == 409 and "there are /dev/vda 10.0 GiB" in refused.text and "DISK-1" in refused.text, f"{refused}")
    for bad in ({"pick": "any"}, {"seral": "x"}, 7, ""):
        check_equal(wipe(bad).status, 400, f"{bad}: status")
    check_equal(give([{"action": "inventory"}, {"action": "wipe", "args": {"disk": "vdc"}}]).status, 409, "a list with one: status")
    check_equal(poll().status, 204, "nothing of it was taken: status")


@needs(test_a_machine_boots_the_agent_while_orders_wait)
def test_what_an_order_writes_is_kept_by_both_ends():
    order = give({"action": "inventory"}).json
    check_equal(poll().json["id"], order["id"], "the order")
    piece, at = bytes(range(256)) * 256, 0
    for n in range(40):
        for _ in range(2 if n % 7 == 0 else 1):
            check_equal(ask(f"/api/action-output/{scope.known.mac}?id={order['id']}&at={at}", method="POST", body=piece).status, 204, "output: status")
        at += len(piece)
        if n == 20:
            docker("restart", lab.stack)
            lab.wait_serving()
    kept = of(order, "/output").body
    line = b"\n[%d bytes are left out here]\n" % (at - (1 << 20))
    check_equal(kept, piece * 4 + line + piece * 12, "what is kept")
    check_equal(done(order).status, 204, "its end: status")
    check_equal(ask(f"/api/action-output/{scope.known.mac}?id={order['id']}&at={at}", method="POST", body=b"x").status, 409, "later: status")


@needs(test_a_machine_boots_the_agent_while_orders_wait)
def test_netboot_goes_off_where_the_order_says_so():
    check_equal(give({"action": "local", "args": {"netboot": "off"}}).status, 200, "the order: status")
    check_equal(done(poll().json).status, 204, "its end: status")
    check_equal(lab.vm("web1")["netboot"], False, "network boot")
    waits = give({"action": "inventory"}).json
    check("its network boot is off: `vmlab netboot web1 on`" in waits["waits_for"], f"{waits}")
    check_equal(of(waits, method="DELETE").status, 200, "taken back: status")
    check_equal(lab.operator("/api/v1/vms/web1/netboot/on", method="POST").status, 200, "on again: status")


@needs(test_a_machine_boots_the_agent_while_orders_wait)
def test_a_boot_image_is_booted_once():
    refused = give({"action": "boot", "args": {"image": "rescue"}})
    check(refused.status == 409 and "no boot image \\\"rescue" in refused.text, f"{refused}")
    boot_image.add(lab, "rescue/amd64", {"vmlinuz": "a kernel"}, {"format": 1, "kind": "boot", "distro": "rescue", "arch": "amd64",
        "boot": {"kernel": boot_image.stored("vmlinuz", "a kernel")}})
    eventually(lambda: give({"action": "boot", "args": {"image": "rescue"}}).status == 200, 10, "the image is known")
    check("initrd.mode=agent" in boots(), "until it is done")
    check_equal(done(poll().json).status, 204, "its end: status")
    check("/images/rescue/amd64/vmlinuz" in boots(), "the next boot")
    check("sanboot" in boots(), "the one after it")


@needs(test_a_machine_boots_the_agent_while_orders_wait)
def test_a_client_of_sh_and_curl_is_served():
    give([{"action": "inventory"}, {"action": "reboot"}, {"action": "poweroff"}])
    with netns.inside(scope.known.path):
        said = subprocess.run(["sh", "-c", CLIENT], text=True, capture_output=True, timeout=60,
            env={"PATH": "/usr/bin:/bin", "SERVER": SERVER, "MAC": scope.known.mac, "IP": ADDRESS})
    check_equal((said.returncode, said.stdout.split()), (0, ['{"machine":"web1"}', "inventory", "reboot", "poweroff"]), said.stderr)
    check(all(o["state"] == "done" for o in lab.api("/api/v1/machines/web1/orders")["orders"][:3]), "states")


@needs(test_an_agent_gets_an_order_and_is_silent_from_then_on)
def test_a_silent_agents_order_is_over_in_time():
    overdue = lambda: [e for e in lab.api("/api/v1/events?limit=1000")["events"] if e["source"] == "deadline"]
    eventually(overdue, 40, "it is over though nobody asks for it")
    order = lab.operator(f"/api/v1/machines/{scope.strange.mac}/orders/{scope.silent}").json
    check_equal((order["state"], order["text"]), ("failed", "it had not ended within 1 s"), "the order")
    lasted = datetime.fromisoformat(order["ended"]) - datetime.fromisoformat(order["begun"])
    check(20 < lasted.total_seconds() < 60, f"it was over after {lasted}")
    with scope.strange.inside():
        late = http_client.request(SERVER, "/api/action-progress", method="POST", body={"mac": scope.strange.mac, "id": scope.silent})
    check_equal(late.status, 409, f"{late}; its progress: status")
