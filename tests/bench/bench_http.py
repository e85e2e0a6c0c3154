"""bench_http.py - how fast boot_handler answers /ipxe, beside nginx with a constant."""
import os
import re
import statistics
import time

from bench_table import mac, row, write_vms
from kit import netns
from kit.check import check, eventually
from kit.command import docker, have_command, run
from kit.lab import SERVER, STACK_IMAGE, Lab

RUN_S = 2
IPXE_PORT, NGINX_PORT = 9001, 8001


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
