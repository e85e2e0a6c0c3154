"""`vmlab simulate`: clients without a VM, against a real stack of their own and against a lab's.

Needs the stack's image and the built command; starts no VM. Run as root.
"""
import json
import os
import re
import signal
import subprocess

from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.scope import Scope, needs
from kit.vmlab_cli import BINARY, VmLab

scope = Scope("simulate")
state = {}
QUICK = {"over_s": 0.2, "speed": 100, "rootfs": "5M", "kernel": "64K", "modules": "64K"}


def profile(name, **fields):
    where = os.path.join(scope.tempdir(), name)
    with open(where, "w") as f:
        json.dump({**QUICK, **fields}, f)
    return where


def containers(vms):
    """{role: name} of those that were made for a folder of definitions."""
    lines = docker("ps", "-a", "--filter", f"label=vmlab.vms={vms}", "--format", '{{.Label "vmlab.role"}} {{.Names}}').stdout
    return dict(line.split() for line in lines.splitlines())


def simulated(lab):
    return docker("ps", "-aq", "--filter", f"label=vmlab.lab={lab}", "--filter", "label=vmlab.role=simulate").stdout.split()


def ports(lab):
    return re.findall(r"\bsim\d+", docker("exec", f"{lab.name}-stack", "ip", "-o", "link").stdout)


def test_machines_of_every_kind_end_as_their_profile_says_and_leave_nothing():
    lab = state["lab"] = VmLab(scope, "simulate")
    env = {k: v for k, v in lab.env.items() if k not in ("VMLAB_LAB", "VMLAB_VMS", "VMLAB_IMAGES")}
    file = profile("faults.json", slow_rate="8M", faults={"silence": [1, 2], "slow": [3], "repeat": [4, 5],
        "reboot": [6, 7, 8], "wrong_mac": [9, 10]})
    done = subprocess.run([BINARY, "simulate", "20", "--profile", file, "--json"], env=env, cwd=lab.dir, text=True,
        capture_output=True, timeout=120)
    check_equal(done.returncode, 0, f"{done.stderr}\n{done.stdout}; status")
    result = json.loads(done.stdout)
    check_equal(result["ended"], {"going": 0, "ready": 16, "failed": 0, "silent": 2, "waiting": 2, "elsewhere": 0}, "ends")
    check_equal((result["silent"], result["waiting"]), ([1, 2], [9, 10]), "which got no further")
    check_equal((result["failures"], result["server_ready"]), ([], 16), "failures, ready by the server's account")
    times = {step["name"]: step["count"] for step in result["steps"]}
    check_equal(times["/report: installed"], 18, "16 were installed, two of them told it twice:")
    check_equal(times["/report: ready"], 18, "and the same of ready:")
    check(times["DHCP offer"] >= 18 * 4 + 3, f"asked at each of four times, three of them once more: {times}")
    check(result["received_bytes"] > 16 * (5 << 20), f"the images were not sent: {result['received_bytes']} bytes")
    daemons = {d["name"]: d for d in result["daemons"]}
    for name in ("dnsmasq", "nginx", "boot_handler", "vm_watcher"):
        check(daemons[name]["peak_rss_bytes"] > 1 << 20, f"{name}: {daemons[name]}")
    folder = os.path.join(lab.env["VMLAB_HOME"], "simulate")
    check(not os.path.exists(folder), f"{folder} is left")
    check_equal(containers(os.path.join(folder, "vms")), {}, "containers that are left")
    check_equal(docker("volume", "ls", "-q", "--filter", f"label=vmlab.vms={folder}/vms").stdout, "", "volumes that are left")


def test_in_a_lab_that_runs_they_are_strangers():
    lab = state["lab"]
    lab.vmlab("up", "--no-wait")
    done = lab.vmlab("simulate", "5", "--profile", profile("quick.json"), "--json")
    result = json.loads(done.stdout)
    check_equal(result["ended"]["waiting"], 5, f"strangers that were told to wait: {result}; number")
    asked = [m for m in lab.api("/api/v1/machines")["machines"] if str(m.get("serial", "")).startswith("SIM-")]
    check_equal(len(asked), 5, "strangers that the lab knows")
    check_equal((simulated(lab.name), ports(lab)), ([], []), "what is left of it")


STRANGERS = test_in_a_lab_that_runs_they_are_strangers


@needs(STRANGERS)
def test_a_server_that_does_not_answer_is_told_with_its_step():
    lab = state["lab"]
    nginx = "kill -{} $(pidof nginx)".format
    docker("exec", f"{lab.name}-stack", "sh", "-c", nginx("STOP"))
    try:
        done = lab.vmlab("simulate", "4", "--profile", profile("hasty.json", patience_s=1), check_rc=False)
    finally:
        docker("exec", f"{lab.name}-stack", "sh", "-c", nginx("CONT"))
    check_equal(done.returncode, 1, f"{done.stdout}; status")
    check("4 failed: /ipxe: the server did not answer in time" in done.stdout, done.stdout)


@needs(STRANGERS)
def test_ctrl_c_ends_it_at_once_and_leaves_the_lab_as_it_was():
    lab = state["lab"]
    running = subprocess.Popen([BINARY, "simulate", "3", "--profile", profile("slow.json", firmware_s=3600, speed=0.1)],
        env=lab.env, cwd=lab.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    scope.cleanup(lambda: running.poll() is None and running.kill())
    eventually(lambda: ports(lab), 20, "it is plugged in")
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
    check_equal(running.returncode, 130, f"{out}{err}; status")
    check_equal(simulated(lab.name), [], "containers that are left")
    eventually(lambda: not ports(lab), 5, "its port is gone")
    check(lab.vmlab("ls").returncode == 0 and "-stack" in docker("ps", "--format", "{{.Names}}").stdout, "the stack is gone")


@needs(STRANGERS)
def test_what_makes_no_sense_is_told_with_its_place():
    lab = state["lab"]
    for argv, status, said in (
            (["simulate"], 2, "from 1 to"), (["simulate", "0"], 2, "from 1 to"), (["simulate", "many"], 2, "from 1 to"),
            (["simulate", "3", "--image", "debian-13"], 2, "--image is for"),
            (["simulate", "3", "--profile", "/nowhere.json"], 1, "/nowhere.json"),
            (["simulate", "3", "--profile", profile("bad.json", faults={"slow": [1, 4]})], 1, "faults.slow[1]"),
            (["simulate", "3", "--profile", profile("odd.json", faults={"slwo": 1})], 1, "slow?")):
        done = lab.vmlab(*argv, check_rc=False)
        check_equal(done.returncode, status, f"{argv}: {done.stderr}; status")
        check(said in done.stderr, f"{argv}: {done.stderr}")
    done = lab.vmlab("simulate", "3", "--profile", profile("many.json", faults={"slwo": 1}, kernel_s=-1, over_s="x",
        nothing=1, seed=-1), check_rc=False)
    check_equal([line.split(": ", 1)[1].split()[0] for line in done.stderr.splitlines()],
        ["over_s", "faults.slwo", "kernel_s", "nothing", "seed"], "what is wrong, in the file's order")
