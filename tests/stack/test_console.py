"""Serial consoles by the operator's API and in a real browser: what a real QEMU's guest prints, live and afterwards, and
what is typed; who may; hostile output, which does nothing; stacks and machines that end and begin meanwhile.
"""
import base64
import json
import os
import socket
import time

import pytest

from kit import http_client
from kit.browser import Browser, why_not
from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.echo_vm import EchoVm
from kit.lab import OPERATOR_PORT, Lab
from kit.scope import Scope, needs

scope = Scope("console")
lab = Lab(scope, "console")
BASE = f"http://127.0.0.1:{OPERATOR_PORT}"
MAC, METAL = "52:54:00:c0:05:01", "52:54:00:c0:05:02"
vm = EchoVm(scope, "console-echo", os.path.join(lab.consoles, MAC.replace(":", "-")))
API = "/api/v1/machines/web1/console"
state = {}


class Stream:
    """Who looks, by the API's socket: what came, and the id that it stands at."""

    def __init__(self, query="", last=None):
        self.connection = http_client.LocalConnection(lab.socket, 20)
        self.connection.request("GET", f"{API}/stream{query}", headers={"Last-Event-ID": last} if last else {})
        self.answer = self.connection.getresponse()
        check_equal((self.answer.status, self.answer.headers["Content-Type"]), (200, "text/event-stream"), "the stream")
        self.printed, self.last, self.events = b"", None, []

    def one(self):
        fields = {}
        while line := self.answer.readline().strip().decode():
            name, _, value = line.partition(": ")
            fields[name] = value
        if "id" in fields:
            self.last = fields["id"]
        if "event" in fields:
            self.events.append((fields["event"], json.loads(fields["data"])))
        elif "data" in fields:
            self.printed += base64.b64decode(fields["data"])

    def until(self, what):
        end = time.monotonic() + 20
        while what not in self.printed:
            check(time.monotonic() < end, f"{what} did not come: {self.printed[-300:]}, {self.events}")
            self.one()
        return self

    def close(self):
        self.connection.close()


def typed(keys, path=f"{API}/keys"):
    answer = lab.operator(path, method="POST", body={"keys": keys})
    check(answer.status in (200, 409), f"typed: {answer}")
    return answer


def shows(what, seconds=10):
    eventually(lambda: what in vm.printed(), seconds, f"{what} is on the console", every=0.05)


def test_a_lab_with_a_vm_that_echoes_and_a_machine_of_metal():
    lab.define("web1", mac=MAC)
    lab.define("metal1", mac=METAL)
    lab.start(env=[f"OPERATOR_LISTEN=127.0.0.1:{OPERATOR_PORT}"])
    vm.start()


UP = test_a_lab_with_a_vm_that_echoes_and_a_machine_of_metal


@needs(UP)
def test_what_is_typed_by_the_api_reaches_the_guest_and_what_it_prints_the_api_and_the_containers_log():
    stream = Stream().until(b"Booting from Floppy")
    check_equal(typed("hello \u00fc\r\n").json, {"typed": 10}, "the answer")
    stream.until(b"hello \xc3\xbc\r\n")
    stream.close()
    check(b"Booting from Floppy" in lab.operator(API).body, "the last of it")
    check_equal(lab.operator(API).body, vm.printed(), "the last of it")
    eventually(lambda: "hello \u00fc" in docker("logs", vm.name).stdout, 10, "the container's log has it too")


@needs(UP)
def test_who_comes_again_has_lost_nothing_and_gets_nothing_twice():
    first = Stream().until(b"Booting")
    for n in range(15):
        check_equal(typed(f"<{n:03}>").status, 200, "status")
    first.until(b"<010>")
    first.close()
    for n in range(15, 30):
        check_equal(typed(f"<{n:03}>").status, 200, "status")
    again = Stream(last=first.last).until(b"<029>")
    by_query = Stream(query=f"?after={first.last}").until(b"<029>")
    whole = first.printed + again.printed
    check_equal(whole[-len(b"<000>") * 30:], b"".join(b"<%03d>" % n for n in range(30)), "both together")
    check_equal(by_query.printed, again.printed, "by the query")
    ahead = Stream(query="?after=999999999").until(b"<029>")
    check_equal([name for name, _ in ahead.events], ["hello", "begin"], "events of who has seen more than there is")
    for stream in (again, by_query, ahead):
        stream.close()
    check_equal(lab.operator(f"{API}/stream?after=x").status, 400, "a malformed id: status")


