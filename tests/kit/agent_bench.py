"""agent_bench.py - os-installer --agent in a network namespace and a process namespace of its own, and the server
it asks: it has one card, `eth0`, and what ends the machine ends the process namespace with a signal that says how."""
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from urllib.parse import parse_qs, urlparse

from kit import netns, range_server
from kit.check import check, eventually
from kit.command import PREFIX, run
from kit.installer_bench import find_installer

MAC, IP, SERVER = "52:54:00:a9:e0:01", "10.99.7.2", "10.99.7.1"
PORT = 8099
# reboot(2) in a process namespace: what its first process is killed with (pid_namespaces(7)).
ENDED = {signal.SIGHUP: "reboot", signal.SIGINT: "poweroff"}


class Handler(range_server.Handler):
    """What the server of the contract says; `told` is a list of (method, path, body)."""

    def body(self):
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return json.loads(text) if text else None

    def say(self, code, document=None):
        self.answer(json.dumps(document).encode() if document is not None else b"", code)

    def do_POST(self):
        bench, path = self.server.bench, urlparse(self.path).path
        if path == f"/api/action-output/{MAC}":
            return self.take_output(bench, {k: int(v[0]) for k, v in parse_qs(urlparse(self.path).query).items()})
        body = self.body()
        bench.told.append(("POST", path, body))
        if path == "/api/action-progress" and body["id"] in bench.over:
            return self.say(409, {"error": "the order is over"})
        if path in bench.refuses:
            return self.say(bench.refuses[path])
        if path == "/api/register-device":
            return self.say(200, {"machine": "bench"})
        if path == "/api/action-done":
            bench.orders = [o for o in bench.orders if o.get("id") != body.get("id")]
        self.say(204)

    def take_output(self, bench, asked):
        """Kept by its place; `pieces` is what came, as (id, place, length)."""
        text = self.rfile.read(int(self.headers["Content-Length"]))
        check(0 < len(text) <= 65536, f"{len(text)} bytes of output at once")
        if "output" in bench.refuses:
            return self.say(bench.refuses["output"])
        bench.pieces.append((asked["id"], asked["at"], len(text)))
        kept = bench.output.setdefault(asked["id"], {})
        kept[asked["at"]] = text
        self.say(409 if asked["id"] in bench.over else 204)

    def do_GET(self):
        bench, url = self.server.bench, urlparse(self.path)
        asked = {k: v[0] for k, v in parse_qs(url.query).items()}
        bench.told.append(("GET", url.path, asked))
        if url.path in bench.refuses:
            return self.say(bench.refuses[url.path])
        check(url.path == "/api/device-action-poll", url.path)
        began = time.monotonic()
        while not bench.orders and time.monotonic() - began < min(float(asked.get("wait", 0)), bench.longest_wait_s):
            if bench.server is not self.server:
                self.close_connection = True  # as one that was killed
                return
            time.sleep(0.02)
        self.say(200, bench.orders[0]) if bench.orders else self.say(204)


