#!/usr/bin/python3
"""test_lab.py - a lab belongs to its folder, one command at a time changes it, and what the engine says is passed on.

Needs the images and the built command; starts no VM. Run as root.
"""
import fcntl
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import time

import folder
import http_client
from folder import NAME
from harness import DOCKER, PREFIX, Suite, check, check_equal, docker, eventually, have_image, run, skip
from vmlab_cli import BINARY, STACK_IMAGE, VM_IMAGE

suite = Suite("lab", __doc__)
UP = "two folders of one name have a lab each"
HOME = os.path.join(suite.tempdir(), "home")
state = {}


def Folder(where):
    return folder.Folder(suite, where)


# ---- folders -------------------------------------------------------------------------------------

@suite.test(UP)
def _():
    for image in (STACK_IMAGE, VM_IMAGE):
        check(have_image(image), f"there is no image {image}: `make load`")
    a, b = (state[x] for x in "ab") if "a" in state else (Folder(f"a/{NAME}"), Folder(f"b/{NAME}"))
    state.update(a=a, b=b)
    a.define("web1", mac="52:54:00:7e:59:01")
    b.define("db1", mac="52:54:00:7e:59:01")
    first, second = a.start("up", "--no-wait", "nosuch"), None
    first.communicate(timeout=60)
    check_equal((first.returncode, a.containers()), (1, {}), "up of an unknown VM: status, containers")
    for folder, vm in ((a, "web1"), (b, "db1")):
        os.rename(os.path.join(folder.vms, vm + ".json"), os.path.join(folder.dir, vm + ".json"))
        folder.vmlab("up", "--no-wait")
        os.rename(os.path.join(folder.dir, vm + ".json"), os.path.join(folder.vms, vm + ".json"))
    state["names"] = a.lab(), b.lab()
    check(NAME in state["names"][0] and NAME in state["names"][1], f"names {state['names']}")
    check(state["names"][0] != state["names"][1], f"both are called {state['names'][0]}")
    for folder, mine, other in ((a, "web1", "db1"), (b, "db1", "web1")):
        listed = eventually(lambda: (t := folder.vmlab("ls").stdout) and mine in t and t, 5, f"ls shows {mine}")
        check(other not in listed, f"ls shows the other folder's machine:\n{listed}")


@suite.test("each lab's own folder is its user's: 0700, socket 0600", needs=[UP])
def _():
    for name in state["names"]:
        where = os.path.join(HOME, "labs", name)
        check_equal(stat.S_IMODE(os.stat(where).st_mode), 0o700, f"{where}: mode")
        st = os.stat(os.path.join(where, "api.sock"))
        check_equal((stat.S_IMODE(st.st_mode), st.st_uid), (0o600, os.getuid()), "socket: mode, owner")
        check_equal(http_client.request("", "/healthz", unix=os.path.join(where, "api.sock")).status, 200, "/healthz")


@suite.test("another user who may use the engine is told whose the lab is, and changes nothing", needs=[UP])
def _():
    engine = "/var/run/docker.sock"
    if not os.path.exists(engine):
        skip(f"the engine's socket is not {engine}")
    before = state["a"].ids()
    binary = os.path.join(suite.tempdir(), "vmlab") # where others may come
    shutil.copy(BINARY, binary)
    for argv, status in ((["ls"], 0), (["down"], 1), (["reinstall", "-y", "web1"], 1)):
        done = run(["setpriv", "--reuid=65534", "--regid=65534", f"--groups={os.stat(engine).st_gid}", binary, *argv],
            cwd=state["a"].dir, env=dict(state["a"].env(), HOME="/nonexistent"), check_rc=False)
        check_equal(done.returncode, status, f"{argv}: {done.stderr}; status")
        check("another user" in done.stderr or "the user it belongs to" in done.stderr, f"{argv}: {done.stderr}")
    check_equal(state["a"].ids(), before, "the running containers")


@suite.test("commands in another folder, with vms/ or without, touch neither", needs=[UP])
def _():
    before = state["a"].ids(), state["b"].ids()
    other, bare = Folder("other"), Folder("bare")
    os.rmdir(bare.vms)
    other.define("web1", mac="52:54:00:7e:59:09")
    for folder in (other, bare):
        for argv in (["ls"], ["down"], ["down", "--volumes", "-y"], ["down", "web1"], ["rm", "-y", "web1"],
                ["reinstall", "-y", "web1"], ["ssh", "web1", "true"], ["logs", "web1"], ["wait", "web1"]):
            done = folder.vmlab(*argv, check_rc=False)
            check(done.returncode in (0, 1, 2) and "segfault" not in done.stderr, f"{argv}: {done}")
            if argv[0] in ("ssh", "logs", "wait"):
                check(done.returncode != 0, f"{argv} in {folder.dir}: {done.stdout}")
    check_equal((state["a"].ids(), state["b"].ids()), before, "the running containers of the two labs")
    check_equal((other.containers(), bare.containers()), ({}, {}), "containers of the others")
    # Looking leaves no trace.
    check_equal(sorted(os.listdir(os.path.join(HOME, "labs"))), sorted(state["names"]), "folders of labs")


