"""A thousand agents that wait for orders: what they cost the server, and that each hears its own."""
import time

import pytest

from kit.check import check, check_equal
from kit.lab import Lab
from kit.many_agents import ManyAgents, mac
from kit.process import cpu_s, resident_bytes
from kit.scope import Scope, needs

scope = Scope("agents")
lab = Lab(scope, "agents", access="any")
MANY, WAIT_S = 1000, 20
CPU_MOST, MEMORY_MOST = 0.05, 100 << 20


@pytest.mark.long
def test_many_wait_for_little():
    lab.start()
    scope.client = lab.client("client", cidr="192.168.100.99/24")
    pids = [pid for name in ("boot_handler", "nginx") for pid in lab.pids()[name]]
    before = resident_bytes(pids)
    with scope.client.inside():
        scope.many = many = ManyAgents(MANY, WAIT_S)
    many.wait(WAIT_S + 10)
    began, cpu = time.monotonic(), cpu_s(pids)
    count = many.wait(2 * WAIT_S)
    share = (cpu_s(pids) - cpu) / (time.monotonic() - began)
    memory = resident_bytes(pids)
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
    text = scope.many.calls[77].recv(4096)
    check(b'"action":"reboot"' in text and time.monotonic() - began < 3, f"after {time.monotonic() - began:.1f} s: {text[:300]}")
    scope.many.end()
