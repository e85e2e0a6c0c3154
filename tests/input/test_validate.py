"""Wrong input is told where it is written, at once, by the command line alone: no lab is up."""
import json
import os
import subprocess

from kit.check import check, check_equal
from kit.scope import Scope
from kit.vmlab_cli import BINARY, VmLab

scope = Scope("validate")
mine = VmLab(scope, "validate")
MAC = "52:54:00:1a:00:%02x"


def validate(*argv):
    """(status, [problem])"""
    done = mine.vmlab("validate", "--json", *argv, check_rc=False)
    return done.returncode, json.loads(done.stdout)["problems"]


def errors(problems):
    return {p["file"]: p["text"] for p in problems if not p["warning"]}


def test_every_mistake_of_a_file_is_told_with_its_line_and_column_jsons_own_with_what_was_done():
    path = os.path.join(mine.vms, "bad.json")
    with open(path, "w") as f:
        f.write('{"name": "-ad",\n "mac": "52:54:00:1a:00",\n "memory": "1 GB",\n'
            ' "disks": [{"size": "1X"}, {"size": "2Q"}],\n "colour": 1}\n')
    status, problems = validate()
    check_equal(status, 1, "exit status")
    check_equal([(p["line"], p["column"], p["warning"]) for p in problems],
        [(1, 10, False), (2, 9, False), (3, 12, False), (4, 21, False), (4, 37, False), (5, 2, True)], "places")
    with open(path, "w") as f:
        f.write('{"name": "six", "mac": "52:54:00:1a:00:06", "ip": "10.9.9.9",\n'
            ' "disks": [{"match": {"transport": "floppy", "min_size": "2G", "max_size": "1G", "pick": "first"}}],\n'
            ' "storage": {"swap": "2 gigs", "partitions": [\n'
            '   {"mount": "/var", "size": "4G", "fs": "ntfs"}, {"mount": "/var", "size": "1M"}]}}\n')
    check_equal([(p["line"], p["column"]) for p in validate()[1]],
        [(1, 51), (2, 36), (2, 76), (2, 90), (3, 22), (4, 42), (4, 51), (4, 77)], "places, addresses and disks")
    for text, line, column, words in (
            ('{"name": "a",\n // x\n "mac": 1}', 2, 2, "a comment starts here"),
            ('{"name": "a"\n "mac": 1}', 1, 13, "a comma is missing here"),
            ('{"name": "a",\n "mac": 1,\n}', 2, 10, "no comma may stand before"),
            ("{'name': 1}", 1, 2, "a single quote"),
            ('{name: 1}', 1, 2, 'write "name"'),
            ('{"memory": 2G}', 1, 12, 'write "2G"')):
        with open(path, "w") as f:
            f.write(text)
        problems = validate()[1]
        check(len(problems) == 1 and words in problems[0]["text"]
            and (problems[0]["line"], problems[0]["column"]) == (line, column), f"{text!r}: {problems}")
    with open(path, "wb") as f:
        f.write('{"name": "bad"}'.encode("utf-16"))
    check("UTF-16" in validate()[1][0]["text"], "UTF-16 is not named")
    os.unlink(path)


def test_what_cannot_be_installed_is_said_by_validate_and_plan_with_the_nearest_name_of_an_image():
    os.makedirs(os.path.join(mine.images, "mine-1", "amd64"))
    with open(os.path.join(mine.images, "mine-1", "amd64", "manifest.json"), "w") as f:
        json.dump({"format": 1, "rootfs": {"format": "tar.zst", "unpacked_bytes": 311374150, "entries": 12201},
            "kernel": {"size_bytes": 11745216}, "modules": {"size_bytes": 4670678},
            "provides": ["cloud-init", "grub-x86_64-efi"]}, f)
    mine.define("small", mac=MAC % 1, distro="mine-1", memory="128M", disks=[{"size": "600M"}], cpus=500)
    mine.define("typo", mac=MAC % 2, distro="debain-13")
    mine.define("near", mac=MAC % 3, distro="mine1")
    mine.define("odd", mac=MAC % 4, distro="nothing-like-it")
    status, problems = validate()
    check_equal(status, 0, "exit status with warnings only")
    said = {}
    for p in problems:
        check(p["warning"], f"no warning: {p}")
        said.setdefault(p["file"], []).append(p)
    check_equal(sorted(p["text"].split('"')[1] for p in said["small.json"]), ["cpus", "disks", "memory"], "small")
    check(all(p["line"] > 1 for p in said["small.json"]), f"no place: {said['small.json']}")
    check("did you mean debian-13?" in said["typo.json"][0]["text"], said["typo.json"])
    check("did you mean mine-1?" in said["near.json"][0]["text"], said["near.json"])
    for file in ("near.json", "odd.json"):
        check("image build" not in said[file][0]["text"], f"advises what fails: {said[file]}")
    done = mine.vmlab("plan", "small", check_rc=False)
    check(done.returncode == 1 and "small" in done.stderr, f"plan of a disk that is too small: {done}")
    done = mine.vmlab("plan", "small", "--disk", "4G", check_rc=False)
    check(done.returncode == 1 and "too little for the installer" in done.stderr, f"plan with 128M: {done}")
    done = mine.vmlab("plan", "typo")
    check("did you mean debian-13?" in done.stdout and "image build debain" not in done.stdout, done.stdout)
    for name in ("small", "typo", "near", "odd"):
        os.unlink(os.path.join(mine.vms, name + ".json"))


def test_new_an_address_mac_or_name_that_another_file_has_is_refused_and_nothing_is_written():
    mine.define("one", mac=MAC % 1, ip="192.168.100.77")
    for argv in (("--ip", "192.168.100.77"), ("--mac", (MAC % 1).upper())):
        done = mine.vmlab("new", "two", *argv, check_rc=False)
        check(done.returncode == 1 and "one.json" in done.stderr, f"{argv}: {done}")
        check(not os.path.exists(os.path.join(mine.vms, "two.json")), f"{argv}: two.json is there")
    mine.vmlab("new", "two")
    check_equal(validate()[0], 0, "validate")
    for name in ("one", "two"):
        os.unlink(os.path.join(mine.vms, name + ".json"))


def test_umask_077_what_vmlab_new_writes_can_be_read_by_the_stack_what_cannot_is_told():
    done = subprocess.run(["/bin/sh", "-c",
        f'umask 077; cd {mine.dir} && mkdir fresh && cd fresh && unset VMLAB_VMS && {BINARY} new mask'],
        env=mine.env, capture_output=True, text=True)
    check_equal(done.returncode, 0, f"new: {done}")
    modes = {path: oct(os.stat(os.path.join(mine.dir, "fresh", path)).st_mode & 0o777)
        for path in ("vms", "vms/mask.json")}
    check_equal(modes, {"vms": "0o755", "vms/mask.json": "0o644"}, "modes")
    mine.define("mask", mac=MAC % 1, mode="local")
    os.chmod(os.path.join(mine.vms, "mask.json"), 0o600)
    status, problems = validate()
    check(len(problems) == 1 and "chmod a+r" in problems[0]["text"] and problems[0]["file"] == "mask.json", problems)
    doctor = json.loads(mine.vmlab("doctor", "--json", check_rc=False).stdout)
    found = next(c for c in doctor["checks"] if c["check"] == "definitions")
    check("chmod a+r" in found["found"] and found["result"] == "missing", found)
    os.unlink(os.path.join(mine.vms, "mask.json"))
