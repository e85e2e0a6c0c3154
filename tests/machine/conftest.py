"""A lab with one VM, for each file that asks for it."""
import pytest

from kit.boxed_lab import BoxedLab
from kit.scope import begun


@pytest.fixture(scope="module")
def boxed(request):
    return begun(request, BoxedLab)
