"""What happens, told to operators' URLs: signed, in order, again until it is taken, over restarts and kills, and whoever
does not take it keeps nobody waiting.
"""
import os
import signal
import socket
import sqlite3
import threading
import time

import pytest

from kit import certificate
from kit.check import check, check_equal, eventually
from kit.handler_bench import HandlerBench
from kit.scope import Scope
from kit.webhook_receiver import TAKEN, Receiver

scope = Scope("webhooks")
WEB1, WEB2 = "52:54:00:00:00:11", "52:54:00:00:00:12"


@pytest.fixture(scope="module")
def bench():
    made = HandlerBench(scope, "webhooks")
    made.make_image()
    made.define("web1", f'{{"name": "web1", "mac": "{WEB1}", "ip": "192.168.100.11", "distro": "debian-13"}}')
    made.define("web2", f'{{"name": "web2", "mac": "{WEB2}", "ip": "192.168.100.12", "mode": "off"}}')
    made.start()
    return made


@pytest.fixture
def hooked(bench):
    """hooked(name, receiver, filter) makes a webhook, which goes with the test."""
    names = []

    def make(name, receiver, path="/hook", **fields):
        made = bench.api("/api/v1/webhooks", method="POST", body={"name": name, "url": receiver.url + path, **fields})
        names.append(name)
        receiver.secret = made["secret"]
        return made
    yield make
    for name in names:
        bench.operator(f"/api/v1/webhooks/{name}", method="DELETE")


def act(bench, count=1, name="web1"):
    """So many events of severity info at least, each on disk when it is answered; the last one's id."""
    for _ in range(count):
        check_equal(bench.operator(f"/api/v1/vms/{name}/local", method="POST").status, 200, "local: status")
    return bench.last_event()


def hook(bench, name):
    return bench.api(f"/api/v1/webhooks/{name}")


def test_events_are_told_signed_and_in_order(bench, hooked):
    receiver = Receiver(bench)
    made = hooked("ci", receiver)
    check_equal(len(made["secret"]), 64, "characters of the secret that was made")
    first = bench.last_event() + 1
    last = act(bench, 3)
    receiver.wait(last)
    for delivery in receiver.taken:
        receiver.verify(delivery, "ci")
        check_equal(delivery.path, "/hook", "path")
    told = receiver.events()
    check_equal(list(told), list(range(first, last + 1)), "ids")
    check_equal(list(told.values()), [e for e in bench.api("/api/v1/events?limit=1000")["events"] if e["id"] >= first], "events")
    shown = eventually(lambda: (lambda h: h if h["behind"] == 0 else None)(hook(bench, "ci")), 3, "it has come to the end")
    check_equal((shown["state"], shown["status"], shown["error"], shown["failed"]), ("ok", 204, None, 0), "how it stands")
    check("secret" not in shown and made["secret"] not in str(bench.api("/api/v1/webhooks")), f"the secret is shown: {shown}")
    metrics = bench.operator("/metrics").text
    check(f'vmlab_webhook_deliveries_total{{webhook="ci"}} {shown["delivered"]}\n' in metrics
        and 'vmlab_webhook_behind_events{webhook="ci"} 0\n' in metrics, "metrics")


def test_only_those_that_the_filter_wants(bench, hooked):
    all_, web2, none, own = (Receiver(bench) for _ in range(4))
    hooked("all", all_)
    hooked("web2", web2, filter="machine=web2&kind=action")
    hooked("none", none, filter="severity=error")
    check_equal(hooked("own", own, secret="a secret of one's own")["secret"], "a secret of one's own", "secret")
    act(bench, 2, "web1")
    last = act(bench, 1, "web2")
    all_.wait(last)
    own.wait(last)
    own.verify(own.taken[-1], "own")
    eventually(lambda: web2.taken, 5, "web2's is told")
    check_equal({(e["vm"], e["kind"]) for e in web2.events().values()}, {("web2", "action")}, "what was wanted")
    eventually(lambda: hook(bench, "none")["behind"] == 0, 3, "it moves on by what it does not want")
    check_equal(none.tried, [], "deliveries")


