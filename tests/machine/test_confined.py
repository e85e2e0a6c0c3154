"""What the lab's containers may do: rights, bounds, and a network that hides what is needed."""
import json
import os
import re

from kit import http_client
from kit.boxed_lab import MAC
from kit.check import check, check_equal, eventually
from kit.command import docker, run
from kit.lab import CONFINED
from kit.vmlab_cli import STACK_IMAGE, VmLab

CAPABILITIES = {name: 1 << bit for bit, name in enumerate("CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL "
    "SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW".split())}
STACK = ("NET_ADMIN NET_RAW NET_BIND_SERVICE SETUID SETGID SETPCAP CHOWN DAC_OVERRIDE KILL")
# What a process of the stack may have in effect, by its name; what is not here may have nothing.
EFFECTIVE = {"supervisord": STACK, "supervise.py": STACK, "python3": STACK, "healthcheck.py": STACK,
    "nginx": "NET_BIND_SERVICE", "vm_watcher": "NET_ADMIN", "nft": "NET_ADMIN",
    "dnsmasq": "NET_ADMIN NET_RAW NET_BIND_SERVICE"}


def test_vmlab_up_starts_the_lab_and_a_vm(boxed):
    check("starting boxed" in boxed.console("boxed"), boxed.console("boxed"))


def bits(names):
    return sum(CAPABILITIES[n] for n in names.split())


def processes(container):
    """[{Pid, Name, Uid, CapEff, …}] of all processes in the container, as the kernel tells."""
    found = []
    for line in docker("top", container, "-eo", "pid").stdout.splitlines()[1:]:
        try:
            with open(f"/proc/{int(line)}/status") as f:
                fields = dict(l.rstrip("\n").split(":\t", 1) for l in f if ":\t" in l)
            fields["mounts"] = open(f"/proc/{int(line)}/mountinfo").read()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found.append(fields)
    check(found, f"{container} has no process")
    return found


def writable(process, allowed):
    """Mount points that are mounted writable, and are not of the allowed ones nor the engine's."""
    engine = r"/(proc|dev|sys)(/.*)?|/etc/(resolv\.conf|hostname|hosts)"
    for line in process["mounts"].splitlines():
        fields = line.split()
        options, rest = fields[5].split(","), fields[fields.index("-") + 3].split(",")
        if "rw" in options and "rw" in rest and not re.fullmatch(engine, fields[4]) and fields[4] not in allowed:
            yield fields[4]


def test_every_process_of_a_vm_no_root_no_capability_no_way_to_get_one_qemu_under_its_own_filter(boxed):
    eventually(lambda: any(p["Name"].startswith("vm-boxed") for p in processes(boxed.container("boxed"))), 10,
        "QEMU has its name")
    for p in processes(boxed.container("boxed")):
        who = f"{p['Name']} ({p['Pid']})"
        check_equal(set(p["Uid"].split()), {"65534"}, f"{who}: uids")
        check_equal(set(p["Gid"].split()), {"65534"}, f"{who}: gids")
        check("0" not in p["Groups"].split(), f"{who} is in the group root")
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            check_equal(int(p[kind], 16), 0, f"{who}: {kind}")
        check_equal(p["NoNewPrivs"], "1", f"{who}: NoNewPrivs")
        check_equal(list(writable(p, {"/disks", "/run", "/run/console", "/tmp"})), [], f"{who}: what it can write to")
        if p["Name"].startswith("vm-boxed"):
            check_equal(p["Seccomp"], "2", f"{who}: Seccomp")
            shell = [s for s in processes(boxed.container("boxed")) if s["Name"] == "machine.sh"][0]
            check(int(p["Seccomp_filters"]) > int(shell["Seccomp_filters"]), f"{who} has no filter of its own")


