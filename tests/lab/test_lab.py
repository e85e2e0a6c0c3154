"""A lab belongs to its folder, wherever that goes, and has a name of its own.

Needs the images and the built command; starts no VM. Run as root.
"""
import json
import os
import re
import shutil
import signal
import stat

from kit import folder, http_client
from kit.check import check, check_equal, eventually, skip
from kit.command import PREFIX, docker, have_image, run
from kit.folder import NAME
from kit.scope import Scope, needs
from kit.sleeper import sleeper
from kit.vmlab_cli import BINARY, STACK_IMAGE, VM_IMAGE

scope = Scope("lab")
HOME = os.path.join(scope.tempdir(), "home")
state = {}


def Folder(where):
    return folder.Folder(scope, where)


def test_two_folders_of_one_name_have_a_lab_each():
    for image in (STACK_IMAGE, VM_IMAGE):
        check(have_image(image), f"there is no image {image}: `make load`")
    a, b = (state[x] for x in "ab") if "a" in state else (Folder(f"a/{NAME}"), Folder(f"b/{NAME}"))
    state.update(a=a, b=b)
    a.define("web1", mac="52:54:00:7e:59:01")
    b.define("db1", mac="52:54:00:7e:59:01")
    first = a.start("up", "--no-wait", "nosuch")
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


UP = test_two_folders_of_one_name_have_a_lab_each


@needs(UP)
def test_each_labs_own_folder_is_its_users_0700_socket_0600():
    for name in state["names"]:
        where = os.path.join(HOME, "labs", name)
        check_equal(stat.S_IMODE(os.stat(where).st_mode), 0o700, f"{where}: mode")
        st = os.stat(os.path.join(where, "api.sock"))
        check_equal((stat.S_IMODE(st.st_mode), st.st_uid), (0o600, os.getuid()), "socket: mode, owner")
        check_equal(http_client.request("", "/healthz", unix=os.path.join(where, "api.sock")).status, 200, "/healthz")


@needs(UP)
def test_dashboard_serves_each_labs_pages_on_loopback_until_it_is_ended_to_whom_its_link_lets_in():
    shown = {x: state[x].start("dashboard", "--no-open", *(["--read"] if x == "b" else [])) for x in "ab"}
    links = {x: shown[x].stdout.readline().strip() for x in "ab"}
    for x, mine in (("a", "web1"), ("b", "db1")):
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/login/[0-9a-f]{64})", links[x])
        check(found, f"the link: {links[x]!r}")
        port = int(found.group(1))
        check_equal(http_client.request("127.0.0.1", "/machines", port=port).status, 401, "without the link: status")
        answer = http_client.request("127.0.0.1", found.group(2), port=port)
        check_equal(answer.status, 200, "the link: status")
        state["cookie"] = answer.headers["set-cookie"].split(";")[0]
        page = http_client.request("127.0.0.1", "/machines", port=port, headers={"Cookie": state["cookie"]})
        check(mine in page.text and ("read only" in page.text) == (x == "b"), f"{x}: {page}")
        check_equal(http_client.request("127.0.0.1", found.group(2), port=port).status, 403, "the link again: status")
    # Both are the same browser's, which sends both cookies to both.
    check_equal(http_client.request("127.0.0.1", "/machines", port=int(re.search(r":(\d+)", links["a"][7:]).group(1)),
        headers={"Cookie": state["cookie"]}).status, 401, "the other lab's cookie: status")
    for x in "ab":
        shown[x].send_signal(signal.SIGINT)
        shown[x].communicate(timeout=10)
        check_equal(shown[x].returncode, 0, "ended by Ctrl-C: status")


@needs(UP)
def test_another_user_who_may_use_the_engine_is_told_whose_the_lab_is_and_changes_nothing():
    engine = "/var/run/docker.sock"
    if not os.path.exists(engine):
        skip(f"the engine's socket is not {engine}")
    before = state["a"].ids()
    binary = os.path.join(scope.tempdir(), "vmlab") # where others may come
    shutil.copy(BINARY, binary)
    for argv, status in ((["ls"], 0), (["down"], 1), (["reinstall", "-y", "web1"], 1)):
        done = run(["setpriv", "--reuid=65534", "--regid=65534", f"--groups={os.stat(engine).st_gid}", binary, *argv],
            cwd=state["a"].dir, env=dict(state["a"].env(), HOME="/nonexistent"), check_rc=False)
        check_equal(done.returncode, status, f"{argv}: {done.stderr}; status")
        check("another user" in done.stderr or "the user it belongs to" in done.stderr, f"{argv}: {done.stderr}")
    check_equal(state["a"].ids(), before, "the running containers")


@needs(UP)
def test_commands_in_another_folder_with_vms_or_without_touch_neither():
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


@needs(UP)
def test_down_keeps_the_name_for_its_folder_the_other_ones_state_is_never_taken():
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


def test_a_folder_that_was_moved_finds_its_labs_state_again():
    """A folder that was moved finds its lab's state again; a lab with a name of its own is found by its folder."""
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


def test_down_volumes_leaves_the_volumes_of_a_lab_whose_name_begins_alike():
    folder = Folder("alike")
    short, long = f"{PREFIX}v", f"{PREFIX}v-disk"
    docker("volume", "create", "--label", f"vmlab.lab={long}", f"{long}-state")
    docker("volume", "create", f"{short}-disk-web1")  # of an older version: without labels
    scope.cleanup(lambda: docker("volume", "rm", "-f", f"{long}-state", f"{short}-disk-web1", check_rc=False))
    folder.vmlab("--lab", short, "down", "--volumes", "-y")
    left = docker("volume", "ls", "-q").stdout.split()
    check(f"{long}-state" in left, f"the state of {long} is gone")
    check(f"{short}-disk-web1" not in left, "the older disk is still there")


def test_labs_whose_machines_would_have_one_name_in_the_engine_have_a_container_and_a_disk_each():
    """Labs whose machines would have one name in the engine have a container and a disk each, and touch no other's."""
    short, image = f"{PREFIX}n", sleeper(scope) # no machine has to boot for a name
    labs = {short: ("vm-a", "disk-a"), f"{short}-vm": ("a",), f"{short}-disk": ("a",)}
    folders = {}
    def run_in(lab, *argv):
        return folders[lab].vmlab("--lab", lab, *argv, check_rc=False, VMLAB_VM_IMAGE=image)
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


def test_network_domain_reach_and_images_that_a_lab_was_given_stay_its_own_after_down():
    """Network, domain, reach and images that a lab was given stay its own after down, until others are given."""
    folder, images = Folder(f"kept/k-{NAME}"), os.path.join(scope.tempdir(), "kept-images")
    os.makedirs(images)
    given = {"VMLAB_CIDR": "10.77.0.1/24", "VMLAB_DOMAIN": "kept.example", "VMLAB_REACH": "internet,10.1.2.3",
        "VMLAB_STRANGERS": "local", "VMLAB_IMAGES": images}
    def has():
        lab = folder.lab()
        labels = json.loads(docker("inspect", "-f", "{{json .Config.Labels}}", f"{lab}-stack").stdout)
        return {f"VMLAB_{key.upper()}": labels[f"vmlab.{key}"] for key in ("cidr", "domain", "reach", "strangers", "images")}
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
