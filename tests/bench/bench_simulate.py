"""bench_simulate.py - `vmlab simulate`: a storm of machines, and what each costs as they become more."""
import json
import os

from bench_table import FIGURES, row
from kit.vmlab_cli import VmLab

STORM = 1000
COUNTS = (10, 100, 1000, 2000)
# Waits of machines are as long as they are; for what each costs, a tenth of it.
STORM_SPEED = 1
SMALL = {"over_s": 1, "rootfs": "1M", "kernel": "64K", "modules": "64K", "patience_s": 300}


def simulate(lab, count, profile):
    """The result of `vmlab simulate`, of a stack of its own."""
    where = os.path.join(lab.dir, "profile.json")
    with open(where, "w") as f:
        json.dump(profile, f)
    env = lab.env
    lab.env = {k: v for k, v in env.items() if k not in ("VMLAB_LAB", "VMLAB_VMS", "VMLAB_IMAGES")}
    try:
        done = lab.vmlab("simulate", str(count), "--profile", where, "--json", timeout=1800, check_rc=False)
    finally:
        lab.env = env
    if not done.stdout.strip():
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return json.loads(done.stdout)


def p99(result, name, field="p99_ms"):
    return next(step[field] for step in result["steps"] if step["name"] == name)


def peak_mib(result, name):
    return next(d["peak_rss_bytes"] for d in result["daemons"] if d["name"] == name) / (1 << 20)


def bench_storm(result):
    count, ready = result["machines"], result["ended"]["ready"]
    row(f"{count} machines on within 1 s: ready", ready, "", f"all {count}", ready == count == result["server_ready"])
    row("  of these failed", result["ended"]["failed"], "", "0", result["ended"]["failed"] == 0)
    row("  until the last was ready", result["took_s"], "s")
    row("  /ipxe, p99", p99(result, "/ipxe"), "ms", "below 10", p99(result, "/ipxe") < 10)
    for name in ("DHCP offer", "DHCP ack"):
        row(f"  {name}, p99", p99(result, name), "ms", "below 100", p99(result, name) < 100)
    peak = peak_mib(result, "boot_handler")
    row("  boot_handler's peak resident set", peak, "MiB", "below 64", peak < 64)
    row("  beside it the simulator's own delay at /ipxe, p99", p99(result, "/ipxe", "own_p99_ms"), "ms")


def bench_simulate(scope, quick):
    """The cost of a machine: the stack's processor time, over what it is with ten of them."""
    lab = VmLab(scope, "bench-simulate")
    costs = {}
    if not quick:
        FIGURES["storm"] = simulate(lab, STORM, SMALL | {"speed": STORM_SPEED})
        bench_storm(FIGURES["storm"])
    for count in COUNTS[:2] if quick else COUNTS:
        result = simulate(lab, count, SMALL)
        FIGURES[f"simulate {count}"] = result
        costs[count] = result["cpu_s"] * 1000 / max(1, result["ended"]["ready"])
        good = None if count == COUNTS[0] else costs[count] <= costs[COUNTS[0]]
        row(f"{count} machines: the stack's CPU for each", costs[count], "ms",
            "" if good is None else f"not above {costs[COUNTS[0]]:.1f}", good)
