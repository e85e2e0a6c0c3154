"""Every order of the agent with its line cut, its server killed and its power cut in the middle: it goes on or fails as its row
says, what it was not for stays as it was, and its machine takes the next one. The agent and the stack are the real ones, the
disks loop devices; what only a VM can do, and power that is cut from a VM: tests/e2e/test_order_faults.py."""
import concurrent.futures
import os

import pytest

from kit import order_faults
from kit.check import check, check_equal, eventually, skip
from kit.command import have_command
from kit.counts import tell
from kit.order_faults import CASES, FAULTS
from kit.order_machine import Machine, World
from kit.scope import begun

HERE = [name for name, case in CASES.items() if not case.by_vm]
CUT_S = 7  # longer than a connection is waited for
rows = {}


@pytest.fixture(scope="module")
def world(request, record_testsuite_property):
    for tool in ("unshare", "losetup", "zstd"):
        if not have_command(tool):
            skip(f"{tool} is not installed")
    made = begun(request, World)
    made.machines = {name: Machine(made.lab.scope, made, name.replace(", ", "-").replace(" ", "-")) for name in HERE}
    for name, m in made.machines.items():
        if order_faults.action_of(name) in ("wipe", "disktest", "deploy", "backup"):
            m.give_disks()
    yield made
    tell(record_testsuite_property, rows, "orders")


class Round:
    """A fault that happens to all orders at once, a machine each: {order: None or what went wrong}."""

    def __init__(self, world, fault):
        self.fault, self.world = fault, world
        with concurrent.futures.ThreadPoolExecutor(len(HERE)) as pool:
            self.wrong = dict(zip(HERE, pool.map(self.start, world.machines.values())))
            self.machines = {name: m for name, m in world.machines.items() if not self.wrong[name]}
            self.strike()
            self.wrong.update(zip(self.machines, pool.map(self.judge, self.machines)))
            list(pool.map(Machine.stop_agent, world.machines.values()))

    def guarded(self, function, *args):
        try:
            function(*args)
        except Exception as e:
            return f"{type(e).__name__}: {e}"
        return None

    def start(self, m):
        return self.guarded(lambda: (m.fill(), m.power_on(), m.tell_disks()))

    def strike(self):
        """One after the other into its middle, where it stands still until all are."""
        self.numbers, self.before = {}, {}
        for name, m in list(self.machines.items()):
            try:
                self.numbers[name] = order_faults.begin(m, name)
                self.before[name] = m.of(self.numbers[name])
            except Exception as e:
                self.wrong[name] = f"{type(e).__name__}: {e}"
                del self.machines[name]
        FAULTS[self.fault](self.world, list(self.machines.values()), CUT_S)

    def judge(self, name):
        return self.guarded(order_faults.judge, self.machines[name], name, self.fault, self.numbers[name],
            self.before[name])


@pytest.fixture(scope="module")
def rounds(world):
    made = {}

    def of(fault):
        if fault not in made:
            made[fault] = Round(world, fault)
        return made[fault]
    return of


def test_each_order_has_a_case():
    check_equal({order_faults.action_of(name) for name in CASES}, set(order_faults.all_orders()),
        "orders with a case in kit/order_faults.py")


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("fault", FAULTS)
def test_an_order_and_what_comes_of_it(rounds, fault, name):
    wrong = rounds(fault).wrong[name]
    tried, good = rows.get(f"orders: {fault}", (0, 0))
    rows[f"orders: {fault}"] = tried + 1, good + (wrong is None)
    check_equal(wrong, None, f"{name}, {fault}")


@pytest.mark.parametrize("ends", ("failed", "cancelled"))
def test_an_order_that_is_begun_again_is_done_again_and_its_list_goes_on(world, ends):
    """By an agent that did no other one in between."""
    m = world.machines["run"]
    m.power_on()
    mark = os.path.join(world.lab.scope.tempdir(), f"again-{ends}")
    orders = m.give_all([{"action": "run", "args": {"script": f"test -e {mark} && exit; echo first; : >{mark}; "
        + ("exit 3" if ends == "failed" else "sleep 60")}}, {"action": "inventory"}])
    eventually(lambda: os.path.exists(mark), 20, "it has begun")
    if ends == "cancelled":
        m.take_back(orders[0])
    eventually(lambda: m.of(orders[0])["state"] == ends, 20, f"it is {ends}", every=0.1)
    check_equal(m.api(f"/{orders[0]}/resume", "POST").status, 200, "begun again: status")
    eventually(lambda: m.of(orders[1])["state"] == "done", 30, f"the list is done: {m.of(orders[0])}", every=0.1)
    check_equal((m.of(orders[0])["state"], m.output(orders[0])), ("done", ""), "the one that was begun again, its output")
    m.stop_agent()


@pytest.mark.long
def test_a_running_order_whose_agent_is_silent_says_so(world):
    m = world.machines["run"]
    m.power_on()
    number = m.give("run", {"script": "echo begun; sleep 90; echo ended"})
    eventually(lambda: "begun" in m.output(number), 20, "it has begun")
    check_equal(m.of(number)["waits_for"], None, "what is said while it is heard")
    m.line(False)
    said = eventually(lambda: m.of(number)["waits_for"], 100, "it is said that nothing is heard", every=1)
    check("nothing is heard of its agent" in said and "fails when the machine boots the agent again" in said, said)
    m.line(True)
    order = eventually(lambda: (now := m.of(number))["state"] == "done" and now, 60, "it is done", every=0.5)
    check_equal((order["waits_for"], m.output(number)), (None, "begun\nended\n"), f"{order}")
    m.stop_agent()
