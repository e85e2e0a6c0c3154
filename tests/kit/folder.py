"""A folder with vms/, on whose lab the command is run as a user does: from inside, without a name."""
import json
import os
import subprocess

from kit.check import check_equal
from kit.command import PREFIX, docker, run
from kit.vmlab_cli import BINARY, STACK_IMAGE, VM_IMAGE

ENV = {key: value for key, value in os.environ.items() if not key.startswith("VMLAB_") or key == "VMLAB_ENGINE"}
NAME = PREFIX.strip("-")[-20:].strip("-")


class Folder:
    """A folder with vms/, on whose lab the command is run as a user does: from inside, without a name."""

    def __init__(self, scope, where, make=True):
        self.scope = scope
        self.home = os.path.join(scope.tempdir(), "home")
        self.dir = os.path.join(scope.tempdir(), where)
        self.vms = os.path.join(self.dir, "vms")
        if make:
            os.makedirs(self.vms)
        scope.cleanup(self.remove)

    def move(self, where):
        """The folder under another path, as mv does it."""
        moved = Folder(self.scope, where, make=False)
        os.makedirs(os.path.dirname(moved.dir), exist_ok=True)
        os.rename(self.dir, moved.dir)
        return moved

    def vmlab(self, *argv, check_rc=True, timeout=90, **env):
        return run([BINARY, *argv], cwd=self.dir, env=self.env(**env), check_rc=check_rc, timeout=timeout)

    def env(self, **env):
        return dict(dict(ENV, VMLAB_HOME=self.home, VMLAB_STACK_IMAGE=STACK_IMAGE, VMLAB_VM_IMAGE=VM_IMAGE, NO_COLOR="1",
            TERM="dumb"), **env)

    def start(self, *argv, **env):
        return subprocess.Popen([BINARY, *argv], cwd=self.dir, env=self.env(**env), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def define(self, name, **fields):
        with open(os.path.join(self.vms, name + ".json"), "w") as f:
            json.dump(dict({"name": name}, **fields), f)

    def write(self, file, text):
        with open(os.path.join(self.vms, file), "w") as f:
            f.write(text)

    def containers(self):
        """{name: lab} of the containers that belong to this folder."""
        lines = docker("ps", "-a", "--filter", f"label=vmlab.vms={self.vms}", "--format",
            '{{.Names}} {{.Label "vmlab.lab"}}').stdout.splitlines()
        return dict(line.split() for line in lines)

    def lab(self):
        names = set(self.containers().values())
        check_equal(len(names), 1, f"labs of {self.dir}: {names}; number")
        return names.pop()

    def volumes(self):
        return docker("volume", "ls", "-q", "--filter", f"label=vmlab.vms={self.vms}").stdout.split()

    def ids(self):
        return sorted(docker("ps", "-q", "--no-trunc", "--filter", f"label=vmlab.vms={self.vms}").stdout.split())

    def remove(self):
        names = list(self.containers())
        if names:
            docker("rm", "-f", "-v", *names, check_rc=False)
        for volume in self.volumes():
            docker("volume", "rm", "-f", volume, check_rc=False)


def remove_lab(name):
    for kind in ("container", "volume"):
        listed = docker(*(("ps", "-aq") if kind == "container" else ("volume", "ls", "-q")), "--filter",
            f"label=vmlab.lab={name}").stdout.split()
        if listed:
            docker(kind, "rm", "-f", *listed, check_rc=False)
