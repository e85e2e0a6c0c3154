"""os-installer --agent and a server that restarts, is cut off, refuses and gives orders."""
import time

import pytest

from kit import agent_bench
from kit.agent_bench import IP, MAC
from kit.check import check, check_equal, eventually
from kit.scope import Scope

REGISTER, POLL, DONE = "/api/register-device", "/api/device-action-poll", "/api/action-done"
INVENTORY = f"/inventory/{MAC}"
scope = Scope("agent")


@pytest.fixture
def bench(made):
    made.stop_server()
    made.fresh()
    made.start_server()
    yield made
    made.stop_agent()


def test_it_registers_sends_its_inventory_and_polls(bench):
    began = time.monotonic()
    bench.start_agent()
    polled = bench.waits_for(POLL)
    print(f"first poll {time.monotonic() - began:.2f} s after its start, {bench.rss_kib()} KiB at most")
    check_equal([t[:2] for t in bench.told], [("POST", REGISTER), ("POST", INVENTORY), ("GET", POLL)], "what came")
    told = bench.of(REGISTER)[0]
    check_equal((told["mac"], told["ip"]), (MAC, IP), "who it says it is")
    check_equal(bench.of(INVENTORY)[0]["format"], 1, "format")
    check_equal(polled[0], {"mac": MAC, "wait": "50"}, "the poll")
    check("registered as bench" in bench.log(), bench.log())


@pytest.mark.parametrize("order, ends", [("reboot", "reboot"), ("local", "reboot"), ("boot", "reboot"), ("poweroff", "poweroff")])
def test_an_order_that_ends_the_machine_is_told_first(bench, order, ends):
    bench.orders = [{"action": order, "id": 7}]
    bench.start_agent()
    check_equal(bench.ended(), ends, "how it ended")
    check_equal(bench.of(DONE), [{"mac": MAC, "id": 7, "result": "ok", "text": ""}], "what was told")


def test_inventory_is_taken_again_on_order(bench):
    bench.start_agent()
    bench.waits_for(POLL)
    bench.orders = [{"action": "inventory", "id": 3}]
    done = bench.waits_for(DONE)[0]
    check_equal((done["id"], done["result"], len(bench.of(INVENTORY))), (3, "ok", 2), "order, result, inventories")


def test_an_order_it_does_not_know_is_told_as_failed(bench):
    bench.orders = [{"action": "dance\x1b[2J", "id": 4}]
    bench.start_agent()
    done = bench.waits_for(DONE)[0]
    check_equal((done["id"], done["result"]), (4, "failed"), "told")
    check('no order "dance?[2J"' in done["text"] and "reboot" in done["text"], done["text"])
    check("\x1b[2J" not in bench.log(), "the order's text reached the console as it was")


def test_a_cancelled_reboot_does_not_happen(bench):
    bench.refuses = {DONE: 409}
    bench.orders = [{"action": "reboot", "id": 5}]
    bench.start_agent()
    bench.waits_for(DONE)
    bench.orders, bench.refuses = [], {}
    bench.waits_for(POLL, since=len(bench.told))
    check_equal(bench.agent.poll(), None, "the agent ended")


def test_what_was_done_while_the_server_is_away_is_told_when_it_is_back_and_not_done_again(bench):
    bench.refuses = {DONE: 502}
    bench.orders = [{"action": "inventory", "id": 6}]
    bench.start_agent()
    bench.waits_for(DONE)
    bench.stop_server()
    time.sleep(2)
    bench.refuses = {}
    bench.start_server()
    since = len(bench.told)
    bench.waits_for(DONE, since=since)
    bench.waits_for(POLL, since=since)
    check_equal(len(bench.of(INVENTORY)), 2, "inventories: at the start and by the order")


def test_an_order_that_is_begun_again_is_done_again_and_one_that_is_told_again_is_not(bench):
    bench.start_agent()
    given = {"action": "inventory", "id": 6, "begun_ms": 1700000000000}
    for order, inventories in (given, 2), (given, 2), (given | {"begun_ms": 1700000000001}, 3), (given | {"id": 7}, 4):
        since = len(bench.told)
        bench.orders = [order]
        done = bench.waits_for(DONE, since=since)
        check_equal([(d["id"], d["result"]) for d in done], [(order["id"], "ok")], f"{order}: told")
        check_equal(len(bench.of(INVENTORY)), inventories, f"{order}: inventories, one at the start")


def test_it_lives_through_a_server_that_is_not_there_yet(bench):
    bench.stop_server()
    bench.start_agent()
    eventually(lambda: "trying again" in bench.log(), 10, "it says that it tries again")
    bench.start_server()
    bench.waits_for(POLL)
    check("the server answers again" in bench.log(), bench.log())


def test_it_lives_through_a_cut_while_it_waits(bench):
    bench.start_agent()
    bench.waits_for(POLL)
    bench.line("down")
    bench.stop_server()
    time.sleep(3)
    bench.line("up")
    bench.start_server()
    bench.orders = [{"action": "inventory", "id": 8}]
    bench.waits_for(DONE, seconds=90)
    check_equal(len(bench.of(REGISTER)), 1, "registrations")


def test_a_server_that_forgot_it_hears_from_it_again(bench):
    bench.start_agent()
    bench.waits_for(POLL)
    bench.refuses = {POLL: 404}
    bench.stop_server()
    bench.start_server()
    bench.waits_for(REGISTER, 2)
    bench.waits_for(INVENTORY, 2)
    bench.refuses = {}
    bench.waits_for(POLL, since=len(bench.told))


def test_an_inventory_that_is_refused_does_not_keep_it_from_taking_orders(bench):
    bench.refuses = {INVENTORY: 413}
    bench.orders = [{"action": "poweroff", "id": 9}]
    bench.start_agent()
    check_equal(bench.ended(), "poweroff", "how it ended")


def test_a_server_that_does_not_wait_is_asked_once_a_second(bench):
    bench.longest_wait_s = 0
    bench.start_agent()
    bench.waits_for(POLL)
    since = len(bench.told)
    time.sleep(4)
    check(2 <= len(bench.of(POLL, since)) <= 5, f"{len(bench.of(POLL, since))} polls in 4 s")


NONSENSE = {"nothing": b"", "half": b"[", "a number": b'{"action": 3}', "a list": b"[1]", "no UTF-8": b"\xff\xfe",
    "no word": b'{"action": ""}', "100 KB": b"{}" * 50000}


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_for_an_order_does_nothing(bench, answer, monkeypatch):
    monkeypatch.setattr(agent_bench.Handler, "do_GET", lambda self: (self.server.bench.told.append(("GET", POLL, {})),
        self.answer(answer)))
    bench.start_agent()
    bench.waits_for(POLL, 2)
    check_equal((bench.of(DONE), bench.agent.poll()), ([], None), "told, ended")
