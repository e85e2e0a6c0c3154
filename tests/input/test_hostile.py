"""Hostile definitions and requests: nothing of them reaches an iPXE script, a hosts file, a shell or another VM."""
import json
import re
import urllib.parse

from kit.bad_lab import EVIL, GOOD, MARK
from kit.check import check, check_equal, eventually

# Fields that are an identity: hostile text is refused, the whole definition with it.
REFUSED_FIELDS = ("name", "mac", "ip", "ipv6", "hostname", "distro", "uuid", "arch", "firmware", "mode", "kernel",
    "initrd", "memory", "after_install")
# Free text: refused or emitted so that it stays text.
TEXT_FIELDS = ("kernel_args", "serial", "role", "ssh_key")


def test_the_stack_starts(bad):
    bad.good_still_served()


def test_hostile_text_in_an_identity_refused_named_and_nowhere_to_be_seen(bad):
    bad.only_good()
    written = {}
    number = 0
    for field in REFUSED_FIELDS:
        for kind, text in EVIL.items():
            number += 1
            file = f"evil-{field}-{kind}.json".replace("_", "-")
            definition = {"name": file[:-5], "mac": f"52:54:00:bd:{16 + number // 256:02x}:{number % 256:02x}"}
            definition[field] = text if field != "mac" else definition["mac"] + text[1:]
            written[file] = (field, definition["mac"] if field != "mac" else None)
            bad.write(file, json.dumps(definition))
    bad.wait_known(written, 15)
    listed = bad.api("/api/v1/vms")
    check_equal([vm["name"] for vm in listed["vms"]], ["good"], "VMs")
    problems = {p["file"]: p for p in listed["problems"]}
    for file in written:
        problem = problems[file]
        check(problem["line"] >= 1 and problem["column"] >= 1, f"{file}: no position: {problem}")
        check(not re.search(r"[\x00-\x1f]", problem["text"]), f"{file}: control characters: {problem['text']!r}")
        check(len(problem["text"]) < 1000, f"{file}: {len(problem['text'])} characters")
    eventually(lambda: GOOD in bad.hosts(), 3, "hosts files")
    check(MARK not in bad.hosts() and "evil-" not in bad.hosts(), f"in the hosts files:\n{bad.hosts()}")
    for file, (field, mac) in list(written.items())[::7]:
        if mac:
            check(MARK not in bad.script_for(mac), f"{file}: in the script")
    bad.good_still_served()
    for file in written:
        bad.undefine(file)
    eventually(lambda: not bad.problems(), 5, "the problems are gone")


def test_hostile_free_text_refused_or_text_and_nothing_but_text(bad):
    bad.only_good()
    written = {}
    for field in TEXT_FIELDS:
        for number, (kind, text) in enumerate(EVIL.items()):
            name = f"text-{TEXT_FIELDS.index(field)}-{kind}"
            mac = f"52:54:00:be:{TEXT_FIELDS.index(field):02x}:{number:02x}"
            written[name] = (field, mac)
            bad.write(name + ".json", json.dumps({"name": name, "mac": mac, field: text}))
    bad.wait_known([n + ".json" for n in written], 15)
    for name, (field, mac) in written.items():
        script = bad.script_for(mac)
        check("\r" not in script and "\0" not in script, f"{name}: control characters in the script")
        for line in script.split("\n"):
            if MARK in line:
                check(line.startswith("kernel ") and field == "kernel_args", f"{name}: {line!r} in:\n{script}")
                check("${" + MARK not in line, f"{name}: iPXE expands {line!r}")
        for document in ("meta-data", "user-data", "vendor-data", "network-config"):
            answer = bad.get(f"/cloud-init/{name}/{document}", from_lab=True)
            if answer.status == 200:
                body = answer.text.split("\n", 1)[1] if answer.text.startswith("#cloud-config") else answer.text
                json.loads(body)
    check(MARK not in bad.hosts(), f"in the hosts files:\n{bad.hosts()}")
    bad.good_still_served()
    for name in written:
        bad.undefine(name + ".json")
    eventually(lambda: [vm["name"] for vm in bad.api("/api/v1/vms")["vms"]] == ["good"], 5, "they are gone")


def refused_plainly(what, answer):
    """An error may quote what was wrong, on one line and without control characters."""
    check(answer.status in (200, 400, 404, 414), f"{what}: {answer}")
    if answer.status != 200 and "html" not in answer.headers.get("content-type", ""):
        check(not re.search(r"[\x00-\x1f\x7f]", answer.text.rstrip("\n")) and "#!ipxe" not in answer.text,
            f"{what}: {answer.text!r}")


def test_hostile_queries_and_paths_reach_no_script(bad):
    for kind, text in EVIL.items():
        quoted = urllib.parse.quote(text, safe="")
        for query in (f"mac={quoted}", f"mac={GOOD}&arch={quoted}", f"mac=52:54:00:bd:ff:ff&uuid={quoted}",
                f"mac=52:54:00:bd:ff:ff&serial={quoted}", f"mac={GOOD}&{quoted}=1"):
            answer = bad.get(f"/ipxe?{query}", from_lab=True)
            refused_plainly(query, answer)
            if answer.status == 200:
                check(MARK not in answer.text, f"{query}: in the script {answer.text!r}")
        for path in (f"/config/{quoted}", f"/cloud-init/{quoted}/meta-data", f"/report/{quoted}"):
            answer = bad.get(path, from_lab=True, method="POST" if "report" in path else "GET",
                body=b"{}" if "report" in path else None)
            check(answer.status != 200, f"{path}: {answer}")
            refused_plainly(path, answer)
        answer = bad.operator(f"/api/v1/vms/{quoted}")
        check(answer.status in (400, 404, 414), f"operator, {kind}: {answer}")


def test_every_daemon_is_still_the_process_that_it_was(bad):
    eventually(lambda: bad.pids() == bad.started, 3, f"the pids are {bad.started}")
    bad.good_still_served()
