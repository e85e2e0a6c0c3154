"""A thousand agents that wait for orders: what they cost the server, and that each hears its own."""
import os
import select
import socket
import time

import pytest

from kit.check import check, check_equal
from kit.lab import SERVER, Lab
from kit.scope import Scope, needs

scope = Scope("agents")
lab = Lab(scope, "agents", access="any")
MANY, WAIT_S = 1000, 20
CPU_MOST, MEMORY_MOST = 0.05, 100 << 20


def mac(n):
    return f"52:54:00:a9:{n // 256:02x}:{n % 256:02x}"


def call(n):
    s = socket.create_connection((SERVER, 80), timeout=20)
    s.sendall(f"GET /api/device-action-poll?mac={mac(n)}&wait={WAIT_S} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return s


def used(pids):
    """Seconds of a processor."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident(pids):
    return sum(int(line.split()[1]) * 1024 for pid in pids for line in open(f"/proc/{pid}/status") if line.startswith("RssAnon:"))


def answers(calls, seconds):
    """Asks again whoever was answered; how many were."""
    count, until = 0, time.monotonic() + seconds
    by_fd = {s.fileno(): n for n, s in calls.items()}
    poller = select.poll()
    for fd in by_fd:
        poller.register(fd, select.POLLIN)
    while (left := until - time.monotonic()) > 0:
        for fd, _ in poller.poll(left * 1000):
            n = by_fd[fd]
            text = calls[n].recv(4096)
            check(text.startswith(b"HTTP/1.1 204"), f"{mac(n)}: {text[:200]}")
            calls[n].sendall(f"GET /api/device-action-poll?mac={mac(n)}&wait={WAIT_S} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            count += 1
    return count


@pytest.mark.long
def test_many_wait_for_little():
    lab.start()
    scope.client = lab.client("client", cidr="192.168.100.99/24")
    pids = [pid for name in ("boot_handler", "nginx") for pid in lab.pids()[name]]
    before = resident(pids)
    with scope.client.inside():
        scope.calls = {n: call(n) for n in range(MANY)}
        answers(scope.calls, WAIT_S + 10)
        began, cpu = time.monotonic(), used(pids)
        count = answers(scope.calls, 2 * WAIT_S)
        share = (used(pids) - cpu) / (time.monotonic() - began)
    memory = resident(pids)
    print(f"{MANY} agents, {count} answers in {2 * WAIT_S} s: {share:.2%} of a processor, {memory / 2**20:.1f} MiB ({before / 2**20:.1f} MiB without)")
    check(count > MANY, f"only {count} answers")
    check(share <= CPU_MOST, f"{share:.1%} of a processor")
    check(memory <= MEMORY_MOST, f"{memory >> 20} MiB")


@needs(test_many_wait_for_little)
def test_each_hears_its_own_order_and_the_stack_serves_others():
    check_equal(lab.get(f"/ipxe?mac={mac(1)}", from_lab=True).status, 200, "/ipxe meanwhile: status")
    body = {"mac": mac(77), "ip": "192.168.100.99"}
    check_equal(lab.get("/api/register-device", from_lab=True, method="POST", body=body).status, 200, "registering: status")
    began = time.monotonic()
    check_equal(lab.operator(f"/api/v1/machines/{mac(77)}/orders", method="POST", body={"action": "reboot"}).status, 200, "order: status")
    text = scope.calls[77].recv(4096)
    check(b'"action":"reboot"' in text and time.monotonic() - began < 3, f"after {time.monotonic() - began:.1f} s: {text[:300]}")
    for s in scope.calls.values():
        s.close()
