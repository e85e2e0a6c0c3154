"""A stack with an operator's key, and cloud-init of both releases as its judge."""
import pytest

from kit import cloud_init
from kit.check import check, fail
from kit.command import have_image
from kit.lab import STACK_IMAGE, Lab
from kit.made_definitions import OPERATORS
from kit.scope import begun


class JudgedLab(Lab):
    def __init__(self, scope):
        super().__init__(scope, "cloudinit")

    def begin(self):
        if not have_image(STACK_IMAGE):
            fail(f"there is no image {STACK_IMAGE}: `make load` builds it")
        with open(self.keys, "w") as f:
            f.write(OPERATORS + " operator\n")
        self.start()


@pytest.fixture(scope="module")
def lab(request):
    return begun(request, JudgedLab)


@pytest.fixture(scope="session")
def releases():
    versions = [cloud_init.version(release) for release in cloud_init.SUITES]
    check(versions[0].startswith("22.") and not versions[1].startswith("22."), f"versions: {versions}")
    return versions
