"""handler_bench.py - boot_handler of the stack's image and nobody else, in a namespace of its own, started again as soon as it
ends: in a tenth of a second it is back, where supervisord would wait longer each time.
"""
import os
import signal

from kit import http_client, netns
from kit.check import check, check_equal, eventually, fail
from kit.command import PREFIX, docker, have_image
from kit.lab import STACK_IMAGE, Lab

# Its pids are those of this machine.
RUNNER = """
import os, subprocess, sys, time
log = open("/bench/log", "ab")
while True:
    if os.path.exists("/bench/hold"):
        time.sleep(0.005)
        continue
    process = subprocess.Popen(sys.argv[1:], stdout=log, stderr=log)
    with open("/bench/pid.new", "w") as f:
        f.write(str(process.pid))
    os.rename("/bench/pid.new", "/bench/pid")
    process.wait()
"""


class HandlerBench:
    make_image = Lab.make_image

    def __init__(self, scope, name="handler"):
        self.scope = scope
        self.dir = os.path.join(scope.tempdir(), name)
        self.container = f"{PREFIX}{name}"
        self.vms, self.images, self.state = (os.path.join(self.dir, d) for d in ("vms", "images", "state"))
        for path in self.vms, self.images, self.state:
            os.makedirs(path)
        self.db = os.path.join(self.state, "vmlab.db")
        scope.cleanup(docker, "rm", "-f", "-v", self.container)
        scope.log_on_failure(self.log)

    def start(self):
        check(have_image(STACK_IMAGE), f"there is no image {STACK_IMAGE}: `make load` makes it")
        docker("run", "-d", "--name", self.container, "--network", "none", "--pid", "host", "-v", f"{self.dir}:/bench",
            "--entrypoint", "/usr/bin/python3", "--no-healthcheck", STACK_IMAGE, "-c", RUNNER,
            "/usr/sbin/boot_handler", "--vms", "/bench/vms", "--images", "/bench/images", "--backups", "/bench/backups",
            "--state", "/bench/state/vmlab.db", "--base-url", "http://192.168.100.1", "--guest-access", "any",
            "--strangers", "agent", "--listen", "unix:/bench/guest.sock", "--operator-listen", "unix:/bench/operator.sock",
            "--lab", "192.168.100.1/24")
        self.net = f"/proc/{docker('inspect', '-f', '{{.State.Pid}}', self.container).stdout.strip()}/ns/net"
        self.wait()

    def inside(self):
        return netns.inside(self.net)

    def log(self):
        with open(os.path.join(self.dir, "log"), errors="replace") as f:
            return f.read()[-8000:]

    # ---- its life

    def pid(self):
        with open(os.path.join(self.dir, "pid")) as f:
            return int(f.read())

    def wait(self):
        eventually(lambda: self.operator("/healthz").status == 200 and self.guest("/healthz").status == 200, 20,
            "boot_handler answers", every=0.01)

    def end(self, how=signal.SIGKILL):
        """And stays away until back()."""
        pid = self.pid()
        open(os.path.join(self.dir, "hold"), "w").close()
        os.kill(pid, how)
        eventually(lambda: not os.path.exists(f"/proc/{pid}"), 10, "boot_handler ends", every=0.005)

    def back(self, wait=True):
        os.unlink(os.path.join(self.dir, "hold"))
        if wait:
            self.wait()

    # ---- asked

    def operator(self, path, **kwargs):
        return http_client.request("localhost", path, unix=os.path.join(self.dir, "operator.sock"), **kwargs)

    def guest(self, path, source="192.168.100.99", socket="guest.sock", **kwargs):
        return http_client.request("localhost", path, unix=os.path.join(self.dir, socket),
            headers={"X-Real-IP": source}, **kwargs)

    def api(self, path, method="GET", body=None):
        answer = self.operator(path, method=method, body=body)
        if answer.status != 200:
            fail(f"{method} {path}: {answer}")
        return answer.json

    def define(self, name, text):
        temporary = os.path.join(self.dir, f".{name}")
        with open(temporary, "w") as f:
            f.write(text)
        os.rename(temporary, os.path.join(self.vms, f"{name}.json"))

    def report(self, mac, **fields):
        check_equal(self.guest(f"/report/{mac}", method="POST", body=fields).status, 204, f"report {fields}: status")

    def last_event(self):
        return self.api("/api/v1/events?limit=1")["last"]
