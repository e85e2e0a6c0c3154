#!/usr/bin/python3
"""main.py - every test, or the parts named: `tests/main.py`, `tests/main.py stack/dhcp unit`; what `make test` runs.

Runs pytest for each lane of STAGES, one stage after the other, a stage's lanes beside each other, and adds
up what they wrote: build/test-logs/junit.xml has it all. Closes with one line, `N passed, N failed,
N skipped`. Exit status 1 when a test failed or none ran.
"""
import argparse
import collections
import glob
import os
import re
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as xml
from fnmatch import fnmatchcase

from kit.command import LOGS, ROOT, end_group, log_of, part_of
from kit.sweep import sweep

HERE = os.path.join(ROOT, "tests")
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable  # who has Debian's pytest

# The base of the foreign architecture is one emulated process for minutes: lint and unit tests have the other
# processor. The installer's tests mostly wait for time limits of theirs, as do those of whole labs and of faults. Then
# one lane has a VM at all times, and beside it the other mostly waits for answers.
STAGES = [
    {"build": ["build"], "checks": ["lint", "unit"]},
    {"installer": ["installer"], "labs": ["fuzz", "lab"], "faults": ["faults"]},
    {"machines": ["e2e"], "answers": ["consumers", "stack", "input", "machine"]},
]
Result = collections.namedtuple("Result", "part title outcome seconds reason")
screen = threading.Lock()
running = set()
stopping = threading.Event()


def test_files(folder):
    return sorted(glob.glob(os.path.join(HERE, folder, "test_*.py")) + glob.glob(os.path.join(HERE, folder, "test_*.sh")))


def chosen(wanted, folders):
    """The files of these folders that `wanted` names; all when it names none."""
    files = [path for folder in folders for path in test_files(folder)]
    return [path for path in files if not wanted or any(fnmatchcase(part_of(path), want) or
        part_of(path).split("/")[0] == want for want in wanted)]


def parts():
    return {folder: [part_of(path).split("/")[1] for path in test_files(folder)]
        for stage in STAGES for folders in stage.values() for folder in folders}


def report_of(lane):
    return os.path.join(LOGS, f"junit-{lane}.xml")


# ---- one lane -----------------------------------------------------------------------------------

def run_lane(name, files, options, alone, results):
    report = report_of(name)
    process = subprocess.Popen([PYTHON, "-m", "pytest", "-q", "--no-summary", f"--junitxml={report}", *options, *files],
        cwd=ROOT, env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
    running.add(process)
    last = collections.deque(maxlen=20)
    block = []
    for line in process.stdout:
        last.append(line)
        # Of two lanes each shows what it has of a file before the next one.
        if block and (alone or line == "\n"):
            show(block)
        block.append(line)
    show(block)
    status = process.wait()
    running.discard(process)
    found = read_report(report) if os.path.exists(report) else []
    results.extend(found)
    if not stopping.is_set() and status not in (0, 1, 5) and not any(r.outcome == "failed" for r in found):
        results.append(Result(name, "the lane as a whole", "failed", 0, f"exit status {status}\n{''.join(last)}"))


def show(block):
    with screen:
        print("".join(block), end="", flush=True)
    block.clear()


def read_report(path):
    found = []
    for case in xml.parse(path).iter("testcase"):
        bad = next((e for e in case if e.tag in ("failure", "error", "skipped")), None)
        outcome = {None: "passed", "skipped": "skipped"}.get(bad if bad is None else bad.tag, "failed")
        reason = "" if bad is None else re.sub(r"^(AssertionError|Failed): ", "", bad.get("message") or bad.text or "")
        name = case.get("name")
        if not name:
            continue  # it was interrupted
        where = case.get("classname") or name  # a file that could not be read has no class
        part = part_of(where.replace(".sh", "").replace(".", "/"))
        title = name.removeprefix("test_").replace("_", " ") if name.startswith("test_") else name
        found.append(Result(part, title, outcome, float(case.get("time") or 0), reason))
    return found


# ---- the run --------------------------------------------------------------------------------------

def main():
    args = arguments()
    options = (["--long"] if args.long else []) + (["-k", args.k] if args.k else [])
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, interrupted)
    results, threads, began = [], [], time.monotonic()
    os.makedirs(LOGS, exist_ok=True)
    for path in glob.glob(report_of("*")):
        os.unlink(path)
    try:
        for stage in STAGES:
            lanes = {name: chosen(args.part, folders) for name, folders in stage.items()}
            threads = [threading.Thread(target=run_lane, daemon=True, args=(name, files, options,
                sum(map(bool, lanes.values())) == 1, results)) for name, files in lanes.items() if files]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    except KeyboardInterrupt:
        print("\ninterrupted; cleaning up", flush=True)
        stopping.set()
        for process in list(running):
            end_group(process)
        for thread in threads:
            thread.join(10)
        results.append(Result("run", "interrupted", "failed", 0, "interrupted"))
        sweep()
    return summary(results, time.monotonic() - began)


