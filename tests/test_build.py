#!/usr/bin/python3
"""test_build.py - makes what the other suites test, from a clone: images loaded, the command, a guest image.

Does what `make all`, `make load`, `make vmlab` and `vmlab image build debian-13` do, and nothing
again that is up to date.
"""
import json
import os
import subprocess
import sys
import time

import vmlab_cli
from harness import LOGS, ROOT, Suite, check, check_equal, fail, have_image, run, tail

suite = Suite("build", __doc__)
ALL = "`make all`: pxeboot_stack_amd64.tar and pxeboot_stack_arm64.tar"
LOADED = "`make load`: both images of this machine's architecture"
COMMAND = "`make vmlab`: the command"


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


@suite.test(ALL)
def _():
    # Two at a time: the base of the foreign architecture is made by one emulated process.
    make("all", 2400, "-j2")
    for arch in ("amd64", "arm64"):
        path = os.path.join(ROOT, f"pxeboot_stack_{arch}.tar")
        check(os.path.getsize(path) > 10 << 20, f"{path} is too small")


@suite.test(LOADED)
def _():
    make("load", 1800)
    for image in ("pxeboot_stack:latest", "vmlab_vm:latest"):
        check(have_image(image), f"{image} is not loaded")


@suite.test(COMMAND)
def _():
    make("vmlab", 600)
    binary = os.path.join(ROOT, "build", vmlab_cli.ARCH, "release", "vmlab", "vmlab")
    check(os.access(binary, os.X_OK), f"{binary} is missing")
    check("statically linked" in run(["file", binary], check_rc=False).stdout or
        run(["ldd", binary], check_rc=False).returncode != 0, "vmlab is not static")


@suite.test("`vmlab image build debian-13`: a guest image with a true manifest", needs=[COMMAND])
def _():
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


if __name__ == "__main__":
    sys.exit(suite.main())
