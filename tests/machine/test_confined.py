"""What the lab's containers may do, and what a machine's network port lets through.

Needs the images pxeboot_stack:latest and vmlab_vm:latest, the program vmlab and ip(8). Starts one VM,
which gets no further than its firmware. Run as root.
"""
import json
import os
import re
import socket
import struct
import subprocess
import time

from kit import dhcp, netns
from kit.check import check, check_equal, eventually, skip
from kit.command import PREFIX, docker, have_command, have_image, run
from kit.lab import CONFINED
from kit.scope import Scope, needs
from kit.vmlab_cli import STACK_IMAGE, VM_IMAGE, VmLab

scope = Scope("confined")
lab = VmLab(scope, "confined")

MAC = "52:54:00:c0:f1:01"
TAP = "tap525400c0f101"

CAPABILITIES = {name: 1 << bit for bit, name in enumerate("CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL "
    "SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW".split())}
STACK = ("NET_ADMIN NET_RAW NET_BIND_SERVICE SETUID SETGID SETPCAP CHOWN DAC_OVERRIDE KILL")
# What a process of the stack may have in effect, by its name; what is not here may have nothing.
EFFECTIVE = {"supervisord": STACK, "supervise.py": STACK, "python3": STACK, "healthcheck.py": STACK,
    "nginx": "NET_BIND_SERVICE", "vm_watcher": "NET_ADMIN", "nft": "NET_ADMIN",
    "dnsmasq": "NET_ADMIN NET_RAW NET_BIND_SERVICE"}


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


def test_vmlab_up_starts_the_lab_and_a_vm():
    for image in (STACK_IMAGE, VM_IMAGE):
        check(have_image(image), f"there is no image {image} (`make load`)")
    for command in ("ip", "busybox"):
        check(have_command(command), f"`{command}` is not installed on this machine")
    lab.define("boxed", mac=MAC, ip="192.168.100.10", arch="amd64", memory="256M", disks=[{"size": "1G"}])
    lab.vmlab("up", "--no-wait", "boxed", timeout=120, check_rc=False)
    eventually(lambda: "starting boxed" in lab.console("boxed"), 20, "QEMU starts")


UP = test_vmlab_up_starts_the_lab_and_a_vm


@needs(UP)
def test_every_process_of_a_vm_no_root_no_capability_no_way_to_get_one_qemu_under_its_own_filter():
    eventually(lambda: any(p["Name"].startswith("vm-boxed") for p in processes(lab.container("boxed"))), 10,
        "QEMU has its name")
    for p in processes(lab.container("boxed")):
        who = f"{p['Name']} ({p['Pid']})"
        check_equal(set(p["Uid"].split()), {"65534"}, f"{who}: uids")
        check_equal(set(p["Gid"].split()), {"65534"}, f"{who}: gids")
        check("0" not in p["Groups"].split(), f"{who} is in the group root")
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            check_equal(int(p[kind], 16), 0, f"{who}: {kind}")
        check_equal(p["NoNewPrivs"], "1", f"{who}: NoNewPrivs")
        check_equal(list(writable(p, {"/disks", "/run", "/tmp"})), [], f"{who}: what it can write to")
        if p["Name"].startswith("vm-boxed"):
            check_equal(p["Seccomp"], "2", f"{who}: Seccomp")
            shell = [s for s in processes(lab.container("boxed")) if s["Name"] == "machine.sh"][0]
            check(int(p["Seccomp_filters"]) > int(shell["Seccomp_filters"]), f"{who} has no filter of its own")


@needs(UP)
def test_every_process_of_the_stack_no_new_privileges_its_own_capabilities_only_a_read_only_root():
    seen = set()
    for p in processes(f"{lab.name}-stack"):
        who = f"{p['Name']} ({p['Pid']}, uid {p['Uid'].split()[0]})"
        seen.add(p["Name"])
        check_equal(p["NoNewPrivs"], "1", f"{who}: NoNewPrivs")
        check_equal(int(p["CapBnd"], 16) & ~bits(STACK), 0, f"{who}: more in its bounding set")
        allowed = bits(EFFECTIVE.get(p["Name"], ""))
        check_equal(int(p["CapEff"], 16) & ~allowed, 0, f"{who}: capabilities beyond {allowed:x}, it has {p['CapEff']}; more")
        if p["Name"] in ("boot_handler", "vm_watcher", "dnsmasq", "nginx", "image_adopt"):
            check(p["Uid"].split()[0] != "0", f"{who} is root")
        check_equal(list(writable(p, {"/state", "/run", "/run/operator", "/tmp"})), [], f"{who}: what it can write to")
    check({"boot_handler", "vm_watcher", "dnsmasq", "nginx", "image_adopt"} <= seen, f"seen: {seen}")
    for p in processes(f"{lab.name}-net"):
        check_equal((int(p["CapEff"], 16), p["NoNewPrivs"]), (0, "1"), f"{p['Name']}: capabilities, NoNewPrivs")


