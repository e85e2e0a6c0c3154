"""What becomes of a lab when its folders are replaced, its _defaults.json is broken, or a command is interrupted:
always said.

Needs the images and the built command; starts no VM. Run as root.
"""
import json
import os
import shutil
import signal
import time

from kit import folder, http_client
from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.folder import NAME, remove_lab
from kit.scope import Scope, needs
from kit.sleeper import sleeper

scope = Scope("folders")
state = {}


def Folder(where):
    return folder.Folder(scope, where)


# ---- folders that are replaced while the lab runs ------------------------------------------------

def test_a_lab_is_up_whose_machine_takes_its_time_to_stop():
    state["sleeper"] = sleeper(scope, 3)
    lab = state["lab"] = Folder(f"r/r-{NAME}")
    lab.define("web1", mac="52:54:00:7e:5b:01", mode="local")
    lab.vmlab("up", "--no-wait", VMLAB_VM_IMAGE=state["sleeper"])
    state["name"] = lab.lab()
    scope.cleanup(remove_lab, state["name"])


UP = test_a_lab_is_up_whose_machine_takes_its_time_to_stop


def api(path):
    where = os.path.join(state["lab"].home, "labs", state["name"], "api.sock")
    return json.loads(http_client.request("", path, unix=where).body)


def vms():
    return sorted(vm["name"] for vm in api("/api/v1/vms")["vms"])


def running(role):
    return docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", f"{state['name']}-{role}").stdout


@needs(UP)
def test_vms_images_or_the_labs_own_folder_was_replaced_said_at_once_and_mended_by_up_vms_run_on():
    lab = state["lab"]
    machine = running("vm-web1")
    own = os.path.join(lab.home, "labs", state["name"])
    def replace(path):
        os.rename(path, path + ".old")
        shutil.copytree(path + ".old", path, ignore=lambda _, names: [n for n in names if n.endswith(".sock")])
    for path in (lab.vms, os.path.join(lab.dir, "images"), own, os.path.join(lab.home, "authorized_keys")):
        if os.path.isdir(path):
            replace(path)
        else:
            shutil.copy(path, path + ".new")
            os.rename(path + ".new", path)
        if path == lab.vms:
            lab.define("z", mac="52:54:00:7e:5b:02", mode="local")
        for argv, status in ((["ls"], 0), (["wait", "--timeout", "20", "web1"], 1), (["doctor"], 1)):
            began = time.monotonic()
            done = lab.vmlab(*argv, check_rc=False)
            check(done.returncode == status and f"{path} was replaced" in done.stdout + done.stderr
                and "`vmlab up`" in done.stdout + done.stderr, f"{argv} after {path}: {done}")
            check(time.monotonic() - began < 15, f"{argv} took long")
        done = lab.vmlab("up", "--no-wait", "web1", VMLAB_VM_IMAGE=state["sleeper"])
        check(f"{path} was replaced" in done.stdout, f"up after {path}: {done}")
        check("was replaced" not in lab.vmlab("ls").stderr, f"ls after up, {path}")
        check("was replaced" not in lab.vmlab("up", "--no-wait", "web1", VMLAB_VM_IMAGE=state["sleeper"]).stdout, "up again")
    eventually(lambda: vms() == ["web1", "z"], 5, "the stack serves the new vms/")
    os.unlink(os.path.join(lab.vms, "z.json"))
    eventually(lambda: vms() == ["web1"], 5, "the stack sees what changes there")
    # Closed for a while, and open again with nothing changed in it.
    def ready():
        where = os.path.join(lab.home, "labs", state["name"], "api.sock")
        return http_client.request("", "/readyz", unix=where).status
    os.chmod(lab.vms, 0o700)
    lab.write("z.json", "{}")
    time.sleep(3)
    os.unlink(os.path.join(lab.vms, "z.json"))
    eventually(lambda: ready() == 503, 10, "closed: not ready")
    os.chmod(lab.vms, 0o755)
    eventually(lambda: ready() == 200, 8, "open again: ready")
    check_equal(running("vm-web1"), machine, "the machine's container and when it was started")


# ---- a broken _defaults.json ---------------------------------------------------------------------

