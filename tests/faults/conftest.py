"""A small system that is served, for each file that asks for it; what was tried is told at the end."""
import pytest

from kit.counts import tell
from kit.fault_campaign import Campaign
from kit.mounts import own_mounts  # noqa: F401 (a fixture)
from kit.scope import begun


@pytest.fixture(scope="module")
def campaign(request, record_testsuite_property):
    made = begun(request, Campaign)
    yield made
    tell(record_testsuite_property, made.rows, "cases")
