"""watched.py - a page in a real browser that is open while a machine installs, and all that it showed on the way.

Of a lab made by `vmlab`, signed in by the link that `vmlab dashboard` prints.
"""
import os
import re
import subprocess
import threading
import time

import pytest

from kit import http_client
from kit.browser import Browser, why_not
from kit.check import check_equal
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


class Watched:
    def __init__(self, lab, name):
        """From the moment in which the lab is up, until shown()."""
        self.lab, self.name, self.browser, self.failed = lab, name, None, None
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
            self.take_picture()
        except BaseException as e:  # the one who asks is to hear of it, and a skip is none of Exception
            self.failed = e

    def open_page(self):
        self.dashboard = subprocess.Popen([BINARY, "dashboard", "--no-open"], env=self.lab.env, cwd=self.lab.dir,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.lab.scope.cleanup(self.end_dashboard)
        base, slash, secret = self.dashboard.stdout.readline().strip().partition("/login/")
        self.browser = Browser(self.lab.scope, os.getpid(), base)
        self.browser.use(name="watcher")
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
