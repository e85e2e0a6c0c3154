"""What we emit for cloud-init, judged by cloud-init itself: its schema and its code, of
Debian 12's and Debian 13's versions, over some hundred generated definitions and all ways to write user_data.
"""
import json
import os
import random
import shutil
import subprocess
import uuid

import pytest

from kit import cloud_init, http_client
from kit.check import check, check_equal, eventually, fail
from kit.command import have_image
from kit.lab import SERVER, STACK_IMAGE, Lab
from kit.scope import Scope, needs

scope = Scope("cloudinit")
lab = Lab(scope, "cloudinit")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3qNw6yT0aBQ0Qdl4f2mTm7aK1r5wD3sXj8oZ9pV7bT"
OPERATORS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0Vg4s1Xb0mT2aYQf8kq3mJrRr1hR0e1m9s8Xb2Jb0x"
DOCUMENTS = ("user-data", "vendor-data", "meta-data", "network-config")
COUNT = 520


# ---- generated definitions -----------------------------------------------------------------------

def some(rng, *choices):
    return rng.choice(choices)


def a_user(rng, name):
    user = {"name": name}
    optional = {
        "gecos": ["Ann, Room 3", "Ännchen ☃", ""],
        "groups": ["adm", "adm,sudo", ["adm", "users"], [], ""],
        "primary_group": ["users"],
        "homedir": [f"/srv/{name}", f"/home/{name}/"],
        "shell": ["/bin/bash", "/bin/sh"],
        "sudo": ["ALL=(ALL) NOPASSWD:ALL", ["ALL=(ALL) NOPASSWD:/bin/ls", "ALL=(root) /bin/df"], [], False, None, ""],
        "uid": [1500 + rng.randrange(500), str(2000 + rng.randrange(500)), 0],
        "lock_passwd": [True, False],
        "passwd": ["$6$abc$def"],
        "hashed_passwd": ["$6$abc$def"],
        "plain_text_passwd": ["secret: #1 \"x\""],
        "no_user_group": [True, False],
        "no_log_init": [True],
        "create_groups": [False],
        "expiredate": ["2030-12-31"],
        "inactive": [5, "5"],
        "selinux_user": ["staff_u"],
        "ssh_import_id": [["gh:someone"], "lp:someone", []],
        "ssh_authorized_keys": [[], [KEY], [KEY + " a comment", 'no-pty ' + KEY]],
    }
    for key in rng.sample(sorted(optional), rng.randrange(7)):
        user[key] = rng.choice(optional[key])
    if rng.random() < 0.15:
        for key in ("ssh_import_id", "ssh_authorized_keys"):
            user.pop(key, None)
        user[some(rng, "system", "no_create_home", "ssh_redirect_user")] = True
    return user


def some_users(rng):
    users = [a_user(rng, name) for name in rng.sample(["ann", "bob", "eve", "x_y-1", "root", "default"], rng.randrange(4))]
    users = [u if rng.random() < 0.8 else u["name"] for u in users]
    if rng.random() < 0.4 and not any(u == "default" or u["name"] == "default" for u in users if not isinstance(u, str)):
        users.insert(rng.randrange(len(users) + 1), "default")
    return users


def a_file(rng):
    file = {"path": some(rng, "/etc/motd", "/srv/a b/ü", "/home/ann/.profile", "/etc/x.conf")}
    optional = {
        "content": ["", "a: b\n#cloud-config\n{{ x }} ${y} \\n", "MIME-Version: 1.0\nContent-Type: text/plain\n\nx", "äöü ☃\n\n"],
        "owner": ["root", "root:root", "ann:ann", "www-data", "postgres:adm", ""],
        "permissions": ["0644", "0o600", "600", ""],
        "append": [True, False],
        "defer": [True, False],
        "encoding": ["text/plain", ""],
    }
    for key in rng.sample(sorted(optional), rng.randrange(5)):
        file[key] = rng.choice(optional[key])
    if rng.random() < 0.1:
        file.update(content="aGVsbG8K", encoding=some(rng, "b64", "base64"))
    return file


