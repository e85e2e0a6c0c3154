"""One lab for all files here, and one VM whose life three of them follow, before the others stop it."""
import os
import time

import pytest

from kit.e2e_lab import INSTALL_S, E2eLab
from kit.scope import Scope
from kit.watched import Watched

ITS_LIFE = ["test_boot.py", "test_guest.py", "test_life.py"]


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items):
    """Files are in the order of their names."""
    yield
    items.sort(key=lambda item: os.path.dirname(item.path) == os.path.dirname(__file__) and item.path.name not in ITS_LIFE)


@pytest.fixture(scope="session")
def lab():
    made = E2eLab(Scope("e2e"))
    made.begin()
    yield made
    made.scope.end()


@pytest.fixture(scope="session")
def watched(lab):
    """A page that is open while web installs."""
    return Watched(lab, "web")


@pytest.fixture(scope="session")
def web(lab, watched):
    """A VM of 512 MiB that is ready; what `vmlab up` came to."""
    lab.define_web(ip="192.168.100.10")
    began = time.monotonic()
    done = lab.vmlab("up", "web", timeout=INSTALL_S)
    print(f"ready {time.monotonic() - began:.0f} s after `vmlab up`")
    lab.save_console("web", "web")
    return done
