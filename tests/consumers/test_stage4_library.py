"""The helpers of scripts that make a system what it is to be, in the user lands they are for: Debian's with its dash and
with busybox, and Alpine's, each thrown away afterwards. Their own programs judge: getent, id, stat, sha256sum."""
import hashlib
import os
import subprocess

import pytest

from kit.check import check, check_equal, skip
from kit.command import ROOT, have_command
from kit.scope import Scope

LIBRARY = os.path.join(ROOT, "lib", "unattended", "stage4_library.sh")
ALPINE = os.environ.get("ALPINE_MINIROOTFS", "")
BODY = b"what is fetched\n"
PORT = 8031
scope = Scope("stage4-library")

# The package manager and what starts services say what they are told; nothing here may ask a mirror.
STUB = "#!/bin/sh\necho \"$(basename \"$0\") $*\" >>/opt/told\n"


def debian(work, shell):
    """This machine with copies of what is changed in the place of its own."""
    return f'''cp -a /etc {work}/etc && mkdir -p {work}/root {work}/home {work}/srv {work}/var/log || exit 9
for d in etc root home srv var/log opt; do mount --bind {work}/$d /$d || exit 9; done
STAGE4=/opt/library PATH=/opt:$PATH {shell} /opt/script'''


def alpine(work, shell):
    return f'''mkdir {work}/tree && tar -xzf {ALPINE} -C {work}/tree && mkdir -p {work}/tree/opt && cp {work}/opt/* {work}/tree/opt/ || exit 9
mount --bind {work}/tree {work}/tree; mount -t proc proc {work}/tree/proc; mount --bind /dev {work}/tree/dev
STAGE4=/opt/library PATH=/opt:/usr/sbin:/usr/bin:/sbin:/bin chroot {work}/tree {shell} /opt/script'''


LANDS = {"debian-dash": (debian, "dash", "apt-get", "systemctl"), "debian-busybox": (debian, "busybox sh", "apt-get", "systemctl"),
    "alpine": (alpine, "/bin/sh", "apk", "rc-update")}


@pytest.fixture(params=LANDS)
def land(request):
    if os.geteuid() != 0 or not have_command("unshare"):
        skip("needs root and unshare")
    make, shell, *stubs = LANDS[request.param]
    if make is alpine and not os.path.exists(ALPINE):
        skip("ALPINE_MINIROOTFS names no Alpine minirootfs")
    if make is debian and not have_command(shell.split()[0]):
        skip(f"{shell} is not installed")

    def run(script):
        work = os.path.join(scope.tempdir(), request.node.name.replace("[", "-").strip("]") + str(os.urandom(3).hex()))
        os.makedirs(os.path.join(work, "opt"))
        for name, text in [("library", open(LIBRARY).read()), ("script", '. "$STAGE4"\n' + script), *((s, STUB) for s in stubs)]:
            with open(os.path.join(work, "opt", name), "w") as f:
                f.write(text)
            os.chmod(f.name, 0o755)
        os.mkdir(os.path.join(work, "served"))
        with open(os.path.join(work, "served", "file"), "wb") as f:
            f.write(BODY)
        program = f'''ip link set lo up
python3 -m http.server -b 127.0.0.1 -d {work}/served {PORT} >/dev/null 2>&1 &
server=$!
for i in $(seq 100); do python3 -c "import socket; socket.create_connection(('127.0.0.1', {PORT}))" 2>/dev/null && break; sleep 0.1; done
({make(work, shell)}) 2>&1
echo "status $?"
kill $server'''
        done = subprocess.run(["unshare", "-m", "-n", "--propagation", "private", "sh", "-c", program], capture_output=True, text=True,
            timeout=120, stdin=subprocess.DEVNULL)
        return done.stdout

    run.stubs = stubs
    return run


def test_steps_and_retries(land):
    out = land("""step 'a step' true
retry 3 sh -c 'echo x >>/root/tries; [ "$(grep -c x /root/tries)" -ge 2 ]' && log "after $(grep -c x /root/tries) tries"
retry 2 false || log 'given up'
try 'what may fail' false
step 'what must not' sh -c 'exit 7'
echo never""")
    check_equal(out, "vmlab: a step\nvmlab: after 2 tries\nvmlab: given up\nvmlab: what may fail\nvmlab: what may fail failed with status 1\n"
        "vmlab: what must not\nvmlab: stopped: what must not failed with status 7\nstatus 1\n", "said")


def test_what_is_fetched_has_its_digest(land):
    right = hashlib.sha256(BODY).hexdigest()
    out = land(f"""fetch http://127.0.0.1:{PORT}/file {right} /root/a && cat /root/a
fetch http://127.0.0.1:{PORT}/file '' /root/b && cat /root/b
fetch http://127.0.0.1:{PORT}/file {right[::-1]} /root/c; echo "$?"; ls /root/c 2>&1 | grep -c 'No such'""")
    check_equal(out.splitlines()[:2], [BODY.decode().strip()] * 2, out)
    check("has another SHA-256" in out and out.endswith("1\n1\nstatus 0\n"), out)


def test_files(land):
    out = land("""file /srv/a/b 0640 root:root write plain 'it is "$x" '
file /srv/a/b 0600 root:root append base64 bW9yZQo=
cat /srv/a/b; stat -c '%a %U' /srv/a/b; file /srv/c 755 root:root write gzip "$(printf zipped | gzip | base64 | tr -d '\\n')"; cat /srv/c""")
    check_equal(out, 'it is "$x" more\n600 root\nzippedstatus 0\n', "files")


def test_users(land):
    out = land("""user ann 'gecos=Ann A' groups=labx,laby shell=/bin/sh uid=4321 homedir=/srv/ann || exit 3
user_key ann 'ssh-ed25519 AAAA x y'
user_key ann 'ssh-ed25519 AAAA x y'
user ann groups=extra || exit 4
user sys system=yes || exit 5
user bob 'hash=$6$ab$cd' primary_group=team || exit 6
getent passwd ann | cut -d: -f1,3,5-; id -nG ann | tr ' ' '\\n' | sort | tr '\\n' ' '; id -ng bob
cat /srv/ann/.ssh/authorized_keys; stat -c '%a %U' /srv/ann/.ssh /srv/ann/.ssh/authorized_keys
[ "$(id -u sys)" -lt 1000 ] && echo low; grep '^bob:' /etc/shadow | cut -d: -f2; grep '^ann:' /etc/shadow | cut -d: -f2 | cut -c1""")
    lines = [line for line in out.splitlines() if not line.startswith(("addgroup", "adduser", "useradd", "chpasswd", "passwd"))]
    check_equal(lines[0], "ann:4321:Ann A:/srv/ann:/bin/sh", out)
    check_equal(lines[1].split(), ["ann", "extra", "labx", "laby", "team"], out)
    check_equal(lines[2:6], ["ssh-ed25519 AAAA x y", "700 ann", "600 ann", "low"], out)
    check_equal(lines[6], "$6$ab$cd", out)
    check(lines[7] in ("!", "*") and lines[8] == "status 0", out)


def test_packages_and_services(land):
    out = land("package jq curl || exit 3; service sshd cron || exit 4; cat /opt/told")
    packages, service = land.stubs
    wanted = {"apt-get": "apt-get -q -y install jq curl", "apk": "apk -q add jq curl"}[packages]
    told = {"systemctl": ["systemctl enable sshd cron"], "rc-update": ["rc-update add sshd default", "rc-update add cron default"]}[service]
    check_equal(out.splitlines(), [wanted, *told, "status 0"], "told")
