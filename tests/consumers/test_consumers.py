"""What we emit, parsed by who reads it: dnsmasq and cloud-init.

iPXE's turn is in test_e2e.py (a real machine runs every script) and grub.cfg's too. cloud-init is
the one of the guest image (images/debian-13/amd64), run in a container made from it.
"""
import json
import os
import re
import subprocess

from kit import dns
from kit.check import check, check_equal, fail, skip
from kit.command import DOCKER, PREFIX, docker, have_command, have_image
from kit.lab import SERVER, STACK_IMAGE, Lab
from kit.scope import Scope, needs
from kit.vmlab_cli import IMAGES

scope = Scope("consumers")
lab = Lab(scope, "consumers")
GUEST = PREFIX + "guest"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3qNw6yT0aBQ0Qdl4f2mTm7aK1r5wD3sXj8oZ9pV7bT"
DOCUMENTS = ("meta-data", "user-data", "vendor-data", "network-config")


# Characters and words that a YAML 1.1 reader takes for something else, or not at all.
ODD = "\x7f\x80\x85\x9f\xa0\u2028\u2029\ufeff\ufffe\uffff\U0001f600\U0010ffff\t\x01\r"
WORDS = ("yes", "No", "on", "OFF", "y", "null", "~", "", "0x1f", "0o17", "017", "1:30", "52:54:00:12:34:56",
    "12:34:56:11:22:33", "1_000", "1e3", ".5", "-.inf", ".NaN", "2025-11-26", "2025-11-26T01:02:03Z", "<<", "=", "- x",
    "? x", "# x", "&a", "*a", "!!int 3", "%YAML", "---", "...", "{{ x }}", "| x", "> x", " x", "x ", "'", '"', "\\", "a: b")

# What a definition may say to cloud-init, awkward text included: name -> fields.
RICH = {
    "plain": {},
    "users": {"users": [{"name": "ann", "ssh_authorized_keys": [KEY], "sudo": "ALL=(ALL) NOPASSWD:ALL"}, {"name": "bob", "groups": ["adm"]}]},
    "files": {"write_files": [
        {"path": "/etc/motd", "content": "tab\there, quote \" and ' and: colon # hash\n- dash\n{{ jinja }} ${x} \\n\n"},
        {"path": "/etc/x", "content": "äöü ☃ 0x1 yes no null ~", "permissions": "0600"}]},
    "commands": {"packages": ["vim", "jq"], "runcmd": [["echo", "a b"], "echo $HOME; echo \"x\" > /tmp/y"]},
    "ownobject": {"user_data": {"timezone": "Europe/Berlin", "users": [{"name": "own", "ssh_authorized_keys": [KEY]}]}},
    "owntext": {"user_data": "#cloud-config\ntimezone: UTC\nruncmd:\n  - [uname, -a]\n"},
    "static": {"network_config": {"version": 2, "ethernets": {"lan": {"match": {"name": "e*"}, "dhcp4": True}}}},
    "hosted": {"hostname": "other-name", "ssh_key": KEY, "packages": ["nginx"]},
}
# What looks like something else in YAML: no document that means anything, so only read.
LOOKS = {
    "yaml": {"write_files": [{"path": "/etc/odd", "content": "".join(ODD)}],
        "runcmd": [["printf", "%s"] + [f"a {c} b" for c in ODD] + list(WORDS)]},
    "yamlobject": {"user_data": {"odd": {c: [c, f" {c} "] for c in ODD}, "words": {w: w for w in WORDS},
        "numbers": [0, -1, 2 ** 62, 1.5, -0.25, 1e22, 1e300, 1.5e-7, 2.0], "plain": [True, False, None], "k" * 1200: 1}},
    "600": {"hostname": "0x1F.true"},
    "true": {},
}
ALL = {**RICH, **LOOKS}


def mac_of(name):
    return f"52:54:00:c0:00:{list(ALL).index(name) + 1:02x}"


def test_the_stack_starts_with_a_rich_set_of_definitions():
    if not have_image(STACK_IMAGE):
        fail(f"there is no image {STACK_IMAGE}: `make load` builds it")
    lab.make_image()
    with open(lab.keys, "w") as f:
        f.write(KEY + " operator\n")
    for i, (name, fields) in enumerate(ALL.items()):
        lab.define(name, mac=mac_of(name), ip=f"192.168.100.{10 + i}", ipv6=f"fd56:6d6c:6162::{10 + i:x}", **fields)
    lab.start()


UP = test_the_stack_starts_with_a_rich_set_of_definitions


