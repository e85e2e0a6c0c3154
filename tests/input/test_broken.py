"""Broken files and what is no file: each is named, and the others work."""
import json
import os

from kit.bad_lab import GOOD
from kit.check import check, check_equal, eventually
from kit.command import docker


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


def test_broken_files_each_refused_with_file_line_and_column_the_others_work(bad):
    bad.only_good()
    files = dict(broken_files())
    for file, data in files.items():
        bad.write(file, data)
    bad.wait_known(files, 8)
    listed = bad.api("/api/v1/vms")
    check_equal([vm["name"] for vm in listed["vms"]], ["good"], "VMs")
    for file in files:
        mine = [p for p in listed["problems"] if p["file"] == file and not p["warning"]]
        check_equal(len(mine), 1, f"{file}: problems {mine}; count")
        whole_file = file in ("empty.json", "spaces.json", "huge.json", "nomac.json", "noname.json")
        check(whole_file or mine[0]["line"] >= 1, f"{file}: no line: {mine[0]}")
        check(not mine[0]["serving_last_good"], f"{file}: {mine[0]}")
        check("\n" not in mine[0]["text"] and mine[0]["text"].strip(), f"{file}: {mine[0]['text']!r}")
    bad.good_still_served()
    for file in files:
        bad.undefine(file)
    eventually(lambda: not bad.problems(), 5, "the problems are gone")


def test_what_is_no_file_directory_fifo_dangling_and_endless_links_unreadable(bad):
    bad.only_good()
    os.mkdir(os.path.join(bad.vms, "directory.json"))
    os.mkfifo(os.path.join(bad.vms, "fifo.json"))
    os.symlink("nowhere", os.path.join(bad.vms, "dangling.json"))
    os.symlink("loop.json", os.path.join(bad.vms, "loop.json"))
    os.symlink("/dev/zero", os.path.join(bad.vms, "zero.json"))
    bad.write("secret.json", json.dumps({"name": "secret", "mac": "52:54:00:bd:02:01"}))
    os.chmod(os.path.join(bad.vms, "secret.json"), 0)
    bad.define("after", mac="52:54:00:bd:02:02", ip="192.168.100.12")
    bad.wait_vm("after", 4)
    eventually(lambda: "52:54:00:bd:02:02" in bad.hosts(), 4, "vm_watcher goes on")
    check(bad.problems("secret.json"), "the unreadable file is no problem")
    bad.good_still_served()
    os.rmdir(os.path.join(bad.vms, "directory.json"))
    for file in ("fifo.json", "dangling.json", "loop.json", "zero.json", "secret.json", "after.json"):
        bad.undefine(file)
    eventually(lambda: not bad.problems() and bad.vm("after") is None, 5, "all gone")


def test_a_good_definition_overwritten_by_each_broken_one_stays_in_force(bad):
    bad.only_good()
    bad.define("keeper", mac="52:54:00:bd:03:01", ip="192.168.100.13")
    bad.wait_vm("keeper")
    eventually(lambda: "52:54:00:bd:03:01" in bad.hosts(), 3, "vm_watcher has seen it, too")
    for file, data in broken_files():
        bad.write("keeper.json", data)
        eventually(lambda: [p for p in bad.problems("keeper.json") if p["serving_last_good"]], 3, f"problem ({file})")
        check_equal(bad.vm("keeper")["ip"], "192.168.100.13", f"{file}: keeper's address")
        check("52:54:00:bd:03:01" in bad.hosts(), f"{file}: keeper is gone from dhcp-hosts")
        bad.define("keeper", mac="52:54:00:bd:03:01", ip="192.168.100.13")
        eventually(lambda: not bad.problems("keeper.json"), 3, f"the problem is gone ({file})")
    bad.undefine("keeper.json")


