"""What happened to a machine, from its first DISCOVER on, told by what really happened: dnsmasq, nginx and the bridge; asked for
with filters, followed live over a restart, and under a flood.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from kit import certificate, dhcp, http_client
from kit.bound_lab import A, B, IP, UUID
from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.lab import SERVER
from kit.scope import needs
from kit.webhook_receiver import Receiver

STRANGER = "52:54:00:c1:09:77"


def events(lab, query=""):
    return lab.api(f"/api/v1/events?limit=1000{query and '&' + query}")["events"]


def kinds(lab, query=""):
    return [e["kind"] for e in events(lab, query)]


def ask(lab, name, path, **kwargs):
    with lab.who[name].inside():
        return http_client.request(SERVER, path, source=IP.get(name), **kwargs)


def lease(lab, name, mac):
    with lab.who[name].inside():
        c = dhcp.Client()
        reply = c.acquire(mac)
        c.close()
    check(reply and reply.kind == dhcp.ACK, f"no address for {mac}")
    return reply


def tftp(lab, name, file):
    where = os.path.join(lab.scope.tempdir(), "got")
    lab.who[name].run(["busybox", "tftp", "-g", "-b", "1408", "-r", file, "-l", where, SERVER], timeout=30)
    return os.path.getsize(where)


def test_each_step_of_a_boot_is_an_event_told_by_what_did_it(bound):
    lease(bound, "a", A)
    size = tftp(bound, "a", "ipxe-x86_64.efi")
    eventually(lambda: "tftp" in kinds(bound, "vm=a"), 3, "dnsmasq has told of the file")
    script = ask(bound, "a", f"/ipxe?mac={A}").text
    paths = [re.search(r"(/(?:images|initrds)/\S*" + end + r")\b", script)[1] for end in ("vmlinuz", r"initrd\.zst", r"modules\.cpio\.zst")]
    bytes_of = {path: len(ask(bound, "a", path).body) for path in paths}
    for phase, status in (("config", "running"), ("config", "done"), ("rootfs", "running"), ("rootfs", "done"), ("report", "done")):
        check_equal(ask(bound, "a", f"/report/{A}", method="POST", body={"phase": phase, "status": status}).status, 204, "report")
    # What dnsmasq logs, what its script says, what nginx logs and what boot_handler does come by ways of their own: each in order.
    wanted = {"dnsmasq": ["dhcp-discover", "dhcp-offer"], "its script": ["dhcp"], "its TFTP": ["tftp"], "nginx": ["fetch"] * 3,
        "boot_handler": ["power", "ipxe", "state", "phase", "state", "phase-end", "phase", "phase-end", "phase", "state"]}
    tells = {kind: who for who, told in wanted.items() for kind in told}
    found = eventually(lambda: (lambda all_: all_ if len(all_) >= sum(map(len, wanted.values())) else None)(events(bound, "vm=a")), 5,
        f"the events are {wanted}")
    for who, told in wanted.items():
        check_equal([e["kind"] for e in found if tells.get(e["kind"], "boot_handler") == who], told, f"kinds told by {who}")
    by_kind = {}
    for e in found:
        by_kind.setdefault(e["kind"], []).append(e)
    check_equal({e["mac"] for e in found}, {A}, "MAC addresses")
    check_equal([(e["text"], e["source"], e["address"]) for e in by_kind["power"]], [("on", "bridge", A)], "power")
    check_equal({(e["kind"], e["source"], e["address"]) for e in found if e["source"] == "dhcp"},
        {("dhcp-discover", "dhcp", A), ("dhcp-offer", "dhcp", A), ("dhcp", "dhcp", IP["a"])}, "who asked for an address, from where")
    check_equal({e["address"] for e in found if e["source"] not in ("dhcp", "bridge")}, {IP["a"]}, "where all else came from")
    check_equal([(e["data"]["ip"], e["severity"], e["sentence"]) for e in by_kind["dhcp-offer"]],
        [(IP["a"], "debug", f"DHCP: is offered {IP['a']}")], "offer")
    check_equal([(e["data"], e["source"]) for e in by_kind["tftp"]], [({"file": "ipxe-x86_64.efi", "size": size}, IP["a"])], "TFTP")
    check_equal([(e["text"], e["data"]["file"], e["data"]["bytes"], e["data"]["status"], e["source"]) for e in by_kind["fetch"]],
        [(what, path, bytes_of[path], 200, IP["a"]) for what, path in zip(("kernel", "initrd", "modules"), paths)], "files")
    check_equal([e["sentence"] for e in by_kind["fetch"]], ["HTTP: {}, {} bytes in {} ms".format(e["text"], e["data"]["bytes"],
        e["data"]["ms"]) for e in by_kind["fetch"]], "what is said of them")
    check(all(0 <= e["data"]["ms"] < 60000 for e in by_kind["phase-end"] + by_kind["fetch"]), f"durations: {by_kind['phase-end']}")
    check_equal([e["text"] for e in by_kind["phase-end"]], ["config", "rootfs"], "phases that ended")
    installed = by_kind["state"][-1]
    check(installed["text"] == "installed" and 0 < installed["data"]["ms"] < 60000, f"installed: {installed}")


@needs(test_each_step_of_a_boot_is_an_event_told_by_what_did_it)
def test_why_a_machine_gets_no_address_or_file_is_a_warning(bound):
    with bound.who["a"].inside():
        c = dhcp.Client()
        reply = c.request(A, type("Offer", (), {"yiaddr": "10.9.9.9", "server": SERVER})())
        c.close()
    check(reply and reply.kind == dhcp.NAK, f"it was not refused: {reply}")
    check_equal(ask(bound, "a", "/images/nothing/amd64/vmlinuz").status, 404, "a file that is not there")
    warned = eventually(lambda: (lambda w: w if len(w) == 2 else None)(events(bound, "machine=a&severity=warning")), 5, "two warnings")
    check_equal([(e["kind"], e["text"] != "") for e in warned], [("dhcp-nak", True), ("fetch", True)], "warnings")
    check_equal(warned[0]["data"], {"ip": "10.9.9.9"}, "what was refused")
    check_equal((warned[1]["text"], warned[1]["data"]["status"]), ("failed", 404), "what it did not get")
    log = docker("logs", bound.stack, check_rc=False)
    lines = [l for l in (log.stdout + log.stderr).splitlines() if "dnsmasq-dhcp" in l and A in l]
    check_equal([bool(re.search(r"DHCPNAK\(lab0\) 10\.9\.9\.9 \S+ \S", l)) for l in lines], [True], f"what the log has of its DHCP: {lines}")


def test_a_definition_that_comes_changes_breaks_and_goes_is_told(bound):
    bound.define("new", mac="52:54:00:c1:09:20")
    eventually(lambda: bound.vm("new"), 3, "it is served")
    bound.define("new", mac="52:54:00:c1:09:20", memory="3G")
    eventually(lambda: bound.vm("new")["memory_bytes"] == 3 << 30, 3, "it has changed")
    bound.write("new.json", '{\n"name": "new",\n"mac": 7}')
    eventually(lambda: "problem" in kinds(bound, "machine=new"), 3, "a problem")
    bound.undefine("new.json")
    told = eventually(lambda: (lambda t: t if t[-1]["text"] == "removed" else None)(events(bound, "machine=new")), 3, "it is gone")
    check_equal([(e["kind"], e["text"]) for e in told if e["kind"] == "definition"],
        [("definition", text) for text in ("added", "changed", "removed")], "definitions")
    problem = next(e for e in told if e["kind"] == "problem")
    check_equal((problem["data"]["file"], problem["data"]["line"], problem["severity"], problem["source"], problem["address"]),
        ("new.json", 3, "warning", "vms", None), "problem")


def test_filters_choose_by_machine_kind_severity_and_time(bound):
    stranger = bound.who["stranger"] = bound.plug("stranger", STRANGER)
    lease(bound, "stranger", STRANGER)
    lease(bound, "b", B)
    eventually(lambda: "dhcp-offer" in kinds(bound, f"machine={STRANGER}"), 3, "a stranger's events, by its MAC address")
    check_equal({e["vm"] for e in events(bound, f"machine={STRANGER}")}, {STRANGER}, "whose they are")
    whole = eventually(lambda: (lambda l: l if "dhcp" in [e["kind"] for e in l] else None)(events(bound, "machine=b")), 3, "b's events")
    for name in (B, UUID, "BOUND-1"):
        check_equal(events(bound, f"machine={name}"), whole, f"by {name}")
    check_equal(set(kinds(bound, "kind=dhcp,dhcp-offer")), {"dhcp", "dhcp-offer"}, "of two kinds")
    check_equal({e["severity"] for e in events(bound, "severity=info")} & {"debug"}, set(), "from info on")
    cut = whole[-1]["at"]
    check_equal([e["id"] for e in events(bound, f"machine=b&until={cut}")], [e["id"] for e in whole if e["at"] < cut], "before")
    check_equal([e["id"] for e in events(bound, f"machine=b&since={cut}")], [e["id"] for e in whole if e["at"] >= cut], "since")
    for query, word in (("kind=nonsense", "nonsense"), ("severity=loud", "severity"), ("since=yesterday", "since"),
            ("until=", "until"), ("after=-1", "after"), ("limit=0", "limit")):
        answer = bound.operator(f"/api/v1/events?{query}")
        check(answer.status == 400 and word in answer.json["error"], f"{query}: {answer}")
    check_equal(events(bound, "machine=nobody"), [], "of a machine that is not there")


# ---- live ----------------------------------------------------------------------------------------


class Follower:
    """curl, as anyone would follow."""

    def __init__(self, lab, last=None, query=""):
        self.text = ""
        self.process = subprocess.Popen(["curl", "-sN", "--unix-socket", lab.socket, *(["-H", f"Last-Event-ID: {last}"] if last else []),
            f"http://localhost/api/v1/stream{query}"], stdout=subprocess.PIPE)
        os.set_blocking(self.process.stdout.fileno(), False)
        lab.scope.cleanup(self.end)

    def messages(self):
        """(id, event, data) of each that is whole."""
        self.text += (self.process.stdout.read() or b"").decode()
        found = []
        for block in self.text.split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            if "data" in fields:
                found.append((int(fields["id"]), fields.get("event"), json.loads(fields["data"])))
        return found

    def ids(self):
        return [e["id"] for _, _, data in self.messages() for e in data.get("events", [])]

    def end(self):
        self.process.kill()
        self.process.wait()


def test_what_is_sent_while_the_server_is_killed_is_told_by_whoever_sent_it(bound):
    """By each of nginx's workers, which were connected to the one before, and by dnsmasq."""
    fetch = lambda count: [ask(bound, "a", "/images/debian-13/amd64/vmlinuz") for _ in range(count)]
    told = lambda kind: len(events(bound, f"vm=a&kind={kind}"))
    had = told("fetch")
    fetch(8)
    eventually(lambda: told("fetch") == had + 8, 3, "each worker has told of one")
    before, files, killed = told("fetch"), told("tftp"), bound.pids()["boot_handler"]
    os.kill(killed[0], signal.SIGKILL)
    fetch(4)
    tftp(bound, "a", "ipxe-x86_64.efi")
    eventually(lambda: bound.pids()["boot_handler"] not in ([], killed) and bound.operator("/readyz").status == 200, 20, "it is back")
    fetch(8)
    eventually(lambda: (told("fetch"), told("tftp")) == (before + 12, files + 1), 5, "all of them are told")


