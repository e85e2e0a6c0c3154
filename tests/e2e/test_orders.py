"""Orders to real VMs whose system is in memory: a disk wiped, the definition installed, a script in what was installed,
and that started, by one call of the API; memory tested in a small machine; and power cuts in the middle."""
import json
import time

import pytest

from kit import http_client
from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.e2e_lab import INSTALL_S
from kit.scope import needs

MAC = "52:54:00:e2:e0:0c"
BOOT_S = 400


def ask(lab, path, method="GET", body=None):
    return http_client.request("localhost", f"/api/v1/machines/worker/{path}", unix=lab.socket, method=method, body=body)


def give(lab, *orders):
    answer = ask(lab, "orders", "POST", {"orders": [{"action": a, "args": args} if args else {"action": a} for a, args in orders]})
    check_equal(answer.status, 200, f"{answer}; status")
    return [o["id"] for o in answer.json["orders"]]


def order_of(lab, number):
    return next(o for o in ask(lab, "orders").json["orders"] if o["id"] == number)


def wait_end(lab, number, seconds):
    return eventually(lambda: (o := order_of(lab, number))["state"] in ("done", "failed", "cancelled") and o, seconds,
        f"order {number} has ended", every=0.5)


def inventories(lab):
    return ask(lab, "inventory").json.get("inventories", [])


def up(lab, memory, *options, sizes=("3G", "1G")):
    lab.only_the_lab()
    lab.define("worker", mac=MAC, arch="amd64", distro="debian-13", mode="agent", cpus=2, memory=memory,
        disks=[{"size": size} for size in sizes])
    lab.vmlab("up", "--no-wait", *options, "worker", timeout=90)


def output(lab, number):
    return ask(lab, f"orders/{number}/output").text


@pytest.fixture(autouse=True)
def console(lab):
    yield
    if docker("inspect", lab.container("worker"), check_rc=False).returncode == 0:
        lab.save_console("worker", "orders")


def test_a_script_runs_and_the_disk_that_was_meant_is_wiped(lab):
    up(lab, "256M")
    eventually(lambda: inventories(lab), BOOT_S, "its inventory is there", every=1)
    script = "free -m; mkfs.ext4 -q /dev/vdb && echo made"
    run, wipe, look, odd = give(lab, ("run", {"script": script}), ("wipe", {"disk": "VMLAB-1", "how": "signatures"}),
        ("run", {"script": "dd if=/dev/vdb bs=1M count=8 2>/dev/null | tr -d '\\0' | wc -c"}),
        ("wipe", {"disk": "VMLAB-1", "how": "secure"}))
    check_equal(wait_end(lab, run, 60)["state"], "done", output(lab, run))
    check("made" in output(lab, run), output(lab, run))
    wiped = wait_end(lab, wipe, 60)
    check_equal((wiped["state"], wiped["figures"]["disk"]), ("done", "vdb"), f"{wiped}")
    check_equal(wait_end(lab, look, 60)["state"], "done", output(lab, look))
    check_equal(output(lab, look), "0\n", "what is on it")
    refused = wait_end(lab, odd, 60)
    check(refused["state"] == "failed" and "no erase of its own" in refused["text"], f"{refused}")
    print(output(lab, run))


@pytest.mark.long
@needs(test_a_script_runs_and_the_disk_that_was_meant_is_wiped)
def test_memory_and_disk_of_a_small_machine_are_tested(lab):
    memory, disk = give(lab, ("memtest", {"minutes": 1}), ("disktest", {"disk": "vdb"}))
    tested = wait_end(lab, memory, 240)
    print(f"       {tested['figures']}")
    check_equal((tested["state"], tested["figures"]["errors"]), ("done", 0), f"{tested}")
    check(tested["figures"]["memory_bytes"] > 64 << 20 and tested["figures"]["tested_bytes"] > 64 << 20, f"{tested}")
    read = wait_end(lab, disk, 240)
    print(f"       {read['figures']}")
    check_equal((read["state"], read["figures"]["bytes"], read["figures"]["errors"]), ("done", 1 << 30, 0), f"{read}")


@pytest.mark.long
@needs(test_memory_and_disk_of_a_small_machine_are_tested)
def test_the_firmware_has_the_network_last_then_first(lab):
    def where():
        number, = give(lab, ("boot-order", {"network": wanted}))
        done = wait_end(lab, number, 60)
        check_equal(done["state"], "done", f"{done}")
        names = done["figures"]["boot_order"]
        return [("PXE" in n or "HTTP" in n) for n in names], names

    for wanted in ("last", "first"):
        network, names = where()
        check_equal(network, sorted(network, reverse=wanted == "first"), f"{wanted}: {names}")
        check(any(network) and not all(network), f"{names}")


@pytest.mark.long
@needs(test_the_firmware_has_the_network_last_then_first)
def test_the_power_goes_in_the_middle(lab):
    began = len(inventories(lab))
    script, = give(lab, ("run", {"script": "echo begun; sleep 900"}))
    eventually(lambda: "begun" in output(lab, script), 60, "it has begun")
    docker("kill", lab.container("worker"))
    lab.vmlab("up", "--no-wait", "worker", timeout=90)
    cut = wait_end(lab, script, BOOT_S)
    check(cut["state"] == "failed" and "anew" in cut["text"], f"{cut}")
    wipe, = give(lab, ("wipe", {"disk": "VMLAB-1", "how": "blocks"}))
    eventually(lambda: order_of(lab, wipe)["done_bytes"] > 0, 60, "it has begun")
    docker("kill", lab.container("worker"))
    lab.vmlab("up", "--no-wait", "worker", timeout=90)
    wiped = wait_end(lab, wipe, BOOT_S + 200)
    check_equal((wiped["state"], wiped["figures"]["reads_zero"]), ("done", True), f"{wiped}")
    check(len(inventories(lab)) >= began, "its inventory is lost")


