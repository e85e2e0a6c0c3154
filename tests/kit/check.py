"""check.py - what a test says with: check(), check_equal(), eventually(), fail(), skip()."""
import subprocess
import time

import pytest

skip = pytest.skip


def fail(reason):
    __tracebackhide__ = True
    raise AssertionError(reason)


def check(condition, reason):
    """A reason that is dear to make is given as a function."""
    __tracebackhide__ = True
    if not condition:
        raise AssertionError(reason() if callable(reason) else reason)


def check_equal(got, wanted, what="value"):
    __tracebackhide__ = True
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r}, wanted {wanted!r}")


def eventually(probe, seconds, what, every=0.1):
    """Calls probe() until it returns something true and returns that. An exception counts as not yet."""
    __tracebackhide__ = True
    deadline = time.monotonic() + seconds
    last = None
    while True:
        try:
            value = probe()
            if value:
                return value
            last = value
        except (OSError, AssertionError, ValueError, KeyError, subprocess.SubprocessError) as e:
            last = e
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {seconds:g} s: {what} (last seen: {str(last)[:600]})")
        time.sleep(every)
