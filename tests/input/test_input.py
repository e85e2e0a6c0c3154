"""Wrong input is told where it is written, at once: by the command line, by the stack's
API and on the machine's screen, and all of them say the same.
"""
import json
import os
import random
import re
import time

from kit.check import check, check_equal, eventually, fail
from kit.command import docker, have_image
from kit.lab import STACK_IMAGE, Lab
from kit.scope import Scope, needs
from kit.vmlab_cli import VmLab

scope = Scope("input")
lab = Lab(scope, "input")  # the stack alone, with short limits
mine = VmLab(scope, "inputcli")
MAC = "52:54:00:1a:00:%02x"
LIMITS = "STALL_LIMITS=boot=2,network=2,rootfs=2,hooks=0,first-boot=2"


def validate(*argv):
    """(status, [problem])"""
    done = mine.vmlab("validate", "--json", *argv, check_rc=False)
    return done.returncode, json.loads(done.stdout)["problems"]


def errors(problems):
    return {p["file"]: p["text"] for p in problems if not p["warning"]}


def test_the_stack_starts_and_the_command_lines_own_lab():
    if not have_image(STACK_IMAGE):
        fail(f"there is no image {STACK_IMAGE}: `make load` builds it")
    lab.make_image()
    lab.start(env=[LIMITS, "GUEST_ACCESS=any"])
    mine.vmlab("up", timeout=120)


UP = test_the_stack_starts_and_the_command_lines_own_lab


