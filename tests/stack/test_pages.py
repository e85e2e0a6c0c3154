"""The operator's pages in a real browser: every page, with and without its script, light and dark, from 320 px to 4K,
by keyboard alone; names and reports that try to be markup; who may do what; a stack that restarts.

Screenshots of each page go to build/screenshots/.
"""
import json
import os
import re
import time
from datetime import datetime
from statistics import median

import pytest

from kit import dhcp
from kit.browser import Browser, why_not
from kit.check import check, check_equal, eventually
from kit.command import docker, run
from kit.lab import OPERATOR_PORT, SERVER, Lab
from kit.scope import Scope, needs
from kit.tcp_relay import TcpRelay

scope = Scope("pages")
lab = Lab(scope, "pages")
lab.vms_mount = "rw"
BASE = f"http://127.0.0.1:{OPERATOR_PORT}"
MAC = "52:54:00:7e:5b:{:02x}"
STRANGER = "52:54:00:7e:5b:f1"
EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"
PAGES = ["/machines", "/machines?state=attention", "/machines?q=nothing-is-like-this", "/machines/web1", "/machines/web1/events",
    "/machines/web1/log", "/machines/web1/console", "/machines/web1/definition", "/machines/web1/orders", "/machines/db1", f"/machines/{STRANGER}",
    f"/machines/{STRANGER}/orders", f"/machines/{STRANGER}/orders/1", "/images"]
SIZED = ["/machines", "/machines/web1", "/images"]
WRITTEN = b"\x1b]0;owned\x07\x1b[31mred\x1b[0m " + EVIL.encode() + b"\r\n 10%\r 20%\r\nnot UTF-8: \xff\xfe, a zero: \0\xe2\x80\xae\nits end\n"
state = {}


# ---- asked as machines, the operator and browsers ----------------------------------------------------

def ipxe(mac, query=""):
    return lab.get(f"/ipxe?mac={mac}{query}", from_lab=True)


def report(mac, **fields):
    answer = lab.get(f"/report/{mac}", from_lab=True, method="POST", body=fields)
    check_equal(answer.status, 204, f"report {fields}: {answer}; status")


def install(mac, until=None, **last):
    """As far as that phase, of which `last` is told."""
    ipxe(mac)
    lab.get(f"/config/{mac}", from_lab=True)
    for phase in ("network", "config", "plan", "partition", "format", "rootfs", "configure", "bootloader", "report"):
        if phase == until:
            report(mac, phase=phase, **last)
            return
        report(mac, phase=phase, status="running")
        report(mac, phase=phase, status="done")


def switch_on(mac):
    """As the host does it for a VM: a port of the bridge with its address."""
    with lab.inside():
        run(["ip", "link", "add", "vm-port", "type", "veth", "peer", "name", "vm-peer"])
        run(["ip", "link", "set", "vm-port", "master", lab.bridge, "up"])
        run(["bridge", "fdb", "replace", mac, "dev", "vm-port", "master", "static"])


