"""The lab of this folder's files on wrong definitions."""
import pytest

from kit.bad_lab import BadLab
from kit.scope import begun


@pytest.fixture(scope="module")
def bad(request):
    return begun(request, BadLab)
