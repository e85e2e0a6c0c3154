"""Two names of one MAC address, one after the other: the machine that runs under the first is the second's, and what is
installed stays. And one that does not move. A machine's container is there, and no machine in it."""
import hashlib
import json
import os

from kit import folder, http_client, netns
from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.lab import SERVER
from kit.scope import Scope, needs
from kit.sleeper import sleeper

scope = Scope("shared")
mine = folder.Folder(scope, "s/lab")
MAC, ADDRESS = "52:54:00:7e:5e:01", "192.168.100.50"
FIELDS = {"mac": MAC, "ip": ADDRESS, "arch": "amd64", "mode": "boot", "image": "debian-installer-13", "unattended": True}


def add_image():
    """Of one that says when it has installed."""
    where = os.path.join(mine.dir, "images", "debian-installer-13", "amd64")
    os.makedirs(where)
    with open(os.path.join(where, "vmlinuz"), "w") as f:
        f.write("a kernel")
    kernel = {"file": "vmlinuz", "size_bytes": 8, "sha256": hashlib.sha256(b"a kernel").hexdigest()}
    with open(os.path.join(where, "manifest.json"), "w") as f:
        json.dump({"format": 1, "kind": "boot", "distro": "debian-installer-13", "arch": "amd64",
            "boot": {"kernel": kernel, "args": "", "unattended_args": "url={unattended_url}"}}, f)


def state(name):
    return next(vm["state"] for vm in json.loads(mine.vmlab("ls", "--json").stdout)["vms"] if vm["name"] == name)


def call(path, source=ADDRESS):
    with scope.client.inside():
        return http_client.request(SERVER, path, source=source)


def test_a_machine_is_installed_and_its_file_renamed_while_it_runs():
    scope.sleeper = sleeper(scope)
    add_image()
    mine.define("before", **FIELDS)
    mine.vmlab("up", "--no-wait", "before", VMLAB_VM_IMAGE=scope.sleeper, timeout=120)
    pid = docker("inspect", "-f", "{{.State.Pid}}", mine.lab() + "-stack").stdout.strip()
    scope.client = netns.Client("sharedmac")
    scope.cleanup(scope.client.close)
    scope.client.plug(pid, "lab0")
    netns.wait_carrier(scope.client)
    scope.client.address(ADDRESS + "/24")
    script = call(f"/ipxe?mac={MAC}&arch=x86_64").text
    check("url=http" in script, f"it does not boot the installer: {script}")
    check_equal(call(f"/done/{MAC}").status, 204, "/done; status")
    eventually(lambda: state("before") == "installed", 5, "it is installed")
    os.rename(os.path.join(mine.vms, "before.json"), os.path.join(mine.vms, "before.old"))
    mine.define("after", **FIELDS)
    eventually(lambda: "installed" in (json.loads(mine.vmlab("ls", "--json").stdout)["vms"] and state("after")), 5,
        "the machine of that MAC address is installed still")


@needs(test_a_machine_is_installed_and_its_file_renamed_while_it_runs)
def test_up_and_restart_find_it_by_its_new_name_and_order_nothing():
    for command in ("up", "restart"):
        done = mine.vmlab(command, "after", "--no-wait", VMLAB_VM_IMAGE=scope.sleeper, timeout=120)
        check("its disk is new" not in done.stdout, f"{command}: {done.stdout}{done.stderr}")
        containers = docker("ps", "-a", "--filter", f"name={mine.lab()}-vm-", "--format", "{{.Names}}").stdout.split()
        check_equal(containers, [f"{mine.lab()}-vm-before"], f"{command}: its containers")
    check_equal(state("after"), "installed", "its state")
    check("reinstall" not in mine.vmlab("events", "after").stdout, "its events")


@needs(test_a_machine_is_installed_and_its_file_renamed_while_it_runs)
def test_up_names_the_broken_link_of_a_machine_that_does_not_move():
    mac, address = "52:54:00:7e:5e:02", "192.168.100.51"
    mine.define("still", **{**FIELDS, "mac": mac, "ip": address})
    mine.vmlab("up", "--no-wait", "still", VMLAB_VM_IMAGE=scope.sleeper, timeout=120)
    scope.client.address(address + "/24")
    check_equal([call(path, address).status for path in (f"/ipxe?mac={mac}&arch=x86_64", "/images/nothing/amd64/vmlinuz")], [200, 404], "its boot")
    explained = lambda: json.loads(mine.vmlab("explain", "--json", "still", check_rc=False).stdout)["broken"]
    broken = eventually(explained, 5, "a link is broken")
    done = mine.vmlab("up", "--timeout", "1", "still", VMLAB_VM_IMAGE=scope.sleeper, check_rc=False, timeout=120)
    check_equal((done.returncode, broken["link"]), (1, "kernel"), "how it ends, and the link")
    check(broken["sentence"] in done.stdout and broken["hint"] in done.stdout, f"up does not name {broken}: {done}")
