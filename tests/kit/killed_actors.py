"""killed_actors.py - who asks boot_handler while it is killed, and knows what it was answered: each does one thing after the
other, and afterwards says what has to be there still. What it was not answered may have been done or not.
"""
import hashlib
import http.client
import itertools
import json
import os
import threading
import time

from kit.check import check, check_equal, eventually
from kit.webhook_receiver import Receiver

DOWN = (OSError, http.client.HTTPException)
sha = lambda data: hashlib.sha256(data).hexdigest()


class Actor(threading.Thread):
    """step() does one thing or more; `lock` is held meanwhile. Down ones come again."""

    def __init__(self, bench):
        super().__init__(daemon=True)
        self.bench, self.lock, self.over, self.failure = bench, threading.Lock(), threading.Event(), None
        self.answered = 0  # promises that were made
        self.begin()

    def begin(self):
        """While it is up."""

    def run(self):
        while not self.over.is_set():
            time.sleep(0.0005)  # who waits for the lock gets it
            with self.lock:
                try:
                    self.step()
                except DOWN:
                    time.sleep(0.003)
                except Exception as e:
                    self.failure = e
                    return

    def ask(self, path, method="POST", wanted=(200, 204), **kwargs):
        answer = self.bench.operator(path, method=method, **kwargs) if path.startswith("/api/v1/") else \
            self.bench.guest(path, method=method, **kwargs)
        check(answer.status in wanted, f"{method} {path}: {answer}")
        self.answered += method != "GET"
        return answer

    def get(self, path):
        return self.ask(path, method="GET").json

    def judge(self):
        """What it was answered is so; called while nobody asks."""


class Installs(Actor):
    """Installed once it was told so, and installed anew only once that was ordered."""
    name_, mac = "inst", "52:54:00:00:01:01"

    def begin(self):
        self.bench.define(self.name_, json.dumps({"name": self.name_, "mac": self.mac, "ip": "192.168.100.31", "distro": "debian-13"}))
        eventually(lambda: self.bench.operator(f"/api/v1/vms/{self.name_}").status == 200, 5, "it is known")
        self.sure, self.attempt = None, 0
        self.order = False  # that has to come first

    def step(self):
        if self.order:
            self.sure = None
            self.ask(f"/api/v1/vms/{self.name_}/reinstall")
            self.sure, self.order = "ordered", False
            return
        self.sure = None
        script = self.bench.guest(f"/ipxe?mac={self.mac}").text
        if "initrd.mode=install" not in script:
            self.order = True
            return
        for phase in "config", "rootfs", "bootloader":
            for status in "running", "done":
                self.ask(f"/report/{self.mac}", body={"phase": phase, "status": status})
        self.ask(f"/report/{self.mac}", body={"phase": "report", "status": "done"})
        # Killed within the milliseconds of all this, a server knows of no beginning, and takes no end of it.
        self.order = self.get(f"/api/v1/vms/{self.name_}")["recorded"] == "installed"
        self.sure = "installed" if self.order else None

    def judge(self):
        if self.sure == "installed":
            vm = self.bench.api(f"/api/v1/vms/{self.name_}")
            check_equal(vm["recorded"], "installed", "it was told to be installed, and is")
            check(vm["attempt"] >= self.attempt, f"attempt {vm['attempt']}, after {self.attempt}")
            self.attempt = vm["attempt"]
        elif self.sure == "ordered":
            self.sure = None
            check("initrd.mode=install" in self.bench.guest(f"/ipxe?mac={self.mac}").text, "it was ordered to be installed, and is not")


class Switches(Actor):
    """Its network boot is off, or on, as it was ordered last."""
    name_ = "switched"

    def begin(self):
        self.bench.define(self.name_, json.dumps({"name": self.name_, "mac": "52:54:00:00:01:02", "ip": "192.168.100.32", "mode": "agent"}))
        eventually(lambda: self.bench.operator(f"/api/v1/vms/{self.name_}").status == 200, 5, "it is known")
        self.sure, self.words = None, itertools.cycle(("off", "on"))

    def step(self):
        word, self.sure = next(self.words), None
        self.ask(f"/api/v1/vms/{self.name_}/netboot/{word}")
        self.sure = word

    def judge(self):
        if self.sure:
            check_equal(self.bench.api(f"/api/v1/vms/{self.name_}")["netboot"], self.sure == "on", "its network boot is on")