NETWORKS = [
    {"version": 2, "ethernets": {"lan": {"match": {"name": "e*"}, "dhcp4": True}}},
    {"version": 2, "ethernets": {"lan": {"match": {"macaddress": "52:54:00:aa:bb:cc"}, "set-name": "lan0", "dhcp4": True,
        "dhcp6": True, "dhcp4-overrides": {"use-dns": False}, "dhcp6-overrides": {"use-dns": False}, "mtu": 1400}}},
    {"version": 2, "ethernets": {"lan": {"match": {"name": "e*"}, "addresses": ["10.9.0.2/24", "fd00:9::2/64"],
        "routes": [{"to": "default", "via": "10.9.0.1"}, {"to": "10.1.0.0/16", "via": "10.9.0.3", "metric": 50}],
        "nameservers": {"addresses": ["10.9.0.1"], "search": ["lan"]}}}},
    {"version": 2, "ethernets": {"lan": {"match": {"name": "e*"}}},
        "vlans": {"v7": {"id": 7, "link": "lan", "addresses": ["10.7.0.2/24"]}}},
    {"version": 2, "ethernets": {"a": {"match": {"name": "enp1*"}}, "b": {"match": {"name": "enp2*"}}},
        "bonds": {"bond0": {"interfaces": ["a", "b"], "dhcp4": True, "parameters": {"mode": "active-backup"}}}},
    {"version": 2, "ethernets": {"lan": {"match": {"name": "e*"}}},
        "bridges": {"br0": {"interfaces": ["lan"], "dhcp4": True, "parameters": {"stp": False}}}},
    {"network": {"version": 2, "ethernets": {"lan": {"match": {"name": "e*"}, "dhcp4": True}}}},
    {"version": 1, "config": [{"type": "physical", "name": "eth0", "subnets": [{"type": "dhcp4"}]},
        {"type": "nameserver", "address": ["10.9.0.1"], "search": ["lan"]}]},
    {"version": 1, "config": [{"type": "physical", "name": "eth0", "mac_address": "52:54:00:aa:bb:cc",
        "subnets": [{"type": "static", "address": "10.9.0.2/24", "gateway": "10.9.0.1"}]},
        {"type": "vlan", "name": "eth0.7", "vlan_link": "eth0", "vlan_id": 7, "subnets": [{"type": "static", "address": "10.7.0.2/24"}]}]},
]


def a_definition(rng):
    fields = {}
    if rng.random() < 0.6:
        fields["users"] = some_users(rng)
    if rng.random() < 0.5:
        fields["write_files"] = [a_file(rng) for _ in range(rng.randrange(5))]
    if rng.random() < 0.4:
        fields["packages"] = rng.sample(["jq", "vim", ["nginx", "1.22.1-9"], "libc6:amd64", "g++"], rng.randrange(4))
    if rng.random() < 0.4:
        fields["runcmd"] = rng.sample(["echo $HOME", ["printf", "%s\n", "a b"], "x: y # z", ["true"], ""], rng.randrange(4))
    if rng.random() < 0.5:
        fields["ssh_keys"] = rng.sample([KEY + " one", KEY, OPERATORS], rng.randrange(3))
    if rng.random() < 0.3:
        fields["hostname"] = some(rng, "short", "long.example.org", "a.b")
    if rng.random() < 0.3:
        fields["network_config"] = rng.choice(NETWORKS)
    if rng.random() < 0.3:
        fields["ipv6"] = f"fd56:6d6c:6162::{rng.randrange(0x1000, 0xffff):x}"
    if rng.random() < 0.1:
        fields["user_data"] = some(rng, {"timezone": "UTC"}, "#cloud-config\ntimezone: UTC\n", "#!/bin/sh\ntrue\n")
    return fields


def definitions():
    rng = random.Random(7)
    made = {"bare": {}, "typical": {"ssh_key": KEY, "packages": ["jq"]}, "rootonly": {"users": [{"name": "root"}]},
        "roottoo": {"users": ["ann", {"name": "root", "ssh_authorized_keys": [KEY]}]}, "rootlast": {"users": ["ann", "root"]}}
    for i, config in enumerate(NETWORKS):
        made[f"net{i}"] = {"network_config": config}
    while len(made) < COUNT:
        made[f"m{len(made)}"] = a_definition(rng)
    return {name: dict(fields, mac=f"52:54:00:c1:{i >> 8:02x}:{i & 255:02x}") for i, (name, fields) in enumerate(made.items())}


