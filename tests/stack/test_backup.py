"""The server's side of the order `backup`: slices come as a machine sends them, and become an image that nothing else is
overwritten by; what is refused, what a restart and a full disk leave."""
import hashlib
import json
import random
import socket
import time

import pytest

from kit import http_client
from kit.check import check, check_equal, eventually
from kit.lab import SERVER, Lab
from kit.scope import Scope, needs

SLICE, MIB = 4 << 20, 1 << 20
ADDRESS, OTHER_ADDRESS = "192.168.100.20", "192.168.100.21"
STORE = "/state/backups"
scope = Scope("backup")


class Small(Lab):
    """Where backups go there is room for two slices more than has to stay free."""

    def stack_args(self, name, env=()):
        return [*super().stack_args(name, env), "--tmpfs", f"{STORE}:size={128 + 3 * 4 + 1}m"]


lab, small = Lab(scope, "backup", access="own"), Small(scope, "small", access="own")
sha = lambda data: hashlib.sha256(data).hexdigest()


def slices(count, last=777777, seed=1):
    """Of an image that unpacks to something: the server does not look into it."""
    rng = random.Random(seed)
    return [rng.randbytes(SLICE if i < count - 1 else last) for i in range(count)]


def ask(client, path, timeout=60, **kwargs):
    with client.inside():
        return http_client.request(SERVER, path, timeout=timeout, **kwargs)


def order(where, machine, action, **args):
    return where.operator(f"/api/v1/machines/{machine}/orders", method="POST", body={"action": action, "args": args})


def begin(where, client, machine, **args):
    """The number of a backup that the machine has begun with."""
    answer = order(where, machine, "backup", disk="vda", **args)
    check_equal(answer.status, 200, f"{answer}; status")
    told = ask(client, f"/api/device-action-poll?mac={client.mac}")
    check_equal((told.status, told.json["action"], told.json["id"]), (200, "backup", answer.json["id"]), "what it is told")
    check_equal(told.json["args"]["name"], args["name"], "its name")
    check_equal(ask(client, "/api/action-progress", method="POST", body={"mac": client.mac, "id": answer.json["id"],
        "phase": "backup"}).status, 204, "that it begins: status")
    return answer.json["id"]


def path(client, number):
    return f"/backup/{client.mac}/{number}"


def have(client, number):
    answer = ask(client, path(client, number))
    check_equal(answer.status, 200, f"{answer}; status")
    return answer.text.split()


def put(client, number, n, data, wanted=None):
    return ask(client, f"{path(client, number)}/slice/{n}?sha256={wanted or sha(data)}", method="PUT", body=data)


def finish(client, number, data, disk_bytes=64 * MIB, **other):
    body = {"disk_bytes": disk_bytes, "file_bytes": sum(map(len, data)), "slices": len(data), "arch": "amd64", **other}
    return ask(client, path(client, number) + "/manifest", method="PUT", body=json.dumps(body).encode())


def over(client, number, result="ok"):
    check_equal(ask(client, "/api/action-done", method="POST", body={"mac": client.mac, "id": number, "result": result,
        "text": ""}).status, 204, "told its end: status")


def parts(where):
    return where.exec("ls", f"{STORE}/parts").stdout.split()


def shows_itself(client):
    """Which disks it has."""
    answer = ask(client, f"/inventory/{client.mac}", method="POST", body={"format": 1, "system": {"product": "R1"},
        "disks": [{"name": "vda", "serial": "D 1", "size_bytes": 64 * MIB, "removable": False}]})
    check_equal(answer.status, 204, f"{answer}; status")


def start(where, label):
    where.make_image()
    where.start()
    client = where.client(label, cidr=ADDRESS + "/24")
    where.define("web1", mac=client.mac, ip=ADDRESS, mode="agent", distro="debian-13", arch="amd64")
    where.wait_vm("web1")
    shows_itself(client)
    return client


