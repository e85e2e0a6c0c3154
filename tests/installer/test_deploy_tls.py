"""The agent's order `deploy` from addresses that begin with https: by authorities that the server names alone, and where
other servers lead to."""
import contextlib
import hashlib
import os
import ssl
import threading

import pytest

import kit.certificate
from kit import netns, range_server
from kit.agent_bench import PORT, SERVER
from kit.backup_bench import MIB, BackupBench, Handler
from kit.check import check, check_equal, skip
from kit.command import have_command
from kit.scope import Scope

scope = Scope("deploy-tls")
TLS_PORT = 8443
AUTHORITIES = "/tls/ca-certificates.crt"
IMAGE = os.urandom(9 * MIB)


@pytest.fixture(scope="module")
def made(own_mounts):
    if os.geteuid() != 0:
        skip("needs root")
    for tool in ("unshare", "losetup", "openssl"):
        if not have_command(tool):
            skip(f"{tool} is not installed")
    return BackupBench(scope)


@pytest.fixture(scope="module")
def authority():
    return certificate("authority", ["-subj", "/CN=an authority of the test's own"])


@pytest.fixture
def bench(made):
    yield from made.for_one_test()


def certificate(name, words):
    return kit.certificate.authority(scope.tempdir(), name, words)


def vouched(authority, host=SERVER, dates=()):
    return kit.certificate.vouched(scope.tempdir(), authority, host, dates)


class Leading(Handler):
    """`/lead` leads to where `leads` says."""

    def do_GET(self):
        if self.path == "/lead":
            return self.answer(b"", 302, [("Location", self.server.bench.leads)])
        return super().do_GET()


@contextlib.contextmanager
def served(bench, pair, port=TLS_PORT):
    """A server beside the bench's own, of the same files; `pair` None: without TLS."""
    with netns.inside(bench.server_path):
        server = range_server.Server((SERVER, port), Leading)
    server.bench = bench
    if pair:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair[1], pair[0])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def deploy(bench, url, trusted):
    """(what was told of its end, the disk, the disk before)"""
    bench.files["/files/disk"] = IMAGE
    if trusted:
        with open(trusted, "rb") as f:
            bench.files[AUTHORITIES] = f.read()
    path = os.path.join(bench.work, "target")
    before = b"\x07" * (len(IMAGE) + MIB)
    with open(path, "wb") as f:
        f.write(before)
    with bench.loop(path) as name:
        bench.start_agent()
        done = bench.order("deploy", disk=bench.disk(name), url=url, sha256=hashlib.sha256(IMAGE).hexdigest())
        with open(f"/dev/{name}", "rb") as f:
            return done, f.read(), before


def check_deployed(done, disk, bench):
    check_equal(done["result"], "ok", f"{done} {bench.log()[-600:]}")
    check(disk[:len(IMAGE)] == IMAGE, "the disk is not the image")


@pytest.mark.parametrize("cut", (False, True))
def test_by_an_authority_that_the_server_names(bench, authority, cut):
    bench.cut_after = len(IMAGE) // 3 if cut else None
    with served(bench, vouched(authority)):
        done, disk, _ = deploy(bench, f"https://{SERVER}:{TLS_PORT}/files/disk", authority[1])
    check_deployed(done, disk, bench)
    check_equal(done["figures"]["retries"] > 0, cut, "it was taken up again")


REFUSED = {  # the server's (key, certificate), whom the server names
    "an authority that nobody named": lambda a: (vouched(certificate("other", ["-subj", "/CN=other"])), a[1]),
    "one that vouches for itself": lambda a: (certificate("own", ["-subj", "/CN=own", "-addext", f"subjectAltName=IP:{SERVER}"]), a[1]),
    "of another address": lambda a: (vouched(a, "192.0.2.7"), a[1]),
    "whose time is over": lambda a: (vouched(a, dates=("-days", "-1")), a[1]),
    "no authorities": lambda a: (vouched(a), None),
}


@pytest.mark.parametrize("what", REFUSED)
def test_no_byte_is_written_of_a_server_that_nobody_vouches_for(bench, authority, what):
    pair, trusted = REFUSED[what](authority)
    with served(bench, pair):
        done, disk, before = deploy(bench, f"https://{SERVER}:{TLS_PORT}/files/disk", trusted)
    check_equal(done["result"], "failed", f"{done}")
    check("certificate" in done["text"], done["text"])
    check(disk == before, "the disk was written to")


def test_where_a_server_leads_is_followed(bench, authority):
    bench.leads = f"https://{SERVER}:{TLS_PORT}/files/disk"
    with served(bench, None, 8081), served(bench, vouched(authority)):
        for url in f"http://{SERVER}:8081/lead", f"https://{SERVER}:{TLS_PORT}/lead":
            done, disk, _ = deploy(bench, url, authority[1])
            check_deployed(done, disk, bench)


def test_but_not_out_of_tls(bench, authority):
    bench.leads = f"http://{SERVER}:{PORT}/files/disk"
    with served(bench, vouched(authority)):
        done, disk, before = deploy(bench, f"https://{SERVER}:{TLS_PORT}/lead", authority[1])
    check_equal(done["result"], "failed", f"{done}")
    check("not asked over TLS" in done["text"], done["text"])
    check(disk == before, "the disk was written to")


def test_a_server_that_leads_in_circles_is_left(bench):
    bench.leads = f"http://{SERVER}:8081/lead"
    with served(bench, None, 8081):
        done, disk, before = deploy(bench, f"http://{SERVER}:8081/lead", None)
    check_equal(done["result"], "failed", f"{done}")
    check("place to place" in done["text"], done["text"])
    check(disk == before, "the disk was written to")
