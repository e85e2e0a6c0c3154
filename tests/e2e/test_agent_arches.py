"""The agent on each architecture: a machine that nobody declared boots it, tells what it is, and does what it is ordered to, to
the system that it starts in the end."""
import tempfile

import pytest

from kit import http_client
from kit.bare_image import DISK_MIB, Bare
from kit.check import check, check_equal, eventually
from kit.scope import needs

MIB = 1 << 20
BOOT_S = {"amd64": 400, "arm64": 1200}
MACHINE = {"amd64": "x86_64", "arm64": "aarch64"}
pytestmark = [pytest.mark.long, pytest.mark.timeout(4000)]


class Stranger:
    def __init__(self, lab, arch):
        self.lab, self.arch, self.name = lab, arch, f"strange-{arch}"
        self.mac = "52:54:00:e2:e0:" + {"amd64": "2a", "arm64": "2b"}[arch]

    def ask(self, path, **kwargs):
        return http_client.request("localhost", f"/api/v1/machines/{self.mac}/{path}", unix=self.lab.socket, **kwargs)

    def told(self):
        answer = self.ask("inventory")
        return answer.json["inventories"] if answer.status == 200 else []

    def greetings(self):
        return len([e for e in self.lab.api("/api/v1/events?limit=1000")["events"] if e["kind"] == "agent" and e["mac"] == self.mac])

    def give(self, *orders):
        """By one call; their numbers."""
        answer = self.ask("orders", method="POST", body={"orders": [{"action": a, "args": args} for a, args in orders]})
        check_equal(answer.status, 200, f"{orders}: {answer}; status")
        return [o["id"] for o in answer.json["orders"]]

    def ends(self, number, wanted="done"):
        """How it ended, and what it wrote."""
        path = f"orders/{number}"
        order = eventually(lambda: (now := self.ask(path).json)["state"] in ("done", "failed", "stopped") and now, BOOT_S[self.arch],
            f"order {number} has ended", every=0.5)
        said = self.ask(path + "/output").text
        print(f"       {order['action']}: {order['text']} {order['figures'] or ''} {said.strip()}", flush=True)
        check_equal(order["state"], wanted, f"{order}: {said[-600:]}; state")
        return order, said

    def does(self, action, wanted="done", **args):
        return self.ends(self.give((action, args))[0], wanted)


@pytest.fixture(scope="module")
def strangers(lab):
    """One of each, started when it is asked for; they stay until the last test."""
    lab.only_the_lab()
    lab.strangers_get("agent")
    made = {}

    def of(arch):
        if arch not in made:
            made[arch] = Stranger(lab, arch), Bare(lab, arch)
            machine, bare = made[arch]
            with tempfile.TemporaryDirectory(dir=lab.scope.tempdir()) as work:
                bare.disk_image(work, f"bare-{arch}")
            lab.start_vm(machine.name, machine.mac, disk_bytes=f"{2 * DISK_MIB * MIB} {64 * MIB}", memory_mib=512,
                env=[f"VM_ARCH={arch}"])
        return made[arch][0]

    yield of
    for machine, bare in made.values():
        lab.save_console(machine.name, machine.name)
        lab.remove_vm(machine.name)
        bare.end()
    lab.strangers_get("wait")


@pytest.fixture(params=MACHINE)
def stranger(request, strangers):
    return strangers(request.param)


def test_its_inventory_tells_what_it_is(stranger):
    newest = eventually(stranger.told, BOOT_S[stranger.arch], "the inventory is told", every=1)[0]["inventory"]
    check_equal((newest["cpu"]["arch"], newest["firmware"]["type"]), (stranger.arch, "uefi"), "CPU and firmware")
    check_equal([d["size_bytes"] for d in newest["disks"]], [2 * DISK_MIB * MIB, 64 * MIB], "disks")
    check_equal([n["mac"] for n in newest["nics"]], [stranger.mac], "cards")
    stranger.does("inventory")


@needs(test_its_inventory_tells_what_it_is)
def test_it_starts_anew_and_comes_back(stranger):
    before = stranger.greetings()
    stranger.does("reboot")
    eventually(lambda: stranger.greetings() > before, BOOT_S[stranger.arch], "its agent is there again", every=1)


@needs(test_it_starts_anew_and_comes_back)
def test_by_one_call_its_disk_is_wiped_deployed_changed_by_a_script_and_started(stranger):
    fill = "dd if=/dev/urandom of=/dev/vd%s bs=1M count=8 2>/dev/null"
    machine, other = stranger.does("run", script=f"uname -m; {fill % 'a'}; {fill % 'b'}; sync; sha256sum </dev/vdb")[1].split(maxsplit=1)
    check_equal(machine, MACHINE[stranger.arch], "what it runs on")
    wipe, deploy, run, look, last = stranger.give(("wipe", {"disk": "vda", "how": "blocks"}),
        ("deploy", {"image": f"bare-{stranger.arch}", "disk": "vda"}),
        ("run", {"where": "disk", "disk": "vda", "script": '. /etc/os-release; echo "$ID $VERSION"; echo here >/etc/by-order'}),
        ("run", {"script": "sha256sum </dev/vdb"}), ("kexec", {"disk": "vda"}))
    check_equal(stranger.ends(wipe)[0]["figures"]["reads_zero"], True, "it is wiped")
    figures = stranger.ends(deploy)[0]["figures"]
    check_equal((figures["verified"], figures["image_bytes"]), (True, DISK_MIB * MIB), f"{figures}")
    check_equal(stranger.ends(run)[1], f"bare {stranger.arch}\n", "the system on the disk")
    check_equal(stranger.ends(look)[1], other, "what is on the other disk")
    stranger.ends(last)
    stranger.lab.wait_console(stranger.name, r"(?s)kexec.*initrd: Linux \S+, " + MACHINE[stranger.arch], BOOT_S[stranger.arch])
