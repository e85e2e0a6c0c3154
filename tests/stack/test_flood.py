"""A flood of invented machines, by HTTP and by DHCP: at most 10,000 are remembered, the longest unseen goes first, and it
displaces nobody who is declared, by a definition of the user's or of a profile, or by what was learned of him."""
import json
import os
import socket
import time

import pytest

from kit import dhcp, http_client
from kit.check import check, check_equal, eventually
from kit.lab import SERVER, Lab
from kit.scope import Scope, needs

scope = Scope("flood")
MOST = 10000
FLOOD = 10500
FIRST, LEARNED, ADOPTED, KEPT = (f"52:54:00:7e:5d:{n:02x}" for n in range(1, 5))


class Writable(Lab):
    vms_mount = "rw"


lab = Writable(scope, "flood", access="any")


def machines():
    return lab.api("/api/v1/machines")["machines"]


def with_mac(mac):
    return next((m for m in machines() if mac in m["macs"]), None)


def ask(mac, query=""):
    with scope.client.inside():
        return http_client.request(SERVER, f"/ipxe?mac={mac}{query}").text


def flood(count):
    """Many to a connection, as fast as they are answered. Each is of a product that a profile fits."""
    with scope.client.inside():
        for first in range(0, count, 500):
            with socket.create_connection((SERVER, 80)) as s:
                macs = [f"02:00:00:00:{n // 256:02x}:{n % 256:02x}" for n in range(first, min(first + 500, count))]
                last = len(macs) - 1
                s.sendall("".join(f"GET /ipxe?mac={m}&product=R640&serial=F{m.replace(':', '')} HTTP/1.1\r\nHost: x\r\n"
                    f"{'Connection: close' + chr(13) + chr(10) if i == last else ''}\r\n" for i, m in enumerate(macs)).encode())
                answered = b""
                while data := s.recv(1 << 16):
                    answered += data
                check_equal(answered.count(b"HTTP/1.1 200"), len(macs), "answers")


def test_known_ones_are_there():
    os.makedirs(os.path.join(lab.vms, "_profiles"))
    lab.write("_profiles/rack.json", json.dumps({"match": {"product": "Rack*"}, "name": "node-{serial}", "mode": "local"}))
    os.chmod(lab.vms, 0o777)
    lab.define("declared", mac="52:54:00:7e:5d:aa", ip="192.168.100.10", mode="local")
    lab.define("learned", serial="LEARNED-1", ip="192.168.100.11", mode="local")
    lab.start()
    scope.client = lab.client("client", cidr="192.168.100.99/24")
    ask(FIRST)
    ask(KEPT, "&serial=KEPT-1")
    ask(LEARNED, "&serial=LEARNED-1")
    ask(ADOPTED, "&product=Rack&serial=S1")
    lab.wait_vm("node-s1", 5)
    check_equal(lab.operator("/api/v1/machines/KEPT-1/ignore", method="POST").status, 200, "ignored: status")


@needs(test_known_ones_are_there)
@pytest.mark.timeout(900)
def test_a_flood_displaces_nobody_who_is_declared():
    lab.write("_profiles/flood.json", json.dumps({"match": {"product": "R640"}, "name": "flood-{serial}", "mode": "local"}))
    eventually(lambda: with_mac(FIRST), 3, "the first is there")
    flood(FLOOD)
    time.sleep(2)
    found = machines()
    strangers = [m for m in found if m["kind"] == "stranger"]
    made = [f for f in os.listdir(lab.vms) if f.startswith("flood-")]
    check(len(strangers) <= MOST, f"{len(strangers)} strangers")
    check(len(strangers) + len(made) >= MOST, f"{len(strangers)} strangers and {len(made)} declared")
    check(100 <= len(made) <= 600, f"{len(made)} definitions made")
    check_equal({m["name"] for m in found if m["kind"] == "declared"} >= {"declared", "learned", "node-s1"}, True, "declared")
    check_equal(with_mac(LEARNED)["name"], "learned", "whose the learned card is")
    check_equal(with_mac(ADOPTED)["name"], "node-s1", "whose the adopted card is")
    check_equal(with_mac(KEPT)["ignored"], True, "ignored")
    check_equal(with_mac(FIRST), None, "the longest unseen")
    offer = eventually(lambda: lab.offer(scope.client, LEARNED, timeout=1), 5, "an offer")
    check_equal(offer.yiaddr, "192.168.100.11", "what the learned card is offered")
    check("sanboot" in ask(ADOPTED, "&serial=S1"), "the adopted one boots as its profile says")


@needs(test_a_flood_displaces_nobody_who_is_declared)
def test_a_flood_of_dhcp_displaces_nobody_either():
    with scope.client.inside():
        c = dhcp.Client()
        for n in range(60):
            c.acquire(f"06:00:00:00:00:{n:02x}", timeout=8, arch=7)
        c.close()
    eventually(lambda: with_mac("06:00:00:00:00:3b"), 10, "the last of them is a stranger")
    check_equal(with_mac("06:00:00:00:00:3b")["arch"], "amd64", "what its firmware told")
    check_equal(with_mac(LEARNED)["name"], "learned", "whose the learned card is")
    check_equal(with_mac(ADOPTED)["name"], "node-s1", "whose the adopted card is")
    check(len([m for m in machines() if m["kind"] == "stranger"]) <= MOST, "more than are remembered")