def test_what_is_not_taken_is_sent_again_and_nothing_overtakes_it(bench, hooked):
    receiver = Receiver(bench)
    answers = [(500, {}, b"out of\x1b[2J order\nand more"), (503, {"Retry-After": "2"}, b""), (302, {"Location": "/elsewhere"}, b"")]
    receiver.answer = lambda d: answers[len(receiver.tried) - 1] if len(receiver.tried) <= len(answers) else TAKEN
    hooked("ci", receiver)
    first = bench.last_event() + 1
    act(bench)
    eventually(lambda: hook(bench, "ci")["failed"] == 1, 5, "the first one fails")
    shown = hook(bench, "ci")
    check_equal((shown["state"], shown["status"], shown["error"]), ("failing", 500, "the receiver answers HTTP 500: out of?[2J order"), "how it stands")
    check(shown["behind"] > 0 and shown["next_try"], f"how it stands: {shown}")
    last = act(bench)  # meanwhile
    eventually(lambda: hook(bench, "ci")["status"] == 302, 10, "the third one fails")
    check("leads elsewhere (HTTP 302), which is not followed" in hook(bench, "ci")["error"], hook(bench, "ci")["error"])
    receiver.wait(last, 20)
    tries = receiver.tried[:4]
    check_equal(len({(d.json["delivery"], str(d.ids)) for d in tries}), 1, "the same again")
    check_equal(list(receiver.events()), list(range(first, last + 1)), "ids")
    check(tries[2].at - tries[1].at >= 2, f"Retry-After: came after {tries[2].at - tries[1].at} s")
    check(tries[1].at - tries[0].at >= 0.5, f"came again after {tries[1].at - tries[0].at} s")
    check_equal(receiver.others, [], "where it was led to")
    check_equal(hook(bench, "ci")["state"], "ok", "state")


def test_a_receiver_that_is_gone_for_good_is_told_nothing_until_it_is_tested(bench, hooked):
    receiver = Receiver(bench)
    receiver.answer = lambda d: (410, {}, b"")
    hooked("ci", receiver)
    first = bench.last_event() + 1
    act(bench)
    eventually(lambda: hook(bench, "ci")["state"] == "ended", 5, "it has ended")
    bench.end(signal.SIGTERM)
    bench.back()
    last = act(bench)
    check('vmlab_webhook_ended{webhook="ci"} 1\n' in bench.operator("/metrics").text, "metrics")
    check_equal((hook(bench, "ci")["next_try"], len(receiver.tried)), (None, 1), "next try, deliveries")
    receiver.answer = lambda d: TAKEN
    bench.api("/api/v1/webhooks/ci/test", method="POST")
    receiver.wait(last)
    test = receiver.taken[0]
    receiver.verify(test, "ci")
    check_equal((test.json["test"], test.ids), (True, []), "the test")
    check_equal(list(receiver.events()), list(range(first, last + 1)), "ids")
    check_equal((hook(bench, "ci")["state"], hook(bench, "ci")["test"]["taken"]), ("ok", True), "state, test")


