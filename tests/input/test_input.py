"""Wrong input is told where it is written, at once: by the command line, by the stack's
API and on the machine's screen, and all of them say the same.
"""
import json
import os
import random
import re
import subprocess
import time

from kit.check import check, check_equal, eventually, fail
from kit.command import docker, have_image
from kit.lab import STACK_IMAGE, Lab
from kit.scope import Scope, needs
from kit.vmlab_cli import BINARY, VmLab

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


# ---- without a lab -------------------------------------------------------------------------------

def test_every_mistake_of_a_file_is_told_with_its_line_and_column_jsons_own_with_what_was_done():
    path = os.path.join(mine.vms, "bad.json")
    with open(path, "w") as f:
        f.write('{"name": "-ad",\n "mac": "52:54:00:1a:00",\n "memory": "1 GB",\n'
            ' "disks": [{"size": "1X"}, {"size": "2Q"}],\n "colour": 1}\n')
    status, problems = validate()
    check_equal(status, 1, "exit status")
    check_equal([(p["line"], p["column"], p["warning"]) for p in problems],
        [(1, 10, False), (2, 9, False), (3, 12, False), (4, 21, False), (4, 37, False), (5, 2, True)], "places")
    with open(path, "w") as f:
        f.write('{"name": "six", "mac": "52:54:00:1a:00:06", "ip": "10.9.9.9",\n'
            ' "disks": [{"match": {"transport": "floppy", "min_size": "2G", "max_size": "1G", "pick": "first"}}],\n'
            ' "storage": {"swap": "2 gigs", "partitions": [\n'
            '   {"mount": "/var", "size": "4G", "fs": "ntfs"}, {"mount": "/var", "size": "1M"}]}}\n')
    check_equal([(p["line"], p["column"]) for p in validate()[1]],
        [(1, 51), (2, 36), (2, 76), (2, 90), (3, 22), (4, 42), (4, 51), (4, 77)], "places, addresses and disks")
    for text, line, column, words in (
            ('{"name": "a",\n // x\n "mac": 1}', 2, 2, "a comment starts here"),
            ('{"name": "a"\n "mac": 1}', 1, 13, "a comma is missing here"),
            ('{"name": "a",\n "mac": 1,\n}', 2, 10, "no comma may stand before"),
            ("{'name': 1}", 1, 2, "a single quote"),
            ('{name: 1}', 1, 2, 'write "name"'),
            ('{"memory": 2G}', 1, 12, 'write "2G"')):
        with open(path, "w") as f:
            f.write(text)
        problems = validate()[1]
        check(len(problems) == 1 and words in problems[0]["text"]
            and (problems[0]["line"], problems[0]["column"]) == (line, column), f"{text!r}: {problems}")
    with open(path, "wb") as f:
        f.write('{"name": "bad"}'.encode("utf-16"))
    check("UTF-16" in validate()[1][0]["text"], "UTF-16 is not named")
    os.unlink(path)


def test_what_cannot_be_installed_is_said_by_validate_and_plan_with_the_nearest_name_of_an_image():
    os.makedirs(os.path.join(mine.images, "mine-1", "amd64"))
    with open(os.path.join(mine.images, "mine-1", "amd64", "manifest.json"), "w") as f:
        json.dump({"format": 1, "rootfs": {"format": "tar.zst", "unpacked_bytes": 311374150, "entries": 12201},
            "kernel": {"size_bytes": 11745216}, "modules": {"size_bytes": 4670678},
            "provides": ["cloud-init", "grub-x86_64-efi"]}, f)
    mine.define("small", mac=MAC % 1, distro="mine-1", memory="128M", disks=[{"size": "600M"}], cpus=500)
    mine.define("typo", mac=MAC % 2, distro="debain-13")
    mine.define("near", mac=MAC % 3, distro="mine1")
    mine.define("odd", mac=MAC % 4, distro="nothing-like-it")
    status, problems = validate()
    check_equal(status, 0, "exit status with warnings only")
    said = {}
    for p in problems:
        check(p["warning"], f"no warning: {p}")
        said.setdefault(p["file"], []).append(p)
    check_equal(sorted(p["text"].split('"')[1] for p in said["small.json"]), ["cpus", "disks", "memory"], "small")
    check(all(p["line"] > 1 for p in said["small.json"]), f"no place: {said['small.json']}")
    check("did you mean debian-13?" in said["typo.json"][0]["text"], said["typo.json"])
    check("did you mean mine-1?" in said["near.json"][0]["text"], said["near.json"])
    for file in ("near.json", "odd.json"):
        check("image build" not in said[file][0]["text"], f"advises what fails: {said[file]}")
    done = mine.vmlab("plan", "small", check_rc=False)
    check(done.returncode == 1 and "small" in done.stderr, f"plan of a disk that is too small: {done}")
    done = mine.vmlab("plan", "small", "--disk", "4G", check_rc=False)
    check(done.returncode == 1 and "too little for the installer" in done.stderr, f"plan with 128M: {done}")
    done = mine.vmlab("plan", "typo")
    check("did you mean debian-13?" in done.stdout and "image build debain" not in done.stdout, done.stdout)
    for name in ("small", "typo", "near", "odd"):
        os.unlink(os.path.join(mine.vms, name + ".json"))


def test_new_an_address_mac_or_name_that_another_file_has_is_refused_and_nothing_is_written():
    mine.define("one", mac=MAC % 1, ip="192.168.100.77")
    for argv in (("--ip", "192.168.100.77"), ("--mac", (MAC % 1).upper())):
        done = mine.vmlab("new", "two", *argv, check_rc=False)
        check(done.returncode == 1 and "one.json" in done.stderr, f"{argv}: {done}")
        check(not os.path.exists(os.path.join(mine.vms, "two.json")), f"{argv}: two.json is there")
    mine.vmlab("new", "two")
    check_equal(validate()[0], 0, "validate")
    for name in ("one", "two"):
        os.unlink(os.path.join(mine.vms, name + ".json"))


def test_umask_077_what_vmlab_new_writes_can_be_read_by_the_stack_what_cannot_is_told():
    done = subprocess.run(["/bin/sh", "-c",
        f'umask 077; cd {mine.dir} && mkdir fresh && cd fresh && unset VMLAB_VMS && {BINARY} new mask'],
        env=mine.env, capture_output=True, text=True)
    check_equal(done.returncode, 0, f"new: {done}")
    modes = {path: oct(os.stat(os.path.join(mine.dir, "fresh", path)).st_mode & 0o777)
        for path in ("vms", "vms/mask.json")}
    check_equal(modes, {"vms": "0o755", "vms/mask.json": "0o644"}, "modes")
    mine.define("mask", mac=MAC % 1, mode="local")
    os.chmod(os.path.join(mine.vms, "mask.json"), 0o600)
    status, problems = validate()
    check(len(problems) == 1 and "chmod a+r" in problems[0]["text"] and problems[0]["file"] == "mask.json", problems)
    doctor = json.loads(mine.vmlab("doctor", "--json", check_rc=False).stdout)
    found = next(c for c in doctor["checks"] if c["check"] == "definitions")
    check("chmod a+r" in found["found"] and found["result"] == "missing", found)
    os.unlink(os.path.join(mine.vms, "mask.json"))


# ---- with the stack ------------------------------------------------------------------------------

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
            docker("exec", mine.name + "-stack", "supervisorctl", "restart", "stack:vm_watcher", "stack:boot_handler",
                check_rc=False)
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
