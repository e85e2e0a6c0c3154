"""`vmlab workflow run` on many machines, whose agents are made of calls: how many at once, one that fails, Ctrl-C, the summary
and the exit status; and what `vmlab order` and `vmlab orders` say to a person."""
import json
import os
import signal
import threading
import time

from kit.check import check, check_equal, eventually
from kit.commanded_lab import Agent, CommandedLab, Machine
from kit.scope import Scope, needs

scope = Scope("workflow")
lab = CommandedLab(scope, "workflow")
COUNT = 12
TAKES_S = 0.7


class Work:
    """Counts how many machines are at it at once."""

    def __init__(self):
        self.lock, self.at_once, self.most, self.done, self.fails, self.holds = threading.Lock(), 0, 0, [], set(), set()

    def carry_out(self, machine, order):
        with self.lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        machine.progress(order, phase="script")
        time.sleep(TAKES_S)
        while machine.mac in self.holds and not scope.over.is_set() and machine.progress(order, phase="script").status == 204:
            time.sleep(0.2)
        bad = machine.mac in self.fails
        machine.done(order, "failed" if bad else "ok", **({"text": "exit 7"} if bad else {}))
        with self.lock:
            self.at_once -= 1
            self.done.append((machine.mac, order["action"]))


def mac(n):
    return f"52:54:00:a9:02:{n:02x}"


def workflow(name, *orders):
    os.makedirs(os.path.join(lab.vms, "_workflows"), exist_ok=True)
    with open(os.path.join(lab.vms, "_workflows", name + ".json"), "w") as f:
        json.dump({"orders": list(orders)}, f)


def run(*argv, timeout=90):
    scope.work.most, scope.work.done = 0, []
    return lab.vmlab("workflow", "run", *argv, timeout=timeout, check_rc=False)


def orders_of(n):
    return lab.api(f"/api/v1/machines/m{n}/orders")["orders"]


def test_at_most_so_many_are_at_it_at_once():
    lab.make_image()
    lab.start()
    scope.over, scope.work = threading.Event(), Work()
    client = lab.client("agents", cidr="192.168.100.99/24")
    scope.machines = [Machine(client, mac(n)) for n in range(COUNT)]
    for n in range(COUNT):
        lab.define(f"m{n}", mac=mac(n), mode="agent")
    eventually(lambda: len(lab.api("/api/v1/vms")["vms"]) == COUNT, 5, "all are defined")
    scope.agents = [Agent(m, scope.work.carry_out) for m in scope.machines]
    for agent in scope.agents:
        agent.start()
    scope.cleanup(lambda: (scope.over.set(), [a.over.set() for a in scope.agents]))
    eventually(lambda: all(vm["state"] == "agent" for vm in lab.api("/api/v1/vms")["vms"]), 20, "all are in the agent")
    workflow("two", {"action": "run", "args": {"script": "true"}}, {"action": "inventory"})
    done = run("two", "--on", "all", "--parallel", "3")
    check_equal(done.returncode, 0, f"{done}; status")
    check_equal(len(scope.work.done), 2 * COUNT, "orders done")
    check(1 < scope.work.most <= 3, f"{scope.work.most} at once")
    for n in range(COUNT):
        check(f"m{n}: run done" in done.stdout and f"m{n}: inventory done" in done.stdout, done.stdout)
    check(f"{COUNT} machines: {COUNT} done" in done.stdout, done.stdout[-600:])


@needs(test_at_most_so_many_are_at_it_at_once)
def test_all_at_once_without_a_number():
    done = run("two", "--on", "m1*")
    check_equal((done.returncode, len(scope.work.done), scope.work.most > 1), (0, 2 * 3, True), f"{done}: m1, m10, m11")


@needs(test_at_most_so_many_are_at_it_at_once)
def test_one_that_fails_stops_its_own_list_and_no_other():
    scope.work.fails = {mac(1), mac(4)}
    done = run("two", "--on", "all", "--parallel", "4")
    scope.work.fails = set()
    check_equal(done.returncode, 1, f"{done}; status")
    check_equal(sorted({m for m, action in scope.work.done if action == "inventory"}), sorted({mac(n) for n in range(COUNT)} - {mac(1), mac(4)}),
        "who has done it all")
    for n in (1, 4):
        check_equal([o["state"] for o in orders_of(n)[:2]], ["stopped", "failed"], f"m{n}")
        check(f"m{n}: run failed in script: exit 7" in done.stdout and f"vmlab order resume m{n} " in done.stdout, done.stdout)
    check(f"{COUNT} machines: {COUNT - 2} done, 2 not: m1, m4" in done.stdout, done.stdout[-600:])


@needs(test_one_that_fails_stops_its_own_list_and_no_other)
def test_who_cannot_be_given_it_is_said_and_the_others_go_on():
    lab.define("nowhere", mac="52:54:00:a9:02:ee", mode="agent")
    lab.wait_vm("nowhere")
    workflow("disk", {"action": "disktest", "args": {"disk": "vda"}})
    done = run("disk", "--on", "nowhere,m2,m3", "--parallel", "1")
    check_equal((done.returncode, len(scope.work.done)), (1, 2), f"{done}; status, and orders done")
    check("nowhere has told no inventory yet" in done.stderr, done.stderr)
    check("3 machines: 2 done, 1 not: nowhere" in done.stdout, done.stdout)
    lab.undefine("nowhere.json")
    eventually(lambda: lab.vm("nowhere") is None, 5, "it is gone")


@needs(test_at_most_so_many_are_at_it_at_once)
def test_ctrl_c_says_what_goes_on_and_gives_no_more():
    scope.work.holds, scope.work.most, scope.work.done = {mac(n) for n in range(COUNT)}, 0, []
    before = {n: len(orders_of(n)) for n in range(COUNT)}
    process = lab.begin("workflow", "run", "two", "--on", "all", "--parallel", "3")
    eventually(lambda: scope.work.at_once == 3, 20, "three are at it")
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    out = process.communicate(timeout=20)[0]
    check_equal(process.returncode, 130, f"{out}; status")
    given = [n for n in range(COUNT) if len(orders_of(n)) > before[n]]
    check_equal(len(given), 3, "who was given it")
    for n in given:
        number = next(o["id"] for o in orders_of(n) if o["state"] == "running")
        check(f"m{n}: its orders go on" in out and f"vmlab order cancel m{n} {number}" in out, out)
    check(f"{COUNT - 3} machines were given none" in out, out)
    check_equal([lab.vmlab("order", "cancel", f"m{n}", str(next(o["id"] for o in orders_of(n) if o["state"] == "running"))).returncode
        for n in given], [0, 0, 0], "taken back: status")
    scope.work.holds = set()
    eventually(lambda: scope.work.at_once == 0, 20, "they have stopped")
    check_equal([o["state"] for n in given for o in orders_of(n)[:2]], ["cancelled"] * 6, "states")
