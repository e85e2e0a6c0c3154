"""unattended_files.py - files for other systems' installers, printed by `vmlab unattended` for generated
definitions, and what their shell parts do on a machine that is made up.
"""
import concurrent.futures
import json
import os
import random
import shutil
import subprocess

from kit.check import check, skip
from kit.command import have_command
from kit.made_definitions import KEY, a_definition
from kit.vmlab_cli import VmLab

COUNT = 300
# What a shell, debconf, shlex, YAML or XML could take for more than text.
HOSTILE = ["$(touch /tmp/pwned)", "`touch /tmp/pwned`", "it's", 'a "b"', "a\\b", "x; y & z | w", "#no comment", "%end", "&amp; <x>",
    "{{x}}", "a: b", "- x", "ünï ☃", "  blanks  ", "$HOME ${x} $((1))", "'", '"', "\\", "!", "~", "*", "@DISK@"]
MULTI = ["two\nlines", "EOF\n%end\n", "#!/bin/sh\necho \"$0\" '`x`'\n", "\\\n", "tab\there\n", "'\n'\n"]


def words(rng):
    return [rng.choice(HOSTILE + MULTI) for _ in range(rng.randrange(4))]


def a_storage(rng):
    """As much of a disk as is there: shares below 100 % in all."""
    storage, left = {}, 90
    if rng.random() < 0.6:
        storage["root"] = {"fs": rng.choice(["ext4", "xfs", "btrfs"])}
    if rng.random() < 0.5:
        storage["swap"] = rng.choice(["512M", "1G", "5%"])
        left -= 5
    parts = []
    for mount in rng.sample(["/var", "/srv/data", "/home", "/opt", "/boot"], rng.randrange(4)):
        size = rng.choice(["600M", "1G", f"{rng.randrange(5, 20)}%"])
        left -= 20
        parts.append({"mount": mount, "size": size, "fs": rng.choice(["ext4", "xfs"])})
    if rng.random() < 0.3:
        parts.append({"mount": "/", "size": "2G", "fs": "ext4", "label": "sys_root"})
        storage.pop("root", None)
        if rng.random() < 0.5:
            parts.append({"mount": "/mnt/rest", "size": "rest", "fs": "ext4"})
    if parts:
        storage["partitions"] = parts
    return storage


def a_match(rng):
    match = {}
    optional = {"serial": ["S4EV-1", "it's $(x)"], "wwn": ["0x5000c500a1b2c3d4", "eui.0025385b71b0e5f4"], "transport": ["virtio", "nvme", "sata"],
        "model": ["Samsung SSD*", "[a-c]* `x`", "?odel \"1\"", "[", "a'b"], "min_size": ["1G"], "max_size": ["20T"], "path": ["/dev/vdb", "pci-0000:00:05.0"]}
    for key in rng.sample(sorted(optional), rng.randrange(3)):
        match[key] = rng.choice(optional[key])
    if not match or rng.random() < 0.5:
        match["pick"] = rng.choice(["largest", "smallest"])
    return match


def a_hostile_definition(rng):
    fields = a_definition(rng)
    fields.pop("user_data", None) if rng.random() < 0.7 else None
    if rng.random() < 0.8:
        fields["storage"] = a_storage(rng)
    if rng.random() < 0.5:
        fields["disks"] = [{"size": rng.choice(["16G", "40G"])}]
        if rng.random() < 0.6:
            fields["disks"][0]["match"] = a_match(rng)
    if rng.random() < 0.5:
        fields["hooks"] = {"post_install": [rng.choice(MULTI) for _ in range(1 + rng.randrange(3))]}
    if rng.random() < 0.5:
        fields["runcmd"] = [rng.choice([words(rng), rng.choice(HOSTILE + MULTI)]) for _ in range(rng.randrange(4))]
    if rng.random() < 0.3:
        fields["users"] = [{"name": "ann", "gecos": rng.choice(HOSTILE), "ssh_authorized_keys": [KEY + " " + rng.choice(HOSTILE).strip()],
            "groups": ["adm"], "plain_text_passwd": rng.choice(HOSTILE), "lock_passwd": False, "homedir": "/srv/a b"}]
    if rng.random() < 0.3:
        fields["kernel_args"] = "mitigations=off console=ttyS0,115200 x=(y)!~*"
    if rng.random() < 0.3:
        fields["after_install"] = rng.choice(["reboot", "kexec", "poweroff", "shell"])
    fields["firmware"] = rng.choice(["uefi", "bios"])
    return fields


def definitions(count=COUNT, seed=9):
    rng = random.Random(seed)
    return {f"m{i}": dict(a_hostile_definition(rng), mac=f"52:54:00:c2:{i >> 8:02x}:{i & 255:02x}") for i in range(count)}


class Folder(VmLab):
    """Definitions without a lab, and what `vmlab unattended` prints for them."""

    def fill(self, made):
        self.made = made
        for name, fields in made.items():
            self.define(name, **fields)

    def one(self, name, *argv):
        done = subprocess.run([self.binary(), "unattended", *argv, name], env=self.env, cwd=self.dir, capture_output=True,
            text=True, timeout=60)
        check(done.returncode == 0, f"{name} {argv}: {done.stderr}")
        return done.stdout

    def binary(self):
        from kit.vmlab_cli import BINARY
        return BINARY

    def all(self, *argv):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            return dict(zip(self.made, pool.map(lambda name: self.one(name, *argv), self.made)))


def need(*programs):
    for program in programs:
        if not have_command(program):
            skip(f"`{program}` is not installed on this machine")


# A machine's disks, as sysfs tells them; sizes in bytes.
DISKS = {
    "vda": {"size": 16 << 30, "serial": "S4EV-1", "model": ""},
    "vdb": {"size": 40 << 30, "serial": "it's $(x)", "model": "Samsung SSD 990"},
    "nvme0n1": {"size": 3 << 40, "serial": "nv", "model": "a'b", "wwid": "eui.0025385b71b0e5f4"},
    "sr0": {"size": 1 << 30, "model": "CD"},
    "sda": {"size": 8 << 30, "model": "USB stick", "removable": 1},
}


def make_sys(folder, disks):
    shutil.rmtree(folder, ignore_errors=True)
    for name, disk in disks.items():
        where = os.path.join(folder, name)
        os.makedirs(os.path.join(where, "device"))
        for file, text in (("size", disk["size"] // 512), ("ro", 0), ("removable", disk.get("removable", 0)),
                ("serial", disk.get("serial", "")), ("wwid", disk.get("wwid", "")), ("device/model", disk.get("model", "") + "   ")):
            with open(os.path.join(where, file), "w") as f:
                f.write(f"{text}\n")
    return folder


def run_on(sys_folder, script, work, shell="dash", timeout=60):
    """The script where /sys/block is that folder; `work` has its programs and takes its files."""
    path = os.path.join(work, "script")
    with open(path, "w") as f:
        f.write(script)
    return subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c",
        f'mount --bind "{sys_folder}" /sys/block && cd "{work}" && PATH="{work}/bin:$PATH" exec {shell} "{path}"'],
        capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)


def written(name, fields):
    return f"{name}: {json.dumps(fields)}"
