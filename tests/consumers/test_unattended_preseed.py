"""Generated preseeds: debconf reads them, a shell runs their commands on a made-up machine, and the recipe
that comes of it keeps the rules of partman-auto-recipe.txt.
"""
import os
import re
import subprocess

from kit.check import check, check_equal
from kit.scope import Scope, needs
from kit.unattended_files import DISKS, Folder, definitions, make_sys, need, run_on, written

scope = Scope("preseed")
where = {}


def test_preseeds_are_made_of_hundreds_of_definitions():
    where["folder"] = folder = Folder(scope, "preseed")
    folder.fill(definitions())
    where["files"] = folder.all("--format", "preseed")
    check_equal(len(where["files"]), len(folder.made), "files")


@needs(test_preseeds_are_made_of_hundreds_of_definitions)
def test_debconf_takes_every_line_as_an_answer():
    need("debconf-set-selections")
    text = "".join(where["files"].values())
    done = subprocess.run(["debconf-set-selections", "--checkonly"], input=text, capture_output=True, text=True, timeout=300)
    check(done.returncode == 0 and not done.stderr, done.stderr[-2000:])
    for name, made in where["files"].items():
        wrong = [l for l in made.splitlines() if not re.match(r"(#|(d-i|popularity-contest) [a-z0-9/_-]+ (string|boolean|select|password|note)( |$))", l)]
        check(not wrong, f"{name}: {wrong}")


def answers(text):
    return {line.split(" ", 3)[1]: (line.split(" ", 3) + [""])[3] for line in text.splitlines() if not line.startswith("#")}


@needs(test_preseeds_are_made_of_hundreds_of_definitions)
def test_host_name_packages_and_kernel_arguments_are_the_definitions():
    for name, fields in where["folder"].made.items():
        got = answers(where["files"][name])
        host, _, domain = fields.get("hostname", name).partition(".")
        check_equal((got["netcfg/get_hostname"], got["netcfg/get_domain"]), (host, domain), name)
        check(got["preseed/late_command"].startswith(f"echo {host} >/target/etc/hostname && "), f"{name}: {got['preseed/late_command']}")
        lines = f"{host}.{domain} {host}" if domain else host
        check(f" echo 127.0.1.1 {lines} >>/target/etc/hosts && " in got["preseed/late_command"], f"{name}: {got['preseed/late_command']}")
        packages = ["=".join(p) if isinstance(p, list) else p for p in fields.get("packages", [])]
        check_equal(got["pkgsel/include"].split(), ["openssh-server", "sudo"] + packages, name)
        check_equal(got.get("debian-installer/add-kernel-opts"), fields.get("kernel_args"), name)


def stub(work):
    """What the commands call of debian-installer: writes down what it was called with."""
    os.makedirs(os.path.join(work, "bin"), exist_ok=True)
    for program in ("debconf-set", "wget"):
        path = os.path.join(work, "bin", program)
        with open(path, "w") as f:
            f.write(f'#!/bin/sh\nfor word; do printf "%s\\n" "$word"; done >>"{work}/{program}.said"\n')
        os.chmod(path, 0o755)


def recipe_partitions(text):
    """(min, priority, max, file system, {specifier: value}) of each, by partman-auto-recipe.txt."""
    name, _, rest = text.partition(" :: ")
    check_equal(name, "vmlab", "the recipe's name")
    parts = []
    for part in re.split(r" \.(?: |$)", rest.strip()):
        if not part:
            continue
        found = re.fullmatch(r"(\d+) (\d+) (-1|\d+) ([a-z0-9-]+)((?: \$?[a-z_]+\{ [^{}]*\})*)", part)
        check(found, f"{part!r} is no partition")
        specifiers = dict(re.findall(r"(\$?[a-z_]+)\{ ([^{}]*?) ?\}", found[5]))
        parts.append((int(found[1]), int(found[2]), int(found[3]), found[4], specifiers))
    return parts


def wanted_mounts(fields):
    storage = fields.get("storage") or {}
    mounts = [p["mount"] for p in storage.get("partitions", [])]
    return sorted(mounts + ([] if "/" in mounts else ["/"])), bool(storage.get("swap"))