def test_slices_become_an_image():
    scope.client = client = start(lab, "web1")
    scope.other = lab.client("web2", cidr=OTHER_ADDRESS + "/24")
    lab.define("web2", mac=scope.other.mac, ip=OTHER_ADDRESS, mode="agent", distro="made", arch="amd64")
    lab.wait_vm("web2")
    shows_itself(scope.other)
    data = slices(3)
    number = begin(lab, client, "web1", name="made")
    check_equal(have(client, number), [], "slices at first")
    for n, piece in enumerate(data):
        check_equal(put(client, number, n, piece).status, 204, f"slice {n}: status")
    check_equal(have(client, number), [sha(d) for d in data], "slices then")
    check_equal(finish(client, number, data).status, 204, "status")
    over(client, number)
    check_equal(parts(lab), [], "what is left of it")
    manifest = ask(client, "/images/made/amd64/manifest.json").json
    rootfs = manifest["rootfs"]
    check_equal((rootfs["sha256"], rootfs["size_bytes"], rootfs["unpacked_bytes"], rootfs["format"]),
        (sha(b"".join(data)), sum(map(len, data)), 64 * MIB, "raw.zst"), "its manifest")
    check_equal(rootfs["chunks"], [sha(d) for d in data], "sums of its slices")
    check_equal((manifest["kernel_from"], manifest["backup"]), ("debian-13", {"order": number, "machine": "web1"}), "of what")
    for file in ("disk.raw.zst", "vmlinuz", "modules.cpio.zst"):
        got = ask(client, f"/images/made/amd64/{file}")
        entry = {"disk.raw.zst": rootfs, "vmlinuz": manifest["kernel"], "modules.cpio.zst": manifest["modules"]}[file]
        check_equal((got.status, sha(got.body)), (200, entry["sha256"]), file)


@needs(test_slices_become_an_image)
def test_such_an_image_is_installed_and_deployed():
    lab.define("web3", mac="52:54:00:00:00:33", ip="192.168.100.33", distro="made", arch="amd64")
    lab.wait_vm("web3", 5, lambda vm: vm["expected"]["does"] == "install", "is to be installed")
    answer = order(lab, "web2", "deploy", image="made", disk="vda")
    check_equal(answer.status, 200, f"{answer}; status")
    told = ask(scope.other, f"/api/device-action-poll?mac={scope.other.mac}").json
    check_equal(told["args"]["cloud_init_url"], f"http://{SERVER}/cloud-init/web2", "what it is told of its seed")
    check_equal(told["args"]["image"], {"image": "made", "url": f"http://{SERVER}/images/made"}, "what it is told of the image")
    over(scope.other, told["id"])
    check_equal(lab.vm("web2")["recorded"], "installed", "its state")
    answer = order(lab, "web2", "deploy", image="debian-13", disk="vda")
    check(answer.status == 409 and "root file system" in answer.text, str(answer))
    answer = order(lab, "web2", "deploy", image="nowhere", disk="vda")
    check(answer.status == 409 and "nowhere" in answer.text, str(answer))


@needs(test_slices_become_an_image)
@pytest.mark.parametrize("name", ("made", "debian-13"))
def test_no_image_is_overwritten(name):
    answer = order(lab, "web1", "backup", name=name, disk="vda")
    check(answer.status == 409 and "already" in answer.text, str(answer))


