"""Machines that nobody declared: remembered with what they showed, over a restart too; gone from the list once declared;
and what they get by the setting STRANGERS. Asked with real DHCP and HTTP."""
from kit import dhcp, http_client
from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.lab import SERVER, STACK_IMAGE, Lab
from kit.scope import Scope, needs

scope = Scope("strangers")
known = Lab(scope, "strangers", access="own")
ONE, TWO, FLOODED = "52:54:00:7e:5a:01", "52:54:00:7e:5a:02", 300
UUID = "0f0e0d0c-0b0a-4908-8706-050403020177"
SHOWN = f"&uuid={UUID}&serial=CZ%20123%2F4&arch=x86_64&platform=efi&manufacturer=Maker&product=Box%1b%5b2J&version=1.21.1"


def strangers():
    return [m for m in known.api("/api/v1/machines")["machines"] if m["kind"] == "stranger"]


def with_mac(mac):
    return next((m for m in strangers() if mac in m["macs"]), None)


def ask(client, mac, query=""):
    with client.inside():
        answer = http_client.request(SERVER, f"/ipxe?mac={mac}{query}")
    check_equal(answer.status, 200, f"/ipxe for {mac}: {answer.text[:200]!r}; status")
    return answer.text


def test_who_asks_by_dhcp_is_remembered_with_its_address():
    known.define("alpha", mac="52:54:00:7e:5a:10", ip="192.168.100.10", serial="ALPHA-1")
    known.start()
    scope.client = known.client("client", cidr="192.168.100.99/24")
    with scope.client.inside():
        c = dhcp.Client()
        reply = c.acquire(ONE, timeout=8)
        c.close()
    check(reply, "no lease")
    found = eventually(lambda: with_mac(ONE), 5, f"{ONE} is a stranger")
    check_equal((found["ip"], found["loader"], found["ignored"], found["asked"]), (reply.yiaddr, None, False, 1), "shown")


@needs(test_who_asks_by_dhcp_is_remembered_with_its_address)
def test_what_it_shows_to_ipxe_is_added_and_its_other_card_is_the_same_machine():
    script = ask(scope.client, ONE, SHOWN)
    check(f"vmlab adopt {ONE}" in script and ":again" in script, f"the script: {script}")
    ask(scope.client, TWO, SHOWN)
    found = with_mac(ONE)
    check_equal(found["macs"], [TWO, ONE], "its MAC addresses")
    wanted = {"uuid": UUID, "serial": "CZ 123/4", "arch": "amd64", "platform": "efi", "loader": "ipxe", "version": "1.21.1",
        "manufacturer": "Maker", "product": "Box?[2J", "ip": "192.168.100.99"}
    check_equal({k: found[k] for k in wanted}, wanted, "what it showed")
    check_equal(len(strangers()), 1, "strangers")


@needs(test_what_it_shows_to_ipxe_is_added_and_its_other_card_is_the_same_machine)
def test_a_declared_machine_is_listed_beside_them_and_no_stranger():
    ask(scope.client, "52:54:00:7e:5a:10")
    ask(scope.client, "52:54:00:7e:5a:11", "&serial=ALPHA-1")
    check_equal([m["name"] for m in known.api("/api/v1/machines")["machines"] if m["kind"] == "declared"], ["alpha"], "declared")
    check_equal(len(strangers()), 1, "strangers")


@needs(test_what_it_shows_to_ipxe_is_added_and_its_other_card_is_the_same_machine)
def test_an_ignored_one_stays_so_over_a_restart_and_a_flood():
    answer = known.operator("/api/v1/machines/CZ%20123%2F4/ignore", method="POST")
    check_equal((answer.status, answer.json["ignored"]), (200, True), "ignored by its serial number")
    check_equal(known.operator("/api/v1/machines/nobody/ignore", method="POST").status, 404, "nobody: status")
    check_equal(known.operator("/api/v1/machines/ALPHA-1/ignore", method="POST").status, 409, "a declared one: status")
    with scope.client.inside():
        for n in range(FLOODED):
            http_client.request(SERVER, f"/ipxe?mac=02:00:00:00:{n // 256:02x}:{n % 256:02x}")
    check_equal(len(strangers()), FLOODED + 1, "strangers")
    lines = docker("logs", known.stack).stdout + docker("logs", known.stack).stderr
    check(lines.count("a machine without a definition asks") < FLOODED / 4, "a line for each of them")
    docker("restart", known.stack)
    known.wait_serving()
    check_equal(with_mac(ONE)["ignored"], True, "ignored after the restart")
    check_equal(len(strangers()), FLOODED + 1, "strangers after the restart")


@needs(test_an_ignored_one_stays_so_over_a_restart_and_a_flood)
def test_one_that_gets_a_definition_leaves_the_list():
    known.define("newone", mac=TWO, uuid=UUID, arch="amd64", mode="local") # as vmlab adopt does
    eventually(lambda: with_mac(ONE) is None, 5, "the stranger is gone")
    check_equal(len(strangers()), FLOODED, "strangers")
    check("no definition" not in ask(scope.client, ONE, SHOWN), "by its UUID it is nobody else")
    known.undefine("newone.json")
    eventually(lambda: known.vm("newone") is None, 5, "the definition is gone")
    ask(scope.client, TWO, SHOWN)
    check_equal((with_mac(TWO)["asked"], with_mac(TWO)["ignored"]), (1, False), "begun anew")


@needs(test_who_asks_by_dhcp_is_remembered_with_its_address)
def test_who_fetches_by_tftp_is_remembered_by_its_own_card():
    known.undefine("alpha.json")  # nobody has the client's address
    scope.client.run(["busybox", "tftp", "-g", "-r", "autoexec.ipxe", "-l", "/dev/null", SERVER], timeout=30)
    found = eventually(lambda: with_mac(scope.client.mac), 5, "the client is a stranger")
    check_equal((found["ip"], found["loader"], found["asked"]), ("192.168.100.99", None, 1), "shown")
    scope.client.run(["busybox", "tftp", "-g", "-r", "autoexec.ipxe", "-l", "/dev/null", SERVER], timeout=30)
    eventually(lambda: with_mac(scope.client.mac)["last_seen"] > found["last_seen"], 5, "it is seen again")
    check_equal(with_mac(scope.client.mac)["asked"], 1, "how often it asked")


def test_the_setting_says_what_they_get():
    for word, has in (("local", "sanboot"), ("off", "exit 1"), ("wait", ":again")):
        lab = Lab(scope, f"strangers-{word}", access="own")
        lab.start(env=[f"STRANGERS={word}"])
        script = ask(lab.client(word, cidr="192.168.100.99/24"), ONE)
        check(has in script and f"vmlab adopt {ONE}" in script, f"{word}: {script}")
        lab.remove()


def test_a_setting_that_makes_no_sense_is_refused():
    done = docker("run", "--rm", "--cap-add", "NET_ADMIN", "-e", "STRANGERS=sometimes", STACK_IMAGE, check_rc=False)
    check(done.returncode != 0, "it started")
    check("STRANGERS" in done.stderr + done.stdout and "give wait" in done.stderr + done.stdout, f"{done.stdout}{done.stderr}")
