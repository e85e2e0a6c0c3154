"""Broken and hostile definitions and requests, and that nothing of them reaches an
iPXE script, a hosts file, a shell or another VM.
"""
import json
import os
import re
import urllib.parse

from kit.check import check, check_equal, eventually, fail
from kit.command import docker, have_image
from kit.lab import STACK_IMAGE, Lab
from kit.scope import Scope, needs

scope = Scope("badinput")
lab = Lab(scope, "bad")
GOOD = "52:54:00:bd:00:01"
MARK = "PWNED"
state = {}

# What ends a word, a line, a string or a variable somewhere.
EVIL = {
    "newline": f"a\n{MARK}", "return": f"a\r{MARK}", "quote": f"a\"{MARK}", "apostrophe": f"a'{MARK}",
    "dollar": f"a${{{MARK}}}", "backtick": f"a`{MARK}`", "slash": f"a/{MARK}", "dots": f"../{MARK}",
    "nul": f"a\0{MARK}", "comma": f"a,{MARK}", "space": f"a {MARK}", "tab": f"a\t{MARK}",
    "semicolon": f"a;{MARK}", "hash": f"a#{MARK}", "escape": f"a\x1b[2J{MARK}", "percent": f"a%0a{MARK}",
    "unicode": f"a\u2028{MARK}", "long": MARK * 400,
}
# Fields that are an identity: hostile text is refused, the whole definition with it.
REFUSED_FIELDS = ("name", "mac", "ip", "ipv6", "hostname", "distro", "uuid", "arch", "firmware", "mode", "kernel",
    "initrd", "memory", "after_install")
# Free text: refused or emitted so that it stays text.
TEXT_FIELDS = ("kernel_args", "serial", "role", "ssh_key")


def test_the_stack_starts():
    if not have_image(STACK_IMAGE):
        fail(f"there is no image {STACK_IMAGE}: `make load` builds it")
    lab.make_image()
    lab.define("good", mac=GOOD, ip="192.168.100.10")
    lab.start()
    state["pids"] = lab.pids()


UP = test_the_stack_starts


def script_for(mac):
    answer = lab.get(f"/ipxe?mac={mac}", from_lab=True)
    check_equal(answer.status, 200, f"/ipxe for {mac}: status")
    return answer.text


def hosts():
    return lab.exec("cat", "/run/vm_watcher/dhcp-hosts", "/run/vm_watcher/dns-hosts").stdout


def only_good():
    """What an earlier test left behind is no part of the next."""
    for file in os.listdir(lab.vms):
        path = os.path.join(lab.vms, file)
        if file != "good.json":
            os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    eventually(lambda: not lab.problems() and len(lab.api("/api/v1/vms")["vms"]) == 1, 5, "only good.json is left")


def good_still_served():
    check("initrd.mode=install" in script_for(GOOD), "the good VM has no install script any more")
    check(GOOD in hosts(), "the good VM is not in dhcp-hosts any more")


def wait_known(files, seconds=5):
    """Waits until each file is either a VM's or a problem's."""
    def known():
        listed = lab.api("/api/v1/vms")
        seen = {p["file"] for p in listed["problems"]} | {vm["name"] + ".json" for vm in listed["vms"]}
        return set(files) <= seen
    eventually(known, seconds, f"{len(files)} files are read")


@needs(UP)
def test_hostile_text_in_an_identity_refused_named_and_nowhere_to_be_seen():
    only_good()
    written = {}
    number = 0
    for field in REFUSED_FIELDS:
        for kind, text in EVIL.items():
            number += 1
            file = f"evil-{field}-{kind}.json".replace("_", "-")
            definition = {"name": file[:-5], "mac": f"52:54:00:bd:{16 + number // 256:02x}:{number % 256:02x}"}
            definition[field] = text if field != "mac" else definition["mac"] + text[1:]
            written[file] = (field, definition["mac"] if field != "mac" else None)
            lab.write(file, json.dumps(definition))
    wait_known(written, 15)
    listed = lab.api("/api/v1/vms")
    check_equal([vm["name"] for vm in listed["vms"]], ["good"], "VMs")
    problems = {p["file"]: p for p in listed["problems"]}
    for file in written:
        problem = problems[file]
        check(problem["line"] >= 1 and problem["column"] >= 1, f"{file}: no position: {problem}")
        check(not re.search(r"[\x00-\x1f]", problem["text"]), f"{file}: control characters: {problem['text']!r}")
        check(len(problem["text"]) < 1000, f"{file}: {len(problem['text'])} characters")
    eventually(lambda: GOOD in hosts(), 3, "hosts files")
    check(MARK not in hosts() and "evil-" not in hosts(), f"in the hosts files:\n{hosts()}")
    for file, (field, mac) in list(written.items())[::7]:
        if mac:
            check(MARK not in script_for(mac), f"{file}: in the script")
    good_still_served()
    for file in written:
        lab.undefine(file)
    eventually(lambda: not lab.problems(), 5, "the problems are gone")