MADE = definitions()


def full_name(name):
    hostname = MADE[name].get("hostname", name)
    return hostname if "." in hostname else hostname + ".pvmlab.local"


# ---- the tests -------------------------------------------------------------------------------------

def test_the_stack_starts_with_some_hundred_generated_definitions():
    if not have_image(STACK_IMAGE):
        fail(f"there is no image {STACK_IMAGE}: `make load` builds it")
    with open(lab.keys, "w") as f:
        f.write(OPERATORS + " operator\n")
    for name, fields in MADE.items():
        lab.define(name, **fields)
    lab.start()


UP = test_the_stack_starts_with_some_hundred_generated_definitions


def test_cloud_init_of_both_releases_can_be_run():
    versions = [cloud_init.version(release) for release in cloud_init.SUITES]
    print(f"       {versions}", flush=True)
    check(versions[0].startswith("22.") and not versions[1].startswith("22."), f"versions: {versions}")


RELEASES = test_cloud_init_of_both_releases_can_be_run


@needs(UP)
def test_every_definition_is_accepted_and_its_documents_are_served():
    refused = [p for p in lab.problems() if not p["warning"]]
    check(not refused, f"{len(refused)} refused: {json.dumps(refused[:5], indent=1)}")
    served = []
    for name, fields in MADE.items():
        entry = {"name": name, "own": "user_data" in fields, "mac": fields["mac"], "fqdn": full_name(name),
            "definition": fields}
        with lab.inside():
            for document in DOCUMENTS:
                answer = http_client.request(SERVER, f"/cloud-init/{name}/{document}")
                check_equal(answer.status, 200, f"{name}/{document}: status")
                entry[document] = answer.text
        served.append(entry)
    with open(os.path.join(scope.tempdir(), "served.json"), "w") as f:
        json.dump(served, f)


def judged(release):
    with open(os.path.join(scope.tempdir(), "served.json")) as f:
        served = json.load(f)
    with open(os.path.join(os.path.dirname(cloud_init.__file__), "cloud_init_judge.py")) as f:
        program = f.read()
    verdict = cloud_init.judge(release, program, served)
    check(verdict["networks"] >= len(NETWORKS), f"only {verdict['networks']} networks were looked at")
    problems = verdict["problems"]
    check(not problems, f"{len(problems)} of {len(served)}: " + "\n".join(problems[:12]))
    return verdict["logins"]


def lets_the_lab_in(name, user, keys):
    """The operator's key, at the user whom the API names or the guest's own default."""
    holders = [u for u, list_ in keys.items() if OPERATORS in {" ".join(k.split()[:2]) for k in list_}]
    capable = [u for u in MADE[name].get("users", ["lab"]) if isinstance(u, str) or not any(
        u.get(k) is True for k in ("system", "no_create_home", "ssh_redirect_user"))]
    wanted = capable[:1] + [u for u in capable if not isinstance(u, str) and u["name"] == "root" and (
        u.get("ssh_authorized_keys") or u.get("ssh_import_id"))]
    roots = "root" in [u if isinstance(u, str) else u["name"] for u in wanted]
    check_equal("root" in holders, roots, f"{name}: our key lets root in, of {MADE[name].get('users')}")
    if capable:
        check(holders and (user is None or user in holders), f"{name}: {user} has no key of ours: {holders} do")


@pytest.mark.parametrize("release", cloud_init.SUITES)
@needs(test_every_definition_is_accepted_and_its_documents_are_served, RELEASES)
def test_its_schema_and_code_find_nothing_wrong_and_the_keys_arrive(release):
    users = {vm["name"]: vm["user"] for vm in lab.api("/api/v1/vms")["vms"]}
    for name, keys in judged(release).items():
        lets_the_lab_in(name, users[name], keys)


# ---- the call at each boot ---------------------------------------------------------------------------

