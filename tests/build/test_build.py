"""Makes what the other tests use, from a clone: images loaded, the command, a guest image.

Does what `make all`, `make load`, `make vmlab` and `vmlab image build debian-13` do, and nothing
again that is up to date.
"""
import json
import os
import subprocess
import time

import pytest

from kit import vmlab_cli
from kit.check import check, check_equal, fail
from kit.command import LOGS, ROOT, have_image, run, tail
from kit.scope import needs

pytestmark = pytest.mark.timeout(3000)


def make(target, timeout, *options):
    """Its output goes to build/test-logs/; the end of it into the failure."""
    os.makedirs(LOGS, exist_ok=True)
    path = os.path.join(LOGS, f"make-{target}.log")
    with open(path, "w") as log:
        try:
            rc = subprocess.run(["make", "--no-print-directory", *options, target], cwd=ROOT, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, timeout=timeout).returncode
        except subprocess.TimeoutExpired:
            rc = f"still running after {timeout} s"
    if rc != 0:
        with open(path, errors="replace") as log:
            fail(f"`make {target}`: {rc}; {os.path.relpath(path, ROOT)} ends with:\n{tail(log.read(), 2500)}")


def test_make_all_pxeboot_stack_amd64_tar_and_pxeboot_stack_arm64_tar():
    # Two at a time: the base of the foreign architecture is made by one emulated process.
    make("all", 2400, "-j2")
    for arch in ("amd64", "arm64"):
        path = os.path.join(ROOT, f"pxeboot_stack_{arch}.tar")
        check(os.path.getsize(path) > 10 << 20, f"{path} is too small")


def test_make_load_both_images_of_this_machines_architecture():
    make("load", 1800)
    for image in ("pxeboot_stack:latest", "vmlab_vm:latest"):
        check(have_image(image), f"{image} is not loaded")


def test_make_vmlab_the_command():
    make("vmlab", 600)
    binary = os.path.join(ROOT, "build", vmlab_cli.ARCH, "release", "vmlab", "vmlab")
    check(os.access(binary, os.X_OK), f"{binary} is missing")
    check("statically linked" in run(["file", binary], check_rc=False).stdout or
        run(["ldd", binary], check_rc=False).returncode != 0, "vmlab is not static")


@needs(test_make_vmlab_the_command)
def test_vmlab_image_build_debian_13_a_guest_image_with_a_true_manifest():
    where = os.path.join(vmlab_cli.IMAGES, "debian-13", vmlab_cli.ARCH)
    binary = os.path.join(ROOT, "build", vmlab_cli.ARCH, "release", "vmlab", "vmlab")
    if not os.path.exists(os.path.join(where, "manifest.json")):
        began = time.monotonic()
        run([binary, "image", "build", "debian-13", "--arch", vmlab_cli.ARCH], timeout=900, cwd=ROOT,
            env=dict(os.environ, VMLAB_IMAGES=vmlab_cli.IMAGES))
        print(f"       built in {time.monotonic() - began:.0f} s", flush=True)
    with open(os.path.join(where, "manifest.json")) as f:
        manifest = json.load(f)
    for part in ("rootfs", "kernel", "modules"):
        path = os.path.join(where, manifest[part]["file"])
        check_equal(os.path.getsize(path), manifest[part]["size_bytes"], f"size of {part}")
        digest = run(["sha256sum", path]).stdout.split()[0]
        check_equal(digest, manifest[part]["sha256"], f"SHA-256 of {part}")