@suite.test("down keeps the name for its folder: the other one's state is never taken", needs=[UP])
def _():
    a, b = state["a"], state["b"]
    volumes = a.volumes()
    check_equal(volumes, [f"{state['names'][0]}-state"], "a's volumes")
    for folder in (a, b):
        folder.vmlab("down")
    check_equal((a.containers(), b.containers()), ({}, {}), "containers after down")
    c = Folder(f"c/{NAME}")
    for folder in (c, b, a):
        folder.vmlab("up", "--no-wait", *([] if folder is c else ["nosuch"]), check_rc=False)
    check(c.lab() not in state["names"], f"c took {c.lab()} of {state['names']}")
    for folder, name in ((a, state["names"][0]), (b, state["names"][1])):
        done = folder.vmlab("doctor", check_rc=False).stdout
        check(f'"{name}"' in done, f"{folder.dir} is not {name} any more:\n{done}")
    c.vmlab("down", "--volumes", "-y")
    check_equal((c.volumes(), a.volumes()), ([], volumes), "volumes of c and of a")


@suite.test("a folder that was moved finds its lab's state again; a lab with a name of its own is found by its folder")
def _():
    old = Folder(f"before/move-{NAME}")
    old.vmlab("up", "--no-wait")
    name = old.lab()
    old.vmlab("down")
    moved = old.move(f"after/move-{NAME}")
    moved.vmlab("up", "--no-wait")
    check_equal(moved.lab(), name, "the lab's name after the move")
    moved.vmlab("down", "--volumes", "-y")
    # As an older version's, which called every lab "vmlab".
    moved.vmlab("--lab", f"{PREFIX}own", "up", "--no-wait")
    check_equal(moved.lab(), f"{PREFIX}own", "the lab's name")
    check(f'"{PREFIX}own"' in moved.vmlab("doctor", check_rc=False).stdout, "doctor finds another lab")
    moved.vmlab("down", "--volumes", "-y")
    check_equal((moved.containers(), moved.volumes()), ({}, []), "what is left")


@suite.test("down --volumes leaves the volumes of a lab whose name begins alike")
def _():
    folder = Folder("alike")
    short, long = f"{PREFIX}v", f"{PREFIX}v-disk"
    docker("volume", "create", "--label", f"vmlab.lab={long}", f"{long}-state")
    docker("volume", "create", f"{short}-disk-web1")  # of an older version: without labels
    suite.cleanup(lambda: docker("volume", "rm", "-f", f"{long}-state", f"{short}-disk-web1", check_rc=False))
    folder.vmlab("--lab", short, "down", "--volumes", "-y")
    left = docker("volume", "ls", "-q").stdout.split()
    check(f"{long}-state" in left, f"the state of {long} is gone")
    check(f"{short}-disk-web1" not in left, "the older disk is still there")