@needs(UP)
def test_every_one_of_them_is_accepted():
    bad = [p for p in lab.problems() if not p["warning"]]
    check(not bad, f"refused: {json.dumps(bad, indent=1)}")
    names = [vm["name"] for vm in lab.api("/api/v1/vms")["vms"]]
    check_equal(sorted(names), sorted(ALL), "VMs")


def fetch(name, document):
    answer = lab.get(f"/cloud-init/{name}/{document}", from_lab=True)
    check_equal(answer.status, 200, f"{name}/{document}: status")
    return answer.text


# ---- dnsmasq -------------------------------------------------------------------------------------

@needs(UP)
def test_dnsmasq_test_accepts_the_configuration_and_the_hosts_files():
    command = lab.exec("sh", "-c", "tr '\\0' ' ' </proc/$(cat /run/dnsmasq/dnsmasq.pid)/cmdline").stdout.split()
    options = [word for word in command[1:] if word.startswith(("--conf", "-C"))]
    done = lab.exec("dnsmasq", "--test", *options, check_rc=False)
    check(done.returncode == 0 and "OK" in done.stdout + done.stderr, f"{options}: {done.stdout} {done.stderr}")


@needs(UP)
def test_dnsmasq_read_as_many_reservations_as_there_are_machines_without_a_complaint():
    log = docker("logs", lab.stack, check_rc=False)
    text = log.stdout + log.stderr
    for word in ("bad ", "duplicate", "inconsistent", "cannot read", "failed to load"):
        check(not re.search(rf"dnsmasq.*{word}", text), f"dnsmasq complains: "
            + str([l for l in text.splitlines() if word in l][:3]))
    hosts = lab.exec("cat", "/run/vm_watcher/dhcp-hosts").stdout
    lines = [l for l in hosts.splitlines() if l and not l.startswith("#")]
    macs = re.findall(r"52:54:00:c0:00:\w\w", hosts)
    check_equal(sorted(set(macs)), sorted(mac_of(n) for n in ALL), f"MACs in:\n{hosts}")
    for line in lines:
        check(re.fullmatch(r"[0-9a-z:.,*\[\]-]+", line, re.I), f"an odd line: {line!r}")
    mode = lab.exec("stat", "-c", "%a", "/run/vm_watcher/dhcp-hosts", "/run/vm_watcher/dns-hosts").stdout.split()
    check_equal(mode, ["644", "644"], "modes of the hosts files")


@needs(UP)
def test_dnsmasq_answers_what_the_files_say():
    with lab.inside():
        for i, name in enumerate(ALL):
            check_equal(dns.ask(SERVER, f"{name}.pvmlab.local"), (0, [f"192.168.100.{10 + i}"]), name)


# ---- cloud-init ------------------------------------------------------------------------------------

def test_cloud_init_of_the_guest_image_can_be_run():
    rootfs = os.path.join(IMAGES, "debian-13", "amd64", "rootfs.tar.zst")
    if not os.path.exists(rootfs):
        skip("images/debian-13/amd64 is missing: `vmlab image build debian-13` makes it")
    if not have_command("zstd"):
        skip("`zstd` is not installed on this machine")
    scope.cleanup(lambda: docker("image", "rm", "-f", GUEST, check_rc=False))
    unpack = subprocess.Popen(["zstd", "-dcq", rootfs], stdout=subprocess.PIPE)
    done = subprocess.run([DOCKER, "import", "-", GUEST], stdin=unpack.stdout, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, timeout=300)
    unpack.stdout.close()
    check(unpack.wait() == 0 and done.returncode == 0, f"docker import: {done.stderr}")
    print("       " + docker("run", "--rm", "--network", "none", GUEST, "cloud-init", "--version").stdout.strip(),
        flush=True)


GUEST_UP = test_cloud_init_of_the_guest_image_can_be_run


def in_guest(script, directory):
    return docker("run", "--rm", "--network", "none", "-v", f"{directory}:/seed:ro", GUEST, "/bin/sh", "-c", script,
        timeout=180, check_rc=False)


def seeds():
    directory = os.path.join(scope.tempdir(), "seeds")
    if not os.path.isdir(directory):
        for name in ALL:
            where = os.path.join(directory, "rich" if name in RICH else "looks", name)
            os.makedirs(where)
            for document in DOCUMENTS:
                with open(os.path.join(where, document), "w") as f:
                    f.write(fetch(name, document))
    return directory


@needs(UP, GUEST_UP)
def test_cloud_init_schema_finds_user_data_valid():
    done = in_guest("rc=0; for f in /seed/rich/*/user-data; do "
        "out=$(cloud-init schema -c $f 2>&1) && case \"$out\" in *eprecat*) false;; esac || "
        "{ rc=1; echo \"$f: $out\"; }; done; exit $rc", seeds())
    check(done.returncode == 0, done.stdout[-3000:])


