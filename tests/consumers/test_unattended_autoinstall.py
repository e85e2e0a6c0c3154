"""Generated autoinstalls: PyYAML and cloud-init's schema of both releases read them, and subiquity's own
schema: autoinstall-schema.json of its repository, in build/judges/ or named by AUTOINSTALL_SCHEMA.
"""
import json
import os

import pytest

from kit import cloud_init
from kit.check import check, check_equal
from kit.judges import copy_of
from kit.scope import Scope, needs
from kit.unattended_files import DISKS, Folder, definitions, make_sys, run_on, written

scope = Scope("autoinstall")
where = {}

READ = r'''
import json, sys, yaml
json.dump({name: yaml.safe_load(text) for name, text in json.load(sys.stdin).items()}, sys.stdout)
'''
USER_DATA = r'''
import json, logging, sys
logging.disable(logging.CRITICAL)
from cloudinit.config import schema
wanted, out = schema.get_schema(), {}
for name, data in json.load(sys.stdin).items():
    try:
        schema.validate_cloudconfig_schema(data, schema=wanted, strict=True)
    except Exception as e:
        out[name] = str(e)
json.dump(out, sys.stdout)
'''
SCHEMA = r'''
import json, sys
import jsonschema
given = json.load(sys.stdin)
judge = jsonschema.Draft7Validator(given["schema"])
json.dump({name: [e.message for e in judge.iter_errors(doc)] for name, doc in given["docs"].items()}, sys.stdout)
'''


def test_autoinstalls_are_made_of_hundreds_of_definitions():
    where["folder"] = folder = Folder(scope, "autoinstall")
    folder.fill(definitions())
    where["files"] = folder.all("--format", "autoinstall")
    check(all(text.startswith("#cloud-config\n") for text in where["files"].values()), "the first line")


@needs(test_autoinstalls_are_made_of_hundreds_of_definitions)
def test_yaml_says_the_definition():
    where["docs"] = {}
    read = cloud_init.judge("trixie", READ, where["files"])
    for name, fields in where["folder"].made.items():
        doc = where["docs"][name] = read[name]["autoinstall"]
        check_equal(doc["packages"], ["=".join(p) if isinstance(p, list) else p for p in fields.get("packages", [])], name)
        if isinstance(fields.get("user_data"), dict):
            own, host = fields["user_data"], fields.get("hostname", name)
            named = {} if "hostname" in own or "fqdn" in own else {"hostname": host.partition(".")[0], "fqdn": host}
            check_equal(doc["user-data"], {**own, **named}, name)
            continue
        made = {u["name"]: u for u in doc["user-data"]["users"]}
        for user in fields.get("users") or []:
            if isinstance(user, dict) and user["name"] != "default":
                for key in ("gecos", "homedir", "shell"):
                    check_equal(made[user["name"]].get(key), user.get(key) or None, f"{name}: {user}")
                check(set(user.get("ssh_authorized_keys") or []) <= set(made[user["name"]].get("ssh_authorized_keys", [])), f"{name}: {user}")


@pytest.mark.parametrize("release", cloud_init.SUITES)
@needs(test_yaml_says_the_definition)
def test_cloud_inits_schema_takes_the_new_systems_user_data(release):
    wrong = cloud_init.judge(release, USER_DATA, {name: doc["user-data"] for name, doc in where["docs"].items()})
    check(not wrong, f"{len(wrong)}: {list(wrong.items())[:5]}")


@needs(test_yaml_says_the_definition)
def test_subiquitys_schema_takes_them():
    with open(copy_of("AUTOINSTALL_SCHEMA", "autoinstall-schema.json", "subiquity's schema")) as f:
        wrong = cloud_init.judge("trixie", SCHEMA, {"schema": json.load(f), "docs": where["docs"]})
    check_equal(len(wrong), len(where["docs"]), "judged")
    wrong = {name: errors for name, errors in wrong.items() if errors}
    check(not wrong, f"{len(wrong)}: {list(wrong.items())[:5]}")


@needs(test_yaml_says_the_definition)
def test_storage_is_the_definitions_on_the_disk_that_is_found():
    work = scope.tempdir()
    os.makedirs(os.path.join(work, "bin"))
    with open(os.path.join(work, "bin", "curl"), "w") as f:
        f.write("#!/bin/sh\n")
    os.chmod(os.path.join(work, "bin", "curl"), 0o755)
    sys_folder = make_sys(os.path.join(work, "sys"), DISKS)
    found = 0
    for name, doc in list(where["docs"].items())[:250]:
        fields = where["folder"].made[name]
        storage, actions = fields.get("storage") or {}, doc["storage"]["config"]
        mounts = [p["mount"] for p in storage.get("partitions", [])]
        mounts += [] if "/" in mounts else ["/"]
        mounts += ["/boot/efi"] if fields["firmware"] == "uefi" else []
        check_equal(sorted(a["path"] for a in actions if a["type"] == "mount" and a["path"]), sorted(mounts), name)
        check_equal(sum(a.get("flag") == "swap" for a in actions), int(bool(storage.get("swap"))), name)
        ids = [a["id"] for a in actions]
        check_equal(len(set(ids)), len(ids), f"{name}: ids")
        for a in actions:
            check(a.get("device", a.get("volume", ids[0])) in ids, f"{name}: {a}")
        with open(os.path.join(work, "autoinstall.yaml"), "w") as f:
            json.dump(doc, f)
        script = doc["early-commands"][0][2].replace("/autoinstall.yaml", work + "/autoinstall.yaml")
        done = run_on(sys_folder, script, work)
        if done.returncode:
            check("disk" in done.stderr and fields["disks"][0]["match"], f"{written(name, fields)}: {done.stderr}")
            continue
        with open(os.path.join(work, "autoinstall.yaml")) as f:
            match = json.load(f)["storage"]["config"][0]["match"]["path"]
        check(match in ("/dev/vda", "/dev/vdb", "/dev/nvme0n1"), f"{name}: {match}")
        found += 1
    check(found > 150, f"only {found} found their disk")
    check(not os.path.exists("/tmp/pwned"), "a value was run")
