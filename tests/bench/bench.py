#!/usr/bin/python3
"""bench.py - speed and size against their targets; what `make bench` runs. No test: it fails nobody.

    tests/bench/bench.py                    everything
    tests/bench/bench.py http watcher       only these: http watcher sizes installer e2e
    tests/bench/bench.py --quick            fewer runs and edits, to see whether it works

http: boot_handler and nginx run from the stack image in one network namespace and are asked over
its loopback by wrk, turn by turn, each for RUN_S seconds; figures are medians of the runs, ratios
are within one run of this program. watcher: the whole stack with a real DHCP client. installer:
see bench_installer.py. e2e: one `vmlab up` from nothing to ready. One table at the end, all figures in build/bench.json.
"""
import argparse
import json
import os
import platform
import re
import shutil
import statistics
import sys
import time

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bench_installer import bench_installer
from kit import dhcp, netns, vmlab_cli
from kit.check import check, eventually
from kit.command import ROOT, docker, have_command, have_image, run
from kit.lab import SERVER, STACK_IMAGE, Lab
from kit.scope import Scope

RUN_S = 2
ROWS = []
FIGURES = {}
IPXE_PORT, NGINX_PORT = 9001, 8001


def row(what, value, unit, target=None, good=None):
    """One line of the table. `good` says whether the target is met; None: there is no target."""
    verdict = "" if good is None else ("met" if good else "MISSED")
    ROWS.append((what, value, unit, target or "", verdict))
    FIGURES[what] = {"value": value, "unit": unit, "target": target, "met": good}
    print(f"    {what}: {shown(value)} {unit} {verdict}", flush=True)


def shown(value):
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def percentile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))]


def write_vms(directory, count):
    """count definitions with an address each, in 10.0.0.0/8."""
    os.makedirs(directory)
    for i in range(count):
        with open(os.path.join(directory, f"vm{i}.json"), "w") as f:
            f.write('{\n  "name": "vm%d",\n  "mac": "%s",\n  "ip": "%s",\n  "distro": "debian-13",\n'
                '  "cpus": 2,\n  "memory": "1G"\n}\n' % (i, mac(i), ip(i)))


def mac(i):
    return f"52:54:10:{i >> 16 & 255:02x}:{i >> 8 & 255:02x}:{i & 255:02x}"


def ip(i):
    i += 256
    return f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}"


# ---- /ipxe ---------------------------------------------------------------------------------------

WRK_SCRIPT = """
-- Asks for machines in turn; the requests are made before the clock starts.
local requests, at = {}, 0
init = function(args)
	for i = 0, 999 do
		local n = math.floor(i * %d / 1000)
		requests[i] = wrk.format("GET", string.format("/ipxe?mac=52:54:10:%%02x:%%02x:%%02x&arch=x86_64",
			math.floor(n / 65536) %% 256, math.floor(n / 256) %% 256, n %% 256))
	end
end
request = function()
	at = (at + 1) %% 1000
	return requests[at]
end
"""

NGINX_CONF = """
daemon off; pid /tmp/bench-nginx.pid; error_log stderr crit; worker_processes 2;
events { worker_connections 1024; }
http {
	access_log off; keepalive_requests 1000000000; default_type text/plain;
	client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f;
	uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
	server { listen 127.0.0.1:%d; location / { root /bench; try_files /constant.txt =404; } }
	server { listen 127.0.0.1:%d; location / { return 200 "%s"; } }
}
"""


def machine_pauses(seconds=1.0, over_ns=200_000):
    """The share of the time, in percent, in which this program wanted to run and did not for more
    than 0.2 ms at a stretch: what the machine itself adds to any latency measured on it."""
    end = time.monotonic_ns() + int(seconds * 1e9)
    lost, last = 0, time.monotonic_ns()
    while last < end:
        now = time.monotonic_ns()
        if now - last > over_ns:
            lost += now - last
        last = now
    return lost / (seconds * 1e9) * 100


