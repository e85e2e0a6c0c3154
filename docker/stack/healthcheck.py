#!/usr/bin/python3
"""healthcheck.py - asks each daemon the question a machine would ask, and says what does not answer.

    dnsmasq       the port of DHCP is bound, and vm_watcher has not waited for its answer for DHCP_S seconds
    dns           a query for the stack's own name
    tftp          a request for a file that is not there
    nginx         GET of an unknown path
    boot_handler  through nginx, as guests reach it, and /readyz on the operator's socket
    vm_watcher    alive, and has looked at vms/ within the last WATCH_S seconds
    image_adopt   the same for the folder of images

Exit status 0 (all answer) or 1, with one line a problem on standard output.
"""

import http.client
import json
import os
import socket
import struct
import sys
import time

TIMEOUT_S = 3
WATCH_S = 20  # vm_watcher touches its DNS file every second, image_adopt its own every 2
DHCP_S = 8  # vm_watcher asks dnsmasq every second, and touches its DHCP file unless that is connected and silent
SETTINGS = "/run/vmlab/health.json"
NOTICES = "/run/vmlab/notices"  # what the operator should know though all is well


def dnsmasq(_conf):
    # A lease every few seconds would take an address.
    with open("/proc/net/udp", encoding="ascii") as f:
        bound = {line.split()[1].split(":")[1] for line in f if ":" in line}
    if "0043" not in bound:
        raise OSError("nothing is bound to the UDP port of DHCP")
    late = seconds_since("/run/vm_watcher/dhcp-hosts") - seconds_since("/run/vm_watcher/dns-hosts")
    if late > DHCP_S:
        raise OSError(f"it has not answered vm_watcher for {late:.0f} s")


def dns(conf):
    name = "provisioner." + conf["domain"]
    question = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0\0\1\0\1"
    query = struct.pack(">HHHHHH", 0x564d, 0x0100, 1, 0, 0, 0) + question
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(TIMEOUT_S)
        s.sendto(query, (conf["address"], 53))
        answer = s.recv(2048)
    if answer[:2] != query[:2] or socket.inet_aton(conf["address"]) not in answer:
        raise OSError(f"{name} is not {conf['address']}")


def tftp(conf):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(TIMEOUT_S)
        s.sendto(b"\0\1health\0octet\0", (conf["address"], 69))
        answer = s.recv(2048)
    if answer[:4] != b"\0\5\0\1":
        raise OSError(f"it answers {answer[:40]!r} where \"no such file\" was expected")


def get(connection, path, status):
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read(500).decode("utf-8", "replace").strip()
    finally:
        connection.close()
    if answer.status != status:
        raise OSError(f"status {answer.status} where {status} was expected: {text}")


class LocalConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=TIMEOUT_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def nginx(conf):
    get(http.client.HTTPConnection(conf["address"], 80, timeout=TIMEOUT_S), "/", 404)


def boot_handler_guest(conf):
    get(http.client.HTTPConnection(conf["address"], 80, timeout=TIMEOUT_S), "/config/x", 400)


def boot_handler_reports(conf):
    get(http.client.HTTPConnection(conf["address"], 80, timeout=TIMEOUT_S), "/done/x", 400)


def boot_handler_operator(conf):
    get(LocalConnection(conf["operator"]), "/readyz", 200)


def seconds_since(path):
    if not os.path.exists(path):
        raise OSError(f"{path} is missing")
    return time.time() - os.stat(path).st_mtime


def looks(path, what):
    age = seconds_since(path)
    if age > WATCH_S:
        raise OSError(f"it last looked at the {what} {age:.0f} s ago")


def runs(program):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
                _, rest = f.read().split("(", 1)
        except OSError:
            continue
        name, rest = rest.rsplit(")", 1)
        if name == program and rest.split()[0] != "Z":
            return
    raise OSError("it is not running")


def vm_watcher(_conf):
    if not os.path.exists("/run/vm_watcher/dhcp-hosts"):
        raise OSError("/run/vm_watcher/dhcp-hosts is missing")
    looks("/run/vm_watcher/dns-hosts", "definitions")
    runs("vm_watcher")


def image_adopt(_conf):
    looks("/run/image_adopt/alive", "images")
    runs("image_adopt")


CHECKS = (
    ("dnsmasq", dnsmasq),
    ("dns", dns),
    ("tftp", tftp),
    ("nginx", nginx),
    ("boot_handler for guests", boot_handler_guest),
    ("boot_handler for reports", boot_handler_reports),
    ("boot_handler for the operator", boot_handler_operator),
    ("vm_watcher", vm_watcher),
    ("image_adopt", image_adopt),
)


def main():
    try:
        with open(SETTINGS, encoding="ascii") as f:
            conf = json.load(f)
    except (OSError, ValueError):
        print("the stack is still starting")
        return 1
    failed = 0
    for name, check in CHECKS:
        try:
            check(conf)
        except (OSError, http.client.HTTPException) as e:
            print(f"{name} does not answer: {e or type(e).__name__}")
            failed = 1
    if not failed:
        print("all daemons answer")
    try:
        with open(NOTICES, encoding="utf-8") as f:
            print("warning: " + f.read().strip())
    except OSError:
        pass  # there are none
    return failed


if __name__ == "__main__":
    sys.exit(main())
