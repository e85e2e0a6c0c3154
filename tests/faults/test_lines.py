"""A sample of broken lines and killed servers while a system is installed; `make fault` runs every case."""
import concurrent.futures
import random
import time

import pytest

from kit.check import check
from kit.command import run, tail
from kit.fault_campaign import CHUNK, FULL, SEED, counts
from kit.fault_proxy import Fault

pytestmark = pytest.mark.timeout(5400 if FULL else 900)


def test_the_stack_serves_a_small_image_and_it_installs(campaign):
    i = campaign.installer().run()
    check(i.status == 0, f"status {i.status}: {tail(i.log)}")
    check(i.tree() == campaign.tree, "the tree is not what GNU tar makes")
    check(i.proxy.starts == [0], f"requests began at {i.proxy.starts}")
    i.close()


def survives(campaign, case):
    """One or more faults, and the same tree in the end."""
    faults = [Fault(kind, at) for kind, at in case]
    i = campaign.installer(faults).run()
    try:
        if i.status != 0:
            return f"status {i.status}: {tail(i.log, 300)}"
        if len(i.proxy.hits) != len(faults):
            return f"{len(i.proxy.hits)} of {len(faults)} faults happened"
        if i.tree() != campaign.tree:
            return "another tree"
        if max(i.proxy.repeated()) >= CHUNK:
            return f"bytes asked for again, by fault: {i.proxy.repeated()}"
        return None
    finally:
        i.close()


def line_cases(campaign, kind, full, sample):
    edges = list(range(0, campaign.size, CHUNK)) + [campaign.size - 1]
    at = [campaign.rng.randrange(campaign.size) for _ in range(counts(full, sample))]
    return [[(kind, n)] for n in (edges if FULL else edges[::8]) + at]


@pytest.mark.parametrize("kind, full, sample, workers", (("reset", 200, 10, 3), ("close", 200, 10, 3), ("corrupt", 200, 10, 3),
    ("stall", 200, 4, 24)))
def test_connection_broken_at_random_bytes_and_at_chunk_edges(campaign, kind, full, sample, workers):
    campaign.run("connection reset, closed, stalled, corrupted at byte N", line_cases(campaign, kind, full, sample),
        lambda case: survives(campaign, case), workers)


def test_connection_twenty_drops_in_a_row(campaign):
    def drops(seed):
        r = random.Random(seed)
        return sorted((r.choice(["reset", "close"]), r.randrange(campaign.size)) for _ in range(20))
    campaign.run("20 drops in a row", [drops(SEED + n) for n in range(counts(10, 2))],
        lambda case: survives(campaign, case))


# ---- the servers -----------------------------------------------------------------------------------

def test_servers_nginx_and_boot_handler_killed_in_the_middle_of_the_stream(campaign):
    lab = campaign.lab

    def killed(n):
        i = campaign.installer([Fault("close", campaign.size * k // 9) for k in range(1, 9)])
        done = concurrent.futures.ThreadPoolExecutor(1).submit(i.run)
        r = random.Random(SEED + n)
        try:
            for daemon in ("nginx", "boot_handler", "nginx"):
                time.sleep(r.uniform(0.1, 0.8))
                run(["kill", "-9", *map(str, lab.pids()[daemon])], check_rc=False)
            done.result(240)
            if i.status != 0:
                return f"status {i.status}: {tail(i.log, 300)}"
            return None if i.tree() == campaign.tree else "another tree"
        finally:
            i.close()
    campaign.run("nginx and boot_handler killed mid-stream", list(range(counts(10, 2))), killed, workers=1)
    lab.wait_serving()
