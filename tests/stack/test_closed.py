"""A guest and its neighbours: each refusal stands beside what has to work."""
import re

from kit import http_client
from kit.check import check, check_equal, eventually, fail
from kit.closed_lab import CARD, WEB, connects, guest, inside, refused_from
from kit.lab import SERVER, SERVER6


def test_a_lab_with_two_guests_another_container_beside_it_and_another_lab(closed):
    check_equal(connects(closed.space(), closed.beside_ip, 8000), "open", "the container beside")


def test_a_guest_reads_its_own_configuration_not_its_neighbours_and_reports_for_itself_only(closed):
    own, paths = guest(closed.web), (f"/config/{WEB}", "/cloud-init/web/user-data", "/cloud-init/web/meta-data",
        "/cloud-init/web/vendor-data", "/cloud-init/web/network-config")
    for path in paths:
        check_equal(own(path).status, 200, f"web asks for {path}")
        refused_from(closed.db, path, f"db asks for {path}")
        refused_from(closed.db, path, f"db says it is web and asks for {path}", headers={
            "X-Real-IP": "192.168.100.10", "X-Forwarded-For": "192.168.100.10", "Forwarded": "for=192.168.100.10"})
        with closed.inside():
            check_equal(http_client.request(SERVER, path).status, 403, f"from the stack's own address: {path}")
    check("password_of" in own("/cloud-init/web/user-data").text, "web's user-data is not web's")
    for path, body in ((f"/report/{WEB}", {"phase": "report", "status": "done"}), (f"/report/{WEB}?phase=ready", b"a=b")):
        refused_from(closed.db, path, f"db reports to {path}", method="POST", body=body)
    check_equal(closed.vm("web")["state"], "declared", "web's state")
    refusals = eventually(lambda: [e for e in closed.api("/api/v1/events?vm=web")["events"] if e["kind"] == "refused"],
        3, "an event of the refusal")
    check_equal(refusals[0]["source"], "192.168.100.11", "who was refused")


def test_ipv6_the_same(closed):
    if "fd56:6d6c:6162::1/" not in closed.exec("ip", "-6", "addr", "show", "dev", "lab0", check_rc=False).stdout:
        fail("lab0 has no IPv6 address")
    six = dict(host=SERVER6)
    check_equal(inside(closed.web, f"/config/{WEB}", source="fd56:6d6c:6162::10", **six).status, 200, "web over IPv6")
    refused_from(closed.db, f"/config/{WEB}", "db over IPv6", source="fd56:6d6c:6162::11", **six)
    refused_from(closed.db, "/cloud-init/web/user-data", "db over IPv6", source="fd56:6d6c:6162::11", **six)


def test_ipxe_from_elsewhere_shows_installs_nobody_and_changes_nothing_nor_does_head(closed):
    before = closed.vm("web")
    script = inside(closed.db, f"/ipxe?mac={WEB}&arch=x86_64").text
    check("install" in script and "192.168.100.11" in script, f"does not say what and who: {script}")
    check(not re.search(r"^(kernel|initrd|boot|sanboot|imgfetch)\b", script, re.M), f"it would boot: {script}")
    check_equal(guest(closed.web)(f"/ipxe?mac={WEB}", method="HEAD").status, 200, "HEAD")
    check_equal(inside(closed.db, f"/ipxe?mac={CARD}&serial=CLOSED-1").status, 200, "db claims web's serial number")
    for key in ("state", "attempt", "last_seen"):
        check_equal(closed.vm("web")[key], before[key], key)
    script = guest(closed.web)(f"/ipxe?mac={WEB}&arch=x86_64").text
    check("initrd.mode=install" in script, f"web itself is not installed: {script}")
    check_equal(closed.vm("web")["state"], "booting", "web's state")
    sources = {e["source"] for e in closed.api("/api/v1/events?vm=web")["events"] if e["kind"] == "ipxe"}
    eventually(lambda: {e["source"] for e in closed.api("/api/v1/events?vm=web")["events"]
        if e["kind"] == "ipxe"} == {"192.168.100.10"}, 3, f"the source of the boot (seen: {sources})")


def test_known_by_its_serial_number_with_another_card_from_an_address_that_is_nobody_elses(closed):
    """Known by its serial number with another card: from an address that is nobody else's, while its own is not there."""
    stranger = closed.client("card", cidr="192.168.100.150/24")
    script = inside(stranger, f"/ipxe?mac={CARD}&serial=CLOSED-1").text
    check("own card is there" in script and "initrd.mode" not in script, f"web has just asked itself: {script}")
    closed.define("metal", mac="52:54:00:c1:05:03", serial="CLOSED-2")
    eventually(lambda: closed.vm("metal"), 3, "metal is defined")
    refused_from(stranger, "/cloud-init/metal/user-data", "nobody has asked for it yet")
    check("initrd.mode=install" in inside(stranger, f"/ipxe?mac={CARD}&serial=CLOSED-2").text, "is not installed")
    check_equal(inside(stranger, f"/config/{CARD}").status, 200, "its configuration")
    refused_from(closed.db, f"/config/{CARD}", "db asks for it")
    closed.undefine("metal.json")
    stranger.close()