def test_every_process_of_the_stack_no_new_privileges_its_own_capabilities_only_a_read_only_root(boxed):
    seen = set()
    for p in processes(f"{boxed.name}-stack"):
        who = f"{p['Name']} ({p['Pid']}, uid {p['Uid'].split()[0]})"
        seen.add(p["Name"])
        check_equal(p["NoNewPrivs"], "1", f"{who}: NoNewPrivs")
        check_equal(int(p["CapBnd"], 16) & ~bits(STACK), 0, f"{who}: more in its bounding set")
        allowed = bits(EFFECTIVE.get(p["Name"], ""))
        check_equal(int(p["CapEff"], 16) & ~allowed, 0, f"{who}: capabilities beyond {allowed:x}, it has {p['CapEff']}; more")
        if p["Name"] == "boot_handler":  # it has its privileged port as a descriptor
            check_equal({int(p[kind], 16) for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}, {0}, f"{who}: capabilities")
        if p["Name"] in ("boot_handler", "vm_watcher", "dnsmasq", "nginx", "image_adopt"):
            check(p["Uid"].split()[0] != "0", f"{who} is root")
        check_equal(list(writable(p, {"/state", "/run", "/run/operator", "/tmp"})), [], f"{who}: what it can write to")
    check({"boot_handler", "vm_watcher", "dnsmasq", "nginx", "image_adopt"} <= seen, f"seen: {seen}")
    for p in processes(f"{boxed.name}-net"):
        check_equal((int(p["CapEff"], 16), p["NoNewPrivs"]), (0, "1"), f"{p['Name']}: capabilities, NoNewPrivs")


def console_folder(boxed):
    return os.path.join(boxed.dir, "home", "labs", boxed.name, "console", MAC.replace(":", "-"))


def test_what_a_vm_prints_is_in_its_containers_log_and_in_its_folder_of_the_lab(boxed):
    log = os.path.join(console_folder(boxed), "log")
    def printed():
        with open(log, "rb") as f:
            return f.read()
    eventually(lambda: b"BdsDxe" in printed(), 60, "its firmware has printed something", every=0.5)
    eventually(lambda: "BdsDxe" in boxed.console("boxed"), 10, "the container's log has it too")
    answer = http_client.request("localhost", "/api/v1/machines/boxed/console", unix=boxed.socket)
    check_equal((answer.status, answer.body[:200]), (200, printed()[:200]), "the API")
    check_equal(os.stat(os.path.dirname(os.path.dirname(console_folder(boxed)))).st_mode & 0o777, 0o700, "the lab's own folder")
    with open(log, "ab") as f: # as if it had printed that
        f.write(b"printed much\n" * (8 << 20 >> 3))


def test_memory_processes_and_logs_are_bounded(boxed):
    for role in ("net", "stack", "vm-boxed"):
        host = json.loads(docker("inspect", f"{boxed.name}-{role}").stdout)[0]["HostConfig"]
        check(host["LogConfig"]["Config"].get("max-size"), f"{role}: the log has no cap")
        check(not host["Privileged"] and host["CapDrop"] == ["ALL"], f"{role}: {host['CapDrop']}")
        if role != "net":
            check(0 < (host["PidsLimit"] or 0) <= 1000, f"{role}: pids {host['PidsLimit']}")
            check(0 < host["Memory"] <= 4 << 30, f"{role}: memory {host['Memory']}")
    log = os.path.join(console_folder(boxed), "log")
    eventually(lambda: os.stat(log).st_blocks * 512 < 3 << 20, 20, "what was printed before the last MiB takes no disk")
    with open(log, "rb") as f:
        f.seek(-(1 << 20), os.SEEK_END)
        check(b"\0" not in f.read(), "of the last MiB something is gone")


def test_a_lab_network_that_holds_the_resolver_or_the_gateway_is_refused(boxed):
    """A lab network that holds the resolver or the gateway is refused, by `up` and by the stack itself."""
    with open("/etc/resolv.conf") as f:
        hidden = [a for a in re.findall(r"(?m)^nameserver (\d[\d.]+)", f.read()) if not a.startswith("127.")]
    hidden += re.findall(r"default via (\S+)", run(["ip", "-4", "route"]).stdout)
    if hidden:
        other = VmLab(boxed.scope, "hiding")
        other.env["VMLAB_CIDR"] = hidden[0].rsplit(".", 1)[0] + (".1/24" if not hidden[0].endswith(".1") else ".2/24")
        done = other.vmlab("up", "--no-wait", check_rc=False)
        check_equal(done.returncode, 1, "exit status")
        check(f"holds {hidden[0]}" in done.stderr and "VMLAB_CIDR=" in done.stderr, f"it says: {done.stderr}")
        check_equal(docker("ps", "-aq", "--filter", f"label=vmlab.lab={other.name}").stdout, "", "containers")
        check("holds" in other.vmlab("doctor", check_rc=False).stdout, "doctor says nothing")
    done = docker("run", "--rm", *CONFINED, "--dns", "192.168.100.53", STACK_IMAGE, check_rc=False)
    check_equal(done.returncode, 1, "exit status of the stack")
    check("192.168.100.53" in done.stderr and "LAB_CIDR" in done.stderr, f"the stack says: {done.stderr}")