def ask(path, method="GET", cookie=None, body=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if cookie:
        headers["Cookie"] = cookie
    if body is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = body.encode()
    return lab.get(path, method=method, port=OPERATOR_PORT, headers=headers, body=body)


def link(role):
    return lab.api("/api/v1/logins", method="POST", body={"role": role})["path"]


def cookie_of(answer):
    return answer.headers["set-cookie"].split(";")[0]


def signed_in(name, role="admin", **how):
    state["browser"].use(name=name, **how)
    answer = state["browser"].goto(path=link(role))
    check_equal(answer["status"], 200, "the link: status")
    state["browser"].wait(until="location.pathname === '/machines'")
    return state["browser"]


def tidy(browser, what):
    """Nothing of the page was refused, run that should not be, or fetched from elsewhere."""
    notes = browser.notes()
    check_equal((notes["dialogs"], notes["elsewhere"]), (0, []), f"{what}: dialogs, requests to elsewhere")
    check_equal(notes["errors"], [], f"{what}: errors in the browser's console")


def accessible(browser, what, shot):
    """By axe; of the dark that which is another there. Pictures of both."""
    for dark in (False, True):
        if dark:
            browser.dark(on=True)
        found = browser.axe(rule="color-contrast" if dark else None)
        check_equal(found["violations"], [], f"{what}, dark {dark}: axe")
        check(found["passed"] > (0 if dark else 10), f"{what}: axe found {found['passed']} things right")
        browser.shot(shot + ("-dark" if dark else ""))
    browser.dark(on=False)


# ---- without a browser: who is let in -----------------------------------------------------------------

def test_a_lab_with_machines_in_each_state():
    state["image"] = lab.make_image()[1]
    for n, name in enumerate(("web1", "web2", "db1", "db2", "cache", "build")):
        lab.define(name, mac=MAC.format(n), ip=f"192.168.100.{20 + n}", **{"db2": {"distro": "fedora"}, "build": {EVIL: 1}}.get(name, {}))
    lab.start(env=[f"OPERATOR_LISTEN=127.0.0.1:{OPERATOR_PORT}"])
    install(MAC.format(0))
    ipxe(MAC.format(0))
    install(MAC.format(1), "rootfs", status="running", bytes=1 << 27, total_bytes=3 << 27, rate_bytes_per_s=40 << 20, eta_s=7)
    install(MAC.format(2), "partition", status="failed", message=f"no disk {EVIL}", hint=f"add one {EVIL}",
        log=f"partition: looks for a disk\nerror: {EVIL}\n")
    ipxe(MAC.format(3))
    ipxe(MAC.format(4))
    ipxe(STRANGER, "&serial=SN-77&manufacturer=Maker%3Cimg%20src%3Dx%20onerror%3Dalert(3)%3E&product=Box%26%3Csvg%2Fonload%3Dalert(4)%3E"
        "&uuid=0f0e0d0c-0b0a-4908-8706-0504030201f1&arch=x86_64&platform=efi")
    number = lab.api(f"/api/v1/machines/{STRANGER}/orders", method="POST", body={"action": "inventory"})["id"]
    check_equal((number, lab.get(f"/api/device-action-poll?mac={STRANGER}", from_lab=True).json["id"]), (1, 1), "its order")
    for path, body in ((f"/api/action-output/{STRANGER}?id=1&at=0", WRITTEN), ("/api/action-done", {"mac": STRANGER, "id": 1, "result": "failed", "text": EVIL})):
        check_equal(lab.get(path, from_lab=True, method="POST", body=body).status, 204, f"{path}: status")
    os.makedirs(os.path.join(lab.images, EVIL.replace("/", "|"), "amd64"))
    lab.write("broken.json", '{"name": "broken", "mac": "52:54:00:7e:5b:77", "</code><script>alert(5)</script>": 1, "distro": "<script>alert(6)</script>",\n "ip": "10.9.9.9"}')
    eventually(lambda: lab.problems("broken.json"), 5, "the broken definition is seen")
    eventually(lambda: lab.vm("db1")["state"] == "failed", 5, "db1 failed")


UP = test_a_lab_with_machines_in_each_state


@needs(UP)
def test_nobody_sees_a_page_without_a_link_and_each_works_once():
    for path in (*PAGES, "/", "/nothing", "/machines.json", "/api/v1/vms", "/api/v1/logins"):
        answer = ask(path)
        check_equal(answer.status, 401, f"{path}: status")
        check("web1" not in answer.text, f"{path} tells of a machine")
    check("vmlab dashboard" in ask("/machines").text, "the page does not say how to sign in")
    once = link("admin")
    check_equal(ask(once, "HEAD").status, 200, "looked at: status")
    answer = ask(once)
    check_equal(answer.status, 200, "the link: status")
    check(re.search(r"^vmlab-[0-9a-f]{8}=admin\.\d+\.\d+\.[0-9a-f]{8}\.[0-9a-f]{64}; Max-Age=43200; Path=/; HttpOnly; SameSite=Strict$",
        answer.headers["set-cookie"]), answer.headers["set-cookie"])
    state["admin"] = cookie_of(answer)
    check_equal(ask(once).status, 403, "the second time: status")
    check_equal(ask("/login/" + "0" * 64).status, 403, "a made up one: status")
    check_equal(ask("/login/x").status, 403, "what is none: status")
    state["read"] = cookie_of(ask(link("read")))
    check_equal([ask("/machines", cookie=state[role]).status for role in ("admin", "read")], [200, 200], "status")


LOGIN = test_nobody_sees_a_page_without_a_link_and_each_works_once


@needs(LOGIN)
def test_every_page_keeps_the_browser_from_running_and_framing_anything_else():
    for path in (*PAGES, "/nothing", "/assets/style.css", "/assets/script.js", "/assets/icon.svg"):
        headers = ask(path, cookie=state["admin"], Accept="text/html").headers
        check_equal(headers.get("content-security-policy"), "default-src 'self'; base-uri 'none'; object-src 'none'; "
            "form-action 'self'; frame-ancestors 'none'", f"{path}: CSP")
        check_equal((headers.get("x-content-type-options"), headers.get("referrer-policy")), ("nosniff", "same-origin"), path)
    page = ask("/machines", cookie=state["admin"]).text
    check(not re.search(r"<style|style=|<script(?! defer src=\"/assets/)| on[a-z]+=\"", page), "something inline")
    check("not there" in ask("/nothing", cookie=state["admin"], Accept="text/html").text or
        "nothing at this path" in ask("/nothing", cookie=state["admin"], Accept="text/html").text, "an unknown path is not told")


ORDERS = [("/machines/web1/boot", "order=local"), ("/machines/web1/orders", "action=reboot"),
    (f"/machines/{STRANGER}/ignore", ""), (f"/machines/{STRANGER}/adopt", "name=mine")]


@needs(LOGIN)
def test_a_session_that_may_only_look_gets_no_forms_and_its_orders_are_refused():
    for path in PAGES:
        if path.endswith("definition"):
            check_equal(ask(path, cookie=state["read"]).status, 403, f"{path}: status")
            continue
        forms = re.findall(r"<form[^>]*method=\"post\"[^>]*>", ask(path, cookie=state["read"]).text)
        check_equal([f for f in forms if "/logout" not in f], [], f"{path}: forms")
    for path, body in ORDERS:
        answer = ask(path, "POST", state["read"], body, Origin=BASE)
        check_equal(answer.status, 403, f"{path}: status")
    for path in ("/api/v1/vms/web1/local", "/api/v1/vms/web1/reinstall", "/api/v1/logins"):
        check_equal(ask(path, "POST", state["read"], "", Origin=BASE).status, 403, f"{path}: status")
    for method, path in (("POST", "/api/v1/logins"), ("DELETE", "/api/v1/sessions")):
        check_equal(ask(path, method, state["admin"], "", Origin=BASE).status, 403, f"{path}, as admin: status")


@needs(LOGIN)
def test_pages_of_other_origins_order_nothing():
    before = lab.vm("web1")["local"]
    for path, body in (*ORDERS, ("/api/v1/vms/web1/local", "")):
        for origin in ({}, {"Origin": "null"}, {"Origin": "http://evil.example"}, {"Origin": "http://127.0.0.1:3000"},
                {"Origin": f"http://localhost:{OPERATOR_PORT}"}, {"Origin": BASE, "Host": "evil.example"}):
            answer = ask(path, "POST", state["admin"], body, **origin)
            check_equal(answer.status, 403, f"{path} with {origin}: status")
    check_equal(lab.vm("web1")["local"], before, "web1 was sent to its disk")
    check_equal(ask("/machines", cookie=state["admin"], Host="evil.example").status, 403, "a rebound name: status")


@needs(LOGIN)
def test_destruction_wants_the_name_typed():
    for path, body in (("/machines/db1/boot", "order=reinstall"), ("/machines/db1/orders", "action=install")):
        for typed in ("", "&confirm=", "&confirm=web1", "&confirm=DB1", "&confirm=db1%20"):
            answer = ask(path, "POST", state["admin"], body + typed, Origin=BASE)
            check_equal(answer.status, 400, f"{path} {typed}: status")
            check("was not typed" in answer.text, f"{path}: {answer}")
    check_equal(lab.vm("db1")["state"], "failed", "state")
    answer = ask("/machines/db1/boot", "POST", state["admin"], "order=reinstall&confirm=db1", Origin=BASE)
    check_equal((answer.status, answer.headers.get("location")), (303, "/machines/db1?done=reinstall"), "typed")
    check(lab.vm("db1")["state"] != "failed", "it still has failed")
    install(MAC.format(2), "partition", status="failed", message=f"no disk {EVIL}", hint=f"add one {EVIL}",
        log=f"partition: looks for a disk\nerror: {EVIL}\n")


@needs(LOGIN)
def test_the_pages_own_bytes_are_few():
    import gzip
    sizes = {path: len(gzip.compress(ask(path, cookie=state["admin"]).body))
        for path in ("/machines", "/assets/style.css", "/assets/script.js", "/assets/icon.svg")}
    print(f"gzip: {sizes}")
    check(sum(sizes.values()) < 60 * 1024, sizes)


# ---- in a browser ----------------------------------------------------------------------------------------

@needs(LOGIN)
def test_a_browser_signs_in_and_sees_all_machines():
    reason = why_not()
    if reason:
        pytest.skip(reason)
    state["browser"] = Browser(scope, lab.net_pid(), BASE)
    browser = signed_in("admin")
    rows = browser.get(what="[...document.querySelectorAll('tbody tr')].map(r => [r.dataset.machine, r.dataset.state])")
    check_equal(rows[:3], [["db1", "failed"], ["db2", "waiting"], [STRANGER, "unknown"]], "the first rows")
    check_equal(sorted(r[0] for r in rows), sorted(["web1", "web2", "db1", "db2", "cache", "build", STRANGER]), "machines")
    row = browser.text(of="tr[data-machine=web2]")
    check("installing: rootfs 33 %" in row and "40 MiB/s" in row and "7 s left" in row, row)
    check_equal(browser.get(what="document.querySelector('tr[data-machine=web2] progress').value"), 33, "progress")
    browser.shot("machines")
    tidy(browser, "/machines")


SEEN = test_a_browser_signs_in_and_sees_all_machines


@needs(SEEN)
def test_every_page_is_accessible_and_nothing_hostile_runs():
    browser = signed_in("axe")
    for path in PAGES:
        check_equal(browser.goto(path=path)["status"], 200, f"{path}: status")
        accessible(browser, path, re.sub(r"[^a-z0-9]+", "-", path.replace(STRANGER, "unknown")).strip("-"))
        tidy(browser, path)
    for path, words in (("/machines/db1", EVIL), ("/machines/db1/log", EVIL), (f"/machines/{STRANGER}", "<svg/onload=alert(4)>"),
            (f"/machines/{STRANGER}/orders", EVIL), ("/machines", "<script>alert(5)</script>"), ("/machines", "<script>alert(6)</script>")):
        browser.goto(path=path)
        browser.get(what="document.querySelectorAll('details').forEach((d) => (d.open = true))")
        check(words in browser.text(), f"{path} does not show {words}")
        check_equal(browser.count(of="main img, main script:not([src^='/assets/']), main svg:not(.bar, .curve svg)"), 0, f"{path}: elements that others brought")
    browser.goto(path="/images")
    check("alert" not in browser.text(), "a folder whose name is no image's is listed")
    browser.goto(path="/machines?q=" + "%22%3E%3Cscript%3Ealert(9)%3C/script%3E")
    check_equal(browser.get(what="document.querySelector('[name=q]').value"), '"><script>alert(9)</script>', "the search field")
    tidy(browser, "a hostile search")


@needs(SEEN)
def test_what_an_order_wrote_is_text_with_nothing_lost_behind_a_zero():
    browser = signed_in("admin")
    browser.goto(path=f"/machines/{STRANGER}/orders")
    browser.click(on="#orders th a")
    check_equal(browser.get(what="decodeURIComponent(location.pathname)"), f"/machines/{STRANGER}/orders/1", "where it leads")
    lines = browser.text(of="#order pre").splitlines()
    check_equal(lines[:2] + lines[-1:], [f"red {EVIL}", " 20%", "its end"], "lines")
    check("not UTF-8: ??, a zero: " in lines[2] and "\u202e" not in lines[2], lines[2])
    check_equal(browser.count(of="#order img, #order script"), 0, "elements of what it wrote")
    tidy(browser, "an order's output")


@needs(SEEN)
@pytest.mark.long
def test_pages_that_say_no_are_accessible_light_and_dark():
    browser = state["browser"]
    browser.use(name="reader")
    for status, path in ((401, "/machines"), (403, "/machines/web1/definition"), (404, "/machines/nobody")):
        if status == 403:
            signed_in("reader", role="read")
        check_equal(browser.goto(path=path)["status"], status, f"{path}: status")
        accessible(browser, f"{path}, {status}", f"refused-{status}")
    browser.goto(path="/machines")
    browser.click(on="header button")
    check("Signed out" in browser.text(), browser.text())
    accessible(browser, "signed out", "signed-out")
    browser.notes() # what was refused is an error there


@needs(SEEN)
def test_the_list_tells_of_a_stranger_what_it_showed_and_how_often_it_asked():
    browser = signed_in("admin")
    found = next(m for m in lab.api("/api/v1/machines")["machines"] if STRANGER in m["macs"])
    row = browser.text(of=f"tr[data-machine='{STRANGER}']")
    for words in (f"{found['manufacturer']} {found['product']}", f"UUID {found['uuid']}", f"serial {found['serial']}", f"asked {found['asked']}×", "Adopt", "Ignore"):
        check(words in row, f"no {words!r} in {row!r}")
    check_equal((found["uuid"], found["serial"]), ("0f0e0d0c-0b0a-4908-8706-0504030201f1", "SN-77"), "what it showed")


@needs(SEEN)
def test_images_tells_size_kernel_time_and_users_as_they_are():
    browser = signed_in("admin")
    browser.goto(path="/images")
    cells = browser.get(what="[...document.querySelector('tbody tr:last-child').cells].map((cell) => cell.innerText)")
    where, manifest = os.path.join(lab.images, "debian-13", "amd64"), state["image"]
    size = sum(os.stat(os.path.join(where, manifest[part]["file"])).st_size for part in ("rootfs", "kernel", "modules"))
    users = [vm for vm in lab.api("/api/v1/vms")["vms"] if vm["distro"] == "debian-13"]
    check_equal((cells[0].split(), cells[3:]), (["debian-13", "amd64"], [f"{size / 1024:.0f} KiB", manifest["kernel_version"],
        manifest["created"].replace("T", " ").rstrip("Z"), f"{len(users)} machines"]), "image; size, kernel, made, used by")
    cells = browser.get(what="[...document.querySelector('tbody tr').cells].map((cell) => cell.innerText)")
    check_equal((cells[3:6], cells[6]), (["", "", ""], "db2"), "of the missing one")


@needs(SEEN)
def test_the_page_of_a_machine_that_does_not_get_on_says_what_explain_says():
    browser = signed_in("admin")
    for name in ("db1", "db2"):
        found = lab.api(f"/api/v1/machines/{name}/explain")["broken"]
        browser.goto(path=f"/machines/{name}")
        says = " ".join(browser.text(of="#why").split())
        for part in (found["link"], found["sentence"], found["hint"], *(e["text"] for e in found["evidence"])):
            check(" ".join(part.replace("`", "").split()) in says, f"{name}: no {part!r} in {says!r}")
    browser.shot("machines-db2")
    browser.goto(path="/machines/web2")
    check_equal(browser.count(of="#why *"), 0, "web2, which gets on: words of trouble")


@needs(SEEN)
def test_all_can_be_read_and_ordered_without_javascript():
    browser = signed_in("plain", js=False)
    for path in PAGES:
        check_equal(browser.goto(path=path)["status"], 200, f"{path}: status")
        check(len(browser.text(of="main")) > 40, f"{path} is empty")
    browser.goto(path="/machines/web1")
    browser.shot("machines-web1-without-script")
    browser.goto(path="/machines")
    browser.shot("machines-without-script")
    browser.fill(on="[name=q]", text="web")
    check("q=web" in browser.click(on=".search button")["url"], "the search is not in the address")
    check_equal(browser.count(of="tbody tr"), 2, "rows")
    browser.click(on="tbody tr:last-child th a")
    browser.click(on=".tabs a:has-text('Events')")
    check("installer: rootfs" in browser.text(of="main"), "no event of its install")
    browser.goto(path="/machines/build/definition")
    check(EVIL in browser.text(of="li:has(.problem) code"), "the problem is not below its line")
    browser.goto(path="/machines/build")
    browser.click(on="button:has-text('Network boot off')")
    check("Network boot is off" in browser.text(of="main"), browser.text(of="main")[:300])
    check_equal(lab.vm("build")["netboot"], False, "network boot of build")
    browser.goto(path="/machines/cache/orders")
    browser.click(on="summary:has-text('reboot')")
    browser.click(on="details[open] button")
    check("reboot" in browser.text(of="#orders") and "waiting" in browser.text(of="#orders"), browser.text(of="#orders"))


@needs(SEEN)
def test_the_keyboard_alone_is_enough():
    browser = signed_in("keys")
    browser.goto(path="/machines/web1")
    browser.press(key="Tab")
    check_equal(browser.get(what="document.activeElement.textContent"), "Skip to content", "the first stop")
    stops = []
    for _ in range(60):
        browser.press(key="Tab")
        stops.append(browser.get(what="[document.activeElement.tagName, (document.activeElement.textContent || "
            "document.activeElement.name || '').trim().slice(0, 30), document.activeElement.matches(':focus-visible')]"))
    names = [s[1] for s in stops]
    check(all(s[2] for s in stops if s[0] != "BODY"), f"a focus that is not seen: {stops}")
    for wanted in ("Machines", "Images", "Sign out", "Events", "Definition", "Boot from disk", "Reinstall", "confirm"):
        check(wanted in names, f"{wanted} is not reached: {names}")
    browser.goto(path="/machines/web2")
    for _ in range(40):
        browser.press(key="Tab")
        if browser.get(what="document.activeElement.textContent") == "Boot from disk":
            break
    browser.press(key="Enter")
    browser.wait(until="location.search === '?done=local'")
    check_equal(lab.vm("web2")["local"], True, "web2 boots from its disk")


@needs(SEEN)
def test_from_320_pixels_to_4k_nothing_is_cut_off():
    browser = signed_in("sizes")
    for path in PAGES:
        browser.goto(path=path)
        for width in (320, 768, 3840):
            browser.size(width=width, height=900)
            wide = browser.get(what="document.documentElement.scrollWidth")
            check(wide <= width, f"{path} at {width}: {wide} wide")
            if path in SIZED and width != 768:
                browser.shot(f"{path.strip('/').replace('/', '-')}-{width}")


@needs(SEEN)
def test_a_row_out_of_sight_is_not_laid_out_until_the_keyboard_reaches_it():
    browser = signed_in("sizes")
    link_of_web1 = "document.querySelector('tr[data-machine=web1] a')"
    laid_out = link_of_web1 + ".checkVisibility({contentVisibilityAuto: true})"
    browser.wait(until=laid_out)
    browser.get(what="document.getElementById('list').style.paddingTop = '20000px'")
    browser.wait(until="!" + laid_out)
    browser.get(what=link_of_web1 + ".focus()")
    browser.wait(until=f"{laid_out} && scrollY > 0 && document.activeElement === {link_of_web1}")


@needs(SEEN)
def test_who_may_only_look_sees_no_button_to_order_with():
    browser = signed_in("reader", role="read")
    browser.goto(path="/machines/web1")
    check("read only" in browser.text(of="header"), "it is not said")
    check_equal(browser.count(of="main button:not(.search button)"), 0, "buttons")


@needs(SEEN)
def test_the_page_follows_what_happens_and_comes_back_after_a_restart_of_the_stack():
    browser = signed_in("live")
    install(MAC.format(4), "rootfs", status="running", bytes=1 << 26, total_bytes=1 << 28, rate_bytes_per_s=1 << 20, eta_s=192)
    browser.wait(until="document.querySelector('tr[data-machine=cache] progress')?.value === 25")
    report(MAC.format(4), phase="rootfs", status="running", bytes=3 << 26, total_bytes=1 << 28, rate_bytes_per_s=1 << 20, eta_s=64)
    report(MAC.format(4), phase="rootfs", status="done")
    report(MAC.format(4), phase="configure", status="running")
    browser.wait(until="document.querySelector('tr[data-machine=cache]').textContent.includes('configure')")
    docker("restart", lab.stack, timeout=60)
    lab.wait_serving()
    report(MAC.format(4), phase="configure", status="failed", message=EVIL)
    browser.wait(until="document.querySelector('tr[data-machine=cache]').dataset.state === 'failed'", ms=20000)
    check_equal(browser.goto(path="/images")["status"], 200, "the session after the restart: status")
    notes = browser.notes()
    check_equal((notes["dialogs"], notes["elsewhere"]), (0, []), "dialogs, requests to elsewhere")


@needs(SEEN)
def test_progress_that_is_no_event_is_followed_and_drawn():
    browser = signed_in("progress")
    for mb in (1, 3, 6):
        report(MAC.format(5), phase="rootfs", status="running", bytes=mb << 20, total_bytes=8 << 20, rate_bytes_per_s=2 << 20, eta_s=1)
        browser.wait(until=f"document.querySelector('tr[data-machine=build] progress')?.value === {100 * mb // 8}")
    browser.goto(path="/machines/build")
    words = browser.text(of=".curve figcaption")
    check("6.0 MiB in" in words and "MiB/s, at most" in words, words)
    points = browser.get(what="document.querySelector('.curve polygon').points.length")
    check(points >= 6, f"{points} points in the picture of three reports")
    report(MAC.format(5), phase="rootfs", status="done")
    report(MAC.format(5), phase="configure", status="running")
    browser.wait(until="document.querySelector('#timeline').textContent.includes('configure')")
    check("6.0 MiB in" in browser.text(of=".curve figcaption"), "the curve is gone once the image is there")


@needs(SEEN)
def test_a_stage_that_goes_on_is_counted_while_nothing_happens():
    browser = signed_in("progress")
    browser.goto(path="/machines/web1")
    took = "document.querySelector('.timeline [data-goes]').textContent"
    browser.wait(until=f"{took} !== {json.dumps(browser.get(what=took))}")


@needs(SEEN)
def test_only_what_has_changed_is_sent_and_a_row_is_replaced_when_it_is_another():
    whole = ask("/machines.json", cookie=state["admin"]).json
    check_equal([r["id"] for r in whole["rows"]], whole["order"], "all rows, in their order")
    check(all(r["html"].startswith("<tr") for r in whole["rows"]), "rows of a page that has none")
    same = ask(f"/machines.json?after={whole['version']}", cookie=state["admin"]).json
    check_equal((same["rows"], "order" in same), ([], False), "nothing has happened: rows, order")
    report(MAC.format(1), phase="rootfs", status="running", bytes=1 << 28, total_bytes=3 << 27, rate_bytes_per_s=40 << 20, eta_s=3)
    changed = lambda: {r["id"]: r for r in ask(f"/machines.json?after={same['version']}", cookie=state["admin"]).json["rows"]}
    rows = eventually(lambda: (found := changed()) and "web2" in found and found, 3, "web2 has got on")
    check_equal((rows["web2"].get("percent"), "html" in rows["web2"]), (66, False), "web2: percent, a row")
    check("web1" not in rows, f"web1 did nothing: {rows.get('web1')}")
    reader = ask("/machines.json?q=" + STRANGER, cookie=state["read"]).json
    check_equal(reader["order"], [STRANGER], "what was searched for")
    check("<form" not in reader["rows"][0]["html"] and "<form" in next(r for r in whole["rows"] if r["id"] == STRANGER)["html"],
        "who may only look gets a form, or who may order none")


@needs(SEEN)
def test_a_definition_marks_what_the_machine_does_not_have_yet():
    browser = signed_in("marks")
    browser.goto(path="/machines/web1/definition")
    check("old value" not in browser.text(of="main"), browser.text(of="main"))
    lab.define("web1", mac=MAC.format(0), ip="192.168.100.20", hostname="other", kernel_args="quiet", cpus=4)
    eventually(lambda: "other" in json.dumps(lab.vm("web1")) or lab.vm("web1")["cpus"] == 4, 5, "the new definition is read")
    browser.goto(path="/machines/web1/definition")
    lines = browser.get(what="[...document.querySelectorAll('.code li:has(.problem)')].map(li => li.textContent)")
    check(any('"hostname"' in line and line.endswith("runs with the old value: web1") for line in lines), lines)
    check(any('"kernel_args"' in line and line.endswith("runs with the old value: none") for line in lines), lines)
    check(not any('"cpus"' in line for line in lines), f"no VM of ours was seen to start: {lines}")
    switch_on(MAC.format(0))
    eventually(lambda: lab.api("/api/v1/events?vm=web1&kind=power")["events"], 5, "web1 is switched on")
    lab.define("web1", mac=MAC.format(0), ip="192.168.100.20", hostname="web1")
    eventually(lambda: lab.vm("web1")["cpus"] != 4, 5, "the newest definition is read")
    browser.goto(path="/machines/web1/definition")
    check("cpus" in browser.text(of="main") and "old value: 4" in browser.text(of="main"), browser.text(of="main"))
    check("kernel_args" not in browser.text(of="main"), "what is as it was installed is marked")
    found = browser.axe()
    check_equal(found["violations"], [], "axe")
    browser.shot("definition-old-values")


@needs(SEEN)
def test_an_image_is_verified_by_who_was_installed_with_it():
    browser = signed_in("images")
    browser.goto(path="/images")
    row = "tr:has(th:has-text('debian-13'))"
    digest = state["image"]["rootfs"]["sha256"]
    check("verified" in browser.text(of=row) and digest in browser.text(of=row), browser.text(of=row))
    check("fedora" in browser.text(of="tbody tr:first-child") and "cannot be used" in browser.text(of="tbody tr:first-child"),
        "the missing one that is wanted is not the first")
    path = os.path.join(lab.images, "debian-13", "amd64", "manifest.json")
    with open(path) as f:
        kept = f.read()
    lab_manifest = kept.replace(digest, "0" * 63 + "1")
    with open(path + ".new", "w") as f:
        f.write(lab_manifest)
    os.rename(path + ".new", path)
    eventually(lambda: "not since it is another" in (browser.goto(path="/images"), browser.text(of=row))[1], 5, "the other image")
    with open(path + ".new", "w") as f:
        f.write(kept)
    os.rename(path + ".new", path)


@needs(SEEN)
def test_a_stranger_is_ignored_and_adopted():
    browser = signed_in("adopts")
    browser.click(on=f"tr[data-machine='{STRANGER}'] button:has-text('Ignore')")
    check_equal(browser.count(of=f"tr[data-machine='{STRANGER}']"), 0, "rows of it once it is ignored")
    browser.goto(path="/machines?state=ignored")
    browser.click(on="button:has-text('List again')")
    check_equal(browser.count(of=f"tr[data-machine='{STRANGER}']"), 1, "rows of it")
    os.chmod(lab.vms, 0o755)
    browser.goto(path=f"/machines/{STRANGER}")
    check(f"vmlab adopt {STRANGER} NAME" in browser.text(of="#adopt"), browser.text(of="#adopt"))
    os.chmod(lab.vms, 0o777)
    browser.goto(path=f"/machines/{STRANGER}")
    browser.fill(on="#adopt input", text="box9")
    browser.click(on="#adopt button")
    eventually(lambda: lab.vm("box9"), 5, "box9 is declared")
    with open(os.path.join(lab.vms, "box9.json")) as f:
        check_equal(json.load(f)["mac"], STRANGER, "its definition")


# ---- windows, and what comes in between -------------------------------------------------------------------

LATE = MAC.format(6)


def state_of(name):
    return f"document.querySelector('tr[data-machine={name}]').dataset.state"


def says(what):
    return f"document.getElementById('live').textContent === '{what}'"


def streams_are(count):
    """The server sees that one is gone when it has something to tell it."""
    def probe():
        lab.api("/api/v1/vms/cache/reinstall", method="POST")
        found = lab.operator("/metrics").text
        return f"\nvmlab_event_streams {count}\n" in found or check(False, re.findall("vmlab_event_streams .*", found))
    eventually(probe, 10, f"{count} streams at the server", every=0.25)


def shows_event(browser, what, ms=10000):
    browser.wait(until=f"document.querySelector('#events').textContent.includes({what!r})", ms=ms)


@needs(SEEN)
def test_the_windows_of_a_browser_share_one_stream_also_when_the_one_that_reads_it_closes_or_is_hidden():
    browser = state["browser"]
    for name in ("admin", "axe", "plain", "keys", "sizes", "reader", "live", "progress", "marks", "images", "adopts"):
        browser.do("close", name=name)
    lab.define("late", mac=LATE, ip="192.168.100.26")
    lab.wait_vm("late")
    signed_in("first")
    browser.use(name="second", beside="first")
    browser.goto(path="/machines/late/log")
    for name in ("first", "second"):
        browser.use(name=name)
        browser.wait(until=says("Live"))
    streams_are(1)
    ipxe(LATE)
    report(LATE, phase="network", status="running", log="its first line\n")
    report(LATE, phase="network", status="running", log="its second line\n" + EVIL)
    browser.wait(until="document.querySelector('#log').textContent.includes('second line')")
    check(EVIL in browser.text(of="#log") and browser.get(what="!document.querySelector('#log img, #log script')"), browser.text(of="#log"))
    browser.use(name="first")
    browser.wait(until=state_of("late") + " === 'installing'")
    browser.use(name="second")
    browser.goto(path="/machines/late/events")
    browser.shut(name="first")
    report(LATE, phase="config", status="running")
    report(LATE, phase="plan", status="running")
    shows_event(browser, "installer: plan")
    check_equal(browser.text(of="#live"), "Live", "what the one that is left says")
    streams_are(1)
    browser.hide(hidden=True)
    streams_are(0)
    report(LATE, phase="partition", status="running")
    check("installer: partition" not in browser.text(of="#events"), "a hidden window is kept up to date")
    browser.hide(hidden=False)
    shows_event(browser, "installer: partition")
    tidy(browser, "two windows")


WINDOWS = test_the_windows_of_a_browser_share_one_stream_also_when_the_one_that_reads_it_closes_or_is_hidden


@needs(WINDOWS)
@pytest.mark.long
def test_a_connection_that_was_cut_is_told_and_afterwards_each_event_came_once():
    relay = TcpRelay(f"/proc/{lab.net_pid()}/ns/net", OPERATOR_PORT)
    scope.cleanup(relay.cut)
    browser = state["browser"]
    browser.use(name="far", at=f"http://127.0.0.1:{relay.port}")
    browser.streamed()
    signed_in("far")
    browser.use(name="beside", beside="far")
    browser.goto(path="/machines/late/events")
    for name in ("far", "beside"):
        browser.use(name=name)
        browser.wait(until=says("Live"))
    report(LATE, phase="format", status="running")
    shows_event(browser, "installer: format")
    relay.cut()
    for name in ("far", "beside"):
        browser.use(name=name)
        browser.wait(until="document.getElementById('live').dataset.current === 'false'")
        check(browser.text(of="#live") in ("Reconnecting …", "The lab does not answer"), browser.text(of="#live"))
    report(LATE, phase="rootfs", status="running")
    report(LATE, phase="configure", status="failed", message="while nobody heard")
    relay.begin()
    browser.wait(until=says("Live"))
    shows_event(browser, "failed")
    check_equal(browser.count(of="#events tbody tr"), len(lab.api("/api/v1/events?vm=late")["events"]), "rows of late's events")
    browser.use(name="far")
    browser.wait(until=says("Live"))
    browser.wait(until=state_of("late") + " === 'failed'")
    count, passed_over = browser.told_once(lab.api)
    check(count >= 3 and passed_over and not any(passed_over), f"{count} events; passed over by each reconnect: {passed_over}")
    notes = browser.notes()
    check_equal((notes["dialogs"], notes["elsewhere"]), (0, []), "dialogs, requests to elsewhere")
    browser.do("close", name="far")


# ---- earlier attempts, addresses ------------------------------------------------------------------------------

def attempts(name):
    """Of the API's events, without the server's own idea of them: [[(stage, ms)]] of those that ended."""
    found, now = [], []
    for event in lab.api(f"/api/v1/events?vm={name}&limit=1000")["events"]:
        at = round(datetime.fromisoformat(event["at"]).timestamp() * 1000)
        stage = {"ipxe": "kernel and initrd", "phase": event.get("phase")}.get(event["kind"])
        if event["kind"] == "ipxe" and event["text"] != "install":
            continue
        if stage and not now:
            now.append(("firmware", at))  # nobody saw it begin
        if stage and now[-1][0] != stage:
            now.append((stage, at))
        if event["kind"] == "state" and event["text"] == "failed":
            ends = [begun for _, begun in now[1:]] + [at]
            found.append([(stage, end - begun) for (stage, begun), end in zip(now, ends)])
            now = []
    return found


@needs(WINDOWS)
def test_medians_of_earlier_attempts_are_those_of_the_events():
    for n in (1, 2, 3):
        lab.api("/api/v1/vms/late/reinstall", method="POST")
        ipxe(LATE)
        time.sleep(0.1 * n)
        report(LATE, phase="network", status="running")
        report(LATE, phase="config", status="failed", message="again")
        eventually(lambda: lab.vm("late")["state"] == "failed", 5, "it failed")
    browser = signed_in("medians")
    browser.goto(path="/machines/late")
    before = attempts("late")[:-1]
    check(len(before) >= 2, f"attempts: {before}")
    shown = dict(browser.get(what="[...document.querySelectorAll('#timeline > .scroll tbody tr')].map((r) => [r.cells[0].innerText, r.cells[3].innerText])"))
    wanted = {stage: int(median([sum(ms for name, ms in attempt if name == stage) for attempt in before if stage in dict(attempt)])) for stage in shown}
    check(set(wanted) >= {"kernel and initrd", "network", "config"}, f"stages: {shown}")
    check_equal(shown, {stage: f"{ms / 1000:.1f} s" for stage, ms in wanted.items()}, "the medians")
    check("Median before" in browser.text(of="#timeline thead"), "the column has no name")
    check_equal(" ".join(browser.text(of="#timeline .key").split()), f"this boot median of {len(before)} before it", "the key")
    check_equal(browser.count(of="#timeline > .scroll .bar .before"), len(shown), "bars of medians")
    width = browser.get(what="document.querySelectorAll('#timeline > .scroll .bar .before')[1].width.baseVal.value")
    whole = sum(ms for _, ms in attempts("late")[-1])
    check(abs(width - 1000 * wanted["kernel and initrd"] / whole) <= 3, f"the first median is {width} of 1000 wide")
    check_equal(browser.count(of="#timeline details.attempt"), len(before), "earlier attempts")
    check_equal(browser.axe()["violations"], [], "axe")
    browser.shot("machines-late-medians")
    tidy(browser, "medians")


@needs(SEEN)
def test_an_address_that_is_not_the_declared_one_is_told_and_hostile_events_and_host_names_are_text():
    client = lab.client("dhcp", mac=MAC.format(4))
    with client.inside():
        asks = dhcp.Client()
        got = asks.acquire(client.mac, hostname=b"<img/src=x/onerror=alert(7)>")
        asks.close()
    check_equal(got.yiaddr, "192.168.100.24", "the declared address")
    lab.define("cache", mac=client.mac, ip="192.168.100.77", **{EVIL: 1})
    vm = lab.wait_vm("cache", 5, lambda vm: vm["declared_ip"] == "192.168.100.77", "has another address declared")
    check(vm["ip"] != vm["declared_ip"], f"it has the new one already: {vm['ip']}")
    browser = signed_in("medians")
    browser.goto(path="/machines")
    check_equal(browser.text(of="tr[data-machine=cache] td.mono").split(), [vm["ip"], "declared:", vm["declared_ip"]], "its address in the list")
    check("warn" in browser.get(what="document.querySelector('tr[data-machine=cache] td.mono .sub').className"), "no warning")
    eventually(lambda: lab.api("/api/v1/events?vm=cache&kind=problem")["events"], 5, "the problem is an event")
    for path in ("/machines/cache", "/machines/cache/events"):
        browser.goto(path=path)
        check_equal(browser.count(of="main img"), 0, f"{path}: pictures")
    check(EVIL in browser.text(of="#events"), browser.text(of="#events")[:500])
    tidy(browser, "a hostile host name")


@needs(SEEN)
@pytest.mark.long
def test_filters_tabs_and_strangers_are_reached_by_keyboard():
    browser = signed_in("medians")
    browser.goto(path="/machines")
    browser.tab_to("[name=q]")
    for key in "we":
        browser.press(key=key)
    browser.press(key="Enter")
    browser.wait(until="location.search.includes('q=we')")
    browser.tab_to("[name=state]")
    browser.press(key="End")
    browser.press(key="Tab")
    browser.press(key="Enter")
    browser.wait(until="location.search.includes('state=ignored')")
    browser.goto(path="/images")
    browser.tab_to("tbody a")
    browser.press(key="Enter")
    browser.wait(until="location.pathname === '/machines/db2'")
    for path in ("/events", "/log", "/console", "/definition", "/orders"):
        browser.tab_to(f".tabs a[href$='{path}']")
        browser.press(key="Enter")
        browser.wait(until=f"location.pathname === '/machines/db2{path}'")
    strange = "52:54:00:7e:5b:f2"
    ipxe(strange, "&serial=%3Cb%3ESN%22%3E")
    browser.goto(path="/machines?q=" + strange)
    browser.tab_to(f"tr[data-machine='{strange}'] .actions a")
    browser.tab_to(f"tr[data-machine='{strange}'] button")
    browser.press(key="Enter")
    browser.wait(until=f"location.search === '' && !document.querySelector(\"tr[data-machine='{strange}']\")")
    os.chmod(lab.vms, 0o777)
    browser.goto(path=f"/machines/{strange}")
    browser.tab_to("#adopt input")
    for key in "keyed":
        browser.press(key=key)
    browser.press(key="Enter")
    eventually(lambda: lab.vm("keyed"), 5, "it is adopted")
    tidy(browser, "by keyboard")


@needs(LOGIN)
def test_signing_out_and_ending_all_sessions():
    answer = ask("/logout", "POST", state["read"], "", Origin=BASE)
    check("Max-Age=0" in answer.headers["set-cookie"], answer.headers)
    check_equal(ask("/machines", cookie=state["admin"]).status, 200, "before: status")
    lab.api("/api/v1/sessions", method="DELETE")
    check_equal(ask("/machines", cookie=state["admin"]).status, 401, "afterwards: status")
    check_equal(ask("/machines", cookie=cookie_of(ask(link("read")))).status, 200, "a new one: status")
