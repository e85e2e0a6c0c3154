"""bench_dashboards.py - a thousand machines that install at once, and a hundred people who watch.

`vmlab simulate` switches the machines on within OVER_S; each is given a disk slow enough that all of them install at the same time,
telling their progress once a second. Three of the dashboards are pages in Chromium, the others ask as its script does
(many_dashboards.py). What is measured lies between the moment in which all install and that in which the first has done.
An event's way is from its own time to the frame in which the page shows it; of all rows that are in sight.
"""
import json
import os
import subprocess
import time

from bench_table import FIGURES, percentile, row
from kit import http_client
from kit.browser import HERE, Browser, why_not
from kit.check import check, eventually
from kit.command import docker
from kit.many_dashboards import ManyDashboards
from kit.process import cpu_s, tree
from kit.vmlab_cli import BINARY, VmLab

MACHINES, DASHBOARDS, OVER_S = 1000, 100, 40
SLOW = {"over_s": OVER_S, "speed": 1, "firmware_s": 1, "kernel_s": 1, "disk_s": 60, "reboot_s": 1, "first_boot_s": 5,
    "rootfs": "960K", "kernel": "64K", "modules": "64K", "disk_rate": "16K", "patience_s": 300}
PAGES = ("/machines", "/machines?q=sim005", "/machines?state=installing")  # of a height that shows many rows
SERVER = ("boot_handler", "nginx")


class Storm:
    """The machines, and their stack's API as the operator has it."""

    def __init__(self, lab, machines):
        profile = os.path.join(lab.dir, "profile.json")
        with open(profile, "w") as f:
            json.dump(SLOW, f)
        env = {k: v for k, v in lab.env.items() if k not in ("VMLAB_LAB", "VMLAB_VMS", "VMLAB_IMAGES")}
        self.said = open(os.path.join(lab.dir, "simulate.log"), "w+")
        self.process = subprocess.Popen([BINARY, "simulate", str(machines), "--profile", profile, "--json"], env=env,
            cwd=lab.dir, stdout=subprocess.PIPE, stderr=self.said, text=True)
        lab.scope.cleanup(self.end)
        self.folder = eventually(lambda: self.find(lab.env["VMLAB_HOME"], "dashboard.sock"), 120, "the stack is up")
        self.stack = docker("ps", "-q", "--filter", f"label=vmlab.vms={lab.env['VMLAB_HOME']}/simulate/vms", "--filter",
            "label=vmlab.role=stack").stdout.split()[0]
        self.pid = int(docker("inspect", "--format", "{{.State.Pid}}", self.stack).stdout)

    def find(self, home, name):
        check(self.process.poll() is None, f"vmlab simulate has ended: {open(self.said.name).read()[-500:]}")
        return next((folder for folder, _, files in os.walk(home) if name in files), None)

    def api(self, path, **how):
        answer = http_client.request("localhost", path, unix=os.path.join(self.folder, "api.sock"), timeout=30, **how)
        check(answer.status == 200, f"{path}: {answer}")
        return answer

    def link(self):
        return self.api("/api/v1/logins", method="POST", body={"role": "admin"}).json["path"]

    def count(self, state):
        for line in self.api("/metrics").text.splitlines():
            if line.startswith("vmlab_machines{") and f'"{state}"' in line:
                return int(float(line.split()[-1]))
        return 0

    def events(self, machine):
        return self.api(f"/api/v1/events?vm={machine}&severity=info&limit=1000").json["events"]

    def pids(self):
        for pid in tree(self.pid):
            with open(f"/proc/{pid}/comm") as f:
                if f.read().strip() in SERVER:
                    yield pid

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=120)


def milliseconds(at):
    whole, _, part = at.rstrip("Z").partition(".")
    return (time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) - time.timezone) * 1000 + int(part or 0)


def open_pages(browser, storm):
    for n, path in enumerate(PAGES):
        browser.use(name=f"page{n}", width=1280, height=1600)
        browser.before(file=os.path.join(HERE, "painted.js"))
        browser.goto(path=storm.link())
        browser.wait(until="location.pathname === '/machines'", ms=60000)
        browser.goto(path=path)


def usable_ms(browser, runs):
    """Of a page with all rows, from the click to the frame after its script ran."""
    browser.use(name="loads", width=1280, height=800)
    browser.before(file=os.path.join(HERE, "painted.js"))
    return [measure_load(browser) for _ in range(runs)]


