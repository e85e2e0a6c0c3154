#!/usr/bin/python3
"""run.py - all tests, or the suites named: `tests/run.py`, `tests/run.py stack e2e`, `tests/run.py --all`.

Runs one suite after the other, those that mostly wait two at a time, each with a time limit; shows
what each test came to, and closes with one line: `N passed, N failed, N skipped`. Exit status 1 when a test failed or none ran. Logs of
what failed are in build/test-logs/. Whatever a run made (containers, volumes, namespaces) is named
vmlab-test-<id>-… and is gone when it ends, also when it is interrupted.
"""
import argparse
import concurrent.futures
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

from harness import DOCKER, LOGS, ROOT

FULL = os.environ.get("VMLAB_FAULT") == "full"
HERE = os.path.join(ROOT, "tests")


class Counts:
    def __init__(self):
        self.results = []  # (suite, title, status, seconds, reason)
        self.suites = []   # (suite, seconds)

    def add(self, suite, title, status, seconds=0.0, reason=""):
        self.results.append((suite, title, status, seconds, reason))

    def of(self, status):
        return [r for r in self.results if r[2] == status]


# ---- what there is to run ------------------------------------------------------------------------

def make_target(target):
    """`make <target>` of the top level where there is a Makefile; else build.mk on this machine."""
    if os.path.exists(os.path.join(ROOT, "Makefile")):
        return ["make", "--no-print-directory", target]
    return ["make", "--no-print-directory", "-f", "build.mk", "VARIANT=test", target]


def python(script):
    return ["/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable,
        os.path.join(HERE, script)]


def shell(script):
    return ["bash", os.path.join(HERE, script)]


def alone_with_its_mounts(command):
    """A container that starts meanwhile takes the mounts it finds along, and keeps their loop devices busy."""
    return ["unshare", "--mount", "--propagation", "private", *command]


# name, command, reader, time limit in seconds, what it is
SUITES = [
    ("lint", lambda: make_target("lint"), "script", 900, "format, includes, shellcheck, cppcheck, warnings as errors"),
    ("build", lambda: python("test_build.py"), "suite", 3000, "images, the command and a guest image, from a clone"),
    ("unit", lambda: make_target("check"), "cmocka", 900, "every module's unit tests, with ASan and UBSan"),
    ("installer", lambda: alone_with_its_mounts(shell("installer_loop.sh")), "script", 600, "os-installer on a loop device"),
    ("archives", lambda: alone_with_its_mounts(python("hostile_archives.py")), "script", 900,
        "archives that mean harm, and one with everything in it, unpacked by os-installer"),
    ("diskimage", lambda: alone_with_its_mounts(python("disk_image.py")), "script", 300, "whole disk images onto a loop device full of old data"),
    ("oldmembers", lambda: alone_with_its_mounts(python("old_members.py")), "script", 300,
        "os-installer on a disk full of members of RAIDs, pools and volume groups"),
    ("initrd", lambda: shell("initrd_boot.sh"), "script", 600, "the initrd started in a VM"),
    ("cli", lambda: python("test_cli.py"), "suite", 300, "manual pages and completion, by those who read them"),
    ("stack", lambda: python("test_stack.py"), "suite", 900, "the built image answering real clients"),
    ("closed", lambda: python("test_closed.py"), "suite", 400,
        "what a lab refuses to guests, to other containers, to a network it is a guest on"),
    ("bound", lambda: python("test_bound.py"), "suite", 300, "an address is its machine's: who tries to be another one"),
    ("operator", lambda: python("test_operator.py"), "suite", 300, "who reaches the operator's API, and who does not"),
    ("addresses", lambda: python("test_addresses.py"), "suite", 600,
        "leases, names and identities: who gets which address"),
    ("dropin", lambda: python("test_dropin.py"), "suite", 300, "the built image run as pvmlab runs its own"),
    ("folders", lambda: python("test_folders.py"), "suite", 300,
        "folders that were moved or replaced, wrong settings, commands that were interrupted"),
    ("lab", lambda: python("test_lab.py"), "suite", 300, "a lab belongs to its folder; one command at a time"),
    ("reboot", lambda: python("test_reboot.py"), "suite", 300, "what ran before a reboot of the host runs again"),
    ("words", lambda: python("test_words.py"), "suite", 300,
        "what machines show and users write, taken for that and nothing else"),
    ("consumers", lambda: python("test_consumers.py"), "suite", 600,
        "emitted documents read by dnsmasq, and the schema for editors"),
    ("cloudinit", lambda: python("test_cloudinit.py"), "suite", 600,
        "documents for cloud-init, judged by the cloud-init of Debian 12 and 13"),
    ("badinput", lambda: python("test_badinput.py"), "suite", 600, "hostile and broken definitions"),
    ("confined", lambda: python("test_confined.py"), "suite", 300,
        "what the containers may do, and what a machine's network port lets through"),
    ("qemu", lambda: python("test_qemu.py"), "suite", 300, "what is made of a machine's settings, read by QEMU"),
    ("input", lambda: python("test_input.py"), "suite", 300, "wrong input, told where it is written, by everyone alike"),
    ("e2e", lambda: python("test_e2e.py"), "suite", 1500, "VMs installed over PXE, end to end"),
    ("fault", lambda: python("test_fault.py"), "suite", 5400 if FULL else 600,
        "the installer against broken lines, servers and files, and killed"),
    ("power", lambda: python("test_power.py"), "suite", 3600 if FULL else 900, "power cuts at any moment of an install"),
    ("vmfaults", lambda: python("test_vm_faults.py"), "suite", 3600 if FULL else 900,
        "the installer against its own machine's disk, clock, cable and cards"),
    ("arm64", lambda: python("test_arm64.py"), "suite", 600, "the arm64 image under emulation"),
    ("fuzz", lambda: python("test_fuzz.py"), "suite", 900, "each fuzz target for a minute"),
]

