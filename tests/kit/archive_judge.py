"""archive_judge.py - what holds after any archive was unpacked by the real os-installer.

Nothing outside of the target has changed, the target holds no device node, memory and time stayed
within bounds, the installer ended by itself with a plain sentence. A Case with "same" has to give the
tree that GNU tar makes as root, one with "fails" has to fail saying that, "holds" names files.
"""
import os
import subprocess

from kit.check import check
from kit.installer_bench import OUT, Handler
from kit.tree import listing

MEMORY_MAX_KIB = 48 * 1024


def unpacked_as_it_should(bench, make):
    case = make(bench.work)
    before = listing(f"{bench.work}/{OUT}")
    bench.tree_ready()
    ran = bench.install(case)
    wrong = judge(bench, case, before, ran)
    check(not wrong, wrong)


def reference(bench, c):
    path = f"{bench.work}/reference"
    subprocess.run(["rm", "-rf", path], check=True)
    os.mkdir(path)
    subprocess.run(["tar", "-C", path, "-xp", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls", "--same-owner",
        "--delay-directory-restore", "--keep-directory-symlink", "-f", "-"], input=c.plain, check=True,
        stderr=subprocess.DEVNULL)
    return path


def devices(root):
    return subprocess.run(["find", root, "-xdev", "(", "-type", "b", "-o", "-type", "c", ")", "-print"], text=True,
        errors="replace", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def judge(bench, c, before, ran):
    """The first thing that is wrong, or None."""
    code, log, rss_kib, seconds = ran
    reason = Handler.now.get("failure", {}).get("message", "")
    if listing(f"{bench.work}/{OUT}") != before:
        return "something outside of the target changed"
    if code not in (0, 1):
        return f"exit status {code}: {log[-300:]}"
    if code == 1 and (not reason or "the unpacking process died" in reason):
        return f"no reason was given: {reason or log[-300:]}"
    if rss_kib > c.expect.get("memory_kib", MEMORY_MAX_KIB):
        return f"{rss_kib} KiB of memory"
    if "fails" in c.expect and (code != 1 or c.expect["fails"] not in reason):
        return f"ended with {code}: {reason or log[-300:]}"
    if ("same" in c.expect or "holds" in c.expect) and code != 0:
        return f"failed: {reason}"
    root = bench.target
    if devices(root):
        return f"device nodes: {devices(root)}"
    if code == 0 and not os.path.exists(f"{root}/sentinel") and not "same" in c.expect:
        return "the last entry is missing"
    for path, data in c.expect.get("holds", {}).items():
        with open(os.path.join(root, path), "rb") as f:
            if f.read() != data:
                return f"{path} is not as it should be"
    if "same" in c.expect:
        expected, got = listing(reference(bench, c)), listing(root)
        if expected != got:
            return "\n".join(["the tree differs from GNU tar's:"] +
                [f"  tar only:  {l[:300]}" for l in expected if l not in got][:3] +
                [f"  installed: {l[:300]}" for l in got if l not in expected][:3])
    return None
