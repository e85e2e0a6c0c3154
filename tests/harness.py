"""harness.py - one suite of tests: registered in order, run in order, reported as they end.

A suite is a program: it prints one line per test and exits 1 when one failed. run.py, which starts
it, reads the same results as JSON lines from the file named by VMLAB_TEST_RESULTS.

    suite = Suite("stack", "the built image answering real clients")

    @suite.test("an unknown MAC waits", needs=["the stack starts"])
    def _(): ...

    sys.exit(suite.main())

A test fails by raising, usually from check() or eventually(). skip("reason") ends it as skipped.
A test whose `needs` did not pass is skipped and names them. Everything given to suite.cleanup()
runs at the end, last first, also after SIGTERM.
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = os.path.join(ROOT, "build", "test-logs")
# Everything a run makes outside its own files (containers, volumes, namespaces) has this prefix.
RUN_ID = os.environ.get("VMLAB_TEST_ID") or str(os.getpid())
# Suites that run beside each other have names of their own.
PREFIX = f"vmlab-test-{RUN_ID}-{os.environ.get('VMLAB_TEST_LANE', '')}"
DOCKER = os.environ.get("DOCKER", "docker")


class Skipped(Exception):
    pass


class Failed(Exception):
    pass


def skip(reason):
    raise Skipped(reason)


def fail(reason):
    raise Failed(reason)


def check(condition, reason):
    if not condition:
        raise Failed(reason() if callable(reason) else reason)


def check_equal(got, wanted, what="value"):
    if got != wanted:
        raise Failed(f"{what}: got {got!r}, wanted {wanted!r}")


def eventually(probe, seconds, what, every=0.1):
    """Calls probe() until it returns something true and returns that. An exception counts as not yet."""
    deadline = time.monotonic() + seconds
    last = None
    while True:
        try:
            value = probe()
            if value:
                return value
            last = value
        except (OSError, Failed, ValueError, KeyError, subprocess.SubprocessError) as e:
            last = e
        if time.monotonic() >= deadline:
            raise Failed(f"not within {seconds:g} s: {what} (last seen: {str(last)[:600]})")
        time.sleep(every)


def print_counts(rows, unit):
    """A campaign's last lines; rows: {what was tried: (how often, how often it went as required)}."""
    width = max(map(len, rows), default=0)
    print()
    for row, (tried, good) in rows.items():
        print(f"{row:<{width}}  {tried:>5} {unit}  {good:>5} as required")