# These wait for timers and answers more than they compute: two of them at a time take no longer each.
BESIDE = {"stack", "closed", "operator", "addresses", "dropin", "lab", "words", "consumers", "cloudinit",
    "badinput", "confined", "input", "qemu"}


# ---- running one suite ---------------------------------------------------------------------------

class Run:
    """One suite's process: its output is shown, logged and read for results."""
    running = set()
    _screen = threading.Lock()

    def __init__(self, name, command, reader, limit, counts, env, purpose, at_once=True):
        """Shows each line at once, or all at the end, when another suite runs beside it."""
        self.lines = None if at_once else []
        self.purpose = purpose
        self.name = name
        self.counts = counts
        self.limit = limit
        self.reader = reader
        self.command = command
        self.env = env
        self.seen = 0
        self.unit = ""
        self.error_lines = []
        self.timed_out = False

    def say(self, text):
        if self.lines is None:
            print(text, flush=True)
        else:
            self.lines.append(text)

    def go(self):
        self.say(f"\n{self.name}: {self.purpose}")
        try:
            self._go()
        finally:
            if self.lines is not None:
                with Run._screen:
                    print("\n".join(self.lines), flush=True)

    def _go(self):
        os.makedirs(LOGS, exist_ok=True)
        results = os.path.join(LOGS, f"{self.name}.results.jsonl")
        for stale in (results, os.path.join(LOGS, f"{self.name}.log")):
            if os.path.exists(stale):
                os.unlink(stale)
        lane = "" if self.lines is None else f"{self.name[:4]}-"
        env = dict(self.env, VMLAB_TEST_RESULTS=results, PYTHONDONTWRITEBYTECODE="1", VMLAB_TEST_LANE=lane)
        began = time.monotonic()
        with open(os.path.join(LOGS, f"{self.name}.out"), "w", errors="replace") as out:
            process = subprocess.Popen(self.command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                start_new_session=True)
            Run.running.add(process)
            timer = threading.Timer(self.limit, self._end, [process])
            timer.start()
            try:
                for line in process.stdout:
                    out.write(line)
                    self._read(line.rstrip("\n"))
                rc = process.wait()
            finally:
                timer.cancel()
                Run.running.discard(process)
        self._finish(rc, results, time.monotonic() - began)

    def _end(self, process):
        """Time is up: asked to clean up first, then killed with all it started."""
        self.timed_out = True
        end_group(process, 30)

    def _read(self, line):
        getattr(self, "_read_" + self.reader)(line)

    def _read_suite(self, line):
        self.say("  " + line)

    # cmocka's standard output under "== <test program>" headings of build.mk
    def _read_cmocka(self, line):
        heading = re.match(r"== (\S+)", line)
        if heading:
            self.unit = heading.group(1) + ": "
            self.error_lines = []
            self.unit_ran = 0
            return
        result = re.match(r"\[\s+(OK|FAILED|SKIPPED|RUN|ERROR)\s+\]\s*(.*)", line)
        if not result:
            self.error_lines = (self.error_lines + [line])[-40:]
            return
        word, title = result.groups()
        listed = re.search(r"\d+ test\(s\)", title) # cmocka's own summary, then the names once more
        title = self.unit + title.split(" (Test")[0]
        if listed or any(r[:2] == (self.name, title) for r in self.counts.results):
            return
        if word == "RUN":
            self.error_lines = []
        elif word == "OK":
            self._result(title, "passed")
        elif word == "SKIPPED":
            said = [e.split("skipped: ", 1)[1] for e in self.error_lines if "skipped: " in e]
            self._result(title, "skipped", said[-1] if said else "the test skips itself")
        elif word == "FAILED":
            self._result(title, "failed", "\n".join(self.error_lines[-12:]))

    # lines "ok NAME", "not ok NAME", "skip NAME: reason" (also "PASS", "FAIL", "SKIP"); else the exit
    # status decides: 0 passed, 77 skipped
    def _read_script(self, line):
        result = re.match(r"\s*(ok|not ok|skip|PASS|FAIL|SKIP)\b[ :]+(.*)", line)
        if not result:
            self.error_lines = (self.error_lines + [line])[-40:]
            return
        word, title = result.group(1).lower(), result.group(2)
        status = {"ok": "passed", "pass": "passed", "skip": "skipped"}.get(word, "failed")
        reason = ""
        if status == "skipped" and ": " in title:
            title, reason = title.split(": ", 1)
        self._result(title, status, reason or ("\n".join(self.error_lines[-12:]) if status == "failed" else ""))

    def _result(self, title, status, reason=""):
        self.seen += 1
        self.counts.add(self.name, title, status, 0.0, reason)
        if status != "passed":
            self.say(f"  {'FAIL' if status == 'failed' else 'skip'}   {title}\n         "
                + reason.replace("\n", "\n         "))

    def _finish(self, rc, results, seconds):
        self.counts.suites.append((self.name, seconds))
        if self.reader == "suite":
            self._collect(results)
        failed = [r for r in self.counts.of("failed") if r[0] == self.name]
        last = "\n".join(self.error_lines[-15:])
        if self.timed_out:
            self._result(self.running_when_ended(results) or "the suite as a whole", "failed",
                f"still running after {self.limit} s")
        elif rc == 77 and not self.seen:
            self._result(self.name, "skipped", self.error_lines[-1] if self.error_lines else "exit status 77")
        elif rc != 0 and not failed:
            self._result("the suite as a whole", "failed", f"exit status {rc}\n{last}")
        elif rc == 0 and not self.seen and self.reader == "script":
            self._result(self.name, "passed")
        elif not self.seen:
            self._result("the suite as a whole", "failed", f"no test ran\n{last}")
        mine = [r for r in self.counts.results if r[0] == self.name]
        tally = ", ".join(f"{len([r for r in mine if r[2] == s])} {s}" for s in ("passed", "failed", "skipped"))
        self.say(f"  {self.name}: {tally} in {seconds:.0f} s")

    def _collect(self, results):
        for record in records(results):
            if record["status"] != "started":
                self.seen += 1
                self.counts.add(self.name, record["title"], record["status"], record["seconds"],
                    record["reason"])

    def running_when_ended(self, results):
        titles = [r for r in records(results)] if self.reader == "suite" else []
        return titles[-1]["title"] if titles and titles[-1]["status"] == "started" else None


