"""The labs of this folder, each begun anew for a file that asks for it."""
import pytest

from kit.address_lab import AddressLab
from kit.bound_lab import BoundLab
from kit.closed_lab import ClosedLab
from kit.pvmlab_lab import PvmlabLab
from kit.scope import begun
from kit.stack_lab import StackLab


@pytest.fixture(scope="module")
def lab(request):
    return begun(request, StackLab)


@pytest.fixture(scope="module")
def pvmlab(request):
    return begun(request, PvmlabLab)


@pytest.fixture(scope="module")
def addr(request):
    return begun(request, AddressLab)


@pytest.fixture(scope="module")
def closed(request):
    return begun(request, ClosedLab)


@pytest.fixture(scope="module")
def bound(request):
    return begun(request, BoundLab)