def wrk(space, port, script, connections, seconds):
    """Returns (requests a second, p99 in ms); fails when an answer was not 200. Few connections come
    from one thread: more would take the processors from the server whose latency is asked for."""
    with netns.inside(space):
        done = run(["wrk", f"-t{1 if connections <= 8 else 2}", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script,
            f"http://127.0.0.1:{port}/"], timeout=seconds + 30)
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout).group(1))
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout).groups()
    check("Non-2xx" not in done.stdout, f"errors: {done.stdout}")
    return rate, float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def rss_mib(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) / 1024


def bench_http(scope, runs, counts):
    """All counts are served at the same time and asked turn by turn, so that whatever else the
    machine does hits them alike."""
    check(have_command("wrk"), "`wrk` is not installed")
    lab = Lab(scope, "bench-http")
    lab.make_image()
    lab.start_net()
    space = f"/proc/{lab.net_pid()}/ns/net"
    scripts = {}
    for at, count in enumerate(counts):
        body = start_handler(scope, lab, count, IPXE_PORT + 100 * at)
        scripts[count] = os.path.join(lab.dir, f"wrk-{count}.lua")
        with open(scripts[count], "w") as f:
            f.write(WRK_SCRIPT % count)
    constant_server(scope, lab, body)
    rates, p99s = {c: [] for c in counts}, {c: [] for c in counts}
    peers, peer_p99s, files, pauses = [], [], [], []
    last = scripts[counts[-1]]
    for _ in range(runs):
        for at, count in enumerate(counts):
            port = IPXE_PORT + 100 * at
            rates[count].append(wrk(space, port, scripts[count], 64, RUN_S)[0])
            p99s[count].append(wrk(space, port, scripts[count], 8, RUN_S)[1])
        peers.append(wrk(space, NGINX_PORT, last, 64, RUN_S)[0])
        peer_p99s.append(wrk(space, NGINX_PORT, last, 8, RUN_S)[1])
        files.append(wrk(space, NGINX_PORT + 10, last, 64, RUN_S)[0])
        pauses.append(machine_pauses())
    row("this machine, idle: time lost in pauses over 0.2 ms", statistics.median(pauses), "%")
    row(f"nginx, constant of {len(body)} bytes: requests/s", statistics.median(peers), "1/s")
    row("nginx, the same from a file: requests/s", statistics.median(files), "1/s")
    row("nginx: p99 at 8 connections", statistics.median(peer_p99s), "ms")
    for count in counts:
        row(f"/ipxe, {count:,} VMs: requests/s", statistics.median(rates[count]), "1/s")
        share = statistics.median(a / b for a, b in zip(rates[count], peers))
        row(f"/ipxe, {count:,} VMs: share of nginx's constant", share, "", "at least 0.5", share >= 0.5)
        p99 = statistics.median(p99s[count])
        row(f"/ipxe, {count:,} VMs: p99 at 8 connections", p99, "ms", "below 1", p99 < 1)
        row(f"/ipxe, {count:,} VMs: that p99 beside nginx's in the same turn",
            statistics.median(a / b for a, b in zip(p99s[count], peer_p99s)), "x")
        pid = docker("inspect", "-f", "{{.State.Pid}}", f"{lab.name}-handler-{count}").stdout.strip()
        resident = rss_mib(pid)
        row(f"boot_handler resident, {count:,} VMs", resident, "MiB", *(("below 200", resident < 200)
            if count >= 100000 else (None, None)))
    # Against the fewest, turn by turn: what else the machine does changes from turn to turn.
    shares = [statistics.median(a / b for a, b in zip(rates[c], rates[counts[0]])) for c in counts]
    spread = max(shares) / min(shares) - 1
    row("/ipxe: spread between " + ", ".join(f"{c:,}" for c in counts) + " VMs", spread * 100, "%", "within 10",
        spread <= 0.10)
    for count in counts:
        docker("rm", "-f", "-v", f"{lab.name}-handler-{count}", check_rc=False)
    docker("rm", "-f", "-v", lab.name + "-nginx", check_rc=False)
    lab.remove()


