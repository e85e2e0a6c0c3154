"""A real browser for the tests of pages: Debian's Chromium, driven by playwright-core (tests/browser/drive.mjs).

What npm brings is pinned in tests/browser/package-lock.json and lies in build/browser/. Where the browser, node or
npm is missing, or npm reaches no registry, `why_not()` says so.
"""
import json
import os
import re
import shutil
import subprocess
import tempfile

from kit.check import check_equal, fail
from kit.command import ROOT

HERE = os.path.join(ROOT, "tests", "browser")
MODULES = os.path.join(ROOT, "build", "browser")
SHOTS = os.path.join(ROOT, "build", "screenshots")
NODE_MAJOR = 20


def node_version():
    done = subprocess.run(["node", "--version"], text=True, capture_output=True)
    found = re.match(r"v(\d+)", done.stdout)
    return int(found.group(1)) if found else 0


def fetch_modules():
    """None, or why they are not there."""
    lock = os.path.join(HERE, "package-lock.json")
    have = os.path.join(MODULES, "package-lock.json")
    installed = os.path.join(MODULES, "node_modules", ".package-lock.json")
    if os.path.exists(installed) and open(lock).read() == open(have).read():
        return None
    os.makedirs(MODULES, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(os.path.join(HERE, name), MODULES)
    done = subprocess.run(["npm", "ci", "--ignore-scripts"], cwd=MODULES, text=True, capture_output=True, timeout=180)
    if done.returncode == 0:
        return None
    os.unlink(have)
    return "npm cannot install playwright-core and axe-core: " + (done.stderr.strip().splitlines() or ["no reason"])[-1]


def why_not():
    for program in ("chromium", "node", "npm"):
        if not shutil.which(program):
            return f"{program} is missing: docker/host-setup.sh test installs it"
    if node_version() < NODE_MAJOR:
        return f"node is older than {NODE_MAJOR}, which playwright-core needs"
    return fetch_modules()


class Browser:
    """`pid`: the process whose network the browser has; `base`: the server's address there."""

    def __init__(self, scope, pid, base):
        self.profile = tempfile.mkdtemp(prefix="vmlab-browser-")
        self.log = open(os.path.join(self.profile, "stderr"), "w+")
        self.process = subprocess.Popen(["nsenter", f"--net=/proc/{pid}/ns/net", "node",
            os.path.join(HERE, "drive.mjs"), MODULES, shutil.which("chromium"), self.profile, base], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, env=dict(os.environ, HOME=self.profile))
        scope.cleanup(self.close)
        self.version = self.answer()["version"]

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            fail(f"the browser ended: {self.log.read()[-2000:]}")
        return json.loads(line)

    def do(self, order, **how):
        self.process.stdin.write(json.dumps(dict(how, order=order)) + "\n")
        self.process.stdin.flush()
        said = self.answer()
        if "error" in said:
            fail(f"{order} {how}: {said['error'][:1500]}")
        return said["value"]

    def __getattr__(self, order):
        return lambda **how: self.do(order, **how)

    def shot(self, name, whole=True):
        """Of the whole page, or of what the window shows of it."""
        os.makedirs(SHOTS, exist_ok=True)
        self.do("shot", file=os.path.join(SHOTS, name + ".png"), whole=whole)

    def tab_to(self, what):
        """By keyboard alone, to the next that this selector matches."""
        for _ in range(80):
            self.press(key="Tab")
            if self.get(what=f"document.activeElement.matches({json.dumps(what)})"):
                return
        fail(f"{what} is not reached")

    def told_once(self, api):
        """(how many events came since streamed() was asked first, each once; of each connection after the first the
        events that were before its beginning and after the last one's end)."""
        told = [(name, json.loads(data)) for name, _, data in self.streamed()]
        at = told[0][1]["last"]
        wanted = [e["id"] for e in api(f"/api/v1/events?after={at}&limit=1000")["events"]]
        passed_over = []
        for name, data in told[1:]:
            if name == "hello":
                passed_over.append([n for n in wanted if at < n <= data["last"]])
            at = data["last"]
        ids = [event["id"] for name, data in told if name == "message" for event in data["events"]]
        check_equal(ids, [n for n in wanted if not any(n in some for some in passed_over)], "ids of the events that came")
        return len(ids), passed_over

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        shutil.rmtree(self.profile, ignore_errors=True)
