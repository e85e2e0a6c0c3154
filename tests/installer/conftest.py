"""The installer's tests have mounts of their own, and a disk for each file of them."""
import os
import shutil
import tempfile

import pytest

from kit.agent_bench import AgentBench
from kit.check import skip
from kit.command import PREFIX, have_command
from kit.installer_bench import Bench
from kit.mounts import own_mounts  # noqa: F401 (a fixture)


@pytest.fixture(scope="module")
def made(own_mounts, request):  # noqa: F811
    """An agent and the server it asks, in the scope of the file that wants it."""
    if os.geteuid() != 0 or not have_command("unshare"):
        skip("needs root and unshare")
    return AgentBench(request.module.scope)


@pytest.fixture(scope="module")
def bench(own_mounts):  # noqa: F811
    if os.geteuid() != 0:
        skip("needs root")
    for tool in ("losetup", "mkfs.ext4", "mkfs.vfat", "zstd", "tar", "sfdisk", "sgdisk", "e2fsck", "wipefs", "blkid"):
        if not have_command(tool):
            skip(f"{tool} is not installed")
    os.umask(0o022)
    work = tempfile.mkdtemp(prefix=PREFIX)
    made = Bench(work)
    try:
        made.disk_ready()  # without one, all are skipped before they make anything
        made.detach()
        yield made
    finally:
        made.close()
        shutil.rmtree(work, ignore_errors=True)
