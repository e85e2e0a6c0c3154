"""process.py - what processes have used and have."""
import os
import re


def cpu_s(pids, children=False):
    """Seconds of a processor; `children`: with those of theirs that have ended."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        ticks += sum(int(n) for n in fields[11:15 if children else 13])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_bytes(pids):
    """Without files that are mapped."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status") as f:
            total += int(re.search(r"^RssAnon:\s+(\d+)", f.read(), re.M)[1]) * 1024
    return total


def tree(pid):
    """It and all below it, that there are."""
    yield pid
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                children = f.read().split()
            for child in children:
                yield from tree(int(child))
    except OSError:
        pass  # it ended meanwhile