@suite.test("labs whose machines would have one name in the engine have a container and a disk each, and touch no other's")
def _():
    short, sleeper = f"{PREFIX}n", f"{PREFIX}sleeper:latest" # no machine has to boot for a name
    one = docker("create", STACK_IMAGE).stdout.strip()
    waits = json.dumps(["/bin/sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait"])
    docker("commit", "-c", f"ENTRYPOINT {waits}", "-c", "HEALTHCHECK NONE", one, sleeper)
    docker("rm", one)
    suite.cleanup(lambda: docker("rmi", "-f", sleeper, check_rc=False))
    labs = {short: ("vm-a", "disk-a"), f"{short}-vm": ("a",), f"{short}-disk": ("a",)}
    folders = {}
    def run_in(lab, *argv):
        return folders[lab].vmlab("--lab", lab, *argv, check_rc=False, VMLAB_VM_IMAGE=sleeper)
    for n, (lab, names) in enumerate(labs.items()):
        folders[lab] = Folder(f"names/{lab}")
        for i, name in enumerate(names):
            folders[lab].define(name, mac=f"52:54:00:7e:5{n}:0{i}", mode="local")
        done = run_in(lab, "up", "--no-wait")
        check_equal(done.returncode, 0, f"{lab}: {done.stderr}; status")
    wanted = {short: {f"{short}-vm-vm-a", f"{short}-vm-disk-a"}, f"{short}-vm": {f"{short}-vm_vm_a"},
        f"{short}-disk": {f"{short}-disk-vm-a"}}
    disks = {short: {f"{short}-disk-vm-a", f"{short}-disk-disk-a"}, f"{short}-vm": {f"{short}-vm-disk-a"},
        f"{short}-disk": {f"{short}-disk_disk_a"}}
    for lab, folder in folders.items():
        check_equal(set(folder.containers()), wanted[lab] | {f"{lab}-net", f"{lab}-stack"}, f"{lab}'s containers")
        check_equal(set(folder.volumes()), disks[lab] | {f"{lab}-state"}, f"{lab}'s volumes")
    ids = folders[short].ids()
    for lab in (f"{short}-vm", f"{short}-disk"):
        if lab.endswith("disk"):
            check_equal(run_in(lab, "rm", "-y", "a").returncode, 0, f"rm in {lab}")
            check_equal(run_in(lab, "up", "--no-wait").returncode, 0, f"up again in {lab}")
            check_equal(set(folders[lab].volumes()), disks[lab] | {f"{lab}-state"}, f"{lab}'s volumes after rm and up")
        check_equal(run_in(lab, "down", "--volumes", "-y").returncode, 0, f"down of {lab}")
        check_equal((folders[lab].containers(), folders[lab].volumes()), ({}, []), f"what is left of {lab}")
    check_equal((folders[short].ids(), set(folders[short].volumes())), (ids, disks[short] | {f"{short}-state"}),
        "the first lab's containers and volumes")


@suite.test("network, domain, reach and images that a lab was given stay its own after down, until others are given")
def _():
    folder, images = Folder(f"kept/k-{NAME}"), os.path.join(suite.tempdir(), "kept-images")
    os.makedirs(images)
    given = {"VMLAB_CIDR": "10.77.0.1/24", "VMLAB_DOMAIN": "kept.example", "VMLAB_REACH": "internet,10.1.2.3",
        "VMLAB_IMAGES": images}
    def has():
        lab = folder.lab()
        labels = json.loads(docker("inspect", "-f", "{{json .Config.Labels}}", f"{lab}-stack").stdout)
        return {f"VMLAB_{key.upper()}": labels[f"vmlab.{key}"] for key in ("cidr", "domain", "reach", "images")}
    folder.vmlab("up", "--no-wait", **given)
    kept = os.path.join(HOME, "labs", folder.lab(), "settings")
    check_equal(has(), given, "settings of the first up")
    for variable, value in (("VMLAB_CIDR", "10.78.0.1/24"), ("VMLAB_DOMAIN", "other.example")):
        before = folder.ids()
        done = folder.vmlab("up", "--no-wait", check_rc=False, **{variable: value})
        check(done.returncode == 1 and given[variable] in done.stderr and value in done.stderr
            and "`vmlab down` first" in done.stderr, f"{variable}={value}: {done}")
        check_equal(folder.ids(), before, f"containers after {variable}={value}")
    folder.vmlab("down")
    done = folder.vmlab("doctor", check_rc=False).stdout
    for value in ("10.77.0.1/24", "kept.example", "internet,10.1.2.3", images):
        check(value in done, f"doctor of the lab that is down does not show {value}:\n{done}")
    # Also for commands that ask no engine; not for another folder of that name.
    folder.vmlab("new", "web1")
    with open(os.path.join(folder.vms, "web1.json")) as f:
        check(json.load(f)["ip"].startswith("10.77.0."), "new gives an address of another network")
    os.unlink(os.path.join(folder.vms, "web1.json"))
    other = Folder(f"kept-not/k-{NAME}")
    other.vmlab("new", "web1")
    with open(os.path.join(other.vms, "web1.json")) as f:
        check(json.load(f)["ip"].startswith("192.168.100."), "another folder has this one's network")
    out = folder.vmlab("up", "--no-wait", VMLAB_DOMAIN="next.example").stdout
    check("10.77.0.1/24" in out, f"up does not say which network: {out}")
    given["VMLAB_DOMAIN"] = "next.example"
    check_equal(has(), given, "settings of the second up")
    folder.vmlab("down", "--volumes", "-y")
    check(not os.path.exists(kept), "down --volumes keeps the settings")


# ---- one at a time -------------------------------------------------------------------------------

LOCK = "a second command waits, says for whom, and goes on when that one ends"


