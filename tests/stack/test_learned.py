"""Machines declared by a serial number or UUID in place of a MAC address: which is learned when they first show
themselves, kept over a restart, and followed by DHCP, DNS and documents at once. Asked with real DHCP, DNS and HTTP."""
import json
import os
import time

from kit import dhcp, dns, http_client
from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.lab import SERVER, Lab
from kit.scope import Scope, needs

scope = Scope("learned")
lab = Lab(scope, "learned", access="own")
RACK, OTHER, BYUUID, VM = (f"52:54:00:7e:5b:{n:02x}" for n in range(1, 5))
IP, IP2, IP3, IP4 = (f"192.168.100.{n}" for n in range(30, 34))
UUID = "6f1a342c-5b6d-4e7f-8a9b-0c1d2e3f4a5b"
# As firmware does that tells its UUID as client identifier: of type 0, the bytes as SMBIOS has them.
CLIENT_ID = b"\0" + bytes.fromhex("2c341a6f6d5b7f4e8a9b0c1d2e3f4a5b")


def acquire(mac, **kwargs):
    with scope.client.inside():
        c = dhcp.Client()
        reply = c.acquire(mac, timeout=8, **kwargs)
        c.close()
    check(reply, f"no lease for {mac}")
    return reply


def ask(path, source=None):
    with scope.client.inside():
        return http_client.request(SERVER, path, source=source)


def named(name):
    with scope.client.inside():
        return dns.ask(SERVER, f"{name}.pvmlab.local")


def follows(mac, address, name):
    """DHCP and DNS give the machine its address."""
    def offered():
        offer = lab.offer(scope.client, mac, timeout=1)
        return offer and offer.yiaddr == address and offer.hostname == name
    eventually(offered, 5, f"{mac} is offered {address} as {name}")
    check_equal(acquire(mac).yiaddr, address, "its lease")
    eventually(lambda: named(name) == (0, [address]), 5, f"DNS gives {name} that address")


def processes():
    return {name: pids for name, pids in lab.pids().items() if name in ("dnsmasq", "vm_watcher")}


def test_a_definition_needs_one_of_three():
    lab.make_image()
    lab.define("rack", serial="RACK 1/9", ip=IP, ssh_keys=["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3qNw6yT0aBQ0Qdl4f2mTm7aK1r5wD3sXj8oZ9pV7bT"])
    lab.define("byuuid", uuid=UUID.upper(), ip=IP2)
    lab.define("neither", ip=IP3)
    lab.start()
    scope.client = lab.client("client", cidr="192.168.100.99/24")
    told = [p["text"] for p in lab.problems("neither.json")]
    check(len(told) == 1 and '"mac" is missing' in told[0] and '"serial"' in told[0] and '"uuid"' in told[0], f"told: {told}")
    check_equal((lab.vm("rack")["mac"], lab.vm("byuuid")["mac"]), (None, None), "the MACs before anything was seen")


@needs(test_a_definition_needs_one_of_three)
def test_who_first_shows_the_serial_number_is_the_machine():
    leased = acquire(RACK, arch=7).yiaddr
    check(leased != IP, "it has the address before it showed itself")
    scope.client.address(leased + "/24")
    before = processes()
    script = ask(f"/ipxe?mac={RACK}&serial=RACK%201%2F9&arch=x86_64", leased).text
    check("initrd.mode=install" in script and f"BOOTIF=01-{RACK.replace(':', '-')}" in script, f"the script: {script}")
    follows(RACK, IP, "rack")
    check_equal(processes(), before, "the daemons that were there before")
    check_equal(lab.vm("rack")["mac"], RACK, "the MAC that the API tells")
    listed = [m for m in lab.api("/api/v1/machines")["machines"] if RACK in m["macs"]]
    check_equal([(m["kind"], m["name"]) for m in listed], [("declared", "rack")], "who is listed with it")


