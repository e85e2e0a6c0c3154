#!/usr/bin/python3
"""bench.py - speed and size against their targets; what `make bench` runs. No test: it fails nobody.

    tests/bench/bench.py                    everything
    tests/bench/bench.py http watcher       only these: http watcher sizes installer backup agents simulate dashboards e2e
    tests/bench/bench.py --quick            fewer runs and edits, to see whether it works

http: boot_handler and nginx run from the stack image in one network namespace and are asked over
its loopback by wrk, turn by turn, each for RUN_S seconds; figures are medians of the runs, ratios
are within one run of this program. watcher: the whole stack with a real DHCP client. installer:
see bench_installer.py. backup: bench_backup.py. agents: bench_agents.py. simulate: bench_simulate.py.
dashboards: bench_dashboards.py. e2e: one `vmlab up` from nothing to ready. One table at the end, all figures in build/bench.json.
"""
import argparse
import json
import os
import platform
import re
import sys
import time

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bench_agents import bench_agents
from bench_backup import bench_backup
from bench_dashboards import bench_dashboards
from bench_http import bench_http
from bench_installer import bench_installer
from bench_simulate import bench_simulate
from bench_table import FIGURES, ROWS, row, shown
from bench_watcher import bench_watcher
from kit import vmlab_cli
from kit.command import ROOT, have_image
from kit.lab import STACK_IMAGE
from kit.scope import Scope


def size_mib(path):
    return os.path.getsize(path) / (1 << 20)


def bench_sizes(scope):
    for arch in ("amd64", "arm64"):
        path = os.path.join(ROOT, "build", "initrd", arch, "initrd.zst")
        if os.path.exists(path):
            row(f"initrd, {arch}", size_mib(path), "MiB", "at most 8", size_mib(path) <= 8)
        for name in (f"pxeboot_stack_{arch}.tar", f"vmlab_vm_{arch}.tar"):
            if os.path.exists(os.path.join(ROOT, name)):
                row(name, size_mib(os.path.join(ROOT, name)), "MiB")
        for file in ("rootfs.tar.zst", "modules.cpio.zst", "vmlinuz"):
            path = os.path.join(vmlab_cli.IMAGES, "debian-13", arch, file)
            if os.path.exists(path):
                row(f"debian-13/{arch}/{file}", size_mib(path), "MiB")
        for program in ("boot_handler/boot_handler", "vm_watcher/vm_watcher", "os_installer/os-installer", "vmlab/vmlab"):
            path = os.path.join(ROOT, "build", arch, "release", program)
            if os.path.exists(path):
                row(f"{os.path.basename(program)}, {arch}", size_mib(path), "MiB")


def bench_e2e(scope, limit=420):
    """One VM, declared as vms/web1.json declares it, in a lab of its own."""
    lab = vmlab_cli.VmLab(scope, "bench-e2e")
    lab.link_image("debian-13")
    fields = {"mac": "52:54:00:be:7c:01", "ip": "192.168.100.10", "arch": "amd64"}
    example = os.path.join(ROOT, "vms", "web1.json")
    if os.path.exists(example):
        with open(example) as f:
            fields = {k: v for k, v in json.load(f).items() if k != "name"}
    lab.define("web1", **fields)
    began = time.monotonic()
    lab.vmlab("up", "web1", timeout=limit)
    took = time.monotonic() - began
    kvm = "vmx" in open("/proc/cpuinfo").read() or "svm" in open("/proc/cpuinfo").read()
    row("`vmlab up web1` to ready" + (" (KVM)" if kvm else " (emulated)"), took, "s", "at most 150", took <= 150)
    begun = {}
    for event in lab.api("/api/v1/events?vm=web1&limit=1000")["events"]:
        key = event["phase"] if event["kind"] == "phase" else f"{event['kind']} {event['text']}"
        begun.setdefault(key, event["at"])
    FIGURES["stages"] = begun
    peak = re.search(r"(?:peak|max)[a-z_ ]*(?:rss|resident)[a-z_ ]*[=: ]+(\d+) ?(KiB|kB|MiB)?",
        json.dumps(lab.vm("web1")["log"]) + lab.console("web1"), re.I)
    if peak:
        value = int(peak.group(1)) / (1 if peak.group(2) == "MiB" else 1024)
        row("installer's peak resident set", value, "MiB", "below 64", value < 64)
    else:
        row("installer's peak resident set", "not told by its log", "MiB", "below 64")
    lab.remove()


# ---- the run ---------------------------------------------------------------------------------------

def parts(quick):
    """{its name: (function, its arguments but the scope)}"""
    runs, edits = (2, 10) if quick else (9, 100)
    counts = (10, 1000) if quick else (10, 1000, 100000)
    return {
        "sizes": (bench_sizes,),
        "http": (bench_http, runs, counts),
        "watcher": (bench_watcher, edits, runs),
        "installer": (bench_installer, runs, row),
        "backup": (bench_backup, min(runs, 5)),
        "agents": (bench_agents, runs, min(runs, 3)),
        "simulate": (bench_simulate, quick),
        "dashboards": (bench_dashboards, runs),
        "e2e": (bench_e2e,),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="*", choices=[*parts(False), []], default=[])
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    args = parser.parse_args()
    if not have_image(STACK_IMAGE):
        print(f"there is no image {STACK_IMAGE}: `make load` builds it", file=sys.stderr)
        return 1
    scope = Scope("bench")
    failed = []
    try:
        for name, (function, *fargs) in parts(args.quick).items():
            if args.part and name not in args.part:
                continue
            print(f"{name}:", flush=True)
            try:
                function(scope, *fargs)
            except Exception as e:
                failed.append(name)
                row(name, f"not measured: {e}"[:300], "")
    finally:
        scope.end()
    write_table(args)
    return 1 if failed else 0


def write_table(args):
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*: (.*)", f.read())
    FIGURES["machine"] = {"cpu": model.group(1) if model else platform.machine(), "cores": os.cpu_count(),
        "quick": args.quick, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    os.makedirs(os.path.join(ROOT, "build"), exist_ok=True)
    with open(os.path.join(ROOT, "build", "bench.json"), "w") as f:
        json.dump(FIGURES, f, indent=2)
    print(f"\n{FIGURES['machine']['cpu']}, {os.cpu_count()} cores\n")
    width = max(len(r[0]) for r in ROWS) if ROWS else 10
    for what, value, unit, target, verdict in ROWS:
        print(f"{what:<{width}}  {shown(value):>10} {unit:<4} {target:<14} {verdict}")
    missed = [r for r in ROWS if r[4] == "MISSED"]
    print(f"\n{len([r for r in ROWS if r[4] == 'met'])} targets met, {len(missed)} missed; build/bench.json")


if __name__ == "__main__":
    sys.exit(main())