@needs(UP)
def test_memory_processes_and_logs_are_bounded():
    for role in ("net", "stack", "vm-boxed"):
        host = json.loads(docker("inspect", f"{lab.name}-{role}").stdout)[0]["HostConfig"]
        check(host["LogConfig"]["Config"].get("max-size"), f"{role}: the log has no cap")
        check(not host["Privileged"] and host["CapDrop"] == ["ALL"], f"{role}: {host['CapDrop']}")
        if role != "net":
            check(0 < (host["PidsLimit"] or 0) <= 1000, f"{role}: pids {host['PidsLimit']}")
            check(0 < host["Memory"] <= 4 << 30, f"{role}: memory {host['Memory']}")


# ---- a machine's port ------------------------------------------------------------------------------

def net_pid():
    return int(docker("inspect", "-f", "{{.State.Pid}}", f"{lab.name}-net").stdout)


def machine(label, number):
    """A client whose port has a VM's name and went through what a VM's port goes through."""
    client = netns.Client(f"{lab.name[len(PREFIX):]}-{label}", mac=f"52:54:00:c0:f1:{number:02x}")
    scope.cleanup(client.close)
    client.plug(net_pid())
    port = "tap" + client.mac.replace(":", "")
    with netns.inside(f"/proc/{net_pid()}/ns/net"):
        plugged = re.search(r"(vt\d+n\d+)@", run(["ip", "-o", "link", "show", "type", "veth"]).stdout).group(1)
        run(["ip", "link", "set", plugged, "down"])
        run(["ip", "link", "set", plugged, "name", port])
    done = docker("run", "--rm", "--network", f"container:{lab.name}-net", "--cap-add", "NET_ADMIN",
        "--entrypoint", "/usr/lib/vmlab/port.sh", VM_IMAGE, "lab0", port, client.mac, "--", "true")
    if "warning" in done.stderr:
        skip(f"this kernel cannot: {done.stderr.strip()}")
    netns.wait_carrier(client)
    return client


@needs(UP)
def test_the_bridge_learns_nothing_from_a_vms_port_and_locks_it_to_its_mac():
    with netns.inside(f"/proc/{net_pid()}/ns/net"):
        link = run(["bridge", "-d", "link", "show", "dev", TAP]).stdout
        if " locked " not in link:
            skip("this iproute2 or kernel knows no locked ports")
        check("learning off" in link and "locked on" in link, f"the port: {link}")
        table = run(["bridge", "fdb", "show", "dev", TAP]).stdout
        check(re.search(rf"^{MAC} .*static", table, re.M), f"no static entry: {table}")


def frame(source, payload, kind, to=b"\xff" * 6):
    return to + bytes.fromhex(source.replace(":", "")) + struct.pack("!H", kind) + payload


def send(client, data):
    with client.inside():
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
            s.bind(("eth0", 0))
            s.send(data)


def listener(client, kind):
    with client.inside():
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind))
        s.bind(("eth0", kind))
        s.settimeout(1)
        return s


def arrives(receiver, marker):
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        try:
            if marker in receiver.recv(2000):
                return True
        except TimeoutError:
            break
    return False


EXPERIMENTAL = 0x88b5 # IEEE 802 local experimental
pair = {}


@needs(test_the_bridge_learns_nothing_from_a_vms_port_and_locks_it_to_its_mac)
def test_two_machines_on_locked_ports_reach_each_other():
    pair["good"], pair["evil"] = machine("good", 0x21), machine("evil", 0x22)
    ear = listener(pair["good"], EXPERIMENTAL)
    send(pair["evil"], frame(pair["evil"].mac, b"honest".ljust(60), EXPERIMENTAL))
    check(arrives(ear, b"honest"), "a frame under the machine's own MAC does not arrive")


CLIENTS = test_two_machines_on_locked_ports_reach_each_other


@needs(CLIENTS)
def test_a_frame_under_anothers_mac_is_dropped_and_takes_nobodys_frames():
    good, evil = pair["good"], pair["evil"]
    ear, theft = listener(good, EXPERIMENTAL), listener(evil, EXPERIMENTAL)
    for source in (good.mac, MAC, "52:54:00:c0:f1:99"):
        send(evil, frame(source, b"forged".ljust(60), EXPERIMENTAL))
    check(not arrives(ear, b"forged"), "a forged frame arrives")
    third = pair.setdefault("third", machine("third", 0x23))
    send(third, frame(third.mac, b"for good".ljust(60), EXPERIMENTAL, bytes.fromhex(good.mac.replace(":", ""))))
    check(arrives(ear, b"for good"), "the frame does not arrive where it belongs")
    check(not arrives(theft, b"for good"), "the frame went to who forged its receiver's MAC")