def records(path):
    if not os.path.exists(path):
        return
    with open(path) as f:
        for line in f:
            yield json.loads(line)


def end_group(process, patience):
    try:
        os.killpg(process.pid, signal.SIGTERM)
        for _ in range(patience * 10):
            if process.poll() is not None:
                break
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


# ---- leaving nothing behind ----------------------------------------------------------------------

def sweep(is_ours):
    """Removes containers, volumes and namespaces named vmlab-test-<id>-… for which is_ours(id)."""
    def ours(name):
        match = re.match(r"/?vmlab-test-(\d+)-", name)
        return match and is_ours(match.group(1))

    def listed(*argv):
        try:
            return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                timeout=60).stdout.split("\n")
        except (OSError, subprocess.TimeoutExpired):
            return []

    def remove(*argv):
        subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)

    for name in filter(ours, listed(DOCKER, "ps", "-a", "--format", "{{.Names}}")):
        remove(DOCKER, "rm", "-f", "-v", name)
    for name in filter(ours, listed(DOCKER, "volume", "ls", "--format", "{{.Name}}")):
        remove(DOCKER, "volume", "rm", "-f", name)
    for line in listed("ip", "netns", "list"):
        if line.split() and ours(line.split()[0]):
            remove("ip", "netns", "del", line.split()[0])