def test_a_stream_goes_on_over_a_cut_and_a_killed_server_with_nothing_lost_and_nothing_twice(bound):
    first = events(bound)[-1]["id"]
    f = Follower(bound)
    eventually(lambda: f.messages(), 5, "it answers")
    check_equal((f.messages()[0][1], f.messages()[0][0]), ("hello", first), "where it begins")
    lease(bound, "b", B)
    eventually(lambda: len(f.ids()) >= 2, 5, "what happens")
    seen, last = f.ids(), f.messages()[-1][0]
    f.end()
    tftp(bound, "b", "boot.ipxe")
    ask(bound, "b", f"/ipxe?mac={B}")
    for round_ in range(2):
        before = bound.pids()["boot_handler"]
        os.kill(before[0], signal.SIGKILL)
        eventually(lambda: bound.pids()["boot_handler"] not in ([], before) and bound.operator("/readyz").status == 200, 20, "it is back")
        ask(bound, "b", f"/config/{B}")
        bound.api(f"/api/v1/vms/b/{('local', 'reinstall')[round_]}", method="POST")
        f = Follower(bound, last)
        wanted = [e["id"] for e in events(bound, f"after={last}")]
        eventually(lambda: len(f.ids()) >= len(wanted), 5, f"the {len(wanted)} since")
        seen, last = seen + f.ids(), f.messages()[-1][0]
        f.end()
    check_equal(seen, [e["id"] for e in events(bound, f"after={first}") if e["id"] <= last], "all of them, once, in order")