def who_offers(server, client):
    """The servers that offer `client` an address while another's runs on `server`."""
    folder = os.path.join(scope.tempdir(), server.name)
    os.makedirs(folder, exist_ok=True)
    config = os.path.join(folder, "udhcpd.conf")
    with open(config, "w") as f:
        f.write("interface eth0\nstart 192.168.100.70\nend 192.168.100.90\noption subnet 255.255.255.0\n"
            f"lease_file {folder}/leases\npidfile {folder}/pid\n")
    open(os.path.join(folder, "leases"), "w").close()
    server.address("192.168.100.66/24")
    with server.inside():
        rogue = subprocess.Popen(["busybox", "udhcpd", "-f", "-I", "192.168.100.66", config],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    try:
        check(rogue.poll() is None, "udhcpd does not run")
        with client.inside():
            c = dhcp.Client()
            servers = [o.server for _ in range(2) for o in c.offers(client.mac, 3.5)]
            c.close()
    finally:
        rogue.kill()
        rogue.wait()
    return servers


@needs(CLIENTS)
def test_a_rogue_dhcp_server_in_a_vms_place_wins_nothing_on_a_port_that_is_no_vms_it_would():
    outside = netns.Client(f"{lab.name[len(PREFIX):]}-outside")
    scope.cleanup(outside.close)
    outside.plug(net_pid())
    netns.wait_carrier(outside)
    heard = who_offers(outside, pair["good"])
    outside.close()
    check("192.168.100.66" in heard, f"the rogue server does not even work where nothing is filtered: {heard}")
    check_equal(set(who_offers(pair["evil"], pair["good"])), {"192.168.100.1"}, "who offers")


def ipv6(source_mac, icmp):
    source = socket.inet_pton(socket.AF_INET6, "fe80::66")
    to = socket.inet_pton(socket.AF_INET6, "ff02::1")
    pseudo = source + to + struct.pack("!I3xB", len(icmp), 58)
    total = sum(struct.unpack(f"!{(len(pseudo) + len(icmp)) // 2}H", pseudo + icmp))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    icmp = icmp[:2] + struct.pack("!H", ~total & 0xffff) + icmp[4:]
    return frame(source_mac, struct.pack("!IHBB", 6 << 28, len(icmp), 58, 255) + source + to + icmp, 0x86dd,
        bytes.fromhex("333300000001"))


@needs(CLIENTS)
def test_router_advertisements_and_redirects_from_a_vm_reach_nobody_its_neighbour_solicitations_do():
    good, evil = pair["good"], pair["evil"]
    ear = listener(good, 0x86dd)
    advert = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    redirect = struct.pack("!BBHI", 137, 0, 0, 0) + b"\xfe\x80" + b"\x07" * 30
    solicit = struct.pack("!BBHI", 135, 0, 0, 0) + b"\xfe\x80" + b"\x09" * 14
    for icmp in (advert, redirect, solicit):
        send(evil, ipv6(evil.mac, icmp))
    check(arrives(ear, b"\xfe\x80" + b"\x09" * 14), "a neighbour solicitation does not arrive")
    ear = listener(good, 0x86dd)
    send(evil, ipv6(evil.mac, advert))
    check(not arrives(ear, advert[4:]), "the advertisement arrives")
    send(evil, ipv6(evil.mac, redirect))
    check(not arrives(ear, redirect[8:]), "the redirect arrives")


# ---- a network that hides what is needed ------------------------------------------------------------

@needs(UP)
def test_a_lab_network_that_holds_the_resolver_or_the_gateway_is_refused():
    """A lab network that holds the resolver or the gateway is refused, by `up` and by the stack itself."""
    with open("/etc/resolv.conf") as f:
        hidden = [a for a in re.findall(r"(?m)^nameserver (\d[\d.]+)", f.read()) if not a.startswith("127.")]
    hidden += re.findall(r"default via (\S+)", run(["ip", "-4", "route"]).stdout)
    if hidden:
        other = VmLab(scope, "hiding")
        other.env["VMLAB_CIDR"] = hidden[0].rsplit(".", 1)[0] + (".1/24" if not hidden[0].endswith(".1") else ".2/24")
        done = other.vmlab("up", "--no-wait", check_rc=False)
        check_equal(done.returncode, 1, "exit status")
        check(f"holds {hidden[0]}" in done.stderr and "VMLAB_CIDR=" in done.stderr, f"it says: {done.stderr}")
        check_equal(docker("ps", "-aq", "--filter", f"label=vmlab.lab={other.name}").stdout, "", "containers")
        check("holds" in other.vmlab("doctor", check_rc=False).stdout, "doctor says nothing")
    done = docker("run", "--rm", *CONFINED, "--dns", "192.168.100.53", STACK_IMAGE, check_rc=False)
    check_equal(done.returncode, 1, "exit status of the stack")
    check("192.168.100.53" in done.stderr and "LAB_CIDR" in done.stderr, f"the stack says: {done.stderr}")


# ---- its end ---------------------------------------------------------------------------------------

def taps():
    with netns.inside(f"/proc/{net_pid()}/ns/net"):
        # sysfs shows the namespace it was mounted in: ask the kernel.
        return sorted(re.findall(r"^\d+: (tap[^:@]*)", run(["ip", "-o", "link"]).stdout, re.M))


@needs(UP)
def test_a_killed_vm_leaves_no_network_port():
    check(TAP in taps(), f"ports: {taps()}")
    docker("kill", lab.container("boxed"))
    eventually(lambda: TAP not in taps(), 5, "the port is gone")


@needs(UP)
def test_a_disk_of_an_older_version_roots_is_taken_over_a_larger_size_makes_it_grow():
    """A disk of an older version, root's, is taken over; a larger size makes it grow, a smaller one does not."""
    volume = f"{lab.name}-disk-boxed"
    docker("run", "--rm", "--network", "none", "-v", f"{volume}:/disks", "--entrypoint", "/bin/chown", VM_IMAGE,
        "-R", "0:0", "/disks")
    def disk_bytes():
        text = docker("run", "--rm", "--network", "none", "-v", f"{volume}:/disks:ro", "--entrypoint", "/usr/bin/qemu-img",
            VM_IMAGE, "info", "-U", "--output=json", "/disks/disk0.qcow2").stdout
        return json.loads(text)["virtual-size"]
    check_equal(disk_bytes(), 1 << 30, "size at first")
    lab.define("boxed", mac=MAC, ip="192.168.100.10", arch="amd64", memory="256M", disks=[{"size": "3G"}])
    done = lab.vmlab("up", "--no-wait", "boxed", timeout=120, check_rc=False)
    check(re.search(r"disk 0 grows from 1 GiB to 3 GiB", done.stdout), f"not told: {done.stdout}")
    eventually(lambda: disk_bytes() == 3 << 30, 10, "the disk has grown")
    began = time.monotonic()
    lab.vmlab("down", "boxed", timeout=60) # perhaps before QEMU runs
    check(time.monotonic() - began < 30, "`down` just after `up` takes long")
    lab.define("boxed", mac=MAC, ip="192.168.100.10", arch="amd64", memory="256M", disks=[{"size": "2G"}])
    done = lab.vmlab("up", "--no-wait", "boxed", timeout=120, check_rc=False)
    check(re.search(r"disk 0 stays at 3 GiB", done.stdout) and "2 GiB disk" not in done.stdout,
        f"not told, or not the disk's real size: {done.stdout}")
    check_equal(disk_bytes(), 3 << 30, "size of a disk that was to shrink")
    vm = json.loads(lab.vmlab("ls", "--json", "boxed").stdout)["vms"][0]
    check_equal((vm["disks_seen_bytes"], vm["disks_bytes"]), ([3 << 30], [2 << 30]), "sizes: seen, the definition's")
    wide = lab.vmlab("ls", "--wide", "boxed").stdout
    check("3 GiB (wanted: 2 GiB)" in wide, wide)


@needs(UP)
def test_a_running_vm_whose_file_was_renamed_keeps_its_port_and_up_says_who_has_it():
    os.unlink(os.path.join(lab.vms, "boxed.json"))
    lab.define("renamed", mac=MAC, ip="192.168.100.10", arch="amd64", memory="256M", disks=[{"size": "1G"}])
    done = lab.vmlab("up", "--no-wait", "renamed", timeout=120, check_rc=False)
    check_equal(done.returncode, 1, "exit status")
    check("boxed" in done.stderr and MAC in done.stderr and "vmlab down boxed" in done.stderr, f"it says: {done.stderr}")
    check(TAP in taps(), "the running VM has lost its port")
    check_equal(docker("ps", "-aq", "--filter", f"name={lab.container('renamed')}").stdout, "", "a second container")
    os.unlink(os.path.join(lab.vms, "renamed.json"))


@needs(UP)
def test_vmlab_rm_leaves_nothing_of_a_running_vm():
    lab.vmlab("rm", "-y", "boxed", timeout=60)
    check_equal(taps(), [f"tap525400c0f1{n}" for n in ("21", "22", "23") if pair], "ports")
    volumes = docker("volume", "ls", "-q").stdout.split()
    check(f"{lab.name}-disk-boxed" not in volumes, f"volumes: {volumes}")