@needs(UP, GUEST_UP)
def test_cloud_init_schema_finds_network_config_valid():
    done = in_guest("rc=0; for f in /seed/rich/*/network-config; do "
        "out=$(cloud-init schema -t network-config -c $f 2>&1) || { rc=1; echo \"$f: $out\"; }; done; exit $rc", seeds())
    check(done.returncode == 0, done.stdout[-3000:])


@needs(UP, GUEST_UP)
def test_cloud_init_reads_from_the_seed_exactly_what_the_definition_said():
    program = r'''
import json, sys
from cloudinit import util, safeyaml
out = {}
for path in sys.argv[1:]:
    name = path.split("/")[-1]
    user = util.load_yaml(open("%s/user-data" % path).read())
    meta = util.load_yaml(open("%s/meta-data" % path).read())
    vendor = util.load_yaml(open("%s/vendor-data" % path).read(), allowed=(list,))
    net = util.load_yaml(open("%s/network-config" % path).read())
    out[name] = {"user": user, "meta": meta, "vendor": vendor, "net": net}
print(json.dumps(out))
'''
    with open(os.path.join(seeds(), "read.py"), "w") as f:
        f.write(program)
    done = in_guest("python3 /seed/read.py /seed/rich/* /seed/looks/*", seeds())
    check(done.returncode == 0, done.stdout + done.stderr)
    got = json.loads(done.stdout)
    for name, fields in ALL.items():
        hostname = fields.get("hostname", name)
        check_equal(got[name]["meta"]["local-hostname"], hostname if "." in hostname else hostname + ".pvmlab.local",
            f"{name}: local-hostname")
        check_equal(got[name]["meta"]["instance-id"], f"iid-{name}-1", f"{name}: instance-id")
        check(f"http://{SERVER}/report/{mac_of(name)}?phase=ready" in got[name]["vendor"][1]["content"], f"{name}: the call")
        check(got[name]["net"], f"{name}: no network-config")
    for wanted, written in zip(RICH["files"]["write_files"], got["files"]["user"]["write_files"]):
        check_equal(written["content"], wanted["content"], f"files: {wanted['path']}")
    check_equal(got["commands"]["user"]["runcmd"], RICH["commands"]["runcmd"], "commands: runcmd")
    check_equal(got["yaml"]["user"]["runcmd"], LOOKS["yaml"]["runcmd"], "yaml: runcmd")
    check_equal(got["yaml"]["user"]["write_files"], LOOKS["yaml"]["write_files"], "yaml: write_files")
    check_equal(got["yamlobject"]["user"], LOOKS["yamlobject"]["user_data"], "yamlobject: user_data")
    check_equal(got["600"]["user"]["hostname"], "0x1F", "600: hostname")
    check_equal(got["true"]["user"]["hostname"], "true", "true: hostname")
    check_equal(got["commands"]["user"]["packages"], RICH["commands"]["packages"], "commands: packages")
    check_equal({u["name"] for u in got["users"]["user"]["users"] if isinstance(u, dict)}, {"ann", "bob"}, "users")
    check_equal(got["ownobject"]["user"]["timezone"], "Europe/Berlin", "ownobject: timezone")
    check_equal(got["owntext"]["user"]["timezone"], "UTC", "owntext: timezone")
    check_equal(got["static"]["net"]["ethernets"]["lan"]["match"], {"name": "e*"}, "static: network-config")


@needs(UP, GUEST_UP)
def test_cloud_inits_network_renderer_accepts_each_network_config():
    done = in_guest("rc=0; for d in /seed/rich/*/; do out=$(cloud-init devel net-convert -p $d/network-config -k yaml "
        "-d /tmp/out -D debian -O networkd 2>&1) || { rc=1; echo \"$d: $out\"; }; done; exit $rc", seeds())
    check(done.returncode == 0, done.stdout[-3000:])


@needs(UP)
def test_the_schema_that_editors_use_accepts_what_the_parser_accepts():
    path = os.path.join(os.path.dirname(IMAGES), "vms", "vm.schema.json")
    if not os.path.exists(path):
        fail("vms/vm.schema.json is missing")
    with open(path) as f:
        schema = json.load(f)
    check_equal(schema.get("$schema"), "https://json-schema.org/draft/2020-12/schema", "$schema")
    known = set(schema["properties"])
    for name, fields in ALL.items():
        unknown = set(fields) - known
        check(not unknown, f"{name}: the schema does not know {unknown}")
    check("name" in schema["required"], f"required: {schema['required']}")
    check_equal([one["required"] for one in schema["anyOf"]], [["mac"], ["uuid"], ["serial"]], "of which one is required")
