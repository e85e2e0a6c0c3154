"""boot_handler is killed (SIGKILL) at random points while everybody asks it: what it has answered is so afterwards, events have
each their own number, none is left out, and the state file is whole. 500 points with --long, else ten.
"""
import os
import random
import signal
import sqlite3
import time

import pytest

from kit.check import check_equal
from kit.handler_bench import HandlerBench
from kit.killed_actors import ALL, Follower, Webhooks
from kit.scope import Scope

scope = Scope("killed")


@pytest.fixture
def kills(request):
    return 500 if request.config.getoption("--long") else 10


def kill(bench, chance):
    """Mostly while it serves, at times while it begins."""
    pid = bench.pid()
    os.kill(pid, signal.SIGKILL)
    while chance.random() < 0.25:
        while bench.pid() == pid:
            time.sleep(0.001)
        pid = bench.pid()
        time.sleep(chance.uniform(0, 0.06))
        os.kill(pid, signal.SIGKILL)
        yield
    yield
    while bench.pid() == pid:
        time.sleep(0.001)
    bench.wait()


def judge(bench, actors):
    for actor in actors:
        actor.lock.acquire()
    try:
        for actor in actors:
            if actor.failure:
                raise actor.failure
            actor.judge()
        with sqlite3.connect(f"file:{bench.db}?mode=ro", uri=True) as db:
            check_equal(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)], "the state file")
        db.close()
    finally:
        for actor in actors:
            actor.lock.release()


def test_what_was_answered_survives_kills_at_random_points(kills):
    bench = HandlerBench(scope, "killed")
    bench.make_image()
    bench.start()
    actors = [kind(bench) for kind in ALL]
    chance, done, began = random.Random(1), 0, time.monotonic()
    for actor in actors:
        actor.start()
    while done < kills:
        time.sleep(chance.uniform(0.01, 0.2))
        done += sum(1 for _ in kill(bench, chance))
        judge(bench, actors)
    seconds = time.monotonic() - began
    for actor in actors:
        actor.over.set()
        actor.join(10)
    judge(bench, actors)
    last = bench.last_event()
    follower = next(a for a in actors if isinstance(a, Follower))
    while follower.cursor < last:
        follower.step()
    told = next(a for a in actors if isinstance(a, Webhooks)).told(last)
    common = set(told) & set(follower.told)
    for number in common:
        check_equal(told[number], follower.told[number], f"event {number}, told by webhook and API")
    print(f"{done} kills in {seconds:.0f} s; " + ", ".join(f"{type(a).__name__} {a.answered}" for a in actors) + f" answered; {len(told)} events")
