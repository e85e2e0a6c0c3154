"""command.py - commands run to their end, and the names of places and things all tests agree on."""
import os
import re
import signal
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOGS = os.path.join(ROOT, "build", "test-logs")
# Everything a run makes outside its own files (containers, volumes, namespaces) has this prefix.
PREFIX = f"vmlab-test-{os.getpid()}-"
DOCKER = os.environ.get("DOCKER", "docker")


def part_of(path):
    """tests/stack/test_dhcp.py is stack/dhcp."""
    return re.sub(r"^tests/|\btest_|\.(py|sh)$", "", os.path.relpath(os.path.join(ROOT, path), ROOT))


def log_of(path):
    """Where a test file's log is, which has what there is to know of its failures."""
    return os.path.join(LOGS, part_of(path).replace("/", "-") + ".log")


def run(argv, timeout=60, check_rc=True, stdin=None, env=None, cwd=None):
    """Runs a command to its end; .stdout and .stderr are text. Fails naming the command and its output."""
    __tracebackhide__ = True
    try:
        done = subprocess.run(argv, timeout=timeout, env=env, cwd=cwd, text=True, errors="replace",
            input=stdin, stdin=subprocess.DEVNULL if stdin is None else None,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except subprocess.TimeoutExpired as e:
        raise AssertionError(f"`{' '.join(argv)}` did not end within {timeout} s; "
            f"output so far: {tail(e.stdout)} {tail(e.stderr)}")
    except FileNotFoundError:
        raise AssertionError(f"`{argv[0]}` is not installed")
    if check_rc and done.returncode != 0:
        raise AssertionError(f"`{' '.join(argv)}` ended with {done.returncode}: "
            f"{tail(done.stdout)} {tail(done.stderr)}")
    return done


def tail(text, size=1500):
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    text = (text or "").strip()
    return text if len(text) <= size else "…" + text[-size:]


def plain(text):
    """Without a terminal's control sequences."""
    return re.sub(r"\x1b(\[[0-9;?=]*[A-Za-z]|[()][0-9A-B]|[=>78cMDE])|\r", "", text)


def docker(*argv, timeout=60, check_rc=True, stdin=None):
    __tracebackhide__ = True
    return run([DOCKER, *argv], timeout=timeout, check_rc=check_rc, stdin=stdin)


def have_image(name):
    return docker("image", "inspect", name, check_rc=False).returncode == 0


def have_command(name):
    return any(os.access(os.path.join(d, name), os.X_OK)
        for d in os.environ.get("PATH", "").split(":") + ["/usr/sbin", "/sbin"])


def is_group(pgid):
    try:
        os.killpg(pgid, 0)
        return True
    except ProcessLookupError:
        return False


def end_group(process, patience_s=60, others_s=10):
    """Asked to clean up first, then killed with all it started. Who outlives it has some time as well: the container
    engine's client hands the signal on."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signum)
            process.wait(patience_s)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
        deadline = time.monotonic() + others_s
        while is_group(process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
