"""The labs of this folder, each begun anew for a file that asks for it."""
import pytest

from kit.address_lab import AddressLab
from kit.bound_lab import BoundLab
from kit.closed_lab import ClosedLab
from kit.pvmlab_lab import PvmlabLab
from kit.scope import Scope
from kit.stack_lab import StackLab


@pytest.fixture(scope="module")
def lab(request):
    return begun(StackLab, request)


@pytest.fixture(scope="module")
def pvmlab(request):
    return begun(PvmlabLab, request)


@pytest.fixture(scope="module")
def addr(request):
    return begun(AddressLab, request)


@pytest.fixture(scope="module")
def closed(request):
    return begun(ClosedLab, request)


@pytest.fixture(scope="module")
def bound(request):
    return begun(BoundLab, request)


def begun(kind, request):
    request.module.scope = Scope("stack-" + request.path.stem.removeprefix("test_"))
    made = kind(request.module.scope)
    made.begin()
    return made
