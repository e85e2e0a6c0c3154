"""bad_lab.py - a stack with one good definition, and text that is meant to get out of where it is written."""
import os

from kit.check import check, check_equal, eventually, fail
from kit.command import have_image
from kit.lab import STACK_IMAGE, Lab

GOOD = "52:54:00:bd:00:01"
MARK = "PWNED"
# What ends a word, a line, a string or a variable somewhere.
EVIL = {
    "newline": f"a\n{MARK}", "return": f"a\r{MARK}", "quote": f"a\"{MARK}", "apostrophe": f"a'{MARK}",
    "dollar": f"a${{{MARK}}}", "backtick": f"a`{MARK}`", "slash": f"a/{MARK}", "dots": f"../{MARK}",
    "nul": f"a\0{MARK}", "comma": f"a,{MARK}", "space": f"a {MARK}", "tab": f"a\t{MARK}",
    "semicolon": f"a;{MARK}", "hash": f"a#{MARK}", "escape": f"a\x1b[2J{MARK}", "percent": f"a%0a{MARK}",
    "unicode": f"a\u2028{MARK}", "long": MARK * 400,
}


class BadLab(Lab):
    def __init__(self, scope):
        super().__init__(scope, "bad")
        self.started = None

    def begin(self):
        if not have_image(STACK_IMAGE):
            fail(f"there is no image {STACK_IMAGE}: `make load` builds it")
        self.make_image()
        self.define("good", mac=GOOD, ip="192.168.100.10")
        self.start()
        self.started = self.pids()

    def script_for(self, mac):
        answer = self.get(f"/ipxe?mac={mac}", from_lab=True)
        check_equal(answer.status, 200, f"/ipxe for {mac}: status")
        return answer.text

    def hosts(self):
        return self.exec("cat", "/run/vm_watcher/dhcp-hosts", "/run/vm_watcher/dns-hosts").stdout

    def only_good(self):
        """What an earlier test left behind is no part of the next."""
        for file in os.listdir(self.vms):
            path = os.path.join(self.vms, file)
            if file != "good.json":
                os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        eventually(lambda: not self.problems() and len(self.api("/api/v1/vms")["vms"]) == 1, 5, "only good.json is left")

    def good_still_served(self):
        check("initrd.mode=install" in self.script_for(GOOD), "the good VM has no install script any more")
        check(GOOD in self.hosts(), "the good VM is not in dhcp-hosts any more")

    def wait_known(self, files, seconds=5):
        """Waits until each file is either a VM's or a problem's."""
        def known():
            listed = self.api("/api/v1/vms")
            seen = {p["file"] for p in listed["problems"]} | {vm["name"] + ".json" for vm in listed["vms"]}
            return set(files) <= seen
        eventually(known, seconds, f"{len(files)} files are read")
