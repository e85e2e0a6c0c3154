"""sweep.py - removes containers, volumes, namespaces and directories of runs: vmlab-test-<process>-…"""
import glob
import os
import re
import shutil
import subprocess
import tempfile

from kit.command import DOCKER


def run_is_over(process):
    return not os.path.exists(f"/proc/{process}")


def sweep(is_over=run_is_over):
    """Of the runs for whose process is_over(process) is true."""
    def over(name):
        match = re.match(r"/?vmlab-test-(\d+)-", name)
        return match and is_over(match.group(1))

    def listed(*argv):
        try:
            return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                timeout=60).stdout.split("\n")
        except (OSError, subprocess.TimeoutExpired):
            return []

    def remove(*argv):
        subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)

    for name in filter(over, listed(DOCKER, "ps", "-a", "--format", "{{.Names}}")):
        remove(DOCKER, "rm", "-f", "-v", name)
    for name in filter(over, listed(DOCKER, "volume", "ls", "--format", "{{.Name}}")):
        remove(DOCKER, "volume", "rm", "-f", name)
    for line in listed("ip", "netns", "list"):
        if line.split() and over(line.split()[0]):
            remove("ip", "netns", "del", line.split()[0])
    for path in glob.glob(os.path.join(tempfile.gettempdir(), "vmlab-test-*")):
        if over(os.path.basename(path)):
            shutil.rmtree(path, ignore_errors=True)