@needs(test_slices_become_an_image)
def test_what_is_wrong_is_refused_and_what_is_there_stays():
    client, data = scope.client, slices(3, seed=2)
    number = begin(lab, client, "web1", name="second")
    check_equal(put(client, number, 0, data[0]).status, 204, "slice 0: status")
    check_equal(put(client, number, 1, data[1], wanted=sha(data[0])).status, 422, "another sum: status")
    check_equal(put(client, number, 2, data[2]).status, 412, "one before it is missing: status")
    check_equal(put(client, number, 1, b"").status, 422, "an empty one: status")
    check_equal(ask(client, path(client, number) + "/slice/1", method="PUT", body=b"x").status, 400, "without a sum: status")
    check_equal(put(client, number, 1, data[1] + b"x").status, 413, "a long one: status")
    check_equal(have(client, number), [sha(data[0])], "slices that count")
    check_equal(finish(client, number, data).status, 412, "too early: status")
    check_equal(put(client, number, 1, data[2]).status, 204, "a short one: status")
    check_equal(put(client, number, 2, data[1]).status, 400, "behind a short one: status")
    check_equal(put(client, number, 1, data[1]).status, 204, "another in its place: status")
    check_equal(put(client, number, 2, data[2]).status, 204, "the last: status")
    check_equal(finish(client, number, data, disk_bytes=1000).status, 400, "no disk: status")
    check_equal(finish(client, number, data, slices=2).status, 400, "fewer than there are: status")
    for sector_bytes in (0, 256, 8192, "4096"):
        check_equal(finish(client, number, data, sector_bytes=sector_bytes).status, 400, f"sectors of {sector_bytes!r}: status")
    check_equal(finish(client, number, data, disk_bytes=64 * MIB + 512, sector_bytes=4096).status, 400, "half a sector: status")
    check_equal(finish(client, number, data, sector_bytes=4096).status, 204, "status")
    check_equal(finish(client, number, data, sector_bytes=4096).status, 204, "told twice: status")
    over(client, number)
    rootfs = ask(client, "/images/second/amd64/manifest.json").json["rootfs"]
    check_equal((rootfs["sha256"], rootfs["sector_bytes"]), (sha(b"".join(data)), 4096), "sum, bytes of a sector")
    check_equal(put(client, number, 0, data[0]).status, 409, "after its end: status")


@needs(test_slices_become_an_image)
def test_only_the_machine_of_the_order_sends_its_slices():
    client, data = scope.client, slices(1)
    number = begin(lab, client, "web1", name="third")
    for mac in (client.mac, scope.other.mac):
        answer = ask(scope.other, f"/backup/{mac}/{number}/slice/0?sha256={sha(data[0])}", method="PUT", body=data[0])
        check(answer.status == (403 if mac == client.mac else 404), str(answer))
    check_equal(ask(scope.other, path(client, number)).status, 403, "to look: status")
    check_equal(have(client, number), [], "slices that count")
    over(client, number, "failed")


@needs(test_slices_become_an_image)
def test_a_server_that_starts_anew_has_what_it_had():
    client, data = scope.client, slices(3, seed=3)
    number = begin(lab, client, "web1", name="fourth")
    for n in (0, 1):
        check_equal(put(client, number, n, data[n]).status, 204, f"slice {n}: status")
    # Of what was written when the power went the second slice is damaged.
    lab.exec("sh", "-c", f"printf xxxx | dd of={STORE}/parts/{number}/disk.raw.zst bs=1 seek={SLICE + 5} conv=notrunc")
    before = lab.pids()["boot_handler"]
    lab.exec("sh", "-c", "kill -9 $(pidof boot_handler)")
    eventually(lambda: lab.pids()["boot_handler"] not in ([], before) and lab.operator("/readyz").status == 200, 20, "it is back")
    check_equal(eventually(lambda: have(client, number), 10, "it answers"), [sha(data[0])], "slices that count")
    for n in (1, 2):
        check_equal(put(client, number, n, data[n]).status, 204, f"slice {n}: status")
    check_equal(finish(client, number, data).status, 204, "status")
    over(client, number)
    check_equal(sha(ask(client, "/images/fourth/amd64/disk.raw.zst").body), sha(b"".join(data)), "the file")


def resume(where, client, number):
    """The operator does, and its agent begins with it."""
    check_equal(where.operator(f"/api/v1/machines/web1/orders/{number}/resume", method="POST").status, 200, "resumed: status")
    check_equal(ask(client, f"/api/device-action-poll?mac={client.mac}").json["id"], number, "what it is told")