@needs(test_who_first_shows_the_serial_number_is_the_machine)
def test_documents_are_for_the_card_that_was_learned():
    scope.client.address(IP + "/24")
    config = ask(f"/config/{RACK}", IP).json
    check_equal(config["mac"], RACK, "the installer's card")
    check(RACK in ask("/cloud-init/rack/network-config", IP).text, "cloud-init's card")
    with scope.client.inside():
        answer = http_client.request(SERVER, f"/report/{config['report_url'].rpartition('/')[2]}", method="POST",
            body={"phase": "plan", "status": "done"}, source=IP)
    check_equal(answer.status, 204, f"its report: {answer.text}; status")
    check_equal(lab.vm("rack")["state"], "installing", "its state")


@needs(test_documents_are_for_the_card_that_was_learned)
def test_it_is_known_after_a_restart():
    docker("restart", lab.stack)
    lab.wait_serving()
    check_equal((lab.vm("rack")["mac"], lab.vm("rack")["state"]), (RACK, "installing"), "what is known")
    time.sleep(1)
    check("lease dropped" not in lab.log(), "the lease of the card that was learned was dropped")
    follows(RACK, IP, "rack")


@needs(test_it_is_known_after_a_restart)
def test_another_card_is_not_the_machine_while_its_own_is_there():
    script = ask(f"/ipxe?mac={OTHER}&serial=RACK%201%2F9").text
    check("own card is there" in script and "initrd.mode" not in script, f"the script: {script}")
    check_equal(lab.vm("rack")["mac"], RACK, "its MAC")
    check(lab.offer(scope.client, OTHER).yiaddr != IP, "the other card is offered its address")


@needs(test_a_definition_needs_one_of_three)
def test_firmware_that_tells_its_uuid_by_dhcp_is_known_by_it():
    check(acquire(BYUUID, arch=7, extra={61: CLIENT_ID}).yiaddr != IP2, "it has the address before it showed itself")
    eventually(lambda: lab.vm("byuuid")["mac"] == BYUUID, 5, "its MAC is learned")
    follows(BYUUID, IP2, "byuuid")
    acquire(OTHER, extra={61: CLIENT_ID})
    check_equal(lab.vm("byuuid")["mac"], BYUUID, "its MAC after another card told the same")


@needs(test_firmware_that_tells_its_uuid_by_dhcp_is_known_by_it)
def test_a_learned_card_that_another_definition_gets_is_that_ones_alone():
    lab.define("taker", mac=BYUUID, ip=IP4)
    eventually(lambda: lab.vm("byuuid")["mac"] != BYUUID, 5, "the one that was learned is forgotten")
    listed = [m["name"] for m in lab.api("/api/v1/machines")["machines"] if BYUUID in m["macs"]]
    check_equal(listed, ["taker"], "who is listed with it")
    follows(BYUUID, IP4, "taker")
    lines = [l for l in lab.exec("cat", "/run/vm_watcher/dhcp-hosts").stdout.splitlines() if BYUUID in l]
    check(len(lines) == 1 and IP4 in lines[0], f"dnsmasq's hosts: {lines}")
    eventually(lambda: named("byuuid") != (0, [IP4]), 5, "DNS gives that address under one name")
    told = [e["text"] for e in lab.api("/api/v1/events?vm=byuuid")["events"] if e["kind"] == "card"]
    check_equal(told, [f"{BYUUID} is declared for taker"], "the event")
    # The card that told the same UUID in vain before.
    eventually(lambda: lab.vm("byuuid")["mac"] == OTHER, 5, "its MAC is learned anew")
    lab.undefine("taker.json")
    eventually(lambda: lab.vm("taker") is None, 5, "it is gone")


@needs(test_a_definition_needs_one_of_three)
def test_a_definition_that_says_the_mac_later_is_followed():
    with open(os.path.join(lab.vms, "rack.json")) as f:
        definition = json.load(f)
    lab.define(**dict(definition, mac=OTHER))
    follows(OTHER, IP, "rack")
    eventually(lambda: lab.offer(scope.client, RACK).yiaddr != IP, 5, "the learned card is offered its address no more")
