"""mounts.py - mounts of the tests' own: a container that starts meanwhile would take them along, and
keep their loop devices busy."""
import ctypes
import os

import pytest

from kit.command import run

CLONE_NEWNS = 0x00020000


@pytest.fixture(scope="session", autouse=True)
def own_mounts():
    """From here on pytest and all it starts; a folder's conftest.py imports it."""
    if os.geteuid() == 0:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "cannot have mounts of my own")
        run(["mount", "--make-rprivate", "/"])