def start_handler(scope, lab, count, port):
    """boot_handler with `count` definitions at 127.0.0.1:port; returns the last VM's script."""
    vms = os.path.join(lab.dir, f"vms-{count}")
    write_vms(vms, count)
    handler = f"{lab.name}-handler-{count}"
    began = time.monotonic()
    docker("run", "-d", "--name", handler, "--network", f"container:{lab.net}", "--no-healthcheck",
        "-v", f"{vms}:/vms:ro", "-v", f"{lab.images}:/srv/images:ro", "--entrypoint", "/usr/sbin/boot_handler",
        STACK_IMAGE, "--vms", "/vms", "--images", "/srv/images", "--state", "/tmp/vmlab.db",
        "--base-url", f"http://{SERVER}", "--listen", f"127.0.0.1:{port}",
        "--operator-listen", "unix:/tmp/operator.sock", "--lab", "10.0.0.1/8")
    scope.cleanup(lambda: docker("rm", "-f", "-v", handler, check_rc=False))
    body = eventually(lambda: (a := lab.get(f"/ipxe?mac={mac(count - 1)}&arch=x86_64", port=port)).status == 200
        and "initrd.mode=install" in a.text and a.body, 120, "boot_handler serves the last VM", every=0.02)
    row(f"/ipxe, {count:,} VMs: from `docker run` to serving", time.monotonic() - began, "s")
    return body


def constant_server(scope, lab, body):
    """nginx of the stack image: NGINX_PORT answers `body`'s size from memory, NGINX_PORT + 10 from a file."""
    where = os.path.join(lab.dir, "constant")
    os.makedirs(where, exist_ok=True)
    with open(os.path.join(where, "constant.txt"), "wb") as f:
        f.write(body)
    with open(os.path.join(where, "nginx.conf"), "w") as f:
        f.write(NGINX_CONF % (NGINX_PORT + 10, NGINX_PORT, "x" * len(body)))
    name = lab.name + "-nginx"
    docker("run", "-d", "--name", name, "--network", f"container:{lab.net}", "--no-healthcheck",
        "-v", f"{where}:/bench:ro", "--entrypoint", "/usr/sbin/nginx", STACK_IMAGE, "-c", "/bench/nginx.conf")
    scope.cleanup(lambda: docker("rm", "-f", "-v", name, check_rc=False))
    eventually(lambda: len(lab.get("/", port=NGINX_PORT).body) == len(body)
        and lab.get("/", port=NGINX_PORT + 10).body == body, 10, "nginx answers the constants")


# ---- vm_watcher ------------------------------------------------------------------------------------

COLD = """
import subprocess, time
times = []
for _ in range(%d):
    began = time.monotonic()
    subprocess.run(["vm_watcher", "--once", "--vms", "/vms", "--dhcp-hosts", "/tmp/dhcp", "--dns-hosts", "/tmp/dns",
        "--pid-file", "/tmp/none.pid", "--lab", "10.0.0.1/8"], check=True, stderr=subprocess.DEVNULL)
    times.append(time.monotonic() - began)
    import os
    lines = sum(1 for l in open("/tmp/dhcp"))
    os.unlink("/tmp/dhcp"); os.unlink("/tmp/dns")
print(lines, *times)
"""


def bench_watcher_cold(scope, runs):
    vms = os.path.join(scope.tempdir(), "cold-vms")
    write_vms(vms, 10000)
    done = docker("run", "--rm", "--network", "none", "-v", f"{vms}:/vms:ro", "--no-healthcheck",
        "--entrypoint", "/usr/bin/python3", STACK_IMAGE, "-c", COLD % runs, timeout=300)
    lines, *times = done.stdout.split()
    check(int(lines) >= 10000, f"only {lines} lines in the hosts file")
    value = statistics.median(float(t) for t in times)
    row("vm_watcher, 10,000 VMs from nothing to hosts files", value, "s", "below 1", value < 1)
    shutil.rmtree(vms)


