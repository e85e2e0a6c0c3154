"""order_faults.py - orders whose line is cut, whose server is killed, whose machine loses its power, each in the middle: a case
for each order there is, and what comes of it.

A machine here is kit/order_machine.py's or a VM: what it can do is written at Machine.
"""
import concurrent.futures
import json
import os
import time

from kit.check import check, check_equal, eventually
from kit.command import ROOT

ENDED = ("done", "failed", "cancelled", "stopped")
LOST = "the machine started anew in the middle of it"


def all_orders():
    """Of lib/machine/order.h, as `make schema` writes them down."""
    with open(os.path.join(ROOT, "vms", "workflow.schema.json")) as f:
        return [o["properties"]["action"]["const"] for o in json.load(f)["properties"]["orders"]["items"]["oneOf"]]


# ---- what an order is to the machine that has it ------------------------------------------------

class Case:
    """begun(machine, number): it is in its middle; None: it is as short as that it was handed out, and nothing of it done.
    after(machine, order): judges what it left. lost: what it is after a power cut. by_vm: no kernel but a VM's own may do it."""

    def __init__(self, args=lambda m: {}, begun=None, after=lambda m, order: None, lost="done", ends=False, by_vm=False,
            taken_back=False):
        self.args, self.begun, self.after, self.lost, self.ends, self.by_vm = args, begun, after, lost, ends, by_vm
        self.taken_back = taken_back  # it would take too long


def wrote(text):
    return lambda m, number: text in m.output(number)


def works(m, number):
    return m.works(number)


def is_wiped(m, order):
    check_equal(order["figures"]["reads_zero"], True, f"{order}; it reads as zeros")
    check_equal(m.target_sum(), m.zeros_sum, "what is on the disk")


def is_read(m, order):
    check_equal((order["figures"]["bytes"], order["figures"]["errors"]), (m.read_bytes, 0), f"{order}")
    check_equal(m.target_sum(), m.target_before, "what is on the disk")


def is_deployed(m, order):
    check(not m.edges_at_cut, "something was in the first or the last MiB when the power went: it could have been booted")
    check_equal(order["figures"]["verified"], True, f"{order}; verified")
    check_equal(m.target_sum(), m.image_sum, "what is on the disk")


def is_backed_up(m, order):
    check_equal(m.backup_sum(order["args"]["name"]), m.target_before, "the image")
    check_equal(m.target_sum(), m.target_before, "what is on the disk")


def is_run(m, order):
    wanted = ("begun\n", "failed") if order["text"] == LOST else ("begun\nended\n", "done")
    check_equal((m.output(order["id"]), order["state"]), wanted, f"{order}; output, state")


def deploy_args(m):
    return {"image": m.image, "disk": m.target, "seed": "keep"}


def backup_args(m):
    return {"name": m.new_name(), "disk": m.target, "compress": 1}


CASES = {
    "reboot": Case(ends=True),
    "poweroff": Case(ends=True),
    "local": Case(ends=True),
    "boot": Case(lambda m: {"image": m.boot_image}, ends=True),
    "install": Case(begun=works, after=lambda m, order: m.check_installed(), by_vm=True),
    "wipe": Case(lambda m: {"disk": m.target, "how": "blocks"}, works, is_wiped),
    "run": Case(lambda m: {"script": "echo begun; sleep 4; echo ended"}, wrote("begun"), is_run, lost="failed"),
    "memtest": Case(lambda m: {"minutes": 1, "mib": 64}, works, taken_back=True),
    "disktest": Case(lambda m: {"disk": m.read_disk}, works, is_read),
    "kexec": Case(lambda m: {"disk": m.system}, ends=True, by_vm=True),
    "boot-order": Case(lambda m: {"network": "first"}, by_vm=True),
    "deploy": Case(deploy_args, works, is_deployed),
    "backup": Case(backup_args, works, is_backed_up),
    "inventory": Case(),
    # What they ask for first, before the data flows.
    "deploy, handed out": Case(deploy_args, after=is_deployed),
    "backup, handed out": Case(backup_args, after=is_backed_up),
}


def action_of(name):
    return name.split(",")[0]


# ---- into the middle ----------------------------------------------------------------------------

def hand_out(m, action, args):
    """The machine stands still, and has it: it was waiting for one."""
    for _ in range(5):
        m.freeze()
        number = m.give(action, args)
        try:
            eventually(lambda: m.of(number)["state"] == "running", 3, f"{action} is handed out", every=0.02)
            return number
        except AssertionError:
            m.take_back(number)
            m.thaw()
            time.sleep(1)
    raise AssertionError(f"{m.name} does not wait for orders")


def begin(m, name):
    """The order's number; the machine stands still in the middle of it."""
    case, action = CASES[name], action_of(name)
    m.in_middle, m.edges_at_cut = case.begun is not None, None
    if not case.begun:
        return hand_out(m, action, case.args(m))
    for _ in range(5):
        number = m.give(action, case.args(m))
        eventually(lambda: case.begun(m, number) or m.of(number)["state"] in ENDED, m.patience_s, f"{action} is in its middle: "
            f"{m.of(number)}", every=0.002)
        m.freeze()
        if m.of(number)["state"] == "running":
            return number
        m.thaw()  # it was too quick
    raise AssertionError(f"{action} is over before it is in its middle: {m.of(number)}")


# ---- the faults ---------------------------------------------------------------------------------

def each(machines, what, *args):
    with concurrent.futures.ThreadPoolExecutor(len(machines)) as pool:
        list(pool.map(lambda m: what(m)(*args), machines))


def cut_lines(world, machines, seconds):
    each(machines, lambda m: m.line, False)
    each(machines, lambda m: m.thaw)
    time.sleep(seconds)
    each(machines, lambda m: m.line, True)


def kill_server(world, machines, seconds):
    world.kill_server()
    each(machines, lambda m: m.thaw)
    world.wait_server()


def cut_power(world, machines, seconds):
    each(machines, lambda m: m.cut_power)
    for m in machines:
        m.edges_at_cut = m.edges() if m.in_middle else None
    each(machines, lambda m: m.power_on)


FAULTS = {"line": cut_lines, "server": kill_server, "power": cut_power}


# ---- and what came of it ------------------------------------------------------------------------

def goes_on(m, number, before):
    """It is done again or still, which is seen by what it tells."""
    eventually(lambda: (now := m.of(number))["state"] == "running" and now["done_bytes"] > before["done_bytes"], m.patience_s,
        "it goes on", every=0.2)
    m.take_back(number)


def judge(m, name, fault, number, before):
    """`before`: the order as it was in its middle."""
    case = CASES[name]
    if case.taken_back:
        goes_on(m, number, dict(before, done_bytes=0) if fault == "power" else before)
    order = eventually(lambda: (now := m.of(number))["state"] in ENDED and now, m.patience_s, f"{name} has ended: {m.of(number)}; "
        f"the machine says: {m.log()[-600:]}", every=0.2)
    print(f"       {order['state']}: {order['text']} {order['figures'] or ''}")
    wanted = "cancelled" if case.taken_back else case.lost if fault == "power" else "done"
    check_equal(order["state"], wanted, f"{order}; state")
    if wanted == "failed":
        check_equal((order["text"], "order resume" in order["hint"]), (LOST, True), f"{order}; why, and what to do")
    if case.ends:
        m.comes_back()
    case.after(m, order)
    m.check_others()
    again = m.give("inventory", {})
    eventually(lambda: m.of(again)["state"] == "done", m.patience_s, f"it takes orders again: {m.of(again)}; it says: {m.log()[-600:]}",
        every=0.2)
