"""bench_agents.py - how soon an agent has its first order, and what a thousand that wait for one cost.

The real agent in a network namespace of its own, the real stack, a virtual cable between them. An order waits for the
machine; the time runs from the agent's POST /api/register-device until its POST /api/action-progress, by which the order
begins, both as they pass the lab's bridge. In between it sends its inventory. The thousand are simulated: connections
that ask as the agent does and ask again when they are answered.
"""
import socket
import statistics
import time

from bench_table import row
from kit import http_client
from kit.agent_bench import RunsAgent
from kit.check import check, eventually
from kit.lab import SERVER, Lab
from kit.many_agents import ManyAgents
from kit.process import cpu_s, resident_bytes

ADDRESS = "192.168.100.20"
ETH_P_ALL = 3
MANY, WAIT_S = 1000, 50  # as the agent waits


class Agent(RunsAgent):
    agent_url = f"http://{SERVER}/"

    def __init__(self, scope, path):
        self.path = path
        self.begin_agent(scope)


class Wire:
    """Sees the frames on the lab's bridge."""

    def __init__(self, lab):
        with lab.inside():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((lab.bridge, ETH_P_ALL))

    def when(self, words, seconds=20):
        """The moment in which a frame with these words came."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            if words in self.socket.recv(65536):
                return time.monotonic()
        check(False, f"no {words} within {seconds} s")


def first_order_s(lab, agent):
    number = lab.api("/api/v1/machines/bench/orders", method="POST", body={"action": "inventory"})["id"]
    wire = Wire(lab)
    agent.start_agent()
    began = wire.when(b"POST /api/register-device")
    took = wire.when(b"POST /api/action-progress") - began
    wire.socket.close()
    eventually(lambda: lab.api(f"/api/v1/machines/bench/orders/{number}")["state"] == "done", 30, "the order is done")
    agent.stop_agent()
    return took


def bench_first_order(scope, runs):
    lab = Lab(scope, "bench-agent", access="own")
    lab.make_image()
    lab.start()
    client = lab.client("agent", cidr=ADDRESS + "/24")
    lab.define("bench", mac=client.mac, ip=ADDRESS, mode="agent")
    lab.wait_vm("bench")
    agent = Agent(scope, client.path)
    took = [first_order_s(lab, agent) for _ in range(runs)]
    row(f"an agent's registration to its first order, median of {runs}", statistics.median(took), "s")
    row(f"an agent's registration to its first order, worst of {runs}", max(took), "s", "at most 1", max(took) <= 1)
    client.close()
    lab.remove()


def bench_many(scope, rounds):
    lab = Lab(scope, "bench-agents", access="any")
    lab.start()
    client = lab.client("agents", cidr=ADDRESS + "/24")
    pids = [pid for name in ("boot_handler", "nginx") for pid in lab.pids()[name]]
    with client.inside():
        many = ManyAgents(MANY, WAIT_S)
    many.wait(WAIT_S + 10)
    began, cpu = time.monotonic(), cpu_s(pids)
    count = many.wait(rounds * WAIT_S)
    share = (cpu_s(pids) - cpu) / (time.monotonic() - began) * 100
    check(count > (rounds - 1) * MANY, f"only {count} answers")
    memory = resident_bytes(pids) / (1 << 20)
    with client.inside():
        check(http_client.request(SERVER, "/", timeout=5).status == 404, "the stack does not answer meanwhile")
    row(f"{MANY:,} agents that poll: boot_handler and nginx, of a processor", share, "%", "at most 5", share <= 5)
    row(f"{MANY:,} agents that poll: boot_handler's and nginx's memory", memory, "MiB", "at most 100", memory <= 100)
    many.end()
    client.close()
    lab.remove()


def bench_agents(scope, runs, rounds):
    bench_first_order(scope, runs)
    bench_many(scope, rounds)
