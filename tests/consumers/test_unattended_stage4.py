"""The script that ends another system's installer: shells and shellcheck read it for hundreds of
definitions, and run it on a system whose files are thrown away.
"""
import os
import subprocess
import tempfile

from kit.check import check, check_equal
from kit.made_definitions import KEY
from kit.scope import Scope, needs
from kit.unattended_files import HOSTILE, MULTI, Folder, definitions, need

scope = Scope("stage4")
where = {}


def test_scripts_are_made_of_hundreds_of_definitions():
    where["folder"] = folder = Folder(scope, "stage4")
    folder.fill(definitions())
    where["files"] = folder.all("--stage4")
    where["dir"] = scope.tempdir()
    for name, text in where["files"].items():
        with open(os.path.join(where["dir"], name + ".sh"), "w") as f:
            f.write(text)


@needs(test_scripts_are_made_of_hundreds_of_definitions)
def test_dash_and_busybox_read_them():
    need("dash", "busybox")
    for shell in (["dash"], ["busybox", "sh"]):
        for name in where["files"]:
            done = subprocess.run(shell + ["-n", os.path.join(where["dir"], name + ".sh")], capture_output=True, text=True, timeout=60)
            check(done.returncode == 0 and not done.stderr, f"{shell} {name}: {done.stderr}")


@needs(test_scripts_are_made_of_hundreds_of_definitions)
def test_shellcheck_finds_nothing():
    need("shellcheck")
    names = [os.path.join(where["dir"], name + ".sh") for name in list(where["files"])[:60]]
    done = subprocess.run(["shellcheck", "-s", "sh", *names], capture_output=True, text=True, timeout=500)
    check(done.returncode == 0, done.stdout[-3000:])


def run_thrown_away(text, after, shell="dash"):
    """Runs it as root with copies of what it changes in the place of this machine's own; returns what `after` prints."""
    work = tempfile.mkdtemp(dir=where["dir"])
    for name, content in (("stage4", text), ("after", after)):
        with open(os.path.join(work, name), "w") as f:
            f.write(content)
    program = f'''
cd "{work}" && cp -a /etc etc && mkdir -p root home srv var/log opt || exit 9
for d in etc root home srv var/log opt; do mount --bind "$d" "/$d" || exit 9; done
{shell} stage4 >out 2>&1 </dev/null; echo "status $?" >>out
exec sh after'''
    done = subprocess.run(["unshare", "-m", "-n", "--propagation", "private", "sh", "-c", program], capture_output=True, text=True,
        timeout=120)
    with open(os.path.join(work, "out")) as f:
        return f.read(), done.stdout


def stage4_of(**fields):
    folder = where["folder"]
    folder.define("one", mac="52:54:00:c3:00:01", **fields)
    return folder.one("one", "--stage4")


@needs(test_scripts_are_made_of_hundreds_of_definitions)
def test_every_hostile_word_arrives_as_it_was_written():
    need("unshare", "useradd")
    words = HOSTILE + MULTI
    text = stage4_of(runcmd=[["printf", "%s\\000", *words], "cd /opt", "pwd >where"], hooks={"post_install": ["echo hook >>/opt/order\n",
        "#!/usr/bin/env python3\nopen('/opt/order', 'a').write('python\\n')\n"]}, write_files=[{"path": f"/opt/f{i} '$(x)'", "content": w,
        "permissions": "0600"} for i, w in enumerate(words)])
    text = text.replace("try 'runcmd 1' command printf", "try 'runcmd 1' printf_to /opt/words").replace("# ---- what the definition says",
        'printf_to() { to=$1; shift; printf "$@" >"$to"; }')
    for shell in ("dash", "busybox sh", "bash --posix"):
        out, after = run_thrown_away(text, "cat /opt/words; printf '\\001'; cat /opt/order /opt/where; printf '\\001'; for i in $(seq 0 99); do "
            "[ -e \"/opt/f$i '\\$(x)'\" ] || break; cat \"/opt/f$i '\\$(x)'\"; printf '\\000'; done; stat -c %a /opt/f0*", shell)
        check("status 0" in out, out)
        said, order, rest = after.split("\001")
        check_equal(said.split("\0")[:-1], words, shell)
        check_equal(order.split(), ["hook", "python", "/opt"], shell)
        check_equal(rest.split("\0")[:-1], words, f"{shell}: files")
        check_equal(rest.split("\0")[-1].strip(), "600", "mode")
    check(not os.path.exists("/tmp/pwned"), "a value was run")


