"""`vmlab adopt --all` and `--watch`: whoever a profile names has its definition in vms/, written by the user's own command,
as the stack may not write there. Asked with real HTTP; starts no VM."""
import json
import os
import signal
import time

from kit import folder, http_client, netns
from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.lab import SERVER
from kit.scope import Scope, needs

scope = Scope("adopted")
mine = folder.Folder(scope, "a/lab")
PATTERN = "52:54:00:7e:5d:%02x"
RACK = {"match": {"serial": "RACK-*"}, "name": "node-{serial}", "mode": "local"}


def profile(name, fields):
    os.makedirs(os.path.join(mine.vms, "_profiles"), exist_ok=True)
    mine.write(f"_profiles/{name}.json", json.dumps(fields))


def asked(number, serial, mac=None):
    pid = docker("inspect", "-f", "{{.State.Pid}}", mine.lab() + "-stack").stdout.strip()
    with netns.inside(f"/proc/{pid}/ns/net"):
        try:
            return http_client.request(SERVER, f"/ipxe?mac={mac or PATTERN % number}&serial={serial}&arch=x86_64").status == 200
        except OSError:
            return False


def ask(number, serial, mac=None):
    check(asked(number, serial, mac), f"/ipxe has no answer for {serial}")


def listed():
    return json.loads(mine.vmlab("machines", "--json").stdout)["machines"]


def named(serial):
    def seen():
        found = [m for m in listed() if m["serial"] == serial]
        return found and found[0]["declares_as"]
    eventually(seen, 5, f"{serial} is named by a profile")


def definition(name):
    with open(os.path.join(mine.vms, name + ".json")) as f:
        return json.load(f)


def test_all_writes_those_that_a_profile_names_and_no_other():
    profile("rack", RACK)
    mine.vmlab("up", timeout=120)
    ask(1, "RACK-1")
    ask(2, "RACK-2")
    ask(3, "OTHER-3")
    named("RACK-2")
    done = mine.vmlab("adopt", "--all")
    check("node-rack-1 does what this says" in done.stdout, f"said: {done.stdout}")
    for number in 1, 2:
        check_equal(definition(f"node-rack-{number}"), {"name": f"node-rack-{number}", "mac": PATTERN % number,
            "serial": f"RACK-{number}", "arch": "amd64", "profile": "rack"}, "the definition")
        check_equal(os.stat(os.path.join(mine.vms, f"node-rack-{number}.json")).st_uid, os.geteuid(), "its owner")
    check_equal(sorted(os.listdir(mine.vms)), ["_profiles", "node-rack-1.json", "node-rack-2.json"], "vms/")
    eventually(lambda: sorted(m["name"] for m in listed() if m["kind"] == "declared") == ["node-rack-1", "node-rack-2"], 5,
        "both are declared")


@needs(test_all_writes_those_that_a_profile_names_and_no_other)
def test_with_nobody_to_adopt_it_says_so():
    done = mine.vmlab("adopt", "--all")
    check_equal(done.stdout, "no machine waits that a profile names: `vmlab machines` shows who asked\n", "said")


@needs(test_with_nobody_to_adopt_it_says_so)
def test_one_that_a_profile_refuses_is_said():
    profile("asks-more", {"match": {"mac": PATTERN % 7}, "name": "asset-{uuid}", "mode": "local"})
    ask(7, "ODD-7")
    eventually(lambda: next((m["problem"] for m in listed() if m["serial"] == "ODD-7"), None), 5, "it is said why")
    done = mine.vmlab("adopt", "--all", check_rc=False)
    check_equal((done.returncode, done.stdout), (1, ""), f"{done.stderr}; exit status and output")
    check(f"{PATTERN % 7}: " in done.stderr and "uuid" in done.stderr, f"said: {done.stderr}")
    os.unlink(os.path.join(mine.vms, "_profiles", "asks-more.json"))
    eventually(lambda: not next(m["problem"] for m in listed() if m["serial"] == "ODD-7"), 5, "nothing is wrong with it")


@needs(test_all_writes_those_that_a_profile_names_and_no_other)
def test_a_file_that_is_there_stays_and_is_said():
    ask(4, "RACK-4")
    named("RACK-4")
    mine.write("node-rack-4.json", "{ not yet")
    done = mine.vmlab("adopt", "--all", check_rc=False)
    check_equal(done.returncode, 1, f"{done.stdout}{done.stderr}; exit status")
    check(f"{PATTERN % 4}: " in done.stderr and "node-rack-4" in done.stderr, f"said: {done.stderr}")
    with open(os.path.join(mine.vms, "node-rack-4.json")) as f:
        check_equal(f.read(), "{ not yet", "what the user had written")
    os.unlink(os.path.join(mine.vms, "node-rack-4.json"))


@needs(test_a_file_that_is_there_stays_and_is_said)
def test_watch_goes_on_until_it_is_interrupted_over_a_stack_that_begins_anew():
    watch = mine.start("adopt", "--watch")
    scope.cleanup(watch.kill)
    eventually(lambda: os.path.exists(os.path.join(mine.vms, "node-rack-4.json")), 8, "who was there is adopted")
    ask(5, "RACK-5")
    eventually(lambda: os.path.exists(os.path.join(mine.vms, "node-rack-5.json")), 8, "who comes is adopted")
    docker("restart", "-t", "5", mine.lab() + "-stack")
    eventually(lambda: asked(6, "RACK-6"), 30, "the stack is back")
    eventually(lambda: os.path.exists(os.path.join(mine.vms, "node-rack-6.json")), 15, "who comes later is adopted")
    time.sleep(0.5)
    watch.send_signal(signal.SIGINT)
    check_equal((watch.wait(10), "until Ctrl-C" in watch.stdout.read()), (0, True), "its end")


@needs(test_watch_goes_on_until_it_is_interrupted_over_a_stack_that_begins_anew)
def test_watch_ends_at_once_also_amid_very_many():
    many = 300
    for number in range(many):
        ask(number, f"RACK-MANY-{number}", "52:54:00:7e:%02x:%02x" % (0x60 + number // 256, number % 256))
    watch = mine.start("adopt", "--watch")
    scope.cleanup(watch.kill)
    made = lambda: sum("rack-many" in name for name in os.listdir(mine.vms))
    eventually(made, 20, "it has begun")
    watch.send_signal(signal.SIGINT)
    check_equal(watch.wait(10), 0, "exit status")
    check(made() < many, "it went on to the last of them")


def test_names_and_fields_do_not_go_with_it():
    done = mine.vmlab("adopt", "--all", "52:54:00:00:00:01", check_rc=False)
    check_equal(done.returncode, 2, f"{done.stderr}; exit status")
    check("--all and --watch" in done.stderr, f"said: {done.stderr}")
