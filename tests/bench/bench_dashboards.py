"""bench_dashboards.py - a thousand machines that install at once, and a hundred people who watch.

`vmlab simulate` switches the machines on within OVER_S; each is given a disk slow enough that all of them install at the same time,
telling their progress once a second. Three of the dashboards are pages in Chromium, which come through `vmlab dashboard`; the others
ask as its script does (many_dashboards.py). What is measured begins when all install and ends after WATCHED_S, or when the first has
done; and before it for BASELINE_S without the dashboards: what the server does for the machines alone.

An event's way is from its own time to the frame in which the page shows it or a later one of that machine. Counted are the events
whose row is in sight when they happen and stays there until they are shown, or for SEEN_S: then, one that is not shown is not seen.
A page can be used from the frame that shows its rows and a letter typed into its search field.
"""
import gzip
import json
import os
import re
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

MACHINES, DASHBOARDS, OVER_S = 1000, 100, 30
SLOW = {"over_s": OVER_S, "speed": 1, "firmware_s": 1, "kernel_s": 1, "disk_s": 60, "reboot_s": 1, "first_boot_s": 5,
    "rootfs": "960K", "kernel": "64K", "modules": "64K", "disk_rate": "16K", "patience_s": 300}
PAGES = ("/machines", "/machines?q=sim005", "/machines?state=installing")  # of a height that shows many rows
SERVER = ("boot_handler", "nginx")
OWN = ("/machines?q=nothing-is-like-this", "/assets/style.css", "/assets/script.js", "/assets/console.js", "/assets/icon.svg")
BASELINE_S, WATCHED_S, SEEN_S = 8, 30, 5


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
        self.env = dict(env, VMLAB_VMS=os.path.join(lab.env["VMLAB_HOME"], "simulate", "vms"))
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

    def page(self, path, cookie):
        answer = http_client.request("localhost", path, unix=os.path.join(self.folder, "dashboard.sock"), timeout=30,
            headers={"Host": "127.0.0.1", "Cookie": cookie})
        check(answer.status == 200, f"{path}: {answer}")
        return answer

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

    def dashboard(self, scope):
        """Where `vmlab dashboard` serves the pages."""
        serves = subprocess.Popen([BINARY, "dashboard", "--no-open"], env=self.env, stdout=subprocess.PIPE, stderr=self.said, text=True)
        scope.cleanup(lambda: (serves.terminate(), serves.communicate(timeout=20)))
        said = serves.stdout.readline()
        check(said.startswith("http://"), f"vmlab dashboard: {said} {open(self.said.name).read()[-500:]}")
        return re.match(r"http://[^/]+", said)[0]

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


PARTS = ("responseStart", "responseEnd", "domInteractive", "domContentLoadedEventEnd")


def usable_ms(browser, runs):
    """Of a page with all rows: [{part of the way: ms since the navigation began}, ..]."""
    browser.use(name="loads", width=1280, height=800)
    browser.before(file=os.path.join(HERE, "painted.js"))
    return [measure_load(browser) for _ in range(runs)]


def measure_load(browser):
    browser.goto(path="/machines")
    browser.wait(until="window.usableMs > 0", ms=60000)
    check(browser.count(of="tbody tr") == MACHINES, "the page has not all rows")
    way = browser.get(what="performance.getEntriesByType('navigation')[0].toJSON()")
    return dict({part: way[part] for part in PARTS}, usable=browser.get(what="window.usableMs"))


def judge(id, at, ids, spells):
    """An event, by the spells in which its row was in sight: ms until it was shown; False: it was not; None: nobody looked."""
    for since, until, shown in spells:
        if not since <= at < (until or float("inf")):
            continue
        when = min((painted for of, painted in shown if ids.get(of, 0) >= id and painted >= at), default=None)
        if when is not None:
            return when - at
        return False if until is None or until - at > SEEN_S * 1000 else None
    return None


def latencies(storm, spells, begun_ms, ended_ms):
    """{page's spells of all its machines}: each event's ms, and how many were not seen."""
    found = []
    for machine in {name for page in spells for name in page if ":" not in name}:  # one without a definition has no events
        events = [(e["id"], milliseconds(e["at"])) for e in storm.events(machine) if e["sentence"]]
        ids = {at: id for id, at in sorted(events)}
        for id, at in events:
            if begun_ms <= at <= ended_ms:
                found += [judge(id, at, ids, page[machine]) for page in spells if machine in page]
    return [ms for ms in found if ms is not None and ms is not False], sum(ms is False for ms in found)


