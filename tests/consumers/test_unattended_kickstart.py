"""Generated kickstarts, read by pykickstart as RHEL's and Fedora's installers do: every warning counts. It is
a checkout of its repository, build/judges/pykickstart or what PYKICKSTART names, or installed.
"""
import json
import os
import subprocess

from kit import cloud_init
from kit.check import check, check_equal
from kit.judges import copy_of
from kit.scope import Scope, needs
from kit.unattended_files import DISKS, Folder, definitions, make_sys, run_on, written

scope = Scope("kickstart")
where = {}

READ = r'''
import json, sys, warnings
from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion
warnings.simplefilter("error")
out = {}
for name, text in json.load(sys.stdin).items():
    result = out[name] = {"errors": []}
    for version in ("RHEL9", "RHEL10", "F42"):
        handler = makeVersion(version)
        parser = KickstartParser(handler, missingIncludeIsFatal=False)
        try:
            parser.readKickstartFromString(text)
        except Exception as e:
            result["errors"].append(f"{version}: {e}")
            continue
        result["users"] = {u.name: [u.gecos, u.groups, u.homedir, u.password] for u in handler.user.userList}
        result["keys"] = [[k.username, k.key] for k in handler.sshkey.sshUserList]
        result["hostname"] = handler.network.network[0].hostname
        result["packages"] = sorted(handler.packages.packageList)
        result["parts"] = [[p.mountpoint, p.fstype, p.size, p.grow, p.label, p.disk] for p in handler.partition.partitions]
        result["btrfs"] = [b.mountpoint for b in getattr(handler.btrfs, "btrfsList", [])]
        result["append"] = handler.bootloader.appendLine
json.dump(out, sys.stdout)
'''


def read(texts):
    env = dict(os.environ)
    if subprocess.run(["/usr/bin/python3", "-c", "import pykickstart"], env=env, capture_output=True).returncode:
        copy = copy_of("PYKICKSTART", "pykickstart", "pykickstart")
        # It imports requests, as cloud-init does; of this machine's Debian or a near one.
        env["PYTHONPATH"] = f"{copy}:{cloud_init.unpacked('bookworm')}/usr/lib/python3/dist-packages"
    done = subprocess.run(["/usr/bin/python3", "-c", READ], env=env, input=json.dumps(texts), capture_output=True, text=True, timeout=500)
    check(done.returncode == 0, done.stderr[-2000:])
    return json.loads(done.stdout)


def section(text, name):
    return text.split(f"\n{name} ", 1)[1].split("\n", 1)[1].split("\n%end", 1)[0]


def test_kickstarts_are_made_of_hundreds_of_definitions():
    where["folder"] = folder = Folder(scope, "kickstart")
    folder.fill(definitions())
    where["files"] = folder.all("--format", "kickstart")


@needs(test_kickstarts_are_made_of_hundreds_of_definitions)
def test_pykickstart_takes_them_and_reads_the_definition():
    got = read(where["files"])
    for name, fields in where["folder"].made.items():
        read_as = got[name]
        check(not read_as["errors"], f"{written(name, fields)}: {read_as['errors']}")
        host = fields.get("hostname", name)
        check_equal(read_as["hostname"], host, name)
        for user in fields.get("users") or []:
            if isinstance(user, dict) and user["name"] not in ("root", "default"):
                gecos, _, home, password = read_as["users"][user["name"]]
                check_equal((gecos, home), (user.get("gecos") or "", user.get("homedir") or ""), f"{name}: {user}")
                plain = user.get("hashed_passwd") or user.get("passwd") or user.get("plain_text_passwd") or ""
                check_equal(password, plain, f"{name}: {user}")
                for key in (user.get("ssh_authorized_keys") or [])[:1]:
                    check([user["name"], key] in read_as["keys"], f"{name}: {key} in {read_as['keys']}")


@needs(test_kickstarts_are_made_of_hundreds_of_definitions)
def test_its_pre_script_finds_the_disk_and_writes_the_partitions():
    work = scope.tempdir()
    sys_folder = make_sys(os.path.join(work, "sys"), DISKS)
    whole = {}
    for name, fields in list(where["folder"].made.items())[:250]:
        text = where["files"][name]
        script = section(text, "%pre").replace("/tmp/vmlab-disk.ks", work + "/disk.ks")
        done = run_on(sys_folder, script, work)
        if done.returncode:
            check("disk" in done.stderr and fields["disks"][0]["match"], f"{written(name, fields)}: {done.stderr}")
            continue
        with open(os.path.join(work, "disk.ks")) as f:
            whole[name] = text.replace("%include /tmp/vmlab-disk.ks\n", f.read())
    check(len(whole) > 150, f"only {len(whole)} found their disk")
    for name, read_as in read(whole).items():
        fields = where["folder"].made[name]
        storage = fields.get("storage") or {}
        btrfs = storage.get("root", {}).get("fs") == "btrfs"
        check(not read_as["errors"] or (btrfs and all(e.startswith("RHEL") for e in read_as["errors"])),
            f"{written(name, fields)}: {read_as['errors']}")
        mounts = [p["mount"] for p in storage.get("partitions", [])]
        mounts += [] if "/" in mounts else ["/"]
        given = [p[0] for p in read_as["parts"] if p[0] not in ("/boot/efi", "biosboot", "swap") and not p[0].startswith("btrfs.")]
        check_equal(sorted(given + read_as["btrfs"]), sorted(mounts), name)
        check_equal(any(p[0] == "swap" for p in read_as["parts"]), bool(storage.get("swap")), name)
        disks = {p[5] for p in read_as["parts"]}
        check(len(disks) == 1 and disks <= {"vda", "vdb", "nvme0n1"}, f"{name}: {disks}")
        check(sum(p[2] for p in read_as["parts"]) << 20 <= DISKS[disks.pop()]["size"], f"{name}: {read_as['parts']}")
        if fields.get("kernel_args"):
            check_equal(read_as["append"], fields["kernel_args"], name)
    check(not os.path.exists("/tmp/pwned"), "a value was run")