@pytest.mark.long
@pytest.mark.parametrize("bus", ("nvme", "sata"))
def test_a_disk_erases_itself_where_it_can_and_no_other(lab, bus):
    """QEMU's NVMe device carries out Format NVM; its SATA disks have no security feature set, and say so."""
    docker("kill", lab.container("worker"), check_rc=False)
    lab.remove_vm("worker")
    lab.only_the_lab()
    before = len(inventories(lab))
    up(lab, "256M", "--disk-bus", bus, sizes=("64M", "80M"))
    eventually(lambda: len(inventories(lab)) > before, BOOT_S, "its inventory is there", every=1)
    named = {d["serial"]: d["name"] for d in inventories(lab)[0]["inventory"]["disks"]}  # in no order that would be certain
    disk, other = f"/dev/{named['VMLAB-1']}", f"/dev/{named['VMLAB-0']}"
    fill, = give(lab, ("run", {"script": f"""set -e
for d in {disk} {other}; do for at in 0 56; do dd if=/dev/urandom of=$d bs=1M count=8 seek=$at conv=fsync 2>/dev/null; done; done
sha256sum <{disk}; sha256sum <{other}"""}))
    check_equal(wait_end(lab, fill, 300)["state"], "done", output(lab, fill))
    sums = output(lab, fill).split("\n")
    wipe, = give(lab, ("wipe", {"disk": "VMLAB-1", "how": "secure"}))
    wiped = wait_end(lab, wipe, 300)
    print(f"       {wiped['text']} {wiped['figures']}")
    check_equal(wiped["figures"]["disk"], named["VMLAB-1"], "the disk that was meant")
    if bus == "nvme":
        check_equal((wiped["state"], wiped["figures"]["reads_zero"]), ("done", True), f"{wiped}")
        check_equal(wiped["figures"]["erased_by"], "NVMe format, its data erased", "how")
    else:
        check("failed" == wiped["state"] and "has no ATA security erase" in wiped["text"] and "blocks" in wiped["text"], f"{wiped}")
    look, = give(lab, ("run", {"script": f"tr -d '\\0' <{disk} | wc -c; sha256sum <{disk}; sha256sum <{other}"}))
    check_equal(wait_end(lab, look, 300)["state"], "done", output(lab, look))
    left, *now = output(lab, look).split("\n")
    check_equal(now[1], sums[1], "the other disk")
    if bus == "nvme":
        check_equal(left, "0", "bytes of the disk that are not zero")
    else:
        check_equal(now[0], sums[0], "a disk that cannot")
    lab.remove_vm("worker")


@pytest.mark.long
@needs(test_a_script_runs_and_the_disk_that_was_meant_is_wiped)
def test_wipe_install_run_and_kexec_by_one_call(lab):
    docker("kill", lab.container("worker"), check_rc=False)
    lab.remove_vm("worker")
    up(lab, "512M")
    in_a_row_to_the_installed_system(lab, "by order", ("install", {}))


@pytest.mark.long
@needs(test_wipe_install_run_and_kexec_by_one_call)
def test_wipe_deploy_run_and_kexec_by_one_call(lab):
    docker("kill", lab.container("worker"))
    lab.vmlab("up", "--no-wait", "worker", timeout=90)
    backup, = give(lab, ("backup", {"name": "worker-disk", "disk": "VMLAB-0"}))
    check_equal(wait_end(lab, backup, 2 * BOOT_S)["state"], "done", f"{order_of(lab, backup)}")
    in_a_row_to_the_installed_system(lab, "from an image", ("deploy", {"image": "worker-disk", "disk": "VMLAB-0"}))
    lab.remove_vm("worker")


def in_a_row_to_the_installed_system(lab, mark, how):
    """By one call, and nobody at the console: wiped, filled again, changed by a script, started."""
    script = f"""set -e
echo "{mark} $(cat /etc/hostname)" >/etc/issue
. /etc/os-release
echo "$ID\""""
    eventually(lambda: inventories(lab), BOOT_S, "its inventory is there", every=1)
    numbers = give(lab, ("wipe", {"disk": "VMLAB-0", "how": "signatures"}), how, ("run", {"where": "disk", "script": script}), ("kexec", {}))
    began = time.monotonic()
    for number in numbers:
        done = wait_end(lab, number, BOOT_S + INSTALL_S)
        print(f"       {done['action']}: {time.monotonic() - began:.0f} s, {json.dumps(done['figures'])}")
        check_equal(done["state"], "done", f"{done}: {output(lab, number)[-1500:]}")
    check_equal(output(lab, numbers[2]), "debian\n", "what the script said")
    eventually(lambda: mark in (said := lab.console("worker")) and "login:" in said, BOOT_S + INSTALL_S,
        "the installed system is up", every=2)
