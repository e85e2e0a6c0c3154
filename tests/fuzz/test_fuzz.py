"""Each fuzz target for FUZZ_SECONDS (60) under libFuzzer, ASan and UBSan.

The targets are those of FUZZERS in build.mk, built and run in the container that has clang
(`make fuzzers`). Seeds: <component>/testdata/<target without fuzz_>/. All targets run at once. What
crashed is kept in build/test-logs/.
"""
import concurrent.futures
import os
import re
import subprocess

import pytest

from kit import vmlab_cli
from kit.check import check, fail
from kit.command import LOGS, ROOT, run, tail
from kit.scope import Scope, needs

scope = Scope("fuzz")
SECONDS = int(os.environ.get("FUZZ_SECONDS", "60"))
# The builder's output and this machine's own.
OUTS = [os.path.join(ROOT, "build", *where, vmlab_cli.ARCH, "fuzz") for where in ((), ("host",))]


def targets():
    with open(os.path.join(ROOT, "build.mk")) as f:
        text = f.read().replace("\\\n", " ")
    return " ".join(re.findall(r"^FUZZERS\s*[:+]?=(.*)$", text, re.M)).split()


def test_the_fuzz_targets_are_built():
    if not targets():
        fail("build.mk names no FUZZERS")
    run(["make", "--no-print-directory", "fuzzers"], cwd=ROOT, timeout=900)
    for target in targets():
        check(program(target), f"{target} was not built")


def program(target):
    """The newest build of a target, or None."""
    built = [p for p in (os.path.join(out, target) for out in OUTS) if os.access(p, os.X_OK)]
    return max(built, key=os.path.getmtime) if built else None


def seeds(target):
    component, name = os.path.split(target)
    place = os.path.join(ROOT, component, "testdata", name.replace("fuzz_", "", 1))
    return [place] if os.path.isdir(place) else []


def runner(target):
    """libFuzzer on this machine; in the container with clang when the libraries are only there."""
    path = program(target)
    if subprocess.run([path, "-help=1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
        return [path], None
    builder = clang_image()
    check(builder, f"{target} does not start on this machine, and there is no vmlab_clang image")
    return [os.environ.get("DOCKER", "docker"), "run", "--rm", "--network", "none", "-v", f"{ROOT}:{ROOT}", "-w", ROOT,
        builder, path], builder


def clang_image():
    listed = run([os.environ.get("DOCKER", "docker"), "images", "--format", "{{.Repository}}:{{.Tag}}"],
        check_rc=False).stdout.split()
    names = [n for n in listed if n.startswith("vmlab_clang:")]
    return names[0] if names else None


def artifacts(target):
    return os.path.join(LOGS, "fuzz-" + target.replace("/", "-"))


def drive(target):
    work = os.path.join(ROOT, "build", "fuzz-corpus", target)
    os.makedirs(artifacts(target), exist_ok=True)
    os.makedirs(work, exist_ok=True)
    argv, _ = runner(target)
    argv += [f"-max_total_time={SECONDS}", "-timeout=10", "-rss_limit_mb=1024", "-max_len=70000",
        "-print_final_stats=1", f"-artifact_prefix={artifacts(target)}/", work] + seeds(target)
    return run(argv, timeout=SECONDS + 120, check_rc=False, cwd=ROOT)


RUNNING = {}


@pytest.mark.timeout(SECONDS + 600)
@pytest.mark.parametrize("target", targets())
@needs(test_the_fuzz_targets_are_built)
def test_a_minute_without_a_finding(target):
    """All targets run at the same time; each test waits for its own."""
    if not RUNNING:
        pool = concurrent.futures.ThreadPoolExecutor(len(targets()))
        RUNNING.update({t: pool.submit(drive, t) for t in targets()})
    done = RUNNING[target].result()
    executions = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    if done.returncode != 0:
        with open(os.path.join(artifacts(target), "output"), "w") as f:
            f.write(done.stdout + done.stderr)
        fail(f"exit status {done.returncode}; see {os.path.relpath(artifacts(target), ROOT)}/\n{tail(done.stderr, 2500)}")
    check(executions and int(executions.group(1)) > 100, f"hardly anything ran: {tail(done.stderr)}")
    print(f"       {int(executions.group(1)):,} inputs, {len(seeds(target))} seed directories", flush=True)