def judge_recipe(name, fields, text, disk_bytes):
    parts = recipe_partitions(text)
    mounts, swap = wanted_mounts(fields)
    check_equal(sorted(s["mountpoint"] for *_, s in parts if "mountpoint" in s), mounts, f"{name}: mount points")
    check_equal(sum(fs == "linux-swap" for *_, fs, _ in parts), int(swap), f"{name}: swap")
    check_equal(parts[0][4]["method"], "efi" if fields["firmware"] == "uefi" else "biosgrub", f"{name}: first partition")
    check(all(least <= priority and (most == -1 or most >= least) for least, priority, most, *_ in parts), f"{name}: {parts}")
    check(sum(p[0] for p in parts) * 10**6 <= disk_bytes, f"{name}: more than the disk: {parts}")
    check(sum(p[2] == -1 for p in parts) <= 1, f"{name}: {parts}")


@needs(test_preseeds_are_made_of_hundreds_of_definitions)
def test_its_partman_command_finds_the_disk_and_a_recipe_that_fits_it():
    work = scope.tempdir()
    stub(work)
    sys_folder = make_sys(os.path.join(work, "sys"), DISKS)
    found = 0
    for name, fields in list(where["folder"].made.items())[:250]:
        for program in ("debconf-set", "wget"):
            open(os.path.join(work, program + ".said"), "w").close()
        done = run_on(sys_folder, answers(where["files"][name])["partman/early_command"], work, "busybox sh" if found % 2 else "dash")
        if done.returncode:
            check("disk" in done.stderr and fields["disks"][0]["match"], f"{written(name, fields)}: {done.stderr}")
            continue
        with open(os.path.join(work, "debconf-set.said")) as f:
            said = f.read().splitlines()
        said = dict(zip(said[::2], said[1::2]))
        disk = said["partman-auto/disk"].removeprefix("/dev/")
        check(disk in ("vda", "vdb", "nvme0n1"), f"{name}: {disk}")
        judge_recipe(name, fields, said["partman-auto/expert_recipe"], DISKS[disk]["size"])
        found += 1
    check(found > 150, f"only {found} found their disk")
    check(not os.path.exists("/tmp/pwned"), "a value was run")


def choice(match, disks=None, size=None):
    folder = where["folder"]
    first = {k: v for k, v in (("size", size), ("match", match)) if v}
    folder.define("one", mac="52:54:00:c3:00:01", disks=[first] if first else [])
    work = scope.tempdir()
    stub(work)
    open(os.path.join(work, "debconf-set.said"), "w").close()
    text = answers(folder.one("one", "--format", "preseed"))["partman/early_command"]
    done = run_on(make_sys(os.path.join(work, "sys"), disks or DISKS), text, work)
    if done.returncode:
        return done.stderr.strip()
    with open(os.path.join(work, "debconf-set.said")) as f:
        return f.read().split()[1]


@needs(test_preseeds_are_made_of_hundreds_of_definitions)
def test_the_disk_is_the_one_that_our_installer_would_take():
    check_equal(choice(None, size="16G"), "/dev/vda", "of the definition's size")
    check_equal(choice(None, size="17G"), "/dev/nvme0n1", "the largest")
    check_equal(choice({"serial": "s4ev-1"}), "/dev/vda", "serial")
    check_equal(choice({"serial": "it's $(x)"}), "/dev/vdb", "hostile serial")
    check_equal(choice({"model": "samsung*9?0"}), "/dev/vdb", "model")
    check_equal(choice({"wwn": "0x0025385B71B0E5F4"}), "/dev/nvme0n1", "wwn")
    check_equal(choice({"transport": "virtio", "pick": "largest"}), "/dev/vdb", "pick")
    check_equal(choice({"path": "/dev/vdb"}), "/dev/vdb", "path")
    check_equal(choice({"max_size": "20G"}), "/dev/vda", "max_size, and no removable one")
    check("several disks match" in choice({"transport": "virtio"}), "several")
    check("no disk matches" in choice({"serial": "none"}), "none")