@needs(UP)
def test_what_is_no_console_is_told_and_what_a_container_puts_in_its_place_is_not_read():
    for path, method, body in ((f"{API}/keys".replace("web1", "metal1"), "POST", {"keys": "x"}), (API.replace("web1", "metal1"), "GET", None),
            (f"{API}/stream".replace("web1", "metal1"), "GET", None)):
        answer = lab.operator(path, method=method, body=body)
        check_equal(answer.status, 404, f"{path}: status")
        check("metal1 is not here" in answer.json["error"], answer.text)
    for body in ({}, {"keys": 7}, {"keys": "x", "more": 1}, ["x"]):
        check_equal(lab.operator(f"{API}/keys", method="POST", body=body).status, 400, f"{body}: status")
    folder = os.path.join(lab.consoles, METAL.replace(":", "-"))
    os.mkdir(folder)
    for make in (lambda path: os.symlink("/state/vmlab.db.sessions", path), os.mkfifo, os.mkdir):
        make(os.path.join(folder, "log"))
        answer = lab.operator(API.replace("web1", "metal1"))
        check_equal((answer.status, answer.body), (200, b""), "a log that is none")
        (os.rmdir if make is os.mkdir else os.unlink)(os.path.join(folder, "log"))
    keys = os.path.join(folder, "keys.in")
    for make in (lambda path: os.symlink(os.path.join("..", os.path.basename(vm.folder), "keys.in"), path), lambda path: open(path, "w").close(), os.mkfifo):
        make(keys)
        answer = typed("x", API.replace("web1", "metal1") + "/keys")
        check_equal((answer.status, "not running" in answer.text), (409, True), f"keys that nobody reads: {answer}")
        os.unlink(keys)
    with pytest.raises(AssertionError):
        shows(b"x", seconds=0.2)
    os.rmdir(folder)


@needs(UP)
def test_who_may_type_admins_from_a_page_of_this_address_and_who_may_look():
    def ask(path, cookie, method="GET", body=None, **headers):
        return lab.get(path, method=method, port=OPERATOR_PORT, body=body, headers={"Cookie": cookie, **headers} if cookie else headers)
    for role in ("read", "admin"):
        answer = lab.get(lab.api("/api/v1/logins", method="POST", body={"role": role})["path"], port=OPERATOR_PORT)
        state[role] = answer.headers["set-cookie"].split(";")[0]
    check_equal([ask(API, state.get(role)).status for role in ("none", "read", "admin")], [401, 200, 200], "to look: status")
    keys = {"keys": "by whom"}
    check_equal(ask(f"{API}/keys", None, "POST", keys).status, 401, "nobody types: status")
    check_equal(ask(f"{API}/keys", state["read"], "POST", keys, Origin=BASE).status, 403, "the role read types: status")
    check_equal(ask(f"{API}/keys", state["admin"], "POST", keys).status, 403, "from nowhere: status")
    check_equal(ask(f"{API}/keys", state["admin"], "POST", keys, Origin="http://evil.example").status, 403, "from elsewhere: status")
    check(b"by whom" not in vm.printed(), "it was typed")
    check_equal(ask(f"{API}/keys", state["admin"], "POST", keys, Origin=BASE).status, 200, "an admin's page: status")
    shows(b"by whom")


# ---- the page ------------------------------------------------------------------------------------------

def signed_in(name, role="admin", path="/machines/web1/console", **how):
    browser = state["browser"]
    browser.use(name=name, **how)
    browser.goto(path=lab.api("/api/v1/logins", method="POST", body={"role": role})["path"])
    browser.wait(until="location.pathname === '/machines'")
    check_equal(browser.goto(path=path)["status"], 200, f"{path}: status")
    return browser


def screen(browser):
    return browser.get(what="document.querySelector('.xterm-rows').innerText.replace(/\\u00a0/g, ' ')")


def on_screen(browser, what):
    def seen():
        shown = screen(browser)
        check(what in shown, f"{browser.text(of='#console-says')}: {shown[-400:]!r}")
        return True
    eventually(seen, 20, f"{what!r} is on the screen", every=0.05)


def tidy(browser, what):
    notes = browser.notes()
    check_equal((notes["dialogs"], notes["elsewhere"], notes["errors"]), (0, [], []), f"{what}: dialogs, requests to elsewhere, errors")


@needs(UP)
def test_the_page_shows_what_is_printed_and_what_is_typed_there_reaches_the_guest():
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with lab.inside():
        state["browser"] = Browser(scope, lab.net_pid(), BASE)
    browser = signed_in("admin")
    on_screen(browser, "Booting from Floppy")
    typed("\x1bc\x1b[?7h\r\nDebian GNU/Linux 13 web1 ttyS0\r\n\r\nweb1 login: ")
    browser.click(on="#terminal")
    for key in (*"typed", "Enter"):
        browser.press(key=key)
    shows(b"typed\r")
    on_screen(browser, "login: typed")
    tidy(browser, "the console")
    browser.shot("console")


