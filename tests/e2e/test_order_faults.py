"""Orders of a VM whose power is cut in the middle of each, and, for those that only a VM can carry out, its line and the server:
what was begun is done or fails as its row says, no other disk is touched, and it takes the next order. The other orders' lines
and servers: tests/faults/test_orders.py."""
import time

import pytest

from kit import order_faults
from kit.check import check
from kit.command import docker
from kit.order_faults import CASES, FAULTS
from kit.order_vm import OrderVm, World

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]
CUT_S = 20  # longer than a transfer that stands still is waited for
# What is installed is started afterwards, and what is wiped is deployed.
ORDER = ("install", "kexec", "boot-order", "disktest", "backup", "wipe", "deploy")
NAMES = sorted(CASES, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


@pytest.fixture(scope="module")
def machine(lab):
    lab.only_the_lab()
    made = OrderVm(lab)
    made.prepare()
    yield made
    lab.save_console(made.name, "order-faults")
    lab.remove_vm(made.name)


@pytest.mark.parametrize("fault, name", [(fault, name) for name in NAMES for fault in FAULTS if fault == "power" or CASES[name].by_vm])
def test_an_order_and_what_comes_of_it(lab, machine, fault, name):
    if not docker("ps", "-q", "--filter", f"name={lab.container(machine.name)}").stdout.strip():
        machine.begin_anew()
    try:
        since, number = str(int(time.time())), order_faults.begin(machine, name)
        before = machine.of(number)
        FAULTS[fault](World(lab), [machine], CUT_S)
        if name == "kexec":
            lab.wait_console(machine.name, rf"Debian GNU/Linux \d+ {machine.name} ttyS0", 600, since)
        order_faults.judge(machine, name, fault, number, before)
    except Exception:
        docker("kill", lab.container(machine.name), check_rc=False)  # the next one begins anew
        raise


def test_the_labs_server_was_never_started_anew_as_a_whole(lab, machine):
    restarts = docker("inspect", "-f", "{{.RestartCount}}", f"{lab.name}-stack").stdout.strip()
    check(restarts == "0", f"{restarts} times")