@needs(test_slices_become_an_image)
@pytest.mark.parametrize("how", ("cancelled", "failed", "server killed"))
def test_one_that_has_ended_goes_on_where_it_was_when_it_is_resumed(how):
    client, data = scope.client, slices(3, seed=6)
    number = begin(lab, client, "web1", name=how.split()[-1])
    for n in (0, 1):
        check_equal(put(client, number, n, data[n]).status, 204, f"slice {n}: status")
    if how == "failed":
        over(client, number, "failed")
    else:
        check_equal(lab.operator(f"/api/v1/machines/web1/orders/{number}", method="DELETE").status, 200, "taken back: status")
    answer = put(client, number, 2, data[2])
    check(answer.status == 409 and ("cancelled" in answer.text or "failed" in answer.text), str(answer))
    if how == "server killed":
        before = lab.pids()["boot_handler"]
        lab.exec("sh", "-c", "kill -9 $(pidof boot_handler)")
        eventually(lambda: lab.pids()["boot_handler"] not in ([], before) and lab.operator("/readyz").status == 200, 20, "it is back")
    check_equal(parts(lab), [str(number)], "what is there of it")
    resume(lab, client, number)
    check_equal(have(client, number), [sha(d) for d in data[:2]], "slices that count")
    check_equal(put(client, number, 2, data[2]).status, 204, "the last: status")
    check_equal(finish(client, number, data).status, 204, "status")
    over(client, number)
    check_equal((parts(lab), sha(ask(client, f"/images/{how.split()[-1]}/amd64/disk.raw.zst").body)), ([], sha(b"".join(data))), "the file")


@needs(test_slices_become_an_image)
def test_what_nobody_resumes_goes_in_the_end():
    client, data, numbers = scope.client, slices(2, seed=7), []
    for name in ("old", "young", "empty"):
        numbers.append(begin(lab, client, "web1", name=name))
        if name != "empty":
            check_equal(put(client, numbers[-1], 0, data[0]).status, 204, "status")
        over(client, numbers[-1], "failed")
    check_equal(sorted(parts(lab)), sorted(str(n) for n in numbers[:2]), "what is there of them")
    sums = f"{STORE}/parts/{numbers[0]}/sums"
    lab.exec("touch", "-d", f"@{int(time.time()) - 3 * 86400 - 1}", sums, user=lab.exec("stat", "-c", "%u", sums).stdout.strip())
    again = begin(lab, client, "web1", name="other")
    over(client, again, "failed")
    check_equal(parts(lab), [str(numbers[1])], "when another ends")
    resume(lab, client, numbers[0])
    check_equal(have(client, numbers[0]), [], "slices of the one that went")
    over(client, numbers[0], "failed")
    resume(lab, client, numbers[1])
    check_equal(have(client, numbers[1]), [sha(data[0])], "slices of the one that stayed")
    over(client, numbers[1], "failed")


@needs(test_slices_become_an_image)
def test_a_slice_that_is_on_its_way_counts_no_more_when_its_order_ends():
    client, data = scope.client, slices(1, seed=8)
    number = begin(lab, client, "web1", name="late")
    with client.inside():
        s = socket.create_connection((SERVER, 80), timeout=20)
    s.sendall(f"PUT {path(client, number)}/slice/0?sha256={sha(data[0])} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data[0])}\r\n\r\n"
        .encode() + data[0][:1000])
    eventually(lambda: parts(lab) and str(number) in parts(lab), 10, "it has begun")
    check_equal(lab.operator(f"/api/v1/machines/web1/orders/{number}", method="DELETE").status, 200, "taken back: status")
    s.sendall(data[0][1000:])
    check(b" 409 " in s.recv(4096).split(b"\r\n")[0], "it counts")
    s.close()
    resume(lab, client, number)
    check_equal(have(client, number), [], "slices that count")
    over(client, number, "failed")


