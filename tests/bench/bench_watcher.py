"""bench_watcher.py - how soon an edited file is answered, and many from nothing."""
import json
import os
import shutil
import statistics
import time

from bench_table import mac, percentile, row, write_vms
from kit import dhcp
from kit.check import check
from kit.command import docker, run
from kit.lab import STACK_IMAGE, Lab


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
    env = ["LAB_CIDR=10.0.0.1/9", "DHCP_RANGE=10.120.0.1,10.120.255.254"]
    lab.start(env=env)
    client = lab.client("client")
    took = edit_to_offer(lab, client, edits, lab.write, 10, "10.100")
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
    client = lab.client("client2")

    def write_in_place(file, text):
        with open(os.path.join(lower, file), "w") as f:
            f.write(text)
    took = edit_to_offer(lab, client, max(5, edits // 5), write_in_place, 15, "10.101")
    worst = max(took)
    row(f"the same where inotify delivers nothing, worst of {len(took)}", worst, "s", "below 3", worst < 3)
    client.close()
    lab.remove()
