"""cases.py - a script named test_*.sh is a test file: each line it prints of the following is a result.

    ok NAME              PASS is the same
    not ok NAME          FAIL is the same; what was printed before is the reason
    skip NAME: REASON
    [  OK  ] NAME        and the other words of cmocka's, below a line "== PROGRAM"

A script that prints none is one test: exit status 0 passed, 77 skipped. Mounts it makes are its own: a
container that starts meanwhile would take them along, and keep their loop devices busy.
"""
import os
import re
import subprocess
import time

import pytest

from kit.command import LOGS, ROOT, end_group, log_of

LIMIT_S = 900


def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".sh" and file_path.name.startswith("test_"):
        return Script.from_parent(parent, path=file_path)


class Script(pytest.File):
    def collect(self):
        yield Cases.from_parent(self, name=self.path.stem.removeprefix("test_"))


class Cases(pytest.Item):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.add_marker(pytest.mark.timeout(LIMIT_S))

    def runtest(self):
        """pytest_runtest_protocol() reports the cases instead."""

    def reportinfo(self):
        return self.path, None, self.name

    def results(self):
        """(title, passed | failed | skipped, reason, seconds) as they come."""
        reader = Reader()
        private = ["unshare", "--mount", "--propagation", "private"] if os.geteuid() == 0 else []
        process = subprocess.Popen([*private, "bash", str(self.path)], cwd=ROOT, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
        os.makedirs(LOGS, exist_ok=True)
        try:
            with open(log_of(self.path), "w") as log:
                for line in process.stdout:
                    log.write(line)
                    yield from reader.read(line.rstrip("\n"))
            yield from reader.end(process.wait(), self.name)
        except pytest.fail.Exception as e: # the time is up
            yield self.name, "failed", f"{e}\n{reader.tail()}", 0
        finally:
            end_group(process)


def said_of(item, outcome, reason):
    """pytest ends itself where a failure has no words."""
    if outcome == "skipped":
        return item.location[0], 0, f"Skipped: {reason}"
    return (reason or "it does not say why") if outcome == "failed" else None


def pytest_runtest_protocol(item):
    if not isinstance(item, Cases):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for title, outcome, reason, seconds in item.results():
        report = pytest.TestReport(nodeid=f"{item.parent.nodeid}::{title}", location=(item.location[0], None, title),
            keywords={}, outcome=outcome, when="call", start=time.time() - seconds, stop=time.time(), duration=seconds,
            longrepr=said_of(item, outcome, reason))
        report.title = title
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


class Reader:
    def __init__(self):
        self.lines = []    # since the last result
        self.program = ""
        self.seen = set()
        self.failed = False
        self.began = time.time()

    def tail(self, count=15):
        return "\n".join(self.lines[-count:])

    def read(self, line):
        heading = re.match(r"== (\S+)", line)
        if heading:
            self.program, self.lines, self.began = heading.group(1) + ": ", [], time.time()
            return
        said = re.match(r"\s*(ok|not ok|skip|PASS|FAIL|SKIP)\b[ :]+(.*)", line)
        unit = re.match(r"\[\s+(OK|FAILED|SKIPPED|RUN|ERROR)\s+\]\s*(.*)", line)
        if said:
            yield from self._result(said.group(1).lower(), said.group(2))
        elif unit and unit.group(1) == "RUN":
            self.lines, self.began = [], time.time()
        # After the tests come cmocka's own summary, and the names once more.
        elif unit and unit.group(1) != "ERROR" and not re.search(r"\d+ test\(s\)", unit.group(2)):
            title = self.program + unit.group(2).split(" (Test")[0]
            if title not in self.seen:
                reasons = [e.split("skipped: ", 1)[1] for e in self.lines if "skipped: " in e]
                yield from self._result(unit.group(1).lower(), title, (reasons or ["the test skips itself"])[-1])
        else:
            self.lines = (self.lines + [line])[-40:]

    def _result(self, word, title, reason=""):
        outcome = {"ok": "passed", "pass": "passed", "skip": "skipped", "skipped": "skipped"}.get(word, "failed")
        if outcome == "failed":
            reason = self.tail(12)
            self.failed = True
        elif outcome == "skipped" and not reason:
            title, _, reason = title.partition(": ")
        self.seen.add(title)
        yield title, outcome, reason, time.time() - self.began
        self.lines, self.began = [], time.time()

    def end(self, status, name):
        if status == 77 and not self.failed:
            if not self.seen:
                yield name, "skipped", self.lines[-1] if self.lines else "exit status 77", 0
        elif status != 0 and not self.failed:
            yield f"{name} as a whole", "failed", f"exit status {status}\n{self.tail()}", 0
        elif not self.seen:
            yield name, "passed", "", time.time() - self.began