class Orders(Actor):
    """Orders given, begun, ended and taken back, what they wrote, and their numbers."""
    name_, mac = "agent", "52:54:00:00:01:03"

    def begin(self):
        self.bench.define(self.name_, json.dumps({"name": self.name_, "mac": self.mac, "ip": "192.168.100.33", "mode": "agent"}))
        eventually(lambda: self.bench.operator(f"/api/v1/vms/{self.name_}").status == 200, 5, "it is known")
        self.known, self.last, self.turn = {}, 0, 0  # number: its state, or None
        self.open, self.output = [], {}
        self.path = f"/api/v1/machines/{self.name_}/orders"

    def over_with(self, number):
        """Whatever became of it."""
        self.known[number] = None
        answer = self.ask("/api/action-done", body={"mac": self.mac, "id": number, "result": "ok", "text": "it is"},
            wanted=(200, 204, 409))
        if answer.status != 409:
            self.known[number] = "done"
        else:  # it may never have been handed out
            self.ask(f"{self.path}/{number}", method="DELETE", wanted=(200, 409))
        self.open.remove(number)

    def step(self):
        self.turn += 1
        while self.open:
            self.over_with(self.open[0])
        given = self.ask(self.path, body={"action": "run", "args": {"script": f"echo {self.turn}"}}).json
        check(given["id"] > self.last, f"order {given['id']} follows {self.last}")
        self.last = number = given["id"]
        self.known[number] = "waiting"
        if self.turn % 3 == 0:
            self.known[number] = None
            self.ask(f"{self.path}/{number}", method="DELETE")
            self.known[number] = "cancelled"
            return
        self.known[number] = None
        self.open.append(number)
        told = self.ask(f"/api/device-action-poll?mac={self.mac}", method="GET")
        if told.status == 204 or told.json["id"] != number:
            if told.status == 200 and told.json["id"] not in self.open:
                self.open.append(told.json["id"])  # of before
            return
        self.ask("/api/action-progress", body={"mac": self.mac, "id": number, "phase": "run"})
        self.known[number] = "running"
        text = f"{self.turn}\n".encode() * 20
        self.ask(f"/api/action-output/{self.mac}?id={number}&at=0", body=text)
        self.output[number] = text
        self.over_with(number)

    def judge(self):
        listed = {o["id"]: o for o in self.bench.api(self.path)["orders"]}
        for number in [n for n in self.known if n > self.last - 150]:
            check(number in listed, f"order {number} is gone; there are {sorted(listed)[-5:]}")
            if self.known[number]:
                check_equal(listed[number]["state"], self.known[number], f"order {number}")
        check(not listed or max(listed) <= self.last + 1, f"orders that nobody gave: {sorted(listed)[-3:]}, after {self.last}")
        for number in sorted(self.output)[-2:]:
            check_equal(self.bench.operator(f"{self.path}/{number}/output").body, self.output[number], f"what order {number} wrote")
        self.last = max([self.last, *listed])
        self.known.update({n: None for n in listed if n not in self.known})
        self.open = [n for n in listed if listed[n]["state"] in ("waiting", "running") and self.known[n] is None]


class Inventories(Actor):
    """The newest that an agent told; one that tells it over and over is refused, hence many."""
    macs = [f"52:54:00:00:03:{n:02x}" for n in range(60)]

    def begin(self):
        self.number, self.sure = 0, {}

    def step(self):
        self.number += 1
        mac = self.macs[self.number % len(self.macs)]
        before = self.sure.pop(mac, None)
        answer = self.ask(f"/inventory/{mac}", wanted=(204, 409),
            body={"format": 1, "system": {"product": f"Box {self.number}"}, "memory": {"total_bytes": 1 << 30}})
        told = self.number if answer.status == 204 else before
        if told:
            self.sure[mac] = told

    def judge(self):
        for mac in list(self.sure)[-5:]:
            product = self.bench.api(f"/api/v1/machines/{mac}/inventory")["inventories"][0]["inventory"]["system"]["product"]
            check_equal(product, f"Box {self.sure[mac]}", f"what {mac} told last")


class Strangers(Actor):
    """Which of those without a definition are ignored; and one that is adopted, by a file."""
    macs = [f"52:54:00:00:02:{n:02x}" for n in range(4)]

    def begin(self):
        self.sure, self.turn, self.file = {}, 0, os.path.join(self.bench.vms, "adopted.json")

    def step(self):
        self.turn += 1
        mac = self.macs[self.turn % 3]
        self.ask("/api/register-device", body={"mac": mac, "serial": f"SN-{mac}"})
        ignored = self.turn // 3 % 2
        self.sure.pop(mac, None)
        self.ask(f"/api/v1/machines/{mac}/{'' if ignored else 'un'}ignore")
        self.sure[mac] = bool(ignored)
        if self.turn % 50 == 0:
            self.adopt() if not os.path.exists(self.file) else os.unlink(self.file)

    def adopt(self):
        self.bench.define("adopted", json.dumps({"name": "adopted", "mac": self.macs[3], "ip": "192.168.100.34", "mode": "agent"}))

    def judge(self):
        listed = {mac: m for m in self.bench.api("/api/v1/machines")["machines"] for mac in m["macs"]}
        for mac, ignored in self.sure.items():
            check(mac in listed, f"{mac} is forgotten")
            check_equal(listed[mac]["ignored"], ignored, f"{mac} is ignored")
        if os.path.exists(self.file):
            eventually(lambda: self.bench.operator("/api/v1/vms/adopted").status == 200, 5, "the one that was adopted is declared")