@suite.test(LOCK)
def _():
    folder = state["locked"] = Folder(f"locked/l-{NAME}")
    folder.vmlab("up", "--no-wait")
    folder.define("web1", mac="52:54:00:7e:59:02")
    lock = state["lock"] = os.path.join(HOME, "labs", folder.lab(), "lock")
    for argv in (["up", "--no-wait"], ["down"], ["rm", "-y", "web1"], ["reinstall", "-y", "web1"], ["down", "web1"]):
        if argv[0] == "up":
            os.unlink(os.path.join(folder.vms, "web1.json"))
        with open(lock, "r+") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            held.truncate(0)
            held.write("`vmlab up \x1b[31mdb1` (process 4711)\n")
            held.flush()
            command = folder.start(*argv)
            began = time.monotonic()
            time.sleep(1)
            check(command.poll() is None, f"{argv} did not wait: {command.stdout.read() if command.poll() is not None else ''}")
        out, _ = command.communicate(timeout=60)
        check(time.monotonic() - began < 30, f"{argv} took long")
        check("waits for `vmlab up ?[31mdb1` (process 4711), which works on lab" in out, f"{argv}: {out!r}")
        check(command.returncode in (0, 1), f"{argv}: {command.returncode} {out}")
        if argv[0] == "up":
            check_equal(command.returncode, 0, out)
            folder.define("web1", mac="52:54:00:7e:59:02")
    # What only looks does not wait.
    with open(lock, "r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        check_equal(folder.vmlab("ls", timeout=20).returncode, 0, "ls while the lab is held: status")


@suite.test("two `up` of a new lab at once: both succeed, one lab is there", needs=[LOCK])
def _():
    folder = Folder(f"both/b-{NAME}")
    commands = [folder.start("up", "--no-wait") for _ in range(3)]
    outs = [c.communicate(timeout=120)[0] for c in commands]
    check_equal([c.returncode for c in commands], [0, 0, 0], f"status of the three: {outs}")
    check(sum("lab: waits for `vmlab up --no-wait` (process" in o for o in outs) >= 1, f"none waited: {outs}")
    check_equal(sum("lab: network up" in o for o in outs), 1, f"who made the network: {outs}")
    check_equal(sorted(folder.containers()), [f"{folder.lab()}-net", f"{folder.lab()}-stack"], "containers")


@suite.test("who holds the lab and dies leaves it free", needs=[LOCK])
def _():
    folder = state["locked"]
    holder = subprocess.Popen([sys.executable, "-c", "import fcntl, sys, time\nf = open(sys.argv[1], 'r+')\n"
        "fcntl.flock(f, fcntl.LOCK_EX)\nprint('held', flush=True)\ntime.sleep(100)\n", state["lock"]],
        stdout=subprocess.PIPE, text=True)
    check_equal(holder.stdout.readline(), "held\n", "the holder says")
    command = folder.start("down")
    time.sleep(0.5)
    check(command.poll() is None, "down did not wait")
    holder.kill()
    holder.wait()
    out, _ = command.communicate(timeout=60)
    check_equal(command.returncode, 0, out)


# ---- ports ---------------------------------------------------------------------------------------

@suite.test("--port auto: a free port, the same one after down and up, with a token; another when it is taken")
def _():
    folder = Folder(f"port/p-{NAME}")
    def port():
        text = docker("port", f"{folder.lab()}-net").stdout
        return int(re.search(r"-> 127\.0\.0\.1:(\d+)", text)[1])
    folder.vmlab("--port", "auto", "up", "--no-wait")
    first, where = port(), os.path.join(HOME, "labs", folder.lab())
    with open(os.path.join(where, "token")) as f:
        token = f.read().strip()
    check_equal(http_client.request("127.0.0.1", "/healthz", port=first).status, 401, "without the token: status")
    check_equal(http_client.request("127.0.0.1", "/healthz", port=first,
        headers={"Authorization": f"Bearer {token}"}).status, 200, "with the token: status")
    # A command that says nothing of a port leaves the running lab as it is.
    before = folder.ids()
    folder.vmlab("up", "--no-wait")
    folder.vmlab("--port", "auto", "up", "--no-wait")
    check_equal(folder.ids(), before, "containers after up")
    folder.vmlab("down")
    folder.vmlab("--port", "auto", "up", "--no-wait")
    check_equal(port(), first, "the port after down and up")
    folder.vmlab("down")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", first))
        taken.listen()
        done = folder.vmlab("--port", str(first), "up", "--no-wait", check_rc=False)
        check(done.returncode == 1 and f"port {first}" in done.stderr and "taken" in done.stderr, str(done))
        folder.vmlab("--port", "auto", "up", "--no-wait")
        check(port() != first, "the taken port was chosen")
    folder.vmlab("down", "--volumes", "-y")


if __name__ == "__main__":
    sys.exit(suite.main())