def test_a_receiver_that_says_nothing_keeps_nobody_waiting(bench, hooked):
    silent, quick, let = Receiver(bench), Receiver(bench), threading.Event()
    silent.answer = lambda d: (let.wait(60), TAKEN)[1]
    hooked("silent", silent)
    hooked("quick", quick)
    last = act(bench)
    eventually(lambda: silent.tried, 5, "it was asked")
    began = time.monotonic()
    last = act(bench, 20)
    quick.wait(last)
    check(time.monotonic() - began < 5, f"others waited {time.monotonic() - began:.1f} s")
    # Nor who ends it, or removes that webhook.
    began = time.monotonic()
    check_equal(bench.operator("/api/v1/webhooks/silent", method="DELETE").status, 204, "removed: status")
    check(time.monotonic() - began < 1, "removing waits")
    eventually(lambda: all(h["name"] != "silent" for h in bench.api("/api/v1/webhooks")["webhooks"]), 2, "it is gone")
    hooked("silent", silent)
    act(bench)
    eventually(lambda: len(silent.tried) == 2, 5, "it was asked")
    began = time.monotonic()
    bench.end(signal.SIGTERM)
    check(time.monotonic() - began < 1, f"ending takes {time.monotonic() - began:.1f} s")
    let.set()
    bench.back()


@pytest.mark.long
def test_a_request_ends_after_its_time(bench, hooked):
    silent, endless, let = Receiver(bench), Receiver(bench), threading.Event()
    silent.answer = lambda d: (let.wait(60), TAKEN)[1]
    endless.answer = lambda d: (204 if d.json.get("test") else 200, {"Content-Length": str(1 << 30)}, b"x" * (1 << 20))
    hooked("silent", silent)
    hooked("endless", endless)
    began = time.monotonic()
    last = act(bench)
    endless.wait(last, 30)
    eventually(lambda: hook(bench, "silent")["failed"] == 1, 30, "its time is over")
    check(14 < time.monotonic() - began < 18, f"after {time.monotonic() - began:.1f} s")
    check_equal(hook(bench, "silent")["error"], "the receiver did not answer in time", "why")
    let.set()


@pytest.fixture
def many(request):
    return 5000 if request.config.getoption("--long") else 700


