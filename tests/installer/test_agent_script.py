"""Scripts that the agent is ordered to run: what they write, how they end, and what is done with those that hang, fork,
write a gigabyte, and outlive what runs them."""
import os
import signal
import subprocess
import time

import pytest

from kit.check import check, check_equal, eventually
from kit.scope import Scope

DONE = "/api/action-done"
MARK = "987654.25"  # a sleep of these many seconds is ours
scope = Scope("agent-script")


@pytest.fixture
def idle(made):
    """Its agent is not started yet."""
    made.stop_server()
    made.fresh()
    made.start_server()
    yield made
    made.stop_agent()


@pytest.fixture
def bench(idle):
    idle.start_agent()
    return idle


def sleepers():
    return subprocess.run(["pgrep", "-f", f"sleep {MARK}"], capture_output=True, text=True).stdout.split()


def gone(seconds=10):
    eventually(lambda: not sleepers(), seconds, "nothing of the script runs any more")


def test_what_it_writes_arrives_and_how_it_ended_is_told(bench):
    done = bench.order("run", script="echo out; echo err >&2; printf 'no end'", where="ram")
    check_equal((done["result"], done["figures"]["exit_code"]), ("ok", 0), f"{done}")
    check_equal(bench.output_of(7), "out\nerr\nno end", "output")
    done = bench.order("run", 8, script="#!/usr/bin/env python3\nimport sys\nprint('python', sys.stdin.read() == '')\nsys.exit(3)")
    check_equal((done["result"], done["figures"]["exit_code"]), ("failed", 3), f"{done}")
    check("exit code 3" in done["text"] and "output" in done["hint"], f"{done}")
    check_equal(bench.output_of(8), "python True\n", "output")


def test_it_has_the_helpers(bench):
    done = bench.order("run", script='. "$STAGE4"\nstep "first" true\nretry 2 test -d /run && log retried\nstep "last" sh -c "exit 5"\necho never')
    check_equal((done["result"], done["figures"]["exit_code"]), ("failed", 1), f"{done}")
    check_equal(bench.output_of(7), "vmlab: first\nvmlab: retried\nvmlab: last\nvmlab: stopped: last failed with status 5\n", "output")
    check_equal(bench.order("run", 8, script="#!/bin/bash\n. $STAGE4\nlog by bash >/dev/null")["result"], "ok", "bash")


@pytest.mark.parametrize("args, says", [({}, "has no script"), ({"script": ""}, "has no script"), ({"script": 5}, "has no script"),
    ({"script": "#!/no/such/program\n"}, "No such file")], ids=["none", "empty", "a number", "no program"])
def test_a_script_that_cannot_be_run_is_told(bench, args, says):
    done = bench.order("run", **args)
    check(done["result"] == "failed" and says in done["text"], f"{done}")


def test_a_script_that_hangs_is_ended_when_its_time_is_over(bench):
    began = time.monotonic()
    done = bench.order("run", timeout_s=2, script=f"trap '' TERM HUP INT; echo begun; sleep {MARK}")
    took = time.monotonic() - began
    check_equal(done["result"], "failed", f"{done}")
    check("had 2 s" in done["text"] and 2 <= took < 12, f"{took:.1f} s: {done}")
    check_equal(bench.output_of(7), "begun\n", "output")
    gone()


def test_what_it_leaves_running_ends_with_it(bench):
    done = bench.order("run", script=f"setsid sh -c 'trap \"\" TERM HUP; setsid sleep {MARK} & sleep {MARK}' & (sleep {MARK} &); exit 0")
    check_equal(done["result"], "ok", f"{done}")
    gone()


def test_a_cancelled_script_is_ended_with_everything_it_started(bench):
    bench.give("run", script=f"for i in $(seq 150); do setsid sh -c 'trap \"\" TERM HUP; sleep {MARK}' & done; sleep {MARK}")
    eventually(lambda: len(sleepers()) > 150, 30, "it has begun")
    bench.over.add(7)
    done = bench.waits_for(DONE)[0]
    check_equal((done["result"], done["text"]), ("failed", "it was cancelled"), "told")
    gone()
    check_equal(bench.agent.poll(), None, "the agent ended")


def test_one_that_forks_without_end_is_ended(bench):
    done = bench.order("run", timeout_s=3, seconds=60, script=f"f() {{ for i in 1 2 3 4 5 6 7 8; do setsid sleep {MARK} & done; sleep 0.02; "
        f"setsid sh -c \"$0 x\" & }}\ncase $0 in *order*) i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); setsid sleep {MARK} & done; wait;; esac")
    check("had 3 s" in done["text"], f"{done}")
    gone(30)


def test_a_gigabyte_of_output_is_not_kept_in_memory(bench):
    began = time.monotonic()
    done = bench.order("run", seconds=200, script="yes 'a line of output' | head -c 1073741824; echo; echo the end")
    print(f"       {time.monotonic() - began:.1f} s, {bench.rss_kib()} KiB at most, "
        f"{sum(n for _, _, n in bench.pieces) >> 20} MiB came")
    check_equal(done["result"], "ok", f"{done}")
    last = max(bench.output[7])
    check((bench.output[7][last]).endswith(b"\nthe end\n"), "its end is missing")
    check_equal(last + len(bench.output[7][last]), 1073741824 + 9, "how much it wrote, by the offsets")
    check(bench.output[7][0].startswith(b"a line of output\n"), "its beginning is missing")
    check(bench.rss_kib() < 24 << 10, f"{bench.rss_kib()} KiB")


