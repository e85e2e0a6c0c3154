"""What TFTP serves, and what it does not."""
import contextlib
import os
import select
import socket
import time

from kit.check import check, check_equal, eventually
from kit.command import docker
from kit.lab import SERVER


def test_tftp_serves_the_loaders_each_the_file_its_name_says(lab):
    machine = {"ipxe-x86_64.efi": 0x8664, "ipxe-arm64.efi": 0xaa64}
    for name, wanted in machine.items():
        data = lab.tftp(name)
        check(data[:2] == b"MZ", f"{name} is no EFI program")
        header = int.from_bytes(data[0x3c:0x40], "little")
        check_equal(int.from_bytes(data[header + 4:header + 6], "little"), wanted, f"{name}: machine type")
    check(20000 < len(lab.tftp("undionly.kpxe")) < 300000, "undionly.kpxe has an odd size")


def test_tftp_serves_autoexec_ipxe_and_boot_ipxe_which_ask_ipxe_for_ever(lab):
    for name in ("autoexec.ipxe", "boot.ipxe"):
        text = lab.tftp(name).decode()
        check(text.startswith("#!ipxe"), f"{name}: {text[:60]!r}")
        for wanted in ("/ipxe?mac=${", "/mac}", "arch=", "uuid=", "serial=", "chain --replace",
                "prompt --key m --timeout 5000", "goto"):
            check(wanted in text, f"{name} lacks {wanted!r}:\n{text}")
    check("ifopen" in lab.tftp("autoexec.ipxe").decode(), "autoexec.ipxe opens no interface")


def test_tftp_gives_nothing_from_outside_its_directory(lab):
    for name in ("../../etc/passwd", "/etc/passwd", "..//..//etc/shadow", "nosuch.efi"):
        where = os.path.join(lab.scope.tempdir(), "tftp.bad")
        done = lab.machine.run(["busybox", "tftp", "-g", "-r", name, "-l", where, SERVER], check_rc=False,
            timeout=60)
        data = open(where, "rb").read() if os.path.exists(where) else b""
        check(done.returncode != 0 and b"root:" not in data, f"{name}: got {data[:60]!r}")


def test_tftp_a_file_that_was_sent_is_no_line_of_the_log_one_that_could_not_be_is(lab):
    log = lambda: (lambda done: done.stdout + done.stderr)(docker("logs", lab.stack, check_rc=False))
    lab.tftp("undionly.kpxe")
    with lab.machine.inside():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(3)
        s.sendto(b"\0\1undionly.kpxe\0octet\0", (SERVER, 69))
        server = s.recvfrom(2048)[1]
        s.sendto(b"\0\5\0\0no more, thanks\0", server)
        s.close()
    eventually(lambda: "no more, thanks" in log(), 3, "the error of a transfer is logged")
    sent = [line for line in log().splitlines() if "sent " in line and "tftp" in line]
    check(not sent, f"{len(sent)} lines such as {sent[:1]}")


@contextlib.contextmanager
def addresses(lab, count):
    """That the client machine has beside its own: of one address only so many files are asked for."""
    own = [f"192.168.100.{n}" for n in range(120, 120 + count)]
    batch = os.path.join(lab.scope.tempdir(), "addresses")

    def change(verb):
        with open(batch, "w") as f:
            f.writelines(f"addr {verb} {a}/24 dev eth0\n" for a in own)
        lab.machine.run(["ip", "-batch", batch])

    change("add")
    try:
        yield own
    finally:
        change("del")


def read_at_once(count, name, timeout, sources):
    """TFTP (RFC 1350) of one small file by `count` clients at the same time; returns how many got all of it."""
    request = b"\0\1" + name.encode() + b"\0octet\0"
    transfers = {}
    for n in range(count):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((sources[n % len(sources)], 0))
        s.setblocking(False)
        transfers[s.fileno()] = {"socket": s, "block": 0, "data": b"", "sent": 0, "peer": None, "done": False}
    poll = select.poll()
    for fd in transfers:
        poll.register(fd, select.POLLIN)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and not all(t["done"] for t in transfers.values()):
        for t in transfers.values():
            if not t["done"] and time.monotonic() - t["sent"] > 1:
                t["sent"] = time.monotonic()
                t["socket"].sendto(b"\0\4" + t["block"].to_bytes(2, "big") if t["peer"] else request,
                    t["peer"] or (SERVER, 69))
        for fd, _ in poll.poll(50):
            t = transfers[fd]
            try:
                packet, peer = t["socket"].recvfrom(2048)
            except OSError:
                continue
            if packet[:2] == b"\0\3" and int.from_bytes(packet[2:4], "big") == t["block"] + 1:
                t.update(peer=peer, block=t["block"] + 1, data=t["data"] + packet[4:], done=len(packet) < 516,
                    sent=time.monotonic())
                t["socket"].sendto(b"\0\4" + packet[2:4], peer)
    for t in transfers.values():
        t["socket"].close()
    return [t["data"] for t in transfers.values() if t["done"]]


def test_500_machines_read_autoexec_ipxe_at_once(lab):
    began = time.monotonic()
    with addresses(lab, 50) as own, lab.machine.inside():
        got = read_at_once(500, "autoexec.ipxe", 30, own)
    check_equal(len(got), 500, "complete transfers")
    check_equal(len(set(got)), 1, "different contents")
    check(got[0].startswith(b"#!ipxe"), f"{got[0][:60]!r}")
    print(f"{time.monotonic() - began:.1f} s")
    tracked = lab.exec("cat", "/proc/sys/net/netfilter/nf_conntrack_count", check_rc=False).stdout.strip()
    check(not tracked or int(tracked) < 300, f"{tracked} connections are tracked: services were not to be")


def test_who_asks_for_files_and_takes_none_keeps_nobody_from_his(lab):
    """Many times as many transfers as dnsmasq has at once, with each of which it would go on for 40 s."""
    with addresses(lab, 1) as (evil,), lab.machine.inside():
        read_at_once(1, "autoexec.ipxe", 5, [evil]) # by now each side knows the other's MAC address
        for n in range(1000):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.bind((evil, 0))
                for _ in range(20):
                    s.sendto(b"\0\1ipxe-x86_64.efi\0octet\0blksize\0008\0", (SERVER, 69))
        for name in "autoexec.ipxe", "undionly.kpxe":
            check(lab.tftp(name), f"{name} is empty")


def test_every_daemon_is_still_the_process_that_it_was(lab):
    lab.same_processes()
