"""The cloud-init of Debian 12 and of Debian 13, to be run as the judge of what we emit.

Each release's package is unpacked with all it needs into build/cloud-init/<suite> and run there with
chroot: its own Python, its own netplan, and nothing of this machine's. The archive is the one that
mmdebstrap knows by itself.
"""
import glob
import hashlib
import json
import os
import shutil
import subprocess

from kit.check import check, fail, skip
from kit.command import ROOT, have_command

SUITES = ("bookworm", "trixie")
PACKAGES = "cloud-init,python3,netplan.io,base-files,passwd,ca-certificates,dash"
CACHE = os.path.join(ROOT, "build", "cloud-init")


def unpacked(suite):
    root = os.path.join(CACHE, f"{suite}-{hashlib.sha256(PACKAGES.encode()).hexdigest()[:8]}")
    if os.path.exists(root):
        return root
    if not have_command("mmdebstrap"):
        skip("`mmdebstrap` is not installed on this machine")
    os.makedirs(CACHE, exist_ok=True)
    part = f"{root}.part.{os.getpid()}"
    done = subprocess.run(["mmdebstrap", "--variant=extract", f"--include={PACKAGES}", suite, part],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    if done.returncode != 0:
        shutil.rmtree(part, ignore_errors=True)
        fail(f"mmdebstrap {suite}: {done.stdout[-2000:]}")
    # What ca-certificates' own script would make: Python's requests does not start without.
    with open(os.path.join(part, "etc/ssl/certs/ca-certificates.crt"), "wb") as bundle:
        for path in sorted(glob.glob(part + "/usr/share/ca-certificates/*/*.crt"))[:3]:
            with open(path, "rb") as f:
                bundle.write(f.read())
    os.rename(part, root)
    return root


def version(suite):
    return judge(suite, "import cloudinit.version as v, json; print(json.dumps(v.version_string()))")


def judge(suite, program, given=None, timeout=300):
    """What a Python program prints as JSON, run by that release; `given` comes as JSON on stdin."""
    done = subprocess.run(["chroot", unpacked(suite), "/usr/bin/python3", "-c", program],
        input=json.dumps(given), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout)
    check(done.returncode == 0, f"{suite}: {done.stderr[-3000:]}")
    return json.loads(done.stdout)
