"""Another's UUID or serial number: who becomes which machine with another card."""
import time

from kit import dhcp, http_client
from kit.bound_lab import B, IP, STRANGER, UUID, ask
from kit.check import check, check_equal, eventually
from kit.lab import SERVER


def lease_of(client, mac):
    with client.inside():
        c = dhcp.Client()
        answer = c.acquire(mac)
        c.close()
    return answer.yiaddr if answer else None


def test_a_stranger_that_knows_uuid_or_serial_number_becomes_nobody_while_the_machines_card_is(bound):
    """A stranger that knows UUID or serial number becomes nobody while the machine's card is there."""
    b, stranger = bound.who["b"], bound.plug("stranger", STRANGER)
    check_equal(lease_of(b, B), IP["b"], "b's lease")
    check_equal(ask(b, f"/ipxe?mac={B}&uuid={UUID}&arch=x86_64"), 200, "b asks itself")
    check_equal(ask(b, f"/report/{B}", method="POST", body={"phase": "report", "status": "done"}), 204, "installed")
    check_equal(ask(b, f"/report/{B}?phase=ready", method="POST", body={"status": "done", "errors": [],
        "recoverable_errors": {}, "boot_id": "11111111-1111-1111-1111-111111111111", "first_boot": True,
        "host_keys": [], "user": "lab"}), 204, "ready")
    hosts = bound.exec("cat", "/run/vm_watcher/dhcp-hosts").stdout
    before = {key: bound.vm("b")[key] for key in ("state", "nic", "ip", "attempt")}
    check_equal(before["state"], "ready", "b's state")
    stranger.address("192.168.100.77/24")
    for query in (f"uuid={UUID}", "serial=BOUND-1", f"uuid={UUID}&serial=BOUND-1"):
        with stranger.inside():
            text = http_client.request(SERVER, f"/ipxe?mac={STRANGER}&{query}&arch=x86_64").text
        check("own card is there" in text and STRANGER in text, f"does not say what is wrong: {text}")
        check("\nkernel" not in text and "\nsanboot" not in text and "\nexit" not in text, f"it would boot: {text}")
    for query in (f"uuid={UUID}", f"mac={STRANGER}&uuid={UUID}"):
        check_equal(ask(stranger, f"/ipxe?{query}"), 200, query)
    for path in (f"/config/{STRANGER}", f"/config/{B}", "/cloud-init/b/user-data"):
        check(ask(stranger, path) in (403, 404), f"the stranger gets {path}")
    time.sleep(1.2)
    check_equal({key: bound.vm("b")[key] for key in before}, before, "b")
    check_equal(bound.exec("cat", "/run/vm_watcher/dhcp-hosts").stdout, hosts, "what dnsmasq is told")
    check(lease_of(stranger, STRANGER) != IP["b"], "the stranger has b's address by DHCP")
    refused = eventually(lambda: [e for e in bound.api("/api/v1/events?vm=b")["events"] if e["kind"] == "refused"
        and "card" in e["text"]], 3, "an event")
    check(STRANGER in refused[0]["text"] and refused[0]["source"] == "192.168.100.77", f"the event: {refused[0]}")
    stranger.close()


def test_a_card_that_replaces_one_never_heard_of_is_taken_from_its_own_port_only(bound):
    """A card that replaces one never heard of is taken, from its own port only, and a third one is not."""
    bound.define("metal", mac="52:54:00:c1:09:70", serial="BOUND-METAL")
    eventually(lambda: bound.vm("metal"), 3, "metal is defined")
    path = "/ipxe?mac={}&serial=BOUND-METAL&arch=x86_64"
    a = bound.who["a"]
    a.run(["ip", "addr", "add", "192.168.100.78/24", "dev", "eth0"])
    new = "52:54:00:c1:09:71"
    with a.inside():
        text = http_client.request(SERVER, path.format(new), source="192.168.100.78").text
    check("initrd.mode=install" not in text, f"a, from an address of nobody's, becomes metal: {text}")
    a.run(["ip", "addr", "del", "192.168.100.78/24", "dev", "eth0"])
    card = bound.plug("metal", new)
    card.address(f"{lease_of(card, new)}/24")
    with card.inside():
        text = http_client.request(SERVER, path.format(new)).text
    check("initrd.mode=install" in text, f"the new card: {text}")
    eventually(lambda: bound.vm("metal")["state"] == "booting", 3, "metal boots")
    check_equal(ask(card, f"/config/{new}"), 200, "its configuration")
    other = bound.plug("third", "52:54:00:c1:09:72")
    other.address("192.168.100.79/24")
    check_equal(ask(other, f"/config/{new}"), 403, "its configuration for who has an address of nobody's")
    with other.inside():
        text = http_client.request(SERVER, path.format("52:54:00:c1:09:72")).text
    check("own card is there" in text, f"a third card: {text}")
    # The operator's word: the definition says which card it is.
    bound.define("metal", mac="52:54:00:c1:09:72", serial="BOUND-METAL")
    address = eventually(lambda: lease_of(other, "52:54:00:c1:09:72"), 5, "an address for it")
    other.run(["ip", "addr", "flush", "dev", "eth0"])
    other.address(f"{address}/24")
    eventually(lambda: "initrd.mode=install" in inside_text(other, path.format("52:54:00:c1:09:72")), 5, "it is metal now")


def inside_text(client, path):
    with client.inside():
        return http_client.request(SERVER, path, timeout=3).text