# What cloud-init leaves in /run of each release after `"packages": ["jq", "no-such-package"]`.
STAGES = ("init-local", "init", "modules-config", "modules-final")
FAILED = {
    "bookworm": "('package-update-upgrade-install', ProcessExecutionError(\"Unexpected error while running command.\\n"
        "Command: ['apt-get', 'install', 'jq', 'no-such-package']\\nExit code: 100\"))",
    "trixie": "('package-update-upgrade-install', PackageInstallerError(\"Failed to install the following packages: "
        "{'no-such-package'}. See associated package manager logs for more details.\"))",
}
WARNING = "Failure when attempting to install packages: ['jq', 'no-such-package']"
LOG = """2026-01-01 00:00:00,000 - util.py[WARNING]: of an earlier boot
2026-01-01 00:00:01,000 - util.py[DEBUG]: Cloud-init v. 22.4.2 running 'init-local' at Thu, 01 Jan 2026 00:00:01 +0000.
2026-01-01 00:00:02,000 - util.py[WARNING]: """ + WARNING + """
2026-01-01 00:00:03,000 - handlers.py[WARNING]: Failed posting event: {}. This was caused by: x
"""


WHO = """
import json, sys
from cloudinit.distros import ug_util
class Distro:
    name = "debian"
    def get_default_user(self):
        return {"name": "debian"}
users, _ = ug_util.normalize_users_groups(json.load(sys.stdin), Distro())
print(json.dumps([sorted(users), ug_util.extract_default(users)[0]]))
"""


@needs(UP, RELEASES)
def test_users_of_whom_none_can_have_a_key_cloud_init_makes_no_other_and_the_api_names_none():
    lab.define("closed", mac="52:54:00:c5:00:01", users=[{"name": "node", "system": True}])
    vm = lab.wait_vm("closed", 5)
    check_equal(vm["user"], None, "user")
    problem = eventually(lambda: lab.problems("closed.json"), 3, "a problem")[0]
    check(problem["warning"] and "nobody who can have SSH keys" in problem["text"], str(problem))
    text = lab.get("/cloud-init/closed/user-data", from_lab=True).text
    for release in cloud_init.SUITES:
        check_equal(cloud_init.judge(release, WHO, json.loads(text.split("\n", 1)[1])), [["node"], None],
            f"{release}: users, and who gets the keys of public-keys")
    lab.undefine("closed.json")


def guest_files(release, errors):
    """As at the end of a boot."""
    stages = {name: {"start": 10.0 + i, "finished": 11.0 + i, "errors": []} for i, name in enumerate(STAGES)}
    stages["modules-final"]["errors"] = errors
    files = {"/run/cloud-init/result.json": {"v1": {"errors": errors}},
        "/run/cloud-init/instance-data.json": {"v1": {"public_ssh_keys": [OPERATORS + " operator"]}}}
    if release == "trixie":
        for stage in stages.values():
            stage["recoverable_errors"] = {}
        stages["modules-final"]["recoverable_errors"] = {"WARNING": [WARNING, "Failed posting event: {}"]} if errors else {}
    else:
        files["/var/log/cloud-init.log"] = LOG if errors else ""
    files["/run/cloud-init/status.json"] = {"v1": dict(stages, datasource="x", stage=None)}
    return files


def put(root, path, content, mode=0o644):
    os.makedirs(os.path.dirname(root + path), exist_ok=True)
    with open(root + path, "w") as f:
        f.write(content if isinstance(content, str) else json.dumps(content))
    os.chmod(root + path, mode)


