"""What becomes of a lab when its folders are moved or replaced, its settings are wrong, its
_defaults.json is broken, or a command is interrupted: always said, and never another folder's lab touched.

Needs the images and the built command; starts no VM. Run as root.
"""
import json
import os
import shutil
import signal
import subprocess
import time

from kit import folder, http_client
from kit.check import check, check_equal, eventually
from kit.command import PREFIX, docker, have_image
from kit.folder import NAME
from kit.scope import Scope, needs
from kit.vmlab_cli import STACK_IMAGE, VM_IMAGE

scope = Scope("folders")
SLEEPER = f"{PREFIX}sleeper:latest"  # in place of a machine: told to stop, it takes some seconds
state = {}


def Folder(where):
    return folder.Folder(scope, where)


def remove_lab(name):
    for kind in ("container", "volume"):
        listed = docker(*(("ps", "-aq") if kind == "container" else ("volume", "ls", "-q")), "--filter",
            f"label=vmlab.lab={name}").stdout.split()
        if listed:
            docker(kind, "rm", "-f", *listed, check_rc=False)


# ---- a folder that was moved ---------------------------------------------------------------------

def test_a_moved_folder_keeps_its_lab_running_or_not_a_new_one_of_the_old_name_never_touches_it():
    for image in (STACK_IMAGE, VM_IMAGE):
        check(have_image(image), f"there is no image {image}: `make load`")
    old = Folder(f"m1/p-{NAME}")
    old.vmlab("up", "--no-wait", VMLAB_CIDR="10.79.0.1/24")
    name = old.lab()
    scope.cleanup(remove_lab, name)
    moved = old.move(f"m2/q-{NAME}")
    new, third = Folder(f"m1/p-{NAME}"), Folder(f"m3/p-{NAME}")
    before = old.ids()
    check_equal(len(before), 2, f"containers of {name}")
    for where in (new, third):
        for argv in (["down", "--volumes", "-y"], ["down"]):
            done = where.vmlab(*argv)
            check("is not up" in done.stdout and f'"{name}"' not in done.stdout, f"{argv} in {where.dir}: {done}")
            check(f"vmlab --lab {name}" in done.stderr, f"{argv} in {where.dir} does not name the lab: {done}")
    check_equal(old.ids(), before, "containers after down in other folders")
    check(f'lab "{name}" is down' not in moved.vmlab("ls").stderr, "ls in the moved folder")
    # The stack is made anew with the new path, for the same lab and its network.
    moved.define("web1", mac="52:54:00:7e:5a:01", ip="10.79.0.20")
    moved.vmlab("ls", "web1")
    os.unlink(os.path.join(moved.vms, "web1.json"))
    check(f'lab "{name}" is down after' in moved.vmlab("down").stdout, "down in the moved folder")
    check_equal(old.containers(), {}, "containers after down")
    check_equal(old.volumes(), [f"{name}-state"], "the lab's volumes")
    # Down: the same by its volumes.
    for where in (new, third):
        done = where.vmlab("down", "--volumes", "-y")
        check(f'lab "{name}"' not in done.stdout, f"down in {where.dir}: {done}")
    check_equal(old.volumes(), [f"{name}-state"], "the lab's volumes after down --volumes elsewhere")
    new.vmlab("up", "--no-wait")
    check(new.lab() != name, "a new folder of the old name has the lab")
    moved.vmlab("up", "--no-wait")
    check_equal((moved.lab(), sorted(moved.containers())), (name, [f"{name}-net", f"{name}-stack"]), "the moved lab")
    labels = json.loads(docker("inspect", "-f", "{{json .Config.Labels}}", f"{name}-stack").stdout)
    check_equal(labels["vmlab.cidr"], "10.79.0.1/24", "the moved lab's network")
    check_equal(new.lab() == name, False, "both have one lab")
    new.vmlab("down", "--volumes", "-y")
    moved.vmlab("down", "--volumes", "-y")
    check_equal((new.volumes(), old.volumes(), moved.containers()), ([], [], {}), "what is left")


def test_the_same_of_a_folder_that_was_removed_and_made_again_its_lab_is_told_and_found_by_its_name():
    first = Folder(f"again/g-{NAME}")
    first.vmlab("up", "--no-wait")
    name = first.lab()
    scope.cleanup(remove_lab, name)
    shutil.rmtree(first.dir)
    os.makedirs(first.vms)
    done = first.vmlab("down")
    check("is not up" in done.stdout and f"vmlab --lab {name}" in done.stderr, str(done))
    first.vmlab("--lab", name, "down", "--volumes", "-y")
    check_equal((first.containers(), first.volumes()), ({}, []), "what is left")


# ---- folders that are replaced while the lab runs ------------------------------------------------