@needs(UP)
def test_hostile_free_text_refused_or_text_and_nothing_but_text():
    only_good()
    written = {}
    for field in TEXT_FIELDS:
        for number, (kind, text) in enumerate(EVIL.items()):
            name = f"text-{TEXT_FIELDS.index(field)}-{kind}"
            mac = f"52:54:00:be:{TEXT_FIELDS.index(field):02x}:{number:02x}"
            written[name] = (field, mac)
            lab.write(name + ".json", json.dumps({"name": name, "mac": mac, field: text}))
    wait_known([n + ".json" for n in written], 15)
    for name, (field, mac) in written.items():
        script = script_for(mac)
        check("\r" not in script and "\0" not in script, f"{name}: control characters in the script")
        for line in script.split("\n"):
            if MARK in line:
                check(line.startswith("kernel ") and field == "kernel_args", f"{name}: {line!r} in:\n{script}")
                check("${" + MARK not in line, f"{name}: iPXE expands {line!r}")
        for document in ("meta-data", "user-data", "vendor-data", "network-config"):
            answer = lab.get(f"/cloud-init/{name}/{document}", from_lab=True)
            if answer.status == 200:
                body = answer.text.split("\n", 1)[1] if answer.text.startswith("#cloud-config") else answer.text
                json.loads(body)
    check(MARK not in hosts(), f"in the hosts files:\n{hosts()}")
    good_still_served()
    for name in written:
        lab.undefine(name + ".json")
    eventually(lambda: [vm["name"] for vm in lab.api("/api/v1/vms")["vms"]] == ["good"], 5, "they are gone")


def broken_files():
    yield "half.json", b'{"name": "half", "mac": "52:54:'
    yield "empty.json", b""
    yield "spaces.json", b"  \n\n  "
    yield "null.json", b"null"
    yield "array.json", b'[{"name": "array", "mac": "52:54:00:bd:01:01"}]'
    yield "string.json", b'"string"'
    yield "twice.json", b'{"name": "twice",\n "mac": "52:54:00:bd:01:02",\n "mac": "52:54:00:bd:01:03"}'
    yield "deep.json", b'{"name":"deep","mac":"52:54:00:bd:01:04","storage":' + b"[" * 3000 + b"]" * 3000 + b"}"
    yield "deeper.json", b"[" * 60000
    yield "huge.json", b'{"name":"huge","mac":"52:54:00:bd:01:05","role":"' + b"x" * 70000 + b'"}'
    yield "binary.json", bytes(range(256)) * 20
    yield "utf16.json", '{"name":"utf16","mac":"52:54:00:bd:01:06"}'.encode("utf-16")
    yield "latin.json", '{"name":"latin","mac":"52:54:00:bd:01:07","role":"é"}'.encode("latin-1")
    yield "tail.json", b'{"name":"tail","mac":"52:54:00:bd:01:08"} extra'
    yield "nomac.json", b'{"name": "nomac"}'
    yield "noname.json", b'{"mac": "52:54:00:bd:01:09"}'
    yield "type.json", b'{"name": "type", "mac": "52:54:00:bd:01:0a", "cpus": "many"}'
    yield "negative.json", b'{"name": "negative", "mac": "52:54:00:bd:01:0b", "cpus": -1}'
    yield "float.json", b'{"name": "float", "mac": "52:54:00:bd:01:0c", "memory": 1e400}'
    yield "bigint.json", b'{"name": "bigint", "mac": "52:54:00:bd:01:0d", "cpus": 99999999999999999999999}'
    yield "multicast.json", b'{"name": "multicast", "mac": "01:00:5e:00:00:01"}'
    yield "outside.json", b'{"name": "outside", "mac": "52:54:00:bd:01:0e", "ip": "10.0.0.5"}'
    yield "server.json", b'{"name": "server", "mac": "52:54:00:bd:01:0f", "ip": "192.168.100.1"}'
    yield "network.json", b'{"name": "network", "mac": "52:54:00:bd:01:10", "ip": "192.168.100.0"}'
    yield "broadcast.json", b'{"name": "broadcast", "mac": "52:54:00:bd:01:11", "ip": "192.168.100.255"}'
    yield "octal.json", b'{"name": "octal", "mac": "52:54:00:bd:01:12", "ip": "192.168.100.010"}'