def test_a_stream_of_one_machine_has_no_others(bound):
    f = Follower(bound, query="?machine=b&kind=dhcp,action")
    eventually(lambda: f.messages(), 5, "it answers")
    bound.api("/api/v1/vms/a/reinstall", method="POST")
    bound.api("/api/v1/vms/b/reinstall", method="POST")
    eventually(lambda: f.ids(), 5, "what happens to b")
    time.sleep(0.7)
    check_equal([(e["vm"], e["text"]) for _, _, d in f.messages() for e in d.get("events", [])], [("b", "reinstall")], "what it was told")
    f.end()


# ---- others ---------------------------------------------------------------------------------------


def test_a_webhook_is_told_of_it_by_the_stack_as_it_is_run(bound):
    """The rest of webhooks is tests/stack/test_webhooks.py's."""
    authority = certificate.authority(bound.scope.tempdir())
    os.makedirs(os.path.join(bound.images, "_tls"))
    shutil.copy(authority[1], os.path.join(bound.images, "_tls/ca-certificates.crt"))
    told, untold = (Receiver(bound, certificate.vouched(bound.scope.tempdir(), by, "127.0.0.1")) for by in
        (authority, certificate.authority(bound.scope.tempdir(), "other")))
    for name, receiver in ("told", told), ("untold", untold):
        made = bound.api("/api/v1/webhooks", method="POST", body={"name": name, "url": receiver.url, "filter": "machine=a&kind=action"})
        receiver.secret = made["secret"]
    for machine in "b", "a":
        check_equal(bound.operator(f"/api/v1/vms/{machine}/netboot/on", method="POST").status, 200, "order: status")
    eventually(lambda: told.taken, 5, "it is told")
    told.verify(told.taken[0], "told")
    check_equal([(e["vm"], e["kind"], e["source"], e["address"]) for e in told.events().values()], [("a", "action", "operator", "unix:")], "events")
    eventually(lambda: "certificate is of no authority known here" in str(bound.api("/api/v1/webhooks/untold")["error"]), 5, "the other is not trusted")
    os.unlink(os.path.join(bound.images, "_tls/ca-certificates.crt"))  # Mozilla's know neither
    bound.api("/api/v1/webhooks/told/test", method="POST")
    eventually(lambda: "certificate is of no authority known here" in str(bound.api("/api/v1/webhooks/told")["test"]), 5, "Mozilla's are asked")
    for name in "told", "untold":
        check_equal(bound.operator(f"/api/v1/webhooks/{name}", method="DELETE").status, 204, "removed: status")