def test_nothing_is_lost_by_kills_in_the_middle(bench, hooked, many):
    receiver = Receiver(bench)
    receiver.answer = lambda d: (time.sleep(0.03), TAKEN)[1]
    hooked("ci", receiver)
    first = bench.last_event() + 1
    act(bench, many)
    for signum in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        act(bench, many // 4)
        taken = len(receiver.taken)
        eventually(lambda: len(receiver.taken) > taken + 1, 10, "more is taken", every=0.005)
        bench.end(signum)
        bench.back()
    last = act(bench, 1, "web2")
    receiver.wait(last, 30)
    for delivery in receiver.taken[::5]:
        receiver.verify(delivery, "ci")
    found = receiver.events()
    check_equal(list(found), list(range(first, last + 1)), "ids")
    print(f"{len(found)} events in {len(receiver.taken)} deliveries, {sum(len(d.ids) for d in receiver.taken) - len(found)} twice")


def test_what_is_kept_no_longer_is_counted_and_told(bench, hooked):
    receiver = Receiver(bench)
    receiver.answer = lambda d: (503, {}, b"")
    hooked("ci", receiver)
    first = bench.last_event() + 1
    last = act(bench, 4)
    eventually(lambda: receiver.tried, 5, "it was asked")
    bench.end()
    with sqlite3.connect(bench.db) as db:
        gone = db.execute("DELETE FROM event WHERE id BETWEEN ? AND ?", (first, first + 2)).rowcount
    db.close()
    check_equal(gone, 3, "events that are gone")
    receiver.answer = lambda d: TAKEN
    bench.back()
    receiver.wait(last)
    check_equal((receiver.taken[0].json["missed"], list(receiver.events())), (3, list(range(first + 3, last + 1))), "missed, ids")
    check_equal(hook(bench, "ci")["missed"], 3, "missed, as it is shown")
    receiver.wait(act(bench))
    check("missed" not in receiver.taken[-1].json, "told twice")


def test_over_tls_by_authorities_of_ones_own(bench, hooked):
    known, other = certificate.authority(scope.tempdir()), certificate.authority(scope.tempdir(), "other")
    os.makedirs(os.path.join(bench.images, "_tls"))
    with open(known[1]) as f, open(os.path.join(bench.images, "_tls/ca-certificates.crt"), "w") as own:
        own.write(f.read())
    good = Receiver(bench, certificate.vouched(scope.tempdir(), known, "127.0.0.1"))
    bad = [Receiver(bench, pair) for pair in (certificate.vouched(scope.tempdir(), other, "127.0.0.1"),
        certificate.vouched(scope.tempdir(), known, "192.0.2.7"))]
    hooked("good", good)
    for i, receiver in enumerate(bad):
        hooked(f"bad{i}", receiver)
    last = act(bench)
    good.wait(last)
    good.verify(good.taken[-1], "good")
    for i, receiver in enumerate(bad):
        eventually(lambda: hook(bench, f"bad{i}")["failed"], 5, "it is not trusted")
        check("certificate is of no authority known here, or for another name" in hook(bench, f"bad{i}")["error"], hook(bench, f"bad{i}")["error"])
        check_equal(receiver.tried, [], "what it was told")


def test_no_url_leads_elsewhere_than_http(bench):
    for fields, sentence in (({"url": "file:///etc/passwd"}, "has to begin with http:// or https://"),
            ({"url": "http://user:word@127.0.0.1/"}, "a user's name or password"), ({"url": "http://127.0.0.1/\r\nX: y"}, "url must not hold a line break"),
            ({"url": "http://"}, "names no host"), ({}, "has to begin with http"), ({"url": "http://a/", "name": "../x"}, "name is missing or malformed"),
            ({"url": "http://a/", "filter": "after=7"}, "there is no parameter \"after\" here"), ({"url": "http://a/", "secret": "short"}, "less than 16"),
            ({"url": "http://a/", "filter": "kind=nonsense"}, "there is no kind of event"), ({"url": "http://a/", "nmae": "x"}, "nmae is not known: did you mean \"name\""),
            ({"url": 7}, "url must be a text in quotes, not a number"), ({"url": "http://" + "a" * 2000}, "url is longer than 1024 bytes")):
        answer = bench.operator("/api/v1/webhooks", method="POST", body={"name": "x", **fields})
        check(answer.status == 400 and sentence in answer.json["error"], f"{fields}: {answer}")
    check_equal(bench.operator("/api/v1/webhooks", method="POST", body=b"{").status, 400, "half a text: status")
    check_equal([bench.operator("/api/v1/webhooks/none" + path, method=method).status for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/test"))],
        [404] * 3, "one that is not there: status")
    check_equal(bench.api("/api/v1/webhooks"), {"webhooks": []}, "webhooks")


def test_a_port_where_nobody_is_and_one_that_hangs_up(bench, hooked):
    receiver = Receiver(bench)
    hooked("ci", receiver)
    receiver.close()
    with bench.inside(), socket.create_server(("127.0.0.1", receiver.port)) as rude:
        threading.Thread(target=lambda: [rude.accept()[0].close() for _ in range(1)], daemon=True).start()
        act(bench)
        eventually(lambda: hook(bench, "ci")["failed"] == 1, 5, "it hangs up")
        check(hook(bench, "ci")["error"] in ("the receiver closed the connection without an answer", "the connection broke off"), hook(bench, "ci")["error"])
    eventually(lambda: hook(bench, "ci")["error"] == "no connection to the receiver", 10, "nobody is there")


def test_a_port_of_another_service(bench, hooked):
    receiver = Receiver(bench)
    hooked("ssh", receiver)
    receiver.close()
    with bench.inside(), socket.create_server(("127.0.0.1", receiver.port)) as ssh:
        held = []
        threading.Thread(target=lambda: (held.append(ssh.accept()[0]), held[0].sendall(b"SSH-2.0-OpenSSH_10.0p2 Debian-7\r\n")), daemon=True).start()
        act(bench)
        eventually(lambda: hook(bench, "ssh")["error"] == "what answers there speaks no HTTP", 5, "it speaks no HTTP")
        held[0].close()