def test_output_goes_on_after_a_cut_and_a_restart_of_the_server(bench):
    bench.give("run", script="for i in $(seq 60); do echo line $i; sleep 0.1; done")
    eventually(lambda: 7 in bench.output, 20, "output comes")
    bench.line("down")
    time.sleep(1)
    bench.stop_server()
    time.sleep(1)
    bench.line("up")
    bench.start_server()
    done = bench.waits_for(DONE, seconds=60)[0]
    check_equal(done["result"], "ok", f"{done}")
    check_equal(bench.output_of(7), "".join(f"line {i}\n" for i in range(1, 61)), "output")


def test_a_server_that_does_not_answer_does_not_hold_the_script_up(bench):
    mark = os.path.join(scope.tempdir(), "ended")
    bench.give("run", script=f"sleep 2; head -c 3000000 /dev/zero; echo >{mark}")
    eventually(lambda: "order run" in bench.log(), 10, "it has begun")
    bench.line("down")
    try:
        eventually(lambda: os.path.exists(mark), 10, "the script ends while the line is cut")
    finally:
        bench.line("up")
    bench.waits_for(DONE, seconds=60)


def test_output_that_the_server_does_not_take_is_left(bench):
    bench.refuses = {"output": 413}
    done = bench.order("run", script="echo a; sleep 1; echo b")
    check_equal(done["result"], "ok", f"{done}")


def test_a_crash_of_what_runs_it_is_told_and_the_agent_lives(bench):
    done = bench.order("run", script=f"""setsid sleep {MARK} &
p=$PPID; p=$(awk '$1 == "PPid:" {{ print $2 }}' /proc/$p/status); kill -SEGV $p; sleep {MARK}""")
    check(done["result"] == "failed" and "ended by signal 11" in done["text"], f"{done}")
    gone()
    check_equal(bench.order("run", 8, script="true")["result"], "ok", "the next one")


def children(pid):
    return [int(p) for p in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()]


@pytest.mark.parametrize("ends", (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV), ids=lambda s: s.name)
def test_when_the_agent_is_killed_nothing_of_its_order_goes_on(idle, ends):
    """Also what went into a session of its own: of a daemon that writes, nothing more comes. The next agent goes on."""
    bench = idle
    bench.start_agent(again=True)
    written = os.path.join(scope.tempdir(), f"written{int(ends)}")
    bench.give("run", script=f"""setsid sh -c 'trap "" TERM HUP INT; setsid sleep {MARK} & while :; do echo more; sleep 0.05; done >{written}' &
(setsid sleep {MARK} &); sleep {MARK}""")
    eventually(lambda: len(sleepers()) >= 3 and os.path.exists(written) and os.path.getsize(written), 20, "all of it has begun")
    first = bench.agent_pid()
    agent = children(first)[0]
    bench.orders = []
    since = len(bench.told)
    os.kill(agent, ends)
    gone(20)
    bench.waits_for("/api/device-action-poll", since=since)
    size = os.path.getsize(written)
    time.sleep(0.5)
    check_equal(os.path.getsize(written), size, "bytes that the daemon had written")
    check_equal(len(children(first)), 1, f"what is left beside the next agent: {children(first)}")
    check_equal(bench.order("run", 8, script="echo next")["result"], "ok", "the next one's order")


def test_when_the_agent_is_killed_together_with_the_keeper_the_next_one_ends_what_is_left(idle):
    """Nobody descends from anybody of before any more: a daemon's father is the first process, as in the initramfs."""
    bench = idle
    bench.start_agent(again=True)
    bench.give("run", script=f"""setsid sh -c 'trap "" TERM HUP INT; sleep {MARK}' & (setsid sleep {MARK} &); sleep {MARK}""")
    eventually(lambda: len(sleepers()) >= 3, 20, "all of it has begun")
    first = bench.agent_pid()
    agent = children(first)[0]
    keeper, = children(agent)
    bench.orders = []
    since = len(bench.told)
    for pid, signum in (agent, signal.SIGSTOP), (keeper, signal.SIGKILL), (agent, signal.SIGKILL):
        os.kill(pid, signum)
    bench.waits_for("/api/device-action-poll", since=since)
    check_equal(sleepers(), [], "what of the script goes on when the next agent asks for orders")
    check("processes of an order of the agent before went on; 0 do not end" in bench.log(), bench.log())
    check_equal(bench.order("run", 8, script="echo next")["result"], "ok", "the next one's order")


def test_where_there_are_no_control_groups_it_says_what_that_means(idle):
    """Where it would mount them is a file."""
    idle.start_agent(by=("sh", "-c", 'mount -t tmpfs tmpfs /run && : >/run/os-installer-cgroup && exec "$@"', "sh"))
    check_equal(idle.order("run", script="echo done")["result"], "ok", "an order without")
    check("an agent that is killed may leave behind what its order runs: " in idle.log(), idle.log())


def test_progress_comes_once_a_second(bench):
    done = bench.order("run", script="sleep 4")
    told = bench.progress(7)
    check(4 <= len(told) <= 6 and "phase" not in told[0] and told[1]["phase"] == "script", f"{told}, {done}")
