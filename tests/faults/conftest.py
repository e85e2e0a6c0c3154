"""A small system that is served, for each file that asks for it; what was tried is told at the end."""
import pytest

from kit.counts import tell
from kit.fault_campaign import Campaign
from kit.mounts import own_mounts  # noqa: F401 (a fixture)
from kit.scope import Scope


@pytest.fixture(scope="module")
def campaign(request, record_testsuite_property):
    request.module.scope = Scope("fault-" + request.path.stem.removeprefix("test_"))
    made = Campaign(request.module.scope)
    yield made
    tell(record_testsuite_property, made.rows, "cases")
