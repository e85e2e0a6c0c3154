"""What the server says of machines that do not get on: each link broken on purpose, with real clients for the others."""
import os
import time

import pytest

from kit import backup_bench, commanded_lab as called, dhcp, http_client, netns
from kit.check import check, check_equal, eventually
from kit.lab import SERVER

STRANGER = "52:54:00:7e:58:ff"


def mac_of(n):
    return f"52:54:00:7e:58:{n:02x}"


def explain(lab, who):
    return lab.api(f"/api/v1/machines/{who}/explain")


def broken(lab, who, rule, said=""):
    """Waits for it, since what machines do is told to the server and the server's files are looked at again and again."""
    def is_told():
        told = explain(lab, who)
        check(told["broken"] and told["broken"]["rule"] == rule, str(told["broken"] or told["facts"]))
        return told["broken"]
    found = eventually(is_told, 10, f"{who} is broken by {rule}", every=0.2)
    check(said in found["sentence"], f"{found['sentence']!r} has no {said!r}")
    check(found["hint"], f"nothing to do about it: {found}")
    return found


def sign(found, name):
    return next((e for e in found["evidence"] if e["sign"] == name), None)


class Machine:
    """One in a namespace of its own: whose a file is that TFTP sent tells the card."""

    def __init__(self, lab, n):
        self.mac, self.ip = mac_of(n), f"192.168.100.{70 + n}"
        self.client = netns.Client(f"explain{n}", mac=self.mac)
        lab.scope.cleanup(self.client.close)
        self.client.plug(lab.net_pid())
        netns.wait_carrier(self.client)

    def lease(self):
        with self.client.inside():
            client = dhcp.Client()
            check(client.acquire(self.mac, arch=7, timeout=8), f"{self.mac}: no address")
            client.close()
        self.client.address(self.ip + "/24")

    def tftp(self, *names):
        for name in names:
            self.client.run(["busybox", "tftp", "-g", "-b", "1408", "-r", name, "-l", "/dev/null", SERVER], timeout=30)

    def get(self, path):
        with self.client.inside():
            return http_client.request(SERVER, path).status


@pytest.fixture(scope="module")
def way(lab):
    """Machines that went so far and no further."""
    names = ["offered", "addressed", "loaded", "scripted", "asked", "fetched"]
    for n, name in enumerate(names):
        lab.define(name, mac=mac_of(n), ip=f"192.168.100.{70 + n}", distro="debian-13")
    eventually(lambda: mac_of(len(names) - 1) in lab.exec("cat", "/run/vm_watcher/dhcp-hosts").stdout, 5, "DHCP knows them")
    check(lab.offer(lab.machine, mac_of(0), arch=7), "no offer")
    made = [Machine(lab, n) for n in range(1, len(names))]
    for machine in made:
        machine.lease()
    for machine in made[1:]:
        machine.tftp("ipxe-x86_64.efi")
    for machine in made[2:]:
        machine.tftp("autoexec.ipxe")
    for machine in made[3:]:
        check_equal(machine.get(f"/ipxe?mac={machine.mac}"), 200, "its script: status")
    made[4].get(f"/images/debian-13/amd64/{lab.manifest['kernel']['file']}")
    check_equal(made[4].get("/initrds/amd64/none.zst"), 404, "an initrd that is not there: status")
    return time.monotonic()


def test_definitions(lab, way):
    lab.define("explained", mac=mac_of(0x20), distro="debian-13")
    lab.wait_vm("explained")
    lab.define("explained", mac=mac_of(0x20), distro="debian-13", cpus="many")
    broken(lab, "explained", "definition-broken", "explained.json:5:")
    lab.define("explained", mac=mac_of(0x20), distro="debian-13")
    lab.define("second", mac=mac_of(0x20), distro="debian-13")
    broken(lab, "second", "claimed", "explained.json")
    lab.write("third.json", '{"name": "third"')
    broken(lab, "third", "definition-refused", "third.json:1:")
    unknown = lab.operator("/api/v1/machines/third/orders")
    check(unknown.status == 404 and "third.json is there, but not in force" in unknown.text, unknown.text)
    for file in "second.json", "third.json":
        os.unlink(os.path.join(lab.vms, file))
    lab.ask(f"/ipxe?mac={STRANGER}&serial=STRANGE-1", source="192.168.100.99")
    broken(lab, STRANGER, "no-definition", "STRANGE-1")
    broken(lab, "STRANGE-1", "no-definition", "STRANGE-1")
    check_equal(lab.operator("/api/v1/machines/nobody/explain").status, 404, "of nobody: status")


def test_images(lab, way):
    lab.define("explained", mac=mac_of(0x20), distro="debian-99")
    broken(lab, "explained", "image-missing", "debian-99")
    lab.define("explained", mac=mac_of(0x20), distro="debian-13", arch="arm64")
    broken(lab, "explained", "image-other-arch", "debian-13 for arm64")
    lab.define("explained", mac=mac_of(0x20), distro="debian-13")
    rootfs = os.path.join(lab.images, "debian-13", "amd64", lab.manifest["rootfs"]["file"])
    os.rename(rootfs, rootfs + ".away")
    broken(lab, "explained", "image-cut", "is missing")
    os.rename(rootfs + ".away", rootfs)
    broken(lab, "explained", "no-discover", "no DHCP request")


