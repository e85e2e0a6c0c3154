"""conftest.py - what holds for every test here: how it is named and shown, `needs`, `long`, its log, its end.

A title is the function's name read as words. Whatever a run made is gone at its end, also after SIGTERM.
"""
import os
import re
import signal
import time

import pytest

from kit import command, scope, sweep
from kit.cases import pytest_collect_file, pytest_runtest_protocol  # noqa: F401 (hooks)

OUTCOMES = {}  # (file, function): whether it passed, with all its parameters
LOGGED = set()
TOLD = []      # why set-ups failed: pytest raises the same exception for each test that shares one


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="the long tests too")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes minutes; runs with --long")
    config.addinivalue_line("markers", "needs(tests): goes on from what these left; see kit.scope.needs()")
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, interrupted)


def interrupted(*_):
    """Once; what comes then is the cleaning up."""
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, signal.SIG_IGN)
    raise KeyboardInterrupt


def pytest_sessionstart(session):
    if not session.config.option.collectonly:
        sweep.sweep()


def pytest_unconfigure(config):
    scope.Scope.end_all()
    if not config.option.collectonly:
        sweep.sweep(lambda process: command.PREFIX == f"vmlab-test-{process}-")


@pytest.fixture(scope="module", autouse=True)
def ended(request):
    yield
    for made in scopes_of(request):
        made.end()


def scopes_of(item):
    """Of its file, and of the lab a fixture gave it."""
    found = [value for value in vars(item.module).values() if isinstance(value, scope.Scope)]
    lab = getattr(item, "funcargs", {}).get("lab")
    return found + ([lab.scope] if hasattr(lab, "scope") and lab.scope not in found else [])


# ---- which tests run ----------------------------------------------------------------------------

def needed(item):
    return [(item.path, test.__name__) for mark in item.iter_markers("needs") for test in mark.args[0]]


def name_of(item):
    return item.path, getattr(item, "originalname", item.name)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items):
    """What is chosen by -k brings what it needs."""
    whole = list(items)
    yield
    chosen, wanted = set(items), set()
    for item in reversed(whole):
        if item in chosen or name_of(item) in wanted:
            chosen.add(item)
            wanted.update(needed(item))
    items[:] = [item for item in whole if item in chosen]


def pytest_runtest_setup(item):
    if item.get_closest_marker("long") and not item.config.option.long:
        pytest.skip("long; runs with --long")
    missing = [title(function) for path, function in needed(item) if not OUTCOMES.get((path, function))]
    if missing:
        pytest.skip("needs: " + "; ".join(missing))


# ---- how they are shown ---------------------------------------------------------------------------

def title(name):
    return name.removeprefix("test_").replace("_", " ")


def reason(report):
    if isinstance(report.longrepr, tuple):
        text = report.longrepr[2]
    else:
        crash = getattr(report.longrepr, "reprcrash", None)
        text = crash.message if crash else str(report.longrepr or "")
    return re.sub(r"^(Skipped|AssertionError|Failed): ", "", text)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    report.title = title(item.name)
    if report.failed and report.when == "setup":
        if any(call.excinfo.value is e for e in TOLD):
            report.outcome = "skipped"
            report.longrepr = str(item.path), 0, "Skipped: needs what failed above"
        TOLD.append(call.excinfo.value)
    if report.when == "call" or not report.passed:
        OUTCOMES[name_of(item)] = OUTCOMES.get(name_of(item), True) and report.passed
    if report.failed:
        parts = [report.longreprtext, report.capstdout, *(made.logs() for made in scopes_of(item))]
        log(item.path, report.title, "\n".join(filter(None, parts)))


def log(path, heading, text):
    """In the log of its file, which is of this run only."""
    where = command.log_of(path)
    os.makedirs(command.LOGS, exist_ok=True)
    with open(where, "a" if where in LOGGED else "w", errors="replace") as f:
        f.write(f"==== {time.strftime('%F %T')} {heading}\n{text}\n\n")
    LOGGED.add(where)


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report):
    """Counted as ever; Shown prints the line."""
    if report.when == "call" or not report.passed:
        return ("error" if report.failed and report.when != "call" else report.outcome), "", ""


class Shown:
    """A line for each test, below its file's."""

    def __init__(self, terminal):
        self.terminal = terminal
        self.part = None

    def pytest_runtest_logreport(self, report):
        if report.passed and report.when != "call":
            return
        part = command.part_of(report.nodeid.split("::")[0])
        if part != self.part:
            self.terminal.write_line(f"\n{part}")
            self.part = part
        mark = {"passed": "  ok  ", "failed": " FAIL ", "skipped": " skip "}[report.outcome]
        self.terminal.write_line(f"{mark} {report.title} ({report.duration:.1f} s)")
        said = (reason(report) if not report.passed else report.capstdout).strip()
        if said:
            self.terminal.write_line("       " + "\n       ".join(line.strip() for line in said.splitlines()))
        self.terminal.flush()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session):
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal and not session.config.option.collectonly:
        session.config.pluginmanager.register(Shown(terminal))