@needs(UP)
def test_a_broken_defaults_json_hides_nothing_the_running_lab_goes_on_with_the_last_good_one():
    """A broken _defaults.json hides nothing: the running lab goes on with the last good one, no advice to remove or make anew."""
    lab = state["lab"]
    lab.write("_defaults.json", '{"cpus": 3}')
    eventually(lambda: api("/api/v1/vms/web1")["cpus"] == 3, 5, "the defaults hold")
    lab.vmlab("up", "--no-wait", "web1", VMLAB_VM_IMAGE=state["sleeper"])
    machine = running("vm-web1")
    lab.write("_defaults.json", '{"memry": "1G"}')
    lab.write("b.json", '{"name": "b", "mac": "nonsense"}')
    lab.write("other.json", '{"name": "c", "mac": "52:54:00:7e:5b:03", "cpus": 0}')
    for n in (1, 2):
        lab.write(f"same{n}.json", json.dumps({"name": f"same{n}", "mac": "52:54:00:7e:5b:04"}))
    eventually(lambda: {p["file"] for p in api("/api/v1/vms")["problems"]} >= {"_defaults.json", "b.json", "other.json"}, 5,
        "the stack's problems")
    def judge(running_lab):
        for argv in (["up", "--no-wait", "web1"], ["start", "web1"], ["plan", "web1"], ["ls", "web1"], ["plan", "b"],
                ["up", "--no-wait", "b"], ["ssh", "b"], ["plan", "c"], ["up", "--no-wait", "c"]):
            if not running_lab and argv[0] in ("up", "start") and argv[-1] == "web1":
                continue
            done = lab.vmlab(*argv, check_rc=False, VMLAB_VM_IMAGE=state["sleeper"])
            check("vmlab rm" not in done.stderr and "vmlab new" not in done.stderr, f"{argv}: {done}")
            if argv[-1] == "web1":
                check_equal(done.returncode, 0, f"{argv}: {done.stderr}; status")
            else:
                file = "b.json" if argv[-1] == "b" else "other.json"
                check(done.returncode == 1 and file in done.stderr, f"{argv}: {done}")
    judge(True)
    check_equal(running("vm-web1"), machine, "the machine")
    # The stack too, when it starts again.
    docker("restart", f"{state['name']}-stack")
    eventually(lambda: (vm := api("/api/v1/vms/web1")) and vm["cpus"] == 3, 20, "the stack remembers")
    told = lab.vmlab("validate", check_rc=False).stdout
    for file in ("_defaults.json", "b.json", "other.json", "same1.json", "same2.json"):
        check(f"{file}:" in told, f"validate does not tell of {file}:\n{told}")
    # A folder of which nobody remembers anything: every fault all the same, and no advice that does harm.
    fresh = Folder(f"fresh/f-{NAME}")
    shutil.rmtree(fresh.vms)
    shutil.copytree(lab.vms, fresh.vms)
    told = fresh.vmlab("validate", check_rc=False)
    check_equal(told.returncode, 1, "validate's status")
    for file in ("_defaults.json", "b.json", "other.json", "same1.json", "same2.json"):
        check(f"{file}:" in told.stdout, f"validate does not tell of {file}:\n{told.stdout}")
    for argv in (["up", "--no-wait", "web1"], ["plan", "web1"], ["up", "--no-wait", "c"], ["wait", "web1"], ["rm", "-y", "web1"]):
        done = fresh.vmlab(*argv, check_rc=False)
        check(done.returncode == 1 and "_defaults.json" in done.stderr and "vmlab rm" not in done.stderr
            and "vmlab new" not in done.stderr, f"{argv}: {done}")
    check_equal(fresh.containers(), {}, "containers")
    for file in ("_defaults.json", "b.json", "other.json", "same1.json", "same2.json"):
        os.unlink(os.path.join(lab.vms, file))
    eventually(lambda: api("/api/v1/vms")["problems"] == [] and vms() == ["web1"], 5, "all is well again")


# ---- interrupted ---------------------------------------------------------------------------------

def interrupted(argv, after, **env):
    """(status, what it said) of the command, told to end after so many seconds as by Ctrl-C."""
    command = state["lab"].start(*argv, VMLAB_VM_IMAGE=state["sleeper"], **env)
    time.sleep(after)
    command.send_signal(signal.SIGINT)
    began = time.monotonic()
    out, _ = command.communicate(timeout=60)
    check(time.monotonic() - began < 5, f"{argv} went on for {time.monotonic() - began:.1f} s: {out}")
    return command.returncode, out