@needs(UP)
def test_broken_files_each_refused_with_file_line_and_column_the_others_work():
    only_good()
    files = dict(broken_files())
    for file, data in files.items():
        lab.write(file, data)
    wait_known(files, 8)
    listed = lab.api("/api/v1/vms")
    check_equal([vm["name"] for vm in listed["vms"]], ["good"], "VMs")
    for file in files:
        mine = [p for p in listed["problems"] if p["file"] == file and not p["warning"]]
        check_equal(len(mine), 1, f"{file}: problems {mine}; count")
        whole_file = file in ("empty.json", "spaces.json", "huge.json", "nomac.json", "noname.json")
        check(whole_file or mine[0]["line"] >= 1, f"{file}: no line: {mine[0]}")
        check(not mine[0]["serving_last_good"], f"{file}: {mine[0]}")
        check("\n" not in mine[0]["text"] and mine[0]["text"].strip(), f"{file}: {mine[0]['text']!r}")
    good_still_served()
    for file in files:
        lab.undefine(file)
    eventually(lambda: not lab.problems(), 5, "the problems are gone")


@needs(UP)
def test_what_is_no_file_directory_fifo_dangling_and_endless_links_unreadable():
    only_good()
    os.mkdir(os.path.join(lab.vms, "directory.json"))
    os.mkfifo(os.path.join(lab.vms, "fifo.json"))
    os.symlink("nowhere", os.path.join(lab.vms, "dangling.json"))
    os.symlink("loop.json", os.path.join(lab.vms, "loop.json"))
    os.symlink("/dev/zero", os.path.join(lab.vms, "zero.json"))
    lab.write("secret.json", json.dumps({"name": "secret", "mac": "52:54:00:bd:02:01"}))
    os.chmod(os.path.join(lab.vms, "secret.json"), 0)
    lab.define("after", mac="52:54:00:bd:02:02", ip="192.168.100.12")
    lab.wait_vm("after", 4)
    eventually(lambda: "52:54:00:bd:02:02" in hosts(), 4, "vm_watcher goes on")
    check(lab.problems("secret.json"), "the unreadable file is no problem")
    good_still_served()
    os.rmdir(os.path.join(lab.vms, "directory.json"))
    for file in ("fifo.json", "dangling.json", "loop.json", "zero.json", "secret.json", "after.json"):
        lab.undefine(file)
    eventually(lambda: not lab.problems() and lab.vm("after") is None, 5, "all gone")


@needs(UP)
def test_a_good_definition_overwritten_by_each_broken_one_stays_in_force():
    only_good()
    lab.define("keeper", mac="52:54:00:bd:03:01", ip="192.168.100.13")
    lab.wait_vm("keeper")
    for file, data in broken_files():
        lab.write("keeper.json", data)
        problem = eventually(lambda: [p for p in lab.problems("keeper.json") if p["serving_last_good"]], 3, f"problem ({file})")
        check_equal(lab.vm("keeper")["ip"], "192.168.100.13", f"{file}: keeper's address")
        check("52:54:00:bd:03:01" in hosts(), f"{file}: keeper is gone from dhcp-hosts")
        lab.define("keeper", mac="52:54:00:bd:03:01", ip="192.168.100.13")
        eventually(lambda: not lab.problems("keeper.json"), 3, f"the problem is gone ({file})")
    lab.undefine("keeper.json")


@needs(UP)
def test_defaults_json_gives_defaults_and_broken_it_is_named_and_keeps_the_last_good():
    only_good()
    lab.write("_defaults.json", json.dumps({"distro": "debian-99"}))
    eventually(lambda: lab.vm("good")["distro"] == "debian-99", 3, "the default is used")
    lab.write("_defaults.json", '{"distro": "debian-98",')
    eventually(lambda: lab.problems("_defaults.json"), 3, "a problem of _defaults.json")
    check_equal(lab.vm("good")["distro"], "debian-99", "distro")
    lab.write("_defaults.json", json.dumps({"mac": GOOD}))
    eventually(lambda: [p for p in lab.problems("_defaults.json") if "mac" in p["text"]], 3, "mac is refused as a default")
    lab.undefine("_defaults.json")
    eventually(lambda: lab.vm("good")["distro"] == "debian-13", 3, "the default is gone")


@needs(UP)
def test_an_unknown_key_is_a_warning_not_a_refusal():
    only_good()
    lab.define("typo", mac="52:54:00:bd:04:01", memmory="1G")
    lab.wait_vm("typo")
    warnings = [p for p in lab.problems("typo.json") if p["warning"]]
    check(warnings and "memmory" in warnings[0]["text"], f"problems: {lab.problems('typo.json')}")
    lab.undefine("typo.json")


