"""A backup is an image to the command: what a definition names it for is judged, listed and removed as the stack has it, and
what only the stack knows is said so while it is down."""
import hashlib
import json
import random

from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.commanded_lab import CommandedLab, Machine
from kit.scope import Scope, needs

scope = Scope("backupknown")
lab = CommandedLab(scope, "backupknown")
DISK_BYTES, DATA = 1 << 30, random.Random(1).randbytes(300000)


def make_backup(machine, name):
    given = lab.operator("/api/v1/machines/web1/orders", method="POST", body={"action": "backup", "args": {"name": name, "disk": "vda"}})
    check_equal(given.status, 200, f"{given}: status")
    order = machine.poll()
    check_equal(machine.progress(order, phase="backup").status, 204, "it begins: status")
    path = f"/backup/{machine.mac}/{order['id']}"
    check_equal(machine.ask(f"{path}/slice/0?sha256={hashlib.sha256(DATA).hexdigest()}", method="PUT", body=DATA).status, 204, "slice: status")
    told = machine.ask(f"{path}/manifest", method="PUT", body=json.dumps({"disk_bytes": DISK_BYTES, "file_bytes": len(DATA), "slices": 1,
        "arch": "amd64"}).encode())
    check_equal(told.status, 204, f"manifest: {told}; status")
    check_equal(machine.done(order).status, 204, "its end: status")


def said(*argv):
    done = lab.vmlab(*argv, check_rc=False)
    return done.stdout + done.stderr


def test_a_backup_is_an_image_for_definitions():
    lab.make_image()
    lab.start()
    web = Machine(lab.client("web", cidr="192.168.100.20/24"), "52:54:00:a9:01:20")
    lab.define("web1", mac=web.mac, mode="agent")
    lab.wait_vm("web1")
    web.comes()
    lab.define("web2", mac="52:54:00:a9:01:21", distro="monday", disks=[{"size": "2G"}])
    lab.wait_vm("web2")
    check("there is no image monday for amd64" in said("validate"), said("validate"))
    check("perhaps" not in said("validate"), said("validate"))
    make_backup(web, "monday")
    check("no image" not in said("validate"), said("validate"))
    check("1.0 GiB: it brings its own partitions" in said("plan", "web2"), said("plan", "web2"))
    check_equal(json.loads(lab.vmlab("plan", "--json", "web2").stdout)["image"],
        {"distro": "monday", "unpacked_bytes": DISK_BYTES, "whole_disk": True}, "its image")
    eventually(lambda: lab.list_state("web2") == "declared", 10, "the server has it")


@needs(test_a_backup_is_an_image_for_definitions)
def test_a_disk_too_small_for_it_is_seen_before_anything_starts():
    lab.define("web3", mac="52:54:00:a9:01:22", distro="monday", disks=[{"size": "512M"}])
    check("512.0 MiB, too small: the image is that of a disk of 1.0 GiB" in said("validate", "web3"), said("validate", "web3"))
    lab.undefine("web3.json")


@needs(test_a_backup_is_an_image_for_definitions)
def test_it_is_listed_and_what_is_not_known_is_said():
    check("backup of web1" in said("image", "ls"), said("image", "ls"))
    listed = json.loads(lab.vmlab("image", "ls", "--json").stdout)
    check_equal([b["name"] for b in listed["backups"]], ["monday"], "backups")
    docker("stop", lab.stack)
    check("backups are not listed: the stack has them" in said("image", "ls"), said("image", "ls"))
    check_equal(json.loads(lab.vmlab("image", "ls", "--json").stdout)["backups"], None, "backups while it is down")
    for argv in (("validate", ), ("plan", "web2")):
        check("tells while it runs" in said(*argv), said(*argv))
    check("whether it is a backup only the stack knows" in said("image", "rm", "-y", "monday"), said("image", "rm", "-y", "monday"))
    docker("start", lab.stack)
    lab.wait_serving()


@needs(test_it_is_listed_and_what_is_not_known_is_said)
def test_it_is_removed_as_images_are():
    asked = said("image", "rm", "monday")
    check("Definitions name the image monday: web2" in asked, asked)
    removed = said("image", "rm", "-y", "monday")
    check("removed the backup monday" in removed, removed)
    check("there is no image monday for amd64" in said("validate"), said("validate"))
    check("there is no image monday in" in said("image", "rm", "-y", "monday"), said("image", "rm", "-y", "monday"))