def test_a_flood_of_invented_machines_fills_neither_events_nor_log_and_hides_nobody(bound):
    loud = bound.client("loud")
    lines = lambda: (lambda done: (done.stdout + done.stderr).count("\n"))(docker("logs", bound.stack, check_rc=False))
    before, said = len(events(bound, "kind=dhcp-discover,dhcp-offer")), lines()
    with loud.inside():
        c = dhcp.Client()
        began = time.monotonic()
        for n in range(4000):
            c._send(f"02:00:00:01:{n // 256:02x}:{n % 256:02x}", n, dhcp._options(dhcp.DISCOVER, {}))
        c.close()
    print(f"4,000 asked in {time.monotonic() - began:.1f} s")
    lease(bound, "a", A)
    eventually(lambda: [e for e in events(bound, "machine=a&kind=dhcp-discover") if e["at"]], 5, "a declared one is heard")
    eventually(lambda: len(events(bound, "kind=dhcp-discover,dhcp-offer")) > before + 100, 5, "some of them are told")
    time.sleep(1)
    check(len(events(bound, "kind=dhcp-discover,dhcp-offer")) <= before + 530, "more than so many became events")
    # Where no address is left dnsmasq says so, as before; that it was asked and what it offered is no line.
    log = docker("logs", "--tail", str(max(lines() - said, 1)), bound.stack, check_rc=False)
    check(not re.search(r"DHCP(DISCOVER|OFFER)\(lab0\) (\S+ )?02:00:00:01:\S+ *$", log.stdout + log.stderr, re.M), "the log has them")


