"""Images over HTTP, requests that are wrong, and the operator's API."""
import json
import resource
import socket

from kit import http_client
from kit.check import check, check_equal
from kit.lab import SERVER
from kit.stack_lab import ALPHA, STRANGER, installs


def test_images_content_length_ranges_and_etag(lab):
    path = "/images/debian-13/amd64/rootfs.tar.zst"
    data = lab.files["rootfs.tar.zst"]
    answer = lab.ask(path)
    check(answer.status == 200 and answer.body == data, f"GET: {answer.status}, {len(answer.body)} bytes")
    check(answer.headers.get("etag"), "no ETag")
    check_equal(lab.ask(path, headers={"If-None-Match": answer.headers["etag"]}).status, 304, "If-None-Match")
    part = lab.ask(path, headers={"Range": "bytes=1000-1999"})
    check(part.status == 206 and part.body == data[1000:2000], f"range: {part.status}")
    rest = lab.ask(path, headers={"Range": f"bytes={len(data) - 5}-"})
    check(rest.status == 206 and rest.body == data[-5:], f"open range: {rest.status}")
    check_equal(lab.ask(path, headers={"Range": f"bytes={len(data)}-"}).status, 416, "range past the end")
    changed = lab.ask(path, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    check_equal(changed.status, 200, "If-Range with another ETag")


def test_initrds_for_both_architectures_are_there_and_are_zstd(lab):
    for arch in ("amd64", "arm64"):
        answer = lab.ask(f"/initrds/{arch}/initrd.zst")
        check_equal(answer.status, 200, f"{arch}: status")
        check(answer.body[:4] == b"\x28\xb5\x2f\xfd", f"{arch} is not zstd: {answer.body[:8]!r}")
        check(len(answer.body) <= 8 << 20, f"{arch}: {len(answer.body)} bytes are more than 8 MiB")


def test_no_directory_listing_no_way_out_of_the_directories(lab):
    for path in ("/images/", "/images", "/images/debian-13/", "/initrds/", "/"):
        answer = lab.ask(path)
        check(answer.status in (301, 403, 404), f"{path}: {answer}")
        check("rootfs" not in answer.text and "debian-13<" not in answer.text, f"{path} lists: {answer}")
    for path in ("/images/../../etc/passwd", "/images/../etc/passwd", "/images/%2e%2e/%2e%2e/etc/passwd",
            "/images../etc/passwd", "/images/..%2f..%2fetc/passwd", "/initrds/..%5c..%5cetc/passwd",
            "/images/debian-13/amd64/%00", "//etc/passwd", "/images/../state/vmlab.db",
            "/initrds../tftp/boot.ipxe"):
        answer = lab.ask(path)
        check(answer.status in (400, 403, 404), f"{path}: {answer}")
        check("root:" not in answer.text, f"{path} gave the password file away")


def one_sentence(answer, what):
    text = answer.text.strip()
    check("\n" not in text and "<html" not in text and 8 < len(text) < 400,
        f"{what}: not one plain sentence: {text[:200]!r}")


def test_malformed_addresses_get_400_and_one_sentence(lab):
    for mac in ("", "x", "52:54:00:7e:57", "52:54:00:7e:57:01:02", "52:54:00:7e:57:0g", "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "52:54:00:7e:57:01%0ashell", "52:54:00:7e:57:01%00",
            "..%2f..%2fetc", "%24%7bmac%7d", "52:54-00:7e:57:01", "a" * 500):
        answer = lab.ask(f"/ipxe?mac={mac}")
        check_equal(answer.status, 400, f"/ipxe?mac={mac}: {answer.text[:100]!r}; status")
        one_sentence(answer, f"/ipxe?mac={mac}")
        if mac:
            check(lab.ask(f"/config/{mac}").status in (400, 404), f"/config/{mac}: {lab.ask(f'/config/{mac}')}")
            answer = lab.ask(f"/report/{mac}", method="POST", body={"phase": "disk", "status": "running"})
            check(answer.status in (400, 404), f"/report/{mac}: {answer}")
    check_equal(lab.ask("/ipxe").status, 400, "/ipxe without parameters: status")
    check_equal(lab.ask("/config/not-a-mac").status, 400, "/config/not-a-mac: status")


def test_unknown_machines_and_paths_get_404_other_methods_405(lab):
    for path in (f"/config/{STRANGER}", "/nosuch", "/config", "/config/", "/cloud-init/alpha",
            "/cloud-init/../alpha/meta-data", "/ipxe/x", "/healthz", "/readyz", "/api/v1/vms",
            "/api/v1/vms/alpha"):
        answer = lab.ask(path)
        check(answer.status in (400, 404), f"{path}: {answer}")
    check_equal(lab.ask(f"/config/{STRANGER}").status, 404, "/config of a stranger: status")
    answer = lab.ask(f"/report/{STRANGER}", method="POST", body={"phase": "network", "status": "running"})
    check_equal(answer.status, 404, "a stranger's report: status")
    for method, path in (("POST", f"/ipxe?mac={ALPHA}"), ("DELETE", f"/config/{ALPHA}"),
            ("GET", f"/report/{ALPHA}"), ("PUT", f"/report/{ALPHA}"), ("POST", "/cloud-init/alpha/meta-data")):
        answer = lab.ask(path, method=method, body=b"" if method != "GET" else None)
        check_equal(answer.status, 405, f"{method} {path}: {answer.text[:80]!r}; status")
    answer = lab.ask("/api/v1/vms/alpha/reinstall", method="POST", body=b"")
    check(answer.status in (400, 404), f"the lab can ask for a reinstall: {answer}")


def test_a_report_too_big_gets_413_a_broken_one_400_and_neither_is_believed(lab):
    before = lab.vm("alpha")["state"]
    big = json.dumps({"phase": "rootfs", "status": "running", "log": "x" * 200000}).encode()
    for path, body in ((f"/report/{ALPHA}", big), (f"/inventory/{ALPHA}", {"text": "x" * (2 << 20)})):
        answer = lab.ask(path, method="POST", body=body)
        check_equal(answer.status, 413, f"{path}: status")
        check("too large" in answer.text and "<" not in answer.text, f"{path}: no sentence: {answer.text!r}")
    answer = lab.ask(f"/report/{ALPHA}", method="POST", body=b"", headers={"Content-Length": "99999999999"})
    check_equal(answer.status, 413, "announced 99 GB: status")
    for body in (b"", b"{", b"[]", b"null", b'{"phase":"nosuch","status":"running"}',
            b'{"phase":"rootfs","status":"nosuch"}', b'{"phase":"rootfs"}', b'{"phase":1,"status":2}',
            b"\xff\xfe", b"[" * 5000, b'{"phase":"report","status":"done"'):
        answer = lab.ask(f"/report/{ALPHA}", method="POST", body=body)
        check_equal(answer.status, 400, f"{body[:50]!r}: {answer.text[:80]!r}; status")
    check_equal(lab.vm("alpha")["state"], before, "alpha's state")


def test_a_header_of_any_size_is_answered_in_one_sentence(lab):
    for size in (2500, 3500, 4500, 6000, 7000, 7900, 9000, 40000):
        answer = lab.ask(f"/ipxe?mac={ALPHA}", headers={"X-Big": "a" * size})
        check(answer.status == 200 and installs(answer.text) if size < 3000 else answer.status in (200, 400, 431), f"{size} bytes: {answer}")
        check(answer.status == 200 or "<" not in answer.text and answer.text.count("\n") == 1, f"{size} bytes: no sentence: {answer.text!r}")


def test_requests_that_are_no_http_do_not_take_anything_down(lab):
    with lab.machine.inside():
        for data in (b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 300,
                b"GET /ipxe?" + b"a" * 40000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                b"POST /report/" + ALPHA.encode() + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                b"GET /ipxe?mac=" + ALPHA.encode() + b" HTTP/1.1\r\n" + b"X: y\r\n" * 3000 + b"\r\n"):
            http_client.raw(SERVER, data, timeout=2)
    check(installs(lab.ipxe(ALPHA)), "alpha has no script any more")


def test_who_opens_connections_as_fast_as_it_can_gets_a_part_of_them(lab):
    """In a tenth of a second as many as nginx has in all; the kernel asks again for those that it got no answer for after 1 s."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    greedy, held, opened = lab.client("greedy", cidr="192.168.100.66/24"), [], 0
    try:
        with greedy.inside():
            for _ in range(6000):
                held.append(socket.socket())
                held[-1].setblocking(False)
                held[-1].connect_ex((SERVER, 80))
        opened = sum(1 for s in held if s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0 and is_open(s))
        check_equal(lab.ask("/ipxe?mac=" + ALPHA).status, 200, "another one: status")
    finally:
        for s in held:
            s.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    check(1000 < opened < 5000, f"{opened} of 6000 connections at once")


def is_open(s):
    try:
        return bool(s.getpeername())
    except OSError:
        return False


def test_the_operators_api_list_one_errors_as_json(lab):
    listed = lab.api("/api/v1/vms")
    names = [vm["name"] for vm in listed["vms"]]
    check_equal(sorted(names), ["alpha", "arm", "bios", "gamma", "local", "pvm", "rescue"], "names")
    alpha = lab.vm("alpha")
    for key in ("name", "mac", "ip", "arch", "distro", "hostname", "state", "phase", "bytes", "total_bytes",
            "rate_bytes_per_s", "eta_s", "attempt", "changed_at", "last_seen", "error", "user",
            "ssh_host_keys", "log"):
        check(key in alpha, f"{key} is missing: {sorted(alpha)}")
    check_equal((alpha["mac"], alpha["ip"], alpha["arch"], alpha["user"]),
        (ALPHA, "192.168.100.10", "amd64", "lab"), "mac, ip, arch, user")
    for method, path, status in (("GET", "/api/v1/vms/nobody", 404), ("POST", "/api/v1/vms/nobody/reinstall", 404),
            ("POST", "/api/v1/vms/alpha/explode", 404), ("DELETE", "/api/v1/vms/alpha", 405),
            ("GET", "/api/v1/vms/alpha/reinstall", 405), ("GET", "/api/v1/nosuch", 404),
            ("GET", "/api/v1/events?after=x", 400), ("GET", "/api/v1/vms/..%2f..%2fetc", 400)):
        answer = lab.operator(path, method=method, body=b"" if method == "POST" else None)
        check_equal(answer.status, status, f"{method} {path}: {answer.text[:100]!r}; status")
        check(isinstance(answer.json.get("error"), str), f"{method} {path}: no error sentence: {answer}")
    wrong = lab.operator("/api/v1/vms/alpha/explode", method="POST", body=b"").text
    check("reinstall" in wrong and "local" in wrong, f"does not name the known actions: {wrong}")


def test_every_daemon_is_still_the_process_that_it_was(lab):
    lab.same_processes()
