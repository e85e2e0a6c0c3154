"""watched.py - a page in a real browser that is open while a machine installs, and all that it showed on the way.

Of a lab made by `vmlab`, signed in by the link that `vmlab dashboard` prints. On the way the browser's connection is
cut while the installer starts, and the lab's stack starts again while the installed system boots.
"""
import os
import re
import subprocess
import threading
import time

import pytest

from kit import http_client
from kit.browser import Browser, why_not
from kit.check import check_equal, eventually
from kit.command import docker
from kit.tcp_relay import TcpRelay
from kit.vmlab_cli import BINARY

# What a row showed: of each state the first moment and how far the bar was.
RECORD = """(() => {
	window.shown = [];
	const look = () => {
		const row = document.querySelector('tr[data-machine="%s"]'), says = row?.querySelector('[data-part=says]').textContent;
		const bar = row?.querySelector('progress')?.value ?? -1, last = window.shown.at(-1);
		if (row && (!last || last[0] !== row.dataset.state || last[1] !== says || last[2] !== bar))
			window.shown.push([row.dataset.state, says, bar]);
	};
	new MutationObserver(look).observe(document.querySelector('main'), {subtree: true, childList: true, characterData: true, attributes: true});
	look();
})()"""
# What a page's head says of itself.
LIVE = "document.getElementById('live').textContent === 'Live'"
OLD = "document.getElementById('live').dataset.current === 'false'"


class Watched:
    def __init__(self, lab, name):
        """From the moment in which the lab is up, until shown()."""
        self.lab, self.name, self.browser, self.failed = lab, name, None, None
        self.interruptions = 0
        self.going = True
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        try:
            reason = why_not()
            if reason:
                pytest.skip(reason)
            while self.going and not os.path.exists(self.lab.socket):
                time.sleep(0.2)
            self.open_page()
            self.await_event("ipxe", "install")
            self.interrupt(self.relay.cut, lambda: (self.await_event("phase", "rootfs"), self.relay.begin()))
            self.take_picture()
            self.await_event("ipxe", "local")
            stack = f"{self.lab.name}-stack"
            self.interrupt(lambda: docker("stop", "-t", "5", stack), lambda: docker("start", stack))
        except BaseException as e:  # the one who asks is to hear of it, and a skip is none of Exception
            self.failed = e

    def open_page(self):
        self.dashboard = subprocess.Popen([BINARY, "dashboard", "--no-open"], env=self.lab.env, cwd=self.lab.dir,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.lab.scope.cleanup(self.end_dashboard)
        base, slash, secret = self.dashboard.stdout.readline().strip().partition("/login/")
        self.relay = TcpRelay("/proc/self/ns/net", int(base.rpartition(":")[2]))
        self.lab.scope.cleanup(self.relay.cut)
        self.browser = Browser(self.lab.scope, os.getpid(), f"http://127.0.0.1:{self.relay.port}")
        self.browser.use(name="watcher")
        self.browser.streamed()
        self.browser.goto(path=slash + secret)
        self.browser.wait(until="location.pathname === '/machines'")
        self.browser.get(what=RECORD % self.name)

    def end_dashboard(self):
        if self.dashboard.poll() is None:
            self.dashboard.terminate()
            self.dashboard.wait(10)

    def take_picture(self):
        bar = f"document.querySelector('tr[data-machine=\"{self.name}\"] progress')?.value >= 20"
        while self.going and not self.browser.get(what=bar):
            time.sleep(1)
        if self.going:
            self.browser.shot("vm-machines-installing")

    def has_event(self, kind, what):
        """`what`: its text or phase."""
        return any(e["kind"] == kind and what in (e["text"], e.get("phase"))
            for e in self.lab.api(f"/api/v1/events?vm={self.name}&limit=1000")["events"])

    def await_event(self, kind, what):
        while self.going and not self.has_event(kind, what):
            time.sleep(0.3)

    def interrupt(self, begin, end):
        """The list, and the machine's own page beside it: both say that they are not up to date, and then are again."""
        if not self.going:
            return
        self.browser.use(name="beside", beside="watcher")
        self.browser.goto(path=f"/machines/{self.name}/events")
        self.both(LIVE)
        begin()
        self.both(OLD)
        end()
        self.both(LIVE)
        self.interruptions += 1

    def both(self, until):
        for window in ("beside", "watcher"):
            self.browser.use(name=window)
            self.browser.wait(until=until, ms=30000)

    def told_once(self):
        """Browser.told_once() of the list; all of the machine's events are on its own page, none twice."""
        def rows():
            return self.browser.get(what="document.querySelectorAll('#events tbody tr').length")
        told = eventually(lambda: self.browser.told_once(self.lab.api), 5, "each event came once")
        self.browser.use(name="beside")
        eventually(lambda: check_equal(rows(), len(self.lab.api(f"/api/v1/events?vm={self.name}&limit=1000")["events"]),
            "rows of its events") is None, 10, "its page has them all")
        self.browser.shut(name="beside")
        self.browser.use(name="watcher")
        return told

    def shown(self):
        """[[state, words, percent]], as they followed."""
        self.going = False
        self.thread.join(30)
        if self.failed:
            raise self.failed
        return self.browser.get(what="window.shown")

    def wait(self, name, state, seconds):
        self.browser.wait(until=f"document.querySelector('tr[data-machine=\"{name}\"]')?.dataset.state === '{state}'",
            ms=seconds * 1000)

    def sign_in(self, name, **how):
        """Another browser, which the lab lets in."""
        answer = http_client.request("localhost", "/api/v1/logins", unix=self.lab.socket, method="POST", body={"role": "admin"})
        self.browser.use(name=name, **how)
        self.browser.notes()  # what it was left at followed a lab that may have been down meanwhile
        self.browser.goto(path=answer.json["path"])
        self.browser.wait(until="location.pathname === '/machines'")

    def look_elsewise(self, *paths):
        """{path: what is to be read there without script}; in the dark they have no fault that axe knows, and nowhere
        anything was run, refused or fetched from elsewhere."""
        texts = {}
        for name, how in (("dark", {"dark": True}), ("plain", {"js": False})):
            self.sign_in(name, **how)
            for path in paths:
                self.browser.goto(path=path)
                if name == "dark":
                    check_equal(self.browser.axe()["violations"], [], f"{path} in the dark: axe")
                else:
                    texts[path] = self.browser.text(of="main")
            self.check_tidy(name)
        self.browser.use(name="watcher")
        return texts

    def check_tidy(self, name):
        notes = self.browser.notes()
        check_equal((notes["dialogs"], notes["elsewhere"], notes["errors"]), (0, [], []), f"{name}: dialogs, requests to elsewhere, errors")

    def pages(self, *paths):
        """{path: what is to be read there}, with a picture of each."""
        self.shown()
        self.browser.notes()  # a lab that was down meanwhile did not answer
        texts = {}
        for path in paths:
            self.browser.goto(path=path)
            texts[path] = self.browser.text(of="main")
            self.browser.shot("vm" + re.sub("(..:){5}..", "unknown", path).replace("/", "-"), whole="events" not in path)
        return texts
