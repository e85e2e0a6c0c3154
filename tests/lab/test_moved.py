"""A folder that was moved keeps its lab, and one of its old name never touches it. Starts no VM."""
import json
import os
import shutil

from kit import folder
from kit.check import check, check_equal
from kit.command import docker, have_image
from kit.folder import NAME, remove_lab
from kit.scope import Scope
from kit.vmlab_cli import STACK_IMAGE, VM_IMAGE

scope = Scope("moved")
state = {}


def Folder(where):
    return folder.Folder(scope, where)


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