def run_is_over(ident):
    return not os.path.exists(f"/proc/{ident}")


# ---- the run -------------------------------------------------------------------------------------

def main():
    names = [s[0] for s in SUITES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="suites, in order:\n" + "\n".join(f"  {s[0]:<10} {s[4]}" for s in SUITES))
    parser.add_argument("suite", nargs="*", help="only these; all when none is named")
    parser.add_argument("--all", action="store_true", help="the long tests too")
    parser.add_argument("--skip", metavar="SUITE", action="append", default=[], help="leave this one out")
    args = parser.parse_args()
    for name in args.suite + args.skip:
        if name not in names:
            parser.error(f"there is no suite {name!r}; there are: {' '.join(names)}")

    env = dict(os.environ, VMLAB_TEST_ID=str(os.getpid()), VMLAB_TEST_ALL="1" if args.all else "")
    counts = Counts()
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGINT, interrupted)
    began = time.monotonic()
    sweep(run_is_over)
    try:
        wanted = [s for s in SUITES if (not args.suite or s[0] in args.suite) and s[0] not in args.skip]
        for beside, group in itertools.groupby(wanted, lambda s: s[0] in BESIDE):
            runs = [Run(name, command(), reader, limit * (3 if args.all else 1), counts, env, purpose, not beside)
                for name, command, reader, limit, purpose in group]
            with concurrent.futures.ThreadPoolExecutor(2 if beside else 1) as pool:
                try:
                    for done in [pool.submit(run.go) for run in runs]:
                        done.result()
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    for process in list(Run.running):
                        end_group(process, 30)
                    raise
    except KeyboardInterrupt:
        counts.add("run", "interrupted", "failed", 0, "interrupted")
        print("\ninterrupted; cleaning up", flush=True)
    finally:
        sweep(lambda ident: ident == str(os.getpid()))
    return summary(counts, time.monotonic() - began)


def interrupted(*_):
    raise KeyboardInterrupt


def summary(counts, seconds):
    failed, skipped, passed = (counts.of(s) for s in ("failed", "skipped", "passed"))
    print(f"\n{'-' * 72}")
    for suite, took in counts.suites:
        print(f"{suite:<10} {took:6.0f} s")
    print(f"{'together':<10} {seconds:6.0f} s")
    if skipped:
        print("\nskipped:")
        for suite, title, _, _, reason in skipped:
            print(f"  {suite}: {title}: {reason}")
    if failed:
        print("\nfailed:")
        for suite, title, _, _, reason in failed:
            print(f"  {suite}: {title}\n      " + reason[:1500].replace("\n", "\n      "))
        print(f"\nlogs: {os.path.relpath(LOGS, os.getcwd())}/")
    print(f"\n{len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