def measure_load(browser):
    browser.goto(path="/machines")
    browser.wait(until="window.usableMs > 0", ms=60000)
    check(browser.count(of="tbody tr") == MACHINES, "the page has not all rows")
    return browser.get(what="window.usableMs")


def latencies(storm, painted, begun_ms, ended_ms):
    """Of each event of a row in sight, until a frame with it or a later one was painted."""
    found, unseen = [], 0
    for machine in {p[0] for p in painted}:
        frames = sorted((at, when) for name, at, when in painted if name == machine)
        for event in storm.events(machine):
            at = milliseconds(event["at"])
            if event["sentence"] and begun_ms <= at <= ended_ms:
                when = min((when for shown, when in frames if shown >= at), default=None)
                unseen += when is None
                found += [] if when is None else [when - at]
    return found, unseen


def task_s(browser, n):
    browser.use(name=f"page{n}")
    return time.monotonic(), browser.metrics()["TaskDuration"]


def watch(storm, browser, dashboards):
    """What happens while all install."""
    eventually(lambda: storm.count("installing") == MACHINES, 180, "all install")
    begun_ms, cpu, pids = time.time() * 1000, time.monotonic(), list(storm.pids())
    used, (_, received, asked) = cpu_s(pids), dashboards.sums()
    before = [task_s(browser, n) for n in range(len(PAGES))]
    while storm.count("installing") == MACHINES:
        time.sleep(1)
    after = [task_s(browser, n) for n in range(len(PAGES))]
    took = time.monotonic() - cpu
    ended_ms = time.time() * 1000 - 2000
    figures = {"seconds": took, "core": (cpu_s(pids) - used) / took * 100,
        "received": (dashboards.sums()[1] - received) / took / (1 << 20), "asked": (dashboards.sums()[2] - asked) / took,
        "thread": [(b[1] - a[1]) / (b[0] - a[0]) * 100 for a, b in zip(before, after)]}
    painted = []
    for n in range(len(PAGES)):
        browser.use(name=f"page{n}")
        painted += browser.get(what="window.painted")
    figures["latency"], figures["unseen"] = latencies(storm, painted, begun_ms, ended_ms)
    return figures


def tell(figures, loads):
    FIGURES["dashboards"] = dict(figures, loads=loads, load_average=os.getloadavg())
    row(f"{MACHINES} machines install, {DASHBOARDS} dashboards: watched for", figures["seconds"], "s")
    row("  boot_handler and nginx", figures["core"], "%", "at most 25", figures["core"] <= 25)
    row("  sent to the dashboards", figures["received"], "MiB/s")
    row("  answers to their scripts", figures["asked"], "/s")
    late = percentile(figures["latency"], 99)
    row(f"  event to pixel, p99 of {len(figures['latency'])}", late / 1000, "s", "at most 1", late <= 1000)
    row("  event to pixel, median", percentile(figures["latency"], 50) / 1000, "s")
    row("  events not seen", figures["unseen"], "", "0", figures["unseen"] == 0)
    row("  main thread of a page", max(figures["thread"]), "%", "at most 15", max(figures["thread"]) <= 15)
    row(f"  page of {MACHINES} rows usable, worst of {len(loads)}", max(loads) / 1000, "s", "at most 0.5", max(loads) <= 500)
    row("  load average", os.getloadavg()[0], "")


def bench_dashboards(scope, runs):
    reason = why_not()
    check(not reason, reason)
    lab = VmLab(scope, "bench-pages")
    storm = Storm(lab, MACHINES)
    cookie = eventually(lambda: sign_in(storm), 60, "a session")
    dashboards = ManyDashboards(os.path.join(storm.folder, "dashboard.sock"), cookie, DASHBOARDS - len(PAGES))
    browser = Browser(scope, os.getpid(), f"http://127.0.0.1:{dashboards.serve()}")
    open_pages(browser, storm)
    browser.use(name="loads")
    browser.goto(path=storm.link())
    eventually(lambda: storm.count("installing") > MACHINES / 2, 120, "half of them install")
    loads = usable_ms(browser, runs)
    browser.do("close", name="loads")
    figures = watch(storm, browser, dashboards)
    check(not dashboards.failed, f"dashboards have failed: {dashboards.failed[:3]}")
    tell(figures, loads)
    browser.close()
    dashboards.close()
    storm.end()


def sign_in(storm):
    answer = http_client.request("localhost", storm.link(), unix=os.path.join(storm.folder, "dashboard.sock"),
        headers={"Host": "127.0.0.1"})
    return answer.headers.get("set-cookie", "").split(";")[0]