def boot(release, root, script, errors):
    """Both runs of cloud-init: the vendor's script once, then what is there for each boot."""
    for path, content in guest_files(release, errors).items():
        put(root, path, content)
    put(root, "/proc/sys/kernel/random/boot_id", str(uuid.uuid4()) + "\n")
    vendor = "/var/lib/cloud/instance/scripts/vendor/vmlab-ready"
    put(root, vendor, script, 0o700)
    with lab.inside():
        for path in (vendor, "/var/lib/cloud/scripts/per-boot/vmlab-ready"):
            done = subprocess.run(["chroot", root, path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                timeout=60)
            check_equal((done.returncode, done.stdout), (0, ""), path)


def clean(root):
    for path in ("/run/cloud-init", "/var/lib/cloud/instance", "/var/lib/cloud/scripts", "/home/debian", "/proc/sys"):
        shutil.rmtree(root + path, ignore_errors=True)
    for path in ("/var/log/cloud-init.log", "/etc/passwd"):
        if os.path.exists(root + path):
            os.unlink(root + path)


@pytest.mark.parametrize("release", cloud_init.SUITES)
@needs(UP, RELEASES)
def test_each_boots_call_says_what_cloud_init_met_and_whom_the_keys_let_in(release):
    name = "call-" + release
    mac = f"52:54:00:c3:00:{cloud_init.SUITES.index(release):02x}"
    lab.define(name, mac=mac, users=["default"])
    lab.wait_vm(name, 10)
    installed = json.dumps({"phase": "report", "status": "done"}).encode()
    check_equal(lab.get(f"/report/{mac}", from_lab=True, method="POST", body=installed).status, 204, "installed")
    archive = lab.get(f"/cloud-init/{name}/vendor-data", from_lab=True).text
    script = json.loads(archive.split("\n", 1)[1])[1]["content"]
    root = cloud_init.unpacked(release)
    scope.cleanup(clean, root)
    clean(root)
    put(root, "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\ndebian:x:1000:1000::/home/debian:/bin/sh\n")
    put(root, "/home/debian/.ssh/authorized_keys", f"# mine\nno-pty {OPERATORS} operator\n")
    put(root, "/etc/ssh/ssh_host_ed25519_key.pub", KEY + " root@guest\n")

    boot(release, root, script, [FAILED[release]])
    vm = lab.wait_vm(name, 20, lambda vm: vm["state"] == "ready", "is ready")
    told = vm["cloud_init"]
    check_equal((told["status"], told["recoverable_errors"]), ("error", {"WARNING": [WARNING]}), "status and warnings")
    check(len(told["errors"]) == 1 and told["errors"][0].startswith("modules-final: package-update-upgrade-install: ")
        and "no-such-package" in told["errors"][0] and "Error(" not in told["errors"][0], f"errors: {told['errors']}")
    check_equal((vm["user"], vm["ssh_host_keys"]), ("debian", [KEY]), "user and host keys")

    ipxe = lab.get(f"/ipxe?mac={mac}", from_lab=True)
    check("boots from its disk" in ipxe.text, f"what it boots: {ipxe.text}")
    vm = lab.vm(name)
    check_equal((vm["state"], vm["cloud_init"]["status"], vm["user"]), ("installed", "booting", "debian"), "while it boots")
    boot(release, root, script, [])
    told = lab.wait_vm(name, 20, lambda vm: vm["state"] == "ready", "is ready again")["cloud_init"]
    check_equal((told["status"], told["errors"], len(told["first_boot_errors"])), ("done", [], 1), "the second boot")


# ---- user_data of the user's own ---------------------------------------------------------------------

TEXTS = [
    "#cloud-config\na: 1\n", "\n\n#cloud-config\na: 1\n", " \t#cloud-config\n", "#Cloud-Config\n", "#cloud-config-archive\n- x\n",
    "#cloud-config-jsonp\n[]\n", "#cloudconfig\na: 1\n", "# cloud-config\na: 1\n", "#cloud_config\n", "cloud-config\n", "a: 1\n",
    "#!/bin/sh\ntrue\n", "\n#!/bin/sh\ntrue\n", "# !/bin/sh\n", "#include http://x/y\n", "#include-once\nhttp://x/y\n",
    "#cloud-boothook\ntrue\n", "#part-handler\nx\n", "#upstart-job\nx\n", "## template: jinja\n#cloud-config\na: 1\n",
    "\n## template: jinja\n#cloud-config\n", "## template: jinja\n#!/bin/sh\n", "## template: jinja\nx\n", "## template: basic\n#cloud-config\n",
    "##template: jinja\n#cloud-config\n", "Content-Type: multipart/mixed; boundary=\"x\"\nMIME-Version: 1.0\n\n--x\nContent-Type: "
    "text/cloud-config\n\na: 1\n--x--\n", "MIME-Version: 1.0\nContent-Type: text/x-shellscript\n\n#!/bin/sh\n",
    "Content-Type: text/cloud-config\n\na: 1\n", "From me\n\nhello\n", "{\"a\": 1}\n", "\x1c#cloud-config\n", "#",
]
# What cloud-init makes of a text: true when a handler of it takes it.
TAKES = r'''
import json, logging, os, sys
logging.disable(logging.CRITICAL)
from cloudinit import handlers, helpers, util
from cloudinit.handlers import jinja_template
from cloudinit.user_data import UserDataProcessor
paths = helpers.Paths({"cloud_dir": "/tmp/cloud", "run_dir": "/tmp/run"})
os.makedirs("/tmp/run", exist_ok=True)
open("/tmp/run/data.json", "w").write("{}")
known = {v for v in handlers.INCLUSION_TYPES_MAP.values() if not v.startswith("text/x-shellscript-per")}
after_jinja = {"text/cloud-config", "text/x-shellscript", "text/cloud-boothook", "text/cloud-config-jsonp"}
def one(text):
    if text.lower().lstrip().startswith(("#include", "#cloud-config-archive")):
        return handlers.type_from_starts_with(text) in known
    kinds = [(p.get_content_type(), util.fully_decoded_payload(p)) for p in UserDataProcessor(paths).process(text).walk() if not p.is_multipart()]
    for kind, payload in kinds:
        if kind == "text/jinja2":
            try:
                rendered = jinja_template.render_jinja_payload_from_file(payload, "x", "/tmp/run/data.json")
            except Exception:
                continue
            if handlers.type_from_starts_with(rendered or "") in after_jinja:
                return True
        elif kind in known:
            return True
    return False
print(json.dumps([one(t) for t in json.load(sys.stdin)]))
'''


@needs(UP, RELEASES)
def test_user_data_is_taken_exactly_where_cloud_init_would_take_it_and_handed_on_as_it_is():
    for i, text in enumerate(TEXTS):
        lab.define(f"own{i}", mac=f"52:54:00:c2:00:{i:02x}", user_data=text)
    lab.wait_vm(f"own0", 10)
    verdicts = {r: cloud_init.judge(r, TAKES, TEXTS) for r in cloud_init.SUITES}
    check_equal(verdicts["bookworm"], verdicts["trixie"], "the two releases")
    refused = {p["file"] for p in lab.problems() if not p["warning"]}
    for i, (text, takes) in enumerate(zip(TEXTS, verdicts["trixie"])):
        check_equal(f"own{i}.json" not in refused, takes, f"{text!r} is taken")
        if takes:
            lab.wait_vm(f"own{i}", 10)
            check_equal(lab.get(f"/cloud-init/own{i}/user-data", from_lab=True).text, text, "what is served")


# ---- contents that cannot be decoded -------------------------------------------------------------------

CONTENTS = [(c, e) for e in ("b64", "gz+base64", "gz", "text/plain") for c in (
    "aGVsbG8K", "aGVsbG8=", "aGVs\nbG8K\n", "aGVsbA", "a", "hello world", "hällo", "hello, you", "", "====", "aGVsbA==aGVsbA==", "a=GVsbA",
    "H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==", "H4sIAAAAAAAAA8tIzcnJBwCGphA3BQAAAA==", "H4sIAAAAAAAAA8tIzcnJBw==",
    "H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAB+LCAAAAAAAAAPLSM3JyQcAhqYQNgUAAAA=", "H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAAAAAAA=")]
DECODES = """
import json, sys
from cloudinit.config import cc_write_files as w
def one(content, encoding):
    try:
        w.extract_contents(content, w.canonicalize_extraction(encoding, *[__import__("logging")] * (w.canonicalize_extraction.__code__.co_argcount - 1)))
        return True
    except Exception:
        return False
print(json.dumps([one(*row) for row in json.load(sys.stdin)]))
"""


@needs(UP, RELEASES)
def test_content_is_refused_exactly_where_cloud_init_fails_to_decode_it():
    for i, (content, encoding) in enumerate(CONTENTS):
        lab.define(f"file{i}", mac=f"52:54:00:c7:00:{i:02x}", write_files=[{"path": "/a", "content": content, "encoding": encoding}])
    lab.wait_vm("file0", 10)
    lab.wait_vm(f"file{len(CONTENTS) - 1}", 10)
    refused = {p["file"] for p in lab.problems() if not p["warning"]}
    for release in cloud_init.SUITES:
        for i, decodes in enumerate(cloud_init.judge(release, DECODES, CONTENTS)):
            check_equal(f"file{i}.json" not in refused, decodes, f"{release}: {CONTENTS[i]} is taken")
    for i in range(len(CONTENTS)):
        lab.undefine(f"file{i}.json")


# ---- documents of the user's own, and what validate says of them -------------------------------------

DOCUMENTS_OF_USERS = [
    "a: 1\n", "- a\n- b\n", "foo: [", "hello\n", "[1, 2]\n", "{\"a\": 1}\n", "a: b: c\n", "a: 1\nb\n", "a:\n\t- b\n", "a: \"x\n",
    "a: @x\n", "a: 1\n- b\n", "# nothing\n", "a: it's\nb: [x, 'y']\n", "a: |\n  [ {\n  '\nb: 1\n", "a: text\n  'tis more\nb: {c: d,\n  e: f}\n",
]
SEEDS = DOCUMENTS_OF_USERS + [
    "users:\n  - default\n  - name: ann\n    sudo: 'ALL=(ALL) NOPASSWD:ALL'\npackages: [jq, \"vim\"]\nruncmd:\n- [sh, -c, 'echo \"a: b\"']\n"
    "- echo it's # no\n- |\n  if [ x ]; then\n    echo '\n  fi\nwrite_files:\n- path: /a\n  content: |\n    {\n    key: [\n  permissions: '0644'\n",
    "a: >-\n  folded\n\n  text\nb:\n- - x\n  - y\n- z: 1\n  w: \"2\n    3\"\nc: &n [1]\nd: *n\ne: !!str 12\nf: http://h:80/p?q#r\ng:\n  -\n    h: i\n",
]
PIECES = list(" \n-:#'\"[]{},|>&*!?%@ab") + ["\n- ", "\n  ", ": ", " #", "\n", "- |\n", "a: b\n", "\t"]
VERDICTS = r'''
import json, logging, sys
logging.disable(logging.CRITICAL)
import yaml
from cloudinit import util
def one(text):
    try:
        kind = type(yaml.safe_load(text)).__name__
    except Exception:
        kind = "broken"
    return [kind, bool(util.load_yaml(text, default=None, allowed=(dict,)))]
print(json.dumps([one(t) for t in json.load(sys.stdin)]))
'''


def mutants(count):
    rng = random.Random(3)
    for _ in range(count):
        text = rng.choice(SEEDS)
        for _ in range(1 + rng.randrange(3)):
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice(PIECES) + text[at:] if rng.random() < 0.6 else text[:at] + text[at + 1 + rng.randrange(3):]
        yield text


@needs(UP, RELEASES)
def test_a_user_data_that_cloud_inits_yaml_does_not_take_is_told_and_none_that_it_takes():
    texts = ["#cloud-config\n" + t for t in DOCUMENTS_OF_USERS + list(mutants(400))]
    for i, text in enumerate(texts):
        lab.define(f"doc{i}", mac=f"52:54:00:c6:{i >> 8:02x}:{i & 255:02x}", user_data=text)
    lab.wait_vm(f"doc{len(texts) - 1}", 20)
    said = {p["file"]: p["text"] for p in lab.problems() if "would ignore all of it" in p["text"]}
    for release in cloud_init.SUITES:
        told = 0
        for i, (text, (kind, taken)) in enumerate(zip(texts, cloud_init.judge(release, VERDICTS, texts))):
            says = said.get(f"doc{i}.json")
            check(not (says and taken), f"{release} takes {text!r}, and we say: {says}")
            if i < len(DOCUMENTS_OF_USERS):
                check_equal(bool(says), kind not in ("dict", "NoneType"), f"{release}: we say it of {text!r}, {kind}")
            told += bool(says)
        check(told > 100, f"only {told} were told")
    for i in range(len(texts)):
        lab.undefine(f"doc{i}.json")