def test_defaults_json_gives_defaults_and_broken_it_is_named_and_keeps_the_last_good(bad):
    bad.only_good()
    bad.write("_defaults.json", json.dumps({"distro": "debian-99"}))
    eventually(lambda: bad.vm("good")["distro"] == "debian-99", 3, "the default is used")
    bad.write("_defaults.json", '{"distro": "debian-98",')
    eventually(lambda: bad.problems("_defaults.json"), 3, "a problem of _defaults.json")
    check_equal(bad.vm("good")["distro"], "debian-99", "distro")
    bad.write("_defaults.json", json.dumps({"mac": GOOD}))
    eventually(lambda: [p for p in bad.problems("_defaults.json") if "mac" in p["text"]], 3, "mac is refused as a default")
    bad.undefine("_defaults.json")
    eventually(lambda: bad.vm("good")["distro"] == "debian-13", 3, "the default is gone")


def test_an_unknown_key_is_a_warning_not_a_refusal(bad):
    bad.only_good()
    bad.define("typo", mac="52:54:00:bd:04:01", memmory="1G")
    bad.wait_vm("typo")
    warnings = [p for p in bad.problems("typo.json") if p["warning"]]
    check(warnings and "memmory" in warnings[0]["text"], f"problems: {bad.problems('typo.json')}")
    bad.undefine("typo.json")


def test_a_collider_that_comes_while_the_stack_is_down_who_was_first_is_remembered(bad):
    bad.only_good()
    bad.define("one", mac="52:54:00:bd:05:01", ip="192.168.100.51")
    bad.wait_vm("one")
    docker("stop", bad.stack)
    bad.define("a-two", mac="52:54:00:bd:05:01", ip="192.168.100.52")
    bad.define("one", mac="52:54:00:bd:05:01", ip="192.168.100.51", cpus=1)  # younger now
    docker("start", bad.stack)
    bad.wait_serving()
    eventually(lambda: bad.problems("a-two.json"), 3, "the newcomer is a problem")
    check("belongs to one.json already" in bad.problems("a-two.json")[0]["text"], str(bad.problems("a-two.json")))
    check(bad.vm("one") and not bad.vm("a-two") and not bad.problems("one.json"), "the first one does not keep what it had")
    eventually(lambda: "52:54:00:bd:05:01" in bad.hosts() and "192.168.100.52" not in bad.hosts(), 3, "vm_watcher judges alike")
    bad.undefine("a-two.json")
    bad.undefine("one.json")


def test_colliders_without_a_memory_of_who_was_first_are_all_refused_the_others_work(bad):
    bad.only_good()
    docker("rm", "-f", bad.stack)
    docker("volume", "rm", bad.state_volume)
    bad.define("one", mac="52:54:00:bd:05:01", ip="192.168.100.51")
    bad.define("two", mac="52:54:00:bd:05:01", ip="192.168.100.52")
    bad.start_stack()
    bad.wait_serving()
    eventually(lambda: bad.problems("one.json") and bad.problems("two.json"), 3, "both are problems")
    check("two.json" in bad.problems("one.json")[0]["text"], str(bad.problems("one.json")))
    check("one.json" in bad.problems("two.json")[0]["text"], str(bad.problems("two.json")))
    check(bad.vm("one") is None and bad.vm("two") is None, "one of them is served")
    check("52:54:00:bd:05:01" not in bad.hosts(), f"in dhcp-hosts:\n{bad.hosts()}")
    bad.good_still_served()
    bad.undefine("two.json")
    bad.wait_vm("one", 4, what="is served once the other is gone")
    bad.undefine("one.json")
    bad.started = bad.pids()


def test_readyz_tells_that_a_definition_is_refused_or_stays_200_serving_goes_on(bad):
    bad.only_good()
    bad.write("wrong.json", "{")
    eventually(lambda: bad.problems("wrong.json"), 3, "a problem")
    check_equal(bad.operator("/readyz").status, 200, "/readyz")
    bad.undefine("wrong.json")


def test_every_daemon_is_still_the_process_that_it_was(bad):
    eventually(lambda: bad.pids() == bad.started, 3, f"the pids are {bad.started}")
    bad.good_still_served()
