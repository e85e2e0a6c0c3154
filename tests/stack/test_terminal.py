"""What machines send does not steer the terminal of who reads the log or the API, and dnsmasq keeps quiet."""
import json
import os
import re
import socket

from kit import dhcp, http_client
from kit.check import check, check_equal, eventually
from kit.closed_lab import CARD, DB, WEB, guest
from kit.command import docker
from kit.lab import SERVER

ESCAPES = "\033[31m\033]0;owned\a\x9b31m\u202egnp.\u2066\x7f\x08"
STEERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f]")


def escaped():
    return "".join(f"%{b:02x}" for b in ESCAPES.encode())


def test_nothing_that_machines_send_steers_the_terminal_of_who_reads_the_log_or_the_api(closed):
    evil = ESCAPES.encode().replace(b"\0", b"")
    headers = {"User-Agent": evil, "Referer": evil, "Cookie": evil}
    web = guest(closed.web, headers=headers)
    with closed.web.inside():
        c = dhcp.Client()
        leased = c.acquire(DB, hostname=evil, timeout=4)
        check(leased and leased.kind == dhcp.ACK, f"no lease: {leased}")
        c.discover(CARD, hostname=b"x" + evil, user_class="iPXE", extra={60: evil}, timeout=2)
        c.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(2)
            s.sendto(b"\0\1autoexec.ipxe\0octet\0", (SERVER, 69))
            _, peer = s.recvfrom(2048)
            s.sendto(b"\0\5\0\0" + evil + b"\0", peer)
            s.sendto(b"\0\1" + evil + b"\0octet\0", (SERVER, 69))
        for path in (f"/ipxe?mac={CARD}&serial={escaped()}", f"/ipxe?mac={escaped()}", f"/images/{escaped()}/x",
                f"/images/{'a' * 300}", f"/cloud-init/{escaped()}/user-data", f"/config/{escaped()}"):
            text = http_client.request(SERVER, path, headers=headers).text
            check(not STEERS.search(text), f"{path}: answers {text!r}")
    web(f"/ipxe?mac={WEB}")
    answer = web(f"/report/{WEB}", method="POST", body=json.dumps({"phase": "plan", "status": "failed",
        "message": "disk " + ESCAPES, "hint": ESCAPES, "log": f"line 1 {ESCAPES}\nline 2"}).encode())
    check_equal(answer.status, 204, f"report: {answer.text}; status")
    closed.write("evil.json", json.dumps({"name": "evil", "mac": ESCAPES, ESCAPES: 1}))
    closed.write("torn.json", b'{"name": "\x1b[31m\x9b')
    eventually(lambda: len({p["file"] for p in closed.problems()}) == 2, 5, "the problems of both files")
    eventually(lambda: [e for e in closed.api("/api/v1/events?vm=db")["events"] if e["kind"] == "dhcp"], 5,
        "a lease event of db")
    # nginx, with its back to a service that is gone.
    pid = closed.pids()["boot_handler"][0]
    os.kill(pid, 9)
    for _ in range(20):
        try:
            web(f"/ipxe?mac={WEB}")
        except OSError:
            pass
    closed.wait_serving()
    vm = closed.vm("web")
    check("disk " in json.dumps(vm["error"]), f"the report is not there: {vm}")
    for text in [*map(str, vm["error"].values()), *(vm["log"] or ""), *(p["text"] for p in closed.problems())]:
        check(not STEERS.search(text), f"the API says {text!r}")
    done = docker("logs", closed.stack)
    for line in (done.stdout + done.stderr).split("\n"):
        check(not STEERS.search(line), f"the log says {line!r}")
    check("install failed vm=web" in done.stdout + done.stderr, "the failure is not in the log")
    for file in ("evil.json", "torn.json"):
        closed.undefine(file)


def test_dnsmasq_says_nothing_of_leases_that_come_and_go(closed):
    text = docker("logs", closed.stack)
    for word in ("DHCPDISCOVER", "DHCPOFFER", "DHCPREQUEST", "DHCPACK", "not found for"):
        check(word not in text.stdout + text.stderr, f"{word} is in the log")
    check([e for e in closed.api("/api/v1/events?vm=db")["events"] if e["kind"] == "dhcp"], "no lease event of db")