def edit_to_offer(lab, client, edits, write, limit, net):
    """Seconds from an edited file to dnsmasq's new offer, `edits` times; addresses begin with `net`."""
    took = []
    with client.inside():
        c = dhcp.Client()
        for n in range(edits):
            i = (n * 37) % 1000
            address = f"{net}.{n >> 8}.{n & 255}"
            offer = c.discover(mac(i))
            check(offer and offer.yiaddr != address, "no offer before the edit")
            time.sleep(0.05 + (n * 0.137) % 0.3)
            began = time.monotonic()
            write(f"vm{i}.json", json.dumps({"name": f"vm{i}", "mac": mac(i), "ip": address}))
            while True:
                offer = c.discover(mac(i), timeout=limit)
                now = time.monotonic()
                if offer and offer.yiaddr == address:
                    break
                check(now - began < limit, f"edit {n}: no new offer within {limit} s")
                time.sleep(0.002)
            took.append(now - began)
        c.close()
    return took


def bench_watcher(scope, edits, runs):
    bench_watcher_cold(scope, runs)
    lab = Lab(scope, "bench-edit")
    shutil.rmtree(lab.vms)
    write_vms(lab.vms, 1000)
    lab.make_image()
    env = ["LAB_CIDR=10.0.0.1/8", "DHCP_RANGE=10.250.0.1,10.250.255.254"]
    lab.start(env=env)
    client = lab.client(scope, "client")
    took = edit_to_offer(lab, client, edits, lab.write, 10, "10.200")
    p99 = percentile(took, 99)
    row(f"one edited file to dnsmasq's new offer, 1,000 VMs, median of {edits}", statistics.median(took), "s")
    row(f"one edited file to dnsmasq's new offer, 1,000 VMs, p99 of {edits}", p99, "s", "below 0.5", p99 < 0.5)
    client.close()
    lab.remove()

    # An overlay's lower layer, changed underneath: seen by stat(), but inotify delivers nothing.
    lower = lab.vms
    upper = os.path.join(lab.dir, "empty")
    lab.vms = os.path.join(lab.dir, "overlay")
    os.makedirs(upper)
    os.makedirs(lab.vms)
    if run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower}:{upper}", lab.vms],
            check_rc=False).returncode != 0:
        row("the same where inotify delivers nothing", "not measured: no overlay mount", "")
        return
    scope.cleanup(lambda: run(["umount", "-l", lab.vms], check_rc=False))
    lab.start(env=env)
    client = lab.client(scope, "client2")

    def write_in_place(file, text):
        with open(os.path.join(lower, file), "w") as f:
            f.write(text)
    took = edit_to_offer(lab, client, max(5, edits // 5), write_in_place, 15, "10.201")
    worst = max(took)
    row(f"the same where inotify delivers nothing, worst of {len(took)}", worst, "s", "below 3", worst < 3)
    client.close()
    lab.remove()


# ---- sizes and one VM ------------------------------------------------------------------------------

def size_mib(path):
    return os.path.getsize(path) / (1 << 20)


def bench_sizes(scope):
    for arch in ("amd64", "arm64"):
        path = os.path.join(ROOT, "build", "initrd", arch, "initrd.zst")
        if os.path.exists(path):
            row(f"initrd, {arch}", size_mib(path), "MiB", "at most 8", size_mib(path) <= 8)
        for name in (f"pxeboot_stack_{arch}.tar", f"vmlab_vm_{arch}.tar"):
            if os.path.exists(os.path.join(ROOT, name)):
                row(name, size_mib(os.path.join(ROOT, name)), "MiB")
        for file in ("rootfs.tar.zst", "modules.cpio.zst", "vmlinuz"):
            path = os.path.join(vmlab_cli.IMAGES, "debian-13", arch, file)
            if os.path.exists(path):
                row(f"debian-13/{arch}/{file}", size_mib(path), "MiB")
        for program in ("boot_handler/boot_handler", "vm_watcher/vm_watcher", "os_installer/os-installer", "vmlab/vmlab"):
            path = os.path.join(ROOT, "build", arch, "release", program)
            if os.path.exists(path):
                row(f"{os.path.basename(program)}, {arch}", size_mib(path), "MiB")


def bench_e2e(scope, limit=420):
    """One VM, declared as vms/web1.json declares it, in a lab of its own."""
    lab = vmlab_cli.VmLab(scope, "bench-e2e")
    lab.link_image("debian-13")
    fields = {"mac": "52:54:00:be:7c:01", "ip": "192.168.100.10", "arch": "amd64"}
    example = os.path.join(ROOT, "vms", "web1.json")
    if os.path.exists(example):
        with open(example) as f:
            fields = {k: v for k, v in json.load(f).items() if k != "name"}
    lab.define("web1", **fields)
    began = time.monotonic()
    lab.vmlab("up", "web1", timeout=limit)
    took = time.monotonic() - began
    kvm = "vmx" in open("/proc/cpuinfo").read() or "svm" in open("/proc/cpuinfo").read()
    row("`vmlab up web1` to ready" + (" (KVM)" if kvm else " (emulated)"), took, "s", "at most 150", took <= 150)
    begun = {}
    for event in lab.api("/api/v1/events?vm=web1&limit=1000")["events"]:
        key = event["phase"] if event["kind"] == "phase" else f"{event['kind']} {event['text']}"
        begun.setdefault(key, event["at"])
    FIGURES["stages"] = begun
    peak = re.search(r"(?:peak|max)[a-z_ ]*(?:rss|resident)[a-z_ ]*[=: ]+(\d+) ?(KiB|kB|MiB)?",
        json.dumps(lab.vm("web1")["log"]) + lab.console("web1"), re.I)
    if peak:
        value = int(peak.group(1)) / (1 if peak.group(2) == "MiB" else 1024)
        row("installer's peak resident set", value, "MiB", "below 64", value < 64)
    else:
        row("installer's peak resident set", "not told by its log", "MiB", "below 64")
    lab.remove()


# ---- the run ---------------------------------------------------------------------------------------

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="*", choices=["http", "watcher", "sizes", "installer", "e2e", []], default=[])
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    args = parser.parse_args()
    parts = args.part or ["sizes", "http", "watcher", "installer", "e2e"]
    runs, edits = (2, 10) if args.quick else (9, 100)
    counts = (10, 1000) if args.quick else (10, 1000, 100000)
    if not have_image(STACK_IMAGE):
        print(f"there is no image {STACK_IMAGE}: `make load` builds it", file=sys.stderr)
        return 1
    scope = Scope("bench")
    failed = []

    def measure(name, function, *fargs):
        print(f"{name}:", flush=True)
        try:
            function(scope, *fargs)
        except Exception as e:
            failed.append(name)
            row(name, f"not measured: {e}"[:300], "")
    try:
        for name, function, fargs in (("sizes", bench_sizes, ()), ("http", bench_http, (runs, counts)),
                ("watcher", bench_watcher, (edits, runs)), ("installer", bench_installer, (runs, row)), ("e2e", bench_e2e, ())):
            if name in parts:
                measure(name, function, *fargs)
    finally:
        scope.end()
    write_table(args)
    return 1 if failed else 0


def write_table(args):
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*: (.*)", f.read())
    FIGURES["machine"] = {"cpu": model.group(1) if model else platform.machine(), "cores": os.cpu_count(),
        "quick": args.quick, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    os.makedirs(os.path.join(ROOT, "build"), exist_ok=True)
    with open(os.path.join(ROOT, "build", "bench.json"), "w") as f:
        json.dump(FIGURES, f, indent=2)
    print(f"\n{FIGURES['machine']['cpu']}, {os.cpu_count()} cores\n")
    width = max(len(r[0]) for r in ROWS) if ROWS else 10
    for what, value, unit, target, verdict in ROWS:
        print(f"{what:<{width}}  {shown(value):>10} {unit:<4} {target:<14} {verdict}")
    missed = [r for r in ROWS if r[4] == "MISSED"]
    print(f"\n{len([r for r in ROWS if r[4] == 'met'])} targets met, {len(missed)} missed; build/bench.json")


if __name__ == "__main__":
    sys.exit(main())