def run(argv, timeout=60, check_rc=True, stdin=None, env=None, cwd=None):
    """Runs a command to its end; .stdout and .stderr are text. Fails naming the command and its output."""
    try:
        done = subprocess.run(argv, timeout=timeout, env=env, cwd=cwd, text=True, errors="replace",
            input=stdin, stdin=subprocess.DEVNULL if stdin is None else None,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except subprocess.TimeoutExpired as e:
        raise Failed(f"`{' '.join(argv)}` did not end within {timeout} s; "
            f"output so far: {tail(e.stdout)} {tail(e.stderr)}")
    except FileNotFoundError:
        raise Failed(f"`{argv[0]}` is not installed")
    if check_rc and done.returncode != 0:
        raise Failed(f"`{' '.join(argv)}` ended with {done.returncode}: "
            f"{tail(done.stdout)} {tail(done.stderr)}")
    return done


def tail(text, size=1500):
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    text = (text or "").strip()
    return text if len(text) <= size else "…" + text[-size:]


def docker(*argv, timeout=60, check_rc=True, stdin=None):
    return run([DOCKER, *argv], timeout=timeout, check_rc=check_rc, stdin=stdin)


def have_image(name):
    return docker("image", "inspect", name, check_rc=False).returncode == 0


def have_command(name):
    return any(os.access(os.path.join(d, name), os.X_OK)
        for d in os.environ.get("PATH", "").split(":") + ["/usr/sbin", "/sbin"])


class Suite:
    def __init__(self, name, purpose):
        self.name = name
        self.purpose = purpose
        self.tests = []
        self.results = {}
        self.on_failure = []
        self._cleanups = []
        self._tempdir = None

    def test(self, title, needs=(), heavy=False):
        """Registers a test. A heavy one runs only with --all."""
        def register(function):
            self.tests.append((title, tuple(needs), heavy, function))
            return function
        return register

    def cleanup(self, function, *args):
        self._cleanups.append((function, args))

    def log_on_failure(self, function):
        """function() returns text; it is appended to the suite's log file after a failed test."""
        self.on_failure.append(function)

    def tempdir(self):
        """A directory that lives as long as the suite; world readable, as daemons drop root."""
        if self._tempdir is None:
            self._tempdir = tempfile.TemporaryDirectory(prefix=PREFIX + self.name + "-")
            os.chmod(self._tempdir.name, 0o755)
        return self._tempdir.name

    def main(self):
        parser = argparse.ArgumentParser(description=self.purpose)
        parser.add_argument("-k", metavar="TEXT", action="append", default=[],
            help="only tests whose title contains TEXT, and what they need")
        parser.add_argument("--all", action="store_true", help="the long ones too")
        parser.add_argument("--list", action="store_true", help="name the tests and end")
        args = parser.parse_args()
        tests = self._select(args.k)
        if not tests:
            print(f"no test's title contains {' or '.join(map(repr, args.k))}; --list names them all", file=sys.stderr)
            return 2
        if args.list:
            for title, _, heavy, _ in tests:
                print(title + (" (--all)" if heavy else ""))
            return 0
        run_all = args.all or os.environ.get("VMLAB_TEST_ALL") == "1"
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
        try:
            for title, needs, heavy, function in tests:
                self._run_one(title, needs, heavy and not run_all, function)
        finally:
            self.end()
        if "VMLAB_TEST_RESULTS" not in os.environ:  # run.py counts by itself
            print(", ".join(f"{list(self.results.values()).count(s)} {s}" for s in ("passed", "failed", "skipped")))
        return 1 if "failed" in self.results.values() else 0

    def end(self):
        """Cleans up, whatever comes in between."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, signal.SIG_IGN)
        while self._cleanups:
            function, args = self._cleanups.pop()
            try:
                function(*args)
            except Exception as e:
                print(f"       cleaning up: {e}", flush=True)
        if self._tempdir is not None:
            self._tempdir.cleanup()

    def _select(self, patterns):
        if not patterns:
            return self.tests
        wanted = {t[0] for t in self.tests if any(p.lower() in t[0].lower() for p in patterns)}
        for title, needs, _, _ in reversed(self.tests):
            if title in wanted:
                wanted.update(needs)
        return [t for t in self.tests if t[0] in wanted]

    def _run_one(self, title, needs, too_long, function):
        self._record(title, "started", 0, "")
        began = time.monotonic()
        status, reason = "passed", ""
        missing = [n for n in needs if self.results.get(n) != "passed"]
        try:
            if too_long:
                skip("long; runs with --all")
            if missing:
                skip("needs: " + "; ".join(missing))
            function()
        except Skipped as e:
            status, reason = "skipped", str(e)
        except Exception as e:
            status, reason = "failed", str(e) or type(e).__name__
            self._log(title, traceback.format_exc())
        self.results[title] = status
        self._record(title, status, time.monotonic() - began, reason)

    def _log(self, title, trace):
        os.makedirs(LOGS, exist_ok=True)
        with open(os.path.join(LOGS, self.name + ".log"), "a", errors="replace") as f:
            f.write(f"==== {time.strftime('%H:%M:%S')} {title}\n{trace}\n")
            for function in self.on_failure:
                try:
                    f.write(function() + "\n")
                except Exception as e:
                    f.write(f"(no log: {e})\n")

    def _record(self, title, status, seconds, reason):
        path = os.environ.get("VMLAB_TEST_RESULTS")
        if path:
            with open(path, "a") as f:
                f.write(json.dumps({"suite": self.name, "title": title, "status": status,
                    "seconds": round(seconds, 3), "reason": reason}) + "\n")
        if status == "started":
            return
        mark = {"passed": "  ok  ", "failed": " FAIL ", "skipped": " skip "}[status]
        line = f"{mark} {title} ({seconds:.1f} s)"
        if reason:
            line += "\n       " + reason.replace("\n", "\n       ")
        print(line, flush=True)