class AgentServer:
    """In the network namespace at `path`, at that address."""

    handler = Handler

    def __init__(self, scope, path, address):
        self.server_path, self.address, self.server = path, address, None
        self.fresh()
        scope.cleanup(self.stop_server)

    def fresh(self):
        self.told, self.orders, self.refuses, self.longest_wait_s = [], [], {}, 60
        self.over, self.output, self.pieces = set(), {}, []

    def start_server(self):
        with netns.inside(self.server_path):
            self.server = range_server.Server((self.address, PORT), self.handler)
        self.server.bench = self
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop_server(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
        self.server = None

    def of(self, path, since=0):
        return [body for method, told, body in self.told[since:] if told == path]

    def output_of(self, number):
        """What an order wrote, without gaps."""
        text, kept = b"", self.output.get(number, {})
        for at in sorted(kept):
            check(at <= len(text), f"nothing came of {len(text)} to {at}")
            text += kept[at][len(text) - at:]
        return text.decode()

    def order(self, action, number=7, seconds=30, timeout_s=None, **args):
        """Gives an order and waits for what is told of its end."""
        since = len(self.told)
        self.give(action, number, timeout_s, **args)
        return self.waits_for("/api/action-done", seconds=seconds, since=since)[0]

    def give(self, action, number=7, timeout_s=None, **args):
        self.orders = [{"action": action, "id": number, **({"args": args} if args else {}),
            **({"timeout_s": timeout_s} if timeout_s else {})}]

    def progress(self, number, since=0):
        return [b for b in self.of("/api/action-progress", since) if b["id"] == number]

    def waits_for(self, path, count=1, seconds=20, since=0):
        """The bodies or queries of what came there."""
        return eventually(lambda: len(self.of(path, since)) >= count and self.of(path, since), seconds,
            f"{count} × {path}; told: {[t[:2] for t in self.told[-5:]]}; the agent says: {self.log()[-600:]}")


class RunsAgent:
    """os-installer --agent in the network namespace at `path`, asking at `agent_url`."""

    path, agent_url, agent, log_path = None, None, None, None

    def begin_agent(self, scope):
        self.scope, self.installer = scope, find_installer()
        scope.cleanup(self.stop_agent)
        scope.log_on_failure(self.log)

    def start_agent(self, *words, again=False, by=()):
        """`again`: it is not the first process, which starts another when it ends, as /init does. `by`: a command that becomes it."""
        self.stop_agent()
        handle, self.log_path = tempfile.mkstemp(".log", "agent-", self.scope.tempdir())
        init = ["sh", "-c", "while :; do \"$@\"; sleep 0.2; done", "init"] if again else []
        with netns.inside(self.path), os.fdopen(handle, "w") as log:
            self.agent = subprocess.Popen(["unshare", "--fork", "--pid", "--kill-child", "--mount-proc", *init, *by, self.installer,
                "--agent", "--agent-url", self.agent_url, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop_agent(self):
        """As when the power goes: it and all that it started."""
        if self.agent:
            self.agent.kill()
            self.agent.wait()
        self.agent = None

    def log(self):
        if not self.log_path:
            return ""
        with open(self.log_path) as f:
            return f.read()

    def agent_pid(self):
        """The first process of its process namespace."""
        return int(run(["pgrep", "-P", str(self.agent.pid)]).stdout.split()[0])

    def rss_kib(self):
        """The most that the agent had, without what the kernel shares."""
        with open(f"/proc/{self.agent_pid()}/status") as f:
            return int(re.search(r"VmHWM:\s+(\d+)", f.read())[1])

    def ended(self, seconds=20):
        """How the machine ended."""
        status = self.agent.wait(seconds)
        return ENDED.get(-status if status < 0 else status - 128)


class AgentBench(AgentServer, RunsAgent):
    agent_url = f"http://{SERVER}:{PORT}/"

    def __init__(self, scope):
        self.begin_agent(scope)
        self.path, server_path = (self.namespace(label) for label in ("agent", "server"))
        super().__init__(scope, server_path, SERVER)
        with netns.inside(self.path):
            run(["ip", "link", "add", "eth0", "address", MAC, "type", "veth", "peer", "name", "srv0", "netns",
                os.path.basename(self.server_path)])
        for path, card, address in ((self.path, "eth0", IP), (self.server_path, "srv0", SERVER)):
            with netns.inside(path):
                run(["ip", "addr", "add", f"{address}/24", "dev", card])
                run(["ip", "link", "set", card, "up"])

    def namespace(self, label):
        name = f"{PREFIX}{label}"
        run(["ip", "netns", "add", name])
        self.scope.cleanup(run, ["ip", "netns", "del", name])
        return f"/run/netns/{name}"

    def line(self, state):
        with netns.inside(self.server_path):
            run(["ip", "link", "set", "srv0", state])