def hosts():
    """{mac: name} as dnsmasq is told"""
    text = docker("exec", mine.name + "-stack", "cat", "/run/vm_watcher/dhcp-hosts").stdout
    found = {}
    for line in text.splitlines():
        words = line.split(",")
        macs = [w for w in words if re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", w)]
        if macs:
            found[macs[0]] = words[-1].split(".")[0]
    return found


def listing():
    return json.loads(mine.vmlab("ls", "--json").stdout)


def all_agree(what):
    """API, hosts files and the command line give the same verdict."""
    def agree():
        now = listing()
        served = {vm["mac"]: vm["name"] for vm in now["vms"] if vm.get("state")}
        refused = errors(now["problems"])
        status, problems = validate()
        assert served == hosts(), f"{what}: API {served}, hosts {hosts()}"
        assert set(errors(problems)) == set(refused), f"{what}: API {refused}, validate {errors(problems)}"
        assert (status == 0) == (not refused), f"{what}: status {status}"
        return now
    last = None
    for _ in range(30):
        try:
            return agree()
        except AssertionError as e:
            last = e
            time.sleep(0.2)
    fail(str(last))


def daemon_pids():
    return docker("exec", mine.name + "-stack", "pidof", "vm_watcher", "boot_handler").stdout.split()


def restart_daemons():
    """Both start anew, and know nothing but what is on disk: of the last change, too, a moment after it."""
    kept = lambda: docker("exec", mine.name + "-stack", "cat", "/state/vmlab.db.holders").stdout
    eventually(lambda: kept() == mine.api("/api/v1/holders")["holders"], 10, "who holds what is on disk")
    before = daemon_pids()
    docker("exec", mine.name + "-stack", "sh", "-c", "kill " + " ".join(before))
    eventually(lambda: len(now := daemon_pids()) == len(before) and not set(now) & set(before), 10, "both run anew")
    eventually(lambda: listing()["up"], 10, "the stack answers again")


@needs(UP)
def test_files_that_collide_in_any_order_stack_dnsmasq_and_command_line_judge_alike():
    """Files that collide, in any order: stack, dnsmasq and command line judge alike, also after restarts."""
    rng = random.Random(7)
    for step in range(24):
        file = f"f{rng.randrange(4)}.json"
        path = os.path.join(mine.vms, file)
        if rng.random() < 0.2:
            if os.path.exists(path):
                os.unlink(path)
        else:
            mine.define(file[:-5], mac=MAC % (10 + rng.randrange(4)))
            definition = {"name": f"n{rng.randrange(4)}", "mac": MAC % (10 + rng.randrange(4)),
                "ip": f"192.168.100.{40 + rng.randrange(4)}"}
            with open(path + ".tmp", "w") as f:
                json.dump(definition, f)
            os.rename(path + ".tmp", path)
        if step % 4 == 3:
            before = all_agree(f"step {step}")
        if step % 12 == 11:
            restart_daemons()
            after = all_agree(f"step {step}, daemons restarted")
            for vm in after["vms"]:
                old = next((o for o in before["vms"] if o["name"] == vm["name"]), None)
                check(not old or not vm.get("state") or old["mac"] == vm["mac"], f"{vm['name']} changed hands: {old} {vm}")


@needs(UP)
def test_a_file_that_claims_what_a_machine_has_only_the_newcomer_is_refused_by_all():
    """A file that claims what a machine has: only the newcomer is refused, by all, also while the lab is down."""
    for file in os.listdir(mine.vms):
        os.unlink(os.path.join(mine.vms, file))
    mine.define("good", mac=MAC % 30, ip="192.168.100.60", distro="none-such")
    eventually(lambda: [v["name"] for v in listing()["vms"]] == ["good"], 5, "good is served")
    mine.define("a-copy", mac=MAC % 30, distro="none-such")
    mine.define("good", mac=MAC % 30, ip="192.168.100.60", cpus=1, distro="none-such")  # younger now
    eventually(lambda: "a-copy.json" in errors(listing()["problems"]), 5, "the newcomer is refused")
    for _ in range(2):
        status, problems = validate()
        check_equal((status, list(errors(problems))), (1, ["a-copy.json"]), "validate")
        check("belongs to good.json already" in errors(problems)["a-copy.json"], problems)
        check_equal(errors(listing()["problems"]), errors(problems), "the stack's own words")
        done = mine.vmlab("plan", "good")
        check(done.returncode == 0, f"plan good: {done}")
        docker("restart", "-t", "5", mine.name + "-stack")
        eventually(lambda: listing()["up"], 60, "the stack is back", every=1)
    mine.vmlab("down", timeout=60)  # and without a stack to ask
    status, problems = validate()
    check_equal((status, list(errors(problems))), (1, ["a-copy.json"]), "validate, the lab is down")
    check_equal(mine.vmlab("plan", "good").returncode, 0, "plan, the lab is down")
    done = mine.vmlab("up", "a-copy", check_rc=False)
    check(done.returncode == 1 and "good.json" in done.stderr, f"up a-copy: {done}")
    os.unlink(os.path.join(mine.vms, "a-copy.json"))


def ask(path, **kwargs):
    return lab.get(path, from_lab=True, **kwargs)


def report(mac, **fields):
    answer = ask(f"/report/{mac}", method="POST", body=fields)
    check_equal(answer.status, 204, f"report {fields}: {answer.text[:200]!r}; status")


@needs(UP)
def test_a_missing_image_the_state_says_waiting_and_no_advice_names_a_command_that_fails():
    lab.define("typo", mac=MAC % 1, distro="debain-13")
    lab.define("known", mac=MAC % 2, distro="debian-12")
    vm = lab.wait_vm("typo")
    check_equal((vm["state"], vm["outlook"]["stage"]), ("waiting", "no image"), "typo")
    check("did you mean debian-13?" in vm["outlook"]["hint"], vm["outlook"])
    screen = ask(f"/ipxe?mac={MAC % 1}").text
    check("did you mean debian-13" in screen and "image build debain" not in screen, screen)
    vm = lab.wait_vm("known")
    check("vmlab image build debian-12 --arch amd64" in vm["outlook"]["hint"], vm["outlook"])
    check("vmlab image build debian-12" in ask(f"/ipxe?mac={MAC % 2}").text, "no advice on the screen")
    lab.make_image("debain-13")
    lab.wait_vm("typo", 5, lambda vm: vm["state"] == "declared" and vm["outlook"] is None, "goes on")


@needs(UP)
def test_a_machine_that_boots_a_kernel_of_its_own_waits_for_a_missing_file_state_screen_validate():
    """A machine that boots a kernel of its own waits for a missing file: state, screen, validate, plan."""
    fields = {"mac": MAC % 3, "distro": "own", "pxeboot": False, "kernel": "vmlinuz-6", "initrd": "initrd.gz"}
    lab.define("own", **fields)
    vm = lab.wait_vm("own")
    check_equal((vm["state"], vm["outlook"]["stage"], vm["outlook"]["reason"]),
        ("waiting", "no kernel", "kernel vmlinuz-6 is not there"), "state")
    check("images/own/amd64" in vm["outlook"]["hint"], vm["outlook"])
    screen = ask(f"/ipxe?mac={MAC % 3}").text
    check("kernel vmlinuz-6 is not there" in screen and "boot ||" not in screen, screen)
    mine.define("own", **fields)
    for command in ("validate", "plan"):
        done = mine.vmlab(command, "own", check_rc=False)
        for words in ("kernel vmlinuz-6 is not there", "initrd initrd.gz is not there"):
            check(done.returncode == 0 and words in done.stdout + done.stderr, f"{command}: {done}")
    os.unlink(os.path.join(mine.vms, "own.json"))
    folder = os.path.join(lab.images, "own", "x86_64") # as pvmlab calls it
    os.makedirs(folder)
    for name, state, stage in (("vmlinuz-6", "waiting", "no initrd"), ("initrd.gz", "declared", None)):
        with open(os.path.join(folder, name), "w") as f:
            f.write(name)
        vm = lab.wait_vm("own", 3, lambda vm: vm["state"] == state, state)
        check_equal(vm["outlook"] and vm["outlook"]["stage"], stage, "stage")
    url = re.search(r"^kernel (\S+)", ask(f"/ipxe?mac={MAC % 3}").text, re.M)
    check_equal(ask("/" + url[1].split("/", 3)[3]).text, "vmlinuz-6", "the kernel")
    os.unlink(os.path.join(folder, "vmlinuz-6")) # it runs by now
    check_equal(lab.vm("own")["state"], "declared", "state of the machine that runs")
    ask(f"/ipxe?mac={MAC % 3}")
    check_equal(lab.vm("own")["state"], "waiting", "state when it asked again")
    lab.undefine("own.json")


@needs(UP)
def test_what_the_stack_cannot_read_is_said_with_what_to_do():
    lab.define("locked", mac=MAC % 5)
    lab.wait_vm("locked", 3, lambda vm: vm["state"] == "declared")
    kernel = os.path.join(lab.images, "debian-13", "amd64", "vmlinuz")
    for path in (kernel, os.path.dirname(kernel)):
        mode = os.stat(path).st_mode & 0o777
        os.chmod(path, 0o700 if os.path.isdir(path) else 0o600)
        vm = lab.wait_vm("locked", 5, lambda vm: vm["state"] == "waiting", f"waits without {path}")
        check("cannot be read by the stack: chmod" in vm["outlook"]["reason"], vm["outlook"])
        os.chmod(path, mode)
        lab.wait_vm("locked", 5, lambda vm: vm["state"] == "declared", "goes on")
    os.chmod(os.path.join(lab.vms, "locked.json"), 0o600)
    found = eventually(lambda: lab.problems("locked.json"), 5, "a problem")
    check("chmod a+r" in found[0]["text"] and found[0]["serving_last_good"], found)
    os.chmod(os.path.join(lab.vms, "locked.json"), 0o644)
    eventually(lambda: not lab.problems("locked.json"), 5, "no problem any more")
    lab.undefine("locked.json")


def stalls(name, stage):
    vm = lab.wait_vm(name, 6, lambda vm: vm["state"] == "stalled", f"is stalled in {stage}")
    check_equal(vm["outlook"]["stage"], stage, "stage")
    check(vm["outlook"]["reason"] and vm["outlook"]["hint"] and vm["outlook"]["since"] and vm["outlook"]["limit_s"] == 2,
        vm["outlook"])


@needs(UP)
def test_a_stage_that_does_not_move_for_its_time_limit_is_stalled_and_one_that_moves_is_not():
    mac = MAC % 9
    lab.define("slow", mac=mac)
    lab.wait_vm("slow")
    ask(f"/ipxe?mac={mac}")
    check_equal(lab.vm("slow")["state"], "booting", "at once")
    stalls("slow", "boot")
    report(mac, phase="network", status="running")
    check_equal(lab.vm("slow")["state"], "installing", "moved")
    stalls("slow", "network")
    for n in range(6):  # longer than the limit
        report(mac, phase="rootfs", status="running", bytes=n * 1000, total_bytes=9000)
        check_equal(lab.vm("slow")["state"], "installing", "bytes come")
        time.sleep(0.6)
    end = time.monotonic() + 3.5
    while time.monotonic() < end:  # it reports, but no byte comes
        report(mac, phase="rootfs", status="running", bytes=5000, total_bytes=9000)
        time.sleep(0.3)
    stalls("slow", "rootfs")
    report(mac, phase="hooks", status="running")
    time.sleep(3)
    check_equal(lab.vm("slow")["state"], "installing", "a stage without limit")
    report(mac, phase="report", status="done")
    check_equal(lab.vm("slow")["state"], "installed", "in the end")