SEEN = test_the_page_shows_what_is_printed_and_what_is_typed_there_reaches_the_guest


HOSTILE = ("\x1b]0;owned\x07\x1b]2;owned\x1b\\\x1b]52;c;aGFja2Vk\x07\x1b]8;;http://evil.example/\x1b\\a link\x1b]8;;\x1b\\"
    "\x1b]1337;File=name=eA==:AAAA\x07<img src=x onerror=alert(1)><script>alert(2)</script>\x1b[38;2;9;9;9m\x1b[48;2;1;2;3mrgb\x1b[0m")
# What a terminal may answer: what it is, where its cursor is, modes, settings, colours, sizes, focus.
QUERIES = ("\x1b[c", "\x1b[>c", "\x1b[=c", "\x1bZ", "\x1b[5n", "\x1b[6n", "\x1b[?6n", "\x1b[?15n", "\x1b[?25$p", "\x1b[4$p", "\x1bP$qm\x1b\\",
    "\x1bP$q\"p\x1b\\", "\x1bP+q544e\x1b\\", "\x1b]4;1;?\x07", "\x1b]10;?\x07", "\x1b]11;?\x1b\\", "\x1b]12;?\x07", "\x1b[14t", "\x1b[16t", "\x1b[18t",
    "\x1b[21t", "\x1b[>q", "\x1b[?u", "\x1b[x", "\x1b[?1004h", "\x1b[?996n", "\x05")


@needs(SEEN)
def test_hostile_output_does_nothing_and_what_a_terminal_answers_is_not_typed():
    browser = signed_in("admin")
    title, before = browser.get(what="document.title"), vm.printed()
    asked = "\x1bc\n" + HOSTILE + "".join(QUERIES) + "\r\nasked\r\n"
    check_equal(typed(asked).status, 200, "status")
    on_screen(browser, "asked")
    browser.click(on="#terminal")
    browser.click(on="h1")  # its focus comes and goes
    browser.click(on="#terminal")
    browser.press(key="k")
    shows(b"asked\r\nk")
    check_equal(vm.printed()[len(before):], (asked + "k").encode(), "what the guest was given")
    check_equal(browser.get(what="document.title"), title, "the title")
    check_equal(browser.count(of="#terminal a, #terminal img, #terminal script"), 0, "elements of the guest's")
    check("<script>alert(2)</script>" in screen(browser) and "a link" in screen(browser), screen(browser))
    color = browser.get(what="getComputedStyle([...document.querySelectorAll('.xterm-rows span')].find((s) => s.textContent.includes('rgb'))).backgroundColor")
    check_equal(color, "rgb(1, 2, 3)", "a colour by its parts")
    tidy(browser, "hostile output")
    typed("\x1bc\n")


@needs(SEEN)
def test_the_keyboard_leaves_the_terminal_and_who_may_only_look_types_nothing():
    browser = signed_in("admin")
    browser.wait(until="document.querySelector('.xterm-helper-textarea')")
    focused = "document.activeElement.id || document.activeElement.className"
    browser.get(what="document.querySelector('.xterm-helper-textarea').focus()")
    browser.press(key="Tab")
    shows(b"\t")
    check("xterm" in browser.get(what=focused), "Tab left the terminal")
    browser.press(key="Control+]")
    check_equal(browser.get(what=focused), "console-out", "what has the focus after Ctrl+]")
    check(b"\x1d" not in vm.printed(), "Ctrl+] was typed")
    browser.press(key="Tab")
    check("xterm" in browser.get(what=focused), f"Tab did not come back: {browser.get(what=focused)}")
    browser.press(key="Shift+Tab")
    check_equal(browser.get(what=focused), "console-out", "what has the focus after Shift+Tab")
    reader = signed_in("reader", role="read")
    reader.wait(until="document.querySelector('#console-says').textContent === 'Connected, read only'")
    check("may look and not type" in reader.text(of="#console-keys"), reader.text(of="#console-keys"))
    reader.get(what="document.querySelector('.xterm-helper-textarea').focus()")
    before = vm.printed()
    reader.press(key="q")
    reader.press(key="Tab")
    check("xterm" not in reader.get(what=focused), "Tab does not leave the terminal of who may not type")
    typed("by the api")
    on_screen(reader, "by the api")
    check_equal(vm.printed()[len(before):], b"by the api", "what the guest was given")
    tidy(reader, "read only")