def sleeper():
    one = docker("create", STACK_IMAGE).stdout.strip()
    waits = json.dumps(["/bin/sh", "-c", "trap 'sleep 3; exit 0' TERM; sleep 600 & wait; sleep 600 & wait"])
    docker("commit", "-c", f"ENTRYPOINT {waits}", "-c", "HEALTHCHECK NONE", one, SLEEPER)
    docker("rm", one)
    scope.cleanup(lambda: docker("rmi", "-f", SLEEPER, check_rc=False))


def test_image_import_from_a_pipe_with_a_writer_it_reads_without_one_it_says_so():
    lab = Folder(f"pipe/p-{NAME}")
    pipe = os.path.join(lab.dir, "pipe.tar")
    os.mkfifo(pipe)
    began = time.monotonic()
    done = lab.vmlab("image", "import", "some", "--arch", "amd64", pipe, check_rc=False, timeout=40)
    check(done.returncode == 1 and "nobody writes" in done.stderr and time.monotonic() - began < 20, str(done))
    writer = subprocess.Popen(["sh", "-c", 'sleep 1; echo no archive >"$1"', "sh", pipe])
    done = lab.vmlab("image", "import", "some", "--arch", "amd64", pipe, check_rc=False, timeout=40)
    check(done.returncode == 1 and "nobody writes" not in done.stderr, str(done))
    check_equal(writer.wait(), 0, "the writer")


def test_wait_for_a_machine_of_a_lab_that_is_down_says_so_at_once_new_says_what_validate_would_say():
    lab = Folder(f"down/d-{NAME}")
    made = lab.vmlab("new", "small", "--memory", "128M", "--distro", "debain-13")
    told = lab.vmlab("validate", check_rc=False).stdout
    for line in told.splitlines():
        if "warning: " in line:
            sentence = line.split("warning: ", 1)[1]
            check(sentence in made.stderr, f"validate says {sentence!r}, new said {made.stderr!r}")
    check("debain-13" in made.stderr and "vmlab up small" in made.stdout, str(made))
    began = time.monotonic()
    done = lab.vmlab("wait", "--timeout", "30", "small", check_rc=False)
    check(done.returncode == 1 and "is down" in done.stderr and "`vmlab up small`" in done.stderr, str(done))
    check(time.monotonic() - began < 10, "wait took long")


def test_a_lab_is_up_whose_machine_takes_its_time_to_stop():
    sleeper()
    lab = state["lab"] = Folder(f"r/r-{NAME}")
    lab.define("web1", mac="52:54:00:7e:5b:01", mode="local")
    lab.vmlab("up", "--no-wait", VMLAB_VM_IMAGE=SLEEPER)
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
        done = lab.vmlab("up", "--no-wait", "web1", VMLAB_VM_IMAGE=SLEEPER)
        check(f"{path} was replaced" in done.stdout, f"up after {path}: {done}")
        check("was replaced" not in lab.vmlab("ls").stderr, f"ls after up, {path}")
        check("was replaced" not in lab.vmlab("up", "--no-wait", "web1", VMLAB_VM_IMAGE=SLEEPER).stdout, "up again")
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


# ---- settings ------------------------------------------------------------------------------------

def engine_network():
    return docker("network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Subnet}}").stdout.strip()


def test_settings_with_which_the_stack_could_not_start_are_refused_in_one_sentence():
    """Settings with which the stack could not start are refused in one sentence, before anything is started."""
    lab = Folder(f"set/s-{NAME}")
    bad = [("DOMAIN", value) for value in ("10", "lab.7", "a..b", "-a", "Lab", "a_b", "x" * 64, "a." * 95 + "a")]
    bad += [("CIDR", value) for value in ("192.168.7.0/24", "192.168.7.255/24", "10.0.0.1/30", "127.0.0.1/8", "lab",
        "192.168.7.1", engine_network(), engine_network().replace(".0.0/16", ".3.1/24"))]
    bad += [("REACH", value) for value in ("foo", "internet,foo", "internet,all", "internet,", "10.0.0.0/33")]
    for name, value in bad:
        done = lab.vmlab("up", "--no-wait", check_rc=False, **{f"VMLAB_{name}": value})
        check(done.returncode in (1, 2) and f"VMLAB_{name}" in done.stderr and len(done.stderr.splitlines()) == 1
            and not done.stdout.startswith("lab: network"), f"VMLAB_{name}={value}: {done}")
        check_equal(lab.containers(), {}, f"containers after VMLAB_{name}={value}")