def refused_plainly(what, answer):
    """An error may quote what was wrong, on one line and without control characters."""
    check(answer.status in (200, 400, 404, 414), f"{what}: {answer}")
    if answer.status != 200 and "html" not in answer.headers.get("content-type", ""):
        check(not re.search(r"[\x00-\x1f\x7f]", answer.text.rstrip("\n")) and "#!ipxe" not in answer.text,
            f"{what}: {answer.text!r}")


@needs(UP)
def test_hostile_queries_and_paths_reach_no_script():
    for kind, text in EVIL.items():
        quoted = urllib.parse.quote(text, safe="")
        for query in (f"mac={quoted}", f"mac={GOOD}&arch={quoted}", f"mac=52:54:00:bd:ff:ff&uuid={quoted}",
                f"mac=52:54:00:bd:ff:ff&serial={quoted}", f"mac={GOOD}&{quoted}=1"):
            answer = lab.get(f"/ipxe?{query}", from_lab=True)
            refused_plainly(query, answer)
            if answer.status == 200:
                check(MARK not in answer.text, f"{query}: in the script {answer.text!r}")
        for path in (f"/config/{quoted}", f"/cloud-init/{quoted}/meta-data", f"/report/{quoted}"):
            answer = lab.get(path, from_lab=True, method="POST" if "report" in path else "GET",
                body=b"{}" if "report" in path else None)
            check(answer.status != 200, f"{path}: {answer}")
            refused_plainly(path, answer)
        answer = lab.operator(f"/api/v1/vms/{quoted}")
        check(answer.status in (400, 404, 414), f"operator, {kind}: {answer}")


@needs(UP)
def test_a_collider_that_comes_while_the_stack_is_down_who_was_first_is_remembered():
    only_good()
    lab.define("one", mac="52:54:00:bd:05:01", ip="192.168.100.51")
    lab.wait_vm("one")
    docker("stop", lab.stack)
    lab.define("a-two", mac="52:54:00:bd:05:01", ip="192.168.100.52")
    lab.define("one", mac="52:54:00:bd:05:01", ip="192.168.100.51", cpus=1)  # younger now
    docker("start", lab.stack)
    lab.wait_serving()
    eventually(lambda: lab.problems("a-two.json"), 3, "the newcomer is a problem")
    check("belongs to one.json already" in lab.problems("a-two.json")[0]["text"], str(lab.problems("a-two.json")))
    check(lab.vm("one") and not lab.vm("a-two") and not lab.problems("one.json"), "the first one does not keep what it had")
    eventually(lambda: "52:54:00:bd:05:01" in hosts() and "192.168.100.52" not in hosts(), 3, "vm_watcher judges alike")
    lab.undefine("a-two.json")
    lab.undefine("one.json")


@needs(UP)
def test_colliders_without_a_memory_of_who_was_first_are_all_refused_the_others_work():
    only_good()
    docker("rm", "-f", lab.stack)
    docker("volume", "rm", lab.state_volume)
    lab.define("one", mac="52:54:00:bd:05:01", ip="192.168.100.51")
    lab.define("two", mac="52:54:00:bd:05:01", ip="192.168.100.52")
    lab.start_stack()
    lab.wait_serving()
    eventually(lambda: lab.problems("one.json") and lab.problems("two.json"), 3, "both are problems")
    check("two.json" in lab.problems("one.json")[0]["text"], str(lab.problems("one.json")))
    check("one.json" in lab.problems("two.json")[0]["text"], str(lab.problems("two.json")))
    check(lab.vm("one") is None and lab.vm("two") is None, "one of them is served")
    check("52:54:00:bd:05:01" not in hosts(), f"in dhcp-hosts:\n{hosts()}")
    good_still_served()
    lab.undefine("two.json")
    lab.wait_vm("one", 4, what="is served once the other is gone")
    lab.undefine("one.json")
    state["pids"] = lab.pids()


@needs(UP)
def test_readyz_tells_that_a_definition_is_refused_or_stays_200_serving_goes_on():
    only_good()
    lab.write("wrong.json", "{")
    eventually(lambda: lab.problems("wrong.json"), 3, "a problem")
    check_equal(lab.operator("/readyz").status, 200, "/readyz")
    lab.undefine("wrong.json")


@needs(UP)
def test_every_daemon_is_still_the_process_that_it_was():
    eventually(lambda: lab.pids() == state["pids"], 3, f"the pids are {state['pids']}")
    good_still_served()
