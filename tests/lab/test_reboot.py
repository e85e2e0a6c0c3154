"""After a reboot of the host, what ran runs again, and what was off stays off.

Runs a second container engine of its own, without network, ends it as a power cut and as a shutdown
would, and starts it again. Needs dockerd, the image pxeboot_stack and the built command. Run as root.
"""
import os
import shutil
import signal
import subprocess
import time

from kit.check import check_equal, eventually, fail, skip
from kit.command import DOCKER, have_command, run
from kit.scope import Scope, needs
from kit.vmlab_cli import BINARY, STACK_IMAGE

scope = Scope("reboot")
IMAGE = "vmlab-test-sleep"


class Engine:
    def __init__(self, where):
        self.dir = where
        self.host = f"unix://{where}/d.sock"
        self.exec_root = os.path.join(where, "exec")
        self.process = None

    def start(self):
        with open(os.path.join(self.dir, "log"), "ab") as log:
            # In a network namespace of its own: with --bridge=none dockerd removes a docker0 that is there.
            self.process = subprocess.Popen(["unshare", "--net", "dockerd", "--data-root", os.path.join(self.dir, "data"),
                "--exec-root", self.exec_root, "--host", self.host, "--pidfile", os.path.join(self.dir, "pid"),
                "--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        eventually(lambda: self.docker("version", check_rc=False).returncode == 0 or self.process.poll() is not None,
            30, "the second engine answers")
        return self.process.poll() is None

    def docker(self, *argv, check_rc=True, timeout=120):
        return run([DOCKER, "-H", self.host, *argv], check_rc=check_rc, timeout=timeout)

    def vmlab(self, *argv):
        return run([BINARY, *argv], env=dict(os.environ, DOCKER_HOST=self.host, VMLAB_HOME=os.path.join(self.dir, "home")),
            cwd=self.dir, check_rc=False, timeout=120)

    def states(self):
        lines = self.docker("ps", "-a", "--format", "{{.Names}} {{.State}}").stdout.splitlines()
        return {name: state == "running" for name, state in (line.split() for line in lines)}

    def processes(self):
        """Of this engine: its containerd and what runs in its containers."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    line = f.read()
            except OSError:
                continue
            if self.exec_root.encode() in line:
                found.append(int(pid))
        pids = self.docker("ps", "-q", check_rc=False).stdout.split()
        if pids:
            inside = self.docker("inspect", "-f", "{{.State.Pid}}", *pids, check_rc=False).stdout.split()
            found += [int(pid) for pid in inside if int(pid) > 0]
        return found

    def power_cut(self):
        victims = [self.process.pid] + self.processes()
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        time.sleep(0.5)
        self._unmount()

    def shut_down(self):
        self.process.terminate()
        self.process.wait(60)
        self._unmount()

    def _unmount(self):
        with open("/proc/mounts") as f:
            mounts = [line.split()[1] for line in f if line.split()[1].startswith(self.dir + "/")]
        for mount in sorted(mounts, reverse=True):
            run(["umount", "-l", mount], check_rc=False)
        shutil.rmtree(self.exec_root, ignore_errors=True)
        for name in ("pid", "d.sock"):
            if os.path.exists(os.path.join(self.dir, name)):
                os.unlink(os.path.join(self.dir, name))

    def remove(self):
        if self.process and self.process.poll() is None:
            self.power_cut()
        self._unmount()


engine = Engine(os.path.join(scope.tempdir(), "engine"))


def make(lab, role, vm=None, command=("/bin/sleep", "1000")):
    name = f"{lab}-{role}" + (f"-{vm}" if vm else "")
    network = "none" if role == "net" else f"container:{lab}-net"
    engine.docker("run", "-d", "--name", name, "--label", f"vmlab.lab={lab}", "--label", f"vmlab.role={role}",
        *(["--label", f"vmlab.vm={vm}"] if vm else []), "--network", network, "--stop-timeout", "1",
        "--no-healthcheck", "--entrypoint", command[0], IMAGE, *command[1:])


WANTED = {f"{lab}-{name}": name not in ("vm-stopped", "vm-off") for lab in ("one", "two")
    for name in ("net", "stack", "vm-a", "vm-b", "vm-c", "vm-stopped", "vm-off")}


def test_an_engine_of_its_own_with_two_labs():
    if not have_command("dockerd"):
        skip("no dockerd on this machine")
    os.makedirs(engine.dir)
    scope.cleanup(engine.remove)
    if not engine.start():
        skip("a second container engine cannot be started here")
    # Two files of the stack's image are all that is needed of it.
    script = "cd / && tar -chf - bin/sleep bin/sh $(ldd /bin/sleep /bin/sh | grep -o '/[^ ]*\\.so[^ ]*' | sort -u)"
    saved = subprocess.Popen([DOCKER, "run", "--rm", "--network", "none", "--entrypoint", "/bin/sh", STACK_IMAGE,
        "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    run_import = subprocess.run([DOCKER, "-H", engine.host, "import", "-", IMAGE], stdin=saved.stdout,
        capture_output=True, text=True, timeout=120)
    check_equal((saved.wait(), run_import.returncode), (0, 0), f"the image: {run_import.stderr}")
    for lab in ("one", "two"):
        make(lab, "net")
        make(lab, "stack")
        for vm in ("a", "b", "c", "stopped"):
            make(lab, "vm", vm)
        make(lab, "vm", "off", command=("/bin/sh", "-c", "exit 0"))
        engine.docker("stop", f"{lab}-vm-stopped")
    eventually(lambda: engine.states() == WANTED, 10, "the labs are as they should be")


UP = test_an_engine_of_its_own_with_two_labs


@needs(UP)
def test_a_power_cut_vmlab_resume_starts_what_ran_in_the_right_order_and_nothing_else():
    for _ in range(2):
        engine.power_cut()
        if not engine.start():
            fail("the engine does not come back")
        check_equal(set(engine.states().values()), {False}, "what runs before resume")
        done = engine.vmlab("resume")
        check_equal(done.returncode, 0, f"resume: {done.stdout}{done.stderr}; status")
        check_equal(engine.states(), WANTED, "what runs after resume")
    done = engine.vmlab("resume")
    check_equal((done.returncode, done.stdout), (0, "nothing was running that does not run now\n"), "once more")


@needs(UP)
def test_a_shutdown_what_save_wrote_down_runs_again_and_what_was_stopped_since_does_not():
    done = engine.vmlab("resume", "--save")
    check_equal(done.returncode, 0, f"--save: {done.stdout}{done.stderr}; status")
    engine.shut_down()
    if not engine.start():
        fail("the engine does not come back")
    check_equal(set(engine.states().values()), {False}, "what runs before resume")
    done = engine.vmlab("resume")
    check_equal(done.returncode, 0, f"resume: {done.stdout}{done.stderr}; status")
    check_equal(engine.states(), WANTED, "what runs after resume")
    # The list was for that shutdown only.
    engine.docker("stop", "two-vm-a")
    check_equal(engine.vmlab("resume").returncode, 0, "resume: status")
    check_equal(engine.states(), {**WANTED, "two-vm-a": False}, "what runs after another resume")


@needs(UP)
def test_a_container_that_cannot_be_started_is_named_the_others_are():
    engine.power_cut()
    if not engine.start():
        fail("the engine does not come back")
    engine.docker("rm", "one-net")
    done = engine.vmlab("resume")
    check_equal(done.returncode, 1, "status")
    if "one-vm-a: " not in done.stderr or "No such container" not in done.stderr:
        fail(f"it says: {done.stderr}")
    check_equal({name for name, runs in engine.states().items() if runs},
        {name for name in WANTED if name.startswith("two") and WANTED[name]} - {"two-vm-a"}, "what runs")