@needs(test_slices_become_an_image)
def test_a_slice_is_not_held_in_memory():
    client = scope.client
    number = begin(lab, client, "web1", name="sixth")
    pid = lab.pids()["boot_handler"][0]

    def rss():
        with open(f"/proc/{pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))

    data, before = slices(2, last=SLICE, seed=4), rss()
    for n in range(2):
        check_equal(put(client, number, n, data[n]).status, 204, "status")
    print(f"{rss() - before} KiB more")
    check(rss() - before < 2048, f"{before} KiB before, {rss()} KiB at most")
    over(client, number, "failed")


@needs(test_slices_become_an_image)
def test_a_backup_without_an_image_is_not_done():
    number = begin(lab, scope.client, "web1", name="none")
    over(scope.client, number)
    told = lab.operator(f"/api/v1/machines/web1/orders/{number}").json
    check_equal((told["state"], told["text"]), ("failed", "its agent told that it is done, and no image was made of it"), f"{told}")


@needs(test_slices_become_an_image)
def test_a_name_is_of_one_open_order():
    first = order(lab, "web1", "backup", disk="vda", name="once").json["id"]
    for machine in "web1", "web2":
        refused = order(lab, machine, "backup", disk="vda", name="once")
        check_equal(refused.status, 409, f"{machine}: {refused}; status")
        check(f"order {first} of web1 makes an image once already: give this one another name" in refused.text, refused.text)
    twice = [{"action": "backup", "args": {"disk": "vda", "name": "twice"}}] * 2
    refused = lab.operator("/api/v1/machines/web1/orders", method="POST", body=twice)
    check(refused.status == 409 and "two orders of the list make an image twice" in refused.text, f"{refused}")
    taken_back = lambda machine, number: check_equal(lab.operator(f"/api/v1/machines/{machine}/orders/{number}", method="DELETE").status,
        200, "taken back: status")
    taken_back("web1", first)
    other = order(lab, "web2", "backup", disk="vda", name="once").json["id"]
    resumed = lab.operator(f"/api/v1/machines/web1/orders/{first}/resume", method="POST")
    check(resumed.status == 409 and f"order {other} of web2" in resumed.text, f"{resumed}")
    taken_back("web2", other)


@needs(test_slices_become_an_image)
def test_they_are_listed_and_removed():
    listed = {b["name"]: b for b in lab.api("/api/v1/backups")["backups"]}
    check_equal((listed["made"]["machine"], listed["made"]["arch"], listed["made"]["disk_bytes"]), ("web1", "amd64", 64 * MIB), "one")
    check_equal(lab.operator("/api/v1/backups/made", method="DELETE").status, 204, "removed: status")
    check("made" not in {b["name"] for b in lab.api("/api/v1/backups")["backups"]}, "it is listed")
    check_equal(ask(scope.client, "/images/made/amd64/disk.raw.zst").status, 404, "its file: status")
    for name in ("made", "debian-13"):
        check_equal(lab.operator(f"/api/v1/backups/{name}", method="DELETE").status, 404, f"{name}: status")
    check_equal(ask(scope.client, "/images/debian-13/amd64/manifest.json").status, 200, "the user's own: status")


def test_a_full_disk_is_said_and_nothing_is_left():
    client, data = start(small, "full"), slices(6, seed=5)
    number = begin(small, client, "web1", name="large")
    statuses = []
    for n, piece in enumerate(data):
        answer = put(client, number, n, piece)
        statuses.append(answer.status)
        if answer.status != 204:
            break
    check_equal(statuses[-1], 507, f"{statuses} {answer}; status")
    check("the server's disk is full" in answer.text, answer.text)
    check_equal((small.exec("ls", f"{STORE}/parts").stdout, small.exec("ls", f"{STORE}/images").stdout), ("", ""), "what is left")
    check_equal(small.operator("/readyz").status, 200, "its health: status")
    over(client, number, "failed")
    scope.full = client


@needs(test_a_full_disk_is_said_and_nothing_is_left)
def test_what_waits_to_be_resumed_gives_way_to_what_goes_on():
    client, data = scope.full, slices(3, last=SLICE, seed=9)
    first = begin(small, client, "web1", name="first")
    for n in (0, 1):
        check_equal(put(client, first, n, data[n]).status, 204, f"slice {n}: status")
    over(client, first, "failed")
    check_equal(parts(small), [str(first)], "what is there of it")
    second = begin(small, client, "web1", name="second")
    for n in range(3):
        check_equal(put(client, second, n, data[n]).status, 204, f"slice {n} of the other: status")
    check_equal(parts(small), [str(second)], "what is there")
    over(client, second, "failed")