@needs(test_scripts_are_made_of_hundreds_of_definitions)
def test_users_have_what_the_definition_says():
    need("unshare", "useradd")
    key = KEY + " it's $(touch /tmp/pwned)"
    text = stage4_of(users=[{"name": "ann", "gecos": "Ann $(id), 3", "groups": "adm, lab-x", "shell": "/bin/sh", "uid": 4321,
        "homedir": "/srv/a b", "sudo": ["ALL=(ALL) NOPASSWD:ALL"], "ssh_authorized_keys": [key], "passwd": "$6$ab$cd", "lock_passwd": False},
        {"name": "bob", "system": True}, "eve"], ssh_key=KEY)
    out, after = run_thrown_away(text + text.split("# ---- what the definition says")[1], "getent passwd ann bob eve; id -nG ann; getent shadow ann eve | cut -d: -f1,2; "
        "cat '/srv/a b/.ssh/authorized_keys'; stat -c '%a %U' '/srv/a b/.ssh/authorized_keys'; cat /etc/sudoers.d/90-vmlab-ann")
    check("status 0" in out, out)
    lines = after.splitlines()
    check_equal(lines[0], "ann:x:4321:" + lines[0].split(":")[3] + ":Ann $(id), 3:/srv/a b:/bin/sh", "ann")
    check(int(lines[1].split(":")[2]) < 1000, lines[1])
    check_equal(sorted(lines[3].split()), ["adm", "ann", "lab-x"], "groups")
    check_equal(lines[4], "ann:$6$ab$cd", "password")
    check(lines[5].startswith("eve:!"), lines[5])
    check_equal(lines[6:9], [key, KEY, "600 ann"], "keys, each once though it ran twice")
    check_equal(lines[9:], ["ann ALL=(ALL) NOPASSWD:ALL"], "sudo")
    check(not os.path.exists("/tmp/pwned"), "a value was run")


@needs(test_scripts_are_made_of_hundreds_of_definitions)
def test_a_hook_that_fails_ends_it_and_a_command_does_not():
    out, after = run_thrown_away(stage4_of(hooks={"post_install": ["exit 3\n"]}, runcmd=["touch /opt/ran"]), "ls /opt")
    check("hook 1 failed with status 3" in out and "status 1" in out.splitlines()[-1], out)
    check_equal(after, "", "nothing ran behind it")
    out, after = run_thrown_away(stage4_of(runcmd=["exit 7", "touch /opt/never"]), "ls /opt")
    check("status 0" in out.splitlines()[-1], out)
    out, after = run_thrown_away(stage4_of(runcmd=[["false"], "touch /opt/ran"]), "ls /opt")
    check("runcmd 1 failed with status 1" in out and "status 0" in out.splitlines()[-1], out)
    check_equal(after, "ran\n", "the next one ran")


@needs(test_scripts_are_made_of_hundreds_of_definitions)
def test_what_the_machine_was_booted_from_stays_first():
    need("dash", "busybox")
    for order, wanted in (("0007,0001,0003", "0003,0007,0001"), ("0007,0003,0001", "0003,0007,0001"), ("0003,0007", ""), ("0007", ""), ("", "")):
        stub = f"""#!/bin/sh
if [ $# -gt 0 ]; then echo "$*" >>/opt/said; else printf 'BootCurrent: 0003\\nTimeout: 3 seconds\\nBootOrder: {order}\\nBoot0003* PXE\\n'; fi
"""
        text = stage4_of(hooks={"post_install": [f"cat >/opt/efibootmgr <<'E'\n{stub}E\nchmod 755 /opt/efibootmgr\n"]})
        for shell in ("dash", "busybox sh"):
            out, said = run_thrown_away(text.replace("PATH=", "PATH=/opt:", 1), "cat /opt/said", shell)
            check(out.endswith("status 0\n") and "failed" not in out, out)
            check_equal(said.strip(), f"-q -o {wanted}" if wanted else "", f"{shell}, {order}: what efibootmgr is told")