def test_dhcp(lab, way):
    """Another server's address, an address that somebody has, one that is not the declared one."""
    lab.define("moved", mac=mac_of(0x21), ip="192.168.100.81", distro="debian-13")
    lab.define("taken", mac=mac_of(0x22), ip="192.168.100.82", distro="debian-13")
    lab.define("foreign", mac=mac_of(0x23), ip="192.168.100.83", distro="debian-13")
    eventually(lambda: mac_of(0x23) in lab.exec("cat", "/run/vm_watcher/dhcp-hosts").stdout, 5, "DHCP knows them")
    with lab.machine.inside():
        client = dhcp.Client()
        check(client.acquire(mac_of(0x21), arch=7, timeout=8), "no address")
        taken = client.acquire(mac_of(0x22), arch=7, timeout=8)
        offer = client.discover(mac_of(0x23), arch=7)
        offer.server = "192.168.100.250"
        refused = client.request(mac_of(0x23), offer)
    eventually(lambda: "address" in explain(lab, "taken")["facts"], 5, "it is known what it got")
    with lab.machine.inside():
        client.decline(mac_of(0x22), taken.yiaddr, taken.server)
        client.close()
    check_equal(refused and refused.kind, dhcp.NAK, "what one hears that takes another server's offer")
    broken(lab, "foreign", "other-server", "wrong server")
    broken(lab, "taken", "address-in-use", "192.168.100.82")
    lab.define("moved", mac=mac_of(0x21), ip="192.168.100.84", distro="debian-13")
    broken(lab, "moved", "address-differs", "declares 192.168.100.84 and the machine has 192.168.100.81")


def test_the_installer(lab, way):
    lab.machine.address("192.168.100.85/24")
    lab.define("failing", mac=mac_of(0x25), ip="192.168.100.85", distro="debian-13")
    lab.wait_vm("failing")
    said = lambda **fields: check_equal(lab.ask(f"/report/{mac_of(0x25)}", method="POST", body=fields,
        source="192.168.100.85").status, 204, "report: status")
    lab.ask(f"/ipxe?mac={mac_of(0x25)}", source="192.168.100.85")
    said(phase="hooks", status="running")
    found = explain(lab, "failing")
    check(found["ok"] and found["where"] == "it is being installed: hooks", str(found))
    check_equal([l["link"] for l in found["links"] if l["state"] != "ok"], ["disk", "bootloader", "first-boot"],
        "links that are to come")
    check_equal(lab.ask(f"/config/{mac_of(0x25)}", source="192.168.100.99").status, 403, "of another: status")
    found = broken(lab, "failing", "refused")
    check_equal(sign(found, "refused")["from"], "192.168.100.99", "who was refused")
    said(phase="hooks", status="failed", message="hooks.post_install ended with status 3", hint="x", log="cp: no such file\n")
    found = broken(lab, "failing", "hook-failed", "status 3")
    check("cp: no such file" in sign(found, "log")["text"], str(found))
    lab.operator("/api/v1/vms/failing/netboot/off", method="POST")
    check_equal([b["rule"] for b in explain(lab, "failing")["also"]], ["hook-failed"], "what else is broken")
    broken(lab, "failing", "netboot-off")


def test_a_deployed_disk_that_does_not_start(lab, way):
    """What was seen of it since it was sent to its disk: nothing, DHCP, and that it is back."""
    folder = os.path.join(lab.images, "a-disk", "amd64")
    os.makedirs(folder)
    for name, data in backup_bench.image_files("a-disk", bytes(4096), 1 << 20, "amd64").items():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)
    lab.define("deployed", mac=mac_of(0x26), ip="192.168.100.108", distro="debian-13", mode="agent")
    lab.wait_vm("deployed")
    eventually(lambda: mac_of(0x26) in lab.exec("cat", "/run/vm_watcher/dhcp-hosts").stdout, 5, "DHCP knows it")
    machine = Machine(lab, 0x26)
    machine.lease()
    agent = called.Machine(machine.client, machine.mac)
    check("initrd.mode=agent" in agent.boots(), "it does not boot the agent")
    agent.comes()
    for action, args in ("deploy", {"image": "a-disk", "disk": "vda"}), ("local", {}):
        answer = lab.operator("/api/v1/machines/deployed/orders", method="POST", body={"action": action, "args": args})
        check_equal(answer.status, 200, f"{answer}; status")
        check_equal(agent.done(agent.poll()).status, 204, f"the end of {action}: status")
    check("sanboot" in agent.boots(), "it is not sent to its disk")
    where = lambda: explain(lab, "deployed")["where"]
    check(where().endswith("; nothing was heard of it since"), where())
    machine.lease()
    # A lease that was told within the last two seconds is not told again.
    eventually(lambda: where().endswith(("got 192.168.100.108 since", "asks for an address since")), 5, "it is told that it asks")
    check("initrd.mode=agent" in agent.boots(), "it does not boot the agent again")
    found = broken(lab, "deployed", "returned", "came back over the network")
    check_equal((found["link"], sign(found, "returned")["text"]),
        ("bootloader", "it came back over the network and was told: agent"), "where it fails")


def test_a_machine_that_stops_on_its_way_is_found_where_it_stopped(lab, way):
    """All of them stopped when this file began; what they may take is over by now, or will be."""
    time.sleep(max(0, way + 16 - time.monotonic()))
    offered = broken(lab, "offered", "offer-not-taken", "192.168.100.70")
    check_equal(sign(offered, "offer")["count"], 1, "offers")
    addressed = broken(lab, "addressed", "loader-not-fetched", "192.168.100.71")
    check(sign(addressed, "address")["at"], str(addressed))
    broken(lab, "loaded", "loader-silent", "ipxe-x86_64.efi")
    scripted = broken(lab, "scripted", "script-unreached")
    check_equal(sign(scripted, "tftp")["from"], "192.168.100.73", "who fetched it")
    asked = broken(lab, "asked", "kernel-not-fetched", "install")
    check_equal(sign(asked, "asked")["from"], "192.168.100.74", "who asked")
    broken(lab, "fetched", "kernel-missing", "/initrds/amd64/none.zst")