@needs(SEEN)
def test_without_a_script_the_last_of_it_is_text():
    typed("\x1bc\r\n\x1b[31mred!\x1b[0m<b>bold</b> 10%\r 20%\r\nlast\r\n")
    shows(b"last\r\n")
    browser = signed_in("plain", js=False)
    text = browser.text(of="#console-text")
    check(" 20%<b>bold</b> 10%" in text and "[31m" not in text and "last" in text, text)
    check("is not here" in signed_in("plain", path="/machines/metal1/console").text(of="main"), "a machine of metal")
    check_equal(browser.count(of="#console"), 0, "terminals of a machine of metal")


@needs(SEEN)
def test_pop_out_opens_a_window_with_the_console_which_has_the_keyboard():
    browser = signed_in("admin")
    on_screen(browser, "last")
    check_equal(browser.popup(on="#console-out", name="popped")["url"], f"{BASE}/machines/web1/console?alone", "its address")
    browser.use(name="popped")
    on_screen(browser, "last")
    browser.press(key="p")
    shows(b"last\r\np")
    tidy(browser, "the window")
    browser.shut(name="popped")


@needs(SEEN)
def test_axe_finds_nothing_light_and_dark_and_nothing_is_cut_off():
    browser = state["browser"]
    for name in ("admin", "plain"):
        browser.use(name=name, js=name != "plain")
        browser.goto(path="/machines/web1/console")
        if name == "admin":
            on_screen(browser, "last")
            check_equal(browser.axe()["violations"], [], "violations")
        for width in (320, 768, 3840, 1280):
            browser.size(width=width, height=900)
            wide = browser.get(what="document.documentElement.scrollWidth")
            check(wide <= width, f"{name} at {width}: {wide} wide")
    signed_in("dark", path="/machines/web1/console?alone", dark=True)
    on_screen(browser, "last")
    check_equal(browser.get(what="getComputedStyle(document.querySelector('.tabs')).display"), "none", "the tabs of the page alone")
    check_equal(browser.axe()["violations"], [], "dark and alone: violations")
    browser.shot("console-alone")
    for name in ("dark", "plain", "reader"):
        browser.do("close", name=name)


def watched():
    return lab.exec("sh", "-c", "ls -l /proc/$(pidof boot_handler)/fd || true").stdout.count("/run/consoles/vms/")


@needs(SEEN)
def test_it_goes_on_after_the_stack_or_the_machine_began_anew_and_reads_nothing_while_hidden():
    browser = state["browser"]
    browser.use(name="admin")
    on_screen(browser, "last")
    typed("before\r\n")
    on_screen(browser, "before")
    browser.get(what="Object.defineProperty(document, 'hidden', {value: true, configurable: true}), document.dispatchEvent(new Event('visibilitychange'))")
    eventually(lambda: watched() == 0, 20, "nobody reads the log", every=0.2)
    typed("while hidden\r\n")
    browser.get(what="Object.defineProperty(document, 'hidden', {value: false, configurable: true}), document.dispatchEvent(new Event('visibilitychange'))")
    on_screen(browser, "while hidden")
    docker("restart", "-t", "5", lab.stack, timeout=60)
    lab.wait_serving()
    typed("after the stack\r\n")
    on_screen(browser, "after the stack")
    check_equal(screen(browser).count("while hidden"), 1, "lines twice")
    typed("\x02")
    eventually(lambda: docker("inspect", "-f", "{{.State.Running}}", vm.name).stdout.strip() == "false", 10, "the machine has ended")
    answer = typed("x")
    check_equal((answer.status, "not running" in answer.text), (409, True), f"typed while it is off: {answer}")
    check("It is not running" in lab.get("/machines/web1/console", port=OPERATOR_PORT, headers={"Cookie": state["admin"]}).text, "the page of one that is off")
    docker("start", vm.name)
    vm.wait_booted(times=2)
    typed("after the machine\r\n")
    on_screen(browser, "after the machine")
    browser.notes() # those of the restart


@needs(SEEN)
def test_a_flood_is_told_to_have_gaps_and_a_slow_client_holds_nobody_up():
    check_equal(typed("quiet so far\r\n").status, 200, "status")
    slow = Stream().until(b"quiet so far\r\n")
    began = len(slow.printed)
    with open(vm.log, "ab") as log: # by far more at once than any guest prints
        log.write(b"y" * 999_999 + b"\n")
    slow.until(b"yy\n")
    gaps = [data["bytes"] for name, data in slow.events if name == "gap"]
    check_equal(sum(gaps) + len(slow.printed) - began, 1_000_000, "bytes told of, and told")
    check(gaps, f"no gap was told: {slow.events}")
    slow.close()
    check_equal(typed("\x1b[?7h\x01").status, 200, "status")
    browser = state["browser"]
    on_screen(browser, "xxxxxxxx")
    tidy(browser, "a flood")