def interrupted(*_):
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, signal.SIG_IGN)
    raise KeyboardInterrupt


def arguments():
    there = parts()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="parts:\n" + "\n".join(f"  {folder}/  {' '.join(files)}" for folder, files in there.items()))
    parser.add_argument("part", nargs="*", help="only these, as stack, stack/dhcp or 'stack/d*'; all when none is named")
    parser.add_argument("-k", metavar="TEXT", help="only tests whose name contains TEXT, and what they need; pytest's -k")
    parser.add_argument("--long", action="store_true", help="the long tests too")
    args = parser.parse_args()
    for module, package in (("pytest", "python3-pytest"), ("pytest_timeout", "python3-pytest-timeout")):
        if subprocess.run([PYTHON, "-c", f"import {module}"], stderr=subprocess.DEVNULL).returncode != 0:
            sys.exit(f"tests need {package}: `docker/host-setup.sh test` installs what is missing")
    args.part = [part_of(part.rstrip("/")) for part in args.part]
    for part in args.part:
        if not chosen([part], there):
            parser.exit(1, f"there is no part {part!r} of the tests; there are:\n{parser.epilog.split(':', 1)[1].strip(chr(10))}\n")
    forgotten = {os.path.basename(os.path.dirname(path)) for path in test_files("*")} - set(there)
    if forgotten:
        sys.exit(f"tests/main.py: STAGES has no lane for {', '.join(sorted(forgotten))}")
    if args.k and re.fullmatch(r"[\w ]*", args.k) and not re.search(r"\b(and|or|not)\b", args.k):
        args.k = args.k.strip().replace(" ", "_")
    return args


def summary(results, seconds):
    passed, failed, skipped = ([r for r in results if r.outcome == o] for o in ("passed", "failed", "skipped"))
    whole = xml.Element("testsuites")
    print(f"\n{'-' * 72}")
    for path in sorted(glob.glob(report_of("*"))):
        whole.extend(xml.parse(path).getroot())
        os.unlink(path)
    xml.ElementTree(whole).write(os.path.join(LOGS, "junit.xml"), encoding="utf-8", xml_declaration=True)
    for folder in dict.fromkeys(r.part.split("/")[0] for r in results):
        print(f"{folder:<10} {sum(r.seconds for r in results if r.part.split('/')[0] == folder):6.0f} s")
    print(f"{'together':<10} {seconds:6.0f} s")
    if skipped:
        print("\nskipped:")
        for r in skipped:
            print(f"  {r.part}: {r.title}: {r.reason}")
    if failed:
        print("\nfailed:")
        for r in failed:
            print(f"  {r.part}: {r.title}\n      " + r.reason[:1500].replace("\n", "\n      "))
        print("\nlogs:")
        for path in sorted({log_of(r.part) for r in failed if os.path.exists(log_of(r.part))}):
            print(f"  {os.path.relpath(path)}")
    print("\nslowest:" if results else "\nno test ran: none has such a name")
    for r in sorted(results, key=lambda r: -r.seconds)[:10]:
        print(f"  {r.seconds:6.1f} s  {r.part}: {r.title}")
    counts = [(p.get("name"), p.get("value")) for p in whole.iter("property")]
    if counts:
        print()
    for row, value in counts:
        print(f"{row:<{max(len(r) for r, _ in counts)}}  {value}")
    print(f"\n{len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