def test_the_stacks_container_refuses_them_too_at_its_start_and_ends():
    good = ["-e", "LAB_DOMAIN=7.lab", "-e", "LAB_REACH=10.1.2.3,fd00::/8", "-e", "STALL_LIMITS=boot=600,first-boot=7200"]
    for name, value in (("LAB_DOMAIN", "10"), ("LAB_DOMAIN", "lab.7"), ("LAB_REACH", "foo"), ("LAB_CIDR", "192.168.7.0/24"),
            ("LAB_CIDR", "127.0.0.1/8"), ("LAB_CIDR", engine_network().replace(".0.0/16", ".3.1/24")),
            ("STALL_LIMITS", "foo=1"), ("STALL_LIMITS", "boot=x"), ("STALL_LIMITS", "boot=1;foo=2"), (None, None)):
        one = docker("run", "-d", "--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW", "--sysctl", "net.ipv4.ip_forward=1", *(
            ["-e", f"{name}={value}"] if name else good), STACK_IMAGE).stdout.strip()
        try:
            time.sleep(0 if name else 4)
            ended = eventually(lambda: docker("inspect", "-f", "{{.State.Running}}", one).stdout.strip() != str(bool(name)).lower(),
                20, f"{name}={value}: the container {'ends' if name else 'runs'}")
            log = docker("logs", one)
            lines = (log.stdout + log.stderr).strip().splitlines()
            check(ended and (not name or (f"cannot start: {name}={value!r}" in lines[-1] or f"cannot start: {name}={value}" in lines[-1])),
                f"{name}={value}: {lines[-3:]}")
            if name:
                check_equal(docker("inspect", "-f", "{{.State.ExitCode}}", one).stdout.strip(), "1", f"{name}={value}: status")
            else:
                check("refused" not in str(lines) and "exited" not in str(lines), f"good settings: {lines}")
        finally:
            docker("rm", "-f", "-v", one)


# ---- a broken _defaults.json ---------------------------------------------------------------------

@needs(UP)
def test_a_broken_defaults_json_hides_nothing_the_running_lab_goes_on_with_the_last_good_one():
    """A broken _defaults.json hides nothing: the running lab goes on with the last good one, no advice to remove or make anew."""
    lab = state["lab"]
    lab.write("_defaults.json", '{"cpus": 3}')
    eventually(lambda: api("/api/v1/vms/web1")["cpus"] == 3, 5, "the defaults hold")
    lab.vmlab("up", "--no-wait", "web1", VMLAB_VM_IMAGE=SLEEPER)
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
            done = lab.vmlab(*argv, check_rc=False, VMLAB_VM_IMAGE=SLEEPER)
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
    command = state["lab"].start(*argv, VMLAB_VM_IMAGE=SLEEPER, **env)
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
    lab.vmlab("up", "--no-wait", VMLAB_VM_IMAGE=SLEEPER)
    before = lab.ids()
    for argv, moments in ((["down"], (0.3, 1.0)), (["down", "--volumes", "-y"], (0.05,)), (["down", "web1"], (0.3,))):
        for after in moments:
            machine = running("vm-web1")
            status, out = interrupted(argv, after)
            check_equal(status, 130, f"{argv} after {after} s: {out}; status")
            check("was interrupted" in out and "net, stack" in out.replace("stack, net", "net, stack"), f"{argv} after {after} s: {out}")
            check("web1" in out.split("still runs:")[-1], f"{argv} after {after} s: {out}")
            done = lab.vmlab("up", "--no-wait", VMLAB_VM_IMAGE=SLEEPER)
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
    check_equal(lab.vmlab("up", "--no-wait", VMLAB_VM_IMAGE=SLEEPER).returncode, 0, "up: status")
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
    check_equal(lab.vmlab("up", "--no-wait", VMLAB_VM_IMAGE=SLEEPER).returncode, 0, "up: status")
    check_equal(len(lab.ids()), 3, "containers")


@needs(UP)
def test_an_interrupted_reinstall_or_rm_says_what_stays_and_up_copes():
    lab = state["lab"]
    lab.define("web1", mac="52:54:00:7e:5b:01")
    eventually(lambda: api("/api/v1/vms/web1")["mode"] == "install", 5, "the stack knows")
    status, out = interrupted(["reinstall", "-y", "web1"], 1.0)
    check(status == 130 and "web1 will be installed anew" in out and "web1 (being stopped)" in out, out)
    done = lab.vmlab("up", "--no-wait", check_rc=False, VMLAB_VM_IMAGE=SLEEPER)
    check("waits until the engine has stopped web1" in done.stdout and "web1 waits for its image" in done.stderr, str(done))
    eventually(lambda: len(lab.ids()) == 3, 10, "all run")
    status, out = interrupted(["rm", "-y", "web1"], 0.1)
    gone = not [c for c in lab.containers() if c.endswith("web1")]
    check(status == 0 if gone else status == 130 and "web1 was not removed" in out, f"{status}: {out}")
    lab.vmlab("down", "--volumes", "-y")
    check_equal((lab.containers(), lab.volumes()), ({}, []), "what is left")
    check(not os.path.exists(os.path.join(lab.home, "labs", state["name"], "stopping")), "the file is left")
