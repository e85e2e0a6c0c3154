"""Strangers that a profile's "match" fits: declared by the one that does, where the stack may write into vms/; said why not
where several do, or it may not. Asked with real DHCP and HTTP."""
import json
import os

from kit import dhcp, http_client
from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.lab import SERVER, Lab
from kit.scope import Scope, needs

scope = Scope("declared")
BOTH, ONE, LATE, READONLY = (f"52:54:00:7e:5c:{n:02x}" for n in range(1, 5))
RACK = {"match": {"product": "R6*", "arch": "x86_64"}, "name": "node-{serial}", "mode": "local"}
SHOWN = "&arch=x86_64&manufacturer=Maker&product=R640"


class Writable(Lab):
    vms_mount = "rw"


lab = Writable(scope, "declared", access="any")


def profile(where, name, fields):
    os.makedirs(os.path.join(where.vms, "_profiles"), exist_ok=True)
    where.write(f"_profiles/{name}.json", json.dumps(fields))


def begin(where):
    profile(where, "rack", RACK)
    profile(where, "makers", {"match": {"manufacturer": "Maker", "serial": "BOTH*"}, "name": "made-{serial}"})
    os.chmod(where.vms, 0o777)
    where.start()
    return where.client("client", cidr="192.168.100.99/24")


def ask(client, mac, query=SHOWN):
    with client.inside():
        return http_client.request(SERVER, f"/ipxe?mac={mac}{query}").text


def stranger(where, mac):
    return next((m for m in where.api("/api/v1/machines")["machines"] if mac in m["macs"] and m["kind"] == "stranger"), None)


def log_lines(where, text):
    done = docker("logs", where.stack)
    return [l for l in (done.stdout + done.stderr).splitlines() if text in l]


def test_the_profile_that_fits_declares_it():
    scope.client = begin(lab)
    ask(scope.client, ONE, SHOWN + "&serial=CZ%2012&uuid=0f0e0d0c-0b0a-4908-8706-050403020177")
    lab.wait_vm("node-cz-12")
    with open(os.path.join(lab.vms, "node-cz-12.json")) as f:
        check_equal(json.load(f), {"name": "node-cz-12", "mac": ONE, "uuid": "0f0e0d0c-0b0a-4908-8706-050403020177",
            "serial": "CZ 12", "arch": "amd64", "profile": "rack"}, "the definition")
    check_equal(os.stat(os.path.join(lab.vms, "node-cz-12.json")).st_mode & 0o777, 0o644, "mode")
    check("sanboot" in ask(scope.client, ONE, SHOWN + "&serial=CZ%2012"), "it does not boot as the profile says")
    check_equal(stranger(lab, ONE), None, "a stranger")
    events = lab.api("/api/v1/events?vm=node-cz-12")["events"]
    check_equal([(e["kind"], e["text"]) for e in events if e["kind"] == "declared"], [("declared", "rack")], "events")


@needs(test_the_profile_that_fits_declares_it)
def test_several_refuse_by_name_once():
    for _ in range(3):
        ask(scope.client, BOTH, SHOWN + "&serial=BOTH1")
    found = eventually(lambda: stranger(lab, BOTH), 3, "it is a stranger")
    check("matches the profiles makers and rack" in found["problem"], f"its problem: {found}")
    eventually(lambda: log_lines(lab, "profiles makers and rack"), 3, "the log tells it")
    check_equal(len(log_lines(lab, "profiles makers and rack")), 1, "lines in the log")
    check_equal(lab.vm("made-both1"), None, "declared")


@needs(test_several_refuse_by_name_once)
def test_a_profile_that_changes_declares_who_waits():
    profile(lab, "makers", {"match": {"manufacturer": "Other"}, "name": "made-{serial}"})
    lab.wait_vm("node-both1", 5)


@needs(test_the_profile_that_fits_declares_it)
def test_dhcp_alone_tells_enough_for_a_pattern_of_macs():
    profile(lab, "bymac", {"match": {"mac": LATE[:-1] + "*", "arch": "amd64", "serial": "*"}, "name": "late-{mac}"})
    profile(lab, "byarch", {"match": {"mac": LATE}, "name": "late-{mac}", "mode": "local"})
    with scope.client.inside():
        c = dhcp.Client()
        c.acquire(LATE, arch=7, timeout=8)
        c.close()
    lab.wait_vm("late-" + LATE.replace(":", "-"), 5)
    with open(os.path.join(lab.vms, f"late-{LATE.replace(':', '-')}.json")) as f:
        check_equal(json.load(f), {"name": "late-" + LATE.replace(":", "-"), "mac": LATE, "arch": "amd64", "profile": "byarch"},
            "the definition")


def test_a_folder_that_is_read_only_is_said():
    other = Lab(scope, "readonly", access="any")
    client = begin(other)
    ask(client, READONLY, SHOWN + "&serial=RO1")
    said = eventually(lambda: (stranger(other, READONLY) or {}).get("problem"), 3, "it is said why it is not declared")
    check("profile rack calls it node-ro1" in said and "Read-only file system" in said, f"said: {said}")
    check_equal((stranger(other, READONLY)["profile"], stranger(other, READONLY)["declares_as"]), ("rack", "node-ro1"), "fits")
    check_equal(len(log_lines(other, "calls it node-ro1")), 1, "lines in the log")
    check_equal(os.listdir(other.vms), ["_profiles"], "what is in vms/")