class Backups(Actor):
    """Slices of a disk that were taken, and images that are whole."""
    name_, mac = "backed", "52:54:00:00:01:05"

    def begin(self):
        self.bench.define(self.name_, json.dumps({"name": self.name_, "mac": self.mac, "ip": "192.168.100.35", "mode": "agent"}))
        eventually(lambda: self.bench.operator(f"/api/v1/vms/{self.name_}").status == 200, 5, "it is known")
        self.turn, self.slice, self.images = 0, None, {}
        self.told = False

    def step(self):
        if not self.told:
            self.ask(f"/inventory/{self.mac}", body={"format": 1, "disks": [{"name": "vda", "size_bytes": 1 << 30, "serial": "D1", "removable": False}]})
            self.told = True
        self.turn += 1
        name, data = f"image{self.turn}", os.urandom(3000)
        number = self.ask(f"/api/v1/machines/{self.name_}/orders", body={"action": "backup", "args": {"name": name, "disk": "vda"}}).json["id"]
        told = self.ask(f"/api/device-action-poll?mac={self.mac}", method="GET")
        if told.status == 200 and told.json["id"] == number:
            self.send(number, name, data)
        self.end(told.json["id"] if told.status == 200 else number)

    def send(self, number, name, data):
        path = f"/backup/{self.mac}/{number}"
        self.ask("/api/action-progress", body={"mac": self.mac, "id": number, "phase": "backup"})
        self.ask(f"{path}/slice/0?sha256={sha(data)}", method="PUT", body=data, socket="upload.sock")
        self.slice = path, sha(data)
        body = {"disk_bytes": 64 << 20, "file_bytes": len(data), "slices": 1, "arch": "amd64"}
        self.slice = None
        self.ask(f"{path}/manifest", method="PUT", body=json.dumps(body).encode(), socket="upload.sock")
        self.images[name] = sha(data)

    def end(self, number):
        self.slice = None
        self.ask("/api/action-done", body={"mac": self.mac, "id": number, "result": "ok", "text": ""}, wanted=(200, 204, 409))
        while len(self.images) > 5:
            name = next(iter(self.images))
            del self.images[name]
            self.ask(f"/api/v1/backups/{name}", method="DELETE", wanted=(204, 404))

    def judge(self):
        if self.slice:
            path, wanted = self.slice
            check_equal(self.bench.guest(path, socket="upload.sock").text.split(), [wanted], "slices that were taken")
        listed = {b["name"] for b in self.bench.api("/api/v1/backups")["backups"]}
        check(set(self.images) <= listed, f"images {sorted(self.images)}, and there are {sorted(listed)}")
        for o in self.bench.api(f"/api/v1/machines/{self.name_}/orders")["orders"]:
            if o["state"] in ("waiting", "running"):
                self.bench.operator(f"/api/v1/machines/{self.name_}/orders/{o['id']}", method="DELETE")


class Webhooks(Actor):
    """Those that were made, and not those that were removed; and one of all events, to which each of them comes."""

    def begin(self):
        self.receiver = Receiver(self.bench)
        made = self.bench.api("/api/v1/webhooks", method="POST", body={"name": "all", "url": self.receiver.url})
        self.receiver.secret, self.first = made["secret"], made["cursor"] + 1
        self.turn, self.there = 0, {}

    def step(self):
        self.turn += 1
        name = f"hook{self.turn % 4}"
        self.there.pop(name, None)
        if self.turn % 8 < 4:
            self.ask("/api/v1/webhooks", body={"name": name, "url": "http://127.0.0.1:1/", "filter": "severity=error&vm=nobody"}, wanted=(200, 409))
            self.there[name] = True
        else:
            self.ask(f"/api/v1/webhooks/{name}", method="DELETE", wanted=(204, 404))
            self.there[name] = False

    def judge(self):
        listed = {h["name"] for h in self.bench.api("/api/v1/webhooks")["webhooks"]}
        for name, there in dict(self.there, all=True).items():
            check_equal(name in listed, there, f"webhook {name} is there")

    def told(self, last):
        """Every event, in its order, signed."""
        self.receiver.wait(last, 60)
        for delivery in self.receiver.taken[::10]:
            self.receiver.verify(delivery, "all")
        found = self.receiver.events()
        for number, wanted in zip(found, itertools.count(self.first)):
            check_equal(number, wanted, "the number of the next event that the receiver was told")
        check(last in found, f"event {last} was not told")
        return found


class Follower(Actor):
    """Events as the API tells them: their numbers rise by one, and what was told once stays."""

    def begin(self):
        self.cursor = self.bench.last_event()
        self.first, self.told = self.cursor + 1, {}

    def step(self):
        page = self.get(f"/api/v1/events?after={self.cursor}&limit=1000")
        for event in page["events"]:
            check_equal(event["id"], self.cursor + 1, "the number of the next event")
            self.cursor, self.told[event["id"]] = event["id"], event
        time.sleep(0.01)

    def judge(self):
        since = max(self.first, self.cursor - 400) - 1
        again = {e["id"]: e for e in self.bench.api(f"/api/v1/events?after={since}&limit=1000")["events"]}
        for number in range(since + 1, self.cursor + 1):
            check_equal(again.get(number), self.told[number], f"event {number}")


ALL = (Installs, Switches, Orders, Inventories, Strangers, Backups, Webhooks, Follower)