def task_s(browser, n):
    browser.use(name=f"page{n}")
    return time.monotonic(), browser.metrics()["TaskDuration"]


def used_meanwhile(storm, wait):
    """What the server uses of a core, in percent."""
    pids, began = list(storm.pids()), time.monotonic()
    used = cpu_s(pids)
    wait()
    return (cpu_s(pids) - used) / (time.monotonic() - began) * 100


def watch(storm, browser, dashboards):
    """What happens while all install."""
    begun_ms, began = time.time() * 1000, time.monotonic()
    before, sums = [task_s(browser, n) for n in range(len(PAGES))], dashboards.sums()

    def while_all_install():
        while storm.count("installing") == MACHINES and time.monotonic() < began + WATCHED_S:
            time.sleep(1)
    core = used_meanwhile(storm, while_all_install)
    after = [task_s(browser, n) for n in range(len(PAGES))]
    took, ended_ms, (_, received, asked) = time.monotonic() - began, time.time() * 1000 - SEEN_S * 1000, dashboards.sums()
    figures = {"seconds": took, "core": core, "received": (received - sums[1]) / took / (1 << 20), "asked": (asked - sums[2]) / took,
        "thread": [(b[1] - a[1]) / (b[0] - a[0]) * 100 for a, b in zip(before, after)]}
    spells = []
    for n in range(len(PAGES)):
        browser.use(name=f"page{n}")
        spells.append(browser.get(what="window.spells"))
    figures["latency"], figures["unseen"] = latencies(storm, spells, begun_ms, ended_ms)
    return figures


def tell(figures, loads):
    FIGURES["dashboards"] = dict(figures, loads=loads, load_average=os.getloadavg())
    row(f"{MACHINES} machines install, {DASHBOARDS} dashboards: watched for", figures["seconds"], "s")
    row("  boot_handler and nginx before, without dashboards", figures["baseline"], "%")
    row("  boot_handler and nginx", figures["core"], "%", "at most 25", figures["core"] <= 25)
    row("  sent to the dashboards", figures["received"], "MiB/s")
    row("  answers to their scripts", figures["asked"], "/s")
    late = percentile(figures["latency"], 99)
    row(f"  event to pixel, p99 of {len(figures['latency'])}", late / 1000, "s", "at most 1", late <= 1000)
    row("  event to pixel, median", percentile(figures["latency"], 50) / 1000, "s")
    row("  events not seen", figures["unseen"], "", "0", figures["unseen"] == 0)
    row("  main thread of a page", max(figures["thread"]), "%", "at most 15", max(figures["thread"]) <= 15)
    worst = max(loads, key=lambda load: load["usable"])
    row(f"  page of {MACHINES} rows usable, worst of {len(loads)}", worst["usable"] / 1000, "s", "at most 0.5", worst["usable"] <= 500)
    for part in PARTS:
        row(f"    {part}", worst[part] / 1000, "s")
    own = figures["own"] / 1024
    row("  a page's own bytes, gzip, without xterm.js", own, "KiB", "at most 60", own <= 60)
    row("  load average", os.getloadavg()[0], "")


def bench_dashboards(scope, runs):
    reason = why_not()
    check(not reason, reason)
    lab = VmLab(scope, "bench-pages")
    storm = Storm(lab, MACHINES)
    cookie = eventually(lambda: sign_in(storm), 60, "a session")
    browser = Browser(scope, os.getpid(), storm.dashboard(scope))
    eventually(lambda: storm.count("installing") > MACHINES / 4, 120, "a quarter of them install")
    baseline = used_meanwhile(storm, lambda: time.sleep(BASELINE_S))
    dashboards = ManyDashboards(os.path.join(storm.folder, "dashboard.sock"), cookie, DASHBOARDS - len(PAGES))
    open_pages(browser, storm)
    browser.use(name="loads")
    browser.goto(path=storm.link())
    eventually(lambda: storm.count("installing") == MACHINES, 180, "all install")
    loads = usable_ms(browser, runs)
    browser.do("close", name="loads")
    figures = dict(watch(storm, browser, dashboards), baseline=baseline)
    figures["own"] = sum(len(gzip.compress(storm.page(path, cookie).body)) for path in OWN)
    check(not dashboards.failed, f"dashboards have failed: {dashboards.failed[:3]}")
    tell(figures, loads)
    browser.close()
    dashboards.close()
    storm.end()


def sign_in(storm):
    return storm.page(storm.link(), "").headers["set-cookie"].split(";")[0]