def test_metrics_are_what_prometheus_reads(bound):
    parser = pytest.importorskip("prometheus_client.parser", reason="python3-prometheus-client is not installed")
    answer = bound.operator("/metrics")
    check_equal((answer.status, answer.headers["content-type"]), (200, "text/plain; version=0.0.4; charset=utf-8"), "answer")
    families = {f.name: f for f in parser.text_string_to_metric_families(answer.text)}
    value = lambda name, **labels: next(s.value for f in families.values() for s in f.samples if s.name == name and s.labels == labels)
    check_equal(sum(s.value for s in families["vmlab_machines"].samples), len(bound.api("/api/v1/vms")["vms"]), "machines")
    check(value("vmlab_http_requests_total", listener="guest", endpoint="/config/<mac>", status="2xx") >= 1, "requests")
    check_equal(families["vmlab_install_duration_seconds"].type, "histogram", "type")
    version = bound.exec("boot_handler", "--version").stdout.split()[1]
    check_equal((value("vmlab_build_info", version=version), families["vmlab_build_info"].type), (1, "gauge"), "build info")
    for f in families.values():
        if f.type != "histogram":
            continue
        for labels in {tuple(sorted((k, v) for k, v in s.labels.items() if k != "le")) for s in f.samples}:
            of = lambda end: [s.value for s in f.samples if s.name == f.name + end and set(labels) <= set(s.labels.items())]
            buckets = of("_bucket")
            check(buckets == sorted(buckets) and buckets[-1] == of("_count")[0], f"{f.name} {labels}: {buckets}")
    sent = value("vmlab_http_sent_bytes_total", file="kernel")
    ask(bound, "a", "/images/debian-13/amd64/vmlinuz")
    eventually(lambda: f'vmlab_http_sent_bytes_total{{file="kernel"}} {int(sent) + 50000}\n' in bound.operator("/metrics").text, 3, "bytes")


VALIDATE = """import { Validator } from "@seriousme/openapi-schema-validator";
import { readFileSync } from "fs";
const result = await new Validator().validate(JSON.parse(readFileSync(process.argv[2], "utf8")));
console.log(JSON.stringify(result));
process.exit(result.valid ? 0 : 1);
"""


def test_the_api_is_described_as_openapi_has_it_and_each_path_is_there(bound):
    document = bound.api("/api/v1/openapi.json")
    for path, operations in document["paths"].items():
        if "get" in operations and "{" not in path and path != "/api/v1/stream":
            answer = bound.operator(path)
            content = operations["get"]["responses"]["200"]["content"]
            check(answer.status == 200 and answer.headers["content-type"].split(";")[0] in content, f"{path}: {answer}")
    check("parameters" in document["paths"]["/api/v1/machines/{id}/orders/{n}"]["delete"], "an operation's parameters")
    said = {path: [s for s in o["delete"]["responses"] if s != "default"] for path, o in document["paths"].items() if "delete" in o}
    bound.operator("/api/v1/webhooks", method="POST", body={"name": "gone", "url": "http://127.0.0.1:9/"})
    for path, status in (("/api/v1/webhooks/{hook}", bound.operator("/api/v1/webhooks/gone", method="DELETE").status),
            ("/api/v1/sessions", bound.operator("/api/v1/sessions", method="DELETE").status)):
        check_equal(said[path], [str(status)], f"what DELETE {path} is said to answer, and answers")
    if not shutil.which("npm"):
        pytest.skip("npm, which brings the validator, is not installed")
    where = os.path.join(bound.scope.tempdir(), "openapi")
    os.mkdir(where)
    if subprocess.run(["npm", "install", "--prefix", where, "--no-audit", "--no-fund", "--silent", "@seriousme/openapi-schema-validator@2.3.1"],
            check=False, timeout=120).returncode:
        pytest.skip("no npm registry brings the validator")
    for name, text in (("validate.mjs", VALIDATE), ("openapi.json", json.dumps(document)), ("wrong.json", json.dumps(dict(document, paths=[])))):
        with open(os.path.join(where, name), "w") as f:
            f.write(text)
    judge = lambda name: subprocess.run(["node", "validate.mjs", name], cwd=where, text=True, stdout=subprocess.PIPE, check=False)
    done = judge("openapi.json")
    check(done.returncode == 0, done.stdout)
    check(judge("wrong.json").returncode == 1, "the validator takes anything")
