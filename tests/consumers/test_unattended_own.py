"""A user's own unattended files: a hostile value is read back, by each language's own reader, as it was
written, wherever it stands; or it is refused with line and column.
"""
import json
import os
import shlex
import subprocess
import xml.etree.ElementTree

from kit import cloud_init
from kit.boot_image import add, stored
from kit.check import check, check_equal
from kit.scope import Scope, needs
from kit.unattended_files import HOSTILE, Folder, need

scope = Scope("own")
where = {}
# The role is a line of text; every definition refuses what is not.
ROLES = [word for word in HOSTILE if word.strip()]
MAC = "52:54:00:c3:00:01"


def test_vmlab_prints_a_file_of_the_users_own():
    where["folder"] = folder = Folder(scope, "own")
    os.makedirs(os.path.join(folder.vms, "_unattended"))
    check_equal(filled("a.sh", "name={{name}}\nmac={{ mac }} # {{stage4_url}}\n", "x"),
        f"name=one\nmac={MAC} # http://192.168.100.1/stage4/{MAC}\n", "a.sh")


def filled(name, text, role):
    folder = where["folder"]
    with open(os.path.join(folder.vms, "_unattended", name), "w") as f:
        f.write(text)
    folder.define("one", mac=MAC, role=role, pxeboot=True, unattended=name)
    return folder.one("one")


@needs(test_vmlab_prints_a_file_of_the_users_own)
def test_shells_read_it_back_bare_and_in_both_quotes():
    need("dash", "busybox")
    for role in ROLES:
        text = filled("a.sh", "# it's {{role}}\nprintf '%s\\0' {{role}} \"{{role}}\" '{{role}}' a{{role}}b \"it's {{role}}\"\n", role)
        for shell in (["dash"], ["busybox", "sh"], ["bash"]):
            done = subprocess.run(shell, input=text, capture_output=True, text=True, timeout=20)
            check_equal(done.stdout.split("\0")[:-1], [role, role, role, f"a{role}b", f"it's {role}"], f"{shell} {role!r}: {text}")
    check(not os.path.exists("/tmp/pwned"), "a value was run")


@needs(test_vmlab_prints_a_file_of_the_users_own)
def test_kickstarts_splitting_reads_it_back():
    for role in ROLES:
        text = filled("a.ks", "user --gecos={{role}} \"{{role}}\" '{{role}}'\n%post\nprintf '%s\\0' {{role}} \"{{role}}\"\n%end\n", role)
        line, script = text.split("\n%post\n")
        check_equal(shlex.split(line, comments=True), ["user", "--gecos=" + role, role, role], repr(role))
        done = subprocess.run(["dash"], input=script.split("\n%end")[0], capture_output=True, text=True, timeout=20)
        check_equal(done.stdout.split("\0")[:-1], [role, role], repr(role))
    check(not os.path.exists("/tmp/pwned"), "a value was run")


@needs(test_vmlab_prints_a_file_of_the_users_own)
def test_debconf_and_the_shell_of_its_commands_read_it_back():
    need("debconf-set-selections")
    for role in [r for r in ROLES if not r.endswith("\\")]:
        text = filled("a.preseed", "d-i x/y string {{role}}\nd-i preseed/late_command string printf '%s\\0' {{role}} \"{{role}}\"\n", role)
        done = subprocess.run(["debconf-set-selections", "--checkonly"], input=text, capture_output=True, text=True, timeout=20)
        check(done.returncode == 0 and not done.stderr, done.stderr)
        first, second = text.rstrip("\n").split("\n")
        check_equal(first, "d-i x/y string " + role, repr(role))
        done = subprocess.run(["dash", "-c", second.split(" string ", 1)[1]], capture_output=True, text=True, timeout=20)
        check_equal(done.stdout.split("\0")[:-1], [role, role], repr(role))
    check(not os.path.exists("/tmp/pwned"), "a value was run")


@needs(test_vmlab_prints_a_file_of_the_users_own)
def test_yaml_json_and_xml_readers_read_it_back():
    yaml = {}
    for i, role in enumerate(ROLES):
        yaml[str(i)] = filled("a.yaml", "a: {{role}}\nb: \"<{{role}}>\"\nc: ['{{role}}', {{role}}, {{name}}]\nd: {{cpus}} # {{role}}\n", role)
        doc = json.loads(filled("a.json", '{"a": {{role}}, "b": "<{{role}}>", "c": {{cpus}}}', role))
        check_equal(doc, {"a": role, "b": f"<{role}>", "c": 2}, repr(role))
        root = xml.etree.ElementTree.fromstring(filled("a.xml", "<a b='{{role}}' c=\"{{role}}\">{{role}}</a>", role))
        check_equal((root.get("b"), root.get("c"), root.text), (role, role, role), repr(role))
    read = cloud_init.judge("trixie", "import json, sys, yaml\njson.dump({k: yaml.safe_load(t) for k, t in json.load(sys.stdin).items()}, sys.stdout)", yaml)
    for i, role in enumerate(ROLES):
        check_equal(read[str(i)], {"a": role, "b": f"<{role}>", "c": [role, role, "one"], "d": 2}, yaml[str(i)])


@needs(test_vmlab_prints_a_file_of_the_users_own)
def test_validate_tells_line_and_column_and_what_an_installer_cannot_do():
    folder = where["folder"]
    with open(os.path.join(folder.vms, "_unattended", "bad.ks"), "w") as f:
        f.write("text\nnetwork --hostname={{hostnam}}\n")
    folder.define("one", mac=MAC, unattended="bad.ks")
    done = folder.vmlab("validate", check_rc=False)
    check(done.returncode == 1 and "_unattended/bad.ks:2:20: {{hostnam}} is no field" in done.stdout, done.stdout)
    folder.define("one", mac=MAC, unattended="../bad.ks")
    check("has a slash" in folder.vmlab("validate", check_rc=False).stdout, "a slash")
    folder.define("one", mac=MAC, unattended="none.ks")
    check("there is no file none.ks" in folder.vmlab("validate", check_rc=False).stdout, "no file")
    folder.define("one", mac=MAC, unattended=True, distro="debian-installer-13", user_data={"timezone": "UTC"})
    done = folder.vmlab("validate", check_rc=False)
    check('"user_data" (preseed): has no effect' in done.stdout and done.returncode == 0, done.stdout)


@needs(test_vmlab_prints_a_file_of_the_users_own)
def test_the_images_manifest_says_which_installer_it_is_and_a_mode_that_takes_no_file_is_told():
    folder = where["folder"]
    kernel = stored("vmlinuz", "a kernel")
    add(folder, "mine/amd64", {"vmlinuz": "a kernel"}, {"format": 1, "kind": "boot", "distro": "mine", "arch": "amd64",
        "boot": {"kernel": kernel, "unattended_args": "inst.ks={unattended_url}", "unattended_format": "kickstart"}})
    folder.define("one", mac=MAC, arch="amd64", mode="boot", image="mine", unattended=True, user_data={"timezone": "UTC"})
    check("\n%packages" in folder.one("one"), folder.one("one"))
    done = folder.vmlab("validate", check_rc=False)
    check('"user_data" (kickstart)' in done.stdout and "no effect in this mode" not in done.stdout, done.stdout)
    folder.define("one", mac=MAC, arch="amd64", distro="debian-13", unattended=True)
    done = folder.vmlab("validate", check_rc=False)
    check('one.json' in done.stdout and '"unattended" has no effect in this mode' in done.stdout, done.stdout)