@needs(UP)
def test_an_interrupted_down_says_what_runs_and_is_being_stopped():
    """An interrupted down says what runs and is being stopped; the next up waits for that and brings all up."""
    lab = state["lab"]
    lab.vmlab("up", "--no-wait", VMLAB_VM_IMAGE=state["sleeper"])
    before = lab.ids()
    for argv, moments in ((["down"], (0.3, 1.0)), (["down", "--volumes", "-y"], (0.05,)), (["down", "web1"], (0.3,))):
        for after in moments:
            machine = running("vm-web1")
            status, out = interrupted(argv, after)
            check_equal(status, 130, f"{argv} after {after} s: {out}; status")
            check("was interrupted" in out and "net, stack" in out.replace("stack, net", "net, stack"), f"{argv} after {after} s: {out}")
            check("web1" in out.split("still runs:")[-1], f"{argv} after {after} s: {out}")
            done = lab.vmlab("up", "--no-wait", VMLAB_VM_IMAGE=state["sleeper"])
            check_equal(done.returncode, 0, f"up after {argv} {after} s: {done}")
            if "being stopped" in out:
                check("waits until the engine has stopped web1" in done.stdout and "web1: started again" in done.stdout, f"up: {done.stdout}")
                check(running("vm-web1") != machine, "the machine was not started again")
            else:
                check_equal(running("vm-web1"), machine, "the machine")
            check_equal(lab.ids(), before, f"containers after {argv} and up")
    # To the end of the machines, and interrupted while the stack stops.
    command = lab.start("down")
    eventually(lambda: docker("inspect", "-f", "{{.State.Running}}", f"{state['name']}-vm-web1").stdout.strip() == "false", 20, "web1 is off", every=0.05)
    command.send_signal(signal.SIGINT)
    out, _ = command.communicate(timeout=60)
    check(command.returncode == 130 and "still runs: " in out, f"{command.returncode}: {out}")
    check_equal(lab.vmlab("up", "--no-wait", VMLAB_VM_IMAGE=state["sleeper"]).returncode, 0, "up: status")
    check_equal(lab.ids(), before, "containers at last")


@needs(UP)
def test_an_interrupted_up_says_what_was_started_and_what_was_not_the_next_one_goes_on():
    lab = state["lab"]
    lab.vmlab("down")
    for after in (0.0, 0.1, 0.4, 1.2):
        status, out = interrupted(["up", "--no-wait"], after)
        left = {name.rpartition("-")[2] for name in lab.containers()}
        if status == 0:
            check("Follow with" in out, out)
            break
        if status == -signal.SIGINT:
            check_equal((after, left), (0.0, set()), f"{out}; it ended before it began")
            continue
        check_equal(status, 130, f"after {after} s: {out}; status")
        told = out.split("still runs:")[-1]
        check("goes on without being watched" not in out, out)
        for what in ("net", "stack", "web1"):
            check_equal(what in told, what in left, f"after {after} s, {what}: {out}; {left}")
        lab.vmlab("down")
    check_equal(lab.vmlab("up", "--no-wait", VMLAB_VM_IMAGE=state["sleeper"]).returncode, 0, "up: status")
    check_equal(len(lab.ids()), 3, "containers")


@needs(UP)
def test_an_interrupted_reinstall_or_rm_says_what_stays_and_up_copes():
    lab = state["lab"]
    lab.define("web1", mac="52:54:00:7e:5b:01")
    eventually(lambda: api("/api/v1/vms/web1")["mode"] == "install", 5, "the stack knows")
    status, out = interrupted(["reinstall", "-y", "web1"], 1.0)
    check(status == 130 and "web1 will be installed anew" in out and "web1 (being stopped)" in out, out)
    done = lab.vmlab("up", "--no-wait", check_rc=False, VMLAB_VM_IMAGE=state["sleeper"])
    check("waits until the engine has stopped web1" in done.stdout and "web1 waits for its image" in done.stderr, str(done))
    eventually(lambda: len(lab.ids()) == 3, 10, "all run")
    status, out = interrupted(["rm", "-y", "web1"], 0.1)
    gone = not [c for c in lab.containers() if c.endswith("web1")]
    check(status == 0 if gone else status == 130 and "web1 was not removed" in out, f"{status}: {out}")
    lab.vmlab("down", "--volumes", "-y")
    check_equal((lab.containers(), lab.volumes()), ({}, []), "what is left")
    check(not os.path.exists(os.path.join(lab.home, "labs", state["name"], "stopping")), "the file is left")
